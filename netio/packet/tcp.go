package packet

import "encoding/binary"

var protoTCP = Register(&Proto{
	Name: "tcp", Title: "Transmission Control Protocol", RFC: "RFC 9293",
	Fields: []*Field{
		{Name: "sport", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoFrom}, Default: uint64(49152), Doc: "source port", RFC: "RFC 9293 section 3.1"},
		{Name: "dport", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoNext}, Default: uint64(80), Doc: "destination port", RFC: "RFC 9293 section 3.1"},
		{Name: "seq", Kind: Uint, Bits: 32, Wraps: true, Doc: "sequence number", RFC: "RFC 9293 section 3.1"},
		{Name: "ack", Kind: Uint, Bits: 32, Wraps: true, Doc: "acknowledgment number", RFC: "RFC 9293 section 3.1"},
		{Name: "dataOffset", Kind: Uint, Bits: 4, Default: uint64(5), Auto: &Auto{What: AutoLength, Of: OfHeader, Unit: 4}, Doc: "header length in units of 4 bytes, 5..15", RFC: "RFC 9293 section 3.1"},
		{Name: "reserved", Kind: Uint, Bits: 4, Doc: "must be zero", RFC: "RFC 9293 section 3.1"},
		{Name: "flags", Kind: Flags, Bits: 8, Letters: []string{"F", "S", "R", "P", "A", "U", "E", "C"}, Default: uint64(2), Doc: "control bits: FIN SYN RST PSH ACK URG ECE CWR", RFC: "RFC 9293 section 3.1"},
		{Name: "window", Kind: Uint, Bits: 16, Default: uint64(65535), Doc: "receive window in bytes, before scaling", RFC: "RFC 9293 section 3.1"},
		{Name: "checksum", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoChecksum, Sum: InternetPseudo}, Doc: "over pseudo-header, header and data", RFC: "RFC 9293 section 3.1"},
		{Name: "urgent", Kind: Uint, Bits: 16, Doc: "urgent pointer", RFC: "RFC 9293 section 3.1"},
		{Name: "options", Kind: Options, Size: Size{Field: "dataOffset", Unit: 4, Plus: -20}, Doc: "options", RFC: "RFC 9293 section 3.2",
			TLV: &TLV{TypeBytes: 1, LenBytes: 1, LenPlus: 2, Pad: 1, End: 0, Align: 4, Options: []*Option{
				{Type: 2, Field: Field{Name: "mss", Kind: Uint, Bits: 16, Doc: "maximum segment size in bytes", RFC: "RFC 9293 section 3.2"}},
				{Type: 3, Field: Field{Name: "windowScale", Kind: Uint, Bits: 8, Doc: "shift of the window, 0..14", RFC: "RFC 7323 section 2.2"}},
				{Type: 4, Field: Field{Name: "sackOk", Kind: Uint, Doc: "1: selective acknowledgments permitted", RFC: "RFC 2018 section 2"}},
				{Type: 5, Field: Field{Name: "sack", Kind: List, Items: []*Field{{Kind: List, Size: Size{N: 2}, Items: []*Field{{Kind: Uint, Bits: 32, Wraps: true}}}}, Doc: "blocks of [left, right] edges", RFC: "RFC 2018 section 3"}},
				{Type: 8, Field: Field{Name: "timestamps", Kind: List, Size: Size{N: 2}, Items: []*Field{{Kind: Uint, Bits: 32, Wraps: true}}, Doc: "[value, echo]", RFC: "RFC 7323 section 3.2"}},
				{Type: 28, Field: Field{Name: "userTimeout", Kind: Uint, Bits: 16, Doc: "granularity bit and timeout", RFC: "RFC 5482 section 3"}},
				{Type: 34, Field: Field{Name: "fastOpen", Kind: Bytes, Doc: "cookie", RFC: "RFC 7413 section 4.1.1"}},
			}}},
	},
	Over:   []Bind{{Space: "ip", Value: 6}},
	Next:   &Next{Space: "tcp", Fields: []string{"dport", "sport"}},
	Header: &Size{Field: "dataOffset", Unit: 4},
	Swap:   [][2]string{{"sport", "dport"}},
	Reply:  replyTCP,
	Answers: func(p *Packet, i int, req *Packet, j int) bool {
		a, q := p.header(i), req.header(j)
		if len(a) < 20 || len(q) < 20 || !swapped(a[0:4], q[0:4], 2) {
			return false
		}
		const ackFlag = 0x10
		if a[13]&ackFlag == 0 {
			return a[13]&4 != 0 // RST without ACK answers an ACK (RFC 9293 section 3.10.7.1)
		}
		d := binary.BigEndian.Uint32(a[8:]) - binary.BigEndian.Uint32(q[4:])
		return d <= uint32(tcpLength(req, j))
	},
	Check: func(p *Packet, i int, report func(string, ...any)) {
		if n := p.header(i)[12] >> 4; n < 5 {
			report("dataOffset %d is below the least, 5", n)
		}
	},
})

// tcpLength is SEG.LEN: the data, and one each for SYN and FIN.
func tcpLength(p *Packet, i int) int {
	h := p.header(i)
	return len(p.Body(i)) + int(h[13]&1) + int(h[13]>>1&1)
}

// replyTCP answers a segment: SYN with SYN,ACK, FIN with FIN,ACK, else ACK.
// When the changes ask for a reset, its numbers are those of RFC 9293 section
// 3.10.7.1: from an ACK its number, otherwise 0 with the segment acknowledged.
func replyTCP(c *ReplyContext) error {
	h, q := c.Out.header(c.J), c.Req.header(c.I)
	const fin, syn, rst, ack = 1, 2, 4, 16
	flags := q[13]
	n := uint32(tcpLength(c.Req, c.I))
	reply := byte(ack)
	if flags&syn != 0 && flags&ack == 0 {
		reply = syn | ack
	} else if flags&fin != 0 {
		reply = fin | ack
	}
	wantFlags, told, err := c.told("flags")
	if err != nil {
		return err
	}
	reset := told && byte(wantFlags)&rst != 0
	seq := uint32(0)
	if flags&ack != 0 {
		seq = binary.BigEndian.Uint32(q[8:])
	}
	ackNo := binary.BigEndian.Uint32(q[4:]) + n
	if reset && flags&ack != 0 {
		ackNo = 0
	}
	// A bare R is how a script asks for the reset that is due here: to what
	// carried no ACK that is RST,ACK, as SYN-SENT takes no other.
	c.resets = reset && flags&ack == 0 && byte(wantFlags) == rst
	clear(h[4:20])
	binary.BigEndian.PutUint32(h[4:], seq)
	binary.BigEndian.PutUint32(h[8:], ackNo)
	h[12], h[13] = 5<<4, reply
	if !reset {
		binary.BigEndian.PutUint16(h[14:], 65535)
	}
	return nil
}
