package packet

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Values that have an order are mapped to their ordinal, an unsigned number of
// up to 128 bits in the same order, so that whatever a pattern says about them
// with values, ranges, prefixes, lists and negation is one set of spans.

// u128 is an ordinal.
type u128 struct{ hi, lo uint64 }

func (a u128) less(b u128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

func (a u128) next() u128 {
	lo, carry := bits.Add64(a.lo, 1, 0)
	return u128{a.hi + carry, lo}
}

func (a u128) prev() u128 {
	lo, borrow := bits.Sub64(a.lo, 1, 0)
	return u128{a.hi - borrow, lo}
}

// span is the ordinals from lo to hi, both included.
type span struct{ lo, hi u128 }

// spans is a set: sorted, neither overlapping nor touching.
type spans []span

func union(all spans) spans {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b span) int {
		switch {
		case a.lo.less(b.lo):
			return -1
		case b.lo.less(a.lo):
			return 1
		}
		return 0
	})
	var out spans
	for _, s := range all {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if !last.hi.less(s.lo) || last.hi.next() == s.lo {
				if last.hi.less(s.hi) {
					last.hi = s.hi
				}
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// complement is what is not in s, of the ordinals up to most.
func (s spans) complement(most u128) spans {
	var out spans
	var from u128
	for _, x := range s {
		if from.less(x.lo) {
			out = append(out, span{from, x.lo.prev()})
		}
		if x.hi == most {
			return out
		}
		from = x.hi.next()
	}
	return append(out, span{from, most})
}

func intersect(a, b spans, most u128) spans {
	return union(append(a.complement(most), b.complement(most)...)).complement(most)
}

func (s spans) has(v u128) bool {
	lo, hi := 0, len(s)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s[mid].hi.less(v) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(s) && !v.less(s[lo].lo)
}

// most is the greatest ordinal of the field.
func (f *Field) most() u128 {
	switch w := f.width(); {
	case f.Kind == IPv6:
		return u128{^uint64(0), ^uint64(0)}
	case w >= 64:
		return u128{0, ^uint64(0)}
	default:
		return u128{0, 1<<uint(w) - 1}
	}
}

// conv says how the bits of a number become its ordinal.
type conv uint8

const (
	convNone   conv = iota
	convSigned      // a is the sign bit's mask: turned over
	convFloat       // and where it is set all others are turned over too
)

func (f *Field) conv() conv {
	switch f.Kind {
	case Int:
		return convSigned
	case Float:
		return convFloat
	}
	return convNone
}

// ordinal maps the bits of a number of the given width mask.
func (c conv) ordinal(v, mask uint64) uint64 {
	sign := mask &^ (mask >> 1)
	switch {
	case c == convSigned:
		return v ^ sign
	case c == convFloat && v&sign != 0:
		return ^v & mask
	case c == convFloat:
		return v | sign
	}
	return v
}

// bitsOf undoes ordinal.
func (c conv) bitsOf(v, mask uint64) uint64 {
	sign := mask &^ (mask >> 1)
	switch {
	case c == convSigned:
		return v ^ sign
	case c == convFloat && v&sign == 0:
		return ^v & mask
	case c == convFloat:
		return v &^ sign
	}
	return v
}

// ordinalOf is the ordinal of a value that was read; ok is false when the
// value is not of the field's kind.
func (f *Field) ordinalOf(v Value) (u128, bool) {
	mask := f.most().lo
	switch x := v.(type) {
	case uint64:
		return u128{0, x & mask}, f.Kind == Uint || f.Kind == Flags
	case int64:
		return u128{0, convSigned.ordinal(uint64(x)&mask, mask)}, f.Kind == Int
	case float64:
		b := math.Float64bits(x)
		if f.Bits == 32 {
			b = uint64(math.Float32bits(float32(x)))
		}
		return u128{0, convFloat.ordinal(b, mask)}, f.Kind == Float
	case MAC:
		return u128{0, x.number()}, f.Kind == MACs
	case netip.Addr:
		if x.Is4() {
			return addrOrdinal(x), f.Kind == IPv4
		}
		return addrOrdinal(x), f.Kind == IPv6
	}
	return u128{}, false
}

func (m MAC) number() uint64 {
	var n uint64
	for _, b := range m {
		n = n<<8 | uint64(b)
	}
	return n
}

func addrOrdinal(a netip.Addr) u128 {
	if a.Is4() {
		b := a.As4()
		return u128{0, uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])}
	}
	b := a.As16()
	var u u128
	for i := range 8 {
		u.hi = u.hi<<8 | uint64(b[i])
		u.lo = u.lo<<8 | uint64(b[8+i])
	}
	return u
}

