package jsapi

import (
	"errors"
	"strings"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// match is what to react to, compiled. Exactly one of its members is set,
// none for every packet.
type match struct {
	proto   *packet.Proto
	filter  *filter
	pattern *packet.Matcher
	rawPred func(goja.FunctionCall) goja.Value
	lent    bool                        // rawPred provably keeps nothing of the packet
	custom  func(p *packet.Packet) bool // of something that waits
	request *packet.Packet              // what waits for the answer to it

	source any    // what pattern was compiled of
	name   string // as the summary shows it: 'arp', { tcp }, a function's name
	goes   bool   // it runs without entering JavaScript
}

// combined is what not(), any() and all() give a script: an object without
// properties that is a pattern wherever one is taken.
type combined struct{ pattern any }

// filter is a pcap filter, compiled for each kind of link it meets.
type filter struct {
	expr string
	of   []func([]byte) bool // by link plus one; the first one is for Ethernet
}

// matches tells whether a packet is one. v is the packet's view where there is
// one already: predicates are called with it.
func (m *match) matches(a *API, p *packet.Packet, v *view) bool {
	switch {
	case m.proto != nil:
		return p.Find(m.proto, 0) >= 0
	case m.pattern != nil:
		if v != nil {
			defer a.look(v)()
		}
		return m.pattern.Match(p)
	case m.filter != nil:
		return a.runFilter(m.filter, p)
	case m.request != nil:
		return p.Answers(m.request)
	case m.custom != nil:
		return m.custom(p)
	case m.rawPred != nil:
		if v == nil {
			v = a.shown(p)
		}
		return m.rawPred(goja.FunctionCall{This: goja.Undefined(), Arguments: []goja.Value{v.object()}}).ToBoolean()
	}
	return true
}

// renew compiles the match again, for a registry in which a protocol was
// replaced.
func (m *match) renew(reg *packet.Registry) (err error) {
	if m.proto != nil {
		m.proto = reg.Proto(m.proto.Name)
	}
	if m.pattern != nil {
		m.pattern, err = packet.Compile(reg, m.source)
	}
	return err
}

// look makes v what predicates within a pattern are called with, until the
// function it returns is called.
func (a *API) look(v *view) func() {
	before := a.looking
	a.looking = v
	return func() { a.looking = before }
}

// shown is the view for a packet that a predicate is to see: the one of the
// frame being delivered, or a copy.
func (a *API) shown(p *packet.Packet) *view {
	if a.looking != nil && a.looking.p == p {
		return a.looking
	}
	if p == &a.arrived {
		return a.arrivedView()
	}
	return a.copyView(p, -1)
}

// match compiles what a script gives to on() and its like. undefined and null
// are every packet.
func (a *API) match(where string, v goja.Value) *match {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return &match{name: "any packet", goes: true}
	}
	if goja.IsString(v) {
		text := v.String()
		m := &match{name: "'" + text + "'", goes: true}
		if m.proto = a.reg.Proto(text); m.proto == nil {
			m.filter = a.filter(where, text)
		}
		return m
	}
	o, ok := v.(*goja.Object)
	if !ok {
		a.fail("a protocol's name, a pcap filter, a pattern or a function", "%s: %s matches nothing", where, a.describe(v))
	}
	if f, ok := goja.AssertFunction(o); ok {
		m := &match{name: "function"}
		if raw, ok := o.Export().(func(goja.FunctionCall) goja.Value); ok {
			m.rawPred = raw
			m.lent = a.prove(o).stays
		} else {
			m.rawPred = func(c goja.FunctionCall) goja.Value {
				x, err := f(c.This, c.Arguments...)
				if err != nil {
					panic(err)
				}
				return x
			}
		}
		if n := o.Get("name"); n != nil && goja.IsString(n) && n.String() != "" {
			m.name = n.String()
			if p := a.reg.Proto(m.name); p != nil && o.StrictEquals(a.exports.Get(m.name)) {
				a.fail("'"+m.name+"'", "%s: the builder %s is no match", where, m.name)
			}
		}
		return m
	}
	c := &patterns{a: a, where: where, goes: true}
	pattern := c.packet("", o, 0)
	m := &match{name: c.name(o), goes: c.goes, source: pattern}
	var err error
	if m.pattern, err = packet.Compile(a.reg, pattern); err != nil {
		a.throw(err)
	}
	return m
}

