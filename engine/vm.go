package engine

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"regexp"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/jsapi"
)

// maxCalls is how deep calls may nest. goja's own default has no bound, and
// native recursion (a getter that calls itself) costs its square.
const maxCalls = 1000

// vm is one runtime with the script that runs in it, and the host of its API.
type vm struct {
	e     *Engine
	unit  *unit
	rt    *goja.Runtime
	api   *jsapi.API
	watch jsapi.Watch

	holds     int
	getters   *goja.Object    // of functions by the names of handlers
	namespace *goja.Object    // what the script exports
	named     map[string]bool // handlers that were found
	top       *goja.Promise   // of the top level; nil when it is done
	closed    bool
}

func (e *Engine) newVM(u *unit) *vm {
	v := &vm{e: e, unit: u, rt: goja.New(), named: map[string]bool{}}
	rt := v.rt
	rt.SetMaxCallStackSize(maxCalls)
	rt.SetTimeSource(v.Wall)
	// Two streams of one seed: the script's own draws do not shift with ours.
	random := rand.New(rand.NewPCG(e.cfg.Seed, 0x6a73))
	rt.SetRandSource(random.Float64)
	// goja knows for await only after it was lowered, by a symbol of that name.
	if symbol, ok := rt.Get("Symbol").(*goja.Object); ok {
		for _, name := range []string{"asyncIterator", "dispose", "asyncDispose"} {
			_ = symbol.DefineDataProperty(name, goja.NewSymbol("Symbol."+name), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
		}
	}
	installGuards(rt)
	v.api = jsapi.New(rt, v)
	if e.hooks.made != nil {
		e.hooks.made(v)
	}
	e.guard.see(rt, &v.watch)
	return v
}

// start runs the top level up to its first await.
func (v *vm) start() {
	v.watch.Enter()
	promise, err := v.runTop()
	v.watch.Leave()
	if err != nil {
		v.Fail(err, nil)
		return
	}
	v.top = promise
	v.findNamed()
	v.api.Settle()
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
		v.e.later = append(v.e.later, v.settleTop)
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
	name := v.unit.name
	if v.unit.embedded == nil {
		name = filepath.Join(v.unit.dir, filepath.Base(name))
	}
	set("dirname", v.unit.dir)
	set("filename", name)
	set("url", (&url.URL{Scheme: "file", Path: filepath.ToSlash(name)}).String())
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
// are found, and onStart is called.
func (v *vm) settleTop() {
	if v.closed || v.top == nil || v.top.State() == goja.PromiseStatePending {
		return
	}
	state := v.top.State()
	v.top = nil
	if state == goja.PromiseStateFulfilled && v.e.err == nil {
		v.findNamed()
		v.api.Start()
		if v.e.hooks.started != nil {
			v.e.hooks.started(v)
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
	v.e.guard.see(nil, nil)
	v.api.Close()
}

// Fail reports what script code did not catch; see jsapi.Host.
func (v *vm) Fail(err error, who *jsapi.Handler) (quarantine bool) {
	e := v.e
	v.rt.ClearInterrupt()
	failure := e.scriptError(err, who)
	if e.killed.Load() {
		return false // it was interrupted on purpose
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
func (v *vm) Now() time.Duration { return v.e.clock.Now() - v.e.origin }

func (v *vm) Wall() time.Time { return v.e.clock.Wall() }

func (v *vm) Watch() *jsapi.Watch { return &v.watch }

func (v *vm) Args() []string { return v.e.cfg.Args }

func (v *vm) Env() map[string]string { return v.e.cfg.Env }

func (v *vm) Seed() uint64 { return v.e.cfg.Seed }

func (v *vm) Log(level, text string) { v.e.log(level, text) }
