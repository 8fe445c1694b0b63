package jsapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

func TestRepliesLeave(t *testing.T) {
	tests := []struct {
		src         string
		sends, want bool
	}{
		{`p => send(p.reply())`, true, true},
		{`p => send(p.reply())`, false, false},
		{`p => p.reply()`, false, true},
		{`p => { return p.reply({ip: {ttl: 3}}) }`, false, true},
		{`function (p) { if (p.icmp) send(p.reply()); }`, true, true},
		{`function (p) { if (p.icmp) return p.reply(); send(p.reply()) }`, true, true},
		{`p => { const r = p.reply(); send(r) }`, true, true},
		{`p => { const r = p.reply(); send(r) }`, false, false},
		{`p => { const r = p.reply(); return r }`, false, true},
		{`p => { const r = p.reply(); r.ip.ttl = 3; r.icmp.seq++; if (r.ip.id > 7) send(r) }`, true, true},
		{`p => { for (let i = 0; i < 3; i++) { const r = p.reply(); r.icmp.seq = i; send(r) } }`, true, true},
		{`p => { var r = p.reply(); r.payload = 'x'; send(r) }`, true, false},
		{`p => { const r = p.reply(); const i = r.ip; send(r) }`, true, false},
		{`p => { const r = p.reply(); kept = r }`, true, false},
		{`p => { const r = p.reply(), q = p.reply(); send(r); send(q) }`, true, false},
		{`p => { const r = p.reply(); kept = { r } }`, true, false},
		{`p => { let r = p.reply(); r = kept; kept = r }`, true, false},
		{`p => { const r = p.reply(); x.r = 3; send(r) }`, true, false},
		{`p => { const r = p.reply(); send(r.ip) }`, true, false},
		{`p => { const r = p.reply(); r.dns.questions.push(1); send(r) }`, true, false},
		{`p => { const { ip } = p.reply(); kept = ip }`, true, false},
		{`p => { const r = p.reply(); const q = r; kept = q }`, true, false},
		{`p => { const r = p.reply(); kept = [r, r.ip.ttl] }`, true, false},
		{`(p, r = p.reply()) => { send(r) }`, true, true},
		{`p => { kept = p.reply(); send(p.reply()) }`, true, false},
		{`p => { send(p.reply(), p.reply()) }`, true, false},
		{`p => { send([p.reply()]) }`, true, false},
		{`p => { const send = x => kept.push(x); send(p.reply()) }`, true, false},
		{`(p, send) => { send(p.reply()) }`, true, false},
		{`p => { const {reply} = p; send(p.reply()) }`, true, false},
		{`p => { const f = p["reply"]; send(p.reply()) }`, true, false},
		{"p => { const f = p[`reply`]; send(p.reply()) }", true, false},
		{`p => { const f = () => { return p.reply() }; kept = f() }`, true, false},
		{`p => (kept = p.reply())`, true, false},
		{`p => [p.reply()]`, true, false},
		{`p => send(p.reply()).x`, true, true},
		{`p => send(p?.reply())`, true, false},
		{`p => { f(send); send(p.reply()) }`, true, false},
		{`async p => p.reply()`, true, false},
		{`p => { class A {} return p.reply() }`, true, false},
		{`p => 5`, true, false},
		{`p => {`, true, false},
	}
	for _, tt := range tests {
		if got := repliesLeave(tt.src, tt.sends, newScene(t).api.scalar); got != tt.want {
			t.Errorf("%s, sends %v: %v, want %v", tt.src, tt.sends, got, tt.want)
		}
	}
}

