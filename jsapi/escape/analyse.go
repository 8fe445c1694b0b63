package escape

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
	"github.com/dop251/goja/unistring"
)

// maxSource is the longest source text that is looked at, in bytes. Parser and walk recurse; a text of this length, however nested, stays far from the limit of Go's stack, which cannot be recovered from.
const maxSource = 32 << 10

// maxRounds bounds the walks until the variables' kinds settle. A handler written by a person takes one to three; a chain of n aliases
// assigned in reverse order inside a loop takes n.
const maxRounds = 12

// Verdict is what Analyse proved. The zero value proves nothing.
type Verdict struct {
	// Stays reports that the packet and its layers provably do not outlive the call, and that nothing unknown gets hold of them.
	Stays bool
	// QuietMicrotasks reports that the call provably queues no microtask. It says nothing of what the caller does with the
	// value returned, which is then a primitive, a packet, or a literal of those.
	QuietMicrotasks bool
	// Reason says why not, with line:column inside the source text (both from 1, columns in characters): why the packet may
	// escape, or else why microtasks may be queued; empty when both are proved.
	Reason string
}

// Options is what the caller knows of the world around a handler. A nil function knows nothing, so the zero value is
// safe and proves little. Each is asked for names as written, with escapes resolved.
type Options struct {
	// Natives knows global functions and constants by name, dotted for a property of a global: "send", "console.log",
	// "Math.floor", "arp.REQUEST". See the package comment for what has to hold outside the source.
	Natives func(name string) (Native, bool)
	// Scalars reports that <layer>.<field> reads as an immutable primitive, undefined included. field may be a path below a list or
	// nested object: "options.mss", "questions[].name", "questions.length".
	Scalars func(protocol, field string) bool
	// Parts reports that <layer>.<field> reads as a list or nested object that reads through the packet lazily and answers every
	// key by itself: "questions", "questions[]", "options". Optional; without it such a field counts as an escape.
	Parts func(protocol, field string) bool
	// Members knows the members of a packet, its protocols included.
	Members func(name string) (MemberKind, bool)
	// Methods reports that the member of that name on String.prototype, Number.prototype, BigInt.prototype, Boolean.prototype,
	// Symbol.prototype and Object.prototype is the built-in one or absent, and that it calls no script code and returns a primitive when all
	// it is given are primitives: "startsWith", "toFixed", "length"; not "split". Optional: it only affects QuietMicrotasks.
	Methods func(name string) bool
	// Outer classifies a variable that the source neither declares nor Natives knows: Script.Variable is one. Optional: it only affects QuietMicrotasks.
	Outer func(name string) Variable
}

// Native says what a global function is known to do, or that it is a constant. The zero value promises nothing.
type Native struct {
	// Consumes: packets and layers among its arguments are read within the call, and neither kept, returned, nor handed to script code.
	Consumes bool
	// Quiet: given primitives, packets, layers, object and array literals of those, and functions (which it does not call before
	// it returns), it runs no script code and queues no microtask.
	Quiet bool
	// Coerces: it turns its arguments into numbers or text, which calls methods of objects, as Math.floor does: Quiet holds for primitives only.
	Coerces bool
	// Constant: not a function, but an immutable primitive.
	Constant bool
	// Result is what it returns.
	Result Result
}

// Result is what a native function returns.
type Result uint8

const (
	// Anything that is not a view of a received packet.
	Anything Result = iota
	// Primitive is a number, string, boolean, bigint, symbol, undefined or null.
	Primitive
	// Packet is a packet over bytes of its own, or undefined.
	Packet
	// Header is a layer over bytes of its own, or undefined: what a builder returns.
	Header
)

// MemberKind says what a member of a packet is. A member that is not known, and one that is Escaping, ends the proof when it is read.
type MemberKind uint8

const (
	// Escaping is a member that may keep or share the packet.
	Escaping MemberKind = iota
	// Scalar is a property: an immutable primitive.
	Scalar
	// Copy is a property: a value over memory of its own, such as a Uint8Array of copied bytes.
	Copy
	// Layer is a property: a header, which reads through the packet, or undefined.
	Layer
	// Inner is a property: a packet that reads through the packet (the one an ICMP error quotes), or undefined.
	Inner
	// CallScalar is a method that returns a primitive. Its arguments may be packets; it does not keep them.
	CallScalar
	// CallMatch is a method that returns a primitive and may call functions found in its arguments with the packet: it stays only when given literals without functions.
	CallMatch
	// CallCopy is a method that returns a value over memory of its own.
	CallCopy
	// CallPacket is a method that returns a packet with bytes of its own, or undefined.
	CallPacket
	// CallLayer is a method that returns the header of the protocol named by its first argument, or undefined.
	CallLayer
)

// Variable says what is known of a variable declared around a handler.
type Variable uint8

