package packet

var protoVLAN = Register(&Proto{
	Name: "vlan", Title: "VLAN tag", RFC: "IEEE 802.1Q",
	Doc: "One tag; stacked tags are layers of their own (tell eth.type 0x88a8 for an outer service tag).",
	Fields: []*Field{
		{Name: "priority", Kind: Uint, Bits: 3, Doc: "priority code point", RFC: "IEEE 802.1Q section 9.6"},
		{Name: "dei", Kind: Uint, Bits: 1, Doc: "drop eligible indicator", RFC: "IEEE 802.1Q section 9.6"},
		{Name: "id", Kind: Uint, Bits: 12, Doc: "VLAN identifier; 0 is a priority tag", RFC: "IEEE 802.1Q section 9.6"},
		{Name: "type", Kind: Uint, Bits: 16, Enum: &etherTypes, Auto: &Auto{What: AutoNext}, Default: uint64(0x88b5), Doc: "EtherType of what is tagged", RFC: "IEEE 802.1Q section 9.4"},
	},
	Over:    []Bind{{Space: "eth", Value: 0x8100}, {Space: "eth", Value: 0x88a8}, {Space: "eth", Value: 0x9100}},
	Next:    &Next{Space: "eth", Fields: []string{"type"}},
	Answers: func(p *Packet, i int, req *Packet, j int) bool { return sameField(p, i, req, j, "id") },
})
