package jsapi

import (
	"fmt"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// maxQueued is how many packets a receive() keeps that nobody has asked for.
const maxQueued = 1 << 16

// library is what is best said in JavaScript. goja has no Symbol.asyncIterator:
// esbuild lowers `for await` to the registered symbol of that name.
var library = goja.MustCompile("umpa", `(function () {
	"use strict";
	if (!Symbol.asyncIterator)
		Object.defineProperty(Symbol, "asyncIterator", { value: Symbol.for("Symbol.asyncIterator") });
	class TimeoutError extends Error {
		constructor(message) { super(message); this.name = "TimeoutError"; }
	}
	return { TimeoutError, asyncIterator: Symbol.asyncIterator };
})()`, true)

func (a *API) installReceive() {
	v, err := a.rt.RunProgram(library)
	if err != nil {
		panic(err)
	}
	lib := v.ToObject(a.rt)
	a.timeoutError = lib.Get("TimeoutError")
	a.asyncIterator, _ = lib.Get("asyncIterator").(*goja.Symbol)
	a.global("TimeoutError", a.timeoutError)
	a.global("receiveOne", a.function("receiveOne", a.receiveOne))
	a.global("receiveLoop", a.function("receiveLoop", a.receiveLoop))
	a.global("receive", a.function("receive", a.receive))
	a.global("select", a.function("select", a.selectBranch))
}

// receiving is what the API keeps for those that wait for packets.
type receiving struct {
	timeoutError  goja.Value
	asyncIterator *goja.Symbol
}

// timeout is the TimeoutError that a wait ends with.
func (a *API) timeout(format string, args ...any) goja.Value {
	o, err := a.rt.New(a.timeoutError, a.rt.ToValue(fmt.Sprintf(format, args...)))
	if err != nil {
		return a.errorValue(err)
	}
	return o
}

// wait is a subscription that Go code makes for something that waits, with
// the deadline of it.
type wait struct {
	s     *sub
	timer Timer
	limit time.Duration // 0: none
}

// waitFor calls f with a fresh view of every packet that matches, until end;
// late when the timeout of the options has passed.
func (a *API) waitFor(where string, m *match, opt map[string]goja.Value, f func(v *view), late func()) *wait {
	w := &wait{s: &sub{a: a, match: m, link: -1, left: -1, goes: f, h: &Handler{Name: where, Lane: "js"}}}
	if x := opt["iface"]; x != nil {
		w.s.link = a.iface(where, x)
	}
	if x := opt["timeout"]; x != nil {
		w.limit = a.duration(x)
		w.timer = a.host.SetTimer(a.host.Now()+w.limit, func() {
			w.timer = 0
			if w.s.ended || a.closed {
				return
			}
			w.s.cancel()
			a.enter(w.s.h, late)
			a.settle()
		})
	}
	w.s.end = func() {
		if w.timer != 0 {
			a.host.ClearTimer(w.timer)
			w.timer = 0
		}
	}
	a.subscribe(w.s)
	return w
}

// end ends the wait.
func (w *wait) end() { w.s.cancel() }

func (a *API) receiveOne(call goja.FunctionCall) goja.Value {
	m := a.match("receiveOne", call.Argument(0))
	opt := a.options("receiveOne", call.Argument(1), "timeout", "iface")
	d := a.awaited()
	var w *wait
	w = a.waitFor("receiveOne("+m.name+")", m, opt, func(v *view) {
		w.end()
		d.Resolve(v.object())
	}, func() { d.rejectWith(a.timeout("receiveOne(%s): nothing came within %v", m.name, w.limit)) })
	return d.promise
}

func (a *API) receiveLoop(call goja.FunctionCall) goja.Value {
	m := a.match("receiveLoop", call.Argument(0))
	opt := a.options("receiveLoop", call.Argument(2), "count", "timeout", "iface")
	count := int64(-1)
	if x := opt["count"]; x != nil {
		count = a.number("receiveLoop: count", x, 1, 1<<52)
	}
	inner := &sub{a: a, match: m, h: a.handlerAt("receiveLoop(" + m.name + ")" + a.position())}
	a.react("receiveLoop", inner, call.Argument(1))
	d := a.promise()
	n := int64(0)
	var w *wait
	result := func() { d.Resolve(a.rt.ToValue(n)) }
	w = a.waitFor(inner.h.Name, m, opt, func(v *view) {
		n++
		last := n == count
		if last {
			w.end()
		}
		switch {
		case inner.acts != nil:
			if err := inner.acts.act(&a.arrived, a.link, Cause{Handler: inner.h, Frame: a.frame}); err != nil {
				a.throw(err)
			}
		case inner.raw != nil:
			x := inner.raw(goja.FunctionCall{This: goja.Undefined(), Arguments: []goja.Value{v.object()}})
			if o, ok := x.(*goja.Object); ok {
				a.returned(inner, v, o)
			}
		default:
			a.sendView(inner.sends, -1)
		}
		if last {
			result()
		}
	}, result)
	w.s.h = inner.h
	return d.promise
}

// receive makes the async iterator of packets. What comes while its loop is
// busy is kept, up to maxQueued packets; what is beyond is dropped and said.
func (a *API) receive(call goja.FunctionCall) goja.Value {
	m := a.match("receive", call.Argument(0))
	opt := a.options("receive", call.Argument(1), "count", "timeout", "iface")
	count := int64(-1)
	if x := opt["count"]; x != nil {
		count = a.number("receive: count", x, 0, 1<<52)
	}
	var (
		queue   []*view
		waiting []*deferred
		dropped bool
		done    bool
		w       *wait
	)
	result := func(v goja.Value, done bool) goja.Value {
		o := a.rt.NewObject()
		a.put(o, "value", v)
		a.put(o, "done", a.rt.ToValue(done))
		return o
	}
	finish := func() {
		done = true
		w.end()
		for _, d := range waiting {
			d.Resolve(result(goja.Undefined(), true))
		}
		waiting = nil
	}
	name := "receive(" + m.name + ")"
	w = a.waitFor(name, m, opt, func(v *view) {
		if count > 0 {
			count--
		}
		last := count == 0
		if last {
			w.end()
		}
		switch {
		case len(waiting) > 0:
			d := waiting[0]
			waiting = waiting[1:]
			d.Resolve(result(v.object(), false))
		case len(queue) < maxQueued:
			queue = append(queue, v)
		case !dropped:
			dropped = true
			a.host.Log("warn", fmt.Sprintf("%s: more than %d packets wait to be taken: the rest is dropped", name, maxQueued))
		}
		if last {
			finish()
		}
	}, func() { finish() })
	if count == 0 {
		finish()
	}
	o := a.rt.NewObject()
	a.put(o, "next", a.function("next", func(goja.FunctionCall) goja.Value {
		d := a.promise()
		switch {
		case len(queue) > 0:
			v := queue[0]
			queue[0] = nil
			queue = queue[1:]
			d.Resolve(result(v.object(), false))
		case done:
			d.Resolve(result(goja.Undefined(), true))
		default:
			waiting = append(waiting, d)
		}
		return d.promise
	}))
	a.put(o, "return", a.function("return", func(call goja.FunctionCall) goja.Value {
		queue = nil
		finish()
		d := a.promise()
		d.Resolve(result(call.Argument(0), true))
		return d.promise
	}))
	self := a.rt.ToValue(func(goja.FunctionCall) goja.Value { return o })
	_ = o.DefineDataPropertySymbol(a.asyncIterator, self, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return o
}

// handlerAt is the entry of that name, which all calls from one place have in common:
// a scenario may select for every connection.
func (a *API) handlerAt(name string) *Handler {
	if s := a.names[name]; s != nil {
		return s.last
	}
	return a.handler(name)
}

// branch is one alternative of select().
type branch struct {
	name  string
	match *match
	does  *sub // what handles the packet; nil: nothing
}

func (a *API) selectBranch(call goja.FunctionCall) goja.Value {
	o, ok := call.Argument(0).(*goja.Object)
	if !ok || o.ClassName() != "Object" || a.isPart(o) {
		a.fail("select({ answer: { arp: { op: 'reply' } } })", "select: %s are no branches", a.describe(call.Argument(0)))
	}
	opt := a.options("select", call.Argument(1), "timeout")
	var branches []branch
	for _, k := range o.Keys() {
		v := o.Get(k)
		b := branch{name: k}
		if l, ok := v.(*goja.Object); ok && l.ExportType() == typeList {
			v = l.Get("0")
			if f := l.Get("1"); f != nil && !goja.IsUndefined(f) {
				b.does = &sub{a: a, h: a.handlerAt("select: " + k + a.position())}
				a.react("select: "+k, b.does, f)
			}
		}
		b.match = a.match("select: "+k, v)
		branches = append(branches, b)
	}
	if len(branches) == 0 {
		a.fail("select({ answer: { arp: { op: 'reply' } } })", "select: there are no branches")
	}
	d := a.awaited()
	names := o.Keys()
	hit := -1
	// The first packet that matches a branch decides, and of the branches that
	// it matches the first one.
	m := &match{name: fmt.Sprint(names), custom: func(p *packet.Packet) bool {
		for i := range branches {
			if branches[i].match.matches(a, p, nil) {
				hit = i
				return true
			}
		}
		return false
	}}
	var w *wait
	w = a.waitFor("select", m, opt, func(v *view) {
		w.end()
		b := &branches[hit]
		value := goja.Undefined()
		if b.does != nil {
			b.does.h.Hits++
			switch {
			case b.does.acts != nil:
				if err := b.does.acts.act(&a.arrived, a.link, Cause{Handler: b.does.h, Frame: a.frame}); err != nil {
					d.Reject(err)
					return
				}
			case b.does.raw != nil:
				var x goja.Value
				ex := a.rt.Try(func() {
					x = b.does.raw(goja.FunctionCall{This: goja.Undefined(), Arguments: []goja.Value{v.object()}})
					if o, ok := x.(*goja.Object); ok && o.ExportType() != typePromise {
						a.returned(b.does, v, o)
					}
				})
				if ex != nil {
					d.rejectWith(ex.Value())
					return
				}
				if x != nil {
					value = x
				}
			default:
				a.sendView(b.does.sends, -1)
			}
		}
		settle := func(value goja.Value) {
			r := a.rt.NewObject()
			a.put(r, "branch", a.rt.ToValue(b.name))
			a.put(r, "packet", v.object())
			a.put(r, "value", value)
			d.Resolve(r)
		}
		if o, ok := value.(*goja.Object); ok && o.ExportType() == typePromise {
			a.whenDone(o, func(x goja.Value) {
				if o, ok := x.(*goja.Object); ok {
					a.returned(b.does, v, o)
				}
				settle(x)
			}, d.rejectWith)
			return
		}
		settle(value)
	}, func() { d.rejectWith(a.timeout("select: none of %q came within %v", names, w.limit)) })
	return d.promise
}

// whenDone calls one of two functions when a promise settles.
func (a *API) whenDone(promise *goja.Object, done, failed func(goja.Value)) {
	wrap := func(f func(goja.Value)) goja.Value {
		return a.rt.ToValue(func(call goja.FunctionCall) goja.Value {
			if !a.closed {
				f(call.Argument(0))
			}
			return goja.Undefined()
		})
	}
	if _, err := a.then(promise, wrap(done), wrap(failed)); err != nil {
		a.throw(err)
	}
}
