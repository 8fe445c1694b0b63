package jsapi

import (
	"strings"
	"testing"
	"time"
)

// line is what console.log makes of arguments.
func line(t *testing.T, args string) string {
	t.Helper()
	s := newScene(t)
	s.run("console.log(" + args + ")")
	s.noFailures()
	if len(s.host.logs) != 1 {
		t.Fatalf("%d lines: %q", len(s.host.logs), s.host.logs)
	}
	return strings.TrimPrefix(s.host.logs[0], "log: ")
}

// The wanted texts are Node's, but for packets.
func TestConsoleFormat(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{``, ``},
		{`'a', 'b', 1, -0, 1n, true, null, undefined`, `a b 1 -0 1n true null undefined`},
		{`'100%'`, `100%`},
		{`'100% %d%% of %s', 5, 'x', 'rest', [1]`, `100% 5% of x rest [ 1 ]`},
		{`'%s %s', 'one'`, `one %s`},
		{`'%d %i %f', '42', 3.9, '1.5'`, `42 3 1.5`},
		{`'%d', {}`, `NaN`},
		{`'%d', 5n`, `5n`},
		{`'%j', { a: [1, { b: 2 }] }`, `{"a":[1,{"b":2}]}`},
		{`'%o', { a: 1 }`, `{ a: 1 }`},
		{`'%c styled', 'color: red'`, ` styled`},
		{`'%x', 1`, `%x 1`},
		{`{}`, `{}`},
		{`{ a: 1, 'b-c': 'x', [Symbol('s')]: 2 }`, `{ a: 1, 'b-c': 'x', [Symbol(s)]: 2 }`},
		{`{ s: "it's", n: 'a\nb', q: '\'"' }`, "{ s: \"it's\", n: 'a\\nb', q: `'\"` }"},
		{`[1, , 3, , , 6]`, `[ 1, <1 empty item>, 3, <2 empty items>, 6 ]`},
		{`{ a: { b: { c: { d: 1 } } } }`, `{ a: { b: { c: [Object] } } }`},
		{`[[[[1]]]]`, `[ [ [ [Array] ] ] ]`},
		{`new Map([['a', 1], [{ k: 1 }, new Set([2])]])`, `Map(2) { 'a' => 1, { k: 1 } => Set(1) { 2 } }`},
		{`new Date(0), [new Date(NaN)]`, `1970-01-01T00:00:00.000Z [ Invalid Date ]`},
		{`/a\/b/gi`, `/a\/b/gi`},
		{`function f() {}, () => 0, class A {}, class extends Array {}`, `[Function: f] [Function (anonymous)] [class A] [class (anonymous)]`},
		{`new (class Foo { x = 1 })`, `Foo { x: 1 }`},
		{`Object.create(null)`, `[Object: null prototype] {}`},
		{`Object.assign(() => 0, { a: 1 })`, `[Function (anonymous)] { a: 1 }`},
		{`{ get a() { throw 1 }, set b(x) {}, get c() { return 1 }, set c(x) {} }`, `{ a: [Getter], b: [Setter], c: [Getter/Setter] }`},
		{`Promise.resolve(4), new Promise(() => 0)`, `Promise { 4 } Promise { <pending> }`},
		{`new Uint8Array([1, 2, 255]), new Float64Array(1), new Uint8ClampedArray(1)`, `Uint8Array(3) [ 1, 2, 255 ] Float64Array(1) [ 0 ] Uint8ClampedArray(1) [ 0 ]`},
		{`new Uint8Array([222, 173]).buffer`, `ArrayBuffer { [Uint8Contents]: <de ad>, byteLength: 2 }`},
		{`new Proxy({}, { get() { throw 1 } })`, `[Proxy]`},
		{`Symbol('x'), [Symbol.iterator]`, `Symbol(x) [ Symbol(Symbol.iterator) ]`},
		{`new Number(3), new String('s'), new Boolean(false)`, `[Number: 3] [String: 's'] [Boolean: false]`},
		{`(function () { return arguments })(1, 2)`, `[Arguments] { '0': 1, '1': 2 }`},
		{`(() => { const a = { n: 1 }; a.self = a; return a })()`, `<ref *1> { n: 1, self: [Circular *1] }`},
		{`(() => { const m = new Map(); m.set('m', m); return m })()`, `<ref *1> Map(1) { 'm' => [Circular *1] }`},
		{`Array.from({ length: 101 }, () => 1).length, 'x'`, `101 x`},
		{`{ nested: ip({ dst: '10.0.0.9' }).dst }`, `{ nested: '10.0.0.9' }`},
	} {
		if got := line(t, c.args); got != c.want {
			t.Errorf("console.log(%s)\n got %s\nwant %s", c.args, got, c.want)
		}
	}
}

