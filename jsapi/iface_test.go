package jsapi

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio/packet"
)

var peerMAC = packet.MAC{2, 0, 0, 0, 0, 9}

// arpFrame is an ARP frame from a peer.
func arpFrame(op byte, sha packet.MAC, spa string, tha packet.MAC, tpa string) []byte {
	b := make([]byte, 42)
	copy(b, bytes.Repeat([]byte{0xff}, 6))
	if tha != (packet.MAC{}) {
		copy(b, tha[:])
	}
	copy(b[6:], sha[:])
	copy(b[12:], []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, op})
	copy(b[22:], sha[:])
	copy(b[28:], netip.MustParseAddr(spa).AsSlice())
	copy(b[32:], tha[:])
	copy(b[38:], netip.MustParseAddr(tpa).AsSlice())
	return b
}

// sentText is what was sent, a word a frame: who is asked for whom, and what
// went to which MAC.
func (s *scene) sentText() string {
	var words []string
	for _, f := range s.host.sent {
		b := f.data
		to := packet.MAC(b[:6]).String()
		switch {
		case b[12] == 8 && b[13] == 6:
			words = append(words, fmt.Sprintf("arp%d:%v>%s", b[21], netip.AddrFrom4([4]byte(b[38:42])), to))
		case b[12] == 8:
			words = append(words, fmt.Sprintf("ip:%v>%s", netip.AddrFrom4([4]byte(b[30:34])), to))
		case b[20] == 58 && b[54] == 135:
			words = append(words, fmt.Sprintf("ns:%v>%s", netip.AddrFrom16([16]byte(b[62:78])), to))
		default:
			words = append(words, fmt.Sprintf("ip6:%v>%s", netip.AddrFrom16([16]byte(b[38:54])), to))
		}
	}
	s.host.sent = nil
	return strings.Join(words, " ")
}

func (s *scene) wantSent(when, want string) {
	s.t.Helper()
	if got := s.sentText(); got != want {
		s.t.Errorf("%s: sent\n %s\nwant\n %s", when, got, want)
	}
}

const all = "ff:ff:ff:ff:ff:ff"

// lanMAC is the MAC of the fake's first interface.
var lanMAC = packet.MAC{2, 0, 0, 0, 0, 1}

func TestNextHopARP(t *testing.T) {
	s := newScene(t)
	s.run(`const to = (dst) => send(ip({ dst }), udp({ sport: 1, dport: 9 })); to('10.0.0.9'); to('10.0.0.9'); to('10.0.0.9')`)
	s.wantSent("the first packets", "arp1:10.0.0.9>"+all)
	s.deliver(arpFrame(2, peerMAC, "10.0.0.9", lanMAC, "10.0.0.1"))
	s.wantSent("the answer", "ip:10.0.0.9>02:00:00:00:00:09 ip:10.0.0.9>02:00:00:00:00:09 ip:10.0.0.9>02:00:00:00:00:09")
	s.run(`to('10.0.0.9')`)
	s.wantSent("known", "ip:10.0.0.9>02:00:00:00:00:09")
	s.host.advance(30 * time.Second)
	s.wantSent("nothing is asked by itself", "")

	// After a minute, use asks again by unicast, and the packet does not wait.
	s.host.advance(31 * time.Second)
	s.run(`to('10.0.0.9')`)
	s.wantSent("stale", "ip:10.0.0.9>02:00:00:00:00:09 arp1:10.0.0.9>02:00:00:00:00:09")
	other := packet.MAC{2, 0, 0, 0, 0, 0x19}
	s.deliver(arpFrame(2, other, "10.0.0.9", lanMAC, "10.0.0.1"))
	s.run(`to('10.0.0.9')`)
	s.wantSent("it moved", "ip:10.0.0.9>02:00:00:00:00:19")

	// No answer to the question: the MAC is forgotten.
	s.host.advance(61 * time.Second)
	s.run(`to('10.0.0.9')`)
	s.host.advance(5 * time.Second)
	s.sentText()
	s.run(`to('10.0.0.9')`)
	s.wantSent("gone", "arp1:10.0.0.9>"+all)
	s.noFailures()
}

