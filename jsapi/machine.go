package jsapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// mostEdges is how many kinds of transitions are counted for --explain.
const mostEdges = 256

func init() {
	installs = append(installs, struct {
		names   string
		install func(*API)
	}{"machine", (*API).installMachine})
}

// machines is what the API keeps of state machines.
type machines struct {
	sites  []*machineSite // in order of appearance in a run
	bySite map[string]*machineSite
}

// machineSite is a call of machine() in the source: what its machines did is
// counted together, for a script may make one for each connection.
type machineSite struct {
	h     *Handler
	edges []edge
	at    map[[2]string]int // place in edges
	rest  uint64            // transitions of further kinds
}

type edge struct {
	from, to string
	n        uint64
}

func (x *machineSite) count(from, to string) {
	i, ok := x.at[[2]string{from, to}]
	if !ok {
		if len(x.edges) == mostEdges {
			x.rest++
			return
		}
		i = len(x.edges)
		x.at[[2]string{from, to}] = i
		x.edges = append(x.edges, edge{from: from, to: to})
	}
	x.edges[i].n++
}

// trace tells the transitions taken so far, by first appearance.
func (x *machineSite) trace() string {
	const shown = 32
	var b strings.Builder
	if x.h.Lane == "go" {
		b.WriteString("a state machine without functions")
	} else {
		b.WriteString("a state machine with functions")
	}
	for i, e := range x.edges {
		switch {
		case i == shown:
			fmt.Fprintf(&b, ", and %d other kinds", len(x.edges)-shown)
			return b.String()
		case i == 0:
			b.WriteString("; transitions: ")
		default:
			b.WriteString(", ")
		}
		if e.from != "" {
			b.WriteString(e.from + " ")
		}
		b.WriteString("→ " + e.to)
		if e.n > 1 {
			fmt.Fprintf(&b, " ×%d", e.n)
		}
	}
	if x.rest > 0 {
		fmt.Fprintf(&b, ", and %d more", x.rest)
	}
	return b.String()
}

// refreshMachines brings the traces in the handlers up to date.
func (a *API) refreshMachines() {
	for _, x := range a.sites {
		x.h.Why = x.trace()
	}
}

// rawFunction is a function of the script, called without leaving the runtime.
type rawFunction func(goja.FunctionCall) goja.Value

// machine is one state machine of the script.
type machine struct {
	a      *API
	site   *machineSite
	obj    *goja.Object
	states map[string]*state
	names  []string
	listen bool

	context goja.Value
	state   *state
	visit   uint64 // how many states were entered: tells one stay from the next
	exited  uint64 // the visit whose exit ran
	inner   *scope // of the state
	outer   *scope // that the machine was made in
	at      int    // its place there, plus one; 0: not held
	seen    uint64 // the delivery that an entry decided
	busy    bool   // within a transition: the next ones wait
	next    []*state
	ended   bool

	done                  *deferred
	result                goja.Value // what done resolves with
	goTo, deliverTo, halt goja.Value // methods, made when asked for
}

// state is one state, compiled.
type state struct {
	name        string
	enter, exit rawFunction
	on          []reactionTo
	after       []deadline
	final       bool
}

// target is a state, or a function that may tell one.
type target struct {
	where string // in the definition, for errors
	to    *state
	tell  rawFunction
}

type reactionTo struct {
	match *match
	target
}

type deadline struct {
	limit time.Duration
	tell  rawFunction // tells the limit; may be nil
	target
}

func (a *API) installMachine() {
	a.bySite = map[string]*machineSite{}
	a.global("machine", a.function("machine", a.machine))
}

const machineHint = "machine({ initial: 'idle', states: { idle: { on: [['arp', 'busy']] }, busy: {} } })"

