package escape

import (
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"
	"github.com/dop251/goja/unistring"
)

func (a *analysis) native(name string) (Native, bool) {
	if a.opt.Natives == nil {
		return Native{}, false
	}
	return a.opt.Natives(name)
}

func (a *analysis) member(name string) (MemberKind, bool) {
	if a.opt.Members == nil {
		return Escaping, false
	}
	return a.opt.Members(name)
}

func (a *analysis) scalar(proto, field string) bool {
	return a.opt.Scalars != nil && a.opt.Scalars(proto, field)
}

func (a *analysis) part(proto, field string) bool {
	return a.opt.Parts != nil && a.opt.Parts(proto, field)
}

func (a *analysis) method(name string) bool {
	return a.opt.Methods != nil && a.opt.Methods(name)
}

func (a *analysis) outer(name string) Variable {
	if a.opt.Outer == nil {
		return Unknown
	}
	return a.opt.Outer(name)
}

// below is the path of a field seen from the layer.
func (p place) below(name string) string {
	if p.path == "" {
		return name
	}
	return p.path + "." + name
}

// forbidden gives up at names with powers of their own. await and yield are names where this text is parsed, and may be
// operators where the function was written.
func (a *analysis) forbidden(n *ast.Identifier) bool {
	switch n.Name {
	case "eval", "arguments", "await", "yield":
		a.giveUp(n, "%s", n.Name.String())
		return true
	}
	return false
}

// global returns the dotted name of an expression that starts at a name the source does not declare: send, console.log.
func (a *analysis) global(e ast.Expression) (string, bool) {
	// Longer chains name nothing that is known, and building their names would take quadratic time.
	const most = 3
	return a.globalName(e, most)
}

func (a *analysis) globalName(e ast.Expression, most int) (string, bool) {
	if most == 0 {
		return "", false
	}
	switch e := e.(type) {
	case *ast.Identifier:
		if a.lookup(e.Name) >= 0 {
			return "", false
		}
		return e.Name.String(), true
	case *ast.DotExpression:
		if s, ok := a.globalName(e.Left, most-1); ok {
			return s + "." + e.Identifier.Name.String(), true
		}
	case *ast.BracketExpression:
		if m, ok := e.Member.(*ast.StringLiteral); ok {
			if s, ok := a.globalName(e.Left, most-1); ok {
				return s + "." + m.Value.String(), true
			}
		}
	}
	return "", false
}

func (a *analysis) expression(e ast.Expression) value {
	switch e := e.(type) {
	case *ast.NumberLiteral:
		return value{kinds: number}
	case *ast.StringLiteral, *ast.BooleanLiteral:
		return value{kinds: text}
	case *ast.NullLiteral:
		return value{kinds: nullish}
	case *ast.RegExpLiteral, *ast.ThisExpression:
		return value{kinds: other}
	case *ast.Identifier:
		return a.name(e)
	case *ast.DotExpression:
		if s, ok := a.global(e); ok {
			if n, ok := a.native(s); ok {
				return nativeValue(n)
			}
		}
		return a.get(e, a.expression(e.Left), e.Identifier.Name)
	case *ast.BracketExpression:
		v := a.expression(e.Left)
		if s, ok := e.Member.(*ast.StringLiteral); ok {
			return a.get(e, v, s.Value)
		}
		return a.index(e, v, a.key(e.Member))
	case *ast.OptionalChain:
		v := a.expression(e.Expression)
		v.kinds |= nullish
		return v
	case *ast.Optional:
		return a.expression(e.Expression)
	case *ast.CallExpression:
		return a.call(e)
	case *ast.NewExpression:
		// Constructing may return anything, and read newTarget's prototype.
		f := a.expression(e.Callee)
		if f.kinds&view != 0 {
			a.escape(e.Callee, "%s is called", e.Callee)
		}
		a.unknownCall(e.Callee, a.arguments(e.ArgumentList))
		return value{kinds: other}
	case *ast.TemplateLiteral:
		return a.template(e)
	case *ast.UnaryExpression:
		return a.unary(e)
	case *ast.BinaryExpression:
		return a.binary(e)
	case *ast.AssignExpression:
		return a.assignment(e)
	case *ast.ConditionalExpression:
		a.expression(e.Test)
		return join(a.expression(e.Consequent), a.expression(e.Alternate))
	case *ast.SequenceExpression:
		var v value
		for _, e := range e.Sequence {
			v = a.expression(e)
		}
		return v
	case *ast.ArrayLiteral:
		v := value{kinds: literal}
		for _, e := range e.Value {
			if e != nil {
				v.kinds |= a.element(e)
			}
		}
		return v
	case *ast.ObjectLiteral:
		return a.object(e)
	case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral:
		return a.function(e, true, false)
	case *ast.AwaitExpression:
		a.giveUp(e, "await")
	case *ast.YieldExpression:
		a.giveUp(e, "yield")
	case *ast.ClassLiteral:
		a.giveUp(e, "a class")
	default:
		a.giveUp(e, "an expression that is not understood")
	}
	return value{kinds: other}
}

