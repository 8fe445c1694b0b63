package jsapi

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

func init() {
	installs = append(installs, []struct {
		names   string
		install func(*API)
	}{
		{"protocol field", (*API).installProtocol},
	}...)
}

const protocolHint = "protocol('kv', { fields: [field.u8('op'), field.string('key', 'rest')], over: { udp: 9999 } })"

func (a *API) installProtocol() {
	a.installField()
	a.global("protocol", a.function("protocol", func(call goja.FunctionCall) goja.Value {
		return a.declare(call.Argument(0), call.Argument(1))
	}))
}

// declaration is one call of protocol().
type declaration struct {
	a    *API
	name string
	p    *packet.Proto
	ends bool // a length that ends the layer was met
}

func (d *declaration) fail(hint, format string, args ...any) {
	d.a.fail(hint, "protocol '%s': %s", d.name, fmt.Sprintf(format, args...))
}

// declare adds a protocol to the scenario's own registry. Nothing is changed
// where it throws.
func (a *API) declare(name, definition goja.Value) goja.Value {
	if !goja.IsString(name) {
		a.fail(protocolHint, "protocol: %s is no name", a.describe(name))
	}
	d := &declaration{a: a, name: name.String()}
	d.checkName()
	if o, ok := definition.(*goja.Object); !ok || o.ClassName() != "Object" {
		d.fail(protocolHint, "%s is no definition", a.describe(definition))
	}
	def := a.options("protocol '"+d.name+"'", definition, "fields", "over", "answers", "reply", "next")
	if def["fields"] == nil {
		d.fail(protocolHint, "fields are missing")
	}
	p := &packet.Proto{Name: d.name, Title: d.name}
	d.p = p
	defs := a.fieldList("protocol '"+d.name+"': fields", def["fields"])
	p.Fields = d.rows(d.name, defs, 0)
	cases := d.next(def["next"])
	old := a.reg.Proto(d.name)
	d.over(def["over"])
	if old != nil && p.Over == nil {
		p.Over = slices.Clone(old.Over)
	}
	if x := def["answers"]; x != nil {
		p.Answers = a.answersHook(p, d.function("answers", x))
	}
	if x := def["reply"]; x != nil {
		p.Reply = a.replyHook(p, d.function("reply", x))
	}
	reg := a.reg.Clone() // so that a mistake leaves the old one as it was
	if err := reg.Add(p); err != nil {
		d.fail("", "%s", strings.TrimPrefix(err.Error(), d.name+": "))
	}
	for _, b := range cases {
		to := b.to
		if to == nil {
			to = p
		}
		if err := reg.Bind(packet.Bind{Space: p.Name, Value: b.value}, to); err != nil {
			d.fail("", "%v", err)
		}
	}
	if _, err := packet.New(reg, p, nil); err != nil { // defaults that do not go together
		a.throw(err)
	}
	a.reg = reg
	a.members.add(p.Name, member{proto: p})
	builder := a.builder(p)
	for _, f := range p.Fields {
		a.constants(builder, f)
	}
	a.guard(p, builder)
	if old != nil {
		a.replaced(old, p, builder)
	}
	return builder
}

// replaced brings what was made with the old protocol of that name up to date.
func (a *API) replaced(old, p *packet.Proto, builder *goja.Object) {
	if slices.Contains(exportNames(), p.Name) {
		a.global(p.Name, builder)
	}
	for i, first := range a.linkFirst {
		if first == old {
			a.linkFirst[i] = p
		}
	}
	defer a.subs.refile()
	for _, s := range a.subs.all() {
		if err := s.match.renew(a.reg); err != nil {
			a.throw(fmt.Errorf("%s: %w", s.h.Name, err))
		}
	}
}

// constants puts the names of values within lists and bodies on a builder, too.
func (a *API) constants(builder *goja.Object, f *packet.Field) {
	rows := slices.Clone(f.Items)
	for _, k := range caseNumbers(f) {
		rows = append(rows, f.Cases[k])
	}
	for _, it := range rows {
		if it.Enum != nil {
			for _, e := range *it.Enum {
				name := e.Constant()
				if x := builder.Get(name); x == nil || goja.IsUndefined(x) {
					_ = builder.DefineDataProperty(name, a.integer(e.Value), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_TRUE)
				}
			}
		}
		a.constants(builder, it)
	}
}