// ordinalFor coerces a constant of a pattern; low and high differ only for a
// zero of a Float, which has two signs.
func (f *Field) ordinalFor(path string, v any) (low, high u128, err error) {
	switch f.Kind {
	case MACs:
		m, err := toMAC(path, v)
		u := u128{0, m.number()}
		return u, u, err
	case IPv4, IPv6:
		a, err := toAddr(path, v, f.Kind == IPv6)
		if err != nil {
			return u128{}, u128{}, err
		}
		u := addrOrdinal(a)
		return u, u, nil
	}
	if b, ok := v.(*big.Int); ok && f.Kind == Float {
		v, _ = new(big.Float).SetInt(b).Float64()
	}
	n, err := f.toNumber(path, v)
	if err != nil {
		return u128{}, u128{}, err
	}
	mask := f.most().lo
	if f.Kind == Float {
		x := floatFrom(n, f.Bits).(float64)
		if math.IsNaN(x) {
			return u128{}, u128{}, fieldErr(path, "", "NaN equals nothing")
		}
		if x == 0 {
			plus, minus := convFloat.ordinal(0, mask), convFloat.ordinal(mask&^(mask>>1), mask)
			return u128{0, minus}, u128{0, plus}, nil
		}
	}
	u := u128{0, f.conv().ordinal(n, mask)}
	return u, u, nil
}

// rangeSpans is the set of a Range.
func (f *Field) rangeSpans(path string, r Range) (spans, error) {
	if r.Min == nil && r.Max == nil {
		return nil, fieldErr(path, "{ min: 1, max: 10 }, or one of the two", "a range without bounds")
	}
	lo, hi := u128{}, f.most()
	if f.Kind == Float { // what lies beyond the infinities is not a number
		mask := f.most().lo
		inf := math.Float64bits(math.Inf(1))
		if f.Bits == 32 {
			inf = uint64(math.Float32bits(float32(math.Inf(1))))
		}
		hi = u128{0, convFloat.ordinal(inf, mask)}
		lo = u128{0, convFloat.ordinal(inf|mask&^(mask>>1), mask)}
	}
	var err error
	if r.Min != nil {
		if lo, _, err = f.ordinalFor(path, r.Min); err != nil {
			return nil, err
		}
	}
	if r.Max != nil {
		if _, hi, err = f.ordinalFor(path, r.Max); err != nil {
			return nil, err
		}
	}
	if hi.less(lo) {
		if f.Wraps {
			return union(spans{{u128{}, hi}, {lo, f.most()}}), nil
		}
		return nil, fieldErr(path, "", "min %s is above max %s", describe(r.Min), describe(r.Max))
	}
	return spans{{lo, hi}}, nil
}

// prefixSpans is the set of a CIDR prefix. Bits beyond its length are ignored.
func (f *Field) prefixSpans(path, s string) (spans, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		hint := "an address and a length of 0..32: '192.0.2.0/24'"
		if f.Kind == IPv6 {
			hint = "an address and a length of 0..128: '2001:db8::/32'"
		}
		return nil, fieldErr(path, hint, "'%s' is no prefix", s)
	}
	a, err := toAddr(path, p.Addr(), f.Kind == IPv6)
	if err != nil {
		return nil, err
	}
	n := p.Bits()
	if f.Kind == IPv4 && p.Addr().Is4In6() {
		if n -= 96; n < 0 {
			return nil, fieldErr(path, "", "'%s' is no prefix of IPv4 addresses", s)
		}
	}
	lo := addrOrdinal(a)
	hi := lo
	host := 32 - n // bits
	if f.Kind == IPv6 {
		host = 128 - n
	}
	low := min(host, 64)
	m := uint64(1)<<uint(low) - 1 // a shift by 64 gives 0, and so all ones
	lo.lo &^= m
	hi.lo |= m
	if host > 64 {
		m = uint64(1)<<uint(host-64) - 1
		lo.hi &^= m
		hi.hi |= m
	}
	return spans{{lo, hi}}, nil
}

