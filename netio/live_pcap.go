//go:build cgo || windows

package netio

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcap"
)

// pcapTick bounds how long Close waits on a quiet link, and how late a link
// going down is noticed.
const pcapTick = 100 * time.Millisecond

// pcapLink is a live interface through libpcap: the way on every system but
// Linux, and there for interfaces that our own ring does not do.
type pcapLink struct {
	info   Info
	handle *pcap.Handle
	device string

	mu      sync.Mutex
	started bool
	closed  atomic.Bool
	done    chan struct{}
	dropped [2]uint32 // libpcap's counters, which wrap round, as last seen
	kernel  uint64

	received, receivedBytes, refused, uncut atomic.Uint64

	sendMu                  sync.Mutex
	sent, sentBytes, errors atomic.Uint64
}

func openPcap(name string, cfg Config) (Link, error) {
	inactive, err := pcap.NewInactiveHandle(name)
	if err != nil {
		return nil, pcapError(name, err)
	}
	defer inactive.CleanUp()
	for _, set := range []func() error{
		func() error { return inactive.SetSnapLen(cfg.snaplen()) },
		func() error { return inactive.SetPromisc(cfg.Promiscuous) },
		func() error { return inactive.SetTimeout(pcapTick) },
		func() error { return inactive.SetImmediateMode(true) },
		func() error { return inactive.SetBufferSize(cfg.bufferBytes()) },
	} {
		if err := set(); err != nil {
			return nil, fmt.Errorf("interface %q: %w", name, err)
		}
	}
	handle, err := inactive.Activate()
	if err != nil {
		return nil, pcapError(name, err)
	}
	// Not all systems and interfaces can tell the direction; those then hear
	// what we send, as they do in every other program.
	handle.SetDirection(pcap.DirectionIn)
	if cfg.Filter != "" {
		if err := handle.SetBPFFilter(cfg.Filter); err != nil {
			handle.Close()
			return nil, fmt.Errorf("interface %q: %w %q: %w", name, ErrFilter, cfg.Filter, err)
		}
	}
	l := &pcapLink{handle: handle, device: name}
	l.info = Info{Name: cfg.named(name), Kind: KindLive, MTU: 1500, Up: true, LinkType: normalLinkType(uint32(handle.LinkType()))}
	if i, err := net.InterfaceByName(name); err == nil {
		d := describe(i)
		l.info.MAC, l.info.Addrs, l.info.MTU, l.info.Up, l.info.Index = d.MAC, d.Addrs, d.MTU, d.Up, i.Index
	}
	return l, nil
}

// pcapHas says whether libpcap can open an interface of that name.
func pcapHas(name string) bool {
	all, err := pcap.FindAllDevs()
	return err == nil && slices.ContainsFunc(all, func(i pcap.Interface) bool { return i.Name == name })
}

// pcapError sorts libpcap's messages into our errors.
func pcapError(name string, err error) error {
	text := err.Error()
	switch {
	case os.IsPermission(err), strings.Contains(text, "ermission"), strings.Contains(text, "not permitted"):
		return noPermission(fmt.Sprintf("interface %q", name))
	case strings.Contains(text, "No Such Device"), strings.Contains(text, "No such device"):
		return noInterface(name)
	case strings.Contains(text, "couldn't load wpcap.dll"):
		return fmt.Errorf("interface %q: Npcap is not installed: %w", name, ErrNotBuilt)
	}
	return fmt.Errorf("interface %q: %w", name, err)
}

func (l *pcapLink) Info() Info { return l.info }

func (l *pcapLink) Start(sink Sink) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed.Load():
		return fmt.Errorf("interface %q: %w", l.info.Name, ErrClosed)
	case l.started:
		return fmt.Errorf("interface %q: %w", l.info.Name, errStartedTwice)
	}
	l.started = true
	l.done = make(chan struct{})
	q := &pcapQueue{batch: NewBatch()}
	q.changed.L = &q.mu
	go l.read(q)
	go l.post(q, sink)
	return nil
}

// pcapQueue stands between the goroutine that reads and the one that posts.
// libpcap does not say whether more is ready without waiting for it; so the
// poster takes whatever has come while it was busy: one frame on a quiet link,
// a full batch under load.
type pcapQueue struct {
	mu      sync.Mutex
	changed sync.Cond
	batch   *Batch
	size    int
	up      bool
	state   bool // up is news
	ended   bool
	err     error // why it ended; nil for Close
}

