package packet

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The reference evaluator says what a pattern means, one value at a time and
// without sets, images or programs. It knows what random patterns are made of.

func refPacket(p *Packet, pat any) bool {
	switch x := pat.(type) {
	case string:
		return p.FindName(x, 0) >= 0
	case Not:
		return !refPacket(p, x.Test)
	case AnyOf:
		return slices.ContainsFunc(x, func(k any) bool { return refPacket(p, k) })
	case AllOf:
		return !slices.ContainsFunc(x, func(k any) bool { return !refPacket(p, k) })
	case PredPacket:
		return x(p)
	}
	for _, fv := range pat.(Fields) {
		if fv.Name == "payload" {
			if !refValue(&Field{Kind: Bytes}, p.Payload(), fv.Value) {
				return false
			}
			continue
		}
		i := p.FindName(fv.Name, 0)
		if want, ok := fv.Value.(bool); ok {
			if want != (i >= 0) {
				return false
			}
			continue
		}
		if i < 0 || !refLayer(p, i, fv.Value) {
			return false
		}
	}
	return true
}

func refLayer(p *Packet, i int, pat any) bool {
	switch x := pat.(type) {
	case Not:
		return !refLayer(p, i, x.Test)
	case []any:
		return slices.ContainsFunc(x, func(k any) bool { return refLayer(p, i, k) })
	}
	for _, fv := range pat.(Fields) {
		f := p.Layers()[i].Proto.Field(fv.Name)
		v, ok := p.Value(i, f)
		if !ok || !refValue(f, v, fv.Value) {
			return false
		}
	}
	return true
}

func refValue(f *Field, v Value, pat any) bool {
	switch x := pat.(type) {
	case []any:
		return slices.ContainsFunc(x, func(k any) bool { return refValue(f, v, k) })
	case AllOf:
		return !slices.ContainsFunc(x, func(k any) bool { return !refValue(f, v, k) })
	case Not:
		return !refValue(f, v, x.Test)
	case Pred:
		return x(v)
	case Range:
		low := x.Min == nil || refCompare(f, v, x.Min) >= 0
		high := x.Max == nil || refCompare(f, v, x.Max) <= 0
		if x.Min != nil && x.Max != nil && f.Wraps && refCompare(f, refConst(f, x.Min), x.Max) > 0 {
			return low || high
		}
		return low && high
	case HasFlags:
		text := f.FlagText(v.(uint64))
		for _, c := range x.Has {
			if !strings.ContainsRune(text, c) {
				return false
			}
		}
		return !strings.ContainsAny(text, x.Not)
	case Regexp:
		s := fmt.Sprint(v)
		if f.Kind == Flags {
			s = f.FlagText(v.(uint64))
		} else if b, ok := v.([]byte); ok {
			s = bytesText(b)
		}
		return x.MatchString(s)
	case string:
		if a, ok := v.(netip.Addr); ok && strings.Contains(x, "/") {
			return netip.MustParsePrefix(x).Contains(a)
		}
	}
	if f.Kind == List {
		l := v.([]any)
		return slices.ContainsFunc(l, func(item any) bool {
			if len(f.Items) == 1 && f.Items[0].Name == "" {
				return refValue(f.Items[0], item, pat)
			}
			return refObject(f.Items, item.(Fields), pat.(Fields))
		})
	}
	if f.Kind == Options {
		var rows []*Field
		for _, o := range f.TLV.Options {
			row := o.Field
			if o.Many {
				item := o.Field
				item.Name = ""
				row = Field{Name: o.Field.Name, Kind: List, Items: []*Field{&item}}
			}
			rows = append(rows, &row)
		}
		return refObject(rows, v.(Fields), pat.(Fields))
	}
	return refCompare(f, v, pat) == 0
}

func refObject(rows []*Field, obj, pat Fields) bool {
	for _, fv := range pat {
		v := obj.Get(fv.Name)
		if want, ok := fv.Value.(bool); ok {
			if want != (v != nil) {
				return false
			}
			continue
		}
		i := slices.IndexFunc(rows, func(f *Field) bool { return f.Name == fv.Name })
		if v == nil {
			return false
		}
		if row := rows[i]; row.Kind == Choice {
			kind := map[string]Kind{"netip.Addr": IPv4, "string": Name, "[]uint8": Bytes}[fmt.Sprintf("%T", v)]
			if o, ok := fv.Value.(Fields); ok && len(o) == 0 {
				continue
			}
			_, isObject := v.(Fields)
			if _, want := fv.Value.(Fields); isObject != want {
				return false
			}
			if isObject {
				if !refObject(row.Cases[3].Items, v.(Fields), fv.Value.(Fields)) {
					return false
				}
				continue
			}
			if s, ok := fv.Value.(string); ok && kind == IPv4 && strings.Trim(s, "0123456789.") != "" {
				return false
			}
			if !refValue(&Field{Kind: kind}, v, fv.Value) {
				return false
			}
			continue
		}
		if !refValue(rows[i], v, fv.Value) {
			return false
		}
	}
	return true
}

