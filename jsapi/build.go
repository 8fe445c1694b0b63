package jsapi

import (
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// installBuilders makes a builder for each protocol.
func (a *API) installBuilders() {
	for _, p := range a.reg.Protos() {
		b := a.builder(p)
		a.guard(p, b)
		a.global(p.Name, b)
	}
}

// guard makes a constant that a builder does not have a mistake, rather than
// undefined, which as a field's value would mean that it is not told.
func (a *API) guard(p *packet.Proto, builder *goja.Object) {
	before := a.rt.NewDynamicObject(&guarded{a, p.Name, builder})
	_ = before.SetPrototype(builder.Prototype())
	_ = builder.SetPrototype(before)
}

// guarded stands between a builder and Function.prototype: it is asked for
// what the builder lacks.
type guarded struct {
	a       *API
	name    string
	builder *goja.Object
}

var constantName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

func (g *guarded) Get(key string) goja.Value {
	if constantName.MatchString(key) {
		names := g.builder.Keys()
		hint := didYouMean(key, names)
		if hint == "" && len(names) > 0 {
			hint = "one of " + strings.Join(names[:min(len(names), 12)], ", ")
		}
		g.a.fail(hint, "%s has no constant %s", g.name, key)
	}
	return nil
}

func (g *guarded) Set(string, goja.Value) bool { return false }
func (g *guarded) Has(string) bool             { return false }
func (g *guarded) Delete(string) bool          { return true }
func (g *guarded) Keys() []string              { return nil }

// builder is the function that builds one header, with the standard names of
// the protocol's numbers as constants: arp.REQUEST. Where two fields have a
// value of one name, it is the first one's.
func (a *API) builder(p *packet.Proto) *goja.Object {
	o := a.function(p.Name, func(call goja.FunctionCall) goja.Value {
		if a.reg != packet.Builtin() {
			p = a.reg.Proto(p.Name) // it may have been replaced
		}
		fields, slots := takeVarying(p, a.fields(p.Name, call.Argument(0)), call.Argument(0))
		q, err := packet.New(a.reg, p, fields)
		if err != nil {
			a.throw(err)
		}
		v := a.newView(q, -1)
		v.addSlots(slots...)
		return v.layerAt(0).object()
	})
	for _, f := range p.Fields {
		if f.Enum == nil {
			continue
		}
		for _, e := range *f.Enum {
			name := e.Constant()
			if x := o.Get(name); x == nil || goja.IsUndefined(x) {
				_ = o.DefineDataProperty(name, a.integer(e.Value), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_TRUE)
			}
		}
	}
	return o
}

func (a *API) installPacket() {
	a.global("packet", a.function("packet", func(call goja.FunctionCall) goja.Value {
		b := a.assemble("packet")
		for i, x := range call.Arguments {
			v := b.add(i, x)
			if v != nil && len(call.Arguments) == 1 {
				b.to.link = v.link
			}
		}
		return b.end().object()
	}))
	a.global("parse", a.function("parse", func(call goja.FunctionCall) goja.Value {
		b, ok := isBytes(call.Argument(0))
		if !ok {
			a.fail("a Uint8Array, or hex('…')", "parse: %s is not bytes", a.describe(call.Argument(0)))
		}
		first := a.reg.Proto("eth")
		if x := call.Argument(1); !goja.IsUndefined(x) {
			first = a.proto("parse", x)
		}
		v := &view{a: a, link: -1}
		a.reg.Decode(&v.own, b, first)
		v.p = &v.own
		return v.object()
	}))
	a.global("hex", a.function("hex", func(call goja.FunctionCall) goja.Value {
		x := call.Argument(0)
		if !goja.IsString(x) {
			a.fail("hex('de ad be ef')", "hex: %s is not a string of digits", a.describe(x))
		}
		b, err := parseHex(x.String())
		if err != nil {
			a.throw(err)
		}
		return a.uint8Array(b)
	}))
	a.global("bytes", a.function("bytes", func(call goja.FunctionCall) goja.Value {
		out := []byte{}
		for i, x := range call.Arguments {
			if goja.IsNumber(x) {
				out = append(out, byte(a.number("bytes: part "+strconv.Itoa(i+1), x, 0, 255)))
				continue
			}
			b, ok := isBytes(x)
			if !ok {
				a.fail("a number is one byte; else a string or a Uint8Array", "bytes: part %d: %s is not bytes", i+1, a.describe(x))
			}
			out = append(out, b...)
		}
		return a.uint8Array(out)
	}))
}

// parseHex reads pairs of digits, with spaces, colons, dashes or dots between.
func parseHex(s string) ([]byte, error) {
	digits := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\n', '\r', ':', '-', '.', '_':
			return -1
		}
		return r
	}, strings.TrimPrefix(s, "0x"))
	b, err := hex.DecodeString(digits)
	if err != nil {
		for _, r := range digits {
			if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
				return nil, &mistake{"hex: '" + string(r) + "' is no hexadecimal digit", "hex('de ad be ef')"}
			}
		}
		return nil, &mistake{"hex: an odd number of digits", "two digits a byte: hex('0a')"}
	}
	return b, nil
}

