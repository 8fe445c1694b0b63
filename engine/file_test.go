package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio"
)

// capture writes frames of the type 0x88b6 at those milliseconds after base.
func capture(t *testing.T, path string, base time.Time, at ...float64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := netio.NewWriter(f, netio.WriterOptions{})
	w.AddInterface(netio.Info{Name: "unused", LinkType: netio.LinkTypeRaw})
	w.AddInterface(netio.Info{Name: "lan", LinkType: netio.LinkTypeEthernet})
	for i, ms := range at {
		frame := append(make([]byte, 12), 0x88, 0xb6, byte(i))
		if err := w.WritePacket(1, netio.DirectionIn, base.Add(time.Duration(ms*1e6)).UnixNano(), frame, len(frame), ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// Capture files are played the same on either clock: each packet at its time,
// between the timers that are due before and after it, on the date of the recording.
func TestFileOnEitherClock(t *testing.T) {
	base := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)
	write(t, map[string]string{"main.js": `
const log = [];
on('eth', (pkt) => log.push(pkt.iface + pkt.payload[0] + '@' + now() + (Math.floor(pkt.time) === Date.now() ? '' : ' but ' + pkt.time)));
setInterval(() => log.push('i'), 1);
setInterval(() => log.push('h'), 0.5);
setTimeout(() => { log.push(new Date().toISOString()); stop(); }, 30);
function onStop() { console.log(log.join(' ')); }
`})
	var times []float64
	for i := range 25 {
		times = append(times, float64(i))
	}
	capture(t, "a.pcapng", base, times...)
	capture(t, "b.pcapng", base.Add(2500*time.Microsecond), 0, 0, 3)
	run := func(change func(*Config)) string {
		t.Helper()
		l := &logger{}
		cfg := Config{Script: "main.js", Log: l.log, Interfaces: []Interface{{Name: "a", Spec: "file:a.pcapng"}, {Name: "b", Spec: "file:b.pcapng"}}}
		change(&cfg)
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return l.text()
	}
	virtual := run(func(c *Config) { c.Virtual = true })
	for _, want := range []string{"a0@0 h i h a1@1 ", "h b0@2.5 b1@2.5 i h a3@3 ", "2023-11-14T22:13:20.030Z"} {
		if !strings.Contains(virtual, want) {
			t.Errorf("%q is not in\n%s", want, virtual)
		}
	}
	if strings.Contains(virtual, "but") {
		t.Errorf("packets are not on the clock's date:\n%s", virtual)
	}
	if real := run(func(*Config) {}); real != virtual {
		t.Errorf("in real time\n%s\nin virtual time\n%s", real, virtual)
	}
	told := run(func(c *Config) { c.Virtual, c.Start = true, time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC) })
	if want := strings.ReplaceAll(virtual, "2023-11-14T22:13:20", "2000-02-29T00:00:00"); told != want {
		t.Errorf("with a start that is told\n%s\nwant\n%s", told, want)
	}
	// Two scenarios, a file each.
	var engines []*Engine
	l := &logger{}
	for i, file := range []string{"a", "b"} {
		e, err := New(Config{Script: file + ".js", Source: []byte(`once('eth', () => console.log(interfaces[0].name, now()))`), Number: i + 1,
			Virtual: true, Log: l.log, Interfaces: []Interface{{Name: file, Spec: "file:" + file + ".pcapng"}}})
		if err != nil {
			t.Fatal(err)
		}
		engines = append(engines, e)
	}
	if err := RunAll(t.Context(), engines, false); err != nil || l.text() != "a 0\nb 2.5" {
		t.Errorf("%v\n%s", err, l.text())
	}
	// One that breaks off is played as far as it goes, and then an error.
	whole, err := os.ReadFile("a.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("a.pcapng", whole[:len(whole)-30], 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := runText(t, `let n = 0; on('eth', () => n++); function onStop() { console.log(n) }`, func(c *Config) {
		c.Interfaces = []Interface{{Spec: "file:a.pcapng"}}
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(fmt.Sprint(err), "packet 25") || !strings.HasSuffix(got, "24") {
		t.Errorf("%q, %v", got, err)
	}
}