// testOp is the kind of a test on a value.
type testOp uint8

const (
	tTrue testOp = iota
	tAnd
	tOr
	tNot
	tSet    // the ordinal is in set
	tMask   // number & mask == want
	tString // text equals
	tName   // domain name equals, ignoring case
	tBytes  // bytes equal
	tRegexp
	tPred
	tSome   // some item of the list passes kids[0]
	tMember // the object's row passes kids[0]
	tAbsent // the object has no such row
)

// test is a test on a value in the Go type of its field's Kind.
type test struct {
	op         testOp
	kids       []*test
	option     *Option // tMember, tAbsent: of a set of options
	field      *Field  // tSet, tMask, tRegexp: how to take the value; tMember, tAbsent: the row
	set        spans
	mask, want uint64
	text       string
	wire       string // tName: uncompressed
	row        int    // tMember of a list's item: the row's index
	re         Regexp
	pred       Pred
}

type valueTest struct {
	field *Field
	test  *test
}

var passes = &test{op: tTrue}

// single returns the one number that passes, as Packet.Uint gives it.
func (t *test) single(f *Field) (uint64, bool) {
	if t.op != tSet || len(t.set) != 1 || t.set[0].lo != t.set[0].hi || f.Kind > IPv4 {
		return 0, false
	}
	return f.conv().bitsOf(t.set[0].lo.lo, f.most().lo), true
}

// combine joins tests by tAnd or tOr; sets of one field become one set.
func combine(op testOp, kids []*test) *test {
	var set *test
	var out []*test
	for _, k := range kids {
		if k.op == tTrue {
			if op == tOr {
				return passes
			}
			continue
		}
		if k.op != tSet || set != nil && set.field != k.field {
			out = append(out, k)
			continue
		}
		if set == nil {
			set = &test{op: tSet, field: k.field, set: k.set}
			continue
		}
		if op == tOr {
			set.set = append(set.set, k.set...) // made one below: a thousand values are sorted once
		} else {
			set.set = intersect(set.set, k.set, k.field.most())
		}
	}
	if set != nil {
		set.set = union(set.set)
		out = append([]*test{set}, out...)
	}
	switch {
	case len(out) == 1:
		return out[0]
	case len(out) == 0 && op == tAnd:
		return passes
	}
	return &test{op: op, kids: out}
}

func opposite(t *test) *test {
	switch t.op {
	case tSet:
		return &test{op: tSet, field: t.field, set: t.set.complement(t.field.most())}
	case tNot:
		return t.kids[0]
	}
	return &test{op: tNot, kids: []*test{t}}
}

// value parses the test of a field.
func (c *compiler) value(f *Field, path string, v any) (*test, error) {
	if err := c.enter(path); err != nil {
		return nil, err
	}
	defer func() { c.depth-- }()
	switch x := v.(type) {
	case nil:
		return nil, fieldErr(path, "leave the field out, or say {} for any value", "%s is no test", describe(v))
	case []any:
		return c.alternatives(f, path, x, tOr)
	case AnyOf:
		return c.alternatives(f, path, x, tOr)
	case AllOf:
		return c.alternatives(f, path, x, tAnd)
	case Not:
		t, err := c.value(f, path, x.Test)
		if err != nil {
			return nil, err
		}
		return opposite(t), nil
	case Pred:
		if x == nil {
			return nil, fieldErr(path, "", "no predicate")
		}
		return &test{op: tPred, pred: x}, nil
	case Fields:
		if len(x) == 0 && f.Kind == List {
			return &test{op: tSome, kids: []*test{passes}}, nil
		}
		if len(x) == 0 {
			return passes, nil
		}
		if len(x) == 1 && x[0].Name == "not" && f.Kind >= List && f.rowNamed("not") == nil {
			return c.value(f, path, Not{x[0].Value})
		}
	}
	switch f.Kind {
	case List:
		return c.item(f.Items, path, v)
	case Struct:
		return c.object(f.Items, path, v)
	case Options:
		if len(f.TLV.Options) == 0 {
			return c.item(f.TLV.rawRows(), path, v)
		}
		return c.options(f.TLV, path, v)
	case Choice:
		return c.choice(f, path, v)
	}
	return c.leaf(f, path, v)
}

