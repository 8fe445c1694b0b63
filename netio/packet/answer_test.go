package packet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// stackOf builds a packet of layers, finished for env.
func stackOf(t testing.TB, env *Env, layers ...any) *Packet {
	t.Helper()
	p := NewBytes(Builtin(), nil)
	for i := 0; i < len(layers); i += 2 {
		fields, _ := layers[i+1].(Fields)
		q, err := New(Builtin(), Builtin().Proto(layers[i].(string)), fields)
		if err == nil {
			err = p.Append(q)
		}
		if err != nil {
			t.Fatalf("%s: %v", layers[i], err)
		}
	}
	if err := p.Finish(env); err != nil {
		t.Fatal(err)
	}
	return p
}

var (
	asker = Env{MAC: MAC{2, 0, 0, 0, 0, 1}, IPv4: netip.MustParseAddr("10.0.0.1"), IPv6: netip.MustParseAddr("fd00::1")}
	asks  = Env{MAC: MAC{2, 0, 0, 0, 0, 2}, IPv4: netip.MustParseAddr("10.0.0.2"), IPv6: netip.MustParseAddr("fd00::2")}
)

func ethTo(n byte) Fields { return Fields{{"dst", MAC{2, 0, 0, 0, 0, n}}} }

// requests are one of every kind that has an answer.
func requests(t testing.TB, n uint64) map[string]*Packet {
	v4 := Fields{{"dst", "10.0.0.2"}, {"id", 100 + n}}
	v6 := Fields{{"dst", "fd00::2"}}
	q := Fields{{"id", n}, {"questions", []Value{Fields{{"name", "example.net"}, {"type", "A"}}}}}
	return map[string]*Packet{
		"arp":       stackOf(t, &asker, "eth", Fields{{"dst", "ff:ff:ff:ff:ff:ff"}}, "arp", Fields{{"op", "request"}, {"tpa", "10.0.0.2"}}),
		"icmp":      stackOf(t, &asker, "eth", ethTo(2), "ip", v4, "icmp", Fields{{"id", uint64(7)}, {"seq", n}}),
		"timestamp": stackOf(t, &asker, "eth", ethTo(2), "ip", v4, "icmp", Fields{{"type", uint64(13)}, {"id", uint64(7)}, {"seq", n}}),
		"icmp6":     stackOf(t, &asker, "eth", ethTo(2), "ip6", v6, "icmp6", Fields{{"type", "echoRequest"}, {"id", uint64(7)}, {"seq", n}}),
		"nd":        stackOf(t, &asker, "eth", ethTo(2), "ip6", Fields{{"dst", "ff02::1:ff00:2"}}, "icmp6", Fields{{"type", uint64(135)}, {"target", "fd00::2"}}),
		"udp":       stackOf(t, &asker, "eth", ethTo(2), "ip", v4, "udp", Fields{{"sport", 2000 + n}, {"dport", uint64(9)}}),
		"udp6":      stackOf(t, &asker, "eth", ethTo(2), "ip6", v6, "udp", Fields{{"sport", 2000 + n}, {"dport", uint64(9)}}),
		"tcp":       stackOf(t, &asker, "eth", ethTo(2), "ip", v4, "tcp", Fields{{"sport", 2000 + n}, {"dport", uint64(80)}, {"flags", "S"}, {"seq", uint64(77)}}),
		"tcp data":  stackOf(t, &asker, "ip", v4, "tcp", Fields{{"sport", 3000 + n}, {"dport", uint64(80)}, {"flags", "PA"}, {"seq", uint64(77)}}),
		"dns":       stackOf(t, &asker, "eth", ethTo(2), "ip", v4, "udp", Fields{{"sport", uint64(2000)}, {"dport", uint64(53)}}, "dns", q),
		"mdns":      stackOf(t, &asker, "eth", Fields{{"dst", "01:00:5e:00:00:fb"}}, "ip", Fields{{"dst", "224.0.0.251"}}, "udp", Fields{{"sport", uint64(2000)}, {"dport", uint64(53)}}, "dns", q),
		"dhcp": stackOf(t, &asker, "eth", Fields{{"dst", "ff:ff:ff:ff:ff:ff"}}, "ip", Fields{{"src", "0.0.0.0"}, {"dst", "255.255.255.255"}}, "udp", Fields{{"sport", uint64(68)}, {"dport", uint64(67)}},
			"dhcp", Fields{{"op", uint64(1)}, {"xid", n}, {"options", Fields{{"messageType", uint64(1)}}}}),
		"vlan": stackOf(t, &asker, "eth", ethTo(2), "vlan", Fields{{"id", uint64(5)}}, "ip", v4, "icmp", Fields{{"id", uint64(7)}, {"seq", n}}),
	}
}

