package packet

import (
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
)

// Slot is a field of a packet that varies: of layer Layer, or, where Field is
// nil, the payload.
type Slot struct {
	Layer int
	Field *Field
	// Value is a *Vary, or a list or an object with a *Vary somewhere in it. Of
	// the payload it is a *Vary or a list of parts: []byte and *Vary.
	Value Value
}

// EachVary calls f for each *Vary in a loose value, in order.
func EachVary(v Value, f func(*Vary)) {
	switch x := v.(type) {
	case *Vary:
		if x.size != nil {
			f(x.size)
		}
		f(x)
	case []any:
		for _, y := range x {
			EachVary(y, f)
		}
	case Fields:
		for i := range x {
			EachVary(x[i].Value, f)
		}
	}
}

// Varies reports whether there is a *Vary in a loose value.
func Varies(v Value) bool {
	switch x := v.(type) {
	case *Vary:
		return true
	case []any:
		return slices.ContainsFunc(x, Varies)
	case Fields:
		return slices.ContainsFunc(x, func(fv FieldValue) bool { return Varies(fv.Value) })
	}
	return false
}

// Sample puts what Peek gives in place of each *Vary. What is not known
// beforehand is left out: ok is false where nothing is left.
func Sample(v Value) (sample Value, ok bool) {
	sample = replace(v, func(x *Vary) Value {
		y, _ := x.Peek()
		return y
	})
	return sample, sample != nil
}

// MapVary copies a loose value, with what f makes of each *Vary in its place.
func MapVary(v Value, f func(*Vary) *Vary) Value {
	return replace(v, func(x *Vary) Value { return f(x) })
}

// replace copies a loose value, with f's results in place of what varies.
func replace(v Value, f func(*Vary) Value) Value {
	switch x := v.(type) {
	case *Vary:
		return f(x)
	case []any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = replace(x[i], f)
		}
		return list
	case Fields:
		list := make(Fields, 0, len(x))
		for _, fv := range x {
			if y := replace(fv.Value, f); y != nil {
				list = append(list, FieldValue{fv.Name, y})
			}
		}
		return list
	}
	return v
}

// SetSlot sets the field, or the payload, to what Sample gives for the slot.
func (p *Packet) SetSlot(s Slot) error {
	x, _ := Sample(s.Value)
	return p.setSlot(s, x)
}

// CheckSlot reports what is wrong with the values of a slot, as far as they
// are known beforehand: one that the field cannot hold.
func (p *Packet) CheckSlot(s Slot) error {
	v, ok := s.Value.(*Vary)
	if !ok || s.Field == nil {
		return nil
	}
	q := p.Clone()
	for _, x := range v.extremes() {
		if err := q.setSlot(s, x); err != nil {
			return err
		}
	}
	return nil
}

func (p *Packet) setSlot(s Slot, x Value) error {
	if f := s.Field; f != nil {
		if v, ok := s.Value.(*Vary); ok && v.kind == varyCounter && f.Kind == Uint && f.Bits < 64 {
			n, _, _, _ := toInteger(x) // a counter goes round in any field
			x = n & (1<<uint(f.Bits) - 1)
		}
		return p.Set(s.Layer, f, x)
	}
	var b []byte
	parts, ok := x.([]any)
	if !ok {
		parts = []any{x}
	}
	for _, part := range parts {
		if part == nil {
			continue
		}
		c, err := toBytes("payload", part)
		if err != nil {
			return err
		}
		b = append(b, c...)
	}
	return p.SetPayload(b)
}

// Template makes packets that differ in a few fields. It is compiled once:
// what varies becomes stores at fixed offsets, and each checksum is the sum of
// what stays, worked out once, and of what was stored. What cannot be said
// that way (a list, a payload, a field that changes the header's shape) is
// built anew for each packet, still without script code; Why says which.
type Template struct {
	pkt   *Packet
	env   *Env
	draws []*Vary // each once, in the order of slots
	ops   []op
	nums  []uint64 // by draw: of those that several ops read
	sums  []sumPlace
	slow  []Slot
	vals  []Value // slow: by draw
	why   string
	wheel []wheel // of a product
	spent bool    // the product has ended
	ext   bool
}