func nativeValue(n Native) value {
	if n.Constant {
		return value{kinds: primitive}
	}
	return value{kinds: other}
}

func (a *analysis) name(e *ast.Identifier) value {
	if a.forbidden(e) {
		return value{kinds: other}
	}
	if i := a.lookup(e.Name); i >= 0 {
		a.vars[i].read = true
		return a.vars[i].val
	}
	switch e.Name {
	case "undefined":
		if n, ok := a.native("undefined"); ok && n.Constant {
			return value{kinds: nullish}
		}
		// The global one cannot be replaced, and reading a variable of that name runs no code either; but what it holds is anything.
		return value{kinds: other}
	}
	name := e.Name.String()
	if n, ok := a.native(name); ok {
		return nativeValue(n)
	}
	switch a.outer(name) {
	case LexicalPrimitive:
		return value{kinds: primitive}
	case Unknown:
		a.noisy(e, "%s may be a global with a getter", e)
	}
	return value{kinds: other}
}

// element is the kinds that a value adds to the literal it is put into.
func (a *analysis) element(e ast.Expression) kinds {
	if s, ok := e.(*ast.SpreadElement); ok {
		if v := a.expression(s.Expression); v.kinds&view != 0 {
			a.escape(s.Expression, "%s is spread", s.Expression)
		}
		a.noisy(s.Expression, "%s is spread", s.Expression)
		return other
	}
	v := a.expression(e)
	if v.kinds&view != 0 {
		a.escape(e, "%s, which reads through the packet, is put into a literal", e)
	}
	if v.kinds&^(primitive|literal|aliased|built) != 0 {
		return other
	}
	return v.kinds & aliased
}

func (a *analysis) object(e *ast.ObjectLiteral) value {
	v := value{kinds: literal}
	for _, p := range e.Value {
		switch p := p.(type) {
		case *ast.SpreadElement:
			v.kinds |= a.element(p)
		case *ast.PropertyShort:
			if p.Initializer != nil {
				a.giveUp(p, "a literal that is not understood")
			}
			v.kinds |= a.element(&p.Name)
		case *ast.PropertyKeyed:
			if s, ok := p.Key.(*ast.StringLiteral); p.Computed || !ok {
				a.key(p.Key)
			} else if s.Value == "__proto__" {
				v.kinds |= other
			}
			v.kinds |= a.element(p.Value)
		default:
			a.giveUp(e, "a literal that is not understood")
		}
	}
	return v
}

// key is an expression that is converted to a property key.
func (a *analysis) key(e ast.Expression) value {
	v := a.expression(e)
	a.convert(e, v)
	return v
}

// convert notes what turning a value into a number, a text or a key may do: methods of objects are called.
func (a *analysis) convert(e ast.Expression, v value) {
	if v.kinds&view != 0 {
		a.escape(e, "%s is converted to text or a number", e)
	}
	if v.kinds&^primitive != 0 {
		a.noisy(e, "%s may be an object with a toString or valueOf", e)
	}
}

func (a *analysis) template(e *ast.TemplateLiteral) value {
	if e.Tag != nil {
		if v := a.expression(e.Tag); v.kinds&view != 0 {
			a.escape(e.Tag, "%s is called", e.Tag)
		}
		a.unknownCall(e.Tag, a.arguments(e.Expressions))
		return value{kinds: other | primitive}
	}
	for _, e := range e.Expressions {
		a.key(e)
	}
	return value{kinds: text}
}

