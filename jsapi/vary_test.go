package jsapi

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

func TestVarying(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`const c = counter(); [c.value, c.value, c.next().value].join()`, "0,1,2"},
		{`const c = counter(5, -2); [c.value, c.value, c.value, c.value].join()`, "5,3,1,-1"},
		{`[...range(1, 3)].join()`, "1,2,3"},
		{`[...range(3, 1, -1)].join()`, "3,2,1"},
		{`const r = range(1, 3); r.value; [...r].join()`, "2,3,1"},
		{`const r = range(1, 2); [r.next().value, r.next().value, r.next().value, r.next().done].join()`, "1,2,1,false"},
		{`[...range('10.0.0.254', '10.0.1.1')].join()`, "10.0.0.254,10.0.0.255,10.0.1.0,10.0.1.1"},
		{`[...range('02:00:00:00:00:ff', '02:00:00:00:01:00')].join()`, "02:00:00:00:00:ff,02:00:00:00:01:00"},
		{`[...range('2001:db8::1', '2001:db8::2')].join()`, "2001:db8::1,2001:db8::2"},
		{`[...hosts('10.0.0.0/29')].join()`, "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6"},
		{`[...cycle(['a', 'b'])].join()`, "a,b"},
		{`[...cycle(new Set([1, 2]))].join()`, "1,2"},
		{`const o = {}; cycle([o]).value === o`, "true"},
		{`const it = counter()[Symbol.iterator](); it.next(); it.next().value`, "1"},
		{`let n = 0; for (const x of counter(3)) { n += x; if (x === 5) break } n`, "12"},
		{`const x = random.int(3, 5).value; x >= 3 && x <= 5`, "true"},
		{`typeof random()`, "number"},
		{`random.bytes(4).value.length`, "4"},
		{`random.bytes(range(2, 3)).value.length`, "2"},
		{`const m = random.mac().value; /^[0-9a-f]([0-9a-f]:?)+$/.test(m) && (parseInt(m.slice(0, 2), 16) & 3) === 2`, "true"},
		{`address.in(random.ip('192.0.2.0/28').value, '192.0.2.0/28')`, "true"},
		{`random.exponential('2s').value > 0`, "true"},
		{`random.normal(100, 1).value > 90`, "true"},
		{`typeof random.pick(['x']).value`, "string"},

		{`counter() + 1`, "TypeError: a varying value is no number or text by itself: take one with .value | ids.value + 1"},
		{"`${range(1, 2)}`", "TypeError: a varying value is no number or text by itself: take one with .value | ids.value + 1"},
		{`+hosts('10.0.0.0/24')`, "TypeError: a varying value is no number or text by itself: take one with .value | ids.value + 1"},
		{`hosts('10.0.0.0/24').toString()`, "TypeError: a varying value is no number or text by itself: take one with .value | ids.value + 1"},
		{`range(3, 1)`, "TypeError: range: 3 to 1 by 1 is empty | the first is the smaller one, or tell a negative step"},
		{`range(1, 3, 0)`, "TypeError: range: a step of 0 goes nowhere | a step such as 1, or -1"},
		{`range('10.0.0.1', '::1')`, "TypeError: range: '10.0.0.1' and '::1' are not of one kind"},
		{`hosts('10.0.0.256/24')`, "TypeError: hosts: '10.0.0.256/24' is no prefix | such as '10.0.0.0/24'"},
		{`hosts(7)`, "TypeError: hosts: 7 is no network | hosts('10.0.0.0/24')"},
		{`cycle([])`, "TypeError: cycle: there are no values"},
		{`cycle(5)`, "TypeError: cycle: 5 is no list of values | cycle([1, 2, 3])"},
		{`random.int(5, 4)`, "TypeError: random.int: 5..4 is empty"},
		{`random.bytes(-1)`, "RangeError: random.bytes: length: -1 is out of range 0..65536"},
		{`random.exponential('x')`, "TypeError: 'x' is no duration | milliseconds, or a number with a unit: 250, '250ms', '1.5s', '10m', '2h', '1w'"},
		{`ip({ ttl: range(250, 256) })`, "RangeError: ip.ttl: 256 is out of range 0..255 | ttl has 8 bits (RFC 791 section 3.1)"},
		{`ip({ dst: cycle(['10.0.0.1', '10.0.0.256']) })`, "TypeError: ip.dst: '10.0.0.256' is no IPv4 address | four numbers of 0..255: '192.0.2.1'"},
		{`tcp({ flags: cycle(['S', 'X']) })`, `TypeError: tcp.flags: "X" has no flag "X" | the letters are F S R P A U E C`},
	} {
		if got := newScene(t).eval(c.src); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.src, got, c.want)
		}
	}
}

