package netio

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDevices(t *testing.T) {
	a, _ := vethPair(t)
	command(t, "ip addr add 10.9.0.1/24 dev "+a)
	all, err := Devices()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(d Device) bool { return d.Name == a })
	if i < 0 {
		t.Fatal(all)
	}
	d := all[i]
	if d.MAC != (MAC{2, 0, 0, 0, 0, 10}) || !d.Up || !d.Openable || d.Why != "" || d.MTU != 1500 ||
		!slices.Equal(d.Addrs, []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}) {
		t.Errorf("%+v", d)
	}
}

func TestNextHop(t *testing.T) {
	a, b := vethPair(t)
	for _, line := range []string{
		"ip addr add 10.9.0.1/24 dev " + a,
		"ip route add 10.8.0.0/16 via 10.9.0.250 dev " + a,
		"ip route add 10.8.7.0/24 via 10.9.0.251 dev " + a,
		"ip route add default via 10.9.0.254 dev " + a,
		"ip addr add 10.7.0.1/24 dev " + b,
	} {
		command(t, line)
	}
	for _, c := range []struct{ iface, dst, hop, src string }{
		{a, "10.9.0.77", "10.9.0.77", "10.9.0.1"},
		{a, "10.8.1.1", "10.9.0.250", "10.9.0.1"},
		{a, "10.8.7.1", "10.9.0.251", "10.9.0.1"},
		{a, "192.0.2.1", "10.9.0.254", "10.9.0.1"},
		{a, "::ffff:192.0.2.1", "10.9.0.254", "10.9.0.1"},
		{b, "10.7.0.2", "10.7.0.2", "10.7.0.1"},
		{b, "192.0.2.1", "", ""},
		{"none", "192.0.2.1", "", ""},
		{a, "2001:db8::1", "", ""},
	} {
		hop, src, ok := NextHop(c.iface, netip.MustParseAddr(c.dst))
		if !ok && c.hop == "" {
			continue
		}
		if !ok || hop.String() != c.hop || src.String() != c.src {
			t.Errorf("%s to %s: %v from %v, %v; want %s from %s", c.iface, c.dst, hop, src, ok, c.hop, c.src)
		}
	}
}

func TestParseRoute6(t *testing.T) {
	line := "20010db8000000000000000000000000 20 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0"
	iface, r, ok := parseRoute6(strings.Fields(line))
	if !ok || iface != "eth0" || r.dst != netip.MustParsePrefix("2001:db8::/32") || r.gateway != netip.MustParseAddr("fe80::1") || r.metric != 1024 {
		t.Error(iface, r, ok)
	}
	for _, bad := range []string{"", line[:60], strings.Replace(line, "00000003", "00000200", 1), strings.Replace(line, "2001", "xx01", 1)} {
		if _, _, ok := parseRoute6(strings.Fields(bad)); ok {
			t.Errorf("taken: %q", bad)
		}
	}
}

func TestTap(t *testing.T) {
	needNetwork(t)
	l, err := Open("tap:tt0", Config{})
	if err != nil {
		if strings.Contains(err.Error(), "/dev/net/tun is not there") && os.Getenv("UMPA_NETNS") != "require" {
			t.Skip("skipped: ", err)
		}
		t.Fatal(err)
	}
	defer l.Close()
	c := start(t, l)
	// The kernel is asked for an address and answers from the other end.
	command(t, "ip addr add 10.6.0.1/24 dev tt0")
	request := append([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"+
		"\x02\x00\x00\x00\x00\x01\x0a\x06\x00\x02\x00\x00\x00\x00\x00\x00\x0a\x06\x00\x01"), make([]byte, 18)...)
	if n, err := l.Send([][]byte{request}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	c.until(t, "the kernel's ARP reply", func() bool {
		return slices.ContainsFunc(c.frames, func(f Frame) bool {
			return len(f.Data) >= 42 && string(f.Data[12:22]) == "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x02" && string(f.Data[28:32]) == "\x0a\x06\x00\x01"
		})
	})
	command(t, "ip link set tt0 down")
	c.until(t, "down", func() bool { return slices.Contains(c.states, false) })
	if n, err := l.Send([][]byte{request}); n != 0 || err == nil {
		t.Error("sent on a tap that is down:", n, err)
	}
	command(t, "ip link set tt0 up")
	c.until(t, "up again", func() bool { return len(c.states) > 0 && c.states[len(c.states)-1] })
	begin := time.Now()
	l.Close()
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Close took %v", took)
	}
	if _, err := Open("tap:lo", Config{}); err == nil {
		t.Error("lo is no tap device")
	}
}

func TestCompleteChecksum(t *testing.T) {
	needNetwork(t)
	// A kernel-sent datagram over a veth pair leaves its checksum to hardware.
	a, b := vethPair(t)
	command(t, "ip addr add 10.9.0.1/24 dev "+a)
	command(t, "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:0b dev "+a)
	l, err := openLive(b, Config{Filter: "udp dst port 9"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := start(t, l)
	for range 3 {
		sendDatagram(t, "10.9.0.2:9", "odd length")
	}
	c.until(t, "datagrams", func() bool { return len(c.frames) >= 3 })
	for _, f := range c.frames {
		if sum := udpSum(f.Data); sum != 0xffff {
			t.Errorf("sum over a datagram is %#x", sum)
		}
	}
}

func sendDatagram(t *testing.T, to, text string) {
	t.Helper()
	conn, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// udpSum is the one's complement sum over the pseudo header and the datagram of
// an IPv4 frame without options: all ones when the checksum is right.
func udpSum(f []byte) uint32 {
	length := int(binary.BigEndian.Uint16(f[16:])) - 20
	b := append(append([]byte{}, f[26:34]...), 0, 17, byte(length>>8), byte(length))
	b = append(b, f[34:34+length]...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}
