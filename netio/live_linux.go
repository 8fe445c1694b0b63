package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// On Linux frames come through a TPACKET_V2 ring of our own, with and without
// cgo, because nothing else gives both low latency and low cost: a V3 ring
// wakes its reader when a block is full or a millisecond has passed, libpcap's
// immediate mode costs a system call and a wake-up a frame, and so does
// recvmmsg at anything but the highest rates. This one wakes the reader for
// the first frame, takes all that is there without a system call, and naps
// instead of polling while more than about 250,000 frames/s arrive, so that
// neither side pays for wake-ups. What the ring does not do (interfaces
// without Ethernet or raw IP headers, libpcap's own pseudo interfaces) is left
// to libpcap.

// ringSlot is the size of a ring's slot for an MTU of 1500. A frame that is too
// long for its slot takes the slow path through the socket's receive queue.
const (
	ringSlot     = 2048
	ringBlock    = 1 << 16
	vlanTag      = 4 // bytes kept free in front of a frame for its tag
	slotOverhead = 112
	vnetHeader   = 10 // bytes of struct virtio_net_hdr of <linux/virtio_net.h>, in front of a frame
)

// The reader naps while a measure of frames arrives within busyWithin.
const (
	busyMeasure = 128
	busyWithin  = 512 * time.Microsecond
	nap         = 250 * time.Microsecond
)

// liveLink is a live interface.
type liveLink struct {
	info   Info
	filter *Filter // matched again after a VLAN tag was put back; nil: none
	hasTag bool    // the interface type can have tags at all
	spin   time.Duration

	snaplen int

	rx, netlink, wake int // file descriptors: capture, link events, an eventfd that ends every wait
	ring              []byte
	slot, perBlock    int
	slots, next       int
	long              []byte // a frame from the slow path
	taken             taken  // what the next slot holds
	cut               cutter // and what is left of it, when it is joined

	mu      sync.Mutex // start, close and statistics
	started bool
	closed  atomic.Bool
	done    chan struct{} // closed when the reader has returned
	kernel  uint64        // drops the kernel has told us of

	received, receivedBytes, refused, uncut atomic.Uint64

	sender
}

// taken is a frame as it is to be delivered: with its tag and checksum, which
// can be put there only once.
type taken struct {
	have   bool
	wanted bool
	data   []byte
	length int
	time   int64
}

func openLive(name string, cfg Config) (Link, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		if pcapHas(name) { // one of libpcap's own, such as "any"
			return openPcap(name, cfg)
		}
		return nil, noInterface(name)
	}
	d := describe(device)
	l := &liveLink{
		info: Info{Name: cfg.named(name), Kind: KindLive, MAC: d.MAC, Addrs: d.Addrs, MTU: d.MTU, Up: d.Up, Index: device.Index},
		rx:   -1, netlink: -1, wake: -1, spin: cfg.Spin, snaplen: cfg.snaplen(),
	}
	l.sender.fd = -1
	ok := false
	defer func() {
		if !ok {
			l.closeFiles()
		}
	}()
	if l.rx, err = packetSocket(); err != nil {
		return nil, socketError(name, err)
	}
	hardware, err := hardwareType(l.rx, name)
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, err)
	}
	switch hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		l.info.LinkType, l.hasTag = LinkTypeEthernet, true
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_PPP:
		l.info.LinkType = LinkTypeRaw
	default:
		return openPcap(name, cfg)
	}
	if err := l.openRing(cfg); err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("interface %q: eventfd: %w", name, err)
	}
	if l.netlink, err = netlinkSocket(); err != nil {
		return nil, fmt.Errorf("interface %q: link events: %w", name, err)
	}
	if err := l.sender.open(device.Index, name, l.wake, &l.closed); err != nil {
		return nil, socketError(name, err)
	}
	ok = true
	return l, nil
}

// packetSocket opens a packet socket that hears nothing yet.
func packetSocket() (int, error) {
	return unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

func socketError(name string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return noPermission(fmt.Sprintf("interface %q", name))
	}
	return fmt.Errorf("interface %q: packet socket: %w", name, err)
}

