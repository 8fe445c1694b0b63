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
func TestReplayWhatWasRead(t *testing.T) {
	write(t, map[string]string{"names.txt": "first", "main.js": `
const say = (...words) => send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88b5 }), words.join(' ')));
let error;
try { open('none.txt'); } catch (e) { error = e.message; }
say(open('names.txt'), error, storage.get('runs'));
storage.update('runs', (n) => (n ?? 0) + 1);
setTimeout(() => say(open('names.txt'), storage.get('runs')), 20);
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
	for _, name := range []string{"main.js", "names.txt"} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	got, again := replayFirst(t, path, ReplayOptions{})
	if got.First != nil || got.Sent != 2 {
		t.Errorf("replayed %d packets: %+v", got.Sent, got.First)
	}
	for i, want := range []string{"first open 'none.txt': there is no such file 1", "second 2"} {
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
