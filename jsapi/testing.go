package jsapi

import (
	"fmt"
	"regexp"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"
)

// TestHost is what tests of scenarios need from the engine that runs them. Its
// methods are called on the goroutine that owns the runtime, and every function
// given to it is called back there, outside of script code.
type TestHost interface {
	// StartScenario starts a scenario beside the test, on its clock and its
	// wires. started is called when the top level has run up to its first await,
	// or with what is wrong with it.
	StartScenario(path string, o ScenarioOptions, started func(TestScenario, error))
}

// ScenarioOptions is the second argument of t.run.
type ScenarioOptions struct {
	Args       []string
	Env        map[string]string
	Interfaces []string // names of wires; nil: those that the scenario's options name, or the wire "wire"
	Seed       *uint64  // nil: the test's own
}

// TestScenario is a scenario that a test started.
type TestScenario interface {
	// Sent lists the frames it has sent since the first n, and Logged the lines
	// its console was given. An error says that there were too many to keep.
	Sent(n int) ([]SentFrame, error)
	Logged(n int) []string
	// Reload runs it from another file, or from its own again when path is
	// empty; Stop ends it as a signal does. done is called when that is over.
	Reload(path string, done func(error))
	Stop(done func(error))
}

// SentFrame is a frame that left a scenario.
type SentFrame struct {
	Data  []byte
	Time  int64 // nanoseconds since 1970
	Iface string
}

// suite is the tests that a script has defined; an API has them where they are enabled.
type suite struct {
	host    TestHost
	cases   []testCase
	running bool
}

type testCase struct {
	h  *Handler
	f  goja.Callable
	at file.Position
}

// Test is a test that a script has defined.
type Test struct {
	Name string
	At   file.Position // where, as the runtime calls it
}

func init() {
	installs = append(installs, struct {
		names   string
		install func(*API)
	}{"test assert", (*API).installTesting})
}

// EnableTests lets the script define tests; the engine runs them by RunTest.
// Without it, test() is a mistake.
func (a *API) EnableTests(h TestHost) { a.suite = &suite{host: h} }

// Tests returns the tests that were defined so far, in order.
func (a *API) Tests() []Test {
	if a.suite == nil {
		return nil
	}
	list := make([]Test, len(a.suite.cases))
	for i, c := range a.suite.cases {
		list[i] = Test{c.h.Name, c.at}
	}
	return list
}

// RunTest calls a test and then done, when the promise that it returned has
// settled. What it did not catch goes to [Host.Fail].
func (a *API) RunTest(i int, done func()) {
	c := a.suite.cases[i]
	a.suite.running = true
	v, ok := a.call(c.h, c.f, a.testContext())
	if !ok {
		done()
		return
	}
	o, isObject := v.(*goja.Object)
	if !isObject || o.ExportType() != typePromise {
		done()
		return
	}
	a.whenDone(o, func(goja.Value) { done() }, func(reason goja.Value) {
		a.failed(a.exception(reason), c.h)
		done()
	})
	a.settle()
}

const testHint = "umpa-run test FILE.test.js"

func (a *API) installTesting() {
	a.global("test", a.function("test", func(call goja.FunctionCall) goja.Value {
		f, ok := goja.AssertFunction(call.Argument(1))
		switch {
		case !goja.IsString(call.Argument(0)) || !ok:
			a.fail("test('what it shows', async (t) => { … })", "test: a name and a function are needed, not %s and %s",
				a.describe(call.Argument(0)), a.describe(call.Argument(1)))
		case a.suite == nil:
			a.fail("run this file by: "+testHint, "test() is for umpa-run test")
		case a.suite.running:
			a.fail("tests stand side by side, at the top level", "test: a test inside a test")
		}
		h := &Handler{Name: call.Argument(0).String(), Lane: "js"}
		c := testCase{h: h, f: f}
		for _, frame := range a.rt.CaptureCallStack(8, nil) {
			if p := frame.Position(); p.Line > 0 {
				c.at = p
				break
			}
		}
		a.suite.cases = append(a.suite.cases, c)
		return goja.Undefined()
	}))
	a.installAssert()
}

// testContext is the argument of a test.
func (a *API) testContext() goja.Value {
	t := a.rt.NewObject()
	a.put(t, "run", a.function("run", func(call goja.FunctionCall) goja.Value {
		if !goja.IsString(call.Argument(0)) {
			a.fail("t.run('../ping.js')", "t.run: %s is not the path of a scenario", a.describe(call.Argument(0)))
		}
		o := a.scenarioOptions(call.Argument(1))
		d := a.awaited()
		a.suite.host.StartScenario(call.Argument(0).String(), o, func(s TestScenario, err error) {
			if err != nil {
				d.Reject(err)
				return
			}
			d.Resolve(a.scenario(s))
		})
		return d.promise
	}))
	return t
}