// op draws a number and stores it.
type op struct {
	vary  *Vary  // nil: the number is in nums, or the next identification
	kind  opKind // how it is stored
	shift uint8
	share bool  // others read it in nums
	id    bool  // an IPv4 identification that was not told
	by    uint8 // shift of the first of sums
	sum   int32 // the first of sums; -1: none
	num   int32 // index into nums
	off   int32 // of the first byte, from the start of the frame
	size  int32 // bytes
	mask  uint64
	table []uint64 // of values from a list: what is stored for each
	sums  []sumRef // that cover it, but for the first
}

type opKind uint8

const (
	store8    opKind = iota // whole bytes, big-endian
	store16                 //
	store32                 //
	store64                 //
	storeBits               // some bits of one byte
	storeAny                // anything
	storeLE                 // whole bytes, little-endian
)

// sumRef is a checksum that covers an op or another checksum. shift is 8 where
// the value's last byte is the high one of a word: in ones' complement that is
// a product with 256.
type sumRef struct {
	sum   int32
	shift uint8
}

// sumPlace is a checksum that follows.
type sumPlace struct {
	base uint64 // sum of all that stays
	acc  uint64 // of this packet
	off  int32
	ones bool
	sums []sumRef // that cover this one
}

// wheel is a varying value of a product: its place in the round.
type wheel struct {
	draw int
	i, n uint64
}

// Template compiles the packet with its slots. Values that the fields cannot
// hold are found here for what is known beforehand, and by Next otherwise.
// env is the interface it leaves by; the packet is finished with it.
func (p *Packet) Template(slots []Slot, env *Env) (*Template, error) {
	t := &Template{pkt: p.Clone(), env: env}
	if t.env == nil {
		t.env = &Env{}
	}
	t.pkt.fixed = false
	for _, s := range slots {
		if err := t.pkt.SetSlot(s); err != nil { // so that lengths and shapes are right
			return nil, err
		}
		if err := t.pkt.CheckSlot(s); err != nil {
			return nil, err
		}
		EachVary(s.Value, func(v *Vary) {
			if t.draw(v) < 0 {
				t.draws = append(t.draws, v)
				t.ext = t.ext || v.External()
			}
		})
	}
	still := *t.env // an identification is drawn for what is sent
	still.NextID = nil
	if err := t.pkt.finishAll(&still); err != nil {
		return nil, err
	}
	t.nums = make([]uint64, len(t.draws))
	for _, s := range slots {
		if t.why = t.add(s); t.why != "" {
			break
		}
	}
	if t.why == "" {
		t.addSums()
	}
	if t.why != "" {
		t.slow, t.ops, t.sums = append([]Slot{}, slots...), nil, nil
		t.vals = make([]Value, len(t.draws))
	}
	return t, nil
}

// finishAll is Finish, whatever was said before.
func (p *Packet) finishAll(env *Env) error {
	p.dirty = true
	return p.Finish(env)
}

// draw is the place of a *Vary in draws, or -1.
func (t *Template) draw(v *Vary) int {
	for i, w := range t.draws {
		if w == v {
			return i
		}
	}
	return -1
}

