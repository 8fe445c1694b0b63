package escape

import (
	"fmt"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
	"github.com/dop251/goja/token"
	"github.com/dop251/goja/unistring"
)

// Script knows the names of a whole script: a bundle that was loaded. It answers what a handler's own source cannot: whether
// a name that is free there is a variable of the script, and whether one that looks like a native's was declared anywhere.
//
// Its answers hold for functions whose source text is part of the script; code made from strings sees globals only.
// A Script is read-only, and safe for concurrent use.
type Script struct {
	// top holds the names of the scope that everything of the script shares, and whether all that is ever assigned to a variable of that name is primitive.
	top map[unistring.String]bool
	// names holds every name that is declared or assigned anywhere.
	names map[unistring.String]bool
	// blind: eval or with may declare and assign what is not written.
	blind bool
}

// ReadScript parses a script: what the engine compiles, so either a plain script or one function, called or not, that wraps it all.
// The script must run as one; an error is a syntax error.
func ReadScript(src string) (*Script, error) {
	p, err := parser.ParseFile(nil, "", src, 0, parser.WithDisableSourceMaps)
	if err != nil {
		return nil, fmt.Errorf("read the script's names: %w", err)
	}
	r := reader{
		Script:  Script{top: map[unistring.String]bool{}, names: map[unistring.String]bool{}},
		sources: map[unistring.String][]ast.Expression{},
		mixed:   map[unistring.String]bool{},
	}
	r.shared(p)
	for _, s := range p.Body {
		r.statement(s)
	}
	// From "all primitive" down: a name falls when something else is assigned to it, until none does.
	for name := range r.top {
		r.top[name] = !r.mixed[name]
	}
	for again := true; again; {
		again = false
		for name, prim := range r.top {
			if !prim {
				continue
			}
			for _, e := range r.sources[name] {
				if !r.primitive(e) {
					r.top[name], again = false, true
					break
				}
			}
		}
	}
	return &r.Script, nil
}

// Variable classifies a variable that a handler of this script mentions and does not declare. It serves as Options.Outer.
func (s *Script) Variable(name string) Variable {
	prim, ok := s.top[unistring.NewFromString(name)]
	switch {
	case s.blind || !ok:
		return Unknown
	case prim:
		return LexicalPrimitive
	}
	return Lexical
}

// Declares reports whether the script declares or assigns the name anywhere, in whatever scope, or may. A global function
// whose name is declared may be shadowed where a handler calls it.
func (s *Script) Declares(name string) bool {
	return s.blind || s.names[unistring.NewFromString(name)]
}

// reader collects a Script.
type reader struct {
	Script
	// sources holds what is assigned to each name; mixed the names that are assigned what has no expression: parameters, loop variables, parts of patterns.
	sources map[unistring.String][]ast.Expression
	mixed   map[unistring.String]bool
}

// shared finds the scope around everything. Of a plain script these are let and const alone: its vars are properties of the
// global object, where a getter may already be.
func (r *reader) shared(p *ast.Program) {
	list := p.Body
	if len(p.Body) == 1 {
		if s, ok := p.Body[0].(*ast.ExpressionStatement); ok {
			e := s.Expression
			if c, ok := e.(*ast.CallExpression); ok && len(c.ArgumentList) == 0 {
				e = c.Callee
			}
			var vars []*ast.VariableDeclaration
			var body ast.ConciseBody
			switch f := e.(type) {
			case *ast.FunctionLiteral:
				vars, body = f.DeclarationList, f.Body
			case *ast.ArrowFunctionLiteral:
				vars, body = f.DeclarationList, f.Body
			}
			if b, ok := body.(*ast.BlockStatement); ok {
				list = b.List
				for _, d := range vars {
					for _, b := range d.List {
						r.share(b.Target)
					}
				}
				for _, s := range list {
					switch s := s.(type) {
					case *ast.FunctionDeclaration:
						r.share(s.Function.Name)
					case *ast.ClassDeclaration:
						r.share(s.Class.Name)
					}
				}
			}
		}
	}
	for _, s := range list {
		if d, ok := s.(*ast.LexicalDeclaration); ok {
			for _, b := range d.List {
				r.share(b.Target)
			}
		}
	}
}

// share notes a plain name of the shared scope. Those of patterns are left out: they are Unknown then.
func (r *reader) share(t ast.Expression) {
	if id, ok := t.(*ast.Identifier); ok && id != nil {
		r.top[id.Name] = true
	}
}

