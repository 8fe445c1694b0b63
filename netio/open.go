package netio

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"
)

// Config says how links are opened. The zero value is good for live
// interfaces, tap devices and files.
type Config struct {
	// Name is what scripts call the link; empty means the interface's, tap's or
	// wire's own name, or the file's path.
	Name string
	// Wires holds the wires that "wire:NAME" plugs into. Without it a wire
	// cannot be opened: two links would never meet.
	Wires *Wires
	// Snaplen is how many bytes of a frame are captured, 1 to 262144; 0 means all.
	Snaplen int
	// Promiscuous also captures unicast frames for other hosts.
	Promiscuous bool
	// Filter is a pcap filter expression (see pcap-filter(7)); only frames that match are
	// received. On a live interface the kernel applies it.
	Filter string
	// BufferBytes is the size of the kernel's capture buffer; 0 means 16 MiB, on
	// Linux 8192 frames.
	BufferBytes int
	// Seed is what the draws of an impaired wire are made from.
	Seed uint64
	// Spin is how long a live link on Linux looks for the next frame before it
	// sleeps: it saves the wake-up, which is most of the latency, and costs a
	// core. 0, the default, sleeps at once.
	Spin time.Duration
}

func (c Config) snaplen() int {
	if c.Snaplen == 0 {
		return MaxFrame
	}
	return c.Snaplen
}

func (c Config) bufferBytes() int {
	if c.BufferBytes <= 0 {
		return 16 << 20
	}
	return c.BufferBytes
}

func (c Config) named(name string) string {
	if c.Name != "" {
		return c.Name
	}
	return name
}

// Open opens the link that spec names:
//
//	wire, wire:NAME   a virtual wire; without a name the wire "wire"
//	tap:NAME          a tap device, made when there is none
//	file:PATH         a capture file, as a [Timed] link
//	NAME              a live interface
//
// A wire's name may be followed by what it does to the frames that this port
// sends: see [ParseImpairment]. Errors wrap
// [ErrNoInterface], [ErrPermission], [ErrNotBuilt], [ErrFilter] or [ErrOption] where one of
// them is the reason.
func Open(spec string, cfg Config) (Link, error) {
	if cfg.Snaplen < 0 || cfg.Snaplen > MaxFrame {
		return nil, fmt.Errorf("interface %q: a snaplen is 1 to %d bytes, not %d", spec, MaxFrame, cfg.Snaplen)
	}
	kind, rest, _ := strings.Cut(spec, ":")
	switch {
	case spec == "":
		return nil, fmt.Errorf("an interface needs a name: eth0, wire:NAME, tap:NAME or file:PATH: %w", ErrNoInterface)
	case kind == "wire" || strings.HasPrefix(spec, "wire,"):
		return openWire(spec, cfg)
	case kind == "tap" && rest != "":
		return openTap(rest, cfg)
	case kind == "file" && rest != "":
		return openFile(rest, cfg)
	case (kind == "tap" || kind == "file") && len(spec) > len(kind):
		return nil, fmt.Errorf("interface %q: a name is missing after %q", spec, kind+":")
	}
	return openLive(spec, cfg)
}

func openWire(spec string, cfg Config) (Link, error) {
	name, options, _ := strings.Cut(spec, ",")
	name = strings.TrimPrefix(strings.TrimPrefix(name, "wire"), ":")
	if name == "" {
		name = "wire"
	}
	impairment, err := ParseImpairment(options)
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w: %w", spec, ErrOption, err)
	}
	if cfg.Wires == nil {
		return nil, fmt.Errorf("interface %q: no wires to plug into", spec)
	}
	p := cfg.Wires.Port(name, cfg.named(name))
	if impairment.impaired() {
		p.Impair(impairment, cfg.Seed)
	}
	if cfg.Filter != "" {
		f, err := CompileFilter(cfg.Filter, LinkTypeEthernet, MaxFrame)
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("interface %q: %w", spec, err)
		}
		p.filter = f
	}
	p.snaplen = cfg.snaplen()
	return p, nil
}

// noInterface is the error for a live interface that is not there: it names
// those that are, the most similar first.
func noInterface(name string) error {
	devices, err := Devices()
	if err != nil || len(devices) == 0 {
		return fmt.Errorf("interface %q: %w", name, ErrNoInterface)
	}
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.Name
	}
	sort.SliceStable(names, func(i, j int) bool { return editDistance(name, names[i]) < editDistance(name, names[j]) })
	hint := "there are " + strings.Join(names, ", ")
	if len(names) == 1 {
		hint = "there is only " + names[0]
	}
	if d := editDistance(name, names[0]); d <= 1+len(name)/3 {
		hint = fmt.Sprintf("did you mean %q? %s", names[0], hint)
	}
	return fmt.Errorf("interface %q: %w: %s", name, ErrNoInterface, hint)
}

// editDistance is the Levenshtein distance of two short names, letter case ignored.
func editDistance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// noPermission is the error for a live interface or a tap that may not be opened.
func noPermission(what string) error {
	return fmt.Errorf("%s: %w: this needs root, or the capabilities that "+
		"'sudo setcap cap_net_raw,cap_net_admin+ep $(which umpa-run)' gives", what, ErrPermission)
}

var errStartedTwice = errors.New("started twice")
