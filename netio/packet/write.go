package packet

import (
	"fmt"
	"math"
	"slices"
)

// writer encodes the rows of one header. Its counterpart is reader; both
// follow the same order, so what one writes the other reads.
type writer struct {
	reg   *Registry
	buf   []byte // the header so far
	pos   int    // bits
	names map[string]int
	path  string
}

// maxHeader is the most that one header may take: what an IP packet can hold.
const maxHeader = 1 << 16

// encode writes the header whose told values are vals, by row index; nil is
// not told. It returns the header and which rows were told.
func (proto *Proto) encode(reg *Registry, vals []Value) ([]byte, uint64, error) {
	w := writer{reg: reg, path: proto.Name, buf: make([]byte, 0, max(proto.minBytes, 16))}
	var sc scope
	get := func(f *Field) Value { return vals[f.index] }
	if err := w.fields(proto.Fields, &sc, get); err != nil {
		return nil, 0, err
	}
	if s := proto.Header; s != nil && s.Unit > 1 && vals[proto.byName[s.Field].index] == nil {
		w.grow(s.Plus + (len(w.buf)-s.Plus+s.Unit-1)/s.Unit*s.Unit) // to what its length can tell
	}
	var told uint64
	for i, v := range vals {
		if v != nil {
			told |= 1 << uint(i)
		}
	}
	return w.buf, told, nil
}

func (w *writer) fields(rows []*Field, sc *scope, get func(*Field) Value) error {
	var places [64]int   // bit position of each row, plus 1, for counts told by what follows
	var measured [64]int // what a row was worked out as by the row it measures, plus 1
	for i, f := range rows {
		v := get(f)
		if len(f.When) > 0 && !sc.holds(f.When) {
			if v != nil {
				if f.At > 0 && overlaid(rows, f, sc) || f.At == 0 {
					return fieldErr(w.at(f), w.whenHint(f), "there is no such field here")
				}
				// nobody else claims the place: written, as told
			} else {
				continue
			}
		}
		back := -1
		if f.At > 0 {
			if v == nil && f.Default == nil && f.width() > 0 && (f.bitOff+f.width()+7)/8 <= len(w.buf) {
				continue // the place is written already, perhaps by a row that was told
			}
			back = w.pos
			w.pos = f.At*8 + f.Bit
		}
		if i < len(places) {
			places[i] = w.pos + 1
		}
		start := w.pos
		items, err := w.field(f, sc, v)
		if err != nil {
			return err
		}
		for j, g := range rows[:min(i, len(places))] { // counts and lengths of this row
			a := g.Auto
			if a == nil || !a.measures(g, f) || get(g) != nil || places[j] == 0 {
				continue
			}
			n := items
			if a.Of == OfSized {
				if n, err = w.fit(f, g, start, items, measured[j]-1); err != nil {
					return err
				}
				measured[j] = n + 1
			} else if a.What == AutoLength {
				n = (w.pos - start + 7) / 8
				if f.Size.Prefix > 0 {
					n -= f.Size.Prefix
				}
				u := max(a.Unit, 1)
				n = (n+u-1)/u + a.Plus
			}
			if n < 0 || uint64(n) > mask(g.Bits) {
				return fieldErr(w.at(g), "tell it yourself to send it all the same", "%d, worked out of %s, is more than its %d bits can tell", n, f.Name, g.Bits)
			}
			sc.set(g, uint64(n))
			end := w.pos
			w.pos = places[j] - 1
			w.put(uint64(n), g.Bits, g.LE)
			w.pos = end
		}
		w.pos = max(w.pos, back)
		if len(w.buf) > maxHeader {
			return fieldErr(w.at(f), "", "the header is longer than %d bytes", maxHeader)
		}
	}
	return nil
}

