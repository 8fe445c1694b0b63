package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The switch's address table: how many addresses one wire remembers and for
// how long (the IEEE 802.1Q default ageing time). Past the limit new addresses
// are not learned, and frames to them are flooded.
const (
	wireAddresses = 4096
	wireAgeing    = int64(300 * time.Second)
)

// Wires are the virtual wires of one process, by name. Each wire is a learning
// Ethernet switch in memory; ports on wires of the same name hear each other.
type Wires struct {
	clock   atomic.Pointer[func() int64]
	flights flights

	mu    sync.Mutex
	wires map[string]*wire
}

// NewWires returns a set without wires; they come to be with their first port.
func NewWires() *Wires {
	w := &Wires{wires: make(map[string]*wire)}
	real := func() int64 { return time.Now().UnixNano() }
	w.clock.Store(&real)
	w.flights.clock = real
	return w
}

// SetClock sets what frames are stamped with: nanoseconds since 1970. It is
// asked once a Send, from the sender's goroutine. Frames that impaired wires
// hold back then arrive when the clock's owner calls [Wires.Arrive]. It is
// called before the first Send.
func (w *Wires) SetClock(now func() int64) {
	w.clock.Store(&now)
	w.flights.mu.Lock()
	w.flights.owned = true
	w.flights.mu.Unlock()
}

// Port opens a new port on the named wire. Several ports may have one name.
func (w *Wires) Port(wireName, portName string) *Port {
	w.mu.Lock()
	defer w.mu.Unlock()
	wr := w.wires[wireName]
	if wr == nil {
		wr = &wire{all: w, name: wireName, table: make(map[uint64]station)}
		w.wires[wireName] = wr
	}
	return wr.open(portName)
}

// station is where an address was last heard.
type station struct {
	port *Port
	seen int64
}

// wire is one switch. Its lock covers the address table and the list of
// ports, and is never held while a sink is called.
type wire struct {
	all  *Wires
	name string

	mu      sync.Mutex
	ports   []*Port // in order of opening; replaced, never changed in place
	opened  int
	table   map[uint64]station
	purgeAt int64 // when full: the next time worth looking for aged entries
}

func (w *wire) open(name string) *Port {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	p := &Port{wire: w, name: name, order: w.opened}
	w.ports = append(slices.Clip(w.ports), p)
	return p
}

func (w *wire) remove(p *Port) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ports = slices.DeleteFunc(slices.Clone(w.ports), func(q *Port) bool { return q == p })
	for mac, s := range w.table {
		if s.port == p {
			delete(w.table, mac)
		}
	}
	if len(w.ports) == 0 && w.all.wires[w.name] == w {
		delete(w.all.wires, w.name)
	}
}

// learn remembers that mac was heard on p.
func (w *wire) learn(mac uint64, p *Port, now int64) {
	if _, known := w.table[mac]; !known && len(w.table) >= wireAddresses {
		if now < w.purgeAt {
			return
		}
		for m, s := range w.table {
			if now-s.seen > wireAgeing {
				delete(w.table, m)
			}
		}
		w.purgeAt = now + int64(time.Second)
		if len(w.table) >= wireAddresses {
			return
		}
	}
	w.table[mac] = station{p, now}
}

// Port is a link to a wire. The zero value is not valid; see [Wires.Port].
type Port struct {
	wire  *wire
	name  string
	order int

	filter  *Filter   // nil: every frame is received
	snaplen int       // bytes of a frame that are received; 0 means all
	impair  *impaired // nil: what is sent arrives at once

	closed atomic.Bool

	// Sending: the lock keeps two callers' frames apart and in order, and owns
	// the scratch space.
	sendMu    sync.Mutex
	to        []*Port  // the destination of each frame; nil is flooded
	among     []*Port  // the distinct destinations
	arrived   [][]byte // what launch returns
	arrivedAs []uint64

	sent, sentBytes, lost, errors atomic.Uint64

	// Receiving: held while the sink is called, so that it is called by one
	// sender at a time and Close can wait for it.
	recvMu                         sync.Mutex
	sink                           Sink
	received, receivedBytes, drops atomic.Uint64
}

