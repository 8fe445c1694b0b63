package packet

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// Vary is a value that differs from one sent packet to the next. It is drawn
// by Next; numbers and addresses are drawn without allocating by the
// templates. A Vary belongs to one goroutine.
type Vary struct {
	kind   varyKind
	shape  varyShape
	i      uint64 // position within the round
	n      uint64 // values in one round; 0: no end of its own
	start  uint64
	step   uint64
	hi     uint64 // upper half of an IPv6 address
	list   []Value
	rnd    *rand.Rand
	mean   float64
	dev    float64
	size   *Vary // random bytes: their length
	draw   func() (Value, error)
	extern bool // draw runs code of the caller's
}

type varyKind uint8

const (
	varyCounter varyKind = iota
	varyRange
	varyList
	varyInt
	varyPick
	varyMAC
	varyBits // random addresses below a prefix
	varyBytes
	varyExponential
	varyNormal
	varyFunc
)

type varyShape uint8

const (
	shapeNumber varyShape = iota
	shapeIPv4
	shapeIPv6
	shapeMAC
	shapeOther
)

// Counter counts from start by step, without end; a field takes it modulo its
// width.
func Counter(start, step int64) *Vary {
	return &Vary{kind: varyCounter, start: uint64(start), step: uint64(step)}
}

// RangeOf goes from first to last by step (1 when 0), then round again:
// numbers, IP addresses or MACs, given as numbers, strings or Go values.
func RangeOf(first, last any, step int64) (*Vary, error) {
	v := &Vary{kind: varyRange}
	var a, b uint64
	switch f, l := addressed(first), addressed(last); x := f.(type) {
	case netip.Addr:
		y, ok := l.(netip.Addr)
		if !ok || x.Is4() != y.Is4() {
			return nil, fieldErr("range", "", "%s and %s are not of one kind", describe(first), describe(last))
		}
		if x.Is4() {
			v.shape = shapeIPv4
			a, b = uint64(addr4(x)), uint64(addr4(y))
			break
		}
		v.shape = shapeIPv6
		p, q := x.As16(), y.As16()
		v.hi = binary.BigEndian.Uint64(p[:])
		if v.hi != binary.BigEndian.Uint64(q[:]) {
			return nil, fieldErr("range", "", "IPv6 addresses of one /64 make a range")
		}
		a, b = binary.BigEndian.Uint64(p[8:]), binary.BigEndian.Uint64(q[8:])
	case MAC:
		y, ok := l.(MAC)
		if !ok {
			return nil, fieldErr("range", "", "%s and %s are not of one kind", describe(first), describe(last))
		}
		v.shape = shapeMAC
		a, b = mac64(x), mac64(y)
	default:
		var whole, whole2, ok, ok2 bool
		a, _, whole, ok = toInteger(first)
		b, _, whole2, ok2 = toInteger(last)
		if !ok || !ok2 || !whole || !whole2 {
			return nil, fieldErr("range", "two numbers, two IP addresses or two MACs", "%s and %s make no range", describe(first), describe(last))
		}
	}
	if step == 0 {
		step = 1
	}
	span, width := b-a, uint64(step)
	if step < 0 {
		span, width = a-b, uint64(-step)
	}
	if int64(span) < 0 {
		return nil, fieldErr("range", "the first is the smaller one, or tell a negative step", "%s to %s by %d is empty", describe(first), describe(last), step)
	}
	v.start, v.step, v.n = a, uint64(step), span/width+1
	return v, nil
}

func addressed(x any) any {
	s, ok := x.(string)
	if !ok {
		return x
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a
	}
	if m, ok := ParseMAC(s); ok {
		return m
	}
	return x
}

// Cycle goes through values, and round again. There is at least one.
func Cycle(values []Value) (*Vary, error) {
	if len(values) == 0 {
		return nil, fieldErr("cycle", "", "there are no values")
	}
	return &Vary{kind: varyList, shape: shapeOther, list: values, n: uint64(len(values))}, nil
}

