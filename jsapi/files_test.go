package jsapi

import (
	"errors"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	h := newFake()
	h.files = map[string][]byte{"a.txt": []byte("\xef\xbb\xbfhé"), "b.bin": {1, 2, 255}, "bad.txt": {'a', 0xff, 'b'}}
	h.args = []string{"-n", "5"}
	h.env = map[string]string{"B": "2", "A": "1"}
	for _, c := range []struct{ src, want string }{
		{`open('a.txt')`, "hé"},
		{`open('bad.txt')`, "a\ufffdb"},
		{`openBytes('b.bin').join()`, "1,2,255"},
		{`openBytes('b.bin')[0] = 9; openBytes('b.bin')[0]`, "1"},
		{`open('none')`, "Error: open none: no such file"},
		{`open()`, "open: undefined is not the name of a file"},
		{`open('')`, "open: '' is not the name of a file"},
		{`args.join()`, "-n,5"},
		{`args.push(1)`, "TypeError"},
		{`JSON.stringify(env)`, `{"A":"1","B":"2"}`},
		{`String(env.toString)`, "undefined"},
		{`env.C = 1`, "TypeError"},
	} {
		if got := newSceneOn(t, h).eval(c.src); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.src, got, c.want)
		}
	}
	s := newScene(t)
	s.run(`stop(); stop('enough'); stop(new Error('x').message)`)
	if got := strings.Join(s.host.stopped, "|"); got != "|enough|x" {
		t.Errorf("stopped %q", got)
	}
}

func TestPcap(t *testing.T) {
	s := newScene(t)
	s.host.filters["udp port 7"] = func(b []byte) bool { return b[len(b)-1] == 7 }
	got := s.eval(`
		const frame = (n) => parse(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff' }), ip({ dst: '10.0.0.' + n }), udp({ dport: 1 }), new Uint8Array([n])).bytes);
		pcap.write('a.pcapng', [1, 2, 7].map(frame)) + ' ' + pcap.write('b.pcapng', (function* () { yield frame(9) })())`)
	if got != "3 1" {
		t.Fatalf("wrote %s", got)
	}
	if !s.host.captures["a.pcapng"].closed {
		t.Error("the file is open")
	}
	if at := s.host.captures["a.pcapng"].times[0]; at != s.host.Wall().UnixNano() {
		t.Errorf("a built packet was written at %d", at)
	}
	for _, c := range []struct{ src, want string }{
		{`[...pcap.read('a.pcapng')].map((p) => p.ip.dst).join()`, "10.0.0.1,10.0.0.2,10.0.0.7"},
		{`const r = pcap.read('a.pcapng'); [...r].length + [...r].length`, "6"},
		{`[...pcap.read('a.pcapng', { ip: { dst: '10.0.0.2' } })].length`, "1"},
		{`[...pcap.read('a.pcapng', (p) => p.payload[0] > 1)].length`, "2"},
		{`[...pcap.read('a.pcapng', 'udp port 7')].length`, "1"},
		{`const kept = [...pcap.read('a.pcapng')]; kept[0] !== kept[1] && kept[0].payload[0] === 1`, "true"},
		{`const p = [...pcap.read('a.pcapng')][0]; p.ip.ttl = 3`, "TypeError"},
		{`[...pcap.read('a.pcapng')][0].time`, "1767225600000"},
		{`for (const p of pcap.read('none')) ;`, "Error: open none: no such file"},
		{`pcap.read(7)`, "pcap.read: 7 is not the name of a file"},
		{`pcap.write('x', 7)`, "pcap.write: a path and a list of packets are needed"},
		{`pcap.write('x', parse('').with({}))`, "a list of packets is needed, not one packet"},
		{`pcap.write('x', [1])`, "pcap.write: 1 is not a packet"},
		{`const w = pcap.writer('w.pcapng'); w.write(frame(1)); w.write(frame(2), 'odd'); w.close(); w.close(); [...pcap.read('w.pcapng')].length`, "2"},
		{`const w = pcap.writer('w.pcapng'); w.close(); w.write(frame(1))`, "write: the file was closed"},
	} {
		if got := s.eval("{" + c.src + "}"); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.src, got, c.want)
		}
	}
	if !s.host.captures["x"].closed {
		t.Error("after a mistake the file is open")
	}
	s.host.captures["a.pcapng"].closed = false
	s.run(`for (const p of pcap.read('a.pcapng')) break`)
	if !s.host.captures["a.pcapng"].closed {
		t.Error("after a loop that ended early the file is open")
	}
}

// brokenHost has a capture that ends within a packet.
type brokenHost struct{ *fake }

func (brokenHost) OpenCapture(string) (CaptureReader, error) { return &brokenReader{}, nil }

type brokenReader struct{ n int }

func (r *brokenReader) Next() ([]byte, int64, int, string, error) {
	if r.n++; r.n > 2 {
		return nil, 0, 0, "", errors.New("broken.pcap: packet 3: the file ends within it")
	}
	return []byte{1, 2, 3}, 1, 3, "nothing", nil
}
func (r *brokenReader) Close() error { return nil }

func TestPcapBrokenFile(t *testing.T) {
	s := newScene(t)
	s.api.host = brokenHost{s.host}
	got := s.eval(`let n = 0; try { for (const p of pcap.read('broken.pcap')) n += p.length } catch (e) { n + ' ' + e.message }`)
	if got != "6 broken.pcap: packet 3: the file ends within it" {
		t.Errorf("got %q", got)
	}
}