// TestAnswersDiffer keeps answers in every way there is: each must keep its own
// bytes.
func TestAnswersDiffer(t *testing.T) {
	for _, src := range []string{
		`on('icmp', p => { kept.push(p.reply()); send(p.reply()) })`,
		`on('icmp', p => { const r = p.reply(); kept.push(r); send(r) })`,
		`const send2 = x => { kept.push(x); send(x) }; on('icmp', p => { send2(p.reply()) })`,
		`{ const send = x => { kept.push(x) }; on('icmp', p => { send(p.reply()) }) }`,
		`let last; const help = () => { if (last) kept.push(last.reply()) }; on('icmp', p => { last = p }); on('icmp', p => { help(); send(p.reply()) })`,
		`const help = () => kept.push(saved.reply({icmp: {seq: n++}})); let n = 1, saved; once('icmp', p => { saved = p }); on('icmp', p => { help(); send(p.reply()) })`,
		`on('icmp', p => { send(kept[kept.push(p.reply()) - 1]) })`,
	} {
		s := newScene(t)
		src = "const kept = [];" + src
		s.api.Source(src, "")
		s.run(src)
		b := frame(t, echo)
		for i := range 50 {
			b[len(b)-9] = byte(i + 1)
			s.deliver(b)
		}
		got := s.eval(`kept.length >= 49 && new Set(kept).size === kept.length && new Set(kept.map(r => r.icmp.seq)).size === kept.length && kept.every(r => r.icmp.type === 0)`)
		if got != "true" {
			t.Errorf("%s: %s %s", src, got, s.eval("kept.map(r => r.icmp.seq).join()"))
		}
		s.noFailures()
	}
}

// TestLent runs handlers that provably keep nothing, and holds that each was
// given the lent view and answered what a handler with a copy answers.
func TestLent(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{`p => { send(p.reply()) }`, "true"},
		{`p => p.reply()`, "true"},
		{`p => { const r = p.reply(); r.icmp.seq = r.icmp.seq * 2; r.ip.ttl = 9; send(r) }`, "true"},
		{`p => { for (let i = 0; i < 3; i++) { const r = p.reply({ip: {ttl: i}}); r.icmp.seq = i; send(r) } }`, "true"},
		{`p => { if (p.icmp.seq > 2 && p.ip.ttl >= 64 && p.eth.src !== p.eth.dst) send(p.reply({ip: {ttl: p.ip.ttl - 1}})) }`, "true"},
		{`p => { const r = p.reply(); if (n++ % 3 === 0) r.ip.ttl = steps; send(r) }`, "true"},
		{`({icmp}) => { n += icmp.seq }`, "true"},
		{`p => { const {src, dst} = p.ip; log[src] = dst }`, "true"},
		{`p => { send(p.with({ip: {ttl: 1}})) }`, "true"},
		{`p => { if (p.tcp) n++; else if (p.has('udp')) n--; else n += p.layer('ip').ttl }`, "true"},
		{`p => { log.x = p }`, "false"},
		{`p => { log.x = p.icmp }`, "false"},
		{`async p => { await null; n += p.icmp.seq }`, "false"},
		{`p => { setTimeout(() => { n += p.icmp.seq }, 5) }`, "false"},
	} {
		s := newScene(t)
		src := "let n = 0; const log = {}, steps = counter(10); on('icmp', " + tt.src + ")"
		s.api.Source(src, "")
		s.run(src)
		if got := fmt.Sprint(s.api.subs.plain.subs[0].stays); got != tt.want {
			t.Errorf("%s: stays is %s, want %s: %s", tt.src, got, tt.want, s.api.subs.plain.subs[0].why)
		}
		copies := newScene(t)
		copies.run(src)
		copies.api.subs.plain.subs[0].proof = proof{}
		b := frame(t, echo)
		for i := range 20 {
			b[len(b)-9] = byte(i)
			s.deliver(b, b)
			copies.deliver(b, b)
		}
		if a, b := sentText(s), sentText(copies); a != b {
			t.Errorf("%s: sent\n%s\nwith copies\n%s", tt.src, a, b)
		}
		if a, b := s.eval("n + Object.keys(log).join()"), copies.eval("n + Object.keys(log).join()"); a != b {
			t.Errorf("%s: state %s, with copies %s", tt.src, a, b)
		}
		if l := s.api.lent; l != nil && l.p != nil {
			t.Errorf("%s: the lent view still points somewhere", tt.src)
		}
		s.noFailures()
	}
}