// filter compiles a pcap filter for every interface.
func (a *API) filter(where, expr string) *filter {
	f := &filter{expr: expr, of: make([]func([]byte) bool, len(a.links)+1)}
	for i := range f.of {
		var err error
		if f.of[i], err = a.host.CompileFilter(expr, i-1); err != nil {
			hint := "a protocol's name ('arp'), or a pcap filter ('udp port 53')"
			if word := strings.TrimSpace(expr); !strings.ContainsAny(word, " \t()") {
				if n := packet.Nearest(word, a.protoNames()); n != "" {
					hint = "did you mean '" + n + "'?"
				}
			}
			a.fail(hint, "%s: '%s': %v", where, expr, err)
		}
	}
	return f
}

func (a *API) runFilter(f *filter, p *packet.Packet) bool {
	i := 0
	if p == &a.arrived || p.Received() && p.Iface < len(a.links) && p.Iface >= 0 {
		i = p.Iface + 1
	}
	return f.of[i](p.Data)
}

// patterns turns a script's pattern into the one that the packet package
// compiles.
type patterns struct {
	a     *API
	where string
	goes  bool
}

// name shows a pattern by the protocols it names.
func (c *patterns) name(o *goja.Object) string {
	if o.ExportType() == typeCombined {
		return "combined pattern"
	}
	return "{ " + strings.Join(o.Keys(), ", ") + " }"
}

// packet converts a pattern for a packet: a Match.
func (c *patterns) packet(path string, v goja.Value, depth int) any {
	a := c.a
	if depth > maxDepth {
		a.fail("", "%s: a pattern nested more than %d deep: a cycle?", c.where, maxDepth)
	}
	if goja.IsString(v) {
		text := v.String()
		if a.reg.Proto(text) != nil {
			return text
		}
		f := a.filter(c.where, text)
		return packet.PredPacket(func(p *packet.Packet) bool { return a.runFilter(f, p) })
	}
	o, ok := v.(*goja.Object)
	if !ok {
		a.fail("a protocol's name, a pcap filter, a pattern or a function", "%s: %s matches nothing", c.where, a.describe(v))
	}
	if f, ok := goja.AssertFunction(o); ok {
		c.goes = false
		return packet.PredPacket(func(p *packet.Packet) bool { return a.predicate(f, a.shown(p).object()) })
	}
	switch o.ExportType() {
	case typeCombined:
		return o.Export().(*combined).pattern
	case typeList:
		list := packet.AnyOf{}
		for _, x := range c.items(o) {
			list = append(list, c.packet(path, x, depth+1))
		}
		return list
	case typeView, typeLayer, typeBytes, typeArrayBuffer, typePromise:
		a.fail("a protocol's name, a pcap filter, a pattern or a function", "%s: %s matches nothing", c.where, a.describe(v))
	}
	var (
		fields packet.Fields
		nots   packet.AllOf
	)
	for _, k := range o.Keys() {
		x := o.Get(k)
		switch {
		case x == nil || goja.IsUndefined(x):
		case k == "not":
			nots = append(nots, packet.Not{Test: c.packet(path, x, depth+1)})
		case k == "quoted":
			if t, ok := x.Export().(bool); ok {
				fields = append(fields, packet.FieldValue{Name: k, Value: t})
			} else {
				fields = append(fields, packet.FieldValue{Name: k, Value: c.packet(k, x, depth+1)})
			}
		default:
			fields = append(fields, packet.FieldValue{Name: k, Value: c.value(k, x, depth+1)})
		}
	}
	if len(nots) == 0 {
		return fields
	}
	if len(fields) > 0 {
		nots = append(nots, fields)
	}
	return nots
}

