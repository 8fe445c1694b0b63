package jsapi

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// peer answers frames that the scenario sent, as the host of their
// destination: the reply of the packet package.
func (s *scene) peer(b []byte) []byte {
	s.t.Helper()
	p := s.decoded(slices.Clone(b))
	env := packet.Env{MAC: packet.MAC{2, 0, 0, 0, 0, 9}}
	r, err := p.Reply(&env, nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Data
}

// takeSent returns what was sent since the last call.
func (s *scene) takeSent() [][]byte {
	var list [][]byte
	for _, f := range s.host.sent {
		list = append(list, f.data)
	}
	s.host.sent = nil
	return list
}

// TestSr1Many answers 10,000 requests of one sr1 each, out of order: none is
// taken for another's, and none of them is asked about all packets.
func TestSr1Many(t *testing.T) {
	const n = 10000
	s := newScene(t)
	s.run(fmt.Sprintf(`
		let good = 0, bad = 0;
		const to = eth({dst: '02:00:00:00:00:09'});
		for (let i = 0; i < %d; i++) {
			const kind = i %% 4;
			const last = kind === 0 ? [icmp()] : kind === 1 ? [udp({dport: 9})] : kind === 2 ? [tcp({dport: 80, flags: 'S'})] : [udp(), dns({questions: [{name: 'h' + i + '.example'}]})];
			const mark = kind === 0 ? {payload: 'n' + i} : null;
			sr1(packet(to, ip({dst: '10.0.' + (i %% 3) + '.' + (2 + i %% 100)}), ...last, ...(kind === 0 ? ['n' + i] : []))).then(p => {
				const right = p !== undefined && (kind === 0 ? p.text === 'n' + i : kind === 3 ? p.dns.questions[0].name === 'h' + i + '.example' : p.ip.src === '10.0.' + (i %% 3) + '.' + (2 + i %% 100));
				if (right) good++; else bad++;
			});
		}`, n))
	sent := s.takeSent()
	if len(sent) != n || s.api.subs.live != n || len(s.host.timers) != n {
		t.Fatalf("%d sent, %d wait with %d timers", len(sent), s.api.subs.live, len(s.host.timers))
	}
	seen := map[string]bool{}
	for _, b := range sent {
		seen[string(b)] = true
	}
	if len(seen) != n {
		t.Errorf("%d of them differ", len(seen))
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
	most := 0
	for _, b := range sent {
		a := s.peer(b)
		most = max(most, len(s.api.subs.candidates(s.decoded(a))))
		s.deliver(a)
	}
	if got := s.run("good + ' ' + bad").String(); got != "10000 0" {
		t.Errorf("good and bad: %s", got)
	}
	if most > 2 {
		t.Errorf("%d requests were asked about one packet", most)
	}
	if s.api.Alive() || len(s.host.timers) != 0 {
		t.Errorf("left: %d subscriptions, %d timers", s.api.subs.live, len(s.host.timers))
	}
	s.noFailures()
}

// TestSr1Tries looks at tries and what sr1 gives in the end.
func TestSr1Tries(t *testing.T) {
	const src = `let got = 'waits'; sr1(packet(eth({dst: '02:00:00:00:00:09'}), ip({dst: '10.0.0.9'}), icmp()), {timeout: '1s', retry: 2}).then(p => { got = p === undefined ? 'none' : p.ip.src })`
	s := newScene(t)
	s.run(src)
	s.host.advance(1500 * time.Millisecond)
	sent := s.takeSent()
	if len(sent) != 2 || string(sent[0]) != string(sent[1]) {
		t.Fatalf("after the first second %d are sent: %x", len(sent), sent)
	}
	s.deliver(s.peer(sent[0]))
	if got := s.eval("got"); got != "10.0.0.9" || s.api.Alive() || len(s.host.timers) != 0 {
		t.Errorf("got %s, %d timers", got, len(s.host.timers))
	}
	s.noFailures()

	s = newScene(t)
	s.run(src)
	s.host.advance(2999 * time.Millisecond)
	if got := s.eval("got"); got != "waits" || !s.api.Alive() {
		t.Errorf("too early: %s", got)
	}
	s.host.advance(time.Millisecond)
	if got := s.eval("got"); got != "none" || len(s.takeSent()) != 3 || s.api.Alive() || len(s.host.timers) != 0 {
		t.Errorf("got %s", got)
	}

	// An error that quotes it is an answer, too.
	s = newScene(t)
	s.run(`let got; sr1(packet(eth({dst: '02:00:00:00:00:09'}), ip({dst: '10.0.0.9', ttl: 1}), udp({dport: 33434}))).then(p => { got = p.ip.src + ' ' + p.icmp.type })`)
	p := s.decoded(s.takeSent()[0])
	e, err := p.Error(&packet.Env{MAC: packet.MAC{2, 0, 0, 0, 0, 9}}, "timeExceeded", packet.ErrorOptions{Src: "10.0.0.254"})
	if err != nil {
		t.Fatal(err)
	}
	s.deliver(e.Data)
	if got := s.eval("got"); got != "10.0.0.254 11" {
		t.Errorf("got %s", got)
	}
	s.noFailures()
}

// TestSr sends probes of all kinds of sources; the peer answers those with an
// even last byte of their destination, 10 ms later.
func TestSr(t *testing.T) {
	const to = "eth({dst: '02:00:00:00:00:09'})"
	for _, tt := range []struct {
		name, what, opt string
		sent            int
		answered, not   string
		took            time.Duration
	}{
		{"a packet", "packet(" + to + ", ip({dst: '10.0.0.2'}), icmp())", "{}", 1, "10.0.0.2", "", 10 * time.Millisecond},
		{"layers", "[" + to + ", ip({dst: '10.0.0.2'}), icmp()]", "{}", 1, "10.0.0.2", "", 10 * time.Millisecond},
		{"a template", "[" + to + ", ip({dst: hosts('10.0.0.0/29')}), icmp()]", "{timeout: 500}", 6, "10.0.0.2 10.0.0.4 10.0.0.6", "10.0.0.1 10.0.0.3 10.0.0.5", 500 * time.Millisecond},
		{"two varying fields", "[" + to + ", ip({dst: hosts('10.0.0.0/30')}), tcp({dport: range(80, 81), flags: 'S'})]", "{timeout: 500}", 4, "10.0.0.2 10.0.0.2", "10.0.0.1 10.0.0.1", 500 * time.Millisecond},
		{"a list of packets", "[packet(" + to + ", ip({dst: '10.0.0.2'}), icmp()), packet(" + to + ", ip({dst: '10.0.0.4'}), udp({dport: 7}))]", "{}", 2, "10.0.0.2 10.0.0.4", "", 10 * time.Millisecond},
		{"a generator", "(function* () { for (let i = 2; i < 5; i++) yield packet(" + to + ", ip({dst: '10.0.0.' + i}), icmp()) })()", "{timeout: 100}", 3, "10.0.0.2 10.0.0.4", "10.0.0.3", 100 * time.Millisecond},
		{"a product", "product(" + to + ", ip({dst: hosts('10.0.0.0/30')}), icmp())", "{timeout: 100}", 2, "10.0.0.2", "10.0.0.1", 100 * time.Millisecond},
		{"tries again", "[" + to + ", ip({dst: '10.0.0.3'}), icmp()]", "{timeout: 100, retry: 2}", 3, "", "10.0.0.3", 300 * time.Millisecond},
		{"an interval", "[" + to + ", ip({dst: hosts('10.0.0.0/29')}), icmp()]", "{timeout: 100, interval: 50}", 6, "10.0.0.2 10.0.0.4 10.0.0.6", "10.0.0.1 10.0.0.3 10.0.0.5", 300 * time.Millisecond},
		{"a rate", "[" + to + ", ip({dst: hosts('10.0.0.0/29')}), icmp()]", "{timeout: 100, rate: 20}", 6, "10.0.0.2 10.0.0.4 10.0.0.6", "10.0.0.1 10.0.0.3 10.0.0.5", 300 * time.Millisecond},
		{"more than a batch", "[" + to + ", ip({dst: '10.0.0.2'}), udp({dport: range(1, 1000)})]", "{}", 1000, "", "", 0},
		{"none", "[]", "{}", 0, "", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.run(`let result, at; sr(` + tt.what + `, ` + tt.opt + `).then(r => { result = r; at = now() })`)
			n := 0
			for range 100 {
				sent := s.takeSent()
				n += len(sent)
				s.host.advance(5 * time.Millisecond)
				for _, f := range s.takeSent() { // of timers
					sent = append(sent, f)
					n++
				}
				s.host.advance(5 * time.Millisecond)
				for _, b := range sent {
					if p := s.decoded(b); b[33]%2 == 0 && p.FindName("ip", 0) >= 0 {
						s.deliver(s.peer(b))
					}
				}
			}
			if got := s.eval("result.answered.length + result.unanswered.length"); n != tt.sent || tt.name != "tries again" && got != fmt.Sprint(n) {
				t.Errorf("%d sent, %s in the result", n, got)
			}
			if tt.sent < 100 {
				if got := s.eval("result.answered.map(x => x.sent.ip.dst + (x.received.ip.src === x.sent.ip.dst ? '' : '!')).join(' ')"); got != tt.answered {
					t.Errorf("answered %s", got)
				}
				if got := s.eval("result.unanswered.map(p => p.ip.dst).join(' ')"); got != tt.not {
					t.Errorf("not answered: %s", got)
				}
				if got := s.eval("at"); tt.name != "an interval" && tt.name != "a rate" && got != fmt.Sprint(tt.took.Milliseconds()) {
					t.Errorf("it took %s ms", got)
				}
				if got := s.eval("result.answered.every(x => x.rtt > 0 && x.rtt <= 15)"); got != "true" {
					t.Errorf("rtt %s", s.eval("result.answered.map(x => x.rtt).join()"))
				}
			}
			if s.api.Alive() || len(s.host.timers) != 0 {
				t.Errorf("left: %d subscriptions, %d timers", s.api.subs.live, len(s.host.timers))
			}
			s.noFailures()
		})
	}
}

// BenchmarkOutstanding is the price of a packet that nobody waits for while
// so many wait for theirs; asking all of them is the baseline.
func BenchmarkOutstanding(b *testing.B) {
	data := frame(b, "eth({dst:'02:00:00:00:00:01'}), ip({src:'10.0.0.2',dst:'10.0.0.1'}), udp({sport:1000,dport:2})")
	batch := []Frame{{Data: data, Length: len(data), Number: 1}}
	for _, n := range []int{0, 1, 10000} {
		b.Run(fmt.Sprintf("sr1=%d", n), func(b *testing.B) {
			a, _, _ := benchScene(b, fmt.Sprintf(`for (let i = 0; i < %d; i++) sr1(packet(eth({dst: '02:00:00:00:00:09'}), ip({dst: '10.0.0.9'}), udp({dport: 9})))`, n))
			b.ReportAllocs()
			for b.Loop() {
				a.Deliver(batch)
			}
		})
	}
	b.Run("all asked=10000", func(b *testing.B) {
		a, _, _ := benchScene(b, `for (let i = 0; i < 10000; i++) sr1(packet(eth({dst: '02:00:00:00:00:09'}), ip({dst: '10.0.0.9'}), udp({dport: 9})))`)
		var p packet.Packet
		a.reg.Decode(&p, data, a.reg.Proto("eth"))
		all := a.subs.all()
		b.ReportAllocs()
		for b.Loop() {
			for _, s := range all {
				s.match.matches(a, &p, nil)
			}
		}
	})
}