// Info describes the port: no address of its own, for whoever opened it
// assigns them.
func (p *Port) Info() Info {
	return Info{Name: p.name, Kind: KindWire, MTU: 1500, LinkType: LinkTypeEthernet, Up: !p.closed.Load()}
}

// Start begins delivery to sink. Frames that came before are counted in
// DroppedQueue.
func (p *Port) Start(sink Sink) error {
	if p.closed.Load() {
		return fmt.Errorf("wire %q: %w", p.wire.name, ErrClosed)
	}
	p.recvMu.Lock()
	defer p.recvMu.Unlock()
	if p.sink != nil {
		return fmt.Errorf("wire %q: started twice", p.wire.name)
	}
	p.sink = sink
	return nil
}

var (
	errEmptyFrame = errors.New("an empty frame cannot be sent")
	errLongFrame  = fmt.Errorf("a frame is at most %d bytes long", MaxFrame)
)

// checkFrame refuses what no link can carry.
func checkFrame(f []byte) error {
	switch {
	case len(f) == 0:
		return errEmptyFrame
	case len(f) > MaxFrame:
		return errLongFrame
	}
	return nil
}

// failing is how many of frames count as errors when err is about the first of
// them: that one, unless the link is closed for all. Those behind it are the
// caller's to send.
func failing(frames [][]byte, err error) int {
	if errors.Is(err, ErrClosed) {
		return len(frames)
	}
	return 1
}

// Send switches frames to the ports they are for, on the caller's goroutine:
// when it returns, every receiver's sink has them. A frame to an address that
// was heard on another port goes to that port; a group address, an unknown one,
// or a frame too short to have one goes to every other port in the order they
// were opened; one to an address behind this very port goes nowhere, as on a
// switch. A port whose wire is impaired (see [Port.Impair]) may have frames
// arrive later, or not at all. A receiver whose queue is full loses the frames and counts them in its own
// DroppedQueue: a full queue is no error of the sender.
func (p *Port) Send(frames [][]byte) (int, error) { return p.SendRecorded(frames, nil) }

// SendRecorded is Send of frames that were recorded before: recorded, by frame,
// is what those who receive them find in [Frame.Recorded].
func (p *Port) SendRecorded(frames [][]byte, recorded []uint64) (int, error) {
	p.sendMu.Lock()
	defer p.sendMu.Unlock()
	if p.closed.Load() {
		p.errors.Add(uint64(len(frames)))
		return 0, fmt.Errorf("wire %q: %w", p.wire.name, ErrClosed)
	}
	var bad error
	var size uint64
	for i, f := range frames {
		if bad = checkFrame(f); bad != nil {
			p.errors.Add(1)
			frames = frames[:i]
			break
		}
		size += uint64(len(f))
	}
	now := (*p.wire.all.clock.Load())()
	arrived := frames
	if p.impair != nil {
		arrived, recorded = p.launch(frames, recorded, now)
	}
	if len(arrived) > 0 {
		p.forward(arrived, recorded, now)
	}
	p.sent.Add(uint64(len(frames)))
	p.sentBytes.Add(size)
	if bad != nil {
		return len(frames), fmt.Errorf("wire %q: %w", p.wire.name, bad)
	}
	return len(frames), nil
}

// forward switches frames to the ports they are for. sendMu is held.
func (p *Port) forward(frames [][]byte, recorded []uint64, now int64) {
	ports, flood := p.lookUp(frames, now)
	if flood || len(p.among) > 1 {
		receivers := p.among
		if flood {
			receivers = ports
		}
		for _, q := range receivers {
			if q != p {
				q.take(frames, recorded, p.to, now)
			}
		}
	} else if len(p.among) == 1 {
		q := p.among[0]
		if slices.Contains(p.to, p) {
			q.take(frames, recorded, p.to, now)
		} else {
			q.take(frames, recorded, nil, now) // all for one: nothing to choose
		}
	}
}

