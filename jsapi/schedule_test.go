package jsapi

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// clocked is a fake host that notes when each packet was sent, and by which
// interface where that is not the first one.
type clocked struct {
	*fake
	at    []string
	cost  time.Duration // of sending a packet: a slow link
	wake  time.Duration // when a sleeper is woken before its time; 0: never
	watch Watch
}

func (c *clocked) Watch() *Watch { return &c.watch }

func (c *clocked) Send(link int, frame []byte, cause Cause) {
	text := c.now.String()
	if link > 0 {
		text += fmt.Sprintf("/%d", link)
	}
	c.at = append(c.at, text)
	c.now += c.cost
	c.fake.Send(link, frame, cause)
}

func (c *clocked) Sleep(d time.Duration) (end bool) {
	if c.wake > 0 && c.now+d > c.wake {
		c.now = max(c.now, c.wake)
		return true
	}
	c.now += d
	return false
}

func newClocked(t testing.TB) (*scene, *clocked) {
	h := &clocked{fake: newFake()}
	rt := goja.New()
	s := &scene{t: t, rt: rt, host: h.fake, api: New(rt, h)}
	s.learned()
	s.run(`const pkt = packet(eth({dst: '02:00:00:00:00:09'}), ip({dst: '10.0.0.9'}), udp({sport: 7}), 'x');
		const ids = () => packet(eth({dst: '02:00:00:00:00:09'}), ip({dst: '10.0.0.9'}), udp({sport: counter()}), 'x');
		const log = [];`)
	return s, h
}

