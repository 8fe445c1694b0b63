package packet

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// TestEchoReply holds the short way of an echo reply against the general one,
// over whole, cut and damaged requests.
func TestEchoReply(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var seeds []*Packet
	for _, to := range []string{"02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff"} {
		eth := Fields{{"dst", to}}
		for _, vlans := range []int{0, 1, 2} {
			layers := []any{"eth", eth}
			for range vlans {
				layers = append(layers, "vlan", Fields{{"id", uint64(5)}, {"priority", uint64(3)}})
			}
			for _, dst := range []string{"10.0.0.2", "255.255.255.255", "224.0.0.1"} {
				seeds = append(seeds, stackOf(t, &asker, append(slices.Clone(layers), "ip", Fields{{"dst", dst}, {"ecn", uint64(1)}, {"df", true}}, "icmp", Fields{{"id", uint64(7)}, {"seq", uint64(9)}})...))
			}
			for _, dst := range []string{"fd00::2", "ff02::1"} {
				seeds = append(seeds, stackOf(t, &asker, append(slices.Clone(layers), "ip6", Fields{{"dst", dst}, {"flowLabel", uint64(77)}}, "icmp6", Fields{{"id", uint64(7)}, {"seq", uint64(9)}})...))
			}
		}
	}
	fast := 0
	for i := range 40000 {
		b := slices.Clone(seeds[random.IntN(len(seeds))].Data)
		b = append(b, make([]byte, random.IntN(40))...) // padding
		if random.IntN(2) == 0 {                        // data, told
			p := receivedAs(&Packet{Data: b, reg: Builtin()}, "eth")
			p.SetBuilt()
			for k := range p.refs {
				for _, f := range p.refs[k].Proto.autos {
					p.Untell(k, f)
				}
			}
			if err := p.SetPayload(make([]byte, random.IntN(1400))); err != nil {
				t.Fatal(err)
			}
			if err := p.Finish(nil); err != nil {
				t.Fatal(err)
			}
			b = p.Data
		}
		for range random.IntN(4) {
			b[random.IntN(min(len(b), 80))] ^= 1 << random.IntN(8)
		}
		if random.IntN(5) == 0 {
			b = b[:random.IntN(len(b)+1)]
		}
		var p Packet
		Builtin().Decode(&p, b, protoEth)
		if len(b) < 14 {
			continue
		}
		answer := func(changes []Change) (*Packet, uint16) {
			env := Env{MAC: MAC{2, 0, 0, 0, 0, 2}}
			if i%3 > 0 {
				env.IPv4, env.IPv6 = netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")
			}
			if h := p.FindName("ip", 0); i%2 > 0 && h >= 0 && len(p.Header(h)) >= 20 {
				env.Broadcast4 = netip.AddrFrom4([4]byte(p.Header(h)[16:20]))
			}
			id := uint16(0)
			if i%5 > 0 {
				env.NextID = func() uint16 { id++; return id }
			}
			out, err := p.Reply(&env, changes, nil)
			if err != nil {
				t.Fatalf("%x: %v", b, err)
			}
			return out, id
		}
		got, n := answer(nil)
		want, m := answer([]Change{{Proto: p.refs[0].Proto}}) // changes nothing, the general way
		if !bytes.Equal(got.Data, want.Data) || n != m || !slices.Equal(got.refs, want.refs) || got.have != want.have || got.dirty != want.dirty {
			t.Fatalf("reply to %x:\n got %x %v\nwant %x %v", b, got.Data, got.refs, want.Data, want.refs)
		}
		if i := max(p.FindName("ip", 0), p.FindName("ip6", 0)); i >= 0 && p.refs[i].Hdr >= int32(p.refs[i].Proto.minBytes) {
			hops := Change{Proto: p.refs[i].Proto, Fields: Fields{{"ttl", uint64(i + 3)}, {"dscp", uint64(9)}}}
			if hops.Proto == protoIP6 {
				hops.Fields = Fields{{"hopLimit", uint64(i + 3)}, {"flowLabel", uint64(9)}}
			}
			got, n := answer([]Change{hops})
			want, m := answer([]Change{{Proto: p.refs[0].Proto}, hops})
			if !bytes.Equal(got.Data, want.Data) || n != m || !slices.Equal(got.refs, want.refs) || got.dirty != want.dirty {
				t.Fatalf("changed reply to %x:\n got %x %v\nwant %x %v", b, got.Data, got.refs, want.Data, want.refs)
			}
		}
		if p.echoReply(&Env{}, new(Packet)) {
			fast++
		}
	}
	if fast < 10000 {
		t.Errorf("only %d went the short way", fast)
	}
}

func BenchmarkReplyEcho(b *testing.B) {
	req := receivedAs(stackOf(b, &asker, "eth", ethTo(2), "ip", Fields{{"dst", "10.0.0.2"}}, "icmp", nil), "eth")
	id := uint16(0)
	env := asks
	env.NextID = func() uint16 { id++; return id }
	for _, bm := range []struct {
		name    string
		changes []Change
	}{{"short", nil}, {"short, ttl", []Change{{Proto: protoIP, Fields: Fields{{"ttl", uint64(9)}}}}}, {"general", []Change{{Proto: protoEth}}}} {
		b.Run(bm.name, func(b *testing.B) {
			out := new(Packet)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := req.Reply(&env, bm.changes, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
