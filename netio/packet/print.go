package packet

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Wide reports whether the field's numbers do not all fit the 53 bits that
// JavaScript's Number holds exactly: scripts see them as BigInt, and JSON as
// decimal strings.
func (f *Field) Wide() bool { return (f.Kind == Uint || f.Kind == Int) && f.Bits > 53 }

// ScriptValue is a field's value as scripts see it: MACs and addresses as
// lower-case strings, Flags as letters, numbers of Wide fields as *big.Int.
// uint64, int64, float64, string and []byte stay; []any and Fields are copied
// with what they hold. Flags with a bit set that has no letter stay a number,
// so that nothing is lost. f may be nil where the row is not known.
func ScriptValue(f *Field, v Value) any {
	switch x := v.(type) {
	case MAC:
		return x.String()
	case netip.Addr:
		return x.String()
	case uint64:
		switch {
		case f == nil:
		case f.Kind == Flags && f.named(x):
			return f.FlagText(x)
		case f.Wide():
			return new(big.Int).SetUint64(x)
		}
	case int64:
		if f != nil && f.Wide() {
			return big.NewInt(x)
		}
	case []any:
		out := make([]any, len(x))
		for i, it := range x {
			out[i] = ScriptValue(f.itemRow(it), it)
		}
		return out
	case Fields:
		out := make(Fields, len(x))
		for i, fv := range x {
			out[i] = FieldValue{fv.Name, ScriptValue(f.rowIn(fv.Name, x), fv.Value)}
		}
		return out
	}
	return v
}

// Script is Value as scripts see it: see ScriptValue. It knows which case a
// Choice takes, which the value alone does not tell.
func (p *Packet) Script(i int, f *Field) (v any, ok bool) {
	x, ok := p.Value(i, f)
	if !ok {
		return nil, false
	}
	return ScriptValue(p.caseOf(i, f), x), true
}

// caseOf is the row that describes the value of field f of layer i: its case
// where f is a Choice, nil where no case is taken.
func (p *Packet) caseOf(i int, f *Field) *Field {
	if f.Kind != Choice {
		return f
	}
	on, _ := p.Value(i, f.proto.byName[f.On])
	n, _, _, _ := toInteger(on)
	return f.Cases[n]
}

// named reports whether every bit of v has a letter.
func (f *Field) named(v uint64) bool {
	for i, l := range f.Letters {
		if l != "" && i < 64 {
			v &^= 1 << uint(i)
		}
	}
	return v == 0
}

// itemRow is the row that describes a list item: f itself where the items are
// objects of f's rows, or values of an option that may be met several times.
func (f *Field) itemRow(item any) *Field {
	if f == nil {
		return nil
	}
	if f.Kind == List && len(f.Items) == 1 && f.Items[0].Name == "" {
		return f.Items[0]
	}
	return f
}

// rowIn is the row that describes a named value of the object obj.
func (f *Field) rowIn(name string, obj Fields) *Field {
	if f == nil {
		return nil
	}
	if f.Kind == Options {
		if o := f.TLV.byName(name); o != nil {
			return &o.Field
		}
		return nil
	}
	for _, it := range f.Items {
		if it.Name != name {
			continue
		}
		if it.Kind == Choice {
			n, _, _, ok := toInteger(obj.Get(it.On))
			if !ok {
				return nil
			}
			return it.Cases[n]
		}
		return it
	}
	return nil
}

// cut reports whether the bytes are fewer than what was on the wire: by the
// capture's snaplen, or because this is a quote.
func (p *Packet) cut() bool { return p.Length > len(p.Data) }

