package escape

import (
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/unistring"
)

// function walks a function: the handler itself, whose first parameter is the packet, or one written inside it, which is
// taken to be called at any time with anything but a view. Its body counts as run where it is written.
//
// named: the function's name is a variable of its own scope, as it is for an expression.
func (a *analysis) function(fn ast.Expression, named, handler bool) value {
	mark := len(a.scope)
	depth, inner := a.depth, a.inner
	if !handler {
		a.depth, a.inner = depth+1, fn.Idx0()
	}
	defer func() {
		a.scope, a.depth, a.inner = a.scope[:mark], depth, inner
	}()
	var (
		params     *ast.ParameterList
		body       ast.ConciseBody
		vars       []*ast.VariableDeclaration
		suspending bool
	)
	switch fn := fn.(type) {
	case *ast.FunctionLiteral:
		params, body, vars, suspending = fn.ParameterList, fn.Body, fn.DeclarationList, fn.Async || fn.Generator
		if named && fn.Name != nil {
			a.declare(fn.Name.Name, value{kinds: other})
		}
	case *ast.ArrowFunctionLiteral:
		params, body, vars, suspending = fn.ParameterList, fn.Body, fn.DeclarationList, fn.Async
	}
	if suspending {
		a.noisy(fn, "an async function or generator")
		if handler {
			a.escape(nil, "the packet is kept while an async function or generator waits")
		}
	}
	first := len(a.scope)
	a.parameters(params, handler)
	for _, d := range vars {
		for _, b := range d.List {
			a.declareTarget(b.Target, value{kinds: nullish}, first)
		}
	}
	switch body := body.(type) {
	case *ast.ExpressionBody:
		a.result(body.Expression)
	case *ast.BlockStatement:
		for _, s := range body.List {
			if f, ok := s.(*ast.FunctionDeclaration); ok && f.Function.Name != nil {
				v := value{kinds: function}
				if f.Function.Async || f.Function.Generator {
					v.kinds = other
				}
				a.declareOnce(first, f.Function.Name.Name, v)
			}
		}
		a.hoist(body.List)
		for _, s := range body.List {
			if f, ok := s.(*ast.FunctionDeclaration); ok {
				a.function(f.Function, false, false)
				continue
			}
			a.statement(s)
		}
	}
	if suspending {
		return value{kinds: other}
	}
	return value{kinds: function}
}

func (a *analysis) parameters(params *ast.ParameterList, handler bool) {
	mark := len(a.scope)
	for _, b := range params.List {
		a.declareTarget(b.Target, value{}, mark)
	}
	if params.Rest != nil {
		a.declareTarget(params.Rest, value{}, mark)
	}
	for i, b := range params.List {
		v := value{kinds: other | primitive}
		if handler && i == 0 {
			v = value{kinds: view}
		}
		if b.Initializer != nil {
			v = join(v, a.expression(b.Initializer))
		}
		a.store(b.Target, v)
	}
	if params.Rest != nil {
		if handler && len(params.List) == 0 {
			a.escape(params.Rest, "the packet is put into the rest parameter %s", params.Rest)
		}
		a.store(params.Rest, value{kinds: other})
	}
}

// declareTarget declares the names that a binding target binds.
func (a *analysis) declareTarget(t ast.Expression, v value, mark int) {
	switch t := t.(type) {
	case nil:
	case *ast.Identifier:
		a.declareOnce(mark, t.Name, v)
	case *ast.AssignExpression: // with a default
		a.declareTarget(t.Left, v, mark)
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				a.declareOnce(mark, p.Name.Name, v)
			case *ast.PropertyKeyed:
				a.declareTarget(p.Value, v, mark)
			}
		}
		a.declareTarget(t.Rest, v, mark)
	case *ast.ArrayPattern:
		for _, e := range t.Elements {
			a.declareTarget(e, v, mark)
		}
		a.declareTarget(t.Rest, v, mark)
	default:
		a.giveUp(t, "a binding that is not understood")
	}
}

// hoist declares what a block's let and const declare.
func (a *analysis) hoist(list []ast.Statement) {
	mark := len(a.scope)
	for _, s := range list {
		if d, ok := s.(*ast.LexicalDeclaration); ok {
			for _, b := range d.List {
				a.declareTarget(b.Target, value{}, mark)
			}
		}
	}
}

func (a *analysis) block(list []ast.Statement) {
	mark := len(a.scope)
	a.hoist(list)
	for _, s := range list {
		a.statement(s)
	}
	a.scope = a.scope[:mark]
}

func (a *analysis) bindings(list []*ast.Binding, lexical bool) {
	for _, b := range list {
		switch {
		case b.Initializer != nil:
			a.store(b.Target, a.expression(b.Initializer))
		case lexical:
			a.store(b.Target, value{kinds: nullish})
		}
	}
}

// result is an expression whose value leaves the function.
func (a *analysis) result(e ast.Expression) {
	v := a.expression(e)
	if a.depth > 0 {
		return
	}
	if v.kinds&view != 0 {
		a.escape(e, "%s, which reads through the packet, is returned", e)
	}
	if v.kinds&other != 0 {
		a.noisy(e, "%s may return a promise", e)
	}
}

