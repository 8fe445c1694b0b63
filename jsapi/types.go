package jsapi

import (
	_ "embed"
	"fmt"
	"maps"
	rx "regexp" // a type of this package has the name
	"slices"
	"strconv"
	"strings"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// typesBase is all of umpa.d.ts but what the tables say. A line "//!name" is
// where the generated part of that name goes.
//
//go:embed types_base.d.ts
var typesBase string

var typesMark = rx.MustCompile(`(?m)^( *)//!(\w+)\n`)

// Types is umpa.d.ts: the declarations of everything a script may call, with
// the protocols of the registry typed field by field.
func Types(reg *packet.Registry) string {
	protos := reg.Protos()
	parts := map[string]func(w *strings.Builder){
		"members": func(w *strings.Builder) {
			for _, p := range protos {
				fmt.Fprintf(w, "/** %s; undefined where the packet has none. */\n%s: %sLayer;\n", comment(p.Title), p.Name, typeName(p.Name))
			}
		},
		"changes": func(w *strings.Builder) {
			for _, p := range protos {
				fmt.Fprintf(w, "%s?: %sFields;\n", p.Name, typeName(p.Name))
			}
		},
		"patterns": func(w *strings.Builder) {
			for _, p := range protos {
				fmt.Fprintf(w, "%s?: Tests<%sFields> | boolean;\n", p.Name, typeName(p.Name))
			}
		},
		"protocols": func(w *strings.Builder) {
			for _, p := range protos {
				declareProtocol(w, p)
			}
		},
		"exports": func(w *strings.Builder) { declareExports(w, protos) },
	}
	return typesMark.ReplaceAllStringFunc(typesBase, func(mark string) string {
		m := typesMark.FindStringSubmatch(mark)
		var w strings.Builder
		parts[m[2]](&w)
		return indent(w.String(), m[1])
	})
}

// indent puts a margin in front of each line.
func indent(text, margin string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		if strings.TrimSpace(l) != "" {
			lines[i] = margin + l
		}
	}
	return strings.Join(lines, "")
}

// comment is text that may stand in a comment.
func comment(s string) string { return strings.ReplaceAll(s, "*/", "* /") }

// typeName is the name of a protocol's types: Ip6 of ip6.
func typeName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

var plainName = rx.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// memberName is the name of a property in a declaration.
func memberName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}

func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// declareProtocol writes the types of one protocol, and its builder.
func declareProtocol(w *strings.Builder, p *packet.Proto) {
	name := typeName(p.Name)
	about := sentence(comment(p.Title))
	if p.RFC != "" {
		about = comment(p.Title) + " (" + p.RFC + ")."
	}
	if p.Doc != "" {
		about += " " + sentence(comment(p.Doc))
	}
	fmt.Fprintf(w, "/** %s */\ninterface %sFields {\n", about, name)
	for _, f := range p.Fields {
		if !f.Hidden {
			declareField(w, f, "  ", true)
		}
	}
	fmt.Fprintf(w, "}\ninterface %sLayer extends Layer {\n", name)
	for _, f := range p.Fields {
		if !f.Hidden {
			declareField(w, f, "  ", false)
		}
	}
	fmt.Fprintf(w, "}\ninterface %sBuilder {\n  (fields?: %sFields): %sLayer;\n", name, name, name)
	seen := map[string]bool{"name": true, "length": true, "prototype": true, "caller": true, "arguments": true}
	for _, f := range p.Fields {
		if f.Enum == nil {
			continue
		}
		for _, e := range *f.Enum {
			// Of a name that two fields have, the builder has the first one's.
			if c := e.Constant(); !seen[c] {
				seen[c] = true
				fmt.Fprintf(w, "  readonly %s: %s;\n", memberName(c), literal(e.Value))
			}
		}
	}
	fmt.Fprintf(w, "}\ndeclare const %s: %sBuilder;\n\n", p.Name, name)
}

func literal(v uint64) string {
	if v > 1<<53 {
		return strconv.FormatUint(v, 10) + "n"
	}
	return strconv.FormatUint(v, 10)
}

// declareField writes one member: as it is told to a builder (in), or as it is
// read.
func declareField(w *strings.Builder, f *packet.Field, margin string, in bool) {
	if f.Name == "" {
		return
	}
	if doc := fieldDoc(f); doc != "" && in {
		fmt.Fprintf(w, "%s/** %s */\n", margin, doc)
	}
	optional, t := "", fieldType(f, in, 0)
	if in {
		optional = "?"
		t = "Draw<" + t + ">"
	}
	fmt.Fprintf(w, "%s%s%s: %s;\n", margin, memberName(f.Name), optional, t)
}

func fieldDoc(f *packet.Field) string {
	doc := sentence(comment(f.Doc))
	if f.RFC != "" {
		doc = strings.TrimSpace(doc + " " + sentence(comment(f.RFC)))
	}
	return doc
}

const typeDepth = 8 // of nested lists and choices, which a table could make endless

