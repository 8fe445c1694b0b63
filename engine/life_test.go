package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umpa-run/umpa-run/netio"
)

// both is a configuration with two interfaces on one wire, so that a script
// hears what it sends.
func both(c *Config) {
	c.Interfaces = []Interface{{Name: "a", Spec: "wire:x"}, {Name: "b", Spec: "wire:x"}}
}

// TestTurnOrder is the order of everything that can happen in a turn.
func TestTurnOrder(t *testing.T) {
	got, err := runText(t, `
		export const options = { interfaces: { a: {}, b: {} } };
		const log = (...x) => console.log(now(), ...x);
		const micro = (name) => queueMicrotask(() => log('  microtask of', name));
		let n = 0;
		on({ eth: { type: 0x88b5 } }, (pkt) => { log('packet', pkt.payload[0]); micro('packet'); if (++n == 3) stop('enough') }, { iface: 'b' });
		const emit = (n) => send(packet(eth({ dst: '02:00:00:00:00:99', type: 0x88b5 }), bytes(n)), { iface: 'a' });
		setTimeout(() => { log('timer 1'); micro('timer 1'); emit(1); emit(2);
			setImmediate(() => { log('immediate 1'); micro('immediate 1'); setImmediate(() => log('immediate of immediate')) });
			setTimeout(() => log('timer of timer'), 0);
		}, 10);
		setTimeout(() => { log('timer 2'); micro('timer 2'); setImmediate(() => log('immediate 2')); }, 10);
		const i = setInterval(() => { log('interval'); if (now() >= 30) { clearInterval(i); emit(3) } }, 10);
		log('top level'); micro('top level');
		setImmediate(() => log('immediate of the top level'));
	`, both)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"0 top level",
		"0   microtask of top level",
		"0 immediate of the top level",
		"10 timer 1",
		"10   microtask of timer 1",
		"10 timer 2",
		"10   microtask of timer 2",
		"10 interval",
		"10 immediate 1",
		"10   microtask of immediate 1",
		"10 immediate 2",
		"10 timer of timer",
		"10 packet 1",
		"10   microtask of packet",
		"10 packet 2",
		"10   microtask of packet",
		"10 immediate of immediate",
		"20 interval",
		"30 interval",
		"30 packet 3",
		"30   microtask of packet",
	}, "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestSameSeedSameRun: two virtual runs of one seed are alike to the byte.
func TestSameSeedSameRun(t *testing.T) {
	const text = `
		for (let i = 0; i < 50; i++) setTimeout(() => console.log(now(), Math.random(), new Date().toISOString()), Math.random() * 1000);
	`
	first, err := runText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if again, _ := runText(t, text); again != first {
			t.Fatal(cmp.Diff(first, again))
		}
	}
	if other, _ := runText(t, text, func(c *Config) { c.Seed = 2 }); other == first {
		t.Error("another seed, the same run")
	}
	if !strings.Contains(first, "2026-01-01T00:00:0") {
		t.Errorf("virtual time starts at another date:\n%s", first)
	}
}

// TestEndOfLife: what keeps a scenario alive, and what it says when it ends.
func TestEndOfLife(t *testing.T) {
	capture := func(c *Config) { c.Interfaces = []Interface{{Spec: "file:in.pcap"}} }
	tests := []struct {
		name, text, want, reason string
		change                   func(*Config)
	}{
		{"nothing", ``, "", "done", nil},
		{"cleared timer", `clearTimeout(setTimeout(() => {}, '1w')); console.log(now())`, "0", "done", nil},
		{"subscription without anybody", `on('arp', () => {}); console.log('listening')`, "listening", "done", nil},
		{"stop", `setInterval(() => { console.log(now()); if (now() == 20) stop('seen it') }, 10)`, "10\n20", "seen it", nil},
		{"stop at top level", `setInterval(() => {}, 10); stop(); function onStop(r) { console.log(r) }`, "stop", "stop", nil},
		{"for", `setInterval(() => console.log(now()), '1h')`, "3600000\n7200000", "time is up", func(c *Config) { c.For = 150 * time.Minute }},
		{"await that cannot end", `await new Promise(() => {})`, "notice: the top level still waits, but nothing is left that could end its await", "done", nil},
		{"onStop that takes its time", `async function onStop(r) { await sleep(500); console.log(r, now()) }`, "done 500", "done", nil},
		{"onStop that never ends", `function onStop() { return new Promise(() => {}) }`, "notice: onStop did not finish within 2s", "done", nil},
		{"sleepSync", `setTimeout(() => console.log('timer', now()), 10); sleepSync(100); console.log('slept', now())`, "slept 100\ntimer 100", "done", nil},
		{"file", `on({}, (p) => console.log(now(), p.payload[0]))`, "0 1\n1000 2\n1000 3\n5000 4", "done", capture},
		{"file and timers", `on({}, (p) => console.log(now(), p.payload[0])); setInterval(() => console.log(now(), 'tick'), 1000); setTimeout(() => stop(), 3500)`,
			"0 1\n1000 tick\n1000 2\n1000 3\n2000 tick\n3000 tick", "stop", capture},
		{"file that nobody reads", `console.log('bye')`, "bye", "done", capture},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			writeCapture(t, "in.pcap", []time.Duration{0, time.Second, time.Second, 5 * time.Second})
			l := &logger{}
			cfg := Config{Script: "test.js", Source: []byte(tt.text), Virtual: true, Log: l.log}
			if tt.change != nil {
				tt.change(&cfg)
			}
			e, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, l.text()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if s := e.Summary(); s.Reason != tt.reason {
				t.Errorf("ended by %q, want %q", s.Reason, tt.reason)
			}
		})
	}
}

