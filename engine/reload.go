package engine

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
)

const (
	// trialCallbacks is how many callbacks of a new version have to end well
	// before there is no way back, and trialMost for how many times Config.Trial
	// they are waited for.
	trialCallbacks = 10
	trialMost      = 5
	// maxTrials bounds the versions that are kept to go back to.
	maxTrials = 3
	// maxStagedLines bounds what is kept of a top level's console.
	maxStagedLines = 10000
)

// errWithdrawn is the end of a reload that a newer save, or the end of the run,
// has overtaken.
var errWithdrawn = errors.New("withdrawn")

// staged is a version before its swap. Its top level runs beside the live
// version, on another goroutine in real time: what it does to the world waits
// here.
type staged struct {
	guard     watchdog
	cancelled chan struct{}
	infos     []jsapi.LinkInfo
	sent      []stagedFrame
	entries   []stagedEntry
	lost      int // entries beyond maxStagedLines
	stop      string
	cut       bool              // its top level was interrupted because nobody wants it any more
	values    map[string][]byte // what storage held when it was prepared, and what it has set since
	stored    map[string][]byte // of the keys that it has set, what they held before; nil: nothing

	// For a run that is recorded, or replayed: to the version's top level time
	// stands still, so that it is the same however long the machine takes for it.
	still bool
	now   time.Duration // on the engine's clock
	wall  time.Time
	heard heard
}

// discard forgets the capture files that the version has made, if they have not
// got their names.
func (v *vm) discard() {
	for _, temporary := range v.files {
		_ = os.Remove(temporary) // what cannot be removed is no more than litter
	}
	v.files = nil
}

// place gives the files that the version has made their names.
func (v *vm) place() {
	if v.e.feed != nil {
		return
	}
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(v.files)) {
		// A temporary file is its owner's alone.
		errs = append(errs, os.Chmod(v.files[path], 0o644), os.Rename(v.files[path], path))
	}
	v.files = nil
	if err := errors.Join(errs...); err != nil {
		v.e.log("error", err.Error())
	}
}

// placeAll is place for all that were live, the oldest first.
func (v *vm) placeAll() {
	if v.trial != nil {
		v.trial.previous.placeAll()
	}
	v.place()
}

func (s *staged) store(key string, value []byte) {
	if s.stored == nil {
		s.stored = map[string][]byte{}
	}
	if _, again := s.stored[key]; !again {
		s.stored[key] = s.values[key]
	}
	if value != nil {
		s.values[key] = value
	} else {
		delete(s.values, key)
	}
}

type stagedFrame struct {
	link  int
	data  []byte
	cause jsapi.Cause
}

type stagedEntry struct{ level, text string }

func (s *staged) send(link int, frame []byte, cause jsapi.Cause) {
	s.sent = append(s.sent, stagedFrame{link, slices.Clone(frame), cause})
}

func (s *staged) log(level, text string) {
	if len(s.entries) == maxStagedLines {
		s.lost++
		return
	}
	s.entries = append(s.entries, stagedEntry{level, text})
}

// say logs what the version wrote while it was staged.
func (s *staged) say(e *Engine) {
	for _, l := range s.entries {
		e.log(l.level, l.text)
	}
	if s.lost > 0 {
		e.notice(fmt.Sprintf("%d more lines of the new version's top level are left out", s.lost))
	}
	s.entries, s.lost = nil, 0
}

// cancel makes a staged top level end, from any goroutine.
func (s *staged) cancel() {
	s.guard.end.Store(true)
	close(s.cancelled)
}

// stage makes a runtime for a new version. It may be called from any goroutine.
func (e *Engine) stage(u *unit) *vm {
	s := &staged{cancelled: make(chan struct{}), infos: *e.shown.Load()}
	return e.newVM(u, s)
}

