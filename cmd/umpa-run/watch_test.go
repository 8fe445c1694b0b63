package main

import (
	"os"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitSaid waits until a file that a background program writes matches:
//
//	waitsaid err.txt 'not reloaded'
func waitSaid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitsaid FILE PATTERN")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	var text []byte
	for range 2000 {
		if text, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && pattern.Match(text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s does not match %q:\n%s", args[0], args[1], text)
}