// templateCases are the layers of templates, each with the text of a function of
// i that gives the layers of its ith packet. Random values are not among them.
var templateCases = []struct{ name, varying, anew string }{
	{"one counter", `ip({dst: '10.0.0.9'}), udp({sport: counter(65530)}), 'x'`, `ip({dst: '10.0.0.9'}), udp({sport: (65530 + i) % 65536}), 'x'`},
	{"four fields", `ip({dst: '10.0.0.9', src: hosts('198.51.100.0/29'), ttl: range(1, 255)}), udp({sport: range(1, 9), dport: cycle([53, 123, 80])}), 'abc'`,
		`ip({dst: '10.0.0.9', src: '198.51.100.' + (1 + i % 6), ttl: 1 + i % 255}), udp({sport: 1 + i % 9, dport: [53, 123, 80][i % 3]}), 'abc'`},
	{"eth told", `eth({dst: range('02:00:00:00:00:01', '02:00:00:00:00:03')}), arp({tpa: hosts('10.0.0.0/24')})`,
		`eth({dst: '02:00:00:00:00:0' + (1 + i % 3)}), arp({tpa: '10.0.0.' + (1 + i % 254)})`},
	{"flags by name", `ip({dst: '10.0.0.9'}), tcp({flags: cycle(['S', 'SA', 'FA']), seq: counter(4294967290, 3), dport: 80})`,
		`ip({dst: '10.0.0.9'}), tcp({flags: ['S', 'SA', 'FA'][i % 3], seq: (4294967290 + 3 * i) % 4294967296, dport: 80})`},
	{"types by name", `ip({dst: '10.0.0.9'}), icmp({type: cycle(['echoRequest', 'timestamp']), seq: counter()})`,
		`ip({dst: '10.0.0.9'}), icmp({type: ['echoRequest', 'timestamp'][i % 2], seq: i})`},
	{"within a list", `ip({dst: '10.0.0.9'}), udp(), dns({id: counter(), questions: [{name: cycle(['a.example', 'b.example', 'long.name.example']), type: 'A'}]})`,
		`ip({dst: '10.0.0.9'}), udp(), dns({id: i, questions: [{name: ['a.example', 'b.example', 'long.name.example'][i % 3], type: 'A'}]})`},
	{"payload", `ip({dst: '10.0.0.9'}), udp(), 'seq ', cycle(['one', 'two', 'three']), '!'`, `ip({dst: '10.0.0.9'}), udp(), 'seq ' + ['one', 'two', 'three'][i % 3] + '!'`},
	{"a generator", `ip({dst: '10.0.0.9'}), udp({sport: (function* () { let n = 7; while (true) yield n++ })()})`, `ip({dst: '10.0.0.9'}), udp({sport: 7 + i})`},
	{"an iterable goes round", `ip({dst: '10.0.0.9', ttl: {[Symbol.iterator]: () => [5, 6][Symbol.iterator]()}}), udp()`, `ip({dst: '10.0.0.9', ttl: 5 + i % 2}), udp()`},
	{"one value in two fields", `ip({dst: '10.0.0.9', ttl: both}), udp({dport: both})`, `ip({dst: '10.0.0.9', ttl: 1 + i % 200}), udp({dport: 1 + i % 200})`},
	{"destinations", `ip({dst: hosts('10.0.0.0/30')}), udp({sport: 5})`, `ip({dst: '10.0.0.' + (1 + i % 2)}), udp({sport: 5})`},
	{"both interfaces", `ip({dst: cycle(['10.0.0.7', '192.0.2.7'])}), udp({sport: 5})`, `ip({dst: ['10.0.0.7', '192.0.2.7'][i % 2]}), udp({sport: 5})`},
	{"ip6", `ip6({dst: 'fd00::9', src: range('2001:db8::1', '2001:db8::ffff'), flowLabel: counter()}), udp(), 'odd'`,
		`ip6({dst: 'fd00::9', src: '2001:db8::' + (1 + i).toString(16), flowLabel: i}), udp(), 'odd'`},
	{"a checksum told", `ip({dst: '10.0.0.9'}), udp({checksum: 7, sport: counter()})`, `ip({dst: '10.0.0.9'}), udp({checksum: 7, sport: i})`},
	{"a tunnel within UDP", `ip({dst: '10.0.0.9'}), udp({dport: 4789}), packet(ip({dst: '10.1.0.1', ttl: range(1, 99)}), udp({sport: counter()}), 'x')`,
		`ip({dst: '10.0.0.9'}), udp({dport: 4789}), packet(ip({dst: '10.1.0.1', ttl: 1 + i % 99}), udp({sport: i}), 'x')`},
}

