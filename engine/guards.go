package engine

import (
	"fmt"
	"math"
	"time"

	"github.com/dop251/goja"
)

// Limits of what one call of a native function may make or walk through: an
// interruption does not stop native code.
const (
	maxString = 64 << 20 // characters of a string that is made at one go
	maxArray  = 16 << 20 // elements that one native method visits
	maxNested = 1000     // how deep JSON text may nest: the parser recurses on the Go stack, whose end ends the process
)

// installGuards puts a check in front of the native functions that could run
// for minutes, or take all memory, at one call.
func installGuards(rt *goja.Runtime) {
	refuse := func(format string, args ...any) {
		ctor := rt.Get("RangeError")
		o, err := rt.New(ctor, rt.ToValue(fmt.Sprintf(format, args...)))
		if err != nil {
			panic(rt.NewTypeError(fmt.Sprintf(format, args...)))
		}
		panic(o)
	}
	length := func(v goja.Value) float64 {
		o, ok := v.(*goja.Object)
		if !ok {
			if v != nil && goja.IsString(v) {
				return float64(len(v.String()))
			}
			return 0
		}
		if l := o.Get("length"); l != nil && goja.IsNumber(l) {
			return l.ToFloat()
		}
		return 0
	}
	wrap := func(of *goja.Object, name string, check func(goja.FunctionCall)) {
		native, ok := of.Get(name).(*goja.Object)
		if !ok {
			return
		}
		call, ok := native.Export().(func(goja.FunctionCall) goja.Value)
		if !ok {
			return
		}
		guarded := rt.ToValue(func(c goja.FunctionCall) goja.Value {
			check(c)
			return call(c)
		}).(*goja.Object)
		_ = guarded.DefineDataProperty("name", rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
		_ = guarded.DefineDataProperty("length", native.Get("length"), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
		_ = of.DefineDataProperty(name, guarded, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	global := func(name string) *goja.Object { return rt.Get(name).(*goja.Object) }
	proto := func(name string) *goja.Object { return global(name).Get("prototype").(*goja.Object) }

	text := proto("String")
	wrap(text, "repeat", func(c goja.FunctionCall) {
		n := c.Argument(0).ToFloat()
		if total := n * float64(len(c.This.String())); total > maxString && !math.IsInf(n, 0) {
			refuse("repeat: a string of %.0f characters; at most %d are made at once", total, maxString)
		}
	})
	for _, name := range []string{"padStart", "padEnd"} {
		wrap(text, name, func(c goja.FunctionCall) {
			if n := c.Argument(0).ToFloat(); n > maxString {
				refuse("%s: a string of %.0f characters; at most %d are made at once", name, n, maxString)
			}
		})
	}
	wrap(global("Array"), "from", func(c goja.FunctionCall) {
		if n := length(c.Argument(0)); n > maxArray {
			refuse("Array.from: %.0f elements; at most %d are made at once", n, maxArray)
		}
	})
	array := proto("Array")
	for _, name := range []string{"concat", "copyWithin", "every", "fill", "filter", "find", "findIndex", "findLast", "findLastIndex",
		"flat", "flatMap", "forEach", "includes", "indexOf", "join", "lastIndexOf", "map", "reduce", "reduceRight", "reverse",
		"shift", "slice", "some", "sort", "splice", "toLocaleString", "toReversed", "toSorted", "toSpliced", "toString", "unshift", "with"} {
		wrap(array, name, func(c goja.FunctionCall) {
			if n := length(c.This); n > maxArray {
				refuse("%s: an array of %.0f elements; at most %d are walked through at once", name, n, maxArray)
			}
		})
	}
	wrap(global("JSON"), "parse", func(c goja.FunctionCall) {
		if v := c.Argument(0); goja.IsString(v) && nesting(v.String()) > maxNested {
			refuse("JSON.parse: the text nests deeper than %d", maxNested)
		}
	})

	// No code from strings: deep nesting in it ends the process, and a
	// scenario has import for everything else.
	_ = rt.Set("eval", func(goja.FunctionCall) goja.Value {
		panic(rt.NewTypeError("eval: a scenario makes no code from strings"))
	})
	blocked := rt.ToValue(func(goja.ConstructorCall) *goja.Object {
		panic(rt.NewTypeError("Function: a scenario makes no code from strings"))
	}).(*goja.Object)
	for _, sample := range []string{"(function(){})", "(async function(){})", "(function*(){})"} {
		f, err := rt.RunString(sample)
		if err != nil {
			continue
		}
		if p := f.(*goja.Object).Prototype(); p != nil {
			_ = p.DefineDataProperty("constructor", blocked, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
		}
	}
	_ = blocked.DefineDataProperty("prototype", global("Function").Get("prototype"), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	_ = rt.Set("Function", blocked)
}

// guardRegexps makes a match fail that was given up while the top level runs.
// A callback's deadline passes before a match is given up, and its interruption
// is then pending; a top level may run for longer than that, and would take a
// match that has no end for none. What exec gives up is not seen here: goja
// knows the regular expressions that it can do fast by the exec they have.
func (v *vm) guardRegexps() {
	regexps.Lock()
	bound := regexps.bound
	regexps.Unlock()
	proto := v.rt.Get("RegExp").(*goja.Object).Get("prototype").(*goja.Object)
	guard := func(native goja.Value) goja.Value {
		o, ok := native.(*goja.Object)
		if !ok {
			return nil
		}
		call, ok := o.Export().(func(goja.FunctionCall) goja.Value)
		if !ok {
			return nil
		}
		return v.rt.ToValue(func(c goja.FunctionCall) goja.Value {
			if !v.inTop {
				return call(c)
			}
			began := time.Now()
			x := call(c)
			if time.Since(began) >= bound*9/10 {
				panic(v.rt.NewGoError(fmt.Errorf("a regular expression was given up after %v: it tries too many ways to match", bound)))
			}
			return x
		})
	}
	if f := guard(proto.Get("test")); f != nil {
		_ = proto.DefineDataProperty("test", f, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	for _, s := range []*goja.Symbol{goja.SymMatch, goja.SymMatchAll, goja.SymReplace, goja.SymSearch, goja.SymSplit} {
		if f := guard(proto.GetSymbol(s)); f != nil {
			_ = proto.DefineDataPropertySymbol(s, f, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
		}
	}
}

// nesting is how deep brackets nest in JSON text, at most.
func nesting(s string) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}
