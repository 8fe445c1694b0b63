package jsapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// trace runs a script that has a function note(text), and returns what it
// noted, with the time, in order.
func (s *scene) trace(src string, d time.Duration) string {
	s.t.Helper()
	var notes []string
	_ = s.rt.Set("note", func(call goja.FunctionCall) goja.Value {
		var words []string
		for _, v := range call.Arguments {
			words = append(words, v.String())
		}
		notes = append(notes, fmt.Sprintf("%v %s", s.host.now, strings.Join(words, " ")))
		return goja.Undefined()
	})
	s.run(src)
	s.host.advance(d)
	return strings.Join(notes, "\n")
}

func TestTimers(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"durations and arguments", `setTimeout(note, '1.5s', 'a', 1); setTimeout(note, 0.25, 'b'); setTimeout(note)`,
			"0s \n250µs b\n1.5s a 1"},
		{"equal deadlines run in order", `setTimeout(() => { note('x'); setTimeout(note, 10, 'late') }, 10); for (let i = 0; i < 4; i++) setTimeout(note, 10, i); setTimeout(note, 20, 'y')`,
			"10ms x\n10ms 0\n10ms 1\n10ms 2\n10ms 3\n20ms y\n20ms late"},
		{"negative delays are at once", `setTimeout(note, -5, 'a')`, "0s a"},
		{"cleared", `const a = setTimeout(note, 5, 'a'); setTimeout(note, 6, 'b'); clearTimeout(a); clearTimeout(a); clearTimeout(); clearTimeout('x'); clearTimeout(1e9); clearTimeout(-1)`, "6ms b"},
		{"one clears another of the same time", `setTimeout(() => clearTimeout(b), 5); const b = setTimeout(note, 5, 'b'); setTimeout(note, 5, 'c')`, "5ms c"},
		{"an old id is nobody's", `const a = setTimeout(note, 1, 'a'); setTimeout(() => { setTimeout(note, 1, 'b'); clearTimeout(a) }, 2)`, "1ms a\n3ms b"},
		{"interval", `let n = 0; const i = setInterval((x) => { note(x, ++n); if (n == 3) clearInterval(i) }, '1s', 'tick')`, "1s tick 1\n2s tick 2\n3s tick 3"},
		{"interval cleared by clearTimeout", `const i = setInterval(() => { note('tick'); clearTimeout(i) }, 10)`, "10ms tick"},
		{"interval after a timer of its callback", `let n = 0; const i = setInterval(() => { note('i'); if (n++ == 0) setTimeout(note, 10, 't'); else clearInterval(i) }, 10)`, "10ms i\n20ms t\n20ms i"},
		{"missed periods are skipped in phase", `let n = 0; const i = setInterval(() => { note(++n); if (n == 2) sleepSync(350); if (n == 4) clearInterval(i) }, 100)`,
			"100ms 1\n200ms 2\n600ms 3\n700ms 4"},
		{"late by others keeps phase", `let n = 0; const i = setInterval(() => { note(++n); if (n == 3) clearInterval(i) }, 100); setTimeout(() => sleepSync(330), 50)`,
			"380ms 1\n400ms 2\n500ms 3"},
		{"immediates", `setImmediate(note, 'a', 1); const b = setImmediate(note, 'b'); clearImmediate(b); setImmediate(() => { note('c'); setImmediate(note, 'd') }); setTimeout(note, 0, 'e')`,
			"0s a 1\n0s c\n0s d\n0s e"},
		{"a cleared immediate does not end its successor", `const a = setImmediate(note, 'a'); clearImmediate(a); setImmediate(note, 'b')`, "0s b"},
		{"microtasks first", `setImmediate(note, 'i'); queueMicrotask(() => note('m')); Promise.resolve().then(() => note('p')); note('s')`, "0s s\n0s m\n0s p\n0s i"},
		{"microtasks after each callback", `setTimeout(() => { note(1); queueMicrotask(() => note('m')) }, 1); setTimeout(note, 1, 2)`, "1ms 1\n1ms m\n1ms 2"},
		{"sleep", `(async () => { await sleep('2s'); note('woke', now()); await sleep(1); note('again') })(); setTimeout(note, 2000, 'same time')`,
			"2s woke 2000\n2s same time\n2.001s again"},
		{"sleepSync", `sleepSync('1s'); note(now()); sleepSync(0.5); note(now())`, "1s 1000\n1.0005s 1000.5"},
		{"nested zero delays are not clamped", `let n = 0; (function f() { if (n++ < 50) setTimeout(f, 0); else note(n) })()`, "0s 51"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			if got := s.trace(c.src, time.Minute); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			s.noFailures()
		})
	}
}