// primitive reports whether an expression can only give a primitive.
func (r *reader) primitive(e ast.Expression) bool {
	switch e := e.(type) {
	case *ast.NumberLiteral, *ast.StringLiteral, *ast.BooleanLiteral, *ast.NullLiteral, *ast.UnaryExpression:
		return true
	case *ast.TemplateLiteral:
		return e.Tag == nil
	case *ast.Identifier:
		if prim, ok := r.top[e.Name]; ok {
			return prim
		}
		return e.Name == "undefined" && !r.names[e.Name]
	case *ast.BinaryExpression:
		switch e.Operator {
		case token.LOGICAL_AND, token.LOGICAL_OR, token.COALESCE:
			return r.primitive(e.Left) && r.primitive(e.Right)
		}
		return true
	case *ast.AssignExpression:
		switch e.Operator {
		case token.ASSIGN:
			return r.primitive(e.Right)
		case token.LOGICAL_AND, token.LOGICAL_OR, token.COALESCE:
			return r.primitive(e.Left) && r.primitive(e.Right)
		}
		return true
	case *ast.ConditionalExpression:
		return r.primitive(e.Consequent) && r.primitive(e.Alternate)
	case *ast.SequenceExpression:
		return r.primitive(e.Sequence[len(e.Sequence)-1])
	}
	return false
}

// bind notes that a target is declared or assigned; from is what it gets, or nil if that has no expression.
func (r *reader) bind(t, from ast.Expression) {
	switch t := t.(type) {
	case nil:
	case *ast.Identifier:
		r.identifier(t)
		r.names[t.Name] = true
		if from != nil {
			r.sources[t.Name] = append(r.sources[t.Name], from)
		} else {
			r.mixed[t.Name] = true
		}
	case *ast.AssignExpression:
		r.bind(t.Left, nil)
		r.expression(t.Right)
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				r.bind(&p.Name, nil)
				r.expression(p.Initializer)
			case *ast.PropertyKeyed:
				r.expression(p.Key)
				r.bind(p.Value, nil)
			default:
				r.blind = true
			}
		}
		r.bind(t.Rest, nil)
	case *ast.ArrayPattern:
		for _, e := range t.Elements {
			r.bind(e, nil)
		}
		r.bind(t.Rest, nil)
	default: // a member
		r.expression(t)
	}
}

func (r *reader) identifier(e *ast.Identifier) {
	if e.Name == "eval" {
		r.blind = true
	}
}

func (r *reader) bindings(list []*ast.Binding) {
	for _, b := range list {
		if b.Initializer == nil {
			// undefined, unless it is the target of a loop, which binds it as mixed.
			if id, ok := b.Target.(*ast.Identifier); ok {
				r.identifier(id)
				r.names[id.Name] = true
				continue
			}
		}
		r.bind(b.Target, b.Initializer)
		r.expression(b.Initializer)
	}
}

func (r *reader) function(params *ast.ParameterList, body ast.Node) {
	for _, b := range params.List {
		r.bind(b.Target, nil)
		r.expression(b.Initializer)
	}
	r.bind(params.Rest, nil)
	switch body := body.(type) {
	case *ast.BlockStatement:
		r.statements(body.List)
	case *ast.ExpressionBody:
		r.expression(body.Expression)
	}
}

func (r *reader) class(c *ast.ClassLiteral) {
	if c.Name != nil {
		r.bind(c.Name, nil)
	}
	r.expression(c.SuperClass)
	for _, e := range c.Body {
		switch e := e.(type) {
		case *ast.FieldDefinition:
			r.expression(e.Key)
			r.expression(e.Initializer)
		case *ast.MethodDefinition:
			r.expression(e.Key)
			r.expression(e.Body)
		case *ast.ClassStaticBlock:
			r.statements(e.Block.List)
		default:
			r.blind = true
		}
	}
}

func (r *reader) expressions(list []ast.Expression) {
	for _, e := range list {
		r.expression(e)
	}
}

