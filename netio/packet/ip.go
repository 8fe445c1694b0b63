package packet

import (
	"bytes"
	"encoding/binary"
)

// ipProtocols are names of IANA's registry "Assigned Internet Protocol Numbers".
var ipProtocols = Enum{
	{"hopByHop", 0}, {"icmp", 1}, {"igmp", 2}, {"ipInIp", 4}, {"tcp", 6}, {"egp", 8}, {"udp", 17}, {"dccp", 33},
	{"ip6", 41}, {"route", 43}, {"fragment", 44}, {"rsvp", 46}, {"gre", 47}, {"esp", 50}, {"ah", 51}, {"icmp6", 58}, {"none", 59},
	{"dest", 60}, {"eigrp", 88}, {"ospf", 89}, {"pim", 103}, {"vrrp", 112}, {"l2tp", 115}, {"sctp", 132}, {"udpLite", 136}, {"mplsInIp", 137},
}

var dscpNames = Enum{
	{"default", 0}, {"cs1", 8}, {"af11", 10}, {"af12", 12}, {"af13", 14}, {"cs2", 16}, {"af21", 18}, {"af22", 20}, {"af23", 22},
	{"cs3", 24}, {"af31", 26}, {"af32", 28}, {"af33", 30}, {"cs4", 32}, {"af41", 34}, {"af42", 36}, {"af43", 38}, {"cs5", 40},
	{"va", 44}, {"ef", 46}, {"cs6", 48}, {"cs7", 56},
}

var ecnNames = Enum{{"notEct", 0}, {"ect1", 1}, {"ect0", 2}, {"ce", 3}}

var protoIP = Register(&Proto{
	Name: "ip", Title: "Internet Protocol, version 4", RFC: "RFC 791",
	Doc: "A fragment with an offset carries payload only: its transport header is in the first one.",
	Fields: []*Field{
		{Name: "version", Kind: Uint, Bits: 4, Default: uint64(4), Doc: "4", RFC: "RFC 791 section 3.1"},
		{Name: "headerLength", Kind: Uint, Bits: 4, Default: uint64(5), Auto: &Auto{What: AutoLength, Of: OfHeader, Unit: 4}, Doc: "header length in units of 4 bytes, 5..15", RFC: "RFC 791 section 3.1"},
		{Name: "dscp", Kind: Uint, Bits: 6, Enum: &dscpNames, Doc: "differentiated services code point", RFC: "RFC 2474 section 3"},
		{Name: "ecn", Kind: Uint, Bits: 2, Enum: &ecnNames, Doc: "explicit congestion notification", RFC: "RFC 3168 section 5"},
		{Name: "length", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoLength, Ends: true}, Doc: "total length in bytes, header included", RFC: "RFC 791 section 3.1"},
		{Name: "id", Kind: Uint, Bits: 16, Wraps: true, Own: OwnID, Doc: "identification; the interface's next when not told", RFC: "RFC 6864"},
		{Name: "reserved", Kind: Uint, Bits: 1, Hidden: true, Doc: "must be zero", RFC: "RFC 791 section 3.1"},
		{Name: "df", Kind: Uint, Bits: 1, Doc: "don't fragment", RFC: "RFC 791 section 3.1"},
		{Name: "mf", Kind: Uint, Bits: 1, Doc: "more fragments follow", RFC: "RFC 791 section 3.1"},
		{Name: "offset", Kind: Uint, Bits: 13, Doc: "fragment offset in units of 8 bytes", RFC: "RFC 791 section 3.1"},
		{Name: "ttl", Kind: Uint, Bits: 8, Default: uint64(64), Doc: "time to live, hops", RFC: "RFC 791 section 3.1"},
		{Name: "protocol", Kind: Uint, Bits: 8, Enum: &ipProtocols, Auto: &Auto{What: AutoNext}, Default: uint64(255), Doc: "protocol number of the payload", RFC: "RFC 791 section 3.1"},
		{Name: "checksum", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoChecksum, Sum: InternetHeader}, Doc: "of the header", RFC: "RFC 791 section 3.1"},
		{Name: "src", Kind: IPv4, Own: OwnIPv4, Doc: "source; the interface's when not told", RFC: "RFC 791 section 3.1"},
		{Name: "dst", Kind: IPv4, Default: nil, Doc: "destination", RFC: "RFC 791 section 3.1"},
		{Name: "options", Kind: Options, Size: Size{Field: "headerLength", Unit: 4, Plus: -20}, Doc: "list of { type, data }", RFC: "RFC 791 section 3.1",
			TLV: &TLV{TypeBytes: 1, LenBytes: 1, LenPlus: 2, Pad: 1, End: 0, Align: 4}},
	},
	Over:   familyBinds([]Bind{{Space: "eth", Value: 0x0800}, {Space: "ip", Value: 4}}, 2),
	Next:   &Next{Space: "ip", Fields: []string{"protocol"}, When: []Cond{{Field: "offset", In: []uint64{0}}}},
	Header: &Size{Field: "headerLength", Unit: 4},
	Swap:   [][2]string{{"src", "dst"}},
	Reply: func(c *ReplyContext) error {
		h, q := c.Out.header(c.J), c.Req.header(c.I)
		// A new header: only dscp and ecn's field, protocol and addresses are
		// taken from the request; ECN is not echoed (RFC 3168 section 6.1).
		h[0], h[1] = 0x45, q[1]&0xfc
		h[6], h[7], h[8] = 0, 0, 64
		own := c.Env.IPv4
		if c.Env.group4(h[12:16]) && own.Is4() {
			a := own.As4()
			copy(h[12:16], a[:])
		}
		return nil
	},
	Answers: func(p *Packet, i int, req *Packet, j int) bool {
		a, q := p.header(i), req.header(j)
		if len(a) < 20 || len(q) < 20 || !bytes.Equal(a[16:20], q[12:16]) && !unspecified(q[12:16]) && !broadcast4(a[16:20]) {
			return false
		}
		return bytes.Equal(a[12:16], q[16:20]) || unreachableSource4(q[16:20]) || i+1 < len(p.refs) && p.refs[i+1].Proto == protoICMP
	},
	Check: func(p *Packet, i int, report func(string, ...any)) {
		h := p.header(i)
		if h[0]>>4 != 4 {
			report("version %d, not 4", h[0]>>4)
		}
		if n := int(h[0]&15) * 4; n < 20 {
			report("headerLength %d is below the least, 5", n/4)
		}
		if n := int(binary.BigEndian.Uint16(h[2:])); n != 0 && n < int(h[0]&15)*4 {
			report("length %d is shorter than the header", n)
		}
	},
})

// unreachableSource4 reports addresses that nobody may answer from: broadcast
// and multicast. A directed broadcast looks like any other: see Env.group4.
func unreachableSource4(a []byte) bool { return broadcast4(a) || a[0] >= 224 && a[0] < 240 }

// group4 reports addresses of many on the interface: nobody may answer from
// them (RFC 1122 section 3.2.1.3).
func (e *Env) group4(a []byte) bool {
	return unreachableSource4(a) || e.Broadcast4.Is4() && e.Broadcast4.As4() == [4]byte(a)
}

func broadcast4(a []byte) bool { return a[0]&a[1]&a[2]&a[3] == 255 }

func unspecified(a []byte) bool {
	for _, b := range a {
		if b != 0 {
			return false
		}
	}
	return true
}