// fit works out the length or count g of row f, which was written from start
// on, as its Size reads it, and fills the row up to what a unit can tell. told
// is what an earlier row made of g already, or -1.
func (w *writer) fit(f, g *Field, start, items, told int) (int, error) {
	s := &f.Size
	have, what := items, "items"
	if f.Kind != List {
		have, what = (w.pos-start+7)/8, "bytes"
	}
	u := max(s.Unit, 1)
	n := max((have-s.Plus+u-1)/u, 0)
	if told >= 0 {
		n = told
	}
	want := n*u + s.Plus
	switch {
	case want == have:
	case want < have:
		return 0, fieldErr(w.at(f), "tell "+g.Name+" yourself to send it all the same", "%d %s do not fit: %s, which another field shares, makes it %d", have, what, g.Name, max(want, 0))
	case f.Kind == List:
		return 0, fieldErr(w.at(f), "tell "+g.Name+" yourself to send it all the same", "%d items cannot be told by %s: %d could", have, g.Name, want)
	case want > maxHeader:
		return 0, fieldErr(w.at(f), "", "the header is longer than %d bytes", maxHeader)
	default:
		w.bytes(make([]byte, want-have))
	}
	return n, nil
}

// overlaid reports whether another row that is present claims f's place.
func overlaid(rows []*Field, f *Field, sc *scope) bool {
	lo, hi := f.bitOff, f.bitOff+max(f.width(), 1)
	for _, g := range rows {
		if g == f || g.Hidden {
			continue
		}
		glo := g.bitOff
		if glo >= 0 && glo < hi && lo < glo+max(g.width(), 1) && sc.holds(g.When) {
			return true
		}
	}
	return false
}

func (w *writer) at(f *Field) string {
	if f.Name == "" {
		return w.path
	}
	return w.path + "." + f.Name
}

func (w *writer) whenHint(f *Field) string {
	c := f.When[0]
	return fmt.Sprintf("%s depends on %s", f.Name, c.Field)
}

// Check reports whether a value is one that the field takes, as a *FieldError
// at path. Bounds that depend on other fields are not known here.
func (f *Field) Check(path string, v Value) error {
	row := *f
	row.Name, row.On, row.When, row.steers, row.decides = "", "", nil, false, false
	if row.Size.Field != "" {
		row.Size = Size{}
	}
	w := writer{path: path}
	var sc scope
	_, err := w.field(&row, &sc, v)
	return err
}

// Number returns the bits that a number, letters or a standard name make in a
// Uint, Int or Flags field. The error is a *FieldError at path.
func (f *Field) Number(path string, v Value) (uint64, error) { return f.toNumber(path, v) }

// put writes the low n bits of v at the position.
func (w *writer) put(v uint64, n int, le bool) {
	last := (w.pos + n + 7) / 8
	w.grow(last)
	if le {
		for i := w.pos / 8; i < last; i++ {
			w.buf[i] = byte(v)
			v >>= 8
		}
		w.pos += n
		return
	}
	for n > 0 {
		in := 8 - w.pos&7
		take := min(in, n)
		b := byte(v>>uint(n-take)) & (1<<uint(take) - 1)
		m := byte(1<<uint(take)-1) << uint(in-take)
		w.buf[w.pos/8] = w.buf[w.pos/8]&^m | b<<uint(in-take)
		w.pos += take
		n -= take
	}
}

func (w *writer) grow(n int) {
	for len(w.buf) < n {
		w.buf = append(w.buf, 0)
	}
}

// bytes writes whole bytes.
func (w *writer) bytes(b []byte) {
	at := (w.pos + 7) / 8
	w.grow(at)
	n := copy(w.buf[at:], b)
	w.buf = append(w.buf, b[n:]...)
	w.pos = (at + len(b)) * 8
}

// field writes one row, told or not, and returns its items when it is a list.
func (w *writer) field(f *Field, sc *scope, v Value) (items int, err error) {
	if v == nil {
		v = f.Default
	}
	switch f.Kind {
	case Uint, Int, Float, Flags:
		var n uint64
		if v != nil {
			if n, err = f.toNumber(w.at(f), v); err != nil {
				return 0, err
			}
		}
		w.put(n, f.Bits, f.LE)
		if f.steers || f.decides {
			sc.put(f, n)
		}
		return 0, nil
	case MACs, IPv4, IPv6:
		b, err := f.addrBytes(w.at(f), v)
		if err != nil {
			return 0, err
		}
		w.bytes(b)
		return 0, nil
	case Bytes, Text:
		return 0, w.sized(f, sc, v)
	case CText:
		s := ""
		if v != nil {
			if s, err = toText(w.at(f), v); err != nil {
				return 0, err
			}
		}
		if i := slices.Index([]byte(s), 0); i >= 0 {
			return 0, fieldErr(w.at(f), "", "a NUL ends this string, so it cannot hold one")
		}
		w.bytes(append([]byte(s), 0))
		return 0, nil
	case Name:
		s := ""
		if v != nil {
			if s, err = toText(w.at(f), v); err != nil {
				return 0, err
			}
		}
		return 0, w.name(f, s)
	case Struct:
		return 0, w.object(f.Items, w.at(f), v)
	case List:
		return w.list(f, sc, v)
	case Choice:
		return 0, w.choice(f, sc, v)
	case Options:
		return 0, w.options(f, v)
	}
	return 0, nil
}

