package engine

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2/v2"
	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/jsapi"
)

// What the watchdog looks at, and how often.
const (
	watchEvery  = 5 * time.Millisecond
	stuckAfter  = time.Second            // past an interruption that is not heeded
	memoryEvery = 50 * time.Millisecond  // between two looks at the heap
	collectWait = 500 * time.Millisecond // between two collections that are to tell garbage from use
)

// interruption is why the watchdog stopped a script: the value of goja's
// InterruptedError.
type interruption string

const (
	interruptTime   interruption = "time"
	interruptMemory interruption = "memory"
	interruptKill   interruption = "kill"
	interruptStop   interruption = "stop" // of a top level that does not end
	interruptSpin   interruption = "spin" // virtual time stands still
)

// watchdog interrupts a callback that runs for too long or eats too much. One
// look every few milliseconds at a counter costs a callback nothing; a timer for
// each would cost as much as the callback. While the loop is idle it sleeps.
type watchdog struct {
	parked atomic.Bool   // the watchdog sleeps
	asleep atomic.Bool   // the loop is idle, or in sleepSync
	wake   chan struct{} // one slot
	quit   chan struct{}
	done   chan struct{}

	mu    sync.Mutex // guards vm: Interrupt against its end
	rt    *goja.Runtime
	watch *jsapi.Watch

	engine *Engine
	limit  atomic.Int64 // nanoseconds that a callback may take
	top    atomic.Bool  // what runs is a top level: told to stop, it has the time of a callback
	end    atomic.Bool  // it was requested of this top level alone
}

// start begins to watch. The runtime comes later, by see.
func (w *watchdog) start(e *Engine) {
	w.wake, w.quit, w.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	w.engine = e
	w.limit.Store(int64(e.cfg.CallbackTimeout))
	go w.run()
}

// topLevel is called around the synchronous part of a top level, which may take
// its time: it can build tables, and it may be all that the scenario is. limit
// is that of a callback.
func (w *watchdog) topLevel(yes bool, limit time.Duration) {
	if yes {
		limit = topLimit(limit)
	}
	w.limit.Store(int64(limit))
	w.top.Store(yes)
}

// topLimit is how long a top level may run where a callback may for so long.
func topLimit(callback time.Duration) time.Duration { return max(10*callback, 30*time.Second) }

// report tells of a script that does not heed its interruption.
func (w *watchdog) report(why interruption) {
	e := w.engine
	if e.cfg.Stuck != nil {
		s := &ScriptError{File: e.name}
		s.Kind, s.Message, s.Hint = why.describe(e, "a callback", time.Duration(w.limit.Load()))
		e.cfg.Stuck(s)
	}
}

func (w *watchdog) stop() {
	close(w.quit)
	<-w.done
}

// see is called when the runtime changes; nil when it ends. limit is how long
// a callback of it may run.
func (w *watchdog) see(rt *goja.Runtime, watch *jsapi.Watch, limit time.Duration) {
	w.mu.Lock()
	w.rt, w.watch = rt, watch
	w.mu.Unlock()
	w.limit.Store(int64(limit))
}

// idle is called by the loop around its waits.
func (w *watchdog) idle(yes bool) {
	w.asleep.Store(yes)
	if !yes && w.parked.Load() {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// interrupt stops the script if it is running code.
func (w *watchdog) interrupt(why interruption) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// On an idle runtime it would stay armed and hit the next callback.
	if w.rt != nil && w.watch.Count()&1 == 1 {
		w.rt.Interrupt(why)
	}
}

// count is the watch's count; even when there is nothing to watch.
func (w *watchdog) count() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watch == nil {
		return 0
	}
	return w.watch.Count()
}

