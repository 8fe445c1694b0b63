package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script: read the diff before committing it")

// raceOptions keeps a program built with the race detector from resting for a
// second before it exits, which would be measured as its own.
const raceOptions = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", raceOptions) // for the programs that tests start
	testscript.Main(m, map[string]func(){"umpa-run": main})
}

// TestScript runs testdata/script: each file is a conversation with the
// command line. The first word of its name is what it tests.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			env.Setenv("GORACE", raceOptions)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "waitfile": waitFile, "waitsaid": waitSaid},
	})
}

// exits runs a command that must end with that exit code:
//
//	exits 3 umpa-run check broken.js
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// waitFile waits until a file exists: a background program is that far.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfile FILE")
	}
	for range 2000 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}

// program is the path of umpa-run for tests that run it without a script.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("umpa-run")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// required says whether tests that lack something, by the name of the variable
// that CI sets, must fail rather than be skipped.
func required(variable string) bool { return os.Getenv(variable) == "require" }

// lacking skips the test, or fails it where CI requires it to run.
func lacking(t *testing.T, variable, reason string) {
	t.Helper()
	if required(variable) {
		t.Fatalf("%s=require, but %s", variable, reason)
	}
	t.Skipf("skipped: %s (%s=require makes this a failure)", reason, variable)
}
