package packet

import "bytes"

var icmpTypes = Enum{
	{"echoReply", 0}, {"unreachable", 3}, {"sourceQuench", 4}, {"redirect", 5}, {"echoRequest", 8}, {"routerAdvertisement", 9}, {"routerSolicitation", 10},
	{"timeExceeded", 11}, {"parameterProblem", 12}, {"timestamp", 13}, {"timestampReply", 14}, {"informationRequest", 15}, {"informationReply", 16},
	{"maskRequest", 17}, {"maskReply", 18}, {"extendedEchoRequest", 42}, {"extendedEchoReply", 43},
}

// icmpUnreachable are the codes of type 3; a code's name depends on its type,
// and these are the ones that are asked for by name.
var icmpUnreachable = Enum{
	{"net", 0}, {"host", 1}, {"protocol", 2}, {"port", 3}, {"fragmentationNeeded", 4}, {"sourceRouteFailed", 5}, {"netUnknown", 6}, {"hostUnknown", 7},
	{"netProhibited", 9}, {"hostProhibited", 10}, {"netTos", 11}, {"hostTos", 12}, {"prohibited", 13}, {"precedenceViolation", 14}, {"precedenceCutoff", 15},
}

var icmpQueries = []Cond{{Field: "type", In: []uint64{0, 8, 13, 14, 15, 16, 17, 18}}}

var icmpTimes = []Cond{{Field: "type", In: []uint64{13, 14}}}

var protoICMP = Register(&Proto{
	Name: "icmp", Title: "Internet Control Message Protocol", RFC: "RFC 792",
	Doc: "icmp() alone is an echo request. An error's payload is the packet it quotes: pkt.quoted.",
	Fields: []*Field{
		{Name: "type", Kind: Uint, Bits: 8, Default: uint64(8), Enum: &icmpTypes, Doc: "type", RFC: "RFC 792"},
		{Name: "code", Kind: Uint, Bits: 8, Enum: &icmpUnreachable, Doc: "code; the names are those of unreachable", RFC: "RFC 792"},
		{Name: "checksum", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoChecksum, Sum: Internet}, Doc: "over header and data", RFC: "RFC 792"},
		{Name: "rest", Kind: Uint, Bits: 32, Hidden: true, Doc: "the second word, whatever the type makes of it", RFC: "RFC 792"},
		{Name: "id", Kind: Uint, Bits: 16, Wraps: true, At: 4, When: icmpQueries, Doc: "identifier of a query", RFC: "RFC 792, Echo"},
		{Name: "seq", Kind: Uint, Bits: 16, Wraps: true, At: 6, When: icmpQueries, Doc: "sequence number of a query", RFC: "RFC 792, Echo"},
		{Name: "gateway", Kind: IPv4, At: 4, When: []Cond{{Field: "type", In: []uint64{5}}}, Doc: "the better router", RFC: "RFC 792, Redirect"},
		{Name: "pointer", Kind: Uint, Bits: 8, At: 4, When: []Cond{{Field: "type", In: []uint64{12}}}, Doc: "byte of the quoted header that is wrong", RFC: "RFC 792, Parameter Problem"},
		{Name: "mtu", Kind: Uint, Bits: 16, At: 6, When: []Cond{{Field: "type", In: []uint64{3}}}, Doc: "next-hop MTU in bytes, with code fragmentationNeeded", RFC: "RFC 1191 section 4"},
		{Name: "originate", Kind: Uint, Bits: 32, When: icmpTimes, Doc: "when the sender last touched it, milliseconds since midnight UT", RFC: "RFC 792, Timestamp"},
		{Name: "receive", Kind: Uint, Bits: 32, When: icmpTimes, Doc: "when the echoer first touched it", RFC: "RFC 792, Timestamp"},
		{Name: "transmit", Kind: Uint, Bits: 32, When: icmpTimes, Doc: "when the echoer last touched it", RFC: "RFC 792, Timestamp"},
	},
	Over: []Bind{{Space: "ip", Value: 1}},
	Reply: func(c *ReplyContext) error {
		h := c.Out.header(c.J)
		switch h[0] {
		case 8:
			h[0] = 0
			c.KeepPayload = true
		case 13, 15, 17:
			h[0]++
			c.KeepPayload = true
		}
		return nil
	},
	Answers: func(p *Packet, i int, req *Packet, j int) bool {
		a, q := p.header(i), req.header(j)
		if len(a) < 8 || len(q) < 8 || !bytes.Equal(a[4:8], q[4:8]) {
			return false
		}
		return q[0] == 8 && a[0] == 0 || (q[0] == 13 || q[0] == 15 || q[0] == 17) && a[0] == q[0]+1
	},
})
