package netio

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// netlinkSocket opens a socket that is told of every change of an interface in
// this network namespace.
func netlinkSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// askLink requests the state of an interface; the answer looks like an event.
func askLink(fd, index int) error {
	var request struct {
		unix.NlMsghdr
		unix.IfInfomsg
	}
	request.Len = uint32(unsafe.Sizeof(request))
	request.NlMsghdr.Type = unix.RTM_GETLINK
	request.NlMsghdr.Flags = unix.NLM_F_REQUEST
	request.Index = int32(index)
	b := unsafe.Slice((*byte)(unsafe.Pointer(&request)), unsafe.Sizeof(request))
	return unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

var errDeviceGone = errors.New("the device is gone")

// linkState reads the events that are there and returns whether the interface is up
// after them; up is what it was before. An error means the end.
func linkState(fd, index int, up bool) (bool, error) {
	var buf [16384]byte
	for {
		n, _, err := unix.Recvfrom(fd, buf[:], unix.MSG_DONTWAIT)
		switch err {
		case nil:
		case unix.EAGAIN:
			return up, nil
		case unix.EINTR:
			continue
		case unix.ENOBUFS:
			// Events were lost: ask for the state they led to.
			if err := askLink(fd, index); err != nil {
				return up, fmt.Errorf("link events: %w", err)
			}
			continue
		default:
			return up, fmt.Errorf("link events: %w", err)
		}
		for b := buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
			h := (*unix.NlMsghdr)(unsafe.Pointer(&b[0]))
			if h.Len < unix.SizeofNlMsghdr || int(h.Len) > len(b) {
				break
			}
			body := b[unix.SizeofNlMsghdr:h.Len]
			switch {
			case h.Type == unix.NLMSG_ERROR && len(body) >= 4:
				if errno := -*(*int32)(unsafe.Pointer(&body[0])); errno == int32(unix.ENODEV) {
					return false, errDeviceGone
				}
			case (h.Type == unix.RTM_NEWLINK || h.Type == unix.RTM_DELLINK) && len(body) >= unix.SizeofIfInfomsg:
				m := (*unix.IfInfomsg)(unsafe.Pointer(&body[0]))
				// A bridge tells of its ports by messages of the same types.
				if int(m.Index) != index || m.Family != unix.AF_UNSPEC {
					break
				}
				if h.Type == unix.RTM_DELLINK {
					return false, errDeviceGone
				}
				up = m.Flags&unix.IFF_UP != 0 && m.Flags&unix.IFF_RUNNING != 0
			}
			b = b[min(len(b), int(h.Len+3)&^3):]
		}
	}
}
