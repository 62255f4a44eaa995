package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryCommandIsTried: a command that a script of the store begins to use has to be tried by permissions.lua too.
func TestEveryCommandIsTried(t *testing.T) {
	scripts, err := filepath.Glob("../../meta/redisstore/lua/*.lua")
	if err != nil || len(scripts) < 10 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	command := regexp.MustCompile(`redis\.p?call\('([A-Za-z]+)'`)
	for _, file := range scripts {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range command.FindAllStringSubmatch(string(text), -1) {
			if name := strings.ToUpper(found[1]); !strings.Contains(permissionsSource, "'"+name+"'") {
				t.Errorf("%s uses %s, which permissions.lua does not try", filepath.Base(file), name)
			}
		}
	}
}
