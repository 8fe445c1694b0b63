package packet

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// Kind is the type of a field, and with it the Go type of its [Value].
type Kind uint8

// The kinds of field. The comment gives the Go type that reading yields.
const (
	Uint    Kind = iota // uint64; Bits wide, 1..64
	Int                 // int64; two's complement, 8, 16, 32 or 64 bits
	Float               // float64; 32 or 64 bits, IEEE 754
	Flags               // uint64; Bits wide, each bit a letter or name of Letters
	MACs                // MAC
	IPv4                // netip.Addr, 4 bytes
	IPv6                // netip.Addr, 16 bytes
	Bytes               // []byte, of Size
	Text                // string, of Size, trailing NULs cut
	CText               // string, up to a NUL byte
	Name                // string: a domain name, RFC 1035 section 4.1.4, without the final dot
	List                // []any: Items repeated; one unnamed item gives its values, named ones give Fields
	Struct              // Fields: Items in order
	Choice              // the value of the case that the field On selects, []byte where none does
	Options             // Fields: a set of type-length-value options, see TLV
)

var kindNames = [...]string{"unsigned", "signed", "float", "flags", "MAC", "IPv4", "IPv6", "bytes", "string", "string", "name", "list", "object", "choice", "options"}

func (k Kind) String() string { return kindNames[k] }

// Value is what a field holds: the Go type that its Kind names.
type Value = any

// MAC is an EUI-48 address.
type MAC [6]byte

func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var b [17]byte
	for i, x := range m {
		b[i*3], b[i*3+1] = digits[x>>4], digits[x&15]
		if i < 5 {
			b[i*3+2] = ':'
		}
	}
	return string(b[:])
}

// FieldValue is a named value.
type FieldValue struct {
	Name  string
	Value Value
}

// Fields is an object: named values in an order that is kept.
type Fields []FieldValue

// Get returns the value named, or nil.
func (f Fields) Get(name string) Value {
	for i := range f {
		if f[i].Name == name {
			return f[i].Value
		}
	}
	return nil
}

func (f Fields) set(name string, v Value) {
	for i := range f {
		if f[i].Name == name {
			f[i].Value = v
		}
	}
}

// Size says how long a field is, in bytes, or how many items a list has. The
// zero Size is "the rest of the header".
type Size struct {
	N      int    // that many, when positive
	Field  string // value of an earlier field, times Unit (1 when 0), plus Plus
	Unit   int    //
	Plus   int    //
	Div    int    // divided by that, before Plus (1 when 0)
	Prefix int    // a big-endian length of that many bytes stands right before the data
}

// Cond is a condition on an earlier field of the same header or item.
type Cond struct {
	Field string
	Mask  uint64   // looked at under this mask, when not 0
	In    []uint64 // holds when the value is one of these
	Min   uint64   // or, where In is empty, when Min <= value <= Max
	Max   uint64
	Not   bool // the other way round

	f *Field // the row, in a header of its own
}

func (c *Cond) same(d *Cond) bool {
	return c.Field == d.Field && c.Mask == d.Mask && slices.Equal(c.In, d.In) && c.Min == d.Min && c.Max == d.Max && c.Not == d.Not
}

func (c *Cond) holds(v uint64) bool {
	if c.Mask != 0 {
		v &= c.Mask
	}
	ok := false
	if len(c.In) == 0 {
		ok = v >= c.Min && v <= c.Max
	}
	for _, x := range c.In {
		if x == v {
			ok = true
			break
		}
	}
	return ok != c.Not
}

// AutoKind is what a field that was not told is worked out as.
type AutoKind uint8

// The things worked out by Finish.
const (
	AutoLength   AutoKind = iota + 1 // a length of what Of or Field names
	AutoCount                        // the number of items of the list Field names
	AutoChecksum                     // Sum over header and payload
	AutoNext                         // the number of the protocol that follows, in the space of Proto.Next
	AutoFrom                         // the number it comes from, where its Bind has one
)

// Of is what a length covers.
type Of uint8

// What a length covers.
const (
	OfBoth    Of = iota // header and payload
	OfHeader            // this header
	OfPayload           // what follows it
	// OfSized is the field of the same header or item whose Size names this
	// one, the first that is there: its bytes, or a list's items, in that
	// Size's terms. The field is filled up to what a unit can tell.
	OfSized
)

