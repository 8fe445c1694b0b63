package packet

import (
	"encoding/binary"
	"strings"
)

// dnsTypes are names of IANA's registry "Resource Record (RR) TYPEs".
var dnsTypes = Enum{
	{"a", 1}, {"ns", 2}, {"cname", 5}, {"soa", 6}, {"null", 10}, {"ptr", 12}, {"hinfo", 13}, {"mx", 15}, {"txt", 16}, {"rp", 17}, {"afsdb", 18},
	{"sig", 24}, {"key", 25}, {"aaaa", 28}, {"loc", 29}, {"srv", 33}, {"naptr", 35}, {"kx", 36}, {"cert", 37}, {"dname", 39}, {"opt", 41},
	{"apl", 42}, {"ds", 43}, {"sshfp", 44}, {"ipseckey", 45}, {"rrsig", 46}, {"nsec", 47}, {"dnskey", 48}, {"dhcid", 49}, {"nsec3", 50},
	{"nsec3param", 51}, {"tlsa", 52}, {"smimea", 53}, {"hip", 55}, {"cds", 59}, {"cdnskey", 60}, {"openpgpkey", 61}, {"csync", 62},
	{"zonemd", 63}, {"svcb", 64}, {"https", 65}, {"spf", 99}, {"eui48", 108}, {"eui64", 109}, {"tkey", 249}, {"tsig", 250},
	{"ixfr", 251}, {"axfr", 252}, {"any", 255}, {"uri", 256}, {"caa", 257},
}

var (
	dnsClasses = Enum{{"in", 1}, {"ch", 3}, {"hs", 4}, {"none", 254}, {"any", 255}}
	dnsOpcodes = Enum{{"query", 0}, {"iquery", 1}, {"status", 2}, {"notify", 4}, {"update", 5}, {"dso", 6}}
	dnsRcodes  = Enum{
		{"noError", 0}, {"formErr", 1}, {"servFail", 2}, {"nxDomain", 3}, {"notImp", 4}, {"refused", 5}, {"yxDomain", 6},
		{"yxRrset", 7}, {"nxRrset", 8}, {"notAuth", 9}, {"notZone", 10}, {"dsoTypeNi", 11},
	}
)

// dnsData are the bodies that are taken apart, by type. The names in those of
// RFC 1035 are compressed; others are not (RFC 3597 section 4).
var dnsData = map[uint64]*Field{
	1:  {Kind: IPv4},
	2:  {Kind: Name},
	5:  {Kind: Name},
	12: {Kind: Name},
	28: {Kind: IPv6},
	16: {Kind: List, Items: []*Field{{Kind: Text, Size: Size{Prefix: 1}}}},
	15: {Kind: Struct, Items: []*Field{
		{Name: "preference", Kind: Uint, Bits: 16, Doc: "the lowest is tried first"},
		{Name: "exchange", Kind: Name},
	}},
	33: {Kind: Struct, Items: []*Field{
		{Name: "priority", Kind: Uint, Bits: 16, Doc: "the lowest is tried first"},
		{Name: "weight", Kind: Uint, Bits: 16, Doc: "share among equal priorities"},
		{Name: "port", Kind: Uint, Bits: 16},
		{Name: "target", Kind: Name, Whole: true},
	}},
	6: {Kind: Struct, Items: []*Field{
		{Name: "mname", Kind: Name, Doc: "primary name server"},
		{Name: "rname", Kind: Name, Doc: "mailbox of who is responsible"},
		{Name: "serial", Kind: Uint, Bits: 32, Wraps: true},
		{Name: "refresh", Kind: Uint, Bits: 32, Doc: "seconds"},
		{Name: "retry", Kind: Uint, Bits: 32, Doc: "seconds"},
		{Name: "expire", Kind: Uint, Bits: 32, Doc: "seconds"},
		{Name: "minimum", Kind: Uint, Bits: 32, Doc: "seconds"},
	}},
}

func dnsQuestion() []*Field {
	return []*Field{
		{Name: "name", Kind: Name, Doc: "domain name without the final dot; '' is the root"},
		{Name: "type", Kind: Uint, Bits: 16, Default: uint64(1), Enum: &dnsTypes, Doc: "type of the records asked for"},
		{Name: "class", Kind: Uint, Bits: 16, Default: uint64(1), Enum: &dnsClasses, Doc: "class"},
	}
}

func dnsRecord() []*Field {
	return []*Field{
		{Name: "name", Kind: Name, Doc: "the name it is about"},
		{Name: "type", Kind: Uint, Bits: 16, Default: uint64(1), Enum: &dnsTypes, Doc: "what data is"},
		{Name: "class", Kind: Uint, Bits: 16, Default: uint64(1), Enum: &dnsClasses, Doc: "class; of OPT the sender's UDP payload size (RFC 6891 section 6.1.2)"},
		{Name: "ttl", Kind: Uint, Bits: 32, Doc: "seconds it may be cached; of OPT extended rcode, version and flags"},
		{Name: "data", Kind: Choice, On: "type", Size: Size{Prefix: 2}, Cases: dnsData, Doc: "by type; bytes for those not taken apart"},
	}
}

func dnsCount(name, of string) *Field {
	return &Field{Name: name, Kind: Uint, Bits: 16, Auto: &Auto{What: AutoCount, Field: of}, Doc: "number of " + of, RFC: "RFC 1035 section 4.1.1"}
}

