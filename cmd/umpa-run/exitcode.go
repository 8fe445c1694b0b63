package main

import (
	"errors"
	"io/fs"

	"github.com/umpa-run/umpa-run/engine"
	"github.com/umpa-run/umpa-run/netio"
)

// Exit codes. They are part of the command line's contract.
const (
	exitDone        = 0   // every scenario ended as it should
	exitFailed      = 1   // a scenario failed: uncaught exception, unhandled rejection, timeout; or a capture file is damaged
	exitUsage       = 2   // the command line is wrong
	exitScript      = 3   // a scenario does not load: syntax, import, options
	exitEnvironment = 4   // no such interface or file, no privilege
	exitInterrupted = 130 // a second SIGINT or SIGTERM, 128 + 2 as shells count
)

// exitError is an error with the exit code it ends the program with.
type exitError struct {
	code int
	err  error // nil: nothing more to say
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit gives an error of the engine its exit code; nil stays nil.
func exit(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitCode(err), err: err}
}

func exitCode(err error) int {
	if _, ok := errors.AsType[*engine.LoadError](err); ok {
		return exitScript
	}
	// Before the causes below: what script code did not catch is a failed
	// scenario, though the cause be a missing file.
	if s, ok := errors.AsType[*engine.ScriptError](err); ok {
		switch s.Kind {
		case engine.KindSyntax, engine.KindImport, engine.KindOptions:
			return exitScript
		}
		return exitFailed
	}
	if _, ok := errors.AsType[*engine.StateError](err); ok {
		return exitEnvironment
	}
	switch {
	case errors.Is(err, engine.ErrVirtual), errors.Is(err, netio.ErrFilter), errors.Is(err, netio.ErrOption):
		return exitUsage
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, netio.ErrNoInterface),
		errors.Is(err, netio.ErrPermission), errors.Is(err, netio.ErrNotBuilt):
		return exitEnvironment
	}
	return exitFailed
}
