package netio

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestBatchLimits(t *testing.T) {
	b := NewBatch()
	defer b.Release()
	if !b.Append(make([]byte, MaxFrame), 1, MaxFrame) {
		t.Fatal("an empty batch refuses the longest frame")
	}
	if b.Append([]byte{1}, 1, 1) {
		t.Error("a batch with an oversized frame takes another")
	}
	c := NewBatch()
	defer c.Release()
	if c.Append(make([]byte, MaxFrame+1), 1, MaxFrame+1) {
		t.Error("a frame that is too long")
	}
	n := 0
	for c.Append([]byte{byte(n)}, int64(n), 1) {
		n++
	}
	if n != batchFrames || len(c.Frames) != n {
		t.Errorf("%d frames", n)
	}
	d := NewBatch()
	defer d.Release()
	size := 0
	for d.Append(make([]byte, 1500), 0, 1500) {
		size += 1500
	}
	if size < slabBytes-1500 || size > slabBytes+smallBytes {
		t.Errorf("%d bytes", size)
	}
}

// What was appended stays as it was, whatever the batch grows to, and however
// often its memory was used before.
func TestBatchKeepsFrames(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		b := NewBatch()
		var want []Frame
		for {
			data := make([]byte, rng.IntN(1<<rng.IntN(15)))
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			if !b.Append(data, int64(len(want)), len(data)+1) {
				break
			}
			want = append(want, Frame{Data: data, Time: int64(len(want)), Length: len(data) + 1})
			clear(append([]byte(nil), data...))
		}
		if len(b.Frames) != len(want) {
			t.Fatalf("%d frames of %d", len(b.Frames), len(want))
		}
		for i, f := range b.Frames {
			if !bytes.Equal(f.Data, want[i].Data) || f.Time != want[i].Time || f.Length != want[i].Length || cap(f.Data) != len(f.Data) {
				t.Fatalf("frame %d: %+v, want %+v", i, f, want[i])
			}
		}
		b.Release()
	}
}

// The baseline copies each frame to memory of its own.
func BenchmarkBatch(b *testing.B) {
	frame := make([]byte, 64)
	for _, n := range []int{1, 64} {
		b.Run(map[int]string{1: "1", 64: "64"}[n], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				batch := NewBatch()
				for range n {
					batch.Append(frame, 1, 64)
				}
				batch.Release()
			}
		})
	}
	b.Run("64/allocating", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			frames := make([]Frame, 0, 64)
			for range 64 {
				frames = append(frames, Frame{Data: bytes.Clone(frame), Time: 1, Length: 64})
			}
			_ = frames
		}
	})
}
