package jsapi

import (
	"strings"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// member is a property of a packet: a protocol, a method, or a value.
type member struct {
	proto  *packet.Proto
	method goja.Value
	get    func(v *view) goja.Value
}

// initMembers makes the table of a packet's properties. Members come before
// protocols of the same name.
func (a *API) initMembers() {
	for _, p := range a.reg.Protos() {
		a.members.add(p.Name, member{proto: p})
	}
	for name, get := range map[string]func(*view) goja.Value{
		"layers": (*view).allLayers,
		"payload": func(v *view) goja.Value {
			return v.a.uint8Array(append([]byte{}, v.finished().Payload()...))
		},
		"text": func(v *view) goja.Value {
			return v.a.rt.ToValue(strings.ToValidUTF8(string(v.finished().Payload()), "\ufffd"))
		},
		"bytes":  func(v *view) goja.Value { return v.a.uint8Array(append([]byte{}, v.finished().Data...)) },
		"length": func(v *view) goja.Value { return v.a.integer(uint64(v.wireLength())) },
		"time":   func(v *view) goja.Value { return v.a.rt.ToValue(dateOf(v.p.Time)) },
		"iface": func(v *view) goja.Value {
			if v.link < 0 {
				return v.a.rt.ToValue("")
			}
			return v.a.linkNames[v.link]
		},
		"flow":   func(v *view) goja.Value { return v.a.rt.ToValue(v.finished().Flow()) },
		"errors": func(v *view) goja.Value { return v.a.strings(v.finished().Errors()) },
		"quoted": (*view).quoted,
	} {
		a.members.add(name, member{get: get})
	}
	for name, f := range map[string]func(v *view, call goja.FunctionCall) goja.Value{
		"has": func(v *view, call goja.FunctionCall) goja.Value {
			return v.a.rt.ToValue(v.p.Find(v.a.proto("has", call.Argument(0)), 0) >= 0)
		},
		"layer":   (*view).nthLayer,
		"reply":   (*view).reply,
		"error":   (*view).icmpError,
		"with":    (*view).with,
		"answers": (*view).answers,
		"matches": func(v *view, call goja.FunctionCall) goja.Value {
			m := v.a.match("matches", call.Argument(0))
			return v.a.rt.ToValue(m.matches(v.a, v.finished(), v))
		},
		"summary":  func(v *view, _ goja.FunctionCall) goja.Value { return v.a.rt.ToValue(v.finished().Summary()) },
		"toString": func(v *view, _ goja.FunctionCall) goja.Value { return v.a.rt.ToValue(v.finished().Summary()) },
		"show":     func(v *view, _ goja.FunctionCall) goja.Value { return v.a.rt.ToValue(v.finished().Show()) },
		"hexdump":  func(v *view, _ goja.FunctionCall) goja.Value { return v.a.rt.ToValue(v.finished().Hexdump()) },
		"toJSON": func(v *view, _ goja.FunctionCall) goja.Value {
			return v.a.toJS(nil, v.finished().Object(v.ifaceName()))
		},
	} {
		a.members.add(name, member{method: a.function(name, func(call goja.FunctionCall) goja.Value {
			v := a.viewOf(call.This)
			if v == nil {
				a.fail("call it as pkt."+name+"()", "%s: %s is no packet", name, a.describe(call.This))
			}
			v.packet()
			return f(v, call)
		})})
	}
}

// proto reads the name of a protocol.
func (a *API) proto(what string, v goja.Value) *packet.Proto {
	if !goja.IsString(v) {
		a.fail("the name of a protocol: 'tcp'", "%s: %s is no name of a protocol", what, a.describe(v))
	}
	name := v.String()
	p := a.reg.Proto(name)
	if p == nil {
		a.fail(didYouMean(name, a.protoNames()), "%s: there is no protocol '%s'", what, name)
	}
	return p
}

func (a *API) protoNames() []string {
	var names []string
	for _, p := range a.reg.Protos() {
		names = append(names, p.Name)
	}
	return names
}

func (a *API) strings(list []string) goja.Value {
	items := make([]any, len(list))
	for i, s := range list {
		items[i] = s
	}
	return a.rt.NewArray(items...)
}

func (v *view) ifaceName() string {
	if v.link < 0 {
		return ""
	}
	return v.a.links[v.link].name
}

// wireLength is the length on the wire: of a received packet more than its
// bytes when the capture cut it.
func (v *view) wireLength() int {
	p := v.finished()
	if p.Received() && p.Length > len(p.Data) {
		return p.Length
	}
	return len(p.Data)
}

func (v *view) allLayers() goja.Value {
	p := v.finished()
	list := make([]any, len(p.Layers()))
	for i := range list {
		list[i] = v.layerAt(i).object()
	}
	o := v.a.rt.NewArray(list...)
	v.a.freeze(o)
	return o
}

func (v *view) nthLayer(call goja.FunctionCall) goja.Value {
	nth := 0
	if x := call.Argument(1); !goja.IsUndefined(x) {
		nth = int(v.a.number("layer: nth", x, 0, 1<<16))
	}
	i := v.p.Find(v.a.proto("layer", call.Argument(0)), nth)
	if i < 0 {
		return goja.Undefined()
	}
	v.finished()
	return v.layerAt(i).object()
}

func (v *view) quoted() goja.Value {
	q := v.finished().Quoted()
	if q == nil {
		return goja.Undefined()
	}
	// Its bytes are the packet's: the copy is what may be kept.
	return v.a.copyView(q, v.link).object()
}

// changes reads what with() and reply() are given.
func (a *API) changes(where string, v goja.Value) []packet.Change {
	if v == nil || goja.IsUndefined(v) {
		return nil
	}
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Object" || a.isPart(o) {
		a.fail("an object of layers: "+where+"({ ip: { ttl: 1 } })", "%s: %s is no object of changes", where, a.describe(v))
	}
	var list []packet.Change
	for _, k := range o.Keys() {
		x := o.Get(k)
		if x == nil || goja.IsUndefined(x) {
			continue
		}
		if k == "payload" {
			b, ok := isBytes(x)
			if !ok {
				a.fail("a string, a Uint8Array or hex('…')", "%s: payload: %s is not bytes", where, a.describe(x))
			}
			list = append(list, packet.Change{Payload: b})
			continue
		}
		p := a.reg.Proto(k)
		if p == nil {
			hint := didYouMean(k, a.protoNames())
			if hint == "" {
				hint = "an object of layers: " + where + "({ ip: { ttl: 1 } })"
			}
			a.fail(hint, "%s: there is no protocol '%s'", where, k)
		}
		list = append(list, packet.Change{Proto: p, Fields: a.fields(k, x)})
	}
	return list
}