// What is sent when, exactly. later is run at 2.5 s.
func TestScheduleTimes(t *testing.T) {
	for _, c := range []struct{ name, src, later, want string }{
		{"once", `schedule(pkt)`, "", "0s"},
		{"once, later", `schedule(pkt, {delay: '5s'})`, "", "5s"},
		{"an array, each once", `schedule([pkt, pkt, pkt], {interval: '1s'})`, "", "0s 1s 2s"},
		{"an array, round again", `schedule([pkt, ids()], {interval: '1s', count: 5})`, "", "0s 1s 2s 3s 4s"},
		{"an array, for a while", `schedule([pkt, pkt], {interval: '1s', duration: '4s'})`, "", "0s 1s 2s 3s"},
		{"an empty array", `schedule([], {interval: '1s'})`, "", ""},
		{"interval and count", `schedule(pkt, {interval: 1000, count: 3})`, "", "0s 1s 2s"},
		{"count 0", `schedule(pkt, {interval: 1, count: 0})`, "", ""},
		{"delay", `schedule(pkt, {delay: 250, interval: '1s', count: 3})`, "", "250ms 1.25s 2.25s"},
		{"duration", `schedule(pkt, {interval: 1000, duration: '3s'})`, "", "0s 1s 2s"},
		{"duration 0", `schedule(pkt, {interval: 1000, duration: 0})`, "", ""},
		{"duration and delay", `schedule(pkt, {delay: '1s', interval: 1000, duration: '2s'})`, "", "1s 2s"},
		{"rate", `schedule(pkt, {rate: 3, count: 4})`, "", "0s 333.333333ms 666.666667ms 1s"},
		{"rate in words", `schedule(pkt, {rate: '2pps', count: 3})`, "", "0s 500ms 1s"},
		{"kpps", `schedule(pkt, {rate: '10kpps', count: 3})`, "", "0s 100µs 200µs"},
		{"bits", `schedule(pkt, {rate: '344bps', count: 3})`, "", "0s 1s 2s"},
		{"Mbps", `schedule(pkt, {rate: '3.44Mbps', count: 3})`, "", "0s 100µs 200µs"},
		{"one a minute", `schedule(pkt, {rate: 1/60, count: 3})`, "", "0s 1m0s 2m0s"},
		{"burst", `schedule(pkt, {interval: '1s', burst: 2, count: 5})`, "", "0s 0s 1s 1s 2s"},
		{"burst at a rate", `schedule(pkt, {rate: 2, burst: 2, count: 4})`, "", "0s 0s 1s 1s"},
		{"drawn interval", `schedule(pkt, {interval: cycle([1000, 2000, '500ms']), count: 5})`, "", "0s 1s 3s 3.5s 4.5s"},
		{"drawn by a generator that ends", `schedule(pkt, {interval: (function* () { yield 1000; yield 2000 })()})`, "", "0s 1s 3s"},
		{"drawn, in bursts", `schedule(pkt, {interval: cycle([1000, 2000]), burst: 2, count: 5})`, "", "0s 0s 1s 1s 3s"},
		{"a function", `schedule(i => i === 1 ? null : i === 4 ? false : pkt, {interval: '1s'})`, "", "0s 2s 3s"},
		{"a function of several", `schedule(i => [pkt, pkt], {interval: '1s', count: 2})`, "", "0s 0s 1s 1s"},
		{"a generator", `schedule((function* () { for (let i = 0; i < 3; i++) yield pkt })(), {interval: '1s'})`, "", "0s 1s 2s"},
		{"a generator with gaps", `schedule((function* () { yield pkt; yield null; yield pkt })(), {interval: '1s'})`, "", "0s 2s"},
		{"an iterable", `schedule(new Set([pkt, ids()]), {interval: '1s'})`, "", "0s 1s"},
		{"a product", `schedule(product(eth(), ip({dst: '10.0.0.9', ttl: range(1, 3)}), udp()), {interval: '1s'})`, "", "0s 1s 2s"},
		{"by another interface", `schedule(pkt, {interval: '1s', count: 2, iface: 'wan'})`, "", "0s/1 1s/1"},
		{"by the interface that fits", `schedule(packet(ip({dst: cycle(['10.0.0.7', '192.0.2.7'])}), udp()), {interval: '1s', count: 4})`, "", "0s 1s/1 2s 3s/1"},
		{"pause and resume", `const s = schedule(pkt, {interval: '1s', count: 4}); setTimeout(() => s.resume(), '4.5s')`, `s.pause()`, "0s 1s 2s 5s"},
		{"pause with duration", `const s = schedule(pkt, {interval: '1s', duration: '4s'}); setTimeout(() => s.resume(), '4.5s')`, `s.pause()`, "0s 1s 2s 5s"},
		{"cancel", `const s = schedule(pkt, {interval: '1s'})`, `s.cancel(); s.cancel(); s.resume(); s.pause()`, "0s 1s 2s"},
		{"cancel within", `const s = schedule(i => { if (i === 2) s.cancel(); return pkt }, {interval: '1s'})`, "", "0s 1s 2s"},
		{"set the interval", `const s = schedule(pkt, {interval: '1s', count: 6})`, `s.set({interval: '100ms'})`, "0s 1s 2s 2.5s 2.6s 2.7s"},
		{"set a longer interval", `const s = schedule(pkt, {interval: '1s', count: 5})`, `s.set({interval: '2s'})`, "0s 1s 2s 4s 6s"},
		{"set the count", `const s = schedule(pkt, {interval: '1s', count: 9})`, `s.set({count: 4})`, "0s 1s 2s 3s"},
		{"set the count below", `const s = schedule(pkt, {interval: '1s', count: 9})`, `s.set({count: 2})`, "0s 1s 2s"},
		{"set the duration", `const s = schedule(pkt, {interval: '1s'})`, `s.set({duration: '5s'})`, "0s 1s 2s 3s 4s"},
		{"set the interface", `const s = schedule(pkt, {interval: '1s', count: 4})`, `s.set({iface: 'wan'})`, "0s 1s 2s 3s/1"},
		{"set nothing that is wrong", `const s = schedule(pkt, {interval: '1s', count: 4})`, `try { s.set({interval: '9s', count: 'x'}) } catch {}`, "0s 1s 2s 3s"},
		{"nothing is caught up after a long stop", `schedule(pkt, {interval: '1s', count: 6}); setTimeout(() => sleepSync('10.2s'), 1500)`, "", "0s 1s 11.7s 12s 13s 14s"},
		{"what was late a little is caught up", `schedule(pkt, {interval: '100ms', count: 8}); setTimeout(() => sleepSync('0.5s'), 150)`, "", "0s 100ms 650ms 650ms 650ms 650ms 650ms 700ms"},
		{"two side by side", `schedule(pkt, {interval: '2s', count: 2}); schedule(pkt, {delay: '1s', interval: '2s', count: 2, iface: 'wan'})`, "", "0s 1s/1 2s 3s/1"},
		{"blocking", `schedule(pkt, {interval: '1s', count: 3, blocking: true}); send(pkt)`, "", "0s 1s 2s 2s"},
		{"blocking, by a function", `schedule(i => i < 2 && pkt, {interval: '1s', blocking: true}); send(pkt)`, "", "0s 1s 2s"},
		{"blocking, at most", `const s = schedule(pkt, {rate: 'max', count: 700, blocking: true}); log.push(s.sent, s.running)`, "", strings.TrimSpace(strings.Repeat("0s ", 256) + strings.Repeat("8.807µs ", 256) + strings.Repeat("17.614µs ", 188))},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, h := newClocked(t)
			s.run("var s; " + strings.Replace(c.src, "const s =", "s =", 1))
			if c.later != "" {
				s.host.SetTimer(2500*time.Millisecond, func() { s.run(c.later) })
			}
			s.host.advance(time.Hour)
			s.noFailures()
			if got := strings.Join(h.at, " "); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if len(s.host.timers) > 0 || len(s.api.scheduled) > 0 {
				t.Errorf("%d timers and %d schedules are left", len(s.host.timers), len(s.api.scheduled))
			}
			if len(s.host.logs) > 0 && !strings.Contains(c.name, "long stop") { // which is said
				t.Errorf("it says %q", s.host.logs)
			}
			if n := h.watch.Count(); n%2 != 0 {
				t.Errorf("the watch is left at %d: inside", n)
			}
		})
	}
}

