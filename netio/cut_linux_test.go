package netio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// sendJoined has the kernel send frames with the segment sizes they stand
// beside, as its own TCP does with hardware that cuts.
func sendJoined(t *testing.T, iface string) (send func(frame []byte, size int)) {
	t.Helper()
	device, err := net.InterfaceByName(iface)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := packetSocket()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: device.Index}); err != nil {
		t.Fatal(err)
	}
	return func(frame []byte, size int) {
		t.Helper()
		in, ok := findTransport(frame, findIP(frame, LinkTypeEthernet))
		if !ok {
			t.Fatal("no transport header")
		}
		message := append(make([]byte, vnetHeader), frame...)
		ip, l4 := message[vnetHeader+in.ip:], message[vnetHeader+in.at:]
		kind, check := byte(1), 16 // VIRTIO_NET_HDR_GSO_TCPV4
		addresses := ip[12:20]
		if in.v6 {
			kind, addresses = 4, ip[8:40] // VIRTIO_NET_HDR_GSO_TCPV6
		}
		if in.protocol == protoUDP {
			kind, check = gsoUDP, 6
		} else if l4[13]&tcpCWR != 0 {
			kind |= 0x80 // VIRTIO_NET_HDR_GSO_ECN
		}
		binary.BigEndian.PutUint16(l4[check:], fold(sum(addresses)+uint64(in.protocol)+uint64(len(l4))))
		if !in.v6 {
			binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip[:in.at-in.ip])))
		}
		message[0], message[1] = 1, kind
		binary.NativeEndian.PutUint16(message[2:], uint16(in.data))
		binary.NativeEndian.PutUint16(message[4:], uint16(size))
		binary.NativeEndian.PutUint16(message[6:], uint16(in.at))
		binary.NativeEndian.PutUint16(message[8:], uint16(check))
		if _, err := unix.Write(fd, message); err != nil {
			t.Fatalf("%d bytes by %d: %v", len(frame), size, err)
		}
	}
}

// same fails the test unless the collector has these frames, and empties it.
func (c *collector) same(t *testing.T, want [][]byte) {
	t.Helper()
	c.until(t, "the segments", func() bool { return len(c.frames) >= len(want) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.frames) != len(want) {
		t.Fatalf("%d frames, want %d", len(c.frames), len(want))
	}
	for i, f := range c.frames {
		if !bytes.Equal(f.Data, want[i]) || f.Length != len(f.Data) {
			t.Fatalf("segment %d of %d is\n% x (%d bytes of %d), want\n% x (%d bytes)", i, len(want),
				f.Data[:min(len(f.Data), 100)], len(f.Data), f.Length, want[i][:min(len(want[i]), 100)], len(want[i]))
		}
	}
	c.frames = nil
}

// TestCutAsTheKernelDoes: a tap device cannot cut, so the kernel does it. It
// has to come to the same bytes. It also shows that nothing arrives joined on a tap.
func TestCutAsTheKernelDoes(t *testing.T) {
	needNetwork(t)
	l, err := openTap("tapcut0", Config{Filter: "ether src 02:00:00:00:00:0a"})
	if errors.Is(err, ErrNoInterface) && os.Getenv("UMPA_NETNS") != "require" {
		t.Skip("skipped: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := start(t, l)
	send := sendJoined(t, "tapcut0")
	for _, f := range joinedFrames {
		t.Run(f.name, func(t *testing.T) {
			send(f.frame, f.size)
			c.same(t, cutAll(f.frame, f.size))
		})
	}
}

// On veth frames arrive joined.
func TestLiveJoined(t *testing.T) {
	eachLive(t, func(t *testing.T, a, b string, open func(string, Config) Link) {
		l := open(b, Config{})
		_, ring := l.(*liveLink)
		c := start(t, l)
		send := sendJoined(t, a)
		var received, size uint64
		for _, f := range joinedFrames {
			in, _ := findTransport(f.frame, findIP(f.frame, LinkTypeEthernet))
			by := f.size
			if !ring {
				// The MTU, which is all that libpcap's way has, tells other sizes.
				if by = in.segmentSize(1500); by == 0 || len(f.frame)-in.ip <= 1500 {
					continue
				}
			}
			t.Run(f.name, func(t *testing.T) {
				want := cutAll(f.frame, by)
				send(f.frame, f.size)
				c.same(t, want)
				for _, s := range want {
					received++
					size += uint64(len(s))
				}
			})
		}
		l.Close()
		if s := l.Stats(); s.Received != received || s.ReceivedBytes != size || s.Uncut+s.DroppedKernel+s.DroppedQueue != 0 {
			t.Errorf("%+v, want %d frames with %d bytes", s, received, size)
		}
	})
}

// More segments than a batch holds, and a filter that some do not match.
func TestLiveJoinedFilter(t *testing.T) {
	a, b := vethPair(t)
	l, err := openLive(b, Config{Filter: "tcp and greater 54"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := start(t, l)
	send := sendJoined(t, a)
	long := joinedFrame(ethHead+ip4Head, tcpHead(1, 0x18, ""), counting(30000))
	send(long, 10)
	c.same(t, cutAll(long, 10))
	last := joinedFrame(ethHead+ip4Head, tcpHead(1, 0x19, ""), counting(3001))
	l.Close()
	if l, err = openLive(b, Config{Filter: "tcp[tcpflags] & tcp-fin != 0"}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c = start(t, l)
	send(last, 1000)
	c.same(t, cutAll(last, 1000)[3:])
}

// Checksums are completed once, whatever batch a frame falls into.
func TestLivePartialChecksums(t *testing.T) {
	a, b := vethPair(t)
	l, err := openLive(b, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	slow := &slowSink{collector: newCollector(), hold: make(chan struct{})}
	if err := l.Start(slow); err != nil {
		t.Fatal(err)
	}
	send := sendJoined(t, a)
	var want [][]byte
	for i := range 4 * batchFrames {
		tag := ""
		if i%2 == 1 {
			tag = vlanHead
		}
		f := joinedFrame(ethHead+tag+ip4Head, tcpHead(uint32(i), 0x18, ""), counting(100))
		send(f, 100)
		want = append(want, cutAll(f, 100)...)
	}
	close(slow.hold)
	slow.same(t, want)
}

// slowSink takes nothing until hold is closed.
type slowSink struct {
	*collector
	hold chan struct{}
}

func (s *slowSink) Deliver(l Link, b *Batch, wait bool) bool {
	<-s.hold
	return s.collector.Deliver(l, b, wait)
}
