package netio

import (
	"encoding/binary"
	"hash/crc32"
)

// The kernel joins the TCP segments and UDP datagrams of a flow, to do its own
// work once for all of them: those it sends stay joined until the hardware
// cuts them (GSO), those it receives are joined by the driver (GRO). A capture
// sees such frames in the joined form, which never was on a wire. They are
// longer than the MTU: nobody can pass them on, and what they say of sizes and
// numbers of packets is wrong. cutter turns them back into what they stand for.

// transport is what a cutter needs to know of a frame's headers.
type transport struct {
	ip       int  // where the IP header begins
	at       int  // where the TCP or UDP header begins
	data     int  // where its payload begins
	end      int  // and ends
	v6       bool //
	protocol byte // 6 or 17
}

const (
	protoTCP = 6
	protoUDP = 17

	tcpFIN, tcpSYN, tcpRST, tcpPSH, tcpCWR = 0x01, 0x02, 0x04, 0x08, 0x80
)

// findIP is where the IP header of a frame begins, behind any VLAN tags, or -1.
func findIP(frame []byte, t LinkType) int {
	switch t {
	case LinkTypeRaw, LinkTypeIPv4, LinkTypeIPv6:
		return 0
	case LinkTypeEthernet:
	default:
		return -1
	}
	for at := 12; at+2 <= len(frame); at += 4 {
		switch binary.BigEndian.Uint16(frame[at:]) {
		case 0x8100, 0x88a8:
		case 0x0800, 0x86dd:
			return at + 2
		default:
			return -1
		}
	}
	return -1
}

// findTransport looks for a TCP or UDP header in a frame whose IP header begins
// at ip. Fragments have none that could be cut. Any length may be a lie.
func findTransport(frame []byte, ip int) (t transport, ok bool) {
	t.ip = ip
	if ip < 0 || len(frame) < ip+20 {
		return t, false
	}
	p := frame[ip:]
	var total int
	switch p[0] >> 4 {
	case 4:
		header := int(p[0]&15) * 4
		total = int(binary.BigEndian.Uint16(p[2:]))
		if total == 0 {
			total = len(p) // joined to more than the field can tell
		}
		if header < 20 || binary.BigEndian.Uint16(p[6:])&0x3fff != 0 {
			return t, false
		}
		t.at, t.protocol = ip+header, p[9]
	case 6:
		if len(p) < 40 {
			return t, false
		}
		total = 40 + int(binary.BigEndian.Uint16(p[4:]))
		t.at, t.protocol, t.v6 = ip+40, p[6], true
		if total == 40 {
			total = len(p) // as with IPv4
			break          // but no jumbogram (RFC 2675), whose option a segment must not have
		}
		// Other extension headers may change what the checksum is made of, or
		// are for fragments.
		if t.protocol == 0 {
			if len(frame) < t.at+8 {
				return t, false
			}
			t.protocol, t.at = frame[t.at], t.at+8+8*int(frame[t.at+1])
		}
	default:
		return t, false
	}
	t.end = ip + total
	if t.end > len(frame) {
		return t, false
	}
	switch t.protocol {
	case protoTCP:
		if t.end < t.at+20 {
			return t, false
		}
		header := int(frame[t.at+12]>>4) * 4
		t.data = t.at + header
		ok = header >= 20 && t.data <= t.end
	case protoUDP:
		t.data = t.at + 8
		ok = t.data <= t.end
	}
	return t, ok
}

// segmentSize is how many bytes of payload a segment of this TCP frame may have
// on a link with that MTU, or 0: with UDP, the size of the datagrams that were
// joined cannot be told from the MTU.
func (t *transport) segmentSize(mtu int) int {
	if t.protocol != protoTCP {
		return 0
	}
	return max(0, mtu-(t.data-t.ip))
}

// cutter cuts one joined frame at a time. It needs no memory but for one
// segment, however many there are.
type cutter struct {
	frame []byte // the joined frame; nil when there is none
	transport
	size    int // bytes of payload of each segment but the last
	done    int // of payload
	number  int // of the next segment
	segment []byte
}

