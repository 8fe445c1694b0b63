package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio/packet"
)

// snippet is a fenced block of a document.
type snippet struct {
	file string
	line int    // of the fence, from 1
	kind string // the first word behind the fence: js, ts, sh
	args string // the rest of it
	text string
}

var fence = regexp.MustCompile("^```([a-z]*) *(.*)$")

func snippets(t *testing.T, file string) []snippet {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []snippet
	var current *snippet
	for n, line := range strings.Split(string(data), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case current != nil && m != nil:
			all = append(all, *current)
			current = nil
		case current != nil:
			current.text += line + "\n"
		case m != nil:
			current = &snippet{file: file, line: n + 1, kind: m[1], args: m[2]}
		}
	}
	if current != nil {
		t.Errorf("%s:%d: this block is not closed", file, current.line)
	}
	return all
}

// TestDocs runs what the documentation shows; docs/testing.md says how blocks
// are marked. Every js and ts block must run, or at least load; every umpa-run line of
// a sh block must succeed; every target that make is told must exist.
func TestDocs(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range append(files, "../../README.md") {
		if strings.HasSuffix(file, "api.md") || strings.HasSuffix(file, "protocols.md") {
			continue // generated: declarations, see TestReference
		}
		for _, s := range snippets(t, file) {
			name := fmt.Sprintf("%s:%d", filepath.Base(file), s.line)
			switch s.kind {
			case "js", "ts":
				ran++
				t.Run(name, func(t *testing.T) { runScenarioSnippet(t, s) })
			case "sh":
				ran++
				t.Run(name, func(t *testing.T) { runShellSnippet(t, s) })
			case "text", "json", "go", "":
				// Shown, not run.
			default:
				t.Errorf("%s: a block marked %q: see docs/testing.md for what there is", name, s.kind)
			}
		}
	}
	if ran == 0 {
		t.Error("no snippet was found in the documentation")
	}
}

// TestReference compares the generated pages of the documentation with what
// the tables say now.
func TestReference(t *testing.T) {
	for file, want := range map[string]string{
		"../../docs/protocols.md": jsapi.ProtocolsMarkdown(packet.Builtin()),
		"../../docs/api.md":       jsapi.APIMarkdown(),
	} {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		} else if string(got) != want {
			t.Errorf("%s is stale: go test ./cmd/umpa-run -run TestReference -update", file)
		}
	}
}

// runScenarioSnippet runs a scenario on the wire in virtual time beside
// responder.js. "js check" only loads it: for those that need a real interface.
func runScenarioSnippet(t *testing.T, s snippet) {
	dir := t.TempDir()
	script := filepath.Join(dir, "snippet."+s.kind)
	if err := os.WriteFile(script, []byte(s.text), 0o666); err != nil {
		t.Fatal(err)
	}
	switch s.args {
	case "":
		runProgram(t, dir, "--virtual", "--for", "1m", "--seed", "1", script, "scenarios/responder.js")
	case "check":
		runProgram(t, dir, "check", script)
	default:
		t.Errorf("%s:%d: %s %s: only check may follow", s.file, s.line, s.kind, s.args)
	}
}

// runShellSnippet runs the lines that begin with umpa-run or make, in a folder
// that has the files the documentation speaks of.
func runShellSnippet(t *testing.T, s snippet) {
	dir := t.TempDir()
	prepared := false
	for line := range strings.Lines(strings.ReplaceAll(s.text, "\\\n", "")) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "   #")
		switch {
		case strings.HasPrefix(line, "make "):
			for _, target := range strings.Fields(line)[1:] {
				makeHas(t, target)
			}
		case strings.HasPrefix(line, "umpa-run "):
			if !prepared {
				prepareFolder(t, dir)
				prepared = true
			}
			shell, err := exec.LookPath("sh")
			if err != nil {
				lacking(t, "UMPA_TOOLS", "there is no shell")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			cmd := exec.CommandContext(ctx, shell, "-c", line)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			cancel()
			if err != nil {
				t.Errorf("%s:%d: %s: %v\n%s", s.file, s.line, line, err, out)
			}
		}
	}
}

// prepareFolder makes the files that the documentation's commands name:
// in.pcapng, a capture of three pings, and mine.js, a scenario.
func prepareFolder(t *testing.T, dir string) {
	t.Helper()
	mine := "on('icmp', (pkt) => console.log(pkt.summary()));\nsend(ip({ dst: '10.0.0.2' }), icmp());\n"
	if err := os.WriteFile(filepath.Join(dir, "mine.js"), []byte(mine), 0o666); err != nil {
		t.Fatal(err)
	}
	runProgram(t, dir, "--virtual", "-w", "in.pcapng", "scenarios/ping.js", "scenarios/responder.js", "--", "-c", "3")
}

func runProgram(t *testing.T, dir string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("umpa-run %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
}

func makeHas(t *testing.T, target string) {
	t.Helper()
	data, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).Match(data) {
		t.Errorf("the Makefile has no target %q", target)
	}
}
