package jsapi

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// version is a runtime on a host of its own, with a script that has run.
func version(t *testing.T, h *fake, text string) *API {
	t.Helper()
	a := New(goja.New(), h)
	run(t, a, text)
	return a
}

func run(t *testing.T, a *API, text string) goja.Value {
	t.Helper()
	v, err := a.rt.RunString(text)
	if err != nil {
		t.Fatal(err)
	}
	a.Settle()
	return v
}

// TestHandOver: what hot.data is in each version, with callbacks that run twice.
func TestHandOver(t *testing.T) {
	old := version(t, newFake(), `
		let n = 0, calls = 0;
		hot.data.own = { list: [1] };
		hot.dispose((data) => { calls++; data.own.list.push(2); data.n = n; if (n === 0) data.once = true; });
		hot.dispose((data) => { data.text = 'x'.repeat(3) + env.constructor; });
	`)
	next := New(goja.New(), newFake())
	if err := old.Prepare(next, 1); err != nil {
		t.Fatal(err)
	}
	if got := run(t, next, `hot.data.mine = 'mine'; JSON.stringify([hot.reloads, hot.data])`).String(); got != `[1,{"own":{"list":[1,2]},"n":0,"once":true,"text":"xxxundefined","mine":"mine"}]` {
		t.Errorf("before the top level: %s", got)
	}
	run(t, old, `n = 7`)
	if err := old.Replace(next); err != nil {
		t.Fatal(err)
	}
	if got := run(t, next, `JSON.stringify(hot.data)`).String(); got != `{"mine":"mine","own":{"list":[1,2]},"n":7,"text":"xxxundefined"}` {
		t.Errorf("after the swap: %s", got)
	}
	if got := run(t, old, `JSON.stringify([calls, hot.data])`).String(); got != `[2,{"own":{"list":[1]}}]` {
		t.Errorf("the old version: %s", got)
	}
}

// TestHandOverRefused: what cannot be handed over is named.
func TestHandOverRefused(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`hot.data.f = () => {}`, "hot.data.f is a function, which cannot be cloned"},
		{`hot.dispose((data) => { data.m = new Map([['a', Promise.resolve()]]) })`, "is a promise, which cannot be cloned"},
		{`hot.data.i = { first: interfaces[0] }`, "hot.data.i.first is an object of the engine, which cannot be cloned"},
		{`hot.dispose(() => { throw new RangeError('not now') })`, "not now"},
		{`hot.dispose(async (data) => { throw new Error('late') })`, "the callback is async"},
		{`hot.dispose((data) => { Object.defineProperty(data, 'x', { enumerable: true, get() { throw new Error('a getter') } }) })`, "a getter"},
	} {
		old, next := version(t, newFake(), tt.text), New(goja.New(), newFake())
		if err := old.Prepare(next, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.text, err, tt.want)
		}
	}
	a := New(goja.New(), newFake())
	if _, err := a.rt.RunString(`hot.dispose(5)`); err == nil || !strings.Contains(err.Error(), "hot.dispose: a function is needed, not 5") {
		t.Errorf("hot.dispose(5): %v", err)
	}
}

// TestNeighboursMove: the cache, the addresses and the packets that wait go to
// the next version, and back when that one fails.
func TestNeighboursMove(t *testing.T) {
	h1, h2 := newFake(), newFake()
	old := version(t, h1, `
		interfaces[1].assign({ ip: '192.0.2.77/24' });
		send(ip({ dst: '10.0.0.9', id: 1 }), udp({ sport: 1, dport: 9 }));
		send(ip({ dst: '10.0.0.9', id: 2 }), udp({ sport: 1, dport: 9 }));
	`)
	answer := func(a *API, from string, mac byte) {
		f := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, mac, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, mac, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1}
		copy(f[28:], netip.MustParseAddr(from).AsSlice())
		a.Deliver([]Frame{{Data: f, Length: len(f)}})
	}
	next := New(goja.New(), h2)
	if err := old.Prepare(next, 1); err != nil {
		t.Fatal(err)
	}
	if got := run(t, next, `interfaces[1].addresses[0]`).String(); got != "192.0.2.77" {
		t.Errorf("the next version speaks as %s", got)
	}
	// Between the two moments: a neighbour answers, an address changes.
	run(t, old, `send(ip({ dst: '10.0.0.8', id: 3 }), udp({ sport: 1, dport: 9 })); interfaces[0].assign({ ip: '10.0.0.50/24' })`)
	answer(old, "10.0.0.8", 8)
	h1.sent = nil
	if err := old.Replace(next); err != nil {
		t.Fatal(err)
	}
	if got := run(t, next, `interfaces[0].addresses[0]`).String(); got != "10.0.0.50" {
		t.Errorf("the next version speaks as %s", got)
	}
	run(t, next, `send(ip({ dst: '10.0.0.8', id: 4 }), udp({ sport: 1, dport: 9 }))`)
	if len(h2.sent) != 1 || packet.MAC(h2.sent[0].data) != (packet.MAC{2, 0, 0, 0, 0, 8}) {
		t.Errorf("a known neighbour was not taken over: %v", h2.sent)
	}
	h2.sent = nil
	if len(h1.timers) != 0 || len(h2.timers) != 1 {
		t.Errorf("%d and %d rounds of requests go on", len(h1.timers), len(h2.timers))
	}
	answer(next, "10.0.0.9", 9)
	ids := func(h *fake) (list []byte) {
		for _, f := range h.sent {
			if f.data[12] == 8 && f.data[13] == 0 { // IPv4
				list = append(list, f.data[19])
			}
		}
		return list
	}
	if got := ids(h2); len(got) != 2 || got[0] != 1 || got[1] != 2 {
		t.Errorf("of what waited, %v was sent", got)
	}
	if len(h1.sent) != 0 {
		t.Errorf("the old version sent %v", h1.sent)
	}
	// Back again.
	run(t, next, `send(ip({ dst: '10.0.0.7', id: 5 }), udp({ sport: 1, dport: 9 }))`)
	waited := next.Waited()
	run(t, next, `send(ip({ dst: '10.0.0.7', id: 55 }), udp({ sport: 1, dport: 9 }))`) // by what is undone
	h1.sent = nil
	old.Resume(next, waited)
	if len(h1.sent) != 1 || h1.sent[0].data[13] != 6 {
		t.Errorf("the neighbour is not asked again: %v", h1.sent)
	}
	answer(old, "10.0.0.7", 7)
	if got := ids(h1); len(got) != 1 || got[0] != 5 {
		t.Errorf("back again, %v was sent", got)
	}
	// Nobody answers: it is given up as if there had been one version.
	run(t, old, `send(ip({ dst: '10.0.0.6', id: 6 }), udp({ sport: 1, dport: 9 }))`)
	third := New(goja.New(), newFake())
	if err := old.Prepare(third, 2); err != nil {
		t.Fatal(err)
	}
	if err := old.Replace(third); err != nil {
		t.Fatal(err)
	}
	h3 := third.host.(*fake)
	for range 3 {
		f := h3.timers[0]
		h3.timers = h3.timers[1:]
		h3.now = max(h3.now+time.Second, f.at)
		f.f()
	}
	if len(h3.timers) != 0 || third.links[0].hops.dropped != 1 || third.links[0].hops.queued != 0 || third.links[0].hops.asking != 0 {
		t.Errorf("not given up: %d timers, %d dropped, %d queued", len(h3.timers), third.links[0].hops.dropped, third.links[0].hops.queued)
	}
}
