package jsapi

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// lanePackets are the requests that both lanes are held against each other
// with, beside what is cut and damaged of them.
func lanePackets(t testing.TB) [][]byte {
	const me = "eth({src: '02:00:00:00:00:09', dst: '02:00:00:00:00:01'})"
	var list [][]byte
	for _, layers := range []string{
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.1', ttl: 9}), icmp({id: 1, seq: 2}), 'data'",
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.1', options: [{type: 148, data: hex('0000')}]}), icmp(), 'odd'",
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.1'}), icmp({type: 13})",
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.255'}), udp({sport: 7, dport: 9}), 'x'",
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.1'}), udp({sport: 7, dport: 9, checksum: 0}), 'xyz'",
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.1'}), udp({sport: 700, dport: 53}), dns({id: 5, questions: [{name: 'a.example', type: 'A'}]})",
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.1'}), udp({sport: 68, dport: 67}), dhcp({op: 1, xid: 9, options: {messageType: 1}})",
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.1'}), tcp({sport: 700, dport: 80, flags: 'S', seq: 5, options: {mss: 1460}})",
		me + ", ip({src: '10.0.0.9', dst: '10.0.0.1', ttl: 1}), tcp({sport: 700, dport: 80, flags: 'PA', seq: 5, ack: 6}), 'GET'",
		me + ", vlan({id: 7, priority: 2}), ip({src: '10.0.0.9', dst: '10.0.0.1'}), icmp()",
		me + ", vlan({id: 7}), vlan({id: 8}), ip6({src: 'fd00::9', dst: 'fd00::1'}), icmp6({id: 3}), 'data'",
		me + ", ip6({src: 'fd00::9', dst: 'fd00::1'}), ip6hop(), ip6dest(), icmp6({id: 3, seq: 4}), 'data'",
		me + ", ip6({src: 'fd00::9', dst: 'fd00::1'}), udp({sport: 7, dport: 9}), 'data'",
		me + ", ip6({src: 'fd00::9', dst: 'ff02::1:ff00:1'}), icmp6({type: 135, target: 'fd00::1'})",
		"eth({src: '02:00:00:00:00:09', dst: 'ff:ff:ff:ff:ff:ff'}), arp({op: 'request', sha: '02:00:00:00:00:09', spa: '10.0.0.9', tpa: '10.0.0.1'})",
		"eth({src: '02:00:00:00:00:09', dst: 'ff:ff:ff:ff:ff:ff'}), ip({src: '10.0.0.9', dst: '255.255.255.255'}), icmp()",
	} {
		list = append(list, frame(t, layers))
	}
	return list
}

