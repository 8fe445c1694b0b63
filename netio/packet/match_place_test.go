package packet

import (
	"math/rand/v2"
	"regexp"
	"testing"
)

// placePackets have options and lists to be tested where they stand.
func placePackets(t testing.TB) []*Packet {
	eth := built{"eth", nil}
	ip := built{"ip", Fields{{"src", "10.1.2.3"}, {"dst", "192.0.2.1"}}}
	record := func(name, typ string, data any) Fields {
		return Fields{{"name", name}, {"type", typ}, {"ttl", 60}, {"data", data}}
	}
	return []*Packet{
		matchPackets(t)["tcp"],
		received(t, "", eth, ip, built{"udp", Fields{{"sport", 68}, {"dport", 67}}}, built{"dhcp", Fields{{"op", 1},
			{"options", Fields{{"messageType", "discover"}, {"hostname", "box"}, {"requestedIp", "10.0.0.9"}}}}}),
		received(t, "", eth, ip, built{"udp", Fields{{"dport", 53}}}, built{"dns", Fields{{"qr", 1},
			{"questions", []any{Fields{{"name", "www.Example.com"}, {"type", "A"}}, Fields{{"name", "example.com"}, {"type", "MX"}}}},
			{"answers", []any{record("www.example.com", "CNAME", "example.com"), record("example.com", "A", "10.9.8.7"), record("example.com", "TXT", []any{"a", "b"}),
				record("example.com", "MX", Fields{{"preference", 10}, {"exchange", "mail.example.com"}})}}}}),
	}
}

var placeTests = []struct {
	pat   any
	want  bool // on the packet that has such a layer, before it is changed
	op    opcode
	alloc bool // something else than numbers, addresses and names is compared
}{
	{of("tcp", fv("options", Fields{{"mss", Range{Min: 1000}}, {"windowScale", false}})), true, opOptions, false},
	{of("tcp", fv("options", Fields{{"mss", []any{536, Not{1460}}}})), false, opOptions, false},
	{of("tcp", fv("options", Not{Fields{{"sackOk", true}, {"mss", 536}}})), true, opOptions, false},
	{of("tcp", fv("options", []any{Fields{{"timestamps", true}}, Fields{{"sack", 30}}})), true, opOptions, true},
	{of("dhcp", fv("options", Fields{{"messageType", "discover"}, {"requestedIp", "10.0.0.0/24"}})), true, opOptions, false},
	{of("dhcp", fv("options", Fields{{"messageType", "request"}})), false, opOptions, false},
	{of("dhcp", fv("options", Fields{{"hostname", regexp.MustCompile("^b")}, {"serverId", false}})), true, opOptions, true},
	{of("dns", fv("questions", Fields{{"name", "WWW.example.com."}, {"type", "A"}})), true, opList, false},
	{of("dns", fv("questions", Fields{{"name", "www.example.com"}, {"type", "MX"}})), false, opList, false},
	{of("dns", fv("questions", Fields{{"name", []any{"a.org", "example.com"}}, {"type", Not{"A"}}})), true, opList, false},
	{of("dns", fv("questions", Not{Fields{{"name", Not{"example.com"}}}})), false, opList, false},
	{of("dns", fv("questions", Fields{{"name", "example.comm"}})), false, opList, false},
	{of("dns", fv("questions", Fields{{"name", "com"}})), false, opList, false},
	{of("dns", fv("answers", Fields{{"name", "example.com"}, {"data", "10.9.0.0/16"}})), true, opList, true},
	{of("dns", fv("answers", Fields{{"type", "CNAME"}, {"data", "EXAMPLE.com"}})), true, opList, true},
	{of("dns", fv("answers", Fields{{"data", Fields{{"exchange", "mail.example.com"}, {"preference", Range{Max: 10}}}}})), true, opList, true},
	{of("dns", fv("answers", Fields{{"type", "TXT"}, {"data", "b"}})), true, opList, true},
	{of("dns", fv("answers", []any{Fields{{"type", "AAAA"}}, Not{Fields{}}})), false, opList, false},
	{of("dns", fv("answers", AllOf{Fields{{"type", "A"}}, Fields{{"not", Fields{{"ttl", 60}}}}})), false, opList, false},
	{of("dns", fv("authorities", Fields{})), false, opList, false},
	{of("dns", fv("authorities", Not{Fields{}})), true, opList, false},
}

// TestMatchInPlace holds the tests that are made on the bytes against those
// made on values, on changed and cut packets.
func TestMatchInPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	packets := placePackets(t)
	for i, tc := range placeTests {
		m := compile(t, tc.pat)
		if len(m.values) != 1 || m.prog[len(m.prog)-1].op != tc.op {
			t.Fatalf("%d: not made in place: %s", i, m)
		}
		v := m.values[0]
		for _, p := range packets {
			has := p.Find(v.field.proto, 0) >= 0
			if got := m.Match(p); got != (has && tc.want) {
				t.Errorf("%v: %v on %s", tc.pat, got, p.layerNames())
			}
			if n := testing.AllocsPerRun(10, func() { m.Match(p) }); tc.op == opOptions && !tc.alloc && n != 0 {
				t.Errorf("%v: %v allocations", tc.pat, n)
			}
			for range 3000 {
				q := mutated(r, p)
				want := false
				if at := q.Find(v.field.proto, 0); at >= 0 {
					x, ok := q.Value(at, v.field)
					want = ok && v.test.eval(x)
				}
				if got := m.Match(q); got != want {
					x, ok := q.Value(q.Find(v.field.proto, 0), v.field)
					t.Fatalf("%v: %v in place, %v by value (%v, %v)\n%x", tc.pat, got, want, x, ok, q.Data)
				}
			}
		}
	}
}

