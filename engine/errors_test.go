package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hears is a first line by which a script hears an ARP request of its own.
const hears = "export const options = { interfaces: { a: {}, b: {} } }; setTimeout(() => send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff' }), arp()), { iface: 'a' }), 5);\n"

// TestErrors runs files with a mistake each, and compares what their author
// is told.
func TestErrors(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string // main.js or main.ts is run
		want  string            // of Pretty, its first lines
	}{
		{"throw at top level", map[string]string{"main.js": "let a = 1;\n\n  throw new Error('no good');\n"}, `
main.js:3:9: no good
  throw new Error('no good');
        ^`},
		{"class of the error", map[string]string{"main.js": "const o = {};\no.missing.thing;\n"}, `
main.js:2:11: TypeError: Cannot read property 'thing' of undefined
  o.missing.thing;
            ^`},
		{"in a function", map[string]string{"main.js": "function deep() { throw new RangeError('far') }\nfunction top() {\n  deep();\n}\ntop();\n"}, `
main.js:1:25: RangeError: far
  function deep() { throw new RangeError('far') }
                          ^
    at top (main.js:3:3)
    at main.js:5:1`},
		{"in a timer", map[string]string{"main.js": "setTimeout(() => {\n\tthrow new Error('late');\n}, 10);\n"}, `
main.js:2:8: late
  throw new Error('late');
        ^`},
		{"typescript", map[string]string{"main.ts": "interface A { x: number }\ntype B = string | A;\n\nfunction f(a: A): B {\n  throw new Error('typed ' + a.x);\n}\nf({ x: 1 } as A);\n"}, `
main.ts:5:9: typed 1
  throw new Error('typed ' + a.x);
        ^
    at main.ts:7:1`},
		{"imported file", map[string]string{
			"main.ts":    "import { f } from './lib/a';\n\nf(2);\n",
			"lib/a.ts":   "import { g } from '../b.js';\nexport const f = (n: number) => g(n);\n",
			"b.js":       "\n\n\nexport function g(n) { return n.x.y }\n",
			"unused.txt": "",
		}, `
b.js:4:35: TypeError: Cannot read property 'y' of undefined
  export function g(n) { return n.x.y }
                                    ^
    at f (lib/a.ts:2:33)
    at main.ts:3:1`},
		{"after await", map[string]string{"main.js": "await sleep(5);\nthrow new Error('after');\n"}, `
main.js:2:7: after
  throw new Error('after');
        ^`},
		{"rejection", map[string]string{"main.js": "async function f() {\n  await sleep(1);\n  throw new Error('rejected');\n}\nf();\n"}, `
main.js:3:9: rejected
  throw new Error('rejected');
        ^`},
		{"rejection with a primitive", map[string]string{"main.js": "Promise.reject('why');\n"}, `
main.js: uncaught "why"
hint: throw new Error(…) tells where it was thrown`},
		{"thrown primitive", map[string]string{"main.js": "setTimeout(() => { throw 42 });\n"}, `
main.js:1:20: uncaught 42
  setTimeout(() => { throw 42 });
                     ^`},
		{"thrown object", map[string]string{"main.js": "const a = 1;\nthrow { a, b: 'x', c: {} };\n"}, `
main.js: uncaught { a: 1, b: "x", c: … }
hint: throw new Error(…) tells where it was thrown`},
		{"returned packet", map[string]string{"main.js": hears + "\n  on('arp', (pkt) => pkt, { iface: 'b' });\n"}, `
main.js:3:3: TypeError: the handler returned the packet it received
  on('arp', (pkt) => pkt, { iface: 'b' });
  ^
hint: forward() or pkt.with({}) says it is meant`},
		{"rejection in a handler", map[string]string{"main.js": hears + "/* */ on('arp', async () => {\n  throw { a: 1 };\n}, { iface: 'b' });\n"}, `
main.js:2:1: uncaught { a: 1 }
  /* */ on('arp', async () => {
  ^
hint: throw new Error(…) tells where it was thrown`},
		{"rejection in a handler by name", map[string]string{"main.js": hears + "\nexport async function onArp(pkt) {\n  throw 5;\n}\n"}, `
main.js:3:14: uncaught 5
  export async function onArp(pkt) {
               ^
hint: throw new Error(…) tells where it was thrown`},
		{"syntax", map[string]string{"main.js": "const a = 1;\nconst b = = 2;\n"}, `
main.js:2:11: unexpected "="
  const b = = 2;
            ^`},
		{"syntax in the first line", map[string]string{"main.js": "let = ;\n"}, `
main.js:1:7: unexpected ";"
  let = ;
        ^`},
		{"syntax in an import", map[string]string{"main.js": "import './x.js';\n", "x.js": "\nfunction (\n"}, `
x.js:2:10: expected identifier but found "("
  function (
           ^`},
		{"end of file", map[string]string{"main.js": "function f() {\n  g(\n"}, `
main.js:3:1: unexpected end of file`},
		{"missing import", map[string]string{"main.js": "\nimport x from './nothing.js';\nx();\n"}, `
main.js:2:15: cannot find "./nothing.js"
  import x from './nothing.js';
                ^
hint: the path is relative to the file that imports it`},
		{"node module", map[string]string{"main.js": "import fs from 'fs';\nfs.x;\n"}, `
main.js:1:16: cannot find "fs"
  import fs from 'fs';
                 ^
hint: a scenario has no Node.js modules`},
		{"misspelt import", map[string]string{"main.js": "import { sleeep } from 'umpa';\nsleeep();\n"}, `
main.js:1:10: 'umpa' does not export "sleeep"
  import { sleeep } from 'umpa';
           ^
hint: did you mean 'sleep'?`},
		{"regular expression goja cannot do", map[string]string{"main.js": "const a = 1;\nconst r = /a(/;\nconsole.log(r);\n"}, `
main.js:2:11: `},
		{"a flag goja does not know", map[string]string{"main.js": "import './x.js'", "x.js": "\n\nconsole.log(/a/d.test('a'));\n"}, `
x.js:3:13: `},
		{"no UTF-8", map[string]string{"main.js": "\nlet s = '\xff';\n"}, `
main.js:2:10: byte 0xff is no UTF-8
hint: save the file as UTF-8`},
		{"non-ASCII line", map[string]string{"main.js": "const s = 'äöü😀'; throw new Error(s);\n"}, `
main.js:1:26: äöü😀
  const s = 'äöü😀'; throw new Error(s);
                          ^`},
		{"hashbang and byte order mark", map[string]string{"main.js": "\ufeff#!/usr/bin/env umpa-run\nthrow new Error('x');\n"}, `
main.js:2:7: x`},
		{"field out of range", map[string]string{"main.js": "\n  ip({ ttl: 256 });\n"}, `
main.js:2:3: ip.ttl: 256 is out of range 0..255
  ip({ ttl: 256 });
  ^
hint: ttl has 8 bits`},
		{"endless recursion", map[string]string{"main.js": "function f() { return f() + 1 }\nf();\n"}, `
main.js:1:23: calls nest deeper than 1000
  function f() { return f() + 1 }
                        ^
    at main.js:2:1
hint: `},
		{"getter that calls itself", map[string]string{"main.js": "const o = { get x() { return this.x } };\no.x;\n"}, `
main.js:1:`},
		{"endless loop", map[string]string{"main.js": "setTimeout(function spin() {\n  while (true) {}\n}, 1);\n"}, `
main.js:1:12: setTimeout ran for more than 200ms and was interrupted`},
		{"a long string", map[string]string{"main.js": "'x'.repeat(2 ** 33);\n"}, `
main.js:1:5: repeat: a string of 8589934592 characters; at most 67108864 are made at once`},
		{"deep JSON", map[string]string{"main.js": "let s = '';\nfor (let i = 0; i < 20; i++) s += '['.repeat(1000);\nJSON.parse(s);\n"}, `
main.js:3:6: JSON.parse: the text nests deeper than 1000`},
		{"code from a string", map[string]string{"main.js": "new Function('return 1')();\n"}, `
main.js:1:1: TypeError: Function: a scenario makes no code from strings`},
		{"backtracking", map[string]string{"main.js": "const ok = /^(?=a)(a+)+$/.test('a'.repeat(40) + 'b');\nconsole.log(ok);\n"}, `
main.js:1:`},
		{"timeout of a promise", map[string]string{"main.js": "async function ask() {\n  return await receiveOne('arp', { timeout: 5 });\n}\nawait ask();\n"}, `
main.js:2:16: TimeoutError: receiveOne('arp'): nothing came within 5ms
  return await receiveOne('arp', { timeout: 5 });
               ^
    at main.js:4:7`},
		{"timeout of select", map[string]string{"main.js": "setTimeout(async () => {\n  await select({ a: 'arp' }, { timeout: '1s' });\n}, 1);\n"}, `
main.js:2:9: TimeoutError: select: none of ["a"] came within 1s`},
		{"options that are computed", map[string]string{"main.js": "const n = 3;\nexport const options = {\n  interfaces: ['lan' + n],\n};\n"}, `
main.js:3:24: options: this cannot be known before the script runs
  interfaces: ['lan' + n],
                       ^
hint: options are read before the script runs: they may use literals, args and env only`},
		{"misspelt option", map[string]string{"main.ts": "export const options = {\n  filter: 'icmp',\n  onEror: 'stop',\n} satisfies Options;\n"}, `
main.ts:3:3: options: there is no 'onEror'
  onEror: 'stop',
  ^
hint: did you mean 'onError'?`},
		{"filter", map[string]string{"main.ts": "export const options: Options = {\n  filter: 'icmp or nonsense here',\n};\n"}, `
main.ts:2:3: options: filter: `},
		{"address in the options", map[string]string{"main.js": "const options = { interfaces: { lan: { ip: '10.0.0.256/24' } } };\n"}, `
main.js:1:40: options: lan.ip: '10.0.0.256/24' is not an IPv4 address with its prefix length`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, tt.files)
			script := "main.js"
			if tt.files[script] == "" {
				script = "main.ts"
			}
			e, err := New(Config{Script: script, Virtual: true, CallbackTimeout: 200 * time.Millisecond,
				Interfaces: []Interface{{Spec: "wire:x"}, {Spec: "wire:x"}}})
			if err == nil {
				err = e.Run(context.Background())
			}
			if err == nil {
				t.Fatal("no error")
			}
			got := asScriptError(t, err).Pretty()
			want := strings.TrimPrefix(tt.want, "\n")
			if !strings.HasPrefix(got, want) {
				t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
			}
			if strings.Contains(got, "goroutine ") || strings.Contains(got, bundleFile) {
				t.Errorf("inner matters are shown:\n%s", got)
			}
		})
	}
}

// TestAllSyntaxErrors: everything that is wrong is told at once, in order.
func TestAllSyntaxErrors(t *testing.T) {
	write(t, map[string]string{
		"main.js": "import './b.js';\nimport './none.js';\nimport { qqq } from 'umpa';\nqqq();\n",
		"b.js":    "let a; let a;\n",
	})
	_, err := New(Config{Script: "main.js"})
	var l *LoadError
	if !errors.As(err, &l) {
		t.Fatalf("%v is no LoadError", err)
	}
	var got []string
	for _, e := range l.Errors {
		got = append(got, fmt.Sprintf("%s:%d:%s", e.File, e.Line, e.Kind))
	}
	want := []string{"b.js:1:syntax", "main.js:2:import"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestMissingScript(t *testing.T) {
	if _, err := New(Config{Script: "nowhere/none.js"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := Check(Config{Script: "nowhere/none.js"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("x", 500) + "HERE" + strings.Repeat("y", 500)
	line, blanks := excerpt(long, 501)
	if at := len([]rune(blanks)); string([]rune(line)[at:at+4]) != "HERE" || len(line) > 200 {
		t.Errorf("%q, caret at %d", line, at)
	}
}
