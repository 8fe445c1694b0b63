package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The two ends of the veth pair that these tests run on. "peer" is a Linux
// kernel as a network has many; "ours" is where umpa-run runs.
const (
	peerV4, peerV6 = "10.9.0.1", "fd09::1"
	oursV4, oursV6 = "10.9.0.2", "fd09::2"
	// Nobody's: what the simulated host answers for.
	hostV4, hostV6 = "10.9.0.3", "fd09::3"
)

// network is two namespaces joined by a veth pair.
type network struct {
	t          *testing.T
	peer, ours string // names of the namespaces
	iface      string // the interface in ours
}

var networks struct {
	sync.Mutex
	made int
}

// newNetwork makes two namespaces, and removes them at the end of the test.
func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "UMPA_NETNS", "making a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		lacking(t, "UMPA_NETNS", "iproute2 is not installed")
	}
	networks.Lock()
	networks.made++
	prefix := fmt.Sprintf("umpa-%d-%d", os.Getpid(), networks.made)
	networks.Unlock()
	n := &network{t: t, peer: prefix + "-peer", ours: prefix + "-ours", iface: "veth0"}
	addNamespace(t, n.peer)
	addNamespace(t, n.ours)
	for _, args := range []string{
		"-n " + n.peer + " link add veth0 type veth peer name veth0 netns " + n.ours,
		"-n " + n.peer + " addr add " + peerV4 + "/24 dev veth0",
		"-n " + n.peer + " addr add " + peerV6 + "/64 dev veth0 nodad",
		"-n " + n.ours + " addr add " + oursV4 + "/24 dev veth0",
		"-n " + n.ours + " addr add " + oursV6 + "/64 dev veth0 nodad",
		"-n " + n.peer + " link set veth0 up",
		"-n " + n.ours + " link set veth0 up",
	} {
		ip(t, args)
	}
	return n
}

// addNamespace makes a namespace, and removes it at the end of the test.
func addNamespace(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		lacking(t, "UMPA_NETNS", fmt.Sprintf("ip netns add: %v: %s", err, bytes.TrimSpace(out)))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del %s: %v: %s", name, err, out)
		}
	})
	ip(t, "-n "+name+" link set lo up")
}

// ip runs one command of iproute2.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// tool runs a real client in the peer's namespace and returns what it wrote.
func (n *network) tool(name string, args ...string) string {
	n.t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		lacking(n.t, "UMPA_TOOLS", name+" is not installed")
	}
	return n.output(exec.Command("ip", append([]string{"netns", "exec", n.peer, name}, args...)...))
}

// umpa runs umpa-run to its end in our namespace and returns its stdout.
func (n *network) umpa(args ...string) string {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	return n.output(exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.ours, program(n.t)}, args...)...))
}

func (n *network) output(cmd *exec.Cmd) string {
	n.t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		n.t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args[4:], " "), err, out, stderr.String())
	}
	return string(out)
}

// running is umpa-run in the background.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	ended  chan error
	mu     sync.Mutex
	stderr bytes.Buffer
	grown  chan struct{}
}

// Write collects stderr.
func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.stderr.Write(b)
	r.mu.Unlock()
	select {
	case r.grown <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.String()
}

// start runs umpa-run in our namespace until the test ends or stop is called,
// and waits until it has said ready on stderr.
func (n *network) start(ready string, args ...string) *running {
	n.t.Helper()
	return n.background(n.ours, ready, program(n.t), args...)
}

// background runs a program in a namespace until the test ends, and waits
// until it has said ready on stderr.
func (n *network) background(namespace, ready, name string, args ...string) *running {
	n.t.Helper()
	r := &running{t: n.t, ended: make(chan error, 1), grown: make(chan struct{}, 1)}
	r.cmd = exec.Command("ip", append([]string{"netns", "exec", namespace, name}, args...)...)
	r.cmd.Stderr = r
	if err := r.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	n.t.Cleanup(func() { r.cmd.Process.Kill() })
	r.waitFor(func(said string) bool { return strings.Contains(said, ready) }, ready)
	return r
}

// waitFor waits until what was said on stderr is enough; what says what was
// waited for.
func (r *running) waitFor(enough func(said string) bool, what string) {
	r.t.Helper()
	late := time.After(20 * time.Second)
	for !enough(r.said()) {
		select {
		case <-r.grown:
		case err := <-r.ended:
			r.t.Fatalf("%v ended (%v) before it said %q:\n%s", r.cmd.Args[4:], err, what, r.said())
		case <-late:
			r.t.Fatalf("%v did not say %q:\n%s", r.cmd.Args[4:], what, r.said())
		}
	}
}

