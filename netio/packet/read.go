package packet

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxItems bounds the list items and options that one walk over a header may
// meet, so that a hostile packet cannot make it long.
const maxItems = 1 << 14

// reader walks the rows of a header whose places depend on the bytes. It
// goes as far as the bytes let it; err is the first thing that was wrong.
type reader struct {
	reg   *Registry
	msg   []byte // from the header's start: compressed names point into it
	pos   int    // bits from the start of msg
	end   int    // bytes: nothing is read from here on
	items int
	depth int
	err   error
}

// scope holds the numbers read so far that later rows depend on.
type scope struct {
	n int
	f [12]*Field
	v [12]uint64
}

func (s *scope) put(f *Field, v uint64) {
	if s.n < len(s.f) {
		s.f[s.n], s.v[s.n] = f, v
		s.n++
	}
}

// set changes the number of a field that was put.
func (s *scope) set(f *Field, v uint64) {
	for i := range s.n {
		if s.f[i] == f {
			s.v[i] = v
		}
	}
}

func (s *scope) get(name string) (uint64, bool) {
	for i := s.n - 1; i >= 0; i-- {
		if s.f[i].Name == name {
			return s.v[i], true
		}
	}
	return 0, false
}

func (s *scope) holds(when []Cond) bool {
	for i := range when {
		v, ok := s.get(when[i].Field)
		if !ok || !when[i].holds(v) {
			return false
		}
	}
	return true
}

var errShort = errors.New("cut off")

func (r *reader) fail(f *Field, format string, a ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(f.Name+": "+format, a...)
	}
}

// measure returns the length of a header with rows of varying size.
func (proto *Proto) measure(reg *Registry, h []byte) int {
	r := reader{reg: reg, msg: h, end: len(h)}
	var sc scope
	if !r.fields(proto.Fields, &sc, nil, nil) {
		return len(h) // what cannot be read is not what follows, either
	}
	return min((r.pos+7)/8, len(h))
}

// walkValue reads one field of a header by walking up to it.
func (f *Field) walkValue(reg *Registry, h []byte) (Value, bool) {
	r := reader{reg: reg, msg: h, end: len(h)}
	var sc scope
	var v Value
	if !r.fields(f.proto.Fields, &sc, f, func(_ *Field, x Value) { v = x }) {
		return nil, false
	}
	return v, v != nil
}

// fields walks rows in order. It calls emit for the one wanted and stops
// there, or for each when want is nil; with emit nil nothing is made.
// It reports whether it got to the end, or to the wanted row.
func (r *reader) fields(rows []*Field, sc *scope, want *Field, emit func(*Field, Value)) bool {
	for _, f := range rows {
		if len(f.When) > 0 && !sc.holds(f.When) {
			if f == want {
				return false
			}
			continue
		}
		back := -1
		if f.At > 0 {
			back = r.pos
			r.pos = f.At*8 + f.Bit
		}
		make := emit != nil && (want == nil || want == f)
		v := r.field(f, sc, make)
		if make && v != nil {
			emit(f, v)
		}
		if f == want {
			return true
		}
		r.pos = max(r.pos, back)
		if r.err != nil {
			return false
		}
	}
	return want == nil
}

// take returns the next n whole bytes, or nil.
func (r *reader) take(f *Field, n int) []byte {
	at := r.pos / 8
	if n < 0 || r.pos&7 != 0 || at+n > r.end {
		r.short(f, n)
		return nil
	}
	r.pos += n * 8
	return r.msg[at : at+n : at+n]
}

func (r *reader) short(f *Field, n int) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w, %d bytes wanted, %d left", f.Name, errShort, max(n, 0), max(r.end-r.pos/8, 0))
	}
}

func (r *reader) bits(f *Field, w int, le bool) uint64 {
	last := (r.pos + w + 7) / 8
	if last > r.end {
		r.short(f, (w+7)/8)
		return 0
	}
	var v uint64
	if le {
		for i := last - 1; i >= r.pos/8; i-- {
			v = v<<8 | uint64(r.msg[i])
		}
		r.pos += w
		return v
	}
	for n := w; n > 0; {
		in := 8 - r.pos&7
		take := min(in, n)
		b := r.msg[r.pos/8] >> uint(in-take) & (1<<uint(take) - 1)
		v = v<<uint(take) | uint64(b)
		r.pos += take
		n -= take
	}
	return v
}

