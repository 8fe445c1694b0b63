package jsapi

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/dop251/goja"
)

// cloneDepth bounds nesting, since every level is one of Go's stack.
const cloneDepth = 10000

var (
	typeMap   = reflect.TypeFor[[][2]any]()
	typeProxy = reflect.TypeFor[goja.Proxy]()
	typePlain = reflect.TypeFor[map[string]any]()
)

// natives are functions of a runtime as they were before any script ran, for
// looking at a script's objects without running what it put in their place.
type natives struct {
	rt                     *goja.Runtime
	tag, buffer            goja.Callable // getters of %TypedArray%.prototype
	offset, size           goja.Callable
	mapEach, setEach       goja.Callable
	mapSet, setAdd         goja.Callable
	getTime, descriptor    goja.Callable
	viewBuffer, viewOffset goja.Callable // getters of DataView.prototype
	viewSize               goja.Callable
	dataView               *goja.Object // DataView.prototype
	constructors           map[string]goja.Value
}

func takeNatives(rt *goja.Runtime) *natives {
	n := &natives{rt: rt, constructors: map[string]goja.Value{}}
	for _, name := range []string{
		"Map", "Set", "Date", "RegExp", "DataView", "String", "Number", "Boolean",
		"Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
		"Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array",
		"Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError",
	} {
		if v := rt.Get(name); v != nil {
			n.constructors[name] = v
		}
	}
	get := func(path string) goja.Callable {
		v, err := rt.RunString(path)
		if err != nil {
			panic(err)
		}
		f, _ := goja.AssertFunction(v)
		return f
	}
	getter := func(of, name string) goja.Callable {
		return get("Object.getOwnPropertyDescriptor(" + of + ", " + name + ").get")
	}
	const typed = "Object.getPrototypeOf(Uint8Array.prototype)"
	n.tag = getter(typed, "Symbol.toStringTag")
	n.buffer, n.offset, n.size = getter(typed, "'buffer'"), getter(typed, "'byteOffset'"), getter(typed, "'byteLength'")
	const view = "DataView.prototype"
	n.viewBuffer, n.viewOffset, n.viewSize = getter(view, "'buffer'"), getter(view, "'byteOffset'"), getter(view, "'byteLength'")
	n.dataView = rt.Get("DataView").(*goja.Object).Get("prototype").(*goja.Object)
	n.mapEach, n.setEach = get("Map.prototype.forEach"), get("Set.prototype.forEach")
	n.mapSet, n.setAdd = get("Map.prototype.set"), get("Set.prototype.add")
	n.getTime, n.descriptor = get("Date.prototype.getTime"), get("Object.getOwnPropertyDescriptor")
	return n
}

// must calls a native and lets what it throws go on.
func must(f goja.Callable, this goja.Value, args ...goja.Value) goja.Value {
	v, err := f(this, args...)
	if err != nil {
		panic(err)
	}
	return v
}

// typed returns the class of a typed array, or "".
func (n *natives) typed(o *goja.Object) string {
	if v, err := n.tag(o); err == nil && goja.IsString(v) {
		return v.String()
	}
	return ""
}

// memory is the part of its buffer that a typed array shows.
func (n *natives) memory(o *goja.Object) []byte {
	buffer, ok := must(n.buffer, o).Export().(goja.ArrayBuffer)
	if !ok {
		return nil
	}
	b := buffer.Bytes()
	from := must(n.offset, o).ToInteger()
	to := from + must(n.size, o).ToInteger()
	if from < 0 || to > int64(len(b)) {
		return nil
	}
	return b[from:to]
}

// typedArray returns the class of a typed array and its bytes, which are the
// script's own. For an ArrayBuffer or DataView the class is its name.
func (a *API) typedArray(v goja.Value) (class string, b []byte) {
	o, ok := v.(*goja.Object)
	if !ok {
		return "", nil
	}
	if class = a.natives.typed(o); class != "" {
		if b = a.natives.memory(o); b == nil {
			b = []byte{}
		}
		return class, b
	}
	return "", bytesOf(o)
}

// unclonable are the built-in classes whose objects hold what cannot be seen.
var unclonable = []string{
	"WeakMap", "WeakSet", "WeakRef", "Generator", "AsyncGenerator", "Array Iterator", "Map Iterator", "Set Iterator",
	"String Iterator", "RegExp String Iterator", "Iterator Helper",
}

// cloner copies values into another runtime, or the same one. What the two
// share afterwards is only what cannot change.
type cloner struct {
	from, to *API
	seen     map[*goja.Object]goja.Value
	what     string
	path     []string
}

// clone copies a value deeply, as structuredClone does, into the runtime of
// to: JSON's values, undefined, BigInt, Map, Set, Date, RegExp, errors, bytes
// and packets, with cycles and with what is shared between parts kept so.
// Anything else throws, in the runtime of a; what names the value in the
// error. A getter of a script's object runs.
func (a *API) clone(to *API, what string, v goja.Value) goja.Value {
	c := &cloner{from: a, to: to, seen: map[*goja.Object]goja.Value{}, what: what}
	return c.value(v)
}

func (c *cloner) refuse(kind string) {
	path := c.what
	for _, p := range c.path {
		path += p
	}
	c.from.fail("values that JSON can hold, Map, Set, Date, RegExp, BigInt, bytes and packets can be cloned", "%s is %s, which cannot be cloned", path, kind)
}

