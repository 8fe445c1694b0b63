package jsapi

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// drawn makes random definitions, and values that fit them. Everything is text
// of a script.
type drawn struct {
	*rand.Rand
	n int
}

func (d *drawn) name() string {
	d.n++
	return "f" + strconv.Itoa(d.n)
}

func (d *drawn) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return "hex('" + hex.EncodeToString(b) + "')"
}

func (d *drawn) text(n int) string {
	const letters = "abcxyz 012é"
	s := make([]rune, n)
	for i := range s {
		s[i] = []rune(letters)[d.IntN(len([]rune(letters)))]
	}
	return "'" + string(s) + "'"
}

func (d *drawn) ints(bits int, signed bool) string {
	v := d.Uint64() >> (64 - bits) >> d.IntN(bits)
	suffix := ""
	if bits > 53 {
		suffix = "n"
	}
	if signed {
		return fmt.Sprintf("%d%s", int64(v<<(64-bits))>>(64-bits), suffix)
	}
	return fmt.Sprintf("%d%s", v, suffix)
}

// row draws one or more fields, and the members of an object that tell them;
// rest says whether it takes the rest, so that nothing may follow.
func (d *drawn) row(depth int) (fields, told []string, rest bool) {
	name := d.name()
	one := func(field, value string) ([]string, []string, bool) {
		return []string{field}, []string{name + ": " + value}, false
	}
	q := "'" + name + "'"
	kinds := 15
	if depth > 2 {
		kinds = 11
	}
	switch d.IntN(kinds) {
	case 0:
		bits := []int{8, 16, 24, 32, 64}[d.IntN(5)]
		return one(fmt.Sprintf("field.u%d(%s)", bits, q), d.ints(bits, false))
	case 1:
		bits := []int{16, 32, 64}[d.IntN(3)]
		return one(fmt.Sprintf("field.u%dle(%s)", bits, q), d.ints(bits, false))
	case 2:
		bits := []int{8, 16, 32, 64}[d.IntN(4)]
		return one(fmt.Sprintf("field.i%d(%s)", bits, q), d.ints(bits, true))
	case 3:
		return one("field.f64("+q+")", strconv.FormatFloat(d.NormFloat64()*1e9, 'g', -1, 64))
	case 4: // bits that fill whole bytes
		left := 8 * (1 + d.IntN(5))
		for left > 0 {
			w := min(1+d.IntN(13), left)
			n := d.name()
			fields = append(fields, fmt.Sprintf("field.bits('%s', %d)", n, w))
			told = append(told, n+": "+d.ints(w, false))
			left -= w
		}
		return fields, told, false
	case 5:
		letters := "ABCDEFGH"[:1+d.IntN(8)]
		value := ""
		for _, l := range letters {
			if d.IntN(2) == 0 {
				value += string(l)
			}
		}
		return one("field.flags("+q+", 8, [...'"+letters+"'])", "'"+value+"'")
	case 6:
		return one("field.ipv4("+q+")", fmt.Sprintf("'%d.0.%d.7'", d.IntN(256), d.IntN(256)))
	case 7:
		return one("field.mac("+q+")", fmt.Sprintf("'02:00:%02x:00:00:%02x'", d.IntN(256), d.IntN(256)))
	case 8:
		return one("field.cstring("+q+")", d.text(d.IntN(9)))
	case 9:
		n := 1 + d.IntN(9)
		return one(fmt.Sprintf("field.bytes(%s, %d)", q, n), d.hex(n))
	case 10: // sized by a field, which is worked out
		n := d.name()
		plus := d.IntN(4) - 2
		size := fmt.Sprintf("{ field: '%s', plus: %d }", n, -plus)
		if plus == 0 {
			size = "'" + n + "'"
		}
		least := max(0, -plus)
		f := fmt.Sprintf("field.bytes(%s, %s)", q, size)
		v := d.hex(least + d.IntN(9))
		if d.IntN(2) == 0 {
			f, v = fmt.Sprintf("field.string(%s, %s)", q, size), "'"+strings.Repeat("x", least+d.IntN(9))+"'"
		}
		return []string{fmt.Sprintf("field.u16('%s')", n), f}, []string{name + ": " + v}, false
	case 11: // a list with its count
		n := d.name()
		items, _ := d.object(depth+1, false)
		count := d.IntN(4)
		values := make([]string, count)
		for i := range values {
			values[i] = items.value(d)
		}
		return []string{fmt.Sprintf("field.u8('%s')", n), fmt.Sprintf("field.list(%s, [%s], '%s')", q, items.fields, n)},
			[]string{name + ": [" + strings.Join(values, ", ") + "]"}, false
	case 12: // bare values to the end
		v := make([]string, d.IntN(5))
		for i := range v {
			v[i] = d.ints(16, false)
		}
		f, t, _ := one("field.list("+q+", field.u16('x'), 'rest')", "["+strings.Join(v, ", ")+"]")
		return f, t, true
	case 13: // a choice
		on, size := d.name(), d.name()
		a, _ := d.object(depth+1, false)
		b, _ := d.object(depth+1, false)
		k := d.IntN(3)
		value := []string{a.value(d), b.value(d), d.hex(d.IntN(5))}[k]
		return []string{fmt.Sprintf("field.u8('%s')", on), fmt.Sprintf("field.u16('%s')", size), fmt.Sprintf("field.choice(%s, '%s', '%s', { 0: [%s], 1: [%s] })", q, on, size, a.fields, b.fields)},
			[]string{on + ": " + strconv.Itoa(k), name + ": " + value}, false
	default: // there or not
		on := d.name()
		t := d.IntN(3)
		f := []string{fmt.Sprintf("field.u8('%s')", on), fmt.Sprintf("field.u16(%s, { when: { %s: [0, 2] } })", q, on)}
		told = []string{on + ": " + strconv.Itoa(t)}
		if t != 1 {
			told = append(told, name+": "+d.ints(16, false))
		}
		return f, told, false
	}
}

