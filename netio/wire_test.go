package netio

import (
	"testing"
)

// counter is a sink that counts.
type counter struct {
	refuse bool
	n      int
}

func (q *counter) Deliver(_ Link, b *Batch, _ bool) bool {
	if q.refuse {
		return false
	}
	q.n += len(b.Frames)
	b.Release()
	return true
}
func (q *counter) LinkState(Link, bool) {}
func (q *counter) LinkEnd(Link, error)  {}

func BenchmarkWire(b *testing.B) {
	w := NewWires()
	a, c := w.Port("x", "a"), w.Port("x", "c")
	a.Start(&counter{})
	c.Start(&counter{})
	frames := make([][]byte, 64)
	for i := range frames {
		frames[i] = make([]byte, 64)
		copy(frames[i], "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00")
	}
	back := make([]byte, 64)
	copy(back, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00")
	c.Send([][]byte{back})
	b.ReportAllocs()
	for b.Loop() {
		a.Send(frames)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*64), "ns/frame")
}
