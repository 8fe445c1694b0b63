package jsapi

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// API is the scripting interface of one runtime. Like the runtime, it belongs
// to one goroutine.
type API struct {
	rt      *goja.Runtime
	host    Host
	reg     *packet.Registry // the built-in one until the script changes it, then its own copy
	exports *goja.Object

	// Constructors and functions as they were before any script ran: a script
	// may replace the globals.
	newError, newTypeError, newRangeError goja.Value
	freezeObject                          goja.Callable // Object.freeze, whatever a script makes of it
	noop                                  goja.Callable
	jobs                                  reflect.Value // the runtime's queue of microtasks; invalid when this goja hides it
	calls                                 reflect.Value // and its stack of calls
	unwind                                *goja.Symbol

	rejections []rejection
	waited     uint64 // packets that began to wait for a neighbour
	handlers   []*Handler
	names      map[string]*sameName
	current    *Handler // whose callback runs now; nil at the top level
	frame      uint64   // number of the frame being delivered, or on account of which this runs; 0: none
	caller     canceler // what has called the callback that runs
	place      string   // of the call that this runs for, where it is not the one being made
	running    int      // depth of guarded entries
	closed     bool
	suite      *suite // nil: test() is a mistake

	// What the other files keep: each has its own struct, embedded here.
	views
	dispatch
	receiving
	lifecycle
	surroundings
	analysis
	variation
	scheduling
}

// installs lists what New puts into a runtime, in order: the global names,
// parted by spaces, and the method that sets each of them by API.global.
// [ExportNames] is made of the same list.
var installs = []struct {
	names   string
	install func(*API)
}{
	{"interfaces availableDevices", (*API).installInterfaces}, // first: the others ask for links
	{"packet parse hex bytes", (*API).installPacket},
	{"", (*API).installBuilders}, // named by the registry
	{"send decodeAs", (*API).installSend},
	{"on once not any all", (*API).installSubscriptions},
	{"reply forward route from", (*API).installReactions},
	{"TimeoutError receiveOne receiveLoop receive select", (*API).installReceive},
}

// New installs the globals of the scripting contract in a runtime that has run
// no script yet. It takes over the runtime's promise rejection tracker: a
// rejection that nobody handled by the end of the microtasks is given to
// [Host.Fail].
func New(rt *goja.Runtime, host Host) *API {
	a := &API{rt: rt, host: host, reg: packet.Builtin(), exports: rt.NewObject()}
	a.freezeObject, _ = goja.AssertFunction(rt.Get("Object").ToObject(rt).Get("freeze"))
	a.newError, a.newTypeError, a.newRangeError = rt.Get("Error"), rt.Get("TypeError"), rt.Get("RangeError")
	a.noop, _ = goja.AssertFunction(rt.ToValue(func(goja.FunctionCall) goja.Value { return goja.Undefined() }))
	a.unwind = goja.NewSymbol("unwind")
	if vm := reflect.ValueOf(rt).Elem().FieldByName("vm"); vm.IsValid() && vm.Kind() == reflect.Pointer {
		if a.calls = vm.Elem().FieldByName("callStack"); a.calls.IsValid() && a.calls.Kind() != reflect.Slice {
			a.calls = reflect.Value{}
		}
	}
	a.jobs = reflect.ValueOf(rt).Elem().FieldByName("jobQueue")
	if a.jobs.IsValid() && a.jobs.Kind() != reflect.Slice {
		a.jobs = reflect.Value{}
	}
	rt.SetPromiseRejectionTracker(a.trackRejection)
	a.initAnalysis()
	a.initViews()
	for i := range installs {
		installs[i].install(a)
	}
	return a
}

// ExportNames lists the names that the module 'umpa' exports, which are also
// the globals, sorted.
func ExportNames() []string { return slices.Clone(exportNames()) }

var exportNames = sync.OnceValue(func() []string {
	var names []string
	for i := range installs {
		names = append(names, strings.Fields(installs[i].names)...)
	}
	for _, p := range packet.Builtin().Protos() {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
})

// Exports is the namespace of the module 'umpa'.
func (a *API) Exports() *goja.Object { return a.exports }

// Handlers lists the callbacks registered so far, in order, for the summary.
func (a *API) Handlers() []*Handler {
	a.refreshSchedules()
	a.refreshMachines()
	return a.handlers
}

// Close forgets all subscriptions and whatever waits; nothing of the script
// runs afterwards.
func (a *API) Close() {
	a.closed = true
	for _, s := range a.subs.all() {
		s.ended = true
	}
	a.subs = subIndex{}
}

// global makes a value a global and an export of the module 'umpa'.
func (a *API) global(name string, value any) {
	v := a.rt.ToValue(value)
	for _, o := range []*goja.Object{a.rt.GlobalObject(), a.exports} {
		if err := o.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
			panic(err)
		}
	}
}