// Auto says how a field is worked out when it was not told.
type Auto struct {
	What  AutoKind
	Of    Of        // AutoLength, when Field is empty
	Field string    // AutoLength, AutoCount: of this field
	Unit  int       // AutoLength: counted in units of that many bytes (1 when 0), rounded up
	Plus  int       // AutoLength: added after division
	Sum   Algorithm // AutoChecksum
	Skip  []string  // AutoChecksum: fields read as zero (the checksum itself always is)
	// ZeroIsOnes: a sum that comes out as 0 is sent as all ones, and a 0 on
	// the wire means none was computed (UDP over IPv4, RFC 768).
	ZeroIsOnes bool
	Ends       bool // on decoding, this length ends the layer and all inside it
}

// Own names a property of the sender that fills a field that was not told.
type Own uint8

// What Env fills.
const (
	OwnMAC  Own = iota + 1 // the interface's MAC
	OwnIPv4                // the address the scenario speaks as
	OwnIPv6                //
	OwnID                  // the interface's next IPv4 identification
)

// Field is one row of a table. Name, Kind and what the Kind needs are
// required; rows stand in wire order.
type Field struct {
	Name    string
	Kind    Kind
	Bits    int    // Uint, Int, Float, Flags: width in bits; the rows pack without gaps, most significant bit first
	LE      bool   // little-endian (whole bytes only)
	Doc     string // one line: meaning, unit
	RFC     string // section of the RFC that says so: "RFC 791 section 3.1"
	Enum    *Enum  // standard names of values
	Letters []string
	Default Value  // when not told and not worked out: in the Go type of the Kind; zero when nil
	At      int    // this field lies over byte At of the header instead of behind the row before (alternatives by type)
	Bit     int    // and over that bit of it, 0 being the most significant
	When    []Cond // the field is there only when all hold
	Wraps   bool   // sequence-like: values are taken modulo the width
	Whole   bool   // Name: written without compression (RFC 3597 section 4); read either way
	Size    Size   // Bytes, Text, Choice: bytes; List: items
	Items   []*Field
	Until   *Cond             // List: the item for which it holds is the last
	On      string            // Choice: the field that selects
	Cases   map[uint64]*Field // Choice
	TLV     *TLV              // Options
	Auto    *Auto
	Own     Own
	Hidden  bool // not shown, not in JSON: reserved bits, cookies; may still be told

	proto   *Proto
	index   int
	bits    int      // width(), once compiled
	bitOff  int      // from the start of the header, -1 when it depends on earlier fields
	steers  bool     // another row's place, size or presence depends on it
	decides bool     // another row's presence depends on it, were it only when building
	ld      loadRule // for fixed numbers
}

// TLV describes a set of options, each a type, a length and data.
type TLV struct {
	TypeBytes, LenBytes int // widths on the wire
	LenUnit             int // the length counts units of that many bytes (1 when 0)
	LenPlus             int // length field = (data bytes + LenPlus) / LenUnit; 2 where it counts itself and a one-byte type
	LE                  bool
	Pad                 int    // type of a one-byte filler, -1 when there is none
	PadN                int    // type of a filler of any length, 0 when there is none
	Start               int    // bytes of the header before the set, for Align
	End                 int    // type of a one-byte end mark, -1 when there is none
	WriteEnd            bool   // the end mark is always written (DHCP)
	Align               int    // the whole set is filled with End (or Pad, or 0) to a multiple
	MinBytes            int    // and to at least that many
	RawType             string // name of the type in raw entries: "type" or "code"
	Options             []*Option
}

// Option is one known option of a TLV set. Its Field's Kind and Size speak of
// the data; the name is the Field's. A Uint of 0 bits is a flag: 1 when present.
type Option struct {
	Type  uint64
	Skip  int  // reserved bytes before the data
	Many  bool // may be met several times: the value is a list
	Field Field
}

// EnumName is a standard name of a number.
type EnumName struct {
	Name  string // lowerCamelCase
	Value uint64
}

// Enum is the standard names of a field's values, in the order of the registry they come from.
type Enum []EnumName

// Name returns the standard name of v, or "".
func (e *Enum) Name(v uint64) string {
	if e != nil {
		for i := range *e {
			if (*e)[i].Value == v {
				return (*e)[i].Name
			}
		}
	}
	return ""
}

