package jsapi

import (
	"fmt"
	"net/netip"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

func (a *API) installSend() {
	send := a.function("send", func(call goja.FunctionCall) goja.Value {
		args := call.Arguments
		if len(args) == 1 { // send(pkt.reply()): what matters most
			if v := a.viewOf(args[0]); v != nil {
				a.sendView(v, -1)
				return goja.Undefined()
			}
		}
		link := -1
		n := len(args)
		if n > 0 {
			if i, ok := a.ifaceOption(args[n-1]); ok {
				link, n = i, n-1
			}
		}
		if n == 0 {
			a.fail("send(ip({ dst: '10.0.0.2' }), icmp())", "send: nothing to send")
		}
		for _, v := range a.gather("send", args[:n]) {
			a.sendView(v, link)
		}
		return goja.Undefined()
	})
	a.global("send", send)
	// It cannot be replaced, so that a handler's send(…) is known to be this one.
	_ = a.rt.GlobalObject().DefineDataProperty("send", send, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	a.global("decodeAs", a.function("decodeAs", func(call goja.FunctionCall) goja.Value {
		o, ok := call.Argument(0).(*goja.Object)
		if !ok || o.ClassName() != "Object" {
			a.fail("decodeAs({ udp: 5300 }, 'dns')", "decodeAs: %s does not say where", a.describe(call.Argument(0)))
		}
		p := a.proto("decodeAs", call.Argument(1))
		for _, space := range o.Keys() {
			n := a.number("decodeAs: "+space, o.Get(space), 0, 1<<32-1)
			switch space {
			case "eth", "ip", "udp", "tcp":
			case "ip6":
				space = "ip"
			default:
				a.fail("eth (EtherTypes), ip (protocol numbers), udp and tcp (ports)", "decodeAs: there are no numbers of '%s'", space)
			}
			if a.reg == packet.Builtin() {
				a.reg = a.reg.Clone()
			}
			if err := a.reg.Bind(packet.Bind{Space: space, Value: uint64(n)}, p); err != nil {
				a.throw(err)
			}
		}
		return goja.Undefined()
	}))
}

// iface finds an interface by the name a script gives it.
func (a *API) iface(where string, v goja.Value) int {
	if goja.IsString(v) {
		name := v.String()
		names := make([]string, len(a.links))
		for i, l := range a.links {
			if names[i] = l.name; l.name == name {
				return i
			}
		}
		hint := didYouMean(name, names)
		if hint == "" {
			hint = fmt.Sprintf("the interfaces are %q", names)
		}
		a.fail(hint, "%s: there is no interface '%s'", where, name)
	}
	a.fail("the name of an interface: interfaces[0].name", "%s: %s is no interface", where, a.describe(v))
	return -1
}

// ifaceOption reads { iface } behind what is to be sent.
func (a *API) ifaceOption(v goja.Value) (link int, ok bool) {
	o, isObject := v.(*goja.Object)
	if !isObject || o.ExportType() == typeList || a.isPart(o) || bytesOf(o) != nil || o.ClassName() != "Object" {
		return -1, false
	}
	if x := o.Get("layers"); x != nil && !goja.IsUndefined(x) {
		return -1, false // what toJSON gave
	}
	x := a.options("send", v, "iface")["iface"]
	if x == nil {
		return -1, true
	}
	return a.iface("send", x), true
}

// gather makes packets of parts: layers and bytes that stand together are one,
// a packet is one, a list is gathered by itself.
func (a *API) gather(where string, parts []goja.Value) []*view {
	var (
		list []*view
		p    *assembly
	)
	end := func() {
		if p != nil {
			list = append(list, p.end())
			p = nil
		}
	}
	for i, x := range parts {
		if v := a.viewOf(x); v != nil {
			end()
			list = append(list, v)
			continue
		}
		if o, ok := x.(*goja.Object); ok && o.ExportType() == typeList && o.ClassName() == "Array" {
			end()
			items := make([]goja.Value, o.Get("length").ToInteger())
			for j := range items {
				items[j] = o.Get(fmt.Sprint(j))
			}
			for _, y := range items {
				if o, ok := y.(*goja.Object); ok && o.ExportType() == typeList {
					a.fail("", "%s: a list in a list", where)
				}
			}
			list = append(list, a.gather(where, items)...)
			continue
		}
		if p == nil {
			p = a.assemble(where)
		}
		p.add(i, x)
	}
	end()
	return list
}

// sendView sends a packet by that interface, or where that is -1 by the one
// that fits: the packet's own, else the one whose network holds the
// destination, else the first.
func (a *API) sendView(v *view, link int) {
	p := v.packet()
	if v.vary != nil {
		a.sendTemplate(v, link)
		return
	}
	if len(a.links) == 0 {
		a.fail("", "send: there is no interface")
	}
	if link < 0 {
		link = v.link
	}
	if link < 0 {
		link = a.route(p)
	}
	if v.answer && len(p.Data) == 0 {
		return // the reply to what is cut off, or calls for none
	}
	l := a.links[link]
	if !v.answer || p.Dirty() {
		// What was worked out for a look at it, or for the last time it was sent, is
		// worked out again for this interface.
		retell(p)
		if err := p.Finish(&l.env); err != nil {
			a.throw(err)
		}
	}
	cause := Cause{Handler: a.current, Frame: a.frame, Place: a.place}
	refs := p.Layers()
	if len(refs) == 0 || refs[0].Proto.Name == "eth" || a.linkFirst[link] == nil || a.linkFirst[link].Name != "eth" {
		if len(refs) > 0 && refs[0].Proto.Name == "eth" && a.linkFirst[link] != nil && a.linkFirst[link].Name != "eth" {
			a.host.Send(link, p.Data[refs[0].Hdr:], cause) // a link without Ethernet: tun
			return
		}
		if f := unset(p); f {
			a.sendToHop(l, p, cause)
			return
		}
		a.host.Send(link, p.Data, cause)
		return
	}
	framed, err := packet.New(a.reg, a.reg.Proto("eth"), nil)
	if err == nil {
		err = framed.Append(p)
	}
	if err == nil {
		env := l.env
		env.NextID = nil // p has its identification
		err = framed.Finish(&env)
	}
	if err != nil {
		a.throw(err)
	}
	a.sendToHop(l, framed, cause)
}

// unset reports whether the frame's destination MAC was not told.
func unset(p *packet.Packet) bool {
	refs := p.Layers()
	if len(refs) == 0 || refs[0].Proto.Name != "eth" || p.Received() {
		return false
	}
	f := refs[0].Proto.Field("dst")
	return f != nil && !p.Told(0, f)
}

// sendToHop sends a frame whose destination MAC was not told: to the next hop
// of its IP destination, to whom ARP answers, else to all.
func (a *API) sendToHop(l *link, p *packet.Packet, cause Cause) {
	if dst, ok := destination(p); ok {
		a.sendVia(l, dst, p.Data, cause)
		return
	}
	to := packet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if i := p.FindName("arp", 0); i >= 0 {
		proto := p.Layers()[i].Proto
		op, _ := p.Uint(i, proto.Field("op"))
		if tha := p.Raw(i, proto.Field("tha")); op == 2 && len(tha) == 6 && packet.MAC(tha) != (packet.MAC{}) {
			to = packet.MAC(tha)
		}
	}
	copy(p.Data, to[:])
	a.host.Send(l.index, p.Data, cause)
}

// destination is the address of the outermost IP header.
func destination(p *packet.Packet) (netip.Addr, bool) {
	for i, r := range p.Layers() {
		switch r.Proto.Name {
		case "ip":
			if b := p.Raw(i, r.Proto.Field("dst")); len(b) == 4 {
				return netip.AddrFrom4([4]byte(b)), true
			}
		case "ip6":
			if b := p.Raw(i, r.Proto.Field("dst")); len(b) == 16 {
				return netip.AddrFrom16([16]byte(b)), true
			}
		}
	}
	return netip.Addr{}, false
}

// route chooses the interface for a packet that has none.
func (a *API) route(p *packet.Packet) int {
	if len(a.links) > 1 {
		if dst, ok := destination(p); ok {
			for i, l := range a.links {
				if l.holds(dst) {
					return i
				}
			}
		}
	}
	return 0
}

// retell makes Finish work out again what was not told.
func retell(p *packet.Packet) {
	if p.Dirty() || p.Received() {
		return
	}
	for i, r := range p.Layers() {
		for _, f := range r.Proto.Fields {
			if (f.Own != 0 || f.Auto != nil) && !p.Told(i, f) {
				p.Untell(i, f)
				return
			}
		}
	}
}
