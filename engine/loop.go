package engine

import (
	"context"
	"errors"
)

// Engine is one scenario. Its methods may be called from any goroutine.
type Engine struct {
	cfg Config
}

// New loads a scenario, compiles it and opens its interfaces. A scenario that
// does not load is a [*LoadError]; a file that is missing wraps
// [fs.ErrNotExist]; an interface that cannot be opened wraps the errors of
// package netio. An engine that is never run must be closed.
func New(cfg Config) (*Engine, error) {
	return nil, errors.New("the loop is not there yet")
}

// RunAll runs several scenarios at once and returns when all have ended. Every
// interface captures before any script starts. When one fails the others are
// stopped as by a signal, unless keepGoing. Cancelling ctx stops them all:
// each gets its onStop, bounded in time. Engines in virtual time are stepped in
// their order by one goroutine. The error is that of the first one
// that failed, a [*ScriptError] if the script was at fault.
func RunAll(ctx context.Context, engines []*Engine, keepGoing bool) error {
	return errors.New("the loop is not there yet")
}

// Kill ends the scenario at once, without onStop: what a second signal does.
func (e *Engine) Kill() {}

// Close releases the interfaces of an engine that was not run. Run does it by
// itself.
func (e *Engine) Close() {}

// Seed returns the seed of the run.
func (e *Engine) Seed() uint64 { return e.cfg.Seed }

// Summary tells what the scenario did so far.
func (e *Engine) Summary() Summary { return Summary{} }

func load(cfg Config) (any, error) { return nil, errors.New("the loader is not there yet") }
