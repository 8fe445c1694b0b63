package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/timers"
)

// turnFrames is about how many frames one turn delivers: batches are taken
// whole until it is reached, so that a flood cannot starve the timers.
const turnFrames = 256

// defaultQueueFrames bounds the inbox where Config does not.
const defaultQueueFrames = 32768

// ErrKilled is what a run returns that Kill ended; killed is its reason.
var ErrKilled = errors.New("interrupted")

const killed = "killed"

// Engine is one scenario. Its methods may be called from any goroutine.
type Engine struct {
	cfg        Config
	name       string  // the scenario's, as the user calls it
	unit       *unit   // of the live version; the loop's
	opened     options // that the links were opened with
	links      []*link
	store      *Store                           // owned by the loop
	infos      []jsapi.LinkInfo                 // of links; Up is the loop's
	shown      atomic.Pointer[[]jsapi.LinkInfo] // a copy of infos, for versions that are not live yet
	openEvents func() (fileEvents, error)       // where saves are heard of; nil: from the operating system
	lookEvery  time.Duration                    // how often for saves that were not heard of
	inbox      inbox
	guard      watchdog
	staging    atomic.Int32 // top levels of other versions that run

	// Set before the loop starts.
	clock   timers.Clock
	virtual *timers.Virtual // nil in real time
	origin  time.Duration   // when on the clock it started: what the script calls 0
	began   time.Time
	hooks   hooks
	recording

	stopped     atomic.Pointer[string] // why the outside wants it to stop
	killed      atomic.Bool
	toldTimeout bool // Config told CallbackTimeout
	killWake    chan struct{}
	stopWake    chan struct{}

	mu      sync.Mutex // guards state against Summary and Close
	running bool
	closed  bool

	// Owned by the loop.
	vm         *vm        // the live version
	successor  *successor // what takes its place at the end of this turn
	reloads    int
	watcher    *watcher
	past       []jsapi.Handler // of versions that are gone
	marks      []sendMark      // of the last mark; kept for its memory
	batches    []arrival
	posts      []func()
	frames     []jsapi.Frame
	number     uint64 // of the last received frame
	horizon    time.Duration
	state      state
	stopAt     time.Duration // stopping: when onStop has had its time
	onStop     func() bool   // stopping: whether onStop still waits
	reason     string        // why it ended
	err        error
	broken     error        // a capture file that broke off
	shift      int64        // from the machine's date to that of the run
	alone      bool         // no other scenario runs with it
	quiet      bool         // nothing can happen any more
	spun       *ScriptError // why it is interrupted by interruptSpin
	done       bool         // virtual time: finished
	asleep     bool         // in sleepSync, in virtual time, until wakeAt
	stopCuts   bool         // asleep: until Stop, at most
	wakeAt     time.Duration
	wake       chan struct{} // resumes it
	conductor  *conductor
	turns      uint64
	fired      uint64
	errors     uint64
	unanswered []uint64 // by link, when it has ended
	ended      time.Duration
	endedReal  time.Duration
}

// state is where in its life a scenario is.
type state int

const (
	stateRunning state = iota
	stateStopping
	stateEnded
)

