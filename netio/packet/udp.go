package packet

var protoUDP = Register(&Proto{
	Name: "udp", Title: "User Datagram Protocol", RFC: "RFC 768",
	Fields: []*Field{
		{Name: "sport", Kind: Uint, Bits: 16, Default: uint64(49152), Auto: &Auto{What: AutoFrom}, Doc: "source port", RFC: "RFC 768, Fields"},
		{Name: "dport", Kind: Uint, Bits: 16, Default: uint64(9), Auto: &Auto{What: AutoNext}, Doc: "destination port; the well-known one of what it carries when not told", RFC: "RFC 768, Fields"},
		{Name: "length", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoLength, Ends: true}, Doc: "bytes, header included", RFC: "RFC 768, Fields"},
		{Name: "checksum", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoChecksum, Sum: InternetPseudo, ZeroIsOnes: true}, Doc: "0: none was computed", RFC: "RFC 768, Fields"},
	},
	Over: []Bind{{Space: "ip", Value: 17}},
	Next: &Next{Space: "udp", Fields: []string{"dport", "sport"}},
	Swap: [][2]string{{"sport", "dport"}},
	Answers: func(p *Packet, i int, req *Packet, j int) bool {
		a, q := p.header(i), req.header(j)
		return len(a) >= 4 && len(q) >= 4 && swapped(a[:4], q[:4], 2)
	},
})
