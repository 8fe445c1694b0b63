package packet

import (
	"encoding/binary"
	"math/bits"
)

// Whoever waits for many answers at once files each request under
// RequestKeys, looks up AnswerKeys of what arrives, and asks Answers only
// about the requests found. The keys hold what Answers compares first: ends,
// ports and identifiers.

// The purposes that keys are made for, so that equal numbers in different
// places do not meet.
const (
	keyAnswer uint64 = iota + 1 // what the answer's own headers tell
	keyQuote                    // what an ICMP error quotes
	keySource                   // with the address that was asked
	keyID                       // with the identifier of DNS or DHCP
)

// keyMix folds a number into a key.
func keyMix(key, v uint64) uint64 {
	hi, lo := bits.Mul64(key^v^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo ^ bits.RotateLeft64(key, 23)
}

// keyBytes folds bytes into a key.
func keyBytes(key uint64, b []byte) uint64 {
	for len(b) >= 8 {
		key = keyMix(key, binary.BigEndian.Uint64(b))
		b = b[8:]
	}
	for _, c := range b {
		key = keyMix(key, uint64(c))
	}
	return key
}

// asked is where the keys of a packet are read.
type asked struct {
	ip        int // the layer of addresses; -1: none
	transport int // the layer that tells one exchange from another
}

// asks finds the first layer that tells one exchange from another, where
// nothing but link layers and one IP header stands before it.
func (p *Packet) asks() (a asked, ok bool) {
	a.ip = -1
	for i := range p.refs {
		switch proto := p.refs[i].Proto; {
		case link(proto) || proto.Passing:
		case (proto == protoIP || proto == protoIP6) && a.ip < 0:
			a.ip = i
		case proto == protoARP || (proto == protoICMP || proto == protoICMP6 || proto == protoUDP || proto == protoTCP) && a.ip >= 0:
			a.transport = i
			return a, true
		default:
			return a, false
		}
	}
	return a, false
}

// RequestKeys appends the keys under which a request is filed: of every
// packet that answers it, one is among the packet's AnswerKeys. None means
// that each packet must be asked.
func (p *Packet) RequestKeys(keys []uint64) []uint64 {
	at, ok := p.asks()
	if !ok {
		return keys
	}
	i := at.transport
	proto, h := p.refs[i].Proto, p.header(i)
	key := keyMix(keyAnswer, uint64(proto.ID()))
	switch proto {
	case protoARP:
		if len(h) < 28 {
			return keys
		}
		return append(keys, keyBytes(key, h[24:28]))
	case protoICMP:
		if len(h) < 8 {
			return keys
		}
		key = keyBytes(key, h[4:8])
	case protoICMP6:
		switch {
		case len(h) >= 8 && h[0] == 128:
			key = keyBytes(keyMix(key, 129), h[4:8])
		case len(h) >= 24 && h[0] == 135:
			key = keyBytes(keyMix(key, 136), h[8:24])
		default:
			return keys
		}
	default: // ports
		if len(h) < 4 {
			return keys
		}
		key = keyBytes(keyBytes(key, h[2:4]), h[:2])
		ip := p.header(at.ip)
		if p.refs[at.ip].Proto == protoIP {
			if len(ip) < 20 {
				return keys
			}
			if !unreachableSource4(ip[16:20]) {
				key = keyBytes(keyMix(key, keySource), ip[16:20])
			}
		} else {
			if len(ip) < 40 {
				return keys
			}
			if ip[24] != 0xff {
				key = keyBytes(keyMix(key, keySource), ip[24:40])
			}
		}
		if id := p.exchange(i); id != nil {
			key = keyBytes(keyMix(key, keyID), id)
		}
	}
	return append(keys, key, p.quoteKey(at.ip))
}

// exchange is the identifier of a DNS or DHCP message right behind layer i.
func (p *Packet) exchange(i int) []byte {
	if i+1 >= len(p.refs) {
		return nil
	}
	switch h := p.header(i + 1); {
	case p.refs[i+1].Proto == protoDNS && len(h) >= 2:
		return h[:2]
	case p.refs[i+1].Proto == protoDHCP && len(h) >= 8:
		return h[4:8]
	}
	return nil
}

// AnswerKeys appends the keys of the requests that p may answer.
func (p *Packet) AnswerKeys(keys []uint64) []uint64 {
	at, ok := p.asks()
	if !ok {
		return keys
	}
	i := at.transport
	proto, h := p.refs[i].Proto, p.header(i)
	key := keyMix(keyAnswer, uint64(proto.ID()))
	switch proto {
	case protoARP:
		if len(h) >= 28 {
			keys = append(keys, keyBytes(key, h[14:18]))
		}
	case protoICMP, protoICMP6:
		if p.tellsError() {
			if q := p.Quoted(); q != nil && len(q.refs) > 0 && int(q.refs[0].Hdr) >= q.refs[0].Proto.minBytes {
				keys = append(keys, q.quoteKey(0))
			}
		}
		switch {
		case len(h) < 8:
		case proto == protoICMP:
			keys = append(keys, keyBytes(key, h[4:8]))
		case h[0] == 129:
			keys = append(keys, keyBytes(keyMix(key, 129), h[4:8]))
		case h[0] == 136 && len(h) >= 24:
			keys = append(keys, keyBytes(keyMix(key, 136), h[8:24]))
		}
	default:
		if len(h) < 4 {
			break
		}
		key = keyBytes(keyBytes(key, h[:2]), h[2:4])
		from := key
		switch ip := p.header(at.ip); {
		case p.refs[at.ip].Proto == protoIP && len(ip) >= 20:
			from = keyBytes(keyMix(key, keySource), ip[12:16])
		case p.refs[at.ip].Proto == protoIP6 && len(ip) >= 40:
			from = keyBytes(keyMix(key, keySource), ip[8:24])
		}
		keys = append(keys, from, key)
		if id := p.exchange(i); id != nil {
			keys = append(keys, keyBytes(keyMix(from, keyID), id), keyBytes(keyMix(key, keyID), id))
		}
	}
	return keys
}

// quoteKey is the key of the packet that starts with IP layer i, made of what
// the least quote holds (RFC 792: the header and eight bytes).
func (p *Packet) quoteKey(i int) uint64 {
	h, body := p.header(i), p.Body(i)
	key := keyMix(keyQuote, uint64(p.refs[i].Proto.ID()))
	number := byte(0)
	if p.refs[i].Proto == protoIP {
		number = h[9]
		key = keyBytes(keyBytes(key, h[4:6]), h[12:20])
	} else {
		number = h[6]
		key = keyBytes(key, h[8:40])
	}
	key = keyMix(key, uint64(number))
	switch {
	case (number == 1 || number == 58) && len(body) >= 8:
		key = keyBytes(key, body[4:8])
	case (number == 6 || number == 17) && len(body) >= 8:
		key = keyBytes(key, body[:4])
	}
	return key
}
