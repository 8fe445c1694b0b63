package packet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
)

// ReplyContext is what a protocol's Reply hook works on: one layer of the
// request, and the same layer of the answer, which so far is the request's
// header without its options and with the Swap fields exchanged. Everything
// that can be worked out will be.
type ReplyContext struct {
	Req *Packet
	I   int // the layer of Req that is answered
	Out *Packet
	J   int // the layer of Out
	Env *Env

	// KeepPayload makes the answer carry what the request carried. Only the
	// innermost layer is asked.
	KeepPayload bool

	changes []Change
	void    bool // there is no answer at this layer
	resets  bool // the answer is a reset of what was no ACK: it acknowledges
}

// told returns the value that the changes give a field of this layer.
func (c *ReplyContext) told(name string) (uint64, bool, error) {
	proto := c.Out.refs[c.J].Proto
	for _, ch := range c.changes {
		if ch.Proto != proto {
			continue
		}
		if v := ch.Fields.Get(name); v != nil {
			n, err := proto.byName[name].toNumber(proto.Name+"."+name, v)
			return n, err == nil, err
		}
	}
	return 0, false, nil
}

// Rebuild replaces the answer's layer by one built from fields: for
// protocols whose answer has another shape than the request.
func (c *ReplyContext) Rebuild(fields Fields) error {
	proto := c.Out.refs[c.J].Proto
	q, err := New(c.Out.reg, proto, fields)
	if err != nil {
		return err
	}
	r := &c.Out.refs[c.J]
	c.Out.splice(c.J, int(r.Off), int(r.Off+r.Hdr), q.Data)
	r.Hdr = int32(len(q.Data))
	r.told = q.refs[0].told
	return nil
}

// Reply makes the answer that the packet's protocols call for, with changes
// laid over it. env is the interface it leaves by. The answer is built into
// the packet given, whose buffers are reused; nil makes a new one. It is
// finished, and can be changed. Of a packet that is cut off within a header,
// the layers before are answered. A change to a layer that the answer lacks is
// an error.
func (p *Packet) Reply(env *Env, changes []Change, into *Packet) (*Packet, error) {
	out := into
	if out == nil {
		out = new(Packet)
	}
	if env == nil {
		env = &Env{}
	}
	out.reg, out.have, out.fixed, out.dirty, out.deep = p.reg, 0, false, true, false
	out.Time, out.Iface = p.Time, p.Iface
	if out.refs == nil {
		out.refs = out.inline[:0]
	}
	out.refs = out.refs[:0]
	out.Data = slices.Grow(out.Data[:0], len(p.Data))
	if beside(changes) && p.echoReply(env, out) {
		return out, out.layBeside(changes)
	}
	if out.rc == nil {
		out.rc = new(ReplyContext) // kept with the buffers: it escapes into the hooks
	}
	c := out.rc
	*c = ReplyContext{Req: p, Out: out, Env: env, changes: changes}
	for i := range p.refs {
		r := &p.refs[i]
		proto := r.Proto
		if int(r.Hdr) < proto.minBytes {
			break // what is cut off is not answered, nor what it carries
		}
		if proto.Passing {
			continue
		}
		h := p.header(i)
		if proto.Header != nil && !proto.Keeps {
			h = h[:proto.minBytes] // options are not answered with options
		}
		j, off := len(out.refs), len(out.Data)
		out.Data = append(out.Data, h...)
		out.refs = append(out.refs, Ref{Proto: proto, Off: int32(off), Hdr: int32(len(h)), told: proto.replyTold})
		out.have |= proto.bit
		for k := range out.refs {
			out.refs[k].End = int32(len(out.Data))
		}
		oh := out.Data[off:]
		for _, s := range proto.swap {
			var x [16]byte
			a, b := oh[s.a:][:s.bytes], oh[s.b:][:s.bytes]
			copy(x[:], a)
			copy(a, b)
			copy(b, x[:])
		}
		c.I, c.J, c.KeepPayload = i, j, false
		if proto.Reply != nil {
			if err := proto.Reply(c); err != nil {
				return nil, err
			}
		}
		if c.void {
			out.refs, out.Data = out.refs[:j], out.Data[:off]
			for k := range out.refs {
				out.refs[k].End = int32(off)
			}
			break
		}
	}
	if len(p.refs) > 0 && c.KeepPayload && c.I == len(p.refs)-1 {
		out.Data = append(out.Data, p.Body(len(p.refs)-1)...)
		for k := range out.refs {
			out.refs[k].End = int32(len(out.Data))
		}
	}
	if len(changes) > 0 {
		if err := out.overlay(changes); err != nil {
			return nil, err
		}
	}
	if c.resets {
		out.header(out.FindName("tcp", 0))[13] |= 0x10
	}
	*c = ReplyContext{} // holds on to nothing
	err := out.Finish(env)
	return out, err
}

