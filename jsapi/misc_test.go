package jsapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

func TestAddress(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`address.in('10.0.0.7', '10.0.0.0/24')`, "true"},
		{`address.in('10.0.1.7', '10.0.0.5/24')`, "false"},
		{`address.in('fd00::7', 'fd00::/8')`, "true"},
		{`address.in('10.0.0.7', 'fd00::/8')`, "false"},
		{`address.in('10.0.0.7', '10.0.0.7')`, "true"},
		{`address.in('10.0.0.256', '10.0.0.0/24')`, "address.in: '10.0.0.256' is not an address"},
		{`address.in('10.0.0.1', '10.0.0.0/33')`, "an address and a network are needed"},
		{`address.in('02:00:00:00:00:01', '10.0.0.0/8')`, "an address and a network are needed"},
		{`['10.0.0.10', 'fd00::1', '10.0.0.9', '9.255.0.0'].sort(address.compare).join()`, "9.255.0.0,10.0.0.9,10.0.0.10,fd00::1"},
		{`address.compare('02:00:00:00:00:01', '02:00:00:00:00:02')`, "-1"},
		{`address.compare('02:00:00:00:00:01', '10.0.0.1')`, "have no order"},
		{`address.bytes('10.0.0.1').join()`, "10,0,0,1"},
		{`address.bytes('fd00::1').length`, "16"},
		{`address.bytes('02-00-00-00-00-0A').join()`, "2,0,0,0,0,10"},
		{`address.from(address.bytes('2001:DB8::0:1'))`, "2001:db8::1"},
		{`address.from(new Uint8Array([255, 255, 255, 255, 255, 255]))`, "ff:ff:ff:ff:ff:ff"},
		{`address.from(new Uint8Array(5))`, "address.from: an array of 5 bytes is no address"},
		{`address.bytes(7)`, "address.bytes: 7 is not an address"},
	} {
		if got := newScene(t).eval(c.src); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.src, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`new TextEncoder().encode('é€').join()`, "195,169,226,130,172"},
		{`new TextEncoder().encode().length`, "0"},
		{`const b = new Uint8Array(4); const r = new TextEncoder().encodeInto('a😀b', b); JSON.stringify(r) + b.join()`, `{"read":1,"written":1}97,0,0,0`},
		{`const b = new Uint8Array(5); JSON.stringify(new TextEncoder().encodeInto('a😀b', b))`, `{"read":3,"written":5}`},
		{`new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 104, 105]))`, "hi"},
		{`new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 104])).length`, "2"},
		{`new TextDecoder().decode(new Uint8Array([104, 255, 105]))`, "h\ufffdi"},
		{`new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))`, "the bytes are not UTF-8"},
		{`const d = new TextDecoder(); d.decode(new Uint8Array([226, 130]), { stream: true }) + d.decode(new Uint8Array([172]))`, "€"},
		{`const d = new TextDecoder(); d.decode(new Uint8Array([226, 130]), { stream: true }) + d.decode()`, "\ufffd"},
		{`new TextDecoder('latin1').decode(new Uint8Array([233, 128])) === '\u00e9\u0080'`, "true"},
		{`new TextDecoder().decode(new Uint16Array([0x6968]).buffer)`, "hi"},
		{`new TextDecoder().decode(new DataView(new Uint8Array([104, 105]).buffer, 1))`, "i"},
		{`new TextDecoder().decode('x')`, "decode: 'x' is not bytes"},
		{`new TextDecoder('koi8-r')`, "TextDecoder: the encoding 'koi8-r' is not known | 'utf-8' or 'latin1'"},
		{`new URL('/b?x=1#h', 'http://user@example.com:8080/a').href`, "http://user@example.com:8080/b?x=1#h"},
		{`new URL('http://[2001:db8::1]:8080/').host`, "[2001:db8::1]:8080"},
		{`new URLSearchParams('a=1&b=2').get('b')`, "2"},
		{`typeof require`, "undefined"},
		{`Symbol.asyncIterator === Symbol.for('Symbol.asyncIterator')`, "true"},
		{`Object.keys(Promise.withResolvers()).join()`, "promise,resolve,reject"},
		{`JSON.stringify(Object.groupBy([1, 2, 3], (x) => x % 2 ? 'odd' : 'even'))`, `{"odd":[1,3],"even":[2]}`},
		{`Map.groupBy([1, 2, 3], (x) => x % 2).get(1).join()`, "1,3"},
	} {
		if got := newScene(t).eval(c.src); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.src, got, c.want)
		}
	}
}

