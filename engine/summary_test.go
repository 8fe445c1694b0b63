package engine

import "testing"

// TestUnanswered: packets that no neighbour answered for are in the summary.
func TestUnanswered(t *testing.T) {
	e, err := New(Config{Script: "test.js", Virtual: true, Source: []byte(`
		for (let i = 0; i < 3; i++) send(packet(ip({ dst: '10.0.0.9' }), icmp()))`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := e.Summary().Interfaces[0].Unanswered; got != 3 {
		t.Errorf("%d packets unanswered, want 3", got)
	}
}
