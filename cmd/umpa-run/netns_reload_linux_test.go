package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/umpa-run/umpa-run/scenarios"
)

// saying waits until umpa-run has said text n times.
func (r *running) saying(text string, n int) {
	r.t.Helper()
	late := r.t.Context()
	for strings.Count(r.said(), text) < n {
		select {
		case <-r.grown:
		case err := <-r.ended:
			r.t.Fatalf("umpa-run ended (%v) before it said %q %d times:\n%s", err, text, n, r.said())
		case <-late.Done():
			r.t.Fatalf("umpa-run did not say %q %d times:\n%s", text, n, r.said())
		}
	}
}

// TestReloadUnderPing is the promise of hot reload: the kernel pings a host a
// thousand times a second for ten seconds while its scenario is saved twenty
// times, in good versions and in broken ones. Nothing is lost, nothing is
// answered twice, and every good version is heard of.
func TestReloadUnderPing(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes ten seconds, and -short was asked for")
	}
	const (
		saves = 20
		pings = 10000
		every = pings / (saves + 2)
		echo  = "on({ ip: { dst: v4 }, icmp: { type: 'echoRequest' } }, (pkt) => pkt.reply());"
	)
	n := newNetwork(t)
	if _, err := exec.LookPath("ping"); err != nil {
		lacking(t, "UMPA_TOOLS", "ping is not installed")
	}
	original, err := fs.ReadFile(scenarios.FS, "scenarios/responder.js")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(original), echo) {
		t.Fatalf("responder.js has another line for pings than\n%s", echo)
	}
	// version is responder.js, but that the answers' TTL tells which one it is.
	version := func(ttl int, then string) string {
		return strings.Replace(string(original), echo, fmt.Sprintf(`let count = 0;
  on({ ip: { dst: v4 }, icmp: { type: 'echoRequest' } }, (pkt) => { count++; %s return pkt.reply({ ip: { ttl: %d } }); });`, then, ttl), 1)
	}
	script := filepath.Join(t.TempDir(), "responder.js")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(script, version(100, ""))
	r := n.start("answering for", "-i", n.iface, script, "--", hostV4)

	ping := exec.Command("ip", "netns", "exec", n.peer, "ping", "-i", "0.001", "-c", strconv.Itoa(pings), "-W", "5", hostV4)
	stdout, err := ping.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ping.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ping.Process.Kill() })
	var (
		lines   = bufio.NewScanner(stdout)
		answer  = regexp.MustCompile(`icmp_seq=(\d+) ttl=(\d+)`)
		heard   = map[int]int{} // how often each number was answered
		byTTL   = map[int]int{}
		summary []string
	)
	// listen reads ping's lines until it has n answers.
	listen := func(n int) {
		for (n < 0 || len(heard) < n) && lines.Scan() {
			m := answer.FindStringSubmatch(lines.Text())
			if m == nil {
				summary = append(summary, lines.Text())
				continue
			}
			seq, _ := strconv.Atoi(m[1])
			ttl, _ := strconv.Atoi(m[2])
			heard[seq]++
			byTTL[ttl]++
		}
	}
	good := []int{100}
	notLoaded, rolledBack, loaded := 0, 0, 0
	for i := 1; i <= saves; i++ {
		listen(i * every)
		switch ttl := 100 + i; i % 5 {
		case 2: // does not compile
			write(script, version(ttl, "")+"\nconst = 1;\n")
			notLoaded++
			r.saying("not reloaded", notLoaded)
		case 3: // throws at top level, after it has sent something
			write(script, version(ttl, "")+"\nsend(ip({ dst: '10.9.0.1' }), icmp({ type: 0, id: 1, seq: 1 }));\nnull.gone;\n")
			notLoaded++
			r.saying("not reloaded", notLoaded)
		case 4: // throws at its third packet
			write(script, version(ttl, "if (count === 3) throw new Error('third');"))
			loaded++
			rolledBack++
			good = append(good, ttl) // it answered two
			r.saying("rolled back", rolledBack)
		case 0: // an editor that writes another file and renames it
			write(script+"~", version(ttl, ""))
			if err := os.Rename(script+"~", script); err != nil {
				t.Fatal(err)
			}
			loaded++
			good = append(good, ttl)
			r.saying("from save to swap", loaded)
		default:
			write(script, version(ttl, ""))
			loaded++
			good = append(good, ttl)
			r.saying("from save to swap", loaded)
		}
	}
	listen(-1)
	if err := ping.Wait(); err != nil {
		t.Errorf("ping: %v", err)
	}
	text := strings.Join(summary, "\n")
	if want := fmt.Sprintf("%d packets transmitted, %d received, 0%% packet loss", pings, pings); !strings.Contains(text, want) {
		t.Errorf("ping did not say %q:\n%s", want, text)
	}
	for seq, times := range heard {
		if times != 1 {
			t.Errorf("ping %d was answered %d times", seq, times)
		}
	}
	for _, ttl := range good {
		if byTTL[ttl] == 0 {
			t.Errorf("no answer came from version %d", ttl-100)
		}
		delete(byTTL, ttl)
	}
	if len(byTTL) > 0 {
		t.Errorf("answers from versions that were broken, by their TTL: %v", byTTL)
	}
	r.stop()
	took := regexp.MustCompile(`reload \d+: .*`).FindAllString(r.said(), -1)
	t.Logf("%s\n%s", text, strings.Join(took, "\n"))
	if t.Failed() {
		t.Log(r.said())
	}
}