const (
	// Unknown may be a global with a getter or setter.
	Unknown Variable = iota
	// Lexical is a variable of an enclosing function or block: reading and assigning it runs no code.
	Lexical
	// LexicalPrimitive is Lexical, and holds nothing but primitives, ever.
	LexicalPrimitive
)

// Analyse says what the handler with this source text provably does not do. It never fails: what cannot be parsed or is not understood
// proves nothing. src is what Function.prototype.toString returns: an arrow function, a function expression or declaration, or a method.
// The packet is the first parameter, a plain name or an object pattern.
//
// It parses src once and walks it a few times, 5 to 40 µs for a handler of usual size. goja's parser takes exponential time for arrow functions nested in each other's
// parameter defaults; a src that is a function's own text has been through it before, when its script was loaded.
//
// It is safe for concurrent use if the functions in opt are.
func Analyse(src string, opt Options) (v Verdict) {
	if len(src) > maxSource {
		return Verdict{Reason: fmt.Sprintf("the handler's source is longer than %d bytes", maxSource)}
	}
	// The parser is another project's, and it is given what a script may have made up: one of its panics is no proof.
	defer func() {
		if p := recover(); p != nil {
			v = Verdict{Reason: fmt.Sprintf("the handler's source could not be analysed: %v", p)}
		}
	}()
	fn, base := parse(src)
	if fn == nil {
		return Verdict{Reason: "the handler's source is not one function"}
	}
	a := analysis{src: src, base: base, opt: opt}
	a.vars = a.varsBuf[:0]
	a.scope = a.scopeBuf[:0]
	for round := 0; ; round++ {
		if round == maxRounds {
			a.giveUp(fn, "too many variables are assigned to each other")
			break
		}
		a.grown, a.next, a.scope = false, 0, a.scope[:0]
		a.function(fn, true, true)
		if a.lost || !a.grown {
			break
		}
	}
	for i := range a.vars {
		if v := &a.vars[i]; v.captured != 0 && v.val.kinds&view != 0 {
			a.escape(nil, "%s is captured by the inner function at %s", v.name.String(), a.position(v.captured))
		}
	}
	v = Verdict{Stays: a.escapes == "", QuietMicrotasks: a.noise == "", Reason: a.escapes}
	if v.Reason == "" {
		v.Reason = a.noise
	}
	return v
}

// parse returns the function that src is, and the offset of src in the text that was parsed. The result is nil unless src is one function and nothing else.
func parse(src string) (ast.Expression, int) {
	// The end of line keeps a comment at the end of src from hiding the bracket.
	if e := parseExpression("(" + src + "\n)"); e != nil {
		switch e.(type) {
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral:
			return e, 1
		}
		return nil, 0
	}
	e, ok := parseExpression("({" + src + "\n})").(*ast.ObjectLiteral)
	if !ok || len(e.Value) != 1 {
		return nil, 0
	}
	p, ok := e.Value[0].(*ast.PropertyKeyed)
	if !ok || p.Kind != ast.PropertyKindMethod || p.Computed {
		return nil, 0
	}
	fn, ok := p.Value.(*ast.FunctionLiteral)
	if !ok {
		return nil, 0
	}
	return fn, 2
}

// parseExpression returns the one expression that text is, or nil.
func parseExpression(text string) ast.Expression {
	// Source maps off: the parser would read the file that a comment names.
	p, err := parser.ParseFile(nil, "", text, 0, parser.WithDisableSourceMaps)
	if err != nil || len(p.Body) != 1 {
		return nil
	}
	s, ok := p.Body[0].(*ast.ExpressionStatement)
	if !ok {
		return nil
	}
	return s.Expression
}

// kinds is a set: what a value may be.
type kinds uint16

const (
	nullish  kinds = 1 << iota // undefined or null: reading a member throws, and runs no code
	number                     // number or bigint
	text                       // any other primitive
	literal                    // an object or array literal of primitives, built packets and such literals, just made
	aliased                    // such a literal, known by a variable: who changed it was noisy
	built                      // a packet or layer over bytes of its own
	function                   // a function written in the handler, neither async nor a generator
	other                      // anything else; it cannot reach the packet
	view                       // the packet, or something that reads through it

	primitive = nullish | number | text
	// inert values do not run script code when a native reads them.
	inert = primitive | literal | aliased | built | view | function
)

// value is an abstract value: a set of kinds and, for view and built, which part of a packet it is.
type value struct {
	kinds kinds
	at    place
}

// place is a part of a packet: the zero place is the packet itself, {proto: "ip"} a layer, and {"dns", "questions[]"} below it.
type place struct {
	proto, path string
	// mixed: different places were joined, and no member is known.
	mixed bool
}

func join(a, b value) value {
	const placed = view | built
	switch {
	case a.kinds&placed == 0:
		a.at = b.at
	case b.kinds&placed != 0 && a.at != b.at:
		a.at = place{mixed: true}
	}
	a.kinds |= b.kinds
	if a.kinds&placed == 0 {
		a.at = place{}
	}
	return a
}