// rowNamed finds a row inside a field that has some.
func (f *Field) rowNamed(name string) *Field {
	items := f.Items
	switch {
	case f.Kind == Options && len(f.TLV.Options) == 0:
		items = f.TLV.rawRows()
	case f.Kind == Options:
		if o := f.TLV.byName(name); o != nil {
			return &o.Field
		}
		return nil
	case f.Kind == Choice:
		for _, k := range f.Cases {
			if r := k.rowNamed(name); r != nil {
				return r
			}
		}
	}
	for _, it := range items {
		if it.Name == name {
			return it
		}
		if it.Name == "" {
			return it.rowNamed(name)
		}
	}
	return nil
}

// rawRows are the rows of an option that is not known.
func (t *TLV) rawRows() []*Field {
	return []*Field{{Name: t.rawType(), Kind: Uint, Bits: 8 * t.TypeBytes}, {Name: "data", Kind: Bytes}}
}

func (c *compiler) alternatives(f *Field, path string, list []any, op testOp) (*test, error) {
	kids := make([]*test, 0, len(list))
	for _, x := range list {
		t, err := c.value(f, path, x)
		if err != nil {
			return nil, err
		}
		kids = append(kids, t)
	}
	return combine(op, kids), nil
}

// item parses the test that some item of a list must pass.
func (c *compiler) item(items []*Field, path string, v any) (*test, error) {
	var t *test
	var err error
	if len(items) == 1 && items[0].Name == "" {
		t, err = c.value(items[0], path, v)
	} else {
		t, err = c.object(items, path, v)
	}
	if err != nil {
		return nil, err
	}
	return &test{op: tSome, kids: []*test{t}}, nil
}

// object parses a nested pattern.
func (c *compiler) object(rows []*Field, path string, v any) (*test, error) {
	obj, ok := v.(Fields)
	if !ok {
		return nil, fieldErr(path, "an object with "+rowNames(rows), "%s is not an object", describe(v))
	}
	kids := make([]*test, 0, len(obj))
	for _, fv := range obj {
		i := slices.IndexFunc(rows, func(f *Field) bool { return f.Name == fv.Name })
		if i < 0 && fv.Name == "not" {
			t, err := c.object(rows, path, fv.Value)
			if err != nil {
				return nil, err
			}
			kids = append(kids, opposite(t))
			continue
		}
		if i < 0 {
			return nil, UnknownField(path, fv.Name, rows)
		}
		t, err := c.value(rows[i], path+"."+fv.Name, fv.Value)
		if err != nil {
			return nil, err
		}
		kids = append(kids, &test{op: tMember, field: rows[i], kids: []*test{t}})
	}
	return combine(tAnd, kids), nil
}

// options parses a nested pattern on a set of options: true and false mean
// that the option is there or not.
func (c *compiler) options(t *TLV, path string, v any) (*test, error) {
	obj, ok := v.(Fields)
	if !ok {
		return nil, fieldErr(path, "an object of options", "%s is not an object", describe(v))
	}
	kids := make([]*test, 0, len(obj))
	for _, fv := range obj {
		at := path + "." + fv.Name
		if fv.Name == "raw" {
			row := &Field{Name: "raw", Kind: List, Items: t.rawRows()}
			k, err := c.value(row, at, fv.Value)
			if err != nil {
				return nil, err
			}
			kids = append(kids, &test{op: tMember, field: row, kids: []*test{k}})
			continue
		}
		o := t.byName(fv.Name)
		if o == nil && fv.Name == "not" {
			k, err := c.options(t, path, fv.Value)
			if err != nil {
				return nil, err
			}
			kids = append(kids, opposite(k))
			continue
		}
		if o == nil {
			rows := make([]*Field, 0, len(t.Options)+1)
			for _, o := range t.Options {
				rows = append(rows, &o.Field)
			}
			return nil, UnknownField(path, fv.Name, append(rows, &Field{Name: "raw"}))
		}
		there, isBool := fv.Value.(bool)
		if n, _, whole, num := toInteger(fv.Value); o.Field.Kind == Uint && o.Field.Bits == 0 && num && whole {
			there, isBool = n != 0, true
		}
		switch {
		case isBool && there:
			kids = append(kids, &test{op: tMember, field: &o.Field, option: o, kids: []*test{passes}})
		case isBool:
			kids = append(kids, &test{op: tAbsent, field: &o.Field, option: o})
		default:
			k, err := c.value(o.valueRow(), at, fv.Value)
			if err != nil {
				return nil, err
			}
			kids = append(kids, &test{op: tMember, field: &o.Field, option: o, kids: []*test{k}})
		}
	}
	return combine(tAnd, kids), nil
}

