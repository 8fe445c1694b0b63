package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/bpf"
)

// expressions are what both compilers know.
var expressions = []string{
	"", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp",
	"host 10.0.0.1", "src host 10.0.0.1", "dst 10.0.0.2", "src or dst host 10.0.0.1", "src and dst host 10.0.0.1", "ip host 10.0.0.1", "arp host 10.0.0.1",
	"host 2001:db8::1", "src host 2001:db8::1", "ip6 dst host 2001:db8::2",
	"net 10.0.0.0/8", "net 10", "src net 10.0", "dst net 10.0.0.0/30", "net 10.0.0.0 mask 255.255.255.0", "net 2001:db8::/32", "src net 2001:db8::/127", "ip6 net ::/0",
	"port 80", "tcp port 80", "udp src port 53", "dst port 443", "src port 80 and dst port 53", "port 80 or 443", "portrange 50-100", "tcp dst portrange 80-443", "sctp port 80", "port http", "port domain",
	"ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:01", "ether dst 02:00:00:00:00:02", "ether proto 0x88b5", "ether proto \\ip", "broadcast", "multicast",
	"ether broadcast", "ether multicast", "ip multicast", "ip6 multicast",
	"ip proto 6", "ip proto \\udp", "ip6 proto 58", "proto 17", "proto 50",
	"less 60", "greater 61", "len > 70", "len & 1 = 0", "len <= 64",
	"tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", "tcp[13] = 2", "icmp[icmptype] = icmp-echo", "icmp6[icmp6type] = icmp6-echo",
	"ip[8] < 64", "ip[2:2] > 40", "ip[0] & 0xf != 5", "ip[12:4] = 0x0a000001", "ether[0] & 1 = 0", "ip[6:2] & 0x1fff = 0", "udp[4:2] >= 8", "ip[2:2] - 4 * (ip[0] & 15) > 8",
	"tcp[0:2] + 1 = 81", "tcp[0:2] = tcp[2:2]", "ip[ip[0] & 15] != 0", "(ip[8] + 1) * 2 > 100", "ip[8] << 1 = 128", "ip[8] | 1 = 65", "ip[8] ^ 64 = 0", "ip[8] % 7 = 1",
	"tcp[(tcp[12] >> 4) * 4] = 0x47", "ip6[6] = 6", "arp[6:2] = 1",
	"not tcp", "!udp and !arp", "tcp or udp", "tcp and port 80 or arp", "arp or tcp and port 80", "not (tcp or udp)", "(ip and (tcp or udp)) and not host 10.0.0.1",
	"udp port 53 and net 10.0.0.0/8", "host 10.0.0.1 and not port 80", "((tcp))", "(len > 60) and (ip or ip6)", "host 10.0.0.1 or 10.0.0.2",
	"vlan", "vlan 7", "vlan and ip", "vlan 7 and tcp port 80", "vlan and vlan 7 and udp", "not vlan",
	strings.TrimSuffix(strings.Repeat("host 10.9.9.9 or host 2001:db8::9 or ", 40)+"tcp port 80", " or "),
}

// randomFrame draws frames that the expressions tell apart.
func randomFrame(rng *rand.Rand) []byte {
	pick := func(v ...int) byte { return byte(v[rng.IntN(len(v))]) }
	f := []byte{2, 0, 0, 0, 0, pick(1, 2), 2, 0, 0, 0, 0, pick(1, 2)}
	if rng.IntN(8) == 0 {
		copy(f, "\xff\xff\xff\xff\xff\xff")
	} else if rng.IntN(8) == 0 {
		f[0] = 1
	}
	for range []int{0, 0, 0, 1, 2}[rng.IntN(5)] {
		f = append(f, 0x81, 0, 0x20, pick(7, 8))
	}
	payload := make([]byte, 40+rng.IntN(60))
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	ports := []uint16{80, 443, 53, 81, 50, 100, 1024}
	binary.BigEndian.PutUint16(payload, ports[rng.IntN(len(ports))])
	binary.BigEndian.PutUint16(payload[2:], ports[rng.IntN(len(ports))])
	payload[12], payload[13] = pick(0x50, 0x60), pick(2, 0x12, 0x10, 4)
	if rng.IntN(2) == 0 {
		payload[0] = pick(8, 0, 128, 129)
	}
	switch rng.IntN(6) {
	case 0, 1, 2:
		options := rng.IntN(3)
		h := make([]byte, 20+4*options)
		h[0] = 0x45 + byte(options)
		binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(payload)))
		h[6], h[7] = pick(0, 0, 0, 0x20, 0x40), pick(0, 0, 0, 0, 1)
		h[8], h[9] = pick(1, 64, 65, 128), pick(6, 6, 6, 17, 17, 1, 2, 50, 132, 58)
		copy(h[12:], []byte{10, 0, 0, pick(1, 2, 3)})
		copy(h[16:], []byte{pick(10, 10, 224, 192), 0, pick(0, 1), pick(1, 2, 5)})
		return append(append(append(f, 0x08, 0), h...), payload...)
	case 3, 4:
		h := make([]byte, 40)
		h[0] = 0x60
		h[6] = pick(6, 6, 17, 58, 44, 132)
		copy(h[8:], "\x20\x01\x0d\xb8")
		copy(h[24:], "\x20\x01\x0d\xb8")
		h[23], h[39] = pick(1, 2, 9), pick(1, 2)
		h[24] = pick(0x20, 0x20, 0xff)
		if h[6] == 44 {
			payload[0] = pick(6, 17, 58)
		}
		return append(append(append(f, 0x86, 0xdd), h...), payload...)
	default:
		kinds := [][]byte{{8, 6}, {0x80, 0x35}, {0x88, 0xb5}}
		a := append(append(f, kinds[rng.IntN(3)]...), 0, 1, 8, 0, 6, 4, 0, pick(1, 2))
		a = append(a, 2, 0, 0, 0, 0, 1, 10, 0, 0, pick(1, 2), 0, 0, 0, 0, 0, 0, 10, 0, 0, pick(1, 2))
		return append(a, payload[:18]...)
	}
}