func TestConsoleErrors(t *testing.T) {
	got := line(t, `new TypeError('bad')`)
	if !strings.HasPrefix(got, "TypeError: bad\n\tat test.js:1") {
		t.Errorf("got %q", got)
	}
	if got := line(t, `Object.assign(new Error('bad'), { code: 7, stack: '' })`); got != `Error: bad { code: 7 }` {
		t.Errorf("got %q", got)
	}
}

func TestConsolePackets(t *testing.T) {
	if got := line(t, `packet(ip({ dst: '10.0.0.9' }), udp({ dport: 53 }))`); !strings.Contains(got, "10.0.0.9") || strings.Contains(got, "\n") {
		t.Errorf("got %q", got)
	}
	if got := line(t, `{ p: [packet(ip({ dst: '10.0.0.9' }), udp({ dport: 53 }))] }`); !strings.Contains(got, "10.0.0.9") {
		t.Errorf("got %q", got)
	}
	if got := line(t, `udp({ sport: 1, dport: 53 })`); !strings.HasPrefix(got, "udp { sport: 1, dport: 53,") {
		t.Errorf("got %q", got)
	}
}

// Long values are cut, wide ones broken, and none takes long or throws.
func TestConsoleBounds(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{`Array.from({ length: 250 }, (_, i) => i)`, "... 150 more items"},
		{`new Array(1e9)`, "<1000000000 empty items>"},
		{`(() => { const a = []; a[4e9] = 1; return a })()`, "empty items"},
		{`new Uint8Array(100000)`, "... 99900 more items"},
		{`Object.fromEntries(Array.from({ length: 200 }, (_, i) => ['k' + i, i]))`, "... 100 more items"},
		{`['x'.repeat(20000)]`, "... 10000 more characters"},
		{`new Map(Array.from({ length: 200 }, (_, i) => [i, i]))`, "... 100 more items"},
		{`(() => { let a = {}; const root = a; for (let i = 0; i < 1e5; i++) a = a.next = {}; return root })()`, "[Object]"},
		{`(() => { const wide = Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => ({})))); return wide })()`, "…"},
		{`'y'.repeat(3 << 20)`, "more bytes"},
	} {
		got := line(t, c.args)
		if !strings.Contains(got, c.want) {
			t.Errorf("console.log(%s) lacks %q: %.300s", c.args, c.want, got)
		}
		if len(got) > 2<<20 {
			t.Errorf("console.log(%s) gives %d bytes", c.args, len(got))
		}
	}
	want := "[\n  " + strings.TrimSpace(`
   0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15,`) + "\n"
	if got := line(t, `Array.from({ length: 40 }, (_, i) => i)`); !strings.HasPrefix(strings.ReplaceAll(got, "   0", "  0"), want) {
		t.Errorf("got %s", got)
	}
	want = "{\n  text: '" + strings.Repeat("a", 70) + "',\n  list: [ 1, 2 ]\n}"
	if got := line(t, `{ text: 'a'.repeat(70), list: [1, 2] }`); got != want {
		t.Errorf("got %s", got)
	}
}