func (a *API) scenarioOptions(v goja.Value) (o ScenarioOptions) {
	set := a.options("t.run", v, "args", "env", "interfaces", "seed")
	o.Args = a.texts("t.run: args", set["args"])
	o.Interfaces = a.texts("t.run: interfaces", set["interfaces"])
	if v := set["seed"]; v != nil {
		n := uint64(a.number("t.run: seed", v, 0, 1<<53-1))
		o.Seed = &n
	}
	if v := set["env"]; v != nil {
		env, ok := v.(*goja.Object)
		if !ok || env.ClassName() != "Object" {
			a.fail("env: { NAME: 'value' }", "t.run: env: %s is no object", a.describe(v))
		}
		o.Env = map[string]string{}
		for _, k := range env.Keys() {
			o.Env[k] = env.Get(k).String()
		}
	}
	return o
}

// texts reads a list of strings; numbers are taken as their text. undefined is nil.
func (a *API) texts(where string, v goja.Value) []string {
	if v == nil || goja.IsUndefined(v) {
		return nil
	}
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Array" {
		a.fail("['one', 'two']", "%s: %s is no array of strings", where, a.describe(v))
	}
	list := []string{}
	for i := range o.Get("length").ToInteger() {
		x := o.Get(fmt.Sprint(i))
		if !goja.IsString(x) && !goja.IsNumber(x) {
			a.fail("", "%s[%d]: %s is no string", where, i, a.describe(x))
		}
		list = append(list, x.String())
	}
	return list
}

// scenario is a ScenarioUnderTest. Its lists are the same arrays each time
// they are read, and grow.
func (a *API) scenario(s TestScenario) goja.Value {
	o := a.rt.NewObject()
	sent, log := a.rt.NewArray(), a.rt.NewArray()
	var packets, lines int
	getter := func(name string, f func() goja.Value) {
		_ = o.DefineAccessorProperty(name, a.function(name, func(goja.FunctionCall) goja.Value { return f() }), nil, goja.FLAG_FALSE, goja.FLAG_TRUE)
	}
	getter("sent", func() goja.Value {
		fresh, err := s.Sent(packets)
		if err != nil {
			a.throw(err)
		}
		for _, f := range fresh {
			v := a.fileView(f.Data, f.Time, len(f.Data), "eth")
			for i := range a.links {
				if a.links[i].name == f.Iface {
					v.link, v.own.Iface = i, i
				}
			}
			a.put(sent, fmt.Sprint(packets), v.object())
			packets++
		}
		return sent
	})
	getter("log", func() goja.Value {
		for _, line := range s.Logged(lines) {
			a.put(log, fmt.Sprint(lines), a.rt.ToValue(line))
			lines++
		}
		return log
	})
	settled := func(f func(done func(error))) goja.Value {
		d := a.awaited()
		f(func(err error) {
			if err != nil {
				d.Reject(err)
				return
			}
			d.Resolve(nil)
		})
		return d.promise
	}
	a.put(o, "reload", a.function("reload", func(call goja.FunctionCall) goja.Value {
		path := ""
		if v := call.Argument(0); !goja.IsUndefined(v) {
			if !goja.IsString(v) {
				a.fail("reload('./changed.js')", "reload: %s is not the path of a scenario", a.describe(v))
			}
			path = v.String()
		}
		return settled(func(done func(error)) { s.Reload(path, done) })
	}))
	a.put(o, "stop", a.function("stop", func(goja.FunctionCall) goja.Value { return settled(s.Stop) }))
	return o
}

