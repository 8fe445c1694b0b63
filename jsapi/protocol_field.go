package jsapi

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// fieldDef is what field.u8() and its like make: a row of a table, but for what
// depends on the rows beside it. A script may use one in several protocols.
type fieldDef struct {
	a        *API
	row      packet.Field
	when     packet.Fields // pattern on earlier fields
	until    packet.Fields // list: pattern of the last item
	last     packet.Value  // list of bare values: the last one
	items    []*fieldDef
	bare     bool // list of values, not of objects
	cases    []fieldCase
	lengthOf string   // length: what of
	skip     []string // checksum
}

// fieldCase is one body of a choice, by number or by the number's name.
type fieldCase struct {
	key  string
	defs []*fieldDef
}

var typeFieldDef = reflect.TypeFor[*fieldDef]()

// Get is a member of the script's object.
func (d *fieldDef) Get(key string) goja.Value {
	if key == "name" {
		return d.a.rt.ToValue(d.row.Name)
	}
	return goja.Undefined()
}

// Set refuses: a field does not change.
func (d *fieldDef) Set(string, goja.Value) bool { return false }

// Has says whether there is such a member.
func (d *fieldDef) Has(key string) bool { return key == "name" }

// Delete refuses.
func (d *fieldDef) Delete(string) bool { return false }

// Keys lists the members.
func (d *fieldDef) Keys() []string { return []string{"name"} }

// fieldKinds is the object field: its functions by name.
type fieldKinds struct {
	a     *API
	names []string
	make  map[string]goja.Value
}

// Get returns a function, and throws where there is none of that name.
func (k *fieldKinds) Get(key string) goja.Value {
	if f := k.make[key]; f != nil {
		return f
	}
	if probes[key] {
		return nil
	}
	hint := didYouMean(key, k.names)
	if hint == "" {
		hint = "the kinds are " + strings.Join(k.names, ", ")
	}
	k.a.fail(hint, "there is no kind of field '%s'", key)
	return nil
}

// Set refuses.
func (k *fieldKinds) Set(string, goja.Value) bool { return false }

// Has says whether there is such a kind.
func (k *fieldKinds) Has(key string) bool { return k.make[key] != nil }

// Delete refuses.
func (k *fieldKinds) Delete(string) bool { return false }

// Keys lists the kinds.
func (k *fieldKinds) Keys() []string { return k.names }

// fieldCall is one call of a function of field.
type fieldCall struct {
	a     *API
	where string // "field.u8('id')"
	args  []goja.Value
}

func (c *fieldCall) arg(i int) goja.Value {
	if i < len(c.args) {
		return c.args[i]
	}
	return goja.Undefined()
}

// scalarKinds are the fields that need nothing but a name.
var scalarKinds = []struct {
	name string
	row  packet.Field
}{
	{"u8", packet.Field{Kind: packet.Uint, Bits: 8}}, {"u16", packet.Field{Kind: packet.Uint, Bits: 16}}, {"u24", packet.Field{Kind: packet.Uint, Bits: 24}},
	{"u32", packet.Field{Kind: packet.Uint, Bits: 32}}, {"u64", packet.Field{Kind: packet.Uint, Bits: 64}},
	{"u16le", packet.Field{Kind: packet.Uint, Bits: 16, LE: true}}, {"u32le", packet.Field{Kind: packet.Uint, Bits: 32, LE: true}},
	{"u64le", packet.Field{Kind: packet.Uint, Bits: 64, LE: true}},
	{"i8", packet.Field{Kind: packet.Int, Bits: 8}}, {"i16", packet.Field{Kind: packet.Int, Bits: 16}},
	{"i32", packet.Field{Kind: packet.Int, Bits: 32}}, {"i64", packet.Field{Kind: packet.Int, Bits: 64}},
	{"f32", packet.Field{Kind: packet.Float, Bits: 32}}, {"f64", packet.Field{Kind: packet.Float, Bits: 64}},
	{"mac", packet.Field{Kind: packet.MACs}}, {"ipv4", packet.Field{Kind: packet.IPv4}}, {"ipv6", packet.Field{Kind: packet.IPv6}},
	{"cstring", packet.Field{Kind: packet.CText}},
}