func (c *cloner) at(step string, v goja.Value) goja.Value {
	c.path = append(c.path, step)
	if len(c.path) > cloneDepth {
		c.path = nil
		c.from.fail("", "%s is nested more than %d deep", c.what, cloneDepth)
	}
	v = c.value(v)
	c.path = c.path[:len(c.path)-1]
	return v
}

func (c *cloner) make(class string, args ...goja.Value) *goja.Object {
	o, err := c.to.rt.New(c.to.natives.constructors[class], args...)
	if err != nil {
		panic(err)
	}
	return o
}

func (c *cloner) value(v goja.Value) goja.Value {
	if v == nil {
		return goja.Undefined()
	}
	o, ok := v.(*goja.Object)
	if !ok {
		if _, ok := v.(*goja.Symbol); ok {
			c.refuse("a symbol")
		}
		return v
	}
	if done := c.seen[o]; done != nil {
		return done
	}
	if p := c.from.clonePacket(c.to, o); p != nil {
		c.seen[o] = p
		return p
	}
	n := c.from.natives
	switch o.ExportType() {
	case typeFunction, typeClass:
		c.refuse("a function")
	case typePromise:
		c.refuse("a promise")
	case typeProxy:
		c.refuse("a proxy")
	case typeArrayBuffer:
		b := o.Export().(goja.ArrayBuffer).Bytes()
		return c.done(o, c.to.rt.ToValue(c.to.rt.NewArrayBuffer(append([]byte{}, b...))))
	case typeMap:
		m := c.make("Map")
		c.seen[o] = m
		must(n.mapEach, o, c.each(func(value, key goja.Value) {
			k := c.at(" (a key)", key)
			must(c.to.natives.mapSet, m, k, c.at(".get("+c.from.describe(key)+")", value))
		}))
		return m
	case typeList:
		if o.ClassName() == "Array" {
			return c.array(o)
		}
		s := c.make("Set")
		c.seen[o] = s
		must(n.setEach, o, c.each(func(value, _ goja.Value) { must(c.to.natives.setAdd, s, c.at(" (an item)", value)) }))
		return s
	}
	switch o.ClassName() {
	case "Date":
		return c.done(o, c.make("Date", must(n.getTime, o)))
	case "RegExp":
		return c.done(o, c.make("RegExp", o.Get("source"), o.Get("flags")))
	case "Error":
		return c.errorObject(o)
	case "String":
		return c.done(o, c.make("String", o.ToString()))
	case "Number", "Boolean":
		return c.done(o, c.make(o.ClassName(), o.ToNumber()))
	case "Function":
		c.refuse("a function")
	}
	if class := n.typed(o); class != "" {
		length := must(n.size, o).ToInteger() / elementSize(class)
		buffer := c.at(".buffer", must(n.buffer, o))
		return c.done(o, c.make(class, buffer, must(n.offset, o), c.to.rt.ToValue(length)))
	}
	if o.Prototype() == n.dataView {
		buffer := c.at(".buffer", must(n.viewBuffer, o))
		return c.done(o, c.make("DataView", buffer, must(n.viewOffset, o), must(n.viewSize, o)))
	}
	if tag := o.GetSymbol(goja.SymToStringTag); tag != nil && goja.IsString(tag) && slices.Contains(unclonable, tag.String()) {
		c.refuse("a " + tag.String())
	}
	if t := o.ExportType(); t != typePlain || c.from.isInterface(o) {
		c.refuse("an object of the engine")
	}
	plain := c.to.rt.NewObject()
	c.seen[o] = plain
	for _, k := range o.Keys() {
		c.to.put(plain, k, c.at("."+k, o.Get(k)))
	}
	return plain
}

func (c *cloner) done(o *goja.Object, v goja.Value) goja.Value {
	c.seen[o] = v
	return v
}

// each is a callback for forEach of a Map or Set.
func (c *cloner) each(f func(value, key goja.Value)) goja.Value {
	return c.from.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		f(call.Argument(0), call.Argument(1))
		return goja.Undefined()
	})
}

func (c *cloner) array(o *goja.Object) goja.Value {
	list := c.to.rt.NewArray()
	c.seen[o] = list
	length := o.Get("length").ToInteger()
	for _, k := range o.Keys() { // holes stay holes
		step := "." + k
		if i, err := strconv.ParseUint(k, 10, 32); err == nil && int64(i) < length {
			step = "[" + k + "]"
		}
		c.to.put(list, k, c.at(step, o.Get(k)))
	}
	if err := list.Set("length", length); err != nil {
		panic(err)
	}
	return list
}

func (c *cloner) errorObject(o *goja.Object) goja.Value {
	class := "Error"
	if name := o.Get("name"); name != nil && goja.IsString(name) && c.to.natives.constructors[name.String()] != nil {
		class = name.String()
	}
	var message goja.Value = goja.Undefined()
	if m := o.Get("message"); m != nil {
		message = c.to.rt.ToValue(m.String())
	}
	e := c.make(class, message)
	c.seen[o] = e
	for _, k := range []string{"hint", "cause"} {
		if v := o.Get(k); v != nil && !goja.IsUndefined(v) {
			_ = e.DefineDataProperty(k, c.at("."+k, v), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
		}
	}
	return e
}

func elementSize(class string) int64 {
	switch class {
	case "Int16Array", "Uint16Array":
		return 2
	case "Int32Array", "Uint32Array", "Float32Array":
		return 4
	case "Float64Array", "BigInt64Array", "BigUint64Array":
		return 8
	}
	return 1
}
