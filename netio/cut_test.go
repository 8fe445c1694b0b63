package netio

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// joinedFrame puts headers up to the IP header, a transport header and a payload
// together; the IP length is set, the checksums are not.
func joinedFrame(head string, l4 []byte, payload []byte) []byte {
	h, err := hex.DecodeString(strings.ReplaceAll(head, " ", ""))
	if err != nil {
		panic(err)
	}
	f := append(append(h, l4...), payload...)
	at := findIP(f, LinkTypeEthernet)
	if f[at]>>4 == 4 {
		binary.BigEndian.PutUint16(f[at+2:], uint16(len(f)-at))
	} else {
		binary.BigEndian.PutUint16(f[at+4:], uint16(len(f)-at-40))
	}
	return f
}

const (
	ethHead   = "02000000000b 02000000000a "
	ip4Head   = "0800 4500 0000 1234 4000 4006 0000 0a090001 0a090002"
	ip4Option = "0800 4600 0000 fffe 0000 4006 0000 0a090001 0a090002 94040000"
	ip6Head   = "86dd 60012345 0000 06 40 fd090000000000000000000000000001 fd090000000000000000000000000002"
	ip6Hop    = "86dd 60000000 0000 00 40 fd090000000000000000000000000001 fd090000000000000000000000000002 06 00 0502 0000 0100"
	ip4UDP    = "0800 4500 0000 1234 4000 4011 0000 0a090001 0a090002"
	ip6UDP    = "86dd 60000000 0000 11 40 fd090000000000000000000000000001 fd090000000000000000000000000002"
	vlanHead  = "8100 2007 "
)

