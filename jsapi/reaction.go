package jsapi

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"strings"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// reaction is what reply(), forward() and route() make: a handler that is
// compiled when it is registered, and runs without entering JavaScript.
type reaction struct {
	a       *API
	kind    string // "reply", "forward" or "route"
	link    int    // forward and route: the interface it leaves by; -1: where it came in
	changes *packet.Changes
	told    bool // there are changes
	ttl     bool // and they tell a TTL or hop limit: route leaves it alone
	out     packet.Packet
	frame   []byte
}

var typeReaction = reflect.TypeFor[*reaction]()

// Get is a member of the script's object.
func (r *reaction) Get(key string) goja.Value {
	if key == "kind" {
		return r.a.rt.ToValue(r.kind)
	}
	return goja.Undefined()
}

// Set refuses: a reaction does not change.
func (r *reaction) Set(string, goja.Value) bool { return false }

// Has says whether there is such a member.
func (r *reaction) Has(key string) bool { return key == "kind" }

// Delete refuses.
func (r *reaction) Delete(string) bool { return false }

// Keys lists the members.
func (r *reaction) Keys() []string { return []string{"kind"} }

// copied is what from() makes: a value taken from the packet reacted to.
type copied struct{ packet.Copied }

var typeCopied = reflect.TypeFor[*copied]()

func (a *API) installReactions() {
	a.global("reply", a.function("reply", func(call goja.FunctionCall) goja.Value {
		return a.newReaction("reply", -1, call.Argument(0))
	}))
	for _, kind := range []string{"forward", "route"} {
		a.global(kind, a.function(kind, func(call goja.FunctionCall) goja.Value {
			return a.newReaction(kind, a.iface(kind, call.Argument(0)), call.Argument(1))
		}))
	}
	a.global("from", a.function("from", func(call goja.FunctionCall) goja.Value {
		return a.rt.ToValue(a.from(call.Argument(0), call.Argument(1)))
	}))
}

func (a *API) newReaction(kind string, link int, changes goja.Value) goja.Value {
	list := a.changes(kind, changes)
	c, err := packet.NewChanges(a.reg, list)
	if err != nil {
		a.throw(err)
	}
	r := &reaction{a: a, kind: kind, link: link, changes: c, told: len(list) > 0}
	for _, ch := range list {
		r.ttl = r.ttl || ch.Proto != nil && (ch.Fields.Get("ttl") != nil || ch.Fields.Get("hopLimit") != nil)
	}
	return a.rt.NewDynamicObject(r)
}

// from reads from('ip.ttl', -1) and from('ip.ttl', { plus, min, max }).
func (a *API) from(name, plus goja.Value) *copied {
	const right = "from('ip.ttl', -1): a protocol and its field"
	if !goja.IsString(name) {
		a.fail(right, "from: %s names no field", a.describe(name))
	}
	proto, fieldName, ok := strings.Cut(name.String(), ".")
	if !ok {
		a.fail(right, "from: '%s' names no field", name)
	}
	p := a.proto("from", a.rt.ToValue(proto))
	f := p.Field(fieldName)
	if f == nil {
		a.throw(packet.UnknownField(proto, fieldName, p.Fields))
	}
	c := &copied{packet.Copied{Field: f}}
	if plus == nil || goja.IsUndefined(plus) {
		return c
	}
	const most = 1 << 52
	if o, ok := plus.(*goja.Object); ok {
		opt := a.options("from", o, "plus", "min", "max")
		c.Min, c.Max = -most, most
		for name, to := range map[string]*int64{"plus": &c.Plus, "min": &c.Min, "max": &c.Max} {
			if x := opt[name]; x != nil {
				*to = a.number("from: "+name, x, -most, most)
				c.Clamp = c.Clamp || name != "plus"
			}
		}
	} else {
		c.Plus = a.number("from: plus", plus, -most, most)
	}
	if f.Kind != packet.Uint || !f.Fixed() {
		a.fail("", "from: %s is no number to add to", name)
	}
	return c
}

