package packet

import "bytes"

var protoIP6 = Register(&Proto{
	Name: "ip6", Title: "Internet Protocol, version 6", RFC: "RFC 8200",
	Doc: "Extension headers are layers of their own: ip6hop, ip6route, ip6frag, ip6dest.",
	Fields: []*Field{
		{Name: "version", Kind: Uint, Bits: 4, Default: uint64(6), Doc: "6", RFC: "RFC 8200 section 3"},
		{Name: "trafficClass", Kind: Uint, Bits: 8, Doc: "DSCP and ECN", RFC: "RFC 8200 section 7"},
		{Name: "flowLabel", Kind: Uint, Bits: 20, Doc: "flow label", RFC: "RFC 6437"},
		{Name: "length", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoLength, Of: OfPayload, Ends: true}, Doc: "payload length in bytes, extension headers included", RFC: "RFC 8200 section 3"},
		{Name: "nextHeader", Kind: Uint, Bits: 8, Enum: &ipProtocols, Auto: &Auto{What: AutoNext}, Default: uint64(59), Doc: "protocol number of what follows", RFC: "RFC 8200 section 3"},
		{Name: "hopLimit", Kind: Uint, Bits: 8, Default: uint64(64), Doc: "hops left", RFC: "RFC 8200 section 3"},
		{Name: "src", Kind: IPv6, Own: OwnIPv6, Doc: "source; the interface's when not told", RFC: "RFC 8200 section 3"},
		{Name: "dst", Kind: IPv6, Doc: "destination", RFC: "RFC 8200 section 3"},
	},
	Over: familyBinds([]Bind{{Space: "eth", Value: 0x86dd}, {Space: "ip", Value: 41}}, 24, 28, 30),
	Next: &Next{Space: "ip", Fields: []string{"nextHeader"}},
	Swap: [][2]string{{"src", "dst"}},
	Reply: func(c *ReplyContext) error {
		h := c.Out.header(c.J)
		h[0], h[1], h[2], h[3], h[7] = 0x60, 0, 0, 0, 64
		if h[8] == 0xff && c.Env.IPv6.Is6() {
			a := c.Env.IPv6.As16()
			copy(h[8:24], a[:])
		}
		return nil
	},
	Answers: func(p *Packet, i int, req *Packet, j int) bool {
		a, q := p.header(i), req.header(j)
		if len(a) < 40 || len(q) < 40 {
			return false
		}
		if !bytes.Equal(a[24:40], q[8:24]) && a[24] != 0xff {
			return false
		}
		last := p.refs[len(p.refs)-1].Proto
		return bytes.Equal(a[8:24], q[24:40]) || q[24] == 0xff || last == protoICMP6
	},
	Check: func(p *Packet, i int, report func(string, ...any)) {
		if v := p.header(i)[0] >> 4; v != 6 {
			report("version %d, not 6", v)
		}
	},
})

// optionHeader is the shape that hop-by-hop and destination options share
// (RFC 8200 section 4.2).
func optionHeader(name, title, rfc string, number uint64) *Proto {
	return Register(&Proto{
		Name: name, Title: title, RFC: rfc,
		Fields: []*Field{
			{Name: "nextHeader", Kind: Uint, Bits: 8, Enum: &ipProtocols, Auto: &Auto{What: AutoNext}, Default: uint64(59), Doc: "protocol number of what follows", RFC: rfc},
			{Name: "headerLength", Kind: Uint, Bits: 8, Auto: &Auto{What: AutoLength, Of: OfHeader, Unit: 8, Plus: -1}, Doc: "length in units of 8 bytes, less the first", RFC: rfc},
			{Name: "options", Kind: Options, Size: Size{Field: "headerLength", Unit: 8, Plus: 6}, Doc: "routerAlert, jumbo, raw", RFC: "RFC 8200 section 4.2",
				TLV: &TLV{TypeBytes: 1, LenBytes: 1, Pad: 0, End: -1, Align: 8, Start: 2, PadN: 1, Options: []*Option{
					{Type: 5, Field: Field{Name: "routerAlert", Kind: Uint, Bits: 16, Doc: "0: MLD", RFC: "RFC 2711 section 2.1"}},
					{Type: 0xc2, Field: Field{Name: "jumbo", Kind: Uint, Bits: 32, Doc: "payload length in bytes", RFC: "RFC 2675 section 2"}},
					{Type: 4, Field: Field{Name: "tunnelLimit", Kind: Uint, Bits: 8, Doc: "encapsulation limit", RFC: "RFC 2473 section 4.1.1"}},
				}}},
		},
		Over:    []Bind{{Space: "ip", Value: number}},
		Next:    &Next{Space: "ip", Fields: []string{"nextHeader"}},
		Header:  &Size{Field: "headerLength", Unit: 8, Plus: 8},
		Passing: true,
	})
}

