// Umpa-run runs network scenarios: JavaScript or TypeScript files that build
// packets, send them on a timetable, and react to what arrives, on a real
// interface, on a virtual wire without privileges, or against a capture file.
//
// See "umpa-run --help" and docs/scripting.md.
package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

func main() { os.Exit(realMain()) }

// realMain is the program on the real process; its result is the exit code.
func realMain() int {
	// Date has no zone of its own, but the process's: a scenario is to show the
	// same times everywhere.
	time.Local = time.UTC
	if os.Getenv("GOGC") == "" {
		// The live heap of a scenario is small and its garbage short-lived:
		// collecting a quarter as often costs megabytes and gains a third of
		// the packet rate (docs/benchmarks.md).
		debug.SetGCPercent(400)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	p := &process{
		args:           os.Args[1:],
		env:            os.Getenv,
		stdout:         os.Stdout,
		stderr:         os.Stderr,
		stdoutTerminal: terminal(os.Stdout),
		stderrTerminal: terminal(os.Stderr),
		signals:        signals,
	}
	return p.main()
}

// terminal says whether f is one. A character device that is none, /dev/null,
// does not mind being written colours to.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