func TestConsole(t *testing.T) {
	s := newScene(t)
	s.run(`
		console.info('i'); console.warn('w'); console.error('e'); console.debug('d');
		console.assert(true, 'no'); console.assert(false); console.assert(0, 'x = %d', 5);
		console.time('t'); sleepSync(12.5); console.timeLog('t', 'so far'); sleepSync(1000); console.timeEnd('t'); console.timeEnd('t');
		console.count(); console.count(); console.count('c'); console.countReset(); console.count();
		console.group('g'); console.log('in\nside'); console.group(); console.log('deep'); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('out');
		console.dir({ a: 1 });`)
	want := `info: i|warn: w|error: e|debug: d|error: Assertion failed|error: Assertion failed: x = 5|log: t: 12.5ms so far|log: t: 1.013s|` +
		`warn: console.timeEnd: there is no 't'|log: default: 1|log: default: 2|log: c: 1|log: default: 1|log: g|` + "log:   in\n  side|log:     deep|log: out|log: { a: 1 }"
	if got := strings.Join(s.host.logs, "|"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s.noFailures()
}

func TestConsoleTable(t *testing.T) {
	for _, c := range []struct{ rows, want string }{
		{`[{ a: 1, b: 'x' }, { a: 2, c: { d: 1 } }]`, `
┌─────────┬───┬─────┬──────────┐
│ (index) │ a │ b   │ c        │
├─────────┼───┼─────┼──────────┤
│ 0       │ 1 │ 'x' │          │
│ 1       │ 2 │     │ { d: 1 } │
└─────────┴───┴─────┴──────────┘`},
		{`{ r: [1, 2], s: 'v' }`, `
┌─────────┬───┬───┬────────┐
│ (index) │ 0 │ 1 │ Values │
├─────────┼───┼───┼────────┤
│ r       │ 1 │ 2 │        │
│ s       │   │   │ 'v'    │
└─────────┴───┴───┴────────┘`},
		{`'text'`, "\ntext"},
		{`[]`, `
┌─────────┐
│ (index) │
├─────────┤
└─────────┘`},
	} {
		s := newScene(t)
		s.run("console.table(" + c.rows + ")")
		if got := "\n" + strings.TrimPrefix(strings.Join(s.host.logs, ""), "log: "); got != c.want {
			t.Errorf("console.table(%s)%s\nwant%s", c.rows, got, c.want)
		}
	}
}

// Labels and groups do not grow for ever.
func TestConsoleIsBounded(t *testing.T) {
	s := newScene(t)
	s.run(`for (let i = 0; i < 3000; i++) { console.time('t' + i); console.count('c' + i) }; for (let i = 0; i < 1e5; i++) console.group(); console.log('x')`)
	if got := s.host.logs[len(s.host.logs)-1]; len(got) > 200 {
		t.Errorf("%d bytes of margin", len(got))
	}
	s.host.advance(time.Second)
	s.noFailures()
}

// Whatever a script has, with cycles and shared parts: one line, no failure.
func TestConsoleOfAnything(t *testing.T) {
	s := newScene(t)
	s.run(sameJS)
	s.run(`for (let seed = 0; seed < 800; seed++) { const v = make(seed); console.log(v); console.log('%s %d %j %o', v, v.root, v.more, v.made); console.table(v) }`)
	s.noFailures()
	if n := len(s.host.logs); n != 2400 {
		t.Errorf("%d lines", n)
	}
	s.run(`
		const trap = new Proxy({}, new Proxy({}, { get() { throw new Error('trap ran') } }));
		for (const v of [trap, [trap], new Map([[trap, trap]]), Object.create(trap), Object.setPrototypeOf([], trap), Object.setPrototypeOf(() => 0, trap),
			{ get constructor() { throw 1 } }, Object.assign(new Error('e'), { toString() { throw 1 } }), { toString() { throw 1 }, toJSON() { throw 1 } },
			Object.defineProperty([], 0, { get() { throw 1 } }), Object.defineProperty(new Error('x'), 'stack', { get() { throw 1 } }), globalThis]) {
			console.log(v); console.log('%s %d %j %o', v, v, v, v); console.table(v); console.table([v]);
		}`)
	s.noFailures()
	for _, l := range s.host.logs {
		if strings.Contains(l, "trap ran") {
			t.Errorf("script code ran: %s", l)
		}
	}
}