// Value finds a number by its name: case, '-', '_' and spaces are ignored.
func (e *Enum) Value(name string) (uint64, bool) {
	if e != nil {
		want := foldName(name)
		for i := range *e {
			if foldName((*e)[i].Name) == want {
				return (*e)[i].Value, true
			}
		}
	}
	return 0, false
}

// Constant is the name as a builder's constant: echoRequest is ECHO_REQUEST.
func (n EnumName) Constant() string {
	var b strings.Builder
	for i, r := range n.Name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

func foldName(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '-' || r == '_' || r == ' ':
		case r >= 'A' && r <= 'Z':
			b.WriteRune(r + 32)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Bind says where a protocol is found: under Value in a number space. The
// spaces of the built-in protocols are "eth" (EtherTypes), "ip" (protocol
// numbers, IPv6 next headers), "udp" and "tcp" (ports). When building, the
// first one tells the number, and From the port it comes from where that is
// fixed too (DHCP); 0 is any.
type Bind struct {
	Space string
	Value uint64
	From  uint64

	space int // Space by number
}

// Next says how a protocol names the one it carries.
type Next struct {
	Space  string   // number space looked up
	Fields []string // tried in this order: { "dport", "sport" }
	When   []Cond   // only then is anything decoded (fragments carry none)
	Always string   // this protocol, whatever the fields say
}

// Outer is a value for a field of the nearest header of another protocol
// further out, while this header meets the conditions.
type Outer struct {
	Proto, Field string
	Value        uint64
	When         []Cond
}

// Proto is the table of one protocol.
type Proto struct {
	Name   string // as scripts write it: "ip"
	Title  string // "Internet Protocol, version 4"
	RFC    string // "RFC 791"
	Doc    string // a line or two: what it is for
	Fields []*Field
	Over   []Bind
	Next   *Next
	Header *Size // length of the header where a field tells it; else it follows from the rows
	Greedy bool  // the header takes all that is left: a message, not an envelope
	Keeps  bool  // reply copies the whole header, and not only the rows of fixed place, where Header is told
	Bare   bool  // nothing follows the header: what does is padding of the link, and no payload
	// Passing headers are about one packet's way (IPv6 extension headers):
	// reply leaves them out, and Answers looks past them.
	Passing bool
	Swap    [][2]string // fields exchanged by reply()

	// Outer is what this protocol wants of the headers around it where they
	// were not told: neighbor discovery a hop limit of 255.
	Outer []Outer

	// Reply finishes the answer's header: out is the layer as copied (or as
	// made by Fresh) with Swap done. See ReplyContext.
	Reply func(c *ReplyContext) error
	// Answers says whether layer i of p answers layer j of req. Without it,
	// the layer answers when its Swap fields are exchanged.
	Answers func(p *Packet, i int, req *Packet, j int) bool
	// Check adds what a table cannot see to Packet.Errors.
	Check func(p *Packet, i int, report func(format string, a ...any))
	// Summary appends the layer's part of the one-line summary.
	Summary func(p *Packet, i int, b []byte) []byte

	byName    map[string]*Field
	id        int
	bit       uint64
	fixedBits int   // all leading rows with a constant place
	minBytes  int   // of the header
	variable  bool  // the header has rows whose place depends on the bytes
	tail      *Cond // what all rows behind the fixed ones depend on
	tailBytes int   // of those rows
	hdr       loadRule
	hdrUnit   int
	hdrPlus   int
	ends      *Field // length field that ends the layer
	next      []*Field
	nextMoves bool // not all of next have a constant place
	nextSpace int
	owns      []*Field
	autos     []*Field
	sum       *Field
	swap      []swapPair
	replyTold uint64 // what a reply keeps of the request: all but what is worked out
}

// ID is a small number, unique in the process, for tables indexed by protocol.
func (p *Proto) ID() int { return p.id }

// Field returns the row of that name, or nil.
func (p *Proto) Field(name string) *Field { return p.byName[name] }

// Index is the row's place in its table.
func (f *Field) Index() int { return f.index }

// Proto is the table the row stands in; nil for rows of lists and options.
func (f *Field) Proto() *Proto { return f.proto }

// Fixed reports whether the field has a constant place and width, so that
// Uint, Packet.Bits and offset writes work on it.
func (f *Field) Fixed() bool { return f.bits > 0 && f.bitOff >= 0 }

// end is the first byte behind a fixed field.
func (f *Field) end() int { return (f.bitOff + f.bits + 7) / 8 }

// Place returns the offset from the start of the header, and the width, both
// in bits. Only for Fixed fields.
func (f *Field) Place() (offset, width int) { return f.bitOff, f.width() }

// Scalar reports whether the value is a number or an address: never a
// list, an object or bytes.
func (f *Field) Scalar() bool { return f.Kind <= IPv6 }

// width is the constant width in bits, 0 when it is not constant.
func (f *Field) width() int {
	switch f.Kind {
	case Uint, Int, Float, Flags:
		return f.Bits
	case MACs:
		return 48
	case IPv4:
		return 32
	case IPv6:
		return 128
	case Bytes, Text:
		if f.Size.N > 0 {
			return f.Size.N * 8
		}
	case Struct:
		n := 0
		for _, it := range f.Items {
			w := it.width()
			if w == 0 || len(it.When) > 0 {
				return 0
			}
			n += w
		}
		return n
	}
	return 0
}

var lastProtoID atomic.Int32

// spaces numbers the number spaces by name, for the whole process, so that
// decoding finds one by index.
var spaces struct {
	sync.Mutex
	id map[string]int
}

func spaceID(name string) int {
	spaces.Lock()
	defer spaces.Unlock()
	n, ok := spaces.id[name]
	if !ok {
		if spaces.id == nil {
			spaces.id = map[string]int{}
		}
		n = len(spaces.id)
		spaces.id[name] = n
	}
	return n
}

// compile works out places and checks the table. A bad table is a mistake of
// its author: built-in ones are compiled at start-up, so it panics there;
// a script's own protocol gets the error.
func (p *Proto) compile() error {
	if len(p.Fields) > 64 {
		return fmt.Errorf("%s: a protocol has at most 64 fields", p.Name)
	}
	p.id = int(lastProtoID.Add(1))
	p.bit = 1 << (uint(p.id) % 64)
	p.byName = make(map[string]*Field, len(p.Fields))
	off := 0 // bits; -1 once it varies
	for i, f := range p.Fields {
		if f.Name == "" {
			return fmt.Errorf("%s: field %d has no name", p.Name, i)
		}
		if p.byName[f.Name] != nil {
			return fmt.Errorf("%s: field %q stands twice", p.Name, f.Name)
		}
		p.byName[f.Name] = f
		f.proto, f.index = p, i
		if len(f.When) > 0 {
			f.When = slices.Clone(f.When) // tables share lists of conditions
		}
		for j := range f.When {
			if err := p.steer(f, f.When[j].Field); err != nil {
				return err
			}
			f.When[j].f = p.byName[f.When[j].Field]
		}
		if f.Own != 0 {
			p.owns = append(p.owns, f)
		}
		if err := prepare(p.Name+"."+f.Name, f); err != nil {
			return err
		}
		for _, dep := range []string{f.Size.Field, f.On} {
			if dep != "" {
				if err := p.steer(f, dep); err != nil {
					return err
				}
			}
		}
		w := f.width()
		f.bits = w
		switch {
		case f.At > 0:
			f.bitOff = f.At*8 + f.Bit
			switch {
			case off < 0 || f.bitOff+w <= off:
			case len(f.When) == 0 && w > 0:
				off = f.bitOff + w
			default:
				off = -1 // reaches further, but not always
			}
		case off < 0:
			f.bitOff = -1
		case len(f.When) > 0 || w == 0:
			f.bitOff = off // the place is known, though what follows is not
			off = -1
		default:
			f.bitOff = off
			off += w
		}
		if off >= 0 {
			p.fixedBits = off
		} else {
			p.variable = true
		}
		if f.bitOff >= 0 && f.Kind <= IPv4 {
			f.ld = f.ruleAt(f.bitOff)
		}
		if f.LE && (f.bitOff >= 0 && f.bitOff%8 != 0 || f.Bits%8 != 0) {
			return fmt.Errorf("%s.%s: little-endian fields are whole bytes", p.Name, f.Name)
		}
		if f.Auto != nil {
			p.autos = append(p.autos, f)
			if f.Auto.What == AutoChecksum {
				p.sum = f
			}
			if f.Auto.Ends {
				p.ends = f
			}
			if f.Auto.Unit == 0 {
				f.Auto.Unit = 1
			}
		}
	}
	if err := checkRows(p.Name, p.Fields); err != nil {
		return err
	}
	p.minBytes = (p.fixedBits + 7) / 8
	p.findTail()
	p.replyTold = allTold
	ports := slices.ContainsFunc(p.Fields, func(f *Field) bool { return f.Auto != nil && f.Auto.What == AutoFrom })
	for _, f := range p.Fields {
		// Ports stay: an answer's go where the request's came from.
		if f.Own == OwnID || f.Auto != nil && f.Auto.What != AutoFrom && (f.Auto.What != AutoNext || !ports) {
			p.replyTold &^= 1 << uint(f.index)
		}
	}
	for i := range p.Over {
		p.Over[i].space = spaceID(p.Over[i].Space)
	}
	for i := range p.Outer {
		p.Outer[i].When = slices.Clone(p.Outer[i].When)
		for j := range p.Outer[i].When {
			c := &p.Outer[i].When[j]
			if c.f = p.byName[c.Field]; c.f == nil || !c.f.Fixed() {
				return fmt.Errorf("%s: there is no field %q with a fixed place", p.Name, c.Field)
			}
		}
	}
	for _, s := range p.Swap {
		a, b := p.byName[s[0]], p.byName[s[1]]
		if a == nil || b == nil || !a.Fixed() || !b.Fixed() || a.width() != b.width() || (a.bitOff|b.bitOff|a.width())&7 != 0 {
			return fmt.Errorf("%s: %s and %s cannot be exchanged: two fixed fields of the same whole bytes can", p.Name, s[0], s[1])
		}
		pair := swapPair{a.bitOff / 8, b.bitOff / 8, a.width() / 8}
		if pair.a > pair.b {
			pair.a, pair.b = pair.b, pair.a
		}
		p.swap = append(p.swap, pair)
	}
	if p.Header != nil {
		f := p.byName[p.Header.Field]
		if f == nil {
			return fmt.Errorf("%s: header length names no field %q", p.Name, p.Header.Field)
		}
		p.hdr, p.hdrUnit, p.hdrPlus = f.ld, max(p.Header.Unit, 1), p.Header.Plus
	}
	if p.Next != nil {
		p.nextSpace = spaceID(p.Next.Space)
		for j := range p.Next.When {
			c := &p.Next.When[j]
			if c.f = p.byName[c.Field]; c.f == nil || !c.f.Fixed() {
				return fmt.Errorf("%s: the next protocol depends on %q, which is no field with a fixed place", p.Name, c.Field)
			}
		}
		for _, name := range p.Next.Fields {
			f := p.byName[name]
			if f == nil || f.Kind != Uint {
				return fmt.Errorf("%s: %q, which names the next protocol, is no number among its fields", p.Name, name)
			}
			p.nextMoves = p.nextMoves || !f.Fixed() || len(f.When) > 0
			p.next = append(p.next, f)
		}
	}
	return nil
}

// findTail sees whether the header has one of two lengths, so that it need not
// be walked to be measured: all rows behind the fixed ones are of constant
// width and depend on one condition.
func (p *Proto) findTail() {
	if p.fixedBits%8 != 0 {
		return
	}
	bits := 0
	var cond *Cond
	for _, f := range p.Fields {
		switch {
		case f.bitOff >= 0 && f.bitOff+f.width() <= p.fixedBits && f.width() > 0:
		case f.At > 0 || len(f.When) != 1 || f.width() == 0 || !f.When[0].f.Fixed() || len(f.When[0].f.When) > 0,
			cond != nil && !cond.same(&f.When[0]):
			return
		default:
			cond = &f.When[0]
			bits += f.width()
		}
	}
	if bits%8 == 0 {
		p.tail, p.tailBytes = cond, bits/8
	}
}

func (p *Proto) steer(f *Field, dep string) error {
	d := p.byName[dep]
	if d == nil || d == f {
		return fmt.Errorf("%s.%s depends on %q, which is no earlier field", p.Name, f.Name, dep)
	}
	if f.At == 0 || !f.Scalar() {
		d.steers = true
	}
	d.decides = true
	return nil
}

// checkRows finds a row set that is more than decoding keeps account of.
func checkRows(path string, rows []*Field) error {
	if len(rows) > 64 {
		return fmt.Errorf("%s: there are at most 64 fields, not %d", path, len(rows))
	}
	steering := 0
	for _, f := range rows {
		if f.steers || f.decides {
			steering++
		}
	}
	if most := len(scope{}.f); steering > most {
		return fmt.Errorf("%s: other fields depend on %d of its fields; on %d they can", path, steering, most)
	}
	return nil
}

// prepare checks the rows within a row and marks those that others depend on.
func prepare(path string, f *Field) error {
	rows := f.Items
	if f.Until != nil {
		i := slices.IndexFunc(rows, func(g *Field) bool { return g.Name == f.Until.Field })
		if i < 0 {
			return fmt.Errorf("%s ends by %q, which is no field of its items", path, f.Until.Field)
		}
		rows[i].steers = true
	}
	for _, c := range f.Cases {
		if err := prepare(path, c); err != nil {
			return err
		}
	}
	if f.TLV != nil {
		for _, o := range f.TLV.Options {
			if err := prepare(path+"."+o.Field.Name, &o.Field); err != nil {
				return err
			}
		}
	}
	find := func(name string) *Field {
		for _, g := range rows {
			if g.Name == name {
				return g
			}
		}
		return nil
	}
	for _, g := range rows {
		deps := []string{g.Size.Field, g.On}
		for i := range g.When {
			deps = append(deps, g.When[i].Field)
		}
		for _, dep := range deps {
			if dep == "" {
				continue
			}
			d := find(dep)
			if d == nil {
				return fmt.Errorf("%s.%s depends on %q, which is no field beside it", path, g.Name, dep)
			}
			d.steers = true
		}
		if g.Auto != nil && g.Auto.Unit == 0 {
			g.Auto.Unit = 1
		}
		if err := prepare(path+"."+g.Name, g); err != nil {
			return err
		}
	}
	return checkRows(path, rows)
}

// loadRule reads an unsigned number of up to 64 bits at a fixed place.
type loadRule struct {
	off   int32 // byte offset from the header's start
	bytes uint8 // bytes that hold it, 1..8; 0 means more than 8: read bit by bit
	shift uint8
	le    bool
	mask  uint64
}

func (r *loadRule) load(h []byte) uint64 {
	b := h[r.off:]
	var v uint64
	switch r.bytes {
	case 1:
		v = uint64(b[0])
	case 2:
		_ = b[1]
		if r.le {
			v = uint64(b[0]) | uint64(b[1])<<8
		} else {
			v = uint64(b[0])<<8 | uint64(b[1])
		}
	case 4:
		_ = b[3]
		if r.le {
			v = uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
		} else {
			v = uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
		}
	default:
		b = b[:r.bytes]
		if r.le {
			for i := len(b) - 1; i >= 0; i-- {
				v = v<<8 | uint64(b[i])
			}
		} else {
			for _, x := range b {
				v = v<<8 | uint64(x)
			}
		}
	}
	return v >> r.shift & r.mask
}

func (r *loadRule) store(h []byte, v uint64) {
	b := h[r.off:][:r.bytes]
	m := r.mask << r.shift
	v = v << r.shift & m
	if r.le {
		for i := range b {
			b[i] = b[i]&^byte(m) | byte(v)
			v, m = v>>8, m>>8
		}
		return
	}
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = b[i]&^byte(m) | byte(v)
		v, m = v>>8, m>>8
	}
}

// need is how many header bytes the rule reads.
func (r *loadRule) need() int { return int(r.off) + int(r.bytes) }

// Registry knows the protocols, and which follows which. The built-in one is
// shared and read-only; a scenario that declares protocols has its own copy.
// A Registry may be read from any goroutine while nobody changes it.
type Registry struct {
	byName map[string]*Proto
	spaces []*space // by spaceID; nil where nothing is bound
}

// space is one number space. Small numbers, where all of them are, sit in a
// flat table: a map look-up for each header would be most of decoding.
type space struct {
	flat  [1 << 16]uint8
	list  []*Proto
	big   map[uint64]*Proto
	first map[*Proto]uint64 // the number that a protocol was bound to first
}

func (s *space) lookup(v uint64) *Proto {
	if v < 1<<16 {
		if i := s.flat[v]; i != 0 {
			return s.list[i-1]
		}
		return nil
	}
	return s.big[v]
}

var builtin = &Registry{byName: map[string]*Proto{}}

// space returns the number space of that ID, or nil.
func (r *Registry) space(id int) *space {
	if id < len(r.spaces) {
		return r.spaces[id]
	}
	return nil
}

// Builtin returns the registry of the built-in protocols. It must not be changed.
func Builtin() *Registry { return builtin }

// Register adds a built-in protocol; only for init functions of this package.
func Register(p *Proto) *Proto {
	if err := builtin.Add(p); err != nil {
		panic("packet: " + err.Error())
	}
	return p
}

// Clone returns a registry that can be changed.
func (r *Registry) Clone() *Registry {
	c := &Registry{byName: make(map[string]*Proto, len(r.byName)), spaces: make([]*space, len(r.spaces))}
	for k, v := range r.byName {
		c.byName[k] = v
	}
	for k, s := range r.spaces {
		if s == nil {
			continue
		}
		d := &space{flat: s.flat, list: slices.Clone(s.list), big: maps.Clone(s.big), first: maps.Clone(s.first)}
		c.spaces[k] = d
	}
	return c
}

// Add compiles a protocol and adds it with its bindings. One of the same
// name is replaced wherever it was found, and so are bindings of the same
// number.
func (r *Registry) Add(p *Proto) error {
	if err := p.compile(); err != nil {
		return err
	}
	if old := r.byName[p.Name]; old != nil {
		for _, s := range r.spaces {
			if s != nil {
				s.replace(old, p)
			}
		}
	}
	r.byName[p.Name] = p
	for _, b := range p.Over {
		if err := r.Bind(b, p); err != nil {
			return err
		}
	}
	return nil
}

// replace makes p found wherever old was.
func (s *space) replace(old, p *Proto) {
	for i, q := range s.list {
		if q == old {
			s.list[i] = p
		}
	}
	for v, q := range s.big {
		if q == old {
			s.big[v] = p
		}
	}
	if v, ok := s.first[old]; ok {
		delete(s.first, old)
		s.first[p] = v
	}
}

// Bind makes p the protocol found under b.
func (r *Registry) Bind(b Bind, p *Proto) error {
	id := spaceID(b.Space)
	for len(r.spaces) <= id {
		r.spaces = append(r.spaces, nil)
	}
	s := r.spaces[id]
	if s == nil {
		s = &space{big: map[uint64]*Proto{}, first: map[*Proto]uint64{}}
		r.spaces[id] = s
	}
	if _, ok := s.first[p]; !ok {
		s.first[p] = b.Value
	}
	if b.Value >= 1<<16 {
		s.big[b.Value] = p
		return nil
	}
	for i, q := range s.list {
		if q == p {
			s.flat[b.Value] = uint8(i + 1)
			return nil
		}
	}
	if len(s.list) == 255 {
		return fmt.Errorf("more than 255 protocols over %s", b.Space)
	}
	s.list = append(s.list, p)
	s.flat[b.Value] = uint8(len(s.list))
	return nil
}

// Proto returns the protocol of that name, or nil.
func (r *Registry) Proto(name string) *Proto { return r.byName[name] }

// Protos returns every protocol, sorted by name.
func (r *Registry) Protos() []*Proto {
	list := make([]*Proto, 0, len(r.byName))
	for _, p := range r.byName {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// bound returns how p is found in a space.
func (r *Registry) bound(spaceNo int, p *Proto) (Bind, bool) {
	for i := range p.Over {
		if p.Over[i].space == spaceNo {
			return p.Over[i], true
		}
	}
	if s := r.space(spaceNo); s != nil { // bound by a script's decodeAs, or by what carries it
		if v, ok := s.first[p]; ok {
			return Bind{Value: v}, true
		}
	}
	return Bind{}, false
}

// Env is what a packet takes from its sender where it was not told.
type Env struct {
	MAC  MAC
	IPv4 netip.Addr // zero: none
	IPv6 netip.Addr
	// Broadcast4 is the directed broadcast address of IPv4's network (RFC 919
	// section 7), from which nobody answers; zero: none, or not known.
	Broadcast4 netip.Addr
	// NextID returns the interface's next IPv4 identification; nil gives 0.
	NextID func() uint16
}
