package packet

import (
	"fmt"
	"strings"
)

// Pattern is what to look for: an object of protocols, each with the tests of
// its fields. It is made of Go values the way a script's pattern is made of
// JavaScript values:
//
//	Fields{{"tcp", Fields{{"flags", "SA"}, {"sport", uint64(80)}}}}
//
// A value means equal, []any one of, Fields a nested pattern; true and false
// in a protocol's place, or an option's, mean present and absent, and Fields{}
// means present anywhere (of a list: that it has items). What JavaScript says with other objects are the
// types below; the plain objects { min, max }, { not } and { has, not } are
// understood as well, wherever no field of the table has such a name, so that
// a caller need not know the tables to tell them from nested patterns.
//
// A protocol means its outermost header. Beside protocols, "payload" is what
// follows the last header (true: there is some), and "quoted" is a pattern on
// the packet that an ICMP error quotes.
//
// Negation inside a field says that the field is there and different: a field
// that its header has not, by its conditions or because it is cut off,
// passes no test, not even Not. Negation around fields or protocols is the
// plain opposite: Not{Fields{{"tcp", …}}} holds for whatever has no TCP.
type (
	// Range holds when Min <= value <= Max; nil means no bound. Numbers,
	// addresses and MACs have an order. Where values wrap round (sequence
	// numbers) Min may be above Max.
	Range struct{ Min, Max any }
	// Not holds when its test does not.
	Not struct{ Test any }
	// HasFlags holds when all letters of Has are set and none of Not.
	HasFlags struct{ Has, Not string }
	// Regexp tests the text of a value: decimal numbers, addresses as they
	// are written, the letters of flags, bytes as UTF-8 or else Latin-1.
	Regexp interface{ MatchString(string) bool }
	// Pred is a predicate on a field's Value; a list's is the whole list.
	Pred func(v Value) bool
	// PredPacket is a predicate on the packet.
	PredPacket func(p *Packet) bool
	// AnyOf and AllOf combine patterns; nested packet patterns: Fields, Not, PredPacket, a protocol's name.
	AnyOf []any
	AllOf []any
)

// maxPatternDepth bounds the nesting of a pattern, which compiling follows
// by recursion.
const maxPatternDepth = 64

// Matcher is a compiled pattern, made by Compile. It is immutable: any number of goroutines may
// match with it, as far as its predicates allow.
type Matcher struct {
	need  uint64  // folded bits of the protocols without which nothing matches
	start int32   // first instruction, or accept or reject
	prog  []instr // jumps lead forward only

	words  []uint64     // constants of sets
	wide   []span       // of 128 bits
	values []valueTest  // tests on values that are no fixed numbers
	preds  []PredPacket //
	quoted []*Matcher

	key    []ExactField
	consts []uint64
	whole  bool
}

// ExactField is a field for which a pattern demands one value; where Field is
// nil, it demands only that the protocol is there.
type ExactField struct {
	Proto *Proto
	Field *Field
}

// Exact returns the fields of fixed place, of at most 64 bits, for which the
// pattern demands one value, in an order that depends on nothing but the
// tables, and the values as Packet.Uint gives them for the outermost layer (0
// where Field is nil). Each matching packet has them; whole reports that each
// packet which has them matches, so that a table keyed by the values can
// stand for the pattern. The slices belong to the Matcher.
func (m *Matcher) Exact() (key []ExactField, values []uint64, whole bool) {
	return m.key, m.consts, m.whole
}

// Requires returns the protocols without which nothing matches, as the bits
// that Proto.Bit gives: a packet can match only if Packet.Present has them all.
func (m *Matcher) Requires() uint64 { return m.need }

// Bit is the protocol's bit in a mask of protocols. Beyond 64 protocols bits
// are shared, so a mask can say no but not yes.
func (p *Proto) Bit() uint64 { return p.bit }

// Present returns the bits of the protocols that the packet has.
func (p *Packet) Present() uint64 { return p.have }

// exprOp is the kind of a node of the tree that a pattern is parsed into.
type exprOp uint8

const (
	exTrue exprOp = iota
	exFalse
	exAnd
	exOr
	exNot
	exLayer   // proto is there and kids[0] holds on its outermost header
	exField   // of the layer around: field is there and its value passes test
	exPayload // test, on the payload
	exQuoted  // sub, on the quoted packet
	exPred
)

type expr struct {
	op    exprOp
	kids  []*expr
	proto *Proto
	field *Field
	test  *test
	sub   *Matcher
	pred  PredPacket
}

var (
	always = &expr{op: exTrue}
	never  = &expr{op: exFalse}
)

func constExpr(b bool) *expr {
	if b {
		return always
	}
	return never
}