// Errors lists the problems met while decoding: truncated headers, lengths
// that do not fit, bad checksums, malformed options. Empty for a good packet.
// It is worked out by each call. What a capture or an ICMP quote cut off
// (Length is more than len(Data)) is not held against the packet.
func (p *Packet) Errors() []string {
	list := []string{}
	cut := p.cut() // bytes may be missing
	whole := !cut  // none are, so checksums can be verified
	for i := range p.refs {
		r := &p.refs[i]
		proto := r.Proto
		report := func(format string, a ...any) {
			list = append(list, proto.Name+": "+fmt.Sprintf(format, a...))
		}
		h := p.header(i)
		outer := len(p.Data)
		if i > 0 {
			outer = int(p.refs[i-1].End)
		}
		room := outer - int(r.Off)
		if len(h) < proto.minBytes {
			if !cut {
				report("header cut off: %d of %d bytes", len(h), proto.minBytes)
			}
			whole = false
			continue
		}
		if proto.Header != nil {
			n := int(proto.hdr.load(h))*proto.hdrUnit + proto.hdrPlus
			switch {
			case n > len(h):
				if !cut {
					report("header cut off: %d of %d bytes", len(h), n)
				}
				whole = false
				continue
			case n < proto.minBytes && proto.Check == nil:
				report("%s tells a header of %d bytes, the least is %d", proto.Header.Field, n, proto.minBytes)
			}
		}
		if f := proto.ends; f != nil && f.ld.need() <= len(h) {
			v := f.ld.load(h)
			switch n := endOf(f, v, len(h)); {
			case v == 0: // unknown: left to segmentation offload, or a jumbogram
			case n > room:
				if !cut {
					report("%s %d goes beyond the packet: %d bytes are told, %d there", f.Name, v, n, room)
				}
				whole = false
			case n < len(h) && proto.Check == nil:
				report("%s %d is shorter than the header of %d bytes", f.Name, v, len(h))
			}
		}
		if proto.variable {
			p.checkRows(i, cut, report)
		}
		p.checkSum(i, whole, report)
		if p.fragmented(i) { // the rest of what it carries is in other packets
			cut, whole = true, false
		}
		if proto.Check != nil {
			proto.Check(p, i, report)
		}
	}
	if p.deep {
		list = append(list, fmt.Sprintf("packet: more than %d layers: the rest is payload", maxLayers))
	}
	return list
}

// fragmented reports whether layer i says that it carries a fragment.
func (p *Packet) fragmented(i int) bool {
	switch p.refs[i].Proto {
	case protoIP, protoIP6Frag:
		return p.number(i, "mf") != 0 || p.number(i, "offset") != 0
	}
	return false
}

// checkRows reports what is wrong with the rows whose places depend on the bytes.
func (p *Packet) checkRows(i int, cut bool, report func(string, ...any)) {
	r := reader{reg: p.reg, msg: p.header(i), end: int(p.refs[i].Hdr)}
	var sc scope
	r.fields(p.refs[i].Proto.Fields, &sc, nil, func(f *Field, v Value) {
		if f.Kind != Options {
			return
		}
		obj, _ := v.(Fields)
		raw, _ := obj.Get("raw").([]any)
		for _, x := range raw {
			entry, _ := x.(Fields)
			typ, _ := entry.Get(f.TLV.rawType()).(uint64)
			if o := f.TLV.byType(typ); o != nil && obj.Get(o.Field.Name) == nil {
				data, _ := entry.Get("data").([]byte)
				report("%s: %s is malformed: %d bytes of data", f.Name, o.Field.Name, len(data))
			}
		}
	})
	if r.err != nil && !cut {
		report("%v", r.err)
	}
}

// checkSum reports a checksum that is wrong. One that covers bytes that are
// not there cannot be told right from wrong.
func (p *Packet) checkSum(i int, whole bool, report func(string, ...any)) {
	f := p.refs[i].Proto.sum
	if f == nil || !whole && f.Auto.Sum != InternetHeader {
		return
	}
	want, ok := p.checksum(i)
	have, there := p.number64(i, f)
	if !ok || !there || have == want || have == 0 && f.Auto.ZeroIsOnes {
		return
	}
	switch f.Auto.Sum {
	case Internet, InternetHeader, InternetPseudo:
		if want|have == 0xffff && want&have == 0 { // both are zero in ones' complement
			return
		}
	}
	w := (f.Bits + 3) / 4
	report("%s 0x%0*x is wrong, 0x%0*x would be right", f.Name, w, have, w, want)
}

