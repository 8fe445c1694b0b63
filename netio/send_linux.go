package netio

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendBatch is how many frames one system call hands to the kernel.
const sendBatch = 64

// mmsghdr is struct mmsghdr of <sys/socket.h>.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// sender transmits on a packet socket by sendmmsg.
type sender struct {
	mu     sync.Mutex
	fd     int
	wake   int
	closed *atomic.Bool
	name   string

	headers [sendBatch]mmsghdr
	vectors [sendBatch]unix.Iovec

	sent, sentBytes, errors atomic.Uint64
}

func (s *sender) open(index int, name string, wake int, closed *atomic.Bool) error {
	fd, err := packetSocket()
	if err != nil {
		return err
	}
	s.fd, s.wake, s.closed, s.name = fd, wake, closed, name
	// Protocol 0: this socket sends and never hears.
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
		return err
	}
	for i := range s.headers {
		s.headers[i].hdr.Iov = &s.vectors[i]
		s.headers[i].hdr.SetIovlen(1)
	}
	return nil
}

// Send hands frames to the kernel, waiting while the queues below are full.
func (s *sender) Send(frames [][]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := 0
	for done < len(frames) {
		n, err := s.some(frames[done:])
		done += n
		if err != nil {
			s.errors.Add(uint64(failing(frames[done:], err)))
			if err == unix.EMSGSIZE {
				err = fmt.Errorf("%w: %d bytes are more than the MTU allows", err, len(frames[done]))
			}
			return done, fmt.Errorf("interface %q: send: %w", s.name, err)
		}
	}
	return done, nil
}

// some sends one system call's worth of frames.
func (s *sender) some(frames [][]byte) (int, error) {
	if s.closed.Load() {
		return 0, ErrClosed
	}
	n := min(len(frames), sendBatch)
	for i, f := range frames[:n] {
		if err := checkFrame(f); err != nil {
			if i == 0 {
				return 0, err
			}
			n = i
			break
		}
		s.vectors[i].Base = &f[0]
		s.vectors[i].SetLen(len(f))
	}
	for pause := nap; ; {
		got, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.headers[0])), uintptr(n), 0, 0, 0)
		runtime.KeepAlive(frames)
		if errno == 0 {
			size := 0
			for _, f := range frames[:got] {
				size += len(f)
			}
			s.sent.Add(uint64(got))
			s.sentBytes.Add(uint64(size))
			clear(s.vectors[:n])
			return int(got), nil
		}
		wait := [2]unix.PollFd{{Fd: int32(s.wake), Events: unix.POLLIN}, {Fd: int32(s.fd), Events: unix.POLLOUT}}
		switch errno {
		case unix.EINTR:
		case unix.EAGAIN:
			unix.Poll(wait[:], -1)
		case unix.ENOBUFS:
			// The interface's own queue is full, and the socket, that could be
			// polled, is not.
			t := unix.NsecToTimespec(int64(pause))
			unix.Ppoll(wait[:1], &t, nil)
			pause = min(2*pause, time.Millisecond)
		default:
			clear(s.vectors[:n])
			return 0, errno
		}
		if s.closed.Load() {
			return 0, ErrClosed
		}
	}
}
