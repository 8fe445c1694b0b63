package netio

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Impairment is what a wire does to the frames that one port sends. The zero
// value does nothing. It stands behind a wire's name, as "wire:lan,delay=5ms,loss=1%".
type Impairment struct {
	// Delay is how long a frame is on its way; Jitter is how much more or less,
	// evenly drawn for each. Frames keep their order all the same.
	Delay, Jitter time.Duration
	// Loss, Duplicate and Reorder are probabilities, 0 to 1, for each frame: that
	// it is lost; that it arrives twice; that it does not wait for Delay, and so
	// overtakes those before it.
	Loss, Duplicate, Reorder float64
	// Rate is what the wire carries, in bits of frames a second, preamble,
	// checksum and gap not counted; 0 means any.
	Rate float64
	// Queue bounds the frames of this port that are on their way or wait for the
	// rate; those that do not fit are lost. 0 means 10000.
	Queue int
}

const (
	wireQueue      = 10_000   // frames, where Queue is 0
	wireQueueMost  = 1 << 20  // that may be asked for
	wireQueueBytes = 64 << 20 // of one port's frames, whatever Queue says
)

// wireOptions names what may follow a wire's name.
var wireOptions = []string{"delay", "jitter", "loss", "duplicate", "reorder", "rate", "queue"}

// impaired says whether it does anything.
func (i Impairment) impaired() bool {
	return i.Delay > 0 || i.Jitter > 0 || i.Loss > 0 || i.Duplicate > 0 || i.Reorder > 0 || i.Rate > 0
}

// ParseImpairment reads the options behind a wire's name, "delay=5ms,loss=1%":
//
//	delay=5ms jitter=1ms             durations: a number and ns, us, ms, s or m
//	loss=1% duplicate=0.1% reorder=5%  probabilities, also as 0.01
//	rate=10Mbps                      bit/s: a number and bps, kbps, Mbps or Gbps
//	queue=1000                       frames
func ParseImpairment(options string) (i Impairment, err error) {
	for option := range strings.SplitSeq(options, ",") {
		if option == "" {
			continue
		}
		key, value, ok := strings.Cut(option, "=")
		if !ok {
			return i, fmt.Errorf("option %q is not key=value", option)
		}
		switch key {
		case "delay":
			i.Delay, err = wireDuration(value)
		case "jitter":
			i.Jitter, err = wireDuration(value)
		case "loss":
			i.Loss, err = probability(value)
		case "duplicate":
			i.Duplicate, err = probability(value)
		case "reorder":
			i.Reorder, err = probability(value)
		case "rate":
			i.Rate, err = bitRate(value)
		case "queue":
			if i.Queue, err = strconv.Atoi(value); err != nil || i.Queue < 1 || i.Queue > wireQueueMost {
				err = fmt.Errorf("%q is not a number of frames, 1 to %d", value, wireQueueMost)
			}
		default:
			return i, fmt.Errorf("unknown option %q: the options are %s", key, strings.Join(wireOptions, ", "))
		}
		if err != nil {
			return i, fmt.Errorf("option %s: %w", key, err)
		}
	}
	switch {
	case i.Jitter > i.Delay:
		return i, fmt.Errorf("option jitter: %v is more than the delay of %v: a frame cannot arrive before it was sent", i.Jitter, i.Delay)
	case i.Reorder > 0 && i.Delay == 0:
		return i, fmt.Errorf("option reorder: only a frame that does not wait overtakes others: give a delay too")
	}
	return i, nil
}

func wireDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > time.Hour {
		return 0, fmt.Errorf("%q is not a duration up to an hour: 5ms, 250us, 1.5s", s)
	}
	return d, nil
}

func probability(s string) (float64, error) {
	digits, percent := strings.CutSuffix(s, "%")
	p, err := strconv.ParseFloat(digits, 64)
	if percent {
		p /= 100
	}
	if err != nil || !(p >= 0 && p <= 1) {
		return 0, fmt.Errorf("%q is not a probability: 1%% or 0.01", s)
	}
	return p, nil
}

func bitRate(s string) (float64, error) {
	for _, u := range []struct {
		suffix string
		bits   float64
	}{{"gbps", 1e9}, {"mbps", 1e6}, {"kbps", 1e3}, {"bps", 1}} {
		if digits, ok := strings.CutSuffix(strings.ToLower(s), u.suffix); ok {
			r, err := strconv.ParseFloat(digits, 64)
			if err == nil && r*u.bits >= 1 && r*u.bits <= 1e15 {
				return r * u.bits, nil
			}
			break
		}
	}
	return 0, fmt.Errorf("%q is not a rate: 10Mbps, 64kbps, 1Gbps", s)
}

