package jsapi

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// dispatch is what the API keeps of subscriptions and of the packet that is
// being delivered.
type dispatch struct {
	scopes
	machines
	conversations
	subs    subIndex
	shared  bool   // a delivery goes over subs
	count   uint64 // frames delivered
	arrived packet.Packet
	link    int   // that it came in by
	view    *view // of the arrived packet, fresh, where somebody asked for one
	looking *view // what predicates within a pattern are called with
	cursor  cursor
	args    [1]goja.Value
	then    goja.Callable // Promise.prototype.then as it was before any script
}

// sub is one subscription: of a script, or of something that waits.
type sub struct {
	a        *API
	h        *Handler
	match    *match
	link     int // -1: any
	priority int
	final    bool
	left     int // packets until it ends by itself; -1: it does not
	hits     uint64
	ended    bool
	mixed    bool // the console has said that it returned a list of packets and others

	number uint64   // order of registration
	table  *table   // where it is found by exact values
	key    uint64   // of them
	keys   []uint64 // of the request that it waits for the answer of
	scope  *scope   // that was active when it was made: it ends with that, and runs within it
	held   int      // its place there, plus one; 0: none

	// What is done, one of these.
	raw   func(goja.FunctionCall) goja.Value // a function of the script
	sends *view                              // a packet that is sent
	goes  func(v *view)                      // Go code, with a fresh view
	acts  *reaction                          // a reaction, compiled

	proof        // of raw
	end   func() // called when it ended by itself or was cancelled; may be nil
}

// cursor is where a delivery stands, so that it can go on after an exception
// and after microtasks.
type cursor struct {
	frames []Frame
	frame  int
	open   bool   // the frame is decoded, and subs is going over it
	subs   []*sub // those that may match, as they were when the frame arrived
	next   int
	sub    *sub // that runs now
	stop   bool // the host wants no more
}

// Alive reports whether a received packet could still make something happen.
func (a *API) Alive() bool { return a.subs.live > 0 }

// Deliver hands over what has arrived, in order: each frame to every
// subscription that matches, before the next one. Microtasks run after each
// callback. The frames' data are read within the call only. Calling it from
// within script code is a fault of the host, and panics: the frames would be
// lost.
func (a *API) Deliver(frames []Frame) {
	if a.running > 0 {
		panic("jsapi: Deliver called within script code")
	}
	if a.closed {
		return
	}
	c := &a.cursor
	*c = cursor{frames: frames}
	for !c.stop && !a.closed && a.pump() {
		if a.pending() || len(a.rejections) > 0 {
			a.settle()
		}
	}
	a.drop()
	a.shared = false
	*c = cursor{}
	a.arrived.Data = nil
}

// drop forgets the packet that was delivered.
func (a *API) drop() {
	a.view, a.frame = nil, 0
	if a.lent != nil && a.lent.p != nil {
		a.lent.takeBack()
	}
	if a.spare != nil && a.spare.p != nil {
		a.spare.takeBack()
	}
}

// pump delivers until nothing is left (false), or until microtasks are to run
// or a callback threw (true).
func (a *API) pump() (more bool) {
	defer func() {
		if x := recover(); x != nil {
			more = true
			a.broke(uncaught(x))
		}
	}()
	if ex := a.try(func() { more = a.loop() }); ex != nil {
		a.broke(ex)
		return true
	}
	return more
}

// Panic is a panic of Go code under a script: a fault of this program, not of
// the script.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("internal error: %v", p.Value) }

// uncaught is what ends script code without being an exception: an interrupt,
// a stack overflow, or a fault of our own.
func uncaught(x any) error {
	switch x := x.(type) {
	case *goja.InterruptedError:
		return x
	case *goja.StackOverflowError:
		return x
	case *goja.Exception:
		return x
	}
	return &Panic{x, debug.Stack()}
}

// broke ends the callback that threw.
func (a *API) broke(err error) {
	s := a.cursor.sub
	a.leave()
	if a.lent != nil && a.lent.p != nil {
		a.lent.takeBack()
	}
	if _, ok := err.(*goja.InterruptedError); ok {
		a.rt.ClearInterrupt()
	}
	if s == nil {
		a.cursor.stop = true
		a.failed(err, nil)
		return
	}
	a.subFailed(s, err)
}

// subFailed reports what s threw, and ends it where the host wants that. A
// host that does not ends the run: then nothing more is delivered.
func (a *API) subFailed(s *sub, err error) {
	if a.failed(err, s.h) {
		s.cancel()
	} else {
		a.cursor.stop = true
	}
}

