package engine

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/netio/packet"
)

// options is what a scenario's export of that name says: known before any of
// its code runs, for it decides which interfaces are opened.
type options struct {
	interfaces      []wanted
	filter          string
	filterAt        *ScriptError  // the place of filter, should it not be one
	callbackTimeout time.Duration // 0: not told
	quarantine      bool
	workers         int
}

// badFilter is the error for a filter that is none.
func (o *options) badFilter(err error) error {
	mistake := *o.filterAt
	mistake.Message += err.Error()
	mistake.cause = err
	return &LoadError{Errors: []*ScriptError{&mistake}}
}

// wanted is an interface that the options ask for.
type wanted struct {
	name     string
	mac      netio.MAC    // zero: not told
	ip, ip6  netip.Prefix // not valid: not told
	gateway  netip.Addr
	answer   []string
	answered bool // answer was told, if only to be empty
}

const optionsHint = "options are read before the script runs: they may use literals, args and env only"

// readOptions finds the value of the scenario's options in its bundle, checks
// that it can be known without running the scenario, and reads it.
func (l *loader) readOptions(tree *ast.Program) error {
	name := optionsName(tree)
	if name == "" {
		return nil
	}
	value := valueOf(tree, name)
	if value == nil {
		return nil
	}
	at := func(n ast.Node, hint, format string, args ...any) *ScriptError {
		e := &ScriptError{Kind: KindOptions, Message: "options: " + fmt.Sprintf(format, args...), Hint: hint}
		e.File, e.Line, e.Column = l.position(tree, n)
		e.SourceLine = l.unit.sources.line(e.File, e.Line)
		return e
	}
	mistake := func(n ast.Node, hint, format string, args ...any) error {
		return &LoadError{Errors: []*ScriptError{at(n, hint, format, args...)}}
	}
	if bad := notStatic(value); bad != nil {
		return mistake(bad, optionsHint, "this cannot be known before the script runs")
	}
	text := tree.File.Source()[int(value.Idx0())-tree.File.Base() : int(value.Idx1())-tree.File.Base()]
	rt := goja.New()
	env := map[string]any{}
	for k, v := range l.cfg.Env {
		env[k] = v
	}
	args := make([]any, len(l.cfg.Args))
	for i, a := range l.cfg.Args {
		args[i] = a
	}
	_ = rt.Set("env", rt.ToValue(env))
	_ = rt.Set("args", rt.NewArray(args...))
	v, err := rt.RunString("(" + text + ")")
	if err != nil {
		return mistake(value, optionsHint, "%s", lowerFirst(strings.TrimSpace(err.Error())))
	}
	var problem *optionProblem
	if ex := rt.Try(func() { problem = l.unit.options.read(v) }); ex != nil {
		return mistake(value, optionsHint, "%s", ex.Error())
	}
	if problem != nil {
		return mistake(problem.node(value), problem.hint, "%s", problem.message)
	}
	if l.unit.options.filter != "" {
		member := optionProblem{path: []string{"filter"}}
		l.unit.options.filterAt = at(member.node(value), "the language is that of pcap-filter(7): 'icmp or arp'", "filter: ")
	}
	return nil
}

// optionProblem is what is wrong with the member at a path.
type optionProblem struct {
	path          []string
	message, hint string
}

// node is the part of the options' value that the path leads to, as far as it
// is an object literal.
func (p *optionProblem) node(n ast.Expression) ast.Node {
	var at ast.Node = n
	for _, name := range p.path {
		o, ok := n.(*ast.ObjectLiteral)
		if !ok {
			break
		}
		i := slices.IndexFunc(o.Value, func(p ast.Property) bool {
			k, ok := p.(*ast.PropertyKeyed)
			if !ok {
				return false
			}
			s, ok := k.Key.(*ast.StringLiteral)
			return ok && s.Value.String() == name
		})
		if i < 0 {
			break
		}
		k := o.Value[i].(*ast.PropertyKeyed)
		at, n = k, k.Value
	}
	return at
}

var (
	optionNames    = []string{"interfaces", "filter", "callbackTimeout", "onError", "workers"}
	interfaceNames = []string{"mac", "ip", "ip6", "gateway", "answer"}
	answerNames    = []string{"arp", "nd", "echo"}
)

func unknownOption(path []string, name string, names []string) *optionProblem {
	hint := "there are " + strings.Join(names, ", ")
	if near := packet.Nearest(name, names); near != "" {
		hint = "did you mean '" + near + "'?"
	}
	return &optionProblem{append(slices.Clone(path), name), "there is no '" + name + "'", hint}
}

