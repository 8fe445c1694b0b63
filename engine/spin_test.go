package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio"
)

// TestSpin: what goes on for ever at one instant of virtual time is ended, and
// told by the instant and by who is busy.
func TestSpin(t *testing.T) {
	defer func(d time.Duration) { spinWall = d }(spinWall)
	spinWall = time.Second
	const answering = `
		const answer = () => send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff' }), arp({ op: 2, tpa: '10.0.0.1' })));
		on('arp', (pkt) => { if (pkt.arp.op == 2) answer() });
		if (args[0]) setTimeout(answer, args[0]);`
	t.Run("answers to answers", func(t *testing.T) {
		wires := netio.NewWires()
		var engines []*Engine
		for i, args := range [][]string{{"1500"}, nil} {
			e, err := New(Config{Script: string(rune('a'+i)) + ".js", Source: []byte(answering), Args: args, Virtual: true, Number: i + 1, Wires: wires, For: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			engines = append(engines, e)
		}
		err := RunAll(t.Context(), engines, false)
		var s *ScriptError
		if !errors.As(err, &s) || s.Kind != KindTimeout || !strings.Contains(s.Message, "stands still at 1.5s") ||
			!strings.Contains(s.Message, "a.js (scenario 1): on('arp')") || !strings.Contains(s.Hint, "delay=") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("immediates", func(t *testing.T) {
		_, err := runText(t, `setImmediate(function again() { setImmediate(again) })`, func(c *Config) { c.For = time.Minute })
		if s := asScriptError(t, err); !strings.Contains(s.Message, "stands still at 0s") || s.Line != 1 {
			t.Errorf("error %v", err)
		}
	})
	t.Run("an instant with much to do", func(t *testing.T) {
		spinWall = time.Minute
		got, err := runText(t, `
			let n = 0;
			setInterval(function f() {
				if (now() > 2000) stop('done');
				let left = 90000;
				setImmediate(function again() { n++; if (--left > 0) setImmediate(again) });
			}, 500);
			function onStop() { console.log(n > 300000) }`)
		if err != nil || got != "true" {
			t.Errorf("%q, %v", got, err)
		}
	})
}