// swapPair is a Swap of two fields as byte places.
type swapPair struct{ a, b, bytes int }

// neighborAdvertisement turns a solicitation into its answer (RFC 4861
// section 7.2.4): solicited and override set, with our address.
func (c *ReplyContext) neighborAdvertisement() error {
	q := c.Req.header(c.I)
	if len(q) < 24 {
		c.void = true // cut off: there is no answer to it
		return nil
	}
	r := &c.Out.refs[c.J]
	h := make([]byte, 32)
	h[0], h[4] = 136, 0x60
	copy(h[8:24], q[8:24])
	h[24], h[25] = 2, 1
	copy(h[26:32], c.Env.MAC[:])
	c.Out.splice(c.J, int(r.Off), int(r.Off+r.Hdr), h)
	r.Hdr = int32(len(h))
	// The answer comes from the address that was asked for, with a hop limit
	// of 255; a solicitation from the unspecified address is answered to all.
	for j := c.J - 1; j >= 0; j-- {
		if c.Out.refs[j].Proto.Name != "ip6" {
			continue
		}
		ip := c.Out.header(j)
		ip[7] = 255
		copy(ip[8:24], q[8:24])
		if unspecified(ip[24:40]) {
			copy(ip[24:40], allNodes[:])
			h[4] = 0x20
			c.Out.header(c.J)[4] = 0x20
			for k := j - 1; k >= 0; k-- {
				if c.Out.refs[k].Proto.Name == "eth" {
					copy(c.Out.header(k)[:6], []byte{0x33, 0x33, 0, 0, 0, 1})
				}
			}
		}
		break
	}
	return nil
}

var allNodes = netip.MustParseAddr("ff02::1").As16()

// Answers reports whether p answers req: the layers of req, from the outside
// in, each have their answer in p. Where one side has link layers and the
// other does not, they are passed over. An ICMP error that quotes req answers
// it.
func (p *Packet) Answers(req *Packet) bool {
	if p.tellsError() {
		if q := p.Quoted(); q != nil && quotes(q, req) {
			return true
		}
	}
	i, j := 0, 0
	if len(p.refs) == 0 || len(req.refs) == 0 {
		return false
	}
	if p.refs[0].Proto != req.refs[0].Proto {
		for i < len(p.refs) && link(p.refs[i].Proto) {
			i++
		}
		for j < len(req.refs) && link(req.refs[j].Proto) {
			j++
		}
	}
	some := false
	for ; j < len(req.refs); j++ {
		if req.refs[j].Proto.Passing {
			continue
		}
		for i < len(p.refs) && p.refs[i].Proto.Passing {
			i++
		}
		if i == len(p.refs) || p.refs[i].Proto != req.refs[j].Proto {
			return false
		}
		proto := p.refs[i].Proto
		switch {
		case proto.Answers != nil:
			if !proto.Answers(p, i, req, j) {
				return false
			}
		case len(proto.swap) > 0:
			for _, s := range proto.swap {
				a, q := p.header(i), req.header(j)
				if s.b+s.bytes > len(a) || s.b+s.bytes > len(q) || !bytes.Equal(a[s.a:s.a+s.bytes], q[s.b:s.b+s.bytes]) ||
					!bytes.Equal(a[s.b:s.b+s.bytes], q[s.a:s.a+s.bytes]) {
					return false
				}
			}
		}
		some = some || !link(proto)
		i++
	}
	return some
}

// tellsError reports whether p may quote another packet.
func (p *Packet) tellsError() bool {
	if i := p.Find(protoICMP, 0); i >= 0 {
		h := p.header(i)
		return len(h) > 0 && h[0] >= 3 && h[0] <= 12 && h[0] != 8
	}
	if i := p.Find(protoICMP6, 0); i >= 0 {
		h := p.header(i)
		return len(h) > 0 && (h[0] < 128 || h[0] == 137)
	}
	return false
}

// link reports whether p is a header of the link, in front of all others.
func link(p *Proto) bool {
	switch p.Name {
	case "eth", "vlan", "sll", "sll2", "loopback":
		return true
	}
	return false
}

// swapped reports whether a is q with its two halves of n bytes exchanged.
func swapped(a, q []byte, n int) bool {
	return bytes.Equal(a[:n], q[n:2*n]) && bytes.Equal(a[n:2*n], q[:n])
}