// Hosts goes through the host addresses of a prefix: all but the network's
// and the broadcast address, where the prefix is IPv4 and shorter than /31.
func Hosts(cidr string) (*Vary, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return nil, fieldErr("hosts", "such as '10.0.0.0/24'", "%s is no prefix", describe(cidr))
	}
	p = p.Masked()
	v := &Vary{kind: varyRange, step: 1}
	host := p.Addr().BitLen() - p.Bits()
	if host > 63 {
		host = 63
	}
	v.n = 1 << uint(host)
	if p.Addr().Is4() {
		v.shape, v.start = shapeIPv4, uint64(addr4(p.Addr()))
		if host >= 2 {
			v.start++
			v.n -= 2
		}
		return v, nil
	}
	a := p.Addr().As16()
	v.shape, v.hi, v.start = shapeIPv6, binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(a[8:])
	if host >= 1 { // ::0 is the subnet-router anycast address, RFC 4291 section 2.6.1
		v.start++
		v.n--
	}
	return v, nil
}

// RandomInt draws whole numbers of min..max, each as likely.
func RandomInt(r *rand.Rand, lo, hi int64) (*Vary, error) {
	if hi < lo {
		return nil, fieldErr("random.int", "", "%d..%d is empty", lo, hi)
	}
	return &Vary{kind: varyInt, rnd: r, start: uint64(lo), step: uint64(hi-lo) + 1}, nil
}

// RandomPick draws one of the values.
func RandomPick(r *rand.Rand, values []Value) (*Vary, error) {
	if len(values) == 0 {
		return nil, fieldErr("random.pick", "", "there are no values")
	}
	return &Vary{kind: varyPick, shape: shapeOther, rnd: r, list: values}, nil
}

// RandomMAC draws unicast, locally administered addresses.
func RandomMAC(r *rand.Rand) *Vary { return &Vary{kind: varyMAC, shape: shapeMAC, rnd: r} }

// RandomIP draws addresses of a prefix.
func RandomIP(r *rand.Rand, cidr string) (*Vary, error) {
	v, err := Hosts(cidr)
	if err != nil {
		err.(*FieldError).Path = "random.ip"
		return nil, err
	}
	v.kind, v.rnd = varyBits, r
	return v, nil
}

// RandomBytes draws that many random bytes; the length may vary too.
func RandomBytes(r *rand.Rand, length *Vary) *Vary {
	return &Vary{kind: varyBytes, shape: shapeOther, rnd: r, size: length}
}

// Exponential draws waiting times of a Poisson process, in the unit of mean.
func Exponential(r *rand.Rand, mean float64) *Vary {
	return &Vary{kind: varyExponential, shape: shapeOther, rnd: r, mean: mean}
}

// Normal draws from a normal distribution, never below 0.
func Normal(r *rand.Rand, mean, deviation float64) *Vary {
	return &Vary{kind: varyNormal, shape: shapeOther, rnd: r, mean: mean, dev: deviation}
}

// Drawn takes its values from a function: a script's own iterator.
func Drawn(draw func() (Value, error)) *Vary {
	return &Vary{kind: varyFunc, shape: shapeOther, draw: draw, extern: true}
}

// drawn is Drawn for functions of this package.
func drawn(draw func() Value) *Vary {
	return &Vary{kind: varyFunc, shape: shapeOther, draw: func() (Value, error) { return draw(), nil }}
}

// External reports whether drawing a value runs the caller's own code: a
// Drawn one, or bytes whose length is.
func (v *Vary) External() bool { return v.extern || v.size != nil && v.size.External() }

// At returns value i of a round, i < Round's n, without drawing it.
func (v *Vary) At(i uint64) Value {
	if v.kind == varyList {
		return v.list[i]
	}
	return v.value(v.start + i*v.step)
}

// Peek returns the value that Next will draw, where that is known beforehand,
// and else one that it could be: the least, the first of a list, zeros. ok is
// false for a Drawn one, of which nothing is known.
func (v *Vary) Peek() (x Value, ok bool) {
	switch v.kind {
	case varyCounter, varyInt, varyBits:
		return v.value(v.start), true
	case varyRange:
		return v.value(v.start + v.i*v.step), true
	case varyList:
		return v.list[v.i], true
	case varyPick:
		return v.list[0], true
	case varyMAC:
		return v.value(0x020000000000), true
	case varyBytes:
		n := uint64(0)
		if v.size != nil {
			x, _ := v.size.Peek()
			n, _, _, _ = toInteger(x)
		}
		return make([]byte, min(n, maxHeader)), true
	case varyExponential, varyNormal:
		return v.mean, true
	}
	return nil, false
}

