package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio"
)

// saves is fileEvents by hand.
type saves chan string

func (s saves) Add(string) error      { return nil }
func (s saves) Events() <-chan string { return s }
func (s saves) Close() error          { return nil }

// reloading is an engine that runs in real time while its files are saved.
type reloading struct {
	t     testing.TB
	dir   string
	saves saves
	e     *Engine
	ended chan error

	mu    sync.Mutex
	lines []string
	read  int
	more  chan struct{}
}

func newReloading(t testing.TB, files map[string]string, change ...func(*Config)) *reloading {
	t.Helper()
	write(t, files)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r := &reloading{t: t, dir: dir, saves: make(saves, 64), ended: make(chan error, 1), more: make(chan struct{}, 1)}
	cfg := Config{Script: "main.js", Watch: true, Log: r.log}
	for _, c := range change {
		c(&cfg)
	}
	if r.e, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	r.e.openEvents = func() (fileEvents, error) { return r.saves, nil }
	r.e.lookEvery = 0
	return r
}

func (r *reloading) start() *reloading {
	go func() { r.ended <- r.e.Run(context.Background()) }()
	r.t.Cleanup(r.e.Kill)
	return r
}

func (r *reloading) log(e Entry) {
	text := e.Text
	if e.Level != "log" {
		text = e.Level + ": " + text
	}
	r.mu.Lock()
	r.lines = append(r.lines, text)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// expect waits for a line that begins so, and passes over those before it.
func (r *reloading) expect(prefix string) string {
	r.t.Helper()
	late := time.After(20 * time.Second)
	for {
		r.mu.Lock()
		for r.read < len(r.lines) {
			line := r.lines[r.read]
			r.read++
			if strings.HasPrefix(line, prefix) {
				r.mu.Unlock()
				return line
			}
		}
		all := strings.Join(r.lines, "\n")
		r.mu.Unlock()
		select {
		case <-r.more:
		case <-late:
			r.t.Fatalf("%q was not said:\n%s", prefix, all)
		}
	}
}

func (r *reloading) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// put writes a file without telling; save tells.
func (r *reloading) put(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reloading) save(name, text string) {
	r.t.Helper()
	r.put(name, text)
	r.saves <- filepath.Join(r.dir, name)
}

func (r *reloading) stop() {
	r.t.Helper()
	r.e.Stop("enough")
	if err := <-r.ended; err != nil {
		r.t.Errorf("%v\n%s", err, r.said())
	}
}

// TestReload is one reload: what is called, what lives on, what ends.
func TestReload(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": `
		let table = new Map([['a', 1n]]);
		storage.set('kept', { n: 1 });
		hot.dispose((data) => { data.table = table; data.when = new Date(5); data.pkt = packet(ip({ dst: '10.0.0.9' }), udp({ sport: 1, dport: 7 })); data.bytes = new Uint8Array([1, 2]) });
		hot.data.own = 'of hot.data';
		setInterval(() => console.log('old timer'), 1);
		function onStart() { table.set('b', 2n); console.log('started', hot.reloads, Object.keys(hot.data).length) }
		function onReload() { console.log('wrong') }
		on('arp', () => {});
	`}).start()
	r.expect("started 0 1")
	r.expect("old timer")
	r.save("main.js", `
		import { hot as imported } from 'umpa';
		const { table } = hot.data;
		console.log('top', hot.reloads, hot === import.meta.hot, hot === imported, table.get('b'), storage.get('kept').n, now() > 0);
		function onStart() { console.log('wrong') }
		function onReload({ reloads, data }) {
			console.log('reloaded', reloads, data.table instanceof Map, data.table.get('a'), data.when.getTime(), data.pkt.udp.dport, data.bytes.length, data.own);
			setTimeout(() => console.log('later'), 20);
		}
		on('arp', () => {});
	`)
	r.expect("top 1 true true 2n 1 true")
	r.expect("notice: reload 1: main.js changed, ")
	r.expect("reloaded 1 true 1n 5 7 2 of hot.data")
	r.expect("later")
	after := r.said()
	after = after[strings.Index(after, "reloaded 1"):]
	if strings.Contains(after, "old timer") || strings.Contains(r.said(), "wrong") {
		t.Errorf("the old version goes on, or the wrong function was called:\n%s", r.said())
	}
	r.stop()
	if s := r.e.Summary(); s.Reloads != 1 {
		t.Errorf("%d reloads", s.Reloads)
	}
}

// TestReloadRefused: versions that do not come to run leave the running one as
// it is, and say why.
func TestReloadRefused(t *testing.T) {
	const first = "setInterval(() => console.log('alive'), 1);\nhot.dispose((d) => { if (storage.get('bad')) d.f = () => {} });\non('dns', () => storage.set('bad', true));\nfunction onLink() {}\n"
	for _, tt := range []struct{ name, text, want string }{
		{"syntax", "const x = ;\n", "error: main.js:1:11: unexpected \";\""},
		{"import", "import './gone';\n", `error: main.js:1:8: cannot find "./gone"`},
		{"top level", "send(packet(eth({ type: 0x88b5 }), 'no'));\nstorage.set('x', 1);\nthrow new Error('not yet');\n", "error: main.js:3:7: not yet"},
		{"await at top level", "await null;\nnope();\n", "error: main.js:2:1: ReferenceError: nope is not defined"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReloading(t, map[string]string{"main.js": first}).start()
			r.expect("alive")
			r.save("main.js", tt.text)
			if line := r.expect("error:"); !strings.HasPrefix(line, tt.want) {
				t.Errorf("said %s, want %s", line, tt.want)
			}
			r.expect("notice: not reloaded")
			r.expect("alive")
			r.expect("alive")
			// Back to what runs: nothing to do. Then something good.
			r.save("main.js", first)
			r.expect("notice: main.js is again what runs")
			r.save("main.js", "on('arp', () => {}); console.log('good', storage.keys().length)")
			r.expect("good 0")
			r.expect("notice: reload 1: main.js changed")
			r.stop()
			for _, i := range r.e.Summary().Interfaces {
				if i.Stats.Sent != 0 {
					t.Errorf("%d frames were sent", i.Stats.Sent)
				}
			}
		})
	}
}

// TestReloadUncloneable: data that cannot be cloned is an error at its place,
// and no swap.
func TestReloadUncloneable(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": "hot.dispose((data) => { data.f = { g: () => {} } });\non('arp', () => {});\nconsole.log('first')"}).start()
	r.expect("first")
	r.save("main.js", "console.log('second'); on('arp', () => {})")
	r.expect("error: main.js: what hot.dispose of the running version leaves: hot.data.f.g is a function, which cannot be cloned")
	r.expect("notice: not reloaded")
	if strings.Contains(r.said(), "second") {
		t.Error("its top level ran")
	}
	r.stop()
}

// TestReloadFiles: what is saved together is one reload, of all that is
// imported.
func TestReloadFiles(t *testing.T) {
	r := newReloading(t, map[string]string{
		"main.js":   "import { a } from './lib/a.js';\nimport b from './b.json';\nconsole.log('run', a, b.n);\non('arp', () => {});\n",
		"lib/a.js":  "export const a = 1;",
		"b.json":    `{ "n": 1 }`,
		"other.txt": "",
	}).start()
	r.expect("run 1 1")
	r.put("lib/a.js", "export const a = 2;")
	r.put("b.json", `{ "n": 2 }`)
	r.save("other.txt", "x") // concerns nobody
	r.saves <- filepath.Join(r.dir, "b.json")
	r.saves <- filepath.Join(r.dir, "lib/a.js")
	r.saves <- filepath.Join(r.dir, "lib/a.js")
	r.expect("run 2 2")
	r.expect("notice: reload 1: b.json, a.js changed")
	// A file that is new to it is watched from then on; one that it lacks, too.
	r.save("main.js", "import { c } from './c.js';\nconsole.log('run', c);\non('arp', () => {});\n")
	r.expect("error: main.js:1:19: cannot find \"./c.js\"")
	r.save("c.js", "export const c = 3;")
	r.expect("run 3")
	r.save("c.js", "export const c = 4;")
	r.expect("run 4")
	r.stop()
	if s := r.e.Summary(); s.Reloads != 3 {
		t.Errorf("%d reloads:\n%s", s.Reloads, r.said())
	}
}

// TestReloadOvertaken: a top level that does not end is given up for the next
// save, and holds up nobody.
func TestReloadOvertaken(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": "setInterval(() => console.log('alive'), 1)"}).start()
	r.expect("alive")
	r.save("main.js", "console.log('spins'); storage.set('spins', 1); for (;;);")
	// Its lines are told when it has come to something; so look at the old one.
	for range 20 {
		r.expect("alive")
	}
	r.save("main.js", "sleepSync('1h');")
	for range 20 {
		r.expect("alive")
	}
	r.save("main.js", "on('arp', () => {}); console.log('third')")
	r.expect("third")
	r.expect("notice: reload 1")
	r.stop()
}

// peer is the other end of a wire: it numbers what it sends and collects who
// answered.
type peer struct {
	t    testing.TB
	link netio.Link

	mu      sync.Mutex
	answers map[uint32][]byte // which versions answered a number
	got     chan struct{}
}

func newPeer(t testing.TB, wires *netio.Wires) *peer {
	t.Helper()
	l, err := netio.Open("wire:x", netio.Config{Wires: wires})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, link: l, answers: map[uint32][]byte{}, got: make(chan struct{}, 1)}
	if err := l.Start(p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return p
}

func (p *peer) Deliver(_ netio.Link, b *netio.Batch, _ bool) bool {
	p.mu.Lock()
	for i := range b.Frames {
		d := b.Frames[i].Data
		n := binary.BigEndian.Uint32(d[14:])
		p.answers[n] = append(p.answers[n], d[18])
	}
	p.mu.Unlock()
	b.Release()
	select {
	case p.got <- struct{}{}:
	default:
	}
	return true
}

func (p *peer) LinkState(netio.Link, bool) {}
func (p *peer) LinkEnd(netio.Link, error)  {}

// send sends the requests from first to last.
func (p *peer) send(first, last uint32) {
	p.t.Helper()
	for n := first; n <= last; n++ {
		f := make([]byte, 60)
		copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x63, 0x88, 0xb5})
		binary.BigEndian.PutUint32(f[14:], n)
		if _, err := p.link.Send([][]byte{f}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// await waits until last was answered, and holds that each request up to it was
// answered once. It returns the versions that answered, in order.
func (p *peer) await(last uint32) (versions []byte) {
	p.t.Helper()
	late := time.After(20 * time.Second)
	for {
		p.mu.Lock()
		done := len(p.answers) >= int(last)
		p.mu.Unlock()
		if done {
			break
		}
		select {
		case <-p.got:
		case <-late:
			p.t.Fatal("answers are missing")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := uint32(1); n <= last; n++ {
		if len(p.answers[n]) != 1 {
			p.t.Fatalf("request %d was answered by versions %v", n, p.answers[n])
		}
		if v := p.answers[n][0]; !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	return versions
}

// answering is a version that answers each request with its number.
func answering(version int, extra string) string {
	return fmt.Sprintf(`
		%s
		on({ eth: { type: 0x88b5 } }, (pkt) => {
			const n = new DataView(pkt.payload.buffer, pkt.payload.byteOffset).getUint32(0);
			send(packet(eth({ dst: pkt.eth.src, type: 0x88b6 }), bytes(n >>> 24, n >> 16 & 255, n >> 8 & 255, n & 255, %d)));
			%s
		});
		console.log('version', %[2]d);
	`, extra, version, `if (typeof after === 'function') after(n);`)
}

// TestReloadLosesNothing: a stream of requests through good versions, broken
// ones, and ones that fail at a packet: each is answered once.
func TestReloadLosesNothing(t *testing.T) {
	wires := netio.NewWires()
	p := newPeer(t, wires)
	r := newReloading(t, map[string]string{"main.js": answering(1, "")}, func(c *Config) {
		c.Wires, c.Interfaces = wires, []Interface{{Spec: "wire:x"}}
	}).start()
	r.expect("version 1")
	stop, sent := make(chan struct{}), make(chan uint32)
	go func() {
		n := uint32(0)
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.send(n+1, n+3)
				n += 3
			case <-stop:
				sent <- n
				return
			}
		}
	}()
	good := []byte{1}
	for v := 2; v <= 16; v++ {
		switch v % 4 {
		case 0:
			r.save("main.js", "broken(")
			r.expect("notice: not reloaded")
		case 1: // fails at its third packet, when it has answered it
			r.save("main.js", answering(v, "let count = 0; const after = () => { if (++count === 3) throw new Error('third') }"))
			r.expect(fmt.Sprintf("version %d", v))
			r.expect("error: main.js:2:")
			r.expect("notice: rolled back")
			good = append(good, byte(v)) // the first two were well answered
		case 2: // at onReload
			r.save("main.js", answering(v, "function onReload() { send(packet(eth({ type: 0x88b6 }), bytes(0, 0, 0, 1, 99))); throw new Error('no') }"))
			r.expect("error: main.js:2:")
			r.expect("notice: rolled back")
		default:
			r.save("main.js", answering(v, ""))
			r.expect("notice: reload")
			good = append(good, byte(v))
			// It answers before the next save.
			for len(p.seen(byte(v))) == 0 {
				<-p.got
			}
		}
	}
	close(stop)
	last := <-sent
	if versions := p.await(last); !slices.Equal(versions, good) {
		t.Errorf("answered by versions %v, want %v", versions, good)
	}
	r.stop()
	t.Logf("%d requests", last)
}

// seen is what a version has answered.
func (p *peer) seen(version byte) (numbers []uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, versions := range p.answers {
		if slices.Contains(versions, version) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// TestReloadQueued: what arrived while a version was busy goes to the next one,
// and what a top level sends leaves at the swap.
func TestReloadQueued(t *testing.T) {
	wires := netio.NewWires()
	p := newPeer(t, wires)
	r := newReloading(t, map[string]string{"main.js": answering(1, "on({ eth: { type: 0x88b7 } }, () => {});")}, func(c *Config) {
		c.Wires, c.Interfaces = wires, []Interface{{Spec: "wire:x"}}
	}).start()
	r.expect("version 1")
	p.send(1, 3)
	p.await(3)
	r.save("main.js", answering(2, "send(packet(eth({ type: 0x88b6 }), bytes(0, 0, 0, 4, 2)));"))
	r.expect("notice: reload 1")
	p.await(4)
	p.send(5, 300)
	if v := p.await(300); !slices.Equal(v, []byte{1, 2}) {
		t.Errorf("answered by %v", v)
	}
	r.stop()
}

// TestRollback: timers, subscriptions and promises of the version before go on
// where they were; what cannot be rolled back ends the run.
func TestRollback(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": "let n = 0; setInterval(() => console.log('old', ++n), 5); (async () => { for (;;) { await sleep(3); console.log('loop') } })()"}).start()
	r.expect("old 2")
	for _, text := range []string{
		"setTimeout(() => { console.log('new'); null.x }, 1); setInterval(() => console.log('wrong'), 30)",
		"console.log('new'); await sleep(1); throw new Error('later')",
		"console.log('new'); setImmediate(() => { throw 'soon' })",
		"console.log('new'); setTimeout(() => { for (;;); }, 1); export const options = { callbackTimeout: 50 };",
		"console.log('new'); Promise.resolve().then(() => sleep(1)).then(() => { undefined_name })",
		"console.log('new'); export const options = { onError: 'quarantine' }; setTimeout(() => { throw new Error('x') }, 1)",
	} {
		r.save("main.js", text)
		r.expect("new")
		r.expect("error: main.js:1:")
		r.expect("notice: rolled back")
		r.expect("old")
		r.expect("loop")
		r.expect("loop")
	}
	if strings.Contains(r.said(), "\nwrong") {
		t.Errorf("a timer of a version that was rolled back ran:\n%s", r.said())
	}
	// A version that stood its trial stays; its later error ends the run.
	r.e.Stop("enough")
	if err := <-r.ended; err != nil {
		t.Error(err)
	}

	r = newReloading(t, map[string]string{"main.js": "setInterval(() => console.log('old'), 5)"}, func(c *Config) { c.Trial = time.Millisecond }).start()
	r.expect("old")
	r.save("main.js", "let n = 0; setInterval(() => { console.log(`new ${++n}`); if (n === 40) throw new Error('late') }, 1)")
	r.expect("new 40")
	if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "late") {
		t.Errorf("ended with %v", err)
	}
}

// TestReloadOptions: what cannot change at a reload is said.
func TestReloadOptions(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": "export const options = { interfaces: ['lan'] }; on('arp', () => {}); console.log('one')"}).start()
	r.expect("one")
	r.save("main.js", "export const options = { interfaces: ['lan', 'wan'] }; on('arp', () => {}); console.log('two')")
	r.expect("two")
	r.expect("notice: options.interfaces or options.filter are not those that the interfaces were opened with: that needs a restart")
	r.stop()
}

// TestWatchAtRest: being watched keeps nothing alive.
func TestWatchAtRest(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": "on('arp', () => {})"}, func(c *Config) { c.EndAtRest = true }).start()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// TestStopTopLevel: a request to stop ends a top level that would not end.
func TestStopTopLevel(t *testing.T) {
	for _, text := range []string{
		"console.log('spins'); for (;;); function onStop(why) { console.log('stopped', why) }",
		"console.log('spins'); for (;;) sleepSync(50); function onStop(why) { console.log('stopped', why) }",
	} {
		r := newReloading(t, map[string]string{"main.js": text}).start()
		r.expect("spins")
		r.stop()
		r.expect("stopped enough")
	}
}

// TestRealSaves: the operating system's events, of a file that is written and of
// one that is renamed to where it is.
func TestRealSaves(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": "console.log('version 1'); on('arp', () => {})"})
	r.e.openEvents = nil
	r.start()
	r.expect("version 1")
	r.put("main.js", "console.log('version 2'); on('arp', () => {})")
	r.expect("version 2")
	r.put("main.js~", "console.log('version 3'); on('arp', () => {})")
	if err := os.Rename("main.js~", "main.js"); err != nil {
		t.Fatal(err)
	}
	r.expect("version 3")
	r.stop()
}

// TestReloadLatency logs how long it takes from a save to the swap, for a
// scenario of 500 lines with two imports. Of that, 10 ms wait for more saves.
func TestReloadLatency(t *testing.T) {
	lines := func(version int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "import { a } from './a.js';\nimport { b } from './b.js';\nconsole.log('version', %d, a(1), b(1));\non('arp', () => {});\n", version)
		for i := range 120 {
			fmt.Fprintf(&b, "function f%d(pkt) {\n  const reply = pkt.reply({ ip: { ttl: %d } });\n  return reply;\n}\n", i, i+1)
		}
		b.WriteString("export const table = [f0, f1, f2, f3];\n")
		return b.String()
	}
	r := newReloading(t, map[string]string{"main.js": lines(0), "a.js": "export const a = (x) => x + 1;\n", "b.js": "export const b = (x) => x + 2;\n"})
	r.e.openEvents = nil
	r.start()
	r.expect("version 0")
	var took []float64
	for v := 1; v <= 21; v++ {
		r.put("main.js", lines(v))
		var (
			n  int
			ms float64
		)
		line := r.expect("notice: reload")
		if _, err := fmt.Sscanf(line, "notice: reload %d: main.js changed, %f ms", &n, &ms); err != nil || n != v {
			t.Fatalf("%q: %v", line, err)
		}
		took = append(took, ms)
	}
	r.stop()
	slices.Sort(took)
	t.Logf("save to swap: median %.1f ms, least %.1f, most %.1f", took[len(took)/2], took[0], took[len(took)-1])
}

// TestReloadVirtual: a reload that the engine is asked for, in virtual time, is
// part of a run that is always the same.
func TestReloadVirtual(t *testing.T) {
	var first string
	for range 3 {
		write(t, map[string]string{
			"main.js": "setInterval(() => console.log('old', now(), Math.random()), 10); hot.dispose((d) => { d.at = now() })",
			"next.js": "setInterval(() => console.log('new', now(), Math.random()), 10); sleepSync(5); function onReload({ data }) { console.log('from', data.at, now()) }",
		})
		l := &logger{}
		e, err := New(Config{Script: "main.js", Virtual: true, Seed: 1, SeedSet: true, For: 100 * time.Millisecond, Log: l.log})
		if err != nil {
			t.Fatal(err)
		}
		at := func(d time.Duration, script string) {
			e.inbox.post(func() {
				e.vm.SetTimer(d, func() {
					e.inbox.post(func() {
						e.reload(script, func(err error) {
							if err != nil {
								t.Error(err)
							}
						})
					})
				})
			})
		}
		at(25*time.Millisecond, "next.js")
		e.inbox.post(func() {
			e.vm.Hold()
		})
		if err := e.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		got := l.text()
		if first == "" {
			first = got
			for _, want := range []string{"old 10 ", "old 20 ", "notice: reload 1: next.js changed", "from 30 30", "new 35 ", "new 45 "} {
				if !strings.Contains(got, want) {
					t.Errorf("%q was not said:\n%s", want, got)
				}
			}
		} else if got != first {
			t.Errorf("another run:\n%s", got)
		}
	}
}

// TestReloadCaptures: a capture file that the new version makes has its name
// from the swap on, and none when there is none.
func TestReloadCaptures(t *testing.T) {
	const use = "pcap.writer('out.pcap').write(packet(eth({ type: 0x88b5 }), 'frame')); on('arp', () => {});\n"
	r := newReloading(t, map[string]string{"main.js": use + "console.log('one')"}).start()
	r.expect("one")
	r.save("main.js", use+"pcap.write('other.pcap', []); throw new Error('no')")
	r.expect("notice: not reloaded")
	r.save("main.js", use+"pcap.write('other.pcap', []); console.log('two')")
	r.expect("notice: reload 1")
	r.stop()
	names, err := filepath.Glob(filepath.Join(r.dir, "*.pcap*"))
	hidden, _ := filepath.Glob(filepath.Join(r.dir, ".*"))
	if err != nil || len(names) != 2 || len(hidden) != 0 {
		t.Errorf("left: %v, %v", names, hidden)
	}
	c, err := netio.OpenCapture("out.pcap")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Next(); err != nil {
		t.Errorf("what was written is not in the file: %v", err)
	}
}

// BenchmarkReload is a new version from its files to the swap, without what the
// watcher waits for more saves, for a scenario of 500 lines with two imports.
//
// Baseline, 2 cores of an AMD EPYC, Go 1.26:
//
//	BenchmarkReload-2   240   5309797 ns/op   1983427 B/op   20864 allocs/op
func BenchmarkReload(b *testing.B) {
	var text strings.Builder
	text.WriteString("import { a } from './a.js';\nimport { b } from './b.js';\non('arp', () => a(b(1)));\n")
	for i := range 120 {
		fmt.Fprintf(&text, "function f%d(pkt) {\n  const reply = pkt.reply({ ip: { ttl: %d } });\n  return reply;\n}\n", i, i+1)
	}
	text.WriteString("export const table = [f0, f1, f2, f3];\n")
	write(b, map[string]string{"main.js": text.String(), "a.js": "export const a = (x) => x + 1;\n", "b.js": "export const b = (x) => x + 2;\n"})
	e, err := New(Config{Script: "main.js", Virtual: true, Trial: -1})
	if err != nil {
		b.Fatal(err)
	}
	e.inbox.post(func() {
		b.ReportAllocs()
		for b.Loop() {
			e.reload("", func(err error) {
				if err != nil {
					b.Error(err)
				}
			})
			e.swap()
		}
	})
	if err := e.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
}