// probeLive says why no live interface can be opened, or nil.
func probeLive() error {
	fd, err := packetSocket()
	if err != nil {
		return socketError("", err)
	}
	unix.Close(fd)
	return nil
}

// hardwareType asks for the ARPHRD_ number of an interface.
func hardwareType(fd int, name string) (uint16, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, request); err != nil {
		return 0, err
	}
	return request.Uint16(), nil // sa_family of ifr_hwaddr
}

// networkOrder is a 16-bit number as socket addresses want it.
func networkOrder(v uint16) uint16 {
	b := [2]byte{byte(v >> 8), byte(v)}
	return *(*uint16)(unsafe.Pointer(&b))
}

// openRing sets the capture socket up, all but binding it to the interface.
func (l *liveLink) openRing(cfg Config) error {
	set := func(option, value int) error {
		return unix.SetsockoptInt(l.rx, unix.SOL_PACKET, option, value)
	}
	if err := l.attach(cfg); err != nil {
		return err
	}
	if err := set(unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return fmt.Errorf("TPACKET_V2: %w", err)
	}
	if err := set(unix.PACKET_RESERVE, vlanTag); err != nil {
		return fmt.Errorf("PACKET_RESERVE: %w", err)
	}
	// Each frame comes with what is left to do for it: segments that are
	// joined, and checksums (a ring has that since Linux 4.6). The kernel drops
	// and counts the few that it cannot tell of, such as joined SCTP chunks.
	if err := set(unix.PACKET_VNET_HDR, 1); err != nil {
		return fmt.Errorf("PACKET_VNET_HDR: %w", err)
	}
	// Frames longer than a slot are queued whole; the queue gets as much room as the ring.
	if err := set(unix.PACKET_COPY_THRESH, 1); err != nil {
		return fmt.Errorf("PACKET_COPY_THRESH: %w", err)
	}
	if unix.SetsockoptInt(l.rx, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, cfg.bufferBytes()) != nil {
		unix.SetsockoptInt(l.rx, unix.SOL_SOCKET, unix.SO_RCVBUF, cfg.bufferBytes()) // as far as it goes
	}
	// Kernels before 4.20 do not know this one: the reader looks at each frame's direction too.
	set(unix.PACKET_IGNORE_OUTGOING, 1)

	l.slot = ringSlot
	if need := min(l.info.MTU+14, cfg.snaplen()) + slotOverhead; need > l.slot && need <= 16384 {
		l.slot = (need + 255) &^ 255
	}
	l.perBlock = ringBlock / l.slot
	var err error
	for blocks := max(2, cfg.bufferBytes()/ringBlock); blocks >= 2; blocks /= 2 {
		l.slots = blocks * l.perBlock
		err = unix.SetsockoptTpacketReq(l.rx, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq{
			Block_size: ringBlock, Block_nr: uint32(blocks), Frame_size: uint32(l.slot), Frame_nr: uint32(l.slots)})
		if err != unix.ENOMEM {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("capture ring: %w", err)
	}
	l.ring, err = unix.Mmap(l.rx, 0, l.slots/l.perBlock*ringBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("capture ring: %w", err)
	}
	if cfg.Promiscuous {
		err := unix.SetsockoptPacketMreq(l.rx, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(l.info.Index), Type: unix.PACKET_MR_PROMISC})
		if err != nil {
			return fmt.Errorf("promiscuous mode: %w", err)
		}
	}
	return nil
}

