package jsapi

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// A stored value is a byte that names the version of this format, then the
// value: a tag, and what the tag says. Numbers of items and bytes are unsigned
// varints. Equal values, with keys in the same order, give equal bytes.
const storedVersion = 1

// The tags of stored values.
const (
	tagNull   = 'n'
	tagFalse  = 'f'
	tagTrue   = 't'
	tagInt    = 'i' // zigzag varint: a whole number of up to 53 bits
	tagFloat  = 'd' // IEEE 754, big-endian
	tagString = 's' // length, UTF-8
	tagUTF16  = 'u' // units, each big-endian: a string that is no valid Unicode
	tagBytes  = 'b' // length, bytes
	tagArray  = 'a' // items, each of them
	tagObject = 'o' // members, each a key as a string with its tag, and a value
)

const (
	maxStored      = 64 << 20 // bytes of one value
	maxStoredDepth = 500
)

// storedEncoder encodes one value.
type storedEncoder struct {
	a    *API
	what string // names the value in an error
	path []string
	open []*goja.Object // objects that are being encoded: to meet one again is a cycle
	out  []byte
}

func (a *API) encodeStored(what string, v goja.Value) []byte {
	e := &storedEncoder{a: a, what: what, out: []byte{storedVersion}}
	e.value(v)
	return e.out
}

const storableHint = "what JSON can hold, and bytes, can be stored"

func (e *storedEncoder) refuse(hint, kind string) {
	e.a.fail(hint, "%s: the value%s is %s, which cannot be stored", e.what, strings.Join(e.path, ""), kind)
}

func (e *storedEncoder) value(v goja.Value) {
	if len(e.out) > maxStored {
		e.a.fail("keep it in parts", "%s: the value is longer than %d bytes", e.what, maxStored)
	}
	switch {
	case v == nil || goja.IsUndefined(v):
		e.refuse("null stands for nothing", "undefined")
	case goja.IsNull(v):
		e.out = append(e.out, tagNull)
		return
	case goja.IsString(v):
		e.text(v)
		return
	case goja.IsNumber(v):
		e.number(v.ToFloat())
		return
	case goja.IsBigInt(v):
		e.refuse("as text: String(n)", "a BigInt")
	}
	o, ok := v.(*goja.Object)
	if !ok {
		switch x := v.Export().(type) {
		case bool:
			if x {
				e.out = append(e.out, tagTrue)
			} else {
				e.out = append(e.out, tagFalse)
			}
			return
		}
		e.refuse(storableHint, "a symbol")
	}
	if b := bytesOf(o); b != nil {
		e.out = binary.AppendUvarint(append(e.out, tagBytes), uint64(len(b)))
		e.out = append(e.out, b...)
		return
	}
	e.object(o)
}

func (e *storedEncoder) object(o *goja.Object) {
	if slices.Contains(e.open, o) {
		e.refuse(storableHint, "part of itself")
	}
	if len(e.open) == maxStoredDepth {
		e.a.fail("", "%s: the value is nested more than %d deep", e.what, maxStoredDepth)
	}
	e.open = append(e.open, o)
	switch t := o.ExportType(); {
	case t == typeView:
		e.refuse("its bytes: pkt.bytes", "a packet")
	case t == typeLayer:
		e.refuse("its bytes, or the fields that matter", "a layer")
	case t == typeFunction || t == typeClass || t == typePromise:
		e.refuse(storableHint, e.a.describe(o))
	case t == typeList && o.ClassName() == "Array":
		n := o.Get("length").ToInteger()
		if n > maxItems {
			e.a.fail("keep it in parts", "%s: a list of %d; at most %d", e.what, n, maxItems)
		}
		e.out = binary.AppendUvarint(append(e.out, tagArray), uint64(n))
		for i := range n {
			k := strconv.FormatInt(i, 10)
			e.member("["+k+"]", o.Get(k))
		}
	case t == typePlain && o.ClassName() == "Object":
		at := len(e.out) + 1
		keys := o.Keys()
		e.out = binary.AppendUvarint(append(e.out, tagObject), uint64(len(keys)))
		left := 0
		for _, k := range keys {
			v := o.Get(k)
			if v == nil || goja.IsUndefined(v) { // as JSON does
				left++
				continue
			}
			e.text(e.a.rt.ToValue(k))
			e.member("."+k, v)
		}
		if left > 0 { // the number of members was too large
			n := binary.AppendUvarint(nil, uint64(len(keys)-left))
			_, was := binary.Uvarint(e.out[at:])
			e.out = slices.Replace(e.out, at, at+was, n...)
		}
	default:
		kind := o.ClassName()
		if class := e.a.natives.typed(o); class != "" {
			kind = class
		}
		switch {
		case kind == "Date":
			e.refuse("its time: date.getTime()", "a Date")
		case t == typeMap:
			e.refuse("a list: [...value]", "a Map")
		case t == typeList:
			e.refuse("a list: [...value]", "a Set")
		case kind == "Object":
			e.refuse(storableHint, "an object of the engine")
		}
		e.refuse(storableHint, "a "+kind)
	}
	e.open = e.open[:len(e.open)-1]
}

