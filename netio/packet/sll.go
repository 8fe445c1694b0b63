package packet

var sllTypes = Enum{{"host", 0}, {"broadcast", 1}, {"multicast", 2}, {"otherHost", 3}, {"outgoing", 4}}

var arpHardware = Enum{{"ethernet", 1}, {"ppp", 512}, {"ipip", 768}, {"loopback", 772}, {"sit", 776}, {"gre", 778}, {"ieee80211", 801}, {"radiotap", 803}, {"netlink", 824}, {"none", 0xfffe}}

var sllMAC = []Cond{{Field: "addressLength", In: []uint64{6}}}

// protoSLL is what tcpdump -i any writes in place of a link's own header
// (tcpdump.org, LINKTYPE_LINUX_SLL).
var protoSLL = Register(&Proto{
	Name: "sll", Title: "Linux cooked capture", RFC: "LINKTYPE_LINUX_SLL",
	Doc: "What a capture on all interfaces has in place of an Ethernet header.",
	Fields: []*Field{
		{Name: "type", Kind: Uint, Bits: 16, Enum: &sllTypes, Doc: "to whom the frame was sent", RFC: "LINKTYPE_LINUX_SLL"},
		{Name: "hardware", Kind: Uint, Bits: 16, Default: uint64(1), Enum: &arpHardware, Doc: "ARPHRD_ type of the interface", RFC: "LINKTYPE_LINUX_SLL"},
		{Name: "addressLength", Kind: Uint, Bits: 16, Default: uint64(6), Doc: "bytes of the sender's address", RFC: "LINKTYPE_LINUX_SLL"},
		{Name: "address", Kind: Bytes, Size: Size{N: 8}, Doc: "the sender's address, filled up with zeros", RFC: "LINKTYPE_LINUX_SLL"},
		{Name: "src", Kind: MACs, At: 6, Own: OwnMAC, When: sllMAC, Doc: "address, where it is a MAC; the interface's when not told", RFC: "LINKTYPE_LINUX_SLL"},
		{Name: "protocol", Kind: Uint, Bits: 16, At: 14, Enum: &etherTypes, Auto: &Auto{What: AutoNext}, Default: uint64(0x88b5), Doc: "EtherType; 1 and 4 are frames of IEEE 802.3", RFC: "LINKTYPE_LINUX_SLL"},
	},
	Next: &Next{Space: "eth", Fields: []string{"protocol"}},
	Reply: func(c *ReplyContext) error {
		h := c.Out.header(c.J)
		h[0], h[1] = 0, 4 // outgoing, from our own address
		if h[4] == 0 && h[5] == 6 {
			copy(h[6:12], c.Env.MAC[:])
		}
		return nil
	},
	Answers: func(p *Packet, i int, req *Packet, j int) bool { return true },
})
