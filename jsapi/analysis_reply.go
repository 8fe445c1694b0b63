package jsapi

import (
	"reflect"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
	"github.com/dop251/goja/unistring"
)

// repliesLeave reports whether every answer that a handler makes by reply()
// provably goes nowhere but into send(), or is what the handler returns, before
// it makes another. Then the handler's answers may all be built into one
// buffer. src is the source of a handler that provably keeps nothing of its
// packet, so that reply can only be called where src says so; sends tells
// whether the name send means the native function there, and scalar whether a
// protocol's field reads as a primitive.
//
// It counts: each mention of reply must be the callee in send(x.reply(…)), in
// return x.reply(…), or in the expression that an arrow function gives, and
// each mention of send the callee of a call. Or the one mention of reply is
// where a variable is declared, r = x.reply(…), and each mention of that name
// is send(r), return r, or r.ip.ttl, read or assigned. Whatever else mentions
// these names is not understood, and no proof; nor is a function within the
// handler.
func repliesLeave(src string, sends bool, scalar func(protocol, field string) bool) (ok bool) {
	if !strings.Contains(src, ".reply(") {
		return false
	}
	defer func() {
		if recover() != nil { // the parser is another project's
			ok = false
		}
	}()
	p, err := parser.ParseFile(nil, "", "("+src+"\n)", 0, parser.WithDisableSourceMaps)
	if err != nil || len(p.Body) != 1 {
		return false
	}
	s, ok := p.Body[0].(*ast.ExpressionStatement)
	if !ok {
		return false
	}
	c := replyCount{sends: sends, scalar: scalar}
	switch f := s.Expression.(type) {
	case *ast.FunctionLiteral:
		if f.Async || f.Generator {
			return false
		}
	case *ast.ArrowFunctionLiteral:
		if f.Async {
			return false
		}
		if e, ok := f.Body.(*ast.ExpressionBody); ok {
			c.leaves(e.Expression)
		}
	default:
		return false
	}
	root := reflect.ValueOf(s.Expression)
	c.walk(root, 0)
	if c.functions != 1 || c.deep || c.sent != c.sendCalls {
		return false
	}
	if c.replies == 1 && c.variable != "" && c.left == 0 {
		named := replyCount{sends: sends, scalar: scalar, variable: c.variable}
		named.walk(root, 0)
		return named.mentions == named.understood
	}
	return c.replies > 0 && c.replies == c.left
}

type replyCount struct {
	sends     bool
	replies   int // mentions of reply
	left      int // of which those that are sent or returned
	sent      int // mentions of send
	sendCalls int // of which those that are called
	functions int
	deep      bool

	scalar     func(protocol, field string) bool
	variable   unistring.String // declared as an answer
	mentions   int              // of it
	understood int              // of which those that let it go nowhere else
}

// isReply reports whether e is x.reply(…).
func isReply(e ast.Expression) bool {
	call, ok := e.(*ast.CallExpression)
	if !ok {
		return false
	}
	dot, ok := call.Callee.(*ast.DotExpression)
	return ok && dot.Identifier.Name == "reply"
}

// is reports whether e is the variable.
func (c *replyCount) is(e ast.Expression) bool {
	id, ok := e.(*ast.Identifier)
	return ok && c.variable != "" && id.Name == c.variable
}

// leaves counts an expression that goes to send() or out of the handler.
func (c *replyCount) leaves(e ast.Expression) {
	switch {
	case isReply(e):
		c.left++
	case c.is(e):
		c.understood++
	}
}

var typeIdentifier = reflect.TypeFor[ast.Identifier]()

// walk visits every node below v. DeclarationList holds again what stands in
// the body.
func (c *replyCount) walk(v reflect.Value, depth int) {
	if depth > 4000 {
		c.deep = true
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			c.walk(v.Elem(), depth+1)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		switch n := v.Interface().(type) {
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral, *ast.ClassLiteral:
			c.functions++
		case *ast.ReturnStatement:
			c.leaves(n.Argument)
		case *ast.Binding:
			if id, ok := n.Target.(*ast.Identifier); ok && isReply(n.Initializer) {
				if c.variable == id.Name {
					c.understood++
				}
				c.variable = id.Name
			}
		case *ast.DotExpression:
			if layer, ok := n.Left.(*ast.DotExpression); ok && c.is(layer.Left) && c.scalar(layer.Identifier.Name.String(), n.Identifier.Name.String()) {
				c.understood++
			}
		case *ast.StringLiteral:
			if n.Value == "reply" {
				c.replies++
			}
		case *ast.TemplateElement:
			if n.Parsed == "reply" {
				c.replies++
			}
		case *ast.CallExpression:
			if id, ok := n.Callee.(*ast.Identifier); ok && id.Name == "send" {
				c.sendCalls++
				if c.sends && len(n.ArgumentList) == 1 {
					c.leaves(n.ArgumentList[0])
				}
			}
		}
		c.walk(v.Elem(), depth+1)
	case reflect.Slice:
		for i := range v.Len() {
			c.walk(v.Index(i), depth+1)
		}
	case reflect.Struct:
		if v.Type() == typeIdentifier {
			if c.variable != "" && v.Field(0).String() == string(c.variable) {
				c.mentions++
			}
			switch v.Field(0).String() {
			case "reply":
				c.replies++
			case "send":
				c.sent++
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "DeclarationList" && v.Type().Field(i).IsExported() {
				c.walk(v.Field(i), depth+1)
			}
		}
	}
}
