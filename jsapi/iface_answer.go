package jsapi

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// answers is the set of LinkInfo.Answer.
type answers uint8

const (
	answerARP answers = 1 << iota
	answerND
	answerEcho
)

func parseAnswers(names []string) (set answers) {
	for i, name := range []string{"arp", "nd", "echo"} {
		if slices.Contains(names, name) {
			set |= 1 << i
		}
	}
	return set
}

// answer sends what p's protocols call for.
func (a *API) answer(l *link, p *packet.Packet) {
	r, err := p.Reply(&l.env, nil, &l.reply)
	if err != nil || r == nil || len(r.Data) == 0 {
		return // a request that cannot be answered is not an error of the script
	}
	a.host.Send(l.index, r.Data, Cause{Frame: a.frame})
}

// observeEcho answers an echo request to the link's own address. Those to a
// broadcast or multicast address are left alone (RFC 1122 section 3.2.2.6).
func (a *API) observeEcho(l *link, p *packet.Packet) {
	ip, icmp := p.Header(1), p.Header(2)
	if len(ip) < 20 || len(icmp) < 8 || icmp[0] != 8 || icmp[1] != 0 {
		return
	}
	if netip.AddrFrom4([4]byte(ip[16:20])) != l.env.IPv4 || len(p.Errors()) > 0 {
		return
	}
	a.answer(l, p)
}

const (
	icmp6EchoRequest   = 128
	icmp6Solicitation  = 135
	icmp6Advertisement = 136
)

// observeICMP6 handles neighbour discovery (RFC 4861 sections 7.1 and 7.2)
// and echo requests to the link's own address.
func (a *API) observeICMP6(l *link, p *packet.Packet) {
	ip := p.Header(1)
	ref := p.Layers()[2]
	end := min(int(ref.End), len(p.Data))
	if len(ip) < 40 || int(ref.Off) > end {
		return
	}
	b := p.Data[ref.Off:end] // the message, however much of it the table calls header
	if len(b) < 8 || b[1] != 0 {
		return
	}
	src := netip.AddrFrom16([16]byte(ip[8:24]))
	dst := netip.AddrFrom16([16]byte(ip[24:40]))
	if b[0] == icmp6EchoRequest {
		if l.answers&answerEcho != 0 && dst == l.env.IPv6 && len(p.Errors()) == 0 {
			a.answer(l, p)
		}
		return
	}
	// A hop limit of 255 proves that no router has passed it on.
	if b[0] != icmp6Solicitation && b[0] != icmp6Advertisement || len(b) < 24 || ip[7] != 255 || len(p.Errors()) > 0 {
		return
	}
	target := netip.AddrFrom16([16]byte(b[8:24]))
	if target.IsMulticast() {
		return
	}
	if b[0] == icmp6Advertisement {
		solicited, override := b[4]&0x40 != 0, b[4]&0x20 != 0
		mac, ok := ndOption(b[24:], 2)
		n := l.hops.byAddr[target]
		if n == nil || !ok || solicited && dst.IsMulticast() {
			return
		}
		// Section 7.2.5: without the override flag a known MAC is not replaced.
		if !n.known || override || mac == n.mac {
			a.learn(l, n, mac)
		}
		return
	}
	if target != l.env.IPv6 {
		return
	}
	mac, ok := ndOption(b[24:], 1)
	if ok && !src.IsUnspecified() && !src.IsMulticast() {
		n := l.hops.byAddr[src]
		if n == nil && l.answers&answerND != 0 {
			n = l.hops.use(src)
		}
		if n != nil {
			a.learn(l, n, mac)
		}
	}
	if l.answers&answerND != 0 {
		a.answer(l, p)
	}
}

// ndOption finds the link-layer address in an option of ND (RFC 4861 section
// 4.6.1). An option of length 0 makes the whole message void.
func ndOption(b []byte, kind byte) (mac packet.MAC, ok bool) {
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || len(b) < int(b[1])*8 {
			return packet.MAC{}, false
		}
		if b[0] == kind && b[1] == 1 && !ok {
			mac = packet.MAC(b[2:8])
			ok = unicast(mac)
		}
		b = b[int(b[1])*8:]
	}
	return mac, ok
}

// neighbourSolicitation is the frame that asks for n's MAC (RFC 4861 section
// 4.3): to its solicited-node address, or to itself when it was known.
func neighbourSolicitation(l *link, n *neighbour) []byte {
	b := make([]byte, 14+40+32)
	target := n.addr.As16()
	src := l.env.IPv6
	if !src.IsValid() {
		src = linkLocal(l.env.MAC)
	}
	dst := target
	mac := n.mac
	if !n.known {
		// RFC 4291 section 2.7.1.
		dst = [16]byte{0xff, 0x02, 11: 1, 12: 0xff, 13: target[13], 14: target[14], 15: target[15]}
		mac = packet.MAC{0x33, 0x33, 0xff, target[13], target[14], target[15]}
	}
	copy(b, mac[:])
	copy(b[6:], l.env.MAC[:])
	copy(b[12:], []byte{0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255})
	copy(b[22:], src.AsSlice())
	copy(b[38:], dst[:])
	m := b[54:]
	m[0] = icmp6Solicitation
	copy(m[8:], target[:])
	m[24], m[25] = 1, 1
	copy(m[26:], l.env.MAC[:])
	// RFC 4443 section 2.3: the sum takes in the addresses, length and protocol.
	pseudo := make([]byte, 0, 40+len(m))
	pseudo = append(pseudo, b[22:54]...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(m)))
	pseudo = binary.BigEndian.AppendUint32(pseudo, 58)
	pseudo = append(pseudo, m...)
	binary.BigEndian.PutUint16(m[2:], packet.Checksum(pseudo))
	return b
}

// linkLocal is the address made of a MAC (RFC 4291 appendix A).
func linkLocal(m packet.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}