func (l *pcapLink) read(q *pcapQueue) {
	up, mtu, checked := l.info.Up, l.info.MTU, time.Now()
	var cut cutter
	fail := func(err error) {
		q.mu.Lock()
		q.ended, q.err = true, err
		q.mu.Unlock()
		q.changed.Broadcast()
	}
	for {
		data, info, err := l.handle.ZeroCopyReadPacketData()
		if l.closed.Load() {
			fail(nil)
			return
		}
		if err == nil {
			l.add(q, &cut, mtu, data, info)
		}
		if err == nil && time.Since(checked) < pcapTick || l.info.Index == 0 && (err == nil || err == pcap.NextErrorTimeoutExpired) {
			continue
		}
		checked = time.Now()
		i, gone := net.InterfaceByIndex(l.info.Index)
		switch {
		case gone != nil:
			fail(fmt.Errorf("interface %q: the device is gone", l.info.Name))
			return
		case describe(i).Up != up:
			up = !up
			q.mu.Lock()
			q.up, q.state = up, true
			q.mu.Unlock()
			q.changed.Broadcast()
		default:
			mtu = i.MTU
		}
		if err != nil && err != pcap.NextErrorTimeoutExpired {
			// A link that went down fails, and works again when it is up.
			time.Sleep(pcapTick)
		}
	}
}

// add queues a frame, or what was joined in it. libpcap does not tell which frames
// those are: the MTU has to do, where there is one.
func (l *pcapLink) add(q *pcapQueue, cut *cutter, mtu int, data []byte, info gopacket.CaptureInfo) {
	at := findIP(data, l.info.LinkType)
	if l.info.Index == 0 || at < 0 || info.Length-at <= mtu {
		q.add(data, info)
		return
	}
	t, ok := findTransport(data, at)
	if !ok || len(data) != info.Length || !cut.begin(data, t, t.segmentSize(mtu)) {
		l.uncut.Add(1)
		q.add(data, info)
		return
	}
	for ; cut.cutting(); cut.advance() {
		segment := cut.next()
		info.Length = len(segment)
		q.add(segment, info)
	}
}

// add puts a frame into the waiting batch; a full one is waited for, while the
// kernel counts what it has to drop.
func (q *pcapQueue) add(data []byte, info gopacket.CaptureInfo) {
	q.mu.Lock()
	for !q.batch.Append(data, info.Timestamp.UnixNano(), info.Length) {
		if len(data) > MaxFrame {
			data = data[:MaxFrame]
			continue
		}
		q.changed.Wait()
	}
	q.size += info.Length
	first := len(q.batch.Frames) == 1
	q.mu.Unlock()
	if first {
		q.changed.Broadcast()
	}
}

func (l *pcapLink) post(q *pcapQueue, sink Sink) {
	defer close(l.done)
	for {
		q.mu.Lock()
		for len(q.batch.Frames) == 0 && !q.state && !q.ended {
			q.changed.Wait()
		}
		b, size, up, state, ended, err := q.batch, q.size, q.up, q.state, q.ended, q.err
		q.batch, q.size, q.state = NewBatch(), 0, false
		q.mu.Unlock()
		q.changed.Broadcast()
		if n := len(b.Frames); n > 0 && !l.closed.Load() && sink.Deliver(l, b, true) {
			l.received.Add(uint64(n))
			l.receivedBytes.Add(uint64(size))
		} else {
			l.refused.Add(uint64(n))
			b.Release()
		}
		if state && !l.closed.Load() {
			sink.LinkState(l, up)
		}
		if ended {
			if err != nil {
				sink.LinkEnd(l, err)
			}
			return
		}
	}
}

// Send is one system call a frame: libpcap has no other way.
func (l *pcapLink) Send(frames [][]byte) (int, error) {
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	for i, f := range frames {
		err := checkFrame(f)
		if err == nil && l.closed.Load() {
			err = ErrClosed
		}
		if err == nil {
			err = l.handle.WritePacketData(f)
		}
		if err != nil {
			l.errors.Add(uint64(failing(frames[i:], err)))
			return i, fmt.Errorf("interface %q: send: %w", l.info.Name, err)
		}
		l.sent.Add(1)
		l.sentBytes.Add(uint64(len(f)))
	}
	return len(frames), nil
}

func (l *pcapLink) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed.Load() {
		if s, err := l.handle.Stats(); err == nil {
			for i, n := range []uint32{uint32(s.PacketsDropped), uint32(s.PacketsIfDropped)} {
				l.kernel += uint64(n - l.dropped[i])
				l.dropped[i] = n
			}
		}
	}
	return Stats{
		Received: l.received.Load(), ReceivedBytes: l.receivedBytes.Load(),
		Sent: l.sent.Load(), SentBytes: l.sentBytes.Load(),
		DroppedKernel: l.kernel, DroppedQueue: l.refused.Load(), Errors: l.errors.Load(),
		Uncut: l.uncut.Load(),
	}
}

func (l *pcapLink) Close() error {
	l.Stats() // libpcap's last word
	if l.closed.Swap(true) {
		return nil
	}
	l.mu.Lock()
	started := l.started
	l.mu.Unlock()
	if started {
		<-l.done // within a tick: the reader looks at closed
	}
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handle.Close()
	return nil
}