// refConst is a constant of a pattern as the field would read it.
func refConst(f *Field, c any) Value {
	switch f.Kind {
	case Uint, Int, Flags, Float:
		n, err := f.toNumber("", c)
		if err != nil {
			panic(err)
		}
		return f.number(n)
	case MACs:
		m, err := toMAC("", c)
		if err != nil {
			panic(err)
		}
		return m
	case IPv4, IPv6:
		a, err := toAddr("", c, f.Kind == IPv6)
		if err != nil {
			panic(err)
		}
		return a
	}
	return c
}

// refCompare is the order of a value and a constant, 2 when they have none.
func refCompare(f *Field, v Value, c any) int {
	c = refConst(f, c)
	switch x := v.(type) {
	case uint64:
		return cmpOrdered(x, c.(uint64))
	case int64:
		return cmpOrdered(x, c.(int64))
	case float64:
		y := c.(float64)
		if x != x || y != y {
			return 2
		}
		return cmpOrdered(x, y)
	case MAC:
		y := c.(MAC)
		return bytes.Compare(x[:], y[:])
	case netip.Addr:
		return x.Compare(c.(netip.Addr))
	case string:
		y := c.(string)
		if f.Kind == Name {
			x, y = strings.ToLower(x), strings.ToLower(strings.TrimSuffix(y, "."))
		}
		return cmpOrdered(x, y)
	case []byte:
		var y []byte
		switch c := c.(type) {
		case string:
			y = []byte(c)
		case []byte:
			y = c
		}
		for len(y) < f.Size.N {
			y = append(slices.Clone(y), 0)
		}
		return bytes.Compare(x, y)
	}
	return 2
}

