package engine

import (
	"context"
	"errors"
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
  if (hot.data.n === 40) stop();
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
	if got.First != nil || got.Sent != len(rec.packets) || got.Sent < 40 {
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
	write(t, map[string]string{"beat.js": strings.Replace(beat, "40", "3", 1)})
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
			good++
			results, err := rec.Replay(context.Background(), ReplayOptions{})
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
