package packet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// hostile are bytes that once broke something, or are made to.
var hostile = map[string]string{
	"escaped dot at a name's end": "02000000000202000000000108004500002d00010000401100000a0000010a0000020035003500190000" + "000001000001000000000000" + "025c2e0000010001",
	"name points at itself":       "02000000000202000000000108004500002f00010000401100000a0000010a000002003500350 01b0000" + "000100000001000000000000" + "c00c00010001",
	"ip header longer than frame": "0200000000020200000000010800" + "4f00001400010000400100000a0000010a000002",
	"ip length shorter":           "0200000000020200000000010800" + "4500000500010000400100000a0000010a000002",
	"tcp options of length zero":  "0200000000020200000000010800" + "4500002c00010000400600000a0000010a000002" + "00010002000000000000000060020000000000000200ffff",
	"routing header of one unit":  "02000000000202000000000186dd" + "6000000000082b40" + strings.Repeat("00", 32) + "1100020100000000",
	"nd option of length zero":    "02000000000202000000000186dd" + "6000000000203a40" + strings.Repeat("00", 32) + "8700000000000000" + strings.Repeat("00", 16) + "0100000000000000",
}

func fuzzSeeds(t testing.TB) [][]byte {
	seeds := readCapture(t, "golden.pcap")
	for name, s := range hostile {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		seeds = append(seeds, b)
	}
	// As many layers as there can be, and more; quotes within quotes.
	deep := slices.Concat([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0}, bytes.Repeat([]byte{0, 1, 0x81, 0}, 40))
	quote := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 1, 0, 0, 0, 0, 0, 0}
	quotes := slices.Concat([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}, bytes.Repeat(quote, 20))
	return append(seeds, deep, quotes)
}

// TestHostile runs the fuzz targets' checks over the seeds, each cut at every
// length and with each byte changed.
func TestHostile(t *testing.T) {
	for _, seed := range fuzzSeeds(t) {
		for n := range seed {
			checkDecoded(t, seed[:n], protoEth)
			b := bytes.Clone(seed)
			b[n] ^= [3]byte{0xff, 0x80, 0x01}[n%3]
			checkDecoded(t, b, protoEth)
			checkRebuilt(t, b, protoEth)
		}
	}
}

// firstProto picks the outermost protocol of a fuzzed packet.
func firstProto(n uint8) *Proto {
	all := Builtin().Protos()
	if n == 0 {
		return protoEth
	}
	return all[int(n)%len(all)]
}

// FuzzDecode holds that no bytes make any reader panic, that layers lie within
// the bytes and each other, and that a packet comes back from its JSON form
// byte for byte.
func FuzzDecode(f *testing.F) {
	for _, s := range fuzzSeeds(f) {
		f.Add(s, uint8(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, first uint8) { checkDecoded(t, data, firstProto(first)) })
}

func checkDecoded(t *testing.T, data []byte, first *Proto) {
	t.Helper()
	reg := Builtin()
	var p Packet
	before := bytes.Clone(data)
	reg.Decode(&p, data, first)
	for i, r := range p.refs {
		if r.Hdr < 0 || r.Off+r.Hdr > r.End || int(r.End) > len(data) || i > 0 && (r.Off < p.refs[i-1].Off+p.refs[i-1].Hdr || r.End > p.refs[i-1].End) {
			t.Fatalf("layer %d lies at %d, header %d, to %d of %d\n%x", i, r.Off, r.Hdr, r.End, len(data), data)
		}
		for _, f := range r.Proto.Fields {
			p.Uint(i, f)
			p.Raw(i, f)
			p.Value(i, f)
			p.Script(i, f)
		}
	}
	p.Errors()
	if s := p.Summary(); strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		t.Fatalf("the summary has control characters: %q", s)
	}
	p.Show()
	p.Hexdump()
	p.Flow()
	if q := p.Quoted(); q != nil {
		q.Errors()
		q.Summary()
	}
	if r, err := p.Reply(oracleEnv, nil, nil); err == nil {
		r.Answers(&p)
		r.Summary()
		r.Errors()
	}
	for _, kind := range []string{"unreachable", "redirect", "packetTooBig"} {
		if e, err := p.Error(oracleEnv, kind, ErrorOptions{}); err == nil && e != nil {
			e.Answers(&p)
			if q := e.Quoted(); q == nil {
				t.Fatalf("an error without a quote: %s\n%x", e.Summary(), data)
			}
		}
	}
	for i := range p.refs {
		if f := p.refs[i].Proto.byName["options"]; f != nil && int(p.refs[i].Hdr) >= p.refs[i].Proto.minBytes {
			_, _ = p.With([]Change{{Proto: p.refs[i].Proto, Fields: Fields{{"options", []byte{}}}}, {Payload: []byte("x")}})
		}
	}
	obj := jsonRoundTrip(t, p.Object("lan")).(Fields)
	again, err := FromObject(reg, obj)
	if err != nil {
		t.Fatalf("FromObject: %v\n%v\n%x", err, obj, data)
	}
	if err := again.Finish(oracleEnv); err != nil {
		t.Fatalf("FromObject, Finish: %v\n%v\n%x", err, obj, data)
	}
	if !bytes.Equal(again.Data, data) {
		t.Fatalf("from the object %v\ncame %x\nnot  %x", obj, again.Data, data)
	}
	if !bytes.Equal(before, data) {
		t.Fatal("reading changed the bytes")
	}
}

