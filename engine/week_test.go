package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/umpa-run/umpa-run/netio"
)

// A thousand hosts, each of which asks for its gateway and pings it every ten
// seconds, and the gateway.
const (
	manyHosts = `
const hosts = () => [range('02:10:00:00:00:00', '02:10:00:00:03:e7'), range('10.1.0.0', '10.1.3.231')];
let [mac, addr] = hosts();
schedule(packet(eth({ src: mac, dst: 'ff:ff:ff:ff:ff:ff' }), arp({ sha: mac, spa: addr, tpa: '10.0.0.2' })), { interval: 10 });
[mac, addr] = hosts();
schedule(packet(eth({ src: mac, dst: '02:00:00:00:00:02' }), ip({ src: addr, dst: '10.0.0.2' }), icmp({ id: random.int(0, 65535), seq: counter() })), { delay: 5, interval: 10 });
`
	gateway = `
on({ arp: { op: 'request', tpa: '10.0.0.2' } }, reply());
on({ ip: { dst: '10.0.0.2' }, icmp: { type: 'echoRequest' } }, reply());
`
	scriptedGateway = `
on({ arp: { op: 'request', tpa: '10.0.0.2' } }, (pkt) => { send(pkt.reply()); });
on({ ip: { dst: '10.0.0.2' }, icmp: { type: 'echoRequest' } }, (pkt) => { send(pkt.reply()); });
`
)

// simulate runs the two for that long of virtual time and returns how many
// frames passed.
func simulate(t testing.TB, gateway string, d time.Duration, rec *netio.Recorder) uint64 {
	wires := netio.NewWires()
	var engines []*Engine
	for i, text := range []string{manyHosts, gateway} {
		e, err := New(Config{Script: []string{"hosts.js", "gateway.js"}[i], Source: []byte(text), Wires: wires, Number: i + 1,
			Virtual: true, Seed: 7, SeedSet: true, For: d, Recorder: rec})
		if err != nil {
			t.Fatal(err)
		}
		engines = append(engines, e)
	}
	if err := RunAll(t.Context(), engines, false); err != nil {
		t.Fatal(err)
	}
	var n uint64
	for _, e := range engines {
		n += e.Summary().Interfaces[0].Stats.Sent
	}
	return n
}

// The same scripts and the same seed give the same capture, byte for byte, in
// every run and on any number of processors. It is ten minutes of the hosts' life,
// or as long as UMPA_SIMULATE says: make week asks for a whole one, whose capture
// is 52 GB and goes through a pipe.
func TestThousandHostsAreTheSameEveryTime(t *testing.T) {
	long := 10 * time.Minute
	if told := os.Getenv("UMPA_SIMULATE"); told != "" {
		var err error
		if long, err = time.ParseDuration(told); err != nil {
			t.Fatalf("UMPA_SIMULATE: %v", err)
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	first := ""
	for run, procs := range []int{2, 2, 1} {
		runtime.GOMAXPROCS(procs)
		begin := time.Now()
		path, sum := hashed(t)
		rec, err := netio.NewRecorder(path, netio.RecorderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n := simulate(t, gateway, long, rec)
		if err := rec.Close(); err != nil {
			t.Fatal(err)
		}
		if want := uint64(4 * 100 * long.Seconds()); n < want || n > want+4 {
			t.Fatalf("run %d: %d frames in %v, want %d", run, n, long, want)
		}
		capture := sum()
		t.Logf("run %d, GOMAXPROCS %d: %d frames in %v, SHA-256 of the capture %s", run, procs, n, time.Since(begin).Round(time.Millisecond), capture)
		if first == "" {
			first = capture
		}
		if capture != first {
			t.Fatalf("run %d, on %d processors: the capture is %s, the first was %s", run, procs, capture, first)
		}
	}
}

// hashed is a file to write to, a pipe where there are pipes with a name, and
// the hash of all that was written.
func hashed(t *testing.T) (path string, sum func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hosts.pcapng")
	result := make(chan string, 1)
	read := func() {
		h := sha256.New()
		f, err := os.Open(path)
		if err == nil {
			_, err = io.Copy(h, f)
			f.Close()
		}
		if err != nil {
			t.Error(err)
		}
		result <- hex.EncodeToString(h.Sum(nil))
	}
	if exec.Command("mkfifo", path).Run() == nil {
		go read()
		return path, func() string { return <-result }
	}
	return path, func() string { read(); return <-result }
}

// Ten simulated minutes of a thousand hosts: 240,000 frames. A week is 1,008
// times that.
//
// An event is a slot of a schedule, or a frame that is delivered: each of the
// frames here is one of each kind, or the answer of a reaction.
// Recorded, each frame has its comment, and goes nowhere.
func BenchmarkThousandHosts(b *testing.B) {
	for name, gateway := range map[string]string{"go": gateway, "js": scriptedGateway} {
		for _, recorded := range []bool{false, true} {
			b.Run(fmt.Sprintf("answers=%s/recorded=%v", name, recorded), func(b *testing.B) {
				var frames uint64
				for b.Loop() {
					var rec *netio.Recorder
					if recorded {
						var err error
						if rec, err = netio.NewRecorder(os.DevNull, netio.RecorderOptions{}); err != nil {
							b.Fatal(err)
						}
					}
					frames += simulate(b, gateway, 10*time.Minute, rec)
					if rec != nil {
						_ = rec.Close() // there is nothing to lose
					}
				}
				b.ReportMetric(float64(frames)*1.5/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(frames)/b.Elapsed().Seconds(), "frames/s")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
				b.ReportMetric(float64(b.N)*600/b.Elapsed().Seconds(), "simulated-s/s")
			})
		}
	}
}
