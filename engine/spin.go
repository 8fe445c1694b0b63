package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Limits of what happens at one instant of virtual time: rounds of turns, or
// frames that were received, and the real time that they took, which a slow
// machine needs more of. What ends within that time may do as much as it likes. A
// tenth of it is when the user is told.
const (
	spinRounds = 250_000
	spinFrames = 3_000_000
	spinLook   = 64 // rounds between two looks
)

var spinWall = 30 * time.Second

// spin finds that virtual time stands still: scripts that answer each other
// without end on wires without delay, or that set immediates without end.
// Nothing could stop them then, for Config.For is a time on the same clock.
type spin struct {
	at     time.Duration          // the instant
	rounds int                    // that were conducted at it
	frames uint64                 // received before it, by all
	since  time.Time              // of the first look
	hits   map[*Engine]spinSample // at the first look, to tell who is busy
	told   bool
	found  *Engine // is being interrupted, so that its next line is known
}

type spinSample struct {
	turns    uint64
	handlers []uint64
}

// watchSpin counts a round, and fails the busiest engine when there were too
// many. With the others it then starts anew.
func (c *conductor) watchSpin() {
	s, now := &c.spin, c.clock.Now()
	if now != s.at || s.rounds == 0 {
		if s.found != nil && s.found.err == nil { // it came to an end before a line of it ran
			s.found.vm.rt.ClearInterrupt()
		}
		c.spin = spin{at: now, rounds: 1, frames: c.received()}
		return
	}
	s.rounds++
	if s.rounds%spinLook != 0 {
		return
	}
	frames := c.received() - s.frames
	if s.since.IsZero() {
		s.since = time.Now()
		s.sample(c.engines)
	}
	if s.rounds%(16*spinLook) != 0 && frames < spinFrames/64 {
		return
	}
	long := time.Since(s.since)
	if !s.told && long > spinWall/10 {
		s.told = true
		if e := c.busiest(); e != nil {
			e.notice(fmt.Sprintf("virtual time stands still at %v: if it goes on so, the run is stopped after %v", c.clock.Now()-e.origin, spinWall))
		}
	}
	// Few rounds may be slow ones.
	if long < spinWall || s.rounds < spinRounds && frames < spinFrames && long < 2*spinWall {
		return
	}
	if s.found == nil {
		if s.found = c.busiest(); s.found != nil {
			s.found.spun = c.spinError(s.found, frames)
			s.found.vm.rt.Interrupt(interruptSpin)
			return
		}
	} else if s.found.err == nil { // it runs no script
		s.found.vm.rt.ClearInterrupt()
		s.found.fail(s.found.spun)
	}
	c.spin = spin{}
}

// received is how many frames all engines have received.
func (c *conductor) received() (n uint64) {
	for _, e := range c.engines {
		n += e.number
	}
	return n
}

func (s *spin) sample(engines []*Engine) {
	s.hits = map[*Engine]spinSample{}
	for _, e := range engines {
		if e.done || e.vm == nil {
			continue
		}
		x := spinSample{turns: e.turns}
		for _, h := range e.vm.api.Handlers() {
			x.handlers = append(x.handlers, h.Hits)
		}
		s.hits[e] = x
	}
}

// busiest is the engine that had most turns since half way; the last of equals,
// for it answers what those before it began.
func (c *conductor) busiest() (busiest *Engine) {
	var most uint64
	for _, e := range c.engines {
		if e.done || e.asleep || e.vm == nil {
			continue
		}
		if n := e.turns - c.spin.hits[e].turns; n > 0 && n >= most {
			busiest, most = e, n
		}
	}
	return busiest
}

// spinError says when virtual time stood still, and what ran most meanwhile.
func (c *conductor) spinError(e *Engine, frames uint64) *ScriptError {
	type ran struct {
		name string
		hits uint64
	}
	var list []ran
	for _, o := range c.engines {
		before, known := c.spin.hits[o]
		if !known || o.vm == nil {
			continue
		}
		for i, h := range o.vm.api.Handlers() {
			n := h.Hits
			if i < len(before.handlers) {
				n -= min(n, before.handlers[i])
			}
			if n == 0 {
				continue
			}
			name := h.Name
			if len(c.engines) > 1 {
				name = fmt.Sprintf("%s (scenario %d): %s", o.name, o.cfg.Number, name)
			}
			list = append(list, ran{name, n})
		}
	}
	slices.SortStableFunc(list, func(a, b ran) int { return cmp.Compare(b.hits, a.hits) })
	what := "callbacks of timers and promises that call for the next one at once"
	for i, r := range list[:min(3, len(list))] {
		if i == 0 {
			what = r.name
		} else {
			what += ", " + r.name
		}
	}
	hint := "on a wire without delay an answer takes no time: let no two scenarios answer each other's answers, or give the wire a delay (-i wire:NAME,delay=1ms)"
	if frames == 0 {
		hint = "let the time pass in between: await sleep('1ms'), or setInterval"
	}
	return &ScriptError{File: e.name, Kind: KindTimeout,
		Message: fmt.Sprintf("virtual time stands still at %v: %d turns and %d frames at that one instant; what ran most: %s",
			e.clock.Now()-e.origin, c.spin.rounds, frames, what),
		Hint: hint}
}