// extremes are values such that, if a field takes each of them, it takes all.
func (v *Vary) extremes() []Value {
	switch v.kind {
	case varyRange:
		return []Value{v.At(0), v.At(v.n - 1)}
	case varyInt:
		return []Value{v.value(v.start), v.value(v.start + v.step - 1)}
	case varyList, varyPick:
		return v.list
	}
	if x, ok := v.Peek(); ok && v.kind != varyCounter {
		return []Value{x}
	}
	return nil
}

// Index draws which of the values of a Cycle or a RandomPick is next.
func (v *Vary) Index() int { return int(v.number()) }

// Clone returns a copy that is at the same place and draws from r. A Drawn one
// has no copy: ok is false.
func (v *Vary) Clone(r *rand.Rand) (c *Vary, ok bool) {
	if v.External() {
		return nil, false
	}
	w := *v
	if w.rnd != nil {
		w.rnd = r
	}
	if w.size != nil {
		w.size, _ = w.size.Clone(r)
	}
	return &w, v.kind != varyFunc
}

// Round returns how many values one round has. finite is false for those that
// have no rounds (counters, random draws): one is drawn for each packet.
func (v *Vary) Round() (n uint64, finite bool) { return v.n, v.n != 0 }

// Reset goes back to the first value of the round.
func (v *Vary) Reset() { v.i = 0 }

// number draws the next value of a Vary that is a number or an address, or the
// place of the next value in its list.
func (v *Vary) number() uint64 {
	switch v.kind {
	case varyCounter:
		x := v.start
		v.start += v.step
		return x
	case varyRange:
		x := v.start + v.i*v.step
		if v.i++; v.i == v.n {
			v.i = 0
		}
		return x
	case varyInt:
		if v.step == 0 {
			return v.rnd.Uint64()
		}
		return v.start + v.below(v.step)
	case varyList:
		x := v.i
		if v.i++; v.i == v.n {
			v.i = 0
		}
		return x
	case varyPick:
		return v.below(uint64(len(v.list)))
	case varyMAC:
		return v.rnd.Uint64()&0xfcffffffffff | 0x020000000000
	case varyBits:
		return v.start + v.below(v.n)
	}
	return 0
}

// below draws 0..n-1: the high half of a product, as good as unbiased for
// the ranges a packet field has, and without a loop.
func (v *Vary) below(n uint64) uint64 {
	hi, _ := bits.Mul64(v.rnd.Uint64(), n)
	return hi
}

// Next draws one value: uint64 or int64, float64, netip.Addr, MAC, []byte, or what
// the list holds. Only a Drawn one can fail, or end with io.EOF.
func (v *Vary) Next() (Value, error) {
	switch v.kind {
	case varyList, varyPick:
		return v.list[v.number()], nil
	case varyBytes:
		if v.size == nil {
			return []byte{}, nil
		}
		n, err := v.size.Next()
		if err != nil {
			return nil, err
		}
		return v.bytes(n)
	case varyExponential:
		return v.rnd.ExpFloat64() * v.mean, nil
	case varyNormal:
		return math.Max(0, v.rnd.NormFloat64()*v.dev+v.mean), nil
	case varyFunc:
		return v.draw()
	}
	return v.value(v.number()), nil
}

// bytes draws that many random bytes.
func (v *Vary) bytes(length Value) (Value, error) {
	n, neg, whole, ok := toInteger(length)
	if !ok || neg || !whole || n > maxHeader {
		return nil, fieldErr("random.bytes", fmt.Sprintf("0 to %d bytes", maxHeader), "%s is no length", describe(length))
	}
	b := make([]byte, n)
	for i := 0; i < len(b); i += 8 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], v.rnd.Uint64())
		copy(b[i:], w[:])
	}
	return b, nil
}

// value is the Value of a number that was drawn.
func (v *Vary) value(x uint64) Value {
	switch v.shape {
	case shapeIPv4:
		return netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
	case shapeIPv6:
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], v.hi)
		binary.BigEndian.PutUint64(a[8:], x)
		return netip.AddrFrom16(a)
	case shapeMAC:
		return MAC{byte(x >> 40), byte(x >> 32), byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)}
	}
	if int64(x) < 0 {
		return int64(x)
	}
	return x
}

func (v *Vary) String() string {
	names := [...]string{"counter", "range", "cycle", "random.int", "random.pick", "random.mac", "random.ip", "random.bytes", "random.exponential", "random.normal", "iterator"}
	return strings.TrimSpace(names[v.kind])
}

func addr4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func mac64(m MAC) uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}