// shape is a list of fields whose values are drawn again and again: only rows
// whose members do not depend on each other.
type shape struct {
	fields string
	told   string
}

func (s shape) value(*drawn) string { return "{ " + s.told + " }" }

// object draws some fields and what tells them.
func (d *drawn) object(depth int, last bool) (s shape, rest bool) {
	var fields, told []string
	for range 1 + d.IntN(5) {
		f, t, r := d.row(depth)
		if r && !last {
			continue
		}
		fields, told = append(fields, f...), append(told, t...)
		if r {
			rest = true
			break
		}
		if len(fields) > 12 {
			break
		}
	}
	if len(fields) == 0 {
		n := d.name()
		fields, told = []string{"field.u8('" + n + "')"}, []string{n + ": 1"}
	}
	return shape{strings.Join(fields, ", "), strings.Join(told, ", ")}, rest
}

// compare is a script's function: whether what was told reads back.
const compare = `globalThis.differs = (want, got, path) => {
	if (want instanceof Uint8Array) return got instanceof Uint8Array && String(want) === String(got) ? '' : path;
	if (Array.isArray(want)) {
		if (!Array.isArray(got) || got.length !== want.length) return path + '.length';
		return want.map((x, i) => differs(x, got[i], path + '[' + i + ']')).join('');
	}
	if (typeof want === 'object') return Object.keys(want).map((k) => differs(want[k], got?.[k], path + '.' + k)).join('');
	return want === got ? '' : path + ': ' + String(want) + ' became ' + String(got);
}`