func (w *watchdog) run() {
	defer close(w.done)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var (
		last, told    uint64    // counts: at the last look, when it was interrupted
		since         time.Time // when last was first seen
		toldAt        time.Time
		why           interruption
		stopped       time.Time // when Stop was first seen
		idleLooks     int
		memoryAt      time.Time
		collected     time.Time
		reported      bool
		memory        = w.engine.cfg.MemoryLimit
		sample        = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		heap          = func() int64 { metrics.Read(sample); return int64(sample[0].Value.Uint64()) }
		interruptOnce = func(n uint64, now time.Time, reason interruption) {
			if told != n {
				told, toldAt, why, reported = n, now, reason, false
				w.interrupt(reason)
			}
		}
	)
	for {
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
		now := time.Now()
		n := w.count()
		if w.asleep.Load() {
			last = 0
			if idleLooks++; idleLooks > 20 {
				w.parked.Store(true)
				if w.asleep.Load() { // or it woke up meanwhile, and saw us awake
					tick.Stop()
					select {
					case <-w.quit:
						return
					case <-w.wake:
					}
					tick.Reset(watchEvery)
				}
				w.parked.Store(false)
				idleLooks = 0
			}
			continue
		}
		idleLooks = 0
		if stopped.IsZero() && w.engine.stopped.Load() != nil {
			stopped = now
		}
		if n&1 == 0 {
			last = n
			continue
		}
		if n != last {
			last, since = n, now
		} else if now.Sub(since) >= time.Duration(w.limit.Load()) {
			interruptOnce(n, now, interruptTime)
		} else if w.top.Load() && (w.end.Load() || w.engine.stopped.Load() != nil && now.Sub(stopped) >= w.engine.cfg.CallbackTimeout) {
			interruptOnce(n, now, interruptStop)
		}
		if w == &w.engine.guard && w.engine.staging.Load() > 0 {
			collected = now // the heap is that other's, which has a watchdog of its own
			continue
		}
		if memory > 0 && now.Sub(memoryAt) >= min(memoryEvery, time.Duration(w.limit.Load())) {
			memoryAt = now
			if heap() > memory && now.Sub(collected) > collectWait {
				runtime.GC() // garbage is no use of memory
				collected = time.Now()
				if heap() > memory {
					interruptOnce(n, now, interruptMemory)
				}
			}
		}
		if told == n && !reported && now.Sub(toldAt) >= stuckAfter {
			reported = true
			w.report(why)
		}
	}
}

// describe is the error that an interruption becomes.
func (i interruption) describe(e *Engine, who string, limit time.Duration) (Kind, string, string) {
	switch i {
	case interruptMemory:
		return KindMemory, fmt.Sprintf("%s was interrupted: the heap is larger than %d MiB", who, e.cfg.MemoryLimit>>20),
			"something grows without bound: keep no packets that are not needed"
	case interruptSpin:
		return e.spun.Kind, e.spun.Message, e.spun.Hint
	case interruptKill, interruptStop:
		return KindTimeout, who + " was interrupted", ""
	}
	return KindTimeout, fmt.Sprintf("%s ran for more than %v and was interrupted", who, limit),
		"nothing else runs meanwhile: use timers or await, or set options.callbackTimeout"
}

// regexps bounds how long one backtracking match may take, which no
// interruption can: a little longer than a callback, so that the interruption
// is pending when the match gives up and its false answer is never seen. A
// regular expression takes the bound when it is compiled, from a variable of
// the process that nothing guards: so it is only written while no script
// runs and none is being loaded.
var regexps = struct {
	sync.Mutex
	users int // engines that run, and loads
	bound time.Duration
}{bound: DefaultCallbackTimeout * 3 / 2}

func init() { regexp2.DefaultMatchTimeout = regexps.bound }

// useRegexps says that a script may compile regular expressions until release.
func useRegexps() (release func()) {
	regexps.Lock()
	regexps.users++
	regexps.Unlock()
	return func() {
		regexps.Lock()
		regexps.users--
		regexps.Unlock()
	}
}

// boundRegexps raises the bound to what a callback timeout wants. It reports
// whether it did: what was compiled before has the old bound.
func boundRegexps(callback time.Duration) (raised bool) {
	regexps.Lock()
	defer regexps.Unlock()
	bound := callback + callback/2
	if bound <= regexps.bound || regexps.users > 0 {
		return false
	}
	regexps.bound, regexp2.DefaultMatchTimeout = bound, bound
	return true
}
