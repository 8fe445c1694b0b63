package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/umpa-run/umpa-run/netio"
)

// fussy is a link that refuses frames by their length, in the words of several
// levels.
type fussy struct{ netio.Link }

func (l fussy) Send(frames [][]byte) (int, error) {
	for i, f := range frames {
		if len(f) > 1000 {
			return i, fmt.Errorf("interface %q: send: %w: %d bytes", "x", errTooLong, len(f))
		}
		if len(f) > 500 {
			return i, fmt.Errorf("interface %q: send: %w", "x", fmt.Errorf("odd length %d", len(f)))
		}
	}
	return l.Link.Send(frames)
}

var errTooLong = fmt.Errorf("message too long")

// TestSendFailuresAreSaidSeldom: frames that leave in between change nothing.
func TestSendFailuresAreSaidSeldom(t *testing.T) {
	run := func(script string) string {
		t.Helper()
		wires := netio.NewWires()
		got, err := runText(t, script, func(c *Config) {
			c.Wires = wires
			c.Interfaces = []Interface{{Name: "x", Link: fussy{wires.Port("w", "x")}}}
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := run(`
		const frame = (n) => new Uint8Array(n);
		for (let i = 0; i < 130; i++) {
			send(frame(1100 + i));
			send(frame(100));
			await sleep('1s');
		}
	`)
	want := "notice: send: interface \"x\": send: message too long: 1100 bytes\n" +
		"notice: send: interface \"x\": send: message too long: 1160 bytes (and 59 times before, since this was said last)\n" +
		"notice: send: interface \"x\": send: message too long: 1220 bytes (and 59 times before, since this was said last)"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// As many causes as there are frames are not all said.
	got = run("for (let i = 0; i < 400; i++) send(new Uint8Array(501 + i));")
	if n := strings.Count(got, "notice: "); n != maxCauses {
		t.Errorf("%d notices, want %d:\n%s", n, maxCauses, got)
	}
}

// TestTapAddress: a scenario on a tap is not the kernel's end of it.
func TestTapAddress(t *testing.T) {
	tap := netio.Info{Kind: netio.KindTap, LinkType: netio.LinkTypeEthernet, MAC: netio.MAC{2, 1, 1, 1, 1, 1}}
	if got := linkInfo("t", tap, nil, 7).MAC.String(); got != "02:00:00:00:01:07" {
		t.Errorf("MAC %s", got)
	}
	if got := linkInfo("t", tap, &wanted{mac: netio.MAC{2, 0, 0, 0, 0, 9}}, 7).MAC.String(); got != "02:00:00:00:00:09" {
		t.Errorf("MAC of the options %s", got)
	}
}