// machine compiles a definition and enters its initial state.
func (a *API) machine(call goja.FunctionCall) goja.Value {
	if o, ok := call.Argument(0).(*goja.Object); !ok || o.ClassName() != "Object" {
		a.fail(machineHint, "machine: %s is no definition", a.describe(call.Argument(0)))
	}
	def := a.options("machine", call.Argument(0), "initial", "context", "states")
	opt := a.options("machine", call.Argument(1), "listen")
	m := &machine{a: a, states: map[string]*state{}, listen: true, outer: a.scope}
	if x := opt["listen"]; x != nil {
		m.listen = x.ToBoolean()
	}
	if m.context = def["context"]; m.context == nil {
		m.context = a.rt.NewObject()
	}
	states, ok := def["states"].(*goja.Object)
	if !ok || states.ClassName() != "Object" || len(states.Keys()) == 0 {
		a.fail(machineHint, "machine: there are no states")
	}
	m.names = states.Keys()
	for _, n := range m.names {
		m.states[n] = &state{name: n}
	}
	if def["initial"] == nil {
		a.fail("initial: '"+m.names[0]+"'", "machine: initial is missing")
	}
	scripted := false
	for _, n := range m.names {
		scripted = m.define(m.states[n], states.Get(n)) || scripted
	}
	first := m.find("machine: initial", def["initial"])
	m.site = a.machineSite(scripted)
	m.obj = a.rt.NewDynamicObject(m)
	if a.scope != nil {
		a.scope.own(m)
	}
	m.to(first)
	return m.obj
}

// machineSite is the entry of the summary for the machine() that is called.
func (a *API) machineSite(scripted bool) *machineSite {
	name := "machine" + a.position()
	x := a.bySite[name]
	if x == nil {
		x = &machineSite{h: a.handler(name), at: map[[2]string]int{}}
		x.h.Lane = "go"
		a.bySite[name] = x
		a.sites = append(a.sites, x)
	}
	if scripted {
		x.h.Lane = "js"
	}
	return x
}

// define compiles a state. scripted tells whether there are functions in it.
func (m *machine) define(s *state, v goja.Value) (scripted bool) {
	a, where := m.a, "machine: "+s.name
	if v == nil || goja.IsUndefined(v) {
		a.fail("a state without anything is {}", "%s: the state is undefined", where)
	}
	d := a.options(where, v, "enter", "exit", "on", "after", "final")
	s.enter, s.exit = a.rawFunction(where+": enter", d["enter"]), a.rawFunction(where+": exit", d["exit"])
	scripted = s.enter != nil || s.exit != nil
	if x := d["final"]; x != nil {
		s.final = x.ToBoolean()
	}
	for i, e := range m.pairs(where+": on", d["on"], "on: [['arp', 'busy'], [{ tcp: { flags: 'S' } }, (pkt, m) => 'open']]") {
		at := fmt.Sprintf("%s: on[%d]", where, i)
		r := reactionTo{a.match(at, e[0]), m.target(at, e[1])}
		s.on = append(s.on, r)
		scripted = scripted || r.tell != nil || !r.match.goes
	}
	after := func(at string, limit, to goja.Value) {
		d := deadline{target: m.target(at, to)}
		if o, ok := limit.(*goja.Object); ok {
			d.tell = a.rawFunction(at, o)
		} else {
			d.limit = a.duration(limit)
		}
		s.after = append(s.after, d)
		scripted = scripted || d.tell != nil || d.target.tell != nil
	}
	if o, ok := d["after"].(*goja.Object); ok && o.ExportType() != typeList && o.ClassName() == "Object" {
		for _, k := range o.Keys() {
			limit := a.rt.ToValue(k)
			if ms, err := strconv.ParseFloat(k, 64); err == nil {
				limit = a.rt.ToValue(ms) // { 500: 'next' }: a key is a string
			}
			after(where+": after '"+k+"'", limit, o.Get(k))
		}
	} else {
		for i, e := range m.pairs(where+": after", d["after"], "after: { '2s': 'idle' }, or [[m => m.context.wait, 'idle']]") {
			after(fmt.Sprintf("%s: after[%d]", where, i), e[0], e[1])
		}
	}
	if s.final && (len(s.on) > 0 || len(s.after) > 0) {
		a.fail("take away final, or on and after", "%s: a final state is never left", where)
	}
	return scripted
}

