package packet

import (
	"net/netip"
	"slices"
	"testing"
)

// TestErrorForbidden is the list of what no ICMP error is about: RFC 1122
// section 3.2.2, and RFC 4443 section 2.4(e).
func TestErrorForbidden(t *testing.T) {
	udp := []any{"udp", Fields{{"sport", uint64(7)}, {"dport", uint64(9)}}}
	v4 := func(f ...FieldValue) []any {
		return append([]any{"ip", append(Fields{{"src", "10.0.0.1"}, {"dst", "10.0.0.2"}}, f...)}, udp...)
	}
	v6 := func(f ...FieldValue) []any {
		return append([]any{"ip6", append(Fields{{"src", "fd00::1"}, {"dst", "fd00::2"}}, f...)}, udp...)
	}
	icmp := func(typ uint64) []any {
		return []any{"ip", Fields{{"src", "10.0.0.1"}, {"dst", "10.0.0.2"}}, "icmp", Fields{{"type", typ}}}
	}
	icmp6 := func(typ uint64) []any {
		return []any{"ip6", Fields{{"src", "fd00::1"}, {"dst", "fd00::2"}}, "icmp6", Fields{{"type", typ}}}
	}
	with := func(layers []any, name string, v any) []any { // the last of two tells
		f := layers[1].(Fields)
		f = slices.DeleteFunc(slices.Clone(f), func(x FieldValue) bool { return x.Name == name })
		return append([]any{layers[0], append(f, FieldValue{name, v})}, layers[2:]...)
	}
	const me, all = "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff"
	for _, tt := range []struct {
		name   string
		mac    string
		layers []any
		kind   string
		o      ErrorOptions
		want   bool
	}{
		{"a datagram", me, v4(), "unreachable", ErrorOptions{}, true},
		{"an echo request", me, icmp(8), "unreachable", ErrorOptions{}, true},
		{"an echo reply", me, icmp(0), "unreachable", ErrorOptions{}, true},
		{"unreachable", me, icmp(3), "unreachable", ErrorOptions{}, false},
		{"source quench", me, icmp(4), "timeExceeded", ErrorOptions{}, false},
		{"redirect", me, icmp(5), "unreachable", ErrorOptions{}, false},
		{"time exceeded", me, icmp(11), "timeExceeded", ErrorOptions{}, false},
		{"parameter problem", me, icmp(12), "unreachable", ErrorOptions{}, false},
		{"to broadcast", me, with(v4(), "dst", "255.255.255.255"), "unreachable", ErrorOptions{}, false},
		{"to multicast", me, with(v4(), "dst", "224.0.0.5"), "unreachable", ErrorOptions{}, false},
		{"a link-layer broadcast", all, v4(), "unreachable", ErrorOptions{}, false},
		{"a link-layer multicast", "01:00:5e:00:00:05", v4(), "unreachable", ErrorOptions{}, false},
		{"the first fragment", me, v4(FieldValue{"mf", true}), "timeExceeded", ErrorOptions{}, true},
		{"a later fragment", me, v4(FieldValue{"offset", uint64(5)}), "timeExceeded", ErrorOptions{}, false},
		{"from the unspecified address", me, with(v4(), "src", "0.0.0.0"), "unreachable", ErrorOptions{}, false},
		{"from broadcast", me, with(v4(), "src", "255.255.255.255"), "unreachable", ErrorOptions{}, false},
		{"from multicast", me, with(v4(), "src", "224.0.0.1"), "unreachable", ErrorOptions{}, false},
		{"from loopback", me, with(v4(), "src", "127.0.0.1"), "unreachable", ErrorOptions{}, false},
		{"from class E", me, with(v4(), "src", "240.0.0.1"), "unreachable", ErrorOptions{}, false},

		{"a datagram, 6", me, v6(), "unreachable", ErrorOptions{}, true},
		{"an echo request, 6", me, icmp6(128), "timeExceeded", ErrorOptions{}, true},
		{"an error, 6", me, icmp6(1), "unreachable", ErrorOptions{}, false},
		{"an unknown error, 6", me, icmp6(100), "unreachable", ErrorOptions{}, false},
		{"a redirect, 6", me, icmp6(137), "unreachable", ErrorOptions{}, false},
		{"to multicast, 6", me, with(v6(), "dst", "ff02::1"), "unreachable", ErrorOptions{}, false},
		{"to multicast, too big", me, with(v6(), "dst", "ff02::1"), "packetTooBig", ErrorOptions{MTU: uint64(1280)}, true},
		{"to multicast, unknown option", me, with(v6(), "dst", "ff02::1"), "parameterProblem", ErrorOptions{Code: uint64(2)}, true},
		{"to multicast, unknown header", me, with(v6(), "dst", "ff02::1"), "parameterProblem", ErrorOptions{Code: uint64(1)}, false},
		{"a link-layer multicast, 6", "33:33:00:00:00:01", v6(), "unreachable", ErrorOptions{}, false},
		{"a link-layer multicast, too big", "33:33:00:00:00:01", with(v6(), "dst", "ff02::1"), "packetTooBig", ErrorOptions{MTU: uint64(1280)}, true},
		{"from the unspecified address, 6", me, with(v6(), "src", "::"), "unreachable", ErrorOptions{}, false},
		{"from multicast, 6", me, with(v6(), "src", "ff02::1"), "unreachable", ErrorOptions{}, false},
	} {
		p := receivedAs(stackOf(t, &asker, append([]any{"eth", Fields{{"dst", tt.mac}}}, tt.layers...)...), "eth")
		e, err := p.Error(&asks, tt.kind, tt.o)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if (e != nil) != tt.want {
			t.Errorf("%s: an error %v, want %v", tt.name, e != nil, tt.want)
		}
		if e == nil {
			continue
		}
		if problems := receivedAs(e, "eth").Errors(); len(problems) > 0 {
			t.Errorf("%s: %s", tt.name, problems)
		}
		q := receivedAs(e, "eth").Quoted()
		if q == nil || !slices.Equal(q.Data, p.Data[14:p.refs[1].End]) {
			t.Errorf("%s: it quotes %v", tt.name, q)
		}
	}
}

