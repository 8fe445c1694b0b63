package escape

import (
	"strconv"
	"strings"
	"testing"
)

// testOptions is what an engine would say of a small packet library.
func testOptions() Options {
	natives := map[string]Native{
		"send":              {Consumes: true, Quiet: true, Result: Primitive},
		"console.log":       {Consumes: true, Quiet: true, Result: Primitive},
		"Math.floor":        {Quiet: true, Coerces: true, Result: Primitive},
		"String":            {Quiet: true, Coerces: true, Result: Primitive},
		"now":               {Quiet: true, Result: Primitive},
		"setTimeout":        {Quiet: true, Result: Primitive},
		"ip":                {Quiet: true, Result: Header},
		"icmp":              {Quiet: true, Result: Header},
		"packet":            {Consumes: true, Quiet: true, Result: Packet},
		"storage.set":       {},
		"icmp.ECHO_REQUEST": {Constant: true},
		"undefined":         {Constant: true},
	}
	members := map[string]MemberKind{
		"time": Scalar, "length": Scalar, "iface": Scalar, "flow": Scalar, "text": Scalar,
		"payload": Copy, "bytes": Copy,
		"ip": Layer, "tcp": Layer, "udp": Layer, "icmp": Layer, "dns": Layer, "arp": Layer,
		"quoted": Inner, "layers": Escaping, "errors": Escaping,
		"has": CallScalar, "answers": CallScalar, "summary": CallScalar, "matches": CallMatch,
		"toJSON": CallCopy, "reply": CallPacket, "error": CallPacket, "with": CallPacket, "layer": CallLayer,
	}
	scalars := map[string]bool{
		"ip.src": true, "ip.dst": true, "ip.ttl": true, "ip.id": true,
		"tcp.flags": true, "tcp.sport": true, "tcp.dport": true, "tcp.seq": true, "tcp.ack": true, "tcp.options.mss": true,
		"udp.sport": true, "udp.dport": true, "icmp.type": true, "icmp.code": true, "icmp.seq": true,
		"arp.op": true, "arp.tpa": true, "arp.spa": true,
		"dns.id": true, "dns.qr": true, "dns.questions.length": true, "dns.questions[].name": true, "dns.questions[].type": true,
	}
	parts := map[string]bool{"dns.questions": true, "dns.questions[]": true, "tcp.options": true}
	methods := map[string]bool{"startsWith": true, "includes": true, "toFixed": true, "length": true, "toUpperCase": true, "slice": true, "toString": true}
	return Options{
		Natives: func(n string) (Native, bool) { v, ok := natives[n]; return v, ok },
		Members: func(n string) (MemberKind, bool) { v, ok := members[n]; return v, ok },
		Scalars: func(p, f string) bool { return scalars[p+"."+f] },
		Parts:   func(p, f string) bool { return parts[p+"."+f] },
		Methods: func(n string) bool { return methods[n] },
		Outer: func(n string) Variable {
			switch n {
			case "hits", "total", "lastSeen":
				return LexicalPrimitive
			case "seen", "last", "list", "helper", "probe", "CHANGES":
				return Lexical
			}
			return Unknown
		},
	}
}

