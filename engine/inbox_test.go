package engine

import (
	"sync"
	"testing"

	"github.com/umpa-run/umpa-run/netio"
)

// batchOf makes a batch of n frames numbered from first.
func batchOf(first, n int) *netio.Batch {
	b := netio.NewBatch()
	for i := range n {
		k := first + i
		b.Append([]byte{byte(k >> 16), byte(k >> 8), byte(k)}, int64(k), 3)
	}
	return b
}

// TestInboxKeepsOrder: frames come out as they went in, however they were
// poured together, and the count of what waits comes back to nothing.
func TestInboxKeepsOrder(t *testing.T) {
	var q inbox
	q.init(1 << 20)
	var taken []arrival
	want, next := 0, 0
	check := func() {
		taken, _ = q.take(taken[:0], nil)
		for _, a := range taken {
			for _, f := range a.batch.Frames {
				if k := int(f.Data[0])<<16 | int(f.Data[1])<<8 | int(f.Data[2]); k != want || f.Time != int64(k) {
					t.Fatalf("frame %d, want %d", k, want)
				}
				want++
			}
			a.batch.Release()
		}
	}
	for round := range 2000 {
		n := 1 + round*7%200
		if !q.put(round/5%3, batchOf(next, n), false) {
			t.Fatal("refused")
		}
		next += n
		if round%4 == 3 {
			check()
		}
	}
	for q.waiting() {
		check()
	}
	if want != next || q.frames != 0 || q.bytes != 0 {
		t.Errorf("%d of %d frames came out; %d frames and %d bytes are said to wait", want, next, q.frames, q.bytes)
	}
}

// TestInboxIsBounded: single frames do not each hold a batch's memory, and
// what is too much is refused.
func TestInboxIsBounded(t *testing.T) {
	var q inbox
	q.init(1000)
	accepted := 0
	for i := range 3000 {
		b := batchOf(i, 1)
		if q.put(0, b, false) {
			accepted++
		} else {
			b.Release()
		}
	}
	if accepted != 1000 || len(q.batches) > 10 {
		t.Errorf("%d frames accepted in %d batches", accepted, len(q.batches))
	}
	q.init(1 << 30)
	q.batches, q.frames, q.bytes = nil, 0, 0
	accepted = 0
	for i := range 2 * maxBatches { // by two links in turn, nothing can be poured
		b := batchOf(i, 1)
		if q.put(i%2, b, false) {
			accepted++
		} else {
			b.Release()
		}
	}
	if accepted != maxBatches {
		t.Errorf("%d batches wait", accepted)
	}
}

// TestInboxWaits: a link that may wait does, until there is room or the end.
func TestInboxWaits(t *testing.T) {
	var q inbox
	q.init(10)
	q.put(0, batchOf(0, 10), true)
	var wait sync.WaitGroup
	results := make(chan bool, 2)
	for range 2 {
		wait.Go(func() { results <- q.put(0, batchOf(10, 10), true) })
	}
	taken, _ := q.take(nil, nil)
	if len(taken) != 1 {
		t.Fatalf("%d batches taken", len(taken))
	}
	if !<-results {
		t.Error("there was room, and it was refused")
	}
	q.close()
	if <-results {
		t.Error("accepted after the end")
	}
	wait.Wait()
}
