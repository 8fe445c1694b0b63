package engine

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio"
)

// randomParts are things that a scenario may do, W naming its version.
var randomParts = []string{
	"setInterval(() => tell(++n, now(), Math.random()), 3);",
	"setInterval(() => { tell('before', Date.now()); sleepSync(2); tell('after', now()); }, 11);",
	"(async () => { for (;;) { const r = await sr1([eth(), ip({ dst: '10.0.0.2' }), icmp({ id: 9 })], { timeout: 20 }); tell(r ? 'pong' : 'none', now()); await sleep(7); } })();",
	"schedule(packet(eth({ dst: all, type: 0x88b6 }), W), { rate: 300 });",
	"schedule((i) => (i % 3 ? packet(eth({ dst: all, type: 0x88b7 }), W + i) : null), { interval: random.exponential('6ms') });",
	"on({ eth: { type: 0x88c0 } }, () => { if (++n % 4 === 0) setTimeout(() => tell('late', n), 3); });",
	"on({ eth: { type: 0x88c0 } }, async (pkt) => { await sleep(3); return packet(eth({ dst: all, type: 0x88b8 }), W + pkt.time); });",
	"setInterval(() => { for (let i = 0; i < 1e6; i++); }, 90);",
	"setImmediate(function f() { if (n++ % 50 === 0) tell('immediate', n); if (n < 5000) setImmediate(f); });",
	"setTimeout(() => schedule(packet(eth({ dst: all, type: 0x88b9 }), W), { interval: 4, count: 15, blocking: true }), 50);",
	"storage.update('n', (x) => (x ?? 0) + 1); setInterval(() => tell(storage.update('n', (x) => x + 1)), 9);",
	"(async () => { for await (const pkt of receive('eth')) tell('got', pkt.length, now()); })();",
	"machine({ initial: 'a', states: { a: { after: { 13: 'b' }, enter() { tell('a', now()); } }, b: { on: [[{ eth: { type: 0x88c0 } }, 'a']], after: { 29: 'a' } } } });",
}

var randomEnds = []string{"", "", "", "throw new Error('top');", "x(", "setTimeout(() => { throw new Error('late'); }, 20);", "await sleep(20);", "sleepSync(5);"}

func randomVersion(r *rand.Rand, name string, good bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "const W = '%s ', all = 'ff:ff:ff:ff:ff:ff'; let n = hot.data.n ?? 0;\nhot.dispose((data) => { data.n = n; });\n"+
		"const tell = (...words) => send(packet(eth({ dst: all, type: 0x88b5 }), W + words.join(' ')));\nsetInterval(() => {}, 1000);\n"+
		"function onStop(why) { tell('stop', why, now()); }\n", name)
	for _, i := range r.Perm(len(randomParts))[:1+r.IntN(4)] {
		b.WriteString(randomParts[i] + "\n")
	}
	if !good {
		b.WriteString(randomEnds[r.IntN(len(randomEnds))] + "\n")
	}
	return b.String()
}

// Whatever scenarios do, however they are saved meanwhile and ended, their
// recordings run again as they were. The seed that fails is told.
func TestReplayRandom(t *testing.T) {
	seed := rand.Uint64()
	for i := range 4 {
		seed := seed + uint64(i)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			wires := netio.NewWires()
			peer, err := New(Config{Script: "peer.js", Source: []byte("setInterval(() => send(eth({ dst: 'ff:ff:ff:ff:ff:ff', type: 0x88c0 })), 7);"), Wires: wires, Number: 2,
				Interfaces: []Interface{{Spec: "wire:x"}}})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- peer.Run(t.Context()) }()
			path := filepath.Join(t.TempDir(), "run.pcapng")
			rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			spec := []string{"wire:x", "wire:x,delay=2ms,jitter=1ms,loss=2%,duplicate=2%,reorder=2%"}[r.IntN(2)]
			run := newReloading(t, map[string]string{"main.js": randomVersion(r, "v0", true)}, func(c *Config) {
				c.Recorder, c.Wires, c.Interfaces, c.CallbackTimeout = rec, wires, []Interface{{Spec: spec}}, time.Minute
				c.Trial = []time.Duration{-1, 30 * time.Millisecond, time.Second}[r.IntN(3)]
				if r.IntN(2) == 0 {
					c.For = 400 * time.Millisecond
				}
			}).start()
			for k := range r.IntN(4) {
				time.Sleep(time.Duration(20+r.IntN(120)) * time.Millisecond)
				run.save("main.js", randomVersion(r, fmt.Sprint("v", k+1), false))
			}
			time.Sleep(time.Duration(50+r.IntN(100)) * time.Millisecond)
			run.e.Stop("enough")
			<-run.ended // how, is in the recording
			peer.Stop("enough")
			<-ended
			if err := rec.Close(); err != nil {
				t.Fatal(err)
			}
			if got, again := replayFirst(t, path, ReplayOptions{}); got.First != nil {
				t.Errorf("replayed %d of %d packets: %s\n%s", got.Sent, len(again.packets), got.First.Text, run.said())
			}
		})
	}
}
