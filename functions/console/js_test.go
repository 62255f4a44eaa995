package console_test

import (
	"path/filepath"
	"testing"

	"lmqgate/e2e/parts"
)

// TestPageInNode runs jstest: the page's MQTT client and what it shows, without a browser.
func TestPageInNode(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("jstest/*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	if out, err := parts.Node(t, ".", append([]string{"--test"}, files...)...).CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