// TestDrawnProtocols: whatever fields a protocol has, what is told to its
// builder is what is read from the bytes, again after a change of the payload,
// through JSON, and by a pattern; and the checksum holds.
func TestDrawnProtocols(t *testing.T) {
	s := newScene(t)
	s.run(compare)
	tried := 0
	for seed := range uint64(600) {
		d := &drawn{Rand: rand.New(rand.NewPCG(seed, 7))}
		fields, _ := d.object(0, true)
		sum := []string{"internet", "crc32", "crc32c", "crc16", "sum8"}[d.IntN(5)]
		code := fmt.Sprintf(`{ const p = protocol('p', { fields: [field.checksum('sum', '%s'), %s], over: { udp: 7 } });
			const want = { %s };
			const sent = packet(eth(), ip({ dst: '10.0.0.2' }), udp(), p(want));
			const read = parse(sent.bytes);
			let bad = differs(want, read.p, 'p') + read.errors.join();
			const again = packet(JSON.parse(JSON.stringify(read)));
			if (String(again.bytes) !== String(read.bytes)) bad += ' JSON';
			const changed = parse(read.with({ p: want, ip: { ttl: 3 } }).bytes);
			bad += differs(want, changed.p, 'with') + changed.errors.join();
			if (!read.matches({ p: { sum: read.p.sum } })) bad += ' pattern';
			read.show(); read.summary(); read.reply();
			bad || 'good' }`, sum, fields.fields, fields.told)
		switch got := s.eval(code); {
		case got == "good":
			tried++
		case strings.Contains(got, "on 12 they can"):
		default:
			t.Fatalf("seed %d: %s\nin %s", seed, got, code)
		}
	}
	if tried < 500 {
		t.Errorf("only %d definitions were good", tried)
	}
}

// TestDrawnProtocolsHostile: random bytes as headers of random definitions do
// not panic and cost no more than their length allows.
func TestDrawnProtocolsHostile(t *testing.T) {
	for seed := range uint64(300) {
		s := newScene(t)
		d := &drawn{Rand: rand.New(rand.NewPCG(seed, 9))}
		fields, _ := d.object(0, true)
		hostile(t, s, "field.checksum('sum', 'crc16', { skip: ['x'] }), field.length('length', 16), field.u8('x'), "+fields.fields, d.Rand)
	}
}

// hostile reads random bytes as a protocol of those fields, and does with them
// what a scenario might.
func hostile(t *testing.T, s *scene, fields string, r *rand.Rand) {
	t.Helper()
	got := s.eval("protocol('p', { fields: [" + fields + "], over: { udp: 7, p: 1 }, next: { field: 'x' } }); 'declared'")
	if strings.Contains(got, "on 12 they can") {
		return
	}
	if got != "declared" {
		t.Fatalf("%s\nin %s", got, fields)
	}
	reg := s.api.reg
	proto := reg.Proto("p")
	m, err := packet.Compile(reg, packet.Fields{{Name: "p", Value: packet.Fields{{Name: "x", Value: uint64(1)}}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		b := make([]byte, r.IntN(120))
		for i := range b {
			if b[i] = byte(r.Uint32()); r.IntN(3) > 0 { // small lengths and counts get further
				b[i] &= 3
			}
		}
		p := new(packet.Packet)
		reg.Decode(p, b, proto)
		for i, l := range p.Layers() {
			for _, f := range l.Proto.Fields {
				p.Value(i, f)
				p.Script(i, f)
			}
		}
		p.Errors()
		p.Summary()
		p.Object("")
		m.Match(p)
		if len(p.Show()) > 1<<22 {
			t.Fatalf("%d bytes show as %d", len(b), len(p.Show()))
		}
		if q, err := p.Reply(nil, nil, nil); err == nil {
			q.Answers(p)
		}
		if q, err := p.With([]packet.Change{{Payload: []byte("xyz")}}); err == nil {
			q.Errors()
		}
		_, _ = p.With([]packet.Change{{Proto: proto, Fields: packet.Fields{{Name: "x", Value: uint64(9)}}}})
	}
}

// FuzzProtocol is TestDrawnProtocolsHostile for the fuzzer.
func FuzzProtocol(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		d := &drawn{Rand: rand.New(rand.NewPCG(a, b))}
		fields, _ := d.object(0, true)
		hostile(t, newScene(t), "field.checksum('sum', 'crc16', { skip: ['x'] }), field.length('length', 16), field.u8('x'), "+fields.fields, d.Rand)
	})
}