func (a *analysis) statement(s ast.Statement) {
	switch s := s.(type) {
	case nil, *ast.EmptyStatement, *ast.BranchStatement, *ast.DebuggerStatement:
	case *ast.ExpressionStatement:
		a.expression(s.Expression)
	case *ast.BlockStatement:
		a.block(s.List)
	case *ast.VariableStatement:
		a.bindings(s.List, false)
	case *ast.LexicalDeclaration:
		a.bindings(s.List, true)
	case *ast.IfStatement:
		a.expression(s.Test)
		a.statement(s.Consequent)
		a.statement(s.Alternate)
	case *ast.ReturnStatement:
		if s.Argument != nil {
			a.result(s.Argument)
		}
	case *ast.ThrowStatement:
		if v := a.expression(s.Argument); v.kinds&view != 0 {
			a.escape(s.Argument, "%s, which reads through the packet, is thrown", s.Argument)
		}
	case *ast.TryStatement:
		a.block(s.Body.List)
		if s.Catch != nil {
			mark := len(a.scope)
			if s.Catch.Parameter != nil {
				a.declareTarget(s.Catch.Parameter, value{}, mark)
				a.store(s.Catch.Parameter, value{kinds: other | primitive})
			}
			a.block(s.Catch.Body.List)
			a.scope = a.scope[:mark]
		}
		if s.Finally != nil {
			a.block(s.Finally.List)
		}
	case *ast.SwitchStatement:
		a.expression(s.Discriminant)
		mark := len(a.scope)
		for _, c := range s.Body {
			a.hoist(c.Consequent)
		}
		for _, c := range s.Body {
			if c.Test != nil {
				a.expression(c.Test)
			}
			for _, s := range c.Consequent {
				a.statement(s)
			}
		}
		a.scope = a.scope[:mark]
	case *ast.WhileStatement:
		a.expression(s.Test)
		a.statement(s.Body)
	case *ast.DoWhileStatement:
		a.statement(s.Body)
		a.expression(s.Test)
	case *ast.ForStatement:
		a.forStatement(s)
	case *ast.ForInStatement:
		v := a.expression(s.Source)
		if v.kinds&view != 0 {
			a.escape(s.Source, "%s is enumerated", s.Source)
		}
		if v.kinds&^(primitive|literal|aliased|function) != 0 {
			a.noisy(s.Source, "%s is enumerated and may be a proxy", s.Source)
		}
		a.forInto(s.Into, value{kinds: text}, s.Body)
	case *ast.ForOfStatement:
		v := a.expression(s.Source)
		if v.kinds&view != 0 {
			a.escape(s.Source, "%s is iterated", s.Source)
		}
		a.noisy(s.Source, "%s is iterated", s.Source)
		a.forInto(s.Into, value{kinds: other | primitive}, s.Body)
	case *ast.LabelledStatement:
		a.statement(s.Statement)
	case *ast.WithStatement:
		a.giveUp(s, "with")
	case *ast.FunctionDeclaration:
		// Sloppy mode gives it a second binding in the function around the block.
		a.giveUp(s, "a function declaration inside a block")
	case *ast.ClassDeclaration:
		a.giveUp(s, "a class")
	default:
		a.giveUp(s, "a statement that is not understood")
	}
}

func (a *analysis) forStatement(s *ast.ForStatement) {
	mark := len(a.scope)
	switch init := s.Initializer.(type) {
	case nil:
	case *ast.ForLoopInitializerExpression:
		a.expression(init.Expression)
	case *ast.ForLoopInitializerVarDeclList:
		a.bindings(init.List, false)
	case *ast.ForLoopInitializerLexicalDecl:
		a.hoist([]ast.Statement{&init.LexicalDeclaration})
		a.bindings(init.LexicalDeclaration.List, true)
	default:
		a.giveUp(s, "a loop that is not understood")
	}
	if s.Test != nil {
		a.expression(s.Test)
	}
	if s.Update != nil {
		a.expression(s.Update)
	}
	a.statement(s.Body)
	a.scope = a.scope[:mark]
}

func (a *analysis) forInto(into ast.ForInto, v value, body ast.Statement) {
	mark := len(a.scope)
	switch into := into.(type) {
	case *ast.ForIntoVar:
		a.store(into.Binding.Target, v)
	case *ast.ForDeclaration:
		a.declareTarget(into.Target, value{}, mark)
		a.store(into.Target, v)
	case *ast.ForIntoExpression:
		a.store(into.Expression, v)
	default:
		a.giveUp(body, "a loop that is not understood")
	}
	a.statement(body)
	a.scope = a.scope[:mark]
}

// reference is a name or member that is read, written or both. Its parts are walked once, for walking them twice would take
// exponential time when they nest.
type reference struct {
	e  ast.Expression
	id *ast.Identifier // a name, or else a member:
	on value
	// name of the member, when it is not computed; key when it is.
	name     unistring.String
	computed bool
	key      value
}