// prepare gives a staged version what the live one leaves. It is called by the
// loop, before the top level runs.
func (e *Engine) prepare(v *vm) error {
	s := v.staged
	s.infos, s.values = *e.shown.Load(), e.store.snapshot()
	s.still, s.now, s.wall = e.journal != nil || e.feed != nil, e.clock.Now(), e.clock.Wall()
	if err := e.checkFilter(v.unit); err != nil {
		return err
	}
	e.journal.stage(v.unit)
	return e.leave(e.vm, func() error { return e.vm.api.Prepare(v.api, e.reloads+1) })
}

// checkFilter says whether the filter that a version asks for is one.
func (e *Engine) checkFilter(u *unit) error {
	if u.options.filter == "" {
		return nil
	}
	for _, l := range e.links {
		if _, err := netio.CompileFilter(u.options.filter, l.info.LinkType, 0); errors.Is(err, netio.ErrFilter) {
			return u.options.badFilter(err)
		}
	}
	return nil
}

// leave has a live version leave its data. That it could not, for a callback of
// hot.dispose threw or left a rejection, or something cannot be cloned, is an error of
// the reload alone.
func (e *Engine) leave(v *vm, f func() error) error {
	v.leaving, v.leftBad = true, nil
	err := f()
	v.leaving = false
	if err == nil && v.leftBad != nil {
		err = v.leftBad
	}
	if err == nil {
		return nil
	}
	e.vm.rt.ClearInterrupt()
	s := e.vm.scriptError(err, nil)
	if s.Line == 0 { // thrown by the clone, not by the script: its class says nothing
		s.Message = strings.TrimPrefix(s.Message, "TypeError: ")
	}
	s.Message = "what hot.dispose of the running version leaves: " + s.Message
	if s.Hint == "" {
		s.Hint = "this is the version that runs, not what was saved: it cannot be left. Start umpa-run anew"
	} else {
		s.Hint += "; the version that runs cannot be left: start umpa-run anew"
	}
	return s
}

// runStaged runs the synchronous part of a staged version's top level. What it
// returns is why the version is unfit.
func (v *vm) runStaged() (err error) {
	guard := &v.staged.guard
	guard.start(v.e)
	defer guard.stop()
	defer func() {
		if x := recover(); x != nil {
			err = v.e.fault(x)
		}
	}()
	v.start(guard)
	guard.see(nil, nil, 0)
	if v.staged.cut || guard.end.Load() {
		return errWithdrawn
	}
	if v.failure != nil {
		return v.failure
	}
	return nil
}

// successor is a staged version that is ready for the swap.
type successor struct {
	vm        *vm
	since     time.Time
	withdrawn *atomic.Bool
	done      func(error) // is told how it went, by the loop
}

// swap makes the successor the live version, between two turns. Everything of
// the old one waits in its vm, and is forgotten with it; what has arrived and
// was not delivered waits in the inbox, and so goes to the new one.
func (e *Engine) swap() {
	s := e.successor
	e.successor = nil
	next, old := s.vm, e.vm
	if e.state != stateRunning || e.over() || s.withdrawn != nil && s.withdrawn.Load() {
		next.close()
		s.done(errWithdrawn)
		return
	}
	e.journal.swap()
	if err := e.leave(old, func() error { return old.api.Replace(next.api) }); err != nil {
		e.refuse(next, err)
		s.done(err)
		return
	}
	st := next.staged
	next.staged, next.reloaded = nil, true
	e.reloads++
	next.version = e.reloads
	before := e.unit
	e.use(next)
	e.journal.heard(&st.heard)
	if e.cfg.Trial > 0 {
		next.trial = &trial{previous: old, until: e.clock.Now() + e.cfg.Trial, callbacks: next.watch.Count()/2 + trialCallbacks}
		next.forget(maxTrials)
	} else {
		e.retire(old)
		next.place()
	}
	undo := e.mark()
	st.say(e)
	if both, err := st.write(e.store); err != nil {
		e.log("error", err.Error())
	} else if len(both) > 0 {
		e.log("warn", fmt.Sprintf("storage: %q: the running version has set this too while the new one's top level ran; what the new one has set counts. "+
			"What onReload() and handlers set sees what was set before", both))
	}
	for _, w := range next.unit.warnings {
		e.notice(w)
	}
	for _, f := range st.sent {
		next.Send(f.link, f.data, f.cause)
	}
	if st.stop != "" && e.reason == "" {
		e.reason = st.stop
	}
	text := fmt.Sprintf("reload %d: %s", e.reloads, next.unit.differences(before))
	if !s.since.IsZero() {
		text += fmt.Sprintf(", %.1f ms from save to swap", float64(time.Since(s.since).Microseconds())/1000)
	}
	e.notice(text)
	if !reflect.DeepEqual(e.opened.interfaces, next.unit.options.interfaces) || e.opened.filter != next.unit.options.filter {
		e.notice("options.interfaces or options.filter are not those that the interfaces were opened with: that needs a restart; until then they stay as they are")
	}
	next.settle()
	e.judge(undo)
	e.flush()
	s.done(nil)
}

