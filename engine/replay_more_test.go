package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio"
)

// narrow is a wire's port that refuses long frames, as a live interface does by its
// MTU.
type narrow struct{ netio.Link }

var errLong = errors.New("message too long")

func (l narrow) Send(frames [][]byte) (int, error) {
	for i, f := range frames {
		if len(f) > 100 {
			return i, errLong
		}
		if _, err := l.Link.Send(frames[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(frames), nil
}

func (l narrow) Info() netio.Info {
	i := l.Link.Info()
	i.Kind = netio.KindLive
	i.Addrs = nil
	return i
}

// What an interface refused when it was recorded it refuses again.
func TestReplayRefused(t *testing.T) {
	write(t, map[string]string{"main.js": `let n = 0;
const timer = setInterval(() => {
  for (const size of [10, 200, 20, 300, 30]) send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), String(n++), new Uint8Array(size)));
  if (n === 50) stop();
}, 1);`})
	path := filepath.Join(t.TempDir(), "run.pcapng")
	rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	port, err := netio.Open("wire", netio.Config{Wires: netio.NewWires()})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{Script: "main.js", Recorder: rec, Interfaces: []Interface{{Link: narrow{port}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	got, again := replayFirst(t, path, ReplayOptions{})
	if got.First != nil || got.Sent != 30 || len(again.packets) != 30 {
		t.Errorf("replayed %d of %d packets: %+v", got.Sent, len(again.packets), got.First)
	}
}

const endless = `let n = 0;
setInterval(() => send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), String(n++))), 1);`

// A recording without the scenario's end is replayed as far as it goes, and ends;
// so does a script that does not end where the recorded one did.
func TestReplayEnds(t *testing.T) {
	write(t, map[string]string{
		"endless.js": endless,
		"ends.js":    endless + "\nsetTimeout(stop, 20);",
		"silent.js":  "setInterval(() => {}, 1)",
	})
	path := filepath.Join(t.TempDir(), "run.pcapng")
	rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{Script: "endless.js", Recorder: rec})
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	e.hooks.sent = func(*link, [][]byte) {
		if sent++; sent == 20 {
			go e.Kill()
		}
	}
	if err := e.Run(t.Context()); !errors.Is(err, ErrKilled) {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	replay := func(with string) Replayed {
		t.Helper()
		r, err := OpenRecording(path)
		if err != nil {
			t.Fatal(err)
		}
		results, err := r.Replay(ctx, ReplayOptions{With: Config{Script: with}})
		if err != nil {
			t.Fatal(err)
		}
		return results[0]
	}
	if got := replay(""); got.First != nil || got.Sent < 20 || !got.Broken {
		t.Errorf("of one that was killed: %+v", got)
	}
	recordRun(t, path, "ends.js", nil)
	if got := replay(""); got.First != nil || got.Broken {
		t.Errorf("of one that ended: %+v", got)
	}
	if got := replay("endless.js"); got.First == nil || !strings.Contains(got.First.Text, "one packet more") {
		t.Errorf("with one that goes on: %+v", got)
	}
	if got := replay("silent.js"); got.First == nil || !strings.Contains(got.First.Text, "not sent") {
		t.Errorf("with one that says nothing and goes on: %+v", got)
	}
}

// In virtual time with others a scenario also ends because nothing can happen any
// more: that is in the recording, for a replay is alone.
func TestReplayRest(t *testing.T) {
	wires := netio.NewWires()
	path := filepath.Join(t.TempDir(), "run.pcapng")
	rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var engines []*Engine
	const send = `send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), 'at ' + now()));`
	for i, text := range []string{"on('eth', () => {}); function onStop() {" + send + "}", send + "await sleep('10s')"} {
		e, err := New(Config{Script: fmt.Sprint(i, ".js"), Source: []byte(text), Number: i + 1, Virtual: true, Wires: wires, Recorder: rec})
		if err != nil {
			t.Fatal(err)
		}
		engines = append(engines, e)
	}
	if err := RunAll(t.Context(), engines, false); err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	got, again := replayFirst(t, path, ReplayOptions{})
	if got.First != nil || got.Sent != 1 || !strings.HasSuffix(string(again.packets[1].data), "at 10000") {
		t.Errorf("replayed %d packets: %+v", got.Sent, got.First)
	}
}

// What Explain shows is the line as it was in the version that sent the packet, also
// after one was rolled back; and the packets that a packet is because of.
func TestExplainVersions(t *testing.T) {
	version := func(name, then string) string {
		return "// " + name + strings.Repeat("\n//", len(name)) + `
let n = 0;
setInterval(() => { send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), '` + name + `')); ` + then + ` }, 2);
console.log('` + name + ` is there');`
	}
	path := filepath.Join(t.TempDir(), "run.pcapng")
	rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := newReloading(t, map[string]string{"main.js": version("one", "")}, func(c *Config) { c.Recorder = rec }).start()
	r.expect("one is there")
	time.Sleep(10 * time.Millisecond)
	r.save("main.js", version("second", "if (++n === 4) throw new Error('second');"))
	r.expect("notice: rolled back")
	time.Sleep(10 * time.Millisecond)
	r.save("main.js", version("the third", ""))
	r.expect("notice: reload 2")
	time.Sleep(10 * time.Millisecond)
	r.stop()
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenRecording(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	order := ""
	for i, p := range again.packets {
		name := string(p.data[14:])
		text, err := again.Explain(i + 1)
		version := map[string]int{"one": 0, "second": 1, "the third": 2}[name]
		place := fmt.Sprintf("sent by main.js:%d in setInterval, version %d\n    setInterval(() => { send(", len(name)+3, version)
		if err != nil || !strings.Contains(text, place) || !strings.Contains(text, "'"+name+"'") {
			t.Fatalf("packet %d, of %s: %v\n%s", i+1, name, err, text)
		}
		if !seen[name] || !strings.HasSuffix(order, name) {
			order += " " + name
		}
		seen[name] = true
	}
	if order != " one second one the third" {
		t.Errorf("the versions sent in the order%s", order)
	}
}

// A loop without end is interrupted wherever it stands: behind an await, too.
func TestSpinBehindAwait(t *testing.T) {
	for _, wait := range []string{
		"await sleep(1)", "await flush()", "await new Promise((r) => setTimeout(r, 1))", "await receiveOne('arp', { timeout: 1 }).catch(() => 0)",
		"await schedule(packet(eth({ type: 0x88b5 })), { count: 1 }).done", "await sr1([eth(), ip({ dst: '10.0.0.2' }), icmp()], { timeout: 1 })",
	} {
		t.Run(wait, func(t *testing.T) {
			_, err := runText(t, wait+";\nfor (;;) now();", func(c *Config) { c.CallbackTimeout = 50 * time.Millisecond })
			if s := asScriptError(t, err); s.Kind != KindTimeout || s.Line != 2 {
				t.Errorf("%v in line %d", s, s.Line)
			}
		})
	}
}

// A script that sleeps in a loop without end is ended by the second sleep after it
// was told to end, and its onStop may sleep.
func TestStopOfSleepLoop(t *testing.T) {
	const text = `setTimeout(() => { for (let n = 1; ; n++) { console.log(n, now()); sleepSync(100); } }, 100);
function onStop(why) { sleepSync(300); console.log(why, now()); }`
	got, err := runText(t, text, func(c *Config) { c.For = 350 * time.Millisecond })
	if want := "1 100\n2 200\n3 300\n4 350\ntime is up 650"; err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// Behind an interruption promises go on: those of onStop, and of what has nothing to
// do with it where a failing handler is only quarantined, and called no more.
func TestPromisesOutliveInterruption(t *testing.T) {
	quick := func(c *Config) { c.CallbackTimeout, c.For = 50*time.Millisecond, time.Second }
	got, err := runText(t, `(async () => { await sleep(10); for (;;) sleepSync(50); })();
async function onStop(why) { console.log(why); await sleep(100); console.log('slept'); await flush(); console.log('flushed'); }`, quick)
	if want := "time is up\nslept\nflushed"; err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	for _, bad := range []string{"for (;;) now();", "(function f() { f(); })();", "throw new Error('bad');"} {
		got, err = runText(t, `const options = { onError: 'quarantine' };
let n = 0;
setInterval(async () => { console.log('called', ++n); await sleep(10); if (n === 2) { `+bad+` } }, 100);
(async () => { for (let i = 1; i <= 4; i++) { await sleep(125); console.log('other', i); } })();`, quick)
		lines := strings.Split(got, "\n")
		count := func(prefix string) (n int) {
			for _, l := range lines {
				if strings.HasPrefix(l, prefix) {
					n++
				}
			}
			return n
		}
		if err != nil || count("called") != 2 || count("other") != 4 || !strings.Contains(got, "setInterval is called no more") {
			t.Errorf("%s: %v\n%s", bad, err, got)
		}
	}
}

// What was thrown may be code itself: it cannot hold up the run, and is no fault of ours.
func TestThrownDescribesItself(t *testing.T) {
	for _, thrown := range []string{
		"{ get message() { for (;;) now(); } }",
		"new (class extends Error { get name() { for (;;) now(); } })('x')",
		"new Proxy({}, { getPrototypeOf() { throw 2 }, get() { throw 1 }, ownKeys() { throw 3 } })",
	} {
		_, err := runText(t, "setTimeout(() => { throw "+thrown+" }, 1)", func(c *Config) { c.CallbackTimeout = 50 * time.Millisecond })
		if s := asScriptError(t, err); s.Kind == KindInternal || s.Line != 1 || !strings.Contains(s.Message, "uncaught") {
			t.Errorf("%s: %v in line %d", thrown, s, s.Line)
		}
	}
}

// A script that blocks for ever is told of the end of its recording, too.
func TestReplayEndsWhileBlocked(t *testing.T) {
	const p = "const p = packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), 'x');\n"
	write(t, map[string]string{
		"sleeps.js":    p + "for (;;) { send(p); sleepSync(2); }",
		"schedules.js": p + "schedule(p, { interval: 2, blocking: true });",
		"silent.js":    "for (;;) sleepSync(2);",
	})
	for _, name := range []string{"sleeps.js", "schedules.js"} {
		path := filepath.Join(t.TempDir(), "run.pcapng")
		rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(Config{Script: name, Recorder: rec})
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		e.hooks.sent = func(*link, [][]byte) {
			if sent++; sent == 10 {
				go e.Stop("enough")
			}
		}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := rec.Close(); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		part := filepath.Join(t.TempDir(), "part.pcapng")
		if err := os.WriteFile(part, whole[:len(whole)-300], 0o666); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for _, tt := range []struct {
			path, with string
			broken     bool
			differs    bool
		}{{path, "", false, false}, {part, "", true, false}, {path, "silent.js", false, true}, {part, "silent.js", true, true}} {
			r, err := OpenRecording(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			results, err := r.Replay(ctx, ReplayOptions{With: Config{Script: tt.with}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := results[0]; got.Broken != tt.broken || (got.First != nil) != tt.differs {
				t.Errorf("%s, with %q: %+v", name, tt.with, got)
			}
		}
	}
}

// A recording that asks for more memory than it has bytes is refused.
func TestOpenRecordingGreedy(t *testing.T) {
	r := &Recording{scenarios: []*recordedScenario{{startNote: startNote{Links: []linkNote{{Info: netio.Info{Kind: netio.KindLive}}}}}}}
	w := &netio.NoteWriter{}
	for _, n := range []uint64{uint64(noteFrames), 0, 1, 0, 0, maxNoteFrames} {
		w.Uint(n)
	}
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		err = r.note(w.Data)
	}
	if !errors.Is(err, errLarge) {
		t.Errorf("ten thousand notes of %d frames each: %v", maxNoteFrames, err)
	}
	w = &netio.NoteWriter{}
	w.Uint(uint64(noteFile))
	w.Uint(0)
	w.Uint(1)
	w.Uint(0)
	w.Bytes([]byte("zeros"))
	w.Bytes(nil)
	w.Bytes(deflated(make([]byte, maxInflated+1)))
	if err := (&Recording{scenarios: r.scenarios}).note(w.Data); err == nil {
		t.Error("a file of more than its bound was taken")
	}
}

// A recorded script that calls for the next turn at once does not stop the clock:
// its timers run, packets come, its time is up; and it is the same again.
func TestRecordedClockGoesOn(t *testing.T) {
	const p = `const p = packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), 'x'); const tell = () => send(p);
on({ eth: { type: 0x88b6 } }, () => console.log('answer', Math.round(now())));
setInterval(() => { send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b7 }), 'x')); console.log('timer', Math.round(now())); }, 20);
`
	for name, text := range map[string]string{
		"setImmediate":       "(function f() { setImmediate(f); })();",
		"flush":              "(async () => { for (;;) await flush(); })();",
		"schedule":           "schedule(p, { rate: 'max' });",
		"blocking schedule":  "setTimeout(() => schedule(p, { rate: 'max', blocking: true }), 50);",
		"sleepSync in loops": "setInterval(() => { for (let i = 0; i < 3; i++) { sleepSync(0.1); tell(); } }, 1);",
		"slow":               "setInterval(() => { for (let i = 0; i < 1e6; i++); }, 40);", // some 50 ms
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"main.js": p + text, "peer.js": "on({ eth: { type: 0x88b7 } }, () => packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b6 }), 'y'));"})
			path := filepath.Join(t.TempDir(), "run.pcapng")
			rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			l, wires := &logger{}, netio.NewWires()
			var engines []*Engine
			for i, script := range []string{"main.js", "peer.js"} {
				e, err := New(Config{Script: script, Recorder: rec, For: 210 * time.Millisecond, Log: l.log, Wires: wires, Number: i + 1, CallbackTimeout: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				engines = append(engines, e)
			}
			begin := time.Now()
			if err := RunAll(t.Context(), engines, false); err != nil {
				t.Fatal(err)
			}
			if err := rec.Close(); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 20*time.Second || !strings.Contains(l.text(), "timer ") || !strings.Contains(l.text(), "answer ") {
				t.Errorf("after %v:\n%s", took, l.text())
			}
			again := &logger{}
			r, err := OpenRecording(path)
			if err != nil {
				t.Fatal(err)
			}
			results, err := r.Replay(t.Context(), ReplayOptions{Log: again.log})
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range results {
				if got.First != nil {
					t.Errorf("replayed %d packets of %s: %+v", got.Sent, got.Script, got.First)
				}
			}
			if again.text() != l.text() {
				t.Errorf("replayed\n%s\nwas\n%s", again.text(), l.text())
			}
		})
	}
}

// Saves take turns of the loop that the script does not see; a scenario that is late
// afterwards is late in the same turn again.
func TestReplaySavesAndLag(t *testing.T) {
	version := func(name string) string {
		return `let n = hot.data.n ?? 0;
hot.dispose((data) => { data.n = n; });
setInterval(() => {
  send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), '` + name + ` ' + ++n + ' ' + now()));
  if (n % 20 === 0) for (let i = 0; i < 1.2e6; i++);
}, 2);
console.log('` + name + ` is there');`
	}
	path := filepath.Join(t.TempDir(), "run.pcapng")
	rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := newReloading(t, map[string]string{"main.js": version("one")}, func(c *Config) { c.Recorder, c.CallbackTimeout = rec, time.Minute }).start()
	r.expect("one is there")
	r.save("main.js", version("two")+"\nx(")
	r.expect("notice: not reloaded")
	r.save("main.js", version("one"))
	r.expect("notice: main.js is again what runs")
	time.Sleep(150 * time.Millisecond)
	r.save("main.js", version("two"))
	r.expect("notice: reload 1")
	time.Sleep(150 * time.Millisecond)
	r.stop()
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if got, again := replayFirst(t, path, ReplayOptions{}); got.First != nil || got.Sent != len(again.packets) {
		t.Errorf("replayed %d of %d packets: %+v", got.Sent, len(again.packets), got.First)
	}
}
