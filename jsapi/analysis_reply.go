package jsapi

import (
	"reflect"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
)

// repliesLeave reports whether every answer that a handler makes by reply()
// provably goes nowhere but into send(), at once, or is what the handler
// returns. Then the handler's answers may all be built into one buffer. src is
// the source of a handler that provably keeps nothing of its packet, so that
// reply can only be called where src says so; sends tells whether the name
// send means the native function there.
//
// It counts: each mention of reply must be the callee in send(x.reply(…)), in
// return x.reply(…), or in the expression that an arrow function gives, and
// each mention of send the callee of a call. Whatever else mentions either
// name is not understood, and no proof.
func repliesLeave(src string, sends bool) (ok bool) {
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
	c := replyCount{sends: sends}
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
	c.walk(reflect.ValueOf(s.Expression), 0)
	return c.functions == 1 && !c.deep && c.replies > 0 && c.replies == c.left && c.sent == c.sendCalls
}

type replyCount struct {
	sends     bool
	replies   int // mentions of reply
	left      int // of which those that are sent or returned
	sent      int // mentions of send
	sendCalls int // of which those that are called
	functions int
	deep      bool
}

// leaves counts an expression that goes to send() or out of the handler.
func (c *replyCount) leaves(e ast.Expression) {
	if call, ok := e.(*ast.CallExpression); ok {
		if dot, ok := call.Callee.(*ast.DotExpression); ok && dot.Identifier.Name == "reply" {
			c.left++
		}
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