func sameField(p *Packet, i int, req *Packet, j int, name string) bool {
	f := p.refs[i].Proto.byName[name]
	a, ok := p.Uint(i, f)
	b, ok2 := req.Uint(j, f)
	return ok && ok2 && a == b
}

// quotes reports whether the quoted packet q is req: the addresses, the
// protocol, and as much of what it carried as eight bytes tell. Routers change
// TTL, checksum, and sometimes DSCP and ID on the way.
func quotes(q, req *Packet) bool {
	for j := range req.refs {
		r := &req.refs[j]
		if r.Proto != q.refs[0].Proto {
			continue
		}
		a, b := q.header(0), req.header(j)
		switch r.Proto.Name {
		case "ip":
			if len(a) < 20 || a[9] != b[9] || !bytes.Equal(a[12:20], b[12:20]) || !bytes.Equal(a[4:6], b[4:6]) {
				return false
			}
		case "ip6":
			if len(a) < 40 || a[6] != b[6] || !bytes.Equal(a[8:40], b[8:40]) {
				return false
			}
		}
		x, y := q.Body(0), req.Body(j)
		n := min(len(x), len(y), 8)
		if n < min(len(y), 8) {
			return false // RFC 792: an error quotes eight bytes at least
		}
		// Of these eight bytes a checksum may differ: offload fills it in late.
		number := a[9]
		if r.Proto.Name == "ip6" {
			number = a[6]
		}
		switch number {
		case 1, 58: // type, code, -, id, seq
			return bytes.Equal(x[:min(n, 2)], y[:min(n, 2)]) && (n < 8 || bytes.Equal(x[4:8], y[4:8]))
		case 17: // ports, length, -
			return bytes.Equal(x[:min(n, 6)], y[:min(n, 6)])
		}
		return bytes.Equal(x[:n], y[:n])
	}
	return false
}

// ErrorOptions are what an ICMP error tells beside its type.
type ErrorOptions struct {
	Code    Value // number or name; nil: 0
	MTU     Value
	Gateway Value
	Src     Value // address to send it from; nil: the interface's
}

// Error makes the ICMP or ICMPv6 error about p, quoting it. kind is one of
// unreachable, timeExceeded, parameterProblem, packetTooBig, redirect. It
// returns nil where RFC 1122 section 3.2.2 or RFC 4443 section 2.4(e) forbid one.
func (p *Packet) Error(env *Env, kind string, o ErrorOptions) (*Packet, error) {
	if env == nil {
		env = &Env{}
	}
	for i := range p.refs {
		switch p.refs[i].Proto.Name {
		case "ip":
			return p.error4(env, i, kind, o)
		case "ip6":
			return p.error6(env, i, kind, o)
		}
	}
	return nil, fieldErr("error", "an ICMP error is about an IP packet", "the packet has no ip or ip6 layer")
}

// linkLayers starts an answer with the link headers of p, the other way. There
// is none to a frame that went to many, unless toMany.
func (p *Packet) linkLayers(env *Env, ipLayer int, toMany bool) (*Packet, bool, error) {
	out := NewBytes(p.reg, nil)
	for i := range ipLayer {
		r := &p.refs[i]
		if !link(r.Proto) || int(r.Hdr) < r.Proto.minBytes {
			return nil, false, nil
		}
		h := p.header(i)
		if r.Proto.Name == "eth" && h[0]&1 != 0 && !toMany {
			return nil, false, nil
		}
		var fields Fields
		switch r.Proto.Name {
		case "eth":
			fields = Fields{{"dst", MAC(h[6:12])}, {"src", env.MAC}}
		case "sll", "sll2":
			fields = Fields{{"type", "outgoing"}, {"src", env.MAC}}
		case "vlan":
			id, _ := p.Uint(i, r.Proto.byName["id"])
			fields = Fields{{"id", id}}
		}
		l, err := New(p.reg, r.Proto, fields)
		if err != nil {
			return nil, false, err
		}
		if err := out.Append(l); err != nil {
			return nil, false, err
		}
	}
	return out, true, nil
}

