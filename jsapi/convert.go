package jsapi

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strconv"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// What Object.ExportType tells of an object without running any of its code.
// A script's own object is never exported: on a cycle of Maps that would not
// return.
var (
	typeBytes       = reflect.TypeFor[[]byte]()
	typeArrayBuffer = reflect.TypeFor[goja.ArrayBuffer]()
	typeList        = reflect.TypeFor[[]any]()
	typeFunction    = reflect.TypeFor[func(goja.FunctionCall) goja.Value]()
	typeClass       = reflect.TypeFor[func(goja.ConstructorCall) *goja.Object]()
	typePromise     = reflect.TypeFor[*goja.Promise]()
	typeView        = reflect.TypeFor[*view]()
	typeLayer       = reflect.TypeFor[*layer]()
	typeCombined    = reflect.TypeFor[*combined]()
)

const (
	maxDepth = 32      // of a script's nested lists and objects
	maxItems = 1 << 20 // of a script's list
)

// null stands for JavaScript's null, which no field takes.
type null struct{}

func (null) String() string { return "null" }

// describe shows a script's value in an error, without running script code.
func (a *API) describe(v goja.Value) string {
	switch {
	case v == nil || goja.IsUndefined(v):
		return "undefined"
	case goja.IsString(v):
		s := v.String()
		if len(s) > 60 {
			s = s[:57] + "..."
		}
		return "'" + s + "'"
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return v.String()
	}
	switch o.ExportType() {
	case typeView:
		return "a packet"
	case typeLayer:
		return "a layer"
	case typeFunction:
		return "a function"
	case typeClass:
		return "a class"
	case typeList:
		return "an array"
	case typePromise:
		return "a promise"
	case typeVarying:
		return "a varying value"
	case typeBytes, typeArrayBuffer:
		return fmt.Sprintf("an array of %d bytes", len(bytesOf(o)))
	}
	return "an object"
}

// bytesOf returns the bytes of a Uint8Array (or Uint8ClampedArray) or an
// ArrayBuffer, which are the script's own, or nil for anything else.
func bytesOf(v goja.Value) []byte {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	switch o.ExportType() {
	case typeBytes:
		if b, _ := o.Export().([]byte); b != nil {
			return b
		}
		return []byte{}
	case typeArrayBuffer:
		if b := o.Export().(goja.ArrayBuffer).Bytes(); b != nil {
			return b
		}
		return []byte{}
	}
	return nil
}

// isBytes reports whether v is what the contract calls Bytes, and returns a
// copy of them. A string is its UTF-8 bytes.
func isBytes(v goja.Value) ([]byte, bool) {
	if v != nil && goja.IsString(v) {
		return []byte(v.String()), true
	}
	if b := bytesOf(v); b != nil {
		return append([]byte{}, b...), true
	}
	return nil, false
}

// uint8Array makes a Uint8Array of b, which is the script's from then on.
func (a *API) uint8Array(b []byte) goja.Value {
	o, err := a.rt.New(a.newUint8Array, a.rt.ToValue(a.rt.NewArrayBuffer(b)))
	if err != nil {
		a.throw(err)
	}
	return o
}

// fromJS turns a script's value into the loose Go value that the packet
// package takes; undefined becomes nil. path names the place for an error.
func (a *API) fromJS(path string, v goja.Value) any { return a.looseValue(path, v, 0) }

func (a *API) looseValue(path string, v goja.Value, depth int) any {
	if v == nil || goja.IsUndefined(v) {
		return nil
	}
	if depth > maxDepth {
		a.fail("", "%.60s…: nested more than %d deep: a cycle?", path, maxDepth)
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return a.primitive(v)
	}
	switch o.ExportType() {
	case typeBytes, typeArrayBuffer:
		b, _ := isBytes(o)
		return b
	case typeList: // an array, or a Set
		if o.ClassName() == "Array" {
			return a.list(path, o, depth)
		}
	case typeCopied:
		return o.Export().(*copied).Copied
	case typeVarying:
		return o.Export().(*varying).v
	case typeView, typeLayer, typeFunction, typeClass, typePromise, typeCombined, typeReaction:
		a.fail("", "%s: %s is no value of a field", path, a.describe(v))
	}
	if x := a.iterated(path, o); x != nil {
		return x.v
	}
	if o.ClassName() != "Object" {
		switch o.ClassName() {
		case "Number", "String", "Boolean", "BigInt":
			return a.primitive(o.ToString()) // new Number(1): nobody writes it, and nobody means the object
		}
		if s := o.GetSymbol(goja.SymIterator); s != nil && !goja.IsUndefined(s) {
			var list []any
			a.rt.ForOf(o, func(x goja.Value) bool {
				if len(list) == maxItems {
					a.fail("", "%s: more than %d items", path, maxItems)
				}
				list = append(list, a.looseValue(path+"["+strconv.Itoa(len(list))+"]", x, depth+1))
				return true
			})
			return list
		}
		a.fail("", "%s: %s is no value of a field", path, o.ClassName())
	}
	return a.object(path, o, depth)
}