// isPart reports whether an object is a packet or a layer.
func (a *API) isPart(o *goja.Object) bool {
	t := o.ExportType()
	return t == typeView || t == typeLayer
}

func (v *view) with(call goja.FunctionCall) goja.Value {
	// What was not told stays so: a copy of a built packet is worked out when it is sent.
	list := v.a.laid(v.a.changes("with", call.Argument(0)), v.finished())
	q, err := v.p.With(list)
	if err != nil {
		v.a.throw(err)
	}
	c := v.a.newView(q, v.link)
	c.keepSlots(v, list)
	return c.object()
}

func (v *view) reply(call goja.FunctionCall) goja.Value {
	p := v.finished()
	// Only of the lent packet: others may be answered by functions that the
	// handler calls, of which nothing is known.
	reuse := v.a.reuse && v == v.a.views.lent
	r := v.a.spare
	if reuse && r != nil {
		if r.p != nil {
			r.takeBack()
		}
		r.link, r.p, r.vary = v.link, &r.own, nil
	} else {
		r = v.a.ownView(v.link, len(p.Data))
		r.answer = true
		if reuse {
			r.pool = new(layerPool)
			v.a.spare = r
		}
	}
	if _, err := p.Reply(v.a.env(v.link), v.a.laid(v.a.changes("reply", call.Argument(0)), p), r.p); err != nil {
		v.a.throw(err)
	}
	o := r.object()
	v.a.last = r // mostly sent at once
	return o
}

func (v *view) icmpError(call goja.FunctionCall) goja.Value {
	a := v.a
	kinds := []string{"unreachable", "timeExceeded", "parameterProblem", "packetTooBig", "redirect"}
	kind := call.Argument(0)
	if !goja.IsString(kind) {
		a.fail("one of "+strings.Join(kinds, ", "), "error: %s is no type of error", a.describe(kind))
	}
	o := a.options("error", call.Argument(1), "code", "mtu", "gateway", "src")
	opt := packet.ErrorOptions{
		Code: a.fromJS("code", o["code"]), MTU: a.fromJS("mtu", o["mtu"]),
		Gateway: a.fromJS("gateway", o["gateway"]), Src: a.fromJS("src", o["src"]),
	}
	q, err := v.finished().Error(a.env(v.link), kind.String(), opt)
	if err != nil {
		a.throw(err)
	}
	if q == nil {
		return goja.Undefined()
	}
	r := a.newView(q, v.link)
	r.answer = true
	return r.object()
}

func (v *view) answers(call goja.FunctionCall) goja.Value {
	req := v.a.viewOf(call.Argument(0))
	if req == nil {
		v.a.fail("pkt.answers(request)", "answers: %s is no packet", v.a.describe(call.Argument(0)))
	}
	return v.a.rt.ToValue(v.finished().Answers(req.finished()))
}

// clonePacket makes a packet or a layer of this runtime one of another
// runtime, over bytes of its own; nil where o is neither.
func (a *API) clonePacket(to *API, o *goja.Object) *goja.Object {
	if l := a.layerOf(o); l != nil {
		l.packet()
		return to.copyView(l.v.p, l.v.link).layerAt(l.i).object()
	}
	if v := a.viewOf(o); v != nil {
		c := to.copyView(v.finished(), v.link)
		c.answer = v.answer
		c.cloneSlots(v)
		return c.object()
	}
	return nil
}

// dateOf is a time as scripts see it. A double has no room for nanoseconds since
// 1970: the whole milliseconds are exact, as those of Date are.
func dateOf(ns int64) float64 { return float64(ns/1e6) + float64(ns%1e6)/1e6 }