// Quoted decodes the packet that an ICMP or ICMPv6 error quotes; nil for
// anything else. It shares p's bytes. A quote may end anywhere; then its
// Length tells more bytes than it has.
func (p *Packet) Quoted() *Packet {
	if p.have&(protoICMP.bit|protoICMP6.bit) == 0 {
		return nil // asked of every packet while a request waits
	}
	q := new(Packet)
	if !p.quotedInto(q) {
		return nil
	}
	return q
}

// quotedInto is Quoted into a packet of the caller's.
func (p *Packet) quotedInto(q *Packet) bool {
	i, first := p.Find(protoICMP, 0), protoIP
	if i < 0 {
		i, first = p.Find(protoICMP6, 0), protoIP6
	}
	if i < 0 {
		return false
	}
	h := p.header(i)
	if len(h) < 8 {
		return false
	}
	var b []byte
	switch {
	case first == protoIP && (h[0] == 3 || h[0] == 4 || h[0] == 5 || h[0] == 11 || h[0] == 12), first == protoIP6 && h[0] >= 1 && h[0] <= 4:
		b = p.Body(i)
	case first == protoIP6 && h[0] == 137:
		b = redirected(h)
	}
	if len(b) == 0 {
		return false
	}
	p.reg.Decode(q, b[:len(b):len(b)], p.reg.Proto(first.Name))
	q.Time, q.Iface = p.Time, p.Iface
	if f := first.ends; len(b) >= first.minBytes {
		q.Length = max(q.Length, endOf(f, f.ld.load(b), first.minBytes))
	} else {
		q.Length = first.minBytes
	}
	return true
}

// redirected is what the Redirected Header option of a neighbor discovery
// redirect holds (RFC 4861 section 4.6.3).
func redirected(h []byte) []byte {
	for off := 40; off+8 <= len(h); {
		n := int(h[off+1]) * 8
		if n == 0 || off+n > len(h) {
			return nil
		}
		if h[off] == 4 {
			return h[off+8 : off+n]
		}
		off += n
	}
	return nil
}

// endpoint is one side of a conversation.
type endpoint struct {
	addr string
	bin  []byte // address and port, for the order
}

// Flow is a key that both directions of one conversation share: the protocol
// and its two ends in a fixed order, such as
//
//	tcp 10.0.0.1:80 10.0.0.2:12345
//	icmp 10.0.0.1 10.0.0.2 id 7
//	arp 10.0.0.1 10.0.0.2
//	eth 02:00:00:00:00:01 02:00:00:00:00:02
//
// It is that of the outermost IP header and of the ports right behind it.
func (p *Packet) Flow() string {
	for i := range p.refs {
		switch p.refs[i].Proto {
		case protoIP, protoIP6:
			if s := p.ipFlow(i); s != "" {
				return s
			}
		case protoARP:
			return p.pair("arp", i, "spa", "tpa", -1, "")
		}
	}
	if i := p.Find(protoEth, 0); i >= 0 {
		return p.pair("eth", i, "src", "dst", -1, "")
	}
	return ""
}

func (p *Packet) ipFlow(i int) string {
	for j := i + 1; j < len(p.refs); j++ {
		proto := p.refs[j].Proto
		if proto.Passing {
			continue
		}
		if s, d := proto.byName["sport"], proto.byName["dport"]; s != nil && d != nil && s.Fixed() && d.Fixed() {
			return p.pair(proto.Name, i, "src", "dst", j, "")
		}
		if proto == protoICMP || proto == protoICMP6 {
			if id, ok := p.Uint(j, proto.byName["id"]); ok {
				return p.pair(proto.Name, i, "src", "dst", -1, " id "+strconv.FormatUint(id, 10))
			}
			return p.pair(proto.Name, i, "src", "dst", -1, "")
		}
		break
	}
	f := p.refs[i].Proto.byName["protocol"]
	if f == nil {
		f = p.refs[i].Proto.byName["nextHeader"]
	}
	number, _ := p.Uint(i, f)
	return p.pair(p.refs[i].Proto.Name, i, "src", "dst", -1, " protocol "+strconv.FormatUint(number, 10))
}

