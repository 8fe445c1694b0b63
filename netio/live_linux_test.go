package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Tests of live interfaces want a network of their own. TestMain therefore runs
// the whole test binary again inside a new network namespace, which ends with
// it; without the privilege the tests that need it are skipped, or fail when
// UMPA_NETNS=require says that they have to run.
const insideNamespace = "UMPA_TEST_INSIDE_NETNS"

func TestMain(m *testing.M) {
	if os.Getenv(insideNamespace) == "" && os.Geteuid() == 0 {
		child := exec.Command(os.Args[0], os.Args[1:]...)
		child.Env = append(os.Environ(), insideNamespace+"=1")
		child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		err := child.Run()
		var exit *exec.ExitError
		switch {
		case err == nil:
			os.Exit(0)
		case errors.As(err, &exit):
			os.Exit(exit.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "no network namespace:", err)
	}
	os.Exit(m.Run())
}

// needNetwork skips a test that has no network namespace to itself.
func needNetwork(t testing.TB) {
	t.Helper()
	why := ""
	if os.Getenv(insideNamespace) == "" {
		why = "needs root, to make a network namespace"
	} else if _, err := exec.LookPath("ip"); err != nil {
		why = "needs iproute2"
	}
	switch {
	case why == "":
	case os.Getenv("UMPA_NETNS") == "require":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
}

// run runs a command line of words without spaces.
func command(t testing.TB, line string) {
	t.Helper()
	words := strings.Fields(line)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// vethPair makes a pair of interfaces that is quiet: without IPv6 nothing is
// sent on it but by the test.
func vethPair(t testing.TB) (a, b string) {
	t.Helper()
	needNetwork(t)
	a, b = "va0", "vb0"
	command(t, "ip link add va0 address 02:00:00:00:00:0a type veth peer name vb0 address 02:00:00:00:00:0b")
	t.Cleanup(func() { exec.Command("ip", "link", "del", "va0").Run() })
	for _, name := range []string{a, b} {
		os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
		command(t, "ip link set "+name+" up")
	}
	return a, b
}

// collector is a sink that a test can wait on.
type collector struct {
	mu     sync.Mutex
	cond   sync.Cond
	frames []Frame
	states []bool
	end    error
}

func newCollector() *collector {
	c := &collector{}
	c.cond.L = &c.mu
	return c
}

func (c *collector) Deliver(_ Link, b *Batch, _ bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range b.Frames {
		f.Data = append([]byte(nil), f.Data...)
		c.frames = append(c.frames, f)
	}
	b.Release()
	c.cond.Broadcast()
	return true
}

func (c *collector) LinkState(_ Link, up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states = append(c.states, up)
	c.cond.Broadcast()
}

func (c *collector) LinkEnd(_ Link, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = err
	c.cond.Broadcast()
}

// until waits for a condition on the collector, which holds its lock.
func (c *collector) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	late := false
	timer := time.AfterFunc(20*time.Second, func() {
		c.mu.Lock()
		late = true
		c.mu.Unlock()
		c.cond.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() {
		if late {
			t.Fatalf("waited in vain for %s: %d frames, states %v, end %v", what, len(c.frames), c.states, c.end)
		}
		c.cond.Wait()
	}
}

// numbered is an Ethernet frame of that many bytes with a number in it.
func numbered(n, size int) []byte {
	f := make([]byte, size)
	copy(f, "\x02\x00\x00\x00\x00\x0b\x02\x00\x00\x00\x00\x0a\x88\xb5")
	binary.BigEndian.PutUint32(f[14:], uint32(n))
	return f
}

// opener is a way to open a live interface.
type opener struct {
	name string
	open func(string, Config) (Link, error)
}

var openers = []opener{{"ring", openLive}, {"pcap", openPcap}}

// eachLive runs a test for our own ring and for libpcap.
func eachLive(t *testing.T, test func(t *testing.T, a, b string, open func(string, Config) Link)) {
	for _, o := range openers {
		t.Run(o.name, func(t *testing.T) {
			a, b := vethPair(t)
			test(t, a, b, func(name string, cfg Config) Link {
				t.Helper()
				l, err := o.open(name, cfg)
				if errors.Is(err, ErrNotBuilt) {
					t.Skip("skipped: ", err) // libpcap, in a build without cgo
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close() })
				return l
			})
		})
	}
}

func start(t testing.TB, l Link) *collector {
	t.Helper()
	c := newCollector()
	if err := l.Start(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLiveReceivesAll(t *testing.T) {
	eachLive(t, func(t *testing.T, a, b string, open func(string, Config) Link) {
		// libpcap makes each slot of its ring as large as the snaplen.
		la, lb := open(a, Config{}), open(b, Config{Snaplen: 2048})
		ca, cb := start(t, la), start(t, lb)
		const count = 10000
		for at := 0; at < count; at += 100 {
			var frames [][]byte
			for i := range 100 {
				frames = append(frames, numbered(at+i, 60+(at+i)%1400))
			}
			if n, err := la.Send(frames); n != 100 || err != nil {
				t.Fatal(n, err)
			}
			// Never more on the way than the ring holds: how the test's
			// goroutines are scheduled must not decide it.
			cb.until(t, "those before", func() bool { return len(cb.frames) >= at-1000 })
		}
		cb.until(t, "all frames", func() bool { return len(cb.frames) >= count })
		for i, f := range cb.frames {
			if want := numbered(i, 60+i%1400); string(f.Data) != string(want) || f.Length != len(want) {
				t.Fatalf("frame %d: got %d bytes (%d on the wire): % x", i, len(f.Data), f.Length, f.Data[:18])
			}
			if age := time.Now().UnixNano() - f.Time; age < 0 || age > int64(time.Hour) {
				t.Fatalf("frame %d is %v old", i, time.Duration(age))
			}
		}
		la.Close()
		lb.Close()
		if len(ca.frames) != 0 {
			t.Errorf("heard %d of its own frames", len(ca.frames))
		}
		if s := la.Stats(); s.Sent != count || s.Received != 0 || s.Errors != 0 {
			t.Errorf("sender: %+v", s)
		}
		if s := lb.Stats(); s.Received != count || s.DroppedKernel+s.DroppedQueue != 0 || s.ReceivedBytes != la.Stats().SentBytes {
			t.Errorf("receiver: %+v", s)
		}
	})
}

func TestLiveCloseOnQuietLink(t *testing.T) {
	eachLive(t, func(t *testing.T, a, b string, open func(string, Config) Link) {
		l := open(a, Config{})
		start(t, l)
		begin := time.Now()
		l.Close()
		if took := time.Since(begin); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		if err := l.Close(); err != nil {
			t.Error("a second time:", err)
		}
		if n, err := l.Send([][]byte{numbered(0, 60)}); n != 0 || !errors.Is(err, ErrClosed) {
			t.Error("Send after Close:", n, err)
		}
		if err := l.Start(newCollector()); !errors.Is(err, ErrClosed) {
			t.Error("Start after Close:", err)
		}
	})
}

func TestLiveFilterAndSnaplen(t *testing.T) {
	eachLive(t, func(t *testing.T, a, b string, open func(string, Config) Link) {
		la := open(a, Config{})
		lb := open(b, Config{Filter: "ether proto 0x88b5 and ether[17] & 1 = 1", Snaplen: 100})
		cb := start(t, lb)
		for i := range 10 {
			if _, err := la.Send([][]byte{numbered(i, 200)}); err != nil {
				t.Fatal(err)
			}
		}
		cb.until(t, "five frames", func() bool { return len(cb.frames) >= 5 })
		lb.Close()
		if len(cb.frames) != 5 {
			t.Errorf("got %d frames", len(cb.frames))
		}
		for i, f := range cb.frames {
			if f.Data[17] != byte(2*i+1) || len(f.Data) != 100 || f.Length != 200 {
				t.Errorf("frame %d: number %d, %d of %d bytes", i, f.Data[17], len(f.Data), f.Length)
			}
		}
	})
}

func TestLiveInvalidFilter(t *testing.T) {
	a, _ := vethPair(t)
	for _, o := range openers {
		_, err := o.open(a, Config{Filter: "tcp prot 80"})
		if !errors.Is(err, ErrFilter) && !errors.Is(err, ErrNotBuilt) {
			t.Errorf("%s: %v", o.name, err)
		}
	}
}

func TestLiveVlanTag(t *testing.T) {
	eachLive(t, func(t *testing.T, a, b string, open func(string, Config) Link) {
		tagged := append([]byte("\x02\x00\x00\x00\x00\x0b\x02\x00\x00\x00\x00\x0a\x81\x00\x60\x07\x88\xb5"), make([]byte, 60)...)
		la, lb := open(a, Config{}), open(b, Config{Filter: "vlan 7"})
		cb := start(t, lb)
		if _, err := la.Send([][]byte{numbered(0, 60), tagged, numbered(1, 60)}); err != nil {
			t.Fatal(err)
		}
		cb.until(t, "the tagged frame", func() bool { return len(cb.frames) >= 1 })
		lb.Close()
		if len(cb.frames) != 1 || string(cb.frames[0].Data) != string(tagged) || cb.frames[0].Length != len(tagged) {
			t.Errorf("got %d frames, the first % x", len(cb.frames), cb.frames[0].Data)
		}
	})
}

func TestLiveDownAndUp(t *testing.T) {
	eachLive(t, func(t *testing.T, a, b string, open func(string, Config) Link) {
		la, lb := open(a, Config{}), open(b, Config{})
		cb := start(t, lb)
		command(t, "ip link set "+b+" down")
		cb.until(t, "down", func() bool { return len(cb.states) == 1 && !cb.states[0] })
		command(t, "ip link set "+b+" up")
		cb.until(t, "up", func() bool { return len(cb.states) == 2 && cb.states[1] })
		if _, err := la.Send([][]byte{numbered(5, 60)}); err != nil {
			t.Fatal(err)
		}
		cb.until(t, "a frame after it", func() bool { return len(cb.frames) >= 1 })
		command(t, "ip link del "+a)
		cb.until(t, "the end", func() bool { return cb.end != nil })
		if n, err := lb.Send([][]byte{numbered(5, 60)}); n != 0 || err == nil {
			t.Error("sending on a device that is gone:", n, err)
		}
	})
}

func TestLiveSendRefused(t *testing.T) {
	eachLive(t, func(t *testing.T, a, b string, open func(string, Config) Link) {
		l := open(a, Config{})
		frames := [][]byte{numbered(0, 60), numbered(1, 9000), numbered(2, 60)}
		n, err := l.Send(frames)
		if n != 1 || err == nil {
			t.Errorf("a frame longer than the MTU: %d left, %v", n, err)
		}
		if s := l.Stats(); s.Sent != 1 || s.Errors != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A frame that is longer than a slot of the ring comes whole.
func TestLiveLongFrames(t *testing.T) {
	needNetwork(t)
	command(t, "ip link set lo up")
	l, err := openLive("lo", Config{Filter: "ether proto 0x88b5"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := start(t, l)
	for i := range 50 {
		if _, err := l.Send([][]byte{numbered(i, 60+i*1200), numbered(i, 60)}); err != nil {
			t.Fatal(i, err)
		}
	}
	c.until(t, "a hundred frames", func() bool { return len(c.frames) >= 100 })
	for i, f := range c.frames {
		want := numbered(i/2, 60+i/2*1200*(1-i%2))
		if string(f.Data) != string(want) {
			t.Fatalf("frame %d has %d bytes of %d; sent were %d", i, len(f.Data), f.Length, len(want))
		}
	}
}

func TestNoInterface(t *testing.T) {
	_, err := Open("ethernet77", Config{})
	if !errors.Is(err, ErrNoInterface) || !strings.Contains(err.Error(), "lo") {
		t.Error(err)
	}
	if os.Getenv(insideNamespace) != "" {
		vethPair(t)
		_, err := Open("va00", Config{})
		if !errors.Is(err, ErrNoInterface) || !strings.Contains(err.Error(), `did you mean "va0"?`) {
			t.Error(err)
		}
	}
}
