// Package timers has the queue of deadlines that an event loop sleeps on, and
// the two clocks it may run by.
//
// The queue has no clock: what is due is a question of the time it is asked
// with, so that the same code runs in real and in virtual time. Deadlines are
// durations since a start that the caller chooses; equal ones are served in the
// order they were added.
package timers

import "time"

// ID names a pending entry of a Queue. The zero ID is none; an ID is not used
// again until four billion later entries have used its slot.
type ID uint64

// Queue holds values with deadlines. The zero value is an empty queue. It is
// not safe for concurrent use. In steady state it allocates nothing.
type Queue[T any] struct {
	heap  []entry // a 4-ary heap: the children of i are 4i+1 to 4i+4
	slots []slot[T]
	free  uint32 // 1 + the first free slot, 0 when there is none
	seq   uint64
}

// entry holds what is compared beside the slot, so that sifting reads one array.
type entry struct {
	deadline time.Duration
	seq      uint64
	slot     uint32
}

func (a *entry) before(b *entry) bool {
	return a.deadline < b.deadline || a.deadline == b.deadline && a.seq < b.seq
}

type slot[T any] struct {
	value      T
	at         uint32 // index in heap; of a free slot: 1 + the next free one
	generation uint32 // odd while pending
}

// Len returns how many entries are pending.
func (q *Queue[T]) Len() int { return len(q.heap) }

// Add puts v into the queue.
func (q *Queue[T]) Add(deadline time.Duration, v T) ID {
	var s uint32
	if q.free != 0 {
		s = q.free - 1
		q.free = q.slots[s].at
	} else {
		s = uint32(len(q.slots))
		q.slots = append(q.slots, slot[T]{})
	}
	sl := &q.slots[s]
	sl.generation++
	sl.value = v
	q.seq++
	q.heap = append(q.heap, entry{deadline, q.seq, s})
	q.up(len(q.heap) - 1)
	return ID(uint64(sl.generation)<<32 | uint64(s))
}

// Cancel removes a pending entry. It reports whether there was one.
func (q *Queue[T]) Cancel(id ID) bool {
	s, generation := uint32(id), uint32(id>>32)
	if int(s) >= len(q.slots) || q.slots[s].generation != generation || generation&1 == 0 {
		return false
	}
	q.remove(int(q.slots[s].at))
	return true
}

// Peek returns the earliest deadline.
func (q *Queue[T]) Peek() (deadline time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].deadline, true
}

// Mark returns a point in the order of adding: what was added so far is before it.
func (q *Queue[T]) Mark() uint64 { return q.seq }

// PopDue removes and returns the earliest entry if it is due: its deadline is
// not after now and it was added before mark. The caller who takes the mark
// first and then pops until nothing is due runs what was due then, and leaves
// what the popped entries add meanwhile, however soon, for later.
func (q *Queue[T]) PopDue(now time.Duration, mark uint64) (v T, deadline time.Duration, ok bool) {
	if len(q.heap) == 0 || q.heap[0].deadline > now || q.heap[0].seq > mark {
		return v, 0, false
	}
	deadline = q.heap[0].deadline
	v = q.slots[q.heap[0].slot].value
	q.remove(0)
	return v, deadline, true
}

// remove takes out the entry at heap index i and frees its slot.
func (q *Queue[T]) remove(i int) {
	s := q.heap[i].slot
	sl := &q.slots[s]
	var zero T
	sl.value = zero // what it holds must not live on in a free slot
	sl.generation++
	sl.at = q.free
	q.free = s + 1

	last := len(q.heap) - 1
	moved := q.heap[last]
	q.heap = q.heap[:last]
	if i == last {
		return
	}
	q.heap[i] = moved
	if i > 0 && moved.before(&q.heap[(i-1)/4]) {
		q.up(i)
	} else {
		q.down(i)
	}
}

func (q *Queue[T]) up(i int) {
	e := q.heap[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		q.slots[q.heap[i].slot].at = uint32(i)
		i = parent
	}
	q.heap[i] = e
	q.slots[e.slot].at = uint32(i)
}

func (q *Queue[T]) down(i int) {
	e := q.heap[i]
	n := len(q.heap)
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, n); c++ {
			if q.heap[c].before(&q.heap[least]) {
				least = c
			}
		}
		if !q.heap[least].before(&e) {
			break
		}
		q.heap[i] = q.heap[least]
		q.slots[q.heap[i].slot].at = uint32(i)
		i = least
	}
	q.heap[i] = e
	q.slots[e.slot].at = uint32(i)
}
