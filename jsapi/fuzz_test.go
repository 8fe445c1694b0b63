package jsapi

import (
	"strings"
	"testing"

	"github.com/dop251/goja"
)

// readAll reads every property of a packet, and calls every member that needs
// no argument; what they throw is caught.
const readAll = `(function () {
	const attempt = f => { try { return f() } catch (e) { if (String(e).includes('internal')) throw e } };
	const walk = (x, n) => { if (x && typeof x === 'object' && n < 6) for (const k of Object.keys(x).slice(0, 50)) attempt(() => walk(x[k], n + 1)) };
	on('any', p => {});
	on(undefined, p => {
		walk(p, 0);
		for (const l of p.layers) { attempt(() => l.bytes); attempt(() => JSON.stringify(l)) }
		for (const f of ['summary', 'show', 'hexdump', 'toJSON', 'reply']) attempt(() => p[f]());
		for (const f of ['flow', 'errors', 'text', 'payload', 'quoted', 'time', 'iface', 'length']) attempt(() => p[f]);
		attempt(() => send(p.reply()));
		attempt(() => p.with({ip: {ttl: 1}}));
		attempt(() => p.error('timeExceeded'));
		attempt(() => packet(p.toJSON()));
		attempt(() => packet(...p.layers));
		attempt(() => packet(p).answers(p));
	});
})()`

// FuzzFrame delivers arbitrary bytes: nothing panics, and nothing fails but
// what the script catches.
func FuzzFrame(f *testing.F) {
	for _, layers := range []string{echo, `eth(), arp()`, `eth(), ip(), tcp({flags: 'S', options: {mss: 1460}})`, `eth(), vlan(), ip6(), udp(), 'x'`, `eth(), ip(), icmp({type: 3}), hex('4500')`} {
		f.Add(frame(f, layers))
	}
	f.Add([]byte{})
	h := newFake()
	h.filters["any"] = func([]byte) bool { return true }
	rt := goja.New()
	a := New(rt, h)
	if _, err := rt.RunString(readAll); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		h.fails, h.sent, h.quarantine = nil, nil, false
		a.Deliver([]Frame{{Data: b, Length: len(b), Number: 1}})
		if len(h.fails) > 0 {
			t.Fatalf("%v", h.fails[0].err)
		}
	})
}

// FuzzScript runs arbitrary expressions as the fields of a builder, as changes
// and as a pattern: mistakes are exceptions.
func FuzzScript(f *testing.F) {
	for _, src := range []string{`{ttl: 5}`, `{ip: {ttl: 3}}`, `{tcp: {flags: {has: 'S', not: 'A'}}}`, `[1, [2, {a: 3n}]]`, `/x/`, `x => x`, `new Map([[1, 2]])`, `{get ip() { throw 1 }}`,
		`new Proxy({}, {})`, `Symbol()`, `null`, `{options: {raw: [{type: 1, data: 'x'}]}}`, `{questions: [{name: 'a.b', type: 1}]}`, `hex('00')`, `ip()`, `{payload: 'x'}`, `new Date()`, `{not: {not: 'ip'}}`} {
		f.Add(src)
	}
	b := frame(f, echo)
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 200 || strings.Contains(src, "while") || strings.Contains(src, "for") || strings.Contains(src, "repeat") || strings.Contains(src, "Array") {
			return
		}
		rt := goja.New()
		rt.SetMaxCallStackSize(200)
		h := newFake()
		h.quarantine = true
		a := New(rt, h)
		for _, use := range []string{"ip(%)", "dns(%)", "tcp(%)", "dhcp(%)", "packet(ip(), udp()).with(%)", "parse(hex('')).reply(%)", "on(%, p => {})", "packet(ip()).matches(%)", "packet(%).bytes", "send(%)", "on('ip', %)"} {
			_, _ = rt.RunString("(" + strings.Replace(use, "%", "("+src+")", 1) + ")")
			a.Settle()
		}
		a.Deliver([]Frame{{Data: b, Length: len(b), Number: 1}})
	})
}