func cmpOrdered[T uint64 | int64 | float64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// patterns draws random patterns about a packet, so that they often match.
type patterns struct {
	*rand.Rand
	p *Packet
}

func (g patterns) packet(depth int) any {
	if depth > 0 {
		switch g.IntN(8) {
		case 0:
			return Not{g.packet(depth - 1)}
		case 1:
			return AnyOf{g.packet(depth - 1), g.packet(depth - 1)}
		case 2:
			return AllOf{g.packet(depth - 1), g.packet(depth - 1)}
		case 3:
			n := g.IntN(5)
			return PredPacket(func(p *Packet) bool { return len(p.Layers()) > n })
		}
	}
	var pat Fields
	for range g.IntN(4) {
		name := []string{"eth", "vlan", "ip", "ip6", "tcp", "udp", "icmp", "arp", "kinds"}[g.IntN(9)]
		if l := g.p.Layers(); len(l) > 0 && g.IntN(4) > 0 {
			name = l[g.IntN(len(l))].Proto.Name
		}
		switch g.IntN(8) {
		case 0:
			return name
		case 1:
			pat = append(pat, fv(name, g.IntN(2) == 0))
		case 2:
			b := string(g.p.Payload())
			pat = append(pat, fv("payload", []any{b, Not{b}, []any{"x", b}, Not{[]any{b, "y"}}, regexp.MustCompile("e")}[g.IntN(5)]))
		default:
			pat = append(pat, fv(name, g.layer(matchRegistry.Proto(name), 2)))
		}
	}
	return pat
}

func (g patterns) layer(proto *Proto, depth int) any {
	if depth > 0 {
		switch g.IntN(8) {
		case 0:
			return Not{g.layer(proto, depth-1)}
		case 1:
			return []any{g.layer(proto, depth-1), g.layer(proto, depth-1)}
		}
	}
	var pat Fields
	for range g.IntN(4) {
		f := proto.Fields[g.IntN(len(proto.Fields))]
		i := g.p.Find(proto, 0)
		var v Value
		if i >= 0 {
			v, _ = g.p.Value(i, f)
		}
		if t := g.value(f, v, 2); t != nil {
			pat = append(pat, fv(f.Name, t))
		}
	}
	if pat == nil {
		return Fields{}
	}
	return pat
}

// value draws the test of a field, given its value (or nil).
func (g patterns) value(f *Field, v Value, depth int) any {
	if f.Kind == Options && len(f.TLV.Options) == 0 {
		return nil
	}
	if depth > 0 {
		a, b := g.value(f, v, depth-1), g.value(f, v, depth-1)
		switch g.IntN(10) {
		case 0:
			return Not{a}
		case 1:
			return []any{a, b}
		case 2:
			return AllOf{a, b}
		case 3:
			if f.Kind <= Text {
				list := []any{}
				for range g.IntN(12) {
					list = append(list, g.constant(f, v))
				}
				return list
			}
		}
	}
	switch f.Kind {
	case List:
		l, _ := v.([]any)
		var item any
		if len(l) > 0 {
			item = l[g.IntN(len(l))]
		}
		if len(f.Items) == 1 && f.Items[0].Name == "" {
			return g.value(f.Items[0], item, 0)
		}
		obj, _ := item.(Fields)
		return g.object(f.Items, obj)
	case Options:
		obj, _ := v.(Fields)
		var pat Fields
		for _, o := range f.TLV.Options {
			switch g.IntN(4) {
			case 0:
				pat = append(pat, fv(o.Field.Name, g.IntN(2) == 0))
			case 1:
				if o.Field.Bits == 0 && o.Field.Kind == Uint || o.Many || o.Field.Kind > IPv6 {
					continue
				}
				pat = append(pat, fv(o.Field.Name, g.value(&o.Field, obj.Get(o.Field.Name), 1)))
			}
		}
		if pat == nil {
			return fvPresent
		}
		return pat
	}
	if f.Kind > IPv6 {
		return g.constant(f, v)
	}
	switch g.IntN(6) {
	case 0, 1, 2:
		return g.constant(f, v)
	case 3:
		if f.Kind == Flags && g.IntN(2) == 0 {
			n := g.Uint64() & g.Uint64()
			return HasFlags{f.FlagText(n & 15), f.FlagText(n &^ 15)}
		}
		a, b := g.constant(f, v), g.constant(f, v)
		if refCompare(f, refConst(f, a), b) > 0 && !f.Wraps {
			a, b = b, a
		}
		if refCompare(f, refConst(f, a), b) == 2 {
			return a
		}
		return []any{Range{a, b}, Range{Min: a}, Range{Max: b}}[g.IntN(3)]
	case 4:
		if f.Kind == IPv4 || f.Kind == IPv6 {
			a := refConst(f, g.constant(f, v)).(netip.Addr)
			return fmt.Sprintf("%v/%d", a, g.IntN(a.BitLen()+1))
		}
	}
	return []any{regexp.MustCompile("[02468]$"), Pred(func(v Value) bool { return len(fmt.Sprint(v))%2 == 0 })}[g.IntN(2)]
}

var fvPresent = Pred(func(Value) bool { return true })

func (g patterns) object(rows []*Field, obj Fields) Fields {
	pat := Fields{}
	for _, f := range rows {
		if g.IntN(2) == 0 {
			continue
		}
		v := obj.Get(f.Name)
		if f.Kind == Choice {
			switch x := v.(type) {
			case netip.Addr:
				pat = append(pat, fv(f.Name, x.String()))
			case string:
				pat = append(pat, fv(f.Name, x))
			case Fields:
				pat = append(pat, fv(f.Name, g.object(f.Cases[3].Items, x)))
			default:
				pat = append(pat, fv(f.Name, "raw"))
			}
			continue
		}
		pat = append(pat, fv(f.Name, g.value(f, v, 1)))
	}
	return pat
}

// constant is the value, one near it, or any.
func (g patterns) constant(f *Field, v Value) any {
	near := uint64(g.IntN(3))
	switch f.Kind {
	case Uint, Flags:
		n, ok := v.(uint64)
		if !ok || g.IntN(4) == 0 {
			n = g.Uint64() >> g.IntN(64)
		}
		return (n + near) & f.most().lo
	case Int:
		n, ok := v.(int64)
		if !ok || g.IntN(4) == 0 {
			n = int64(g.Uint64())
		}
		s := 64 - uint(f.Bits)
		return (n + int64(near)) << s >> s
	case Float:
		x, ok := v.(float64)
		if !ok || x != x || math.IsInf(x, 0) || g.IntN(4) == 0 {
			return []any{0.0, math.Copysign(0, -1), 1.5, -1e30, 7}[g.IntN(5)]
		}
		return x
	case MACs:
		m, ok := v.(MAC)
		if !ok {
			m = MAC{2}
		}
		m[5] += byte(near)
		return m.String()
	case IPv4, IPv6:
		a, ok := v.(netip.Addr)
		if !ok {
			a = netip.MustParseAddr("10.1.2.3")
			if f.Kind == IPv6 {
				a = netip.MustParseAddr("2001:db8::1")
			}
		}
		b := a.AsSlice()
		b[len(b)-1-g.IntN(2)] += byte(near)
		a, _ = netip.AddrFromSlice(b)
		return a
	case Bytes:
		if b, ok := v.([]byte); ok && near > 0 {
			return []any{b, string(b)}[near-1]
		}
		return "ab"
	case Name:
		if s, ok := v.(string); ok && near > 0 {
			if _, err := splitName(s); err == nil {
				return strings.ToUpper(s)
			}
		}
		return "www.example.com."
	}
	if s, ok := v.(string); ok && near > 0 {
		return s
	}
	return "hello"
}

// mutated is a copy of the packet with some bytes changed, perhaps cut.
func mutated(r *rand.Rand, p *Packet) *Packet {
	b := bytes.Clone(p.Data)
	for range r.IntN(4) {
		if len(b) > 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
	if r.IntN(4) == 0 {
		b = b[:r.IntN(len(b)+1)]
	}
	q := new(Packet)
	matchRegistry.Decode(q, b, matchRegistry.Proto("eth"))
	return q
}

func TestMatchMeansWhatTheReferenceSays(t *testing.T) {
	rounds := 60000
	if testing.Short() {
		rounds = 6000
	}
	named := matchPackets(t)
	var base []*Packet
	for _, n := range slices.Sorted(maps.Keys(named)) {
		base = append(base, named[n])
	}
	r := rand.New(rand.NewPCG(1, 2))
	yes, no := 0, 0
	for round := range rounds {
		p := mutated(r, base[r.IntN(len(base))])
		pat := patterns{r, p}.packet(2)
		m, err := Compile(matchRegistry, pat)
		if err != nil {
			t.Fatalf("round %d: %v: %v", round, pat, err)
		}
		for range 4 {
			want, got := refPacket(p, pat), m.Match(p)
			if got != want {
				t.Fatalf("round %d: %v, want %v\npattern %v\nprogram %s\nbytes %x", round, got, want, pat, m, p.Data)
			}
			if want {
				yes++
				if p.have&m.Requires() != m.Requires() {
					t.Fatalf("matches without %#x: %v", m.Requires(), pat)
				}
			} else {
				no++
			}
			checkExact(t, m, p, want)
			p = mutated(r, base[r.IntN(len(base))])
		}
	}
	if yes < no/10 {
		t.Errorf("%d of %d matched: the patterns test little", yes, yes+no)
	}
}

// checkExact holds a matcher's key against what it matched.
func checkExact(t *testing.T, m *Matcher, p *Packet, matched bool) {
	t.Helper()
	key, values, whole := m.Exact()
	all := true
	for i, k := range key {
		at := p.Find(k.Proto, 0)
		ok := at >= 0
		if ok && k.Field != nil {
			v, there := p.Uint(at, k.Field)
			ok = there && v == values[i]
		}
		all = all && ok
	}
	if matched && !all || whole && all && !matched {
		t.Fatalf("matched %v, key holds %v, whole %v\nprogram %s\nbytes %x", matched, all, whole, m, p.Data)
	}
}

func FuzzMatch(f *testing.F) {
	for _, p := range matchPackets(f) {
		f.Add(p.Data, uint64(1), "example.com")
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, text string) {
		p := new(Packet)
		matchRegistry.Decode(p, data, matchRegistry.Proto("eth"))
		pat := patterns{rand.New(rand.NewPCG(seed, 0)), p}.packet(3)
		m, err := Compile(matchRegistry, pat)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := m.Match(p), refPacket(p, pat); got != want {
			t.Errorf("%v, want %v: %v\n%s", got, want, pat, m)
		}
		for _, proto := range matchRegistry.Protos() { // whatever text says, to every row
			for _, row := range proto.Fields {
				for _, v := range []any{text, []byte(text), Fields{{text, text}}, Range{Min: text}, HasFlags{text, text}, []any{len(text), text}} {
					if m, err := Compile(matchRegistry, of(proto.Name, fv(row.Name, v))); err == nil {
						m.Match(p)
						_ = m.String()
					}
				}
			}
		}
	})
}
