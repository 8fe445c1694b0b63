package timers

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// modelEntry is an entry of the model: a slice kept sorted.
type modelEntry struct {
	deadline time.Duration
	seq      int
	id       ID
}

// run interprets ops on a queue and on the model and compares the two.
func run(t *testing.T, ops []byte) {
	t.Helper()
	var q Queue[int]
	var model []modelEntry
	var all []ID
	var now time.Duration
	seq := 0
	for i := 0; i+1 < len(ops); i += 2 {
		arg := int(ops[i+1])
		switch ops[i] % 4 {
		case 0, 1:
			deadline := now + time.Duration(arg%16) - 2
			id := q.Add(deadline, seq)
			all = append(all, id)
			model = append(model, modelEntry{deadline, seq, id})
			slices.SortFunc(model, func(a, b modelEntry) int {
				if a.deadline != b.deadline {
					return int(a.deadline - b.deadline)
				}
				return a.seq - b.seq
			})
			seq++
		case 2:
			if len(all) == 0 {
				continue
			}
			id := all[arg%len(all)]
			at := slices.IndexFunc(model, func(e modelEntry) bool { return e.id == id })
			if got := q.Cancel(id); got != (at >= 0) {
				t.Fatalf("op %d: Cancel = %v, model has it at %d", i, got, at)
			}
			if at >= 0 {
				model = slices.Delete(model, at, at+1)
			}
		case 3:
			now += time.Duration(arg % 8)
			mark := q.Mark()
			for {
				v, deadline, ok := q.PopDue(now, mark)
				want := len(model) > 0 && model[0].deadline <= now
				if ok != want {
					t.Fatalf("op %d: PopDue = %v, model says %v", i, ok, want)
				}
				if !ok {
					break
				}
				if v != model[0].seq || deadline != model[0].deadline {
					t.Fatalf("op %d: popped %d at %v, want %d at %v", i, v, deadline, model[0].seq, model[0].deadline)
				}
				model = model[1:]
			}
		}
		if q.Len() != len(model) {
			t.Fatalf("op %d: Len = %d, want %d", i, q.Len(), len(model))
		}
		if deadline, ok := q.Peek(); ok != (len(model) > 0) || ok && deadline != model[0].deadline {
			t.Fatalf("op %d: Peek = %v %v, model has %d", i, deadline, ok, len(model))
		}
	}
}

func TestQueueAgainstSortedSlice(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		ops := make([]byte, 2*rng.IntN(400))
		for i := range ops {
			ops[i] = byte(rng.Uint32())
		}
		run(t, ops)
	}
}

func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 2, 0, 3, 7})
	f.Fuzz(func(t *testing.T, ops []byte) { run(t, ops[:min(len(ops), 4096)]) })
}

func TestEqualDeadlinesKeepTheirOrder(t *testing.T) {
	var q Queue[int]
	for i := range 1000 {
		q.Add(5, i)
	}
	for i := range 1000 {
		if v, _, ok := q.PopDue(5, q.Mark()); !ok || v != i {
			t.Fatalf("popped %d %v, want %d", v, ok, i)
		}
	}
}

func TestPopDueLeavesWhatCameAfterTheMark(t *testing.T) {
	var q Queue[string]
	q.Add(1, "first")
	mark := q.Mark()
	q.Add(1, "second")
	if v, _, ok := q.PopDue(1, mark); !ok || v != "first" {
		t.Fatalf("popped %q %v", v, ok)
	}
	if v, _, ok := q.PopDue(1, mark); ok {
		t.Fatalf("popped %q, which was added after the mark", v)
	}
}

func TestCancelTwice(t *testing.T) {
	var q Queue[int]
	id := q.Add(1, 1)
	if !q.Cancel(id) || q.Cancel(id) {
		t.Error("an entry can be cancelled once")
	}
	other := q.Add(2, 2) // takes the same slot
	if q.Cancel(id) || q.Len() != 1 {
		t.Error("an old ID cancels the slot's next entry")
	}
	if q.Cancel(0) || q.Cancel(ID(7)) || !q.Cancel(other) {
		t.Error("IDs that name nothing, or something")
	}
}

func TestQueueAllocs(t *testing.T) {
	var q Queue[func()]
	f := func() {}
	for i := range 100 {
		q.Add(time.Duration(i), f)
	}
	now := time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		now++
		q.PopDue(now, q.Mark())
		q.Cancel(q.Add(now+7, f))
		q.Add(now+50, f)
	}); n != 0 {
		t.Errorf("%v allocations in steady state", n)
	}
}

func TestVirtual(t *testing.T) {
	c := NewVirtual(time.Time{})
	c.AdvanceTo(time.Hour)
	c.AdvanceTo(time.Minute)
	if got, want := c.Wall(), time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC); !got.Equal(want) || c.Now() != time.Hour {
		t.Errorf("%v %v, want %v", got, c.Now(), want)
	}
}

// stdHeap is the baseline: container/heap over the same entries.
type stdHeap []entry

func (h stdHeap) Len() int           { return len(h) }
func (h stdHeap) Less(i, j int) bool { return h[i].before(&h[j]) }
func (h stdHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *stdHeap) Push(x any)        { *h = append(*h, x.(entry)) }
func (h *stdHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// BenchmarkFireAndRearm pops the earliest entry and adds it again at a random
// later time, with n pending.
func BenchmarkFireAndRearm(b *testing.B) {
	for _, n := range []int{1, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("pending=%d/queue", n), func(b *testing.B) {
			var q Queue[func()]
			rng := rand.New(rand.NewPCG(1, 2))
			for range n {
				q.Add(time.Duration(rng.Int64N(1e9)), nil)
			}
			b.ReportAllocs()
			for b.Loop() {
				v, deadline, _ := q.PopDue(1<<62, q.Mark())
				q.Add(deadline+time.Duration(rng.Int64N(1e9)), v)
			}
		})
		b.Run(fmt.Sprintf("pending=%d/container-heap", n), func(b *testing.B) {
			var h stdHeap
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range n {
				heap.Push(&h, entry{deadline: time.Duration(rng.Int64N(1e9)), seq: uint64(i)})
			}
			seq := uint64(n)
			b.ReportAllocs()
			for b.Loop() {
				e := heap.Pop(&h).(entry)
				seq++
				heap.Push(&h, entry{deadline: e.deadline + time.Duration(rng.Int64N(1e9)), seq: seq})
			}
		})
	}
}