func (t *Template) add(s Slot) (why string) {
	f := s.Field
	if f == nil {
		return "the payload varies"
	}
	r := &t.pkt.refs[s.Layer]
	name := r.Proto.Name + "." + f.Name
	v, ok := s.Value.(*Vary)
	switch {
	case !ok:
		return "something in " + name + " varies"
	case f.steers:
		return name + " changes the shape of its header"
	case !f.Fixed() || f.Kind > IPv6 || f.Kind == Float:
		return name + " has no fixed place"
	case !f.present(t.pkt.header(s.Layer)):
		return name + " is not in every packet"
	}
	x := op{vary: v, num: int32(t.draw(v)), sum: -1, shift: f.ld.shift, mask: f.ld.mask}
	first := r.Off + int32(f.bitOff/8)
	x.off, x.size = first, int32(f.bitOff+f.width()-1)/8-int32(f.bitOff)/8+1
	switch shape := v.shape; {
	case v.kind == varyList || v.kind == varyPick:
		if why := x.tabulate(f, v.list); why != "" {
			return name + " " + why
		}
	case shape == shapeOther:
		return name + " is drawn from a " + v.String()
	case (f.Kind == IPv4) != (shape == shapeIPv4), (f.Kind == IPv6) != (shape == shapeIPv6), (f.Kind == MACs) != (shape == shapeMAC):
		return name + " and its values are of different kinds"
	case f.Kind == IPv6: // the upper half stays
		binary.BigEndian.PutUint64(t.pkt.Data[first:], v.hi)
		x.off, x.size, x.shift, x.mask = first+8, 8, 0, ^uint64(0)
	case f.Kind <= Flags && !f.Wraps && v.kind != varyCounter && !v.fits(f.ld.mask):
		return name + " may be out of range"
	}
	whole := x.shift == 0 && x.mask == ^uint64(0)>>uint(64-8*x.size)
	switch {
	case whole && f.LE && x.size > 1:
		x.kind = storeLE
	case f.LE && x.size > 1:
		return name + " is a part of little-endian bytes"
	case whole && x.size == 1:
		x.kind = store8
	case whole && x.size == 2:
		x.kind = store16
	case whole && x.size == 4:
		x.kind = store32
	case whole && x.size == 8:
		x.kind = store64
	case x.size == 1:
		x.kind = storeBits
	default:
		x.kind = storeAny
	}
	for i := range t.ops {
		if o := &t.ops[i]; o.num == x.num {
			o.share, x.vary = true, nil
		}
	}
	t.ops = append(t.ops, x)
	return ""
}

// tabulate works out what is stored for each value of a list.
func (x *op) tabulate(f *Field, list []Value) (why string) {
	x.table = make([]uint64, len(list))
	for i, v := range list {
		switch {
		case f.Kind == IPv6:
			return "has no fixed upper half"
		case f.Kind <= Flags:
			n, err := f.toNumber("", v)
			if err != nil {
				return "cannot hold " + describe(v)
			}
			x.table[i] = n
		default:
			b, err := f.addrBytes("", v)
			if err != nil {
				return "cannot hold " + describe(v)
			}
			for _, c := range b {
				x.table[i] = x.table[i]<<8 | uint64(c)
			}
		}
	}
	return ""
}

// fits reports whether every value of a Vary of numbers fits under mask.
func (v *Vary) fits(mask uint64) bool {
	switch v.kind {
	case varyRange:
		last := v.start + (v.n-1)*v.step
		return v.start <= mask && last <= mask
	case varyInt:
		return v.start <= mask && (v.step == 0 && mask == ^uint64(0) || v.step-1 <= mask-v.start && v.step != 0)
	}
	return true
}