func TestScheduleMistakes(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`schedule()`, "TypeError: schedule: undefined is no source of packets | a packet, a list, an iterable or a function: schedule(pkt, { interval: '1s' })"},
		{`schedule({})`, "TypeError: schedule: an object is no source of packets | a packet, a list, an iterable or a function: schedule(pkt, { interval: '1s' })"},
		{`schedule(udp())`, "TypeError: schedule: a layer is no packet | make a packet of it: packet(…)"},
		{`schedule(udp)`, "TypeError: schedule: the builder udp is no source of packets | make a packet: packet(udp({ … }))"},
		{`schedule(function* g() { yield pkt })`, "TypeError: schedule: the generator function g is no source of packets, what it returns is one | call it: g()"},
		{`schedule(async () => pkt)`, "TypeError: schedule: the source is async: a source function must be synchronous | " + synchronousHint},
		{`schedule(() => Promise.resolve(pkt), {blocking: true})`, "TypeError: schedule(function) returned a promise: a source function must be synchronous | " + synchronousHint},
		{`schedule(pkt, {rtae: 1})`, "TypeError: schedule has no option rtae | did you mean rate?"},
		{`schedule(pkt, {rate: '5 parsecs'})`, "TypeError: schedule: rate: '5 parsecs' is no rate | packets per second, or a number with a unit: 1000, '10kpps', '1Mpps', '100Mbps', 'max'"},
		{`schedule(pkt, {rate: 0})`, "TypeError: schedule: rate: 0 is no rate | packets per second, or a number with a unit: 1000, '10kpps', '1Mpps', '100Mbps', 'max'"},
		{`schedule(pkt, {rate: 1, interval: 1})`, "TypeError: schedule: an interval and a rate | one of them"},
		{`schedule(pkt, {intervall: 1})`, "TypeError: schedule has no option intervall | did you mean interval?"},
		{`schedule(pkt, {interval: -1})`, "TypeError: the duration -1 is negative"},
		{`schedule(pkt, {count: -1})`, "RangeError: schedule: count: -1 is out of range 0..4503599627370496"},
		{`schedule(pkt, {burst: 0})`, "RangeError: schedule: burst: 0 is out of range 1..1048576"},
		{`schedule(pkt, {iface: 'lann'})`, "TypeError: schedule: there is no interface 'lann' | did you mean lan?"},
		{`schedule(() => undefined, {blocking: true})`, "TypeError: schedule(function) returned undefined | a packet, null for none this time, or false to end"},
		{`schedule(() => { throw new Error('mine') }, {blocking: true})`, "Error: mine"},
		{`const s = schedule(pkt); s.set({blocking: true})`, "TypeError: set: blocking cannot be changed"},
		{`const s = schedule(pkt); s.sent = 5`, "TypeError: sent: a schedule has no such property to assign | set({ rate: … }), pause(), resume(), cancel()"},
	} {
		s, _ := newClocked(t)
		if got := s.eval(c.src); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.src, got, c.want)
		}
	}
}