// jsonRoundTrip is what a value is after JSON.stringify and JSON.parse, with
// objects as Fields so that their order stays.
func jsonRoundTrip(t *testing.T, v any) any {
	switch x := v.(type) {
	case nil, bool, float64:
	case uint64:
		return float64(x)
	case int64:
		return float64(x)
	case string:
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		return s
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = jsonRoundTrip(t, x[i])
		}
		return out
	case Fields:
		out := make(Fields, len(x))
		for i := range x {
			out[i] = FieldValue{x[i].Name, jsonRoundTrip(t, x[i].Value)}
		}
		return out
	default:
		t.Fatalf("%T is nothing that JSON can hold", v)
	}
	return v
}

// FuzzDecodeBuild holds that what is read can be written and reads the same:
// each header is built anew from all its values, hidden ones too. What the
// values do not tell (fillers between options, how names were compressed) may
// make the new header longer or shorter, so lengths and counts within it are
// left to be worked out, and every other value must be the same.
func FuzzDecodeBuild(f *testing.F) {
	for _, s := range fuzzSeeds(f) {
		f.Add(s, uint8(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, first uint8) { checkRebuilt(t, data, firstProto(first)) })
}

func checkRebuilt(t *testing.T, data []byte, first *Proto) {
	t.Helper()
	reg := Builtin()
	var p Packet
	reg.Decode(&p, data, first)
	for i := range p.refs {
		proto := p.refs[i].Proto
		if len(p.header(i)) < proto.minBytes {
			continue
		}
		var told, compared Fields
		for _, f := range proto.Fields {
			v, ok := p.Value(i, f)
			if !ok {
				continue
			}
			if a := f.Auto; a != nil && (a.What == AutoLength && a.Of == OfHeader || a.What == AutoCount) {
				continue
			}
			told = append(told, FieldValue{f.Name, v})
			compared = append(compared, FieldValue{f.Name, v})
		}
		q, err := New(reg, proto, told)
		if err != nil {
			if len(p.header(i)) < maxHeader/8 { // decompressed names may be more than fits
				t.Fatalf("%s: %v\n%v\n%x", proto.Name, err, told, data)
			}
			continue
		}
		if err := q.Finish(nil); err != nil {
			continue // longer than its length can tell: more options than fit once they are aligned
		}
		if proto == protoDNS && unreadable(told) && !bytes.Equal(q.Data, p.header(i)) {
			continue // its compression pointers may lead somewhere, now that it moved
		}
		var got Packet
		reg.Decode(&got, q.Data, proto)
		var read Fields
		for _, fv := range compared {
			v, _ := got.Value(0, proto.byName[fv.Name])
			read = append(read, FieldValue{fv.Name, v})
		}
		if diff := cmp.Diff(compared, read, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Fatalf("%s: built again it reads differently (-first +again)\n%s\n%x\n%x", proto.Name, diff, p.header(i), q.Data)
		}
	}
}

// unreadable reports whether a DNS message has a record whose data does not
// read as its type has it, so that it is bytes.
func unreadable(message Fields) bool {
	for _, section := range []string{"answers", "authorities", "additionals"} {
		list, _ := message.Get(section).([]any)
		for _, x := range list {
			rr := x.(Fields)
			typ, _ := rr.Get("type").(uint64)
			if _, ok := rr.Get("data").([]byte); ok && dnsData[typ] != nil {
				return true
			}
		}
	}
	return false
}
