package packet

import "encoding/binary"

// echoReply is Reply for what is asked most and measured first: an echo
// request in IPv4 without options or in IPv6 without extension headers, whose
// answer has the shape of the request. It writes the bytes that the tables
// would have led to; a test holds the two against each other. ok is false, and
// out as it was, for anything else.
func (p *Packet) echoReply(env *Env, out *Packet) (ok bool) {
	n := len(p.refs) - 1
	if n < 1 {
		return false
	}
	icmp, ip := &p.refs[n], &p.refs[n-1]
	if ip.Off+ip.Hdr != icmp.Off || ip.End != icmp.End {
		return false
	}
	v6 := ip.Proto == protoIP6
	switch q := p.Data[icmp.Off:icmp.End]; {
	case icmp.Hdr != 8 || len(q) < 8:
		return false
	case v6:
		if icmp.Proto != protoICMP6 || ip.Hdr != 40 || q[0] != 128 || ip.End-ip.Off-40 > 0xffff {
			return false
		}
	case ip.Proto != protoIP || icmp.Proto != protoICMP || ip.Hdr != 20 || q[0] != 8 || ip.End-ip.Off > 0xffff:
		return false
	}
	for i := range n - 1 {
		if r := &p.refs[i]; r.Proto != protoEth && r.Proto != protoVLAN || int(r.Hdr) != r.Proto.minBytes {
			return false
		}
	}
	b := append(out.Data[:0], p.Data[:ip.End]...)
	out.Data = b
	if cap(out.refs) > n {
		out.refs = out.refs[:n+1]
	} else {
		out.refs = make([]Ref, n+1)
	}
	out.have = p.have
	for i := range p.refs {
		r, to := &p.refs[i], &out.refs[i]
		if to.Proto != r.Proto { // of the answer before: no pointer to write
			to.Proto = r.Proto
		}
		to.Off, to.Hdr, to.End, to.told = r.Off, r.Hdr, ip.End, r.Proto.replyTold
		if i > 0 {
			before := &p.refs[i-1]
			if s, ok := p.reg.bound(before.Proto.nextSpace, r.Proto); ok {
				switch before.Proto {
				case protoIP:
					b[before.Off+9] = byte(s.Value)
				case protoIP6:
					b[before.Off+6] = byte(s.Value)
				default: // the type ends the header
					binary.BigEndian.PutUint16(b[before.Off+before.Hdr-2:], uint16(s.Value))
				}
			}
		}
		if r.Proto == protoEth {
			e := b[r.Off : r.Off+14]
			dst := MAC(e[:6])
			copy(e[:6], e[6:12])
			if dst[0]&1 != 0 {
				dst = env.MAC
			}
			copy(e[6:12], dst[:])
		}
	}
	h, body := b[ip.Off:ip.Off+ip.Hdr], b[icmp.Off:]
	var acc uint64
	if v6 {
		src := [16]byte(h[8:24])
		copy(h[8:24], h[24:40])
		copy(h[24:40], src[:])
		h[0], h[1], h[2], h[3], h[7] = 0x60, 0, 0, 0, 64
		if h[8] == 0xff && env.IPv6.Is6() {
			a := env.IPv6.As16()
			copy(h[8:24], a[:])
		}
		binary.BigEndian.PutUint16(h[4:], uint16(len(body)))
		body[0] = 129
		acc = sum16(h[8:40], uint64(len(body))+58)
	} else {
		src := [4]byte(h[12:16])
		copy(h[12:16], h[16:20])
		copy(h[16:20], src[:])
		h[0] = 0x45
		h[1] &= 0xfc
		binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(body)))
		if env.NextID != nil {
			binary.BigEndian.PutUint16(h[4:], env.NextID())
		}
		h[6], h[7], h[8], h[10], h[11] = 0, 0, 64, 0, 0
		if env.group4(h[12:16]) && env.IPv4.Is4() {
			a := env.IPv4.As4()
			copy(h[12:16], a[:])
		}
		binary.BigEndian.PutUint16(h[10:], Checksum(h))
		body[0] = 0
	}
	body[2], body[3] = 0, 0
	binary.BigEndian.PutUint16(body[2:], ^fold16(sum16(body, acc)))
	out.dirty = false
	return true
}

// beside reports whether nothing but the sum of an IPv4 header follows from
// the changes: they tell numbers around an echo, such as a TTL.
func beside(changes []Change) bool {
	for i := range changes {
		c := &changes[i]
		if c.Proto != protoIP && c.Proto != protoIP6 && c.Proto != protoVLAN {
			return false
		}
		for _, fv := range c.Fields {
			f := c.Proto.byName[fv.Name]
			if f == nil || f.Auto != nil || f.Own != 0 || f.steers || !f.Fixed() || f.Kind > Flags {
				return false
			}
		}
	}
	return true
}

// layBeside lays such changes over an echo reply.
func (p *Packet) layBeside(changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	for _, c := range changes {
		i := p.Find(c.Proto, 0)
		for _, fv := range c.Fields {
			f := c.Proto.byName[fv.Name]
			v, plain := fv.Value.(uint64)
			if i < 0 || !plain || f.Kind != Uint || v > f.ld.mask {
				return p.finishBeside(changes) // with all that there is to say about it
			}
			f.ld.store(p.header(i), v)
			p.refs[i].told |= 1 << uint(f.index)
		}
	}
	p.sumHeader()
	return nil
}

func (p *Packet) finishBeside(changes []Change) error {
	if err := p.overlay(changes); err != nil {
		return err
	}
	p.sumHeader()
	p.dirty = false
	return nil
}

// sumHeader works out the sum of the IPv4 header.
func (p *Packet) sumHeader() {
	if i := p.Find(protoIP, 0); i >= 0 {
		h := p.header(i)
		h[10], h[11] = 0, 0
		binary.BigEndian.PutUint16(h[10:], Checksum(h))
	}
}