// learned makes the next hops known, so that what is sent leaves at once.
func (s *scene) learned() {
	for _, l := range s.api.links {
		for _, n := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.7", "10.0.0.9", "192.0.2.7", "fd00::9"} {
			addr := netip.MustParseAddr(n)
			if l.holds(addr) {
				s.api.learn(l, l.hops.use(addr), [6]byte{2, 0, 0, 0, 9, 9})
			}
		}
	}
}

// What a template sends is, byte for byte, what building each packet anew sends.
func TestTemplateIsLikeBuilding(t *testing.T) {
	const n = 40
	for _, c := range templateCases {
		t.Run(c.name, func(t *testing.T) {
			run := func(src string) string {
				s := newScene(t)
				s.learned()
				s.run("const both = range(1, 200);" + src)
				s.noFailures()
				var b strings.Builder
				for _, f := range s.host.sent {
					fmt.Fprintf(&b, "%d %x\n", f.link, f.data)
				}
				return b.String()
			}
			got := run(fmt.Sprintf(`const p = packet(%s); for (let i = 0; i < %d; i++) send(p)`, c.varying, n))
			want := run(fmt.Sprintf(`for (let i = 0; i < %d; i++) send(packet(%s))`, n, c.anew))
			if got != want {
				t.Errorf("got\n%.800s\nwant\n%.800s", got, want)
			}
		})
	}
}

