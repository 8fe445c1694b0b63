package packet

import (
	"errors"
	"math"
	"math/big"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// matchRegistry is the built-in registry with a protocol that has a row of
// each kind, over UDP port 7777.
var matchRegistry = func() *Registry {
	reg := Builtin().Clone()
	kinds := Enum{{"first", 1}, {"secondOne", 2}}
	err := reg.Add(&Proto{
		Name: "kinds", Over: []Bind{{Space: "udp", Value: 7777}}, Greedy: true,
		Fields: []*Field{
			{Name: "type", Kind: Uint, Bits: 8, Enum: &kinds},
			{Name: "nibble", Kind: Uint, Bits: 4},
			{Name: "wide", Kind: Uint, Bits: 12},
			{Name: "signed", Kind: Int, Bits: 16},
			{Name: "little", Kind: Uint, Bits: 32, LE: true},
			{Name: "big", Kind: Uint, Bits: 64},
			{Name: "ratio", Kind: Float, Bits: 32},
			{Name: "seq", Kind: Uint, Bits: 16, Wraps: true},
			{Name: "tag", Kind: Bytes, Size: Size{N: 3}},
			{Name: "label", Kind: Text, Size: Size{N: 8}},
			{Name: "odd", Kind: Uint, Bits: 16, When: []Cond{{Field: "nibble", In: []uint64{1, 3}}}},
			{Name: "count", Kind: Uint, Bits: 8, Auto: &Auto{What: AutoCount, Field: "items"}},
			{Name: "name", Kind: Name},
			{Name: "items", Kind: List, Size: Size{Field: "count"}, Items: []*Field{
				{Name: "kind", Kind: Uint, Bits: 8, Enum: &kinds},
				{Name: "data", Kind: Choice, On: "kind", Size: Size{Prefix: 1}, Cases: map[uint64]*Field{
					1: {Kind: IPv4},
					2: {Kind: Name},
					3: {Kind: Struct, Items: []*Field{{Name: "left", Kind: Uint, Bits: 8}, {Name: "right", Kind: Uint, Bits: 8}}},
				}},
			}},
			{Name: "options", Kind: Options, TLV: &TLV{TypeBytes: 1, LenBytes: 1, Pad: 0, End: 255, Options: []*Option{
				{Type: 1, Field: Field{Name: "level", Kind: Uint, Bits: 16, Enum: &kinds}},
				{Type: 2, Field: Field{Name: "set", Kind: Uint}},
				{Type: 3, Field: Field{Name: "routers", Kind: List, Items: []*Field{{Kind: IPv4}}}},
				{Type: 4, Field: Field{Name: "host", Kind: Text}},
				{Type: 5, Many: true, Field: Field{Name: "mac", Kind: MACs}},
			}}},
		},
	})
	if err != nil {
		panic(err)
	}
	return reg
}()

type built struct {
	proto  string
	fields Fields
}

// received builds a packet of those layers and decodes it.
func received(t testing.TB, payload string, layers ...built) *Packet {
	t.Helper()
	var p *Packet
	for _, l := range layers {
		q, err := New(matchRegistry, matchRegistry.Proto(l.proto), l.fields)
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			p = q
		} else if err := p.Append(q); err != nil {
			t.Fatal(err)
		}
	}
	p.AppendBytes([]byte(payload))
	if err := p.Finish(nil); err != nil {
		t.Fatal(err)
	}
	q := new(Packet)
	matchRegistry.Decode(q, p.Data, matchRegistry.Proto(layers[0].proto))
	return q
}

