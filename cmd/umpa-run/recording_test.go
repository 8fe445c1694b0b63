package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRecordingInAPacketList holds that another program lists the packets of a
// recording and nothing else, under the numbers that explain takes, and that each one that
// was sent says what sent it.
func TestRecordingInAPacketList(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		lacking(t, "UMPA_TOOLS", "tshark is not installed")
	}
	dir := t.TempDir()
	script, recording := filepath.Join(dir, "asks.js"), filepath.Join(dir, "run.pcapng")
	const text = `send(ip({ dst: '10.0.0.2' }), icmp({ id: 1 }));
schedule(packet(ip({ dst: '10.0.0.2' }), icmp({ id: 2, seq: counter() })), { interval: 10, count: 5 });
const pong = await sr1([ip({ dst: '10.0.0.2' }), icmp({ id: 3 })], { timeout: '1s' });
on({ icmp: { type: 'echoReply', id: 2 } }, (pkt) => { if (pkt.icmp.seq === 4) stop(); });
`
	if err := os.WriteFile(script, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	umpa := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program(t), args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("umpa-run %q: %v", args, err)
		}
		return string(out)
	}
	umpa("-q", "--virtual", "-w", recording, "asks.js", "scenarios/responder.js")
	out, err := exec.Command("tshark", "-r", recording, "-T", "fields", "-E", "separator=|", "-e", "frame.number", "-e", "frame.packet_flags_direction",
		"-e", "frame.interface_name", "-e", "_ws.col.Protocol", "-e", "frame.comment").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	ours := strings.Split(strings.TrimSpace(umpa("decode", recording)), "\n")
	if len(lines) != len(ours) {
		t.Fatalf("tshark lists %d packets, decode %d:\n%s", len(lines), len(ours), out)
	}
	says := regexp.MustCompile(`^(\d+)\|0x00000002\|wire\|(ARP|ICMP)\|sent by (.+), version 0(, because of packet \d+)?$`)
	seen := map[string]int{}
	for i, line := range lines {
		m := says.FindStringSubmatch(line)
		if m == nil || m[1] != fmt.Sprint(i+1) {
			t.Errorf("packet %d: tshark says %q", i+1, line)
			continue
		}
		seen[m[2]+" "+m[3]]++
		if why := umpa("explain", recording, m[1]); !strings.Contains(why, "sent by "+m[3]) {
			t.Errorf("packet %d: tshark says %q, explain\n%s", i+1, line, why)
		}
	}
	for what, times := range map[string]int{
		"ARP the engine, to find a neighbour for asks.js:1": 1,
		"ICMP asks.js:1":                      1,
		"ICMP schedule(ip/icmp) at asks.js:2": 5,
		"ICMP asks.js:3":                      1,
		"ARP on({ arp }) at responder.js:19":  1,
	} {
		if seen[what] != times {
			t.Errorf("%q %d times, want %d: %v", what, seen[what], times, seen)
		}
	}
}
