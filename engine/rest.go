package engine

import (
	"slices"
	"sync"

	"github.com/umpa-run/umpa-run/netio"
)

// rest finds, in real time, that a run has come to rest: every scenario waits
// for packets only, and every interface is a wire that nobody but these
// scenarios is on. Then nothing can happen any more, and all end; a conductor
// finds the same in virtual time.
//
// An engine is marked while it is blocked. One that is not may still send, and
// one whose inbox holds something is about to wake: so when all are marked and
// all inboxes are empty, looked at under one lock, nobody is left to send.
type rest struct {
	mu      sync.Mutex
	engines []*Engine
	blocked map[*Engine]bool
	over    bool
}

func newRest(engines []*Engine) *rest {
	r := &rest{engines: engines, blocked: map[*Engine]bool{}}
	for _, e := range engines {
		e.cfg.Wires.OnStill(r.still)
	}
	for _, e := range engines {
		if !e.cfg.EndAtRest {
			return nil
		}
		for _, l := range e.links {
			if k := l.info.Kind; k != netio.KindWire && k != netio.KindFile {
				return nil
			}
		}
	}
	return r
}

// enter marks e as blocked until something arrives, for good when ended.
func (r *rest) enter(e *Engine) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked[e] = true
	r.look()
}

// still says that no frame is on its way any more: the last one may have been
// for nobody.
func (r *rest) still() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look()
}

// gone says that e has ended.
func (r *rest) gone(e *Engine) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.blocked, e)
	r.engines = slices.DeleteFunc(slices.Clone(r.engines), func(o *Engine) bool { return o == e })
	r.look()
}

// look ends the run when it has come to rest.
func (r *rest) look() {
	if r.over || len(r.blocked) < len(r.engines) {
		return
	}
	for _, o := range r.engines {
		if o.inbox.waiting() {
			return
		}
		if _, ok := o.cfg.Wires.NextArrival(); ok {
			return // still is told when the last has arrived
		}
	}
	r.over = true
	for _, o := range r.engines {
		o.inbox.post(func() {
			o.journal.text(noteRest, "")
			o.quiet = true
		})
	}
}

// leave takes the mark back.
func (r *rest) leave(e *Engine) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.blocked, e)
}