func matchPackets(t testing.TB) map[string]*Packet {
	eth := built{"eth", Fields{{"dst", "02:00:00:00:00:02"}, {"src", "02:00:00:00:00:01"}}}
	ip := built{"ip", Fields{{"src", "10.1.2.3"}, {"dst", "192.0.2.1"}, {"ttl", 17}, {"df", 1}}}
	packets := map[string]*Packet{
		"tcp": received(t, "GET / HTTP/1.1\r\n", eth, ip, built{"tcp", Fields{{"sport", 1234}, {"dport", 80}, {"flags", "PA"}, {"seq", uint64(1<<32 - 5)},
			{"options", Fields{{"mss", 1460}, {"sackOk", 1}, {"sack", []any{[]any{1, 2}, []any{30, 40}}}}}}}),
		"tagged": received(t, "\xff\xfe", eth, built{"vlan", Fields{{"id", 100}, {"priority", 5}}}, ip, built{"udp", Fields{{"sport", 5000}, {"dport", 9}}}),
		"six":    received(t, "", eth, built{"ip6", Fields{{"src", "2001:db8::1"}, {"dst", "2001:db8::ffff"}}}, built{"udp", Fields{{"dport", 9}}}),
		"arp":    received(t, "", eth, built{"arp", Fields{{"op", "request"}, {"spa", "10.1.2.3"}, {"tpa", "10.1.2.4"}, {"sha", "02:00:00:00:00:01"}}}),
		"echo":   received(t, "abc", eth, ip, built{"icmp", Fields{{"type", 8}, {"id", 7}, {"seq", 1}}}),
		"tunnel": received(t, "", eth, ip, built{"ip", Fields{{"src", "172.16.0.1"}, {"dst", "172.16.0.2"}, {"ttl", 3}}}, built{"udp", nil}),
		"kinds": received(t, "", eth, ip, built{"udp", Fields{{"dport", 7777}}}, built{"kinds", Fields{
			{"type", 2}, {"nibble", 3}, {"wide", 0xabc}, {"signed", -5}, {"little", 0x01020304}, {"big", uint64(math.MaxUint64)}, {"ratio", -1.5}, {"seq", 10},
			{"tag", "ab"}, {"label", "hello"}, {"odd", 99}, {"name", "WWW.Example.com"},
			{"items", []any{Fields{{"kind", 1}, {"data", "10.9.8.7"}}, Fields{{"kind", 2}, {"data", "ns.example.net"}}, Fields{{"kind", 3}, {"data", Fields{{"left", 1}, {"right", 2}}}}, Fields{{"kind", 77}, {"data", "raw"}}}},
			{"options", Fields{{"level", 2}, {"routers", []any{"10.0.0.1", "10.0.0.2"}}, {"host", "box"}, {"mac", []any{"02:00:00:00:00:0a", "02:00:00:00:00:0b"}}, {"raw", []any{Fields{{"type", 99}, {"data", "xyz"}}}}}}}}),
	}
	cut := new(Packet)
	tcp := packets["tcp"]
	matchRegistry.Decode(cut, tcp.Data[:14+20+4], matchRegistry.Proto("eth"))
	packets["cut"] = cut // the TCP header ends behind its ports
	none := new(Packet)
	matchRegistry.Decode(none, nil, matchRegistry.Proto("eth"))
	packets["none"] = none
	return packets
}

func of(proto string, fields ...FieldValue) Fields { return Fields{{proto, Fields(fields)}} }
func fv(name string, v any) FieldValue             { return FieldValue{name, v} }