func TestTimerMistakes(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`setTimeout('code', 1)`, "setTimeout: a function is needed, not 'code'"},
		{`setTimeout(undefined, 1)`, "setTimeout: a function is needed, not undefined"},
		{`setInterval(() => 0, 0)`, "setInterval: a period of 0"},
		{`setInterval(() => 0)`, "undefined is no duration"},
		{`setInterval(() => 0, -5)`, "negative"},
		{`setTimeout(() => 0, '5 parsecs')`, "'5 parsecs' is no duration"},
		{`setTimeout(() => 0, NaN)`, "NaN is no duration"},
		{`sleep(Infinity)`, "no duration"},
		{`sleepSync({})`, "is no duration"},
		{`queueMicrotask(7)`, "queueMicrotask: a function is needed, not 7"},
	} {
		if got := newScene(t).eval(c.src); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.src, got, c.want)
		}
	}
}

// What a callback throws is told to the host with its name, and the others run.
func TestTimerFailures(t *testing.T) {
	s := newScene(t)
	s.host.quarantine = true
	got := s.trace(`
		setTimeout(() => { throw new Error('one') }, 1);
		setImmediate(() => { throw new Error('two') });
		queueMicrotask(() => { throw new Error('three') });
		setInterval(() => { throw new Error('four') }, 10);
		(async () => { await sleep(5); throw new Error('five') })();
		setTimeout(note, 30, 'alive')`, time.Second)
	if got != "30ms alive" {
		t.Errorf("got %q", got)
	}
	want := "queueMicrotask: Error: three\nsetImmediate: Error: two\nsetTimeout: Error: one\n?: Error: five\nsetInterval: Error: four"
	if f := s.failures(); f != want {
		t.Errorf("got\n%s\nwant\n%s", f, want)
	}
	if len(s.host.timers) != 0 {
		t.Errorf("%d timers are left: a quarantined interval goes on", len(s.host.timers))
	}
}

// A quarter of a year of odd intervals, with work in between that is late now
// and then: every tick stands on its phase, and there is one for each period.
func TestIntervalPhase(t *testing.T) {
	s := newScene(t)
	s.run(`
		let ticks = 0, off = 0, last = 0;
		const period = 61037.125;
		setInterval(() => {
			const at = now();
			const phase = at / period;
			if (Math.abs(phase - Math.round(phase)) > 1e-6) off++;
			last = at;
			ticks++;
		}, period);
		setInterval(() => sleepSync(0.5), '7m');`)
	const span = 91 * 24 * time.Hour
	s.host.advance(span)
	s.noFailures()
	ticks := s.run("ticks").ToInteger()
	if want := int64(span / (61037125 * time.Microsecond)); ticks != want {
		t.Errorf("%d ticks, want %d", ticks, want)
	}
	// A tick that waits for a 0.5 ms sleep is late, the next one is not.
	if off := s.run("off").ToInteger(); off > ticks/100 {
		t.Errorf("%d of %d ticks off their phase", off, ticks)
	}
	if last := s.run("last").ToFloat(); last < float64(span/time.Millisecond)-61038 {
		t.Errorf("the last tick was at %v", last)
	}
}

// An interval that is late by periods runs once, and then at the next of its
// times: also where it is late by a whole number of them.
func TestIntervalLate(t *testing.T) {
	s := newScene(t)
	s.run(`
		const at = [];
		setInterval(() => at.push(now()), 100);
		setTimeout(() => sleepSync(250), 150);`)
	s.host.advance(650 * time.Millisecond)
	s.noFailures()
	if got := s.run("at.join()").String(); got != "100,400,500,600" {
		t.Errorf("it ran at %s", got)
	}
}

func TestTimersAfterClose(t *testing.T) {
	s := newScene(t)
	s.run(`setTimeout(() => { throw 1 }, 1); setInterval(() => { throw 2 }, 1); setImmediate(() => { throw 3 })`)
	s.api.Close()
	s.host.advance(time.Second)
	s.noFailures()
}

// Slots are used again, so that a scenario of weeks does not grow.
func TestTimerSlotsAreReused(t *testing.T) {
	s := newScene(t)
	s.run(`let last = 0, n = 0; (function f() { last = setTimeout(() => { if (++n < 10000) f() }, 1) })()`)
	s.host.advance(time.Minute)
	if n := s.run("n").ToInteger(); n != 10000 {
		t.Fatalf("%d callbacks", n)
	}
	if place := s.run("last").ToInteger() & (1<<placeBits - 1); place > 2 {
		t.Errorf("the last timer was in slot %d", place)
	}
}

func BenchmarkSetTimeout(b *testing.B) {
	s := newScene(b)
	f, _ := goja.AssertFunction(s.run(`() => setTimeout(() => {}, 1)`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f(goja.Undefined()); err != nil {
			b.Fatal(err)
		}
		s.host.advance(time.Millisecond)
	}
}

// The price of the same callback without a timer.
func BenchmarkSetTimeoutBaseline(b *testing.B) {
	s := newScene(b)
	f, _ := goja.AssertFunction(s.run(`() => { (() => {})() }`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f(goja.Undefined()); err != nil {
			b.Fatal(err)
		}
	}
}