func sentText(s *scene) string {
	var b strings.Builder
	for _, f := range s.host.sent {
		fmt.Fprintf(&b, "%x\n", f.data)
	}
	return b.String()
}

// TestStale reads the lent view after its callback, as a handler would that
// the analysis got wrong.
func TestStale(t *testing.T) {
	s := newScene(t)
	s.run("let kept, layer; on('icmp', p => { kept = p; layer = p.icmp })")
	s.api.subs.plain.subs[0].stays = true
	s.deliver(frame(t, echo))
	for _, src := range []string{"kept.icmp", "kept.has('ip')", "kept.payload", "kept.time", "layer.seq", "Object.keys(kept)", "Object.keys(layer)", "kept.x = 1", "layer.x = 1", "send(kept)"} {
		if got := s.eval(src); !strings.Contains(got, "internal error: a packet was read after its handler had returned") {
			t.Errorf("%s: %s", src, got)
		}
	}
}

// TestAllocations holds the budget of what runs for every packet.
func TestAllocations(t *testing.T) {
	b := frame(t, echo)
	for _, tt := range []struct {
		src  string
		most float64
	}{
		{`on({tcp: {dport: 80}}, () => {})`, 0},
		{`on('arp', () => {}); on({icmp: {type: 0}}, () => {})`, 0},
		{`let n = 0; on('icmp', p => { if (p.icmp.seq === 4 && p.ip.src !== '1.2.3.4' && p.eth.src !== '') n = p.ip.ttl })`, 0},
		{`on('icmp', p => { send(p.reply()) })`, 0},
		{`on('icmp', p => p.reply())`, 0},
		{`on('icmp', p => { const r = p.reply(); r.ip.ttl = 9; r.icmp.seq = 1; send(r) })`, 2},
		{`on('icmp', p => { const r = p.reply(); send([r]) })`, 14},
	} {
		h := &quiet{fake: newFake()}
		rt := goja.New()
		s := &scene{t: t, rt: rt, host: h.fake, api: New(rt, h)}
		src := "(function () {" + tt.src + "})()" // as a bundle is: globals cost more
		s.api.Source(src, "")
		s.run(src)
		batch := make([]Frame, 100)
		for i := range batch {
			batch[i] = Frame{Data: b, Length: len(b), Number: 1}
		}
		per := testing.AllocsPerRun(20, func() { s.api.Deliver(batch) }) / 100
		if per > tt.most+0.3 { // entering script code once a batch allocates too
			t.Errorf("%s: %v allocations a packet, at most %v wanted", tt.src, per, tt.most)
		}
	}
}

func TestSource(t *testing.T) {
	for _, tt := range []struct {
		text     string
		declares bool
	}{
		{"on('ip', p => send(p.reply()))", false},
		{"const send = __umpa.get(\"send\");\non('ip', p => send(p.reply()))", false},
		{"  var send = /* @__PURE__ */ __umpa.get(\"send\");\non('ip', p => send(p.reply()))", false},
		{"const send = __other.get(\"send\");\non('ip', p => send(p.reply()))", true},
		{"let send = __umpa.get(\"send\");\nsend = 5", true},
		{"const send = __umpa.get(\"send\");\n{ const send = 5 }", true},
		{"function f(send) {}", true},
		{"eval('x')", true},
	} {
		s := newScene(t)
		s.api.Source(tt.text, "__umpa")
		if got := s.api.script.Declares("send"); got != tt.declares {
			t.Errorf("%s: declares send: %v", tt.text, got)
		}
	}
	s := newScene(t)
	if got := s.eval("send = 5"); !strings.Contains(got, "TypeError") {
		t.Errorf("send can be replaced: %s", got)
	}
	if got := s.eval("Object.defineProperty(globalThis, 'send', {value: 5})"); !strings.Contains(got, "TypeError") {
		t.Errorf("send can be redefined: %s", got)
	}
}