// valueRow is the row of what an option reads as: a list of its field where
// it may be met several times.
func (o *Option) valueRow() *Field {
	if !o.Many {
		return &o.Field
	}
	item := o.Field
	item.Name = ""
	return &Field{Name: o.Field.Name, Kind: List, Items: []*Field{&item}}
}

// choice parses the test of a field whose kind another field selects: it holds
// when it holds read as any of the kinds that it makes sense for. The Go type
// of the value tells them apart.
func (c *compiler) choice(f *Field, path string, v any) (*test, error) {
	cases := make([]uint64, 0, len(f.Cases))
	for on := range f.Cases {
		cases = append(cases, on)
	}
	slices.Sort(cases)
	var kids []*test
	var first error
	for _, on := range cases {
		t, err := c.value(f.Cases[on], path, v)
		if err == nil {
			kids = append(kids, t)
		} else if first == nil {
			first = err
		}
	}
	if t, err := c.leaf(&Field{Name: f.Name, Kind: Bytes}, path, v); err == nil {
		kids = append(kids, t)
	}
	if len(kids) == 0 {
		if first == nil {
			first = fieldErr(path, "", "%s is not bytes", describe(v))
		}
		return nil, first
	}
	// Not made one set: the opposite of an address is also a name.
	return &test{op: tOr, kids: kids}, nil
}

// leaf parses the test of a field that holds one value.
func (c *compiler) leaf(f *Field, path string, v any) (*test, error) {
	ordered := f.Kind <= IPv6
	switch x := v.(type) {
	case Fields:
		return c.leafObject(f, path, x)
	case Range:
		if !ordered {
			return nil, fieldErr(path, "numbers, addresses and MACs have one", "a %s has no order", f.Kind)
		}
		s, err := f.rangeSpans(path, x)
		if err != nil {
			return nil, err
		}
		return &test{op: tSet, field: f, set: s}, nil
	case HasFlags:
		if f.Kind != Flags {
			return nil, fieldErr(path, "", "%s has no flags", f.Name)
		}
		has, err := f.flagBits(path, x.Has)
		if err != nil {
			return nil, err
		}
		not, err := f.flagBits(path, x.Not)
		if err != nil {
			return nil, err
		}
		if both := has & not; both != 0 {
			return nil, fieldErr(path, "", "%q can not be both set and not", f.FlagText(both))
		}
		if has|not == 0 {
			return passes, nil
		}
		return &test{op: tMask, field: f, mask: has | not, want: has}, nil
	case Regexp:
		return &test{op: tRegexp, field: f, re: x}, nil
	case netip.Prefix:
		v = x.String()
	}
	if s, ok := v.(string); ok && (f.Kind == IPv4 || f.Kind == IPv6) && strings.Contains(s, "/") {
		set, err := f.prefixSpans(path, s)
		if err != nil {
			return nil, err
		}
		return &test{op: tSet, field: f, set: set}, nil
	}
	if ordered {
		lo, hi, err := f.ordinalFor(path, v)
		if err != nil {
			return nil, err
		}
		return &test{op: tSet, field: f, set: spans{{lo, hi}}}, nil
	}
	switch f.Kind {
	case Bytes:
		b, err := toBytes(path, v)
		if err != nil {
			return nil, err
		}
		if n := f.Size.N; n > 0 && f.Size.Prefix == 0 && f.Size.Field == "" {
			if len(b) > n {
				return nil, fieldErr(path, "", "%d bytes are more than the %d it has", len(b), n)
			}
			b = append(slices.Clone(b), make([]byte, n-len(b))...) // as a builder fills it
		}
		return &test{op: tBytes, text: string(b)}, nil
	case Name:
		s, err := toText(path, v)
		if err != nil {
			return nil, err
		}
		labels, err := splitName(s)
		if err != nil {
			return nil, fieldErr(path, "", "%s is no domain name: %v", describe(v), err)
		}
		wire := make([]byte, 0, len(s)+2)
		for _, l := range labels {
			wire = append(append(wire, byte(len(l))), l...)
		}
		wire = append(wire, 0)
		s, _, err = readName(wire, 0, true) // escaped the way names are read
		if err != nil {
			return nil, fieldErr(path, "", "%s is no domain name: %v", describe(v), err)
		}
		return &test{op: tName, text: s, wire: string(wire)}, nil
	}
	s, err := toText(path, v)
	if err != nil {
		return nil, err
	}
	return &test{op: tString, text: s}, nil
}

