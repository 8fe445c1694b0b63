package jsapi

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestIndex holds that many subscriptions see what they see when they are
// predicates, asked one after the other, while some come and go.
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
		fmt.Fprintf(&src, "all.push(on(pattern(%s), p => { log.push(%d) }, {priority: %d, final: %v}));", patterns[random.IntN(len(patterns))](), i, random.IntN(3), random.IntN(40) == 0)
	}
	indexed, plain := newScene(t), newScene(t)
	indexed.run("const pattern = m => m;" + src.String())
	plain.run("const pattern = m => p => p.matches(m);" + src.String())
	if n := indexed.api.subs.live; n != 200 {
		t.Fatalf("%d subscriptions", n)
	}
	if n := len(indexed.api.subs.open); n < 2 {
		t.Errorf("%d tables", n)
	}
	for i := range 600 {
		b := frame(t, fmt.Sprintf("eth({src:'02:00:00:00:00:0%d', dst:'02:00:00:00:00:01'}), ip({src:'10.0.0.%d',dst:'10.0.0.1',ttl:%d}), icmp({seq:%d,code:%d})",
			random.IntN(8), random.IntN(8), 60+random.IntN(8), random.IntN(8), random.IntN(3)))
		indexed.deliver(b)
		plain.deliver(b)
		if i%7 == 5 {
			// One goes, and comes again behind the others.
			n := random.IntN(200)
			again := fmt.Sprintf("all[%d].cancel(); all[%d] = on(pattern(%s), p => { log.push(%d) }, {priority: %d})", n, n, patterns[random.IntN(len(patterns))](), 1000+i, random.IntN(3))
			indexed.run(again)
			plain.run(again)
		}
	}
	if a, b := indexed.eval("log.join()"), plain.eval("log.join()"); a != b || len(a) < 1000 {
		t.Errorf("indexed and plain differ, of lengths %d and %d", len(a), len(b))
	}
	indexed.noFailures()
	plain.noFailures()
	for i := range 200 {
		indexed.run(fmt.Sprintf("all[%d].cancel()", i))
	}
	if x := &indexed.api.subs; x.live != 0 || len(x.plain.subs) != 0 || len(x.tables) != 0 || len(x.open) != 0 {
		t.Errorf("left: %d, %d plain, %d tables, %d of them open", x.live, len(x.plain.subs), len(x.tables), len(x.open))
	}
}

// BenchmarkPatterns is the price of an echo request that the last of so many
// patterns on exact values matches; a pattern on a range is found by no
// value, so those are asked one after the other.
func BenchmarkPatterns(b *testing.B) {
	data := frame(b, echo)
	batch := []Frame{{Data: data, Length: len(data), Number: 1}}
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("exact=%d", n), func(b *testing.B) {
			a, _, _ := benchScene(b, fmt.Sprintf(`for (let i = 0; i < %d; i++) on({ip: {src: '10.0.0.2'}, icmp: {type: 'echoRequest', seq: 4 + i}}, reply())`, n))
			b.ReportAllocs()
			for b.Loop() {
				a.Deliver(batch)
			}
		})
	}
	b.Run("ranges=1000", func(b *testing.B) {
		a, _, _ := benchScene(b, `for (let i = 0; i < 1000; i++) on({ip: {src: '10.0.0.2'}, icmp: {type: 'echoRequest', seq: {min: 4 + i}}}, reply())`)
		b.ReportAllocs()
		for b.Loop() {
			a.Deliver(batch)
		}
	})
}