func (f *Field) addrBytes(path string, v Value) ([]byte, error) {
	if v == nil {
		return make([]byte, f.width()/8), nil
	}
	if f.Kind == MACs {
		m, err := toMAC(path, v)
		return m[:], err
	}
	a, err := toAddr(path, v, f.Kind == IPv6)
	if err != nil {
		return nil, err
	}
	return a.AsSlice(), nil
}

// sized writes bytes or text into their room: cut never, filled with zeros.
func (w *writer) sized(f *Field, sc *scope, v Value) error {
	var b []byte
	if v != nil {
		var err error
		if b, err = toBytes(w.at(f), v); err != nil {
			return err
		}
	}
	s := &f.Size
	switch {
	case s.Prefix > 0:
		if lim := 1<<uint(8*s.Prefix) - 1; len(b) > lim {
			return fieldErr(w.at(f), "", "%d bytes are more than the %d that its length can tell", len(b), lim)
		}
		w.put(uint64(len(b)), s.Prefix*8, false)
	case s.N > 0:
		if len(b) > s.N {
			return fieldErr(w.at(f), "", "%d bytes are more than the %d it has", len(b), s.N)
		}
		if len(b) < s.N {
			b = append(append(make([]byte, 0, s.N), b...), make([]byte, s.N-len(b))...)
		}
	}
	w.bytes(b)
	return nil
}

// object writes the rows of an object value.
func (w *writer) object(rows []*Field, path string, v Value) error {
	obj, ok := v.(Fields)
	if v != nil && !ok {
		return fieldErr(path, "an object with "+rowNames(rows), "%s is not an object", describe(v))
	}
	if err := checkNames(obj, rows, path); err != nil {
		return err
	}
	outer := w.path
	w.path = path
	defer func() { w.path = outer }()
	var sc scope
	return w.fields(rows, &sc, func(f *Field) Value { return obj.Get(f.Name) })
}

func checkNames(obj Fields, rows []*Field, path string) error {
	for _, fv := range obj {
		if !slices.ContainsFunc(rows, func(f *Field) bool { return f.Name == fv.Name }) {
			return UnknownField(path, fv.Name, rows)
		}
	}
	return nil
}

// UnknownField is the error for a name that no row of the table has.
func UnknownField(path, name string, rows []*Field) error {
	var names []string
	for _, f := range rows {
		names = append(names, f.Name)
	}
	hint := "the fields are " + rowNames(rows)
	if n := Nearest(name, names); n != "" {
		hint = fmt.Sprintf("did you mean %q?", n)
	}
	return fieldErr(path, hint, "there is no field %q", name)
}

