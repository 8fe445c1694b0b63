package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestStore(t *testing.T) {
	dir := t.TempDir()
	durable, err := OpenStore(dir, "scenarios/dhcp-server.js")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Store{"memory": NewStore(), "durable": durable} {
		t.Run(name, func(t *testing.T) {
			for _, k := range []string{"b", "a", "c"} {
				if err := s.Set(k, []byte("value of "+k)); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Delete("c"); err != nil {
				t.Fatal(err)
			}
			if err := s.Delete("never there"); err != nil {
				t.Fatal(err)
			}
			if got := s.Keys(); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("keys %v", got)
			}
			if v, ok := s.Get("b"); !ok || string(v) != "value of b" {
				t.Errorf("b is %q", v)
			}
		})
	}
	if _, err := OpenStore(dir, "dhcp-server.js"); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := durable.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenStore(dir, "dhcp-server.js")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if v, _ := again.Get("a"); string(v) != "value of a" {
		t.Errorf("after opening again, a is %q", v)
	}
}

// A process that is killed at any moment loses no set it has seen completed:
// the child says so after each one, and is killed while it goes on.
func TestStoreSurvivesKill(t *testing.T) {
	if dir := os.Getenv("UMPA_STORE_CHILD"); dir != "" {
		s, err := OpenStore(dir, "child")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if v, ok := s.Get("n"); ok {
			n, _ = strconv.Atoi(string(v))
		}
		for {
			n++
			for _, k := range []string{"n", fmt.Sprintf("key %d", n%50)} {
				if err := s.Set(k, []byte(strconv.Itoa(n))); err != nil {
					t.Fatal(err)
				}
			}
			fmt.Println("set", n)
			if n%7 == 0 {
				s.Sync()
			}
		}
	}
	dir := t.TempDir()
	last := 0
	for round := range 100 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestStoreSurvivesKill$")
		cmd.Env = append(os.Environ(), "UMPA_STORE_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; i < 5+round*3%17 && lines.Scan(); i++ {
			if s, ok := strings.CutPrefix(lines.Text(), "set "); ok {
				last, _ = strconv.Atoi(s)
			}
		}
		cmd.Process.Kill()
		for lines.Scan() { // what it said before it died
			if s, ok := strings.CutPrefix(lines.Text(), "set "); ok {
				last, _ = strconv.Atoi(s)
			}
		}
		cmd.Wait()
		s, err := OpenStore(dir, filepath.Join("x", "child"))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		v, _ := s.Get("n")
		n, _ := strconv.Atoi(string(v))
		if n < last {
			t.Fatalf("round %d: set %d was completed, %d is kept", round, last, n)
		}
		if v, _ := s.Get(fmt.Sprintf("key %d", last%50)); last > 0 && n == last && string(v) != strconv.Itoa(last) {
			t.Fatalf("round %d: key of set %d holds %q", round, last, v)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if last < 100 {
		t.Fatalf("only %d sets in 100 rounds", last)
	}
}

// A state file that is damaged in any way is an error, or works: it never ends the
// process, and never hangs.
func TestStoreDamaged(t *testing.T) {
	defer func(d time.Duration) { storeRead = d }(storeRead)
	storeRead = time.Second
	dir := t.TempDir()
	s, err := OpenStore(dir, "x.js")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 400 {
		if err := s.Set(fmt.Sprint("key", i%120), bytes.Repeat([]byte{byte(i)}, i*37%5000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	refused, n := 0, 100
	for i := range n {
		text := slices.Clone(whole)
		page := 4096 * random.IntN(len(text)/4096)
		switch i % 5 {
		case 0:
			text = text[:page]
		case 1:
			clear(text[page : page+4096])
		case 2:
			for k := range 4096 {
				text[page+k] = byte(random.Uint32())
			}
		case 3:
			text[page+random.IntN(64)] ^= 1 << random.IntN(8)
		case 4:
			copy(text[page:], text[4096*random.IntN(len(text)/4096):][:4096])
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.db"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenStore(dir, "x.js")
		if err != nil {
			refused++
			continue
		}
		for k := range 50 {
			if err := s.Set(fmt.Sprint("new", k), bytes.Repeat([]byte{1}, 1000)); err != nil {
				refused++
				break
			}
		}
		_ = s.Close()
	}
	t.Logf("%d of %d damaged files were refused", refused, n)
	if refused < n/4 {
		t.Errorf("%d of %d damaged files were refused", refused, n)
	}
}