// both is the conjunction, flattened.
func both(kids []*expr) *expr {
	var out []*expr
	for _, k := range kids {
		switch k.op {
		case exTrue:
		case exFalse:
			return never
		case exAnd:
			out = append(out, k.kids...)
		default:
			out = append(out, k)
		}
	}
	switch len(out) {
	case 0:
		return always
	case 1:
		return out[0]
	}
	return &expr{op: exAnd, kids: out}
}

// either is the disjunction, flattened.
func either(kids []*expr) *expr {
	var out []*expr
	for _, k := range kids {
		switch k.op {
		case exFalse:
		case exTrue:
			return always
		case exOr:
			out = append(out, k.kids...)
		default:
			out = append(out, k)
		}
	}
	switch len(out) {
	case 0:
		return never
	case 1:
		return out[0]
	}
	return &expr{op: exOr, kids: out}
}

func negate(e *expr) *expr {
	switch e.op {
	case exTrue:
		return never
	case exFalse:
		return always
	case exNot:
		return e.kids[0]
	}
	return &expr{op: exNot, kids: []*expr{e}}
}

// Compile compiles a pattern: Fields, a protocol's name (string), Not, AnyOf,
// AllOf or PredPacket. The error is a *FieldError.
func Compile(reg *Registry, pattern any) (*Matcher, error) {
	c := compiler{reg: reg}
	return c.matcher("", pattern)
}

// compiler parses patterns into trees.
type compiler struct {
	reg   *Registry
	depth int
}

