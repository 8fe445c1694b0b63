package main

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/netio/packet"
)

func (p *process) protocolsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "protocols [NAME ...]",
		Short: "list the protocols, or the fields of one",
		Example: `  umpa-run protocols
  umpa-run protocols tcp`,
		RunE: func(_ *cobra.Command, args []string) error {
			reg := packet.Builtin()
			if len(args) == 0 {
				t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
				for _, proto := range reg.Protos() {
					fmt.Fprintf(t, "%s\t%s\t%s\n", proto.Name, proto.Title, proto.RFC)
				}
				return t.Flush()
			}
			for i, name := range args {
				proto := reg.Proto(name)
				if proto == nil {
					hint := "umpa-run protocols lists them"
					var names []string
					for _, other := range reg.Protos() {
						names = append(names, other.Name)
					}
					if near := packet.Nearest(name, names); near != "" {
						hint = fmt.Sprintf("did you mean %q?", near)
					}
					return usage(fmt.Sprintf("there is no protocol %q", name), hint)
				}
				if i > 0 {
					fmt.Fprintln(p.stdout)
				}
				printProtocol(p.stdout, proto)
			}
			return nil
		},
	}
}

// printProtocol prints a protocol's table.
func printProtocol(w io.Writer, proto *packet.Proto) {
	fmt.Fprintf(w, "%s: %s", proto.Name, proto.Title)
	if proto.RFC != "" {
		fmt.Fprintf(w, " (%s)", proto.RFC)
	}
	fmt.Fprintln(w)
	if proto.Doc != "" {
		fmt.Fprintln(w, proto.Doc)
	}
	if len(proto.Over) > 0 {
		var over []string
		for _, b := range proto.Over {
			if b.Space == "eth" {
				over = append(over, fmt.Sprintf("%s %#04x", b.Space, b.Value))
			} else {
				over = append(over, fmt.Sprintf("%s %d", b.Space, b.Value))
			}
		}
		fmt.Fprintf(w, "Found over %s.\n", strings.Join(over, ", "))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIELD\tWIDTH\tKIND\tNOT TOLD\tMEANING")
	printFields(t, "", proto.Fields)
	t.Flush()

	for _, f := range allFields("", proto.Fields) {
		if f.Enum == nil || len(*f.Enum) == 0 {
			continue
		}
		fmt.Fprintf(w, "\nConstants of %s.%s:\n", proto.Name, f.path)
		printConstants(w, *f.Enum)
	}
}

type namedField struct {
	*packet.Field
	path string
}

// allFields is a table flattened: items of lists and structures, options and
// cases of choices follow what they stand in.
func allFields(prefix string, fields []*packet.Field) []namedField {
	var all []namedField
	for _, f := range fields {
		path := prefix + f.Name
		all = append(all, namedField{f, path})
		inner := path + "."
		switch f.Kind {
		case packet.List:
			inner = path + "[]."
		case packet.Options:
			if f.TLV != nil {
				for _, o := range f.TLV.Options {
					all = append(all, allFields(inner, []*packet.Field{&o.Field})...)
				}
			}
		}
		items := f.Items
		if len(items) == 1 && items[0].Name == "" {
			items = nil // a list of plain values: the list's own row says it
		}
		all = append(all, allFields(inner, items)...)
	}
	return all
}

func printFields(w io.Writer, prefix string, fields []*packet.Field) {
	for _, f := range allFields(prefix, fields) {
		if f.Hidden {
			continue
		}
		meaning := f.Doc
		if f.RFC != "" {
			meaning = strings.TrimSpace(meaning + " [" + f.RFC + "]")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.path, width(f.Field), f.Field.Kind, notTold(f.Field), meaning)
	}
}

// width is a field's width on the wire.
func width(f *packet.Field) string {
	if n := fixedBits(f); n > 0 {
		if n%8 != 0 {
			return count(uint64(n), "bit")
		}
		return count(uint64(n/8), "byte")
	}
	return "varies"
}

func fixedBits(f *packet.Field) int {
	switch f.Kind {
	case packet.Uint, packet.Int, packet.Float, packet.Flags:
		return f.Bits
	case packet.MACs:
		return 48
	case packet.IPv4:
		return 32
	case packet.IPv6:
		return 128
	case packet.Bytes, packet.Text:
		return 8 * f.Size.N
	}
	return 0
}

// notTold says what a builder puts where a field was not given.
func notTold(f *packet.Field) string {
	switch {
	case f.Own == packet.OwnMAC:
		return "own MAC"
	case f.Own == packet.OwnIPv4 || f.Own == packet.OwnIPv6:
		return "own address"
	case f.Own == packet.OwnID:
		return "next one"
	case f.Auto != nil && f.Auto.What == packet.AutoLength:
		return "length"
	case f.Auto != nil && f.Auto.What == packet.AutoCount:
		return "count"
	case f.Auto != nil && f.Auto.What == packet.AutoChecksum:
		return "checksum"
	case f.Auto != nil && f.Auto.What == packet.AutoNext:
		return "by what follows"
	case f.Default != nil:
		if n, ok := f.Default.(uint64); ok {
			if f.Kind == packet.Flags {
				return f.FlagText(n)
			}
			if f.Enum != nil {
				if name := f.Enum.Name(n); name != "" {
					return name
				}
			}
			return strconv.FormatUint(n, 10)
		}
		return fmt.Sprint(f.Default)
	}
	return "-"
}

func printConstants(w io.Writer, names packet.Enum) {
	sorted := append(packet.Enum(nil), names...)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Value < sorted[j].Value })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, n := range sorted {
		fmt.Fprintf(t, "  %d\t%s\t%s\n", n.Value, n.Name, n.Constant())
	}
	t.Flush()
}
