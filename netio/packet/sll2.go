package packet

// protoSLL2 is the second version of Linux's cooked header, which names the
// interface (tcpdump.org, LINKTYPE_LINUX_SLL2).
var protoSLL2 = Register(&Proto{
	Name: "sll2", Title: "Linux cooked capture, version 2", RFC: "LINKTYPE_LINUX_SLL2",
	Doc: "What a capture on all interfaces has in place of an Ethernet header, with the interface.",
	Fields: []*Field{
		{Name: "protocol", Kind: Uint, Bits: 16, Enum: &etherTypes, Auto: &Auto{What: AutoNext}, Default: uint64(0x88b5), Doc: "EtherType; 1 and 4 are frames of IEEE 802.3", RFC: "LINKTYPE_LINUX_SLL2"},
		{Name: "reserved", Kind: Uint, Bits: 16, Hidden: true, Doc: "must be zero", RFC: "LINKTYPE_LINUX_SLL2"},
		{Name: "interface", Kind: Uint, Bits: 32, Doc: "index of the interface where it was captured; 0: not known", RFC: "LINKTYPE_LINUX_SLL2"},
		{Name: "hardware", Kind: Uint, Bits: 16, Default: uint64(1), Enum: &arpHardware, Doc: "ARPHRD_ type of the interface", RFC: "LINKTYPE_LINUX_SLL2"},
		{Name: "type", Kind: Uint, Bits: 8, Enum: &sllTypes, Doc: "to whom the frame was sent", RFC: "LINKTYPE_LINUX_SLL2"},
		{Name: "addressLength", Kind: Uint, Bits: 8, Default: uint64(6), Doc: "bytes of the sender's address", RFC: "LINKTYPE_LINUX_SLL2"},
		{Name: "address", Kind: Bytes, Size: Size{N: 8}, Doc: "the sender's address, filled up with zeros", RFC: "LINKTYPE_LINUX_SLL2"},
		{Name: "src", Kind: MACs, At: 12, Own: OwnMAC, When: sllMAC, Doc: "address, where it is a MAC; the interface's when not told", RFC: "LINKTYPE_LINUX_SLL2"},
	},
	Next: &Next{Space: "eth", Fields: []string{"protocol"}},
	Reply: func(c *ReplyContext) error {
		h := c.Out.header(c.J)
		h[10] = 4 // outgoing, from our own address
		if h[11] == 6 {
			copy(h[12:18], c.Env.MAC[:])
		}
		return nil
	},
	Answers: func(p *Packet, i int, req *Packet, j int) bool { return true },
})