// TestLanes holds that a reaction gives byte for byte what the function gives
// that says the same, from whole, cut and damaged packets.
func TestLanes(t *testing.T) {
	seeds := lanePackets(t)
	for _, tt := range []struct{ name, match, reaction, function string }{
		{"reply", "'eth'", "reply()", "p => p.reply()"},
		{"reply, sent", "'eth'", "reply()", "p => { send(p.reply()) }"},
		{"reply, echo", "{icmp: {type: 'echoRequest'}}", "reply()", "p => p.reply()"},
		{"reply, ttl", "'ip'", "reply({ip: {ttl: 3, dscp: 10}})", "p => p.reply({ip: {ttl: 3, dscp: 10}})"},
		{"reply, told ones", "'ip'", "reply({eth: {src: '02:00:00:00:00:aa'}, ip: {id: 7, checksum: 1}})", "p => p.reply({eth: {src: '02:00:00:00:00:aa'}, ip: {id: 7, checksum: 1}})"},
		{"reply, source", "{ip: {}, icmp: {}}", "reply({ip: {src: '10.0.0.77'}, payload: 'other'})", "p => p.reply({ip: {src: '10.0.0.77'}, payload: 'other'})"},
		{"reply, six", "'ip6'", "reply({ip6: {hopLimit: 5, trafficClass: 4}})", "p => p.reply({ip6: {hopLimit: 5, trafficClass: 4}})"},
		{"reply, flags", "'tcp'", "reply({tcp: {flags: 'RA', window: 0}})", "p => p.reply({tcp: {flags: 'RA', window: 0}})"},
		{"reply, dns", "'dns'", "reply({dns: {answers: [{name: 'a.example', type: 'A', ttl: 5, data: '10.0.0.8'}]}})", "p => p.reply({dns: {answers: [{name: 'a.example', type: 'A', ttl: 5, data: '10.0.0.8'}]}})"},
		{"reply, taken from the packet", "'ip'", "reply({ip: {ttl: from('ip.ttl', {plus: -1, min: 1, max: 255})}})", "p => p.reply({ip: {ttl: Math.min(255, Math.max(1, p.ip.ttl - 1))}})"},
		{"reply, varying", "'ip'", "reply({ip: {ttl: range(1, 9), id: counter(100)}})", "p => p.reply({ip: {ttl: 1 + n % 9, id: 100 + n++}})"},
		{"forward", "'eth'", "forward('wan')", "p => { send(p, {iface: 'wan'}) }"},
		{"forward, changed", "{ip: {}}", "forward('wan', {eth: {dst: '02:00:00:00:00:bb'}, ip: {ttl: from('ip.ttl', {plus: -1, min: 1, max: 255})}})", "p => { send(p.with({eth: {dst: '02:00:00:00:00:bb'}, ip: {ttl: Math.min(255, Math.max(1, p.ip.ttl - 1))}}), {iface: 'wan'}) }"},
		{"forward, marked", "'udp'", "forward('wan', {udp: {dport: 99}, payload: 'longer than before'})", "p => { send(p.with({udp: {dport: 99}, payload: 'longer than before'}), {iface: 'wan'}) }"},
		{"a packet", "'ip'", "packet(eth({dst: '02:00:00:00:00:cc'}), ip({dst: '10.0.0.5'}), udp({dport: 9}), 'x')", "p => packet(eth({dst: '02:00:00:00:00:cc'}), ip({dst: '10.0.0.5'}), udp({dport: 9}), 'x')"},
		{"a template", "'ip'", "packet(eth({dst: '02:00:00:00:00:cc'}), ip({dst: '10.0.0.5'}), udp({dport: range(1, 5)}), 'x')", "p => packet(eth({dst: '02:00:00:00:00:cc'}), ip({dst: '10.0.0.5'}), udp({dport: 1 + n++ % 5}), 'x')"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(9, 8))
			both := [2]*scene{newScene(t), newScene(t)}
			for i, handler := range []string{tt.reaction, tt.function} {
				both[i].host.quarantine = true
				both[i].run("let n = 0; on(" + tt.match + ", " + handler + ")")
			}
			if h := both[0].api.Handlers()[0]; h.Lane != "go" || h.Why == "" {
				t.Errorf("the reaction runs in lane %s: %s", h.Lane, h.Why)
			}
			if h := both[1].api.Handlers()[0]; h.Lane != "js" || h.Why == "" {
				t.Errorf("the function runs in lane %s: %s", h.Lane, h.Why)
			}
			sent := 0
			for i := range 1500 {
				b := slices.Clone(seeds[i%len(seeds)])
				if i >= len(seeds) {
					if random.IntN(3) == 0 {
						b = append(b, make([]byte, random.IntN(30))...)
					}
					for range random.IntN(5) {
						b[random.IntN(len(b))] ^= 1 << random.IntN(8)
					}
					if random.IntN(4) == 0 {
						b = b[:random.IntN(len(b)+1)]
					}
				}
				for _, s := range both {
					s.host.sent, s.host.fails = nil, nil
					s.deliver(b)
				}
				got, want := both[0].host.sent, both[1].host.sent
				same := len(got) == len(want) && len(both[0].host.fails) == len(both[1].host.fails)
				for k := 0; same && k < len(got); k++ {
					same = got[k].link == want[k].link && bytes.Equal(got[k].data, want[k].data)
				}
				if !same {
					t.Fatalf("from %x:\n got %s (%s)\nwant %s (%s)", b, framesText(got), both[0].failures(), framesText(want), both[1].failures())
				}
				sent += len(got)
				if len(both[0].host.fails) > 0 { // both were quarantined: again
					for k, handler := range []string{tt.reaction, tt.function} {
						both[k].run("n = 0; on(" + tt.match + ", " + handler + ")")
					}
				}
			}
			if sent < 20 {
				t.Errorf("only %d frames were sent", sent)
			}
		})
	}
}

func framesText(list []fakeFrame) string {
	s := ""
	for _, f := range list {
		s += fmt.Sprintf("[%d %x]", f.link, f.data)
	}
	return s
}

// TestAnswersOfOptions holds what the engine answers by itself against the
// reactions that say the same. Tagged frames, and those with extension headers,
// it leaves to the script.
func TestAnswersOfOptions(t *testing.T) {
	h := newFake()
	h.links[0].Answer = []string{"arp", "nd", "echo"}
	auto, script := newSceneOn(t, h), newScene(t)
	script.run(`
		on({arp: {op: 'request', tpa: '10.0.0.1'}}, reply());
		on({ip6: {hopLimit: 255}, icmp6: {type: 135, target: 'fd00::1'}}, reply());
		on({vlan: false, ip: {dst: '10.0.0.1'}, icmp: {type: 'echoRequest'}}, reply());
		on({vlan: false, ip6hop: false, ip6: {dst: 'fd00::1'}, icmp6: {type: 'echoRequest'}}, reply());`)
	answered := 0
	for _, b := range lanePackets(t) {
		for _, s := range []*scene{auto, script} {
			s.host.sent = nil
			s.deliver(b)
		}
		if got, want := framesText(auto.host.sent), framesText(script.host.sent); got != want {
			t.Errorf("to %s:\n got %s\nwant %s", auto.decoded(b).Summary(), got, want)
		}
		answered += len(auto.host.sent)
	}
	if answered < 4 {
		t.Errorf("%d are answered", answered)
	}
}