// differences says which files of a unit are not as in the one before.
func (u *unit) differences(o *unit) string {
	var changed, gone []string
	for path, text := range u.texts {
		if was, had := o.texts[path]; !had || was != text {
			changed = append(changed, path)
		}
	}
	for path := range o.texts {
		if _, has := u.texts[path]; !has {
			gone = append(gone, path)
		}
	}
	if len(changed) == 0 && len(gone) > 0 {
		return listed(gone) + " no longer imported"
	}
	return listed(changed) + " changed"
}

// listed names a few files by their last names.
func listed(paths []string) string {
	const most = 3
	slices.Sort(paths)
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	switch n := len(names); {
	case n == 0:
		return "nothing"
	case n > most+1:
		names = append(names[:most], fmt.Sprintf("%d more files", n-most))
	}
	return strings.Join(names, ", ")
}

// use makes v the live version.
func (e *Engine) use(v *vm) {
	e.vm, e.unit = v, v.unit
	e.guard.see(v.rt, &v.watch, v.limit)
}

// refuse says why a new version does not become the live one.
func (e *Engine) refuse(v *vm, err error) {
	if v != nil {
		defer v.close()
		e.journal.heard(&v.staged.heard)
	}
	if errors.Is(err, errWithdrawn) {
		return
	}
	if v != nil {
		v.staged.say(e)
	}
	text := err.Error()
	var p interface{ Pretty() string }
	if errors.As(err, &p) {
		text = p.Pretty()
	}
	e.log("error", text)
	e.notice("not reloaded: the running version goes on")
}

// mostPast bounds the handlers of versions that are gone which the summary names.
const mostPast = 200

// retire ends a version that will not come back. What its handlers did counts on.
func (e *Engine) retire(v *vm) {
	for _, h := range v.api.Handlers() {
		i := slices.IndexFunc(e.past, func(p jsapi.Handler) bool { return p.Name == h.Name })
		switch {
		case i >= 0:
			e.past[i].Hits += h.Hits
			e.past[i].Errors += h.Errors
			e.past[i].Longest = max(e.past[i].Longest, h.Longest)
		case len(e.past) < mostPast:
			e.past = append(e.past, *h)
		}
	}
	v.trial = nil
	v.close()
}

// trial is the time in which a new version may be rolled back. The version
// before is kept as it was at the swap: frozen, for nobody runs its timers.
type trial struct {
	previous  *vm
	until     time.Duration
	callbacks uint64
	over      bool // until has passed: what is left is to see some callbacks
}

// forget keeps at most n versions to go back to.
func (v *vm) forget(n int) {
	for ; v.trial != nil; v = v.trial.previous {
		if n--; n < 0 {
			previous := v.trial.previous
			previous.placeAll() // they were live
			v.trial = nil
			for p := previous; p != nil; {
				before := p.trial
				p.e.retire(p)
				if p = nil; before != nil {
					p = before.previous
				}
			}
			return
		}
	}
}