func TestNextHopSilence(t *testing.T) {
	s := newScene(t)
	s.run(`for (let i = 0; i < 3; i++) send(ip({ dst: '10.0.0.9' }), icmp())`)
	s.host.advance(2500 * time.Millisecond)
	s.wantSent("three tries a second apart", strings.TrimSpace(strings.Repeat("arp1:10.0.0.9>"+all+" ", 3)))
	if len(s.host.logs) != 0 {
		t.Errorf("too early: %q", s.host.logs)
	}
	s.host.advance(time.Second)
	want := []string{"error: 10.0.0.9: no answer to ARP on lan (packets dropped: 3)"}
	if fmt.Sprint(s.host.logs) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", s.host.logs, want)
	}
	if err := s.api.hopError(s.api.links[0], netip.MustParseAddr("10.0.0.9")); err == nil || err.Error() != "10.0.0.9: no answer to ARP on lan" {
		t.Errorf("hopError: %v", err)
	}
	// The next packet asks anew, and is counted without another warning.
	s.run(`send(ip({ dst: '10.0.0.9' }), icmp())`)
	s.host.advance(10 * time.Second)
	if len(s.host.logs) != 1 {
		t.Errorf("logs: %q", s.host.logs)
	}
	if got := s.eval(`interfaces[0].stats().dropped`); got != "4" {
		t.Errorf("dropped %s, want 4", got)
	}
	if len(s.host.timers) != 0 {
		t.Errorf("%d timers are left", len(s.host.timers))
	}
}

func TestNextHopBounds(t *testing.T) {
	s := newScene(t)
	s.run(fmt.Sprintf(`for (let i = 0; i < %d; i++) send(ip({ dst: '10.0.0.9', id: i }), udp())`, hopWaiting+84))
	s.wantSent("one question", "arp1:10.0.0.9>"+all)
	s.deliver(arpFrame(2, peerMAC, "10.0.0.9", lanMAC, "10.0.0.1"))
	var ids []int
	for _, f := range s.host.sent {
		ids = append(ids, int(f.data[18])<<8|int(f.data[19]))
	}
	if len(ids) != hopWaiting || ids[0] != 84 || ids[hopWaiting-1] != hopWaiting+83 {
		t.Errorf("sent %v: want the last %d in order", ids, hopWaiting)

	}
	if len(s.host.logs) != 1 || !strings.Contains(s.host.logs[0], "packets are dropped") {
		t.Errorf("logs: %q", s.host.logs)
	}

	// A scan of a large network stays within bounds, and names few.
	s = newScene(t)
	l := s.api.links[0]
	frame := make([]byte, 60)
	for i := range 70000 {
		s.api.sendVia(l, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), frame, Cause{})
		if i == 5000 {
			s.host.advance(5 * time.Second)
			s.host.timers = nil
		}
	}
	if n := len(l.hops.byAddr); n > hopLimit {
		t.Errorf("%d neighbours", n)
	}
	if l.hops.queued > hopQueued {
		t.Errorf("%d packets wait", l.hops.queued)
	}
	if len(s.host.logs) > hopWarned+3 {
		t.Errorf("%d lines of log", len(s.host.logs))
	}
}

func TestNextHopChoice(t *testing.T) {
	for _, c := range []struct{ name, setup, dst, want string }{
		{"on link", ``, "10.0.0.77", "arp1:10.0.0.77>" + all},
		{"nothing is known: itself", ``, "198.51.100.1", "arp1:198.51.100.1>" + all},
		{"by the gateway", `interfaces[0].assign({ gateway: '10.0.0.254' })`, "198.51.100.1", "arp1:10.0.0.254>" + all},
		{"on link in spite of the gateway", `interfaces[0].assign({ gateway: '10.0.0.254' })`, "10.0.0.3", "arp1:10.0.0.3>" + all},
		{"of another network since assign", `interfaces[0].assign({ ip: '172.16.0.5/12', gateway: '172.16.0.1' })`, "172.31.0.1", "arp1:172.31.0.1>" + all},
		{"the old network is off link then", `interfaces[0].assign({ ip: '172.16.0.5/12', gateway: '172.16.0.1' })`, "10.0.0.9", "arp1:172.16.0.1>" + all},
		{"broadcast", ``, "255.255.255.255", "ip:255.255.255.255>" + all},
		{"of the network", ``, "10.0.0.255", "ip:10.0.0.255>" + all},
		{"multicast", ``, "239.129.2.3", "ip:239.129.2.3>01:00:5e:01:02:03"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			s.run(c.setup + `; send(ip({ dst: '` + c.dst + `' }), udp(), { iface: 'lan' })`)
			s.wantSent(c.dst, c.want)
			s.noFailures()
		})
	}
	s := newScene(t)
	s.run(`send(ip6({ dst: 'ff02::1:3' }), udp()); send(ip6({ dst: 'fd00::9' }), udp()); send(ip6({ dst: 'fe80::9' }), udp())`)
	s.wantSent("IPv6", "ip6:ff02::1:3>33:33:00:01:00:03 ns:fd00::9>33:33:ff:00:00:09 ns:fe80::9>33:33:ff:00:00:09")
}

