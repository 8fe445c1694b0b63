package packet

import (
	"encoding/hex"
	"testing"
)

// TestMovingRows: rows behind others of varying size are worked out, read,
// changed and checked like those of a fixed place.
func TestMovingRows(t *testing.T) {
	reg := Builtin().Clone()
	inner := &Proto{Name: "inner", Fields: []*Field{{Name: "x", Kind: Uint, Bits: 8}}}
	moving := &Proto{
		Name: "moving",
		Fields: []*Field{
			{Name: "name", Kind: CText},
			{Name: "type", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoNext}},
			{Name: "length", Kind: Uint, Bits: 16, LE: true, Auto: &Auto{What: AutoLength}},
			{Name: "sum", Kind: Uint, Bits: 16, Auto: &Auto{What: AutoChecksum, Sum: CRC16, Skip: []string{"name"}}},
		},
		Next: &Next{Space: "moving", Fields: []string{"type"}},
	}
	for _, p := range []*Proto{inner, moving} {
		if err := reg.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := reg.Bind(Bind{Space: "moving", Value: 7}, inner); err != nil {
		t.Fatal(err)
	}
	build := func(fields Fields) *Packet {
		p := NewBytes(reg, nil)
		for _, l := range []struct {
			proto  *Proto
			fields Fields
		}{{moving, fields}, {inner, Fields{{"x", uint64(5)}}}} {
			q, err := New(reg, l.proto, l.fields)
			if err == nil {
				err = p.Append(q)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Finish(nil); err != nil {
			t.Fatal(err)
		}
		var d Packet
		reg.Decode(&d, p.Data, moving)
		return &d
	}
	p := build(Fields{{"name", "ab"}})
	if got, want := hex.EncodeToString(p.Data[:7]), "61620000070a00"; got != want {
		t.Errorf("built %s, want %s", got, want)
	}
	if len(p.Layers()) != 2 || len(p.Errors()) != 0 {
		t.Errorf("%s: %q", p.Summary(), p.Errors())
	}
	other := build(Fields{{"name", "zz"}})
	if a, b := p.Data[7:9], other.Data[7:9]; string(a) != string(b) {
		t.Errorf("the sum covers what is skipped: %x, %x", a, b)
	}
	q, err := p.With([]Change{{Proto: moving, Fields: Fields{{"name", "longer"}}}, {Proto: inner, Fields: Fields{{"x", uint64(9)}}}})
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := q.Value(0, moving.Field("length")); v != uint64(14) || len(q.Errors()) != 0 {
		t.Errorf("changed: length %v, %q", v, q.Errors())
	}
	wrong := build(Fields{{"name", "ab"}, {"sum", uint64(1)}})
	if n := len(wrong.Errors()); n != 1 {
		t.Errorf("a wrong sum: %q", wrong.Errors())
	}
	// Cut anywhere, what can be read is, and the rest is no other layer.
	for n := range p.Data {
		var d Packet
		reg.Decode(&d, p.Data[:n], moving)
		if len(d.Layers()) > 1 {
			t.Errorf("%d bytes: %s", n, d.Summary())
		}
		d.Errors()
	}
}