// function is a native function with a name, so that a script's errors show it.
func (a *API) function(name string, f func(goja.FunctionCall) goja.Value) *goja.Object {
	o := a.rt.ToValue(f).(*goja.Object)
	_ = o.DefineDataProperty("name", a.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return o
}

// position is where script code called into the API: " at hello.js:3".
func (a *API) position() string {
	for _, f := range a.rt.CaptureCallStack(8, nil) {
		if p := f.Position(); p.Line > 0 && !strings.HasPrefix(p.Filename, "umpa") {
			return fmt.Sprintf(" at %s:%d", path.Base(p.Filename), p.Line)
		}
	}
	return ""
}

// handler makes the entry by which a callback is named and counted. What is
// registered again and again in one place, as for each connection, shares the
// last of sameHandlers entries, and beyond mostHandlers all share one.
func (a *API) handler(name string) *Handler {
	if a.names == nil {
		a.names = map[string]*sameName{}
	}
	if a.names[name] == nil && len(a.names) >= mostHandlers {
		name = "others"
	}
	s := a.names[name]
	if s == nil {
		s = new(sameName)
		a.names[name] = s
	}
	if s.n == sameHandlers {
		return s.last
	}
	s.n++
	s.last = &Handler{Name: name, Lane: "js"}
	a.handlers = append(a.handlers, s.last)
	return s.last
}

const (
	sameHandlers = 16
	mostHandlers = 4096
)

// sameName counts the handlers of one name.
type sameName struct {
	n    int
	last *Handler
}

// mistake is an error of the script's author: what was wrong, and what would
// be right.
type mistake struct{ msg, hint string }

func (m *mistake) Error() string { return m.msg }

// throw makes script code throw err. A [packet.FieldError] becomes a
// RangeError or a TypeError, other mistakes a TypeError, each with a property
// hint where there is one; anything else becomes an Error. It does not return.
func (a *API) throw(err error) {
	panic(a.errorValue(err))
}

// fail throws a TypeError whose hint says what would be right.
func (a *API) fail(hint, format string, args ...any) {
	a.throw(&mistake{fmt.Sprintf(format, args...), hint})
}

// errorValue is the Error object for err.
func (a *API) errorValue(err error) goja.Value {
	var (
		ex   *goja.Exception
		fe   *packet.FieldError
		m    *mistake
		ctor = a.newError
		hint string
	)
	switch {
	case errors.As(err, &ex):
		return ex.Value()
	case errors.As(err, &fe):
		ctor, hint = a.newTypeError, fe.Hint
		if strings.Contains(fe.Msg, "out of range") {
			ctor = a.newRangeError
		}
	case errors.As(err, &m):
		ctor, hint = a.newTypeError, m.hint
	}
	o, e := a.rt.New(ctor, a.rt.ToValue(err.Error()))
	if e != nil {
		return a.rt.NewGoError(err)
	}
	if hint != "" {
		_ = o.DefineDataProperty("hint", a.rt.ToValue(hint), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	return o
}

// call enters script code from outside of it: f runs with the watch marked,
// what it throws goes to [Host.Fail], and the microtasks it queued have run
// when call returns. ok is false when it threw. h may be nil: the script's
// top level.
func (a *API) call(h *Handler, f goja.Callable, args ...goja.Value) (v goja.Value, ok bool) {
	if h != nil {
		h.Hits++
	}
	var err error
	a.enter(h, func() { v, err = f(goja.Undefined(), args...) })
	if err != nil {
		a.failed(err, h)
	}
	a.settle()
	return v, err == nil
}

// enter runs f as the callback of h.
func (a *API) enter(h *Handler, f func()) {
	before := a.current
	a.current = h
	if a.running == 0 {
		a.host.Watch().Enter()
	}
	a.running++
	defer func() {
		a.running--
		if a.running == 0 {
			a.host.Watch().Leave()
		}
		a.current = before
	}()
	if a.running == 1 {
		a.Whole(f)
		return
	}
	f()
}

// Whole runs f, which calls script code from outside of it, and sees to it that
// goja's stack of calls is as it was before. A microtask that was interrupted
// leaves its calls there, and goja runs no microtask any more while there are
// some: every promise of the runtime would wait for ever.
func (a *API) Whole(f func()) {
	if ex := a.try(f); ex != nil {
		panic(ex)
	}
}

// try is Whole that returns what f throws.
func (a *API) try(f func()) *goja.Exception {
	depth := a.depth()
	ex := a.rt.Try(func() {
		f()
		if a.depth() > depth {
			panic(a.unwind) // to the mark that Try has set
		}
	})
	if ex != nil && ex.Value() == a.unwind {
		return nil
	}
	return ex
}

// depth is how many calls are on goja's stack.
func (a *API) depth() int {
	if !a.calls.IsValid() {
		return 0
	}
	return a.calls.Len()
}

// since is for what a call of the script's does later: what it gives runs a
// function for the same line, and on account of the same frame.
func (a *API) since() func(f func()) {
	place, frame := a.host.Where(), a.frame
	return func(f func()) {
		a.place, a.frame = place, frame
		defer func() { a.place, a.frame = "", 0 }()
		f()
	}
}

// failed reports what h did not catch, and whether h is to be called no more.
func (a *API) failed(err error, h *Handler) (quarantine bool) {
	if h != nil {
		h.Errors++
	}
	return a.host.Fail(err, h)
}

// pending reports whether microtasks are queued. It says yes where it cannot know.
func (a *API) pending() bool { return !a.jobs.IsValid() || a.jobs.Len() > 0 }

// settle runs the microtasks that are queued, and then reports the rejections
// that nobody handled. Inside script code it does nothing: its caller does it.
func (a *API) settle() {
	if a.running > 0 {
		return
	}
	if a.pending() {
		var err error
		a.enter(nil, func() { _, err = a.noop(nil) })
		if err != nil {
			a.failed(err, nil)
		}
	}
	for len(a.rejections) > 0 {
		r := a.rejections[0]
		a.rejections = slices.Delete(a.rejections, 0, 1)
		if a.failed(a.exception(r.promise.Result()), r.handler) && r.caller != nil {
			r.caller.cancel()
		}
	}
}

// Settle runs queued microtasks and reports unhandled rejections. The engine
// calls it after it ran script code by itself, such as the top level.
func (a *API) Settle() { a.settle() }

// rejection is a rejected promise that nobody handles so far.
type rejection struct {
	promise *goja.Promise
	handler *Handler
	caller  canceler
}

func (a *API) trackRejection(p *goja.Promise, op goja.PromiseRejectionOperation) {
	if op == goja.PromiseRejectionReject {
		a.rejections = append(a.rejections, rejection{p, a.current, a.caller})
		return
	}
	a.rejections = slices.DeleteFunc(a.rejections, func(r rejection) bool { return r.promise == p })
}

// exception is a thrown value as an error that knows where it was made.
func (a *API) exception(v goja.Value) error {
	if ex := a.rt.Try(func() { panic(v) }); ex != nil {
		return ex
	}
	return errors.New("rejected")
}

// deferred is a promise that Go settles, on the goroutine of the runtime. What
// waits for it runs as what made it would: for the same handler, and on account
// of the same frame, unless another one is being delivered.
type deferred struct {
	a               *API
	promise         goja.Value
	resolve, reject func(any) error
	handler         *Handler
	frame           uint64
	caller          canceler // what called the handler; nil: nothing that can be cancelled
}

// canceler is a subscription or a timer: what can be called no more.
type canceler interface{ cancel() }

// promise makes a pending promise.
func (a *API) promise() *deferred {
	p, resolve, reject := a.rt.NewPromise()
	return &deferred{a, a.rt.ToValue(p), resolve, reject, a.current, a.frame, a.caller}
}

// Resolve settles the promise and runs what waits for it.
func (d *deferred) Resolve(v goja.Value) {
	if v == nil {
		v = goja.Undefined()
	}
	d.settle(d.resolve, v)
}

// Reject settles the promise with the Error object of err.
func (d *deferred) Reject(err error) { d.rejectWith(d.a.errorValue(err)) }

// rejectWith settles the promise with what was thrown.
func (d *deferred) rejectWith(v goja.Value) { d.settle(d.reject, v) }

// settle calls one of the promise's functions. From outside of script code goja
// runs the microtasks before that returns.
func (d *deferred) settle(f func(any) error, v goja.Value) {
	a := d.a
	var err error
	if a.running > 0 {
		a.Whole(func() { err = f(v) })
		if err != nil {
			a.failed(err, a.current)
		}
		return
	}
	frame, caller := a.frame, a.caller
	if frame == 0 {
		a.frame = d.frame
	}
	a.caller = d.caller
	a.enter(d.handler, func() { err = f(v) })
	if err != nil && a.failed(err, d.handler) && d.caller != nil {
		d.caller.cancel()
	}
	a.settle()
	a.frame, a.caller = frame, caller
}
