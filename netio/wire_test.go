package netio

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// sink keeps the first byte of each payload, and how many batches came.
type sink struct {
	mu      sync.Mutex
	got     []byte
	batches int
	refuse  atomic.Bool
}

func (s *sink) Deliver(_ Link, b *Batch, wait bool) bool {
	if s.refuse.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait {
		panic("a wire must not wait for a receiver")
	}
	s.batches++
	for _, f := range b.Frames {
		if len(f.Data) > 14 {
			s.got = append(s.got, f.Data[14])
		} else {
			s.got = append(s.got, '?')
		}
	}
	b.Release()
	return true
}

func (s *sink) LinkState(Link, bool) {}
func (s *sink) LinkEnd(Link, error)  {}

// take returns what came since it was last called.
func (s *sink) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := string(s.got)
	s.got = nil
	return got
}

// between is a frame from one numbered station to another, 0 being everybody.
func between(src, dst, payload byte) []byte {
	f := make([]byte, 60)
	f[0], f[5] = 2, dst
	if dst == 0 {
		copy(f, "\xff\xff\xff\xff\xff\xff")
	}
	f[6], f[11] = 2, src
	f[12], f[13], f[14] = 0x88, 0xb5, payload
	return f
}

func plug(t testing.TB, w *Wires, n int) ([]*Port, []*sink) {
	t.Helper()
	var ports []*Port
	var sinks []*sink
	for range n {
		p, s := w.Port("x", "x"), &sink{}
		if err := p.Start(s); err != nil {
			t.Fatal(err)
		}
		ports, sinks = append(ports, p), append(sinks, s)
	}
	return ports, sinks
}

func TestWireSwitches(t *testing.T) {
	w := NewWires()
	p, s := plug(t, w, 3)
	other, otherSink := w.Port("y", "y"), &sink{}
	other.Start(otherSink)
	for _, step := range []struct {
		name   string
		from   int
		frames [][]byte
		want   [3]string
	}{
		{"unknown is flooded", 0, [][]byte{between(1, 2, 'a')}, [3]string{"", "a", "a"}},
		{"learned is not", 1, [][]byte{between(2, 1, 'b')}, [3]string{"b", "", ""}},
		{"broadcast is flooded", 0, [][]byte{between(1, 0, 'c')}, [3]string{"", "c", "c"}},
		{"mixed keeps its order", 0, [][]byte{between(1, 2, 'd'), between(1, 0, 'e'), between(1, 9, 'f'), between(1, 2, 'g')}, [3]string{"", "defg", "ef"}},
		{"behind the sender itself", 0, [][]byte{between(5, 1, 'h'), between(1, 5, 'i')}, [3]string{}},
		{"several receivers", 2, [][]byte{between(3, 1, 'j'), between(3, 2, 'k'), between(3, 1, 'l')}, [3]string{"jl", "k", ""}},
		{"one receiver and the sender", 0, [][]byte{between(1, 5, 'm'), between(1, 2, 'n')}, [3]string{"", "n", ""}},
		{"too short for addresses", 0, [][]byte{{1, 2, 3}}, [3]string{"", "?", "?"}},
		{"a station moves", 2, [][]byte{between(1, 2, 'o')}, [3]string{"", "o", ""}},
		{"and is found there", 1, [][]byte{between(2, 1, 'p')}, [3]string{"", "", "p"}},
		{"a group address is not learned", 1, [][]byte{append([]byte{2, 0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0}, 'q')}, [3]string{"q", "", "q"}},
		{"nor sent to one port", 0, [][]byte{between(5, 0, 'r')}, [3]string{"", "r", "r"}},
		{"VLAN tags are passed on", 1, [][]byte{append(between(2, 5, 's'), 1)}, [3]string{"s", "", ""}},
	} {
		n, err := p[step.from].Send(step.frames)
		if n != len(step.frames) || err != nil {
			t.Fatal(step.name, n, err)
		}
		for i, want := range step.want {
			if got := s[i].take(); got != want {
				t.Errorf("%s: port %d got %q, want %q", step.name, i, got, want)
			}
		}
	}
	if got := otherSink.take(); got != "" {
		t.Errorf("another wire got %q", got)
	}
	p[0].Send([][]byte{between(1, 7, 'x')})
	p[2].Close()
	s[1].take()
	p[1].Send([][]byte{between(2, 1, 'z')})
	if got := s[0].take(); got != "z" {
		t.Errorf("after the address's port was closed: %q", got)
	}
}

