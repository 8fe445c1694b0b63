package engine

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/umpa-run/umpa-run/netio"
)

// TestLanguage: what scenarios may be written in, each a program that logs "ok".
func TestLanguage(t *testing.T) {
	tests := map[string]map[string]string{
		"async generators and for await": {"main.js": `
			async function* count() { for (let i = 0; i < 3; i++) { await sleep(10); yield i } }
			let sum = 0;
			for await (const n of count()) sum += n;
			console.log(sum === 3 && now() === 30 ? 'ok' : sum);`},
		"asyncIterator": {"main.js": `
			const it = { [Symbol.asyncIterator]() { let n = 0; return { next: async () => ({ value: n, done: n++ > 1 }) } } };
			let sum = 0;
			for await (const n of it) sum += n;
			console.log(sum === 1 ? 'ok' : sum);`},
		"top-level await in an import": {
			"main.js": `import { x } from './x.js'; console.log(x)`,
			"x.js":    `await sleep(5); export const x = 'ok'`},
		"dynamic import": {
			"main.js": `const m = await import('./x.js'); console.log(m.default)`,
			"x.js":    `export default 'ok'`},
		"import of the API": {"main.ts": `
			import { sleep as nap, now } from 'umpa';
			import type { Packet } from 'umpa';
			await nap(7);
			const p: Packet | undefined = undefined;
			console.log(now() === 7 ? 'ok' : p)`},
		"typescript": {"main.ts": `
			enum Colour { Red, Green }
			abstract class A<T> { #x: T; constructor(x: T) { this.#x = x } get x(): T { return this.#x } }
			class B extends A<string> {}
			const o = { k: 'ok' } satisfies Record<string, string>;
			console.log(new B(o.k).x as string, Colour[1])`},
		"json and text": {
			"main.js":  `import j from './a.json'; import s from './b.txt'; console.log(j.o + s)`,
			"a.json":   `{"o":"o"}`,
			"b.txt":    `k`,
			"other.js": ``},
		"packages": {
			"main.js":                         `import esm from 'esm'; import cjs from 'cjs'; console.log(esm + cjs.k)`,
			"node_modules/esm/package.json":   `{"name":"esm","type":"module","exports":{"import":"./m.js"}}`,
			"node_modules/esm/m.js":           `export default 'o'`,
			"node_modules/cjs/package.json":   `{"name":"cjs","main":"./lib/c.js"}`,
			"node_modules/cjs/lib/c.js":       `exports.k = require('./d').k`,
			"node_modules/cjs/lib/d.js":       `module.exports = { k: 'k' }`,
			"node_modules/unused/ignored.txt": ``},
		"packages for browsers": {
			"main.js":                       `import { a } from 'old'; import { b } from 'built'; import id from 'id'; import { c } from 'mapped'; console.log(a + b + id() + c)`,
			"node_modules/old/package.json": `{"name":"old","main":"old.js"}`,
			"node_modules/old/old.js": `
				var freeGlobal = typeof global == 'object' && global && global.Object === Object && global;
				var freeSelf = typeof self == 'object' && self && self.Object === Object && self;
				var root = freeGlobal && freeSelf || Function('return this')();
				exports.a = root === globalThis ? 'o' : 'x'`,
			"node_modules/built/package.json":      `{"name":"built","module":"b.mjs"}`,
			"node_modules/built/b.mjs":             `export const b = process.env.NODE_ENV !== 'production' ? 'x' : 'k'`,
			"node_modules/id/package.json":         `{"name":"id","type":"module","exports":{".":{"browser":"./browser.js","default":"./node.js"}}}`,
			"node_modules/id/node.js":              `import { webcrypto } from 'node:crypto'; export default () => webcrypto`,
			"node_modules/id/browser.js":           `export default () => crypto.getRandomValues(new Uint8Array(4)).length === 4 ? '' : 'x'`,
			"node_modules/mapped/package.json":     `{"name":"mapped","main":"index.js","browser":{"./index.js":"./index.browser.js"}}`,
			"node_modules/mapped/index.js":         `require('crypto').x`,
			"node_modules/mapped/index.browser.js": `exports.c = ''`},
		"commonjs": {
			"main.js": `const x = require('./x'); console.log(x.ok)`,
			"x.js":    `exports.ok = 'ok'`},
		"big integers and private members": {"main.js": `
			class C { #n = 2n ** 64n; static { this.s = 1 } n() { return this.#n } has(o) { return #n in o } }
			const c = new C();
			console.log(c.n() === 18446744073709551616n && c.has(c) ? 'ok' : 'no')`},
		"handlers by name": {"main.js": `
			function onStart() { started() }
			const started = () => console.log('ok')`},
		"handlers by export": {
			"main.js": `export { go as onStart } from './h.js'`,
			"h.js":    `export const go = () => console.log('ok')`},
		"a constant is a handler": {"main.js": `
			await sleep(1);
			const onStart = () => console.log('ok')`},
		"hot, url and dirname": {"main.js": `
			console.log(typeof import.meta.url == 'string' && import.meta.url.endsWith('/main.js') && !import.meta.dirname.endsWith('main.js') ? 'ok' : import.meta.url)`},
		"names of ours": {"main.js": `
			const options = undefined, scenario = 1, sleep2 = sleep;
			function send2() {} send2(); console.log('ok')`},
		"no final newline, a comment at the end": {"main.js": `console.log('ok') // that is all`},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			write(t, files)
			script := "main.js"
			if files[script] == "" {
				script = "main.ts"
			}
			l := &logger{}
			e, err := New(Config{Script: script, Virtual: true, Log: l.log})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := l.text(); !strings.HasPrefix(got, "ok") || strings.Contains(got, "\n") {
				t.Errorf("logged %q", got)
			}
		})
	}
}