// loop goes over the frames. It returns true when microtasks are queued.
func (a *API) loop() bool {
	c := &a.cursor
	for c.frame < len(c.frames) {
		f := &c.frames[c.frame]
		if !c.open {
			c.open, c.next = true, 0
			a.shared = true
			a.view = nil
			a.link, a.frame = f.Link, f.Number
			p := &a.arrived
			a.reg.Decode(p, f.Data, a.linkFirst[f.Link])
			p.Time, p.Iface, p.Length = f.Time, f.Link, f.Length
			a.observe(f.Link, p)
			a.count++
			c.subs = a.subs.candidates(p)
		}
		for c.next < len(c.subs) {
			s := c.subs[c.next]
			c.next++
			if s.ended || s.link >= 0 && s.link != f.Link {
				continue
			}
			c.sub = s
			if s.match.rawPred != nil {
				if !a.ask1(s) {
					continue
				}
			} else if !s.match.matches(a, &a.arrived, nil) {
				continue
			}
			if s.final {
				c.next = len(c.subs)
			}
			a.run(s)
			c.sub = nil
			if a.pending() || len(a.rejections) > 0 || c.stop {
				return true
			}
		}
		c.sub = nil
		c.frame++
		c.open = false
	}
	return false
}

// begin and leave mark the callback of s.
func (a *API) begin(s *sub) {
	a.current, a.caller = s.h, s
	a.scope = s.scope
	a.running++
	a.host.Watch().Enter()
}

func (a *API) leave() {
	a.reuse = false
	if a.running > 0 {
		a.running--
		a.host.Watch().Leave()
	}
	a.current, a.caller, a.scope = nil, nil, nil
}

// ask1 asks the predicate of s about the arrived packet.
func (a *API) ask1(s *sub) bool {
	var v *view // nil: a fresh one
	if s.match.lent && a.view == nil {
		v = a.lend(&a.arrived, a.link)
	}
	a.begin(s)
	ok := s.match.matches(a, &a.arrived, v)
	a.leave()
	if v != nil {
		v.takeBack()
	}
	return ok
}

// arrivedView is a fresh view of the arrived packet, the same one for all that
// ask.
func (a *API) arrivedView() *view {
	if a.view == nil {
		a.view = a.copyView(&a.arrived, a.link)
	}
	return a.view
}

// run gives the arrived packet to s.
func (a *API) run(s *sub) {
	s.hits++
	s.h.Hits++
	if s.left > 0 {
		if s.left--; s.left == 0 {
			s.cancel()
		}
	}
	switch {
	case s.raw != nil:
		v := a.view // where there is a fresh one, all get that one: it is the same packet
		lent := s.stays && v == nil
		if lent {
			v = a.lend(&a.arrived, a.link)
		} else {
			v = a.arrivedView()
		}
		a.begin(s)
		a.reuse = s.replies
		a.args[0] = v.object()
		x := s.raw(goja.FunctionCall{This: goja.Undefined(), Arguments: a.args[:]})
		if x != nil && !goja.IsUndefined(x) {
			if o, ok := x.(*goja.Object); ok {
				a.returned(s, v, o)
			}
		}
		a.leave()
		if lent {
			v.takeBack()
			if s.replies && a.spare != nil && a.spare.p != nil {
				a.spare.takeBack()
			}
		}
	case s.sends != nil:
		a.begin(s)
		a.sendView(s.sends, s.link)
		a.leave()
	case s.acts != nil:
		if err := s.acts.act(&a.arrived, a.link, Cause{Handler: s.h, Frame: a.frame}); err != nil {
			a.subFailed(s, err)
		}
	default:
		a.begin(s)
		s.goes(a.arrivedView())
		a.leave()
	}
}