var protoDNS = Register(&Proto{
	Name: "dns", Title: "Domain Name System", RFC: "RFC 1035",
	Doc: "Over UDP; multicast DNS is the same on port 5353. Names are compressed where RFC 1035 has them.",
	Fields: []*Field{
		{Name: "id", Kind: Uint, Bits: 16, Wraps: true, Doc: "matches a response to its query", RFC: "RFC 1035 section 4.1.1"},
		{Name: "qr", Kind: Uint, Bits: 1, Doc: "0: query, 1: response", RFC: "RFC 1035 section 4.1.1"},
		{Name: "opcode", Kind: Uint, Bits: 4, Enum: &dnsOpcodes, Doc: "kind of query", RFC: "RFC 1035 section 4.1.1"},
		{Name: "aa", Kind: Uint, Bits: 1, Doc: "authoritative answer", RFC: "RFC 1035 section 4.1.1"},
		{Name: "tc", Kind: Uint, Bits: 1, Doc: "truncated", RFC: "RFC 1035 section 4.1.1"},
		{Name: "rd", Kind: Uint, Bits: 1, Default: uint64(1), Doc: "recursion desired", RFC: "RFC 1035 section 4.1.1"},
		{Name: "ra", Kind: Uint, Bits: 1, Doc: "recursion available", RFC: "RFC 1035 section 4.1.1"},
		{Name: "z", Kind: Uint, Bits: 1, Hidden: true, Doc: "must be zero", RFC: "RFC 1035 section 4.1.1"},
		{Name: "ad", Kind: Uint, Bits: 1, Doc: "authentic data", RFC: "RFC 4035 section 3.1.6"},
		{Name: "cd", Kind: Uint, Bits: 1, Doc: "checking disabled", RFC: "RFC 4035 section 3.1.6"},
		{Name: "rcode", Kind: Uint, Bits: 4, Enum: &dnsRcodes, Doc: "response code", RFC: "RFC 1035 section 4.1.1"},
		dnsCount("qdcount", "questions"),
		dnsCount("ancount", "answers"),
		dnsCount("nscount", "authorities"),
		dnsCount("arcount", "additionals"),
		{Name: "questions", Kind: List, Size: Size{Field: "qdcount"}, Items: dnsQuestion(), Doc: "what is asked", RFC: "RFC 1035 section 4.1.2"},
		{Name: "answers", Kind: List, Size: Size{Field: "ancount"}, Items: dnsRecord(), Doc: "records that answer", RFC: "RFC 1035 section 4.1.3"},
		{Name: "authorities", Kind: List, Size: Size{Field: "nscount"}, Items: dnsRecord(), Doc: "records of the name servers in charge", RFC: "RFC 1035 section 4.1.3"},
		{Name: "additionals", Kind: List, Size: Size{Field: "arcount"}, Items: dnsRecord(), Doc: "further records; OPT stands here", RFC: "RFC 1035 section 4.1.3"},
	},
	Over:    []Bind{{Space: "udp", Value: 53}, {Space: "udp", Value: 5353}},
	Greedy:  true,
	Reply:   replyDNS,
	Answers: answersDNS,
})

// dnsQuestionsEnd is where the question section of a message ends.
func dnsQuestionsEnd(h []byte) (int, bool) {
	off := 12
	if len(h) < off {
		return 0, false
	}
	for range binary.BigEndian.Uint16(h[4:]) {
		_, next, err := readName(h, off, false)
		if err != nil || next+4 > len(h) {
			return 0, false
		}
		off = next + 4
	}
	return off, true
}

// replyDNS keeps id, opcode, rd and the questions (RFC 1035 section 4.1.1,
// RFC 6895 section 2): a response without records, to be filled by changes.
func replyDNS(c *ReplyContext) error {
	r := &c.Out.refs[c.J]
	h := c.Out.header(c.J)
	end, ok := dnsQuestionsEnd(h)
	h[2] = h[2]&0x79 | 0x80
	h[3] = 0
	if !ok { // a question that cannot be read is a format error, and not repeated
		end, h[3] = 12, 1
		clear(h[4:6])
	}
	clear(h[6:12])
	c.Out.splice(c.J, int(r.Off)+end, int(r.Off)+len(h), nil)
	r.Hdr = int32(end)
	return nil
}

// answersDNS holds for a response of the same id to the same question, case
// ignored. A server that could not read the question need not repeat it.
func answersDNS(p *Packet, i int, req *Packet, j int) bool {
	a, q := p.header(i), req.header(j)
	if len(a) < 12 || len(q) < 12 || a[0] != q[0] || a[1] != q[1] || a[2]&0x80 == 0 || q[2]&0x80 != 0 || (a[2]^q[2])&0x78 != 0 {
		return false
	}
	asked, repeated := binary.BigEndian.Uint16(q[4:]), binary.BigEndian.Uint16(a[4:])
	if repeated == 0 && a[3]&0x0f != 0 {
		return true
	}
	if asked != repeated {
		return false
	}
	x, y := 12, 12
	for range asked {
		name, nx, err := readName(a, x, true)
		if err != nil || nx+4 > len(a) {
			return false
		}
		want, ny, err := readName(q, y, true)
		if err != nil || ny+4 > len(q) {
			return false
		}
		if !strings.EqualFold(name, want) || string(a[nx:nx+4]) != string(q[ny:ny+4]) {
			return false
		}
		x, y = nx+4, ny+4
	}
	return true
}