func (a *API) installField() {
	k := &fieldKinds{a: a, make: map[string]goja.Value{}}
	add := func(name string, build func(c *fieldCall, d *fieldDef)) {
		k.names = append(k.names, name)
		k.make[name] = a.function(name, func(call goja.FunctionCall) goja.Value {
			c := &fieldCall{a: a, where: "field." + name, args: call.Arguments}
			d := &fieldDef{a: a}
			c.name(d, name)
			build(c, d)
			return a.rt.NewDynamicObject(d)
		})
	}
	for _, s := range scalarKinds {
		add(s.name, func(c *fieldCall, d *fieldDef) {
			name := d.row.Name
			d.row = s.row
			d.row.Name = name
			c.options(d, 1)
		})
	}
	add("bits", func(c *fieldCall, d *fieldDef) {
		d.row.Kind, d.row.Bits = packet.Uint, c.width(1, 64)
		c.options(d, 2)
	})
	add("flags", func(c *fieldCall, d *fieldDef) {
		d.row.Kind, d.row.Bits = packet.Flags, c.width(1, 64)
		d.row.Letters = c.letters(2, d.row.Bits)
		c.options(d, 3)
	})
	add("bytes", func(c *fieldCall, d *fieldDef) {
		d.row.Kind, d.row.Size = packet.Bytes, c.size(1)
		c.options(d, 2)
	})
	add("string", func(c *fieldCall, d *fieldDef) {
		d.row.Kind, d.row.Size = packet.Text, c.size(1)
		c.options(d, 2)
	})
	add("list", func(c *fieldCall, d *fieldDef) {
		d.row.Kind = packet.List
		d.items, d.bare = c.items(1)
		d.row.Size = c.size(2)
		c.options(d, 3, "until")
	})
	add("choice", func(c *fieldCall, d *fieldDef) {
		d.row.Kind, d.row.Default = packet.Choice, packet.Fields{}
		on := c.arg(1)
		if !goja.IsString(on) {
			a.fail("field.choice('body', 'type', 'length', { 1: [field.u16('port')] })", "%s: %s names no earlier field that chooses", c.where, a.describe(on))
		}
		d.row.On, d.row.Size = on.String(), c.size(2)
		c.cases(d, 3)
		c.options(d, 4)
	})
	add("length", func(c *fieldCall, d *fieldDef) {
		d.row.Kind, d.row.Bits = packet.Uint, c.width(1, 64)
		o := a.options(c.where, c.arg(2), "of", "unit", "plus")
		d.lengthOf = "both"
		if x := o["of"]; x != nil {
			if !goja.IsString(x) {
				a.fail("'layer', 'payload', 'both', or the name of a later field", "%s: of: %s is nothing that has a length", c.where, a.describe(x))
			}
			d.lengthOf = x.String()
		}
		d.row.Auto = &packet.Auto{What: packet.AutoLength, Unit: 1}
		if x := o["unit"]; x != nil {
			d.row.Auto.Unit = int(a.number(c.where+": unit", x, 1, 1<<16))
		}
		if x := o["plus"]; x != nil {
			d.row.Auto.Plus = int(a.number(c.where+": plus", x, -1<<16, 1<<16))
		}
	})
	add("checksum", func(c *fieldCall, d *fieldDef) {
		alg := c.arg(1)
		names := make([]string, len(checksums))
		for i, s := range checksums {
			names[i] = string(s.sum)
			if goja.IsString(alg) && alg.String() == names[i] {
				d.row.Kind, d.row.Bits, d.row.Auto = packet.Uint, s.bits, &packet.Auto{What: packet.AutoChecksum, Sum: s.sum}
			}
		}
		if d.row.Auto == nil {
			hint := didYouMean(alg.String(), names)
			if hint == "" || !goja.IsString(alg) {
				hint = "one of '" + strings.Join(names, "', '") + "'"
			}
			a.fail(hint, "%s: %s is no algorithm", c.where, a.describe(alg))
		}
		if x := a.options(c.where, c.arg(2), "skip")["skip"]; x != nil {
			d.skip = c.strings("skip", x)
		}
	})
	a.global("field", a.rt.NewDynamicObject(k))
}

// checksums are the algorithms that a field may have, with their width.
var checksums = []struct {
	sum  packet.Algorithm
	bits int
}{
	{packet.Internet, 16}, {packet.InternetPseudo, 16}, {packet.CRC32, 32}, {packet.CRC32C, 32}, {packet.CRC16, 16}, {packet.Sum8, 8},
}