// TestErrorLooks holds the headers of errors: RFC 792, RFC 1191, RFC 1812
// section 4.3.2, RFC 4443 section 3, RFC 4861 section 4.5.
func TestErrorLooks(t *testing.T) {
	for _, tt := range []struct {
		name string
		v6   bool
		size int
		kind string
		o    ErrorOptions
		head []byte // type, code, -, -, second word
		most int    // length of the IP packet
	}{
		{"unreachable", false, 10, "unreachable", ErrorOptions{Code: "port"}, []byte{3, 3, 0, 0, 0, 0, 0, 0}, 576},
		{"time exceeded", false, 2000, "timeExceeded", ErrorOptions{}, []byte{11, 0, 0, 0, 0, 0, 0, 0}, 576},
		{"too big", false, 2000, "packetTooBig", ErrorOptions{MTU: uint64(1400)}, []byte{3, 4, 0, 0, 0, 0, 5, 0x78}, 576},
		{"redirect", false, 10, "redirect", ErrorOptions{Code: uint64(1), Gateway: "10.0.0.254"}, []byte{5, 1, 0, 0, 10, 0, 0, 254}, 576},
		{"parameter problem", false, 10, "parameterProblem", ErrorOptions{}, []byte{12, 0, 0, 0, 0, 0, 0, 0}, 576},
		{"unreachable, 6", true, 2000, "unreachable", ErrorOptions{Code: uint64(4)}, []byte{1, 4, 0, 0, 0, 0, 0, 0}, 1280},
		{"too big, 6", true, 2000, "packetTooBig", ErrorOptions{MTU: uint64(1400)}, []byte{2, 0, 0, 0, 0, 0, 5, 0x78}, 1280},
		{"time exceeded, 6", true, 10, "timeExceeded", ErrorOptions{}, []byte{3, 0, 0, 0, 0, 0, 0, 0}, 1280},
		{"parameter problem, 6", true, 10, "parameterProblem", ErrorOptions{Code: uint64(1)}, []byte{4, 1, 0, 0, 0, 0, 0, 0}, 1280},
		{"redirect, 6", true, 2000, "redirect", ErrorOptions{Gateway: "fe80::9"}, []byte{137, 0, 0, 0, 0, 0, 0, 0}, 1280},
	} {
		layers := []any{"eth", ethTo(2), "ip", Fields{{"dst", "10.0.0.9"}}, "udp", Fields{{"dport", uint64(9)}}}
		if tt.v6 {
			layers = []any{"eth", ethTo(2), "ip6", Fields{{"dst", "fd00::9"}}, "udp", Fields{{"dport", uint64(9)}}}
		}
		p := stackOf(t, &asker, layers...)
		if err := p.SetPayload(make([]byte, tt.size)); err != nil {
			t.Fatal(err)
		}
		if err := p.Finish(&asker); err != nil {
			t.Fatal(err)
		}
		p = receivedAs(p, "eth")
		e, err := p.Error(&asks, tt.kind, tt.o)
		if err != nil || e == nil {
			t.Errorf("%s: %v, %v", tt.name, e, err)
			continue
		}
		e = receivedAs(e, "eth")
		if problems := e.Errors(); len(problems) > 0 {
			t.Errorf("%s: %s", tt.name, problems)
		}
		h := slices.Clone(e.Data[e.refs[2].Off:][:8])
		h[2], h[3] = 0, 0
		if !slices.Equal(h, tt.head) {
			t.Errorf("%s: % x, want % x", tt.name, h, tt.head)
		}
		if n := len(e.Data) - 14; n > tt.most || tt.size > 1000 && n < tt.most-16 {
			t.Errorf("%s: %d bytes, at most %d", tt.name, n, tt.most)
		}
		src, _ := e.Value(1, e.refs[1].Proto.byName["src"])
		dst, _ := e.Value(1, e.refs[1].Proto.byName["dst"])
		from, to := asks.IPv4, asker.IPv4
		if tt.v6 {
			from, to = asks.IPv6, asker.IPv6
		}
		if src != any(from) || dst != any(to) {
			t.Errorf("%s: from %v to %v", tt.name, src, dst)
		}
		if tt.kind == "redirect" && tt.v6 {
			if hop, _ := e.Uint(1, protoIP6.byName["hopLimit"]); hop != 255 {
				t.Errorf("%s: hop limit %d", tt.name, hop)
			}
			target, _ := e.Value(2, protoICMP6.byName["target"])
			if target != any(netip.MustParseAddr("fe80::9")) {
				t.Errorf("%s: target %v", tt.name, target)
			}
		}
		if !e.Answers(stackSent(p)) {
			t.Errorf("%s: does not answer what it quotes", tt.name)
		}
	}
}