func (e *storedEncoder) member(step string, v goja.Value) {
	e.path = append(e.path, step)
	e.value(v)
	e.path = e.path[:len(e.path)-1]
}

func (e *storedEncoder) number(x float64) {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		e.refuse(storableHint, strconv.FormatFloat(x, 'g', -1, 64))
	case x == math.Trunc(x) && math.Abs(x) <= 1<<53 && (x != 0 || !math.Signbit(x)):
		e.out = binary.AppendVarint(append(e.out, tagInt), int64(x))
	default:
		e.out = binary.BigEndian.AppendUint64(append(e.out, tagFloat), math.Float64bits(x))
	}
}

func (e *storedEncoder) text(v goja.Value) {
	s := v.String()
	if strings.ContainsRune(s, '\ufffd') { // that character, or half of a pair
		if u, ok := v.ToString().(goja.String); ok {
			units := make([]uint16, u.Length())
			for i := range units {
				units[i] = u.CharAt(i)
			}
			e.out = binary.AppendUvarint(append(e.out, tagUTF16), uint64(len(units)))
			for _, c := range units {
				e.out = binary.BigEndian.AppendUint16(e.out, c)
			}
			return
		}
	}
	e.out = binary.AppendUvarint(append(e.out, tagString), uint64(len(s)))
	e.out = append(e.out, s...)
}

// storedDecoder decodes one value. The bytes may be a damaged file's.
type storedDecoder struct {
	a     *API
	b     []byte
	depth int
}

var errStored = errors.New("what is stored is damaged, or of a newer version of umpa-run")

func (a *API) decodeStored(b []byte) (goja.Value, error) {
	if len(b) == 0 || b[0] != storedVersion {
		return nil, errStored
	}
	d := &storedDecoder{a: a, b: b[1:]}
	v, ok := d.value()
	if !ok || len(d.b) > 0 {
		return nil, errStored
	}
	return v, nil
}

// take returns the next n bytes.
func (d *storedDecoder) take(n uint64) ([]byte, bool) {
	if n > uint64(len(d.b)) {
		return nil, false
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b, true
}

// count reads a number of things that take at least size bytes each.
func (d *storedDecoder) count(size uint64) (uint64, bool) {
	n, used := binary.Uvarint(d.b)
	if used <= 0 || n > uint64(len(d.b))/size {
		return 0, false
	}
	d.b = d.b[used:]
	return n, true
}

func (d *storedDecoder) value() (v goja.Value, ok bool) {
	tag, ok := d.take(1)
	if !ok {
		return nil, false
	}
	rt := d.a.rt
	switch tag[0] {
	case tagNull:
		return goja.Null(), true
	case tagFalse:
		return rt.ToValue(false), true
	case tagTrue:
		return rt.ToValue(true), true
	case tagInt:
		n, used := binary.Varint(d.b)
		if used <= 0 {
			return nil, false
		}
		d.b = d.b[used:]
		return rt.ToValue(n), true
	case tagFloat:
		b, ok := d.take(8)
		if !ok {
			return nil, false
		}
		return rt.ToValue(math.Float64frombits(binary.BigEndian.Uint64(b))), true
	case tagString, tagUTF16:
		return d.text(tag[0])
	case tagBytes:
		n, ok := d.count(1)
		if !ok {
			return nil, false
		}
		b, ok := d.take(n)
		return d.a.uint8Array(append([]byte{}, b...)), ok
	case tagArray, tagObject:
		if d.depth++; d.depth > maxStoredDepth {
			return nil, false
		}
		defer func() { d.depth-- }()
		if tag[0] == tagArray {
			return d.array()
		}
		return d.object()
	}
	return nil, false
}

func (d *storedDecoder) text(tag byte) (goja.Value, bool) {
	if tag == tagString {
		n, ok := d.count(1)
		if !ok {
			return nil, false
		}
		b, ok := d.take(n)
		return d.a.rt.ToValue(string(b)), ok
	}
	n, ok := d.count(2)
	if !ok {
		return nil, false
	}
	b, ok := d.take(2 * n)
	if !ok {
		return nil, false
	}
	units := make([]uint16, n)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return goja.StringFromUTF16(units), true
}

func (d *storedDecoder) array() (goja.Value, bool) {
	n, ok := d.count(1)
	if !ok {
		return nil, false
	}
	list := make([]any, n)
	for i := range list {
		if list[i], ok = d.value(); !ok {
			return nil, false
		}
	}
	return d.a.rt.NewArray(list...), true
}

func (d *storedDecoder) object() (goja.Value, bool) {
	n, ok := d.count(3)
	if !ok {
		return nil, false
	}
	o := d.a.rt.NewObject()
	for range n {
		tag, ok := d.take(1)
		if !ok || tag[0] != tagString && tag[0] != tagUTF16 {
			return nil, false
		}
		k, ok := d.text(tag[0])
		if !ok {
			return nil, false
		}
		v, ok := d.value()
		if !ok {
			return nil, false
		}
		d.a.put(o, k.String(), v)
	}
	return o, true
}
