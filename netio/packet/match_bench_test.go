package packet

import (
	"math/rand/v2"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func compile(t testing.TB, pat any) *Matcher {
	t.Helper()
	m, err := Compile(matchRegistry, pat)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fixedPatterns are made of fixed fields: matching must not allocate.
var fixedPatterns = []struct {
	name string
	pat  any
}{
	{"absent", of("tcp", fv("dport", 80))},
	{"port", of("udp", fv("dport", 53))},
	{"ports and addresses", Fields{{"ip", Fields{{"src", "10.1.2.3"}, {"dst", "192.0.2.1"}}}, {"udp", Fields{{"sport", 49152}, {"dport", 7777}}}}},
	{"MAC", of("eth", fv("dst", "02:00:00:00:00:02"))},
	{"prefix and range", Fields{{"ip", Fields{{"src", "10.0.0.0/8"}, {"ttl", Range{Min: 2, Max: 64}}}}}},
	{"not", Fields{{"ip", Fields{{"dst", Not{"10.0.0.1"}}}}}},
	{"one of 4", of("udp", fv("dport", []any{1, 5000, 9999, 7777}))},
	{"one of 1000", of("udp", fv("dport", manyPorts()))},
	{"any of", AnyOf{of("tcp", fv("dport", 80)), of("icmp", fv("type", 8)), of("udp", fv("dport", 7777))}},
	{"conditional", of("icmp", fv("id", 7))},
}

func manyPorts() []any {
	r := rand.New(rand.NewPCG(1, 1))
	ports := []any{7777}
	for range 999 {
		ports = append(ports, r.IntN(1<<16))
	}
	return ports
}

func TestMatchDoesNotAllocate(t *testing.T) {
	pats := append(fixedPatterns[:len(fixedPatterns):len(fixedPatterns)], struct {
		name string
		pat  any
	}{"payload", Fields{{"payload", []any{"abc", "abd"}}}})
	for _, tc := range pats {
		m := compile(t, tc.pat)
		for name, p := range matchPackets(t) {
			if n := testing.AllocsPerRun(100, func() { m.Match(p) }); n != 0 {
				t.Errorf("%s on %s: %v allocations", tc.name, name, n)
			}
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	p := matchPackets(b)["kinds"] // eth, ip, udp to port 7777
	for _, tc := range fixedPatterns {
		m := compile(b, tc.pat)
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Match(p)
			}
		})
	}
}

// BenchmarkMatchValue is matching on fields whose place the bytes decide.
func BenchmarkMatchValue(b *testing.B) {
	packets := placePackets(b)
	tcp, dhcp, dns := packets[0], packets[1], packets[2]
	tests := []struct {
		name string
		pat  any
		p    *Packet
	}{
		{"option", of("tcp", fv("options", Fields{{"mss", 1460}})), tcp},
		{"last option", of("dhcp", fv("options", Fields{{"requestedIp", "10.0.0.0/8"}})), dhcp},
		{"message type", of("dhcp", fv("op", 1), fv("options", Fields{{"messageType", "discover"}})), dhcp},
		{"question", of("dns", fv("qr", 1), fv("questions", Fields{{"name", "www.example.com"}, {"type", "A"}})), dns},
		{"other question", of("dns", fv("qr", 1), fv("questions", Fields{{"name", "www.example.org"}, {"type", "A"}})), dns},
		{"payload", Fields{{"payload", "GET / HTTP/1.1\r\n"}}, tcp},
	}
	for _, tc := range tests {
		m := compile(b, tc.pat)
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Match(tc.p)
			}
		})
	}
}

// BenchmarkDecodeAndMatch is what a frame costs that no pattern wants: decode
// Ethernet, IPv4 and UDP, then one pattern; the baseline does the same with
// gopacket's cheapest decoder and a hand-written comparison.
func BenchmarkDecodeAndMatch(b *testing.B) {
	frame := received(b, "0123456789012345", built{"eth", nil}, built{"ip", Fields{{"src", "10.1.2.3"}, {"dst", "192.0.2.1"}}},
		built{"udp", Fields{{"sport", 1000}, {"dport", 9}}}).Data
	pats := append(fixedPatterns[:len(fixedPatterns):len(fixedPatterns)], struct {
		name string
		pat  any
	}{"none", Fields{}})
	for _, tc := range pats {
		m := compile(b, tc.pat)
		b.Run("here/"+tc.name, func(b *testing.B) {
			b.ReportAllocs()
			p, eth := new(Packet), matchRegistry.Proto("eth")
			for b.Loop() {
				matchRegistry.Decode(p, frame, eth)
				m.Match(p)
			}
		})
	}
	b.Run("gopacket/port", func(b *testing.B) {
		b.ReportAllocs()
		var eth layers.Ethernet
		var ip layers.IPv4
		var udp layers.UDP
		parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip, &udp)
		parser.IgnoreUnsupported = true
		var found []gopacket.LayerType
		hits := 0
		for b.Loop() {
			if err := parser.DecodeLayers(frame, &found); err != nil {
				b.Fatal(err)
			}
			for _, l := range found {
				if l == layers.LayerTypeUDP && udp.DstPort == 53 {
					hits++
				}
			}
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	pat := Fields{{"ip", Fields{{"src", "10.0.0.0/8"}}}, {"tcp", Fields{{"flags", "SA"}, {"sport", uint64(80)}}}}
	for b.Loop() {
		if _, err := Compile(matchRegistry, pat); err != nil {
			b.Fatal(err)
		}
	}
}
