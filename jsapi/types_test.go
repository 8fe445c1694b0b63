package jsapi

import (
	rx "regexp"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// typesUse is TypeScript that a scenario may hold; it was checked once by hand
// with the TypeScript compiler (5.9, strict) together with the generated file,
// and esbuild's parser sees here that both stay TypeScript.
const typesUse = `
import { on, send, ip, icmp, TimeoutError, type Packet, type Match, type Options, type IpLayer } from 'umpa';
export const options: Options = { onError: 'stop' };
on({ icmp: { type: 'echoRequest' } }, (pkt: Packet) => { const l: IpLayer = pkt.ip; const n: number = l.ttl; return pkt.reply(); });
const m: Match = { ip: { dst: '10.0.0.0/8' }, tcp: { flags: { has: 'S', not: 'AR' } }, vlan: false };
send(ip({ dst: counter() }), icmp({ type: icmp.ECHO_REQUEST }));
import.meta.hot.dispose((d) => { d.x = 1 });
`

func TestTypesAreTypeScript(t *testing.T) {
	for name, text := range map[string]string{"umpa.d.ts": Types(packet.Builtin()), "use.ts": typesUse} {
		r := api.Transform(text, api.TransformOptions{Loader: api.LoaderTS, Sourcefile: name})
		for _, m := range r.Errors {
			t.Errorf("%s:%d: %s: %s", name, m.Location.Line, m.Text, m.Location.LineText)
		}
	}
}

func TestTypesAreComplete(t *testing.T) {
	reg := packet.Builtin()
	text := Types(reg)
	if i := strings.Index(text, "//!"); i >= 0 {
		t.Errorf("a mark is left: %.40s", text[i:])
	}
	if text != Types(reg) {
		t.Error("two calls differ")
	}
	for _, name := range ExportNames() {
		if !strings.Contains(text, "export { _"+name+" as "+name+" };") {
			t.Errorf("the module exports %s at run time, and not in its types", name)
		}
		if !rx.MustCompile(`(?m)^declare (function|const|class) ` + name + `\b`).MatchString(text) {
			t.Errorf("%s is not declared", name)
		}
	}
	markdown := ProtocolsMarkdown(reg)
	for _, p := range reg.Protos() {
		from := strings.Index(text, "interface "+typeName(p.Name)+"Fields {")
		if from < 0 {
			t.Errorf("%s is not declared", p.Name)
			continue
		}
		part := text[from : from+strings.Index(text[from:], "\n}")]
		at := strings.Index(markdown, "\n## "+p.Name+"\n")
		if at < 0 {
			t.Errorf("%s is not in protocols.md", p.Name)
			continue
		}
		page, _, _ := strings.Cut(markdown[at+4:], "\n## ")
		for _, f := range p.Fields {
			if f.Hidden {
				continue
			}
			if !strings.Contains(part, "\n  "+memberName(f.Name)+"?: ") {
				t.Errorf("%s.%s is not declared", p.Name, f.Name)
			}
			if !strings.Contains(page, "\n| "+f.Name) {
				t.Errorf("%s.%s is not in protocols.md", p.Name, f.Name)
			}
		}
	}
}

func TestTypesOfFields(t *testing.T) {
	text := Types(packet.Builtin())
	for _, want := range []string{
		"  op?: Draw<number | 'request' | 'reply'",
		"  df?: Draw<0 | 1 | boolean>;",
		"  flags: string;\n",
		"  readonly ECHO_REQUEST: 8;\n",
		"declare const ip: IpBuilder;\n",
		"  ip?: Tests<IpFields> | boolean;\n",
		"  ip?: IpFields;\n",
		"  ip: IpLayer;\n",
		"interface ImportMeta {",
		"type _Tests<F> = Tests<F>;\n", // a type keeps its parameter
	} {
		if !strings.Contains(text, want) {
			t.Errorf("umpa.d.ts lacks %q", want)
		}
	}
}

// What the constants say at run time is what the types say.
func TestTypesConstants(t *testing.T) {
	s := newScene(t)
	text := Types(packet.Builtin())
	for _, c := range []string{"arp.REQUEST", "icmp.ECHO_REQUEST"} {
		if s.eval(c) == "undefined" {
			t.Errorf("%s is undefined", c)
		}
	}
	for _, m := range rx.MustCompile(`(?s)interface (\w+)Builder \{\n  \(fields(.*?)\n\}`).FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(m[1][:1]) + m[1][1:]
		for _, k := range rx.MustCompile(`readonly "?(\w+)"?: (\d+)`).FindAllStringSubmatch(m[2], -1) {
			if got := s.eval("String(" + name + "['" + k[1] + "'])"); got != k[2] {
				t.Errorf("%s.%s is %s, and %s in the types", name, k[1], got, k[2])
			}
		}
	}
}

func TestAPIMarkdown(t *testing.T) {
	text := APIMarkdown()
	for _, m := range declared.FindAllStringSubmatch(typesBase, -1) {
		if !strings.Contains(text, m[0]) {
			t.Errorf("api.md lacks %s", m[1])
		}
	}
	if strings.Contains(text, "//!") || strings.Count(text, "```")%2 != 0 {
		t.Error("api.md holds a mark, or code that does not end")
	}
	for _, want := range []string{"\n## Sending\n", "\n## Time\n", "```ts\ndeclare function sleepSync"} {
		if !strings.Contains(text, want) {
			t.Errorf("api.md lacks %q", want)
		}
	}
}