func (c *patterns) items(o *goja.Object) []goja.Value {
	n := o.Get("length").ToInteger()
	if n > maxItems {
		c.a.fail("", "%s: more than %d items", c.where, maxItems)
	}
	list := make([]goja.Value, n)
	for i := range list {
		list[i] = o.Get(c.a.integer(uint64(i)).String())
	}
	return list
}

// value converts the test of a protocol or a field.
func (c *patterns) value(path string, v goja.Value, depth int) any {
	a := c.a
	o, ok := v.(*goja.Object)
	if !ok {
		return a.fromJS(path, v)
	}
	if depth > maxDepth {
		a.fail("", "%s: %s: nested more than %d deep: a cycle?", c.where, path, maxDepth)
	}
	if f, ok := goja.AssertFunction(o); ok {
		c.goes = false
		row := c.row(path)
		return packet.Pred(func(v packet.Value) bool { return a.predicate(f, a.toJS(row, v)) })
	}
	switch o.ExportType() {
	case typeBytes, typeArrayBuffer: // of the class Object, too
		return a.fromJS(path, v)
	case typeList:
		list := []any{}
		for _, x := range c.items(o) {
			list = append(list, c.value(path, x, depth+1))
		}
		return list
	case typeCombined:
		a.fail("{ not: … }, a list, or { min, max }", "%s: not(), any() and all() are for packets, not for a field", path)
	}
	switch o.ClassName() {
	case "RegExp":
		return a.regexp(o)
	case "Object":
	default:
		return a.fromJS(path, v)
	}
	if a.isPart(o) {
		return a.fromJS(path, v)
	}
	fields := packet.Fields{}
	for _, k := range o.Keys() { // { min, max }, { not } and { has } among them
		if x := o.Get(k); x != nil && !goja.IsUndefined(x) {
			fields = append(fields, packet.FieldValue{Name: k, Value: c.value(path+"."+k, x, depth+1)})
		}
	}
	return fields
}

// row finds the field that a predicate is on, so that it sees flags as letters.
func (c *patterns) row(path string) *packet.Field {
	proto, rest, _ := strings.Cut(path, ".")
	p := c.a.reg.Proto(proto)
	if p == nil {
		return nil
	}
	name, rest, _ := strings.Cut(rest, ".")
	f := p.Field(name)
	for rest != "" {
		name, rest, _ = strings.Cut(rest, ".")
		f = part(f, name)
	}
	return f
}

// predicate calls a function found in a pattern. What it throws is the
// callback's that was to be called, so it goes up as it is.
func (a *API) predicate(f goja.Callable, arg goja.Value) bool {
	v, err := f(goja.Undefined(), arg)
	if err != nil {
		var ex *goja.Exception
		if errors.As(err, &ex) {
			panic(ex)
		}
		panic(err)
	}
	return v.ToBoolean()
}

// expression is a script's regular expression. Its own engine runs it: it means
// what JavaScript means.
type expression struct {
	a    *API
	o    *goja.Object
	exec goja.Callable
}

func (a *API) regexp(o *goja.Object) packet.Regexp {
	exec, ok := goja.AssertFunction(o.Get("exec"))
	if !ok {
		a.fail("", "%s has no exec", a.describe(o))
	}
	return &expression{a, o, exec}
}

// MatchString tests from the start, whatever the flags g and y remember.
func (r *expression) MatchString(s string) bool {
	if err := r.o.Set("lastIndex", 0); err != nil {
		panic(err)
	}
	v, err := r.exec(r.o, r.a.rt.ToValue(s))
	if err != nil {
		panic(err)
	}
	return !goja.IsNull(v)
}
