package engine

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/timers"
)

// maxCalls is how deep calls may nest. goja's own default has no bound, and
// native recursion (a getter that calls itself) costs its square.
const maxCalls = 1000

// vm is one runtime with the script that runs in it, the host of its API, and
// all that waits for it: another version's vm takes its place as a whole, and
// gives it back as a whole.
type vm struct {
	e     *Engine
	unit  *unit
	rt    *goja.Runtime
	api   *jsapi.API
	watch jsapi.Watch
	limit time.Duration // of a callback

	stats []goja.Callable // of each link, as the API counts

	timers     timers.Queue[func()]
	immediates []func()
	current    []func() // the immediates of this turn; kept for its memory
	later, due []func() // posts of the loop to itself: for the next turn, of this one
	holds      int

	getters   *goja.Object    // of functions by the names of handlers
	namespace *goja.Object    // what the script exports
	named     map[string]bool // handlers that were found
	top       *goja.Promise   // of the top level; nil when it is done
	inTop     bool            // its synchronous part runs
	reloaded  bool            // it follows another version
	closed    bool
	open      map[io.Closer]bool // capture files that the script has not closed

	version int               // how many reloads came before
	leaving bool              // hot.dispose runs: what fails is the reload
	leftBad *ScriptError      // what has failed there
	staged  *staged           // until the swap; nil when live
	files   map[string]string // capture files that were made, and the names they have until there is no way back
	trial   *trial            // while it may be rolled back; nil: it may not
	failure *ScriptError      // what makes it unfit to go on, staged or on trial
}