// pair joins both ends: the fields a and b of layer i, with the ports of
// layer ports where there is one.
func (p *Packet) pair(name string, i int, a, b string, ports int, rest string) string {
	var ends [2]endpoint
	for k, field := range [2]string{a, b} {
		f := p.refs[i].Proto.byName[field]
		v, ok := p.Value(i, f)
		if !ok {
			return ""
		}
		e := &ends[k]
		e.addr = fmt.Sprint(v)
		e.bin = append(e.bin, p.Raw(i, f)...)
		if ports < 0 {
			continue
		}
		port, ok := p.Uint(ports, p.refs[ports].Proto.byName[[2]string{"sport", "dport"}[k]])
		if !ok {
			return ""
		}
		addr, _ := v.(netip.Addr)
		e.addr = netip.AddrPortFrom(addr, uint16(port)).String()
		e.bin = append(e.bin, byte(port>>8), byte(port))
	}
	if bytes.Compare(ends[0].bin, ends[1].bin) > 0 {
		ends[0], ends[1] = ends[1], ends[0]
	}
	return name + " " + ends[0].addr + " " + ends[1].addr + rest
}

// Show is every layer and field, indented, values as scripts see them with
// the names of the registries beside them. Hidden fields are left out.
func (p *Packet) Show() string { return p.show(maxQuotes) }

// maxQuotes bounds how deep quotes within quotes are followed. There is no
// error about an error (RFC 1122 section 3.2.2), so one is what is met.
const maxQuotes = 4

func (p *Packet) show(quotes int) string {
	var b strings.Builder
	for i := range p.refs {
		proto := p.refs[i].Proto
		b.WriteString(proto.Name)
		if len(p.header(i)) < proto.minBytes {
			fmt.Fprintf(&b, " (cut off: %d of %d bytes)", len(p.header(i)), proto.minBytes)
		}
		b.WriteByte('\n')
		for _, f := range proto.Fields {
			if f.Hidden {
				continue
			}
			if v, ok := p.Value(i, f); ok {
				p.showField(&b, i, f, v)
			}
		}
	}
	if pl := p.Payload(); len(pl) > 0 {
		fmt.Fprintf(&b, "payload (%d bytes)\n", len(pl))
		dump(&b, "  ", pl)
	}
	if q := p.Quoted(); q != nil && quotes > 0 {
		b.WriteString("quoted\n")
		for line := range strings.Lines(q.show(quotes - 1)) {
			b.WriteString("  " + line)
		}
	}
	if errs := p.Errors(); len(errs) > 0 {
		b.WriteString("errors\n")
		for _, e := range errs {
			b.WriteString("  " + e + "\n")
		}
	}
	return b.String()
}

func (p *Packet) showField(b *strings.Builder, i int, f *Field, v Value) {
	proto := f.proto
	n, isNumber := v.(uint64)
	switch {
	case !isNumber:
	case f.Auto != nil && f.Auto.What == AutoChecksum:
		fmt.Fprintf(b, "  %s 0x%0*x\n", f.Name, (f.Bits+3)/4, n)
		return
	case proto.Header != nil && proto.Header.Field == f.Name && proto.hdrUnit > 1:
		fmt.Fprintf(b, "  %s %d (%d bytes)\n", f.Name, n, int(n)*proto.hdrUnit+proto.hdrPlus)
		return
	case f.Name == "code" && (proto == protoICMP || proto == protoICMP6):
		typ, _ := p.Uint(i, proto.byName["type"])
		fmt.Fprintf(b, "  %s %d%s\n", f.Name, n, parenthesised(icmpCode(proto, typ, n)))
		return
	}
	show(b, "  ", f.Name, p.caseOf(i, f), v)
}

