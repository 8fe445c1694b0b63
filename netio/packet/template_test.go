package packet

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func testRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func testEnv() *Env {
	id := uint16(65530)
	return &Env{MAC: MAC{2, 0, 0, 0, 0, 1}, IPv4: netip.MustParseAddr("192.0.2.1"), IPv6: netip.MustParseAddr("2001:db8::1"),
		NextID: func() uint16 { id++; return id }}
}

// stack builds a packet from protocol names and fields, not finished.
func stack(t testing.TB, payload string, parts ...any) *Packet {
	t.Helper()
	p := NewBytes(Builtin(), nil)
	for i := 0; i < len(parts); i += 2 {
		f, _ := parts[i+1].(Fields)
		q, err := New(Builtin(), Builtin().Proto(parts[i].(string)), f)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Append(q); err != nil {
			t.Fatal(err)
		}
	}
	if payload != "" {
		p.AppendBytes([]byte(payload))
	}
	return p
}

type slotSpec struct {
	proto, field string
	vary         func() *Vary
}

func must(v *Vary, err error) *Vary {
	if err != nil {
		panic(err)
	}
	return v
}

// anew makes a template build each packet anew.
func anew(t *Template, slots []Slot) {
	t.slow, t.vals = slots, make([]Value, len(t.draws))
}

// Every template must give what building each packet anew gives: the same
// values drawn, every length and checksum worked out from scratch.
func TestTemplateAgreesWithBuilding(t *testing.T) {
	cases := []struct {
		name  string
		pkt   func() *Packet
		slots []slotSpec
	}{
		{"udp ports", func() *Packet { return stack(t, "hello", "eth", nil, "ip", Fields{{"dst", "192.0.2.9"}}, "udp", nil) },
			[]slotSpec{{"udp", "sport", func() *Vary { return must(RangeOf(1000, 1007, 3)) }}, {"udp", "dport", func() *Vary { return Counter(65534, 1) }}}},
		{"four fields", func() *Packet {
			return stack(t, "odd", "eth", nil, "ip", Fields{{"dst", "192.0.2.9"}}, "tcp", Fields{{"flags", "S"}})
		},
			[]slotSpec{{"ip", "src", func() *Vary { return must(Hosts("198.51.100.0/29")) }}, {"ip", "ttl", func() *Vary { return must(RandomInt(testRand(5), 1, 255)) }},
				{"tcp", "seq", func() *Vary { return Counter(-3, 1<<20) }}, {"tcp", "flags", func() *Vary { return must(RangeOf(0, 255, 1)) }}}},
		{"mac and vlan", func() *Packet { return stack(t, "", "eth", nil, "vlan", nil, "arp", nil) },
			[]slotSpec{{"eth", "src", func() *Vary { return RandomMAC(testRand(2)) }}, {"vlan", "id", func() *Vary { return must(RangeOf(1, 4095, 7)) }}, {"arp", "tpa", func() *Vary { return must(RandomIP(testRand(3), "10.0.0.0/8")) }}}},
		{"ip6", func() *Packet {
			return stack(t, "data", "eth", nil, "ip6", Fields{{"dst", "2001:db8::9"}}, "udp", nil)
		},
			[]slotSpec{{"ip6", "src", func() *Vary { return must(RangeOf("2001:db8::1", "2001:db8::ffff", 257)) }}, {"ip6", "flowLabel", func() *Vary { return must(RandomInt(testRand(1), 0, 1<<20-1)) }}}},
		{"tunnel", func() *Packet {
			return stack(t, "x", "eth", nil, "ip", Fields{{"dst", "192.0.2.9"}}, "ip", Fields{{"dst", "198.51.100.1"}}, "udp", nil)
		}, []slotSpec{{"udp", "sport", func() *Vary { return Counter(0, 777) }}, {"ip", "dscp", func() *Vary { return must(RangeOf(0, 63, 1)) }}}},
		{"icmp", func() *Packet { return stack(t, "abc", "eth", nil, "ip", Fields{{"dst", "192.0.2.9"}}, "icmp", nil) },
			[]slotSpec{{"ip", "dst", func() *Vary { return must(Hosts("10.0.0.0/24")) }}, {"icmp", "seq", func() *Vary { return Counter(65530, 1) }}}},
		{"a told checksum stays", func() *Packet {
			return stack(t, "abc", "eth", nil, "ip", Fields{{"dst", "192.0.2.9"}}, "udp", Fields{{"checksum", uint64(7)}})
		}, []slotSpec{{"udp", "sport", func() *Vary { return Counter(1, 1) }}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			build := func(slow bool) *Template {
				p := c.pkt()
				var slots []Slot
				for _, s := range c.slots {
					i := p.FindName(s.proto, 0)
					slots = append(slots, Slot{i, p.refs[i].Proto.Field(s.field), s.vary()})
				}
				tm, err := p.Template(slots, testEnv())
				if err != nil {
					t.Fatal(err)
				}
				if tm.Why() != "" {
					t.Fatalf("not compiled: %s", tm.Why())
				}
				if slow {
					anew(tm, slots)
				}
				return tm
			}
			fast, slow := build(false), build(true)
			for n := range 600 {
				a, err := fast.Next()
				if err != nil {
					t.Fatal(err)
				}
				b, err := slow.Next()
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(a, b) {
					t.Fatalf("packet %d\nfast %x\nslow %x", n, a, b)
				}
				var d Packet
				Builtin().Decode(&d, a, protoEth)
				for _, e := range d.Errors() {
					if strings.Contains(e, "checksum") && c.name != "a told checksum stays" {
						t.Fatalf("packet %d: %v", n, e)
					}
				}
			}
		})
	}
}

