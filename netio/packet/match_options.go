package packet

import "slices"

// Options are tested where they stand: of a set, only what the pattern names
// is looked for, and numbers and addresses are compared without being made
// into values.

// setAt reports whether the set of options starts at a constant place, so
// that it can be found without reading the rows before it.
func (f *Field) setAt() bool {
	if f.Kind != Options || len(f.TLV.Options) == 0 || f.bitOff < 0 || f.bitOff&7 != 0 || f.At > 0 || f.proto == nil || f.Size.Prefix > 0 {
		return false
	}
	for _, row := range f.proto.Fields[:f.index] {
		if row.At > 0 || len(row.When) > 0 || row.width() == 0 {
			return false
		}
	}
	if f.Size.Field != "" && !f.proto.byName[f.Size.Field].numberAt() {
		return false
	}
	for i := range f.When {
		if f.When[i].f == nil || f.When[i].f.bitOff < 0 {
			return false
		}
	}
	return true
}

// setBytes is the set of options in header h, as far as the header goes; nil
// when it is not there.
func (f *Field) setBytes(h []byte) []byte {
	at := f.bitOff / 8
	if at > len(h) || !f.present(h) {
		return nil
	}
	n := len(h) - at
	switch s := &f.Size; {
	case s.Field != "":
		d := f.proto.byName[s.Field]
		n = max(int(min(d.ld.load(h), 1<<24))*max(s.Unit, 1)+s.Plus, 0)
	case s.N > 0:
		n = s.N
	}
	if n > len(h)-at {
		if at == len(h) {
			return nil
		}
		n = len(h) - at
	}
	return h[at : at+n : at+n]
}

// inSet reports whether the test can be made on the bytes of a set.
func (t *test) inSet(tlv *TLV) bool {
	switch t.op {
	case tTrue:
		return true
	case tAnd, tOr, tNot:
		return !slices.ContainsFunc(t.kids, func(k *test) bool { return !k.inSet(tlv) })
	case tMember, tAbsent:
		return t.option != nil && !t.option.Many && tlv.byType(t.option.Type) == t.option
	}
	return false
}

// evalSet tests a set of options in b.
func (t *test) evalSet(reg *Registry, tlv *TLV, b []byte) bool {
	switch t.op {
	case tTrue:
		return true
	case tAnd:
		for _, k := range t.kids {
			if !k.evalSet(reg, tlv, b) {
				return false
			}
		}
		return true
	case tOr:
		for _, k := range t.kids {
			if k.evalSet(reg, tlv, b) {
				return true
			}
		}
		return false
	case tNot:
		return !t.kids[0].evalSet(reg, tlv, b)
	}
	for {
		data, rest, ok := tlv.find(b, t.option.Type)
		if !ok {
			return t.op == tAbsent
		}
		if there, holds := t.evalOption(reg, data); there {
			return holds
		}
		b = rest
	}
}

// evalOption tests the data of an option; there is false when it does not read
// as its type, and is no such option then.
func (t *test) evalOption(reg *Registry, data []byte) (there, holds bool) {
	o := t.option
	if f := &o.Field; f.Scalar() && f.width()&7 == 0 && (t.op == tAbsent || t.kids[0].numeric()) {
		if f.width() == 0 {
			return len(data) == 0, t.op == tMember
		}
		if len(data) != o.Skip+f.width()/8 {
			return false, false
		}
		return true, t.op == tMember && t.kids[0].evalNumber(f.ordinalIn(data[o.Skip:]))
	}
	r := reader{reg: reg, msg: data, end: len(data)}
	v := r.optionValue(o, data)
	if v == nil {
		return false, false
	}
	return true, t.op == tMember && t.kids[0].eval(v)
}

// find returns the data of the first option of that type, and what follows it.
func (t *TLV) find(b []byte, want uint64) (data, rest []byte, ok bool) {
	for len(b) >= t.TypeBytes {
		typ := t.number(b, t.TypeBytes)
		if t.TypeBytes == 1 {
			if int(typ) == t.Pad {
				b = b[1:]
				continue
			}
			if int(typ) == t.End {
				break
			}
		}
		start := t.TypeBytes + t.LenBytes
		if start > len(b) {
			break
		}
		n := int(t.number(b[t.TypeBytes:], t.LenBytes))*max(t.LenUnit, 1) - t.LenPlus
		if n < 0 || n > len(b)-start {
			break
		}
		data, b = b[start:start+n], b[start+n:]
		if typ == want && (t.PadN == 0 || int(typ) != t.PadN) {
			return data, b, true
		}
	}
	return nil, nil, false
}

// ordinalIn is the ordinal of the number or address that fills b.
func (f *Field) ordinalIn(b []byte) u128 {
	if f.Kind == IPv6 {
		var u u128
		for i := range 8 {
			u.hi, u.lo = u.hi<<8|uint64(b[i]), u.lo<<8|uint64(b[8+i])
		}
		return u
	}
	mask := f.most().lo
	r := loadRule{bytes: uint8(len(b)), le: f.LE, mask: mask}
	return u128{0, f.conv().ordinal(r.load(b), mask)}
}

// numeric reports whether the test is made on an ordinal alone.
func (t *test) numeric() bool {
	switch t.op {
	case tTrue, tSet, tMask:
		return true
	case tAnd, tOr, tNot:
		return !slices.ContainsFunc(t.kids, func(k *test) bool { return !k.numeric() })
	}
	return false
}

func (t *test) evalNumber(u u128) bool {
	switch t.op {
	case tAnd:
		for _, k := range t.kids {
			if !k.evalNumber(u) {
				return false
			}
		}
		return true
	case tOr:
		for _, k := range t.kids {
			if k.evalNumber(u) {
				return true
			}
		}
		return false
	case tNot:
		return !t.kids[0].evalNumber(u)
	case tSet:
		return t.set.has(u)
	case tMask:
		return u.lo&t.mask == t.want
	}
	return true
}
