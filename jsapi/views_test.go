package jsapi

import (
	"strings"
	"testing"
)

const echo = `eth({src:'02:00:00:00:00:02',dst:'02:00:00:00:00:01'}), ip({src:'10.0.0.2',dst:'10.0.0.1',id:7}), icmp({type:8,id:3,seq:4}), 'abcdefgh'`

// TestExpressions evaluates snippets with p, a received echo request.
func TestExpressions(t *testing.T) {
	tests := []struct{ src, want string }{
		{"p.ip.src", "10.0.0.2"},
		{"p.eth.dst", "02:00:00:00:00:01"},
		{"p.icmp.type + p.icmp.seq", "12"},
		{"p.tcp", "undefined"},
		{"p.has('icmp') + ',' + p.has('tcp')", "true,false"},
		{"p.layer('ip', 1)", "undefined"},
		{"p.layer('ip').ttl", "64"},
		{"p.layers.map(l => l.layer).join()", "eth,ip,icmp"},
		{"p.text", "abcdefgh"},
		{"p.payload.length", "8"},
		{"p.length === p.bytes.length", "true"},
		{"p.errors.length", "0"},
		{"p.then", "undefined"},
		{"p.toJSON !== undefined", "true"},
		{"Object.keys(p).join()", "eth,ip,icmp,payload"},
		{"'icmp' in p && !('tcp' in p)", "true"},
		{"var k = []; for (const x in p.icmp) k.push(x); k.includes('type')", "true"},
		{"p.ip === p.ip", "true"},
		{"p.icmp.bytes.length >= 8", "true"},
		{"p.ip.headerLength", "5"},
		{"typeof p.ip.checksum", "number"},
		{"p.ip.layer", "ip"},
		{"p.icmp.offset", "34"},
		{"p.dsn", "TypeError: a packet has no dsn | did you mean dns?"},
		{"p.ttl", "TypeError: a packet has no ttl | did you mean ip.ttl?"},
		{"p.ip.tll", `TypeError: ip: there is no field "tll" | did you mean "ttl"?`},
		{"p.ip.ttl = 3", "TypeError: ip.ttl: a received packet cannot be changed | make a changed copy: pkt.with({ ip: { ttl: … } })"},
		{"p.payload = 'x'", "TypeError: payload: a received packet cannot be changed | make a changed copy: pkt.with({ … })"},
		{"p.foo = 1", "TypeError: foo: a received packet cannot be changed | make a changed copy: pkt.with({ … })"},
		{"p.with({ip:{ttl:3}}).ip.ttl", "3"},
		{"p.with({ip:{ttl:3}}).errors.length", "0"},
		{"p.with({tcp:{sport:3}})", "TypeError: tcp: the packet has no such layer | the layers are eth, ip, icmp"},
		{"p.with({ipp:{ttl:3}})", "TypeError: with: there is no protocol 'ipp' | did you mean ip?"},
		{"p.reply().icmp.type", "0"},
		{"p.reply().ip.dst", "10.0.0.2"},
		{"p.reply({ip:{ttl:9}}).ip.ttl", "9"},
		{"p.reply().answers(p)", "true"},
		{"p.answers(p)", "false"},
		{"p.matches('icmp')", "true"},
		{"p.matches({ip:{ttl:{min:60}}})", "true"},
		{"p.matches({ip:{src:/^10\\./}})", "true"},
		{"p.matches({ip:{src:a => a === '10.0.0.2'}})", "true"},
		{"p.matches(q => q.icmp.seq === 4)", "true"},
		{"p.matches(not('icmp'))", "false"},
		{"p.matches(any('tcp', {icmp:{type:'echoRequest'}}))", "true"},
		{"p.matches(all('ip', q => q.has('icmp')))", "true"},
		{"p.matches({ip:{tttl:1}})", `TypeError: ip: there is no field "tttl" | did you mean "ttl"?`},
		{"p.error('unreachable').icmp.type", "3"},
		{"p.error('nope')", "?"},
		{"'' + p === p.summary()", "true"},
		{"JSON.parse(JSON.stringify(p)).layers.length", "3"},
		{"packet(JSON.parse(JSON.stringify(p))).icmp.seq", "4"},
		{"p instanceof Object", "true"},
		{"p.hasOwnProperty('ip')", "true"},
		{"p.flow === p.reply().flow", "true"},

		{"ip({ttl:300})", "RangeError: ip.ttl: 300 is out of range 0..255 | ttl has 8 bits (RFC 791 section 3.1)"},
		{"ip({dst:'10.0.0.256'})", "TypeError: ip.dst: '10.0.0.256' is no IPv4 address | four numbers of 0..255: '192.0.2.1'"},
		{"ip(5)", "TypeError: ip: 5 is no object of fields | ip({ … })"},
		{"arp.REQUEST + ',' + icmp.ECHO_REQUEST", "1,8"},
		{"arp({op:'reply'}).op", "2"},
		{"tcp({flags:'SA'}).flags", "SA"},
		{"tcp({seq:-1}).seq", "4294967295"},
		{"tcp({seq:2**32}).seq", "0"},
		{"var l = {}; l.a = l; ip({options:l})", "?"},
		{"ip({ttl:5n}).ttl", "5"},
		{"ip({ttl:null})", "TypeError: ip.ttl: null is not a number"},
		{"ip({ttl:undefined}).ttl", "64"},
		{"udp({dport:'x'})", "?"},
		{"packet(ip({dst:'10.0.0.2'}), udp({dport:53}), 'abc').udp.length", "11"},
		{"packet(ip(), udp(), hex('de ad')).payload.join()", "222,173"},
		{"packet(udp, 'abc')", "TypeError: packet: part 1: a function is no layer, packet or bytes | call the builder: udp()"},
		{"var b = packet(ip(), udp()); b.ip.ttl = 7; b.payload = 'xyz'; b.ip.ttl + ',' + b.udp.length", "7,11"},
		{"var b = packet(ip(), udp()); b.ip.tll = 7", `TypeError: ip: there is no field "tll" | did you mean "ttl"?`},
		{"var b = packet(ip(), udp()); b.udp = {}", "TypeError: udp: a layer cannot be replaced | assign its fields: pkt.udp.… = …"},
		{"var b = packet(ip(), udp({length:99})); b.udp.length", "99"},
		{"packet(ip({src:'10.0.0.9'})).ip.src", "10.0.0.9"},
		{"packet(ip()).ip.src", "10.0.0.1"},
		{"parse(hex('ff')).errors.length > 0", "true"},
		{"parse(p.bytes).icmp.seq", "4"},
		{"packet(p.ip, p.icmp).icmp.seq", "4"},
		{"parse('', 'foo')", "TypeError: parse: there is no protocol 'foo'"},
		{"hex('0')", "TypeError: hex: an odd number of digits | two digits a byte: hex('0a')"},
		{"hex('0g')", "TypeError: hex: 'g' is no hexadecimal digit | hex('de ad be ef')"},
		{"bytes(1, 'a', hex('ff')).join()", "1,97,255"},
		{"bytes(256)", "RangeError: bytes: part 1: 256 is out of range 0..255"},
		{"send()", "TypeError: send: nothing to send | send(ip({ dst: '10.0.0.2' }), icmp())"},
		{"send(ip(), {iface:'lam'})", "TypeError: send: there is no interface 'lam' | did you mean lan?"},
		{"send(ip(), {ifaces:'lan'})", "TypeError: send has no option ifaces | did you mean iface?"},
		{"on('arpp', p => {})", "TypeError: on: 'arpp': syntax error | did you mean 'arp'?"},
		{"on('arp')", "TypeError: on: the handler is undefined | on('arp', (pkt) => { … })"},
		{"on('arp', arp)", "TypeError: on: the builder arp is no handler | call it: arp(), or (pkt) => …"},
		{"on({arp:{opp:1}}, () => {})", `TypeError: arp: there is no field "opp" | did you mean "op"?`},
		{"on('arp', () => {}, {prio: 1})", "TypeError: on has no option prio"},
		{"on('arp', () => {}, {count: 0})", "RangeError: on: count: 0 is out of range 1..4503599627370496"},
		{"decodeAs({udp: 5300}, 'udp'); 1", "1"},
	}
	for _, tt := range tests {
		s := newScene(t)
		b := frame(t, echo)
		s.run("var p")
		s.run("on('eth', x => { p = x })")
		s.deliver(b)
		if got := s.eval(tt.src); got != tt.want {
			if tt.want == "?" {
				t.Logf("%s: %s", tt.src, got)
				continue
			}
			t.Errorf("%s:\n got %s\nwant %s", tt.src, got, tt.want)
		}
		s.noFailures()
	}
}