// installAssert sets assert and its members.
func (a *API) installAssert() {
	assert := a.function("assert", func(call goja.FunctionCall) goja.Value {
		if !call.Argument(0).ToBoolean() {
			if message := call.Argument(1); !goja.IsUndefined(message) {
				a.assertion(message.String(), "")
			}
			a.assertion(a.short(call.Argument(0))+" is not true", "")
		}
		return goja.Undefined()
	})
	member := func(name string, f func(goja.FunctionCall) goja.Value) { a.put(assert, name, a.function(name, f)) }
	member("equal", func(call goja.FunctionCall) goja.Value {
		actual, expected := call.Argument(0), call.Argument(1)
		if a.same(actual, expected) {
			return goja.Undefined()
		}
		why := fmt.Sprintf("%s is not %s", a.short(actual), a.short(expected))
		if _, ok := expected.(*goja.Object); ok && (&comparison{a: a}).compare("", actual, expected) == "" {
			why = "two objects that look alike are not the same one: deepEqual compares what is in them"
		}
		a.assertion(a.told(call.Argument(2), "%s", why), a.diff(expected, actual))
		return goja.Undefined()
	})
	member("deepEqual", func(call goja.FunctionCall) goja.Value {
		actual, expected := call.Argument(0), call.Argument(1)
		if why := (&comparison{a: a}).compare("", actual, expected); why != "" {
			a.assertion(a.told(call.Argument(2), "%s", why), a.diff(expected, actual))
		}
		return goja.Undefined()
	})
	member("match", func(call goja.FunctionCall) goja.Value {
		v := a.viewOf(call.Argument(0))
		if v == nil {
			a.assertion(a.told(call.Argument(2), "%s is no packet", a.describe(call.Argument(0))), "")
		}
		if !a.holds(v, call.Argument(1)) {
			p := v.finished()
			a.assertion(a.told(call.Argument(2), "%s does not match", p.Summary()), a.mismatches(v, call.Argument(1)))
		}
		return goja.Undefined()
	})
	member("throws", func(call goja.FunctionCall) goja.Value {
		f, ok := goja.AssertFunction(call.Argument(0))
		if !ok {
			a.fail("assert.throws(() => { … }, /why/)", "assert.throws: %s is no function", a.describe(call.Argument(0)))
		}
		pattern := a.pattern("assert.throws", call.Argument(1))
		_, err := f(goja.Undefined())
		if err == nil {
			a.assertion("nothing was thrown", "")
		}
		ex, ok := err.(*goja.Exception)
		if !ok {
			panic(err) // an interruption: it is not the test's to look at
		}
		a.expectMessage(pattern, ex.Value())
		return goja.Undefined()
	})
	member("rejects", func(call goja.FunctionCall) goja.Value {
		pattern := a.pattern("assert.rejects", call.Argument(1))
		x := call.Argument(0)
		if f, ok := goja.AssertFunction(x); ok {
			v, err := f(goja.Undefined())
			if err != nil {
				panic(err)
			}
			x = v
		}
		o, ok := x.(*goja.Object)
		if !ok || o.ExportType() != typePromise {
			a.fail("await assert.rejects(promise, /why/)", "assert.rejects: %s is no promise", a.describe(x))
		}
		// The error is made now, so that it knows the line that asked.
		fulfilled := a.assertionError("the promise was not rejected", "")
		d := a.awaited()
		a.whenDone(o, func(goja.Value) { d.rejectWith(fulfilled) }, func(reason goja.Value) {
			if ex := a.rt.Try(func() { a.expectMessage(pattern, reason) }); ex != nil {
				d.rejectWith(ex.Value())
				return
			}
			d.Resolve(nil)
		})
		return d.promise
	})
	a.global("assert", assert)
}

// told is the message that the author gave, and what is wrong.
func (a *API) told(message goja.Value, format string, args ...any) string {
	why := fmt.Sprintf(format, args...)
	if message == nil || goja.IsUndefined(message) {
		return why
	}
	return message.String() + ": " + why
}

// short is a value in one line of an error.
func (a *API) short(v goja.Value) string {
	if p := a.viewOf(v); p != nil {
		return p.finished().Summary()
	}
	text := []rune(oneLine.ReplaceAllString(a.inspect(v), " "))
	if len(text) > 80 {
		return string(text[:79]) + "…"
	}
	return string(text)
}

var oneLine = regexp.MustCompile(`\s*\n\s*`)

// assertion throws an AssertionError.
func (a *API) assertion(message, diff string) { panic(a.assertionError(message, diff)) }

// assertionError makes one. Its diff shows, line by line, what was expected ("-")
// and what there was ("+").
func (a *API) assertionError(message, diff string) goja.Value {
	e, err := a.rt.New(a.newError, a.rt.ToValue(message))
	if err != nil {
		panic(err)
	}
	hide := func(name, text string) {
		_ = e.DefineDataProperty(name, a.rt.ToValue(text), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	hide("name", "AssertionError")
	if diff != "" {
		hide("diff", diff)
	}
	return e
}

// pattern is the regular expression that an error's message must match; nil: any.
func (a *API) pattern(where string, v goja.Value) goja.Callable {
	if v == nil || goja.IsUndefined(v) {
		return nil
	}
	if o, ok := v.(*goja.Object); ok && o.ClassName() == "RegExp" {
		if test, ok := goja.AssertFunction(o.Get("test")); ok {
			return func(_ goja.Value, args ...goja.Value) (goja.Value, error) { return test(o, args...) }
		}
	}
	a.fail("a regular expression: /out of range/", "%s: %s is no pattern", where, a.describe(v))
	return nil
}

// expectMessage throws where an error is not the one that was asked for.
func (a *API) expectMessage(pattern goja.Callable, thrown goja.Value) {
	if pattern == nil {
		return
	}
	message := thrown
	if o, ok := thrown.(*goja.Object); ok {
		if m := o.Get("message"); m != nil {
			message = m
		}
	}
	if ok := must(pattern, nil, a.rt.ToValue(message.String())); !ok.ToBoolean() {
		a.assertion(fmt.Sprintf("the error is another one: %s", message), "")
	}
}
