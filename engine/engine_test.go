package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// logger keeps what scripts and the engine say.
type logger struct {
	mu    sync.Mutex
	lines []string
	said  chan struct{} // a slot for each line, when not nil
}

func (l *logger) log(e Entry) {
	l.mu.Lock()
	text := e.Text
	if e.Level != "log" {
		text = e.Level + ": " + text
	}
	l.lines = append(l.lines, text)
	l.mu.Unlock()
	if l.said != nil {
		l.said <- struct{}{}
	}
}

func (l *logger) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// write puts files into a new folder, which becomes the working directory.
func write(t testing.TB, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// runText runs a script in virtual time and returns what it logged.
func runText(t testing.TB, text string, change ...func(*Config)) (string, error) {
	t.Helper()
	l := &logger{}
	cfg := Config{Script: "test.js", Source: []byte(text), Virtual: true, Seed: 1, SeedSet: true, Log: l.log}
	for _, c := range change {
		c(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		return "", err
	}
	err = e.Run(context.Background())
	return l.text(), err
}

func TestHello(t *testing.T) {
	got, err := runText(t, `
		console.log('hello', now());
		function onStart() { console.log('started') }
		function onStop(reason) { console.log('stopped:', reason) }
		setTimeout(() => console.log('later', now()), '1s');
		await sleep(500);
		console.log('slept', now());
	`)
	if err != nil {
		t.Fatal(err)
	}
	want := "hello 0\nslept 500\nstarted\nlater 1000\nstopped: done"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func asScriptError(t testing.TB, err error) *ScriptError {
	t.Helper()
	var s *ScriptError
	if !errors.As(err, &s) {
		t.Fatalf("error %v is no ScriptError", err)
	}
	return s
}

// Two copies of a scenario draw differently, and both the same in the next run.
func TestSeedOfEachScenario(t *testing.T) {
	run := func() string {
		l := &logger{}
		var engines []*Engine
		for i := range 2 {
			e, err := New(Config{Script: "x.js", Source: []byte(`console.log([Math.random(), random(), random.int(0, 1e9).value, crypto.getRandomValues(new Uint8Array(4)).join()].join(' '))`),
				Number: i + 1, Virtual: true, Seed: 5, SeedSet: true, Log: l.log})
			if err != nil {
				t.Fatal(err)
			}
			engines = append(engines, e)
		}
		if err := RunAll(t.Context(), engines, false); err != nil {
			t.Fatal(err)
		}
		return l.text()
	}
	first := run()
	one, two, ok := strings.Cut(first, "\n")
	if !ok {
		t.Fatal(first)
	}
	a, b := strings.Fields(one), strings.Fields(two)
	for i := range a {
		if a[i] == b[i] {
			t.Errorf("both draw %s", a[i])
		}
	}
	if again := run(); again != first {
		t.Errorf("the next run draws\n%s\nthe first drew\n%s", again, first)
	}
}
