package jsapi

import (
	"strconv"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// views is what the API keeps for packets in the script.
type views struct {
	newUint8Array goja.Value
	ints          [256]*[256]goja.Value // numbers below 65,536, boxed once
	addresses     addressCache
	members       names[member]
	classes       []*class // by Proto.ID
	linkNames     []goja.Value
	linkFirst     []*packet.Proto // outermost protocol of an interface's frames
	last          *view           // the view whose member was read last: mostly the one a native is called with

	lent  *view // the view that is re-pointed from packet to packet
	spare *view // the answer that is built again and again
	reuse bool  // the handler that runs provably sends each answer at once, or returns it
}

// view is a packet in the script: an object whose properties are read from the
// packet's bytes when asked. A fresh one owns its packet and reads the same
// bytes for ever. The lent one is pointed from packet to packet over borrowed
// bytes, for handlers that provably keep nothing; between two callbacks it
// points to nothing.
type view struct {
	a      *API
	p      *packet.Packet // nil: lent, and taken back
	obj    *goja.Object   // made when asked for: a layer in a builder needs none
	link   int            // the interface it came in by or answers to; -1: none
	answer bool           // made by reply() or error(): finished for its interface
	layers []*layer       // by place in the packet, made when asked for
	block  *layerBlock    // of a fresh view
	pool   *layerPool     // of the lent view
	vary   *varied        // of a template; nil: nothing varies
	own    packet.Packet  // of a fresh view
	bytes  [128]byte      // of own, where it fits: one allocation for both
}

// layerBlock is the first layers of a fresh view, in one allocation.
type layerBlock struct {
	slots [4]*layer
	items [4]layer
}

// layerPool keeps the layers of the lent view, by Proto.ID, to be used again.
type layerPool struct{ of []*layer }

// layer is a header in the script.
type layer struct {
	v     *view
	i     int // its place in the packet; -1: lent, and taken back
	class *class
	obj   *goja.Object
}

// class is what the layers of one protocol have in common.
type class struct {
	proto  *packet.Proto
	fields names[field]
}

// field is a property of a layer.
type field struct {
	f    *packet.Field // nil: one of layer, offset, bytes, toJSON, toString
	how  how
	text *[256]goja.Value // letters of flags, made when first read
}

type how uint8

const (
	howValue  how = iota // anything: a fresh value each time
	howNumber            // of up to 53 bits
	howFlags
	howIPv4
	howIPv6
	howMAC
	howLayer
	howOffset
	howBytes
	howJSON
	howText
)

// probes are names that JavaScript, and tools written in it, look for in any
// object: asking is no mistake.
var probes = map[string]bool{
	"then": true, "catch": true, "finally": true, "toJSON": true, "constructor": true, "inspect": true, "valueOf": true, "toString": true,
	"toLocaleString": true, "hasOwnProperty": true, "isPrototypeOf": true, "propertyIsEnumerable": true, "__proto__": true, "length": true,
	"name": true, "message": true, "stack": true, "prototype": true, "next": true, "return": true, "size": true, "nodeType": true, "tagName": true,
	"asymmetricMatch": true, "$$typeof": true, "@@iterator": true, "@@__IMMUTABLE_ITERABLE__@@": true, "iface": true, "hint": true,
	"__defineGetter__": true, "__defineSetter__": true, "__lookupGetter__": true, "__lookupSetter__": true,
}

func (a *API) initViews() {
	a.newUint8Array = a.rt.Get("Uint8Array")
	for _, l := range a.host.Links() {
		first := l.First
		if first == "" {
			first = "eth"
		}
		a.linkNames = append(a.linkNames, a.rt.ToValue(l.Name))
		a.linkFirst = append(a.linkFirst, a.reg.Proto(first))
	}
	a.initMembers()
}

// env is what a packet takes from the interface it leaves by, the default one
// where none is known.
func (a *API) env(link int) *packet.Env {
	if len(a.links) == 0 {
		return &packet.Env{}
	}
	return &a.links[max(link, 0)].env
}

// newView makes the packet of a script from p, which is the view's from then on.
func (a *API) newView(p *packet.Packet, link int) *view {
	return &view{a: a, p: p, link: link}
}

// copyView makes a fresh view of a packet over bytes of its own.
func (a *API) copyView(p *packet.Packet, link int) *view {
	v := a.ownView(link, len(p.Data))
	p.CloneInto(&v.own)
	return v
}

// ownView makes a view of its own packet, which has room for n bytes and is
// still to be filled.
func (a *API) ownView(link, n int) *view {
	v := &view{a: a, link: link}
	v.p = &v.own
	if n <= len(v.bytes) {
		v.own.Data = v.bytes[:0]
	} else {
		v.own.Data = make([]byte, 0, n)
	}
	return v
}

// lend points the lent view to p until takeBack.
func (a *API) lend(p *packet.Packet, link int) *view {
	v := a.views.lent
	if v == nil {
		v = &view{a: a, pool: new(layerPool)}
		a.views.lent = v
	} else if v.p != nil { // its handler threw
		v.takeBack()
	}
	v.p, v.link = p, link
	n := len(p.Layers())
	if cap(v.layers) < n {
		v.layers = make([]*layer, n, 2*n+8)
	}
	v.layers = v.layers[:n]
	return v
}

// takeBack drops what lend gave, so that a read of it afterwards is noticed.
func (v *view) takeBack() {
	v.p = nil
	for i, l := range v.layers {
		if l != nil {
			l.i = -1
			v.layers[i] = nil
		}
	}
}

// object is the packet as a script's value.
func (v *view) object() *goja.Object {
	if v.obj == nil {
		v.obj = v.a.rt.NewDynamicObject(v)
	}
	return v.obj
}

// packet is what the view reads. It throws where the view was lent and taken back.
func (v *view) packet() *packet.Packet {
	if v.p == nil {
		v.a.throw(errStale)
	}
	if v.p.Registry() != v.a.reg && v.pool == nil {
		v.p.Rebase(v.a.reg) // protocols were declared since, or it is from another runtime
	}
	return v.p
}

var errStale = &mistake{"internal error: a packet was read after its handler had returned", "please report this, with the handler"}

// finished is the packet with everything worked out that was not told: what a
// script reads. The sender's own addresses are those of its interface until it
// is sent by another one.
func (v *view) finished() *packet.Packet {
	p := v.packet()
	if v.vary != nil {
		v.refresh()
	}
	if p.Dirty() {
		env := *v.a.env(v.link)
		env.NextID = nil
		if err := p.Finish(&env); err != nil {
			v.a.throw(err)
		}
	}
	return p
}

// layerAt is the object of the packet's ith header.
func (v *view) layerAt(i int) *layer {
	n := len(v.p.Layers())
	if v.layers == nil && v.pool == nil {
		v.block = new(layerBlock)
		v.layers = v.block.slots[:]
	}
	for len(v.layers) < n {
		v.layers = append(v.layers, nil)
	}
	l := v.layers[i]
	if l != nil {
		return l
	}
	proto := v.p.Layers()[i].Proto
	switch {
	case v.pool != nil:
		l = v.pool.take(v, v.a.class(proto))
	case i < len(v.block.items):
		l = &v.block.items[i]
		l.v, l.class = v, v.a.class(proto)
	default:
		l = &layer{v: v, class: v.a.class(proto)}
	}
	l.i = i
	v.layers[i] = l
	return l
}

// take returns a layer of that protocol that is not in use: two headers of one
// protocol are two objects.
func (p *layerPool) take(v *view, c *class) *layer {
	id := c.proto.ID()
	for len(p.of) <= id {
		p.of = append(p.of, nil)
	}
	l := p.of[id]
	if l == nil || l.i >= 0 {
		fresh := &layer{v: v, class: c}
		if l == nil {
			p.of[id] = fresh
		}
		return fresh
	}
	return l
}

func (l *layer) object() *goja.Object {
	if l.obj == nil {
		l.obj = l.v.a.rt.NewDynamicObject(l)
	}
	return l.obj
}

// class returns the table of a protocol's properties.
func (a *API) class(proto *packet.Proto) *class {
	id := proto.ID()
	for len(a.classes) <= id {
		a.classes = append(a.classes, nil)
	}
	c := a.classes[id]
	if c == nil {
		c = &class{proto: proto}
		for name, h := range map[string]how{"layer": howLayer, "offset": howOffset, "bytes": howBytes, "toJSON": howJSON, "toString": howText} {
			c.fields.add(name, field{how: h})
		}
		for _, f := range proto.Fields { // a field of that name comes first: ip.offset
			c.fields.add(f.Name, field{f: f, how: howToRead(f)})
		}
		a.classes[id] = c
	}
	return c
}

func howToRead(f *packet.Field) how {
	if f.Fixed() {
		switch {
		case f.Kind == packet.Uint && f.Bits <= 53:
			return howNumber
		case f.Kind == packet.Flags && f.Bits <= 53:
			return howFlags
		case f.Kind == packet.IPv4:
			return howIPv4
		case f.Kind == packet.IPv6:
			return howIPv6
		case f.Kind == packet.MACs:
			return howMAC
		}
	}
	return howValue
}

// viewOf returns the packet that a script's value is, or nil.
func (a *API) viewOf(x goja.Value) *view {
	o, ok := x.(*goja.Object)
	if !ok {
		return nil
	}
	if a.last != nil && a.last.obj == o { // spares the allocation that Export makes
		return a.last
	}
	if o.ExportType() != typeView {
		return nil
	}
	v := o.Export().(*view)
	if v.a != a {
		return nil
	}
	return v
}

// layerOf returns the header that a script's value is, or nil.
func (a *API) layerOf(x goja.Value) *layer {
	o, ok := x.(*goja.Object)
	if !ok || o.ExportType() != typeLayer {
		return nil
	}
	l := o.Export().(*layer)
	if l.v.a != a {
		return nil
	}
	return l
}

// Get reads a member or a protocol of the packet.
func (v *view) Get(key string) goja.Value {
	m := v.a.members.find(key)
	if m == nil {
		return v.unknown(key)
	}
	if m.proto != nil {
		p := v.packet()
		i := p.Find(m.proto, 0)
		if i < 0 {
			return goja.Undefined()
		}
		if p.Dirty() {
			v.finished()
		}
		return v.layerAt(i).object()
	}
	if m.method != nil {
		v.a.last = v
		return m.method
	}
	v.packet()
	return m.get(v)
}

// unknown answers for a name that is neither a member nor a protocol.
func (v *view) unknown(key string) goja.Value {
	if probes[key] {
		return nil
	}
	a := v.a
	// A field without its layer is the likeliest slip: pkt.sport.
	if v.p != nil {
		for _, r := range v.p.Layers() {
			if r.Proto.Field(key) != nil {
				a.fail("did you mean "+r.Proto.Name+"."+key+"?", "a packet has no %s", key)
			}
		}
	}
	a.fail(didYouMean(key, a.members.list), "a packet has no %s", key)
	return nil
}

// Set refuses what cannot be assigned, and sets the payload of a built packet.
func (v *view) Set(key string, val goja.Value) bool {
	a, p := v.a, v.packet()
	switch {
	case p.Received():
		a.fail("make a changed copy: pkt.with({ … })", "%s: a received packet cannot be changed", key)
	case key == "payload" && a.varyingOf(val) != nil:
		if err := p.SetPayload(nil); err != nil {
			a.throw(err)
		}
		v.dropSlot(0, nil)
		v.appendPayload(a.varyingOf(val).v)
	case key == "payload":
		b, ok := isBytes(val)
		if !ok {
			a.fail("a string, a Uint8Array or hex('…')", "payload: %s is not bytes", a.describe(val))
		}
		if err := p.SetPayload(b); err != nil {
			a.throw(err)
		}
		v.dropSlot(0, nil)
		v.changed()
		v.answer = false
	case a.reg.Proto(key) != nil:
		a.fail("assign its fields: pkt."+key+".… = …", "%s: a layer cannot be replaced", key)
	default:
		a.fail(didYouMean(key, a.members.list), "%s: a packet has no such property to assign", key)
	}
	return true
}

// Has reports whether the packet has that property: a layer, or a member.
func (v *view) Has(key string) bool {
	m := v.a.members.find(key)
	if m == nil {
		return false
	}
	if m.proto != nil {
		return v.packet().Find(m.proto, 0) >= 0
	}
	return true
}

// Delete refuses.
func (v *view) Delete(key string) bool { return !v.Has(key) }

// Keys are the layers, and the payload.
func (v *view) Keys() []string {
	var keys []string
	refs := v.packet().Layers()
next:
	for i := range refs {
		for _, k := range keys {
			if k == refs[i].Proto.Name {
				continue next
			}
		}
		keys = append(keys, refs[i].Proto.Name)
	}
	return append(keys, "payload")
}

// packet is what the header is read from. It throws where the layer was lent
// and taken back.
func (l *layer) packet() *packet.Packet {
	if l.i < 0 || l.v.p == nil {
		l.v.a.throw(errStale)
	}
	if l.v.p.Dirty() {
		return l.v.finished()
	}
	return l.v.p
}

// Get reads a field.
func (l *layer) Get(key string) goja.Value {
	f := l.class.fields.find(key)
	if f == nil {
		return l.unknown(key)
	}
	a, p := l.v.a, l.packet()
	if l.v.vary != nil {
		if x := l.v.slotAt(l.i, f.f); x != nil {
			return x
		}
		l.v.finished()
	}
	switch f.how {
	case howNumber:
		if n, ok := p.Uint(l.i, f.f); ok {
			return a.integer(n)
		}
	case howFlags:
		if n, ok := p.Uint(l.i, f.f); ok {
			return a.flags(f, n)
		}
	case howIPv4:
		if n, ok := p.Uint(l.i, f.f); ok {
			return a.addresses.ipv4(uint32(n))
		}
	case howMAC:
		if n, ok := p.Uint(l.i, f.f); ok {
			return a.addresses.ethernet(n)
		}
	case howIPv6:
		if b := p.Raw(l.i, f.f); b != nil {
			return a.addresses.ipv6([16]byte(b))
		}
	case howValue:
		if f.f.Kind == packet.Choice { // the value alone does not tell which case it is
			if x, ok := p.Script(l.i, f.f); ok {
				return a.readJS(nil, x)
			}
		} else if x, ok := p.Value(l.i, f.f); ok {
			return a.readJS(f.f, x)
		}
	case howLayer:
		return a.rt.ToValue(l.class.proto.Name)
	case howOffset:
		return a.integer(uint64(p.Layers()[l.i].Off))
	case howBytes:
		return a.uint8Array(append([]byte{}, p.Header(l.i)...))
	case howJSON:
		return a.function("toJSON", func(goja.FunctionCall) goja.Value { return l.json() })
	case howText:
		return a.function("toString", func(goja.FunctionCall) goja.Value { return a.rt.ToValue(l.class.proto.Name) })
	}
	return goja.Undefined()
}

func (a *API) flags(f *field, n uint64) goja.Value {
	if n > 255 {
		return a.rt.ToValue(f.f.FlagText(n))
	}
	if f.text == nil {
		f.text = new([256]goja.Value)
	}
	if f.text[n] == nil {
		f.text[n] = a.rt.ToValue(f.f.FlagText(n))
	}
	return f.text[n]
}

func (l *layer) unknown(key string) goja.Value {
	if probes[key] {
		return nil
	}
	name := l.class.proto.Name
	if _, err := strconv.Atoi(key); err == nil {
		l.v.a.fail("", "%s is a header, not a list", name)
	}
	l.v.a.throw(packet.UnknownField(name, key, l.class.proto.Fields))
	return nil
}

// Set changes a field of a built packet; undefined takes it back.
func (l *layer) Set(key string, val goja.Value) bool {
	a := l.v.a
	f := l.class.fields.find(key)
	if l.i < 0 || l.v.p == nil {
		a.throw(errStale)
	}
	if l.v.p.Received() {
		a.fail("make a changed copy: pkt.with({ "+l.class.proto.Name+": { "+key+": … } })", "%s.%s: a received packet cannot be changed", l.class.proto.Name, key)
	}
	if f == nil || f.f == nil {
		if f != nil {
			a.fail("", "%s.%s cannot be assigned", l.class.proto.Name, key)
		}
		a.throw(packet.UnknownField(l.class.proto.Name, key, l.class.proto.Fields))
	}
	if err := l.set(f.f, val); err != nil {
		a.throw(err)
	}
	return true
}

// Has reports whether the header has the field.
func (l *layer) Has(key string) bool {
	f := l.class.fields.find(key)
	if f == nil {
		return false
	}
	if f.f == nil {
		return true
	}
	_, ok := l.packet().Value(l.i, f.f)
	return ok
}

// Delete refuses.
func (l *layer) Delete(key string) bool { return !l.Has(key) }

// Keys are the fields that are there.
func (l *layer) Keys() []string {
	p := l.packet()
	keys := make([]string, 0, len(l.class.proto.Fields))
	for _, f := range l.class.proto.Fields {
		if f.Hidden {
			continue
		}
		if _, ok := p.Value(l.i, f); ok {
			keys = append(keys, f.Name)
		}
	}
	return keys
}

// json is the header as Packet.toJSON shows it.
func (l *layer) json() goja.Value {
	layers, _ := l.packet().Object("").Get("layers").([]any)
	if l.i < len(layers) {
		return l.v.a.toJS(nil, layers[l.i])
	}
	return l.v.a.rt.NewObject()
}
