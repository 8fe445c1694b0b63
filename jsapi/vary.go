package jsapi

import (
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// variation is what the API keeps for values that vary.
type variation struct {
	random    *rand.Rand   // what random.* draws from; Math.random has a stream of its own
	varyProto *goja.Object // prototype of Varying
	varyMark  *goja.Symbol // where an iterator keeps the Varying that was made of it
}

// varying is a Varying of the script: a value that differs from one sent
// packet to the next.
type varying struct {
	a    *API
	v    *packet.Vary
	list []goja.Value // of cycle and random.pick: the script's own values
	obj  *goja.Object
}

var typeVarying = reflect.TypeFor[*varying]()

func init() {
	installs = append(installs, struct {
		names   string
		install func(*API)
	}{"counter range cycle hosts random product fuzz schedule", (*API).installVarying})
}

// randomStream parts the numbers of random.* from those of Math.random and of
// crypto, which come from the same seed.
const randomStream = 0x76617279

func (a *API) installVarying() {
	a.random = rand.New(rand.NewPCG(a.host.Seed(), randomStream))
	a.varyMark = goja.NewSymbol("umpa.varying")
	a.varyProto = a.rt.NewObject()
	none := func(goja.FunctionCall) goja.Value {
		a.fail("ids.value + 1", "a varying value is no number or text by itself: take one with .value")
		return nil
	}
	for _, name := range []string{"valueOf", "toString", "toJSON"} {
		a.put(a.varyProto, name, a.function(name, none))
	}
	_ = a.varyProto.DefineDataPropertySymbol(goja.SymToPrimitive, a.function("[Symbol.toPrimitive]", none), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	_ = a.varyProto.DefineDataPropertySymbol(goja.SymIterator, a.function("[Symbol.iterator]", func(call goja.FunctionCall) goja.Value {
		x := a.varyingOf(call.This)
		if x == nil {
			a.fail("", "%s is no varying value", a.describe(call.This))
		}
		return x.round()
	}), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)

	def := func(name string, f func(goja.FunctionCall) goja.Value) { a.global(name, a.function(name, f)) }
	def("counter", func(call goja.FunctionCall) goja.Value {
		start, step := int64(0), int64(1)
		if v := call.Argument(0); !goja.IsUndefined(v) {
			start = a.number("counter: start", v, -1<<53, 1<<53)
		}
		if v := call.Argument(1); !goja.IsUndefined(v) {
			step = a.number("counter: step", v, -1<<53, 1<<53)
		}
		return a.varying(packet.Counter(start, step))
	})
	def("range", func(call goja.FunctionCall) goja.Value {
		step := int64(0)
		if v := call.Argument(2); !goja.IsUndefined(v) {
			if step = a.number("range: step", v, -1<<53, 1<<53); step == 0 {
				a.fail("a step such as 1, or -1", "range: a step of 0 goes nowhere")
			}
		}
		return a.varied1(packet.RangeOf(a.fromJS("range: first", call.Argument(0)), a.fromJS("range: last", call.Argument(1)), step))
	})
	def("hosts", func(call goja.FunctionCall) goja.Value {
		return a.varied1(packet.Hosts(a.cidr("hosts", call.Argument(0))))
	})
	def("cycle", func(call goja.FunctionCall) goja.Value { return a.fromList("cycle", call.Argument(0), packet.Cycle) })
	def("product", a.product)
	def("fuzz", a.fuzz)
	def("schedule", a.schedule)
	a.installRandom()
}

func (a *API) installRandom() {
	random := a.function("random", func(goja.FunctionCall) goja.Value { return a.rt.ToValue(a.random.Float64()) })
	def := func(name string, f func(goja.FunctionCall) goja.Value) { a.put(random, name, a.function(name, f)) }
	def("int", func(call goja.FunctionCall) goja.Value {
		lo := a.number("random.int: min", call.Argument(0), -1<<53, 1<<53)
		hi := a.number("random.int: max", call.Argument(1), -1<<53, 1<<53)
		return a.varied1(packet.RandomInt(a.random, lo, hi))
	})
	def("pick", func(call goja.FunctionCall) goja.Value {
		return a.fromList("random.pick", call.Argument(0), func(list []packet.Value) (*packet.Vary, error) {
			return packet.RandomPick(a.random, list)
		})
	})
	def("mac", func(goja.FunctionCall) goja.Value { return a.varying(packet.RandomMAC(a.random)) })
	def("ip", func(call goja.FunctionCall) goja.Value {
		return a.varied1(packet.RandomIP(a.random, a.cidr("random.ip", call.Argument(0))))
	})
	def("bytes", func(call goja.FunctionCall) goja.Value {
		x := call.Argument(0)
		if v, ok := a.fromJS("random.bytes: length", x).(*packet.Vary); ok {
			return a.varying(packet.RandomBytes(a.random, v))
		}
		n := a.number("random.bytes: length", x, 0, 1<<16)
		size, err := packet.RangeOf(uint64(n), uint64(n), 1)
		if err != nil {
			a.throw(err)
		}
		return a.varying(packet.RandomBytes(a.random, size))
	})
	ms := func(v goja.Value) float64 { return float64(a.duration(v)) / float64(time.Millisecond) }
	def("exponential", func(call goja.FunctionCall) goja.Value {
		return a.varying(packet.Exponential(a.random, ms(call.Argument(0))))
	})
	def("normal", func(call goja.FunctionCall) goja.Value {
		return a.varying(packet.Normal(a.random, ms(call.Argument(0)), ms(call.Argument(1))))
	})
	a.global("random", random)
}

func (a *API) cidr(where string, v goja.Value) string {
	if v == nil || !goja.IsString(v) {
		a.fail(where+"('10.0.0.0/24')", "%s: %s is no network", where, a.describe(v))
	}
	return v.String()
}

// varied1 is the Varying of a constructor that may refuse.
func (a *API) varied1(v *packet.Vary, err error) goja.Value {
	if err != nil {
		a.throw(err)
	}
	return a.varying(v)
}

// fromList makes a Varying of the values of an iterable, which is read once.
func (a *API) fromList(where string, v goja.Value, of func([]packet.Value) (*packet.Vary, error)) goja.Value {
	o, ok := v.(*goja.Object)
	if !ok {
		a.fail(where+"([1, 2, 3])", "%s: %s is no list of values", where, a.describe(v))
	}
	x := &varying{a: a}
	var list []packet.Value
	a.rt.ForOf(o, func(y goja.Value) bool {
		if len(list) == maxItems {
			a.fail("", "%s: more than %d values", where, maxItems)
		}
		var loose packet.Value // what no field takes may still be drawn by the script
		if o, ok := y.(*goja.Object); !ok || !a.isPart(o) && o.ExportType() != typeFunction {
			loose = a.fromJS(where+"["+strconv.Itoa(len(list))+"]", y)
		}
		list = append(list, loose)
		x.list = append(x.list, y)
		return true
	})
	var err error
	if x.v, err = of(list); err != nil {
		a.throw(err)
	}
	return x.object()
}

// varying makes the script's value of a Vary.
func (a *API) varying(v *packet.Vary) goja.Value { return (&varying{a: a, v: v}).object() }

func (x *varying) object() *goja.Object {
	if x.obj == nil {
		x.obj = x.a.rt.NewDynamicObject(x)
		_ = x.obj.SetPrototype(x.a.varyProto)
	}
	return x.obj
}

// varyingOf returns the Varying that a script's value is, or nil.
func (a *API) varyingOf(v goja.Value) *varying {
	o, ok := v.(*goja.Object)
	if !ok || o.ExportType() != typeVarying {
		return nil
	}
	return o.Export().(*varying)
}

// draw takes the next value.
func (x *varying) draw() goja.Value {
	if x.list != nil {
		return x.list[x.v.Index()]
	}
	v, err := x.v.Next()
	if err != nil {
		x.a.throw(ended("value", err))
	}
	return x.a.toJS(nil, v)
}

// ended says in a script's words that an iterator has no more values.
func ended(where string, err error) error {
	if errors.Is(err, io.EOF) {
		return &mistake{where + ": an iterator that a field was given has ended", "a generator that goes on for ever: while (true) yield …"}
	}
	return err
}

// round is an iterator over one round, or without end where there are none.
func (x *varying) round() goja.Value {
	n, finite := x.v.Round()
	return x.a.iterator(func() goja.Value {
		if finite {
			if n == 0 {
				return nil
			}
			n--
		}
		return x.draw()
	}, func() {})
}

func (a *API) iterResult(v goja.Value, done bool) goja.Value {
	o := a.rt.NewObject()
	a.put(o, "value", v)
	a.put(o, "done", a.rt.ToValue(done))
	return o
}

// Get is a member of a Varying.
func (x *varying) Get(key string) goja.Value {
	switch key {
	case "value":
		return x.draw()
	case "next":
		return x.a.function("next", func(goja.FunctionCall) goja.Value { return x.a.iterResult(x.draw(), false) })
	}
	return nil
}

// Set refuses.
func (x *varying) Set(key string, _ goja.Value) bool {
	x.a.fail("", "%s: a varying value has no such property to assign", key)
	return false
}

// Has says whether there is such a member.
func (x *varying) Has(key string) bool { return key == "value" || key == "next" }

// Delete refuses.
func (x *varying) Delete(key string) bool { return !x.Has(key) }

// Keys are none: showing a Varying must not draw from it.
func (x *varying) Keys() []string { return nil }

// String is the Varying in a Go format.
func (x *varying) String() string { return x.v.String() }

// iterated returns the Varying for a script's iterator or iterable that is
// given for a field: each packet takes its next value. An iterable begins
// again when it ends; an iterator that ends, ends. The same one given twice is
// one Varying. Arrays, Sets and Maps are no Varying but lists: nil.
func (a *API) iterated(path string, o *goja.Object) *varying {
	switch o.ExportType() {
	case typeList, typeBytes, typeArrayBuffer, typeFunction, typeClass, typePromise, typeView, typeLayer, typeCombined, typeReaction, typeCopied:
		return nil
	}
	switch o.ClassName() {
	case "Array", "Set", "Map", "String", "Number", "Boolean", "BigInt", "RegExp", "Date", "Error":
		return nil
	}
	if y := o.GetSymbol(a.varyMark); y != nil {
		if x := a.varyingOf(y); x != nil {
			return x
		}
	}
	var it *goja.Object
	next, isIterator := goja.AssertFunction(o.Get("next"))
	begin, isIterable := goja.AssertFunction(o.GetSymbol(goja.SymIterator))
	switch {
	case isIterator:
		it = o
	case !isIterable:
		return nil
	}
	fresh := false // the iterator has given nothing yet
	start := func() error {
		v, err := begin(o)
		if err != nil {
			return err
		}
		var ok bool
		if it, ok = v.(*goja.Object); ok {
			next, ok = goja.AssertFunction(it.Get("next"))
		}
		if !ok {
			return &mistake{path + ": " + a.describe(v) + " is no iterator", "an object with next()"}
		}
		fresh = true
		return nil
	}
	x := &varying{a: a}
	x.v = packet.Drawn(func() (packet.Value, error) {
		if it == nil {
			if err := start(); err != nil {
				return nil, err
			}
		}
		for {
			v, err := next(it)
			if err != nil {
				return nil, err
			}
			r, ok := v.(*goja.Object)
			if !ok {
				return nil, &mistake{path + ": next() gave " + a.describe(v), "{ value, done }"}
			}
			if done := r.Get("done"); done == nil || !done.ToBoolean() {
				fresh = false
				return a.fromJS(path, r.Get("value")), nil
			}
			if isIterator || fresh {
				return nil, io.EOF
			}
			if err := start(); err != nil {
				return nil, err
			}
		}
	})
	_ = o.DefineDataPropertySymbol(a.varyMark, x.object(), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE) // a frozen one is another each time
	return x
}
