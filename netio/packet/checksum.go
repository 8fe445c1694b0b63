package packet

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// Algorithm is a checksum over a header and what it carries.
type Algorithm string

// The algorithms.
const (
	Internet       Algorithm = "internet"        // RFC 1071, header and payload
	InternetHeader Algorithm = "internet-header" // RFC 1071, header alone (IPv4)
	InternetPseudo Algorithm = "internet-pseudo" // RFC 1071 with the pseudo-header of the IP layer before
	CRC32          Algorithm = "crc32"           // IEEE 802.3
	CRC32C         Algorithm = "crc32c"          // Castagnoli (SCTP, RFC 9260 appendix A)
	CRC16          Algorithm = "crc16"           // CCITT, as in X.25: reflected 0x1021, all ones in and out
	Sum8           Algorithm = "sum8"            // two's complement of the sum of bytes
)

// ones reports whether the algorithm is a sum in ones' complement of 16 bits.
func (a Algorithm) ones() bool { return a == Internet || a == InternetHeader || a == InternetPseudo }

// sum16 adds 16-bit big-endian words into an unfolded sum. An odd last byte
// counts as the high half of a word.
func sum16(b []byte, acc uint64) uint64 {
	var carry uint64
	for len(b) >= 32 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), 0)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[8:]), carry)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[16:]), carry)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[24:]), carry)
		acc, carry = bits.Add64(acc, 0, carry)
		acc += carry
		b = b[32:]
	}
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), 0)
		acc += carry
		b = b[8:]
	}
	var tail uint64
	switch {
	case len(b) >= 4:
		tail = uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
		fallthrough
	default:
		if len(b) >= 2 {
			tail += uint64(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) == 1 {
			tail += uint64(b[0]) << 8
		}
	}
	acc, carry = bits.Add64(acc, tail, 0)
	return acc + carry
}

// fold16 folds an unfolded sum to 16 bits.
func fold16(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc)
}

// Checksum is the Internet checksum (RFC 1071) of b.
func Checksum(b []byte) uint16 { return ^fold16(sum16(b, 0)) }

var zeroBytes [8]byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var crc16Table = func() (t [256]uint16) {
	for i := range t {
		c := uint16(i)
		for range 8 {
			if c&1 != 0 {
				c = c>>1 ^ 0x8408
			} else {
				c >>= 1
			}
		}
		t[i] = c
	}
	return
}()

// checksum computes layer i's sum with its checksum field read as zero. ok
// is false where it cannot be known: a fragment, no IP layer, bytes missing.
func (p *Packet) checksum(i int) (v uint64, ok bool) {
	r := &p.refs[i]
	f := r.Proto.sum
	if int(r.Hdr) < r.Proto.minBytes {
		return 0, false
	}
	rule, ok := p.rule(i, f)
	if !ok {
		return 0, false
	}
	a := f.Auto
	whole := p.Data[r.Off:r.End]
	if a.Sum == InternetHeader {
		whole = whole[:r.Hdr]
	}
	// Nothing is written to the bytes: they may be a mapped file. A checksum at
	// an odd place, or further fields read as zero, cost a copy.
	lo, hi := int(rule.off), rule.need()
	before, after := whole[:lo], whole[hi:]
	if len(a.Skip) > 0 || lo&1 != 0 || hi&1 != 0 {
		c := append([]byte(nil), whole...)
		clear(c[lo:hi])
		for _, name := range a.Skip {
			r.Proto.byName[name].blank(p.reg, c, int(r.Hdr))
		}
		before, after = c, nil
	}
	zeros := zeroBytes[:len(whole)-len(before)-len(after)]
	switch a.Sum {
	case Internet, InternetHeader:
		return uint64(^fold16(sum16(after, sum16(before, 0)))), true
	case InternetPseudo:
		acc, ok := p.pseudo(i, len(whole))
		if !ok {
			return 0, false
		}
		v := ^fold16(sum16(after, sum16(before, acc)))
		if v == 0 && a.ZeroIsOnes {
			v = 0xffff
		}
		return uint64(v), true
	case CRC32:
		return uint64(crcParts(crc32.IEEETable, before, zeros, after)), true
	case CRC32C:
		return uint64(bits.ReverseBytes32(crcParts(castagnoli, before, zeros, after))), true
	case CRC16:
		c := uint16(0xffff)
		for _, part := range [...][]byte{before, zeros, after} {
			for _, b := range part {
				c = c>>8 ^ crc16Table[byte(c)^b]
			}
		}
		return uint64(^c), true
	case Sum8:
		var s byte
		for _, part := range [...][]byte{before, after} {
			for _, b := range part {
				s += b
			}
		}
		return uint64(-s), true
	}
	return 0, false
}

func crcParts(t *crc32.Table, parts ...[]byte) (c uint32) {
	for _, b := range parts {
		c = crc32.Update(c, t, b)
	}
	return c
}

// pseudo starts a sum with the pseudo-header of the nearest IP layer outside
// layer i (RFC 9293 section 3.1, RFC 8200 section 8.1).
func (p *Packet) pseudo(i, length int) (acc uint64, ok bool) {
	for j := i - 1; j >= 0; j-- {
		r := &p.refs[j]
		switch r.Proto {
		case protoIP:
			h := p.header(j)
			if len(h) < 20 || binary.BigEndian.Uint16(h[6:])&0x3fff != 0 {
				return 0, false
			}
			return sum16(h[12:20], uint64(length)+uint64(transport(p.refs[i].Proto))), true
		case protoIP6:
			h := p.header(j)
			if len(h) < 40 {
				return 0, false
			}
			dst := h[24:40]
			for k := j + 1; k < i; k++ {
				x := p.header(k)
				switch p.refs[k].Proto {
				case protoIP6Frag:
					if len(x) < 8 || binary.BigEndian.Uint16(x[2:])&0xfff9 != 0 {
						return 0, false
					}
				case protoIP6Route:
					if final := finalDestination(x); final != nil {
						dst = final
					}
				}
			}
			return sum16(h[8:24], sum16(dst, uint64(length)+uint64(transport(p.refs[i].Proto)))), true
		}
	}
	return 0, false
}

// finalDestination is the address that a pseudo-header has while a routing
// header has segments left (RFC 8200 section 8.1): the last of types 0 and 2,
// the first, as they stand in reverse, of a segment routing header (RFC 8754
// section 2). It is nil when the header says nothing else than IPv6 does.
func finalDestination(h []byte) []byte {
	if len(h) < 24 || h[3] == 0 {
		return nil
	}
	switch h[2] {
	case 0, 2:
		return h[8+(len(h)-24)/16*16:][:16]
	case 4:
		return h[8:24]
	}
	return nil
}

// transport is the protocol number that a pseudo-header carries.
func transport(p *Proto) uint64 {
	for _, b := range p.Over {
		if b.Space == "ip" {
			return b.Value
		}
	}
	return 0
}