func (c *compiler) matcher(path string, pattern any) (*Matcher, error) {
	e, err := c.packet(path, pattern)
	if err != nil {
		return nil, err
	}
	e = mergeLayers(e)
	m := &Matcher{need: required(e)}
	m.exact(e)
	m.generate(e)
	return m, nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// orPattern names the place for an error at the top of a pattern.
func orPattern(path string) string {
	if path == "" {
		return "pattern"
	}
	return path
}

func (c *compiler) enter(path string) error {
	if c.depth++; c.depth > maxPatternDepth {
		return fieldErr(orPattern(path), "", "a pattern nested deeper than %d", maxPatternDepth)
	}
	return nil
}

// packet parses a pattern on a packet.
func (c *compiler) packet(path string, v any) (*expr, error) {
	if err := c.enter(path); err != nil {
		return nil, err
	}
	defer func() { c.depth-- }()
	switch x := v.(type) {
	case string:
		return c.member(path, x, true)
	case Fields:
		kids := make([]*expr, 0, len(x))
		for _, fv := range x {
			e, err := c.member(path, fv.Name, fv.Value)
			if err != nil {
				return nil, err
			}
			kids = append(kids, e)
		}
		return both(kids), nil
	case Not:
		e, err := c.packet(path, x.Test)
		if err != nil {
			return nil, err
		}
		return negate(e), nil
	case []any:
		return c.several(path, x, c.packet, either)
	case AnyOf:
		return c.several(path, x, c.packet, either)
	case AllOf:
		return c.several(path, x, c.packet, both)
	case PredPacket:
		if x != nil {
			return &expr{op: exPred, pred: x}, nil
		}
	}
	return nil, fieldErr(orPattern(path), "a protocol's name, an object of protocols, or a predicate", "%s is no pattern", describe(v))
}

func (c *compiler) several(path string, list []any, parse func(string, any) (*expr, error), how func([]*expr) *expr) (*expr, error) {
	kids := make([]*expr, 0, len(list))
	for _, x := range list {
		e, err := parse(path, x)
		if err != nil {
			return nil, err
		}
		kids = append(kids, e)
	}
	return how(kids), nil
}

// member parses what an object of protocols says under one name.
func (c *compiler) member(path, name string, v any) (*expr, error) {
	if proto := c.reg.Proto(name); proto != nil {
		body, err := c.layer(proto, join(path, name), v)
		if err != nil {
			return nil, err
		}
		if v == false {
			return negate(&expr{op: exLayer, proto: proto, kids: []*expr{always}}), nil
		}
		return &expr{op: exLayer, proto: proto, kids: []*expr{body}}, nil
	}
	switch name {
	case "payload":
		t, err := c.payload(join(path, name), v)
		if err != nil {
			return nil, err
		}
		return &expr{op: exPayload, test: t}, nil
	case "quoted":
		present := &expr{op: exQuoted, sub: &Matcher{start: accept}}
		switch v {
		case true:
			return present, nil
		case false:
			return negate(present), nil
		}
		sub, err := c.matcher(join(path, name), v)
		if err != nil {
			return nil, err
		}
		return &expr{op: exQuoted, sub: sub}, nil
	case "not":
		e, err := c.packet(path, v)
		if err != nil {
			return nil, err
		}
		return negate(e), nil
	}
	var names []string
	for _, p := range c.reg.Protos() {
		names = append(names, p.Name)
	}
	hint := ""
	if n := Nearest(name, append(names, "payload", "quoted")); n != "" {
		hint = fmt.Sprintf("did you mean %q?", n)
	} else if strings.ContainsAny(name, " /.") {
		hint = "an object of protocols: { udp: { dport: 53 } }"
	}
	return nil, fieldErr(orPattern(path), hint, "there is no protocol %q", name)
}

// layer parses the tests on one header.
func (c *compiler) layer(proto *Proto, path string, v any) (*expr, error) {
	if err := c.enter(path); err != nil {
		return nil, err
	}
	defer func() { c.depth-- }()
	parse := func(path string, v any) (*expr, error) { return c.layer(proto, path, v) }
	switch x := v.(type) {
	case bool:
		return constExpr(x), nil
	case Fields:
		kids := make([]*expr, 0, len(x))
		for _, fv := range x {
			f := proto.byName[fv.Name]
			if f == nil && fv.Name == "not" {
				e, err := c.layer(proto, path, fv.Value)
				if err != nil {
					return nil, err
				}
				kids = append(kids, negate(e))
				continue
			}
			if f == nil {
				return nil, UnknownField(path, fv.Name, proto.Fields)
			}
			t, err := c.value(f, path+"."+f.Name, fv.Value)
			if err != nil {
				return nil, err
			}
			kids = append(kids, &expr{op: exField, field: f, test: t})
		}
		return both(kids), nil
	case Not:
		e, err := c.layer(proto, path, x.Test)
		if err != nil {
			return nil, err
		}
		return negate(e), nil
	case []any:
		return c.several(path, x, parse, either)
	case AnyOf:
		return c.several(path, x, parse, either)
	case AllOf:
		return c.several(path, x, parse, both)
	}
	return nil, fieldErr(path, "an object of fields, true or false", "%s says nothing about a header", describe(v))
}

// mergeLayers joins what a conjunction says about one protocol, so that its
// header is looked for once and its fields are tested together.
func mergeLayers(e *expr) *expr {
	kids := make([]*expr, len(e.kids))
	for i, k := range e.kids {
		kids[i] = mergeLayers(k)
	}
	switch e.op {
	case exAnd:
		var out []*expr
		at := map[*Proto]int{}
		for _, k := range kids {
			if k.op == exLayer {
				if i, ok := at[k.proto]; ok {
					out[i] = &expr{op: exLayer, proto: k.proto, kids: []*expr{both([]*expr{out[i].kids[0], k.kids[0]})}}
					continue
				}
				at[k.proto] = len(out)
			}
			out = append(out, k)
		}
		return both(out)
	case exOr:
		return either(kids)
	case exNot:
		return negate(kids[0])
	case exLayer:
		if kids[0].op == exFalse {
			return never
		}
		return &expr{op: exLayer, proto: e.proto, kids: kids}
	}
	return e
}

// required is the protocols without which e does not hold.
func required(e *expr) uint64 {
	switch e.op {
	case exLayer:
		return e.proto.bit
	case exAnd:
		var all uint64
		for _, k := range e.kids {
			all |= required(k)
		}
		return all
	case exOr:
		all := ^uint64(0)
		for _, k := range e.kids {
			all &= required(k)
		}
		return all
	}
	return 0
}

// exact works out what Exact returns.
func (m *Matcher) exact(e *expr) {
	layers := e.kids
	if e.op == exLayer {
		layers = []*expr{e}
	} else if e.op != exAnd {
		m.whole = e.op == exTrue
		return
	}
	m.whole = true
	vals := map[ExactField]uint64{}
	for _, l := range layers {
		if l.op != exLayer {
			m.whole = false
			continue
		}
		body := []*expr{l.kids[0]}
		if body[0].op == exAnd {
			body = body[0].kids
		}
		for _, k := range body {
			switch {
			case k.op == exTrue:
				vals[ExactField{l.proto, nil}] = 0
			case k.op == exField && k.field.numberAt():
				v, ok := k.test.single(k.field)
				key := ExactField{l.proto, k.field}
				if old, twice := vals[key]; !ok || twice && old != v {
					m.whole = false
					continue
				}
				vals[key] = v
			default:
				m.whole = false
			}
		}
	}
	for k := range vals {
		m.key = append(m.key, k)
	}
	sortKey(m.key)
	for _, k := range m.key {
		m.consts = append(m.consts, vals[k])
	}
}

// numberAt reports whether Packet.Uint reads the field.
func (f *Field) numberAt() bool {
	return f.proto != nil && f.Fixed() && f.Kind <= IPv4 && f.ld.bytes <= 8
}
