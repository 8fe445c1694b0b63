package engine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
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
