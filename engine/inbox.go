package engine

import (
	"sync"
	"sync/atomic"

	"github.com/umpa-run/umpa-run/netio"
)

// What may wait in an inbox beside the frames that Config bounds. A batch takes
// the memory of its arena, however little is in it: so their number is bounded
// too, and under a backlog small ones are poured together.
const (
	maxBatches = 4096
	maxBytes   = 32 << 20
	pourFrames = 128 // a batch of more is left alone
)

// inbox is where other goroutines leave what the loop is to do. It is bounded:
// a link that may wait does, another is refused.
type inbox struct {
	wake   chan struct{} // one slot: the loop is asked to look
	closed chan struct{}
	some   atomic.Bool // whether there is anything, for the loop to look without the lock

	mu      sync.Mutex
	room    sync.Cond
	batches []arrival
	head    int // batches before it were taken
	posts   []func()
	frames  int // that wait
	bytes   int // of them
	limit   int // of frames
	isOver  bool
}

// arrival is a batch and the number of the link it came by.
type arrival struct {
	link  int
	batch *netio.Batch
}

func (q *inbox) init(limit int) {
	q.wake, q.closed = make(chan struct{}, 1), make(chan struct{})
	q.limit = limit
	q.room.L = &q.mu
}

// poke wakes the loop.
func (q *inbox) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// waiting reports whether something was left that has not been taken.
func (q *inbox) waiting() bool { return q.some.Load() }

// put leaves a batch. false: there was no room, or the inbox is closed.
func (q *inbox) put(link int, b *netio.Batch, wait bool) bool {
	size := sizeOf(b)
	q.mu.Lock()
	for !q.isOver && q.full(len(b.Frames), size) {
		if !wait {
			q.mu.Unlock()
			return false
		}
		q.room.Wait()
	}
	if q.isOver {
		q.mu.Unlock()
		return false
	}
	q.frames += len(b.Frames)
	q.bytes += size
	if !q.pour(link, b) {
		q.batches = append(q.batches, arrival{link, b})
	}
	q.some.Store(true)
	q.mu.Unlock()
	q.poke()
	return true
}

// full reports whether a batch has to stay outside. An empty inbox takes any:
// one alone may be larger than the limits.
func (q *inbox) full(frames, size int) bool {
	return q.frames > 0 && (q.frames+frames > q.limit || q.bytes+size > maxBytes || len(q.batches)-q.head >= maxBatches)
}

// pour copies a small batch's frames behind those of the last one that waits, if
// that came by the same link. It reports whether nothing of b is left; then b
// is released. What did not fit is left in b.
func (q *inbox) pour(link int, b *netio.Batch) bool {
	if q.head == len(q.batches) || len(b.Frames) > pourFrames || q.batches[len(q.batches)-1].link != link {
		return false
	}
	last := q.batches[len(q.batches)-1].batch
	for i := range b.Frames {
		f := &b.Frames[i]
		if !last.Append(f.Data, f.Time, f.Length) {
			b.Frames = b.Frames[i:]
			return false
		}
		last.Frames[len(last.Frames)-1].Recorded = f.Recorded
	}
	b.Release()
	return true
}

// sizeOf is how many bytes a batch's frames have.
func sizeOf(b *netio.Batch) (n int) {
	for i := range b.Frames {
		n += len(b.Frames[i].Data)
	}
	return n
}

// post leaves a function to be run by the loop. false: the inbox is closed.
func (q *inbox) post(f func()) bool {
	q.mu.Lock()
	if q.isOver {
		q.mu.Unlock()
		return false
	}
	q.posts = append(q.posts, f)
	q.some.Store(true)
	q.mu.Unlock()
	q.poke()
	return true
}

// take appends about turnFrames frames' batches, and all posts, to what the
// loop gives it.
func (q *inbox) take(batches []arrival, posts []func()) ([]arrival, []func()) {
	if !q.some.Load() {
		return batches, posts
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for q.head < len(q.batches) && n < turnFrames {
		a := q.batches[q.head]
		q.batches[q.head] = arrival{}
		q.head++
		n += len(a.batch.Frames)
		q.bytes -= sizeOf(a.batch)
		batches = append(batches, a)
	}
	if q.head == len(q.batches) {
		q.batches, q.head = q.batches[:0], 0
	} else if q.head > 1024 && q.head > len(q.batches)/2 {
		// Under a lasting flood it is never empty, and must not grow for ever.
		rest := copy(q.batches, q.batches[q.head:])
		clear(q.batches[rest:])
		q.batches, q.head = q.batches[:rest], 0
	}
	posts = append(posts, q.posts...)
	clear(q.posts)
	q.posts = q.posts[:0]
	q.frames -= n
	q.some.Store(len(q.batches) > 0)
	q.room.Broadcast()
	return batches, posts
}

// close refuses everything from now on and drops what waits.
func (q *inbox) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.isOver {
		return
	}
	q.isOver = true
	close(q.closed)
	for _, a := range q.batches[q.head:] {
		a.batch.Release()
	}
	q.batches, q.posts, q.head, q.frames = nil, nil, 0, 0
	q.some.Store(false)
	q.room.Broadcast()
	q.poke()
}