func TestMatch(t *testing.T) {
	packets := matchPackets(t)
	big5, _ := new(big.Int).SetString("18446744073709551615", 10)
	tests := []struct {
		name    string
		pattern any
		want    string // the packets that match
	}{
		{"anything", Fields{}, "tcp tagged six arp echo tunnel kinds cut none"},
		{"nothing", AnyOf{}, ""},
		{"name", "tcp", "tcp cut"},
		{"present", of("vlan"), "tagged"},
		{"present by true", Fields{{"vlan", true}}, "tagged"},
		{"absent", Fields{{"vlan", false}, {"ip", true}}, "tcp echo tunnel kinds cut"},
		{"absent by not", AllOf{Not{"vlan"}, "ip"}, "tcp echo tunnel kinds cut"},
		{"absent by plain not", Fields{{"not", "vlan"}, {"ip", true}}, "tcp echo tunnel kinds cut"},
		{"any", AnyOf{"arp", of("icmp")}, "arp echo"},
		{"predicate", PredPacket(func(p *Packet) bool { return len(p.Layers()) == 2 }), "arp"},
		{"outermost", of("ip", fv("ttl", 3)), ""},
		{"uint64", of("ip", fv("ttl", uint64(17))), "tcp tagged echo tunnel kinds cut"},
		{"float", of("ip", fv("ttl", 17.0)), "tcp tagged echo tunnel kinds cut"},
		{"BigInt", of("ip", fv("ttl", big.NewInt(17))), "tcp tagged echo tunnel kinds cut"},
		{"bool", of("ip", fv("df", true), fv("mf", false)), "tcp tagged echo tunnel kinds cut"},
		{"enum", of("icmp", fv("type", "echoRequest")), "echo"},
		{"enum in one of", of("icmp", fv("type", []any{"echo-reply", "echo_request"})), "echo"},
		{"enum of eth", of("eth", fv("type", "ip6")), "six"},
		{"address", of("ip", fv("src", "10.1.2.3"), fv("dst", "192.0.2.1")), "tcp tagged echo tunnel kinds cut"},
		{"address value", of("ip", fv("src", netip.MustParseAddr("10.1.2.3"))), "tcp tagged echo tunnel kinds cut"},
		{"address bytes", of("arp", fv("tpa", []byte{10, 1, 2, 4})), "arp"},
		{"prefix", of("ip", fv("src", "10.255.0.0/8")), "tcp tagged echo tunnel kinds cut"},
		{"prefix of all", of("ip", fv("src", "1.2.3.4/0")), "tcp tagged echo tunnel kinds cut"},
		{"prefix of one", of("arp", fv("tpa", "10.1.2.5/32")), ""},
		{"prefixes", of("arp", fv("tpa", []any{"192.168.0.0/16", "10.1.2.4/31"})), "arp"},
		{"prefix value", of("arp", fv("tpa", netip.MustParsePrefix("10.0.0.0/8"))), "arp"},
		{"IPv6 lower and upper case", of("ip6", fv("src", "2001:DB8:0::1"), fv("dst", "2001:db8::FFFF")), "six"},
		{"IPv6 prefix", of("ip6", fv("src", "2001:db8::/33")), "six"},
		{"IPv6 other prefix", of("ip6", fv("src", "2001:db8:8000::/33")), ""},
		{"IPv6 range", of("ip6", fv("dst", Range{"2001:db8::1", "2001:db8::1:0"})), "six"},
		{"IPv6 one of", of("ip6", fv("dst", []any{"::1", "fe80::/10", "2001:db8::ffff"})), "six"},
		{"IPv6 not", of("ip6", fv("dst", Not{"2001:db8::ffff"})), ""},
		{"IPv6 other", of("ip6", fv("dst", Not{[]any{"::1", "::5", "::9"}})), "six"},
		{"MAC", of("eth", fv("src", "02:00:00:00:00:01"), fv("dst", "02-00-00-00-00-02")), "tcp tagged six arp echo tunnel kinds cut"},
		{"MAC dst alone", of("eth", fv("dst", "02:00:00:00:00:03")), ""},
		{"MAC range", of("eth", fv("dst", Range{Min: "02:00:00:00:00:02", Max: "02:00:00:00:00:03"})), "tcp tagged six arp echo tunnel kinds cut"},
		{"MAC not", of("arp", fv("sha", Not{MAC{2, 0, 0, 0, 0, 1}})), ""},
		{"range", of("ip", fv("ttl", Range{Min: 10, Max: 20})), "tcp tagged echo tunnel kinds cut"},
		{"range, plain", of("ip", fv("ttl", Fields{{"min", 18}})), ""},
		{"range and not", of("ip", fv("ttl", Fields{{"max", 18}, {"not", 17}})), ""},
		{"range of addresses", of("arp", fv("tpa", Range{Min: "10.1.2.0", Max: "10.1.2.9"})), "arp"},
		{"not", of("tcp", fv("dport", Not{uint64(80)})), ""},
		{"not, plain", of("tcp", fv("dport", Fields{{"not", 81}})), "tcp cut"},
		{"not of a list", of("udp", fv("dport", Not{[]any{80, 81, 7777}})), "tagged six tunnel"},
		{"one of many", of("udp", fv("dport", []any{1, 2000, 40000, 9, 50000, 7777, 65535, 12})), "tagged six tunnel kinds"},
		{"one of few", of("udp", fv("dport", []any{1, 7777})), "kinds"},
		{"one of and all of", of("udp", fv("dport", AllOf{Range{Min: 10}, []any{9, 7777}})), "kinds"},
		{"bits in a byte", of("vlan", fv("id", 100), fv("priority", 5)), "tagged"},
		{"flags exactly", of("tcp", fv("flags", "PA")), "tcp"},
		{"flags in another order", of("tcp", fv("flags", "ap")), "tcp"},
		{"flags not exactly", of("tcp", fv("flags", "A")), ""},
		{"flags by mask", of("tcp", fv("flags", HasFlags{Has: "A", Not: "RS"})), "tcp"},
		{"flags by plain mask", of("tcp", fv("flags", Fields{{"has", "P"}, {"not", "A"}})), ""},
		{"flags plain not", of("tcp", fv("flags", Fields{{"not", "R"}})), "tcp"},
		{"flags Not", of("tcp", fv("flags", Not{HasFlags{Has: "R"}})), "tcp"},
		{"flags one of", of("tcp", fv("flags", []any{"S", "PA"})), "tcp"},
		{"flags as letters", of("tcp", fv("flags", regexp.MustCompile("^PA$"))), "tcp"},
		{"cut off, and not", of("tcp", fv("window", Not{0})), "tcp"},
		{"cut off, around", Fields{{"tcp", Not{of("window", fv("min", 0))}}}, "cut"},
		{"conditional", of("icmp", fv("id", 7)), "echo"},
		{"conditional, absent", of("icmp", fv("gateway", Not{"1.2.3.4"})), ""},
		{"conditional, absent around", Fields{{"icmp", Fields{{"not", Fields{{"gateway", "1.2.3.4"}}}}}}, "echo"},
		{"layer not", Fields{{"udp", Not{Fields{{"dport", 9}}}}}, "kinds"},
		{"layer one of", Fields{{"udp", []any{Fields{{"dport", 7777}}, Fields{{"sport", 5000}}}}}, "tagged kinds"},
		{"layer all of", Fields{{"udp", AllOf{Fields{{"dport", 9}}, Fields{{"sport", 5000}}}}}, "tagged"},
		{"packet not", Not{of("ip")}, "six arp none"},
		{"contradiction", AllOf{of("ip", fv("ttl", 17)), of("ip", fv("ttl", 18))}, ""},
		{"regexp on a number", of("ip", fv("ttl", regexp.MustCompile("^1"))), "tcp tagged echo tunnel kinds cut"},
		{"regexp on an address", of("arp", fv("tpa", regexp.MustCompile(`\.4$`))), "arp"},
		{"regexp on a MAC", of("arp", fv("sha", regexp.MustCompile(`^02:`))), "arp"},
		{"predicate on a field", of("ip", fv("ttl", Pred(func(v Value) bool { return v.(uint64)%17 == 0 }))), "tcp tagged echo tunnel kinds cut"},
		{"mixed one of", of("arp", fv("tpa", []any{"1.2.3.4", regexp.MustCompile(`^10\.1\.`)})), "arp"},
		{"wrapping range", of("tcp", fv("seq", Range{Min: uint64(1<<32 - 10), Max: 10})), "tcp"},
		{"sequence beyond", of("tcp", fv("seq", -5)), "tcp"},
		{"option", of("tcp", fv("options", Fields{{"mss", 1460}})), "tcp"},
		{"option range", of("tcp", fv("options", Fields{{"mss", Range{Max: 1400}}})), ""},
		{"option there", of("tcp", fv("options", Fields{{"sackOk", true}, {"mss", true}, {"windowScale", false}})), "tcp"},
		{"option as number", of("tcp", fv("options", Fields{{"sackOk", 1}})), "tcp"},
		{"option absent, and not", of("tcp", fv("options", Fields{{"windowScale", Not{3}}})), ""},
		{"option absent, around", of("tcp", fv("options", Fields{{"not", Fields{{"windowScale", 3}}}})), "tcp"},
		{"list of lists", of("tcp", fv("options", Fields{{"sack", 40}})), "tcp"},
		{"payload", Fields{{"payload", "abc"}}, "echo"},
		{"payload bytes", Fields{{"payload", []byte("abc")}}, "echo"},
		{"payload one of", Fields{{"payload", []any{"x", "abc"}}}, "echo"},
		{"payload regexp", Fields{{"payload", regexp.MustCompile("^GET /")}}, "tcp"},
		{"payload Latin-1", Fields{{"payload", regexp.MustCompile("^ÿþ$")}}, "tagged"},
		{"payload predicate", Fields{{"payload", Pred(func(v Value) bool { return len(v.([]byte)) == 2 })}}, "tagged"},
		{"payload empty", Fields{{"payload", false}, {"udp", true}}, "six tunnel kinds"},
		{"payload any", Fields{{"payload", true}, {"udp", true}}, "tagged"},
		{"names of a choice", of("kinds", fv("items", Fields{{"kind", "secondOne"}, {"data", "NS.example.net."}})), "kinds"},
		{"address of a choice", of("kinds", fv("items", Fields{{"data", "10.9.0.0/16"}})), "kinds"},
		{"object of a choice", of("kinds", fv("items", Fields{{"data", Fields{{"left", 1}, {"right", Range{Max: 2}}}}})), "kinds"},
		{"bytes of a choice", of("kinds", fv("items", Fields{{"data", "raw"}})), "kinds"},
		{"one item has both", of("kinds", fv("items", Fields{{"kind", 1}, {"data", "ns.example.net"}})), ""},
		{"no item has", of("kinds", fv("items", Not{Fields{{"data", "10.0.0.1"}}})), "kinds"},
		{"an item that has not", of("kinds", fv("items", Fields{{"data", Not{"10.9.8.7"}}})), "kinds"},
		{"enum in an item", of("kinds", fv("items", Fields{{"kind", "first"}})), "kinds"},
		{"list predicate", of("kinds", fv("items", Pred(func(v Value) bool { return len(v.([]any)) == 4 }))), "kinds"},
		{"list not empty", of("kinds", fv("items", Fields{})), "kinds"},
		{"name", of("kinds", fv("name", "www.EXAMPLE.com.")), "kinds"},
		{"name not", of("kinds", fv("name", Not{"www.example.org"})), "kinds"},
		{"name regexp", of("kinds", fv("name", regexp.MustCompile(`(?i)\.example\.com$`))), "kinds"},
		{"text", of("kinds", fv("label", "hello")), "kinds"},
		{"text, a part", of("kinds", fv("label", "hell")), ""},
		{"text one of", of("kinds", fv("label", []any{"x", "hello"})), "kinds"},
		{"bytes, filled", of("kinds", fv("tag", "ab")), "kinds"},
		{"bytes not", of("kinds", fv("tag", Not{[]byte("abc")})), "kinds"},
		{"signed", of("kinds", fv("signed", -5)), "kinds"},
		{"signed range", of("kinds", fv("signed", Range{Min: -6, Max: 3})), "kinds"},
		{"signed not", of("kinds", fv("signed", Not{Range{Min: 0}})), "kinds"},
		{"little-endian", of("kinds", fv("little", 0x01020304)), "kinds"},
		{"little-endian range", of("kinds", fv("little", Range{Min: 0x01020303, Max: 0x01020305})), "kinds"},
		{"64 bits", of("kinds", fv("big", big5)), "kinds"},
		{"64 bits less", of("kinds", fv("big", Range{Max: uint64(math.MaxUint64 - 1)})), ""},
		{"float", of("kinds", fv("ratio", -1.5)), "kinds"},
		{"float range", of("kinds", fv("ratio", Range{Min: -2, Max: 0})), "kinds"},
		{"odd bits", of("kinds", fv("wide", 0xabc), fv("nibble", 3)), "kinds"},
		{"behind a condition", of("kinds", fv("odd", 99)), "kinds"},
		{"option list", of("kinds", fv("options", Fields{{"routers", "10.0.0.2"}})), "kinds"},
		{"option many", of("kinds", fv("options", Fields{{"mac", "02:00:00:00:00:0b"}})), "kinds"},
		{"option enum", of("kinds", fv("options", Fields{{"level", "secondOne"}, {"host", "box"}})), "kinds"},
		{"option raw", of("kinds", fv("options", Fields{{"raw", Fields{{"type", 99}, {"data", regexp.MustCompile("y")}}}})), "kinds"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Compile(matchRegistry, tc.pattern)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{}
			for _, n := range strings.Fields(tc.want) {
				want[n] = true
			}
			for n, p := range packets {
				if got := m.Match(p); got != want[n] {
					t.Errorf("%s: %v, want %v\n%s", n, got, want[n], m)
				}
			}
		})
	}
}

