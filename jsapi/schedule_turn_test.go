package jsapi

import (
	"strings"
	"testing"
	"time"
)

// A source function that takes its time lets the others have a turn, and each
// call of it is a callback of its own to the watch.
func TestScheduleBusySource(t *testing.T) {
	s, h := newClocked(t)
	h.cost = 3 * time.Millisecond
	before := h.watch.Count()
	s.run(`let n = 0; const seen = [];
		schedule(i => { n++; return pkt }, {rate: 1000, count: 100});
		const t = setInterval(() => { seen.push(n); if (n === 100) clearInterval(t) }, 1)`)
	h.advance(time.Minute)
	if len(h.at) != 100 {
		t.Fatalf("%d packets", len(h.at))
	}
	if most := s.run(`Math.max(...seen.map((x, i) => x - (seen[i - 1] ?? 0)))`).ToInteger(); most > 4 {
		t.Errorf("%d calls of 3 ms in one turn", most)
	}
	if n := h.watch.Count() - before; n < 2*100 || n%2 != 0 {
		t.Errorf("the watch saw %d marks for 100 calls", n)
	}
	s.noFailures()
}

// The rate achieved is that of the whole schedule, whatever it was set to
// meanwhile, and without its pauses.
func TestScheduleAchievedAfterSet(t *testing.T) {
	s, h := newClocked(t)
	s.run(`const s = schedule(pkt, {rate: 10})`)
	h.advance(9950 * time.Millisecond) // 100 packets
	s.run(`s.set({rate: 100})`)
	h.advance(10 * time.Second)
	s.run(`s.pause()`)
	h.advance(time.Hour)
	sent, got := s.run(`s.sent`).ToFloat(), s.run(`s.achieved`).ToFloat()
	if want := sent / 19.95; got < want*0.99 || got > want*1.01 {
		t.Errorf("%v packets, %v a second; want %v", sent, got, want)
	}
	s.noFailures()
	if strings.Contains(strings.Join(h.logs, " "), "keep up") {
		t.Errorf("it says %q", h.logs)
	}
}

// All calls of select from one place are one entry of the summary.
func TestSelectHandlers(t *testing.T) {
	s := newScene(t)
	s.run("for (let i = 0; i < 100; i++) {\n select({a: ['arp', () => {}], b: ['tcp', () => {}]}, {timeout: 5}).catch(() => {}) }")
	var names []string
	for _, h := range s.api.Handlers() {
		if strings.HasPrefix(h.Name, "select") {
			names = append(names, h.Name)
		}
	}
	if got := strings.Join(names, ", "); got != "select: a at test.js:2, select: b at test.js:2" {
		t.Errorf("handlers: %s", got)
	}
}
