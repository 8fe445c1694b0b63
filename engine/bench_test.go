package engine

import (
	"context"
	"testing"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/timers"
)

// benchEngine is an engine whose top level has run and whose links capture: the
// benchmark turns its loop by hand.
func benchEngine(b *testing.B, text string, change func(*Config)) *Engine {
	b.Helper()
	cfg := Config{Source: []byte(text), Virtual: true, Log: func(e Entry) { b.Log(e.Text) }}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	v := timers.NewVirtual(timers.VirtualStart)
	e.clock, e.virtual = v, v
	e.conductor = &conductor{engines: []*Engine{e}, clock: v}
	if err := e.startLinks(0, 0); err != nil {
		b.Fatal(err)
	}
	e.guard.start(e)
	e.begin()
	b.Cleanup(func() {
		e.guard.stop()
		e.finish()
		if e.err != nil {
			b.Fatal(e.err)
		}
	})
	return e
}

// BenchmarkTurn is a turn that takes a batch of frames from a wire and hands it to
// a handler, against a bare call of a function of the same body.
func BenchmarkTurn(b *testing.B) {
	const text = `let n = 0; on({ eth: { type: 0x88b5 } }, (pkt) => { n++ })`
	frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 99, 0x88, 0xb5}, make([]byte, 50)...)
	for _, size := range []int{1, 64} {
		b.Run("frames="+map[int]string{1: "1", 64: "64"}[size], func(b *testing.B) {
			wires := netio.NewWires()
			e := benchEngine(b, text, func(c *Config) { c.Wires = wires })
			peer := wires.Port("wire", "peer")
			defer peer.Close()
			frames := make([][]byte, size)
			for i := range frames {
				frames[i] = frame
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := peer.Send(frames); err != nil {
					b.Fatal(err)
				}
				e.turn()
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "frames/s")
		})
	}
	b.Run("baseline=goja-call", func(b *testing.B) {
		rt := goja.New()
		v, err := rt.RunString(`let n = 0; (pkt) => { n++ }`)
		if err != nil {
			b.Fatal(err)
		}
		call, _ := goja.AssertFunction(v)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := call(nil, goja.Undefined()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEcho is a frame in on a wire, a pattern, a reaction that sends the
// reply, and the frame out: in JavaScript, and as a value.
func BenchmarkEcho(b *testing.B) {
	ping := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 99, 8, 0,
		0x45, 0, 0, 36, 0, 1, 0, 0, 64, 1, 0x66, 0x62, 10, 0, 0, 99, 10, 0, 0, 1,
		8, 0, 0xf7, 0xfd, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	for name, text := range map[string]string{
		"lane=js": `on({ icmp: { type: 8 } }, (pkt) => { if (pkt.ip.ttl > 1 && pkt.icmp.id == 1 && pkt.icmp.seq == 1) send(pkt.reply()) })`,
		"lane=go": `on({ icmp: { type: 8 } }, reply())`,
	} {
		b.Run(name, func(b *testing.B) {
			wires := netio.NewWires()
			e := benchEngine(b, text, func(c *Config) { c.Wires = wires })
			peer := wires.Port("wire", "peer")
			defer peer.Close()
			var got int
			if err := peer.Start(counter{&got}); err != nil {
				b.Fatal(err)
			}
			frames := make([][]byte, 64)
			for i := range frames {
				frames[i] = ping
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := peer.Send(frames); err != nil {
					b.Fatal(err)
				}
				e.turn()
				n += len(frames)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "frames/s")
			if got != n {
				b.Fatalf("%d answers to %d", got, n)
			}
		})
	}
}

// counter is a sink that counts.
type counter struct{ n *int }

func (c counter) Deliver(_ netio.Link, b *netio.Batch, _ bool) bool {
	*c.n += len(b.Frames)
	b.Release()
	return true
}
func (counter) LinkState(netio.Link, bool) {}
func (counter) LinkEnd(netio.Link, error)  {}

// BenchmarkVirtualTimer is one event of setInterval in virtual time: the jump of
// the clock, the turn, and the callback.
func BenchmarkVirtualTimer(b *testing.B) {
	for name, text := range map[string]string{
		"setInterval": `let n = 0; setInterval(() => { n++ }, 10)`,
		"setTimeout":  `let n = 0; function f() { n++; setTimeout(f, 10) } f()`,
		"sleep":       `let n = 0; (async () => { for (;;) { n++; await sleep(10) } })()`,
	} {
		b.Run(name, func(b *testing.B) {
			e := benchEngine(b, text, nil)
			b.ReportAllocs()
			for b.Loop() {
				at, now, ok := e.next()
				if !ok {
					b.Fatal("nothing to do")
				}
				if at > now {
					e.virtual.AdvanceTo(at)
				}
				e.turn()
				e.proceed()
			}
		})
	}
}

// BenchmarkStart is from a file's text to the end of an empty run.
func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		e, err := New(Config{Source: []byte(`console.log('started')`), Virtual: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