// laid works out changes that take values from the packet p.
func (a *API) laid(list []packet.Change, p *packet.Packet) []packet.Change {
	for _, ch := range list {
		for _, fv := range ch.Fields {
			switch fv.Value.(type) {
			case packet.Copied, *packet.Vary:
				c, err := packet.NewChanges(a.reg, list)
				if err == nil {
					list, err = c.For(p)
				}
				if err != nil {
					a.throw(err)
				}
				return list
			}
		}
	}
	return list
}

// act reacts to a packet that came in by link. What the packet makes
// impossible (a header cut off) is no answer; a change that it has no place
// for is an error of the script.
func (r *reaction) act(p *packet.Packet, link int, cause Cause) error {
	a := r.a
	list, err := r.changes.For(p)
	if err != nil {
		return err
	}
	switch r.kind {
	case "reply":
		out, err := p.Reply(&a.links[link].env, list, &r.out)
		if err != nil {
			return err
		}
		if len(out.Layers()) > 0 {
			a.host.Send(link, out.Data, cause)
		}
	case "forward":
		if r.told {
			if p, err = p.With(list); err != nil {
				return err
			}
		}
		a.host.Send(r.link, p.Data, cause)
	case "route":
		return r.route(p, list, link, cause)
	}
	return nil
}

// route passes an IP packet on as a router does (RFC 1812 section 5, RFC 8200
// section 3): addressed to this host's MAC but not to its addresses, with a
// TTL to spare and small enough, else the error that is due.
func (r *reaction) route(p *packet.Packet, list []packet.Change, link int, cause Cause) error {
	a := r.a
	in, out := a.links[link], a.links[r.link]
	i := ipLayer(p)
	if i < 0 {
		return nil
	}
	if eth := p.Header(0); i > 0 && packet.MAC(eth[:6]) != in.env.MAC {
		return nil // somebody else's, or a broadcast, which is not passed on
	}
	h := p.Header(i)
	v6 := p.Layers()[i].Proto.Name == "ip6"
	var dst netip.Addr
	ttl := 8
	if v6 {
		if len(h) < 40 {
			return nil
		}
		dst, ttl = netip.AddrFrom16([16]byte(h[24:40])), 7
	} else {
		if len(h) < 20 || int(h[0]&15)*4 > len(h) || packet.Checksum(h) != 0 {
			return nil
		}
		dst = netip.AddrFrom4([4]byte(h[16:20]))
	}
	// Changes come first: they may give the packet another destination, as
	// address translation does. What is said to the sender is about the packet
	// that it sent.
	came := p
	spare := h[ttl]
	if r.told {
		var err error
		if p, err = p.With(list); err != nil {
			return err
		}
		i = ipLayer(p)
		if d, ok := destination(p); ok {
			dst = d
		}
	}
	if dst.IsMulticast() || dst.IsLinkLocalUnicast() || dst.IsLoopback() || dst.IsUnspecified() || dst == broadcast4 {
		return nil
	}
	for _, l := range a.links {
		if l.owns(dst) {
			return nil
		}
	}
	if spare <= 1 && !r.ttl {
		return r.error(came, link, "timeExceeded", packet.ErrorOptions{}, cause)
	}
	ref := p.Layers()[i]
	body := p.Data[ref.Off:ref.End]
	if len(body) > out.mtu {
		if !v6 && body[6]&0x40 == 0 {
			return r.fragments(body, dst, out, cause)
		}
		return r.error(came, link, "packetTooBig", packet.ErrorOptions{MTU: uint64(out.mtu)}, cause)
	}
	frame := r.framed(out, v6)
	frame = append(frame, body...)
	r.frame = frame
	if !r.ttl {
		ip := frame[14:]
		if v6 {
			ip[7]--
		} else {
			ip[8]--
			// RFC 1624: the word of TTL and protocol is one less in its high byte.
			sum := uint32(binary.BigEndian.Uint16(ip[10:])) + 0x100
			binary.BigEndian.PutUint16(ip[10:], uint16(sum+sum>>16))
		}
	}
	a.sendRouted(out, dst, frame, cause, &a.arrived)
	return nil
}