// On a live link the kernel's routes say it, and are not asked for every packet.
func TestNextHopOfTheKernel(t *testing.T) {
	h := newFake()
	asked := 0
	h.hop = func(dst netip.Addr) (netip.Addr, netip.Addr, bool) {
		asked++
		return netip.MustParseAddr("10.0.0.254"), netip.Addr{}, true
	}
	s := newSceneOn(t, h)
	s.run(`for (let i = 0; i < 10; i++) send(ip({ dst: '198.51.100.1' }), udp(), { iface: 'lan' })`)
	s.wantSent("routed", "arp1:10.0.0.254>"+all)
	if asked != 1 {
		t.Errorf("the kernel was asked %d times", asked)
	}
}

func TestNextHopSolicitation(t *testing.T) {
	s := newScene(t)
	s.run(`send(ip6({ dst: 'fd00::9' }), icmp6())`)
	if len(s.host.sent) != 1 {
		t.Fatalf("%d frames", len(s.host.sent))
	}
	ns := s.host.sent[0].data
	var p packet.Packet
	packet.Builtin().Decode(&p, ns, packet.Builtin().Proto("eth"))
	if e := p.Errors(); len(e) != 0 {
		t.Errorf("the solicitation has errors: %q\n%s", e, hex.Dump(ns))
	}
	s.sentText()
	// The advertisement, by the codec, so that both are checked by each other.
	na := frame(t, `eth({ src: '02:00:00:00:00:09', dst: '02:00:00:00:00:01' }), ip6({ src: 'fd00::9', dst: 'fd00::1', hopLimit: 255 }), icmp6({ type: 136, target: 'fd00::9', solicited: 1, override: 1, options: { targetMac: '02:00:00:00:00:09' } })`)
	far := bytes.Clone(na)
	far[21] = 254
	s.deliver(far)
	s.wantSent("from beyond a router", "")
	s.deliver(na)
	s.wantSent("advertised", "ip6:fd00::9>02:00:00:00:00:09")
	s.noFailures()

	s = newScene(t)
	s.run(`send(ip6({ dst: 'fd00::8' }), icmp6())`)
	s.host.advance(5 * time.Second)
	if len(s.host.logs) != 1 || s.host.logs[0] != "error: fd00::8: no answer to neighbour solicitations on lan (packets dropped: 1)" {
		t.Errorf("logs: %q", s.host.logs)
	}
}

// What is not addressed to us changes nothing, and hostile frames harm nothing.
func TestNextHopLearning(t *testing.T) {
	s := newScene(t)
	l := s.api.links[0]
	evil := packet.MAC{2, 6, 6, 6, 6, 6}
	s.deliver(arpFrame(2, evil, "10.0.0.9", lanMAC, "10.0.0.1")) // an answer nobody asked for
	s.deliver(arpFrame(1, evil, "10.0.0.8", packet.MAC{}, "10.0.0.7"))
	if len(l.hops.byAddr) != 0 {
		t.Errorf("%d neighbours from traffic of others", len(l.hops.byAddr))
	}
	s.run(`send(ip({ dst: '10.0.0.9' }), udp())`)
	s.deliver(arpFrame(2, packet.MAC{1, 0, 0, 0, 0, 1}, "10.0.0.9", lanMAC, "10.0.0.1")) // a group is no neighbour
	s.sentText()
	s.deliver(arpFrame(2, peerMAC, "10.0.0.9", lanMAC, "10.0.0.1"))
	s.wantSent("answered", "ip:10.0.0.9>02:00:00:00:00:09")
	s.deliver(arpFrame(1, evil, "10.0.0.9", packet.MAC{}, "10.0.0.3"))
	s.run(`send(ip({ dst: '10.0.0.9' }), udp())`)
	s.wantSent("a request between others", "ip:10.0.0.9>02:00:00:00:00:09")
	s.deliver(arpFrame(1, evil, "10.0.0.9", packet.MAC{}, "10.0.0.9"))
	s.run(`send(ip({ dst: '10.0.0.9' }), udp())`)
	s.wantSent("an announcement", "ip:10.0.0.9>02:06:06:06:06:06")
}

