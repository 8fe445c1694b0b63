package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/netio/packet"
)

type decodeOptions struct {
	match   string
	verbose bool
	json    bool
	quiet   bool
}

func (p *process) decodeCommand() *cobra.Command {
	o := &decodeOptions{}
	cmd := &cobra.Command{
		Use:   "decode [flags] FILE",
		Short: "print a capture as the engine sees it",
		Long: `Reads a capture file (pcap or pcapng, plain or gzip) and prints one line a
packet: its number, the time since the first packet in seconds, and what it is.`,
		Example: `  umpa-run decode in.pcapng
  umpa-run decode in.pcap -m 'udp port 53' -v
  umpa-run decode in.pcap -m "{ tcp: { flags: 'SA' } }" --json | jq .layers[1].src
  umpa-run decode in.pcap.gz --quiet`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Sprintf("decode takes one file; %d were given", len(args)), "umpa-run decode in.pcap")
			}
			return p.decode(o, args[0])
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.match, "match", "m", "", "only packets that match: a protocol, a pcap filter, or a pattern { … } as in on()")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "every layer and field")
	f.BoolVar(&o.json, "json", false, "one JSON object a line, as toJSON() gives it, with its number")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "only counts")
	return cmd
}

func (p *process) decode(o *decodeOptions, path string) error {
	if o.verbose && o.json || o.verbose && o.quiet || o.json && o.quiet {
		return usage("-v, --json and --quiet exclude each other", "")
	}
	r, err := netio.OpenCapture(path)
	if err != nil {
		return exit(err)
	}
	defer r.Close()
	d := &decoder{
		reg:   packet.Builtin(),
		out:   bufio.NewWriterSize(p.stdout, 64<<10),
		match: o.match,
	}
	show := d.line
	switch {
	case o.quiet:
		show = d.count
		d.counts = make([]uint64, protoIDs(d.reg))
	case o.json:
		show = d.object
	case o.verbose:
		show = d.fields
	}
	err = d.all(r, show)
	if o.quiet && exitUsageOf(err) == nil {
		d.printCounts()
	}
	if flush := d.out.Flush(); err == nil {
		err = flush
	}
	if err != nil && exitUsageOf(err) == nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("capture file %q: %w", path, err)}
	}
	return err
}

// exitUsageOf is err if it is about the command line.
func exitUsageOf(err error) error {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e
	}
	return nil
}

// decoder prints a capture. One packet and one buffer serve for all.
type decoder struct {
	reg   *packet.Registry
	out   *bufio.Writer
	match string

	p       packet.Packet
	reader  *netio.Reader
	number  uint64 // of the packet in the file, from 1
	matched uint64
	bytes   uint64
	first   int64 // time of the first packet
	last    int64
	scratch []byte

	counts []uint64 // by protocol ID
	plain  uint64   // packets without any layer

	links []link // by interface of the file
}

// link is what is known of the frames of one interface: how they begin, and
// what is looked for among them.
type link struct {
	first, ipv6 *packet.Proto
	accept      func(*packet.Packet) bool
	filter      *netio.Filter
}

func (d *decoder) all(r *netio.Reader, show func(link int)) error {
	d.reader = r
	d.links = make([]link, 0, 1)
	for {
		frame, meta, err := r.Next()
		if err == io.EOF {
			if d.number == 0 && d.match != "" {
				// No packet said what link it is from; a mistake is one all the same.
				_, err := d.newLink(netio.LinkTypeEthernet)
				return err
			}
			return nil
		}
		if err != nil {
			return err
		}
		d.number++
		if d.number == 1 {
			d.first = frame.Time
		}
		d.last = frame.Time
		for meta.Interface >= len(d.links) {
			l, err := d.newLink(r.Interfaces()[len(d.links)].LinkType)
			if err != nil {
				return err
			}
			d.links = append(d.links, l)
		}
		l := &d.links[meta.Interface]
		if l.filter != nil && !l.filter.Match(frame.Data) {
			continue
		}
		first := l.first
		if l.ipv6 != nil && len(frame.Data) > 0 && frame.Data[0]>>4 == 6 {
			first = l.ipv6
		}
		d.reg.Decode(&d.p, frame.Data, first)
		d.p.Time, d.p.Length = frame.Time, frame.Length
		if l.accept != nil && !l.accept(&d.p) {
			continue
		}
		d.matched++
		d.bytes += uint64(frame.Length)
		show(meta.Interface)
	}
}

