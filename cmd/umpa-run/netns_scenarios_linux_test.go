package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The second network of scenarios that stand between two: "far" is its kernel.
const (
	farV4, farV6 = "10.8.0.1", "fd08::1"
	// What the scenario in the middle is for the peer, and for far.
	nearGateV4, nearGateV6 = "10.9.0.254", "fd09::fe"
	farGateV4, farGateV6   = "10.8.0.254", "fd08::fe"
)

// at is the network as a subtest sees it whose clients run in a namespace.
func (n *network) at(t *testing.T, namespace string) *network {
	c := *n
	c.t, c.peer = t, namespace
	return &c
}

// addFar puts a third namespace on the other side of ours, behind its veth1.
func (n *network) addFar() (namespace string) {
	n.t.Helper()
	far := strings.TrimSuffix(n.peer, "peer") + "far"
	addNamespace(n.t, far)
	ip(n.t, "-n "+far+" link add veth0 type veth peer name veth1 netns "+n.ours)
	ip(n.t, "-n "+far+" link set veth0 up")
	ip(n.t, "-n "+n.ours+" link set veth1 up")
	return far
}

// attempt runs a real client that may fail, and returns all that it wrote.
func (n *network) attempt(name string, args ...string) string {
	n.t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		lacking(n.t, "UMPA_TOOLS", name+" is not installed")
	}
	out, err := exec.Command("ip", append([]string{"netns", "exec", n.peer, name}, args...)...).CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		n.t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// combined runs a real client that must succeed, and returns all it wrote.
