package jsapi

import (
	"fmt"
	rx "regexp" // a type of this package has the name
	"slices"
	"strings"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// ProtocolsMarkdown is docs/protocols.md: each protocol of the registry with
// its fields and the names of their values.
func ProtocolsMarkdown(reg *packet.Registry) string {
	var w strings.Builder
	w.WriteString(`# Protocols

Generated from the tables that the program works from. A field has one name, whether it is built, matched, read or changed:

    send(ip({ dst: '10.0.0.2', ttl: 64 }), icmp());
    on({ ip: { ttl: { max: 1 } } }, (pkt) => pkt.error('timeExceeded'));

Fields marked * are worked out when they are not told. A named value is written in quotes, or as a constant of the builder:
` + "`arp({ op: 'request' })`, `arp.REQUEST`.\n\n")
	protos := reg.Protos()
	var links []string
	for _, p := range protos {
		links = append(links, fmt.Sprintf("[%s](#%s)", p.Name, strings.ToLower(p.Name)))
	}
	w.WriteString(strings.Join(links, " · ") + "\n")
	for _, p := range protos {
		fmt.Fprintf(&w, "\n## %s\n\n%s", p.Name, p.Title)
		if p.RFC != "" {
			fmt.Fprintf(&w, " (%s)", p.RFC)
		}
		w.WriteString(".")
		if p.Doc != "" {
			w.WriteString(" " + sentence(p.Doc))
		}
		w.WriteString("\n")
		if over := foundOver(p); over != "" {
			fmt.Fprintf(&w, "Found over %s.\n", over)
		}
		w.WriteString("\n| field | type | meaning | defined in |\n| --- | --- | --- | --- |\n")
		for _, f := range p.Fields {
			markdownRow(&w, f, "")
		}
		markdownNames(&w, p.Fields)
	}
	return w.String()
}

// foundOver says under which numbers a protocol is found.
func foundOver(p *packet.Proto) string {
	var spaces []string
	values := map[string][]string{}
	for _, b := range p.Over {
		if !slices.Contains(spaces, b.Space) {
			spaces = append(spaces, b.Space)
		}
		v := fmt.Sprint(b.Value)
		if b.Space == "eth" {
			v = fmt.Sprintf("0x%04x", b.Value)
		}
		if !slices.Contains(values[b.Space], v) {
			values[b.Space] = append(values[b.Space], v)
		}
	}
	var parts []string
	for _, s := range spaces {
		parts = append(parts, s+" "+strings.Join(values[s], ", "))
	}
	return strings.Join(parts, "; ")
}

// cellText is text in a cell of a table.
func cellText(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "|", "\\|")
}

func markdownRow(w *strings.Builder, f *packet.Field, prefix string) {
	if f.Hidden || f.Name == "" {
		return
	}
	auto := ""
	if f.Auto != nil || f.Own != 0 {
		auto = "*"
	}
	fmt.Fprintf(w, "| %s | %s | %s | %s |\n", cellText(prefix+f.Name)+auto, cellText(kindText(f)), cellText(f.Doc), cellText(f.RFC))
	inside := prefix + f.Name + "."
	if f.Kind == packet.List {
		inside = prefix + f.Name + "[]."
	}
	if strings.Count(inside, ".") > typeDepth {
		return
	}
	for _, g := range f.Items {
		markdownRow(w, g, inside)
	}
	if f.TLV != nil {
		for _, o := range f.TLV.Options {
			markdownRow(w, &o.Field, inside)
		}
	}
}

// kindText says what a field holds.
func kindText(f *packet.Field) string {
	switch f.Kind {
	case packet.Uint:
		switch {
		case f.Bits == 0:
			return "present or not"
		case f.Bits == 1:
			return "0 or 1"
		}
		return fmt.Sprintf("%d bits", f.Bits)
	case packet.Int, packet.Float:
		return fmt.Sprintf("%s, %d bits", f.Kind, f.Bits)
	case packet.Flags:
		return "flags " + strings.Join(f.Letters, "")
	case packet.List:
		if len(f.Items) == 1 && f.Items[0].Name == "" {
			return "list of " + kindText(f.Items[0])
		}
	}
	return f.Kind.String()
}

// markdownNames lists the names of a protocol's values.
func markdownNames(w *strings.Builder, fields []*packet.Field) {
	first := true
	for _, f := range fields {
		if f.Enum == nil || f.Hidden || len(*f.Enum) == 0 {
			continue
		}
		if first {
			w.WriteString("\n")
			first = false
		} else {
			w.WriteString("<br>\n")
		}
		var names []string
		for _, e := range *f.Enum {
			names = append(names, fmt.Sprintf("%s %d", e.Name, e.Value))
		}
		fmt.Fprintf(w, "**%s**: %s", f.Name, strings.Join(names, " · "))
	}
	if !first {
		w.WriteString("\n")
	}
}

var (
	section  = rx.MustCompile(`^// -{20,} (.+)$`)
	docStart = rx.MustCompile(`^\s*/\*\*\s?`)
)

// APIMarkdown is docs/api.md: what a script may call, from the same text that
// umpa.d.ts is made of, with the comment of a declaration above its code.
func APIMarkdown() string {
	var w strings.Builder
	w.WriteString("# Scripting API\n\nGenerated from the declarations that `umpa-run types` writes. The protocols and their fields are in [protocols.md](protocols.md).\n")
	var prose, doc, code []string
	flush := func() {
		if len(prose) > 0 {
			fmt.Fprintf(&w, "\n%s\n", strings.Join(prose, "\n"))
		}
		if len(doc) > 0 {
			fmt.Fprintf(&w, "\n%s\n", strings.Join(doc, "\n"))
		}
		if len(code) > 0 {
			fmt.Fprintf(&w, "\n```ts\n%s\n```\n", strings.Join(code, "\n"))
		}
		prose, doc, code = nil, nil, nil
	}
	lines := strings.Split(typesBase, "\n")
	var open brackets // a declaration ends where none is
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		mark := typesMark.MatchString(line + "\n")
		m := section.FindStringSubmatch(line)
		switch {
		case m != nil && m[1] == "protocols":
			flush()
			return w.String()
		case m != nil:
			flush()
			fmt.Fprintf(&w, "\n## %s\n", strings.ToUpper(m[1][:1])+m[1][1:])
		case mark:
		case open.depth == 0 && strings.TrimSpace(line) == "":
			flush()
		case open.depth == 0 && strings.HasPrefix(line, "// "):
			prose = append(prose, strings.TrimPrefix(line, "// "))
		case open.depth == 0 && docStart.MatchString(line):
			flush()
			text := docStart.ReplaceAllString(line, "")
			for !strings.Contains(text, "*/") && i+1 < len(lines) {
				i++
				text += "\n" + strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(lines[i]), "*"))
			}
			text, _, _ = strings.Cut(text, "*/")
			doc = append(doc, strings.TrimRight(text, " "))
		default:
			code = append(code, line)
			open.read(line)
		}
	}
	flush()
	return w.String()
}

// brackets counts the brackets that are open, outside of comments and strings.
type brackets struct {
	depth   int
	comment bool
}

func (b *brackets) read(line string) {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		pair := line[i:min(i+2, len(line))]
		switch {
		case b.comment:
			if pair == "*/" {
				b.comment = false
				i++
			}
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"' || c == '`':
			quote = c
		case pair == "//":
			return
		case pair == "/*":
			b.comment = true
			i++
		case c == '{' || c == '(' || c == '[':
			b.depth++
		case c == '}' || c == ')' || c == ']':
			b.depth--
		}
	}
}