// newVM makes a runtime for a version; a staged one says as what.
func (e *Engine) newVM(u *unit, s *staged) *vm {
	v := &vm{e: e, unit: u, rt: goja.New(), named: map[string]bool{}, open: map[io.Closer]bool{}, staged: s, limit: e.cfg.CallbackTimeout}
	if limit := u.options.callbackTimeout; limit > 0 && !e.toldTimeout {
		v.limit = limit
	}
	rt := v.rt
	rt.SetMaxCallStackSize(maxCalls)
	rt.SetTimeSource(v.Wall)
	// Two streams of one seed: the script's own draws do not shift with ours.
	random := rand.New(rand.NewPCG(v.Seed(), 0x6a73))
	rt.SetRandSource(random.Float64)
	// goja knows for await only after it was lowered, by a symbol of that name.
	if symbol, ok := rt.Get("Symbol").(*goja.Object); ok {
		for _, name := range []string{"asyncIterator", "dispose", "asyncDispose"} {
			_ = symbol.DefineDataProperty(name, goja.NewSymbol("Symbol."+name), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
		}
	}
	// Packages that are older than globalThis look for it by these names, and
	// then make code from a string, which there is not.
	for _, name := range []string{"self", "global"} {
		_ = rt.GlobalObject().DefineDataProperty(name, rt.GlobalObject(), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	installGuards(rt)
	v.guardRegexps()
	v.api = jsapi.New(rt, v)
	if list, ok := v.api.Exports().Get("interfaces").(*goja.Object); ok {
		for i := range e.links {
			if o, ok := list.Get(strconv.Itoa(i)).(*goja.Object); ok {
				f, _ := goja.AssertFunction(o.Get("stats"))
				v.stats = append(v.stats, f)
			}
		}
	}
	if e.hooks.made != nil {
		e.hooks.made(v)
	}
	return v
}

// start runs the top level up to its first await.
func (v *vm) start(guard *watchdog) {
	guard.see(v.rt, &v.watch, v.limit)
	guard.topLevel(true, v.limit)
	v.inTop = true
	v.watch.Enter()
	var promise *goja.Promise
	var err error
	v.api.Whole(func() { promise, err = v.runTop() })
	v.watch.Leave()
	guard.topLevel(false, v.limit)
	var interrupted *goja.InterruptedError
	if errors.As(err, &interrupted) && interrupted.Value() == interruptStop {
		v.rt.ClearInterrupt()
		v.inTop = false
		if v.staged != nil {
			v.staged.cut = true
			return
		}
		v.findNamed() // onStop may be there
		return
	}
	if err != nil {
		v.Fail(err, nil)
		v.inTop = false
		return
	}
	v.inTop = false
	v.top = promise
	v.findNamed()
	v.api.Settle()
}

// settle does what is due when the top level has run: it is at its end, or its
// end is waited for.
func (v *vm) settle() {
	if v.settleTop(); v.top != nil {
		v.watchTop()
	}
}

// watchTop has the end of the top level noticed when it comes.
func (v *vm) watchTop() {
	then, ok := goja.AssertFunction(v.rt.ToValue(v.top).(*goja.Object).Get("then"))
	if !ok {
		return
	}
	// Only the good end: a bad one is an unhandled rejection, of this very
	// promise and of the one that then makes, and is told once.
	done := func(goja.FunctionCall) goja.Value {
		v.later = append(v.later, v.settleTop)
		return goja.Undefined()
	}
	failed := func(call goja.FunctionCall) goja.Value { panic(call.Argument(0)) }
	if _, err := then(v.rt.ToValue(v.top), v.rt.ToValue(done), v.rt.ToValue(failed)); err != nil {
		v.Fail(err, nil)
	}
}

// runTop calls the bundle with what it needs of us.
func (v *vm) runTop() (*goja.Promise, error) {
	rt := v.rt
	v.api.Source(v.unit.text, bundleName)
	value, err := rt.RunProgram(v.unit.program)
	if err != nil {
		return nil, err
	}
	call, ok := goja.AssertFunction(value)
	if !ok {
		return nil, fmt.Errorf("the bundle is no function but %v", value)
	}
	bridge := rt.NewObject()
	set := func(name string, value any) { _ = bridge.Set(name, value) }
	exports := v.api.Exports()
	set("get", func(call goja.FunctionCall) goja.Value {
		if x := exports.Get(call.Argument(0).String()); x != nil {
			return x
		}
		return goja.Undefined()
	})
	set("names", func(call goja.FunctionCall) goja.Value {
		v.getters, _ = call.Argument(0).(*goja.Object)
		return goja.Undefined()
	})
	set("scenario", func(call goja.FunctionCall) goja.Value {
		v.namespace, _ = call.Argument(0).(*goja.Object)
		return goja.Undefined()
	})
	if hot := exports.Get("hot"); hot != nil {
		set("hot", hot)
	}
	result, err := call(goja.Undefined(), bridge)
	if err != nil {
		return nil, err
	}
	promise, ok := result.Export().(*goja.Promise)
	if !ok {
		return nil, fmt.Errorf("the bundle returned no promise but %v", result)
	}
	return promise, nil
}

// settleTop does what is due at the end of the top level: the last handlers
// are found, and onStart is called, or onReload.
func (v *vm) settleTop() {
	if v.closed || v.top == nil || v.top.State() == goja.PromiseStatePending {
		return
	}
	state := v.top.State()
	v.top = nil
	if state == goja.PromiseStateFulfilled && v.e.err == nil && v.failure == nil {
		v.findNamed()
		if v.reloaded {
			v.api.Reload(v.api.Previous())
		} else {
			v.api.Start()
			if v.e.hooks.started != nil {
				v.e.hooks.started(v)
			}
		}
	}
}

var handlerName = regexp.MustCompile(`^on[A-Z]`)

// findNamed registers the handlers that have a value by now. A constant that
// is not reached yet throws when asked for; it is found at the end.
func (v *vm) findNamed() {
	find := func(name string, get func() goja.Value) {
		if v.named[name] || !handlerName.MatchString(name) {
			return
		}
		var fn goja.Value
		if ex := v.rt.Try(func() { fn = get() }); ex != nil || fn == nil {
			return
		}
		if _, ok := goja.AssertFunction(fn); !ok {
			return
		}
		v.named[name] = true
		v.api.Named(name, fn)
	}
	if v.getters != nil {
		for _, name := range v.getters.Keys() {
			getter, ok := goja.AssertFunction(v.getters.Get(name))
			if !ok {
				continue
			}
			find(name, func() goja.Value {
				fn, err := getter(nil)
				if err != nil {
					return nil
				}
				return fn
			})
		}
	}
	if v.namespace != nil {
		for _, name := range v.namespace.Keys() {
			find(name, func() goja.Value { return v.namespace.Get(name) })
		}
	}
}

// stop calls onStop.
func (v *vm) stop(reason string) (pending func() bool) { return v.api.Stop(reason) }

// warnPending says that the top level waits for what cannot come.
func (v *vm) warnPending() {
	if v.top != nil && v.top.State() == goja.PromiseStatePending {
		v.e.notice("the top level still waits, but nothing is left that could end its await")
	}
}

// close ends the runtime's part; its timers never fire.
func (v *vm) close() {
	v.closed = true
	v.api.Close()
	for c := range v.open {
		_ = c.Close() // there is no call of the script to report it to
	}
	v.discard()
	if v.trial != nil {
		v.trial.previous.close()
		v.trial = nil
	}
}

// failureOf is the error for what script code did not catch; nil for an
// interruption that is none. What was thrown may run code of the script's when it
// is looked at, so the watchdog looks on.
func (v *vm) failureOf(err error, who *jsapi.Handler) (failure *ScriptError) {
	failure = &ScriptError{File: v.unit.name, Kind: KindException, Message: "uncaught object, whose own description fails"}
	if ex, ok := err.(*goja.Exception); ok { // errors.As would ask what was thrown
		failure.place(v.unit.sources, ex.Stack())
	}
	if v.watch.Count()&1 == 0 {
		v.watch.Enter()
		defer v.watch.Leave()
	}
	defer func() {
		if x := recover(); x != nil { // it was interrupted
			v.rt.ClearInterrupt()
		}
	}()
	_ = v.rt.Try(func() {
		if i, ok := errors.AsType[*goja.InterruptedError](err); ok && i.Value() == interruptStop {
			failure = nil
			return
		}
		failure = v.scriptError(err, who)
	})
	return failure
}

// Fail reports what script code did not catch; see jsapi.Host.
func (v *vm) Fail(err error, who *jsapi.Handler) (quarantine bool) {
	e := v.e
	v.rt.ClearInterrupt()
	failure := v.failureOf(err, who)
	if failure == nil {
		return false // it was told to end, and did not
	}
	if e.killed.Load() {
		return false // it was interrupted on purpose
	}
	if v.leaving {
		if v.leftBad == nil {
			v.leftBad = failure
		}
		return false
	}
	if v.staged != nil || v.trial != nil {
		if v.failure == nil {
			v.failure = failure
		}
		return false
	}
	if v.unit.options.quarantine && who != nil && e.state == stateRunning && failure.Kind != KindMemory && failure.Kind != KindInternal {
		e.errors++
		e.log("error", failure.Pretty()+"\n"+who.Name+" is called no more (options.onError)")
		return true
	}
	e.fail(failure)
	return false
}

// Now, Wall and the methods below make vm a jsapi.Host.
func (v *vm) Now() time.Duration {
	if s := v.staged; s != nil && s.still {
		return s.now - v.e.origin
	}
	return v.e.clock.Now() - v.e.origin
}

func (v *vm) Wall() time.Time {
	if s := v.staged; s != nil && s.still {
		return s.wall
	}
	return v.e.clock.Wall()
}

func (v *vm) Watch() *jsapi.Watch { return &v.watch }

func (v *vm) Args() []string { return v.e.cfg.Args }

func (v *vm) Env() map[string]string { return v.e.cfg.Env }

// Seed is that of the run, but another one for each scenario of it: two copies of
// one must not draw the same.
func (v *vm) Seed() uint64 {
	c := &v.e.cfg
	if c.ownSeed {
		return c.Seed
	}
	return c.Seed + uint64(c.Number-1)*0x9e3779b97f4a7c15
}

func (v *vm) Log(level, text string) {
	if v.staged != nil {
		v.staged.log(level, text)
		return
	}
	v.e.log(level, text)
}

// unanswered is how many packets each link dropped because the neighbour they
// were for did not answer, or because too many waited: what the API counts as
// dropped beyond what the link does.
func (v *vm) unanswered() []uint64 {
	list := make([]uint64, len(v.e.links))
	for i, stats := range v.stats {
		if stats == nil {
			continue
		}
		r, err := stats(nil)
		if err != nil {
			continue // it was interrupted: the run is being killed
		}
		if o, ok := r.(*goja.Object); ok {
			if all, own := o.Get("dropped").ToInteger(), int64(v.LinkStats(i).Dropped); all > own {
				list[i] = uint64(all - own)
			}
		}
	}
	return list
}
