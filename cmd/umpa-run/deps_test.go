package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/umpa-run/umpa-run"

// forbidden maps a package (and all below it) to what it must not import, and
// why. docs/architecture.md tells the reasons at length; .golangci.yml has the
// same rules for editors.
var forbidden = []struct {
	pkg     string
	imports []string
	why     string
}{
	{"timers", []string{module, "github.com", "golang.org/x"}, "timers is pure: the standard library only"},
	{"netio/packet", []string{module + "/netio", module + "/jsapi", module + "/engine", module + "/timers", module + "/cmd", module + "/scenarios"}, "the codec is the bottom: it imports nothing of ours"},
	{"netio/packet", []string{"net", "os", "github.com/dop251"}, "the codec does no I/O and knows no JavaScript"},
	{"netio", []string{module + "/jsapi", module + "/engine", module + "/timers", module + "/cmd", module + "/scenarios", "github.com/dop251"}, "netio knows no JavaScript"},
	{"jsapi", []string{module + "/engine", module + "/timers", module + "/cmd", module + "/scenarios"}, "jsapi declares the Host it needs, the engine implements it"},
	{"jsapi", []string{"os", "net", "github.com/fsnotify", "github.com/google/gopacket"}, "jsapi knows no files, sockets or packets of other libraries"},
	{"engine", []string{module + "/cmd", module + "/scenarios", "github.com/google/gopacket", "github.com/spf13"}, "imports point down, and gopacket is netio's"},
	{"cmd", []string{"github.com/dop251", "github.com/google/gopacket", "github.com/evanw", "github.com/fsnotify"}, "the command line knows flags and text"},
	{"scenarios", []string{module, "github.com"}, "scenarios are files"},
}

// allowed are exceptions: package, import, reason.
var allowed = [][3]string{
	{"netio", module + "/netio/packet", "netio names protocols"},
}

// TestImportDirections holds the directions of DESIGN's packages, on every
// platform we build for.
func TestImportDirections(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		lacking(t, "UMPA_TOOLS", "there is no go command")
	}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command(goTool, "list", "-json=ImportPath,Imports", module+"/...")
		cmd.Env = append(cmd.Environ(), "GOOS="+goos)
		out, err := cmd.Output()
		if err != nil {
			if e, ok := errors.AsType[*exec.ExitError](err); ok {
				t.Fatalf("go list: %v\n%s", err, e.Stderr)
			}
			t.Fatal(err)
		}
		seen := 0
		for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct {
				ImportPath string
				Imports    []string
			}
			if err := dec.Decode(&p); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			seen++
			for _, complaint := range wrongImports(strings.TrimPrefix(p.ImportPath, module+"/"), p.Imports) {
				t.Errorf("GOOS=%s: %s", goos, complaint)
			}
		}
		if seen < 7 {
			t.Errorf("GOOS=%s: go list found %d packages, fewer than the project has", goos, seen)
		}
	}
}

// wrongImports says which imports a package must not have.
func wrongImports(pkg string, imports []string) (complaints []string) {
	for _, rule := range forbidden {
		if !within(pkg, rule.pkg) || rule.pkg == "netio" && within(pkg, "netio/packet") {
			continue
		}
		for _, i := range imports {
			for _, f := range rule.imports {
				// A standard package forbids itself alone: "net" is not "net/netip".
				hit := i == f
				if strings.Contains(f, ".") {
					hit = within(i, f) && !within(i, module+"/"+pkg) && !within(i, module+"/"+rule.pkg)
				}
				if !hit || slices.ContainsFunc(allowed, func(a [3]string) bool { return a[0] == pkg && a[1] == i }) {
					continue
				}
				complaints = append(complaints, fmt.Sprintf("%s imports %s: %s", pkg, i, rule.why))
			}
		}
	}
	return complaints
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func TestImportDirectionsAreChecked(t *testing.T) {
	// The check itself, on a package that breaks every rule of its place.
	for _, c := range []struct{ pkg, imports string }{
		{"timers", module + "/netio"},
		{"netio/packet", module + "/netio"},
		{"netio/packet", "net"},
		{"netio", module + "/engine"},
		{"jsapi/escape", module + "/engine"},
		{"engine", "github.com/google/gopacket/pcap"},
		{"cmd/umpa-run", "github.com/dop251/goja"},
	} {
		if len(wrongImports(c.pkg, []string{c.imports})) == 0 {
			t.Errorf("%s may import %s", c.pkg, c.imports)
		}
	}
}
