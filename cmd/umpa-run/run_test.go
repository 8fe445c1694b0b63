package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watched is a stream that tells when something was written to it.
type watched struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	await string
	seen  chan struct{} // closed when await was written
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	had := strings.Contains(w.buf.String(), w.await)
	w.buf.Write(b)
	if !had && strings.Contains(w.buf.String(), w.await) {
		close(w.seen)
	}
	return len(b), nil
}

// TestSecondSignal: the first signal calls onStop, the second ends the program
// at once, though onStop is not done.
func TestSecondSignal(t *testing.T) {
	script := filepath.Join(t.TempDir(), "stubborn.js")
	source := "on('arp', () => {});\nasync function onStop() { console.info('stopping'); await sleep('1h'); }\nconsole.info('ready');\nsetInterval(() => {}, '1h');\n"
	if err := os.WriteFile(script, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	ready := &watched{await: "ready", seen: make(chan struct{})}
	p := &process{
		args: []string{script}, env: func(string) string { return "" },
		stdout: ready, stderr: ready, signals: signals,
	}
	code := make(chan int, 1)
	go func() { code <- p.main() }()
	<-ready.seen
	ready.mu.Lock()
	ready.await, ready.seen = "stopping", make(chan struct{})
	ready.mu.Unlock()
	signals <- os.Interrupt
	<-ready.seen
	again := time.NewTicker(10 * time.Millisecond) // the first of these are taken for echoes
	defer again.Stop()
	late := time.After(20 * time.Second)
	for {
		select {
		case <-again.C:
			select {
			case signals <- syscall.SIGTERM:
			default:
			}
		case got := <-code:
			if got != exitInterrupted {
				t.Errorf("exit code %d, want %d", got, exitInterrupted)
			}
			if text := ready.buf.String(); !strings.Contains(text, "-- "+script+": killed after") {
				t.Errorf("no summary:\n%s", text)
			}
			return
		case <-late:
			t.Fatal("the second signal did not end it")
		}
	}
}

// TestSignalEcho: a signal that comes twice at once, as from timeout(1), is one.
func TestSignalEcho(t *testing.T) {
	script := filepath.Join(t.TempDir(), "slow.js")
	source := "on('arp', () => {});\nasync function onStop() { await sleep(20); console.info('stopped') }\nconsole.info('ready');\nsetInterval(() => {}, '1h');\n"
	if err := os.WriteFile(script, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 2)
	ready := &watched{await: "ready", seen: make(chan struct{})}
	p := &process{
		args: []string{script}, env: func(string) string { return "" },
		stdout: ready, stderr: ready, signals: signals,
	}
	code := make(chan int, 1)
	go func() { code <- p.main() }()
	<-ready.seen
	signals <- syscall.SIGTERM
	signals <- syscall.SIGTERM
	select {
	case got := <-code:
		if got != exitDone || !strings.Contains(ready.buf.String(), "stopped") {
			t.Errorf("exit code %d:\n%s", got, ready.buf.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end")
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"250": 250 * time.Millisecond, "250ms": 250 * time.Millisecond, "1.5s": 1500 * time.Millisecond,
		"10m": 10 * time.Minute, "2h": 2 * time.Hour, "3d": 72 * time.Hour, "1w": 7 * 24 * time.Hour, "50us": 50 * time.Microsecond,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "s", "soon", "-1s", "0", "1 s x", "1y", "1e300w", "NaN"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestSizeValue(t *testing.T) {
	for text, want := range map[string]sizeValue{"1": 1, "500KB": 500e3, "100mb": 100e6, "2GB": 2e9, "7B": 7} {
		var s sizeValue
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("size %q = %d, %v, want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "0", "1TB", "9223372036854775807GB"} {
		var s sizeValue
		if err := s.Set(text); err == nil {
			t.Errorf("size %q = %d, want an error", text, s)
		}
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ns", 999: "999 ns", 1500: "1.5 us", 33400: "33.4 us", 4 * time.Millisecond: "4 ms",
		1003 * time.Millisecond: "1 s", 61 * time.Second: "1m1s", 25 * time.Hour: "1d1h0m0s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("shortDuration(%d) = %q, want %q", d, got, want)
		}
	}
}