var (
	protoIP6Hop  = optionHeader("ip6hop", "IPv6 Hop-by-Hop Options", "RFC 8200 section 4.3", 0)
	protoIP6Dest = optionHeader("ip6dest", "IPv6 Destination Options", "RFC 8200 section 4.6", 60)
)

var protoIP6Route = Register(&Proto{
	Name: "ip6route", Title: "IPv6 Routing Header", RFC: "RFC 8200",
	Fields: []*Field{
		{Name: "nextHeader", Kind: Uint, Bits: 8, Enum: &ipProtocols, Auto: &Auto{What: AutoNext}, Default: uint64(59), Doc: "protocol number of what follows", RFC: "RFC 8200 section 4.4"},
		{Name: "headerLength", Kind: Uint, Bits: 8, Auto: &Auto{What: AutoLength, Of: OfHeader, Unit: 8, Plus: -1}, Doc: "length in units of 8 bytes, less the first", RFC: "RFC 8200 section 4.4"},
		{Name: "type", Kind: Uint, Bits: 8, Enum: &Enum{{"source", 0}, {"mobile", 2}, {"rpl", 3}, {"segment", 4}}, Doc: "routing type", RFC: "RFC 8200 section 4.4"},
		{Name: "segmentsLeft", Kind: Uint, Bits: 8, Doc: "nodes still to be visited", RFC: "RFC 8200 section 4.4"},
		{Name: "reserved", Kind: Uint, Bits: 32, Hidden: true, RFC: "RFC 8200 section 4.4"},
		{Name: "addresses", Kind: List, Items: []*Field{{Kind: IPv6}}, When: []Cond{{Field: "type", In: []uint64{0, 2}}}, Size: Size{Field: "headerLength", Unit: 1, Div: 2}, Doc: "addresses on the way", RFC: "RFC 6275 section 6.4"},
		{Name: "data", Kind: Bytes, When: []Cond{{Field: "type", In: []uint64{0, 2}, Not: true}}, Size: Size{Field: "headerLength", Unit: 8}, Doc: "type-specific data", RFC: "RFC 8200 section 4.4"},
	},
	Over:    []Bind{{Space: "ip", Value: 43}},
	Next:    &Next{Space: "ip", Fields: []string{"nextHeader"}},
	Header:  &Size{Field: "headerLength", Unit: 8, Plus: 8},
	Passing: true,
})

var protoIP6Frag = Register(&Proto{
	Name: "ip6frag", Title: "IPv6 Fragment Header", RFC: "RFC 8200",
	Fields: []*Field{
		{Name: "nextHeader", Kind: Uint, Bits: 8, Enum: &ipProtocols, Auto: &Auto{What: AutoNext}, Default: uint64(59), Doc: "protocol number of what follows", RFC: "RFC 8200 section 4.5"},
		{Name: "reserved", Kind: Uint, Bits: 8, Hidden: true, RFC: "RFC 8200 section 4.5"},
		{Name: "offset", Kind: Uint, Bits: 13, Doc: "fragment offset in units of 8 bytes", RFC: "RFC 8200 section 4.5"},
		{Name: "reserved2", Kind: Uint, Bits: 2, Hidden: true, RFC: "RFC 8200 section 4.5"},
		{Name: "mf", Kind: Uint, Bits: 1, Doc: "more fragments follow", RFC: "RFC 8200 section 4.5"},
		{Name: "id", Kind: Uint, Bits: 32, Wraps: true, Doc: "identification", RFC: "RFC 8200 section 4.5"},
	},
	Over:    []Bind{{Space: "ip", Value: 44}},
	Next:    &Next{Space: "ip", Fields: []string{"nextHeader"}, When: []Cond{{Field: "offset", In: []uint64{0}}}},
	Passing: true,
})