// attach gives the kernel the filter and the snaplen.
func (l *liveLink) attach(cfg Config) error {
	var program []bpf.RawInstruction
	switch {
	case cfg.Filter != "":
		f, err := CompileFilter(cfg.Filter, l.info.LinkType, cfg.snaplen())
		if err != nil {
			return err
		}
		l.filter = f
		program = f.Raw()
		if l.hasTag {
			// The kernel keeps a VLAN tag beside the frame, where the program
			// cannot see it. Tagged frames all pass, and are matched with
			// their tag back in.
			program = append([]bpf.RawInstruction{
				{Op: opLdB, K: skfVlanTagPresent},
				{Op: opJeqK, Jt: 0, Jf: 1, K: 1},
				{Op: opRetK, K: uint32(cfg.snaplen())},
			}, program...)
		}
	case cfg.snaplen() < MaxFrame:
		program = []bpf.RawInstruction{{Op: opRetK, K: uint32(cfg.snaplen())}}
	default:
		return nil
	}
	code := make([]unix.SockFilter, len(program))
	for i, in := range program {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err := unix.SetsockoptSockFprog(l.rx, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	if err != nil {
		return fmt.Errorf("the kernel refuses the filter: %w", err)
	}
	return nil
}

// skfVlanTagPresent is where a kernel program loads whether the frame has a
// tag beside it: SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT of <linux/filter.h>.
const skfVlanTagPresent = 0xfffff000 + 48

func (l *liveLink) Info() Info { return l.info }

func (l *liveLink) Start(sink Sink) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed.Load():
		return fmt.Errorf("interface %q: %w", l.info.Name, ErrClosed)
	case l.started:
		return fmt.Errorf("interface %q: %w", l.info.Name, errStartedTwice)
	}
	err := unix.Bind(l.rx, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: l.info.Index})
	// An interface that is down is captured all the same: it may come up.
	if err != nil && err != unix.ENETDOWN {
		return fmt.Errorf("interface %q: %w", l.info.Name, err)
	}
	if err := askLink(l.netlink, l.info.Index); err != nil {
		return fmt.Errorf("interface %q: link events: %w", l.info.Name, err)
	}
	l.started = true
	l.done = make(chan struct{})
	go l.read(sink)
	return nil
}

// read is the link's goroutine.
func (l *liveLink) read(sink Sink) {
	defer close(l.done)
	// A thread of its own: the wake-up from poll then goes straight to it, and
	// it can go first, where that is allowed: the ring holds only the few
	// milliseconds that other work may delay it. The thread ends with the goroutine.
	runtime.LockOSThread()
	unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -10)

	wait := [3]unix.PollFd{
		{Fd: int32(l.wake), Events: unix.POLLIN},
		{Fd: int32(l.netlink), Events: unix.POLLIN},
		{Fd: int32(l.rx), Events: unix.POLLIN},
	}
	up := l.info.Up
	var counted int
	var since int64 // time of the frame at which counting began
	busy := false
	for !l.closed.Load() {
		b, size, last := l.drain()
		if b != nil {
			n := len(b.Frames)
			if since == 0 {
				since = last
			}
			if counted += n; counted >= busyMeasure {
				busy = last-since < int64(busyWithin)*int64(counted)/busyMeasure
				counted, since = 0, last
			}
			if sink.Deliver(l, b, true) {
				l.received.Add(uint64(n))
				l.receivedBytes.Add(uint64(size))
			} else {
				l.refused.Add(uint64(n))
				b.Release()
			}
			if l.ready() && n == batchFrames {
				// More is waiting: only look whether something else happened.
				if p, _ := unix.Poll(wait[:2], 0); p <= 0 {
					continue
				}
			}
		}
		if b == nil && l.spin > 0 && l.spinWait() {
			continue
		}
		var err error
		switch {
		case l.ready():
			_, err = unix.Poll(wait[:2], 0)
		case busy:
			t := unix.NsecToTimespec(int64(nap))
			_, err = unix.Ppoll(wait[:2], &t, nil)
			busy = l.ready()
			if !busy {
				counted, since = 0, 0
			}
		default:
			_, err = unix.Poll(wait[:], -1)
		}
		if err != nil && err != unix.EINTR && err != unix.EAGAIN {
			sink.LinkEnd(l, fmt.Errorf("interface %q: poll: %w", l.info.Name, err))
			return
		}
		if wait[1].Revents != 0 {
			wait[1].Revents = 0
			now, err := linkState(l.netlink, l.info.Index, up)
			if err != nil {
				sink.LinkEnd(l, fmt.Errorf("interface %q: %w", l.info.Name, err))
				return
			}
			if now != up {
				up = now
				sink.LinkState(l, up)
			}
		}
		if wait[2].Revents&unix.POLLERR != 0 {
			// The interface went down, or away. Asking takes the error off the
			// socket; netlink tells which it was.
			wait[2].Revents = 0
			unix.GetsockoptInt(l.rx, unix.SOL_SOCKET, unix.SO_ERROR)
		}
	}
}