// addSums finds the checksums that were not told, innermost first, and what
// each covers, and works out the sums of what stays.
func (t *Template) addSums() {
	p := t.pkt
	for i := range p.refs {
		r := &p.refs[i]
		if r.Proto == protoIP && r.told>>uint(r.Proto.byName["id"].index)&1 == 0 && t.env.NextID != nil {
			t.ops = append(t.ops, op{id: true, sum: -1, kind: store16, off: r.Off + 4, size: 2, mask: 0xffff})
		}
	}
	var layers []int
	for i := len(p.refs) - 1; i >= 0; i-- {
		r := &p.refs[i]
		f := r.Proto.sum
		if f == nil || r.told>>uint(f.index)&1 != 0 {
			continue
		}
		if _, ok := p.checksum(i); !ok {
			continue
		}
		a := f.Auto
		n := int32(len(t.sums))
		covered := false
		// parts the word that a value ends in from the checksum's own words
		ref := func(off, size int32) (sumRef, bool) {
			lo, hi := r.Off, r.End
			if a.Sum == InternetHeader {
				hi = lo + r.Hdr
			}
			switch {
			case off >= lo && off+size <= hi:
				covered = true
				return sumRef{n, uint8((off+size-lo)&1) * 8}, true
			case a.Sum == InternetPseudo && p.pseudoCovers(i, off, size):
				covered = true
				return sumRef{n, 0}, true
			}
			return sumRef{}, false
		}
		for j := range t.ops {
			o := &t.ops[j]
			if s, ok := ref(o.off, o.size); !ok {
				continue
			} else if o.sum < 0 {
				o.sum, o.by = s.sum, s.shift
			} else {
				o.sums = append(o.sums, s)
			}
		}
		for j := range t.sums {
			c := &t.sums[j]
			if s, ok := ref(c.off, 2); ok {
				c.sums = append(c.sums, s)
			}
		}
		if !covered {
			continue // it stays what it is
		}
		if !f.Fixed() {
			t.why = r.Proto.Name + "." + f.Name + " has no fixed place"
			return
		}
		if a.Sum != Internet && a.Sum != InternetHeader && a.Sum != InternetPseudo || len(a.Skip) > 0 || f.Bits != 16 || f.ld.shift != 0 {
			t.why = r.Proto.Name + "." + f.Name + " covers what varies, and is no Internet checksum"
			return
		}
		t.sums = append(t.sums, sumPlace{off: r.Off + f.ld.off, ones: a.ZeroIsOnes})
		layers = append(layers, i)
	}
	for j := range t.ops {
		t.ops[j].store(p.Data, 0)
	}
	for k := range t.sums {
		binary.BigEndian.PutUint16(p.Data[t.sums[k].off:], 0)
	}
	for k := range t.sums {
		v, _ := p.checksum(layers[k])
		c := &t.sums[k]
		c.base = uint64(^uint16(v))
		if c.ones && c.base == 0 { // a sum with a pseudo-header is never all zeros
			c.base = 0xffff
		}
		c.acc = c.base
	}
}

// pseudoCovers reports whether those bytes are an address in layer i's
// pseudo-header.
func (p *Packet) pseudoCovers(i int, off, size int32) bool {
	for j := i - 1; j >= 0; j-- {
		r := &p.refs[j]
		switch r.Proto {
		case protoIP:
			return off >= r.Off+12 && off+size <= r.Off+20
		case protoIP6:
			return off >= r.Off+8 && off+size <= r.Off+40
		}
	}
	return false
}

// Why says why the template is built anew for each packet, or "" when it is
// stores and sums.
func (t *Template) Why() string { return t.why }

// External reports whether Next runs code of the caller's: a Drawn value.
func (t *Template) External() bool { return t.ext }

// Product makes Next give every combination of the values that have a round,
// once each, and then io.EOF; the last one turns fastest. Those without a
// round are drawn for each packet. It does not move the *Vary themselves.
// Product begins anew each time it is called.
func (t *Template) Product() {
	t.wheel, t.spent = t.wheel[:0], false
	for i, v := range t.draws {
		if n, finite := v.Round(); finite {
			t.wheel = append(t.wheel, wheel{draw: i, n: n})
		}
	}
	for i := range t.ops {
		if o := &t.ops[i]; o.vary != nil {
			if _, finite := o.vary.Round(); finite {
				o.vary = nil
			}
		}
	}
	if t.wheel == nil {
		t.wheel = []wheel{}
	}
}

// turn sets what the wheels show, and moves them on.
func (t *Template) turn() error {
	if t.spent {
		return io.EOF
	}
	for i := range t.wheel {
		w := &t.wheel[i]
		v := t.draws[w.draw]
		if t.slow != nil {
			t.vals[w.draw] = v.At(w.i)
		} else if v.kind == varyList {
			t.nums[w.draw] = w.i
		} else {
			t.nums[w.draw] = v.start + w.i*v.step
		}
	}
	for i := len(t.wheel) - 1; i >= 0; i-- {
		w := &t.wheel[i]
		if w.i++; w.i < w.n {
			return nil
		}
		w.i = 0
	}
	t.spent = true
	return nil
}