// leafObject parses { min, max }, { not } and, for flags, { has, not }.
func (c *compiler) leafObject(f *Field, path string, obj Fields) (*test, error) {
	var kids []*test
	var r Range
	var flags HasFlags
	byMask := false
	for _, fv := range obj {
		s, isText := fv.Value.(string)
		switch {
		case fv.Name == "min":
			r.Min = fv.Value
		case fv.Name == "max":
			r.Max = fv.Value
		case fv.Name == "has" && f.Kind == Flags && isText:
			flags.Has, byMask = s, true
		case fv.Name == "not" && f.Kind == Flags && isText:
			flags.Not, byMask = s, true
		case fv.Name == "not":
			t, err := c.value(f, path, fv.Value)
			if err != nil {
				return nil, err
			}
			kids = append(kids, opposite(t))
		default:
			hint := "a value, a list of values, { min, max } or { not }"
			if f.Kind == Flags {
				hint = "letters, { has, not } or a number"
			}
			return nil, fieldErr(path, hint, "a %s has no field %q", f.Kind, fv.Name)
		}
	}
	if byMask {
		t, err := c.leaf(f, path, flags)
		if err != nil {
			return nil, err
		}
		kids = append(kids, t)
	}
	if r.Min != nil || r.Max != nil {
		t, err := c.leaf(f, path, r)
		if err != nil {
			return nil, err
		}
		kids = append(kids, t)
	} else if len(kids) == 0 {
		return nil, fieldErr(path, "{ min: 1, max: 10 }, or one of the two", "a range without bounds")
	}
	return combine(tAnd, kids), nil
}

var payloadRow = &Field{Name: "payload", Kind: Bytes}

// payload parses the test on the payload.
func (c *compiler) payload(path string, v any) (*test, error) {
	empty := &test{op: tBytes}
	switch x := v.(type) {
	case bool:
		if !x {
			return empty, nil
		}
		return opposite(empty), nil
	case Fields:
		if len(x) == 0 {
			return opposite(empty), nil
		}
	}
	return c.value(payloadRow, path, v)
}

// eval tests a value that was read.
func (t *test) eval(v Value) bool {
	switch t.op {
	case tTrue:
		return true
	case tAnd:
		for _, k := range t.kids {
			if !k.eval(v) {
				return false
			}
		}
		return true
	case tOr:
		for _, k := range t.kids {
			if k.eval(v) {
				return true
			}
		}
		return false
	case tNot:
		return !t.kids[0].eval(v)
	case tSet:
		u, ok := t.field.ordinalOf(v)
		return ok && t.set.has(u)
	case tMask:
		n, ok := v.(uint64)
		return ok && n&t.mask == t.want
	case tString:
		s, ok := v.(string)
		return ok && s == t.text
	case tName:
		s, ok := v.(string)
		return ok && equalFoldASCII(s, t.text)
	case tBytes:
		b, ok := v.([]byte)
		return ok && string(b) == t.text
	case tRegexp:
		s, ok := t.field.textOf(v)
		return ok && t.re.MatchString(s)
	case tPred:
		return t.pred(v)
	case tSome:
		l, _ := v.([]any)
		for _, x := range l {
			if t.kids[0].eval(x) {
				return true
			}
		}
		return false
	case tMember, tAbsent:
		obj, ok := v.(Fields)
		if !ok {
			return false
		}
		x := obj.Get(t.field.Name)
		if t.op == tAbsent {
			return x == nil
		}
		return x != nil && t.kids[0].eval(x)
	}
	return false
}