func FuzzObserve(f *testing.F) {
	f.Add(arpFrame(1, peerMAC, "10.0.0.9", packet.MAC{}, "10.0.0.1"))
	f.Add(arpFrame(2, peerMAC, "10.0.0.9", lanMAC, "10.0.0.1"))
	f.Add(neighbourSolicitation(&link{env: packet.Env{MAC: peerMAC}}, &neighbour{addr: netip.MustParseAddr("fd00::1")}))
	h := newFake()
	h.links[0].Answer = []string{"arp", "nd", "echo"}
	s := newSceneOn(f, h)
	f.Fuzz(func(t *testing.T, b []byte) {
		s.api.sendVia(s.api.links[0], netip.MustParseAddr("10.0.0.9"), make([]byte, 60), Cause{})
		var p packet.Packet
		packet.Builtin().Decode(&p, b, packet.Builtin().Proto("eth"))
		s.api.observe(0, &p)
		h.sent, h.timers = nil, nil
	})
}

func TestAnswers(t *testing.T) {
	h := newFake()
	h.links[0].Answer = []string{"arp", "nd", "echo"}
	s := newSceneOn(t, h)
	s.deliver(arpFrame(1, peerMAC, "10.0.0.9", packet.MAC{}, "10.0.0.1"))
	if len(h.sent) != 1 || !bytes.Equal(h.sent[0].data, arpFrame(2, lanMAC, "10.0.0.1", peerMAC, "10.0.0.9")) {
		t.Fatalf("ARP: %+v", h.sent)
	}
	s.sentText()
	s.run(`send(ip({ dst: '10.0.0.9' }), udp())`)
	s.wantSent("who asked is known", "ip:10.0.0.9>02:00:00:00:00:09")
	s.deliver(arpFrame(1, peerMAC, "10.0.0.9", packet.MAC{}, "10.0.0.2"))
	s.wantSent("of another address", "")

	s.deliver(frame(t, `eth({ src: '02:00:00:00:00:09', dst: '02:00:00:00:00:01' }), ip({ src: '10.0.0.9', dst: '10.0.0.1' }), icmp({ id: 7, seq: 3 }), 'data'`))
	if len(h.sent) != 1 || h.sent[0].data[34] != 0 || !bytes.HasSuffix(h.sent[0].data, []byte("data")) {
		t.Fatalf("echo: %+v", h.sent)
	}
	s.wantSent("echo", "ip:10.0.0.9>02:00:00:00:00:09")
	s.deliver(frame(t, `eth({ src: '02:00:00:00:00:09', dst: '02:00:00:00:00:01' }), ip({ src: '10.0.0.9', dst: '10.0.0.255' }), icmp()`))
	s.wantSent("echo to a broadcast", "")

	s.deliver(frame(t, `eth({ src: '02:00:00:00:00:09', dst: '33:33:ff:00:00:01' }), ip6({ src: 'fd00::9', dst: 'ff02::1:ff00:1', hopLimit: 255 }), icmp6({ type: 135, target: 'fd00::1', options: { sourceMac: '02:00:00:00:00:09' } })`))
	if len(h.sent) != 1 || h.sent[0].data[54] != 136 {
		t.Fatalf("ND: %+v", h.sent)
	}
	s.sentText()
	s.deliver(frame(t, `eth({ src: '02:00:00:00:00:09', dst: '02:00:00:00:00:01' }), ip6({ src: 'fd00::9', dst: 'fd00::1' }), icmp6({ type: 128, id: 1, seq: 1 })`))
	s.wantSent("echo6", "ip6:fd00::9>02:00:00:00:00:09")
	s.noFailures()
}

