package netio

import "encoding/binary"

// completeChecksum writes the TCP or UDP checksum of a frame that this
// machine sent to itself (over a veth pair, for one) and left to hardware that
// is not there: in its place stands the sum over the pseudo header. Who captures
// such a frame would take it for a damaged one. Frames that are not plain
// TCP or UDP over IP are left alone.
func completeChecksum(frame []byte) {
	at := 12
	for at+2 <= len(frame) && (frame[at] == 0x81 && frame[at+1] == 0 || frame[at] == 0x88 && frame[at+1] == 0xa8) {
		at += 4
	}
	if at+2 > len(frame) {
		return
	}
	etherType := binary.BigEndian.Uint16(frame[at:])
	p := frame[at+2:]
	var protocol byte
	switch {
	case etherType == 0x0800 && len(p) >= 20:
		header, total := int(p[0]&15)*4, int(binary.BigEndian.Uint16(p[2:]))
		if header < 20 || total < header || total > len(p) || binary.BigEndian.Uint16(p[6:])&0x3fff != 0 {
			return
		}
		protocol, p = p[9], p[header:total]
	case etherType == 0x86dd && len(p) >= 40:
		total := 40 + int(binary.BigEndian.Uint16(p[4:]))
		if total > len(p) {
			return
		}
		protocol, p = p[6], p[40:total]
	}
	var field int
	switch protocol {
	case 6:
		field = 16
	case 17:
		field = 6
	default:
		return
	}
	if len(p) < field+2 {
		return
	}
	var sum uint64
	b := p
	for ; len(b) >= 4; b = b[4:] {
		sum += uint64(binary.BigEndian.Uint32(b))
	}
	switch len(b) {
	case 1:
		sum += uint64(b[0]) << 24
	case 2:
		sum += uint64(b[0])<<24 | uint64(b[1])<<16
	case 3:
		sum += uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	checksum := ^uint16(sum)
	if checksum == 0 && protocol == 17 {
		checksum = 0xffff // zero would mean that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(p[field:], checksum)
}