func (a *analysis) unary(e *ast.UnaryExpression) value {
	switch e.Operator {
	case token.TYPEOF, token.NOT:
		a.expression(e.Operand)
		return value{kinds: text}
	case token.VOID:
		a.expression(e.Operand)
		return value{kinds: nullish}
	case token.PLUS, token.MINUS, token.BITWISE_NOT:
		a.convert(e.Operand, a.expression(e.Operand))
		return value{kinds: number}
	case token.INCREMENT, token.DECREMENT:
		r := a.reference(e.Operand)
		a.convert(e.Operand, a.read(r))
		v := value{kinds: number}
		a.write(r, v)
		return v
	case token.DELETE:
		if s, ok := a.global(e.Operand); ok {
			if _, ok := a.native(s); ok {
				a.giveUp(e, "%s", e)
			}
		}
		if r := a.reference(e.Operand); r.on.kinds&view != 0 {
			a.escape(e, "%s of a received packet", e)
		}
		a.noisy(e, "%s may meet a proxy", e)
		return value{kinds: text}
	}
	a.giveUp(e, "an operator that is not understood")
	return value{kinds: other}
}

func (a *analysis) binary(e *ast.BinaryExpression) value {
	l := a.expression(e.Left)
	r := a.expression(e.Right)
	switch e.Operator {
	case token.LOGICAL_AND:
		// Objects are true: of the left side, only primitives come through.
		l.kinds &= primitive | other
		if l.kinds&other != 0 {
			l.kinds = l.kinds&^other | primitive
		}
		return join(l, r)
	case token.LOGICAL_OR, token.COALESCE:
		return join(l, r)
	case token.STRICT_EQUAL, token.STRICT_NOT_EQUAL:
		return value{kinds: text}
	case token.EQUAL, token.NOT_EQUAL:
		// Compared with null, nothing is converted.
		if l.kinds != nullish && r.kinds != nullish {
			a.convert(e.Left, l)
			a.convert(e.Right, r)
		}
		return value{kinds: text}
	case token.IN, token.INSTANCEOF:
		if (l.kinds|r.kinds)&view != 0 {
			a.escape(e, "%s", e)
		}
		a.noisy(e, "%s may meet a proxy or a method", e)
		return value{kinds: text}
	case token.LESS, token.LESS_OR_EQUAL, token.GREATER, token.GREATER_OR_EQUAL:
		a.convert(e.Left, l)
		a.convert(e.Right, r)
		return value{kinds: text}
	}
	a.convert(e.Left, l)
	a.convert(e.Right, r)
	return arithmetic(e.Operator, l, r)
}

// arithmetic is the kind of what an arithmetic operator gives.
func arithmetic(op token.Token, l, r value) value {
	if op == token.PLUS && (l.kinds|r.kinds)&^(number|nullish) != 0 {
		return value{kinds: number | text}
	}
	return value{kinds: number}
}

func (a *analysis) assignment(e *ast.AssignExpression) value {
	if e.Operator == token.ASSIGN {
		v := a.expression(e.Right)
		a.store(e.Left, v)
		return v.named()
	}
	to := a.reference(e.Left)
	l, r := a.read(to), a.expression(e.Right)
	switch e.Operator {
	case token.LOGICAL_AND, token.LOGICAL_OR, token.COALESCE:
		a.write(to, r)
		return join(l, r).named()
	}
	a.convert(e.Left, l)
	a.convert(e.Right, r)
	v := arithmetic(e.Operator, l, r)
	a.write(to, v)
	return v
}

// get reads a member of v by name.
func (a *analysis) get(e ast.Expression, v value, name unistring.String) value {
	var w value
	if v.kinds&view != 0 {
		w = a.getView(e, v.at, name.String())
	}
	if v.kinds&built != 0 {
		w = join(w, a.getBuilt(e, v.at, name.String()))
	}
	if v.kinds&(number|text) != 0 {
		k := other | primitive
		if a.method(name.String()) {
			k = other
			if name == "length" {
				k = number | nullish
			}
		} else {
			a.noisy(e, "%s may be a getter", e)
		}
		w = join(w, value{kinds: k})
	}
	if v.kinds&(literal|aliased|function|other) != 0 {
		a.noisy(e, "%s may be a getter", e)
		w = join(w, value{kinds: other | primitive})
	}
	if w.kinds == 0 { // it throws
		w.kinds = nullish
	}
	return w
}