func TestRandomValues(t *testing.T) {
	const src = `crypto.getRandomValues(new Uint8Array(16)).join() + ' ' + crypto.getRandomValues(new Uint32Array(2)).join()`
	one, two := newScene(t).eval(src), newScene(t).eval(src)
	if one != two {
		t.Errorf("the same seed gave %s and %s", one, two)
	}
	if strings.HasPrefix(one, "0,0,0,0") || strings.HasSuffix(one, "0,0") {
		t.Errorf("not random: %s", one)
	}
	for _, c := range []struct{ src, want string }{
		{`const b = new Uint8Array(8); crypto.getRandomValues(b.subarray(2, 4)); b[0] === 0 && b[7] === 0`, "true"},
		{`const b = new Uint8Array(2); crypto.getRandomValues(b) === b`, "true"},
		{`crypto.getRandomValues(new Float64Array(1))`, "is not an array of integers"},
		{`crypto.getRandomValues([1])`, "an array is not an array of integers"},
		{`crypto.getRandomValues(new Uint8Array(65537))`, "at most 65536"},
	} {
		if got := newScene(t).eval(c.src); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.src, got, c.want)
		}
	}
}

// same compares two values deeply, with cycles: ” or where they differ.
const sameJS = `
function same(a, b, path = 'value', seen = new Map()) {
	if (typeof a !== typeof b) return path + ': ' + typeof a + ' and ' + typeof b;
	if (a === null || typeof a !== 'object') return Object.is(a, b) ? '' : path + ': ' + String(a) + ' and ' + String(b);
	if (b === null) return path + ': null';
	if (seen.has(a)) return seen.get(a) === b ? '' : path + ': shared parts are no longer shared';
	seen.set(a, b);
	if (a === b) return path + ': the same object';
	const kind = (x) => Object.prototype.toString.call(x);
	if (kind(a) !== kind(b)) return path + ': ' + kind(a) + ' and ' + kind(b);
	if (a instanceof Date) return Object.is(a.getTime(), b.getTime()) ? '' : path + ': dates differ';
	if (a instanceof RegExp) return String(a) === String(b) ? '' : path + ': expressions differ';
	if (a instanceof Error && (a.name !== b.name || a.message !== b.message)) return path + ': errors differ';
	if (a instanceof ArrayBuffer) {
		const x = new Uint8Array(a), y = new Uint8Array(b);
		return x.join() === y.join() ? '' : path + ': bytes differ';
	}
	if (ArrayBuffer.isView(a)) {
		if (a.byteOffset !== b.byteOffset || a.byteLength !== b.byteLength) return path + ': views differ';
		return same(a.buffer, b.buffer, path + '.buffer', seen);
	}
	if (a instanceof Map) {
		if (a.size !== b.size) return path + ': sizes differ';
		const y = [...b];
		let i = 0;
		for (const [k, v] of a) { const r = same(k, y[i][0], path + '.key', seen) || same(v, y[i][1], path + '.get', seen); if (r) return r; i++ }
		return '';
	}
	if (a instanceof Set) return same([...a], [...b], path + '.values', seen);
	const ka = Object.keys(a), kb = Object.keys(b);
	if (ka.join() !== kb.join()) return path + ': keys ' + ka + ' and ' + kb;
	if (Array.isArray(a) && a.length !== b.length) return path + ': lengths differ';
	for (const k of ka) { const r = same(a[k], b[k], path + '.' + k, seen); if (r) return r }
	return '';
}
// make makes a value from a seed, with parts that stand in several places.
function make(seed) {
	let state = seed * 2654435761 >>> 0;
	const next = (n) => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 4294967296 * n) };
	const made = [];
	const value = (depth) => {
		if (made.length && next(8) === 0) return made[next(made.length)];
		const keep = (o) => { made.push(o); return o };
		switch (next(depth > 4 ? 10 : 22)) {
		case 0: return next(1000) - 500;
		case 1: return next(1000) / 7;
		case 2: return [NaN, Infinity, -0, 0, 2 ** 53][next(5)];
		case 3: return 'text é ' + next(1000);
		case 4: return true;
		case 5: return null;
		case 6: return undefined;
		case 7: return BigInt(next(1000)) ** 5n;
		case 8: return keep(new Date(next(2) ? NaN : next(2 ** 31)));
		case 9: return keep(new RegExp('a+' + next(9), ['', 'g', 'iu'][next(3)]));
		case 10: { const a = keep([]); for (let n = next(5); n > 0; n--) a.push(value(depth + 1)); if (next(4) === 0) a.length += 2; return a }
		case 11: { const m = keep(new Map()); for (let n = next(4); n > 0; n--) m.set(value(depth + 1), value(depth + 1)); return m }
		case 12: { const s = keep(new Set()); for (let n = next(4); n > 0; n--) s.add(value(depth + 1)); return s }
		case 13: return keep(Uint8Array.from({ length: next(6) }, () => next(256)));
		case 14: { const b = keep(new ArrayBuffer(16)); const f = keep(new Float64Array(b, 8, 1)); f[0] = next(99) / 3; return f }
		case 15: return keep(new DataView(keep(new ArrayBuffer(9)), next(4), 3));
		case 16: return keep(new [Error, TypeError, RangeError][next(3)]('wrong ' + next(9)));
		case 17: return keep(new BigInt64Array([BigInt(next(9)) - 4n]));
		default: { const o = keep({}); for (let n = next(5); n > 0; n--) o['k' + next(9)] = value(depth + 1); return o }
		}
	};
	return { root: value(0), more: value(0), made };
}`