// name reads the field's name, which every function takes first.
func (c *fieldCall) name(d *fieldDef, kind string) {
	v := c.arg(0)
	if !goja.IsString(v) {
		c.a.fail("field."+kind+"('name'…)", "%s: %s is no name of a field", c.where, c.a.describe(v))
	}
	name := v.String()
	c.where += "('" + name + "')"
	switch {
	case !plainName.MatchString(name) || strings.HasPrefix(name, "__"):
		c.a.fail("a name as of a variable: letters, digits and _", "%s: '%s' is no name of a field", c.where, name)
	case name == "layer" || name == "rest":
		c.a.fail("'"+name+"_', or the word that the protocol's document uses", "%s: '%s' means something else", c.where, name)
	}
	d.row.Name = name
}

func (c *fieldCall) width(i int, most int64) int {
	return int(c.a.number(c.where+": width in bits", c.arg(i), 1, most))
}

func (c *fieldCall) strings(what string, v goja.Value) []string {
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Array" {
		c.a.fail("a list of names: ['ttl']", "%s: %s: %s is no list", c.where, what, c.a.describe(v))
	}
	list, _ := c.a.fromJS(c.where+": "+what, o).([]any)
	names := make([]string, len(list))
	for i, x := range list {
		if names[i], ok = x.(string); !ok {
			c.a.fail("a list of names: ['ttl']", "%s: %s[%d] is no name", c.where, what, i)
		}
	}
	return names
}

func (c *fieldCall) letters(i, width int) []string {
	o, ok := c.arg(i).(*goja.Object)
	if !ok || o.ClassName() != "Array" {
		c.a.fail("a letter or a name for each bit, the lowest first: ['F', 'S', 'R']", "%s: %s is no list of letters", c.where, c.a.describe(c.arg(i)))
	}
	letters := c.strings("letters", o)
	if len(letters) > width {
		c.a.fail("", "%s: %d letters for %d bits", c.where, len(letters), width)
	}
	for j, l := range letters {
		if strings.ContainsAny(l, "|, ") {
			c.a.fail("", "%s: '%s' cannot be told apart: a letter has no '|', ',' or space", c.where, l)
		}
		if l != "" && slices.ContainsFunc(letters[:j], func(x string) bool { return strings.EqualFold(x, l) }) {
			c.a.fail("", "%s: '%s' stands twice", c.where, l)
		}
	}
	return letters
}

const sizeHint = "a number, 'rest', an earlier field's name, or { field, unit, plus }"

// size reads a Size. What it names is checked where the rows come together.
func (c *fieldCall) size(i int) packet.Size {
	v := c.arg(i)
	if goja.IsString(v) {
		if v.String() == "rest" {
			return packet.Size{}
		}
		return packet.Size{Field: v.String()}
	}
	if goja.IsNumber(v) {
		return packet.Size{N: int(c.a.number(c.where+": size", v, 1, 1<<16))}
	}
	if o, ok := v.(*goja.Object); !ok || o.ClassName() != "Object" {
		c.a.fail(sizeHint, "%s: %s is no size", c.where, c.a.describe(v))
	}
	o := c.a.options(c.where+": size", v, "field", "unit", "plus")
	if o["field"] == nil || !goja.IsString(o["field"]) {
		c.a.fail(sizeHint, "%s: a size without field", c.where)
	}
	s := packet.Size{Field: o["field"].String()}
	if x := o["unit"]; x != nil {
		s.Unit = int(c.a.number(c.where+": unit", x, 1, 1<<16))
	}
	if x := o["plus"]; x != nil {
		s.Plus = int(c.a.number(c.where+": plus", x, -1<<16, 1<<16))
	}
	return s
}

// items reads a list's items: fields, or one field for a list of bare values.
func (c *fieldCall) items(i int) (defs []*fieldDef, bare bool) {
	if d := fieldOf(c.arg(i)); d != nil {
		return []*fieldDef{d}, true
	}
	return c.a.fieldList(c.where+": items", c.arg(i)), false
}

func fieldOf(v goja.Value) *fieldDef {
	if o, ok := v.(*goja.Object); ok && o.ExportType() == typeFieldDef {
		return o.Export().(*fieldDef)
	}
	return nil
}