// pairs reads a list of pairs.
func (m *machine) pairs(where string, v goja.Value, right string) (list [][2]goja.Value) {
	if v == nil {
		return nil
	}
	a := m.a
	o, ok := v.(*goja.Object)
	if !ok || o.ExportType() != typeList {
		a.fail(right, "%s: %s is no list of pairs", where, a.describe(v))
	}
	c := patterns{a: a, where: where}
	for i, x := range c.items(o) {
		p, ok := x.(*goja.Object)
		if !ok || p.ExportType() != typeList || p.Get("length").ToInteger() != 2 {
			a.fail(right, "%s[%d]: %s is no pair", where, i, a.describe(x))
		}
		list = append(list, [2]goja.Value{p.Get("0"), p.Get("1")})
	}
	return list
}

// target reads a state's name or a function.
func (m *machine) target(where string, v goja.Value) target {
	t := target{where: where}
	if o, ok := v.(*goja.Object); ok {
		if _, ok := goja.AssertFunction(o); ok {
			t.tell = m.a.rawFunction(where, o)
			return t
		}
	}
	t.to = m.find(where, v)
	return t
}

// find is the state of that name.
func (m *machine) find(where string, v goja.Value) *state {
	if v == nil || !goja.IsString(v) {
		m.a.fail("the name of a state, or a function that returns one", "%s: %s is no state", where, m.a.describe(v))
	}
	name := v.String()
	s := m.states[name]
	if s == nil {
		hint := didYouMean(name, m.names)
		if hint == "" {
			hint = fmt.Sprintf("the states are %s", strings.Join(m.names[:min(len(m.names), 12)], ", "))
		}
		m.a.fail(hint, "%s: there is no state '%s'", where, name)
	}
	return s
}

// rawFunction reads a function that may be absent.
func (a *API) rawFunction(where string, v goja.Value) rawFunction {
	if v == nil {
		return nil
	}
	o, _ := v.(*goja.Object)
	if o != nil {
		if raw, ok := o.Export().(func(goja.FunctionCall) goja.Value); ok {
			return raw
		}
	}
	f, ok := goja.AssertFunction(v)
	if !ok {
		a.fail("a function", "%s: %s is no function", where, a.describe(v))
	}
	return func(c goja.FunctionCall) goja.Value {
		x, err := f(c.This, c.Arguments...)
		if err != nil {
			panic(err)
		}
		return x
	}
}

func (m *machine) call(f rawFunction, args ...goja.Value) goja.Value {
	return f(goja.FunctionCall{This: goja.Undefined(), Arguments: args})
}

// to leaves the state for another. What is asked for within a transition
// comes after it. What enter or exit throws ends the machine.
func (m *machine) to(s *state) {
	if m.ended {
		return
	}
	m.next = append(m.next, s)
	if m.busy {
		return
	}
	m.busy = true
	good := false
	defer func() {
		m.busy, m.next = false, nil
		if !good {
			m.end(goja.Undefined())
		}
	}()
	for len(m.next) > 0 && !m.ended {
		s := m.next[0]
		m.next = m.next[1:]
		m.leave()
		if !m.ended {
			m.enter(s)
		}
	}
	good = true
}

// leave runs exit, and then ends what was made in enter.
func (m *machine) leave() {
	if m.inner == nil {
		return
	}
	m.runExit()
	if m.inner != nil {
		m.inner.end()
		m.inner = nil
	}
}

