package packet

import (
	"encoding/binary"
	"fmt"
)

// Slot is a field of a packet that varies: of layer Layer, or, where Field is
// nil, the payload.
type Slot struct {
	Layer int
	Field *Field
	Vary  *Vary
}

// Template makes packets that differ in a few fields. It is compiled once:
// what varies becomes stores at fixed offsets, and the checksums follow by
// difference (RFC 1624). What cannot be said that way (a list, a payload of
// varying length, a field that changes the header's shape) is built anew for
// each packet, still without script code; Why says which.
type Template struct {
	pkt   *Packet
	env   *Env
	slots []slot
	draws []*Vary // each once, in the order of slots
	nums  []uint64
	sums  []sumPlace
	slow  []Slot
	why   string
	ids   []idPlace
}

// idPlace is an IPv4 identification that was not told: the interface's next.
type idPlace struct{ off, sum int }

type slot struct {
	draw   int // index into draws
	rule   loadRule
	shape  varyShape
	off    int // of the header within the frame
	lo, hi int // the bytes it may change, widened to whole words
	sums   []int
	hi64   uint64
}

// sumPlace is a checksum that follows.
type sumPlace struct {
	off   int
	start int // parity of the covered bytes
	ones  bool
	acc   uint64 // difference gathered for this packet
}

// Template compiles the packet with its slots. Values that the fields cannot
// hold are found here for what is known beforehand, and by Next otherwise.
// env is the interface it leaves by; the packet is finished with it.
func (p *Packet) Template(slots []Slot, env *Env) (*Template, error) {
	t := &Template{pkt: p.Clone(), env: env}
	t.pkt.fixed = false
	seen := map[*Vary]int{}
	for _, s := range slots {
		if _, ok := seen[s.Vary]; !ok {
			seen[s.Vary] = len(t.draws)
			t.draws = append(t.draws, s.Vary)
		}
	}
	for _, s := range slots { // so that lengths and shapes are right
		if s.Field != nil && s.Field.Kind <= Flags {
			t.pkt.refs[s.Layer].told |= 1 << uint(s.Field.index)
		}
	}
	for _, s := range slots {
		if why := t.add(s, seen[s.Vary]); why != "" {
			t.slow, t.why = append(t.slow[:0], slots...), why
			t.slots = nil
			break
		}
	}
	if err := t.pkt.finishAll(env); err != nil {
		return nil, err
	}
	if t.slow != nil {
		return t, nil
	}
	t.nums = make([]uint64, len(t.draws))
	return t, t.addSums()
}

// finishAll is Finish, whatever was said before.
func (p *Packet) finishAll(env *Env) error {
	p.dirty = true
	return p.Finish(env)
}

func (t *Template) add(s Slot, draw int) (why string) {
	f := s.Field
	if f == nil {
		return "the payload varies"
	}
	r := &t.pkt.refs[s.Layer]
	name := r.Proto.Name + "." + f.Name
	switch {
	case f.steers:
		return name + " changes the shape of its header"
	case !f.Fixed() || f.Kind > IPv6 || f.Kind == Float:
		return name + " has no fixed place"
	case s.Vary.shape == shapeOther:
		return name + " is drawn from a " + s.Vary.String()
	case (f.Kind == IPv4) != (s.Vary.shape == shapeIPv4), (f.Kind == IPv6) != (s.Vary.shape == shapeIPv6), (f.Kind == MACs) != (s.Vary.shape == shapeMAC):
		return name + " and its values are of different kinds"
	case !f.present(t.pkt.header(s.Layer)):
		return name + " is not in every packet"
	}
	if f.Kind == Uint && !f.Wraps && s.Vary.kind != varyCounter && !s.Vary.fits(f.ld.mask) {
		return name + " may be out of range"
	}
	x := slot{draw: draw, shape: s.Vary.shape, off: int(r.Off), hi64: s.Vary.hi}
	first, last := f.bitOff/8, (f.bitOff+f.width()-1)/8
	x.rule = f.ld
	if f.Kind == IPv6 {
		x.rule = loadRule{off: int32(first), bytes: 8}
	}
	x.lo, x.hi = int(r.Off)+first, int(r.Off)+last+1
	t.slots = append(t.slots, x)
	return ""
}

// fits reports whether every value of a Vary of numbers fits under mask.
func (v *Vary) fits(mask uint64) bool {
	switch v.kind {
	case varyRange:
		last := v.start + (v.n-1)*v.step
		return v.start <= mask && last <= mask
	case varyInt:
		return v.start <= mask && v.step != 0 && v.start+v.step-1 <= mask
	}
	return true
}

// addSums finds the checksums that were not told, and which slots each covers.
func (t *Template) addSums() error {
	p := t.pkt
	for i := range p.refs {
		r := &p.refs[i]
		f := r.Proto.sum
		if f == nil || r.told>>uint(f.index)&1 != 0 {
			continue
		}
		a := f.Auto
		if a.Sum != Internet && a.Sum != InternetHeader && a.Sum != InternetPseudo || len(a.Skip) > 0 {
			for j := range t.slots {
				if t.slots[j].lo >= int(r.Off) && t.slots[j].lo < int(r.End) {
					t.slow, t.why = nil, ""
					return fmt.Errorf("%s.%s covers a field that varies", r.Proto.Name, f.Name)
				}
			}
			continue
		}
		if _, ok := p.checksum(i); !ok {
			continue
		}
		lo, hi := int(r.Off), int(r.End)
		if a.Sum == InternetHeader {
			hi = lo + int(r.Hdr)
		}
		n := len(t.sums)
		t.sums = append(t.sums, sumPlace{off: lo + int(f.ld.off), start: lo & 1, ones: a.ZeroIsOnes})
		for j := range t.slots {
			s := &t.slots[j]
			if s.lo >= lo && s.hi <= hi || a.Sum == InternetPseudo && t.pseudoCovers(i, s) {
				s.sums = append(s.sums, n)
			}
		}
		if r.Proto == protoIP && r.told>>uint(r.Proto.byName["id"].index)&1 == 0 && t.env != nil && t.env.NextID != nil {
			t.ids = append(t.ids, idPlace{lo + 4, n})
		}
	}
	return nil
}