func native(t testing.TB, expr string) *Filter {
	t.Helper()
	raw, err := compileNative(expr, LinkTypeEthernet, MaxFrame)
	if err != nil {
		t.Fatalf("%q: %v", expr, err)
	}
	prog, err := loadProgram(raw)
	if err != nil {
		t.Fatalf("%q: %v", expr, err)
	}
	return &Filter{expr: expr, raw: raw, prog: prog}
}

// Our compiler decides as libpcap does. Without cgo it is compared with itself,
// which shows at least that it runs.
func TestNativeFilterAgrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	frames := make([][]byte, 4000)
	for i := range frames {
		frames[i] = randomFrame(rng)
	}
	for _, expr := range expressions {
		want, err := CompileFilter(expr, LinkTypeEthernet, 0)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		got := native(t, expr)
		matched := 0
		for _, f := range frames {
			w := want.Match(f)
			if got.Match(f) != w {
				t.Errorf("%q: %v, libpcap %v: % x", expr, !w, w, f)
				break
			}
			if w {
				matched++
			}
		}
		if expr != "" && (matched == 0 || matched == len(frames)) && expr != "vlan and vlan 7 and udp" {
			t.Logf("%q matched %d of %d frames: the frames do not tell", expr, matched, len(frames))
		}
	}
}

func TestFilterMatch(t *testing.T) {
	tcp := []byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" +
		"\x45\x00\x00\x28\x00\x00\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" +
		"\x30\x39\x00\x50\x00\x00\x00\x01\x00\x00\x00\x00\x50\x02\x04\x00\x00\x00\x00\x00")
	for expr, want := range map[string]bool{
		"": true, "tcp": true, "udp": false, "tcp dst port 80": true, "tcp src port 80": false,
		"tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn": true, "host 10.0.0.2": true, "net 192.0.2.0/24": false, "less 54": true, "greater 55": false,
	} {
		f, err := CompileFilter(expr, LinkTypeEthernet, 0)
		if err != nil {
			t.Fatal(err)
		}
		if f.Match(tcp) != want || f.String() != expr || len(f.Raw()) == 0 {
			t.Errorf("%q: %v", expr, !want)
		}
		for n := range tcp {
			f.Match(tcp[:n]) // a frame may end anywhere
		}
	}
	for lt, expr := range map[LinkType]string{LinkTypeRaw: "tcp dst port 80", LinkTypeIPv4: "host 10.0.0.1", LinkTypeNull: "ip"} {
		frame := tcp[14:]
		if lt == LinkTypeNull {
			frame = append([]byte{2, 0, 0, 0}, frame...)
		}
		f, err := CompileFilter(expr, lt, 0)
		if err != nil || !f.Match(frame) {
			t.Errorf("link type %d, %q: %v", lt, expr, err)
		}
		raw, err := compileNative(expr, lt, MaxFrame)
		if err != nil {
			t.Fatal(err)
		}
		if prog, _ := loadProgram(raw); run(prog, frame) == 0 {
			t.Errorf("link type %d, %q, without libpcap: no match", lt, expr)
		}
	}
	f, err := CompileFilter("tcp", LinkTypeSLL2, 0)
	if err != nil || !f.Match(append([]byte("\x08\x00"+strings.Repeat("\x00", 18)), tcp[14:]...)) {
		t.Error("cooked v2:", err)
	}
}