// spinWait looks for a frame for as long as the configuration allows.
func (l *liveLink) spinWait() bool {
	for end := time.Now().Add(l.spin); time.Now().Before(end) && !l.closed.Load(); {
		for range 64 {
			if l.ready() {
				return true
			}
		}
	}
	return false
}

func (l *liveLink) slotAt(i int) []byte {
	at := i/l.perBlock*ringBlock + i%l.perBlock*l.slot
	return l.ring[at : at+l.slot : at+l.slot]
}

func status(slot []byte) *uint32 { return (*uint32)(unsafe.Pointer(&slot[0])) }

// ready says whether the next slot holds a frame.
func (l *liveLink) ready() bool {
	return atomic.LoadUint32(status(l.slotAt(l.next)))&unix.TP_STATUS_USER != 0
}

// drain moves what is in the ring to a batch, as far as one holds it, and gives the
// slots back to the kernel. The batch is nil when there was nothing; size
// counts bytes on the wire, last is the time of the last frame.
func (l *liveLink) drain() (b *Batch, size int, last int64) {
	for range l.slots {
		slot := l.slotAt(l.next)
		state := atomic.LoadUint32(status(slot))
		if state&unix.TP_STATUS_USER == 0 {
			break
		}
		f := &l.taken
		if !f.have {
			l.take(slot, state)
		}
		if f.wanted {
			if b == nil {
				b = NewBatch()
			}
			last = f.time
			for l.cut.cutting() {
				s := l.cut.next()
				if l.filter == nil || l.filter.Match(s) {
					if !b.Append(s, f.time, len(s)) {
						return b, size, last // the rest goes into the next
					}
					size += len(s)
				}
				l.cut.advance()
			}
			if f.data != nil {
				if !b.Append(f.data, f.time, f.length) {
					break
				}
				size += f.length
			}
		}
		*f = taken{}
		atomic.StoreUint32(status(slot), unix.TP_STATUS_KERNEL)
		if l.next++; l.next == l.slots {
			l.next = 0
		}
	}
	if b != nil && len(b.Frames) == 0 { // a joined frame of which no segment matched
		b.Release()
		b = nil
	}
	return b, size, last
}

// take makes the frame in a slot ready to be delivered.
func (l *liveLink) take(slot []byte, state uint32) {
	h := (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0]))
	data := slot[h.Mac:min(int(h.Mac)+int(h.Snaplen), len(slot))]
	head := slot[int(h.Mac)-vnetHeader : h.Mac]
	segment := int(binary.NativeEndian.Uint16(head[4:]))
	start, offset := int(binary.NativeEndian.Uint16(head[6:])), int(binary.NativeEndian.Uint16(head[8:]))
	partial := head[0]&1 != 0 // VIRTIO_NET_HDR_F_NEEDS_CSUM
	kind := head[1]           // 0 is VIRTIO_NET_HDR_GSO_NONE
	l.taken = taken{have: true, length: int(h.Len), time: int64(h.Sec)*1e9 + int64(h.Nsec)}
	f := &l.taken
	outgoing := slot[unix.SizeofTpacket2Hdr+10] == unix.PACKET_OUTGOING // sll_pkttype
	if state&unix.TP_STATUS_COPY != 0 {
		data = l.takeLong(data)
	}
	if outgoing {
		return
	}
	whole := len(data) == f.length
	if partial && whole && kind == 0 {
		completeChecksum(data, start, offset)
	}
	tagged := state&unix.TP_STATUS_VLAN_VALID != 0
	if tagged {
		tpid := uint16(unix.ETH_P_8021Q)
		if state&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = h.Vlan_tpid
		}
		if state&unix.TP_STATUS_COPY == 0 {
			// The reserved bytes in front of the frame make room.
			data = slot[int(h.Mac)-vlanTag : int(h.Mac)+len(data)]
		} else {
			data = l.tagLong(data)
		}
		putTag(data, tpid, h.Vlan_tci)
		f.length += vlanTag
		start += vlanTag
	}
	if kind != 0 {
		t, ok := findTransport(data, findIP(data, l.info.LinkType))
		// Where the checksum is another header's, that one is in a tunnel.
		ok = ok && whole && (!partial || start == t.at) && (kind == gsoUDP) == (t.protocol == protoUDP)
		if ok && l.cut.begin(data, t, segment) {
			f.wanted = true // each segment is matched by itself
			return
		}
		l.uncut.Add(1)
		if partial && whole {
			completeChecksum(data, start, offset)
		}
	}
	f.data = data
	f.wanted = l.filter == nil || !tagged || l.filter.Match(data)
}