// assembly is a packet being put together of its parts.
type assembly struct {
	to    *view
	quote *view // what an ICMP error quotes: all parts behind its header
	where string
}

func (a *API) assemble(where string) *assembly {
	return &assembly{to: a.newView(packet.NewBytes(a.reg, nil), -1), where: where}
}

// add is appendPart for the packet, or for the one that it quotes.
func (b *assembly) add(i int, x goja.Value) *view {
	a := b.to.a
	if b.quote == nil && b.to.p.EndsInError() && len(b.to.p.Payload()) == 0 && a.hasLayers(x) {
		b.quote = a.newView(packet.NewBytes(a.reg, nil), -1)
	}
	if b.quote != nil {
		return a.appendPart(b.quote, b.where, i, x)
	}
	return a.appendPart(b.to, b.where, i, x)
}

// end is the packet.
func (b *assembly) end() *view {
	if q := b.quote; q != nil {
		if q.vary != nil {
			b.to.a.fail("vary the headers in front of it", "%s: what an ICMP error quotes cannot vary", b.where)
		}
		if err := b.to.p.Append(q.finished()); err != nil {
			b.to.a.throw(err)
		}
		b.quote = nil
	}
	return b.to
}

// hasLayers reports whether x is a layer or a packet of some.
func (a *API) hasLayers(x goja.Value) bool {
	if a.layerOf(x) != nil {
		return true
	}
	v := a.viewOf(x)
	return v != nil && len(v.packet().Layers()) > 0
}

// appendPart puts a layer, a packet, bytes, or what toJSON gave behind to's. The
// packet that it was, if any, is returned.
func (a *API) appendPart(to *view, where string, i int, x goja.Value) *view {
	p := to.p
	base := len(p.Layers())
	if l := a.layerOf(x); l != nil {
		if err := p.Append(l.extract()); err != nil {
			a.throw(err)
		}
		to.appendSlots(l.v, base, l.i)
		return nil
	}
	if v := a.viewOf(x); v != nil {
		if err := p.Append(v.finished()); err != nil {
			a.throw(err)
		}
		to.appendSlots(v, base, -1)
		return v
	}
	if v := a.varyingOf(x); v != nil {
		to.appendPayload(v.v)
		return nil
	}
	if b, ok := isBytes(x); ok {
		if to.vary != nil && to.payloadVaries() {
			to.appendPayload(b)
		} else {
			p.AppendBytes(b)
		}
		return nil
	}
	if o, ok := x.(*goja.Object); ok && o.ExportType() != typeList && o.ClassName() == "Object" {
		if layers := o.Get("layers"); layers != nil && !goja.IsUndefined(layers) {
			q, err := packet.FromObject(a.reg, a.object(where, o, 0))
			if err != nil {
				a.throw(err)
			}
			if err := p.Append(q); err != nil {
				a.throw(err)
			}
			return nil
		}
	}
	hint := where + "(ip({ … }), udp({ … }), 'payload')"
	if o, ok := x.(*goja.Object); ok && o.ExportType() == typeFunction {
		if name := o.Get("name").String(); a.reg.Proto(name) != nil {
			hint = "call the builder: " + name + "()"
		}
	}
	a.fail(hint, "%s: part %d: %s is no layer, packet or bytes", where, i+1, a.describe(x))
	return nil
}

// extract is the header alone as a packet.
func (l *layer) extract() *packet.Packet {
	v := l.v
	p := l.packet()
	if len(p.Layers()) == 1 && !p.Received() && len(p.Payload()) == 0 {
		return p
	}
	q := new(packet.Packet)
	v.a.reg.Decode(q, append([]byte(nil), p.Header(l.i)...), l.class.proto)
	q.SetBuilt()
	if len(q.Layers()) == 1 {
		for _, f := range l.class.proto.Fields {
			if !p.Told(l.i, f) {
				q.Untell(0, f)
			}
		}
	}
	return q
}