func TestAnalyse(t *testing.T) {
	const (
		both  = "stays quiet"
		stays = "stays"
		quiet = "quiet"
		none  = ""
	)
	for _, c := range []struct {
		src    string
		want   string
		reason string // a part of Reason
	}{
		// What handlers look like.
		{`pkt => send(pkt.reply())`, both, ""},
		{`(pkt) => { send(pkt.reply()) }`, both, ""},
		{`pkt => pkt.reply()`, both, ""},
		{`pkt => { const r = pkt.reply(); r.icmp.type = 0; send(r) }`, both, ""},
		{`pkt => { const r = pkt.reply(); r.icmp.type = 0; return r }`, both, ""},
		{`pkt => pkt.reply({ icmp: { type: 0 }, ip: { ttl: pkt.ip.ttl - 1 } })`, both, ""},
		{`pkt => [pkt.reply(), pkt.with({ ip: { ttl: 1 } })]`, both, ""},
		{`function (pkt) { if (pkt.ip.src === '10.0.0.1') send(pkt.reply()); }`, both, ""},
		{`function onArp(pkt) { if (pkt.arp.op === 1 && pkt.arp.tpa == "10.0.0.2") return pkt.reply() }`, both, ""},
		{`onTcp(pkt) { return pkt.reply({ tcp: { flags: 'R' } }) }`, both, ""},
		{`pkt => { hits++ }`, both, ""},
		{`pkt => { total += pkt.length; lastSeen = pkt.time }`, both, ""},
		{`pkt => { console.log(pkt.ip.src, pkt.summary()) }`, both, ""},
		{`pkt => { console.log(pkt) }`, both, ""},
		{"pkt => { console.log(`${pkt.ip.src} > ${pkt.ip.dst}: ${pkt.tcp?.flags ?? '-'}`) }", both, ""},
		{`({ ip, tcp }) => { if (tcp && tcp.dport === 80) console.log(ip.src) }`, both, ""},
		{`({ ip: { src, dst: to }, time }) => { console.log(src, to, time) }`, both, ""},
		{`({ ip: { src = 'none' } }) => { console.log(src) }`, both, ""},
		{`pkt => { const { src, dst } = pkt.ip; send(ip({ src: dst, dst: src }), icmp()) }`, both, ""},
		{`pkt => { const t = pkt.tcp; if (!t) return; if (t.flags === 'S') send(pkt.reply()) }`, both, ""},
		{`pkt => { let t = pkt.tcp; if (!t) t = pkt.udp; console.log(t === undefined) }`, both, ""},
		{`pkt => { const t = pkt.tcp ?? pkt.udp; if (t) console.log('seen') }`, both, ""},
		{`pkt => { if (pkt.ip.src.startsWith('10.')) console.log(pkt.ip.src.length) }`, both, ""},
		{`pkt => { switch (pkt.icmp.type) { case icmp.ECHO_REQUEST: return pkt.reply(); default: return undefined } }`, both, ""},
		{`pkt => pkt.tcp && pkt.tcp.dport === 80 && send(pkt.reply())`, both, ""},
		{`pkt => { for (let i = 0; i < 3; i++) { if (i === 1) continue; send(pkt.reply()) } }`, both, ""},
		{`pkt => { a: for (;;) { for (;;) { continue a } } }`, both, ""},
		{`pkt => { for (let i = 0; i < pkt.dns.questions.length; i++) console.log(pkt.dns.questions[i].name) }`, both, ""},
		{`pkt => { const q = pkt.dns.questions[0]; if (q.name === 'a.example') return pkt.reply() }`, both, ""},
		{`pkt => { const { questions: { 0: q } } = pkt.dns; console.log(q.name) }`, both, ""},
		{`pkt => { console.log(pkt.tcp.options.mss) }`, both, ""},
		{`pkt => { const inner = pkt.layer('ip', 1); console.log(inner?.src) }`, both, ""},
		{`pkt => { console.log(pkt.quoted?.ip.src, pkt.quoted?.udp?.dport) }`, both, ""},
		{`pkt => { if (pkt.has('tcp') && pkt.matches({ tcp: { flags: 'S' } })) return pkt.reply() }`, both, ""},
		{`pkt => { if (pkt.tcp == null) return; send(pkt.error('unreachable', { code: 3 })) }`, both, ""},
		{`pkt => { if (pkt.tcp == undefined) return; send(pkt.reply()) }`, both, ""},
		{`pkt => { console.log(pkt['ip']['src']) }`, both, ""},
		{`pkt => { try { send(pkt.reply()) } catch (e) { console.log('failed') } finally { hits++ } }`, both, ""},
		{`pkt => { var i = 0; while (i < 2) { i++; send(pkt.reply()) } }`, both, ""},
		{`pkt => { let i = 0; do { i += 1 } while (i < 4) }`, both, ""},
		{`pkt => { hits = hits + 1, send(pkt.reply()) }`, both, ""},
		{`pkt => void send(pkt.reply())`, both, ""},
		{`pkt => typeof pkt.tcp === 'object' ? send(pkt.reply()) : null`, both, ""},
		{`() => { hits++ }`, both, ""},
		{`pkt => {}`, both, ""},
		{`pkt => { const add = () => 1 + 2; total += 1; add(); send(pkt.reply()) }`, both, ""},
		{`pkt => { const src = pkt.ip.src; setTimeout(() => console.log(src), 10) }`, both, ""},
		{`pkt => { const src = pkt.ip.src; setTimeout(() => { src }, 10) }`, both, ""},
		{`pkt => { const p = pkt.payload; send(packet(pkt)) }`, both, ""},
		{`pkt => { { let pkt = 1; console.log(pkt) } }`, both, ""},
		{`pkt => { for (const k in { a: 1 }) console.log(k) }`, both, ""},
		{`pkt => { const c = { ip: { ttl: 9 } }; return pkt.with(c) }`, both, ""},
		{`pkt => { const r = pkt.reply(); console.log(r.summary()); return r }`, both, ""},
		{`pkt => { let n = 0; n ||= pkt.ip.ttl; n **= 2; console.log(n) }`, both, ""},
		{`p\u006bt => send(pkt.reply())`, both, ""},
		{`pkt => send(pkt.reply()) // done`, both, ""},

		// It stays, but something may queue a microtask.
		{`pkt => { seen[pkt.ip.src] = 1 }`, stays, "setter"},
		{`pkt => { seen.set(pkt.flow, pkt.time) }`, stays, "seen.set is called"},
		{`pkt => { seen.get(pkt.flow)?.push(pkt.time) }`, stays, "1:10"},
		{`pkt => { unknown++ }`, stays, "unknown may be a global"},
		{`pkt => { list.push(pkt.reply()) }`, stays, "list.push"},
		{`pkt => { last = pkt.reply() ; return last }`, stays, "promise"},
		{`pkt => { last = pkt.payload }`, both, ""},
		{`pkt => { seen.x = pkt.toJSON() }`, stays, "setter"},
		{`pkt => { helper(pkt.ip.src) }`, stays, "helper is called"},
		{`pkt => { new Map() }`, stays, "Map"},
		{`pkt => { throw new Error(pkt.ip.src) }`, stays, "Error"},
		{`pkt => { throw pkt.ip.src }`, both, ""},
		{`pkt => { for (const x of list) console.log(x) }`, stays, "iterated"},
		{`pkt => { last + 1 }`, stays, "toString or valueOf"},
		{`pkt => { console.log(last) }`, stays, "getters"},
		{`pkt => { pkt.reply(CHANGES) }`, stays, "getters"},
		{`pkt => { pkt.answers(probe) && hits++ }`, stays, "getters"},
		{`pkt => { const f = async () => {}; f() }`, stays, "async"},
		{`pkt => { const f = function* () {}; f() }`, stays, "async function or generator"},
		{`pkt => { const [a, b] = pkt.ip.src.split('.'); console.log('x') }`, stays, "split"},
		{`pkt => { 'x' in seen }`, stays, "proxy"},
		{`pkt => { seen instanceof Map }`, stays, ""},
		{`pkt => { delete seen[pkt.flow] }`, stays, "proxy"},
		{`pkt => { const r = pkt.reply(); r.nosuch.type = 0 }`, stays, "r.nosuch"},
		{`pkt => { const r = pkt.reply(); r.icmp.nosuch = 0 }`, stays, "setter"},
		{`pkt => { const r = pkt.reply(); r.icmp.type = last }`, stays, "setter or a getter"},
		{`pkt => { const r = pkt.reply(); r.ip.ttl + 1 }`, stays, "valueOf"},
		{`pkt => { Promise.resolve().then(() => {}) }`, stays, "Promise"},
		{`pkt => { let f = () => 1; f = helper; f() }`, stays, "f is called"},
		{`pkt => { function f() { f = helper } f() }`, stays, "f is called"},
		{`pkt => { Math.floor(pkt.time) + String(pkt.ip.src) }`, both, ""},
		{`pkt => { String({}) }`, stays, "toString"},
		{`pkt => { String(pkt) }`, none, "passed to String"},
		{`pkt => { storage.set('last', pkt.ip.src) }`, stays, "may run script code"},
		{`pkt => { setTimeout(() => helper(), 10) }`, stays, "helper is called"},
		{`pkt => { var { x } = seen }`, stays, "getter"},
		{`pkt => { /a/.test(pkt.ip.src) }`, stays, "is called"},
		{`pkt => pkt.ip.src.replace('a', () => 1)`, stays, ""},
		{`pkt => { this.count = pkt.length }`, stays, "setter"},
		{"pkt => { helper`a${pkt.ip.src}` }", stays, "helper is called"},
		{`pkt => { x = { ...seen } }`, stays, ""},

		// The packet gets away.
		{`pkt => { last = pkt }`, quiet, "stored in last at 1:10"},
		{`pkt => { last = pkt.ip }`, quiet, "stored in last"},
		{`pkt => pkt`, quiet, "returned at 1:8"},
		{`pkt => pkt.tcp`, quiet, "returned"},
		{`pkt => { return [pkt] }`, none, "literal"},
		{`pkt => ({ pkt })`, none, "literal"},
		{`pkt => ({ a: { b: pkt.ip } })`, none, "literal"},
		{`pkt => { throw pkt }`, quiet, "thrown"},
		{`pkt => { list.push(pkt) }`, none, "pkt is passed to list.push"},
		{`pkt => { helper(pkt) }`, none, "passed to helper"},
		{`pkt => { const same = helper(pkt.ip); same.src }`, none, "passed to helper"},
		{"pkt => {\n  const f = () => pkt.ip.src\n}", quiet, "pkt is captured by the inner function at 2:13"},
		{`pkt => { setTimeout(() => send(pkt.reply()), 10) }`, quiet, "captured"},
		{`pkt => { const t = pkt.tcp; setTimeout(function () { t.seq }) }`, quiet, "t is captured"},
		{`pkt => { let t; const f = () => t; t = pkt }`, quiet, "t is captured"},
		{`pkt => { const f = () => { const g = () => pkt } }`, quiet, "captured"},
		{`pkt => { var f = (x = pkt) => x }`, quiet, "captured"},
		{`(pkt, f = () => pkt) => {}`, quiet, "captured"},
		{`(pkt, other = pkt) => { last = other }`, quiet, "stored in last"},
		{`async pkt => { hits++ }`, none, "async"},
		{`async pkt => { await flush(); send(pkt.reply()) }`, none, ""},
		{`async function (pkt) { }`, none, "async"},
		{`function* (pkt) { yield 1 }`, none, ""},
		{`async onTcp(pkt) { }`, none, "async"},
		{`function (pkt) { arguments[0] }`, none, "arguments"},
		{`(...args) => { last = args }`, quiet, "rest parameter"},
		{`({ ip, ...rest }) => { }`, none, "rest"},
		{`([a]) => { }`, none, "iterates"},
		{`pkt => { eval('last = pkt') }`, none, "eval"},
		{`pkt => { ev\u0061l('last = pkt') }`, none, "eval"},
		{`pkt => { const e = eval; e('1') }`, none, "eval"},
		{`function (pkt) { with (pkt) { last = ip } }`, none, "with"},
		{`pkt => { class A { f = pkt } }`, none, "class"},
		{`pkt => { const A = class { static { last = pkt } } }`, none, "class"},
		{`pkt => { const name = 'ip'; pkt[name] }`, none, "pkt[name]"},
		{`pkt => { pkt[0] }`, none, "pkt[0]"},
		{`pkt => { pkt.dns.questions['map'] }`, none, ""},
		{`pkt => { let i = 'x'; pkt.dns.questions[i].name }`, none, ""},
		{`pkt => { var i; if (hits) i = 0; pkt.dns.questions[i].name }`, none, "pkt.dns.questions[i]"},
		{`pkt => { if (hits) { var i = 0 } pkt.dns.questions[i].name }`, none, "pkt.dns.questions[i]"},
		{`pkt => { for (const q of pkt.dns.questions) q.name }`, none, "iterated"},
		{`pkt => { pkt.dns.questions.forEach(q => hits++) }`, none, ""},
		{`pkt => { last = pkt.dns.questions }`, quiet, "stored"},
		{`pkt => { pkt.layers }`, none, "pkt.layers"},
		{`pkt => { pkt.nosuch }`, none, "pkt.nosuch"},
		{`pkt => { pkt.ip.nosuch }`, none, "pkt.ip.nosuch"},
		{`pkt => { pkt.nosuch() }`, none, "pkt.nosuch"},
		{`pkt => { const r = pkt.reply; r() }`, none, "pkt.reply"},
		{`pkt => { pkt.matches(p => (last = p)) }`, none, "may call a function"},
		{`pkt => { pkt.matches({ ip: { src: f => true } }) }`, none, ""},
		{`pkt => { pkt.matches(CHANGES) }`, none, ""},
		{`pkt => { const m = {}; m.ip = helper; pkt.matches(m) }`, none, ""},
		{`pkt => { let m; pkt.matches(m = {}, m.f = helper) }`, none, ""},
		{"pkt => { `${pkt}` }", none, "converted"},
		{`pkt => { pkt + '' }`, none, "converted"},
		{`pkt => { pkt.ip == '10' }`, none, "converted"},
		{`pkt => { +pkt }`, none, "converted"},
		{`pkt => { pkt < 1 }`, none, "converted"},
		{`pkt => { seen[pkt] = 1 }`, none, "converted"},
		{`pkt => { ({ [pkt]: 1 }) }`, none, "converted"},
		{`pkt => { 'ip' in pkt }`, none, "'ip' in pkt"},
		{`pkt => { pkt instanceof helper }`, none, ""},
		{`pkt => { delete pkt.ip }`, none, "delete"},
		{`pkt => { pkt.ip.ttl = 3 }`, none, "assigned"},
		{`pkt => { pkt.ip.ttl++ }`, none, "assigned"},
		{`pkt => { seen.last = pkt }`, none, "stored"},
		{`pkt => { ({ ip: seen.x } = pkt) }`, none, "stored"},
		{`pkt => { const o = {}; o.p = pkt }`, none, "stored"},
		{`pkt => { const r = pkt.reply(); r.payload = pkt }`, none, "stored"},
		{`pkt => { pkt.reply({ ip: pkt.ip }) }`, none, "literal"},
		{`pkt => { helper(...pkt) }`, none, "spread"},
		{`pkt => { ({ ...pkt }) }`, none, "spread"},
		{"pkt => { helper`${pkt}` }", none, "passed"},
		{"pkt => { pkt.reply`x` }", none, ""},
		{`pkt => { new helper(pkt) }`, none, "passed"},
		{`pkt => { const send = helper; send(pkt) }`, none, "passed to send"},
		{`(pkt, send) => { send(pkt) }`, none, "passed to send"},
		{`pkt => { { var send = helper } send(pkt) }`, none, "passed to send"},
		{`pkt => { send(pkt); function send(x) { last = x } }`, quiet, "passed to send"},
		{`pkt => { send = helper; send(pkt) }`, none, "send is assigned"},
		{`pkt => { console.log = helper; console.log(pkt) }`, none, "console.log is assigned"},
		{`pkt => { console['log'] = helper; console.log(pkt) }`, none, "assigned"},
		{`pkt => { [send] = list; send(pkt) }`, none, "assigned"},
		{`pkt => { for (send of list); send(pkt) }`, none, "assigned"},
		{`pkt => { delete console.log }`, none, "delete"},
		{`pkt => { send2(pkt) }`, none, "passed to send2"},
		{`function send(pkt) { send(pkt) }`, none, "passed to send"},
		{`pkt => { storage.set('last', pkt) }`, none, "passed to storage.set"},
		{`pkt => { let a, b; for (let i = 0; i < 3; i++) { last = b; b = a; a = pkt } }`, quiet, "stored in last"},
		{`pkt => { try { throw 1 } catch (e) { var e = pkt; } last = e }`, quiet, "stored"},
		{`pkt => { if (hits) function f() { } }`, none, ""},
		{`pkt => { { function f() { } } }`, none, "inside a block"},
		{`pkt => { last = hits ? pkt : 1 }`, quiet, "stored"},
		{`pkt => { last = (hits, pkt) }`, quiet, "stored"},
		{`pkt => { last = hits || pkt }`, quiet, "stored"},
		{`pkt => { last ??= pkt }`, quiet, "stored"},
		{`pkt => { last = pkt || 1 }`, quiet, "stored"},
		{`pkt => { let x; last = x = pkt }`, quiet, "stored"},
		{`pkt => { last = pkt.layer('ip', 1) }`, quiet, "stored"},
		{`pkt => { pkt.layer(hits) }`, none, ""},
		{`pkt => { last = pkt.quoted }`, quiet, "stored"},
		{`pkt => { (() => { send(pkt) })() }`, quiet, "captured"},
		{`pkt => { pkt() }`, none, "called"},
		{`pkt => { new pkt() }`, none, "called"},
		{`pkt => { let t = pkt.ip; t = pkt.tcp; t.src }`, none, "t.src"},
		{`pkt => { await(pkt) }`, none, "await"},

		// Not one function.
		{``, none, "not one function"},
		{`1`, none, "not one function"},
		{`pkt => 1), (2`, none, "not one function"},
		{`a) ; (b => 1`, none, "not one function"},
		{`pkt => {`, none, "not one function"},
		{`function send() { [native code] }`, none, "not one function"},
		{`class A { }`, none, "not one function"},
		{`get x() { return 1 }`, none, "not one function"},
		{`a() {}, b() {}`, none, "not one function"},
		{`pkt => 1` + strings.Repeat(" ", maxSource), none, "longer than"},
	} {
		v := Analyse(c.src, testOptions())
		if wantStays, wantQuiet := strings.Contains(c.want, stays), strings.Contains(c.want, quiet); v.Stays != wantStays || v.QuietMicrotasks != wantQuiet {
			t.Errorf("%s\n\tgot %+v, want %q", c.src, v, c.want)
		}
		if !strings.Contains(v.Reason, c.reason) {
			t.Errorf("%s\n\tgot reason %q, want %q in it", c.src, v.Reason, c.reason)
		}
		if (v.Reason == "") != (v.Stays && v.QuietMicrotasks) {
			t.Errorf("%s\n\t%+v: a reason is for what is not proved", c.src, v)
		}
	}
}