// gsoUDP is VIRTIO_NET_HDR_GSO_UDP_L4 of <linux/virtio_net.h>.
const gsoUDP = 5

// takeLong reads a frame that did not fit its slot, which holds its head, from
// the receive queue. When it is not there the head has to do.
func (l *liveLink) takeLong(head []byte) []byte {
	if l.long == nil {
		l.long = make([]byte, vnetHeader+MaxFrame)
	}
	n, _, err := unix.Recvfrom(l.rx, l.long, unix.MSG_DONTWAIT)
	if n -= vnetHeader; err != nil || n < len(head) {
		return head
	}
	return l.long[vnetHeader:][:min(n, l.snaplen)]
}

// tagLong makes room for a tag in front of a frame from takeLong.
func (l *liveLink) tagLong(data []byte) []byte {
	n := vlanTag + min(len(data), MaxFrame-vlanTag)
	copy(l.long[vnetHeader:], data) // where it stands already, unless it was the head only
	return l.long[vnetHeader-vlanTag:][:n]
}

// putTag moves the two addresses of a frame to its front, four bytes ahead,
// and writes an 802.1Q tag behind them.
func putTag(frame []byte, tpid, tci uint16) {
	if len(frame) < 12+vlanTag {
		return
	}
	copy(frame, frame[vlanTag:vlanTag+12])
	frame[12], frame[13] = byte(tpid>>8), byte(tpid)
	frame[14], frame[15] = byte(tci>>8), byte(tci)
}

// Stats asks the kernel for its drops, too.
func (l *liveLink) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rx >= 0 {
		// Reading resets the kernel's counters.
		if s, err := unix.GetsockoptTpacketStats(l.rx, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			l.kernel += uint64(s.Drops)
		}
	}
	return Stats{
		Received: l.received.Load(), ReceivedBytes: l.receivedBytes.Load(),
		Sent: l.sent.Load(), SentBytes: l.sentBytes.Load(),
		DroppedKernel: l.kernel, DroppedQueue: l.refused.Load(), Errors: l.errors.Load(),
		Uncut: l.uncut.Load(),
	}
}

// Close ends capture. A sink that blocks in Deliver holds it up: its owner
// must let go of that first.
func (l *liveLink) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	l.mu.Lock()
	wakeUp(l.wake)
	if l.started {
		l.mu.Unlock()
		<-l.done
		l.mu.Lock()
	}
	l.mu.Unlock()
	l.Stats() // the kernel's last word
	l.sender.mu.Lock()
	defer l.sender.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeFiles()
	return nil
}

func (l *liveLink) closeFiles() {
	if l.ring != nil {
		unix.Munmap(l.ring)
		l.ring = nil
	}
	for _, fd := range []*int{&l.rx, &l.netlink, &l.wake, &l.sender.fd} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// wakeUp makes an eventfd readable.
func wakeUp(fd int) { unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