// pseudoCovers reports whether a slot is an address in layer i's pseudo-header.
func (t *Template) pseudoCovers(i int, s *slot) bool {
	for j := i - 1; j >= 0; j-- {
		r := &t.pkt.refs[j]
		switch r.Proto {
		case protoIP:
			return s.lo >= int(r.Off)+12 && s.hi <= int(r.Off)+20
		case protoIP6:
			return s.lo >= int(r.Off)+8 && s.hi <= int(r.Off)+40
		}
	}
	return false
}

// Why says why the template is built anew for each packet, or "" when it is
// stores and differences.
func (t *Template) Why() string { return t.why }

// Next makes the next packet's bytes, valid until the call after. The error
// is a value that a field cannot hold, or io.EOF from an iterator that ended.
func (t *Template) Next() ([]byte, error) {
	if t.slow != nil {
		return t.rebuild()
	}
	b := t.pkt.Data
	for i, v := range t.draws {
		t.nums[i] = v.number()
	}
	for i := range t.slots {
		s := &t.slots[i]
		lo, hi := s.lo, s.hi
		x := t.nums[s.draw]
		if len(s.sums) == 1 { // the common case, without a second look
			c := &t.sums[s.sums[0]]
			wlo := lo - (lo^c.start)&1
			c.acc += addWords(b, wlo, hi, true)
			s.store(b, x)
			c.acc += addWords(b, wlo, hi, false)
			continue
		}
		for _, k := range s.sums {
			c := &t.sums[k]
			c.acc += addWords(b, lo-(lo^c.start)&1, hi, true)
		}
		s.store(b, x)
		for _, k := range s.sums {
			c := &t.sums[k]
			c.acc += addWords(b, lo-(lo^c.start)&1, hi, false)
		}
	}
	for _, id := range t.ids {
		c := &t.sums[id.sum]
		c.acc += uint64(^binary.BigEndian.Uint16(b[id.off:]))
		binary.BigEndian.PutUint16(b[id.off:], t.env.NextID())
		c.acc += uint64(binary.BigEndian.Uint16(b[id.off:]))
	}
	for i := range t.sums {
		c := &t.sums[i]
		if c.acc == 0 {
			continue
		}
		// RFC 1624 equation 3: HC' = ~(~HC + ~m + m').
		sum := ^fold16(uint64(^binary.BigEndian.Uint16(b[c.off:])) + c.acc)
		if sum == 0 && c.ones {
			sum = 0xffff
		}
		binary.BigEndian.PutUint16(b[c.off:], sum)
		c.acc = 0
	}
	return b, nil
}

func (s *slot) store(b []byte, x uint64) {
	h := b[s.off:]
	if s.shape == shapeIPv6 {
		binary.BigEndian.PutUint64(h[s.rule.off:], s.hi64)
		binary.BigEndian.PutUint64(h[s.rule.off+8:], x)
		return
	}
	s.rule.store(h, x)
}

// addWords adds the 16-bit words of b[lo:hi], inverted for taking them away.
// A last odd byte is a word with what stands behind it, which cancels out.
func addWords(b []byte, lo, hi int, invert bool) (sum uint64) {
	for ; lo < hi; lo += 2 {
		var w uint16
		if lo+1 < len(b) {
			w = binary.BigEndian.Uint16(b[lo:])
		} else {
			w = uint16(b[lo]) << 8
		}
		if invert {
			w = ^w
		}
		sum += uint64(w)
	}
	return sum
}

// rebuild sets each slot and finishes the packet anew.
func (t *Template) rebuild() ([]byte, error) {
	vals := make([]Value, len(t.draws))
	for i, v := range t.draws {
		x, err := v.Next()
		if err != nil {
			return nil, err
		}
		vals[i] = x
	}
	for _, s := range t.slow {
		x := Value(nil)
		for i, v := range t.draws {
			if v == s.Vary {
				x = vals[i]
			}
		}
		if s.Field == nil {
			b, err := toBytes("payload", x)
			if err != nil {
				return nil, err
			}
			if err := t.pkt.SetPayload(b); err != nil {
				return nil, err
			}
			continue
		}
		if n, ok := x.(int64); ok && s.Vary.kind == varyCounter && s.Field.Kind == Uint {
			x = uint64(n) & (1<<uint(s.Field.Bits) - 1)
		} else if n, ok := x.(uint64); ok && s.Vary.kind == varyCounter && s.Field.Kind == Uint && s.Field.Bits < 64 {
			x = n & (1<<uint(s.Field.Bits) - 1)
		}
		if err := t.pkt.Set(s.Layer, s.Field, x); err != nil {
			return nil, err
		}
	}
	if err := t.pkt.finishAll(t.env); err != nil {
		return nil, err
	}
	return t.pkt.Data, nil
}

// Packet is the packet as last made, to be looked at; it changes with Next.
func (t *Template) Packet() *Packet { return t.pkt }