// Next makes the next packet's bytes, valid until the call after. The error
// is a value that a field cannot hold, or io.EOF from an iterator or a product
// that ended.
func (t *Template) Next() ([]byte, error) {
	if t.wheel != nil {
		if err := t.turn(); err != nil {
			return nil, err
		}
	}
	if t.slow != nil {
		return t.rebuild()
	}
	b := t.pkt.Data
	for i := range t.ops {
		o := &t.ops[i]
		var x uint64
		if v := o.vary; v != nil {
			switch v.kind { // the two that need no call
			case varyCounter:
				x = v.start
				v.start += v.step
			case varyRange:
				x = v.start + v.i*v.step
				if v.i++; v.i == v.n {
					v.i = 0
				}
			default:
				x = v.number()
			}
			if o.share {
				t.nums[o.num] = x
			}
		} else if o.id {
			x = uint64(t.env.NextID())
		} else {
			x = t.nums[o.num]
		}
		if o.table != nil {
			x = o.table[x]
		}
		x = x & o.mask << (o.shift & 63)
		switch o.kind {
		case store8:
			b[o.off] = byte(x)
		case store16:
			binary.BigEndian.PutUint16(b[o.off:], uint16(x))
		case store32:
			binary.BigEndian.PutUint32(b[o.off:], uint32(x))
		case store64:
			binary.BigEndian.PutUint64(b[o.off:], x)
			x = x>>32 + x&0xffffffff
		case storeBits:
			b[o.off] = b[o.off]&^byte(o.mask<<o.shift) | byte(x)
		default:
			x = o.storeRest(b, x)
		}
		if o.sum < 0 {
			continue
		}
		t.sums[o.sum].acc += x << (o.by & 63)
		for _, s := range o.sums {
			t.sums[s.sum].acc += x << (s.shift & 63)
		}
	}
	for i := range t.sums {
		c := &t.sums[i]
		x := c.acc
		c.acc = c.base
		x = x>>32 + x&0xffffffff
		x = x>>16 + x&0xffff
		x = x>>16 + x&0xffff
		x = x>>16 + x&0xffff
		sum := ^uint16(x)
		if sum == 0 && c.ones {
			sum = 0xffff
		}
		binary.BigEndian.PutUint16(b[c.off:], sum)
		for _, s := range c.sums {
			t.sums[s.sum].acc += uint64(sum) << s.shift
		}
	}
	return b, nil
}

// store writes a value that was drawn.
func (o *op) store(b []byte, x uint64) {
	x = x & o.mask << o.shift
	switch o.kind {
	case store8, storeBits:
		b[o.off] = b[o.off]&^byte(o.mask<<o.shift) | byte(x)
	default:
		o.storeRest(b, x)
	}
}

// storeRest writes bits that are in place, and returns what they add to a sum.
func (o *op) storeRest(b []byte, x uint64) uint64 {
	h := b[o.off : o.off+o.size]
	m := o.mask << o.shift
	if o.kind == storeLE {
		x = bits.ReverseBytes64(x) >> uint(64-8*o.size)
	}
	for i, v := len(h)-1, x; i >= 0; i-- {
		h[i] = h[i]&^byte(m) | byte(v)
		v, m = v>>8, m>>8
	}
	return x>>32 + x&0xffffffff
}

// rebuild sets each slot and finishes the packet anew.
func (t *Template) rebuild() ([]byte, error) {
	for i, v := range t.draws {
		if _, finite := v.Round(); finite && t.wheel != nil {
			continue
		}
		var err error
		if v.kind == varyBytes && v.size != nil { // drawn before it, once a packet
			t.vals[i], err = v.bytes(t.vals[t.draw(v.size)])
		} else {
			t.vals[i], err = v.Next()
		}
		if err != nil {
			return nil, err
		}
	}
	for _, s := range t.slow {
		x := replace(s.Value, func(v *Vary) Value { return t.vals[t.draw(v)] })
		if err := t.pkt.setSlot(s, x); err != nil {
			return nil, err
		}
	}
	if err := t.pkt.finishAll(t.env); err != nil {
		return nil, err
	}
	return t.pkt.Data, nil
}

// Packet is the packet as last made, to be looked at; it changes with Next.
// Before the first call, what varies is not set.
func (t *Template) Packet() *Packet { return t.pkt }