func rowNames(rows []*Field) string {
	var names []string
	for _, f := range rows {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	return listSome(names)
}

func (w *writer) list(f *Field, sc *scope, v Value) (int, error) {
	var l []any
	switch x := v.(type) {
	case nil:
	case []any:
		l = x
	default:
		l = []any{v} // one value is taken for a list
	}
	if n := f.Size.N; n > 0 && f.Size.Field == "" && f.Size.Prefix == 0 {
		if len(l) > n {
			return 0, fieldErr(w.at(f), "", "%d items are more than the %d it has", len(l), n)
		}
		l = append(slices.Clone(l), make([]any, n-len(l))...)
	}
	bare := len(f.Items) == 1 && f.Items[0].Name == ""
	outer := w.path
	defer func() { w.path = outer }()
	for i, x := range l {
		path := fmt.Sprintf("%s.%s[%d]", outer, f.Name, i)
		var err error
		if bare {
			w.path = path
			_, err = w.field(f.Items[0], sc, x)
		} else {
			err = w.object(f.Items, path, x)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(l), nil
}

func (w *writer) choice(f *Field, sc *scope, v Value) error {
	on, _ := sc.get(f.On)
	c := f.Cases[on]
	lenAt := w.pos
	if f.Size.Prefix > 0 {
		w.put(0, f.Size.Prefix*8, false)
	}
	start := w.pos
	if obj, ok := v.(Fields); ok && len(obj) == 0 && c == nil {
		v = nil // the default of a body, where no case says what it is of
	}
	if c != nil {
		if raw, ok := v.([]byte); ok && c.Kind != Bytes { // bytes stand for any body
			w.bytes(raw)
		} else if v != nil {
			row := *c
			row.Name = f.Name
			if _, err := w.field(&row, sc, v); err != nil {
				return err
			}
		}
	} else if v != nil {
		b, err := toBytes(w.at(f), v)
		if err != nil {
			return err
		}
		w.bytes(b)
	}
	if most := f.Size.N; most > 0 && f.Size.Field == "" {
		n := (w.pos - start) / 8
		if n > most {
			return fieldErr(w.at(f), "", "%d bytes are more than the %d it has", n, most)
		}
		w.bytes(make([]byte, most-n))
	}
	if f.Size.Prefix > 0 {
		n := (w.pos - start) / 8
		if lim := 1<<uint(8*f.Size.Prefix) - 1; n > lim {
			return fieldErr(w.at(f), "", "%d bytes are more than the %d that its length can tell", n, lim)
		}
		end := w.pos
		w.pos = lenAt
		w.put(uint64(n), f.Size.Prefix*8, false)
		w.pos = end
	}
	return nil
}

// options writes a set of options in the order they were told.
func (w *writer) options(f *Field, v Value) error {
	t := f.TLV
	path := w.at(f)
	lenAt := w.pos
	if f.Size.Prefix > 0 {
		w.put(0, f.Size.Prefix*8, false)
	}
	start := w.pos
	switch x := v.(type) {
	case nil:
	case []byte:
		w.bytes(x)
	case Fields:
		if err := w.optionSet(t, path, x); err != nil {
			return err
		}
	case []any:
		if len(t.Options) > 0 {
			return fieldErr(path, "options by name, and raw: [{ "+t.rawType()+", data }]", "a list is not an object")
		}
		if err := w.rawOptions(t, path, x); err != nil {
			return err
		}
	default:
		return fieldErr(path, "", "%s is not an object", describe(v))
	}
	empty := w.pos == start
	if t.WriteEnd && (v != nil || f.Default != nil) {
		if b, ok := v.([]byte); !ok || len(b) == 0 {
			w.put(uint64(t.End), 8, false)
		}
	}
	if t.Align > 0 && (!empty || t.Start > 0) {
		w.fill(t, (t.Align-(t.Start+(w.pos-start)/8)%t.Align)%t.Align)
	}
	w.fill(t, t.MinBytes-(w.pos-start)/8)
	if f.Size.Prefix > 0 {
		end := w.pos
		w.pos = lenAt
		w.put(uint64((end-start)/8), f.Size.Prefix*8, false)
		w.pos = end
	}
	return nil
}

// fill pads a set of options by n bytes.
func (w *writer) fill(t *TLV, n int) {
	switch {
	case n <= 0:
	case t.PadN != 0 && n > 1:
		w.bytes(append([]byte{byte(t.PadN), byte(n - 2)}, make([]byte, n-2)...))
	case t.End >= 0 && !t.WriteEnd:
		w.bytes(make([]byte, n)) // the end mark is 0 wherever sets are aligned by it
	default:
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(max(t.Pad, 0))
		}
		w.bytes(b)
	}
}

func (w *writer) optionSet(t *TLV, path string, set Fields) error {
	for _, fv := range set {
		if fv.Value == nil {
			continue
		}
		if fv.Name == "raw" {
			l, ok := fv.Value.([]any)
			if !ok {
				l = []any{fv.Value}
			}
			if err := w.rawOptions(t, path+".raw", l); err != nil {
				return err
			}
			continue
		}
		o := t.byName(fv.Name)
		if o == nil {
			names := make([]string, 0, len(t.Options)+1)
			for _, o := range t.Options {
				names = append(names, o.Field.Name)
			}
			names = append(names, "raw")
			hint := "the options are " + listSome(names)
			if n := Nearest(fv.Name, names); n != "" {
				hint = fmt.Sprintf("did you mean %q?", n)
			}
			return fieldErr(path, hint, "there is no option %q", fv.Name)
		}
		vals := []any{fv.Value}
		if o.Many {
			if l, ok := fv.Value.([]any); ok {
				vals = l
			}
		}
		for _, v := range vals {
			if err := w.namedOption(t, path, o, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) namedOption(t *TLV, path string, o *Option, v any) error {
	sub := writer{reg: w.reg, path: path, buf: make([]byte, o.Skip), pos: o.Skip * 8}
	if o.Field.Kind == Uint && o.Field.Bits == 0 {
		if n, _, _, ok := toInteger(v); !ok || n == 0 {
			return nil // { sackOk: 0 } is no option
		}
	} else {
		var sc scope
		if _, err := sub.field(&o.Field, &sc, v); err != nil {
			return err
		}
	}
	return w.option(t, path+"."+o.Field.Name, o.Type, sub.buf)
}

func (w *writer) rawOptions(t *TLV, path string, l []any) error {
	for i, x := range l {
		at := fmt.Sprintf("%s[%d]", path, i)
		obj, ok := x.(Fields)
		if !ok {
			return fieldErr(at, "{ "+t.rawType()+": 1, data: hex('…') }", "%s is not an object", describe(x))
		}
		typeRow := &Field{Name: t.rawType(), Kind: Uint, Bits: 8 * t.TypeBytes}
		dataRow := &Field{Name: "data", Kind: Bytes}
		if err := checkNames(obj, []*Field{typeRow, dataRow}, at); err != nil {
			return err
		}
		typ, err := typeRow.toNumber(at+"."+t.rawType(), orZero(obj.Get(t.rawType())))
		if err != nil {
			return err
		}
		var data []byte
		if d := obj.Get("data"); d != nil {
			if data, err = toBytes(at+".data", d); err != nil {
				return err
			}
		}
		if len(data) == 0 && t.TypeBytes == 1 && (int(typ) == t.Pad || int(typ) == t.End) {
			w.put(typ, 8, false)
			continue
		}
		if err := w.option(t, at, typ, data); err != nil {
			return err
		}
	}
	return nil
}

func orZero(v any) any {
	if v == nil {
		return uint64(0)
	}
	return v
}

func (w *writer) option(t *TLV, path string, typ uint64, data []byte) error {
	u := max(t.LenUnit, 1)
	for (len(data)+t.LenPlus)%u != 0 {
		data = append(data, 0)
	}
	n := (len(data) + t.LenPlus) / u
	if lim := int(math.Pow(2, float64(8*t.LenBytes))) - 1; n > lim {
		return fieldErr(path, "", "%d bytes are more than an option can hold", len(data))
	}
	w.put(typ, 8*t.TypeBytes, t.LE)
	w.put(uint64(n), 8*t.LenBytes, t.LE)
	w.bytes(data)
	return nil
}

// name writes a domain name, compressed against the names before it.
func (w *writer) name(f *Field, s string) error {
	labels, err := splitName(s)
	if err != nil {
		return fieldErr(w.at(f), "", "%s is no domain name: %v", describe(s), err)
	}
	for i := range labels {
		key := ""
		for _, l := range labels[i:] {
			key += string([]byte{byte(len(l))}) + string(l)
		}
		if at, ok := w.names[key]; ok && !f.Whole {
			w.put(uint64(0xc000|at), 16, false)
			return nil
		}
		if _, known := w.names[key]; !known && w.pos/8 < 0x4000 {
			if w.names == nil {
				w.names = map[string]int{}
			}
			w.names[key] = w.pos / 8
		}
		w.bytes(append([]byte{byte(len(labels[i]))}, labels[i]...))
	}
	w.bytes([]byte{0})
	return nil
}