func (a *analysis) reference(e ast.Expression) reference {
	switch t := e.(type) {
	case *ast.Identifier:
		return reference{e: e, id: t}
	case *ast.DotExpression:
		return reference{e: e, on: a.expression(t.Left), name: t.Identifier.Name}
	case *ast.BracketExpression:
		on := a.expression(t.Left)
		if s, ok := t.Member.(*ast.StringLiteral); ok {
			return reference{e: e, on: on, name: s.Value}
		}
		return reference{e: e, on: on, computed: true, key: a.key(t.Member)}
	}
	// Only delete gets here with anything else, and deletes nothing then.
	return reference{e: e, on: a.expression(e)}
}

func (a *analysis) read(r reference) value {
	switch {
	case r.id != nil:
		return a.name(r.id)
	case r.computed:
		return a.index(r.e, r.on, r.key)
	}
	return a.get(r.e, r.on, r.name)
}

func (a *analysis) write(r reference, v value) {
	if r.id != nil {
		a.storeName(r.id, v)
		return
	}
	a.storeMember(r, v)
}

// store assigns v to an assignment or binding target.
func (a *analysis) store(t ast.Expression, v value) {
	switch t := t.(type) {
	case nil:
	case *ast.Identifier, *ast.DotExpression, *ast.BracketExpression:
		a.write(a.reference(t), v)
	case *ast.AssignExpression: // with a default
		a.store(t.Left, join(v, a.expression(t.Right)))
	case *ast.ObjectPattern:
		a.takeApart(t, v)
	case *ast.ArrayPattern:
		if v.kinds&view != 0 {
			a.escape(t, "%s iterates over the packet", t)
		}
		a.noisy(t, "%s iterates", t)
		for _, e := range t.Elements {
			a.store(e, value{kinds: other | primitive})
		}
		a.store(t.Rest, value{kinds: other})
	default:
		a.giveUp(t, "an assignment that is not understood")
	}
}

func (a *analysis) storeName(t *ast.Identifier, v value) {
	if a.forbidden(t) {
		return
	}
	if a.assignName(t.Name, v) {
		return
	}
	name := t.Name.String()
	if _, ok := a.native(name); ok {
		a.giveUp(t, "%s is assigned", t)
		return
	}
	if v.kinds&view != 0 {
		a.escape(t, "the packet or a part of it is stored in %s", t)
	}
	if a.outer(name) == Unknown {
		a.noisy(t, "%s may have a setter", t)
	}
}

func (a *analysis) storeMember(r reference, v value) {
	if dotted, ok := a.global(r.e); ok {
		if _, ok := a.native(dotted); ok {
			a.giveUp(r.e, "%s is assigned", r.e)
			return
		}
	}
	if r.on.kinds&view != 0 {
		a.escape(r.e, "%s of a received packet is assigned", r.e)
	}
	if v.kinds&view != 0 {
		a.escape(r.e, "the packet or a part of it is stored in %s", r.e)
	}
	if r.on.kinds&^(built|nullish) != 0 {
		a.noisy(r.e, "%s may have a setter", r.e)
	}
	if r.on.kinds&built != 0 {
		// A name that the packet does not have is looked for among the setters of Object.prototype.
		if r.computed || v.kinds&^(primitive|literal|aliased|built) != 0 || !a.assignable(r.on.at, r.name.String()) {
			a.noisy(r.e, "the assignment to %s may run a setter or a getter", r.e)
		}
	}
}

func (a *analysis) assignable(at place, name string) bool {
	if at.mixed {
		return false
	}
	if at.proto == "" {
		k, ok := a.member(name)
		return ok && (k == Layer || k == Copy || k == Scalar)
	}
	return a.scalar(at.proto, at.below(name)) || a.part(at.proto, at.below(name))
}

// takeApart assigns the properties of v to the targets of an object pattern.
func (a *analysis) takeApart(t *ast.ObjectPattern, v value) {
	for _, p := range t.Properties {
		switch p := p.(type) {
		case *ast.PropertyShort:
			w := a.get(&p.Name, v, p.Name.Name)
			if p.Initializer != nil {
				w = join(w, a.expression(p.Initializer))
			}
			a.storeName(&p.Name, w)
		case *ast.PropertyKeyed:
			if k, ok := p.Key.(*ast.StringLiteral); ok {
				a.store(p.Value, a.get(p.Key, v, k.Value))
			} else {
				a.store(p.Value, a.index(p.Key, v, a.key(p.Key)))
			}
		default:
			a.giveUp(t, "a pattern that is not understood")
		}
	}
	if t.Rest != nil {
		if v.kinds&view != 0 {
			a.escape(t.Rest, "the rest of the packet is copied into %s", t.Rest)
		}
		if v.kinds&^(primitive|literal|aliased|function) != 0 {
			a.noisy(t.Rest, "copying into %s may run getters", t.Rest)
		}
		a.store(t.Rest, value{kinds: other})
	}
}
