package main

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/umpa-run/umpa-run/scenarios"
)

// TestBundledScenarios runs the tests of the scenarios that the program brings
// along, and holds that each has some.
func TestBundledScenarios(t *testing.T) {
	files, err := fs.Glob(scenarios.FS, "scenarios/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".test.js") {
			continue
		}
		tests := strings.TrimSuffix(file, ".js") + ".test.js"
		t.Run(file, func(t *testing.T) {
			if _, err := fs.Stat(scenarios.FS, tests); err != nil {
				t.Fatalf("%s has no tests: write %s", file, tests)
			}
			var out, stderr bytes.Buffer
			p := &process{args: []string{"test", tests}, env: func(string) string { return "" }, stdout: &out, stderr: &stderr, signals: make(chan os.Signal)}
			if code := p.main(); code != exitDone {
				t.Errorf("exit code %d:\n%s%s", code, &out, &stderr)
			}
		})
	}
}
