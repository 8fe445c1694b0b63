package packet

// etherTypes are the names of IANA's registry "IEEE 802 Numbers".
var etherTypes = Enum{
	{"ip", 0x0800}, {"arp", 0x0806}, {"wakeOnLan", 0x0842}, {"rarp", 0x8035}, {"vlan", 0x8100},
	{"ip6", 0x86dd}, {"flowControl", 0x8808}, {"slow", 0x8809}, {"mpls", 0x8847}, {"mplsMulticast", 0x8848},
	{"pppoeDiscovery", 0x8863}, {"pppoeSession", 0x8864}, {"eapol", 0x888e}, {"serviceVlan", 0x88a8},
	{"lldp", 0x88cc}, {"macsec", 0x88e5}, {"ptp", 0x88f7}, {"experimental", 0x88b5},
}

var protoEth = Register(&Proto{
	Name: "eth", Title: "Ethernet II", RFC: "IEEE 802.3; RFC 894",
	Doc: "The frame of Ethernet, without preamble and FCS.",
	Fields: []*Field{
		{Name: "dst", Kind: MACs, Default: MAC{255, 255, 255, 255, 255, 255}, Doc: "destination; the next hop's when not told", RFC: "IEEE 802.3 section 3.2.4"},
		{Name: "src", Kind: MACs, Own: OwnMAC, Doc: "source; the interface's when not told", RFC: "IEEE 802.3 section 3.2.5"},
		{Name: "type", Kind: Uint, Bits: 16, Enum: &etherTypes, Auto: &Auto{What: AutoNext}, Default: uint64(0x88b5), Doc: "EtherType; below 1536 a length", RFC: "IEEE 802.3 section 3.2.6"},
	},
	Next: &Next{Space: "eth", Fields: []string{"type"}},
	Swap: [][2]string{{"src", "dst"}},
	Reply: func(c *ReplyContext) error {
		// A broadcast or multicast frame is answered from our own address.
		h := c.Out.header(c.J)
		if h[6]&1 != 0 {
			copy(h[6:12], c.Env.MAC[:])
		}
		return nil
	},
	Answers: func(p *Packet, i int, req *Packet, j int) bool { return true },
})