// TestHandlersWhileTheTopLevelAwaits: a function found by its name hears packets
// from the first await on, not from the end of the top level.
func TestHandlersWhileTheTopLevelAwaits(t *testing.T) {
	got, err := runText(t, `
		export const options = { interfaces: { a: {}, b: {} } };
		function onArp(pkt) { console.log(now(), pkt.arp.tpa) }
		setTimeout(() => send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff' }), arp({ tpa: '10.0.0.9' })), { iface: 'a' }), 10);
		await sleep(20);
		console.log(now());
	`, both)
	if err != nil {
		t.Fatal(err)
	}
	if want := "10 10.0.0.9\n20"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEmbedded(t *testing.T) {
	files := fstest.MapFS{
		"scenarios/main.ts":    {Data: []byte("import { f } from './lib/f';\nimport g from '../g.js';\nconsole.log(f(), g, open('data.txt'));\nthrow new Error('here');\n")},
		"scenarios/lib/f.ts":   {Data: []byte("export const f = (): string => 'f'")},
		"scenarios/data.txt":   {Data: []byte("data")},
		"g.js":                 {Data: []byte("export default 'g'")},
		"scenarios/unused.txt": {Data: []byte("")},
	}
	l := &logger{}
	e, err := New(Config{Script: "scenarios/main.ts", FS: files, Virtual: true, Log: l.log})
	if err != nil {
		t.Fatal(err)
	}
	err = e.Run(context.Background())
	if got := l.text(); got != "f g data" {
		t.Errorf("logged %q", got)
	}
	if got := asScriptError(t, err).Error(); got != "scenarios/main.ts:4:7: here" {
		t.Errorf("error %q", got)
	}
}

// TestFiles: what a scenario was made of, for whoever watches.
func TestFiles(t *testing.T) {
	write(t, map[string]string{"main.ts": `import './a.js'; import { now } from 'umpa'; now()`, "a.js": `import './b.json'; console.log(1)`, "b.json": `{}`, "c.js": ``})
	u, err := load(Config{Script: "main.ts"})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range u.files {
		got = append(got, strings.TrimPrefix(f, dir+"/"))
	}
	if want := []string{"a.js", "b.json", "main.ts"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

// TestInterfaces: what -i and the options come to, together.
func TestInterfaces(t *testing.T) {
	const show = "\nfor (const i of interfaces) console.log(i.name, i.kind, i.mac, i.addresses.join(' '))"
	tests := []struct {
		name, text string
		given      []Interface
		number     int
		want       string
	}{
		{"nothing", ``, nil, 0, "wire wire 02:00:00:00:00:01 10.0.0.1 fd00::1 fe80::ff:fe00:1"},
		{"third script", ``, []Interface{{Spec: "wire:lab"}}, 3, "lab"},
		{"names", `export const options = { interfaces: ['lan', 'wan'] }`, nil, 2,
			"lan wire 02:00:00:00:00:02 10.0.0.2 fd00::2 fe80::ff:fe00:2\nwan wire 02:00:00:00:00:02 10.0.0.2 fd00::2 fe80::ff:fe00:2"},
		{"addresses", `export const options = { interfaces: { lan: { ip: '192.0.2.' + args[0] + '/25', mac: '02:AA:00:00:00:05', ip6: env.IP6 } } }`, nil, 0,
			"lan wire 02:aa:00:00:00:05 192.0.2.7 2001:db8::7 fe80::aa:ff:fe00:5"},
		{"declared only", `const options = { interfaces: ['lan'] }; options.x = 1;`, nil, 0, "lan wire 02:00:00:00:00:01 10.0.0.1 fd00::1 fe80::ff:fe00:1"},
		{"more than the options name", `export const options = { interfaces: ['lan'] }`, []Interface{{Spec: "wire:more"}, {Name: "lan", Spec: "wire:x"}}, 0,
			"lan wire 02:00:00:00:00:01 10.0.0.1 fd00::1 fe80::ff:fe00:1\nmore wire 02:00:00:00:00:01 10.0.0.1 fd00::1 fe80::ff:fe00:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := runText(t, tt.text+show, func(c *Config) {
				c.Interfaces, c.Number = tt.given, tt.number
				c.Args, c.Env = []string{"7"}, map[string]string{"IP6": "2001:db8::7/64"}
			})
			if err != nil {
				t.Fatal(err)
			}
			if tt.name == "third script" {
				tt.want = "lab wire 02:00:00:00:00:03 10.0.0.3 fd00::3 fe80::ff:fe00:3"
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	if _, err := runText(t, `export const options = { interfaces: ['lan'] }`, func(c *Config) {
		c.Interfaces = []Interface{{Name: "wan", Spec: "wire"}}
	}); err == nil || !strings.Contains(err.Error(), `"lan"`) {
		t.Errorf("an interface that the options do not name: %v", err)
	}
}

// TestRecorder: a wire's frames are recorded once, by who sent them.
func TestRecorder(t *testing.T) {
	t.Chdir(t.TempDir())
	r, err := netio.NewRecorder("out.pcapng", netio.RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = runText(t, `
		export const options = { interfaces: { a: {}, b: {} } };
		on({ eth: { type: 0x88b5 } }, () => {});
		for (let i = 0; i < 3; i++) setTimeout(() => send(packet(eth({ dst: '02:00:00:00:00:99', type: 0x88b5 }), bytes(i)), { iface: 'a' }), i * 1000);
	`, both, func(c *Config) { c.Recorder = r })
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := netio.OpenCapture("out.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var times []int64
	for {
		p, m, err := f.Next()
		if err != nil {
			break
		}
		if m.Direction != netio.DirectionOut || m.Interface != 0 {
			t.Errorf("recorded as %v of interface %d", m.Direction, m.Interface)
		}
		times = append(times, p.Time/1e9)
	}
	if len(times) != 3 || times[2]-times[0] != 2 {
		t.Errorf("recorded at %v", times)
	}
}

func FuzzMoveMappings(f *testing.F) {
	f.Add("AAAA,CAACA;;AADA;", 0)
	f.Fuzz(func(t *testing.T, text string, entry int) {
		prefixed := make([]bool, 4)
		if entry >= 0 && entry < len(prefixed) {
			prefixed[entry] = true
		}
		_, _ = moveMappings(text, prefixed) // never panics
	})
}

// FuzzOptions: whatever stands there, it is read or refused with a place.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{`{ interfaces: ['a', 'b'] }`, `{ interfaces: { a: { ip: args[0] } }, workers: 2 }`, "{ filter: `x${env.A}` }",
		`{ ...env, callbackTimeout: '1s' }`, `null`, `[1]`, `{ onError: -1 }`, `{ interfaces: { a: { answer: ['arp'] } } }`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := load(Config{Script: "x.js", Source: []byte("export const options = " + text), Args: []string{"10.0.0.1/24"}})
		var l *LoadError
		if err != nil && !errors.As(err, &l) {
			t.Fatalf("%T: %v", err, err)
		}
		if l != nil {
			for _, e := range l.Errors {
				if e.Message == "" || e.Line > 1+strings.Count(text, "\n")+strings.Count(text, "\r")+strings.Count(text, "\u2028")+strings.Count(text, "\u2029") {
					t.Fatalf("%+v", e)
				}
				_ = e.Pretty()
			}
		}
	})
}

// TestImportMeta: each file has its own, and its lines keep their numbers.
func TestImportMeta(t *testing.T) {
	write(t, map[string]string{
		"main.js":  "import { here } from './lib/a.js';\nconsole.log(import.meta.filename.endsWith('/main.js'), import.meta.hot === hot);\nhere();\n",
		"lib/a.js": "// line 1\nexport function here() {\n  console.log(import.meta.dirname.split('/').pop(), import.meta.url.split('/').slice(-2).join('/'));\n  null.x;\n}\n",
	})
	l := &logger{}
	e, err := New(Config{Script: "main.js", Virtual: true, Log: l.log})
	if err != nil {
		t.Fatal(err)
	}
	s := asScriptError(t, e.Run(t.Context()))
	if want := "true true\nlib lib/a.js"; l.text() != want {
		t.Errorf("got\n%s\nwant\n%s", l.text(), want)
	}
	if s.File != "lib/a.js" || s.Line != 4 || s.SourceLine != "  null.x;" {
		t.Errorf("at %s:%d %q", s.File, s.Line, s.SourceLine)
	}
}