// hostUnreachable tells the sender of a packet on its way through that the
// next hop does not answer (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
func (a *API) hostUnreachable(p *packet.Packet, cause Cause) {
	code := "host"
	if i := ipLayer(p); i >= 0 && p.Layers()[i].Proto.Name == "ip6" {
		code = "address"
	}
	q, err := p.Error(&a.links[p.Iface].env, "unreachable", packet.ErrorOptions{Code: code})
	if err == nil && q != nil {
		a.host.Send(p.Iface, q.Data, cause)
	}
}

// framed starts a frame that leaves by a link; the next hop's MAC follows.
func (r *reaction) framed(out *link, v6 bool) []byte {
	frame := append(r.frame[:0], make([]byte, 6)...)
	frame = append(frame, out.env.MAC[:]...)
	if v6 {
		return append(frame, 0x86, 0xdd)
	}
	return append(frame, 0x08, 0x00)
}

// fragments sends an IPv4 packet in pieces that fit (RFC 791 section 3.2).
// Only options that are to be copied go into all but the first.
func (r *reaction) fragments(body []byte, dst netip.Addr, out *link, cause Cause) error {
	hlen := int(body[0]&15) * 4
	first := append([]byte(nil), body[:hlen]...)
	if !r.ttl {
		first[8]--
	}
	rest := append([]byte(nil), first[:20]...)
	for o := 20; o < hlen && first[o] != 0; {
		n := 1
		if first[o] != 1 {
			if o+1 >= hlen || first[o+1] < 2 || o+int(first[o+1]) > hlen {
				break
			}
			n = int(first[o+1])
		}
		if first[o]&0x80 != 0 {
			rest = append(rest, first[o:o+n]...)
		}
		o += n
	}
	for len(rest)%4 != 0 {
		rest = append(rest, 0)
	}
	rest[0] = 4<<4 | byte(len(rest)/4)
	flags := binary.BigEndian.Uint16(body[6:])
	offset, more := int(flags&0x1fff), flags&0x2000
	data := body[hlen:]
	head := first
	for len(data) > 0 {
		room := (out.mtu - len(head)) &^ 7
		if room < 8 {
			return fmt.Errorf("%s: an MTU of %d is too small to fragment for", out.name, out.mtu)
		}
		n := min(room, len(data))
		mf := more
		if n < len(data) {
			mf = 0x2000
		}
		binary.BigEndian.PutUint16(head[2:], uint16(len(head)+n))
		binary.BigEndian.PutUint16(head[6:], mf|uint16(offset))
		head[10], head[11] = 0, 0
		binary.BigEndian.PutUint16(head[10:], packet.Checksum(head))
		frame := append(append(r.framed(out, false), head...), data[:n]...)
		r.frame = frame
		r.a.sendVia(out, dst, frame, cause)
		data, offset, head = data[n:], offset+n/8, rest
	}
	return nil
}

// error sends the ICMP error about p back where it came from.
func (r *reaction) error(p *packet.Packet, link int, kind string, o packet.ErrorOptions, cause Cause) error {
	q, err := p.Error(&r.a.links[link].env, kind, o)
	if err != nil || q == nil {
		return err
	}
	r.a.host.Send(link, q.Data, cause)
	return nil
}

// ipLayer is the place of the outermost IP header, where only link headers
// stand before it; -1 otherwise.
func ipLayer(p *packet.Packet) int {
	for i, l := range p.Layers() {
		switch l.Proto.Name {
		case "eth", "vlan":
		case "ip", "ip6":
			return i
		default:
			return -1
		}
	}
	return -1
}

// String says what the reaction does, for --explain.
func (r *reaction) String() string {
	what := r.kind
	if r.link >= 0 {
		what += " by " + r.a.links[r.link].name
	}
	if r.changes.Dynamic() {
		return what + ", with values that differ from packet to packet"
	}
	if r.told {
		return what + ", with constant changes"
	}
	return what
}