// tcpHead is a TCP header with those flags and options.
func tcpHead(seq uint32, flags byte, options string) []byte {
	h := []byte{0x1f, 0x90, 0xc0, 0x01, 0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0, flags, 0x01, 0xf6, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(h[4:], seq)
	o, _ := hex.DecodeString(options)
	h[12] = byte((20 + len(o)) / 4 << 4)
	return append(h, o...)
}

func udpHead(n int) []byte {
	return []byte{0x1f, 0x90, 0xc0, 0x01, byte((8 + n) >> 8), byte(8 + n), 0xab, 0xcd}
}

func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

const timestamps = "0101080a0000100000002000"

// joinedFrames are frames as the kernel joins them, and their segment size.
var joinedFrames = []struct {
	name  string
	frame []byte
	size  int
	want  int // segments
}{
	{"TCP", joinedFrame(ethHead+ip4Head, tcpHead(1000, 0x18, timestamps), counting(4000)), 1448, 3},
	{"TCP whole", joinedFrame(ethHead+ip4Head, tcpHead(1000, 0x18, ""), counting(2920)), 1460, 2},
	{"FIN and CWR", joinedFrame(ethHead+ip4Head, tcpHead(0xfffffff0, 0xd9, timestamps), counting(5001)), 1000, 6},
	{"IP options", joinedFrame(ethHead+ip4Option, tcpHead(7, 0x10, ""), counting(301)), 100, 4},
	{"IPv6", joinedFrame(ethHead+ip6Head, tcpHead(7, 0x19, timestamps), counting(60001)), 1428, 43},
	{"IPv6 hop-by-hop", joinedFrame(ethHead+ip6Hop, tcpHead(7, 0x18, timestamps), counting(3001)), 1400, 3},
	{"UDP", joinedFrame(ethHead+ip4UDP, udpHead(3500), counting(3500)), 1200, 3},
	{"UDP IPv6", joinedFrame(ethHead+ip6UDP, udpHead(2401), counting(2401)), 1200, 3},
	{"tag", joinedFrame(ethHead+vlanHead+ip4Head, tcpHead(1000, 0x18, timestamps), counting(4000)), 1444, 3},
	{"tag IPv6", joinedFrame(ethHead+vlanHead+ip6Head, tcpHead(1000, 0x18, timestamps), counting(4001)), 1424, 3},
	{"one byte each", joinedFrame(ethHead+ip4Head, tcpHead(0, 0x18, ""), counting(40)), 1, 40},
}

// cutAll is what a frame is cut into; nil when it cannot be.
func cutAll(frame []byte, size int) (segments [][]byte) {
	var c cutter
	t, ok := findTransport(frame, findIP(frame, LinkTypeEthernet))
	if !ok || !c.begin(frame, t, size) {
		return nil
	}
	for ; c.cutting(); c.advance() {
		segments = append(segments, bytes.Clone(c.next()))
	}
	return segments
}

// Two segments written out, with checksums from another program.
func TestCutBytes(t *testing.T) {
	got := cutAll(joinedFrame(ethHead+ip4Head, tcpHead(0xffffffff, 0x99, ""), []byte("abcde")), 3)
	want := []string{
		"02000000000b02000000000a 0800 4500002b12344000400614850a0900010a090002 1f90c001ffffffff11223344509001f6b0ec0000616263",
		"02000000000b02000000000a 0800 4500002a12354000400614850a0900010a090002 1f90c0010000000211223344501901f6116000006465",
	}
	if len(got) != len(want) {
		t.Fatalf("%d segments", len(got))
	}
	for i := range got {
		if g, w := hex.EncodeToString(got[i]), strings.ReplaceAll(want[i], " ", ""); g != w {
			t.Errorf("segment %d is\n%s, want\n%s", i, g, w)
		}
	}
}

// whole fails the test unless segments are good packets that together are what frame is.
func whole(t *testing.T, frame []byte, size int, segments [][]byte) {
	t.Helper()
	in, ok := findTransport(frame, findIP(frame, LinkTypeEthernet))
	if !ok {
		t.Fatalf("cut was % x", frame)
	}
	reg := packet.Builtin()
	var payload []byte
	var flags byte
	for i, s := range segments {
		var p packet.Packet
		p.Length = len(s)
		reg.Decode(&p, s, reg.Proto("eth"))
		if e := p.Errors(); len(e) > 0 {
			t.Fatalf("segment %d of %d: %v\n% x", i, len(segments), e, s)
		}
		out, ok := findTransport(s, findIP(s, LinkTypeEthernet))
		if !ok || out.end != len(s) || out.at != in.at || out.data != in.data || out.end-out.data > size {
			t.Fatalf("segment %d of %d has other headers: % x", i, len(segments), s)
		}
		if i < len(segments)-1 && out.end-out.data != size {
			t.Fatalf("segment %d of %d has %d bytes", i, len(segments), out.end-out.data)
		}
		if !in.v6 && binary.BigEndian.Uint16(s[in.ip+4:]) != binary.BigEndian.Uint16(frame[in.ip+4:])+uint16(i) {
			t.Fatalf("segment %d: wrong id", i)
		}
		if in.protocol == protoTCP {
			if seq := binary.BigEndian.Uint32(frame[in.at+4:]) + uint32(len(payload)); binary.BigEndian.Uint32(s[in.at+4:]) != seq {
				t.Fatalf("segment %d: wrong sequence number", i)
			}
			f := s[in.at+13]
			if i < len(segments)-1 && f&(tcpFIN|tcpPSH) != 0 || i > 0 && f&tcpCWR != 0 {
				t.Fatalf("segment %d of %d has flags %#x", i, len(segments), f)
			}
			if always := frame[in.at+13] &^ (tcpFIN | tcpPSH | tcpCWR); f&always != always {
				t.Fatalf("segment %d lacks flags: %#x", i, f)
			}
			flags |= f
			if !bytes.Equal(s[in.at+14:in.at+16], frame[in.at+14:in.at+16]) || !bytes.Equal(s[in.at+18:in.data], frame[in.at+18:in.data]) {
				t.Fatalf("segment %d has other options", i)
			}
		}
		payload = append(payload, s[out.data:]...)
	}
	if !bytes.Equal(payload, frame[in.data:in.end]) {
		t.Fatal("the payload is another")
	}
	if in.protocol == protoTCP && flags != frame[in.at+13] {
		t.Fatalf("flags %#x, want %#x", flags, frame[in.at+13])
	}
}

func TestCut(t *testing.T) {
	for _, c := range joinedFrames {
		t.Run(c.name, func(t *testing.T) {
			got := cutAll(c.frame, c.size)
			if len(got) != c.want {
				t.Fatalf("%d segments, want %d", len(got), c.want)
			}
			whole(t, c.frame, c.size, got)
		})
	}
}

func TestCutRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	heads := []string{ip4Head, ip4Option, ip6Head, ip6Hop, vlanHead + ip4Head, "88a8 0001 " + vlanHead + ip6Head}
	for range 2000 {
		payload := counting(1 + r.IntN(9000))
		size := 1 + r.IntN(1+r.IntN(len(payload)+100))
		if len(payload)/size > 200 {
			size = len(payload) / 100
		}
		var frame []byte
		if r.IntN(4) == 0 {
			frame = joinedFrame(ethHead+[]string{ip4UDP, ip6UDP}[r.IntN(2)], udpHead(len(payload)), payload)
		} else {
			flags := byte(r.Uint32())&^(tcpSYN|tcpRST) | 0x10
			options := strings.Repeat("01", 4*r.IntN(11))
			frame = joinedFrame(ethHead+heads[r.IntN(len(heads))], tcpHead(r.Uint32(), flags, options), payload)
		}
		frame = append(frame, make([]byte, r.IntN(3))...) // padding
		whole(t, frame, size, cutAll(frame, size))
	}
}

