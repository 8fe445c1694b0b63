package engine

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio"
)

// rollbackPeer is on the wire x as 10.0.0.2: it sends what the scenario under
// test reacts to, and keeps what that answers.
type rollbackPeer struct {
	port *netio.Port
	got  chan string
}

func (p *rollbackPeer) Deliver(_ netio.Link, b *netio.Batch, _ bool) bool {
	for i := range b.Frames {
		f := b.Frames[i].Data
		if f[12] == 0x08 && f[13] == 0x06 { // ARP: who has 10.0.0.2?
			if f[21] == 1 && f[41] == 2 {
				reply := append([]byte(nil), f...)
				copy(reply, f[6:12])
				copy(reply[6:], []byte{2, 0, 0, 0, 0, 2})
				reply[21] = 2
				copy(reply[22:], []byte{2, 0, 0, 0, 0, 2, 10, 0, 0, 2})
				copy(reply[32:], f[22:32])
				go p.port.Send([][]byte{reply})
			}
			continue
		}
		p.got <- string(f[42:])
	}
	b.Release()
	return true
}
func (p *rollbackPeer) LinkState(netio.Link, bool) {}
func (p *rollbackPeer) LinkEnd(netio.Link, error)  {}

// ask sends a frame of the type that the scenarios react to.
func (p *rollbackPeer) ask(t *testing.T) {
	t.Helper()
	if _, err := p.port.Send([][]byte{append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb6}, "ask"...)}); err != nil {
		t.Fatal(err)
	}
}

func (p *rollbackPeer) answers(t *testing.T, n int) (list []string) {
	t.Helper()
	late := time.After(5 * time.Second)
	for range n {
		select {
		case s := <-p.got:
			list = append(list, s)
		case <-late:
			t.Fatalf("%d answers: %q", len(list), list)
		}
	}
	select {
	case s := <-p.got:
		t.Errorf("one answer too many: %q after %q", s, list)
	case <-time.After(50 * time.Millisecond):
	}
	return list
}

// A callback that fails on trial is as if it had not been called: what it sent, even to
// a neighbour that is still asked for, what it stored, and the capture files that its
// version has made, are not there for the version before, which gets the same frame.
func TestRollbackUndoes(t *testing.T) {
	wires := netio.NewWires()
	l, err := netio.Open("wire:x", netio.Config{Wires: wires})
	if err != nil {
		t.Fatal(err)
	}
	peer := &rollbackPeer{l.(*netio.Port), make(chan string, 100)}
	if err := l.Start(peer); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	version := func(name, then string) string {
		return `
const w = pcap.writer('out.pcap');
let n = 0;
on({ eth: { type: 0x88b6 } }, () => {
  n++;
  storage.update('asked', (n) => (n ?? 0) + 1);
  w.write(packet(eth({ type: 0x88b5 }), '` + name + `'));
  send(ip({ dst: '10.0.0.2' }), udp({ dport: 7, sport: 9 }), '` + name + ` ' + storage.get('asked') + ' ' + storage.get('begun'));
  ` + then + `
});
storage.set('begun', '` + name + `');
console.log('` + name + ` is there');
function onStop() { w.close(); }
`
	}
	r := newReloading(t, map[string]string{"main.js": version("one", "")}, func(c *Config) {
		c.Wires, c.Interfaces = wires, []Interface{{Spec: "wire:x"}}
	}).start()
	r.expect("one is there")
	r.save("main.js", version("two", "throw new Error('two');"))
	r.expect("notice: reload 1")
	peer.ask(t)
	r.expect("notice: rolled back")
	if got := peer.answers(t, 1); got[0] != "one 1 two" { // the top level of two ended well: what it stored remains
		t.Errorf("answered %q", got)
	}
	r.save("main.js", version("three", "sleepSync(1); send(ip({ dst: '10.0.0.2' }), udp({ dport: 7, sport: 9 }), 'late'); throw new Error('three');"))
	r.expect("notice: reload 2")
	peer.ask(t)
	r.expect("notice: rolled back")
	// What left before the sleep is gone; what was sent after it is not.
	if got := strings.Join(peer.answers(t, 2), ", "); got != "three 2 three, one 2 three" {
		t.Errorf("answered %q", got)
	}
	r.save("main.js", version("four", "")+"function onReload() { storage.delete('asked'); throw new Error('four'); }")
	r.expect("notice: rolled back")
	peer.ask(t)
	if got := peer.answers(t, 1); got[0] != "one 3 three" { // its first callback was onReload
		t.Errorf("answered %q", got)
	}
	r.stop()
	c, err := netio.OpenCapture("out.pcap")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if f, _, err := c.Next(); err != nil || string(f.Data[14:17]) != "one" {
			t.Errorf("in the file of the version that remains: %q, %v", f.Data, err)
		}
	}
	if entries, _ := os.ReadDir("."); len(entries) != 2 {
		t.Errorf("left: %v", entries)
	}
}

