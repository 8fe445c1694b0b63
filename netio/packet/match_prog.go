package packet

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// A pattern becomes a flat program of instructions that are data: what to
// load, what to compare it with, and where to go on. Jumps lead forward only,
// so a program ends after at most as many steps as it has instructions.
// Whatever fixed bytes a conjunction demands is gathered first, across fields,
// into loads of 1, 2, 4 or 8 bytes compared under a mask.

// opcode is what an instruction tests.
type opcode uint8

const (
	opLayer   opcode = iota // the outermost header of proto is there, off bytes or more; it is the header from here on
	opNeed                  // the header has off bytes or more
	opEq1                   // big-endian load of 1, 2, 4 or 8 bytes at off, & mask == a
	opEq2                   //
	opEq4                   //
	opEq8                   //
	opRange                 // ordinal of the number loaded: a <= v <= a+b
	opBitmap                // v-a < b, and that bit of words[tab:] is set
	opHash                  // v stands in the table of 1<<n words at tab; b marks an empty slot
	opSpans                 // v lies in one of the n pairs of words at tab, sorted
	opWide                  // 16 bytes at off lie in one of the n spans at tab of wide
	opOptions               // values[tab] passes on the set of options where it stands
	opList                  // values[tab] passes on the list as it is walked
	opValue                 // values[tab] passes
	opPayload               // values[tab] passes on the payload
	opQuoted                // the packet quotes one that quoted[tab] matches
	opPred                  // preds[tab] holds
)

var opNames = [...]string{"layer", "need", "eq1", "eq2", "eq4", "eq8", "range", "bitmap", "hash", "spans", "wide", "options", "list", "value", "payload", "quoted", "pred"}

// Where a program ends.
const (
	accept int32 = -1
	reject int32 = -2
)

type instr struct {
	op    opcode
	plain uint8 // numbers: 1, 2, 4 or 8 bytes loaded big-endian at off; 0 where it takes the loadRule below
	bytes uint8
	shift uint8
	le    bool
	conv  conv
	off   int32
	n     int32 // entries at tab
	tab   int32
	t, f  int32 // where to go on
	mask  uint64
	a, b  uint64
	proto *Proto
}

// load reads the number that the instruction is about.
func (in *instr) load(h []byte) uint64 {
	var v uint64
	switch b := h[in.off:]; in.plain {
	case 1:
		v = uint64(b[0])
	case 2:
		v = uint64(binary.BigEndian.Uint16(b))
	case 4:
		v = uint64(binary.BigEndian.Uint32(b))
	case 8:
		v = binary.BigEndian.Uint64(b)
	default:
		r := loadRule{off: in.off, bytes: in.bytes, shift: in.shift, le: in.le, mask: in.mask}
		return in.conv.ordinal(r.load(h), in.mask)
	}
	return v >> (in.shift & 63) & in.mask
}

// place tells the instruction where the number is. Where it can, it widens the
// load to a power of two, downwards, so that it stays within what is needed.
func (in *instr) place(n *node) {
	r := &n.rule
	in.off, in.bytes, in.shift, in.le, in.conv, in.mask = r.off, r.bytes, r.shift, r.le, n.conv, r.mask
	if r.le && r.bytes > 1 || n.conv != convNone {
		return
	}
	size := uint8(1) << bits.Len8(r.bytes-1)
	if at := r.off + int32(r.bytes) - int32(size); at >= 0 {
		in.plain, in.off = size, at
	}
}

const hashFactor = 0x9e3779b97f4a7c15 // 2^64 / golden ratio

// Match reports whether the packet matches. It does not allocate for fixed
// fields, the presence of protocols, and equality of the payload. A packet that
// was built is looked at as its bytes stand: Finish it before.
func (m *Matcher) Match(p *Packet) bool { return p.have&m.need == m.need && m.run(p) }

