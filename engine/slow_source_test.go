package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestSlowSource: a source that cannot keep up is no failure, however long its
// calls take together; a single call that takes too long is one, and is told as
// such where the script waits for the end of the schedule, too.
func TestSlowSource(t *testing.T) {
	const spend = `const pkt = packet(eth(), ip({ dst: '10.0.0.1' }), udp({ dport: 9 }), 'x');
		const spend = (ms) => { const end = Date.now() + ms; while (Date.now() < end) ; };
	`
	run := func(text string) error {
		cfg := Config{Script: "slow.js", Source: []byte(spend + text), CallbackTimeout: 100 * time.Millisecond, Log: (&logger{}).log}
		cfg.Interfaces = []Interface{{Name: "a", Spec: "wire:x"}}
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return e.Run(context.Background())
	}
	for _, blocking := range []bool{false, true} {
		if err := run(fmt.Sprintf(`setTimeout(() => schedule(i => { spend(3); return pkt }, { rate: 1000, count: 100, blocking: %v }), 1)`, blocking)); err != nil {
			t.Errorf("blocking %v: %v", blocking, err)
		}
	}
	for _, text := range []string{
		`schedule(function slow() { for (;;) ; }, { rate: 1000 });`,
		`schedule(function slow() { for (;;) ; }, { rate: 1000 }).done.then(() => {});`,
		`await schedule(function slow() { for (;;) ; }, { rate: 1000 }).done;`,
		`setTimeout(() => schedule(function slow() { for (;;) ; }, { rate: 1000, blocking: true }), 1);`,
	} {
		s := asScriptError(t, run(text))
		if !strings.Contains(s.Message, "ran for more than 100ms and was interrupted") || s.Line != 3 || s.Hint == "" || s.Kind != KindTimeout {
			t.Errorf("%s\n%+v", text, s)
		}
	}
}
