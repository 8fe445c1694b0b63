package packet

import (
	"math/rand/v2"
	"net/netip"
)

// FuzzSlots makes every field of a layer vary at random within its type that
// was not told, and is not worked out: what a robust receiver must bear. A
// field that selects which others there are keeps its default, and so do lists
// and objects; bytes and text of no fixed size are drawn up to 64 bytes long.
func (p *Packet) FuzzSlots(layer int, r *rand.Rand) []Slot {
	var slots []Slot
	h := p.header(layer)
	for _, f := range p.refs[layer].Proto.Fields {
		if p.Told(layer, f) || f.Auto != nil || f.Own != 0 || f.steers || !f.present(h) {
			continue
		}
		var v *Vary
		switch f.Kind {
		case Uint, Flags:
			if f.Bits < 63 {
				v, _ = RandomInt(r, 0, int64(mask(f.Bits)))
			} else {
				v = &Vary{kind: varyInt, rnd: r, step: 0}
			}
		case Int, Float:
			bits := f.Bits
			v = drawn(func() Value { return f.number(r.Uint64() & mask(bits)) })
		case MACs:
			v = RandomMAC(r)
		case IPv4:
			v = &Vary{kind: varyBits, shape: shapeIPv4, rnd: r, n: 1 << 32}
		case IPv6:
			v = drawn(func() Value {
				var a [16]byte
				for i := range a {
					a[i] = byte(r.Uint32())
				}
				return netip.AddrFrom16(a)
			})
		case Bytes, Text:
			n := &Vary{kind: varyInt, rnd: r, step: 65}
			if f.Size.N > 0 {
				n = &Vary{kind: varyInt, rnd: r, start: uint64(f.Size.N), step: 1}
			}
			v = RandomBytes(r, n)
		default:
			continue
		}
		slots = append(slots, Slot{Layer: layer, Field: f, Value: v})
	}
	return slots
}