func TestWireBatches(t *testing.T) {
	w := NewWires()
	p, s := plug(t, w, 2)
	p[1].Send([][]byte{between(2, 0, 0)})
	var frames [][]byte
	for i := range 64 {
		frames = append(frames, between(1, 2, byte(i)))
	}
	p[0].Send(frames)
	if s[1].batches != 1 || len(s[1].got) != 64 {
		t.Errorf("%d frames in %d batches", len(s[1].got), s[1].batches)
	}
	for range 4 {
		frames = append(frames, frames...)
	}
	p[0].Send(frames) // 1024
	if s[1].batches != 1+1024/batchFrames {
		t.Errorf("1024 frames in %d batches", s[1].batches-1)
	}
}

func TestWireCounts(t *testing.T) {
	w := NewWires()
	w.SetClock(func() int64 { return 42 })
	p, s := plug(t, w, 2)
	late := w.Port("x", "late")
	frame := between(1, 0, 'a')
	p[0].Send([][]byte{frame, frame})
	s[1].refuse.Store(true)
	p[0].Send([][]byte{frame})
	n, err := p[0].Send([][]byte{frame, {}, frame})
	if n != 1 || err == nil || !strings.Contains(err.Error(), "empty") {
		t.Error(n, err)
	}
	want := Stats{Sent: 4, SentBytes: 240, Errors: 1}
	if got := p[0].Stats(); got != want {
		t.Errorf("sender: %+v", got)
	}
	want = Stats{Received: 2, ReceivedBytes: 120, DroppedQueue: 2}
	if got := p[1].Stats(); got != want {
		t.Errorf("receiver: %+v", got)
	}
	want = Stats{DroppedQueue: 4}
	if got := late.Stats(); got != want {
		t.Errorf("not started: %+v", got)
	}
	p[0].Close()
	if n, err := p[0].Send([][]byte{frame}); n != 0 || !errors.Is(err, ErrClosed) {
		t.Error(n, err)
	}
	if err := p[0].Start(s[0]); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := p[1].Start(s[1]); err == nil {
		t.Error("started twice")
	}
	if p[0].Close() != nil {
		t.Error("closed twice")
	}
}

func TestWireTable(t *testing.T) {
	w := NewWires()
	now := int64(1e18)
	w.SetClock(func() int64 { return now })
	p, s := plug(t, w, 3)
	p[1].Send([][]byte{between(2, 0, 'a')})
	for i := range 2 * wireAddresses {
		f := between(0, 0, 0)
		f[7], f[8] = byte(i>>8), byte(i)
		p[0].Send([][]byte{f})
	}
	if n := len(p[0].wire.table); n != wireAddresses {
		t.Errorf("the table has %d addresses", n)
	}
	s[2].take()
	p[0].Send([][]byte{between(1, 2, 'b')})
	if got := s[2].take(); got != "" {
		t.Errorf("a full table forgot an address: %q", got)
	}
	now += wireAgeing + 2e9
	p[0].Send([][]byte{between(1, 2, 'c')})
	if got := s[2].take(); got != "c" {
		t.Errorf("an address that aged was still known: %q", got)
	}
	if n := len(p[0].wire.table); n != 1 {
		t.Errorf("the table has %d addresses after ageing", n)
	}
	for _, q := range p {
		q.Close()
	}
	if len(w.wires) != 0 {
		t.Error("a wire without ports remains")
	}
}