// read fills o from the value of the script's options.
func (o *options) read(v goja.Value) *optionProblem {
	if goja.IsUndefined(v) {
		return nil
	}
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Object" {
		return &optionProblem{nil, "an object is needed", "export const options = { interfaces: ['lan'] }"}
	}
	for _, name := range obj.Keys() {
		v := obj.Get(name)
		if goja.IsUndefined(v) {
			continue
		}
		path := []string{name}
		switch name {
		case "interfaces":
			if p := o.readInterfaces(v, path); p != nil {
				return p
			}
		case "filter":
			if !goja.IsString(v) {
				return &optionProblem{path, "filter is a string", "a pcap filter: 'icmp or arp'"}
			}
			o.filter = v.String()
		case "callbackTimeout":
			d, err := jsapi.ParseDuration(v.String())
			if err != nil || d <= 0 {
				return &optionProblem{path, "callbackTimeout: '" + v.String() + "' is not a duration above 0", "milliseconds, or a number with a unit: 500, '2s'"}
			}
			o.callbackTimeout = d
		case "onError":
			switch v.String() {
			case "stop":
			case "quarantine":
				o.quarantine = true
			default:
				return &optionProblem{path, "onError: '" + v.String() + "' is neither 'stop' nor 'quarantine'", ""}
			}
		case "workers":
			n := v.ToInteger()
			if !goja.IsNumber(v) || n < 1 || n > 1024 || v.ToFloat() != float64(n) {
				return &optionProblem{path, "workers: " + v.String() + " is out of range 1..1024", ""}
			}
			o.workers = int(n)
		default:
			return unknownOption(nil, name, optionNames)
		}
	}
	return nil
}

func (o *options) readInterfaces(v goja.Value, path []string) *optionProblem {
	const hint = "interfaces: ['lan'], or { lan: { ip: '10.0.0.2/24' } }"
	obj, ok := v.(*goja.Object)
	if !ok {
		return &optionProblem{path, "interfaces is an array of names, or an object by name", hint}
	}
	seen := map[string]bool{}
	for _, key := range obj.Keys() {
		item := obj.Get(key)
		w, at := wanted{name: key}, append(slices.Clone(path), key)
		if obj.ClassName() == "Array" {
			if !goja.IsString(item) {
				return &optionProblem{path, "interfaces: a name is a string, not " + item.String(), hint}
			}
			w.name = item.String()
		} else if p := w.read(item, at); p != nil {
			return p
		}
		if w.name == "" || seen[w.name] {
			return &optionProblem{path, fmt.Sprintf("interfaces: the name '%s' is empty or stands twice", w.name), hint}
		}
		seen[w.name] = true
		o.interfaces = append(o.interfaces, w)
	}
	return nil
}

func (w *wanted) read(v goja.Value, path []string) *optionProblem {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Object" {
		return &optionProblem{path, w.name + ": an object is needed", "{ ip: '10.0.0.2/24' }"}
	}
	for _, name := range obj.Keys() {
		v := obj.Get(name)
		if goja.IsUndefined(v) {
			continue
		}
		at := append(slices.Clone(path), name)
		wrong := func(what, hint string) *optionProblem {
			return &optionProblem{at, fmt.Sprintf("%s.%s: '%s' is not %s", w.name, name, v.String(), what), hint}
		}
		text := v.String()
		var err error
		switch name {
		case "mac":
			m, bad := net.ParseMAC(text)
			if bad != nil || len(m) != 6 || m[0]&1 != 0 {
				return wrong("the MAC address of one interface", "six bytes in hex, the first one even: '02:00:00:00:00:02'")
			}
			copy(w.mac[:], m)
		case "ip":
			if w.ip, err = parsePrefix(text, 24); err != nil || !w.ip.Addr().Is4() {
				return wrong("an IPv4 address with its prefix length", "'10.0.0.2/24'")
			}
		case "ip6":
			if w.ip6, err = parsePrefix(text, 64); err != nil || !w.ip6.Addr().Is6() {
				return wrong("an IPv6 address with its prefix length", "'fd00::2/64'")
			}
		case "gateway":
			if w.gateway, err = netip.ParseAddr(text); err != nil {
				return wrong("an address", "the address of the router: '10.0.0.1'")
			}
		case "answer":
			list, ok := v.(*goja.Object)
			if !ok || list.ClassName() != "Array" {
				return wrong("an array", "answer: ['arp', 'echo']")
			}
			w.answered = true
			for _, k := range list.Keys() {
				a := list.Get(k).String()
				if !slices.Contains(answerNames, a) {
					return &optionProblem{at, fmt.Sprintf("%s.answer: '%s' is not known", w.name, a), "there are 'arp', 'nd' and 'echo'"}
				}
				w.answer = append(w.answer, a)
			}
		default:
			return unknownOption(path, name, interfaceNames)
		}
	}
	return nil
}