// primitive turns anything but an object into Go.
func (a *API) primitive(v goja.Value) any {
	switch x := v.Export().(type) {
	case nil:
		return null{}
	case int64:
		if x >= 0 {
			return uint64(x)
		}
		return x
	case *big.Int:
		return new(big.Int).Set(x)
	default: // float64, bool, string; a Symbol as what it is called
		return x
	}
}

func (a *API) list(path string, o *goja.Object, depth int) []any {
	n := o.Get("length").ToInteger()
	if n > maxItems {
		a.fail("", "%s: more than %d items", path, maxItems)
	}
	list := make([]any, n)
	for i := range list {
		k := strconv.Itoa(i)
		list[i] = a.looseValue(path+"["+k+"]", o.Get(k), depth+1)
	}
	return list
}

// object turns a plain object into Fields, in the order of its keys; what is
// undefined is left out.
func (a *API) object(path string, o *goja.Object, depth int) packet.Fields {
	keys := o.Keys()
	f := make(packet.Fields, 0, len(keys))
	for _, k := range keys {
		p := k
		if path != "" {
			p = path + "." + k
		}
		if v := a.looseValue(p, o.Get(k), depth+1); v != nil {
			f = append(f, packet.FieldValue{Name: k, Value: v})
		}
	}
	return f
}

// fields reads the object of fields that a builder or a change is given.
func (a *API) fields(proto string, v goja.Value) packet.Fields {
	if v == nil || goja.IsUndefined(v) {
		return nil
	}
	o, ok := v.(*goja.Object)
	if !ok || o.ExportType() == typeList || o.ClassName() != "Object" || o.ExportType() == typeView || o.ExportType() == typeLayer {
		a.fail(proto+"({ … })", "%s: %s is no object of fields", proto, a.describe(v))
	}
	return a.object(proto, o, 0)
}

// options reads an object of options: what is undefined, or not there, is not
// in the map. A name that is not among those known is an error.
func (a *API) options(where string, v goja.Value, known ...string) map[string]goja.Value {
	if v == nil || goja.IsUndefined(v) {
		return nil
	}
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Object" {
		a.fail("", "%s: %s are no options", where, a.describe(v))
	}
	set := map[string]goja.Value{}
next:
	for _, k := range o.Keys() {
		for _, n := range known {
			if n == k {
				if x := o.Get(k); x != nil && !goja.IsUndefined(x) {
					set[k] = x
				}
				continue next
			}
		}
		a.fail(didYouMean(k, known), "%s has no option %s", where, k)
	}
	return set
}

// didYouMean is the hint for a misspelt name.
func didYouMean(name string, known []string) string {
	if n := packet.Nearest(name, known); n != "" {
		return "did you mean " + n + "?"
	}
	return ""
}

// integer is the number v as the script sees it; small ones cost nothing.
func (a *API) integer(v uint64) goja.Value {
	if v < 1<<16 {
		row := a.ints[v>>8]
		if row == nil {
			row = new([256]goja.Value)
			for i := range row {
				row[i] = a.rt.ToValue(int64(v&^0xff) + int64(i))
			}
			a.ints[v>>8] = row
		}
		return row[v&0xff]
	}
	if v > 1<<53 {
		return a.rt.ToValue(new(big.Int).SetUint64(v))
	}
	return a.rt.ToValue(int64(v))
}

// toJS turns a field's value into a script's, freshly made. f may be nil where
// no table describes it.
func (a *API) toJS(f *packet.Field, v packet.Value) goja.Value { return a.valueJS(f, v, false) }

// readJS is toJS for what is read from a header: lists and objects are copies
// that cannot be changed, since a change would not reach the packet.
func (a *API) readJS(f *packet.Field, v packet.Value) goja.Value { return a.valueJS(f, v, true) }

