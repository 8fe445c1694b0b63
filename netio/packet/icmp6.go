package packet

import "bytes"

var icmp6Types = Enum{
	{"unreachable", 1}, {"packetTooBig", 2}, {"timeExceeded", 3}, {"parameterProblem", 4}, {"echoRequest", 128}, {"echoReply", 129},
	{"listenerQuery", 130}, {"listenerReport", 131}, {"listenerDone", 132}, {"routerSolicitation", 133}, {"routerAdvertisement", 134},
	{"neighborSolicitation", 135}, {"neighborAdvertisement", 136}, {"redirect", 137}, {"listenerReport2", 143},
}

var icmp6Unreachable = Enum{
	{"noRoute", 0}, {"prohibited", 1}, {"beyondScope", 2}, {"address", 3}, {"port", 4}, {"policy", 5}, {"rejectRoute", 6},
}

func icmp6When(types ...uint64) []Cond { return []Cond{{Field: "type", In: types}} }

var protoICMP6 = Register(&Proto{
	Name: "icmp6", Title: "Internet Control Message Protocol for IPv6, with Neighbor Discovery", RFC: "RFC 4443, RFC 4861",
	Doc: "icmp6() alone is an echo request. Which fields there are depends on the type.",
	Fields: []*Field{
		{Name: "type", Kind: Uint, Bits: 8, Default: uint64(128), Enum: &icmp6Types, Doc: "type", RFC: "RFC 4443 section 2.1"},
		{Name: "code", Kind: Uint, Bits: 8, Enum: &icmp6Unreachable, Doc: "code; the names are those of unreachable", RFC: "RFC 4443 section 2.1"},
		{Name: "checksum", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoChecksum, Sum: InternetPseudo}, Doc: "over pseudo-header and message", RFC: "RFC 4443 section 2.3"},
		{Name: "rest", Kind: Uint, Bits: 32, Hidden: true, Doc: "the second word, whatever the type makes of it", RFC: "RFC 4443 section 2.1"},
		{Name: "id", Kind: Uint, Bits: 16, Wraps: true, At: 4, When: icmp6When(128, 129), Doc: "identifier of an echo", RFC: "RFC 4443 section 4.1"},
		{Name: "seq", Kind: Uint, Bits: 16, Wraps: true, At: 6, When: icmp6When(128, 129), Doc: "sequence number of an echo", RFC: "RFC 4443 section 4.1"},
		{Name: "mtu", Kind: Uint, Bits: 32, At: 4, When: icmp6When(2), Doc: "MTU of the next hop, bytes", RFC: "RFC 4443 section 3.2"},
		{Name: "pointer", Kind: Uint, Bits: 32, At: 4, When: icmp6When(4), Doc: "byte of the quoted packet that is wrong", RFC: "RFC 4443 section 3.4"},
		{Name: "maxResponse", Kind: Uint, Bits: 16, At: 4, When: icmp6When(130, 131, 132), Doc: "maximum response delay, ms", RFC: "RFC 2710 section 3.4"},
		{Name: "hopLimit", Kind: Uint, Bits: 8, At: 4, When: icmp6When(134), Default: uint64(64), Doc: "hop limit that hosts should use; 0: not told", RFC: "RFC 4861 section 4.2"},
		{Name: "managed", Kind: Uint, Bits: 1, At: 5, When: icmp6When(134), Doc: "addresses by DHCPv6", RFC: "RFC 4861 section 4.2"},
		{Name: "otherConfig", Kind: Uint, Bits: 1, At: 5, Bit: 1, When: icmp6When(134), Doc: "other configuration by DHCPv6", RFC: "RFC 4861 section 4.2"},
		{Name: "routerPreference", Kind: Uint, Bits: 2, At: 5, Bit: 3, When: icmp6When(134), Doc: "default router preference", RFC: "RFC 4191 section 2.2"},
		{Name: "lifetime", Kind: Uint, Bits: 16, At: 6, When: icmp6When(134), Default: uint64(1800), Doc: "router lifetime, seconds", RFC: "RFC 4861 section 4.2"},
		{Name: "reachable", Kind: Uint, Bits: 32, At: 8, When: icmp6When(134), Doc: "reachable time, ms", RFC: "RFC 4861 section 4.2"},
		{Name: "retransmit", Kind: Uint, Bits: 32, At: 12, When: icmp6When(134), Doc: "retransmission timer, ms", RFC: "RFC 4861 section 4.2"},
		{Name: "router", Kind: Uint, Bits: 1, At: 4, When: icmp6When(136), Doc: "the sender is a router", RFC: "RFC 4861 section 4.4"},
		{Name: "solicited", Kind: Uint, Bits: 1, At: 4, Bit: 1, When: icmp6When(136), Doc: "answers a solicitation", RFC: "RFC 4861 section 4.4"},
		{Name: "override", Kind: Uint, Bits: 1, At: 4, Bit: 2, When: icmp6When(136), Doc: "replaces a cached address", RFC: "RFC 4861 section 4.4"},
		{Name: "target", Kind: IPv6, At: 8, When: icmp6When(130, 131, 132, 135, 136, 137), Doc: "address asked for, advertised or redirected to", RFC: "RFC 4861 section 4.3"},
		{Name: "destination", Kind: IPv6, At: 24, When: icmp6When(137), Doc: "destination that is redirected", RFC: "RFC 4861 section 4.5"},
		{Name: "options", Kind: Options, When: icmp6When(133, 134, 135, 136, 137), Doc: "neighbor discovery options", RFC: "RFC 4861 section 4.6",
			TLV: &TLV{TypeBytes: 1, LenBytes: 1, LenUnit: 8, LenPlus: 2, Pad: -1, End: -1, Options: []*Option{
				{Type: 1, Field: Field{Name: "sourceMac", Kind: MACs, Doc: "source link-layer address", RFC: "RFC 4861 section 4.6.1"}},
				{Type: 2, Field: Field{Name: "targetMac", Kind: MACs, Doc: "target link-layer address", RFC: "RFC 4861 section 4.6.1"}},
				{Type: 3, Many: true, Field: Field{Name: "prefix", Kind: Struct, Doc: "prefix information", RFC: "RFC 4861 section 4.6.2", Items: []*Field{
					{Name: "length", Kind: Uint, Bits: 8, Default: uint64(64), Doc: "bits"},
					{Name: "onLink", Kind: Uint, Bits: 1, Default: uint64(1)},
					{Name: "autonomous", Kind: Uint, Bits: 1, Default: uint64(1)},
					{Name: "reserved", Kind: Uint, Bits: 6, Hidden: true},
					{Name: "valid", Kind: Uint, Bits: 32, Default: uint64(2592000), Doc: "seconds"},
					{Name: "preferred", Kind: Uint, Bits: 32, Default: uint64(604800), Doc: "seconds"},
					{Name: "reserved2", Kind: Uint, Bits: 32, Hidden: true},
					{Name: "prefix", Kind: IPv6},
				}}},
				{Type: 4, Skip: 6, Field: Field{Name: "redirected", Kind: Bytes, Doc: "start of the packet that is redirected: pkt.quoted", RFC: "RFC 4861 section 4.6.3"}},
				{Type: 5, Skip: 2, Field: Field{Name: "mtu", Kind: Uint, Bits: 32, Doc: "MTU of the link, bytes", RFC: "RFC 4861 section 4.6.4"}},
				{Type: 25, Skip: 2, Field: Field{Name: "rdnss", Kind: Struct, Doc: "recursive DNS servers", RFC: "RFC 8106 section 5.1", Items: []*Field{
					{Name: "lifetime", Kind: Uint, Bits: 32, Default: uint64(1800), Doc: "seconds"},
					{Name: "servers", Kind: List, Items: []*Field{{Kind: IPv6}}},
				}}},
			}}},
	},
	Over: []Bind{{Space: "ip", Value: 58}},
	// RFC 4861 section 4: receivers drop what has come by a router.
	Outer: []Outer{{Proto: "ip6", Field: "hopLimit", Value: 255, When: icmp6When(133, 134, 135, 136, 137)}},
	// The header of an error or an echo ends after its second word; the rest
	// is payload. Neighbor discovery is a message as a whole.
	Reply: func(c *ReplyContext) error {
		h := c.Out.header(c.J)
		switch h[0] {
		case 128:
			h[0] = 129
			c.KeepPayload = true
		case 135:
			return c.neighborAdvertisement()
		}
		return nil
	},
	Answers: func(p *Packet, i int, req *Packet, j int) bool {
		a, q := p.header(i), req.header(j)
		if len(a) < 8 || len(q) < 8 {
			return false
		}
		switch q[0] {
		case 128:
			return a[0] == 129 && bytes.Equal(a[4:8], q[4:8])
		case 133:
			return a[0] == 134
		case 135:
			return a[0] == 136 && len(a) >= 24 && len(q) >= 24 && bytes.Equal(a[8:24], q[8:24])
		}
		return false
	},
})