// size is the length of a sized row in its unit: bytes, or items for a list.
func (r *reader) size(f *Field, sc *scope) (n int, rest bool) {
	s := &f.Size
	switch {
	case s.Prefix > 0:
		return int(r.bits(f, s.Prefix*8, false)), false
	case s.Field != "":
		v, _ := sc.get(s.Field)
		if v > 1<<24 {
			v = 1 << 24
		}
		return max(int(v)*max(s.Unit, 1)/max(s.Div, 1)+s.Plus, 0), false
	case s.N > 0:
		return s.N, false
	}
	return r.end - r.pos/8, true
}

func (r *reader) field(f *Field, sc *scope, make bool) Value {
	switch f.Kind {
	case Uint, Int, Float, Flags:
		v := r.bits(f, f.Bits, f.LE)
		if r.err != nil {
			return nil
		}
		if f.steers {
			sc.put(f, v)
		}
		if make {
			return f.number(v)
		}
	case MACs, IPv4, IPv6:
		b := r.take(f, f.width()/8)
		if b != nil && make {
			return f.fixedValue(b)
		}
	case Bytes, Text:
		n, _ := r.size(f, sc)
		b := r.take(f, n)
		if b == nil || !make {
			return nil
		}
		if f.Kind == Text {
			return cutText(b)
		}
		return append([]byte{}, b...)
	case CText:
		at := r.pos / 8
		if at > r.end {
			r.short(f, 1)
			return nil
		}
		n := bytes.IndexByte(r.msg[at:r.end], 0)
		if n < 0 {
			r.fail(f, "no NUL ends the string")
			return nil
		}
		r.pos += (n + 1) * 8
		if make {
			return string(r.msg[at : at+n])
		}
	case Name:
		s, next, err := readName(r.msg[:r.end], r.pos/8, make)
		if err != nil {
			r.fail(f, "%v", err)
			return nil
		}
		r.pos = next * 8
		if make {
			return s
		}
	case Struct:
		return r.object(f, make)
	case List:
		return r.list(f, sc, make)
	case Choice:
		return r.choice(f, sc, make)
	case Options:
		n, _ := r.size(f, sc)
		b := r.take(f, n)
		if b == nil && n > 0 {
			at := r.pos / 8 // as far as it goes
			if at >= r.end {
				return nil
			}
			b = r.msg[at:r.end]
		}
		return r.options(f, b, make)
	}
	return nil
}

