package jsapi

import (
	"testing"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// benchTable is, in Go, the protocol that benchScript declares.
var benchTable = &packet.Proto{
	Name: "bench", Title: "bench",
	Fields: []*packet.Field{
		{Name: "op", Kind: packet.Uint, Bits: 8},
		{Name: "id", Kind: packet.Uint, Bits: 16},
		{Name: "n", Kind: packet.Uint, Bits: 8, Auto: &packet.Auto{What: packet.AutoLength, Of: packet.OfSized}},
		{Name: "peer", Kind: packet.IPv4},
		{Name: "key", Kind: packet.Text, Size: packet.Size{Field: "n"}},
	},
	Over: []packet.Bind{{Space: "udp", Value: 9999}},
}

const benchScript = `protocol('bench', { fields: [field.u8('op'), field.u16('id'), field.u8('n'), field.ipv4('peer'), field.string('key', 'n')], over: { udp: 9999 } });`

// BenchmarkProtocol decodes, matches, reads and answers a packet of a declared
// protocol, and of the same table made in Go.
func BenchmarkProtocol(b *testing.B) {
	inGo := packet.Builtin().Clone()
	if err := inGo.Add(benchTable); err != nil {
		b.Fatal(err)
	}
	s := newScene(b)
	s.run(benchScript)
	type side struct {
		name    string
		reg     *packet.Registry
		proto   *packet.Proto
		pattern *packet.Matcher
		p, out  packet.Packet
	}
	sides := []*side{{name: "declared", reg: s.api.reg}, {name: "go", reg: inGo}}
	env := &packet.Env{}
	var frame []byte
	for _, c := range sides {
		c.proto = c.reg.Proto("bench")
		build := packet.NewBytes(c.reg, nil)
		for _, name := range []string{"eth", "ip", "udp", "bench"} {
			var fields packet.Fields
			if name == "bench" {
				fields = packet.Fields{{Name: "op", Value: uint64(1)}, {Name: "key", Value: "a key"}}
			}
			q, err := packet.New(c.reg, c.reg.Proto(name), fields)
			if err == nil {
				err = build.Append(q)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		err := build.Finish(env)
		if err == nil {
			c.pattern, err = packet.Compile(c.reg, packet.Fields{{Name: "bench", Value: packet.Fields{{Name: "op", Value: uint64(1)}, {Name: "id", Value: uint64(0)}}}})
		}
		if err != nil {
			b.Fatal(err)
		}
		frame = build.Data
	}
	for _, op := range []struct {
		name string
		do   func(c *side) bool
	}{
		{"decode", func(c *side) bool { c.reg.Decode(&c.p, frame, c.reg.Proto("eth")); return true }},
		{"match", func(c *side) bool { return c.pattern.Match(&c.p) }},
		{"read", func(c *side) bool {
			_, ok := c.p.Uint(3, c.proto.Field("id"))
			_, there := c.p.Value(3, c.proto.Field("key"))
			return ok && there
		}},
		{"reply", func(c *side) bool { _, err := c.p.Reply(env, nil, &c.out); return err == nil }},
		{"build", func(c *side) bool {
			_, err := packet.New(c.reg, c.proto, packet.Fields{{Name: "id", Value: uint64(1)}, {Name: "key", Value: "a key"}})
			return err == nil
		}},
	} {
		for _, c := range sides {
			b.Run(op.name+"/"+c.name, func(b *testing.B) {
				c.reg.Decode(&c.p, frame, c.reg.Proto("eth"))
				b.ReportAllocs()
				for b.Loop() {
					if !op.do(c) {
						b.Fatal("it failed")
					}
				}
			})
		}
	}
}
