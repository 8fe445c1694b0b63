package packet

import "bytes"

var protoARP = Register(&Proto{
	Name: "arp", Title: "Address Resolution Protocol", RFC: "RFC 826",
	Doc: "For IPv4 over Ethernet, which is all that is met.",
	Fields: []*Field{
		{Name: "htype", Kind: Uint, Bits: 16, Default: uint64(1), Enum: &Enum{{"ethernet", 1}, {"ieee802", 6}, {"frameRelay", 15}}, Doc: "hardware type", RFC: "RFC 826, Packet format"},
		{Name: "ptype", Kind: Uint, Bits: 16, Default: uint64(0x0800), Enum: &etherTypes, Doc: "protocol type, an EtherType", RFC: "RFC 826, Packet format"},
		{Name: "hlen", Kind: Uint, Bits: 8, Default: uint64(6), Doc: "bytes of a hardware address", RFC: "RFC 826, Packet format"},
		{Name: "plen", Kind: Uint, Bits: 8, Default: uint64(4), Doc: "bytes of a protocol address", RFC: "RFC 826, Packet format"},
		{Name: "op", Kind: Uint, Bits: 16, Default: uint64(1), Enum: &Enum{{"request", 1}, {"reply", 2}, {"reverseRequest", 3}, {"reverseReply", 4}, {"inverseRequest", 8}, {"inverseReply", 9}}, Doc: "operation", RFC: "RFC 826, Packet format"},
		{Name: "sha", Kind: MACs, Own: OwnMAC, Doc: "sender's hardware address", RFC: "RFC 826, Packet format"},
		{Name: "spa", Kind: IPv4, Own: OwnIPv4, Doc: "sender's protocol address", RFC: "RFC 826, Packet format"},
		{Name: "tha", Kind: MACs, Doc: "target's hardware address", RFC: "RFC 826, Packet format"},
		{Name: "tpa", Kind: IPv4, Doc: "target's protocol address", RFC: "RFC 826, Packet format"},
	},
	Over: []Bind{{Space: "eth", Value: 0x0806}},
	Bare: true,
	Reply: func(c *ReplyContext) error {
		h, q := c.Out.header(c.J), c.Req.header(c.I)
		if q[7] == 1 || q[7] == 3 || q[7] == 8 {
			h[7] = q[7] + 1
		}
		copy(h[8:14], c.Env.MAC[:]) // the address asked for is ours
		copy(h[14:18], q[24:28])
		copy(h[18:28], q[8:18])
		return nil
	},
	Answers: func(p *Packet, i int, req *Packet, j int) bool {
		a, q := p.header(i), req.header(j)
		return len(a) >= 28 && len(q) >= 28 && a[6] == q[6] && a[7] == q[7]+1 && bytes.Equal(a[14:18], q[24:28])
	},
})
