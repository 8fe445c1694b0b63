package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio"
)

// TestBlockingScheduleEnds: a blocking schedule has no end of its own, and
// virtual time needs no waiting: only the request to stop, or the time that the
// run may take, ends it, at the top level and in a callback.
func TestBlockingScheduleEnds(t *testing.T) {
	// A told MAC: how far virtual time gets before the stop is not told, and
	// what waits for a neighbour would be dropped with a warning.
	const block = `schedule(packet(eth({ dst: '02:00:00:00:00:09' }), ip({ dst: '10.0.0.1' }), udp({ dport: 9 })), { interval: 10, blocking: true })`
	for _, many := range []bool{false, true} {
		for _, place := range []string{"top level", "callback"} {
			for _, by := range []string{"Stop", "Kill", "For"} {
				t.Run(fmt.Sprintf("%s/%s/many=%v", by, place, many), func(t *testing.T) {
					text := "console.log('begins');" + block
					if place == "callback" {
						text = "setTimeout(() => {" + text + "; console.log('returned') }, 5)"
					}
					l := &logger{said: make(chan struct{}, 100)}
					wires := netio.NewWires()
					cfg := Config{Script: "block.js", Source: []byte(text), Virtual: true, Wires: wires, Log: l.log}
					cfg.Interfaces = []Interface{{Name: "a", Spec: "wire:x"}}
					if by == "For" {
						cfg.For = time.Second
					}
					scenario := func() *Engine {
						e, err := New(cfg)
						if err != nil {
							t.Fatal(err)
						}
						return e
					}
					engines := []*Engine{scenario()}
					if many {
						cfg.Script, cfg.Source, cfg.Number = "other.js", []byte("setInterval(() => {}, 15)"), 1
						engines = append(engines, scenario())
					}
					if by != "For" {
						go func() {
							<-l.said
							for _, e := range engines {
								if by == "Kill" {
									e.Kill()
								} else {
									e.Stop("enough")
								}
							}
						}()
					}
					err := RunAll(context.Background(), engines, true)
					s := engines[0].Summary()
					switch {
					case by == "Kill":
						if err == nil {
							t.Error("killed, and no error")
						}
					case err != nil:
						t.Error(err)
					case by == "For" && (s.Duration != time.Second || s.Reason != "time is up"):
						t.Errorf("ended after %v: %s", s.Duration, s.Reason)
					case by == "Stop" && s.Reason != "enough":
						t.Errorf("ended: %s", s.Reason)
					case place == "callback" && l.text() != "begins\nreturned":
						t.Errorf("got %q", l.text())
					}
				})
			}
		}
	}
}
