package arrows

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestModule checks this module as it is.
func TestModule(t *testing.T) {
	packages := list(t)
	if len(packages) < 5 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, v := range Check("lmqgate", packages) {
		t.Error(v)
	}
}

// list asks the go command for the packages of the module.
func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errs.String())
	}
	var packages []Package
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// TestCheck plants imports, one package each, and names the rule that must break. Paths are below the module.
func TestCheck(t *testing.T) {
	tests := []struct {
		kind, from, to string // kind: "", "test" (in the package) or "xtest" (package _test)
		rule           string // part of the rule, "" if the import is fine
	}{
		{"", ".", "infra/cli", ""},
		{"", ".", "adapter/client", "main imports only infra"},
		{"", ".", "meta/topic", "main imports only infra"},

		{"", "infra/gateway", "adapter/client", ""},
		{"", "infra/gateway", "functions/publish", ""},
		{"", "infra/gateway", "meta/redisstore", ""},
		{"", "infra/minimq", "adapter/rocketmq/remoting", ""},
		{"", "infra/gateway", "e2e/parts", "infra imports only"},
		{"", "infra/gateway", ".", "infra imports only"},
		{"xtest", "infra/gateway", "e2e/parts", ""},

		{"", "adapter/client", "meta/session", ""},
		{"", "adapter/client", "adapter/packet", ""},
		{"", "adapter/rocketmq", "adapter/rocketmq/remoting", ""},
		{"", "adapter/rocketmq/app", "adapter/rocketmq", ""},
		{"", "adapter/dispatch", "adapter/rocketmq/remoting", ""},
		{"", "adapter/dispatch", "adapter/rocketmq", "siblings"},
		{"", "adapter/client", "adapter/deliver", "siblings"},
		{"", "adapter/packet", "adapter/client", "siblings"},
		{"", "adapter/packets", "adapter/client", "siblings"},
		{"", "adapter/client", "adapter/packettest", "siblings"},
		{"test", "adapter/client", "adapter/transport", "siblings"},
		{"xtest", "adapter/client", "adapter/transport", "siblings"},
		{"", "adapter/client", "infra/config", "adapter imports only"},
		{"", "adapter/client", "functions/push", "adapter imports only"},
		{"", "adapter/rocketmq", "infra/minimq", "adapter imports only"},
		{"test", "adapter/rocketmq", "infra/minimq", "adapter imports only"},
		{"xtest", "adapter/rocketmq", "infra/minimq", ""},
		{"xtest", "adapter/rocketmq", "adapter/rocketmq", ""},
		{"xtest", "adapter/rocketmq", "infra/minimq/store", "adapter imports only"},
		{"xtest", "adapter/auth", "infra/gateway", "adapter imports only"},

		{"", "functions/publish", "meta/message", ""},
		{"", "functions/publish", "functions/problem", ""},
		{"", "functions/publish", "adapter/packet", "functions imports only meta"},
		{"", "functions/publish", "infra/telemetry", "functions imports only meta"},
		{"xtest", "functions/publish", "infra/minimq", ""},
		{"xtest", "functions/publish", "adapter/packet", "functions imports only meta"},

		{"", "meta/redisstore", "meta/session", ""},
		{"", "meta", "meta/topic", ""},
		{"test", "meta/redisstore", "meta/metatest", ""},
		{"", "meta/session", "infra/config", "meta imports nothing"},
		{"", "meta/session", "adapter/packet", "meta imports nothing"},
		{"", "meta/session", ".", "meta imports nothing"},
		{"xtest", "meta/session", "adapter/packet", "meta imports nothing"},

		{"", "e2e/parts/cmd/with-real", "e2e/parts", ""},
		{"", "e2e", "meta/topic", "from outside"},
		{"test", "e2e", "meta/metatest", ""},
		{"", "e2e", "adapter/client", "from outside"},
		{"", "e2e/bench", "adapter/packet", ""},
		{"", "e2e/bench", "adapter/rocketmq", ""},
		{"", "tools/gen", "meta/topic", "no place"},
	}
	for _, tt := range tests {
		p := Package{ImportPath: path(tt.from)}
		imports := []string{"context", "github.com/other/adapter/client", path(tt.to), "lmqgatex/infra"}
		switch tt.kind {
		case "":
			p.Imports = imports
		case "test":
			p.TestImports = imports
		case "xtest":
			p.XTestImports = imports
		}
		got := Check("lmqgate", []Package{{ImportPath: "other/meta", Imports: []string{"lmqgate/infra"}}, p})
		switch {
		case tt.rule == "" && len(got) > 0:
			t.Errorf("%s: must be allowed", got)
		case tt.rule != "" && (len(got) != 1 || !strings.Contains(got[0].Rule, tt.rule)):
			t.Errorf("%s imports %s (%q): got %v, want %q", tt.from, tt.to, tt.kind, got, tt.rule)
		case tt.rule != "" && (got[0].From != tt.from || got[0].To != tt.to || got[0].Test != (tt.kind != "")):
			t.Errorf("the violation names %+v", got[0])
		}
	}
}

// path is the import path of a folder of the module.
func path(below string) string {
	if below == "." {
		return "lmqgate"
	}
	return "lmqgate/" + below
}

func TestViolationSaysWhere(t *testing.T) {
	v := Violation{From: "meta/a", To: "infra/b", Rule: "meta imports nothing of ours", Test: true}
	if got := v.String(); got != "meta/a imports infra/b (in a test): meta imports nothing of ours" {
		t.Errorf("String %q", got)
	}
}