// receivedAs is the packet as another station sees it.
func receivedAs(p *Packet, first string) *Packet {
	q := new(Packet)
	p.reg.Decode(q, slices.Clone(p.Data), p.reg.Proto(first))
	return q
}

// TestAnswers takes every kind of request, its reply and the errors about it:
// each is an answer to it, is found by its keys, and answers none of the others.
func TestAnswers(t *testing.T) {
	all := requests(t, 1)
	others := requests(t, 2)
	for name, req := range all {
		first := req.refs[0].Proto.Name
		arrived := receivedAs(req, first)
		answers := map[string]*Packet{}
		r, err := arrived.Reply(&asks, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answers["reply"] = r
		if req.Find(protoARP, 0) < 0 {
			for _, kind := range []string{"unreachable", "timeExceeded"} {
				e, err := arrived.Error(&asks, kind, ErrorOptions{})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if e != nil {
					answers[kind] = e
				}
			}
		}
		for kind, a := range answers {
			a := receivedAs(a, first)
			if !a.Answers(req) {
				t.Errorf("%s of %s: %s does not answer %s", kind, name, a.Summary(), req.Summary())
			}
			found := a.AnswerKeys(nil)
			keys := req.RequestKeys(nil)
			if len(keys) > 0 && !slices.ContainsFunc(keys, func(k uint64) bool { return slices.Contains(found, k) }) {
				t.Errorf("%s of %s: not found by its keys", kind, name)
			}
			if len(keys) == 0 {
				t.Errorf("%s has no keys", name)
			}
			if arrived.Answers(req) {
				t.Errorf("%s answers itself", name)
			}
			for other, q := range all {
				if other == name || kind == "reply" && (name == "icmp" && other == "vlan" || name == "vlan" && other == "icmp") {
					continue
				}
				if other != "mdns" && name != "mdns" && a.Answers(q) && !(kind != "reply" && sameDatagram(req, q)) {
					t.Errorf("%s of %s answers %s", kind, name, other)
				}
			}
			if name != "arp" && name != "nd" && a.Answers(others[name]) {
				t.Errorf("%s of %s answers another %s", kind, name, name)
			}
		}
	}
}

// sameDatagram reports whether an error's quote could not tell them apart.
func sameDatagram(a, b *Packet) bool {
	i, j := a.Find(protoIP, 0), b.Find(protoIP, 0)
	return i >= 0 && j >= 0 && string(a.Data[a.refs[i].Off+12:][:16]) == string(b.Data[b.refs[j].Off+12:][:16])
}

// TestAnswerKeys holds that keys miss no answer: whatever answers a request
// by the rules is found by its keys, over random and damaged packets.
func TestAnswerKeys(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var reqs []*Packet
	for n := range uint64(4) {
		for _, r := range requests(t, n) {
			reqs = append(reqs, r)
		}
	}
	some := 0
	for range 20000 {
		req := reqs[random.IntN(len(reqs))]
		first := req.refs[0].Proto.Name
		arrived := receivedAs(req, first)
		var a *Packet
		var err error
		if req.Find(protoARP, 0) >= 0 || random.IntN(3) > 0 {
			a, err = arrived.Reply(&asks, nil, nil)
		} else {
			a, err = arrived.Error(&asks, "unreachable", ErrorOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		if a == nil {
			continue
		}
		b := slices.Clone(a.Data)
		for range random.IntN(3) {
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		}
		if random.IntN(4) == 0 {
			b = b[:random.IntN(len(b)+1)]
		}
		got := new(Packet)
		Builtin().Decode(got, b, Builtin().Proto(first))
		found := got.AnswerKeys(nil)
		for _, q := range reqs {
			if !got.Answers(q) {
				continue
			}
			some++
			keys := q.RequestKeys(nil)
			if len(keys) > 0 && !slices.ContainsFunc(keys, func(k uint64) bool { return slices.Contains(found, k) }) {
				t.Fatalf("%x answers %s, but has none of its keys", b, q.Summary())
			}
		}
	}
	if some < 1000 {
		t.Errorf("only %d answers", some)
	}
}

func BenchmarkAnswerKeys(b *testing.B) {
	for _, name := range []string{"icmp", "udp", "dns"} {
		req := requests(b, 1)[name]
		r, err := receivedAs(req, "eth").Reply(&asks, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("keys/%s", name), func(b *testing.B) {
			b.ReportAllocs()
			var keys []uint64
			for b.Loop() {
				keys = r.AnswerKeys(keys[:0])
			}
		})
		b.Run(fmt.Sprintf("answers/%s", name), func(b *testing.B) { // what the keys save, once for each request
			b.ReportAllocs()
			for b.Loop() {
				r.Answers(req)
			}
		})
	}
}