func TestCannotBeCut(t *testing.T) {
	good := joinedFrames[0].frame
	change := func(at int, b ...byte) []byte {
		f := bytes.Clone(good)
		copy(f[at:], b)
		return f
	}
	for _, c := range []struct {
		name  string
		frame []byte
		size  int
	}{
		{"no size", good, 0},
		{"negative size", good, -1},
		{"fragment", change(20, 0x20, 0), 1448},
		{"later fragment", change(20, 0, 5), 1448},
		{"other protocol", change(23, 47), 1448},
		{"not IP", change(12, 0x88, 0xb5), 1448},
		{"IP version", change(14, 0x55), 1448},
		{"IP header", change(14, 0x44), 1448},
		{"total length too long", change(16, 0xff, 0xff), 1448},
		{"total length too short", change(16, 0, 30), 1448},
		{"data offset", change(14+20+12, 0x40), 1448},
		{"SYN", change(14+20+13, 0x12), 1448},
		{"RST", change(14+20+13, 0x14), 1448},
		{"empty", nil, 1448},
		{"no payload", joinedFrame(ethHead+ip4Head, tcpHead(1, 0x10, ""), nil), 1448},
		{"routing header", joinedFrame(ethHead+strings.Replace(ip6Hop, "0000 00 40", "0000 2b 40", 1), tcpHead(1, 0x10, ""), counting(3000)), 1400},
		{"tags and nothing else", bytes.Repeat([]byte{0x81, 0}, 500), 1400},
	} {
		if got := cutAll(c.frame, c.size); got != nil {
			t.Errorf("%s: cut into %d", c.name, len(got))
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, c := range joinedFrames {
		if len(c.frame) < 5000 { // longer ones only slow it down
			f.Add(c.frame, c.size)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, size int) {
		if len(frame) > MaxFrame {
			return
		}
		in, ok := findTransport(frame, findIP(frame, LinkTypeEthernet))
		var c cutter
		if !ok || !c.begin(frame, in, size) {
			return
		}
		n := 0
		for ; c.cutting(); c.advance() {
			if s := c.next(); len(s) > len(frame) || len(s) <= in.data {
				t.Fatalf("a segment of %d bytes from a frame of %d", len(s), len(frame))
			} else {
				n += len(s) - in.data
			}
		}
		if n != in.end-in.data {
			t.Fatalf("%d bytes of payload of %d", n, in.end-in.data)
		}
	})
}

// BenchmarkCut cuts 64 KiB; copy is the baseline: the same bytes by themselves.
func BenchmarkCut(b *testing.B) {
	frame := joinedFrame(ethHead+ip4Head, tcpHead(1, 0x18, timestamps), counting(65000))
	t, _ := findTransport(frame, findIP(frame, LinkTypeEthernet))
	b.Run("cut", func(b *testing.B) {
		var c cutter
		b.ReportAllocs()
		b.SetBytes(int64(len(frame)))
		for b.Loop() {
			for c.begin(frame, t, 1448); c.cutting(); c.advance() {
				c.next()
			}
		}
	})
	b.Run("copy", func(b *testing.B) {
		to := make([]byte, len(frame))
		b.ReportAllocs()
		b.SetBytes(int64(len(frame)))
		for b.Loop() {
			copy(to, frame)
		}
	})
}