// New loads a scenario, compiles it and opens its interfaces. A scenario that
// does not load is a [*LoadError]; a file that is missing wraps
// [fs.ErrNotExist]; an interface that cannot be opened wraps the errors of
// package netio. An engine that is never run must be closed.
func New(cfg Config) (*Engine, error) {
	u, err := load(cfg)
	if err != nil {
		return nil, err
	}
	told := cfg.CallbackTimeout > 0
	if !told {
		cfg.CallbackTimeout = u.options.callbackTimeout
	}
	if cfg.CallbackTimeout <= 0 {
		cfg.CallbackTimeout = DefaultCallbackTimeout
	}
	if boundRegexps(cfg.CallbackTimeout) {
		if u, err = load(cfg); err != nil { // with the new bound
			return nil, err
		}
	}
	if !cfg.Start.IsZero() && (cfg.Start.Before(FirstTime) || cfg.Start.After(LastTime)) {
		return nil, fmt.Errorf("virtual time cannot start at %v: it is from %v to %v", cfg.Start, FirstTime, LastTime)
	}
	if cfg.Number == 0 {
		cfg.Number = 1
	}
	if cfg.Number < 1 || cfg.Number > 254 {
		return nil, fmt.Errorf("scenario number %d is out of range 1..254", cfg.Number)
	}
	if !cfg.SeedSet {
		cfg.Seed, cfg.SeedSet = rand.Uint64()>>11, true // short enough to be a JavaScript number
	}
	if cfg.QueueFrames <= 0 {
		cfg.QueueFrames = defaultQueueFrames
	}
	if cfg.Wires == nil {
		cfg.Wires = netio.NewWires()
	}
	if cfg.StopTimeout <= 0 {
		cfg.StopTimeout = DefaultStopTimeout
	}
	if cfg.Trial == 0 {
		cfg.Trial = DefaultTrial
	}
	if cfg.MemoryLimit == 0 {
		cfg.MemoryLimit = DefaultMemoryLimit
	}
	e := &Engine{cfg: cfg, name: u.name, unit: u, toldTimeout: told, killWake: make(chan struct{}), stopWake: make(chan struct{}), wake: make(chan struct{}), lookEvery: lookEvery}
	e.inbox.init(cfg.QueueFrames)
	e.store = NewStore()
	if cfg.StateDir != "" {
		s, err := OpenStore(cfg.StateDir, cfg.Script)
		if err != nil {
			return nil, &StateError{err}
		}
		e.store = s
	}
	if err := e.openLinks(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// Seed returns the seed of the run.
func (e *Engine) Seed() uint64 { return e.cfg.Seed }

// Stop asks the scenario to end, as a first signal does: onStop gets reason
// and some time.
func (e *Engine) Stop(reason string) {
	if e.stopped.CompareAndSwap(nil, &reason) {
		close(e.stopWake)
		e.inbox.poke()
	}
}

// Kill ends the scenario at once, without onStop: what a second signal does.
func (e *Engine) Kill() {
	if e.killed.CompareAndSwap(false, true) {
		close(e.killWake)
		e.guard.interrupt(interruptKill)
		e.closeLinks() // a full transmit queue must not hold it
		e.inbox.close()
	}
}

// Close releases the interfaces of an engine that was not run. Run does it by
// itself.
func (e *Engine) Close() {
	e.mu.Lock()
	running := e.running
	e.mu.Unlock()
	if !running {
		e.release()
	}
}

// release gives back what New opened.
func (e *Engine) release() {
	e.mu.Lock()
	closed := e.closed
	e.closed = true
	e.mu.Unlock()
	if !closed {
		e.inbox.close()
		e.closeLinks()
		if err := e.store.Close(); err != nil {
			e.fail(fmt.Errorf("state: %w", err))
		}
	}
}

// sync makes what this turn stored survive the end of the machine.
func (e *Engine) sync() {
	if err := e.store.Sync(); err != nil {
		e.fail(fmt.Errorf("state: %w", err))
	}
}

// RunAll runs several scenarios at once and returns when all have ended. Every
// interface captures before any script starts. When one fails the others are
// stopped as by a signal, unless keepGoing. Cancelling ctx stops them all:
// each gets its onStop, bounded in time. Engines in virtual time share one
// clock and are stepped in their order, one at a time, so that a run is the same
// every time. The error is that of the first one that failed, a [*ScriptError] if
// its script was at fault. An engine runs once.
func RunAll(ctx context.Context, engines []*Engine, keepGoing bool) error {
	if len(engines) == 0 {
		return nil
	}
	virtual := engines[0].cfg.Virtual
	for _, e := range engines {
		if e.cfg.Virtual != virtual {
			return errors.New("scenarios in real and in virtual time cannot run together")
		}
		e.mu.Lock()
		again := e.running || e.closed
		e.running = true
		e.mu.Unlock()
		if again {
			return errors.New("an engine runs once")
		}
	}
	defer useRegexps()()
	defer func() {
		for _, e := range engines {
			e.release()
		}
	}()
	// Capture files begin together: what was recorded at one time is played at one
	// time. The date is that of the recording, unless it is told, or is the machine's.
	var (
		base     int64
		recorded bool
		outside  bool
	)
	for _, e := range engines {
		if t, ok := e.firstRecorded(); ok && (!recorded || t < base) {
			base, recorded = t, true
		}
		outside = outside || e.outside()
	}
	at := engines[0].cfg.Start
	if recorded && at.IsZero() && !outside {
		at = time.Unix(0, base).UTC()
	}
	var clock timers.Clock = timers.NewReal()
	if virtual {
		v := timers.NewVirtual(at)
		clock = v
		for _, e := range engines {
			e.virtual = v
			e.cfg.Wires.SetClock(func() int64 { return v.Wall().UnixNano() })
		}
	}
	for _, e := range engines {
		e.clock, e.began = clock, time.Now()
	}
	real, start := clock, clock.Wall().Add(-clock.Now())
	shift := int64(0)
	if !virtual && recorded && !outside {
		shift = at.Sub(start).Nanoseconds()
		start = at
	}
	for i, e := range engines {
		from := base
		if e.cfg.replay != nil {
			from = start.UnixNano() // its frames have the dates of the run
		}
		if err := e.startLinks(from, start.UnixNano()); err != nil {
			return err
		}
		e.startJournal(i, start)
		if !virtual && (e.journal != nil || recorded) {
			e.stepped, e.clock, e.shift, e.exact = real, timers.NewVirtual(start), shift, recorded
		}
		e.feed = e.cfg.replay
	}
	engines[0].alone = len(engines) == 1
	stop := context.AfterFunc(ctx, func() {
		for _, e := range engines {
			e.Stop("interrupted")
		}
	})
	defer stop()

	var first error
	var mu sync.Mutex
	ended := func(e *Engine) { // from the goroutine that ran e
		mu.Lock()
		defer mu.Unlock()
		if e.err == nil {
			return
		}
		if first == nil {
			first = e.err
		}
		if !keepGoing {
			for _, other := range engines {
				if other != e {
					other.Stop("another scenario failed")
				}
			}
		}
	}
	for _, e := range engines {
		e.guard.start(e)
	}
	if virtual {
		c := &conductor{engines: engines, clock: engines[0].virtual, ended: ended, over: make(chan struct{})}
		c.run()
	} else {
		var wait sync.WaitGroup
		r := newRest(engines)
		live := func(e *Engine) {
			if e.stepped != nil {
				e.liveStepped(r)
			} else {
				e.live(r)
			}
			ended(e)
			r.gone(e)
		}
		for _, e := range engines[1:] {
			wait.Go(func() { live(e) })
		}
		live(engines[0])
		wait.Wait()
	}
	for _, e := range engines {
		e.guard.stop()
	}
	return first
}

// live is the loop in real time.
func (e *Engine) live(r *rest) {
	sleep := time.NewTimer(time.Hour)
	defer sleep.Stop()
	e.watch()
	e.begin()
	for e.proceed(); e.state != stateEnded; e.proceed() {
		if at, now, ok := e.next(); !ok || at > now {
			e.guard.idle(true)
			if ok {
				sleep.Reset(at - now)
			} else {
				sleep.Reset(time.Hour) // as good as never
				if e.state == stateRunning && e.vm.holds == 0 {
					r.enter(e)
				}
			}
			select {
			case <-e.inbox.wake:
			case <-sleep.C:
			}
			if !ok {
				r.leave(e)
			}
			e.guard.idle(false)
		}
		e.turn()
	}
	e.finish()
}

// proceed moves the scenario on through its life, between two turns.
func (e *Engine) proceed() {
	if e.state == stateEnded {
		return
	}
	if e.failed() {
		return
	}
	if e.state == stateRunning {
		if e.reason == "" {
			if r := e.stopped.Load(); r != nil && (e.stepped == nil || e.stopSeen) {
				if !e.stopSeen {
					e.journal.text(noteStop, *r)
				}
				e.reason = *r
			} else if e.cfg.For > 0 && e.clock.Now() >= e.cfg.For {
				e.reason = "time is up"
			} else if e.quiet && !e.onTrial() || !e.alive() {
				e.reason = "done"
			} else {
				return
			}
		}
		if e.reason == "done" {
			e.vm.warnPending()
			e.warnAlone()
		}
		e.settleTrial() // from here on there is nothing to go back to
		e.state = stateStopping
		e.stopAt = e.clock.Now() + e.cfg.StopTimeout
		e.onStop = e.vm.stop(e.reason)
		e.flush()
		if e.failed() { // or was killed in its onStop
			return
		}
	}
	switch {
	case !e.onStop():
	case e.quiet, e.clock.Now() >= e.stopAt:
		e.notice("onStop did not finish within " + e.cfg.StopTimeout.String())
	default:
		return
	}
	e.state = stateEnded
}

// warnAlone says why a scenario that waits for packets ended at once.
func (e *Engine) warnAlone() {
	if !e.alone || !e.cfg.EndAtRest || e.number > 0 || !e.vm.api.Alive() {
		return
	}
	for _, l := range e.links {
		if l.info.Kind != netio.KindWire {
			return
		}
	}
	e.notice("nobody else is on the wire, so no packet can arrive: run it beside another scenario, or on an interface: -i eth0")
}

// failed reports whether the run has come to an end by an error or by Kill.
func (e *Engine) failed() bool {
	if e.killed.Load() && e.err == nil {
		e.err, e.reason = ErrKilled, killed
	}
	if e.err == nil {
		return false
	}
	if e.reason == "" {
		e.reason = "error"
	}
	e.state = stateEnded
	return true
}

// alive reports whether something is left that could run.
func (e *Engine) alive() bool {
	return e.vm.timers.Len() > 0 || e.vm.holds > 0 || e.ready() || e.vm.api.Alive() && e.canDeliver() || e.onTrial()
}

// canDeliver reports whether a frame could still arrive.
func (e *Engine) canDeliver() bool {
	for _, l := range e.links {
		if !l.ended {
			return true
		}
	}
	return false
}

// ready reports whether a turn would find something to do at any time.
func (e *Engine) ready() bool {
	return len(e.vm.immediates) > 0 || len(e.vm.later) > 0 || e.inbox.waiting()
}

// next returns when the next turn is due, and the time now. ok is false when
// only the outside can tell.
func (e *Engine) next() (at, now time.Duration, ok bool) {
	now = e.clock.Now()
	if e.ready() {
		return now, now, true
	}
	at, ok = e.deadline()
	if t, more := e.feed.next(); more && (!ok || t < at) {
		at, ok = t, true
	}
	return at, now, ok
}

// over reports whether no more of the script is to run in this turn.
func (e *Engine) over() bool {
	return e.err != nil || e.vm.failure != nil || e.state == stateRunning && e.reason != "" || e.killed.Load()
}

// turn is one turn of the loop: see the package's documentation.
func (e *Engine) turn() {
	defer e.recover()
	e.turns++
	now := e.clock.Now()
	e.passTrial(now)
	if !e.shut {
		e.batches, e.posts = e.inbox.take(e.batches, e.posts)
	}
	if e.shift != 0 {
		for _, a := range e.batches {
			for i := range a.batch.Frames {
				a.batch.Frames[i].Time += e.shift
			}
		}
	}
	e.feed.pour(e, now)
	if e.stopNow {
		e.stopNow = false
		e.journal.text(noteStop, *e.stopped.Load())
	}
	// A turn for the outside is noted even where no frame came: turns are counted.
	if len(e.batches) > 0 || e.stepped != nil && !e.shut {
		e.journal.delivered(e.batches)
	}
	e.vm.due, e.vm.later = e.vm.later, e.vm.due

	// Capture files lag behind when the turn comes late; timers that were due
	// after a frame's time must then still run after it.
	horizon := now
	for _, l := range e.links {
		if l.timed != nil && !l.ended {
			horizon = min(horizon, l.due)
		}
	}
	mark := e.vm.timers.Mark()
	for !e.over() {
		f, _, ok := e.vm.timers.PopDue(horizon, mark)
		if !ok {
			break
		}
		e.fired++
		undo := e.mark()
		f()
		if e.judge(undo) {
			break // what was due to the version before is due in the next turn
		}
	}
	if !e.over() {
		e.deliver(now)
	}
	if !e.over() {
		e.runPosts()
	}
	if !e.over() {
		e.runImmediates()
	}
	e.flush()
	if e.successor != nil {
		e.swap()
	}
	e.sync()
}

// deliver gives the script the frames of this turn.
func (e *Engine) deliver(now time.Duration) {
	e.frames = e.frames[:0]
	for _, a := range e.batches {
		l := e.links[a.link]
		recorded := e.cfg.Recorder != nil
		for i := range a.batch.Frames {
			f := &a.batch.Frames[i]
			e.number++
			e.frames = append(e.frames, jsapi.Frame{Link: a.link, Data: f.Data, Time: f.Time, Length: f.Length, Number: e.number})
			if recorded {
				e.journal.received(e.number, e.record(l, f))
			}
		}
	}
	e.handOver(e.frames)
	for i, a := range e.batches {
		a.batch.Release()
		e.batches[i] = arrival{}
	}
	e.batches = e.batches[:0]
	e.deliverTimed(now)
}

// handOver gives frames to the live version. One on trial gets them one by
// one: the frame that it fails at then goes to the version before, as if it
// had not seen it.
func (e *Engine) handOver(frames []jsapi.Frame) {
	for len(frames) > 0 && !e.over() {
		n := len(frames)
		if e.vm.trial != nil {
			n = 1
		}
		undo := e.mark()
		e.vm.api.Deliver(frames[:n])
		if !e.judge(undo) {
			frames = frames[n:]
		}
	}
}

// deliverTimed gives the script the frames of capture files whose time has
// come, by time and then by interface, up to the next timer.
func (e *Engine) deliverTimed(now time.Duration) {
	for n := range turnFrames {
		var l *link
		for _, c := range e.links {
			if c.timed != nil && !c.ended && c.due <= now && (l == nil || c.due < l.due) {
				l = c
			}
		}
		if l == nil || e.over() {
			return
		}
		if at, ok := e.vm.timers.Peek(); ok && at <= l.due && n > 0 {
			return // that one is next, and then this frame
		}
		e.number++
		f := l.frame
		f.Time += l.shift
		e.frames = append(e.frames[:0], jsapi.Frame{Link: l.index, Data: f.Data, Time: f.Time, Length: f.Length, Number: e.number})
		e.journal.received(e.number, e.record(l, &f))
		e.handOver(e.frames)
		e.pull(l)
	}
}

// runPosts runs what the outside posted, and what the loop posted to itself in
// an earlier turn.
func (e *Engine) runPosts() {
	for _, f := range e.posts {
		undo := e.mark()
		f()
		e.judge(undo)
	}
	clear(e.posts)
	e.posts = e.posts[:0]
	v := e.vm
	for _, f := range v.due {
		undo := e.mark()
		f()
		if e.judge(undo) {
			break
		}
	}
	clear(v.due)
	v.due = v.due[:0]
}

// runImmediates runs the immediates that were set before it began.
func (e *Engine) runImmediates() {
	v := e.vm
	if len(v.immediates) == 0 {
		return
	}
	v.immediates, v.current = v.current[:0], v.immediates
	for _, f := range v.current {
		if e.over() {
			break
		}
		undo := e.mark()
		f()
		if e.judge(undo) {
			break
		}
	}
	clear(v.current)
}

// flush sends what this turn has queued.
func (e *Engine) flush() {
	for _, l := range e.links {
		if len(l.out) > 0 {
			e.flushLink(l)
		}
	}
}

// begin runs the script's top level.
func (e *Engine) begin() {
	defer e.recover()
	for _, w := range e.unit.warnings {
		e.notice(w)
	}
	if n := e.unit.options.workers; n > 1 {
		e.notice(fmt.Sprintf("options: workers: %d is not done yet: the scenario runs once", n))
	}
	e.vm = e.newVM(e.unit, nil)
	if e.killed.Load() {
		return
	}
	e.vm.start(&e.guard)
	if e.err == nil {
		e.vm.settle()
	}
	e.flush()
	e.sync()
}

// finish ends the scenario's life on the goroutine that ran it.
func (e *Engine) finish() {
	e.ended, e.endedReal = e.clock.Now(), time.Since(e.began)
	e.watcher.stop()
	e.feed.drop()
	e.settleTrial()
	e.guard.see(nil, nil, 0)
	if e.vm != nil {
		e.unanswered = e.vm.unanswered()
		e.vm.close()
	}
	if e.err == nil {
		e.err = e.broken
	}
	e.sync()
	e.inbox.close()
	for _, a := range e.batches {
		a.batch.Release()
	}
	e.batches = nil
	e.closeLinks()
	e.mu.Lock()
	e.running = false
	e.mu.Unlock()
}

// recover turns a panic of Go code into an error of the run: a scenario's user
// never sees a trace of Go.
func (e *Engine) recover() {
	x := recover()
	if x == nil {
		return
	}
	// An interruption can come while Go calls a bit of the language by itself.
	if i, ok := x.(*goja.InterruptedError); ok && e.vm != nil {
		e.vm.Fail(i, nil)
		return
	}
	e.fail(e.fault(x))
}

// fault is the error of a panic of Go code.
func (e *Engine) fault(x any) *ScriptError {
	return &ScriptError{File: e.name, Kind: KindInternal, Message: fmt.Sprintf("a fault of umpa-run itself: %v", x),
		Hint: "please report it, with the scenario; it was found at " + faultAt(debug.Stack())}
}

// fail ends the run with an error; the first one counts.
func (e *Engine) fail(err error) {
	e.errors++
	if e.err == nil {
		e.err = err
	}
}

// notice logs the engine's own words.
func (e *Engine) notice(text string) { e.log("notice", text) }

func (e *Engine) log(level, text string) {
	if e.cfg.Log == nil {
		return
	}
	at := time.Now()
	if e.clock != nil {
		at = e.clock.Wall()
	}
	e.cfg.Log(Entry{Level: level, Text: text, Script: e.name, Time: at})
}

// Summary tells what the scenario did so far.
func (e *Engine) Summary() Summary {
	e.mu.Lock()
	running := e.running
	e.mu.Unlock()
	if !running {
		return e.summary()
	}
	result := make(chan Summary, 1)
	if !e.inbox.post(func() { result <- e.summary() }) {
		return e.summary()
	}
	select {
	case s := <-result:
		return s
	case <-e.inbox.closed:
		return e.summary()
	}
}

func (e *Engine) summary() Summary {
	s := Summary{Script: e.name, Duration: e.ended, Real: e.endedReal, Errors: e.errors, Seed: e.cfg.Seed,
		Reloads: uint64(e.reloads), Turns: e.turns, Timers: e.fired, Reason: e.reason}
	if e.clock != nil && e.state != stateEnded {
		s.Duration, s.Real = e.clock.Now(), time.Since(e.began)
	}
	unanswered := e.unanswered
	if e.vm != nil && !e.vm.closed {
		unanswered = e.vm.unanswered()
	}
	for _, l := range e.links {
		i := InterfaceSummary{Name: l.name, Kind: l.info.Kind, Stats: l.Stats()}
		if l.timed != nil && !l.ended && i.Stats.Received > 0 {
			i.Stats.Received-- // the next one, which was read ahead
		}
		if l.index < len(unanswered) {
			i.Unanswered = unanswered[l.index]
		}
		s.Interfaces = append(s.Interfaces, i)
	}
	past := slices.Clone(e.past)
	if e.vm != nil {
		for _, h := range e.vm.api.Handlers() {
			all := *h
			if i := slices.IndexFunc(past, func(p jsapi.Handler) bool { return p.Name == h.Name }); i >= 0 {
				all.Hits += past[i].Hits
				all.Errors += past[i].Errors
				all.Longest = max(all.Longest, past[i].Longest)
				past = slices.Delete(past, i, i+1)
			}
			s.Handlers = append(s.Handlers, all)
		}
	}
	for _, h := range past {
		h.Name += " (earlier version)"
		s.Handlers = append(s.Handlers, h)
	}
	return s
}