// What a source throws ends its schedule alone, and is told once: to who waits
// for done, else to the host with its place.
func TestScheduleFailures(t *testing.T) {
	for _, c := range []struct{ name, src, fails, log string }{
		{"a function", `schedule(function flood(i) { if (i === 2) throw new Error('mine'); return pkt }, {interval: 1})`, "schedule(flood): Error: mine", ""},
		{"a generator", `schedule((function* () { yield pkt; throw new Error('mine') })(), {interval: 1})`, "schedule(iterator): Error: mine", ""},
		{"waited for", `schedule(i => { throw new Error('mine') }, {interval: 1}).done.catch(e => log.push(e.message))`, "", "mine"},
		{"waited for in vain", `schedule(i => { throw new Error('mine') }, {interval: 1}).done`, "schedule(function): Error: mine", ""},
		{"no packet", `schedule(i => 5, {interval: 1})`, "schedule(function): TypeError: schedule(function): part 1: 5 is no layer, packet or bytes | schedule(function)(ip({ … }), udp({ … }), 'payload')", ""},
		{"nothing", `schedule(function f(i) {}, {interval: 1})`, "schedule(f): TypeError: schedule(f) returned undefined | a packet, null for none this time, or false to end", ""},
		{"a value that does not fit", `schedule(packet(ip({dst: '10.0.0.9'}), udp({sport: (function* () { yield 70000 })()})), {interval: 1})`,
			"schedule(ip/udp): RangeError: udp.sport: 70000 is out of range 0..65535 | sport has 16 bits (RFC 768, Fields)", ""},
		{"an interval that is none", `schedule(pkt, {interval: cycle([-5])})`, "schedule(eth/ip/udp): TypeError: the duration -5 is negative", ""},
		{"the end of an iterator in a field is an end", `schedule(packet(ip({dst: '10.0.0.9'}), udp({sport: [1, 2].values()})), {interval: 1}).done.then(n => log.push(n))`, "", "2"},
		{"finally", `const s = schedule((function* () { try { while (true) yield pkt } finally { log.push('end') } })(), {interval: 1000}); setTimeout(() => s.cancel(), 1500)`, "", "end"},
		{"done", `schedule(pkt, {interval: 1, count: 3}).done.then(n => log.push(n))`, "", "3"},
		{"done after the end", `const s = schedule(pkt, {interval: 1, count: 3}); setTimeout(() => s.done.then(n => log.push(n, s.running)), 50)`, "", "3,false"},
		{"microtasks run between two calls", `schedule(i => { Promise.resolve().then(() => log.push('m' + i)); log.push(i); return i < 2 && pkt }, {rate: 'max'})`, "", "0,m0,1,m1,2,m2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := newClocked(t)
			s.host.quarantine = true
			s.run(c.src)
			s.host.advance(time.Minute)
			if got := s.failures(); got != c.fails {
				t.Errorf("failures\n got %s\nwant %s", got, c.fails)
			}
			if got := s.run("log.join()").String(); got != c.log {
				t.Errorf("log %q, want %q", got, c.log)
			}
			if len(s.host.timers) > 0 || len(s.api.scheduled) > 0 {
				t.Errorf("%d timers and %d schedules are left", len(s.host.timers), len(s.api.scheduled))
			}
		})
	}
}

// A generator that throws is told with the line it threw at.
func TestScheduleFailurePosition(t *testing.T) {
	s, _ := newClocked(t)
	s.run("schedule((function* () {\n yield pkt;\n throw new Error('mine') })(), {interval: 1})")
	s.host.advance(time.Second)
	var ex *goja.Exception
	if len(s.host.fails) != 1 {
		t.Fatalf("failures: %s", s.failures())
	}
	ex, _ = s.host.fails[0].err.(*goja.Exception)
	if ex == nil || !strings.Contains(ex.String(), "test.js:3:") {
		t.Errorf("no place in %v", s.host.fails[0].err)
	}
}