func TestInterfaces(t *testing.T) {
	h := newFake()
	h.devices = []Device{{Name: "eth9", Description: "a card", MAC: "02:00:00:00:00:77", Addresses: []string{"192.0.2.7"}, Up: true}}
	h.links[0].Addrs = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("192.0.2.99/24")}
	for _, c := range []struct{ src, want string }{
		{`interfaces.length`, "2"},
		{`interfaces.map((i) => i.name).join()`, "lan,wan"},
		{`JSON.stringify(interfaces[0])`, `{"name":"lan","kind":"wire","mac":"02:00:00:00:00:01","addresses":["10.0.0.1","fd00::1","192.0.2.99"],"mtu":1500,"up":true}`},
		{`interfaces[0].mac = 'x'`, "TypeError"},
		{`interfaces.push(1)`, "TypeError"},
		{`interfaces[0].assign({ ip: '10.9.9.9/16', mac: '02:11:22:33:44:55' }); interfaces[0].addresses[0] + ' ' + interfaces[0].mac`, "10.9.9.9 02:11:22:33:44:55"},
		{`interfaces[0].assign({ ip: null, ip6: null }); interfaces[0].addresses.join()`, "10.0.0.1,192.0.2.99"},
		{`interfaces[0].assign({ ip: undefined }); interfaces[0].addresses[0]`, "10.0.0.1"},
		{`interfaces[0].assign({ ip: '10.0.0.256' })`, "assign: ip: '10.0.0.256' is not an IPv4 address | an address with the length"},
		{`interfaces[0].assign({ ip: 'fd00::1' })`, "is not an IPv4 address"},
		{`interfaces[0].assign({ ip6: '10.0.0.1/24' })`, "is not an IPv6 address"},
		{`interfaces[0].assign({ mac: 'ff:ff:ff:ff:ff:ff' })`, "is not the MAC address of one interface"},
		{`interfaces[0].assign({ gatway: '10.0.0.1' })`, "did you mean 'gateway'?"},
		{`interfaces[0].assign({ gateway: 7 })`, "assign: gateway: 7 is not an address"},
		{`interfaces[0].assign()`, "assign: an object is needed, not undefined"},
		{`try { interfaces[0].assign({ ip: '10.9.9.9', mac: 'bad' }) } catch {}; interfaces[0].addresses[0]`, "10.0.0.1"},
		{`JSON.stringify(interfaces[1].stats())`, `{"received":0,"sent":0,"dropped":0,"errors":0}`},
		{`JSON.stringify(availableDevices())`, `[{"name":"eth9","description":"a card","mac":"02:00:00:00:00:77","addresses":["192.0.2.7"],"up":true}]`},
	} {
		if got := newSceneOn(t, h).eval(c.src); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.src, got, c.want)
		}
	}
}

func TestInheritLinks(t *testing.T) {
	old := newScene(t)
	old.run(`interfaces[0].assign({ ip: '10.0.0.50/24', gateway: '10.0.0.254', mac: '02:00:00:00:00:50' }); send(ip({ dst: '10.0.0.9' }), udp()); send(ip({ dst: '10.0.0.8' }), udp())`)
	old.deliver(arpFrame(2, peerMAC, "10.0.0.9", packet.MAC{2, 0, 0, 0, 0, 0x50}, "10.0.0.50"))
	s := newScene(t)
	s.api.InheritLinks(old.api)
	s.run(`send(ip({ dst: '10.0.0.9' }), udp()); send(ip({ dst: '10.0.0.8' }), udp()); send(ip({ dst: '198.51.100.7' }), udp(), { iface: 'lan' })`)
	b := s.host.sent[0].data
	if packet.MAC(b[6:12]).String() != "02:00:00:00:00:50" || netip.AddrFrom4([4]byte(b[26:30])).String() != "10.0.0.50" || b[19] <= 2 {
		t.Errorf("sent %x", b)
	}
	s.wantSent("after the reload", "ip:10.0.0.9>02:00:00:00:00:09 arp1:10.0.0.8>"+all+" arp1:10.0.0.254>"+all)
}

func TestAssignedPrefix(t *testing.T) {
	old := netip.MustParsePrefix("10.0.0.1/16")
	for _, c := range []struct {
		text string
		old  netip.Prefix
		want string
	}{
		{"10.1.2.3/8", old, "10.1.2.3/8"},
		{"10.0.7.7", old, "10.0.7.7/16"},
		{"192.0.2.1", old, "192.0.2.1/24"},
		{"192.0.2.1", netip.Prefix{}, "192.0.2.1/24"},
	} {
		got, err := parsePrefix("ip", c.text, c.old, false)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: got %v, %v", c.text, got, err)
		}
	}
}

func BenchmarkSendVia(b *testing.B) {
	s := newScene(b)
	l := s.api.links[0]
	frame := make([]byte, 60)
	dst := netip.MustParseAddr("10.0.0.9")
	s.api.sendVia(l, dst, frame, Cause{})
	s.deliver(arpFrame(2, peerMAC, "10.0.0.9", lanMAC, "10.0.0.1"))
	h := &silentHost{Host: s.host}
	s.api.host = h
	b.ReportAllocs()
	for b.Loop() {
		s.api.sendVia(l, dst, frame, Cause{})
	}
}

// The price of the host's Send alone.
func BenchmarkSendViaBaseline(b *testing.B) {
	s := newScene(b)
	s.api.host = &silentHost{Host: s.host}
	frame := make([]byte, 60)
	b.ReportAllocs()
	for b.Loop() {
		s.api.host.Send(0, frame, Cause{})
	}
}

// silentHost sends nothing.
type silentHost struct{ Host }

func (*silentHost) Send(int, []byte, Cause) {}