// stop sends SIGINT, as Ctrl-C does, and returns how long it took to end.
func (r *running) stop() time.Duration {
	r.t.Helper()
	begin := time.Now()
	// "ip netns exec" becomes the program: the process is umpa-run itself.
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		r.t.Fatal(err)
	}
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("umpa-run ended with %v:\n%s", err, r.said())
		}
	case <-time.After(20 * time.Second):
		r.t.Fatalf("umpa-run did not end:\n%s", r.said())
	}
	return time.Since(begin)
}

// TestResponderAnswersKernel is the first promise of the project: real clients
// of a real kernel are answered, and nothing is lost.
func TestResponderAnswersKernel(t *testing.T) {
	n := newNetwork(t)
	r := n.start("answering for", "-i", n.iface, "scenarios/responder.js", "--", hostV4, hostV6)

	t.Run("arping", func(t *testing.T) {
		n := *n
		n.t = t
		out := n.tool("arping", "-c", "3", "-w", "10", "-I", "veth0", hostV4)
		if got := strings.Count(out, "Unicast reply from "+hostV4); got != 3 {
			t.Errorf("arping got %d replies, want 3:\n%s", got, out)
		}
	})
	for _, c := range []struct{ name, flag, dst string }{
		{"ping", "-4", hostV4},
		{"ping -6", "-6", hostV6},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := *n
			n.t = t
			out := n.tool("ping", c.flag, "-q", "-i", "0.001", "-c", "1000", "-W", "5", c.dst)
			t.Log(strings.TrimSpace(out))
			if !strings.Contains(out, "1000 packets transmitted, 1000 received, 0% packet loss") {
				t.Errorf("answers were lost:\n%s\n%s", out, r.said())
			}
		})
	}
	r.stop()
	t.Log(r.said())
}

// TestPingAgainstKernel holds our ping against the kernel's answers.
func TestPingAgainstKernel(t *testing.T) {
	n := newNetwork(t)
	for _, dst := range []string{peerV4, peerV6} {
		out := n.umpa("-i", n.iface, "scenarios/ping.js", "--", "-c", "5", "-i", "0.02", dst)
		if !strings.Contains(out, "5 packets transmitted, 5 received, 0% packet loss") {
			t.Errorf("ping.js %s:\n%s", dst, out)
		}
		if got := len(regexp.MustCompile(`(?m)^64 bytes from `+dst+`: icmp_seq=\d ttl=64 time=[\d.]+ ms$`).FindAllString(out, -1)); got != 5 {
			t.Errorf("ping.js %s printed %d answers, want 5:\n%s", dst, got, out)
		}
	}
}

// TestProbeTellsOpenFromClosed probes a port with a listener and one without.
func TestProbeTellsOpenFromClosed(t *testing.T) {
	n := newNetwork(t)
	for _, c := range []struct{ network, dst string }{{"tcp4", peerV4}, {"tcp6", peerV6}} {
		open := listenIn(t, n.peer, c.network)
		closed := listenIn(t, n.peer, c.network)
		_, openPort, _ := net.SplitHostPort(open.Addr().String())
		_, closedPort, _ := net.SplitHostPort(closed.Addr().String())
		closed.Close() // nobody listens there any more
		out := n.umpa("-i", n.iface, "scenarios/tcp-probe.js", "--", c.dst, openPort, closedPort)
		want := fmt.Sprintf("%s port %s: open\n%s port %s: closed\n", c.dst, openPort, c.dst, closedPort)
		if out != want {
			t.Errorf("tcp-probe.js %s printed\n%swant\n%s", c.dst, out, want)
		}
	}
}

// listenIn listens on a free port in a namespace. A socket stays in the
// namespace it was made in, so the thread only visits it.
func listenIn(t *testing.T, namespace, network string) net.Listener {
	t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		// The thread is never unlocked: it ends with the goroutine, and
		// nobody inherits the namespace.
		runtime.LockOSThread()
		f, err := os.Open("/run/netns/" + namespace)
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, fmt.Errorf("setns: %w", err)}
			return
		}
		l, err := net.Listen(network, ":0")
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { r.l.Close() })
	return r.l
}

// TestInterruptOnQuietLink: Ctrl-C works though nothing arrives.
func TestInterruptOnQuietLink(t *testing.T) {
	n := newNetwork(t)
	script := t.TempDir() + "/quiet.js"
	if err := os.WriteFile(script, []byte("on('udp port 9', () => {});\nfunction onStop(reason) { console.info('bye') }\nconsole.info('ready');\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	r := n.start("ready", "-i", n.iface, script)
	if took := r.stop(); took > time.Second {
		t.Errorf("it took %v to end, want less than 1 s", took)
	}
	if !strings.Contains(r.said(), "bye") {
		t.Errorf("onStop was not called:\n%s", r.said())
	}
}