func TestAnalyseZeroOptions(t *testing.T) {
	for src, stays := range map[string]bool{
		`pkt => {}`:               true,
		`pkt => { hits++ }`:       true,
		`pkt => { pkt.ip }`:       false,
		`pkt => { send(pkt) }`:    false,
		`pkt => { pkt === last }`: true,
	} {
		if v := Analyse(src, Options{}); v.Stays != stays {
			t.Errorf("%s: %+v, want Stays %v", src, v, stays)
		}
	}
}

// What a parser may choke on ends in a verdict, soon.
func TestAnalyseHostile(t *testing.T) {
	n := maxSource / 2
	for name, src := range map[string]string{
		"brackets":   "x => " + strings.Repeat("(", n) + strings.Repeat(")", n-10),
		"arrays":     "x => " + strings.Repeat("[", n-10) + strings.Repeat("]", n-10),
		"negations":  "x => " + strings.Repeat("!", 2*n-10) + "x",
		"members":    "x => a" + strings.Repeat(".b", n-10),
		"own":        "x => x" + strings.Repeat(".b", n-10),
		"calls":      "x => a" + strings.Repeat("()", n-10),
		"increments": "x => " + strings.Repeat("a[", n/4) + "0" + strings.Repeat("]++", n/4),
		"compound":   "x => " + strings.Repeat("a[", n/4) + "0" + strings.Repeat("]+=1", n/4),
		"functions":  "x => " + strings.Repeat("y=>", n/2) + "x",
		"aliases":    "x => { let a0, a1, a2, a3; for (;;) { " + strings.Repeat("a0 = a1; a1 = a2; a2 = a3; a3 = x;", n/50) + "} }",
		"names":      "x => { let " + strings.Repeat("a,", 1) + "b; " + strings.Repeat("{ let c; ", n/20) + strings.Repeat("}", n/20) + "}",
		"chain":      "x => {" + reversedAliases(200) + "}",
		"templates":  "x => " + strings.Repeat("`${", n/4) + "x" + strings.Repeat("}`", n/4),
		"ifs":        "x => {" + strings.Repeat("if(x)", n/4) + ";}",
	} {
		t.Run(name, func(t *testing.T) { t.Log(Analyse(src, testOptions())) })
	}
}

// reversedAliases needs one round for each of its n variables.
func reversedAliases(n int) string {
	var b strings.Builder
	b.WriteString("let a0")
	for i := 1; i <= n; i++ {
		b.WriteString(", a" + strconv.Itoa(i))
	}
	b.WriteString("; for (;;) { last = a0; ")
	for i := range n {
		b.WriteString("a" + strconv.Itoa(i) + " = a" + strconv.Itoa(i+1) + "; ")
	}
	b.WriteString("a" + strconv.Itoa(n) + " = x }")
	return b.String()
}