func (r *reader) expression(e ast.Expression) {
	switch e := e.(type) {
	case nil, *ast.NumberLiteral, *ast.StringLiteral, *ast.BooleanLiteral, *ast.NullLiteral, *ast.RegExpLiteral,
		*ast.ThisExpression, *ast.SuperExpression, *ast.MetaProperty, *ast.PrivateIdentifier:
	case *ast.Identifier:
		r.identifier(e)
	case *ast.DotExpression:
		r.expression(e.Left)
	case *ast.PrivateDotExpression:
		r.expression(e.Left)
	case *ast.BracketExpression:
		r.expression(e.Left)
		r.expression(e.Member)
	case *ast.OptionalChain:
		r.expression(e.Expression)
	case *ast.Optional:
		r.expression(e.Expression)
	case *ast.SpreadElement:
		r.expression(e.Expression)
	case *ast.CallExpression:
		r.expression(e.Callee)
		r.expressions(e.ArgumentList)
	case *ast.NewExpression:
		r.expression(e.Callee)
		r.expressions(e.ArgumentList)
	case *ast.TemplateLiteral:
		r.expression(e.Tag)
		r.expressions(e.Expressions)
	case *ast.UnaryExpression:
		switch e.Operator {
		case token.INCREMENT, token.DECREMENT:
			r.bind(e.Operand, e) // e gives a number, and so does what is stored
			return
		}
		r.expression(e.Operand)
	case *ast.BinaryExpression:
		r.expression(e.Left)
		r.expression(e.Right)
	case *ast.AssignExpression:
		switch e.Operator {
		case token.ASSIGN, token.LOGICAL_AND, token.LOGICAL_OR, token.COALESCE:
			r.bind(e.Left, e.Right)
		default:
			r.bind(e.Left, e) // e gives a primitive
		}
		r.expression(e.Right)
	case *ast.ConditionalExpression:
		r.expression(e.Test)
		r.expression(e.Consequent)
		r.expression(e.Alternate)
	case *ast.SequenceExpression:
		r.expressions(e.Sequence)
	case *ast.ArrayLiteral:
		r.expressions(e.Value)
	case *ast.ObjectLiteral:
		for _, p := range e.Value {
			switch p := p.(type) {
			case *ast.PropertyShort:
				r.expression(&p.Name)
				r.expression(p.Initializer)
			case *ast.PropertyKeyed:
				r.expression(p.Key)
				r.expression(p.Value)
			case *ast.SpreadElement:
				r.expression(p)
			default:
				r.blind = true
			}
		}
	case *ast.FunctionLiteral:
		if e.Name != nil {
			r.bind(e.Name, nil)
		}
		r.function(e.ParameterList, e.Body)
	case *ast.ArrowFunctionLiteral:
		r.function(e.ParameterList, e.Body)
	case *ast.ClassLiteral:
		r.class(e)
	case *ast.AwaitExpression:
		r.expression(e.Argument)
	case *ast.YieldExpression:
		r.expression(e.Argument)
	default:
		r.blind = true
	}
}

func (r *reader) statements(list []ast.Statement) {
	for _, s := range list {
		r.statement(s)
	}
}

func (r *reader) statement(s ast.Statement) {
	switch s := s.(type) {
	case nil, *ast.EmptyStatement, *ast.BranchStatement, *ast.DebuggerStatement:
	case *ast.ExpressionStatement:
		r.expression(s.Expression)
	case *ast.BlockStatement:
		r.statements(s.List)
	case *ast.VariableStatement:
		r.bindings(s.List)
	case *ast.LexicalDeclaration:
		r.bindings(s.List)
	case *ast.FunctionDeclaration:
		r.expression(s.Function)
	case *ast.ClassDeclaration:
		r.class(s.Class)
	case *ast.IfStatement:
		r.expression(s.Test)
		r.statement(s.Consequent)
		r.statement(s.Alternate)
	case *ast.ReturnStatement:
		r.expression(s.Argument)
	case *ast.ThrowStatement:
		r.expression(s.Argument)
	case *ast.TryStatement:
		r.statements(s.Body.List)
		if s.Catch != nil {
			r.bind(s.Catch.Parameter, nil)
			r.statements(s.Catch.Body.List)
		}
		if s.Finally != nil {
			r.statements(s.Finally.List)
		}
	case *ast.SwitchStatement:
		r.expression(s.Discriminant)
		for _, c := range s.Body {
			r.expression(c.Test)
			r.statements(c.Consequent)
		}
	case *ast.WhileStatement:
		r.expression(s.Test)
		r.statement(s.Body)
	case *ast.DoWhileStatement:
		r.statement(s.Body)
		r.expression(s.Test)
	case *ast.ForStatement:
		switch init := s.Initializer.(type) {
		case nil:
		case *ast.ForLoopInitializerExpression:
			r.expression(init.Expression)
		case *ast.ForLoopInitializerVarDeclList:
			r.bindings(init.List)
		case *ast.ForLoopInitializerLexicalDecl:
			r.bindings(init.LexicalDeclaration.List)
		default:
			r.blind = true
		}
		r.expression(s.Test)
		r.expression(s.Update)
		r.statement(s.Body)
	case *ast.ForInStatement:
		r.forInto(s.Into)
		r.expression(s.Source)
		r.statement(s.Body)
	case *ast.ForOfStatement:
		r.forInto(s.Into)
		r.expression(s.Source)
		r.statement(s.Body)
	case *ast.LabelledStatement:
		r.statement(s.Statement)
	default: // with, and what is not known
		r.blind = true
	}
}

func (r *reader) forInto(into ast.ForInto) {
	switch into := into.(type) {
	case *ast.ForIntoVar:
		r.bind(into.Binding.Target, nil)
	case *ast.ForDeclaration:
		r.bind(into.Target, nil)
	case *ast.ForIntoExpression:
		r.bind(into.Expression, nil)
	default:
		r.blind = true
	}
}