func caseNumbers(f *packet.Field) []uint64 {
	list := make([]uint64, 0, len(f.Cases))
	for k := range f.Cases {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func (d *declaration) checkName() {
	a := d.a
	taken := a.members.find(d.name)
	switch {
	case !plainName.MatchString(d.name) || strings.ContainsAny(d.name[:1], "_$"):
		a.fail("a name as of a variable: letters, digits and _", "protocol: '%s' is no name of a protocol", d.name)
	case taken != nil && taken.proto == nil:
		a.fail("another name: pkt."+d.name+" is taken", "protocol: every packet has a member %s already", d.name)
	case probes[d.name]:
		a.fail("another name", "protocol: JavaScript itself asks every object for %s", d.name)
	case d.name == "not":
		a.fail("another name", "protocol: 'not' means something else in a pattern")
	}
	for _, moment := range []string{"Packet", "Start", "Stop", "Reload", "Link"} {
		if strings.EqualFold(moment, d.name) {
			a.fail("another name", "protocol: '%s': a function on%s is called for something else", d.name, moment)
		}
	}
}

func (d *declaration) function(what string, v goja.Value) goja.Callable {
	f, ok := goja.AssertFunction(v)
	if !ok {
		d.fail("a function", "%s: %s is no function", what, d.a.describe(v))
	}
	return f
}

// maxFieldDepth bounds lists and bodies within each other; decoding goes no
// deeper than 16.
const maxFieldDepth = 7

// rows makes the rows of a table, or of an item or body within it, and checks
// what depends on the neighbours.
func (d *declaration) rows(path string, defs []*fieldDef, depth int) []*packet.Field {
	if depth > maxFieldDepth {
		d.fail("", "%s: lists and choices nest more than %d deep", path, maxFieldDepth)
	}
	rows := make([]*packet.Field, 0, len(defs))
	pos, fixed := 0, true // bits so far, modulo 8; whether all so far have a constant place
	together := ""        // the condition of the row before, as text
	for _, def := range defs {
		f := def.row
		at := path + "." + f.Name
		if slices.ContainsFunc(rows, func(g *packet.Field) bool { return g.Name == f.Name }) {
			d.fail("", "%s stands twice", at)
		}
		if f.Auto != nil {
			auto := *f.Auto
			f.Auto = &auto
		}
		f.When = d.conditions(at, def.when, rows)
		if when := fmt.Sprint(f.When); when != together {
			if pos != 0 {
				d.fail("fill the byte up: field.bits('reserved', "+strconv.Itoa(8-pos)+")", "%s: its condition begins or ends within a byte", at)
			}
			together = when
		}
		width := 0
		switch f.Kind {
		case packet.Uint, packet.Int, packet.Float, packet.Flags:
			width = f.Bits
			if f.Bits%8 == 0 && (f.LE || f.Auto != nil && f.Auto.What == packet.AutoChecksum || f.Kind == packet.Int || f.Kind == packet.Float) {
				d.aligned(at, pos)
			}
			if pos+width > 64 && pos != 0 {
				d.fail("fill the byte up before it", "%s: %d bits that begin within a byte", at, width)
			}
		default:
			d.aligned(at, pos)
		}
		d.sized(at, &f, rows)
		switch {
		case def.lengthOf != "":
			d.length(at, &f, def, defs, fixed, depth)
		case f.Auto != nil && f.Auto.What == packet.AutoChecksum:
			d.checksum(at, &f, def, defs, depth)
		}
		switch f.Kind {
		case packet.List:
			d.list(at, &f, def, depth)
		case packet.Choice:
			d.choice(at, &f, def, rows, depth)
		}
		fixed = fixed && len(f.When) == 0 && (f.Kind <= packet.IPv6 || (f.Kind == packet.Bytes || f.Kind == packet.Text) && f.Size.N > 0)
		pos = (pos + width) % 8
		rows = append(rows, &f)
	}
	if pos != 0 {
		d.fail("fill the byte up: field.bits('reserved', "+strconv.Itoa(8-pos)+")", "%s ends within a byte", path)
	}
	return rows
}

func (d *declaration) aligned(at string, pos int) {
	if pos != 0 {
		d.fail("fill the byte up: field.bits('reserved', "+strconv.Itoa(8-pos)+")", "%s begins within a byte", at)
	}
}

func rowNamed(rows []*packet.Field, name string) *packet.Field {
	for _, f := range rows {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// earlier finds a field that another one depends on.
func (d *declaration) earlier(at, what, name string, rows []*packet.Field) *packet.Field {
	g := rowNamed(rows, name)
	if g == nil {
		names := make([]string, len(rows))
		for i, f := range rows {
			names[i] = f.Name
		}
		hint := didYouMean(name, names)
		if hint == "" && len(names) > 0 {
			hint = "before it stand " + strings.Join(names, ", ")
		}
		d.fail(hint, "%s: %s: there is no earlier field '%s' beside it", at, what, name)
	}
	return g
}

// sized makes the field that a size names one that is filled in.
func (d *declaration) sized(at string, f *packet.Field, rows []*packet.Field) {
	if f.Size.Field == "" {
		return
	}
	g := d.earlier(at, "size", f.Size.Field, rows)
	switch {
	case g.Kind != packet.Uint:
		d.fail("a u8, u16 or other unsigned number", "%s: size: '%s' is %s, not a number", at, g.Name, g.Kind)
	case g.Auto == nil:
		g.Auto = &packet.Auto{What: packet.AutoLength, Of: packet.OfSized, Unit: 1}
	case g.Auto.What == packet.AutoChecksum:
		d.fail("", "%s: size: '%s' is a checksum", at, g.Name)
	}
}

func (d *declaration) length(at string, f *packet.Field, def *fieldDef, defs []*fieldDef, fixed bool, depth int) {
	a := f.Auto
	switch of := def.lengthOf; {
	case of != "layer" && of != "payload" && of != "both":
		i := slices.IndexFunc(defs, func(x *fieldDef) bool { return x.row.Name == of })
		if i < 0 || i <= slices.Index(defs, def) {
			names := []string{"layer", "payload", "both"}
			for _, x := range defs[slices.Index(defs, def)+1:] {
				names = append(names, x.row.Name)
			}
			hint := didYouMean(of, names)
			if hint == "" {
				hint = "one of " + strings.Join(names, ", ")
			}
			d.fail(hint, "%s: of: '%s' is no later field beside it", at, of)
		}
		a.Field = of
	case depth > 0:
		d.fail("of: a later field's name", "%s: only a field of the protocol itself tells the length of '%s'", at, of)
	case of == "layer":
		a.Of = packet.OfHeader
		if d.p.Header == nil && fixed {
			d.p.Header, d.p.Keeps = &packet.Size{Field: f.Name, Unit: a.Unit, Plus: -a.Plus * a.Unit}, true
		}
	default:
		if of == "payload" {
			a.Of = packet.OfPayload
		}
		a.Ends = fixed && !d.ends
		d.ends = d.ends || a.Ends
	}
	if f.Bits > 32 {
		d.fail("at most 32 bits", "%s: no length has %d bits", at, f.Bits)
	}
}

func (d *declaration) checksum(at string, f *packet.Field, def *fieldDef, defs []*fieldDef, depth int) {
	if depth > 0 {
		d.fail("a field of the protocol itself", "%s: a checksum is over the whole layer and its payload", at)
	}
	for _, x := range defs[:slices.Index(defs, def)] {
		if x.row.Auto != nil && x.row.Auto.What == packet.AutoChecksum {
			d.fail("", "%s: a protocol has one checksum, and %s is one", at, x.row.Name)
		}
	}
	for _, name := range def.skip {
		if !slices.ContainsFunc(defs, func(x *fieldDef) bool { return x.row.Name == name }) {
			names := make([]string, len(defs))
			for i, x := range defs {
				names[i] = x.row.Name
			}
			d.fail(didYouMean(name, names), "%s: skip: there is no field '%s'", at, name)
		}
	}
	f.Auto.Skip = def.skip
}

func (d *declaration) list(at string, f *packet.Field, def *fieldDef, depth int) {
	f.Items = d.rows(at, def.items, depth+1)
	if def.bare {
		f.Items[0].Name = ""
	}
	until := def.until
	if def.bare && len(until) > 0 {
		// A bare value's pattern names the field as it was called, or is the test itself.
		name := def.items[0].row.Name
		if len(until) != 1 || until[0].Name != name {
			until = packet.Fields{{Name: name, Value: until}}
		}
		until = packet.Fields{{Name: "", Value: until[0].Value}}
	} else if def.bare && def.last != nil {
		until = packet.Fields{{Name: "", Value: def.last}}
	}
	if len(until) == 0 {
		return
	}
	conds := d.conditions(at+": until", until, f.Items)
	if len(conds) != 1 {
		d.fail("until: { type: 0 }", "%s: until: one field tells the last item", at)
	}
	f.Until = &conds[0]
}

func (d *declaration) choice(at string, f *packet.Field, def *fieldDef, rows []*packet.Field, depth int) {
	on := d.earlier(at, "on", f.On, rows)
	if on.Kind != packet.Uint && on.Kind != packet.Flags {
		d.fail("a u8, u16 or other unsigned number", "%s: on: '%s' is %s, not a number", at, on.Name, on.Kind)
	}
	f.Cases = map[uint64]*packet.Field{}
	for _, c := range def.cases {
		var value any = c.key
		if n, err := strconv.ParseUint(c.key, 0, 64); err == nil {
			value = n
		}
		n, err := on.Number(at+": case", value)
		if err != nil {
			d.a.throw(err)
		}
		if f.Cases[n] != nil {
			d.fail("", "%s: case %s stands twice", at, c.key)
		}
		f.Cases[n] = &packet.Field{Name: f.Name, Kind: packet.Struct, Items: d.rows(at, c.defs, depth+1)}
	}
}

const conditionHint = "a value, a list of values, { min, max }, { not: … }; for flags { has, not }"

// conditions turns a pattern on earlier fields into conditions that all hold.
func (d *declaration) conditions(at string, pattern packet.Fields, rows []*packet.Field) []packet.Cond {
	var all []packet.Cond
	for _, fv := range pattern {
		g := d.earlier(at, "when", fv.Name, rows)
		if g.Kind != packet.Uint && g.Kind != packet.Int && g.Kind != packet.Flags {
			d.fail("a number, or flags", "%s: nothing can depend on '%s', which is %s", at, g.Name, g.Kind)
		}
		all = append(all, d.condition(at+": "+fv.Name, g, fv.Value, false)...)
	}
	return all
}

func (d *declaration) condition(at string, g *packet.Field, v any, not bool) []packet.Cond {
	number := func(v any) uint64 {
		n, err := g.Number(at, v)
		if err != nil {
			d.a.throw(err)
		}
		return n
	}
	c := packet.Cond{Field: g.Name, Not: not}
	switch x := v.(type) {
	case []any:
		if len(x) == 0 {
			d.fail(conditionHint, "%s: an empty list, of which nothing is one", at)
		}
		for _, v := range x {
			switch v.(type) {
			case []any, packet.Fields:
				d.fail(conditionHint, "%s: values stand in the list, nothing else", at)
			}
			c.In = append(c.In, number(v))
		}
		return []packet.Cond{c}
	case packet.Fields:
		return d.conditionObject(at, g, x, not, number)
	}
	c.In = []uint64{number(v)}
	return []packet.Cond{c}
}

func (d *declaration) conditionObject(at string, g *packet.Field, x packet.Fields, not bool, number func(any) uint64) []packet.Cond {
	var all []packet.Cond
	bits := uint(g.Bits)
	most := ^uint64(0) >> (64 - bits)
	lo, hi := uint64(0), most
	if g.Kind == packet.Int { // in the order of its numbers: the sign bit turned over
		hi = most >> 1
		lo = hi + 1
	}
	sign := lo
	ranged := false
	for _, fv := range x {
		switch {
		case fv.Name == "min":
			lo, ranged = number(fv.Value), true
		case fv.Name == "max":
			hi, ranged = number(fv.Value), true
		case g.Kind == packet.Flags && (fv.Name == "has" || fv.Name == "not"):
			n := number(fv.Value)
			c := packet.Cond{Field: g.Name, Mask: n, In: []uint64{0}, Not: not}
			if fv.Name == "has" {
				c.In[0] = n
			}
			all = append(all, c)
		case fv.Name == "not":
			all = append(all, d.condition(at, g, fv.Value, !not)...)
		default:
			d.fail(conditionHint, "%s: there is no test '%s'", at, fv.Name)
		}
	}
	if ranged {
		if lo^sign > hi^sign {
			d.fail("", "%s: min is above max", at)
		}
		c := packet.Cond{Field: g.Name, Min: lo, Max: hi, Not: not}
		if lo > hi { // from below zero to above it: not what lies between, as bits
			c.Min, c.Max, c.Not = hi+1, lo-1, !not
			if hi+1 > lo-1 { // everything
				c.Min, c.Max, c.Not = 0, most, not
			}
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		d.fail(conditionHint, "%s: an empty pattern", at)
	}
	if len(all) > 1 && not {
		d.fail(conditionHint, "%s: what is not is one test", at)
	}
	return all
}

// carried is a protocol that is carried where the next field has a value; to
// is nil for the protocol that is being declared.
type carried struct {
	value uint64
	to    *packet.Proto
}

// next reads what tells the protocol of the payload.
func (d *declaration) next(v goja.Value) (cases []carried) {
	a := d.a
	if v == nil {
		return nil
	}
	if goja.IsString(v) {
		d.carriedBy("next", v.String())
		d.p.Next = &packet.Next{Space: d.name, Always: v.String()}
		return nil
	}
	const hint = "'ip', or { field: 'type', cases: { 1: 'ip' } }"
	if o, ok := v.(*goja.Object); !ok || o.ClassName() != "Object" {
		d.fail(hint, "next: %s names no protocol", a.describe(v))
	}
	o := a.options("protocol '"+d.name+"': next", v, "field", "cases")
	if o["field"] == nil || !goja.IsString(o["field"]) {
		d.fail(hint, "next: field is missing")
	}
	name := o["field"].String()
	f := rowNamed(d.p.Fields, name)
	switch {
	case f == nil:
		a.throw(packet.UnknownField(d.name+": next", name, d.p.Fields))
	case f.Kind != packet.Uint:
		d.fail("a u8, u16 or other unsigned number", "next: '%s' is %s, not a number", name, f.Kind)
	case f.Auto != nil:
		d.fail("", "next: '%s' is worked out already: a length or a checksum", name)
	}
	f.Auto = &packet.Auto{What: packet.AutoNext, Unit: 1}
	d.p.Next = &packet.Next{Space: d.name, Fields: []string{name}}
	if x := o["cases"]; x != nil {
		obj, ok := x.(*goja.Object)
		if !ok || obj.ClassName() != "Object" {
			d.fail(hint, "next: cases: %s", a.describe(x))
		}
		for _, k := range obj.Keys() {
			var value any = k
			if n, err := strconv.ParseUint(k, 0, 64); err == nil {
				value = n
			}
			n, err := f.Number(d.name+": next: case", value)
			if err != nil {
				a.throw(err)
			}
			to := obj.Get(k)
			if !goja.IsString(to) {
				d.fail(hint, "next: case %s: %s names no protocol", k, a.describe(to))
			}
			cases = append(cases, carried{n, d.carriedBy("next: case "+k, to.String())})
		}
	}
	return cases
}

// carriedBy finds a protocol by name; nil is the one being declared.
func (d *declaration) carriedBy(what, name string) *packet.Proto {
	if name == d.name {
		return nil
	}
	p := d.a.reg.Proto(name)
	if p == nil {
		hint := didYouMean(name, d.a.protoNames())
		if hint == "" {
			hint = "declare that one first, or let it say over: { " + d.name + ": … }"
		}
		d.fail(hint, "%s: there is no protocol '%s'", what, name)
	}
	return p
}

// over reads where the protocol is found.
func (d *declaration) over(v goja.Value) {
	if v == nil {
		return
	}
	a := d.a
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Object" {
		d.fail("over: { udp: 9999 }", "over: %s does not say where", a.describe(v))
	}
	for _, k := range o.Keys() {
		under := d.carriedBy("over", k)
		if under == nil {
			under = d.p
		}
		if under.Next == nil || len(under.Next.Fields) == 0 {
			d.fail("its definition says next: { field: 'type' }; or over: { udp: 9999 }", "over: nothing in %s tells what it carries", k)
		}
		f := under.Field(under.Next.Fields[0])
		if under == d.p {
			f = rowNamed(d.p.Fields, under.Next.Fields[0])
		}
		values, ok := a.fromJS("over: "+k, o.Get(k)).([]any)
		if !ok {
			values = []any{a.fromJS("over: "+k, o.Get(k))}
		}
		if len(values) == 0 {
			d.fail("over: { "+k+": 80 }", "over: %s: no number", k)
		}
		for _, x := range values {
			if x == nil {
				d.fail("over: { "+k+": 80 }", "over: %s: no number", k)
			}
			n, err := f.Number("over: "+k, x)
			if err != nil {
				var fe *packet.FieldError
				if errors.As(err, &fe) {
					fe.Path = "protocol '" + d.name + "': " + fe.Path
				}
				a.throw(err)
			}
			d.p.Over = append(d.p.Over, packet.Bind{Space: under.Next.Space, Value: n})
		}
	}
}

// hook calls a function of a definition from wherever it is needed: from a
// handler, or from Go while a packet is delivered. What it throws is what the
// caller throws.
func (a *API) hook(f goja.Callable, args ...goja.Value) (v goja.Value) {
	var err error
	a.enter(a.current, func() { v, err = f(goja.Undefined(), args...) })
	if err != nil {
		var ex *goja.Exception
		if errors.As(err, &ex) {
			panic(ex)
		}
		panic(err)
	}
	return v
}

// header is layer i of a packet for a script, over bytes of its own.
func (a *API) header(p *packet.Packet, i int) goja.Value {
	return a.copyView(p, -1).layerAt(i).object()
}

func (a *API) answersHook(proto *packet.Proto, f goja.Callable) func(*packet.Packet, int, *packet.Packet, int) bool {
	return func(p *packet.Packet, i int, req *packet.Packet, j int) bool {
		return a.hook(f, a.header(p, i), a.header(req, j)).ToBoolean()
	}
}

// replyHook makes the answer's header of what the script's function returns:
// built anew from those fields, or where it returns undefined the request's.
func (a *API) replyHook(proto *packet.Proto, f goja.Callable) func(*packet.ReplyContext) error {
	return func(c *packet.ReplyContext) error {
		if s := a.cursor.sub; s != nil && s.acts != nil && s.h.Lane == "go" {
			s.h.Lane = "js"
			s.h.Why += "; but what " + proto.Name + " replies is a function"
		}
		x := a.hook(f, a.header(c.Req, c.I))
		if x == nil || goja.IsUndefined(x) {
			return nil
		}
		if l := a.layerOf(x); l != nil && l.class.proto == proto {
			p := l.packet()
			var fields packet.Fields
			for _, f := range proto.Fields {
				if v, ok := p.Value(l.i, f); ok && p.Told(l.i, f) {
					fields = append(fields, packet.FieldValue{Name: f.Name, Value: v})
				}
			}
			return c.Rebuild(fields)
		}
		o, ok := x.(*goja.Object)
		if !ok || o.ClassName() != "Object" || a.isPart(o) || o.ExportType() == reflect.TypeFor[*fieldDef]() {
			a.fail("an object of fields: ({ type: 2 })", "reply of %s returned %s", proto.Name, a.describe(x))
		}
		return c.Rebuild(a.fields(proto.Name, x))
	}
}