// stackSent is a packet as its sender has it.
func stackSent(p *Packet) *Packet {
	q := p.Clone()
	q.SetBuilt()
	return q
}

// TestDirectedBroadcast has nobody answer from the broadcast address of the
// interface's network, nor report an error of what was sent to it.
func TestDirectedBroadcast(t *testing.T) {
	env := &Env{MAC: MAC{2, 0, 0, 0, 0, 2}, IPv4: netip.MustParseAddr("192.0.2.2"), Broadcast4: netip.MustParseAddr("192.0.2.255")}
	for _, layer := range []string{"icmp", "udp"} {
		p := arrived(t, buildParts(t, part{"eth", Fields{{"dst", "02:00:00:00:00:02"}}}, part{"ip", Fields{{"dst", "192.0.2.255"}}}, part{layer, nil}))
		for _, changes := range [][]Change{nil, {{Proto: protoEth}}} {
			r, err := p.Reply(env, changes, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := field(t, r, "ip", "src"); got != "192.0.2.2" {
				t.Errorf("%s is answered from %v", layer, got)
			}
		}
		if e, err := p.Error(env, "unreachable", ErrorOptions{}); e != nil || err != nil {
			t.Errorf("%s: an error to a broadcast: %v %v", layer, e, err)
		}
	}
}