// writeCapture makes a file of numbered frames at the given offsets.
func writeCapture(t testing.TB, name string, at []time.Duration) {
	t.Helper()
	var b bytes.Buffer
	w := netio.NewWriter(&b, netio.WriterOptions{Pcap: true})
	w.AddInterface(netio.Info{LinkType: netio.LinkTypeEthernet})
	for i, d := range at {
		frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5}, byte(i+1))
		if err := w.WritePacket(0, 0, int64(1e18)+int64(d), frame, len(frame), ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTwoScenarios: two engines on one wire, in virtual time, one of which
// blocks in sleepSync while the other goes on.
func TestTwoScenarios(t *testing.T) {
	run := func() string {
		l := &logger{}
		wires := netio.NewWires()
		var engines []*Engine
		for i, text := range []string{`
			on({ eth: { type: 0x88b5 } }, (pkt) => console.log('A', now(), 'got', pkt.payload[0]));
			setTimeout(() => { console.log('A', now(), 'sleeps'); sleepSync(100); console.log('A', now(), 'woke') }, 10);
			setTimeout(() => { console.log('A', now(), 'ends'); stop() }, 200);
		`, `
			let n = 0;
			setInterval(() => { console.log('B', now()); send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), bytes(++n))) }, 40);
			setTimeout(() => { console.log('B', now(), 'sleeps'); sleepSync(25); console.log('B', now(), 'woke') }, 50);
			setTimeout(() => stop(), 190);
		`} {
			e, err := New(Config{Script: fmt.Sprintf("%d.js", i), Source: []byte(text), Virtual: true, Wires: wires, Number: i + 1, Log: l.log})
			if err != nil {
				t.Fatal(err)
			}
			engines = append(engines, e)
		}
		if err := RunAll(context.Background(), engines, false); err != nil {
			t.Fatal(err)
		}
		return l.text()
	}
	got := run()
	want := strings.Join([]string{
		"A 10 sleeps", "B 40", "B 50 sleeps", "B 75 woke", "B 80",
		"A 110 woke", "A 110 got 1", "A 110 got 2",
		"B 120", "A 120 got 3", "B 160", "A 160 got 4", "A 200 ends"}, "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for range 20 {
		if again := run(); again != got {
			t.Fatal(cmp.Diff(got, again))
		}
	}
}

// TestOneFails: the others get onStop, unless they may go on.
func TestOneFails(t *testing.T) {
	for _, keepGoing := range []bool{false, true} {
		for _, virtual := range []bool{false, true} {
			t.Run(fmt.Sprintf("keepGoing=%v/virtual=%v", keepGoing, virtual), func(t *testing.T) {
				l := &logger{}
				wires := netio.NewWires()
				var engines []*Engine
				for i, text := range []string{
					`setTimeout(() => { throw new Error('mine') }, 5)`,
					`setTimeout(() => console.log('went on'), 50); function onStop(r) { console.log('stopped:', r) }`,
				} {
					e, err := New(Config{Script: fmt.Sprintf("%d.js", i), Source: []byte(text), Virtual: virtual, Wires: wires, Number: i + 1, Log: l.log})
					if err != nil {
						t.Fatal(err)
					}
					engines = append(engines, e)
				}
				err := RunAll(context.Background(), engines, keepGoing)
				if s := asScriptError(t, err); s.Message != "mine" {
					t.Errorf("error %v", err)
				}
				want := "stopped: another scenario failed"
				if keepGoing {
					want = "went on\nstopped: done"
				}
				if l.text() != want {
					t.Errorf("got %q, want %q", l.text(), want)
				}
			})
		}
	}
}

// TestSignals: the first one calls onStop, on a link where nothing moves; the
// second ends at once, whatever the script is doing.
func TestSignals(t *testing.T) {
	t.Run("first", func(t *testing.T) {
		l := &logger{said: make(chan struct{}, 10)}
		e, err := New(Config{Script: "quiet.js", Log: l.log, Source: []byte(`
			on('arp', () => {}); console.log('listening');
			async function onStop(r) { await sleep(1); console.log('bye:', r) }`)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-l.said; cancel() }()
		if err := e.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if got := l.text(); got != "listening\nbye: interrupted" {
			t.Errorf("got %q", got)
		}
	})
	for name, text := range map[string]string{
		"in a loop":    `console.log('in'); while (true) {}`,
		"in sleepSync": `console.log('in'); sleepSync('1h')`,
		"in onStop":    `function onStop() { console.log('in'); return new Promise(() => {}) } stop()`,
		"idle":         `on('arp', () => {}); console.log('in')`,
	} {
		t.Run("second "+name, func(t *testing.T) {
			l := &logger{said: make(chan struct{}, 10)}
			e, err := New(Config{Script: "quiet.js", Log: l.log, Source: []byte(text), CallbackTimeout: time.Hour, StopTimeout: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			go func() { <-l.said; e.Kill() }()
			if err := e.Run(context.Background()); !errors.Is(err, ErrKilled) {
				t.Fatalf("error %v", err)
			}
		})
	}
}

// TestQuarantine: with onError, a handler that fails is called no more, and the
// run goes on and ends well.
func TestQuarantine(t *testing.T) {
	got, err := runText(t, `
		export const options = { onError: 'quarantine', interfaces: { a: {}, b: {} } };
		on({ eth: { type: 0x88b5 } }, (pkt) => { console.log('bad', pkt.payload[0]); throw new Error('oh') }, { iface: 'b' });
		on({ eth: { type: 0x88b5 } }, (pkt) => { console.log('good', pkt.payload[0]) }, { iface: 'b' });
		for (const n of [1, 2]) send(packet(eth({ dst: '02:00:00:00:00:99', type: 0x88b5 }), bytes(n)), { iface: 'a' });
	`, both)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bad 1", "good 1", "good 2", "test.js:3:", "oh"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "bad 2") {
		t.Errorf("called again:\n%s", got)
	}
}

// TestMemory: a script that only takes memory is stopped before the kernel does.
func TestMemory(t *testing.T) {
	_, err := runText(t, `const keep = []; while (true) keep.push(new Array(1000).fill(keep.length))`, func(c *Config) {
		c.CallbackTimeout, c.MemoryLimit = time.Minute, 200<<20
	})
	if s := asScriptError(t, err); s.Kind != KindMemory {
		t.Errorf("error %v", err)
	}
}

// TestReadFile: files below the script's folder can be read, and no others.
func TestReadFile(t *testing.T) {
	write(t, map[string]string{"s/main.js": `
		for (const name of ['data.txt', './sub/../data.txt', '../secret.txt', '/etc/hostname', 'link.txt', 'out/secret.txt', 'none.txt', 'sub', '../allowed/a.txt']) {
			try { console.log(name, '=', open(name)) } catch (e) { console.log(e.message) }
		}`,
		"s/data.txt": "data", "s/sub/x": "", "secret.txt": "secret", "allowed/a.txt": "allowed"})
	for name, to := range map[string]string{"s/link.txt": "../secret.txt", "s/out": ".."} {
		if err := os.Symlink(to, filepath.FromSlash(name)); err != nil {
			t.Fatal(err)
		}
	}
	l := &logger{}
	e, err := New(Config{Script: "s/main.js", Virtual: true, Log: l.log, AllowRead: []string{"allowed"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	refused := func(name string) string {
		return "open '" + name + "': a scenario reads files below its own folder; --allow-read DIR allows another"
	}
	want := strings.Join([]string{"data.txt = data", "./sub/../data.txt = data", refused("../secret.txt"), refused("/etc/hostname"),
		refused("link.txt"), refused("out/secret.txt"), "open 'none.txt': there is no such file", "open 'sub': it is a folder",
		"../allowed/a.txt = allowed"}, "\n")
	if d := cmp.Diff(want, l.text()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestNoGoroutineRemains: runs leave nothing behind, however they end.
func TestNoGoroutineRemains(t *testing.T) {
	count := func() int {
		all := make([]byte, 1<<20)
		return strings.Count(string(all[:runtime.Stack(all, true)]), "umpa-run/engine.")
	}
	before := count()
	for _, virtual := range []bool{false, true} {
		for _, text := range []string{``, `sleepSync(5)`, `throw 1`, `stop()`, `setTimeout(() => {}, 3)`} {
			e, err := New(Config{Source: []byte(text), Virtual: virtual})
			if err != nil {
				t.Fatal(err)
			}
			_ = e.Run(context.Background())
		}
	}
	e, err := New(Config{Source: []byte(`on('arp', () => {})`)})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	if after := count(); after != before {
		t.Errorf("%d goroutines of ours before, %d after", before, after)
	}
}

// TestSummaryWhileRunning: any goroutine may ask, at any time.
func TestSummaryWhileRunning(t *testing.T) {
	l := &logger{said: make(chan struct{}, 10)}
	e, err := New(Config{Source: []byte(`console.log('in'); function onArp() {} setInterval(() => {}, 1)`), Log: l.log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() {
		<-l.said
		for range 100 {
			e.Summary()
		}
		cancel()
	})
	if err := e.Run(ctx); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	s := e.Summary()
	if len(s.Interfaces) != 1 || s.Interfaces[0].Kind != netio.KindWire || len(s.Handlers) == 0 || s.Reason != "interrupted" {
		t.Errorf("%+v", s)
	}
}

// TestFault: a panic of Go code becomes an error with a clear text.
func TestFault(t *testing.T) {
	for name, text := range map[string]string{
		"top level": `console.log('x')`,
		"timer":     `setTimeout(() => console.log('x'), 1)`,
		"await":     `await sleep(1); console.log('x')`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runText(t, text, func(c *Config) {
				c.Log = func(Entry) { var none map[string]int; none["x"] = 1 }
			})
			s := asScriptError(t, err)
			if s.Kind != KindInternal || !strings.Contains(s.Hint, "life_test.go:") || strings.Contains(s.Pretty(), "goroutine") {
				t.Errorf("error %s", s.Pretty())
			}
		})
	}
}

// TestFlood: what a script cannot take in time is dropped and counted, and
// nothing else is lost, while several goroutines send, and the run is stopped
// in the middle of it.
func TestFlood(t *testing.T) {
	wires := netio.NewWires()
	l := &logger{said: make(chan struct{}, 10)}
	e, err := New(Config{Wires: wires, QueueFrames: 300, Log: l.log, Source: []byte(`
		let n = 0;
		on({ eth: { type: 0x88b5 } }, () => { if (++n == 2000) console.log('enough') });
		function onStop() { console.log(n) }`)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	quit := make(chan struct{})
	var wait sync.WaitGroup
	for range 3 {
		port := wires.Port("wire", "sender")
		frames := make([][]byte, 100)
		for i := range frames {
			frames[i] = append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 99, 0x88, 0xb5}, make([]byte, 50)...)
		}
		wait.Go(func() {
			defer port.Close()
			for {
				select {
				case <-quit:
					return
				default:
				}
				if _, err := port.Send(frames); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Go(func() { <-l.said; cancel() })
	if err := e.Run(ctx); err != nil {
		t.Fatal(err)
	}
	close(quit)
	wait.Wait()
	s := e.Summary().Interfaces[0].Stats
	if s.Received < 2000 || s.Received+s.DroppedQueue < s.Received {
		t.Errorf("%+v", s)
	}
}

// In real time, scenarios that all wait for packets nobody is left to send end.
func TestEndAtRest(t *testing.T) {
	for range 20 {
		wires := netio.NewWires()
		var engines []*Engine
		for i, text := range []string{
			`on('icmp', () => {}); for (let i = 0; i < 5; i++) setTimeout(() => send(ip({ dst: '10.0.0.2' }), icmp({ seq: i })), i)`,
			`export const options = { interfaces: { wire: { answer: ['arp'] } } }; on({ icmp: { type: 'echoRequest' } }, (pkt) => pkt.reply())`,
		} {
			e, err := New(Config{Script: fmt.Sprintf("%d.js", i), Source: []byte(text), Wires: wires, Number: i + 1, EndAtRest: true})
			if err != nil {
				t.Fatal(err)
			}
			engines = append(engines, e)
		}
		if err := RunAll(t.Context(), engines, false); err != nil {
			t.Fatal(err)
		}
		for _, e := range engines {
			s := e.Summary()
			if n := s.Interfaces[0].Stats.Received; s.Reason != "done" || n != 6 {
				t.Fatalf("%s: ended as %q after %d frames, want done after 6", s.Script, s.Reason, n)
			}
		}
	}
}
