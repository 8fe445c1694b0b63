package netio

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// tapLink is our end of a tap device: what the kernel sends on the interface
// we receive, and the other way round.
type tapLink struct {
	info    Info
	fd      int
	netlink int
	wake    int
	filter  *Filter
	snaplen int

	mu      sync.Mutex
	started bool
	closed  atomic.Bool
	done    chan struct{}

	received, receivedBytes, refused atomic.Uint64

	sendMu                  sync.Mutex
	sent, sentBytes, errors atomic.Uint64
}

// openTap attaches to a tap device, makes it when there is none, and sets it
// up. The addresses that `ip addr` shows for it are the kernel's, at the other
// end: Info has none. The device ends with the link unless it was made
// persistent.
func openTap(name string, cfg Config) (Link, error) {
	what := fmt.Sprintf("tap %q", name)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("%s: an interface name has 1 to %d bytes", what, unix.IFNAMSIZ-1)
	}
	l := &tapLink{fd: -1, netlink: -1, wake: -1, snaplen: cfg.snaplen()}
	ok := false
	defer func() {
		if !ok {
			l.closeFiles()
		}
	}()
	if cfg.Filter != "" {
		if l.filter, err = CompileFilter(cfg.Filter, LinkTypeEthernet, MaxFrame); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	l.fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case err == unix.ENOENT || err == unix.ENODEV:
		return nil, fmt.Errorf("%s: /dev/net/tun is not there (modprobe tun): %w", what, ErrNoInterface)
	case err != nil:
		return nil, tapError(what, err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(l.fd, unix.TUNSETIFF, request); err != nil {
		switch err {
		case unix.EINVAL:
			return nil, fmt.Errorf("%s: there is an interface of that name that is no tap device", what)
		case unix.EBUSY:
			return nil, fmt.Errorf("%s: another program holds it: %w", what, err)
		}
		return nil, tapError(what, err)
	}
	if err := setUp(name); err != nil {
		return nil, tapError(what, err)
	}
	device, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	l.info = Info{Name: cfg.named(name), Kind: KindTap, MTU: device.MTU, LinkType: LinkTypeEthernet, Up: true, Index: device.Index}
	if l.netlink, err = netlinkSocket(); err != nil {
		return nil, fmt.Errorf("%s: link events: %w", what, err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("%s: eventfd: %w", what, err)
	}
	ok = true
	return l, nil
}

func tapError(what string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return noPermission(what)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// setUp is `ip link set NAME up`.
func setUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	if request.Uint16()&unix.IFF_UP != 0 {
		return nil
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

func (l *tapLink) Info() Info { return l.info }

func (l *tapLink) Start(sink Sink) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed.Load():
		return fmt.Errorf("tap %q: %w", l.info.Name, ErrClosed)
	case l.started:
		return fmt.Errorf("tap %q: %w", l.info.Name, errStartedTwice)
	}
	if err := askLink(l.netlink, l.info.Index); err != nil {
		return fmt.Errorf("tap %q: link events: %w", l.info.Name, err)
	}
	l.started = true
	l.done = make(chan struct{})
	go l.read(sink)
	return nil
}

func (l *tapLink) read(sink Sink) {
	defer close(l.done)
	wait := [3]unix.PollFd{
		{Fd: int32(l.wake), Events: unix.POLLIN},
		{Fd: int32(l.netlink), Events: unix.POLLIN},
		{Fd: int32(l.fd), Events: unix.POLLIN},
	}
	buf := make([]byte, MaxFrame)
	up := l.info.Up
	for {
		if _, err := unix.Poll(wait[:], -1); err != nil && err != unix.EINTR {
			sink.LinkEnd(l, fmt.Errorf("tap %q: poll: %w", l.info.Name, err))
			return
		}
		if l.closed.Load() {
			return
		}
		if wait[1].Revents != 0 {
			now, err := linkState(l.netlink, l.info.Index, up)
			if err != nil {
				sink.LinkEnd(l, fmt.Errorf("tap %q: %w", l.info.Name, err))
				return
			}
			if now != up {
				up = now
				sink.LinkState(l, up)
			}
		}
		if wait[2].Revents == 0 {
			continue
		}
		if err := l.take(sink, buf); err != nil {
			if wait[2].Revents&unix.POLLERR != 0 && err == unix.EIO {
				// Down: there is nothing to wait for but the link event.
				unix.Poll(wait[:2], -1)
				continue
			}
			sink.LinkEnd(l, fmt.Errorf("tap %q: %w", l.info.Name, err))
			return
		}
	}
}

// take reads what is there, a batch at most, and posts it.
func (l *tapLink) take(sink Sink, buf []byte) error {
	var b *Batch
	var size int
	var failed error
	for b == nil || len(b.Frames) < batchFrames && len(b.bytes)+l.info.MTU+18 <= slabBytes {
		n, err := unix.Read(l.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			if err != unix.EAGAIN {
				failed = err
			}
			break
		}
		if l.filter != nil && !l.filter.Match(buf[:n]) {
			continue
		}
		if b == nil {
			b = NewBatch()
		}
		seen := buf[:min(n, l.snaplen)]
		now := time.Now().UnixNano()
		if !b.Append(seen, now, n) {
			// The MTU was raised meanwhile.
			l.deliver(sink, b, size)
			b, size = NewBatch(), 0
			b.Append(seen, now, n)
		}
		size += n
	}
	if b != nil {
		l.deliver(sink, b, size)
	}
	return failed
}

func (l *tapLink) deliver(sink Sink, b *Batch, size int) {
	n := uint64(len(b.Frames))
	if !sink.Deliver(l, b, true) {
		l.refused.Add(n)
		b.Release()
		return
	}
	l.received.Add(n)
	l.receivedBytes.Add(uint64(size))
}

// Send gives frames to the kernel, as if they had come in by the interface.
func (l *tapLink) Send(frames [][]byte) (int, error) {
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	for i, f := range frames {
		if err := l.write(f); err != nil {
			l.errors.Add(uint64(failing(frames[i:], err)))
			return i, fmt.Errorf("tap %q: send: %w", l.info.Name, err)
		}
		l.sent.Add(1)
		l.sentBytes.Add(uint64(len(f)))
	}
	return len(frames), nil
}

func (l *tapLink) write(f []byte) error {
	if err := checkFrame(f); err != nil {
		return err
	}
	for {
		if l.closed.Load() {
			return ErrClosed
		}
		_, err := unix.Write(l.fd, f)
		switch err {
		case unix.EAGAIN:
			wait := [2]unix.PollFd{{Fd: int32(l.wake), Events: unix.POLLIN}, {Fd: int32(l.fd), Events: unix.POLLOUT}}
			unix.Poll(wait[:], -1)
		case unix.EINTR:
		case unix.EIO:
			return unix.ENETDOWN // which is what it means here
		default:
			return err
		}
	}
}

func (l *tapLink) Stats() Stats {
	return Stats{
		Received: l.received.Load(), ReceivedBytes: l.receivedBytes.Load(),
		Sent: l.sent.Load(), SentBytes: l.sentBytes.Load(),
		DroppedQueue: l.refused.Load(), Errors: l.errors.Load(),
	}
}

func (l *tapLink) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	wakeUp(l.wake)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started {
		<-l.done
	}
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	l.closeFiles()
	return nil
}

func (l *tapLink) closeFiles() {
	for _, fd := range []*int{&l.fd, &l.netlink, &l.wake} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}