func TestFilterErrors(t *testing.T) {
	for _, expr := range []string{"tcp prot 80", "port 70000", "host 10.0.0.256", "tcp[", "(tcp", "net 10.0.0.1/8", "foo", "port 80 or", "and", "tcp)", "ip[0:3] = 1", "vlan 5000", "ip[0] / 0 = 1", "host 10.0.0.0/8", "10.0.0.1", "ip port 80", "port 80-90", "@"} {
		_, err := CompileFilter(expr, LinkTypeEthernet, 0)
		if !errors.Is(err, ErrFilter) {
			t.Errorf("%q: %v", expr, err)
		}
		if _, err := compileNative(expr, LinkTypeEthernet, 0); err == nil {
			t.Errorf("%q, without libpcap: no error", expr)
		}
	}
	if _, err := compileNative("wlan host 1:2:3:4:5:6", LinkTypeEthernet, 0); err == nil || !strings.Contains(err.Error(), "not known without libpcap") {
		t.Error(err)
	}
}

func FuzzNativeFilter(f *testing.F) {
	for _, e := range expressions {
		f.Add(e)
	}
	frame := randomFrame(rand.New(rand.NewPCG(1, 1)))
	f.Fuzz(func(t *testing.T, expr string) {
		raw, err := compileNative(expr, LinkTypeEthernet, MaxFrame)
		if err != nil {
			return
		}
		prog, err := loadProgram(raw)
		if err != nil {
			if len(raw) > 4096 {
				return
			}
			t.Fatalf("%q compiles to what cannot run: %v", expr, err)
		}
		run(prog, frame)
	})
}

// Whatever program loads gives the same answer as x/net's interpreter.
func FuzzRun(f *testing.F) {
	for _, e := range expressions[:60] {
		var seed []byte
		for _, in := range native(f, e).raw {
			seed = binary.BigEndian.AppendUint16(seed, in.Op)
			seed = append(seed, in.Jt, in.Jf)
			seed = binary.BigEndian.AppendUint32(seed, in.K)
		}
		f.Add(seed, randomFrame(rand.New(rand.NewPCG(1, 1))))
	}
	f.Fuzz(func(t *testing.T, code, frame []byte) {
		var raw []bpf.RawInstruction
		for ; len(code) >= 8; code = code[8:] {
			raw = append(raw, bpf.RawInstruction{Op: binary.BigEndian.Uint16(code), Jt: code[2], Jf: code[3], K: binary.BigEndian.Uint32(code[4:])})
		}
		prog, err := loadProgram(raw)
		if err != nil {
			return
		}
		got := run(prog, frame)
		instructions := make([]bpf.Instruction, len(raw))
		for i, r := range raw {
			if r.K > 1<<20 && (r.Op&7 == 0 || r.Op == opLdxMsh || r.Op&7 == 1) {
				return // extensions, and addresses that x/net does not wrap round
			}
			if r.Op == opLdWInd || r.Op == opLdHInd || r.Op == opLdBInd || r.Op&0xf7 == opAlu|aluLsh || r.Op&0xf7 == opAlu|aluRsh {
				return
			}
			instructions[i] = r.Disassemble()
			if _, unknown := instructions[i].(bpf.RawInstruction); unknown {
				return
			}
		}
		vm, err := bpf.NewVM(instructions)
		if err != nil {
			return
		}
		want, err := vm.Run(frame)
		if err == nil && uint32(want) != got {
			t.Fatalf("%v: %d, x/net says %d", instructions, got, want)
		}
	})
}

func TestFilterIsShared(t *testing.T) {
	f := native(t, "tcp[0:2] + tcp[2:2] > 100 and tcp[0:2] = tcp[2:2]")
	frame := randomFrame(rand.New(rand.NewPCG(9, 9)))
	var wait sync.WaitGroup
	want := f.Match(frame)
	for range 4 {
		wait.Go(func() {
			for range 1000 {
				if f.Match(frame) != want {
					panic("another answer")
				}
			}
		})
	}
	wait.Wait()
}

// The baseline is x/net's interpreter running the same program.
func BenchmarkFilter(b *testing.B) {
	frame := randomFrame(rand.New(rand.NewPCG(1, 1)))
	for _, expr := range []string{"arp", "tcp port 80", "udp port 53 and net 10.0.0.0/8"} {
		f, err := CompileFilter(expr, LinkTypeEthernet, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/netio", expr), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Match(frame)
			}
		})
		var instructions []bpf.Instruction
		for _, r := range f.Raw() {
			instructions = append(instructions, r.Disassemble())
		}
		vm, err := bpf.NewVM(instructions)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/xnet", expr), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				vm.Run(frame)
			}
		})
	}
}
