package engine

import (
	"math"
	"slices"
	"time"

	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/timers"
)

// conductor steps engines in virtual time, in their order, one turn at a time.
// When none of them has anything to do now, the clock jumps to the next deadline
// of any; when there is none, nothing can happen any more, and all end.
//
// An engine that blocks in sleepSync does so in the middle of its turn, with
// the conductor's own loop below it on the stack. It then starts another
// goroutine that conducts the others, and waits for that one to hand over when
// the clock has come to its wake-up; who has handed over is done. So at any time
// one goroutine runs, and no switch is paid for by those who do not sleep.
//
// An engine may be added in the middle of a run, by who is being stepped.
type conductor struct {
	engines []*Engine
	clock   *timers.Virtual
	ended   func(*Engine)
	over    chan struct{} // closed when all have ended
	begun   int
	wires   []*netio.Wires // of all
	spin    spin
	last    time.Duration // of the clock; 0: not worked out yet
}

// run conducts until all engines have ended.
func (c *conductor) run() {
	for _, e := range c.engines {
		c.take(e)
	}
	c.conduct()
	<-c.over
}

// add has an engine step with the others, behind them.
func (c *conductor) add(e *Engine) {
	c.take(e)
	c.engines = append(c.engines, e)
}

func (c *conductor) take(e *Engine) {
	e.conductor = c
	if !slices.Contains(c.wires, e.cfg.Wires) {
		c.wires = append(c.wires, e.cfg.Wires)
	}
}

// land has the frames arrive whose time has come on impaired wires.
func (c *conductor) land() {
	for _, w := range c.wires {
		w.Arrive(c.clock.Wall().UnixNano())
	}
}

// begin begins those who have not; it reports whether there were any.
func (c *conductor) begin() (some bool) {
	for c.begun < len(c.engines) {
		e := c.engines[c.begun]
		c.begun++
		e.guard.idle(false)
		e.begin()
		if e.hooks.begun != nil {
			e.hooks.begun()
		}
		e.proceed()
		c.settle(e)
		some = true
	}
	return some
}

// conduct runs turns until all have ended, or until it has handed over.
func (c *conductor) conduct() {
	for {
		busy, left := c.begin(), false
		c.watchSpin()
		c.land()
		for _, e := range c.engines {
			if e.done {
				continue
			}
			left = true
			if e.asleep {
				if e.wakeAt <= c.clock.Now() || e.killed.Load() || e.stopCuts && e.stopped.Load() != nil {
					e.asleep = false
					e.wake <- struct{}{}
					return
				}
				continue
			}
			if e.feed.tick(e) {
				e.proceed()
			} else if at, now, ok := e.next(); ok && at <= now {
				e.turn()
				busy = true
			}
			e.proceed()
			if c.settle(e) {
				busy = true // its end may have been something to others
			}
		}
		if c.begun < len(c.engines) {
			continue
		}
		if !left {
			close(c.over)
			return
		}
		if !busy {
			c.jump()
		}
	}
}

// settle finishes an engine that has ended.
func (c *conductor) settle(e *Engine) bool {
	if e.state != stateEnded || e.done {
		return false
	}
	e.done = true
	e.journal.text(noteOver, e.reason)
	e.finish()
	c.ended(e)
	return true
}

// jump advances the clock to the next deadline. Without one, everybody has come
// to rest for good.
func (c *conductor) jump() {
	var next time.Duration
	some := false
	for _, e := range c.engines {
		if e.done {
			continue
		}
		at, ok := e.wakeAt, e.asleep
		if !ok {
			at, _, ok = e.next()
		}
		if ok && (!some || at < next) {
			next, some = at, true
		}
	}
	for _, w := range c.wires {
		if at, ok := w.NextArrival(); ok {
			if in := c.clock.Now() + time.Duration(at-c.clock.Wall().UnixNano()); !some || in < next {
				next, some = in, true
			}
		}
	}
	if some {
		if c.last == 0 { // where the date has no more nanoseconds since 1970
			c.last = c.clock.Now() + time.Duration(math.MaxInt64-c.clock.Wall().UnixNano())
		}
		if next > c.last {
			for _, e := range c.engines {
				if !e.done {
					e.fail(&ScriptError{File: e.name, Kind: KindTimeout, Message: "virtual time ends in April 2262: the next event is later",
						Hint: "a run that starts earlier (--start) has more time, and --for ends it before"})
				}
			}
			return
		}
		c.clock.AdvanceTo(next)
		return
	}
	for _, e := range c.engines {
		if !e.done && !e.quiet {
			e.journal.text(noteRest, "")
		}
		e.quiet = true
	}
}

// sleep blocks e for d of virtual time while the others go on. A request to end
// that comes meanwhile ends it; one that was there before does not, or a script
// that sleeps until a time would find the clock standing still.
func (c *conductor) sleep(e *Engine, d time.Duration) {
	e.stopCuts = e.stopped.Load() == nil
	e.wakeAt = c.clock.Now() + d
	if len(c.engines) == 1 {
		c.clock.AdvanceTo(e.wakeAt)
		return
	}
	e.asleep = true
	go c.conduct()
	<-e.wake
}