func (m *Matcher) run(p *Packet) bool {
	var h []byte
	layer := 0
	pc := m.start
	for pc >= 0 {
		in := &m.prog[pc]
		ok := false
		switch in.op {
		case opLayer:
			if p.have&in.mask == 0 {
				break
			}
			for i := range p.refs {
				r := &p.refs[i]
				if r.Proto == in.proto {
					if r.Hdr >= in.off {
						h, layer, ok = p.Data[r.Off:r.Off+r.Hdr], i, true
					}
					break
				}
			}
		case opNeed:
			ok = len(h) >= int(in.off)
		case opEq1:
			ok = uint64(h[in.off])&in.mask == in.a
		case opEq2:
			ok = uint64(binary.BigEndian.Uint16(h[in.off:]))&in.mask == in.a
		case opEq4:
			ok = uint64(binary.BigEndian.Uint32(h[in.off:]))&in.mask == in.a
		case opEq8:
			ok = binary.BigEndian.Uint64(h[in.off:])&in.mask == in.a
		case opRange:
			ok = in.load(h)-in.a <= in.b
		case opBitmap:
			v := in.load(h) - in.a
			ok = v < in.b && m.words[int(in.tab)+int(v>>6)]>>(v&63)&1 != 0
		case opHash:
			ok = m.inHash(in, in.load(h))
		case opSpans:
			ok = m.inSpans(in, in.load(h))
		case opWide:
			b := h[in.off:][:16]
			u := u128{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
			ok = spans(m.wide[in.tab:][:in.n]).has(u)
		case opOptions:
			t := &m.values[in.tab]
			if b := t.field.setBytes(h); b != nil {
				ok = t.test.evalSet(p.reg, t.field.TLV, b)
			}
		case opList:
			t := &m.values[in.tab]
			ok = t.test.evalList(p.reg, t.field, h)
		case opValue:
			t := &m.values[in.tab]
			if v, there := p.Value(layer, t.field); there {
				ok = t.test.eval(v)
			}
		case opPayload:
			ok = m.values[in.tab].test.evalBytes(p.Payload())
		case opQuoted:
			if q := p.Quoted(); q != nil {
				ok = m.quoted[in.tab].Match(q)
			}
		case opPred:
			ok = m.preds[in.tab](p)
		}
		if ok {
			pc = in.t
		} else {
			pc = in.f
		}
	}
	return pc == accept
}

func (m *Matcher) inHash(in *instr, v uint64) bool {
	table := m.words[in.tab:][:1<<uint(in.n)]
	for i := v * hashFactor >> uint(64-in.n); ; i++ {
		x := table[i&uint64(len(table)-1)]
		if x == in.b {
			return false
		}
		if x == v {
			return true
		}
	}
}

func (m *Matcher) inSpans(in *instr, v uint64) bool {
	table := m.words[in.tab:][:2*in.n]
	lo, hi := 0, int(in.n)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if table[2*mid+1] < v {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < int(in.n) && table[2*lo] <= v
}

// A node is a tree that speaks of bytes at fixed places where the pattern
// allows; generate lowers a layer's fields to it.
type nodeOp uint8

const (
	nTrue nodeOp = iota
	nFalse
	nAnd
	nOr
	nNot
	nNeed  // the header has off bytes
	nImage // bytes of the header from off on are want, under mask
	nSet   // the ordinal of the number at rule lies in set
	nWide  // so does that of the 16 bytes at off
	nTest  // one instruction that needs no bytes of the header: in
	nLayer // in finds proto; kids[0] holds on its header
)

type node struct {
	op         nodeOp
	kids       []*node
	off        int
	mask, want []byte
	rule       loadRule
	conv       conv
	set        spans
	in         instr
}

// need is how many bytes of the header the node's holding implies.
func (n *node) need() int {
	switch n.op {
	case nNeed:
		return n.off
	case nImage:
		return n.off + len(n.mask)
	case nSet:
		return n.rule.need()
	case nWide:
		return n.off + 16
	case nAnd:
		most := 0
		for _, k := range n.kids {
			most = max(most, k.need())
		}
		return most
	}
	return 0
}

// cost orders the tests of a conjunction: what is cheap and likely to fail first.
func (n *node) cost() int {
	switch n.op {
	case nNeed, nImage, nTrue, nFalse:
		return 0
	case nSet, nWide:
		return 1
	case nLayer:
		return 2 + n.kids[0].cost()
	case nTest:
		return 1 << 16
	}
	sum := 1
	for _, k := range n.kids {
		sum = min(sum+k.cost(), 1<<17)
	}
	return sum
}

// generate writes the program for e.
func (m *Matcher) generate(e *expr) {
	// Targets are known when the code is written from its end to its start;
	// turning it round at the end turns each index too.
	m.start = m.code(m.lower(e), accept, reject, 0)
	last := int32(len(m.prog) - 1)
	turn := func(pc *int32) {
		if *pc >= 0 {
			*pc = last - *pc
		}
	}
	turn(&m.start)
	slices.Reverse(m.prog)
	for i := range m.prog {
		turn(&m.prog[i].t)
		turn(&m.prog[i].f)
	}
}

// lower turns a parsed pattern into nodes.
func (m *Matcher) lower(e *expr) *node {
	switch e.op {
	case exTrue:
		return &node{op: nTrue}
	case exFalse:
		return &node{op: nFalse}
	case exAnd, exOr, exNot:
		n := &node{op: map[exprOp]nodeOp{exAnd: nAnd, exOr: nOr, exNot: nNot}[e.op]}
		for _, k := range e.kids {
			n.kids = append(n.kids, m.lower(k))
		}
		return n
	case exLayer:
		return &node{op: nLayer, in: instr{op: opLayer, proto: e.proto, mask: e.proto.bit}, kids: []*node{m.lower(e.kids[0])}}
	case exField:
		return m.lowerField(e.field, e.test)
	case exPayload:
		return m.valueNode(opPayload, payloadRow, e.test)
	case exQuoted:
		m.quoted = append(m.quoted, e.sub)
		return &node{op: nTest, in: instr{op: opQuoted, tab: int32(len(m.quoted) - 1)}}
	}
	m.preds = append(m.preds, e.pred)
	return &node{op: nTest, in: instr{op: opPred, tab: int32(len(m.preds) - 1)}}
}

func (m *Matcher) valueNode(op opcode, f *Field, t *test) *node {
	m.values = append(m.values, valueTest{f, t})
	return &node{op: nTest, in: instr{op: op, tab: int32(len(m.values) - 1)}}
}

func (m *Matcher) lowerField(f *Field, t *test) *node {
	if f.setAt() && t.inSet(f.TLV) {
		return m.valueNode(opOptions, f, t)
	}
	if t.inList(f) {
		return m.valueNode(opList, f, t)
	}
	if !f.Fixed() || !t.fixed(f) {
		return m.valueNode(opValue, f, t)
	}
	kids := []*node{{op: nNeed, off: (f.bitOff + f.width() + 7) / 8}}
	for i := range f.When {
		c := &f.When[i]
		d := c.f
		if d.bitOff < 0 || d.ld.bytes == 0 {
			return &node{op: nFalse}
		}
		r := d.ld
		if c.Mask != 0 {
			r.mask &= c.Mask
		}
		kids = append(kids, &node{op: nSet, rule: r, set: c.spans(r.mask)})
	}
	return &node{op: nAnd, kids: append(kids, f.lowerTest(t))}
}

// spans is the set of values, under a mask, for which the condition holds.
func (c *Cond) spans(mask uint64) spans {
	all := spans{{u128{0, c.Min}, u128{0, min(c.Max, mask)}}}
	if len(c.In) > 0 {
		all = nil
		for _, v := range c.In {
			all = append(all, span{u128{0, v}, u128{0, v}})
		}
	}
	all = slices.DeleteFunc(all, func(s span) bool { return s.lo.lo > mask || s.hi.less(s.lo) })
	all = union(all)
	if c.Not {
		all = all.complement(u128{0, mask})
	}
	return all
}

// fixed reports whether the test can be made on the bytes of a field of
// constant place and width.
func (t *test) fixed(f *Field) bool {
	aligned := f.bitOff&7 == 0
	switch t.op {
	case tTrue:
		return f.Kind != Struct
	case tAnd, tOr, tNot:
		for _, k := range t.kids {
			if !k.fixed(f) {
				return false
			}
		}
		return f.Kind != Struct
	case tSet, tMask:
		return f.Kind == IPv6 && aligned || f.Kind <= IPv4 && f.ld.bytes <= 8
	case tBytes, tString:
		return aligned && (f.Kind == Bytes || f.Kind == Text)
	}
	return false
}

func (f *Field) lowerTest(t *test) *node {
	switch t.op {
	case tAnd, tOr, tNot:
		n := &node{op: map[testOp]nodeOp{tAnd: nAnd, tOr: nOr, tNot: nNot}[t.op]}
		for _, k := range t.kids {
			n.kids = append(n.kids, f.lowerTest(k))
		}
		return n
	case tSet:
		if f.Kind == IPv6 {
			return &node{op: nWide, off: f.bitOff / 8, set: t.set}
		}
		return &node{op: nSet, rule: f.ld, conv: f.conv(), set: t.set}
	case tMask:
		return f.ld.image(t.mask, t.want)
	case tBytes, tString:
		n := f.Size.N
		mask, want := make([]byte, n), make([]byte, n)
		copy(want, t.text)
		for i := range mask {
			if i <= len(t.text) || f.Kind == Bytes { // text ends at its first NUL
				mask[i] = 0xff
			}
		}
		if len(t.text) > n || f.Kind == Text && strings.IndexByte(t.text, 0) >= 0 {
			return &node{op: nFalse}
		}
		return &node{op: nImage, off: f.bitOff / 8, mask: mask, want: want}
	}
	return &node{op: nTrue}
}

// image is the demand that the number under mask is want, as bytes.
func (r *loadRule) image(mask, want uint64) *node {
	at := *r
	at.off = 0
	n := &node{op: nImage, off: int(r.off), mask: make([]byte, r.bytes), want: make([]byte, r.bytes)}
	at.mask &= mask
	at.store(n.mask, mask)
	at.store(n.want, want)
	return n
}

// asImage turns a set that is one value, or one aligned block of them, into
// the bytes it demands.
func (n *node) asImage() *node {
	switch {
	case n.op == nImage:
		return n
	case len(n.set) != 1:
		return nil
	}
	s := n.set[0]
	diff := u128{s.lo.hi ^ s.hi.hi, s.lo.lo ^ s.hi.lo}
	if diff != s.lo.xorAligned(diff) {
		return nil
	}
	switch {
	case n.op == nWide:
		im := &node{op: nImage, off: n.off, mask: make([]byte, 16), want: make([]byte, 16)}
		binary.BigEndian.PutUint64(im.mask, ^diff.hi)
		binary.BigEndian.PutUint64(im.mask[8:], ^diff.lo)
		binary.BigEndian.PutUint64(im.want, s.lo.hi)
		binary.BigEndian.PutUint64(im.want[8:], s.lo.lo)
		return im
	case n.op == nSet && n.conv == convNone && s.hi.lo <= n.rule.mask:
		return n.rule.image(n.rule.mask&^diff.lo, s.lo.lo)
	case n.op == nSet && diff.lo == 0:
		return n.rule.image(n.rule.mask, n.conv.bitsOf(s.lo.lo, n.rule.mask))
	}
	return nil
}

// xorAligned returns diff when the span from lo to lo^diff is a block whose
// size is a power of two, at a multiple of it; else something different.
func (lo u128) xorAligned(diff u128) u128 {
	next := diff.next()
	if next.hi&diff.hi|next.lo&diff.lo != 0 || lo.hi&diff.hi|lo.lo&diff.lo != 0 {
		return u128{^diff.hi, ^diff.lo}
	}
	return diff
}

// emit writes one instruction and returns where it stands.
func (m *Matcher) emit(in instr, t, f int32) int32 {
	in.t, in.f = t, f
	m.prog = append(m.prog, in)
	return int32(len(m.prog) - 1)
}

// code writes n, to go on at t when it holds and at f when not, and returns
// where it starts. The header is known to have at least that many bytes.
func (m *Matcher) code(n *node, t, f int32, known int) int32 {
	switch n.op {
	case nTrue:
		return t
	case nFalse:
		return f
	case nNot:
		return m.code(n.kids[0], f, t, known)
	case nOr:
		for _, k := range slices.Backward(n.kids) {
			f = m.code(k, t, f, known)
		}
		return f
	case nLayer:
		need := n.kids[0].need()
		in := n.in
		in.off = int32(need)
		return m.emit(in, m.code(n.kids[0], t, f, need), f)
	case nTest:
		return m.emit(n.in, t, f)
	}
	need := n.need()
	pc := m.body(n, t, f, max(known, need))
	if need > known {
		pc = m.emit(instr{op: opNeed, off: int32(need)}, pc, f)
	}
	return pc
}

// body writes a conjunction, or one test of the header's bytes, for which the
// header is long enough.
func (m *Matcher) body(n *node, t, f int32, known int) int32 {
	switch n.op {
	case nNeed:
		return t
	case nWide, nSet:
		if im := n.asImage(); im != nil {
			return m.images([]*node{im}, t, f)
		}
		return m.set(n, t, f)
	case nImage:
		return m.images([]*node{n}, t, f)
	}
	flat := mergeSets(flatten(n, nil))
	var images, rest []*node
	for _, k := range flat {
		if k.op == nFalse {
			return f
		}
		if k.op == nNeed || k.op == nTrue {
			continue
		}
		if im := k.asImage(); im != nil {
			images = append(images, im)
		} else {
			rest = append(rest, k)
		}
	}
	slices.SortStableFunc(rest, func(a, b *node) int { return cmp.Compare(a.cost(), b.cost()) })
	for _, k := range slices.Backward(rest) {
		t = m.code(k, t, f, known)
	}
	return m.images(images, t, f)
}

func flatten(n *node, out []*node) []*node {
	if n.op != nAnd {
		return append(out, n)
	}
	for _, k := range n.kids {
		out = flatten(k, out)
	}
	return out
}

// mergeSets intersects what is said about the same number.
func mergeSets(all []*node) []*node {
	var out []*node
next:
	for _, n := range all {
		if n.op == nSet {
			for i, o := range out {
				if o.op == nSet && o.rule == n.rule && o.conv == n.conv {
					both := *o
					both.set = intersect(o.set, n.set, u128{0, n.rule.mask})
					out[i] = &both
					continue next
				}
			}
		}
		out = append(out, n)
	}
	return out
}

// images writes the demands on bytes as few wide compares.
func (m *Matcher) images(list []*node, t, f int32) int32 {
	n := 0
	for _, im := range list {
		n = max(n, im.need())
	}
	mask, want := make([]byte, n), make([]byte, n)
	for _, im := range list {
		for i, b := range im.mask {
			w := im.want[i] & b
			if (mask[im.off+i]&b)&(want[im.off+i]^w) != 0 {
				return f // two demands that exclude each other
			}
			mask[im.off+i] |= b
			want[im.off+i] |= w
		}
	}
	var code []instr
	for i := 0; i < n; i++ {
		if mask[i] == 0 {
			continue
		}
		end := min(i+8, n)
		for mask[end-1] == 0 {
			end--
		}
		size := 1
		for size < end-i {
			size *= 2
		}
		if end < size { // a load never starts before the header, nor reads behind what is needed
			size /= 2
			end = i + size
		}
		at := end - size
		in := instr{op: opEq1 + opcode(bits.TrailingZeros(uint(size))), off: int32(at)}
		for j := at; j < end; j++ {
			in.mask, in.a = in.mask<<8|uint64(mask[j]), in.a<<8|uint64(want[j]&mask[j])
			mask[j] = 0
		}
		code = append(code, in)
	}
	for _, in := range slices.Backward(code) {
		t = m.emit(in, t, f)
	}
	return t
}

// set writes the test that a number lies in a set.
func (m *Matcher) set(n *node, t, f int32) int32 {
	most := u128{0, n.rule.mask}
	if n.op == nWide {
		most = u128{^uint64(0), ^uint64(0)}
	}
	if rest := n.set.complement(most); len(rest) < len(n.set) {
		turned := *n
		turned.set = rest
		if im := turned.asImage(); im != nil {
			return m.images([]*node{im}, f, t)
		}
		n, t, f = &turned, f, t
	}
	if len(n.set) == 0 {
		return f
	}
	if n.set[0] == (span{u128{}, most}) {
		return t
	}
	if n.op == nWide {
		m.wide = append(m.wide, n.set...)
		return m.emit(instr{op: opWide, off: int32(n.off), n: int32(len(n.set)), tab: int32(len(m.wide) - len(n.set))}, t, f)
	}
	in := instr{tab: int32(len(m.words)), n: int32(len(n.set))}
	in.place(n)
	lo, hi := n.set[0].lo.lo, n.set[len(n.set)-1].hi.lo
	single := true
	for _, s := range n.set {
		single = single && s.lo == s.hi
	}
	switch {
	case len(n.set) == 1:
		in.op, in.a, in.b = opRange, lo, hi-lo
	case hi-lo < 1<<10:
		in.op, in.a, in.b = opBitmap, lo, hi-lo+1
		m.words = append(m.words, make([]uint64, (hi-lo)/64+1)...)
		for _, s := range n.set {
			for v := s.lo.lo - lo; v <= s.hi.lo-lo; v++ {
				m.words[int(in.tab)+int(v>>6)] |= 1 << (v & 63)
			}
		}
	case single && len(n.set) > 4:
		in.op = opHash
		m.hash(&in, n.set)
	default:
		in.op = opSpans
		for _, s := range n.set {
			m.words = append(m.words, s.lo.lo, s.hi.lo)
		}
	}
	return m.emit(in, t, f)
}

// hash fills an open-addressed table, at most half full.
func (m *Matcher) hash(in *instr, set spans) {
	in.n = int32(bits.Len(uint(len(set)*2 - 1)))
	for _, s := range set { // the least number that is not a member marks what is empty
		if s.lo.lo == in.b {
			in.b++
		}
	}
	size := 1 << uint(in.n)
	for range size {
		m.words = append(m.words, in.b)
	}
	table := m.words[in.tab:]
	for _, s := range set {
		i := s.lo.lo * hashFactor >> uint(64-in.n)
		for table[i&uint64(size-1)] != in.b {
			i++
		}
		table[i&uint64(size-1)] = s.lo.lo
	}
}

func sortKey(key []ExactField) {
	slices.SortFunc(key, func(a, b ExactField) int {
		if a.Proto != b.Proto {
			return cmp.Compare(a.Proto.id, b.Proto.id)
		}
		return cmp.Compare(a.order(), b.order())
	})
}

func (e ExactField) order() int {
	if e.Field == nil {
		return -1
	}
	return e.Field.index
}

// String describes the program: the protocols it requires, then its
// instructions, each with the place it goes to when it fails (and when it
// holds, where that is not the next one).
func (m *Matcher) String() string {
	var b strings.Builder
	if m.prog == nil {
		if m.start == accept {
			return "always"
		}
		return "never"
	}
	fmt.Fprintf(&b, "have %#x", m.need)
	for i := range m.prog {
		in := &m.prog[i]
		fmt.Fprintf(&b, "; %d %s", i, opNames[in.op])
		switch in.op {
		case opLayer:
			fmt.Fprintf(&b, " %s", in.proto.Name)
			if in.off > 0 {
				fmt.Fprintf(&b, " %d bytes", in.off)
			}
		case opNeed:
			fmt.Fprintf(&b, " %d bytes", in.off)
		case opEq1, opEq2, opEq4, opEq8:
			fmt.Fprintf(&b, " @%d", in.off)
			if size := uint(8) << (in.op - opEq1); in.mask != ^uint64(0)>>(64-size) {
				fmt.Fprintf(&b, "&%#x", in.mask)
			}
			fmt.Fprintf(&b, "==%#x", in.a)
		case opRange:
			fmt.Fprintf(&b, " @%d %d..%d", in.off, in.a, in.a+in.b)
		case opBitmap:
			fmt.Fprintf(&b, " @%d of %d..%d", in.off, in.a, in.a+in.b-1)
		case opHash:
			fmt.Fprintf(&b, " @%d of %d slots", in.off, 1<<uint(in.n))
		case opSpans, opWide:
			fmt.Fprintf(&b, " @%d of %d", in.off, in.n)
		case opValue, opOptions, opList:
			v := m.values[in.tab]
			fmt.Fprintf(&b, " %s %s", v.field.Name, v.test)
		case opPayload:
			fmt.Fprintf(&b, " %s", m.values[in.tab].test)
		case opQuoted:
			fmt.Fprintf(&b, " (%s)", m.quoted[in.tab])
		}
		if in.t != int32(i+1) && (in.t != accept || i+1 < len(m.prog)) {
			b.WriteString(" yes:" + target(in.t))
		}
		if in.f != reject {
			b.WriteString(" no:" + target(in.f))
		}
	}
	return b.String()
}

func target(pc int32) string {
	switch pc {
	case accept:
		return "match"
	case reject:
		return "none"
	}
	return fmt.Sprint(pc)
}