func (m *machine) enter(s *state) {
	from := ""
	if m.state != nil {
		from = m.state.name
	}
	m.site.count(from, s.name)
	m.state, m.inner = s, new(scope)
	m.visit++
	since := m.a.host.Now()
	value := goja.Undefined()
	if s.enter != nil {
		m.a.within(m.inner, func() { value = m.call(s.enter, m.obj) })
		if !s.final {
			m.settled(value)
		}
	}
	switch {
	case m.ended || len(m.next) > 0 && !s.final:
		return // enter went on at once
	case s.final:
		if value == nil || goja.IsUndefined(value) {
			value = m.context
		}
		m.end(value)
		return
	}
	if m.listen {
		for i := range s.on {
			m.subscribe(&s.on[i])
		}
	}
	for i := range s.after {
		m.arm(&s.after[i], since)
		if m.inner == nil || m.state != s {
			return // a function that tells a limit went on
		}
	}
}

// settled reports what an async enter or exit rejects with.
func (m *machine) settled(v goja.Value) {
	o, ok := v.(*goja.Object)
	if !ok || o.ExportType() != typePromise {
		return
	}
	m.a.whenDone(o, func(goja.Value) {}, m.failed)
}

func (m *machine) failed(reason goja.Value) {
	if m.a.failed(m.a.exception(reason), m.site.h) {
		m.end(goja.Undefined())
	}
}

// subscribe makes the state listen by one of its entries. All see the same
// packets, and the first that matches decides.
func (m *machine) subscribe(r *reactionTo) {
	a := m.a
	s := &sub{a: a, match: r.match, link: -1, left: -1, h: m.site.h}
	if base := r.match; !base.goes { // it asks script code: not about what is decided
		s.match = &match{name: base.name, custom: func(p *packet.Packet) bool { return m.seen != a.count && base.matches(a, p, nil) }}
	}
	s.goes = func(v *view) {
		if m.seen == a.count || m.ended {
			return
		}
		m.seen = a.count
		a.within(m.outer, func() { m.decide(&r.target, v) })
	}
	a.within(m.inner, func() { a.subscribe(s) })
}

// arm sets the timer of a deadline, counted from since.
func (m *machine) arm(d *deadline, since time.Duration) {
	a, limit := m.a, d.limit
	if d.tell != nil {
		a.within(m.outer, func() { limit = a.duration(m.call(d.tell, m.obj)) })
		if m.ended || m.inner == nil {
			return
		}
	}
	t := &sleeping{a: a}
	at := since + limit
	if at < since {
		at = 1<<63 - 1
	}
	frame := a.frame
	t.timer = a.host.SetTimer(at, func() {
		if t.scope != nil {
			t.scope.release(t)
		}
		if a.closed || m.ended {
			return
		}
		a.frame = frame
		defer func() { a.frame = 0 }()
		m.site.h.Hits++
		if err := a.guarded(func() {
			a.enter(m.site.h, func() { a.within(m.outer, func() { m.decide(&d.target, nil) }) })
		}); err != nil && a.failed(err, m.site.h) {
			m.end(goja.Undefined())
		}
		a.settle()
	})
	m.inner.own(t)
}

// decide takes a target. v is the packet that led to it; nil: a deadline.
func (m *machine) decide(t *target, v *view) {
	visit := m.visit
	switch {
	case t.tell == nil:
		m.to(t.to)
	case v == nil:
		m.apply(t, visit, m.call(t.tell, m.obj), nil)
	default:
		m.apply(t, visit, m.call(t.tell, v.object(), m.obj), v)
	}
}

// apply does what a target's function, called in that visit, returned.
func (m *machine) apply(t *target, visit uint64, x goja.Value, received *view) {
	a := m.a
	if x == nil || goja.IsUndefined(x) {
		return
	}
	if o, ok := x.(*goja.Object); ok {
		if v := a.viewOf(o); v != nil {
			if v == received {
				a.fail("forward() or pkt.with({}) says it is meant", "%s: it returned the packet it received", t.where)
			}
			a.sendView(v, -1)
			return
		}
		if o.ExportType() == typePromise {
			a.whenDone(o, func(x goja.Value) {
				if m.ended || m.visit != visit {
					return // the state that it was told in is over
				}
				if ex := a.rt.Try(func() { a.within(m.outer, func() { m.apply(t, visit, x, received) }) }); ex != nil && a.failed(ex, m.site.h) {
					m.end(goja.Undefined())
				}
			}, m.failed)
			return
		}
	}
	m.to(m.find(t.where, x))
}

