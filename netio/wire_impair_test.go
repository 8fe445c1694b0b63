package netio

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// crossing sends n numbered frames, one every gap, over a wire with those
// options, on a clock of its own, and lists what arrives: number@time.
func crossing(t *testing.T, options string, seed uint64, n, size int, gap time.Duration) ([]string, Stats) {
	t.Helper()
	w := NewWires()
	var now int64
	w.SetClock(func() int64 { return now })
	open := func(spec string) *Port {
		l, err := Open(spec, Config{Wires: w, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.(*Port)
	}
	from, to := open("wire:lan,"+options), open("wire:lan")
	var got []string
	if err := to.Start(sinkFunc(func(b *Batch) {
		for _, f := range b.Frames {
			got = append(got, fmt.Sprintf("%d@%v", binary.BigEndian.Uint32(f.Data[14:]), time.Duration(f.Time)))
		}
		b.Release()
	})); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for {
			at, ok := w.NextArrival()
			if !ok || at > now {
				break
			}
			w.Arrive(now)
		}
		frame := make([]byte, size)
		copy(frame, "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x88\xb5")
		binary.BigEndian.PutUint32(frame[14:], uint32(i))
		if _, err := from.Send([][]byte{frame}); err != nil {
			t.Fatal(err)
		}
		clear(frame) // Send has copied it
		now += int64(gap)
	}
	for {
		at, ok := w.NextArrival()
		if !ok {
			return got, from.Stats()
		}
		now = max(now, at)
		w.Arrive(now)
	}
}

// sinkFunc is a sink that only takes batches.
type sinkFunc func(*Batch)

func (f sinkFunc) Deliver(_ Link, b *Batch, _ bool) bool { f(b); return true }
func (f sinkFunc) LinkState(Link, bool)                  {}
func (f sinkFunc) LinkEnd(Link, error)                   {}

func TestImpairedWire(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"delay=5ms", "0@5ms 1@6ms 2@7ms"},
		{"loss=100%", ""},
		{"duplicate=1,delay=1ms", "0@1ms 0@1ms 1@2ms 1@2ms 2@3ms 2@3ms"},
		{"rate=400kbps", "0@2ms 1@4ms 2@6ms"}, // 100 bytes are 2 ms
		{"rate=400kbps,queue=1", "0@2ms 2@4ms"},
		{"rate=400kbps,delay=10ms", "0@12ms 1@14ms 2@16ms"},
		{"delay=10ms,reorder=100%", "0@0s 1@1ms 2@2ms"},
	} {
		got, stats := crossing(t, c.options, 1, 3, 100, time.Millisecond)
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s, want %s", c.options, s, c.want)
		}
		distinct := slices.Compact(got)
		if want := uint64(3 - len(distinct)); stats.Sent != 3 || stats.Lost != want {
			t.Errorf("%s: sent %d, lost %d; want 3, %d", c.options, stats.Sent, stats.Lost, want)
		}
	}
}

// The same frames and the same seed meet the same fate; another seed, another.
func TestImpairedWireDraws(t *testing.T) {
	const options = "delay=5ms,jitter=3ms,loss=10%,duplicate=5%,reorder=5%,rate=10Mbps"
	const n = 5000
	first, stats := crossing(t, options, 7, n, 100, 100*time.Microsecond)
	again, _ := crossing(t, options, 7, n, 100, 100*time.Microsecond)
	other, _ := crossing(t, options, 8, n, 100, 100*time.Microsecond)
	if !slices.Equal(first, again) {
		t.Error("the same seed gave another result")
	}
	if slices.Equal(first, other) {
		t.Error("another seed gave the same result")
	}
	if stats.Lost < n*8/100 || stats.Lost > n*12/100 {
		t.Errorf("%d of %d are lost, 10%% were to be", stats.Lost, n)
	}
	if twice := len(first) + int(stats.Lost) - n; twice < n*3/100 || twice > n*7/100 {
		t.Errorf("%d of %d came twice, 5%% were to", twice, n)
	}
}

// Jitter alone keeps the order.
func TestJitterKeepsOrder(t *testing.T) {
	got, _ := crossing(t, "delay=5ms,jitter=5ms", 3, 1000, 60, 10*time.Microsecond)
	for i, g := range got {
		if !strings.HasPrefix(g, fmt.Sprintf("%d@", i)) {
			t.Fatalf("frame %d to arrive is %s", i, g)
		}
	}
	if len(got) != 1000 {
		t.Errorf("%d of 1000 arrived", len(got))
	}
}

// In real time a timer delivers, and says when nothing is left.
func TestImpairedWireRealTime(t *testing.T) {
	w := NewWires()
	from, to := w.Port("lan", "a"), w.Port("lan", "b")
	from.Impair(Impairment{Delay: time.Millisecond}, 1)
	got := make(chan int, 10)
	still := make(chan bool, 1)
	w.OnStill(func() { still <- true })
	if err := to.Start(sinkFunc(func(b *Batch) { got <- len(b.Frames[0].Data); b.Release() })); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Send([][]byte{make([]byte, 60), make([]byte, 61)}); err != nil {
		t.Fatal(err)
	}
	if err := from.Close(); err != nil { // what has left arrives all the same
		t.Fatal(err)
	}
	if a, b := <-got, <-got; a != 60 || b != 61 {
		t.Errorf("frames of %d and %d bytes arrived", a, b)
	}
	<-still
}

func TestParseImpairment(t *testing.T) {
	for options, want := range map[string]string{
		"delay=x":                   `option delay: "x" is not a duration`,
		"delay=2h":                  `option delay: "2h" is not a duration up to an hour`,
		"loss=101%":                 `option loss: "101%" is not a probability`,
		"loss":                      `option "loss" is not key=value`,
		"rate=10":                   `option rate: "10" is not a rate`,
		"queue=0":                   `option queue: "0" is not a number of frames`,
		"delay=1ms,jitter=2ms":      `option jitter: 2ms is more than the delay`,
		"reorder=1%":                `give a delay too`,
		"speed=1":                   `unknown option "speed"`,
		"loss=NaN":                  `is not a probability`,
		"delay=1ms,delay=-1ms":      `is not a duration`,
		"rate=NaNbps":               `is not a rate`,
		"delay=1ms,queue=999999999": `is not a number of frames`,
	} {
		if _, err := ParseImpairment(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", options, err, want)
		}
	}
}