func cutText(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// enter guards recursion: tables nest a little, hostile bytes must not more.
func (r *reader) enter(f *Field) bool {
	r.items++
	if r.depth++; r.depth > 16 || r.items > maxItems {
		r.fail(f, "too many or too deep")
	}
	return r.err == nil
}

func (r *reader) object(f *Field, make bool) Value {
	if !r.enter(f) {
		return nil
	}
	defer func() { r.depth-- }()
	var sc scope
	if !make {
		r.fields(f.Items, &sc, nil, nil)
		return nil
	}
	obj := Fields{}
	r.fields(f.Items, &sc, nil, func(it *Field, v Value) {
		if !it.Hidden {
			obj = append(obj, FieldValue{it.Name, v})
		}
	})
	return obj
}

// item reads one list item: an unnamed single row gives its bare value.
func (r *reader) item(f *Field, sc *scope, make bool) Value {
	if len(f.Items) == 1 && f.Items[0].Name == "" {
		return r.field(f.Items[0], sc, make)
	}
	if !make {
		r.fields(f.Items, sc, nil, nil)
		return nil
	}
	obj := Fields{}
	r.fields(f.Items, sc, nil, func(it *Field, v Value) {
		if !it.Hidden {
			obj = append(obj, FieldValue{it.Name, v})
		}
	})
	return obj
}

func (r *reader) list(f *Field, sc *scope, make bool) Value {
	n, rest := r.size(f, sc)
	out := []any{}
	for i := 0; (rest || i < n) && r.err == nil; i++ {
		if rest && r.pos/8 >= r.end {
			break
		}
		at := r.pos
		if !r.enter(f) {
			break
		}
		var in scope
		v := r.item(f, &in, make)
		r.depth--
		if make && v != nil && r.err == nil {
			out = append(out, v)
		}
		if f.Until != nil {
			if u, ok := in.get(f.Until.Field); ok && f.Until.holds(u) {
				break
			}
		}
		if r.pos == at && rest {
			r.fail(f, "items take no bytes")
		}
	}
	if !make {
		return nil
	}
	return out
}

func (r *reader) choice(f *Field, sc *scope, make bool) Value {
	n, _ := r.size(f, sc)
	at := r.pos / 8
	if r.err != nil || r.pos&7 != 0 || at+n > r.end {
		r.short(f, n)
		return nil
	}
	on, _ := sc.get(f.On)
	c := f.Cases[on]
	if c == nil || !make {
		r.pos += n * 8
		if make {
			return append([]byte{}, r.msg[at:at+n]...)
		}
		return nil
	}
	outer, before := r.end, r.err
	r.end = at + n
	var in scope
	v := r.field(c, &in, true)
	if r.err != nil || r.pos != (at+n)*8 { // a body that does not read as its type, to its end, is bytes
		r.err = before
		v = append([]byte{}, r.msg[at:at+n]...)
	}
	r.end, r.pos = outer, (at+n)*8
	return v
}

// options reads a set of options in b. What is not known, malformed or met a
// second time stands in raw.
func (r *reader) options(f *Field, b []byte, make bool) Value {
	t := f.TLV
	var known Fields
	var raw []any
	off := 0
	for off < len(b) {
		if r.items++; r.items > maxItems {
			r.fail(f, "too many options")
			break
		}
		if off+t.TypeBytes > len(b) {
			r.fail(f, "cut off in the type of an option")
			break
		}
		typ := t.number(b[off:], t.TypeBytes)
		if int(typ) == t.Pad && t.TypeBytes == 1 {
			off++
			continue
		}
		if int(typ) == t.End && t.TypeBytes == 1 {
			break
		}
		if off+t.TypeBytes+t.LenBytes > len(b) {
			r.fail(f, "option %d is cut off", typ)
			break
		}
		n := int(t.number(b[off+t.TypeBytes:], t.LenBytes))*max(t.LenUnit, 1) - t.LenPlus
		start := off + t.TypeBytes + t.LenBytes
		if n < 0 || start+n > len(b) {
			r.fail(f, "option %d tells a length of %d, %d bytes are left", typ, n, len(b)-start)
			break
		}
		data := b[start : start+n]
		off = start + n
		if !make {
			continue
		}
		if t.PadN != 0 && int(typ) == t.PadN {
			continue
		}
		if o := t.byType(typ); o != nil {
			before := known.Get(o.Field.Name)
			if before == nil || o.Many {
				if v := r.optionValue(o, data); v != nil {
					switch l, _ := before.([]any); {
					case !o.Many:
						known = append(known, FieldValue{o.Field.Name, v})
					case l == nil:
						known = append(known, FieldValue{o.Field.Name, []any{v}})
					default:
						known.set(o.Field.Name, append(l, v))
					}
					continue
				}
			}
		}
		raw = append(raw, Fields{{t.rawType(), typ}, {"data", append([]byte{}, data...)}})
	}
	if !make {
		return nil
	}
	if len(t.Options) == 0 {
		if raw == nil {
			raw = []any{}
		}
		return raw
	}
	if raw != nil {
		known = append(known, FieldValue{"raw", raw})
	}
	if known == nil {
		known = Fields{}
	}
	return known
}

// optionValue reads an option's data, or returns nil when it does not read
// exactly as its type.
func (r *reader) optionValue(o *Option, data []byte) Value {
	if o.Field.Kind == Uint && o.Field.Bits == 0 {
		if len(data) == 0 {
			return uint64(1)
		}
		return nil
	}
	if len(data) < o.Skip {
		return nil
	}
	data = data[o.Skip:]
	sub := reader{reg: r.reg, msg: data, end: len(data), items: r.items, depth: r.depth + 1}
	var sc scope
	v := sub.field(&o.Field, &sc, true)
	r.items = sub.items
	if sub.err != nil || sub.pos != len(data)*8 {
		return nil
	}
	return v
}

func (t *TLV) number(b []byte, n int) uint64 {
	var v uint64
	for i := range n {
		if t.LE {
			v |= uint64(b[i]) << uint(8*i)
		} else {
			v = v<<8 | uint64(b[i])
		}
	}
	return v
}

func (t *TLV) byType(typ uint64) *Option {
	for _, o := range t.Options {
		if o.Type == typ {
			return o
		}
	}
	return nil
}

func (t *TLV) byName(name string) *Option {
	for _, o := range t.Options {
		if o.Field.Name == name {
			return o
		}
	}
	return nil
}

func (t *TLV) rawType() string {
	if t.RawType == "" {
		return "type"
	}
	return t.RawType
}

// readName reads a domain name at off, following compression pointers
// (RFC 1035 section 4.1.4), and returns where the next row starts. Dots and
// backslashes within a label, and bytes that do not print, are escaped as
// zone files do (RFC 1035 section 5.1).
func readName(msg []byte, off int, make bool) (string, int, error) {
	var b strings.Builder
	next, jumps, length := -1, 0, 0
	for {
		if off >= len(msg) {
			return "", 0, errors.New("the name is cut off")
		}
		n := int(msg[off])
		switch {
		case n == 0:
			if next < 0 {
				next = off + 1
			}
			return b.String(), next, nil
		case n&0xc0 == 0xc0:
			if off+2 > len(msg) {
				return "", 0, errors.New("the name is cut off")
			}
			if next < 0 {
				next = off + 2
			}
			to := n&0x3f<<8 | int(msg[off+1])
			if jumps++; to >= off || jumps > 64 {
				return "", 0, fmt.Errorf("a compression pointer at byte %d does not point backwards", off)
			}
			off = to
		case n&0xc0 != 0:
			return "", 0, fmt.Errorf("label type %#x at byte %d", n&0xc0, off)
		default:
			if off+1+n > len(msg) {
				return "", 0, errors.New("the name is cut off")
			}
			if length += n + 1; length > 254 {
				return "", 0, errors.New("the name is longer than 255 bytes")
			}
			if make {
				if b.Len() > 0 {
					b.WriteByte('.')
				}
				for _, c := range msg[off+1 : off+1+n] {
					switch {
					case c == '.' || c == '\\':
						b.WriteByte('\\')
						b.WriteByte(c)
					case c < 0x21 || c > 0x7e:
						fmt.Fprintf(&b, "\\%03d", c)
					default:
						b.WriteByte(c)
					}
				}
			}
			off += 1 + n
		}
	}
}

// splitName takes a name apart into labels, undoing escapes.
func splitName(name string) ([][]byte, error) {
	if bare, ok := strings.CutSuffix(name, "."); ok {
		if n := len(bare) - len(strings.TrimRight(bare, "\\")); n%2 == 0 { // the dot is not escaped
			name = bare
		}
	}
	if name == "" {
		return nil, nil
	}
	var labels [][]byte
	cur := []byte{}
	total := 1
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '.' {
			if len(cur) == 0 {
				return nil, errors.New("a label is empty")
			}
			if len(cur) > 63 {
				return nil, fmt.Errorf("the label %q is longer than 63 bytes", cur)
			}
			if total += len(cur) + 1; total > 255 {
				return nil, errors.New("the name is longer than 255 bytes")
			}
			labels = append(labels, cur)
			cur = []byte{}
			continue
		}
		c := name[i]
		if c == '\\' && i+1 < len(name) {
			if i+3 < len(name) && name[i+1] >= '0' && name[i+1] <= '9' {
				if n, err := strconv.ParseUint(name[i+1:i+4], 10, 8); err == nil {
					cur = append(cur, byte(n))
					i += 3
					continue
				}
			}
			i++
			c = name[i]
		}
		cur = append(cur, c)
	}
	return labels, nil
}