// fieldList reads an array of fields.
func (a *API) fieldList(where string, v goja.Value) []*fieldDef {
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Array" {
		a.fail("[field.u8('type'), field.u16('id')]", "%s: %s is no list of fields", where, a.describe(v))
	}
	n := o.Get("length").ToInteger()
	if n == 0 || n > 64 {
		a.fail("", "%s: there are 1 to 64 fields, not %d", where, n)
	}
	list := make([]*fieldDef, n)
	for i := range list {
		x := o.Get(fmt.Sprint(i))
		if list[i] = fieldOf(x); list[i] == nil {
			a.fail("field.u8('type'), or another kind of field", "%s[%d]: %s is no field", where, i, a.describe(x))
		}
	}
	return list
}

func (c *fieldCall) cases(d *fieldDef, i int) {
	o, ok := c.arg(i).(*goja.Object)
	if !ok || o.ClassName() != "Object" {
		c.a.fail("{ 1: [field.u16('port')], 2: [field.ipv4('address')] }", "%s: %s are no cases", c.where, c.a.describe(c.arg(i)))
	}
	for _, k := range o.Keys() {
		d.cases = append(d.cases, fieldCase{k, c.a.fieldList(c.where+": case "+k, o.Get(k))})
	}
}

// options reads FieldOptions.
func (c *fieldCall) options(d *fieldDef, i int, more ...string) {
	a, f := c.a, &d.row
	o := a.options(c.where, c.arg(i), append([]string{"default", "enum", "when"}, more...)...)
	if x := o["enum"]; x != nil {
		c.enum(f, x)
	}
	if x := o["when"]; x != nil {
		d.when = c.pattern("when", x)
	}
	if x := o["until"]; x != nil {
		if _, isObject := x.(*goja.Object); d.bare && !isObject {
			d.last = a.fromJS(c.where+": until", x)
		} else {
			d.until = c.pattern("until", x)
		}
	}
	if x := o["default"]; x != nil {
		v := a.fromJS(c.where+": default", x)
		if f.Kind != packet.List && f.Kind != packet.Choice { // those are known once the rows are put together
			if err := f.Check(c.where+": default", v); err != nil {
				a.throw(err)
			}
		}
		f.Default = v
	}
}

func (c *fieldCall) pattern(what string, v goja.Value) packet.Fields {
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Object" {
		c.a.fail(what+": { type: [1, 2] }", "%s: %s: %s is no pattern on fields", c.where, what, c.a.describe(v))
	}
	p, _ := c.a.fromJS(c.where+": "+what, o).(packet.Fields)
	if len(p) == 0 {
		c.a.fail(what+": { type: [1, 2] }", "%s: %s: the pattern is empty", c.where, what)
	}
	return p
}

func (c *fieldCall) enum(f *packet.Field, v goja.Value) {
	a := c.a
	if f.Kind != packet.Uint && f.Kind != packet.Int {
		a.fail("", "%s: a %s has no names of values", c.where, f.Kind)
	}
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Object" {
		a.fail("enum: { get: 1, put: 2 }", "%s: enum: %s are no names of values", c.where, a.describe(v))
	}
	var e packet.Enum
	for _, k := range o.Keys() {
		n, err := f.Number(c.where+": enum: "+k, a.fromJS(k, o.Get(k)))
		if err != nil {
			a.throw(err)
		}
		name := camel(k)
		if _, twice := e.Value(name); twice || name == "" {
			a.fail("case, '-' and '_' are ignored", "%s: enum: '%s' is no name, or stands twice", c.where, k)
		}
		e = append(e, packet.EnumName{Name: name, Value: n})
	}
	f.Enum = &e
}

// camel writes a name as lowerCamelCase: ECHO_REQUEST and echo-request are
// echoRequest.
func camel(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if !strings.ContainsFunc(name, unicode.IsLower) {
		for i := range words {
			words[i] = strings.ToLower(words[i])
		}
	}
	for i, w := range words {
		r := []rune(w)
		r[0] = unicode.ToUpper(r[0])
		if i == 0 {
			r[0] = unicode.ToLower(r[0])
		}
		words[i] = string(r)
	}
	return strings.Join(words, "")
}