func (a *analysis) getView(e ast.Expression, at place, name string) value {
	switch {
	case at.mixed:
	case at.proto != "":
		return a.field(e, at.proto, at.below(name))
	default:
		switch k, _ := a.member(name); k {
		case Scalar:
			return value{kinds: primitive}
		case Copy:
			return value{kinds: other}
		case Layer:
			return value{kinds: view | nullish, at: place{proto: name}}
		case Inner:
			return value{kinds: view | nullish}
		}
	}
	return a.unknownMember(e)
}

// field reads a field of a layer of a received packet.
func (a *analysis) field(e ast.Expression, proto, path string) value {
	if a.scalar(proto, path) {
		return value{kinds: primitive}
	}
	if a.part(proto, path) {
		return value{kinds: view | nullish, at: place{proto: proto, path: path}}
	}
	return a.unknownMember(e)
}

func (a *analysis) unknownMember(e ast.Expression) value {
	a.escape(e, "%s is not known to be a value that lets go of the packet", e)
	a.noisy(e, "%s may be a getter", e)
	return value{kinds: other | primitive}
}

// getBuilt reads a member of a packet with bytes of its own. Its fields may hold what the script put there, a Varying or an
// iterator, so they are never known to be primitive.
func (a *analysis) getBuilt(e ast.Expression, at place, name string) value {
	switch {
	case at.mixed:
	case at.proto != "":
		path := at.below(name)
		if a.scalar(at.proto, path) || a.part(at.proto, path) {
			return value{kinds: built | other | primitive, at: place{proto: at.proto, path: path}}
		}
	default:
		switch k, _ := a.member(name); k {
		case Scalar, Copy:
			return value{kinds: other | primitive}
		case Layer:
			return value{kinds: built | nullish, at: place{proto: name}}
		case Inner:
			return value{kinds: built | nullish}
		}
	}
	a.noisy(e, "%s may be a getter", e)
	return value{kinds: other | primitive}
}

// index reads a member of v by a computed key.
func (a *analysis) index(e ast.Expression, v, k value) value {
	var w value
	if v.kinds&view != 0 {
		// Only a number is sure to be an index and not the name of an inherited method.
		if k.kinds == number && v.at.path != "" && !v.at.mixed {
			w = a.field(e, v.at.proto, v.at.path+"[]")
		} else {
			w = a.unknownMember(e)
		}
	}
	if v.kinds&^(view|nullish) != 0 {
		a.noisy(e, "%s may be a getter", e)
		w = join(w, value{kinds: other | primitive})
	}
	if w.kinds == 0 { // it throws
		w.kinds = nullish
	}
	return w
}

// given is what is known of a call's arguments.
type given struct {
	view  ast.Expression // one that reads through the packet
	kinds kinds
	first ast.Expression
}

func (a *analysis) arguments(list []ast.Expression) given {
	var g given
	for i, e := range list {
		if s, ok := e.(*ast.SpreadElement); ok {
			g.kinds |= a.element(s)
			continue
		}
		v := a.expression(e)
		if v.kinds&view != 0 {
			g.view = e
		}
		g.kinds |= v.kinds
		if i == 0 {
			g.first = e
		}
	}
	return g
}

// pass notes that arguments go to something that may keep them.
func (a *analysis) pass(callee ast.Expression, g given) {
	if g.view != nil {
		a.escape(g.view, "%s is passed to %s, which is not known to let go of it,", g.view, callee)
	}
}

func (a *analysis) unknownCall(callee ast.Expression, g given) {
	a.pass(callee, g)
	a.noisy(callee, "%s is called and not known", callee)
}

