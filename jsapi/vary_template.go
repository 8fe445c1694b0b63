package jsapi

import (
	"errors"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// varied is what makes a packet a template: the fields that vary, and what
// was compiled of them.
type varied struct {
	slots []varySlot
	made  []*outgoing // by interface, as it was when it was compiled; nil where it was not
	plain *packet.Template
}

// varySlot is a field that varies, and the value that a script was told.
type varySlot struct {
	packet.Slot
	shown goja.Value
}

// takeVarying parts the fields that vary from those that do not, which get a
// sample so that the header has its shape.
func takeVarying(p *packet.Proto, fields packet.Fields, given goja.Value) (packet.Fields, []varySlot) {
	var slots []varySlot
	for i := 0; i < len(fields); i++ {
		fv := &fields[i]
		f := p.Field(fv.Name)
		if f == nil || !packet.Varies(fv.Value) {
			continue
		}
		s := varySlot{Slot: packet.Slot{Field: f, Value: fv.Value}}
		if o, ok := given.(*goja.Object); ok {
			s.shown = o.Get(fv.Name)
		}
		slots = append(slots, s)
		if sample, ok := packet.Sample(fv.Value); ok {
			fv.Value = sample
		} else {
			fields = slices.Delete(fields, i, i+1)
			i--
		}
	}
	return fields, slots
}

// addSlots adds fields that vary, and throws where one cannot hold its values.
func (v *view) addSlots(slots ...varySlot) {
	for _, s := range slots {
		if err := v.p.CheckSlot(s.Slot); err != nil {
			v.a.throw(err)
		}
	}
	if len(slots) == 0 {
		return
	}
	if v.vary == nil {
		v.vary = new(varied)
	}
	v.vary.slots = append(v.vary.slots, slots...)
	v.changed()
}

// changed drops what was compiled of a template.
func (v *view) changed() {
	if v.vary != nil {
		v.vary.made, v.vary.plain = nil, nil
	}
}

// dropSlot makes a field constant again: f is nil for the payload.
func (v *view) dropSlot(layer int, f *packet.Field) {
	if v.vary == nil {
		return
	}
	v.vary.slots = slices.DeleteFunc(v.vary.slots, func(s varySlot) bool { return s.Field == f && (f == nil || s.Layer == layer) })
	v.changed()
	if len(v.vary.slots) == 0 {
		v.vary = nil
	}
}

// slotAt is the value that a script gave for a field that varies, or nil.
func (v *view) slotAt(layer int, f *packet.Field) goja.Value {
	for _, s := range v.vary.slots {
		if s.Layer == layer && s.Field == f && f != nil {
			if s.shown == nil {
				if w, ok := s.Value.(*packet.Vary); ok { // of fuzz()
					return (&varying{a: v.a, v: w}).object()
				}
			}
			return s.shown
		}
	}
	return nil
}

// appendSlots takes over the slots of another packet whose first layer stands
// at base in v, or of its one layer.
func (v *view) appendSlots(from *view, base, only int) {
	if from.vary == nil {
		return
	}
	for _, s := range from.vary.slots {
		switch {
		case s.Field == nil:
			if only < 0 {
				v.appendPayload(s.Value)
			}
			continue
		case only >= 0 && s.Layer != only:
			continue
		case only >= 0:
			s.Layer = 0
		}
		s.Layer += base
		v.addSlots(s)
	}
}

// appendPayload puts a payload that varies behind what there is.
func (v *view) appendPayload(x packet.Value) {
	parts, ok := x.([]any)
	if !ok {
		parts = []any{x}
	}
	var old []any
	if v.vary != nil {
		for _, s := range v.vary.slots {
			if s.Field == nil {
				old, _ = s.Value.([]any)
			}
		}
	}
	if old == nil {
		old = []any{append([]byte(nil), v.p.Payload()...)}
	}
	v.dropSlot(0, nil)
	s := varySlot{Slot: packet.Slot{Value: append(slices.Clone(old), parts...)}}
	if err := v.p.SetSlot(s.Slot); err != nil {
		v.a.throw(err)
	}
	v.addSlots(s)
}

func (v *view) payloadVaries() bool {
	return v.vary != nil && slices.ContainsFunc(v.vary.slots, func(s varySlot) bool { return s.Field == nil })
}

// cloneSlots makes a packet of another runtime vary as from does. What draws
// from the script's own iterator cannot leave its runtime.
func (v *view) cloneSlots(from *view) {
	if from.vary == nil {
		return
	}
	clones := map[*packet.Vary]*packet.Vary{}
	for _, s := range from.vary.slots {
		s.shown = nil
		s.Value = packet.MapVary(s.Value, func(x *packet.Vary) *packet.Vary {
			if clones[x] == nil {
				c, ok := x.Clone(v.a.random)
				if !ok {
					from.a.fail("", "a packet with a field that is drawn from %s cannot be cloned", x)
				}
				clones[x] = c
			}
			return clones[x]
		})
		v.addSlots(s)
	}
}

// keepSlots takes over the slots of a packet that v is a copy of, but for the
// fields that were changed.
func (v *view) keepSlots(from *view, changes []packet.Change) {
	if from.vary == nil {
		return
	}
	told := func(s varySlot) bool {
		return slices.ContainsFunc(changes, func(c packet.Change) bool {
			if c.Proto == nil || s.Field == nil {
				return c.Proto == nil && s.Field == nil
			}
			return v.p.Find(c.Proto, 0) == s.Layer && c.Fields.Get(s.Field.Name) != nil
		})
	}
	for _, s := range from.vary.slots {
		if !told(s) {
			v.addSlots(s)
		}
	}
}

// refresh gives the fields that vary the values that the next send takes, as
// far as they are known: of what is drawn at random, one that it could be; of
// an iterator, the default.
func (v *view) refresh() {
	for _, s := range v.vary.slots {
		if err := v.p.SetSlot(s.Slot); err != nil {
			v.a.throw(err)
		}
	}
}

// set assigns a field of a layer: a value that varies, or a constant.
func (l *layer) set(f *packet.Field, val goja.Value) error {
	v := l.v
	var x packet.Value
	if o, ok := val.(*goja.Object); ok {
		x = v.a.fromJS(l.class.proto.Name+"."+f.Name, o)
	} else { // what is set in a loop needs no path for an error
		x = v.a.fromJS("", val)
	}
	if !packet.Varies(x) {
		if err := v.p.Set(l.i, f, x); err != nil {
			return err
		}
		if v.vary != nil {
			v.dropSlot(l.i, f)
			v.changed()
		}
		return nil
	}
	s := varySlot{Slot: packet.Slot{Layer: l.i, Field: f, Value: x}, shown: val}
	if err := v.p.SetSlot(s.Slot); err != nil {
		return err
	}
	v.dropSlot(l.i, f)
	v.addSlots(s)
	return nil
}

// outgoing is a packet made ready to leave by one interface again and again.
type outgoing struct {
	a     *API
	l     *link
	t     *packet.Template
	data  []byte // instead of t: the frame as it is
	env   packet.Env
	skip  int // bytes of an Ethernet header that the link does not have
	hops  hopKind
	dst   netip.Addr // hopOne
	hop   hop
	fixed bool // hopOne: the destination MAC is in place for good
}

type hopKind uint8

const (
	hopTold hopKind = iota // the destination MAC was told, or there is none
	hopOne                 // the IP destination is the same in each packet
	hopMany                // to be looked at in each packet
)

// outgoing compiles a packet for an interface, or returns what was compiled
// before.
func (a *API) outgoing(v *view, link int) *outgoing {
	l := a.links[link]
	if v.vary != nil && link < len(v.vary.made) {
		if o := v.vary.made[link]; o != nil && o.current() {
			return o
		}
	}
	p := v.packet()
	o := &outgoing{a: a, l: l, env: l.env}
	refs := p.Layers()
	ethernet := a.linkFirst[link] != nil && a.linkFirst[link].Name == "eth"
	var slots []packet.Slot
	if v.vary != nil {
		for _, s := range v.vary.slots {
			slots = append(slots, s.Slot)
		}
	}
	switch {
	case v.vary == nil && v.answer && !p.Dirty() && len(refs) > 0 && refs[0].Proto.Name == "eth" && ethernet:
		o.data = slices.Clone(p.Data)
		return o
	case len(refs) > 0 && refs[0].Proto.Name == "eth" && !ethernet:
		o.skip = int(refs[0].Hdr)
	case len(refs) > 0 && refs[0].Proto.Name != "eth" && ethernet:
		framed, err := packet.New(a.reg, a.reg.Proto("eth"), nil)
		if err == nil {
			err = framed.Append(p)
		}
		if err != nil {
			a.throw(err)
		}
		p = framed
		for i := range slots {
			slots[i].Layer++
		}
	}
	var err error
	if o.t, err = p.Template(slots, &l.env); err != nil {
		a.throw(err)
	}
	o.hops = o.kind(slots)
	if v.vary != nil {
		for len(v.vary.made) <= link {
			v.vary.made = append(v.vary.made, nil)
		}
		v.vary.made[link] = o
	}
	return o
}

func (o *outgoing) kind(slots []packet.Slot) hopKind {
	p := o.t.Packet()
	if o.skip > 0 || !unset(p) {
		return hopTold
	}
	for _, s := range slots {
		if s.Field != nil && s.Layer == 0 && s.Field.Name == "dst" {
			return hopTold
		}
	}
	dst, ok := destination(p)
	if !ok || o.t.Why() != "" {
		return hopMany
	}
	for _, s := range slots {
		if s.Field != nil && s.Field.Name == "dst" {
			return hopMany
		}
	}
	o.dst = dst.Unmap().WithZone("")
	return hopOne
}

// current reports whether the interface still has the addresses that were
// compiled in.
func (o *outgoing) current() bool {
	e := &o.l.env
	return o.env.MAC == e.MAC && o.env.IPv4 == e.IPv4 && o.env.IPv6 == e.IPv6
}

// send makes the next packet and sends it, and returns how many bytes it has.
// now is the host's time.
func (o *outgoing) send(now time.Duration, cause Cause) (int, error) {
	b := o.data
	if b == nil {
		var err error
		if b, err = o.t.Next(); err != nil {
			return 0, err
		}
		b = b[o.skip:]
	}
	h := o.a.host
	switch {
	case o.hops == hopTold:
		h.Send(o.l.index, b, cause)
	case o.hops == hopOne:
		if n := o.hop.n; n != nil && n.known && !n.gone && now <= o.hop.until && now-n.seen <= hopFresh {
			copy(b, n.mac[:])
			h.Send(o.l.index, b, cause)
			break
		}
		o.a.sendVia(o.l, o.dst, b, cause)
		o.hop = o.l.hops.routes[o.dst]
	default:
		o.a.sendToHop(o.l, o.t.Packet(), cause)
	}
	return len(b), nil
}

// why says in which lane the packet is made.
func (o *outgoing) why() (lane, why string) {
	switch {
	case o.data != nil || o.t.Why() == "":
		return "go", "a template: stores at fixed places"
	case o.t.External():
		return "js", "a field is drawn from an iterator of the script"
	}
	return "go", "built anew for each packet: " + o.t.Why()
}

// sendTemplate sends the next packet of a template.
func (a *API) sendTemplate(v *view, link int) {
	if len(a.links) == 0 {
		a.fail("", "send: there is no interface")
	}
	if link < 0 {
		link = v.link
	}
	if link < 0 {
		if link = a.templateLink(v); link < 0 {
			a.sendView(a.instance(v), -1)
			return
		}
	}
	o := a.outgoing(v, link)
	if _, err := o.send(a.host.Now(), Cause{Handler: a.current, Frame: a.frame}); err != nil {
		a.throw(ended("send", err))
	}
}

// templateLink is the interface that all packets of a template leave by, or -1
// where that depends on the packet.
func (a *API) templateLink(v *view) int {
	if v.link >= 0 {
		return v.link
	}
	if len(a.links) <= 1 {
		return 0
	}
	if v.vary != nil {
		for _, s := range v.vary.slots {
			if s.Field != nil && s.Field.Name == "dst" && (s.Field.Kind == packet.IPv4 || s.Field.Kind == packet.IPv6) {
				return -1
			}
		}
	}
	return a.route(v.packet())
}

// plain is the template without an interface: its packets are finished when
// they are sent.
func (a *API) plain(v *view) *packet.Template {
	if v.vary.plain == nil {
		slots := make([]packet.Slot, len(v.vary.slots))
		for i, s := range v.vary.slots {
			slots[i] = s.Slot
		}
		var err error
		if v.vary.plain, err = v.packet().Template(slots, nil); err != nil {
			a.throw(err)
		}
	}
	return v.vary.plain
}

// instance is the next packet of a template, as a packet that no longer varies.
func (a *API) instance(v *view) *view {
	t := a.plain(v)
	if _, err := t.Next(); err != nil {
		a.throw(ended("template", err))
	}
	return a.newView(t.Packet().Clone(), v.link)
}

// products is what product() returns: every packet of a template's
// combinations. Each iteration begins anew.
type products struct {
	a *API
	v *view
}

var typeProducts = reflect.TypeFor[*products]()

// Get, Set, Has, Delete and Keys: it has no properties but its iterator.
func (p *products) Get(string) goja.Value       { return nil }
func (p *products) Set(string, goja.Value) bool { return false }
func (p *products) Has(string) bool             { return false }
func (p *products) Delete(string) bool          { return true }
func (p *products) Keys() []string              { return nil }

func (a *API) product(call goja.FunctionCall) goja.Value {
	list := a.gather("product", call.Arguments)
	if len(list) != 1 {
		a.fail("product(ip({ dst: hosts('10.0.0.0/24') }), tcp({ dport: range(1, 1024) }))", "product: %d packets; it takes the parts of one", len(list))
	}
	o := a.rt.NewDynamicObject(&products{a, list[0]})
	proto := a.rt.NewObject()
	_ = proto.DefineDataPropertySymbol(goja.SymIterator, a.function("[Symbol.iterator]", func(goja.FunctionCall) goja.Value {
		next := a.combinations(list[0])
		return a.iterator(func() goja.Value {
			v := next()
			if v == nil {
				return nil
			}
			return v.object()
		}, func() {})
	}), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	_ = o.SetPrototype(proto)
	return o
}

// combinations returns a function that gives every packet of a template's
// combinations, and then nil. A packet that does not vary is the only one.
func (a *API) combinations(v *view) func() *view {
	if v.vary == nil {
		one := v
		return func() *view {
			x := one
			one = nil
			return x
		}
	}
	v.vary.plain = nil
	t := a.plain(v)
	v.vary.plain = nil // this one is turned
	t.Product()
	return func() *view {
		if _, err := t.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			a.throw(err)
		}
		return a.newView(t.Packet().Clone(), v.link)
	}
}

// fuzz returns a copy whose fields are drawn at random where they were not
// given and are not worked out.
func (a *API) fuzz(call goja.FunctionCall) goja.Value {
	x := call.Argument(0)
	to := &view{a: a, p: packet.NewBytes(a.reg, nil), link: -1}
	l := a.layerOf(x)
	if v := a.viewOf(x); l == nil && v == nil {
		a.fail("fuzz(udp()), or fuzz(packet(…))", "fuzz: %s is no layer or packet", a.describe(x))
	} else if v != nil {
		to.link = v.link
	}
	a.appendPart(to, "fuzz", 0, x)
	if !to.p.Dirty() || to.p.Received() {
		to.p.SetBuilt()
	}
	for i := range to.p.Layers() {
		for _, s := range to.p.FuzzSlots(i, a.random) {
			if to.vary != nil && to.slotAt(i, s.Field) != nil {
				continue // it varies already
			}
			if err := to.p.SetSlot(s); err != nil {
				a.throw(err)
			}
			to.addSlots(varySlot{Slot: s})
		}
	}
	if l != nil {
		return to.layerAt(0).object()
	}
	return to.object()
}