func TestMatchQuoted(t *testing.T) {
	inner := received(t, "", built{"ip", Fields{{"src", "10.1.2.3"}, {"dst", "192.0.2.1"}}}, built{"udp", Fields{{"dport", 9}}})
	p := received(t, string(inner.Data), built{"eth", nil}, built{"ip", Fields{{"src", "192.0.2.1"}, {"dst", "10.1.2.3"}}}, built{"icmp", Fields{{"type", "unreachable"}, {"code", "port"}}})
	echo := matchPackets(t)["echo"]
	for _, tc := range []struct {
		pat        any
		want, echo bool
	}{
		{Fields{{"quoted", true}}, true, false},
		{Fields{{"quoted", false}}, false, true},
		{Fields{{"quoted", of("udp", fv("dport", 9))}}, true, false},
		{Fields{{"icmp", true}, {"quoted", Fields{{"ip", Fields{{"src", "10.0.0.0/8"}}}, {"udp", Fields{{"dport", 10}}}}}}, false, false},
		{Fields{{"quoted", Not{of("udp", fv("dport", 10))}}}, true, false},
		{Not{Fields{{"quoted", "udp"}}}, false, true},
	} {
		m := compile(t, tc.pat)
		if got := m.Match(p); got != tc.want {
			t.Errorf("%v: %v", tc.pat, got)
		}
		if got := m.Match(echo); got != tc.echo {
			t.Errorf("%v on an echo: %v", tc.pat, got)
		}
	}
}

func TestMatchExact(t *testing.T) {
	names := func(m *Matcher) (s string) {
		key, _, _ := m.Exact()
		for _, k := range key {
			s += " " + k.Proto.Name
			if k.Field != nil {
				s += "." + k.Field.Name
			}
		}
		return s
	}
	for _, tc := range []struct {
		pat    any
		key    string
		values []uint64
		whole  bool
	}{
		{Fields{{"ip", Fields{{"dst", "192.0.2.1"}}}, {"tcp", Fields{{"dport", 80}, {"flags", "S"}}}}, " ip.dst tcp.dport tcp.flags", []uint64{0xc0000201, 80, 2}, true},
		{Fields{{"tcp", Fields{{"flags", "S"}, {"dport", 80}}}, {"ip", Fields{{"dst", "192.0.2.1"}}}}, " ip.dst tcp.dport tcp.flags", []uint64{0xc0000201, 80, 2}, true},
		{Fields{{"ip", true}, {"udp", Fields{{"dport", 9}}}}, " ip udp.dport", []uint64{0, 9}, true},
		{of("icmp", fv("id", 7)), " icmp.id", []uint64{7}, true},
		{Fields{{"udp", Fields{{"dport", 9}}}, {"vlan", false}}, " udp.dport", []uint64{9}, false},
		{of("ip", fv("src", "10.0.0.0/8"), fv("ttl", 1)), " ip.ttl", []uint64{1}, false},
		{of("ip", fv("src", "10.0.0.1/32")), " ip.src", []uint64{0x0a000001}, true},
		{AnyOf{of("ip", fv("ttl", 1)), of("ip", fv("ttl", 2))}, "", nil, false},
		{of("eth", fv("dst", "02:00:00:00:00:01")), " eth.dst", []uint64{0x020000000001}, true},
		{of("kinds", fv("signed", -1)), " kinds.signed", []uint64{0xffff}, true},
		{Fields{}, "", nil, true},
	} {
		m := compile(t, tc.pat)
		_, values, whole := m.Exact()
		same := len(values) == len(tc.values)
		for i := range min(len(values), len(tc.values)) {
			same = same && values[i] == tc.values[i]
		}
		if names(m) != tc.key || !same || whole != tc.whole {
			t.Errorf("%v:%s %v whole %v", tc.pat, names(m), values, whole)
		}
	}
}

func TestMatcherString(t *testing.T) {
	for _, tc := range []struct {
		pat  any
		want string
	}{
		{Fields{}, "always"},
		{AnyOf{}, "never"},
	} {
		if got := compile(t, tc.pat).String(); got != tc.want {
			t.Errorf("%v: %s", tc.pat, got)
		}
	}
	m := compile(t, Fields{{"tcp", Fields{{"flags", HasFlags{"S", "A"}}, {"dport", Range{Min: 1, Max: 1023}}}}})
	want := "; 0 layer tcp 14 bytes; 1 eq1 @13&0x12==0x2; 2 range @2 1..1023"
	if got := m.String(); len(got) < len(want) || got[len(got)-len(want):] != want {
		t.Errorf("%s", got)
	}
}