func (a *API) valueJS(f *packet.Field, v packet.Value, frozen bool) goja.Value {
	switch x := v.(type) {
	case nil:
		return goja.Undefined()
	case uint64:
		switch {
		case f != nil && f.Kind == packet.Flags:
			return a.rt.ToValue(f.FlagText(x))
		case f != nil && f.Bits > 53:
			return a.rt.ToValue(new(big.Int).SetUint64(x))
		}
		return a.integer(x)
	case int64:
		if f != nil && f.Bits > 53 || x > 1<<53 || x < -1<<53 {
			return a.rt.ToValue(big.NewInt(x))
		}
		return a.rt.ToValue(x)
	case int:
		return a.rt.ToValue(int64(x))
	case *big.Int:
		return a.rt.ToValue(x)
	case float64:
		return a.rt.ToValue(x)
	case bool:
		return a.rt.ToValue(x)
	case string:
		return a.rt.ToValue(x)
	case packet.MAC:
		return a.mac(x)
	case netip.Addr:
		return a.addr(x)
	case []byte:
		return a.uint8Array(append([]byte{}, x...))
	case []any:
		item := f
		if f != nil && (f.Kind == packet.List && len(f.Items) == 1 && f.Items[0].Name == "") {
			item = f.Items[0]
		}
		list := make([]any, len(x))
		for i := range x {
			list[i] = a.valueJS(item, x[i], frozen)
		}
		o := a.rt.NewArray(list...)
		if frozen {
			a.freeze(o)
		}
		return o
	case packet.Fields:
		o := a.rt.NewObject()
		for i := range x {
			a.put(o, x[i].Name, a.valueJS(partIn(f, x[i].Name, x), x[i].Value, frozen))
		}
		if frozen {
			a.freeze(o)
		}
		return o
	}
	return a.rt.ToValue(fmt.Sprint(v))
}

// put sets a property of an object of ours, whatever a script did to
// Object.prototype.
func (a *API) put(o *goja.Object, name string, v goja.Value) {
	_ = o.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
}

// part finds the row that describes a member of an object or of a set of options.
func part(f *packet.Field, name string) *packet.Field {
	if f == nil {
		return nil
	}
	for _, g := range f.Items {
		if g.Name == name {
			return g
		}
	}
	if f.TLV != nil {
		for _, o := range f.TLV.Options {
			if o.Field.Name == name {
				return &o.Field
			}
		}
	}
	return nil
}

// partIn is part for a member of obj: of a choice, the case that is taken.
func partIn(f *packet.Field, name string, obj packet.Fields) *packet.Field {
	g := part(f, name)
	if g != nil && g.Kind == packet.Choice {
		on, _ := obj.Get(g.On).(uint64)
		return g.Cases[on]
	}
	return g
}

// addressCache keeps the text of addresses that were read, as script values:
// a direct-mapped table, so that it never grows.
type addressCache struct {
	ip4 [1024]struct {
		addr uint32
		v    goja.Value
	}
	ip6 [256]struct {
		addr [16]byte
		v    goja.Value
	}
	mac [1024]struct {
		addr uint64
		v    goja.Value
	}
}

// plain is a string of ASCII as a script's value that needs no second look:
// what Runtime.ToValue makes of more than 16 bytes is scanned when it is used.
func plain(s string) goja.Value {
	var b goja.StringBuilder
	b.WriteUTF8String(s)
	return b.String()
}

func (c *addressCache) ipv4(n uint32) goja.Value {
	e := &c.ip4[(n^n>>10^n>>20)&1023]
	if e.v == nil || e.addr != n {
		e.addr = n
		e.v = plain(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String())
	}
	return e.v
}

func (c *addressCache) ipv6(b [16]byte) goja.Value {
	e := &c.ip6[b[15]^b[14]^b[7]^b[0]]
	if e.v == nil || e.addr != b {
		e.addr = b
		e.v = plain(netip.AddrFrom16(b).String())
	}
	return e.v
}

func (c *addressCache) ethernet(n uint64) goja.Value {
	e := &c.mac[(n^n>>10^n>>24)&1023]
	if e.v == nil || e.addr != n {
		e.addr = n
		e.v = plain(packet.MAC{byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}.String())
	}
	return e.v
}

func (a *API) mac(m packet.MAC) goja.Value {
	var n uint64
	for _, b := range m {
		n = n<<8 | uint64(b)
	}
	return a.addresses.ethernet(n)
}

func (a *API) addr(ip netip.Addr) goja.Value {
	if ip.Is4() {
		b := ip.As4()
		return a.addresses.ipv4(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]))
	}
	return a.addresses.ipv6(ip.As16())
}

// number reads a whole number in lo..hi, and throws where v is none.
func (a *API) number(what string, v goja.Value, lo, hi int64) int64 {
	if v == nil || !goja.IsNumber(v) {
		a.fail("", "%s: %s is not a number", what, a.describe(v))
	}
	x := v.ToFloat()
	if x != math.Trunc(x) || math.IsNaN(x) {
		a.fail("", "%s: %s is not a whole number", what, v)
	}
	if x < float64(lo) || x > float64(hi) {
		a.throw(&packet.FieldError{Path: what, Msg: fmt.Sprintf("%s is out of range %d..%d", v, lo, hi)})
	}
	return int64(x)
}