// begin takes a frame to be cut into segments with size bytes of payload each.
// It returns false when that cannot be done: what is there is no joined frame.
func (c *cutter) begin(frame []byte, t transport, size int) bool {
	if size <= 0 || t.data >= t.end {
		return false
	}
	if t.protocol == protoTCP && frame[t.at+13]&(tcpSYN|tcpRST) != 0 {
		return false // nobody joins those, and a SYN takes a sequence number itself
	}
	if t.data-t.ip+min(size, t.end-t.data) > 0xffff {
		return false // more than the length field of a segment can tell
	}
	c.frame, c.transport, c.size, c.done, c.number = frame, t, size, 0, 0
	return true
}

// cutting says whether there is more to come of a frame.
func (c *cutter) cutting() bool { return c.frame != nil }

// next returns the segment that is up, which stays the same until advance and
// is overwritten after that.
func (c *cutter) next() []byte {
	n := min(c.size, c.end-c.data-c.done)
	last := c.done+n == c.end-c.data
	s := append(c.segment[:0], c.frame[:c.data]...)
	s = append(s, c.frame[c.data+c.done:c.data+c.done+n]...)
	c.segment = s
	ip, l4 := s[c.ip:], s[c.at:]
	if c.v6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
	} else {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[4:], binary.BigEndian.Uint16(ip[4:])+uint16(c.number))
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip[:c.at-c.ip])))
	}
	check := 16
	if c.protocol == protoTCP {
		binary.BigEndian.PutUint32(l4[4:], binary.BigEndian.Uint32(l4[4:])+uint32(c.done))
		if !last {
			l4[13] &^= tcpFIN | tcpPSH
		}
		if c.done > 0 {
			l4[13] &^= tcpCWR // RFC 3168, section 6.1.2: once a reduction
		}
	} else {
		check = 6
		binary.BigEndian.PutUint16(l4[4:], uint16(len(l4)))
	}
	pseudo := uint64(c.protocol) + uint64(len(l4))
	if c.v6 {
		pseudo += sum(ip[8:40])
	} else {
		pseudo += sum(ip[12:20])
	}
	if c.protocol == protoUDP && !c.v6 && l4[6]|l4[7] == 0 {
		return s // the sender does without (RFC 768)
	}
	l4[check], l4[check+1] = 0, 0
	putChecksum(l4, check, ^fold(pseudo+sum(l4)), c.protocol == protoUDP)
	return s
}

// advance goes to the next segment, if there is one.
func (c *cutter) advance() {
	c.done += c.size
	c.number++
	if c.done >= c.end-c.data {
		c.frame = nil
	}
}

// sum adds up 16-bit words for an Internet checksum (RFC 1071).
func sum(b []byte) uint64 {
	var s uint64
	for ; len(b) >= 4; b = b[4:] {
		s += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold brings such a sum to 16 bits.
func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func putChecksum(b []byte, at int, checksum uint16, udp bool) {
	if checksum == 0 && udp {
		checksum = 0xffff // zero would mean that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(b[at:], checksum)
}

// Where the checksums are that hardware completes.
const (
	udpChecksum  = 6
	sctpChecksum = 8
)

// completeChecksum writes the checksum of a frame that this machine sent to
// itself (over a veth pair, for one) and left to hardware that is not there.
// It covers what is behind start and stands offset bytes from there; in its
// place is the sum over the pseudo header. Who captures such a frame would take
// it for a damaged one.
func completeChecksum(frame []byte, start, offset int) {
	if start+offset+2 > len(frame) {
		return
	}
	b := frame[start:]
	if offset == sctpChecksum { // RFC 9260, section 6.8: a CRC
		if len(b) >= 12 {
			clear(b[8:12])
			binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, castagnoli))
		}
		return
	}
	putChecksum(b, offset, ^fold(sum(b)), offset == udpChecksum)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