// passTrial ends the trial of a version that did well.
func (e *Engine) passTrial(now time.Duration) {
	t := e.vm.trial
	if t == nil || now < t.until {
		return
	}
	t.over = true
	if e.vm.watch.Count()/2 >= t.callbacks || now >= t.until+(trialMost-1)*e.cfg.Trial {
		e.settleTrial()
	}
}

// onTrial reports whether the live version is in its first time. One that has
// nothing to do does not end the run then: it may be half of what was saved.
func (e *Engine) onTrial() bool { return e.vm.trial != nil && !e.vm.trial.over }

// settleTrial gives up the way back.
func (e *Engine) settleTrial() {
	if e.vm == nil || e.vm.trial == nil {
		return
	}
	e.vm.forget(0)
	e.vm.place()
	e.store.settle()
}

// undo is what a callback of a version on trial has to be undone of: what it
// sent, or has waiting for a neighbour, what it stored, and that it wanted to
// stop.
type undo struct {
	sends  []sendMark
	waited uint64
	reason string
}

type sendMark struct{ frames, bytes, left int }

// mark notes where things are before a callback of a version on trial. The note
// is good until the next one.
func (e *Engine) mark() (u undo) {
	if e.vm.trial == nil {
		return u
	}
	u.reason, u.waited = e.reason, e.vm.api.Waited()
	e.store.mark()
	e.marks = e.marks[:0]
	for _, l := range e.links {
		e.marks = append(e.marks, sendMark{len(l.out), len(l.arena), l.left})
	}
	u.sends = e.marks
	return u
}

// judge looks at the live version after a callback. One that failed on trial is
// rolled back: what the callback sent does not leave, and the version before
// goes on where it was frozen. It reports whether that happened.
func (e *Engine) judge(u undo) (back bool) {
	v := e.vm
	if v.failure == nil || v.trial == nil {
		return false
	}
	for i, l := range e.links {
		m := u.sends[i]
		if l.left != m.left { // what a full queue or a sleep has made leave is gone; the rest is newer
			m = sendMark{}
		}
		clear(l.out[m.frames:])
		l.out, l.arena = l.out[:m.frames], l.arena[:m.bytes]
		e.journal.undone(l, m.frames)
	}
	if err := e.store.undo(); err != nil {
		e.log("error", err.Error())
	}
	e.reason = u.reason
	old := v.trial.previous
	v.trial = nil
	e.use(old)
	old.api.Resume(v.api, u.waited)
	e.retire(v)
	e.errors++
	e.log("error", v.failure.Pretty())
	e.notice("rolled back: the new version failed in its first callbacks, the one before goes on")
	return true
}

// stageNow stages a version and runs its top level, which holds up the loop. One
// that is unfit is refused.
func (e *Engine) stageNow(u *unit) (*vm, error) {
	v := e.stage(u)
	err := e.prepare(v)
	if err == nil {
		err = v.runStaged()
	}
	if err != nil {
		e.refuse(v, err)
		return nil, err
	}
	return v, nil
}

// reload loads the scenario again, from the file script if that is not empty,
// and makes it the successor of the live version at the end of this turn. It is
// called by the loop, which it holds up; done is told how it went.
func (e *Engine) reload(script string, done func(error)) {
	cfg := e.cfg
	if script != "" {
		cfg.Script, cfg.Source = script, nil
	}
	u, err := load(cfg)
	if err != nil {
		done(err)
		return
	}
	v, err := e.stageNow(u)
	if err != nil {
		done(err)
		return
	}
	if e.successor != nil {
		e.successor.vm.close()
		e.successor.done(errWithdrawn)
	}
	e.successor = &successor{vm: v, done: done}
}