// Rates of any size hold over ten seconds, and the summary shows them.
func TestScheduleRates(t *testing.T) {
	for _, c := range []struct {
		rate string
		want float64
		name string
	}{
		{"0.1", 1, "schedule(eth/ip/udp) at test.js:1 0.1 pps of 0.1"},
		{"7", 70, "schedule(eth/ip/udp) at test.js:1 7 pps of 7"},
		{"'1kpps'", 10000, "schedule(eth/ip/udp) at test.js:1 1,000 pps of 1,000"},
		{"33333.3", 333333, "schedule(eth/ip/udp) at test.js:1 33,333 pps of 33,333"},
		{"'1Mbps'", 29070, "schedule(eth/ip/udp) at test.js:1 2,907 pps, 1,000,000 bit/s of 1,000,000"},
	} {
		s, h := newClocked(t)
		s.run("const s = schedule(pkt, {rate: " + c.rate + ", duration: '10s'})")
		s.host.advance(5 * time.Second)
		if got := s.run("s.achieved").ToFloat(); math.Abs(got-c.want/10) > c.want/1000 {
			t.Errorf("%s: %v packets/s half way", c.rate, got)
		}
		s.host.advance(5 * time.Second)
		if n := float64(len(h.at)); math.Abs(n-c.want) > c.want/10000 {
			t.Errorf("%s: %v packets, want %v", c.rate, n, c.want)
		}
		hs := s.api.Handlers()
		if got := hs[len(hs)-1]; got.Name != c.name || got.Lane != "go" || got.Hits != uint64(len(h.at)) {
			t.Errorf("%s: handler %+v, want %s", c.rate, *got, c.name)
		}
		if len(s.host.logs) > 0 {
			t.Errorf("%s: it says %q", c.rate, s.host.logs)
		}
	}
}

// A link that takes 1 ms a packet cannot do 5,000 a second: that is said once.
func TestScheduleShort(t *testing.T) {
	for _, c := range []struct{ table, want string }{
		{"{rate: 5000, duration: '2s'}", "warn: schedule(eth/ip/udp) cannot keep up: 1,000 packets/s instead of 5,000, 80.0 % short"},
		{"{rate: 5000, count: 300}", "warn: schedule(eth/ip/udp) cannot keep up: 1,000 packets/s instead of 5,000, 80.0 % short"},
		{"{rate: 5000, duration: '1m'}", "warn: schedule(eth/ip/udp) cannot keep up: 1,000 packets/s instead of 5,000, 80.0 % short"},
		{"{rate: '1Mbps', duration: '2s'}", "warn: schedule(eth/ip/udp) cannot keep up: 344,000 bit/s instead of 1,000,000, 65.6 % short"},
	} {
		s, h := newClocked(t)
		h.cost = time.Millisecond
		s.run("schedule(pkt, " + c.table + ")")
		s.host.advance(2 * time.Minute)
		if got := strings.Join(s.host.logs, "\n"); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.table, got, c.want)
		}
	}
}

// A signal ends a schedule that blocks.
func TestScheduleBlockingWakes(t *testing.T) {
	for _, table := range []string{"{interval: '1s', blocking: true}", "{rate: 'max', blocking: true}"} {
		s, h := newClocked(t)
		h.wake, h.cost = 2500*time.Millisecond, time.Microsecond
		s.run("const s = schedule(pkt, " + table + "); log.push(s.running)")
		if got := s.run("log.join()").String(); got != "false" || len(h.at) < 3 {
			t.Errorf("%s: running %s, %d packets", table, got, len(h.at))
		}
	}
}

// Packets that arrive while a schedule blocks are delivered after it: nothing
// of the script runs meanwhile.
func TestScheduleBlockingHoldsTimers(t *testing.T) {
	s, h := newClocked(t)
	s.run(`setTimeout(() => log.push(now()), 10); schedule(pkt, {interval: 100, count: 3, blocking: true}); log.push('after', now())`)
	s.host.advance(time.Second)
	if got := s.run("log.join()").String(); got != "after,200,200" || len(h.at) != 3 {
		t.Errorf("log %s", got)
	}
}

// As fast as the link takes does not starve the others: each batch is a turn.
func TestScheduleMaxYields(t *testing.T) {
	s, h := newClocked(t)
	h.cost = time.Microsecond
	s.run(`schedule(pkt, {rate: 'max', count: 5000}); setTimeout(() => log.push(1), '1ms')`)
	for len(s.host.timers) > 0 && s.run("log.length").ToInteger() == 0 {
		f := s.host.timers[0]
		s.host.timers = s.host.timers[1:]
		s.host.now = max(s.host.now, f.at)
		f.f()
	}
	if len(h.at) > 2000 {
		t.Errorf("%d packets before a timer of 1 ms", len(h.at))
	}
}

// The same template sent by a schedule and by a loop is the same bytes.
func TestScheduleIsLikeSend(t *testing.T) {
	for _, c := range templateCases {
		run := func(how string) string {
			s, _ := newClocked(t)
			s.run("const both = range(1, 200); const p = packet(" + c.varying + ");" + how)
			s.host.advance(time.Minute)
			s.noFailures()
			var b strings.Builder
			for _, f := range s.host.sent {
				fmt.Fprintf(&b, "%d %x\n", f.link, f.data)
			}
			return b.String()
		}
		if got, want := run("schedule(p, {rate: 1000, count: 30})"), run("for (let i = 0; i < 30; i++) send(p)"); got != want {
			t.Errorf("%s\n got %.600s\nwant %.600s", c.name, got, want)
		}
	}
}