// returned sends what a handler returned: a packet, several, or a promise of
// them. Anything else is ignored. received is what it was called with.
func (a *API) returned(s *sub, received *view, o *goja.Object) {
	if v := a.viewOf(o); v != nil {
		if v == received {
			a.fail("forward() or pkt.with({}) says it is meant", "the handler returned the packet it received")
		}
		a.sendView(v, -1)
		return
	}
	switch o.ExportType() {
	case typeList:
		n := o.Get("length").ToInteger()
		parts := int64(0)
		var other goja.Value
		for i := int64(0); i < n; i++ { // ignored, unless all are something to send
			x := o.Get(a.integer(uint64(i)).String())
			if y, ok := x.(*goja.Object); ok && a.isPart(y) {
				parts++
			} else if other == nil {
				other = x
			}
			if other != nil && (parts > 0 || i >= maxItems) {
				break
			}
		}
		if other != nil {
			if parts > 0 && !s.mixed {
				s.mixed = true
				a.host.Log("warn", fmt.Sprintf("%s returned a list of packets with %s among them: nothing of such a list is sent", s.h.Name, a.describe(other)))
			}
			return
		}
		for _, v := range a.gather(s.h.Name, []goja.Value{o}) {
			if v == received {
				a.fail("forward() or pkt.with({}) says it is meant", "the handler returned the packet it received")
			}
			a.sendView(v, -1)
		}
	case typePromise:
		a.whenSettled(o, s, received)
	}
}

// whenSettled waits for what an async handler returns.
func (a *API) whenSettled(promise *goja.Object, s *sub, received *view) {
	frame := a.frame
	a.whenDone(promise, func(x goja.Value) {
		o, ok := x.(*goja.Object)
		if !ok {
			return
		}
		beforeHandler, beforeFrame := a.current, a.frame
		a.current, a.frame = s.h, frame
		ex := a.rt.Try(func() { a.returned(s, received, o) })
		a.current, a.frame = beforeHandler, beforeFrame
		if ex != nil {
			a.subFailed(s, ex)
		}
	}, func(reason goja.Value) { a.subFailed(s, a.exception(reason)) })
}

// subscribe adds a subscription. During a delivery it sees the frames that
// come after.
func (a *API) subscribe(s *sub) {
	if a.closed {
		return
	}
	a.subs.add(s, a.shared)
	if a.scope != nil {
		a.scope.own(s)
	}
}

// cancel ends a subscription: from now on it is not called.
func (s *sub) cancel() {
	if s.ended {
		return
	}
	s.ended = true
	a := s.a
	a.subs.remove(s, a.shared)
	if s.held > 0 {
		s.scope.release(s)
	}
	if s.end != nil {
		s.end()
	}
}

func (a *API) installSubscriptions() {
	a.rt.SetAsyncContextTracker(tracker{a})
	promise := a.rt.Get("Promise").ToObject(a.rt)
	a.then, _ = goja.AssertFunction(promise.Get("prototype").ToObject(a.rt).Get("then"))
	a.global("on", a.function("on", func(call goja.FunctionCall) goja.Value { return a.on("on", call, -1) }))
	a.global("once", a.function("once", func(call goja.FunctionCall) goja.Value { return a.on("once", call, 1) }))
	a.global("not", a.function("not", func(call goja.FunctionCall) goja.Value {
		c := &patterns{a: a, where: "not"}
		return a.combine(packet.Not{Test: c.packet("", call.Argument(0), 0)})
	}))
	a.global("any", a.function("any", func(call goja.FunctionCall) goja.Value {
		c, list := &patterns{a: a, where: "any"}, packet.AnyOf{}
		for _, x := range call.Arguments {
			list = append(list, c.packet("", x, 0))
		}
		return a.combine(list)
	}))
	a.global("all", a.function("all", func(call goja.FunctionCall) goja.Value {
		c, list := &patterns{a: a, where: "all"}, packet.AllOf{}
		for _, x := range call.Arguments {
			list = append(list, c.packet("", x, 0))
		}
		return a.combine(list)
	}))
}

// combine makes the value of not(), any() and all(). A mistake in it is an
// error where it is written, not where it is used.
func (a *API) combine(pattern any) goja.Value {
	if _, err := packet.Compile(a.reg, pattern); err != nil {
		a.throw(err)
	}
	return a.rt.ToValue(&combined{pattern})
}

// on registers a handler of the script. count is how often it runs; -1 is for
// ever.
func (a *API) on(where string, call goja.FunctionCall, count int) goja.Value {
	m := a.match(where, call.Argument(0))
	s := &sub{a: a, match: m, link: -1, left: count}
	opt := a.options(where, call.Argument(2), "iface", "count", "priority", "final")
	if x := opt["iface"]; x != nil {
		s.link = a.iface(where, x)
	}
	if x := opt["count"]; x != nil {
		s.left = int(a.number(where+": count", x, 1, 1<<52))
	}
	if x := opt["priority"]; x != nil {
		s.priority = int(a.number(where+": priority", x, -1<<31, 1<<31))
	}
	if x := opt["final"]; x != nil {
		s.final = x.ToBoolean()
	}
	a.react(where, s, call.Argument(1))
	s.h = a.handler(where + "(" + m.name + ")" + a.position())
	if s.raw == nil {
		s.h.Lane = "go"
	}
	s.h.Why = why(s)
	a.subscribe(s)
	return a.subscription(s)
}

