package jsapi

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// TestIndex holds that many subscriptions see what they see when they are
// asked one after the other, in the same order, while some come and go.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	patterns := []func() string{
		func() string { return fmt.Sprintf("{icmp: {seq: %d}}", random.IntN(8)) },
		func() string {
			return fmt.Sprintf("{icmp: {code: %d}, ip: {ttl: %d}}", random.IntN(3), 60+random.IntN(8))
		},
		func() string { return fmt.Sprintf("{ip: {src: '10.0.0.%d'}}", random.IntN(8)) },
		func() string { return fmt.Sprintf("{ip: {src: '10.0.0.%d/30'}}", random.IntN(8)&^3) },
		func() string { return fmt.Sprintf("{eth: {src: '02:00:00:00:00:0%d'}, icmp: {}}", random.IntN(8)) },
		func() string { return fmt.Sprintf("{ip: {ttl: {min: %d}}}", 60+random.IntN(8)) },
		func() string { return fmt.Sprintf("{ip: {ttl: [%d, %dn]}}", 60+random.IntN(8), 60+random.IntN(8)) },
		func() string { return fmt.Sprintf("{ip: {ttl: %dn}, tcp: false}", 60+random.IntN(8)) },
		func() string { return "'icmp'" },
		func() string { return "{icmp: {type: 'echoRequest'}, not: {ip: {ttl: 64}}}" },
		func() string { return "{tcp: {dport: 80}}" },
	}
	var src strings.Builder
	src.WriteString("const log = [], all = [];")
	for i := range 200 {
		fmt.Fprintf(&src, "all.push(on(%s, p => { log.push(%d) }, {priority: %d, final: %v}));", patterns[random.IntN(len(patterns))](), i, random.IntN(3), random.IntN(40) == 0)
	}
	indexed, plain := newScene(t), newScene(t)
	indexed.run(src.String())
	plain.run(src.String())
	if n := len(indexed.api.subs); n != 200 {
		t.Fatalf("%d subscriptions", n)
	}
	used := false
	for i := range 600 {
		b := frame(t, fmt.Sprintf("eth({src:'02:00:00:00:00:0%d', dst:'02:00:00:00:00:01'}), ip({src:'10.0.0.%d',dst:'10.0.0.1',ttl:%d}), icmp({seq:%d,code:%d})",
			random.IntN(8), random.IntN(8), 60+random.IntN(8), random.IntN(8), random.IntN(3)))
		indexed.deliver(b)
		plain.api.bySub.same = 0
		plain.deliver(b)
		used = used || indexed.api.bySub.groups != nil && indexed.api.bySub.same == settled
		if i%97 == 50 {
			cancel := fmt.Sprintf("all[%d].cancel()", random.IntN(200))
			indexed.run(cancel)
			plain.run(cancel)
		}
	}
	if !used {
		t.Error("the index was never used")
	}
	if a, b := indexed.eval("log.join()"), plain.eval("log.join()"); a != b || len(a) < 1000 {
		t.Errorf("indexed and plain differ, of lengths %d and %d", len(a), len(b))
	}
	indexed.noFailures()
}

func TestExacts(t *testing.T) {
	for _, tt := range []struct {
		pattern packet.Fields
		want    string
	}{
		{packet.Fields{{Name: "udp", Value: packet.Fields{{Name: "dport", Value: uint64(53)}}}}, "udp.dport=53"},
		{packet.Fields{{Name: "arp", Value: packet.Fields{{Name: "op", Value: "reply"}}}}, "arp.op=2"},
		{packet.Fields{{Name: "ip", Value: packet.Fields{{Name: "dst", Value: "10.0.0.2"}}}}, "ip.dst=167772162"},
		{packet.Fields{{Name: "ip", Value: packet.Fields{{Name: "dst", Value: "10.0.0.0/8"}}}}, ""},
		{packet.Fields{{Name: "ip", Value: packet.Fields{{Name: "ttl", Value: []any{uint64(1)}}}}}, ""},
		{packet.Fields{{Name: "tcp", Value: packet.Fields{{Name: "flags", Value: "SA"}}}}, "tcp.flags=18"},
		{packet.Fields{{Name: "tcp", Value: packet.Fields{{Name: "seq", Value: int64(-1)}}}}, "tcp.seq=4294967295"},
		{packet.Fields{{Name: "icmp", Value: packet.Fields{{Name: "seq", Value: uint64(7)}}}}, "icmp.seq=7"},
		{packet.Fields{{Name: "tcp", Value: true}}, ""},
	} {
		var got []string
		for _, e := range exacts(packet.Builtin(), tt.pattern) {
			got = append(got, fmt.Sprintf("%s.%s=%d", e.proto.Name, e.field.Name, e.value))
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%v: %s, want %s", tt.pattern, g, tt.want)
		}
	}
}