// Impair has the wire treat what the port sends so. Draws are made from seed, in
// the order of the frames: the same frames meet the same fate. It is called
// before the first Send.
func (p *Port) Impair(i Impairment, seed uint64) {
	if i.Queue <= 0 {
		i.Queue = wireQueue
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", p.wire.name, p.order)
	p.impair = &impaired{Impairment: i, last: math.MinInt64, free: math.MinInt64, random: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// impaired is the state of a port's impairment. It is guarded by Port.sendMu,
// but for what is on its way.
type impaired struct {
	Impairment
	random *rand.Rand
	free   int64 // when the rate lets the next frame leave
	last   int64 // when the frame before arrives: order is kept
	frames int   // on their way; guarded by flights.mu
	bytes  int
}

// happens draws an event of that probability. One that is impossible, or sure,
// draws nothing.
func (i *impaired) happens(p float64) bool { return p > 0 && (p >= 1 || i.random.Float64() < p) }

// arrival draws when a frame of n bytes that is sent now arrives.
func (i *impaired) arrival(now int64, n int) int64 {
	leaves := now
	if i.Rate > 0 {
		leaves = max(now, i.free) + int64(math.Ceil(float64(n)*8e9/i.Rate))
		i.free = leaves
	}
	if i.happens(i.Reorder) {
		return leaves
	}
	at := leaves + int64(i.Delay)
	if i.Jitter > 0 {
		at += i.random.Int64N(2*int64(i.Jitter)+1) - int64(i.Jitter)
	}
	i.last = max(i.last, at)
	return i.last
}

// launch puts frames on their way. What arrives at once is returned: the same
// slice where nothing happens to anything. It is called with sendMu held.
func (p *Port) launch(frames [][]byte, recorded []uint64, now int64) ([][]byte, []uint64) {
	i := p.impair
	p.arrived, p.arrivedAs = p.arrived[:0], p.arrivedAs[:0]
	for n, f := range frames {
		as := uint64(0)
		if recorded != nil {
			as = recorded[n]
		}
		if i.happens(i.Loss) {
			p.lost.Add(1)
			continue
		}
		copies := 1
		if i.happens(i.Duplicate) {
			copies = 2
		}
		for range copies {
			// A queue that is full does not take up the rate's time.
			if !p.wire.all.flights.room(i, len(f)) {
				p.lost.Add(1)
				continue
			}
			at := i.arrival(now, len(f))
			if at <= now {
				p.arrived, p.arrivedAs = append(p.arrived, f), append(p.arrivedAs, as)
				continue
			}
			p.wire.all.flights.add(p, at, f, as)
		}
	}
	return p.arrived, p.arrivedAs
}

// flight is a frame on its way.
type flight struct {
	at    int64 // when it arrives
	order uint64
	port  *Port // that sent it
	frame []byte
	as    uint64 // Frame.Recorded
}

// flights are the frames on their way on all wires of a set, by the time they
// arrive and then by the order they were sent.
type flights struct {
	mu    sync.Mutex
	heap  flightHeap
	order uint64
	timer *time.Timer // of the first; nil: never armed, or the clock is another's
	owned bool        // somebody else has the clock, and calls Deliver
	still func()      // told when none is left
	clock func() int64

	landing sync.Mutex // one Deliver at a time, so that frames keep their order
}

type flightHeap []flight

func (h flightHeap) Len() int { return len(h) }
func (h flightHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h flightHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *flightHeap) Push(x any)   { *h = append(*h, x.(flight)) }
func (h *flightHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = flight{}
	*h = old[:len(old)-1]
	return x
}

// room says whether one more frame of n bytes may be on its way.
func (s *flights) room(i *impaired, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return i.frames < i.Queue && i.bytes+n <= wireQueueBytes
}

func (s *flights) add(p *Port, at int64, frame []byte, as uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order++
	p.impair.frames++
	p.impair.bytes += len(frame)
	heap.Push(&s.heap, flight{at, s.order, p, append([]byte(nil), frame...), as})
	if s.heap[0].order == s.order {
		s.arm()
	}
}

// arm sets the timer for the first arrival. s.mu is held.
func (s *flights) arm() {
	if s.owned || len(s.heap) == 0 {
		return
	}
	wait := time.Duration(s.heap[0].at - s.clock())
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, func() { s.deliver(s.clock()) })
	} else {
		s.timer.Reset(wait)
	}
}

// next is when the first frame arrives.
func (s *flights) next() (at int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heap) == 0 {
		return 0, false
	}
	return s.heap[0].at, true
}

// deliver hands over what has arrived by now, in order.
func (s *flights) deliver(now int64) (n int) {
	s.landing.Lock()
	defer s.landing.Unlock()
	for {
		s.mu.Lock()
		if len(s.heap) == 0 || s.heap[0].at > now {
			var still func()
			if len(s.heap) == 0 && n > 0 {
				still = s.still
			}
			s.arm()
			s.mu.Unlock()
			if still != nil {
				still()
			}
			return n
		}
		f := heap.Pop(&s.heap).(flight)
		f.port.impair.frames--
		f.port.impair.bytes -= len(f.frame)
		s.mu.Unlock()
		f.port.land(f.frame, f.as, f.at)
		n++
	}
}

// land switches a frame that has come to the end of its way.
func (p *Port) land(frame []byte, as uint64, at int64) {
	p.sendMu.Lock()
	defer p.sendMu.Unlock()
	p.forward([][]byte{frame}, []uint64{as}, at)
}

// NextArrival returns when the next frame arrives of those that impaired wires
// hold back, in nanoseconds since 1970; ok is false when there is none.
func (w *Wires) NextArrival() (at int64, ok bool) { return w.flights.next() }

// Arrive delivers the frames whose time has come by now, in the order of their
// times, and returns how many there were. It is for who has set the clock; in
// real time a timer does it.
func (w *Wires) Arrive(now int64) int { return w.flights.deliver(now) }

// OnStill sets a function that is called, from any goroutine, when the last
// frame that was held back has arrived.
func (w *Wires) OnStill(f func()) {
	w.flights.mu.Lock()
	w.flights.still = f
	w.flights.mu.Unlock()
}
