package engine

import (
	"sync"
	"sync/atomic"

	"github.com/umpa-run/umpa-run/netio"
)

// inbox is where other goroutines leave what the loop is to do. It is bounded
// by frames: a link that may wait does, another is refused.
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
	limit   int
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
	q.mu.Lock()
	// An empty inbox takes any batch: one alone may be larger than the limit.
	for q.frames > 0 && q.frames+len(b.Frames) > q.limit && !q.isOver {
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
	q.batches = append(q.batches, arrival{link, b})
	q.some.Store(true)
	q.mu.Unlock()
	q.poke()
	return true
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
