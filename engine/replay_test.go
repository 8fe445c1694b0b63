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

// recordRun records a scenario on a wire in real time. meanwhile is called when
// it runs.
func recordRun(t *testing.T, path, script string, meanwhile func(*Engine)) {
	t.Helper()
	r, err := netio.NewRecorder(path, netio.RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{Script: script, Recorder: r, Seed: 3, SeedSet: true})
	if err != nil {
		t.Fatal(err)
	}
	if meanwhile != nil {
		meanwhile(e)
	}
	if err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func replayFirst(t *testing.T, path string, o ReplayOptions) (Replayed, *Recording) {
	t.Helper()
	rec, err := OpenRecording(path)
	if err != nil {
		t.Fatal(err)
	}
	results, err := rec.Replay(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return results[0], rec
}

const beat = `hot.data.n ??= 0;
hot.dispose((data) => { data.n = hot.data.n; });
setInterval(() => {
  send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff' }), ip({ dst: '10.0.0.9' }), udp({ dport: 9 }), 'VERSION ' + ++hot.data.n + ' ' + now() + ' ' + Math.random()));
  if (hot.data.n === 400) stop();
}, 1);
`

// A reload is in the recording, and happens again at its time.
func TestReplayReload(t *testing.T) {
	write(t, map[string]string{"beat.js": strings.Replace(beat, "VERSION", "one", 1), "two.js": strings.Replace(beat, "VERSION", "two", 1)})
	path := filepath.Join(t.TempDir(), "run.pcapng")
	recordRun(t, path, "beat.js", func(e *Engine) {
		sent := 0
		e.hooks.sent = func(_ *link, frames [][]byte) {
			if sent += len(frames); sent == 20 {
				e.inbox.post(func() {
					e.reload("two.js", func(err error) {
						if err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	})
	// What is on disk does not matter any more.
	for _, name := range []string{"beat.js", "two.js"} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	got, rec := replayFirst(t, path, ReplayOptions{})
	if got.First != nil || got.Sent != len(rec.packets) || got.Sent < 400 {
		t.Errorf("replayed %d of %d packets: %+v", got.Sent, len(rec.packets), got.First)
	}
	text, err := rec.Explain(len(rec.packets))
	if err != nil || !strings.Contains(text, "two.js:4 in setInterval") || !strings.Contains(text, "version 1") {
		t.Errorf("the last packet: %v\n%s", err, text)
	}
	if text, _ := rec.Explain(1); !strings.Contains(text, "beat.js:4 in setInterval") || !strings.Contains(text, "version 0") {
		t.Errorf("the first packet:\n%s", text)
	}
}

// Saves while it is recorded happen again: at their times, with what the version
// before left each time, whether the new one was good or not. What its top level sees of
// time and of what is stored does not depend on how long the machine took for it.
func TestReplaySaves(t *testing.T) {
	version := func(name, then string) string {
		return `hot.data.n ??= 0;
hot.dispose((data) => { data.n = hot.data.n; data.drawn = Math.random(); });
const tell = (what) => send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), [what, hot.data.n, hot.data.drawn, now(), Date.now(), Math.random(), storage.get('ticks')].join(' ')));
setInterval(() => { hot.data.n++; storage.update('ticks', (n) => (n ?? 0) + 1); tell('` + name + ` ticks'); }, 1);
tell('` + name + ` begins');
sleepSync(3);
setTimeout(() => tell('` + name + ` later'), 5);
tell('` + name + ` is awake');
` + then + "\nconsole.log('" + name + " is there');\n"
	}
	path := filepath.Join(t.TempDir(), "run.pcapng")
	rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := newReloading(t, map[string]string{"main.js": version("one", "")}, func(c *Config) { c.Recorder, c.Trial = rec, 5*time.Millisecond }).start()
	r.expect("one is there")
	r.save("main.js", version("two", ""))
	r.expect("notice: reload 1")
	r.save("main.js", version("three", "null.gone;"))
	r.expect("notice: not reloaded")
	r.save("main.js", version("four", "setTimeout(() => { tell('four fails'); throw new Error('four'); }, 2);"))
	r.expect("notice: rolled back")
	r.save("main.js", version("five", "hot.dispose((data) => { data.f = () => 1; });"))
	r.expect("notice: reload 3")
	r.save("main.js", version("six", ""))
	r.expect("notice: not reloaded") // five is what runs, and cannot be left
	time.Sleep(20 * time.Millisecond)
	r.stop()
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	got, again := replayFirst(t, path, ReplayOptions{})
	if got.First != nil || got.Sent != len(again.packets) {
		t.Fatalf("replayed %d of %d packets: %+v\n%s", got.Sent, len(again.packets), got.First, r.said())
	}
	found := map[string]string{}
	for _, p := range again.packets {
		words := strings.Fields(string(p.data[14:]))
		found[words[0]+" "+words[1]] = p.comment
	}
	for what, want := range map[string]string{
		"one begins": "sent by main.js:3, version 0",
		"two begins": "sent by main.js:3, version 1",
		"two is":     "sent by main.js:3, version 1",
		"five later": "sent by main.js:3 in setTimeout, version 3",
	} {
		if found[what] != want {
			t.Errorf("%q says %q, want %q", what, found[what], want)
		}
	}
}

// What a scenario read, and what was stored before it began, is in its recording.
// The files that it made are not made again.
func TestReplayWhatWasRead(t *testing.T) {
	write(t, map[string]string{"names.txt": "first", "main.js": `
const say = (...words) => send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), words.join(' ')));
let error;
try { open('none.txt'); } catch (e) { error = e.message; }
say(open('names.txt'), error, storage.get('runs'));
storage.update('runs', (n) => (n ?? 0) + 1);
pcap.write('made.pcap', [packet(eth())]);
let made = 0;
for (const p of pcap.read('made.pcap')) made++;
setTimeout(() => say(open('names.txt'), storage.get('runs'), made), 20);
`})
	state := t.TempDir()
	path := filepath.Join(t.TempDir(), "run.pcapng")
	for range 2 {
		rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(Config{Script: "main.js", Recorder: rec, StateDir: state})
		if err != nil {
			t.Fatal(err)
		}
		e.hooks.sent = func(*link, [][]byte) {
			if err := os.WriteFile("names.txt", []byte("second"), 0o666); err != nil {
				t.Error(err)
			}
		}
		if err := e.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := rec.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("names.txt", []byte("first"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"main.js", "names.txt", "made.pcap"} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	got, again := replayFirst(t, path, ReplayOptions{})
	if got.First != nil || got.Sent != 2 {
		t.Errorf("replayed %d packets: %+v", got.Sent, got.First)
	}
	if left, _ := os.ReadDir("."); len(left) > 0 {
		t.Errorf("the replay made %v", left)
	}
	for i, want := range []string{"first open 'none.txt': there is no such file 1", "second 2 1"} {
		if text := string(again.packets[i].data[14:]); text != want {
			t.Errorf("packet %d: %q, want %q", i+1, text, want)
		}
	}
}

// A request to end that comes in the middle of a turn, while the script blocks,
// ends what it is to end, and comes there again.
func TestReplayStopWhileBlocked(t *testing.T) {
	const load = `schedule(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), 'load'), { interval: 2, blocking: true, count: 100000 });
`
	const tell = `send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), 'slept until ' + now()));
`
	for name, text := range map[string]string{
		"schedule":               load + tell,
		"schedule in a callback": "setTimeout(() => { " + load + tell + " }, 1);",
		"sleepSync":              "setTimeout(() => { for (let i = 0; i < 20; i++) { " + tell + " sleepSync(i < 15 ? 1 : 10000); } }, 1);",
		"sleepSync at top level": tell + strings.Repeat("sleepSync(1); "+tell, 15) + "for (;;) { sleepSync(100);" + tell + " }",
	} {
		for _, virtual := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/virtual=%v", name, virtual), func(t *testing.T) {
				write(t, map[string]string{"main.js": text + "\nfunction onStop(why) { " + tell + " }\n"})
				path := filepath.Join(t.TempDir(), "run.pcapng")
				rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
				if err != nil {
					t.Fatal(err)
				}
				e, err := New(Config{Script: "main.js", Recorder: rec, Virtual: virtual})
				if err != nil {
					t.Fatal(err)
				}
				e.hooks.sent = func(_ *link, frames [][]byte) {
					if e.vm.LinkStats(0).Sent >= 15 {
						time.AfterFunc(time.Millisecond, func() { e.Stop("enough") })
					}
				}
				begin := time.Now()
				if err := e.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				if err := rec.Close(); err != nil {
					t.Fatal(err)
				}
				if n := e.vm.LinkStats(0).Sent; !virtual && n > 2000 || time.Since(begin) > 10*time.Second {
					t.Errorf("%d packets in %v", n, time.Since(begin))
				}
				if got, again := replayFirst(t, path, ReplayOptions{}); got.First != nil || got.Sent != len(again.packets) || got.Sent < 15 {
					t.Errorf("replayed %d of %d packets: %+v", got.Sent, len(again.packets), got.First)
				}
			})
		}
	}
}

// A scenario that sends less, or fails, differs where the first packet is missing.
func TestReplayMissing(t *testing.T) {
	write(t, map[string]string{"beat.js": beat, "less.js": strings.Replace(beat, "send(", "if (hot.data.n === 9) throw new Error('nine'); send(", 1)})
	path := filepath.Join(t.TempDir(), "run.pcapng")
	recordRun(t, path, "beat.js", nil)
	got, _ := replayFirst(t, path, ReplayOptions{With: Config{Script: "less.js"}})
	if got.First == nil || got.First.Packet != 10 || got.Sent != 9 || !strings.Contains(got.First.Text, "the packet is not sent") {
		t.Fatalf("got %+v, %d sent", got.First, got.Sent)
	}
	var s *ScriptError
	if !errors.As(got.First.Err, &s) || s.Line != 4 {
		t.Errorf("the error is %v", got.First.Err)
	}
}

// A recording that breaks off at any byte is read as far as it goes, or refused.
func TestOpenRecordingBrokenOff(t *testing.T) {
	write(t, map[string]string{"beat.js": strings.Replace(beat, "400", "3", 1)})
	path := filepath.Join(t.TempDir(), "run.pcapng")
	recordRun(t, path, "beat.js", nil)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(t.TempDir(), "part.pcapng")
	good := 0
	for n := 0; n < len(whole); n += 7 {
		if err := os.WriteFile(part, whole[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if rec, err := OpenRecording(part); err == nil {
			results, err := rec.Replay(context.Background(), ReplayOptions{})
			if errors.Is(err, errNoNotes) {
				continue
			}
			good++
			if err != nil || results[0].First != nil {
				t.Fatalf("%d of %d bytes: %v, %+v", n, len(whole), err, results)
			}
		}
	}
	if good == 0 {
		t.Error("no part could be replayed")
	}
}

// Notes come from files that anybody may have written.
func FuzzRecordingNote(f *testing.F) {
	j := &journal{e: &Engine{}}
	j.e.clock = fixedClock{}
	f.Add(j.begin(noteFrames).Data)
	f.Add([]byte{byte(noteFrames), 0, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{byte(noteHop), 0, 1, 1, 0, 4, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &Recording{scenarios: []*recordedScenario{{startNote: startNote{Links: []linkNote{{Info: netio.Info{Kind: netio.KindWire}}, {Info: netio.Info{Kind: netio.KindLive}}}}}}}
		if r.note(data) == nil {
			r.join()
		}
	})
}

type fixedClock struct{}

func (fixedClock) Now() time.Duration { return time.Second }
func (fixedClock) Wall() time.Time    { return time.Unix(1, 0) }

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