// fieldType is the TypeScript type of a field's value.
func fieldType(f *packet.Field, in bool, depth int) string {
	if depth > typeDepth {
		return "any"
	}
	switch f.Kind {
	case packet.Uint, packet.Int:
		return numberType(f, in)
	case packet.Float:
		return "number"
	case packet.Flags:
		if in {
			return "string | number"
		}
		return "string"
	case packet.MACs, packet.IPv4, packet.IPv6, packet.Text, packet.CText, packet.Name:
		return "string"
	case packet.Bytes:
		return bytesType(in)
	case packet.List:
		item := objectType(f.Items, in, depth)
		if len(f.Items) == 1 && f.Items[0].Name == "" {
			item = fieldType(f.Items[0], in, depth+1)
		}
		if in { // one value is taken for a list
			return item + " | Array<" + item + ">"
		}
		return "Array<" + item + ">"
	case packet.Struct:
		return objectType(f.Items, in, depth)
	case packet.Choice:
		types := []string{bytesType(in)}
		for _, k := range slices.Sorted(maps.Keys(f.Cases)) {
			if t := fieldType(f.Cases[k], in, depth+1); !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
		return strings.Join(types, " | ")
	case packet.Options:
		return optionsType(f.TLV, in, depth)
	}
	return "any"
}

func bytesType(in bool) string {
	if in {
		return "Bytes"
	}
	return "Uint8Array"
}

func numberType(f *packet.Field, in bool) string {
	t := "number"
	switch {
	case f.Bits > 53 && in:
		t = "number | bigint"
	case f.Bits > 53:
		t = "bigint"
	case f.Bits == 0:
		if in {
			return "0 | 1 | boolean"
		}
		return "number"
	case f.Bits == 1 && in && f.Enum == nil:
		t = "0 | 1 | boolean"
	}
	if in && f.Enum != nil {
		for _, e := range *f.Enum {
			t += " | '" + strings.ReplaceAll(e.Name, "'", "\\'") + "'"
		}
		if f.Bits == 1 {
			t += " | boolean"
		}
	}
	return t
}

// objectType is an object with the fields of a list's item or of a struct.
func objectType(items []*packet.Field, in bool, depth int) string {
	var parts []string
	for _, f := range items {
		if f.Hidden || f.Name == "" {
			continue
		}
		optional := ""
		if in || len(f.When) > 0 {
			optional = "?"
		}
		parts = append(parts, memberName(f.Name)+optional+": "+fieldType(f, in, depth+1))
	}
	if len(parts) == 0 {
		return "object"
	}
	return "{ " + strings.Join(parts, "; ") + " }"
}

// optionsType is a set of options: an object with a member for each known
// one, or where none is known the list of raw ones.
func optionsType(t *packet.TLV, in bool, depth int) string {
	kind := "type"
	if t != nil && t.RawType != "" {
		kind = t.RawType
	}
	raw := "Array<{ " + kind + ": number; data: Uint8Array }>"
	if in {
		raw = "Array<{ " + kind + ": number; data?: Bytes }>"
	}
	if t == nil || len(t.Options) == 0 {
		return raw
	}
	var parts []string
	seen := map[string]bool{}
	for _, o := range t.Options {
		if !seen[o.Field.Name] {
			seen[o.Field.Name] = true
			parts = append(parts, memberName(o.Field.Name)+"?: "+fieldType(&o.Field, in, depth+1))
		}
	}
	if !seen["raw"] {
		parts = append(parts, "raw?: "+raw)
	}
	return "{ " + strings.Join(parts, "; ") + " }"
}

var (
	declared      = rx.MustCompile(`(?m)^declare (?:function|const|class) (\w+)`)
	declaredTypes = rx.MustCompile(`(?m)^(?:interface|type) (\w+)(<\w+>)?`)
)

// declareExports names what the module 'umpa' exports. A module cannot export
// a global by its own name, so each goes by another one first.
func declareExports(w *strings.Builder, protos []*packet.Proto) {
	var names []string
	for _, m := range declared.FindAllStringSubmatch(typesBase, -1) {
		names = append(names, m[1])
	}
	for _, p := range protos {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		fmt.Fprintf(w, "const _%s: typeof %s;\nexport { _%s as %s };\n", n, n, n, n)
	}
	var types []string
	for _, m := range declaredTypes.FindAllStringSubmatch(typesBase, -1) {
		if m[1] != "ImportMeta" {
			types = append(types, m[1]+"\x00"+m[2])
		}
	}
	for _, p := range protos {
		for _, s := range []string{"Fields", "Layer", "Builder"} {
			types = append(types, typeName(p.Name)+s+"\x00")
		}
	}
	slices.Sort(types)
	for _, t := range slices.Compact(types) {
		n, arg, _ := strings.Cut(t, "\x00")
		fmt.Fprintf(w, "type _%s%s = %s%s;\nexport type { _%s as %s };\n", n, arg, n, arg, n, n)
	}
}