func (p *Packet) error4(env *Env, i int, kind string, o ErrorOptions) (*Packet, error) {
	h := p.header(i)
	types := map[string]uint64{"unreachable": 3, "packetTooBig": 3, "redirect": 5, "timeExceeded": 11, "parameterProblem": 12}
	typ, ok := types[kind]
	if !ok {
		return nil, unknownErrorKind(kind)
	}
	// RFC 1122 section 3.2.2: not about ICMP errors, fragments but the first,
	// what went to many, or what came from nobody in particular.
	if len(h) < 20 || binary.BigEndian.Uint16(h[6:])&0x1fff != 0 || env.group4(h[16:20]) ||
		env.group4(h[12:16]) || unspecified(h[12:16]) || h[12] >= 240 || h[12] == 127 && h[16] != 127 {
		return nil, nil
	}
	if h[9] == 1 {
		if b := p.Body(i); len(b) > 0 && slices.Contains([]byte{3, 4, 5, 11, 12}, b[0]) {
			return nil, nil
		}
	}
	out, ok, err := p.linkLayers(env, i, false)
	if err != nil || !ok {
		return nil, err
	}
	fields := Fields{{"type", typ}}
	if kind == "packetTooBig" && o.Code == nil {
		o.Code = uint64(4)
	}
	fields = append(fields, FieldValue{"code", o.Code}, FieldValue{"gateway", o.Gateway}, FieldValue{"mtu", o.MTU})
	ipf := Fields{{"src", o.Src}, {"dst", netip.AddrFrom4([4]byte(h[12:16]))}, {"dscp", uint64(48)}}
	// RFC 1812 section 4.3.2.3: as much as fits in 576 bytes.
	return p.errorPacket(env, out, i, protoIP, protoICMP, ipf, fields, 576-28)
}

func (p *Packet) error6(env *Env, i int, kind string, o ErrorOptions) (*Packet, error) {
	h := p.header(i)
	types := map[string]uint64{"unreachable": 1, "packetTooBig": 2, "timeExceeded": 3, "parameterProblem": 4, "redirect": 137}
	typ, ok := types[kind]
	if !ok {
		return nil, unknownErrorKind(kind)
	}
	if len(h) < 40 || unspecified(h[8:24]) || h[8] == 0xff {
		return nil, nil
	}
	code, _, _, _ := toInteger(orZero(o.Code))
	// Path MTU discovery, and options that every node must know, are for
	// multicast too.
	toMany := kind == "packetTooBig" || kind == "parameterProblem" && code == 2
	if h[24] == 0xff && !toMany {
		return nil, nil
	}
	for j := i + 1; j < len(p.refs); j++ {
		if p.refs[j].Proto == protoICMP6 {
			if t := p.header(j)[0]; t < 128 || t == 137 {
				return nil, nil
			}
		}
	}
	out, ok, err := p.linkLayers(env, i, toMany)
	if err != nil || !ok {
		return nil, err
	}
	fields := Fields{{"type", typ}, {"code", o.Code}, {"mtu", o.MTU}}
	if kind == "redirect" {
		dst := netip.AddrFrom16([16]byte(h[24:40]))
		target := o.Gateway
		if target == nil {
			target = dst
		}
		// RFC 4861 section 4.5: the quote is an option, and no router passes
		// a redirect on.
		quote := p.Data[p.refs[i].Off:p.refs[i].End]
		quote = quote[:min(len(quote), 1280-40-40-8)&^7] // whole units, so that no filler is taken for data
		fields = append(fields, FieldValue{"target", target}, FieldValue{"destination", dst}, FieldValue{"options", Fields{{"redirected", quote}}})
		ipf := Fields{{"src", o.Src}, {"dst", netip.AddrFrom16([16]byte(h[8:24]))}, {"hopLimit", uint64(255)}}
		return p.errorPacket(env, out, i, protoIP6, protoICMP6, ipf, fields, 0)
	}
	ipf := Fields{{"src", o.Src}, {"dst", netip.AddrFrom16([16]byte(h[8:24]))}}
	// RFC 4443 section 2.4(c): as much as fits in the least MTU.
	return p.errorPacket(env, out, i, protoIP6, protoICMP6, ipf, fields, 1280-48)
}

func (p *Packet) errorPacket(env *Env, out *Packet, i int, ip, icmp *Proto, ipf, fields Fields, most int) (*Packet, error) {
	for _, l := range []struct {
		proto  *Proto
		fields Fields
	}{{ip, ipf}, {icmp, fields}} {
		q, err := New(p.reg, l.proto, l.fields)
		if err != nil {
			return nil, err
		}
		if err := out.Append(q); err != nil {
			return nil, err
		}
	}
	quote := p.Data[p.refs[i].Off:p.refs[i].End]
	out.AppendBytes(quote[:min(len(quote), most)])
	out.Iface = p.Iface
	return out, out.Finish(env)
}

func unknownErrorKind(kind string) error {
	kinds := []string{"unreachable", "timeExceeded", "parameterProblem", "packetTooBig", "redirect"}
	hint := "one of " + listSome(kinds)
	if n := Nearest(kind, kinds); n != "" {
		hint = "did you mean '" + n + "'?"
	}
	return fieldErr("error", hint, "%s is no kind of ICMP error", describe(kind))
}