// evalBytes is eval on bytes; equality costs no allocation.
func (t *test) evalBytes(b []byte) bool {
	switch t.op {
	case tBytes:
		return string(b) == t.text
	case tNot:
		return !t.kids[0].evalBytes(b)
	case tOr:
		return slices.ContainsFunc(t.kids, func(k *test) bool { return k.evalBytes(b) })
	}
	return t.eval(bytes.Clone(b))
}

func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}

// textOf is the text of a value of one of the kinds that hold one value; ok is
// false when the value is not of the field's kind.
func (f *Field) textOf(v Value) (string, bool) {
	switch x := v.(type) {
	case uint64:
		if f.Kind == Flags {
			return f.FlagText(x), true
		}
		return strconv.FormatUint(x, 10), f.Kind == Uint
	case int64:
		return strconv.FormatInt(x, 10), f.Kind == Int
	case float64:
		return strconv.FormatFloat(x, 'g', -1, f.Bits), f.Kind == Float
	case MAC:
		return x.String(), f.Kind == MACs
	case netip.Addr:
		return x.String(), f.Kind == IPv4 && x.Is4() || f.Kind == IPv6 && !x.Is4()
	case string:
		return x, f.Kind == Text || f.Kind == CText || f.Kind == Name
	case []byte:
		return bytesText(x), f.Kind == Bytes
	}
	return "", false
}

// bytesText reads bytes as UTF-8, or else as Latin-1, so that every byte can
// be named in a regular expression.
func bytesText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	r := make([]rune, len(b))
	for i, x := range b {
		r[i] = rune(x)
	}
	return string(r)
}

// String describes the test for Matcher.String.
func (t *test) String() string {
	var b strings.Builder
	t.describe(&b)
	return b.String()
}

func (t *test) describe(b *strings.Builder) {
	group := func(sep string) {
		b.WriteByte('(')
		for i, k := range t.kids {
			if i > 0 {
				b.WriteString(sep)
			}
			if i == 8 {
				fmt.Fprintf(b, "and %d more", len(t.kids)-i)
				break
			}
			k.describe(b)
		}
		b.WriteByte(')')
	}
	switch t.op {
	case tTrue:
		b.WriteString("any")
	case tAnd:
		group(" and ")
	case tOr:
		group(" or ")
	case tNot:
		b.WriteString("not ")
		t.kids[0].describe(b)
	case tSet:
		t.describeSet(b)
	case tMask:
		fmt.Fprintf(b, "&%#x==%#x", t.mask, t.want)
	case tString, tBytes, tName:
		fmt.Fprintf(b, "%.40q", t.text)
	case tRegexp:
		fmt.Fprintf(b, "/%v/", t.re)
	case tPred:
		b.WriteString("predicate")
	case tSome:
		b.WriteString("some ")
		t.kids[0].describe(b)
	case tMember:
		b.WriteString(t.field.Name + ": ")
		t.kids[0].describe(b)
	case tAbsent:
		b.WriteString("no " + t.field.Name)
	}
}

func (t *test) describeSet(b *strings.Builder) {
	b.WriteByte('{')
	for i, s := range t.set {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 8 {
			fmt.Fprintf(b, "and %d more", len(t.set)-i)
			break
		}
		b.WriteString(t.field.ordinalText(s.lo))
		if s.lo != s.hi {
			b.WriteString(".." + t.field.ordinalText(s.hi))
		}
	}
	b.WriteByte('}')
}

// ordinalText shows an ordinal as the value it stands for.
func (f *Field) ordinalText(u u128) string {
	switch f.Kind {
	case IPv6:
		var a [16]byte
		for i := range 8 {
			a[i], a[8+i] = byte(u.hi>>uint(56-8*i)), byte(u.lo>>uint(56-8*i))
		}
		return netip.AddrFrom16(a).String()
	case IPv4:
		return netip.AddrFrom4([4]byte{byte(u.lo >> 24), byte(u.lo >> 16), byte(u.lo >> 8), byte(u.lo)}).String()
	case MACs:
		var m MAC
		for i := range m {
			m[i] = byte(u.lo >> uint(40-8*i))
		}
		return m.String()
	}
	return fmt.Sprint(f.number(f.conv().bitsOf(u.lo, f.most().lo)))
}
