package packet

// ruleAt reads an unsigned number at a bit offset from the header's start.
func (f *Field) ruleAt(bit int) loadRule {
	w := f.Bits
	if f.Kind == IPv4 {
		w = 32
	} else if f.Kind == MACs {
		w = 48
	}
	first, last := bit/8, (bit+w-1)/8
	r := loadRule{off: int32(first), bytes: uint8(last - first + 1), le: f.LE}
	r.shift = uint8((last+1)*8 - (bit + w))
	r.mask = ^uint64(0)
	if w < 64 {
		r.mask = 1<<uint(w) - 1
	}
	return r
}

// ruleIn says where a number stands in header h of its protocol, also where
// its place depends on the bytes before it. ok is false when it is not there.
func (f *Field) ruleIn(reg *Registry, h []byte) (r loadRule, ok bool) {
	if f.bitOff >= 0 {
		return f.ld, f.ld.need() <= len(h) && (len(f.When) == 0 || f.present(h))
	}
	lo, hi, ok := f.locate(reg, h)
	if !ok || hi > len(h)*8 || f.Kind > IPv4 {
		return r, false
	}
	return f.ruleAt(lo), true
}

// rule is ruleIn for layer i.
func (p *Packet) rule(i int, f *Field) (loadRule, bool) { return f.ruleIn(p.reg, p.header(i)) }

// locate walks up to a field and over it. It returns where the field starts
// and ends, in bits from the start of header h.
func (f *Field) locate(reg *Registry, h []byte) (lo, hi int, ok bool) {
	r := reader{reg: reg, msg: h, end: len(h)}
	var sc scope
	if !r.fields(f.proto.Fields[:f.index], &sc, nil, nil) || len(f.When) > 0 && !sc.holds(f.When) {
		return 0, 0, false
	}
	if f.At > 0 {
		r.pos = f.At*8 + f.Bit
	}
	lo = r.pos
	r.field(f, &sc, false)
	return lo, r.pos, r.err == nil
}

// blank makes a field read as zero in header h, which is at the start of b.
func (f *Field) blank(reg *Registry, b []byte, hdr int) {
	lo, hi, ok := f.locate(reg, b[:hdr])
	switch {
	case !ok:
	case f.Kind <= Flags:
		r := f.ruleAt(lo)
		r.store(b, 0)
	default:
		clear(b[lo/8 : (hi+7)/8])
	}
}

// number64 is Uint for a number wherever it stands.
func (p *Packet) number64(i int, f *Field) (v uint64, ok bool) {
	r, ok := p.rule(i, f)
	if !ok {
		return 0, false
	}
	return r.load(p.header(i)), true
}