func TestMatchErrors(t *testing.T) {
	deep := any(Fields{})
	for range 100 {
		deep = Not{deep}
	}
	tests := []struct {
		pattern         any
		path, msg, hint string
	}{
		{"tpc", "pattern", `no protocol "tpc"`, `did you mean "tcp"`},
		{of("udpp"), "pattern", `no protocol "udpp"`, `did you mean "udp"`},
		{"udp port 53", "pattern", "no protocol", "an object of protocols"},
		{of("tcp", fv("dprot", 1)), "tcp", `no field "dprot"`, `did you mean "dport"`},
		{of("tcp", fv("dport", 65536)), "tcp.dport", "out of range 0..65535", "16 bits"},
		{of("tcp", fv("dport", -1)), "tcp.dport", "out of range", ""},
		{of("tcp", fv("dport", 1.5)), "tcp.dport", "not a whole number", ""},
		{of("tcp", fv("dport", "http")), "tcp.dport", "not a number", ""},
		{of("tcp", fv("dport", nil)), "tcp.dport", "no test", "any value"},
		{of("tcp", fv("dport", Fields{{"mim", 1}})), "tcp.dport", `no field "mim"`, "{ min, max }"},
		{of("tcp", fv("dport", Range{Min: 5, Max: 4})), "tcp.dport", "above", ""},
		{of("tcp", fv("dport", Range{})), "tcp.dport", "without bounds", ""},
		{of("tcp", fv("dport", []any{1, "x"})), "tcp.dport", "not a number", ""},
		{of("tcp", fv("flags", "SX")), "tcp.flags", `no flag "X"`, "letters"},
		{of("tcp", fv("flags", HasFlags{"S", "S"})), "tcp.flags", "both", ""},
		{of("tcp", fv("dport", HasFlags{"S", ""})), "tcp.dport", "no flags", ""},
		{of("ip", fv("src", "10.0.0.256")), "ip.src", "no IPv4 address", ""},
		{of("ip", fv("src", "10.0.0.256/8")), "ip.src", "no prefix", "0..32"},
		{of("ip", fv("src", "10.0.0.0/33")), "ip.src", "no prefix", ""},
		{of("ip", fv("src", "::/0")), "ip.src", "no IPv4 address", "ip6"},
		{of("ip6", fv("src", "10.0.0.0/8")), "ip6.src", "no IPv6 address", ""},
		{of("eth", fv("src", "02:00")), "eth.src", "no MAC", ""},
		{of("icmp", fv("type", "echoRequst")), "icmp.type", "", `did you mean "echoRequest"`},
		{of("tcp", fv("options", Fields{{"msss", 1}})), "tcp.options", `no field "msss"`, `did you mean "mss"`},
		{of("tcp", fv("options", 5)), "tcp.options", "not an object", ""},
		{of("kinds", fv("options", Fields{{"routers", "10.0.0.300"}})), "kinds.options.routers", "no IPv4 address", ""},
		{of("kinds", fv("items", Fields{{"kid", 1}})), "kinds.items", `no field "kid"`, `"kind"`},
		{of("kinds", fv("items", Fields{{"data", 5}})), "kinds.items.data", "", ""},
		{of("kinds", fv("name", "a..b")), "kinds.name", "no domain name", ""},
		{of("kinds", fv("name", Range{Min: "a"})), "kinds.name", "no order", ""},
		{of("kinds", fv("tag", "abcd")), "kinds.tag", "more than the 3", ""},
		{of("kinds", fv("ratio", math.NaN())), "kinds.ratio", "NaN", ""},
		{Fields{{"payload", 5}}, "payload", "not bytes", ""},
		{Fields{{"quoted", of("ip", fv("ttl", 256))}}, "quoted.ip.ttl", "out of range", ""},
		{Fields{{"tcp", 5}}, "tcp", "says nothing", ""},
		{5, "pattern", "no pattern", ""},
		{nil, "pattern", "no pattern", ""},
		{deep, "pattern", "nested deeper", ""},
	}
	for _, tc := range tests {
		m, err := Compile(matchRegistry, tc.pattern)
		var fe *FieldError
		if !errors.As(err, &fe) {
			t.Errorf("%v: no FieldError: %v (%v)", tc.pattern, err, m)
			continue
		}
		if fe.Path != tc.path || !strings.Contains(fe.Msg, tc.msg) || !strings.Contains(fe.Hint, tc.hint) {
			t.Errorf("%v: %s: %s (%s)", tc.pattern, fe.Path, fe.Msg, fe.Hint)
		}
	}
}