func (n *network) combined(name string, args ...string) string {
	n.t.Helper()
	out, err := exec.Command("ip", append([]string{"netns", "exec", n.peer, name}, args...)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// wants fails the test unless the output matches every expression.
func wants(t *testing.T, out string, expressions ...string) {
	t.Helper()
	for _, e := range expressions {
		if !regexp.MustCompile("(?m)" + e).MatchString(out) {
			t.Errorf("there is no match of %q in\n%s", e, out)
		}
	}
}

// TestRouterBetweenKernels puts router.js between two kernels.
func TestRouterBetweenKernels(t *testing.T) {
	n := newNetwork(t)
	far := n.addFar()
	for _, args := range []string{
		"-n " + far + " addr add " + farV4 + "/24 dev veth0",
		"-n " + far + " addr add " + farV6 + "/64 dev veth0 nodad",
		"-n " + far + " route add default via " + farGateV4,
		"-n " + far + " route add default via " + farGateV6,
		"-n " + n.peer + " route add default via " + nearGateV4,
		"-n " + n.peer + " route add default via " + nearGateV6,
	} {
		ip(t, args)
	}
	r := n.start("routing between", "-i", "a=veth0", "-i", "b=veth1", "scenarios/router.js", "--",
		nearGateV4+"/24", farGateV4+"/24", nearGateV6+"/64", farGateV6+"/64")

	for _, c := range []struct{ family, dst, hop, nobody, nowhere, host, net string }{
		{"-4", farV4, nearGateV4, "10.8.0.77", "10.7.0.1", "Destination Host Unreachable", "Destination Net Unreachable"},
		{"-6", farV6, nearGateV6, "fd08::77", "fd07::1", "Address unreachable", "No route"},
	} {
		t.Run("ping"+c.family, func(t *testing.T) {
			n := n.at(t, n.peer)
			wants(t, n.tool("ping", c.family, "-q", "-i", "0.01", "-c", "100", "-W", "5", c.dst), "100 packets transmitted, 100 received, 0% packet loss")
			wants(t, n.tool("ping", c.family, "-c", "1", "-W", "5", c.dst), "icmp_seq=1 ttl=63 ")
			// Longer than the link: the sender cuts it, and so may the router.
			wants(t, n.tool("ping", c.family, "-c", "1", "-W", "5", "-s", "4000", c.dst), "4008 bytes from .* ttl=63 ")
			wants(t, n.attempt("ping", c.family, "-c", "1", "-W", "5", "-t", "1", c.dst), "(?i)From "+c.hop+".*Time (to live )?exceeded")
		})
		t.Run("unreachable"+c.family, func(t *testing.T) {
			n := n.at(t, n.peer)
			wants(t, n.attempt("ping", c.family, "-c", "1", "-W", "10", c.nobody), "From "+c.hop+" .*"+c.host)
			wants(t, n.attempt("ping", c.family, "-c", "1", "-W", "5", c.nowhere), "From "+c.hop+" .*"+c.net)
		})
		t.Run("traceroute"+c.family, func(t *testing.T) {
			n := n.at(t, n.peer)
			for _, method := range []string{"-U", "-I", "-T"} {
				out := n.tool("traceroute", c.family, "-n", "-q", "1", method, c.dst)
				wants(t, out, "^ 1  "+c.hop+"  [0-9.]+ ms$", "^ 2  "+c.dst+"  [0-9.]+ ms$")
			}
		})
		t.Run("mtr"+c.family, func(t *testing.T) {
			n := n.at(t, n.peer)
			out := n.tool("mtr", c.family, "-n", "-r", "-c", "3", "-i", "0.2", "-G", "1", c.dst)
			wants(t, out, `^ +1\.\|-- `+c.hop+` +0\.0% +3 `, `^ +2\.\|-- `+c.dst+` +0\.0% +3 `)
		})
		t.Run("itself"+c.family, func(t *testing.T) {
			n := n.at(t, far)
			wants(t, n.tool("ping", c.family, "-q", "-c", "2", "-i", "0.1", "-W", "5", c.hop), "2 received, 0% packet loss")
			wants(t, n.tool("traceroute", c.family, "-n", "-q", "1", c.hop), "^ 1  \\S+  [0-9.]+ ms$")
		})
	}
	r.stop()
}

// TestNameServerForDig asks dns-server.js with the client of a name server's
// own makers.
func TestNameServerForDig(t *testing.T) {
	n := newNetwork(t)
	n.start("answering for 17 records of example.org", "-i", n.iface,
		"-e", "MAC=02:00:00:00:09:03", "-e", "IP="+hostV4+"/24", "-e", "IP6="+hostV6+"/64", "scenarios/dns-server.js")
	for _, c := range []struct {
		question string
		want     []string
	}{
		{"www.example.org A", []string{"status: NOERROR", "flags: qr aa rd;", `^www\.example\.org\.\s+3600\s+IN\s+A\s+192\.0\.2\.80$`, `\s192\.0\.2\.81$`}},
		{"www.example.org AAAA", []string{`^www\.example\.org\.\s+3600\s+IN\s+AAAA\s+2001:db8::80$`}},
		{"WWW.Example.ORG AAAA", []string{`^www\.example\.org\.\s+3600\s+IN\s+AAAA\s+2001:db8::80$`}},
		{"example.org TXT", []string{`\sTXT\s+"v=spf1 mx -all"$`}},
		{"example.org MX", []string{`\sMX\s+10 mail\.example\.org\.$`, `\sMX\s+20 mail2\.example\.org\.$`}},
		{"example.org SOA", []string{`\sSOA\s+ns1\.example\.org\. hostmaster\.example\.org\. 2026010101 7200 3600 1209600 300$`}},
		{"ftp.example.org A", []string{`^ftp\.example\.org\.\s+3600\s+IN\s+CNAME\s+www\.example\.org\.$`, `\s192\.0\.2\.81$`}},
		{"_http._tcp.example.org SRV", []string{`\sSRV\s+0 5 80 www\.example\.org\.$`}},
		{"short.example.org A", []string{`^short\.example\.org\.\s+5\s+IN\s+A\s`}},
		{"nobody.example.org A", []string{"status: NXDOMAIN", "flags: qr aa rd;", "ANSWER: 0, AUTHORITY: 1", `^example\.org\.\s+300\s+IN\s+SOA\s`}},
		{"www.example.org MX", []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1"}},
		{"_tcp.example.org A", []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1"}},
		{"example.com A", []string{"status: REFUSED"}},
		{"long.example.org TXT", []string{"status: NOERROR", "flags: qr aa rd;", "EDNS: version: 0, flags:; udp: 1232", "any chance"}},
		{"+noedns +ignore long.example.org TXT", []string{"flags: qr aa tc rd;", "ANSWER: 0", "ADDITIONAL: 0"}},
		{"+bufsize=600 +ignore long.example.org TXT", []string{"flags: qr aa tc rd;", "ANSWER: 0", "ADDITIONAL: 1"}},
		{"+opcode=notify www.example.org A", []string{"status: NOTIMP"}},
	} {
		for _, server := range []string{hostV4, hostV6} {
			t.Run(c.question+" "+server, func(t *testing.T) {
				out := n.at(t, n.peer).tool("dig", append([]string{"@" + server, "+tries=1", "+timeout=10"}, strings.Fields(c.question)...)...)
				wants(t, out, c.want...)
				if strings.Contains(out, "WARNING: Message") || strings.Contains(out, "malformed") {
					t.Errorf("dig does not like it:\n%s", out)
				}
			})
		}
	}
	wants(t, n.attempt("dig", "@"+hostV4, "+tcp", "+tries=1", "+timeout=10", "example.org"), "connection refused")
}

// TestFlakyBridge has the kernel's ping count what flaky.js does to its packets.
func TestFlakyBridge(t *testing.T) {
	n := newNetwork(t)
	far := n.addFar()
	const farEnd = "10.9.0.9"
	// Answers to ARP would be lost too, and then more than the pings' share of packets.
	for _, args := range []string{
		"-n " + n.peer + " link set veth0 address 02:00:00:00:09:01",
		"-n " + far + " link set veth0 address 02:00:00:00:09:09",
		"-n " + far + " addr add " + farEnd + "/24 dev veth0",
		"-n " + n.peer + " neigh replace " + farEnd + " lladdr 02:00:00:00:09:09 dev veth0",
		"-n " + far + " neigh replace " + peerV4 + " lladdr 02:00:00:00:09:01 dev veth0",
	} {
		ip(t, args)
	}
	const pings = 1000
	flaky := func(t *testing.T, args ...string) (received, duplicates int, rtt float64, out string) {
		n := n.at(t, n.peer)
		r := n.start("bridging a and b", append([]string{"--seed", "1", "-i", "a=veth0", "-i", "b=veth1", "scenarios/flaky.js", "--"}, args...)...)
		out = n.attempt("ping", "-n", "-i", "0.002", "-c", strconv.Itoa(pings), "-W", "3", farEnd)
		r.stop()
		counts := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received,(?: \+(\d+) duplicates,)?`).FindStringSubmatch(out)
		times := regexp.MustCompile(`rtt min/avg/max/mdev = ([\d.]+)/`).FindStringSubmatch(out)
		if counts == nil || times == nil || counts[1] != strconv.Itoa(pings) {
			t.Fatalf("what ping says is not understood:\n%s", out)
		}
		received, _ = strconv.Atoi(counts[2])
		duplicates, _ = strconv.Atoi(counts[3])
		rtt, _ = strconv.ParseFloat(times[1], 64)
		t.Logf("%s: %d of %d received, %d duplicates, least rtt %v ms", strings.Join(args, " "), received, pings, duplicates, rtt)
		return received, duplicates, rtt, out
	}
	// within checks a count of pings against its mean, and the variance of one
	// ping, by the 99.9 % interval of the normal distribution that a binomial
	// of this size is.
	within := func(t *testing.T, what string, got int, mean, variance float64) {
		t.Helper()
		want, by := pings*mean, 3.29*math.Sqrt(pings*variance)
		if math.Abs(float64(got)-want) > by {
			t.Errorf("%s: %d, want %.0f ± %.0f", what, got, want, by)
		}
	}

	t.Run("nothing", func(t *testing.T) {
		if received, duplicates, _, _ := flaky(t); received != pings || duplicates != 0 {
			t.Errorf("%d received and %d duplicates, want %d and none", received, duplicates, pings)
		}
	})
	t.Run("loss", func(t *testing.T) {
		const passes = 0.9 * 0.9 // there and back
		received, _, _, _ := flaky(t, "loss=10%")
		within(t, "received", received, passes, passes*(1-passes))
	})
	t.Run("duplicate", func(t *testing.T) {
		// A request that is doubled has two answers, each of which may be.
		const p, one = 0.05, 0.05 * 0.95
		received, duplicates, _, _ := flaky(t, "duplicate=5%")
		if received != pings {
			t.Errorf("%d received, want %d", received, pings)
		}
		within(t, "duplicates", duplicates, (1+p)*(1+p)-1, (1+p)*one+one*(1+p)*(1+p))
	})
	t.Run("delay", func(t *testing.T) {
		if received, _, rtt, _ := flaky(t, "delay=20ms"); received != pings || rtt < 40 {
			t.Errorf("%d received, the fastest after %v ms; want %d, none before 40 ms", received, rtt, pings)
		}
	})
	t.Run("reorder", func(t *testing.T) {
		received, _, _, out := flaky(t, "reorder=10%")
		last, overtaken := 0, 0
		for _, m := range regexp.MustCompile(`icmp_seq=(\d+)`).FindAllStringSubmatch(out, -1) {
			seq, _ := strconv.Atoi(m[1])
			if seq < last {
				overtaken++
			}
			last = max(last, seq)
		}
		// Which of two overtakers is seen depends on the other direction too.
		if received != pings || overtaken < pings/20 || overtaken > pings/4 {
			t.Errorf("%d received, %d of them overtaken; want %d, and about a tenth or two", received, overtaken, pings)
		}
	})
}

// TestTranslatedKernel sends a kernel's pings, traceroutes and a download
// through nat.js to another that knows no way back.
func TestTranslatedKernel(t *testing.T) {
	n := newNetwork(t)
	far := n.addFar()
	for _, args := range []string{
		"-n " + far + " addr add " + farV4 + "/24 dev veth0",
		"-n " + n.peer + " route add default via " + nearGateV4,
	} {
		ip(t, args)
	}
	page := strings.Repeat("0123456789abcdef", 1<<16)
	l := listenIn(t, far, "tcp4")
	var seen sync.Map
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		seen.Store(host, true)
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, page)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r := n.start("translating", "-i", "lan=veth0", "-i", "wan=veth1", "scenarios/nat.js", "--", nearGateV4+"/24", farGateV4+"/24", farV4)

	wants(t, n.tool("ping", "-q", "-i", "0.01", "-c", "200", "-W", "5", farV4), "200 packets transmitted, 200 received, 0% packet loss")
	for _, method := range []string{"-U", "-I"} {
		wants(t, n.tool("traceroute", "-n", "-q", "1", method, farV4), "^ 1  "+nearGateV4+"  ", "^ 2  "+farV4+"  ")
	}
	for range 5 {
		if got := n.tool("curl", "-sS", "--max-time", "30", "http://"+farV4+":"+port+"/"); got != page {
			t.Fatalf("the page has %d bytes, want %d:\n%s", len(got), len(page), r.said())
		}
	}
	file := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(file, []byte(page), 0o666); err != nil {
		t.Fatal(err)
	}
	got := n.tool("curl", "-sS", "--max-time", "30", "--data-binary", "@"+file, "http://"+farV4+":"+port+"/")
	if got != page {
		t.Errorf("after a long request the page has %d bytes, want %d", len(got), len(page))
	}
	seen.Range(func(host, _ any) bool {
		if host != farGateV4 {
			t.Errorf("the server saw %v, want only %s", host, farGateV4)
		}
		return true
	})
	r.stop()
}

// TestServerForCurl fetches from tcp-server.js with the kernel's TCP.
func TestServerForCurl(t *testing.T) {
	serve := func(n *network, iface string) *running {
		return n.start("serving", "-i", iface, "-e", "MAC=02:00:00:00:09:03", "-e", "IP="+hostV4+"/24", "-e", "IP6="+hostV6+"/64", "scenarios/tcp-server.js")
	}
	// A page of several segments, and the number of its last byte.
	page := regexp.MustCompile(`(?s)\A<!doctype html>.*segments\.\n\z`)
	const length = 11439

	t.Run("200 in a row", func(t *testing.T) {
		n := newNetwork(t)
		r := serve(n, n.iface)
		for i := range 200 {
			host := hostV4
			if i%2 == 1 {
				host = "[" + hostV6 + "]"
			}
			if out := n.tool("curl", "-gsS", "--max-time", "10", "http://"+host+"/"); len(out) != length || !page.MatchString(out) {
				t.Fatalf("fetch %d has %d bytes, want %d:\n%s\n%s", i, len(out), length, out, r.said())
			}
		}
		wants(t, n.tool("curl", "-sS", "-i", "--max-time", "10", "http://"+hostV4+"/other"), "^HTTP/1.1 404 Not Found")
		wants(t, n.attempt("curl", "-sS", "--max-time", "10", "http://"+hostV4+":81/"), "(?i)refused|failed to connect|couldn't connect")
		r.stop()
	})
	t.Run("many at once", func(t *testing.T) {
		n := newNetwork(t)
		r := serve(n, n.iface)
		urls := []string{"-sS", "--max-time", "30", "-Z", "--parallel-max", "50"}
		for range 100 {
			urls = append(urls, "http://"+hostV4+"/")
		}
		if out := n.tool("curl", urls...); len(out) != 100*length {
			t.Errorf("%d bytes, want %d", len(out), 100*length)
		}
		r.stop()
	})
	t.Run("through losses", func(t *testing.T) {
		n := newNetwork(t)
		far := n.addFar()
		r := n.start("bridging", "--seed", "1", "-i", "a=veth0", "-i", "b=veth1", "scenarios/flaky.js", "--", "loss=10%", "reorder=10%", "duplicate=5%")
		behind := *n
		behind.ours = far
		s := serve(&behind, "veth0")
		for i := range 10 {
			if out := n.tool("curl", "-sS", "--max-time", "60", "--retry", "3", "http://"+hostV4+"/"); len(out) != length || !page.MatchString(out) {
				t.Fatalf("fetch %d has %d bytes, want %d:\n%s", i, len(out), length, out)
			}
		}
		s.stop()
		r.stop()
	})
}

// TestLeaseForUdhcpc has a real client get a lease, renew it and give it back.
func TestLeaseForUdhcpc(t *testing.T) {
	n := newNetwork(t)
	if _, err := exec.LookPath("udhcpc"); err != nil {
		lacking(t, "UMPA_TOOLS", "udhcpc is not installed")
	}
	n.start("handing out 10.9.0.100 to 10.9.0.110 (11)", "-i", n.iface, "-e", "MAC=02:00:00:00:09:03", "-e", "IP="+hostV4+"/24",
		"scenarios/dhcp-server.js", "--", "10.9.0.100", "10.9.0.110")
	// What the client is told, it does, as on any machine.
	script := filepath.Join(t.TempDir(), "udhcpc.sh")
	text := "#!/bin/sh\ncase $1 in bound|renew) ip addr replace $ip/$mask dev $interface; echo $1 $ip/$mask router $router lease $lease >&2;; esac\n"
	if err := os.WriteFile(script, []byte(text), 0o777); err != nil {
		t.Fatal(err)
	}
	ip(t, "-n "+n.peer+" addr flush dev veth0 scope global")
	c := n.background(n.peer, "bound ", "udhcpc", "-i", "veth0", "-s", script, "-f", "-R", "-t", "5", "-T", "1")
	wants(t, c.said(), `^bound 10\.9\.0\.100/24 router 10\.9\.0\.3 lease 600$`)
	if err := c.cmd.Process.Signal(syscall.SIGUSR1); err != nil { // renew now
		t.Fatal(err)
	}
	c.waitFor(func(said string) bool { return strings.Contains(said, "renew 10.9.0.100/24") }, "renew 10.9.0.100/24")
	wants(t, n.tool("ping", "-c", "1", "-W", "5", hostV4), "1 received") // the address works
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {        // -R: give it back
		t.Fatal(err)
	}
	<-c.ended
	// Another time the same client gets the same address.
	wants(t, n.combined("udhcpc", "-i", "veth0", "-s", "/bin/true", "-n", "-q", "-f", "-t", "5", "-T", "1"), `lease of 10\.9\.0\.100 obtained from 10\.9\.0\.3`)
	// One that asks for an address out of the pool gets one in it.
	wants(t, n.combined("udhcpc", "-i", "veth0", "-s", "/bin/true", "-n", "-q", "-f", "-t", "5", "-T", "1", "-r", "10.9.0.200"), `lease of 10\.9\.0\.1\d\d obtained`)
}

// TestScansAgreeWithNmap holds arp-scan.js and syn-scan.js against nmap, on a
// network of many addresses and a machine with a few open ports.
func TestScansAgreeWithNmap(t *testing.T) {
	n := newNetwork(t)
	for i := 20; i < 60; i += 3 {
		ip(t, fmt.Sprintf("-n %s addr add 10.9.0.%d/24 dev veth0", n.peer, i))
	}
	swap := n.at(t, n.ours) // nmap runs where umpa-run does

	t.Run("arp-scan", func(t *testing.T) {
		out := n.umpa("-i", n.iface, "scenarios/arp-scan.js", "--", "10.9.0.0/24")
		hosts := regexp.MustCompile(`(?m)^10\.9\.0\.\d+`).FindAllString(out, -1)
		theirs := regexp.MustCompile(`(?m)^Host: (10\.9\.0\.\d+) .*Status: Up`).FindAllStringSubmatch(swap.tool("nmap", "-n", "-sn", "-oG", "-", "10.9.0.0/24"), -1)
		var up []string
		for _, m := range theirs {
			if m[1] != oursV4 { // itself, which it does not ask
				up = append(up, m[1])
			}
		}
		slices.SortFunc(up, func(a, b string) int { return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b)) })
		if len(up) != 15 || !slices.Equal(hosts, up) {
			t.Errorf("arp-scan.js found %v\nnmap found        %v", hosts, up)
		}
	})
	t.Run("syn-scan", func(t *testing.T) {
		var open []string
		for range 5 {
			_, port, _ := net.SplitHostPort(listenIn(t, n.peer, "tcp").Addr().String())
			open = append(open, port)
		}
		slices.Sort(open)
		ports := "1-200," + strings.Join(open, ",")
		for _, dst := range []string{peerV4, peerV6} {
			out := n.umpa("-i", n.iface, "scenarios/syn-scan.js", "--", "-p", ports, dst)
			args := []string{"-n", "-Pn", "-sS", "-oG", "-", "-p", ports}
			if dst == peerV6 {
				args = append(args, "-6")
			}
			var theirs, found []string
			for _, m := range regexp.MustCompile(`(\d+)/open/tcp`).FindAllStringSubmatch(swap.tool("nmap", append(args, dst)...), -1) {
				theirs = append(theirs, m[1])
			}
			for _, m := range regexp.MustCompile(`(?m) (\d+)/tcp open$`).FindAllStringSubmatch(out, -1) {
				found = append(found, m[1])
			}
			slices.Sort(theirs)
			slices.Sort(found)
			if !slices.Equal(found, open) || !slices.Equal(found, theirs) {
				t.Errorf("%s: open are %v, nmap found %v, syn-scan.js printed\n%s", dst, open, theirs, out)
			}
			wants(t, out, "^"+dst+": 5 open, 200 closed, 0 filtered$")
		}
	})
}

// TestTracerouteAcrossRouter follows the way through router.js to a kernel.
func TestTracerouteAcrossRouter(t *testing.T) {
	n := newNetwork(t)
	far := n.addFar()
	for _, args := range []string{
		"-n " + far + " addr add " + farV4 + "/24 dev veth0",
		"-n " + far + " addr add " + farV6 + "/64 dev veth0 nodad",
		"-n " + far + " route add default via " + farGateV4,
		"-n " + far + " route add default via " + farGateV6,
		"-n " + n.peer + " route add default via " + nearGateV4,
		"-n " + n.peer + " route add default via " + nearGateV6,
	} {
		ip(t, args)
	}
	n.start("routing between", "-i", "a=veth0", "-i", "b=veth1", "scenarios/router.js", "--",
		nearGateV4+"/24", farGateV4+"/24", nearGateV6+"/64", farGateV6+"/64")
	end := *n
	end.ours = n.peer
	for _, c := range []struct{ dst, hop string }{{farV4, nearGateV4}, {farV6, nearGateV6}} {
		for _, args := range [][]string{{"-q", "2"}, {"-q", "2", "-I"}} {
			out := end.umpa(append(append([]string{"-i", "veth0", "scenarios/traceroute.js", "--"}, args...), c.dst)...)
			wants(t, out, "^ 1  "+c.hop+"  [0-9.]+ ms  [0-9.]+ ms$", "^ 2  "+c.dst+"  [0-9.]+ ms  [0-9.]+ ms$")
			if strings.Count(out, "\n") != 3 {
				t.Errorf("it went on:\n%s", out)
			}
		}
	}
}

// TestFloodArrives counts in the kernel what flood.js says it sent.
func TestFloodArrives(t *testing.T) {
	n := newNetwork(t)
	out := n.umpa("-i", n.iface, "scenarios/flood.js", "--", peerV4, "rate=10kpps", "count=5000")
	wants(t, out, `^5000 packets in [0-9.]+ s: \d+ a second, 10kpps asked for$`)
	m := regexp.MustCompile(`(?s)RX:.*?\n\s+\d+\s+(\d+)`).FindStringSubmatch(n.tool("ip", "-s", "link", "show", "veth0"))
	if m == nil {
		t.Fatal("ip -s link show says nothing of RX")
	}
	if got, _ := strconv.Atoi(m[1]); got < 5000 || got > 5100 { // and what any interface hears
		t.Errorf("the peer received %d frames, want 5000 and few more", got)
	}
}
