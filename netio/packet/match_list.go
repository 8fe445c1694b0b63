package packet

// Lists of objects (DNS questions and records) are tested item by item as the
// header is walked. Numbers, addresses and names are compared as they stand;
// only what is neither is made into a value.

// inList reports whether the test can be made while walking the list.
func (t *test) inList(f *Field) bool {
	if f.Kind != List || f.proto == nil || f.At > 0 || len(f.Items) > maxItemRows || len(f.Items) == 1 && f.Items[0].Name == "" {
		return false
	}
	for _, row := range f.Items {
		if row.At > 0 {
			return false
		}
	}
	switch t.op {
	case tSome:
		return t.kids[0].inItem(f)
	case tAnd, tOr, tNot:
		for _, k := range t.kids {
			if !k.inList(f) {
				return false
			}
		}
		return true
	}
	return false
}

func (t *test) inItem(f *Field) bool {
	switch t.op {
	case tTrue:
		return true
	case tAnd, tOr, tNot:
		for _, k := range t.kids {
			if !k.inItem(f) {
				return false
			}
		}
		return true
	case tMember:
		for i, row := range f.Items {
			if row == t.field {
				t.row = i
				return !row.Hidden
			}
		}
	}
	return false
}

// maxItemRows bounds the rows of an item that is tested as it is walked.
const maxItemRows = 16

// itemView is one item of a list: where its rows start.
type itemView struct {
	r     reader // at the item's end
	rows  []*Field
	scope scope
	at    [maxItemRows]int32 // bit position and 1, 0 where the row is not there
}

// evalList tests list f of header h; false where it is not there.
func (t *test) evalList(reg *Registry, f *Field, h []byte) bool {
	r := reader{reg: reg, msg: h, end: len(h)}
	var sc scope
	if !r.fields(f.proto.Fields[:f.index], &sc, nil, nil) || len(f.When) > 0 && !sc.holds(f.When) {
		return false
	}
	return t.evalListAt(f, r, &sc)
}

func (t *test) evalListAt(f *Field, r reader, sc *scope) bool {
	switch t.op {
	case tAnd:
		for _, k := range t.kids {
			if !k.evalListAt(f, r, sc) {
				return false
			}
		}
		return true
	case tOr:
		for _, k := range t.kids {
			if k.evalListAt(f, r, sc) {
				return true
			}
		}
		return false
	case tNot:
		return !t.kids[0].evalListAt(f, r, sc)
	}
	// As reader.list goes, with the test in the place of the value.
	n, rest := r.size(f, sc)
	for i := 0; (rest || i < n) && r.err == nil; i++ {
		if rest && r.pos/8 >= r.end {
			break
		}
		start := r.pos
		if !r.enter(f) {
			break
		}
		item := itemView{rows: f.Items}
		for j, row := range f.Items {
			if len(row.When) > 0 && !item.scope.holds(row.When) {
				continue
			}
			item.at[j] = int32(r.pos) + 1
			if r.field(row, &item.scope, false); r.err != nil {
				return false // a broken item is none, and ends the list
			}
		}
		r.depth--
		item.r = r
		if t.kids[0].evalItem(&item) {
			return true
		}
		if f.Until != nil {
			if u, ok := item.scope.get(f.Until.Field); ok && f.Until.holds(u) {
				break
			}
		}
		if r.pos == start && rest {
			break
		}
	}
	return false
}

func (t *test) evalItem(item *itemView) bool {
	switch t.op {
	case tTrue:
		return true
	case tAnd:
		for _, k := range t.kids {
			if !k.evalItem(item) {
				return false
			}
		}
		return true
	case tOr:
		for _, k := range t.kids {
			if k.evalItem(item) {
				return true
			}
		}
		return false
	case tNot:
		return !t.kids[0].evalItem(item)
	}
	if item.at[t.row] == 0 {
		return false
	}
	f, kid := item.rows[t.row], t.kids[0]
	r := item.r
	r.pos = int(item.at[t.row]) - 1
	switch {
	case f.Kind == Name && kid.wired():
		return kid.evalName(r.msg[:r.end], r.pos/8)
	case f.Kind <= Flags && kid.numeric():
		v := r.bits(f, f.Bits, f.LE)
		return kid.evalNumber(u128{0, f.conv().ordinal(v, f.most().lo)})
	case f.Kind <= IPv6 && kid.numeric():
		return kid.evalNumber(f.ordinalIn(r.take(f, f.width()/8)))
	}
	v := r.field(f, &item.scope, true)
	return v != nil && r.err == nil && kid.eval(v)
}

// wired reports whether the test is made on a name as it stands.
func (t *test) wired() bool {
	switch t.op {
	case tName, tTrue:
		return true
	case tAnd, tOr, tNot:
		for _, k := range t.kids {
			if !k.wired() {
				return false
			}
		}
		return true
	}
	return false
}

// evalName tests the domain name at off, which is known to read well.
func (t *test) evalName(msg []byte, off int) bool {
	switch t.op {
	case tAnd:
		for _, k := range t.kids {
			if !k.evalName(msg, off) {
				return false
			}
		}
		return true
	case tOr:
		for _, k := range t.kids {
			if k.evalName(msg, off) {
				return true
			}
		}
		return false
	case tNot:
		return !t.kids[0].evalName(msg, off)
	case tName:
		return sameName(msg, off, t.wire)
	}
	return true
}

// sameName compares the name at off, ignoring case, with one in wire format
// without compression.
func sameName(msg []byte, off int, wire string) bool {
	for len(wire) > 0 && off < len(msg) {
		n := int(msg[off])
		if n&0xc0 == 0xc0 {
			if off+1 >= len(msg) {
				return false
			}
			to := n&0x3f<<8 | int(msg[off+1])
			if to >= off { // pointers lead backwards, so this ends
				return false
			}
			off = to
			continue
		}
		if n != int(wire[0]) {
			return false
		}
		if n == 0 {
			return true
		}
		if off+1+n > len(msg) || len(wire) < 1+n {
			return false
		}
		for i := 1; i <= n; i++ {
			x, y := msg[off+i], wire[i]
			if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
				return false
			}
		}
		off, wire = off+1+n, wire[1+n:]
	}
	return false
}