func TestScheduleHandlersAreBounded(t *testing.T) {
	s, _ := newClocked(t)
	s.run(`for (let i = 0; i < 1000; i++) schedule(pkt)`)
	s.host.advance(time.Second)
	if n := len(s.api.Handlers()); n > scheduleNamed+1 {
		t.Errorf("%d handlers", n)
	}
}

// A schedule that was made within a scope ends with it.
func TestScheduleEndsWithScope(t *testing.T) {
	s, h := newClocked(t)
	in := &scope{}
	s.api.within(in, func() { s.run(`schedule(pkt, {interval: '1s'}); schedule(pkt, {interval: '1s', count: 1})`) })
	s.host.advance(1500 * time.Millisecond)
	if len(in.items) != 1 {
		t.Errorf("%d things are owned", len(in.items))
	}
	in.end()
	s.host.advance(time.Minute)
	if got := strings.Join(h.at, " "); got != "0s 0s 1s" || len(s.host.timers) > 0 {
		t.Errorf("sent %s, %d timers left", got, len(s.host.timers))
	}
}

// nowhere is a host that forgets what is sent.
type nowhere struct{ *fake }

func (n *nowhere) Send(int, []byte, Cause) {}

// BenchmarkSchedule is the price of one packet of a schedule.
func BenchmarkSchedule(b *testing.B) {
	const head = "eth({dst: '02:00:00:00:00:09'}), "
	for _, c := range []struct{ name, src string }{
		{"fields=0", "packet(" + head + "ip({dst: '10.0.0.9', id: 1}), udp(), '0123456789abcdef')"},
		{"fields=1", "packet(" + head + "ip({dst: '10.0.0.9', id: 1}), udp({sport: counter()}), '0123456789abcdef')"},
		{"fields=4", "packet(" + head + "ip({dst: '10.0.0.9', src: hosts('10.0.0.0/8'), ttl: random.int(32, 255), id: 1}), udp({sport: counter(), dport: range(1, 1024)}), '0123456789abcdef')"},
		{"fields=4,next hop", "packet(ip({dst: '10.0.0.9', src: hosts('10.0.0.0/8'), ttl: random.int(32, 255)}), udp({sport: counter(), dport: range(1, 1024)}), '0123456789abcdef')"},
		{"payload", "packet(" + head + "ip({dst: '10.0.0.9'}), udp(), random.bytes(16))"},
		{"function", "(() => {const p = packet(" + head + "ip({dst: '10.0.0.9', id: 1}), udp({sport: counter()}), '0123456789abcdef'); return () => p})()"},
	} {
		b.Run(c.name, func(b *testing.B) {
			rt := goja.New()
			h := &nowhere{newFake()}
			s := &scene{t: b, rt: rt, host: h.fake, api: New(rt, h)}
			s.learned()
			s.run("schedule(" + c.src + ", {rate: 'max'})")
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n--; n < 0 {
					n = scheduleBatch - 1
					f := h.timers[0]
					h.timers = h.timers[1:]
					h.now = f.at
					f.f()
				}
			}
		})
	}
	b.Run("baseline=set a field and send", func(b *testing.B) {
		rt := goja.New()
		h := &nowhere{newFake()}
		s := &scene{t: b, rt: rt, host: h.fake, api: New(rt, h)}
		s.learned()
		f, _ := goja.AssertFunction(s.run("const p = packet(" + head + "ip({dst: '10.0.0.9', id: 1}), udp({sport: 1}), '0123456789abcdef'); let n = 0; () => { for (let i = 0; i < 256; i++) { p.udp.sport = ++n & 65535; send(p) } }"))
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if n--; n < 0 {
				n = 255
				if _, err := f(goja.Undefined()); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkRandom(b *testing.B) {
	for _, src := range []string{"random()", "Math.random()", "v.value"} {
		b.Run(src, func(b *testing.B) {
			s := newScene(b)
			f, _ := goja.AssertFunction(s.run("const v = random.int(1, 1000); () => { for (let i = 0; i < 256; i++) " + src + " }"))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n--; n < 0 {
					n = 255
					_, _ = f(goja.Undefined())
				}
			}
		})
	}
}
