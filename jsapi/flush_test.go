package jsapi

import (
	"regexp"
	"testing"
	"time"

	"github.com/dop251/goja"
)

func TestFlush(t *testing.T) {
	s := newScene(t)
	s.run(`const log = []; send(packet(eth({dst: '02:00:00:00:00:09'}), 'x')); flush().then((...x) => log.push('left', ...x))`)
	if got := s.run("log.join()").String(); got != "" || len(s.host.flushes) != 1 {
		t.Fatalf("before its host has sent: %q, %d flushes", got, len(s.host.flushes))
	}
	s.host.flushes[0]()
	if got := s.run("log.join()").String(); got != "left," {
		t.Errorf("after that: %q", got)
	}
	s.noFailures()
}

// What waits for its neighbour has not left: here nobody ever answers, and the
// packet is given up.
func TestFlushWaitsForNeighbour(t *testing.T) {
	s := newScene(t)
	s.run(`const log = []; send(packet(ip({dst: '10.0.0.77'}), udp(), 'x')); flush().then(() => log.push('left'))`)
	if len(s.host.flushes) != 0 {
		t.Fatal("it does not wait for the neighbour")
	}
	s.host.advance(time.Minute)
	if len(s.host.flushes) != 1 {
		t.Fatalf("%d flushes when the neighbour was given up", len(s.host.flushes))
	}
	s.host.flushes[0]()
	if got := s.run("log.join()").String(); got != "left" {
		t.Errorf("log %q", got)
	}
}

// Every value that the types declare is there when a script runs.
func TestDeclaredValuesExist(t *testing.T) {
	rt := goja.New()
	New(rt, newFake())
	declared := regexp.MustCompile(`(?m)^declare (?:function|const|class) (\w+)`).FindAllStringSubmatch(typesBase, -1)
	if len(declared) < 40 {
		t.Fatalf("only %d declarations were found", len(declared))
	}
	for _, d := range declared {
		if v := rt.GlobalObject().Get(d[1]); v == nil || goja.IsUndefined(v) {
			t.Errorf("%s is declared, and undefined in a script", d[1])
		}
	}
}