// deliver gives the machine a packet, and tells whether an entry of its state
// matched.
func (m *machine) deliver(call goja.FunctionCall) goja.Value {
	a := m.a
	v := a.viewOf(call.Argument(0))
	if v == nil {
		a.fail("m.deliver(pkt)", "deliver: %s is no packet", a.describe(call.Argument(0)))
	}
	if m.ended || m.state == nil {
		return a.rt.ToValue(false)
	}
	on := m.state.on
	for i := range on {
		if on[i].match.matches(a, v.finished(), v) {
			a.within(m.outer, func() { m.decide(&on[i].target, v) })
			return a.rt.ToValue(true)
		}
	}
	return a.rt.ToValue(false)
}

// stop leaves the state for good.
func (m *machine) stop() {
	if m.ended {
		return
	}
	defer m.end(m.context)
	m.runExit()
}

// runExit runs the exit of the state, once a stay.
func (m *machine) runExit() {
	if m.inner == nil || m.state.exit == nil || m.exited == m.visit {
		return
	}
	m.exited = m.visit
	m.a.within(m.outer, func() { m.settled(m.call(m.state.exit, m.obj)) })
}

// end ends the machine; done resolves with a value, unless that is undefined.
func (m *machine) end(value goja.Value) {
	if m.ended {
		return
	}
	m.ended, m.next = true, nil
	if m.inner != nil {
		m.inner.end()
		m.inner = nil
	}
	if m.at > 0 {
		m.outer.release(m)
	}
	if goja.IsUndefined(value) {
		return
	}
	m.result = value
	if m.done != nil {
		m.done.Resolve(value)
	}
}

func (m *machine) cancel() { m.stop() }

func (m *machine) hold(in *scope, place int) {
	m.at = 0
	if in != nil {
		m.at = place + 1
	}
}

func (m *machine) place() int { return m.at - 1 }

var machineMembers = []string{"state", "context", "done", "go", "deliver", "stop"}

// Get is a member of a Machine.
func (m *machine) Get(key string) goja.Value {
	a := m.a
	method := func(at *goja.Value, f func(goja.FunctionCall) goja.Value) goja.Value {
		if *at == nil {
			*at = a.function(key, f)
		}
		return *at
	}
	switch key {
	case "state":
		if m.state != nil {
			return a.rt.ToValue(m.state.name)
		}
		return goja.Undefined()
	case "context":
		return m.context
	case "done":
		if m.done == nil {
			m.done = a.promise()
			if m.result != nil {
				m.done.Resolve(m.result)
			}
		}
		return m.done.promise
	case "go":
		return method(&m.goTo, func(call goja.FunctionCall) goja.Value {
			m.to(m.find("go", call.Argument(0)))
			return goja.Undefined()
		})
	case "deliver":
		return method(&m.deliverTo, m.deliver)
	case "stop":
		return method(&m.halt, func(goja.FunctionCall) goja.Value {
			m.stop()
			return goja.Undefined()
		})
	}
	if !probes[key] {
		a.fail(didYouMean(key, machineMembers), "a machine has no %s", key)
	}
	return nil
}

// Set replaces the context.
func (m *machine) Set(key string, v goja.Value) bool {
	switch key {
	case "context":
		m.context = v
		return true
	case "state":
		m.a.fail("m.go('…')", "state: a machine's state cannot be assigned")
	}
	m.a.fail("keep it in m.context", "%s: a machine has no such property to assign", key)
	return false
}

// Has says whether there is such a member.
func (m *machine) Has(key string) bool { return slices.Contains(machineMembers, key) }

// Delete refuses.
func (m *machine) Delete(key string) bool { return !m.Has(key) }

// Keys are those that tell something.
func (m *machine) Keys() []string { return []string{"state", "context"} }