func TestTemplateMembers(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`const c = counter(3); const p = packet(ip({dst: '10.0.0.9'}), udp({sport: c})); p.udp.sport === c`, "true"},
		{`const c = counter(3); const l = udp({sport: c}); l.sport === c`, "true"},
		{`const p = packet(ip({dst: '10.0.0.9'}), udp({sport: counter(3)})); p.bytes[20] * 256 + p.bytes[21]`, "3"},
		{`const p = packet(ip({dst: '10.0.0.9'}), udp({sport: counter(3)})); send(p); send(p); p.summary(); p.bytes[21]`, "5"},
		{`const p = packet(ip({dst: '10.0.0.9'}), udp({sport: random.int(7, 9)})); p.bytes[21]`, "7"},
		{`const p = packet(ip({dst: '10.0.0.9'}), udp({sport: counter(3)})); p.udp.sport = 9; send(p); send(p); p.udp.sport`, "9"},
		{`const p = packet(ip({dst: '10.0.0.9'}), udp({sport: 1})); p.udp.sport = counter(8); send(p); p.bytes[21]`, "9"},
		{`const p = packet(ip({dst: '10.0.0.9'}), udp()); p.payload = cycle(['ab', 'c']); send(p); p.text`, "c"},
		{`const p = packet(ip({dst: '10.0.0.9'}), udp(), random.bytes(8)); p.payload = 'x'; send(p); p.text`, "x"},
		{`const c = counter(3); const p = packet(ip({dst: '10.0.0.9'}), udp({sport: c})).with({ip: {ttl: 9}}); (p.udp.sport === c) + '' + p.ip.ttl`, "true9"},
		{`packet(ip({dst: '10.0.0.9'}), udp({sport: counter(3)})).with({udp: {sport: 5}}).udp.sport`, "5"},
		{`packet(ip({dst: '10.0.0.9'}), udp({sport: 3})).with({udp: {sport: counter(6)}}).udp.sport`, "6"},
		{`const p = packet(ip({dst: '10.0.0.9'}), udp({sport: [4, 5][Symbol.iterator]()})); send(p); send(p); send(p)`,
			"TypeError: send: an iterator that a field was given has ended | a generator that goes on for ever: while (true) yield …"},
		{`send(packet(ip({dst: '10.0.0.9'}), udp({sport: (function* () { throw new Error('mine') })()})))`, "Error: mine"},
		{`send(packet(ip({dst: '10.0.0.9'}), udp({sport: (function* () { yield 70000 })()})))`, "RangeError: udp.sport: 70000 is out of range 0..65535 | sport has 16 bits (RFC 768, Fields)"},
		{`JSON.stringify([...product(ip({dst: '10.0.0.9', ttl: range(1, 2)}), udp({sport: counter(7), dport: cycle([53, 80])}))].map(p => [p.ip.ttl, p.udp.dport, p.udp.sport]))`,
			"[[1,53,7],[1,80,8],[2,53,9],[2,80,10]]"},
		{`const x = product(ip({dst: hosts('10.0.0.0/29')}), udp()); [...x].length + [...x].length`, "12"},
		{`[...product(ip({dst: '10.0.0.9'}), udp())].length`, "1"},
		{`[...product(ip({ttl: range(1, 3)}), udp(), cycle(['a', 'b']))].map(p => p.ip.ttl + p.text).join()`, "1a,1b,2a,2b,3a,3b"},
		{`const r = range(1, 3); [...product(ip({ttl: r}), udp({dport: r}))].map(p => p.ip.ttl + '' + p.udp.dport).join()`, "11,22,33"},
		{`new Set([...product(ip({dst: '10.0.0.9'}), udp({sport: range(1, 50)}))]).size`, "50"},
		{`product(udp(), packet(udp()))`, "TypeError: product: 2 packets; it takes the parts of one | product(ip({ dst: hosts('10.0.0.0/24') }), tcp({ dport: range(1, 1024) }))"},
		{`const l = fuzz(ip({dst: '10.0.0.9', ttl: 7})); l.dst + l.ttl + (typeof l.dscp)`, "10.0.0.97object"},
		{`const p = fuzz(packet(ip({dst: '10.0.0.9'}), tcp({dport: 80}))); send(p); send(p); p.has('tcp')`, "true"},
		{`const p = structuredClone(packet(ip({dst: '10.0.0.9'}), udp({sport: counter(3)}))); send(p); send(p); p.bytes[21]`, "5"},
		{`structuredClone(packet(ip({dst: '10.0.0.9'}), udp({sport: [1].values()})))`, "TypeError: a packet with a field that is drawn from iterator cannot be cloned"},
		{`send(new Set([packet(udp())]))`, "TypeError: send: part 1: an array is no layer, packet or bytes | send(ip({ … }), udp({ … }), 'payload')"},
		{`fuzz(5)`, "TypeError: fuzz: 5 is no layer or packet | fuzz(udp()), or fuzz(packet(…))"},
	} {
		s := newScene(t)
		s.learned()
		if got := s.eval(c.src); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.src, got, c.want)
		}
	}
}

