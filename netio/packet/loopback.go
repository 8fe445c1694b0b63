package packet

// protoLoopback is the header that BSD systems capture on their loopback
// interface (tcpdump.org, LINKTYPE_NULL and LINKTYPE_LOOP): the address family
// as the system numbers it. LINKTYPE_NULL has it in the host's byte order,
// which today is little-endian, LINKTYPE_LOOP in the network's: IP is found
// under both.
var protoLoopback = Register(&Proto{
	Name: "loopback", Title: "BSD loopback", RFC: "LINKTYPE_NULL",
	Doc: "OpenBSD has the number in the other byte order: 0x02000000 is IPv4 there.",
	Fields: []*Field{
		{Name: "family", Kind: Uint, Bits: 32, LE: true, Enum: &Enum{{"ip", 2}, {"ip6", 24}}, Auto: &Auto{What: AutoNext}, Default: uint64(2), Doc: "address family; IPv6 is 24, 28 or 30, by system", RFC: "LINKTYPE_NULL"},
	},
	Next:    &Next{Space: "loopback", Fields: []string{"family"}},
	Answers: func(p *Packet, i int, req *Packet, j int) bool { return true },
})

// familyBinds is where a protocol of these address families is found.
func familyBinds(over []Bind, families ...uint64) []Bind {
	for _, n := range families {
		over = append(over, Bind{Space: "loopback", Value: n}, Bind{Space: "loopback", Value: n << 24})
	}
	return over
}