// parsePrefix reads an address with or without the length of its network.
func parsePrefix(s string, length int) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	return netip.PrefixFrom(a, length), err
}

// optionsName is what the bundle calls the entry's options: the name that the
// getter of our own first line refers to, whatever esbuild made of it.
func optionsName(tree *ast.Program) (name string) {
	walk(reflect.ValueOf(tree.Body), func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpression)
		if !ok || name != "" {
			return name == ""
		}
		dot, ok := call.Callee.(*ast.DotExpression)
		if !ok || dot.Identifier.Name != "names" || len(call.ArgumentList) != 1 {
			return true
		}
		if base, ok := dot.Left.(*ast.Identifier); !ok || base.Name != bundleName {
			return true
		}
		getters, ok := call.ArgumentList[0].(*ast.ObjectLiteral)
		if !ok {
			return true
		}
		for _, p := range getters.Value {
			k, ok := p.(*ast.PropertyKeyed)
			if !ok {
				continue
			}
			if key, ok := k.Key.(*ast.StringLiteral); !ok || key.Value != "options" {
				continue
			}
			walk(reflect.ValueOf(k.Value), func(n ast.Node) bool {
				if u, ok := n.(*ast.UnaryExpression); ok && u.Operator == token.TYPEOF {
					if id, ok := u.Operand.(*ast.Identifier); ok {
						name = id.Name.String()
					}
				}
				return true
			})
		}
		return name == ""
	})
	return name
}

// valueOf is the first value that a variable is given.
func valueOf(tree *ast.Program, name string) (value ast.Expression) {
	walk(reflect.ValueOf(tree.Body), func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Binding:
			if id, ok := n.Target.(*ast.Identifier); ok && id.Name.String() == name && value == nil && n.Initializer != nil {
				value = n.Initializer
			}
		case *ast.AssignExpression:
			if id, ok := n.Left.(*ast.Identifier); ok && id.Name.String() == name && value == nil {
				value = n.Right
			}
		}
		return value == nil
	})
	return value
}

// notStatic finds a part of an expression that is more than literals, args and
// env.
func notStatic(e ast.Expression) (bad ast.Node) {
	walk(reflect.ValueOf(e), func(n ast.Node) bool {
		if bad != nil {
			return false
		}
		switch n := n.(type) {
		case *ast.ObjectLiteral, *ast.ArrayLiteral, *ast.StringLiteral, *ast.NumberLiteral, *ast.BooleanLiteral, *ast.NullLiteral,
			*ast.TemplateElement, *ast.BinaryExpression, *ast.ConditionalExpression, *ast.BracketExpression,
			*ast.DotExpression, *ast.OptionalChain, *ast.Optional, *ast.SpreadElement, *ast.PropertyKeyed:
		case *ast.TemplateLiteral:
			if n.Tag != nil {
				bad = n
			}
		case *ast.UnaryExpression:
			if n.Postfix || n.Operator == token.INCREMENT || n.Operator == token.DECREMENT || n.Operator == token.DELETE {
				bad = n
			}
		case *ast.PropertyShort:
			if n.Name.Name != "args" && n.Name.Name != "env" {
				bad = n
			}
		case *ast.Identifier:
			if n.Name != "args" && n.Name != "env" && n.Name != "undefined" {
				bad = n
			}
		default:
			bad = n
		}
		return bad == nil
	})
	return bad
}

// walk visits every node below v, parents first; visit returns false to go no
// deeper. goja's ast package has no walker; reflection makes one that knows
// every node there is.
func walk(v reflect.Value, visit func(ast.Node) bool) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), visit)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if n, ok := v.Interface().(ast.Node); ok {
			if !visit(n) {
				return
			}
		}
		if v.Elem().Kind() == reflect.Struct {
			walkFields(v.Elem(), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	}
}

// walkFields visits the nodes a node has. Names of members, which are no
// variables, are plain structs, and so are not visited.
func walkFields(v reflect.Value, visit func(ast.Node) bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		// Lists of declarations repeat what stands in the body.
		if f.IsExported() && f.Name != "DeclarationList" {
			walk(v.Field(i), visit)
		}
	}
}