func TestCloneProperty(t *testing.T) {
	s := newScene(t)
	s.run(sameJS)
	for seed := range 1500 {
		if got := s.eval(fmt.Sprintf(`{ const v = make(%d); same(v, structuredClone(v)) }`, seed)); got != "" {
			t.Fatalf("seed %d: %s", seed, got)
		}
	}
}

// Across runtimes, what was made there is compared with what the same seed
// makes there.
func TestCloneBetweenRuntimes(t *testing.T) {
	from, to := newScene(t), newScene(t)
	from.run(sameJS)
	to.run(sameJS)
	for seed := range 300 {
		v := from.run(fmt.Sprintf(`make(%d)`, seed))
		_ = to.rt.Set("got", from.api.clone(to.api, "hot.data", v))
		if got := to.eval(fmt.Sprintf(`same(make(%d), got)`, seed)); got != "" {
			t.Fatalf("seed %d: %s", seed, got)
		}
	}
	v := from.run(`const p = packet(ip({ dst: '10.0.0.9', ttl: 7 }), udp({ dport: 53 }), 'x'); ({ p, again: p, m: new Map([[p, 1]]) })`)
	_ = to.rt.Set("got", from.api.clone(to.api, "hot.data", v))
	if got := to.eval(`[got.p.ip.ttl, got.p === got.again, got.m.get(got.p), got.p.text, got.p.udp.dport].join()`); got != "7,true,1,x,53" {
		t.Errorf("a packet came across as %s", got)
	}
}

func TestCloneMistakes(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`structuredClone(() => 0)`, "structuredClone: value is a function, which cannot be cloned"},
		{`structuredClone({ a: [1, { f() {} }] })`, "structuredClone: value.a[1].f is a function"},
		{`structuredClone(new Map([['k', Promise.resolve()]]))`, "structuredClone: value.get('k') is a promise"},
		{`structuredClone([Symbol('x')])`, "value[0] is a symbol"},
		{`structuredClone(new WeakMap())`, "value is a WeakMap"},
		{`structuredClone((function* () {})())`, "value is a Generator"},
		{`structuredClone(new Proxy({}, {}))`, "value is a proxy"},
		{`structuredClone(class {})`, "value is a function"},
		{`structuredClone()`, "structuredClone: a value is needed"},
		{`let o = {}; for (let i = 0; i < 20000; i++) o = { o }; structuredClone(o)`, "nested more than 10000 deep"},
		{`structuredClone({ get a() { throw new RangeError('mine') } })`, "RangeError: mine"},
	} {
		if got := newScene(t).eval(c.src); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.src, got, c.want)
		}
	}
	if got := newScene(t).eval(`const o = structuredClone(JSON.parse('{"__proto__": {"x": 1}}')); o.x === undefined && Object.keys(o).join() === '__proto__'`); got != "true" {
		t.Errorf("__proto__ was assigned: %s", got)
	}
}

// A script that replaced the built-ins does not change what a clone is.
func TestCloneOfReplacedBuiltins(t *testing.T) {
	got := newScene(t).eval(`const v = { d: [1], s: new Set([1]), m: new Map([[1, 2]]) }; Map.prototype.set = Set.prototype.add = Map.prototype.forEach = () => { throw 1 };
		globalThis.Map = globalThis.Date = null; const c = structuredClone(v); [c.d.length, c.s.size, c.m.size, c.m.get(1)].join()`)
	if got != "1,1,1,2" {
		t.Errorf("got %s", got)
	}
}

func BenchmarkClone(b *testing.B) {
	s := newScene(b)
	v := s.run(`({ list: Array.from({ length: 100 }, (_, i) => ({ i, text: 'x' + i })), map: new Map([['a', new Uint8Array(64)]]) })`)
	b.ReportAllocs()
	for b.Loop() {
		s.api.clone(s.api, "", v)
	}
}

// The same through JSON, which loses the Map.
func BenchmarkCloneBaseline(b *testing.B) {
	s := newScene(b)
	f, _ := goja.AssertFunction(s.run(`const v = { list: Array.from({ length: 100 }, (_, i) => ({ i, text: 'x' + i })), map: {} }; () => JSON.parse(JSON.stringify(v))`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f(goja.Undefined()); err != nil {
			b.Fatal(err)
		}
	}
}