// What has no fixed place is built anew, and says why.
func TestTemplateSlow(t *testing.T) {
	p := stack(t, "", "eth", nil, "ip", Fields{{"dst", "192.0.2.9"}}, "udp", nil)
	tm, err := p.Template([]Slot{{Field: nil, Layer: 2, Value: RandomBytes(testRand(1), must(RangeOf(0, 3, 1)))}}, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if tm.Why() != "the payload varies" {
		t.Errorf("why: %q", tm.Why())
	}
	for n := range 8 {
		b, err := tm.Next()
		if err != nil {
			t.Fatal(err)
		}
		if want := 42 + n%4; len(b) != want {
			t.Errorf("packet %d has %d bytes, want %d", n, len(b), want)
		}
		var d Packet
		Builtin().Decode(&d, b, protoEth)
		if e := d.Errors(); len(e) > 0 {
			t.Errorf("packet %d: %v", n, e)
		}
	}
}

func TestVaryRounds(t *testing.T) {
	for _, c := range []struct {
		v    *Vary
		n    uint64
		some []Value
	}{
		{must(RangeOf(1, 3, 0)), 3, []Value{uint64(1), uint64(2), uint64(3), uint64(1)}},
		{must(RangeOf(3, 1, -2)), 2, []Value{uint64(3), uint64(1), uint64(3)}},
		{must(RangeOf("10.0.0.254", "10.0.1.1", 1)), 4, []Value{netip.MustParseAddr("10.0.0.254"), netip.MustParseAddr("10.0.0.255"), netip.MustParseAddr("10.0.1.0")}},
		{must(RangeOf("02:00:00:00:00:ff", "02:00:00:00:01:00", 1)), 2, []Value{MAC{2, 0, 0, 0, 0, 255}, MAC{2, 0, 0, 0, 1, 0}}},
		{must(Hosts("10.0.0.0/30")), 2, []Value{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")}},
		{must(Hosts("10.0.0.4/31")), 2, []Value{netip.MustParseAddr("10.0.0.4"), netip.MustParseAddr("10.0.0.5")}},
		{must(Hosts("10.0.0.4/32")), 1, []Value{netip.MustParseAddr("10.0.0.4"), netip.MustParseAddr("10.0.0.4")}},
		{must(Cycle([]Value{"a", "b"})), 2, []Value{"a", "b", "a"}},
	} {
		if n, finite := c.v.Round(); n != c.n || !finite {
			t.Errorf("%v: a round of %d, want %d", c.v, n, c.n)
		}
		for i, want := range c.some {
			if got, _ := c.v.Next(); got != want {
				t.Errorf("%v: value %d is %v, want %v", c.v, i, got, want)
			}
		}
	}
	for _, bad := range [][2]any{{3, 1}, {"10.0.0.1", "::1"}, {"10.0.0.9", 4}, {"x", "y"}} {
		if _, err := RangeOf(bad[0], bad[1], 0); err == nil {
			t.Errorf("range(%v, %v) is no error", bad[0], bad[1])
		}
	}
}

func BenchmarkTemplate(b *testing.B) {
	mk := func(n int) *Template {
		p := stack(b, "0123456789abcdef", "eth", nil, "ip", Fields{{"dst", "192.0.2.9"}, {"id", uint64(1)}}, "udp", nil)
		slots := []Slot{{1, protoIP.Field("src"), must(Hosts("10.0.0.0/8"))}, {2, protoUDP.Field("sport"), Counter(1024, 1)},
			{1, protoIP.Field("ttl"), must(RandomInt(testRand(1), 32, 255))}, {2, protoUDP.Field("dport"), must(RangeOf(1, 1024, 1))}}
		t, err := p.Template(slots[:n], testEnv())
		if err != nil {
			b.Fatal(err)
		}
		return t
	}
	for _, n := range []int{0, 1, 4} {
		tm := mk(n)
		b.Run("fields="+string(rune('0'+n)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tm.Next()
			}
		})
	}
	b.Run("baseline=built anew", func(b *testing.B) {
		tm := mk(4)
		anew(tm, []Slot{{1, protoIP.Field("src"), tm.draws[0]}, {2, protoUDP.Field("sport"), tm.draws[1]}, {1, protoIP.Field("ttl"), tm.draws[2]}, {2, protoUDP.Field("dport"), tm.draws[3]}})
		b.ReportAllocs()
		for b.Loop() {
			tm.Next()
		}
	})
}