// react sets what s does: call a function, or send a packet.
func (a *API) react(where string, s *sub, v goja.Value) {
	o, ok := v.(*goja.Object)
	if !ok {
		a.fail(where+"('arp', (pkt) => { … })", "%s: the handler is %s", where, a.describe(v))
	}
	switch o.ExportType() {
	case typeFunction, typeClass:
		if raw, ok := o.Export().(func(goja.FunctionCall) goja.Value); ok {
			if p := a.reg.Proto(o.Get("name").String()); p != nil && o.StrictEquals(a.exports.Get(p.Name)) {
				a.fail("call it: "+p.Name+"(), or (pkt) => …", "%s: the builder %s is no handler", where, p.Name)
			}
			s.raw = raw
			s.proof = a.prove(o)
			return
		}
	case typeView:
		s.sends = o.Export().(*view)
		return
	case typeReaction:
		s.acts = o.Export().(*reaction)
		return
	case typeLayer:
		a.fail("make a packet of it: packet(…)", "%s: a layer is no handler", where)
	}
	if f, ok := goja.AssertFunction(o); ok { // a proxy, or something as rare
		s.raw = func(c goja.FunctionCall) goja.Value {
			x, err := f(c.This, c.Arguments...)
			if err != nil {
				panic(err)
			}
			return x
		}
		return
	}
	a.fail(where+"('arp', (pkt) => { … })", "%s: the handler is %s", where, a.describe(v))
}

// why says which lane a subscription runs in.
func why(s *sub) string {
	switch {
	case s.match.rawPred != nil:
		return "the match is a function"
	case !s.match.goes:
		return "the pattern has a function in it"
	case s.raw != nil && s.stays:
		return "matched in Go; the handler is a function that keeps nothing of the packet"
	case s.raw != nil:
		return "matched in Go; the handler is a function that is given a copy: " + s.why
	}
	if s.acts != nil {
		return "matched and answered in Go: " + s.acts.String()
	}
	return "matched and done in Go"
}

// subscription is the script's hold on s.
func (a *API) subscription(s *sub) goja.Value {
	o := a.rt.NewObject()
	_ = o.DefineAccessorProperty("hits", a.rt.ToValue(func(goja.FunctionCall) goja.Value { return a.rt.ToValue(float64(s.hits)) }), nil, goja.FLAG_TRUE, goja.FLAG_TRUE)
	a.put(o, "cancel", a.function("cancel", func(goja.FunctionCall) goja.Value {
		s.cancel()
		return goja.Undefined()
	}))
	return o
}

// Named registers a function that the script wrote by name alone: onArp,
// onPacket, or one of the lifecycle: onStart, onStop, onReload, onLink. A name
// that means nothing is warned about, with the nearest that does.
func (a *API) Named(name string, fn goja.Value) {
	o, ok := fn.(*goja.Object)
	if !ok {
		return
	}
	call, ok := goja.AssertFunction(o)
	if !ok {
		return
	}
	known := []string{"Packet"} // without "on", which would make any two short names alike
	for l, at := range map[string]**named{"onStart": &a.start, "onStop": &a.stopped, "onReload": &a.reloaded, "onLink": &a.linked} {
		if l == name {
			h := a.handler(name)
			*at = &named{h, call}
			return
		}
		known = append(known, l[2:])
	}
	m := &match{name: name, goes: true}
	found := name == "onPacket"
	for _, p := range a.reg.Protos() {
		if strings.EqualFold(name, "on"+p.Name) {
			m.proto, found = p, true
		}
		known = append(known, strings.ToUpper(p.Name[:1])+p.Name[1:])
	}
	if !found {
		slices.Sort(known)
		if n := packet.Nearest(strings.TrimPrefix(name, "on"), known); n != "" {
			a.host.Log("warn", "function "+name+" is never called: did you mean on"+n+"?")
		}
		return
	}
	s := &sub{a: a, match: m, link: -1, left: -1, h: a.handler(name)}
	a.react(name, s, o)
	s.h.Why = why(s)
	a.subscribe(s)
}