// TestReadOnly has what is read from a packet refuse changes, which would not
// reach it.
func TestReadOnly(t *testing.T) {
	s := newScene(t)
	s.run(`const d = packet(ip(), udp({ sport: 53 }), dns({ answers: [{ name: 'a.b', type: 'A', ttl: 1, data: '10.0.0.1' }] }));
		const p = parse(packet(eth(), d).bytes)`)
	for _, src := range []string{
		"p.dns.answers[0].name = 'x'", "p.dns.answers.push({})", "p.dns.answers.length = 0", "delete p.dns.answers[0].ttl", "p.layers.push(1)", "d.dns.answers[0].ttl = 5",
	} {
		if got := s.eval(src); !strings.HasPrefix(got, "TypeError: ") {
			t.Errorf("%s: %s", src, got)
		}
	}
	if got := s.eval("const c = p.dns.answers.map(x => ({ ...x, ttl: 9 })); c[0].ttl + ',' + p.dns.answers[0].ttl + ',' + p.toJSON().layers.push(1)"); got != "9,1,5" {
		t.Errorf("a copy: %s", got)
	}
}

func TestMixedList(t *testing.T) {
	s := newScene(t)
	s.run("on('icmp', p => [p.reply(), 5]); on('icmp', p => [1, 2])")
	s.deliver(frame(t, echo), frame(t, echo))
	if len(s.host.sent) != 0 || len(s.host.logs) != 1 || !strings.Contains(s.host.logs[0], "returned a list of packets with 5 among them") {
		t.Errorf("sent %d, logs %q", len(s.host.sent), s.host.logs)
	}
	s.noFailures()
}