// What is saved in two steps, or makes nothing that could run, does not end the
// run: the next save is waited for.
func TestReloadOfNothing(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": "setInterval(() => {}, 5); console.log('one')"}, func(c *Config) { c.Trial = 20 * time.Second }).start()
	r.expect("one")
	r.save("main.js", "console.log('half')")
	r.expect("notice: reload 1")
	r.save("main.js", "await new Promise(() => {})")
	r.expect("notice: reload 2")
	r.save("main.js", "")
	r.expect("notice: main.js is empty")
	r.save("main.js", "setInterval(() => {}, 5); console.log('two')")
	r.expect("two")
	r.stop()
}

// A save that no event tells of is found by a look: a folder in the place of
// another, and an import that was missing where nobody looks.
func TestReloadUntold(t *testing.T) {
	r := newReloading(t, map[string]string{
		"main.js":    "import { x } from './lib/x.js'; setInterval(() => {}, 5); console.log(x)",
		"lib/x.js":   "export const x = 'one';",
		"other/x.js": "export const x = 'two, as long';",
	})
	r.e.lookEvery = 10 * time.Millisecond
	r.start()
	r.expect("one")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Rename("lib", "old"))
	must(os.Rename("other", "lib"))
	r.expect("two")
	must(os.RemoveAll("lib"))
	r.expect("notice: x.js is gone")
	must(os.Mkdir("lib", 0o755))
	r.put("lib/x.js", "export const x = 'three';")
	r.expect("three")
	r.save("main.js", "import { y } from './far/y.js'; setInterval(() => {}, 5); console.log(y)")
	r.expect("notice: not reloaded")
	must(os.Mkdir("far", 0o755))
	r.put("far/y.js", "export const y = 'four';")
	r.expect("four")
	if n := strings.Count(r.said(), "not reloaded"); n != 1 {
		t.Errorf("said %d times that it is not reloaded:\n%s", n, r.said())
	}
	r.stop()
}

// A rejection that hot.dispose leaves is an error of that reload, whenever it comes,
// and none of the version that runs: not at once, and not when that is gone back to.
func TestDisposeRejects(t *testing.T) {
	r := newReloading(t, map[string]string{"main.js": "setInterval(() => {}, 5); console.log('one')"}).start()
	r.expect("one")
	r.save("main.js", `let n = 0;
hot.dispose(() => { if (++n === 2 || n === 3) Promise.reject(new Error('rejected ' + n)); });
setInterval(() => console.log('two goes on'), 5);`)
	r.expect("notice: reload 1")
	r.save("main.js", "setInterval(() => {}, 5); console.log('three')")
	r.expect("error: main.js:2:62: what hot.dispose of the running version leaves: rejected 2") // at the swap
	r.expect("notice: not reloaded")
	r.expect("two goes on")
	r.save("main.js", "setInterval(() => {}, 5); console.log('four')")
	r.expect("error: main.js:2:62: what hot.dispose of the running version leaves: rejected 3") // before the top level
	r.expect("two goes on")
	r.save("main.js", "setTimeout(() => { throw new Error('five') }, 1)")
	r.expect("notice: rolled back")
	r.expect("two goes on")
	r.stop()
}