// Everybody sends to everybody while ports come and go: under -race, and
// without a frame that is not accounted for.
func TestWireStress(t *testing.T) {
	w := NewWires()
	p, s := plug(t, w, 4)
	s[3].refuse.Store(true)
	for i, q := range p {
		q.Send([][]byte{between(byte(i+1), 0, 0)})
	}
	base := make([]Stats, len(p))
	for i, q := range p {
		base[i] = q.Stats()
	}
	var wait sync.WaitGroup
	const rounds, batch = 300, 16
	for i := range p {
		wait.Go(func() {
			var frames [][]byte
			for j := range batch {
				frames = append(frames, between(byte(i+1), byte(j%len(p)+1), 'x'))
			}
			for range rounds {
				p[i].Send(frames)
			}
		})
	}
	wait.Go(func() {
		for range rounds {
			q := w.Port("x", "passing")
			q.Start(&sink{})
			q.Send([][]byte{between(200, 1, 'x')})
			q.Close()
		}
	})
	wait.Wait()
	for i, q := range p {
		got := q.Stats()
		// From each of the three others a quarter of what it sent.
		want := uint64(3 * rounds * batch / 4)
		if i == 0 {
			want += rounds
		}
		if n := got.Received + got.DroppedQueue - base[i].Received - base[i].DroppedQueue; n != want {
			t.Errorf("port %d: %d frames, want %d: %+v", i, n, want, got)
		}
		if i < 3 && got.DroppedQueue != 0 || i == 3 && got.Received != 0 {
			t.Errorf("port %d: %+v", i, got)
		}
	}
}

func TestOpenWire(t *testing.T) {
	w := NewWires()
	a, err := Open("wire", Config{Wires: w, Name: "net0"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open("wire:wire", Config{Wires: w, Filter: "ether[14] = 0x79", Snaplen: 15})
	if err != nil {
		t.Fatal(err)
	}
	if i := a.Info(); i.Name != "net0" || i.Kind != KindWire || i.MTU != 1500 || !i.Up || i.MAC != (MAC{}) {
		t.Errorf("%+v", i)
	}
	s := &sink{}
	b.Start(s)
	a.Send([][]byte{between(1, 2, 'x'), between(1, 2, 'y')})
	if got := s.take(); got != "y" {
		t.Errorf("through the filter came %q", got)
	}
	for spec, want := range map[string]string{
		"wire:a,delai=5ms": `unknown option "delai": the options are delay, jitter,`,
		"wire,loss":        `option "loss" is not key=value`,
		"tap:":             `a name is missing after "tap:"`,
		"":                 "an interface needs a name",
	} {
		if _, err := Open(spec, Config{Wires: w}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", spec, err)
		}
	}
	if _, err := Open("wire", Config{}); err == nil {
		t.Error("a wire without wires")
	}
	if _, err := Open("wire", Config{Wires: w, Filter: "tcp prot 1"}); !errors.Is(err, ErrFilter) {
		t.Error(err)
	}
	if _, err := Open("wire", Config{Wires: w, Snaplen: MaxFrame + 1}); err == nil {
		t.Error("a snaplen that is too large")
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"eth0", "eth0", 0}, {"eth0", "ETH1", 1}, {"", "lo", 2}, {"wlan0", "wla0n", 2}, {"kitten", "sitting", 3}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%q %q: %d", c.a, c.b, got)
		}
	}
}

// counter is a sink that only counts.
type counter struct{ n int }

func (q *counter) Deliver(_ Link, b *Batch, _ bool) bool {
	q.n += len(b.Frames)
	b.Release()
	return true
}
func (q *counter) LinkState(Link, bool) {}
func (q *counter) LinkEnd(Link, error)  {}

// The baseline is a Go channel that carries one copied frame at a time.
func BenchmarkWire(b *testing.B) {
	frames := slices.Repeat([][]byte{between(1, 2, 'x')}, 64)
	perFrame := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/frame")
	}
	for _, ports := range []int{2, 16} {
		for _, flood := range []bool{false, true} {
			name := map[bool]string{false: "unicast", true: "flood"}[flood]
			b.Run(name+map[int]string{2: "/2", 16: "/16"}[ports], func(b *testing.B) {
				w := NewWires()
				var all []*Port
				for range ports {
					p := w.Port("x", "x")
					p.Start(&counter{})
					all = append(all, p)
				}
				if !flood {
					all[1].Send([][]byte{between(2, 0, 0)})
				}
				b.ReportAllocs()
				for b.Loop() {
					all[0].Send(frames)
				}
				perFrame(b)
			})
		}
	}
	b.Run("channel", func(b *testing.B) {
		c := make(chan []byte, 1024)
		done := make(chan struct{})
		go func() {
			for range c {
			}
			close(done)
		}()
		b.ReportAllocs()
		for b.Loop() {
			for _, f := range frames {
				c <- append([]byte(nil), f...)
			}
		}
		perFrame(b)
		close(c)
		<-done
	})
}