func parenthesised(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// show writes a named value; f may be nil.
func show(b *strings.Builder, indent, name string, f *Field, v Value) {
	b.WriteString(indent + name)
	switch x := v.(type) {
	case []any:
		if flat(x) {
			parts := make([]string, len(x))
			for k, it := range x {
				parts[k] = scalarText(f.itemRow(it), it)
			}
			b.WriteString(" " + cmp.Or(strings.Join(parts, ", "), "(none)") + "\n")
			return
		}
		b.WriteByte('\n')
		for k, it := range x {
			show(b, indent+"  ", "["+strconv.Itoa(k)+"]", f.itemRow(it), it)
		}
		return
	case Fields:
		if len(x) == 0 {
			b.WriteString(" (none)")
		}
		b.WriteByte('\n')
		for _, fv := range x {
			show(b, indent+"  ", fv.Name, f.rowIn(fv.Name, x), fv.Value)
		}
		return
	}
	b.WriteString(" " + scalarText(f, v) + "\n")
}

// flat reports whether no item is a list or an object.
func flat(items []any) bool {
	for _, it := range items {
		switch it.(type) {
		case []any, Fields:
			return false
		}
	}
	return true
}

// scalarText is a value that is no list and no object, on one line.
func scalarText(f *Field, v Value) string {
	switch x := v.(type) {
	case []byte:
		const most = 64
		if len(x) > most {
			return fmt.Sprintf("%x… (%d bytes)", x[:most], len(x))
		}
		if len(x) == 0 {
			return "(empty)"
		}
		return hex.EncodeToString(x)
	case string:
		if f != nil && f.Kind == Name {
			if x == "" {
				return "." // the root
			}
			return x
		}
		return strconv.Quote(x)
	case uint64:
		if f == nil {
			break
		}
		if f.Kind == Flags && f.named(x) {
			if x == 0 {
				return "(none)"
			}
			return f.FlagText(x)
		}
		return strconv.FormatUint(x, 10) + parenthesised(f.Enum.Name(x))
	}
	return fmt.Sprint(v)
}

// Hexdump is the frame in hex and ASCII, sixteen bytes a line.
func (p *Packet) Hexdump() string {
	var b strings.Builder
	dump(&b, "", p.Data)
	return b.String()
}

func dump(b *strings.Builder, indent string, data []byte) {
	for off := 0; off < len(data); off += 16 {
		line := data[off:min(off+16, len(data))]
		fmt.Fprintf(b, "%s%04x ", indent, off)
		for k := range 16 {
			if k == 8 {
				b.WriteByte(' ')
			}
			if k < len(line) {
				fmt.Fprintf(b, " %02x", line[k])
			} else {
				b.WriteString("   ")
			}
		}
		b.WriteString("  ")
		for _, c := range line {
			if c < 0x20 || c > 0x7e {
				c = '.'
			}
			b.WriteByte(c)
		}
		b.WriteByte('\n')
	}
}

// Object is the packet as toJSON gives it: { time, iface, length, layers,
// payload, quoted, errors }, time in milliseconds, bytes as { hex }. Without
// a name, iface is left out.
//
// Two keys are there only where the rest does not tell all bytes, so that
// FromObject makes the same packet again: a layer has bytes where its fields
// do not encode to the header as it stands (fillers between TCP options, a
// reserved bit that is set), and the packet has padding where something
// follows what the layers hold.
func (p *Packet) Object(iface string) Fields {
	obj := Fields{{"time", float64(p.Time/1e6) + float64(p.Time%1e6)/1e6}}
	if iface != "" {
		obj = append(obj, FieldValue{"iface", iface})
	}
	return append(obj, p.object(maxQuotes)...)
}

func (p *Packet) object(quotes int) Fields {
	layers := make([]any, len(p.refs))
	for i := range p.refs {
		layers[i] = p.layerObject(i)
	}
	obj := Fields{
		{"length", uint64(max(p.Length, len(p.Data)))},
		{"layers", layers},
		{"payload", hexObject(p.Payload())},
	}
	if n := len(p.refs); n > 0 && int(p.refs[n-1].End) < len(p.Data) {
		obj = append(obj, FieldValue{"padding", hexObject(p.Data[p.refs[n-1].End:])})
	}
	if q := p.Quoted(); q != nil && quotes > 0 {
		obj = append(obj, FieldValue{"quoted", q.object(quotes - 1)})
	}
	errs := []any{}
	for _, e := range p.Errors() {
		errs = append(errs, e)
	}
	return append(obj, FieldValue{"errors", errs})
}

func (p *Packet) layerObject(i int) Fields {
	proto := p.refs[i].Proto
	obj := Fields{{"layer", proto.Name}}
	for _, f := range proto.Fields {
		if f.Hidden {
			continue
		}
		if v, ok := p.Script(i, f); ok {
			obj = append(obj, FieldValue{f.Name, jsonValue(v)})
		}
	}
	h := p.header(i)
	vals, err := proto.jsonValues(obj[1:])
	if err == nil {
		var again []byte
		if again, _, err = proto.encode(p.reg, vals); err == nil && bytes.Equal(again, h) {
			return obj
		}
	}
	return append(obj, FieldValue{"bytes", hexObject(h)})
}

func hexObject(b []byte) Fields { return Fields{{"hex", hex.EncodeToString(b)}} }

// jsonValue turns what ScriptValue gave into what JSON can hold.
func jsonValue(v any) any {
	switch x := v.(type) {
	case []byte:
		return hexObject(x)
	case string:
		return strings.ToValidUTF8(x, string(utf8.RuneError))
	case *big.Int:
		return x.String()
	case []any:
		for i := range x {
			x[i] = jsonValue(x[i])
		}
	case Fields:
		for i := range x {
			x[i].Value = jsonValue(x[i].Value)
		}
	}
	return v
}

// jsonValues sorts the fields of a layer of an Object into rows.
func (proto *Proto) jsonValues(fields Fields) ([]Value, error) {
	vals := make([]Value, len(proto.Fields))
	for _, fv := range fields {
		f := proto.byName[fv.Name]
		if f == nil {
			return nil, UnknownField(proto.Name, fv.Name, proto.Fields)
		}
		row := f
		if f.Kind == Choice {
			n, _, _, _ := toInteger(fields.Get(f.On))
			row = f.Cases[n]
		}
		vals[f.index] = fromJSON(row, fv.Value)
	}
	return vals, nil
}

// fromJSON undoes jsonValue; f may be nil. What is not of that form stays,
// for the encoder to judge.
func fromJSON(f *Field, v any) any {
	switch x := v.(type) {
	case string:
		if f == nil || !f.Wide() {
			break
		}
		if n, ok := new(big.Int).SetString(x, 10); ok {
			return n
		}
	case []any:
		out := make([]any, len(x))
		for i, it := range x {
			out[i] = fromJSON(f.itemRow(it), it)
		}
		return out
	case Fields:
		if b, ok := hexBytes(x); ok && (f == nil || f.Kind < List || f.Kind == Choice || f.Kind == Options) {
			return b
		}
		out := make(Fields, len(x))
		for i, fv := range x {
			out[i] = FieldValue{fv.Name, fromJSON(f.rowIn(fv.Name, x), fv.Value)}
		}
		return out
	}
	return v
}

// hexBytes reads { hex: '…' }.
func hexBytes(v any) ([]byte, bool) {
	obj, ok := v.(Fields)
	if !ok || len(obj) != 1 || obj[0].Name != "hex" {
		return nil, false
	}
	s, ok := obj[0].Value.(string)
	if !ok {
		return nil, false
	}
	b, err := hex.DecodeString(s)
	return b, err == nil
}

// objectBytes is the bytes under a key of an Object; nil where there are none.
func objectBytes(obj Fields, key string) ([]byte, error) {
	v := obj.Get(key)
	if v == nil {
		return nil, nil
	}
	if b, ok := hexBytes(v); ok {
		return b, nil
	}
	switch v.(type) {
	case []byte, string:
		return toBytes(key, v)
	}
	return nil, fieldErr(key, "{ hex: 'deadbeef' }", "%s is not bytes", describe(v))
}

// FromObject builds a packet from what Object gave, also after it went
// through JSON: numbers as float64, objects as Fields. Every field that is
// told is kept, so a good packet comes back byte for byte; what was taken out
// of the object is worked out by Finish. quoted and errors follow from the
// bytes and are not read. The error is a *FieldError.
func FromObject(reg *Registry, obj Fields) (*Packet, error) {
	p := NewBytes(reg, nil)
	layers, ok := obj.Get("layers").([]any)
	if v := obj.Get("layers"); v != nil && !ok {
		return nil, fieldErr("layers", "what toJSON() gave", "%s is not a list", describe(v))
	}
	for i, x := range layers {
		path := fmt.Sprintf("layers[%d]", i)
		l, ok := x.(Fields)
		if !ok {
			return nil, fieldErr(path, "{ layer: 'ip', … }", "%s is not an object", describe(x))
		}
		q, err := layerFromObject(reg, path, l)
		if err != nil {
			return nil, err
		}
		if n := len(p.refs); n > 0 && int(p.refs[n-1].Hdr) < p.refs[n-1].Proto.minBytes {
			return nil, fieldErr(path, "", "a header behind one that is cut off")
		}
		if err := p.Append(q); err != nil {
			return nil, err
		}
	}
	payload, err := objectBytes(obj, "payload")
	if err != nil {
		return nil, err
	}
	p.AppendBytes(payload)
	padding, err := objectBytes(obj, "padding")
	if err != nil {
		return nil, err
	}
	p.Data = append(p.Data, padding...)
	for i := 0; i < len(p.refs) && p.refs[i].Proto.ends == nil; i++ {
		p.refs[i].End = int32(len(p.Data)) // no length of its own parts it from the padding
	}
	p.Length = len(p.Data)
	if ms, ok := toFloat(obj.Get("time")); ok && math.Abs(ms) < math.MaxInt64/1e6 {
		whole := math.Floor(ms)
		p.Time = int64(whole)*1e6 + int64(math.Round((ms-whole)*1e6))
	}
	return p, nil
}

func layerFromObject(reg *Registry, path string, l Fields) (*Packet, error) {
	name, _ := l.Get("layer").(string)
	proto := reg.Proto(name)
	if proto == nil {
		var names []string
		for _, q := range reg.Protos() {
			names = append(names, q.Name)
		}
		hint := "the protocols are " + listSome(names)
		if n := Nearest(name, names); n != "" {
			hint = fmt.Sprintf("did you mean %q?", n)
		}
		return nil, fieldErr(path, hint, "there is no protocol %q", name)
	}
	var told Fields
	for _, fv := range l {
		if fv.Name != "layer" && fv.Value != nil && (fv.Name != "bytes" || proto.byName["bytes"] != nil) {
			told = append(told, fv)
		}
	}
	vals, err := proto.jsonValues(told)
	if err != nil {
		return nil, err
	}
	if proto.byName["bytes"] == nil {
		raw, err := objectBytes(l, "bytes")
		if err != nil {
			return nil, err
		}
		if raw != nil && proto.says(reg, raw, vals) {
			q := NewBytes(reg, raw)
			q.refs = append(q.refs, Ref{Proto: proto, Hdr: int32(len(raw)), End: int32(len(raw)), told: allTold})
			q.have = proto.bit
			return q, nil
		}
	}
	for i := range told {
		told[i].Value = vals[proto.byName[told[i].Name].index]
	}
	return New(reg, proto, told)
}

// says reports whether the header's bytes say what the values say: then they
// stand for them. After an edit of a value they no longer do.
func (proto *Proto) says(reg *Registry, raw []byte, vals []Value) bool {
	q := NewBytes(reg, raw)
	q.refs = append(q.refs, Ref{Proto: proto, Hdr: int32(len(raw)), End: int32(len(raw))})
	obj := Fields{}
	for _, f := range proto.Fields {
		if f.Hidden {
			continue
		}
		if v, ok := q.Script(0, f); ok {
			obj = append(obj, FieldValue{f.Name, jsonValue(v)})
		}
	}
	own, err := proto.jsonValues(obj)
	if err != nil {
		return false
	}
	a, _, errA := proto.encode(reg, own)
	b, _, errB := proto.encode(reg, vals)
	if errA != nil || errB != nil {
		return errA != nil && errB != nil
	}
	return bytes.Equal(a, b)
}