// lookUp learns the sources of frames and fills to and among. It returns the
// ports of the wire, and whether some frame goes to all of them.
func (p *Port) lookUp(frames [][]byte, now int64) (ports []*Port, flood bool) {
	w := p.wire
	p.to, p.among = p.to[:0], p.among[:0]
	var lastSrc, lastDst uint64
	var lastPort *Port
	lastDst = 1 << 63 // no address
	w.mu.Lock()
	for _, f := range frames {
		if len(f) < 14 {
			p.to = append(p.to, nil)
			flood = true
			continue
		}
		dst := binary.BigEndian.Uint64(f) >> 16
		src := binary.BigEndian.Uint64(f[6:]) >> 16
		if src != lastSrc {
			lastSrc = src
			if src != 0 && src>>40&1 == 0 && !p.closed.Load() { // or it came from a port that is gone
				w.learn(src, p, now)
				if src == lastDst {
					lastDst = 1 << 63
				}
			}
		}
		if dst != lastDst {
			lastDst, lastPort = dst, nil
			if dst>>40&1 == 0 {
				if s, ok := w.table[dst]; ok && now-s.seen <= wireAgeing {
					lastPort = s.port
				}
			}
			if lastPort == nil {
				flood = true
			} else if lastPort != p && !slices.Contains(p.among, lastPort) {
				p.among = append(p.among, lastPort)
			}
		}
		p.to = append(p.to, lastPort)
	}
	ports = w.ports
	w.mu.Unlock()
	if len(p.among) > 1 {
		slices.SortFunc(p.among, func(a, b *Port) int { return a.order - b.order })
	}
	return ports, flood
}

// take delivers those frames that are for this port: where to is nil all of
// them, otherwise those whose entry is this port or nil.
func (p *Port) take(frames [][]byte, recorded []uint64, to []*Port, now int64) {
	p.recvMu.Lock()
	defer p.recvMu.Unlock()
	if p.sink == nil || p.closed.Load() { // or unplugged since it was looked up
		for i := range frames {
			if p.wants(i, to) {
				p.drops.Add(1)
			}
		}
		return
	}
	var b *Batch
	var size int
	for i, f := range frames {
		if !p.wants(i, to) || p.filter != nil && !p.filter.Match(f) {
			continue
		}
		if b == nil {
			b = NewBatch()
		}
		seen := f
		if p.snaplen > 0 && len(f) > p.snaplen {
			seen = f[:p.snaplen]
		}
		if !b.Append(seen, now, len(f)) {
			p.deliver(b, size)
			b, size = NewBatch(), 0
			b.Append(seen, now, len(f))
		}
		if recorded != nil {
			b.Frames[len(b.Frames)-1].Recorded = recorded[i]
		}
		size += len(f)
	}
	if b != nil {
		p.deliver(b, size)
	}
}

// wants says whether frame i of a Send is for this port.
func (p *Port) wants(i int, to []*Port) bool { return to == nil || to[i] == p || to[i] == nil }

// deliver hands b over, or counts and releases it.
func (p *Port) deliver(b *Batch, size int) {
	n := uint64(len(b.Frames)) // b is the sink's once it is taken
	if !p.sink.Deliver(p, b, false) {
		p.drops.Add(n)
		b.Release()
		return
	}
	p.received.Add(n)
	p.receivedBytes.Add(uint64(size))
}

// Stats counts what passed the port.
func (p *Port) Stats() Stats {
	return Stats{
		Received:      p.received.Load(),
		ReceivedBytes: p.receivedBytes.Load(),
		Sent:          p.sent.Load(),
		SentBytes:     p.sentBytes.Load(),
		DroppedQueue:  p.drops.Load(),
		Lost:          p.lost.Load(),
		Errors:        p.errors.Load(),
	}
}

// Close unplugs the port: the wire forgets the addresses behind it.
func (p *Port) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	p.wire.remove(p)
	p.recvMu.Lock() // until the last delivery is over
	p.recvMu.Unlock()
	return nil
}