// newLink prepares for frames of a link type.
func (d *decoder) newLink(lt netio.LinkType) (link, error) {
	var l link
	switch lt {
	case netio.LinkTypeEthernet:
		l.first = d.reg.Proto("eth")
	case netio.LinkTypeRaw:
		l.first, l.ipv6 = d.reg.Proto("ip"), d.reg.Proto("ip6")
	case netio.LinkTypeIPv4:
		l.first = d.reg.Proto("ip")
	case netio.LinkTypeIPv6:
		l.first = d.reg.Proto("ip6")
	case netio.LinkTypeSLL:
		l.first = d.reg.Proto("sll")
	case netio.LinkTypeSLL2:
		l.first = d.reg.Proto("sll2")
	case netio.LinkTypeNull, netio.LinkTypeLoop:
		l.first = d.reg.Proto("loopback")
	}
	switch {
	case d.match == "":
	case strings.HasPrefix(strings.TrimSpace(d.match), "{"):
		pattern, err := parsePattern(d.match)
		if err != nil {
			return l, usage(fmt.Sprintf("-m %s: %v", d.match, err), "as in { tcp: { flags: 'SA', dport: [80, 443] } }")
		}
		m, err := packet.Compile(d.reg, pattern)
		if err != nil {
			var f *packet.FieldError
			if errors.As(err, &f) {
				return l, usage("-m: "+f.Path+": "+f.Msg, f.Hint)
			}
			return l, usage("-m: "+err.Error(), "")
		}
		l.accept = m.Match
	case d.reg.Proto(d.match) != nil:
		proto := d.reg.Proto(d.match)
		l.accept = func(p *packet.Packet) bool { return p.Find(proto, 0) >= 0 }
	default:
		f, err := netio.CompileFilter(d.match, lt, netio.MaxFrame)
		if err != nil {
			return l, usage("-m: "+err.Error(), "a pcap filter as in pcap-filter(7), a protocol's name, or a pattern { … }")
		}
		l.filter = f
	}
	return l, nil
}

// line prints a packet in one line.
func (d *decoder) line(int) {
	b := d.scratch[:0]
	n := strconv.FormatUint(d.number, 10)
	for range 6 - len(n) {
		b = append(b, ' ')
	}
	b = append(b, n...)
	b = append(b, ' ', ' ')
	b = appendSeconds(b, d.p.Time-d.first)
	b = append(b, ' ', ' ')
	b = append(b, d.p.Summary()...)
	for _, problem := range d.p.Errors() {
		b = append(b, "  ! "...)
		b = append(b, problem...)
	}
	b = append(b, '\n')
	d.scratch = b
	d.out.Write(b)
}

// fields prints every field of a packet.
func (d *decoder) fields(int) {
	d.line(0)
	text := d.p.Show()
	d.out.WriteString(text)
	if !strings.HasSuffix(text, "\n") {
		d.out.WriteByte('\n')
	}
	d.out.WriteByte('\n')
}

// object prints a packet as toJSON() gives it.
func (d *decoder) object(link int) {
	iface := d.reader.Interfaces()[link].Name
	d.scratch = append(d.scratch[:0], `{"number":`...)
	d.scratch = strconv.AppendUint(d.scratch, d.number, 10)
	for _, f := range d.p.Object(iface) {
		d.scratch = append(d.scratch, ',')
		d.scratch = appendString(d.scratch, f.Name)
		d.scratch = append(d.scratch, ':')
		d.scratch = appendJSON(d.scratch, f.Value)
	}
	d.scratch = append(d.scratch, '}', '\n')
	d.out.Write(d.scratch)
}

// count only counts.
func (d *decoder) count(int) {
	layers := d.p.Layers()
	for i := range layers {
		d.counts[layers[i].Proto.ID()]++
	}
	if len(layers) == 0 {
		d.plain++
	}
}

// printCounts prints how often each protocol occurs. A header that occurs
// twice in a packet counts twice.
func (d *decoder) printCounts() {
	span := "no time"
	if d.number > 0 {
		span = string(appendSeconds(nil, d.last-d.first)) + " s"
	}
	if d.match != "" {
		fmt.Fprintf(d.out, "%d of %d packets match, %d bytes, %s\n", d.matched, d.number, d.bytes, span)
	} else {
		fmt.Fprintf(d.out, "%d packets, %d bytes, %s\n", d.number, d.bytes, span)
	}
	t := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, proto := range d.reg.Protos() {
		if n := d.counts[proto.ID()]; n > 0 {
			fmt.Fprintf(t, "%d\t %s\n", n, proto.Name)
		}
	}
	if d.plain > 0 {
		fmt.Fprintf(t, "%d\t unknown link type\n", d.plain)
	}
	t.Flush()
}

// protoIDs is one more than the largest ID.
func protoIDs(reg *packet.Registry) int {
	n := 0
	for _, proto := range reg.Protos() {
		n = max(n, proto.ID()+1)
	}
	return n
}

// appendSeconds appends nanoseconds as seconds with six decimals.
func appendSeconds(b []byte, ns int64) []byte {
	us := ns / 1000
	if us < 0 {
		b = append(b, '-')
		us = -us
	}
	b = strconv.AppendInt(b, us/1e6, 10)
	b = append(b, '.')
	frac := us % 1e6
	for unit := int64(1e5); unit > 0; unit /= 10 {
		b = append(b, byte('0'+frac/unit%10))
	}
	return b
}
