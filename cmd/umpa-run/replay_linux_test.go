package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReplayOfLiveSession records a session with a real kernel, which asks, is
// answered and is asked, and holds that the recording runs again bit for bit; and
// that after a changed line the first packet that differs is named.
func TestReplayOfLiveSession(t *testing.T) {
	n := newNetwork(t)
	dir := t.TempDir()
	script, recording := filepath.Join(dir, "host.js"), filepath.Join(dir, "live.pcapng")
	const text = `// Answers for an address, and pings the kernel: what it sends depends on the time,
// on chance and on what it received.
const own = '` + hostV4 + `', peer = '` + peerV4 + `';
on({ arp: { op: 'request', tpa: own } }, reply());
let answered = 0, seq = 0;
on({ ip: { dst: own }, icmp: { type: 'echoRequest' } }, (pkt) => {
  answered++;
  return pkt.reply({ ip: { ttl: 64 } });
});
on({ ip: { src: peer }, icmp: { type: 'echoReply' } }, (pkt) => { if (seq % 5 === 0) ask(); });
function ask() {
  send(packet(ip({ dst: peer }), icmp({ type: 'echoRequest', id: 77, seq: ++seq }),
    answered + ' ' + now() + ' ' + Date.now() + ' ' + Math.random()));
}
setInterval(ask, 7);
console.info('ready');
`
	if err := os.WriteFile(script, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	r := n.start("ready", "-i", n.iface, "--no-watch", "-w", recording, script)
	out := n.tool("ping", "-4", "-q", "-i", "0.002", "-c", "300", "-W", "5", hostV4)
	if !strings.Contains(out, "300 received") {
		t.Errorf("answers were lost while recording:\n%s", out)
	}
	r.stop()

	replay := func(args ...string) (string, error) {
		out, err := exec.Command(program(t), append([]string{"replay", "-q", recording}, args...)...).CombinedOutput()
		return string(out), err
	}
	same, err := replay()
	if err != nil || !strings.Contains(same, "all as recorded") {
		t.Fatalf("the replay: %v\n%s", err, same)
	}
	t.Log(strings.TrimSpace(same))

	changed := filepath.Join(t.TempDir(), "host.js")
	if err := os.WriteFile(changed, []byte(strings.Replace(text, "{ ttl: 64 }", "{ ttl: answered === 100 ? 63 : 64 }", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	differs, err := replay("--with", changed)
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != exitFailed {
		t.Errorf("a replay that differs ended with %v", err)
	}
	if !strings.Contains(differs, "another packet is sent") || !strings.Contains(differs, "+   ttl 63") {
		t.Errorf("the difference is not shown:\n%s", differs)
	}
	t.Log(differs)
}