func (a *analysis) call(e *ast.CallExpression) value {
	callee := e.Callee
	if o, ok := callee.(*ast.Optional); ok {
		callee = o.Expression
	}
	if s, ok := a.global(callee); ok {
		if n, ok := a.native(s); ok && !n.Constant {
			return a.callNative(callee, n, a.arguments(e.ArgumentList))
		}
	}
	switch c := callee.(type) {
	case *ast.DotExpression:
		return a.callMethod(callee, a.expression(c.Left), c.Identifier.Name, a.arguments(e.ArgumentList))
	case *ast.BracketExpression:
		on := a.expression(c.Left)
		if s, ok := c.Member.(*ast.StringLiteral); ok {
			return a.callMethod(callee, on, s.Value, a.arguments(e.ArgumentList))
		}
		a.key(c.Member)
		if on.kinds&view != 0 {
			a.unknownMember(callee)
		}
		a.unknownCall(callee, a.arguments(e.ArgumentList))
		return value{kinds: other | primitive}
	}
	f := a.expression(callee)
	g := a.arguments(e.ArgumentList)
	if f.kinds&view != 0 {
		a.escape(callee, "%s is called", callee)
	}
	a.pass(callee, g)
	// The body of a function written here was walked where it stands, and calls nothing that was not noted there.
	if f.kinds&^(function|nullish) != 0 {
		a.noisy(callee, "%s is called and not known", callee)
	}
	return value{kinds: other | primitive}
}

func (a *analysis) callNative(callee ast.Expression, n Native, g given) value {
	if !n.Consumes {
		a.pass(callee, g)
	}
	if !n.Quiet {
		a.noisy(callee, "%s may run script code", callee)
	} else if n.Coerces && g.kinds&^primitive != 0 {
		a.noisy(callee, "%s is given an object that may have a toString or valueOf", callee)
	} else if g.kinds&^inert != 0 {
		a.noisy(callee, "%s is given an object that may have getters", callee)
	}
	switch n.Result {
	case Primitive:
		return value{kinds: primitive}
	case Packet:
		return value{kinds: built | nullish}
	case Header:
		return value{kinds: built | nullish, at: place{mixed: true}}
	}
	return value{kinds: other | primitive}
}

// callMethod calls the member of that name on a value.
func (a *analysis) callMethod(callee ast.Expression, on value, name unistring.String, g given) value {
	var w value
	if on.kinds&(view|built) != 0 {
		w = a.callPacket(callee, on, name.String(), g)
	}
	if on.kinds&(number|text) != 0 {
		a.pass(callee, g)
		if a.method(name.String()) && g.kinds&^primitive == 0 {
			w = join(w, value{kinds: primitive})
		} else {
			a.noisy(callee, "%s is called and not known", callee)
			w = join(w, value{kinds: other | primitive})
		}
	}
	if on.kinds&(literal|aliased|function|other) != 0 {
		a.unknownCall(callee, g)
		w = join(w, value{kinds: other | primitive})
	}
	if w.kinds == 0 { // it throws
		w.kinds = nullish
	}
	return w
}

// callPacket calls a method of a packet, received or built.
func (a *analysis) callPacket(callee ast.Expression, on value, name string, g given) value {
	k := Escaping
	if on.at == (place{}) {
		k, _ = a.member(name)
	}
	if g.view != nil && (k != CallScalar && k != CallMatch) {
		a.pass(callee, g)
	}
	if g.kinds&^inert != 0 {
		a.noisy(callee, "%s is given an object that may have getters", callee)
	}
	received := on.kinds&view != 0
	switch k {
	case CallScalar:
		return value{kinds: primitive}
	case CallMatch:
		if g.kinds&(other|aliased|function) != 0 {
			if received {
				a.escape(callee, "%s may call a function with the packet", callee)
			}
			a.noisy(callee, "%s may call a function", callee)
		}
		return value{kinds: primitive}
	case CallCopy:
		return value{kinds: other | primitive}
	case CallPacket:
		return value{kinds: built | nullish}
	case CallLayer:
		if s, ok := g.first.(*ast.StringLiteral); ok {
			if k, _ := a.member(s.Value.String()); k == Layer {
				return value{kinds: on.kinds&(view|built) | nullish, at: place{proto: s.Value.String()}}
			}
		}
	}
	if received {
		a.escape(callee, "%s is not known to let go of the packet", callee)
	}
	a.noisy(callee, "%s is called and not known", callee)
	return value{kinds: other | primitive}
}