// named is a value that a variable holds as well.
func (v value) named() value {
	if v.kinds&literal != 0 {
		v.kinds = v.kinds&^literal | aliased
	}
	return v
}

// variable is a variable declared in the source.
type variable struct {
	name unistring.String
	val  value
	// depth counts the functions around the declaration; 0 is the handler itself.
	depth int
	// read: looked at in this round, so that growing asks for another.
	read bool
	// captured is where the inner function begins that mentions it, or 0.
	captured file.Idx
}

// analysis is the state of one Analyse.
type analysis struct {
	src  string
	base int // offset of src in the text that was parsed
	opt  Options

	// vars holds every variable in order of declaration, which is the same in every round; next is the following declaration's
	// index, and scope the indices of those visible, innermost last.
	vars  []variable
	next  int
	scope []int
	grown bool

	depth   int
	inner   file.Idx // where the innermost function below the handler begins
	escapes string   // first reason against Stays
	noise   string   // first reason against QuietMicrotasks
	lost    bool     // something was met that proves nothing at all

	varsBuf  [16]variable
	scopeBuf [16]int
}

// escape notes why the packet may outlive the call. A node, if given, supplies the position.
func (a *analysis) escape(n ast.Node, format string, args ...any) {
	if a.escapes == "" {
		a.escapes = a.reason(n, format, args)
	}
}

// noisy notes why a microtask may be queued.
func (a *analysis) noisy(n ast.Node, format string, args ...any) {
	if a.noise == "" {
		a.noise = a.reason(n, format, args)
	}
}

// giveUp notes something that makes every proof void.
func (a *analysis) giveUp(n ast.Node, format string, args ...any) {
	a.escape(n, format, args...)
	a.noisy(n, format, args...)
	a.lost = true
}

func (a *analysis) reason(n ast.Node, format string, args []any) string {
	for i, arg := range args {
		if n, ok := arg.(ast.Node); ok {
			args[i] = a.text(n)
		}
	}
	s := fmt.Sprintf(format, args...)
	if n != nil {
		s += " at " + a.position(n.Idx0())
	}
	return s
}

// text is a node's source, shortened to one line.
func (a *analysis) text(n ast.Node) string {
	from, to := int(n.Idx0())-1-a.base, int(n.Idx1())-1-a.base
	if from < 0 || to > len(a.src) || from >= to {
		return "this expression"
	}
	s := a.src[from:to]
	const most = 40
	if i := strings.IndexByte(s, '\n'); i >= 0 || len(s) > most {
		if i < 0 || i > most {
			i = most
		}
		for i > 0 && !utf8.RuneStart(s[i]) {
			i--
		}
		s = s[:i] + "…"
	}
	return s
}

// position is line:column in src.
func (a *analysis) position(i file.Idx) string {
	at := min(max(int(i)-1-a.base, 0), len(a.src))
	before := a.src[:at]
	line := strings.Count(before, "\n") + 1
	return fmt.Sprintf("%d:%d", line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])+1)
}

// declare adds a variable to the innermost scope.
func (a *analysis) declare(name unistring.String, v value) int {
	i := a.next
	a.next++
	if i == len(a.vars) {
		a.vars = append(a.vars, variable{name: name, depth: a.depth})
	}
	a.vars[i].read = false
	a.scope = append(a.scope, i)
	a.assign(i, v)
	return i
}

// declareOnce is declare, unless the scopes from mark on have the name already.
func (a *analysis) declareOnce(mark int, name unistring.String, v value) {
	for _, i := range a.scope[mark:] {
		if a.vars[i].name == name {
			a.assign(i, v)
			return
		}
	}
	a.declare(name, v)
}

// lookup finds the variable that name means here, or -1 when the source does not declare it.
func (a *analysis) lookup(name unistring.String) int {
	for s := len(a.scope) - 1; s >= 0; s-- {
		i := a.scope[s]
		if v := &a.vars[i]; v.name == name {
			if v.depth < a.depth && v.captured == 0 {
				v.captured = a.inner
			}
			return i
		}
	}
	return -1
}

// assignName assigns to the variable that name means here. It reports whether the source declares one.
func (a *analysis) assignName(name unistring.String, v value) bool {
	i := a.lookup(name)
	if i < 0 {
		return false
	}
	a.assign(i, v)
	// A var inside a catch clause shares its name with the clause's parameter, and engines differ in which of them its initialiser sets.
	for _, j := range a.scope {
		if j != i && a.vars[j].name == name && a.vars[j].depth == a.vars[i].depth {
			a.assign(j, v)
		}
	}
	return true
}

func (a *analysis) assign(i int, v value) {
	w := &a.vars[i]
	j := join(w.val, v.named())
	if j != w.val {
		w.val = j
		if w.read {
			a.grown = true
		}
	}
}
