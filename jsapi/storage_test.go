package jsapi

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

// TestStored compares what is kept with bytes written by hand, and what comes
// back with what was put in.
func TestStored(t *testing.T) {
	tests := []struct{ value, bytes string }{
		{`null`, "01 6e"},
		{`true`, "01 74"},
		{`false`, "01 66"},
		{`0`, "01 69 00"},
		{`-1`, "01 69 01"},
		{`300`, "01 69 d804"},
		{`9007199254740991`, "01 69 feffffffffffff1f"},
		{`-0`, "01 64 8000000000000000"},
		{`1.5`, "01 64 3ff8000000000000"},
		{`1e300`, "01 64 7e37e43c8800759c"},
		{`''`, "01 73 00"},
		{`'aé\u{1f600}'`, "01 73 07 61c3a9f09f9880"},
		{`'\ufffd'`, "01 75 01 fffd"},
		{`'a\ud800'`, "01 75 02 0061 d800"},
		{`hex('00ff')`, "01 62 02 00ff"},
		{`[]`, "01 61 00"},
		{`[1, [null], 'x']`, "01 61 03 6902 61016e 730178"},
		{`({})`, "01 6f 00"},
		{`({ b: 1, a: { c: true } })`, "01 6f 02 730162 6902 730161 6f01 730163 74"},
		{`({ a: undefined, b: 2, 'é': 1 })`, "01 6f 02 730162 6904 7302c3a9 6902"},
		{`({ __proto__: null, ['__proto__']: 1 })`, "01 6f 01 73095f5f70726f746f5f5f 6902"},
	}
	for _, tt := range tests {
		s := newScene(t)
		s.run(`globalThis.before = ` + tt.value + `; storage.set('k', before); globalThis.after = storage.get('k')`)
		want, err := hex.DecodeString(strings.ReplaceAll(tt.bytes, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.host.storage["k"]; !bytes.Equal(got, want) {
			t.Errorf("%s is stored as %x, want %x", tt.value, got, want)
		}
		same := s.eval(`const show = (x) => x instanceof Uint8Array ? 'bytes ' + [...x] : Array.isArray(x) ? '[' + x.map(show) + ']' : typeof x === 'object' && x ? '{' + Object.keys(x).filter((k) => x[k] !== undefined).map((k) => k + ':' + show(x[k])) + '}' : Object.is(x, -0) ? '-0' : typeof x + JSON.stringify(x); show(before) === show(after) ? 'same' : show(before) + ' became ' + show(after)`)
		if same != "same" {
			t.Error(same)
		}
	}
}

func TestStorage(t *testing.T) {
	tests := []struct{ name, code, want string }{
		{"nothing there", `storage.get('k')`, "undefined"},
		{"a copy is kept", `const v = { a: [1] }; storage.set('k', v); v.a.push(2); storage.get('k').a.length`, "1"},
		{"a copy is given", `storage.set('k', [1]); storage.get('k').push(2); storage.get('k').length`, "1"},
		{"bytes are copied", `const b = hex('01'); storage.set('k', b); b[0] = 2; storage.get('k')[0]`, "1"},
		{"part of a buffer", `storage.set('k', hex('010203').subarray(1)); [...storage.get('k')].join()`, "2,3"},
		{"ArrayBuffer", `storage.set('k', new ArrayBuffer(2)); storage.get('k').length`, "2"},
		{"update", `storage.update('n', (n = 0) => n + 1); storage.update('n', (n) => n + 1)`, "2"},
		{"update is atomic", `storage.set('n', { a: 1 }); try { storage.update('n', (n) => { n.a = 2; throw new Error('x') }) } catch {} storage.get('n').a`, "1"},
		{"update of what cannot be stored", `storage.set('n', 1); try { storage.update('n', () => 1n) } catch {} storage.get('n')`, "1"},
		{"update to undefined", `storage.set('n', 1); storage.update('n', () => {}); storage.keys().length`, "0"},
		{"set to undefined", `storage.set('n', 1); storage.set('n', undefined); storage.size`, "0"},
		{"delete", `storage.set('n', 1); storage.delete('n'); storage.delete('m'); storage.get('n')`, "undefined"},
		{"keys and size", `storage.set('b', 1); storage.set('a', 2); storage.keys() + ' ' + storage.size`, "a,b 2"},
		{"shared is no cycle", `const a = [1]; storage.set('k', [a, a]); storage.get('k')[1][0]`, "1"},

		{"no key", `storage.get()`, "TypeError: storage.get: undefined is no key | a string: storage.get('leases'…)"},
		{"empty key", `storage.set('', 1)`, "TypeError: storage.set: a key has 1 to 32768 bytes, not 0"},
		{"no value", `storage.set('k')`, "TypeError: storage.set: a value is needed | storage.set(key, value); storage.delete(key) forgets it"},
		{"BigInt", `storage.set('k', { a: [1n] })`, "TypeError: storage.set('k'): the value.a[0] is a BigInt, which cannot be stored | as text: String(n)"},
		{"function", `storage.set('k', [() => 1])`, "TypeError: storage.set('k'): the value[0] is a function, which cannot be stored | what JSON can hold, and bytes, can be stored"},
		{"symbol", `storage.set('k', Symbol('x'))`, "TypeError: storage.set('k'): the value is a symbol, which cannot be stored | what JSON can hold, and bytes, can be stored"},
		{"cycle", `const a = {}; a.b = [a]; storage.set('k', a)`, "TypeError: storage.set('k'): the value.b[0] is part of itself, which cannot be stored | what JSON can hold, and bytes, can be stored"},
		{"hole", `storage.set('k', [, 1])`, "TypeError: storage.set('k'): the value[0] is undefined, which cannot be stored | null stands for nothing"},
		{"NaN", `storage.set('k', NaN)`, "TypeError: storage.set('k'): the value is NaN, which cannot be stored | what JSON can hold, and bytes, can be stored"},
		{"Date", `storage.set('k', new Date())`, "TypeError: storage.set('k'): the value is a Date, which cannot be stored | its time: date.getTime()"},
		{"Map", `storage.set('k', new Map())`, "TypeError: storage.set('k'): the value is a Map, which cannot be stored | a list: [...value]"},
		{"Set", `storage.set('k', new Set())`, "TypeError: storage.set('k'): the value is a Set, which cannot be stored | a list: [...value]"},
		{"Float64Array", `storage.set('k', new Float64Array(2))`, "TypeError: storage.set('k'): the value is a Float64Array, which cannot be stored | what JSON can hold, and bytes, can be stored"},
		{"packet", `storage.set('k', packet(arp()))`, "TypeError: storage.set('k'): the value is a packet, which cannot be stored | its bytes: pkt.bytes"},
		{"layer", `storage.set('k', arp())`, "TypeError: storage.set('k'): the value is a layer, which cannot be stored | its bytes, or the fields that matter"},
		{"promise", `storage.set('k', Promise.resolve())`, "TypeError: storage.set('k'): the value is a promise, which cannot be stored | what JSON can hold, and bytes, can be stored"},
		{"async update", `storage.update('k', async () => 1)`, "TypeError: storage.update: the function returned a promise | await first, and update then"},
		{"update by no function", `storage.update('k', 1)`, "TypeError: storage.update: 1 is no function | storage.update('visits', (n = 0) => n + 1)"},
		{"too deep", `let a = []; for (let i = 0; i < 1000; i++) a = [a]; storage.set('k', a)`, "TypeError: storage.set('k'): the value is nested more than 500 deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newScene(t).eval(tt.code); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestStoredDamaged: no bytes make reading panic, and none that were cut or
// changed are taken for a value that was never stored, but for other values.
func TestStoredDamaged(t *testing.T) {
	s := newScene(t)
	s.run(`storage.set('k', { a: [1, -2.5, null, true, 'text', '\ud800', hex('0102')], b: { c: {} } })`)
	good := s.host.storage["k"]
	for n := range good {
		if _, err := s.api.decodeStored(good[:n]); err == nil {
			t.Errorf("%x was read, which is cut", good[:n])
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := bytes.Clone(good)
		for range 1 + random.IntN(4) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		_, _ = s.api.decodeStored(b)
	}
	s.host.storage["k"] = []byte{9}
	const want = "TypeError: storage.get: 'k': what is stored is damaged, or of a newer version of umpa-run | storage.delete('k') forgets it"
	if got := s.eval(`storage.get('k')`); got != want {
		t.Errorf("got %s", got)
	}
}

func BenchmarkStorage(b *testing.B) {
	s := newScene(b)
	s.run(`globalThis.lease = { ip: '10.0.0.7', mac: '02:00:00:00:00:07', until: 1767225600000, options: [1, 2, 3] };
		globalThis.put = () => { storage.set('k', lease) }; globalThis.take = () => { storage.get('k') };
		globalThis.text = () => { JSON.parse(JSON.stringify(lease)) }; put()`)
	for _, name := range []string{"put", "take", "text"} {
		b.Run(name, func(b *testing.B) {
			f := mustFunction(b, s, name)
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func mustFunction(t testing.TB, s *scene, name string) func() {
	t.Helper()
	f, ok := goja.AssertFunction(s.rt.Get(name))
	if !ok {
		t.Fatalf("%s is no function", name)
	}
	return func() {
		if _, err := f(nil); err != nil {
			t.Fatal(err)
		}
	}
}