// The same seed gives the same bytes, whatever Math.random was asked for.
func TestTemplateSeed(t *testing.T) {
	run := func(before string) string {
		s := newScene(t)
		s.learned()
		s.run(before + `const p = packet(ip({dst: '10.0.0.9', src: random.ip('198.51.100.0/24'), ttl: random.int(1, 255)}), fuzz(tcp({sport: random.pick([1, 2, 3])})), random.bytes(random.int(0, 9)));
			for (let i = 0; i < 50; i++) send(p)`)
		var all []string
		for _, f := range s.host.sent {
			all = append(all, hex.EncodeToString(f.data))
		}
		return strings.Join(all, "\n")
	}
	a, b := run(""), run("Math.random(); crypto.getRandomValues(new Uint8Array(9));")
	if a != b || strings.Count(a, "\n") != 49 {
		t.Errorf("two runs differ:\n%s\n\n%s", a, b)
	}
}

// What is drawn is spread as it should be: chi-square over 50 cells, with
// 99.9 % of draws below 85.4; means within five standard errors.
func TestRandomDistributions(t *testing.T) {
	s := newScene(t)
	cells := func(src string) float64 {
		const n, k = 20000, 50
		var count [k]float64
		next, _ := goja.AssertFunction(s.run("(() => {const v = " + src + "; return () => v.value})()"))
		for range n {
			x, err := next(goja.Undefined())
			if err != nil {
				t.Fatal(err)
			}
			count[x.ToInteger()%k]++
		}
		chi := 0.0
		for _, c := range count {
			chi += (c - n/k) * (c - n/k) / (n / k)
		}
		return chi
	}
	for _, src := range []string{"random.int(0, 49)", "random.int(100, 149)", "random.pick([...range(0, 49)])", "{ get value() { return Math.floor(random() * 50) } }",
		"{ v: random.bytes(2), get value() { const b = this.v.value; return (b[0] * 256 + b[1]) } }", "{ v: random.ip('10.0.0.0/8'), get value() { return address.bytes(this.v.value).slice(1).reduce((n, b) => n * 256 + b) } }"} {
		if chi := cells(src); chi > 85.4 || chi < 23 {
			t.Errorf("%s: chi-square %.1f", src, chi)
		}
	}
	for _, c := range []struct {
		src       string
		mean, dev float64
	}{{"random.exponential('2s')", 2000, 2000}, {"random.normal(500, 20)", 500, 20}} {
		const n = 20000
		sum, squares := 0.0, 0.0
		next, _ := goja.AssertFunction(s.run("(() => {const v = " + c.src + "; return () => v.value})()"))
		for range n {
			x, _ := next(goja.Undefined())
			sum += x.ToFloat()
			squares += x.ToFloat() * x.ToFloat()
		}
		mean := sum / n
		dev := math.Sqrt(squares/n - mean*mean)
		if math.Abs(mean-c.mean) > 5*c.dev/math.Sqrt(n) || math.Abs(dev-c.dev) > c.dev/20 {
			t.Errorf("%s: mean %.1f deviation %.1f", c.src, mean, dev)
		}
	}
}

// A value for a reaction or a change is drawn at once.
func TestVaryingInReply(t *testing.T) {
	s := newScene(t)
	s.run(`on('icmp', reply({ip: {id: counter(5)}})); const ids = counter(5); on('icmp', p => p.reply({ip: {id: ids}}))`)
	b := frame(t, echo)
	s.deliver(b, b)
	s.noFailures()
	if n := len(s.host.sent); n != 4 {
		t.Fatalf("%d answers", n)
	}
	for i := 0; i < 4; i += 2 {
		if !bytes.Equal(s.host.sent[i].data, s.host.sent[i+1].data) || s.host.sent[i].data[19] != byte(5+i/2) {
			t.Errorf("answer %d\nGo %x\nJS %x", i/2, s.host.sent[i].data, s.host.sent[i+1].data)
		}
	}
}
