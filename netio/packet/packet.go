package packet

import (
	"fmt"
	"net/netip"
	"slices"
)

// maxLayers bounds what hostile nesting can cost. What is deeper is payload.
const maxLayers = 32

// allTold marks a layer that keeps every field: one that was received.
const allTold = ^uint64(0)

// Ref is one layer of a packet: its protocol and where it stands in the bytes.
type Ref struct {
	Proto *Proto
	Off   int32 // where the header starts
	Hdr   int32 // bytes of header; fewer than the protocol's least when truncated
	End   int32 // where the layer ends, its payload included
	told  uint64
}

// Packet is bytes and the layers found in them. The zero value is an empty
// packet; Decode, New and the methods that build fill it. A Packet must not
// be copied by assignment (use Clone) and is not safe for concurrent use.
type Packet struct {
	Data   []byte // the whole frame; read it after Finish where the packet was built
	Time   int64  // when captured, nanoseconds since 1970
	Iface  int    // the owner's number of the interface it came in by
	Length int    // bytes on the wire: more than len(Data) when cut by the snaplen

	reg    *Registry
	refs   []Ref
	have   uint64 // a bit for each protocol present, folded to 64: a quick no
	fixed  bool   // received: Set refuses
	dirty  bool   // Finish has work to do
	deep   bool   // more layers than maxLayers
	inline [8]Ref
	rc     *ReplyContext
}

// Registry returns the registry the packet was made with.
func (p *Packet) Registry() *Registry { return p.reg }

// Layers returns the layers from the outside in. The slice is the packet's own.
func (p *Packet) Layers() []Ref { return p.refs }

// Received reports whether the packet was decoded from bytes, so that Set
// refuses to change it.
func (p *Packet) Received() bool { return p.fixed }

// SetBuilt makes a decoded packet one that can be changed: every field told,
// as it stands in the bytes.
func (p *Packet) SetBuilt() { p.fixed = false }

// Find returns the index of the nth layer of that protocol (0 is the
// outermost), or -1.
func (p *Packet) Find(proto *Proto, nth int) int {
	if proto == nil || p.have&proto.bit == 0 {
		return -1
	}
	for i := range p.refs {
		if p.refs[i].Proto == proto {
			if nth == 0 {
				return i
			}
			nth--
		}
	}
	return -1
}

// FindName is Find by name.
func (p *Packet) FindName(name string, nth int) int {
	if p.reg == nil {
		return -1
	}
	return p.Find(p.reg.byName[name], nth)
}

// Decode reads data as a packet whose outermost protocol is first. It never
// fails: what cannot be read is payload, and Errors says why. The packet
// keeps data; a caller that reuses the bytes must copy them before. Nothing is
// allocated up to eight layers.
func (r *Registry) Decode(p *Packet, data []byte, first *Proto) {
	p.Data, p.reg, p.have = data, r, 0
	p.fixed, p.dirty, p.deep = true, false, false
	p.Length = len(data)
	if p.refs == nil || cap(p.refs) < len(p.inline) {
		p.refs = p.inline[:0]
	}
	p.refs = p.refs[:0]
	p.walk(first, 0, len(data))
}

// walk appends layers from off on, the first being proto.
func (p *Packet) walk(proto *Proto, off, end int) {
	for proto != nil && off < end {
		if len(p.refs) == maxLayers {
			p.deep = true
			return
		}
		h := p.Data[off:end]
		if f := proto.ends; proto.variable && f != nil && f.Auto.Of == OfBoth && proto.Header == nil && f.ld.need() <= len(h) {
			// Rows that take the rest take it up to there.
			if n := endOf(f, f.ld.load(h), 0); n >= proto.minBytes && n < len(h) {
				h, end = h[:n], off+n
			}
		}
		hdr := proto.headerLen(p, h)
		stop := end
		if f := proto.ends; f != nil && f.ld.need() <= len(h) {
			// A length of 0 means "unknown" where offload cut it (TSO, jumbograms).
			if n := endOf(f, f.ld.load(h), hdr); n >= hdr && n < len(h) {
				stop = off + n
			}
		}
		if proto.Bare {
			stop = off + hdr
		}
		p.refs = append(p.refs, Ref{Proto: proto, Off: int32(off), Hdr: int32(hdr), End: int32(stop), told: allTold})
		p.have |= proto.bit
		if hdr < proto.minBytes || proto.Greedy || proto.Next == nil {
			return
		}
		next := p.nextProto(proto, h[:hdr])
		off, end, proto = off+hdr, stop, next
	}
}

// endOf is the length of the layer, header included, that its length field tells.
func endOf(f *Field, v uint64, hdr int) int {
	if v == 0 || v > 1<<24 {
		return -1
	}
	n := (int(v) - f.Auto.Plus) * f.Auto.Unit
	if f.Auto.Of == OfPayload {
		n += hdr
	}
	return n
}

// headerLen is the length of the header at the start of h, at most len(h).
func (proto *Proto) headerLen(p *Packet, h []byte) int {
	if len(h) < proto.minBytes || proto.Greedy {
		return len(h)
	}
	n := proto.minBytes
	if proto.Header != nil {
		n = max(int(proto.hdr.load(h))*proto.hdrUnit+proto.hdrPlus, n)
	} else if proto.tail != nil {
		if proto.tail.holds(proto.tail.f.ld.load(h)) {
			n += proto.tailBytes
		}
	} else if proto.variable {
		n = proto.measure(p.reg, h)
	}
	return min(n, len(h))
}

func (p *Packet) nextProto(proto *Proto, h []byte) *Proto {
	n := proto.Next
	for i := range n.When {
		c := &n.When[i]
		if !c.holds(c.f.ld.load(h)) {
			return nil
		}
	}
	if n.Always != "" {
		return p.reg.byName[n.Always]
	}
	s := p.reg.space(proto.nextSpace)
	if s == nil {
		return nil
	}
	for _, f := range proto.next {
		r := &f.ld
		if proto.nextMoves {
			moved, ok := f.ruleIn(p.reg, h)
			if !ok {
				continue
			}
			r = &moved
		}
		if q := s.lookup(r.load(h)); q != nil {
			return q
		}
	}
	return nil
}

// header is the layer's header bytes.
func (p *Packet) header(i int) []byte {
	r := &p.refs[i]
	return p.Data[r.Off : r.Off+r.Hdr]
}

// Header returns the bytes of layer i's header; Body those behind it, up to
// the end that the layer tells. Both are the packet's own bytes.
func (p *Packet) Header(i int) []byte { return p.header(i) }

// Body returns what layer i carries.
func (p *Packet) Body(i int) []byte {
	r := &p.refs[i]
	return p.Data[r.Off+r.Hdr : r.End]
}

// Payload is what follows the last header, link padding excluded; the whole
// packet where there are no layers.
func (p *Packet) Payload() []byte {
	if len(p.refs) == 0 {
		return p.Data
	}
	return p.Body(len(p.refs) - 1)
}

// present reports whether f's conditions hold in header h of its protocol.
func (f *Field) present(h []byte) bool {
	for i := range f.When {
		c := &f.When[i]
		d := c.f
		if d.bitOff < 0 || d.ld.need() > len(h) || !c.holds(d.ld.load(h)) {
			return false
		}
	}
	return true
}

// Uint returns a fixed number of layer i: Uint, Flags, and IPv4 or MACs as the
// number their bytes make. ok is false when the field is not there: by its
// conditions, or cut off. It never allocates.
func (p *Packet) Uint(i int, f *Field) (v uint64, ok bool) {
	h := p.header(i)
	if f.bitOff < 0 || f.Kind > IPv4 || f.ld.need() > len(h) || len(f.When) > 0 && !f.present(h) {
		return 0, false
	}
	return f.ld.load(h), true
}

// Raw returns the bytes of a fixed, byte-aligned field of layer i, or nil when
// it is not there. They are the packet's own.
func (p *Packet) Raw(i int, f *Field) []byte {
	h := p.header(i)
	w := f.width()
	if f.bitOff < 0 || w == 0 || (f.bitOff|w)&7 != 0 || (f.bitOff+w)/8 > len(h) || len(f.When) > 0 && !f.present(h) {
		return nil
	}
	return h[f.bitOff/8 : (f.bitOff+w)/8]
}

// Value returns any field of layer i in the Go type of its Kind, freshly
// made. ok is false when it is not there.
func (p *Packet) Value(i int, f *Field) (v Value, ok bool) {
	h := p.header(i)
	if f.bitOff >= 0 && f.width() > 0 && f.Kind != Struct {
		if (f.bitOff+f.width()+7)/8 > len(h) || !f.present(h) {
			return nil, false
		}
		return f.fixedValue(h[f.bitOff/8:]), true
	}
	return f.walkValue(p.reg, h)
}

// fixedValue reads a field of constant width from the byte it starts in.
func (f *Field) fixedValue(b []byte) Value {
	switch f.Kind {
	case MACs:
		return MAC(b[:6])
	case IPv4:
		return netip.AddrFrom4([4]byte(b[:4]))
	case IPv6:
		return netip.AddrFrom16([16]byte(b[:16]))
	case Bytes:
		return append([]byte(nil), b[:f.Size.N]...)
	case Text:
		return cutText(b[:f.Size.N])
	}
	r := f.ld
	r.off = 0
	return f.number(r.load(b))
}

// number turns the bits of a numeric field into its Value.
func (f *Field) number(v uint64) Value {
	switch f.Kind {
	case Int:
		return int64(v<<(64-uint(f.Bits))) >> (64 - uint(f.Bits))
	case Float:
		return floatFrom(v, f.Bits)
	}
	return v
}

// Told reports whether the field keeps its value, rather than being worked out.
func (p *Packet) Told(i int, f *Field) bool { return p.refs[i].told>>uint(f.index)&1 != 0 }

// Untell lets Finish work the field out again.
func (p *Packet) Untell(i int, f *Field) {
	p.refs[i].told &^= 1 << uint(f.index)
	p.dirty = true
}

// Clone returns a packet of its own bytes. A received packet's clone is received.
func (p *Packet) Clone() *Packet {
	c := new(Packet)
	p.CloneInto(c)
	return c
}

// CloneInto makes c the clone, reusing its buffers.
func (p *Packet) CloneInto(c *Packet) {
	c.Data = append(c.Data[:0], p.Data...)
	c.Time, c.Iface, c.Length = p.Time, p.Iface, p.Length
	c.reg, c.have, c.fixed, c.dirty, c.deep = p.reg, p.have, p.fixed, p.dirty, p.deep
	if c.refs == nil {
		c.refs = c.inline[:0]
	}
	c.refs = append(c.refs[:0], p.refs...)
}

// Rebase makes the packet one of another registry: that of a runtime it was
// copied to, or one in which protocols were declared since. A received packet
// is decoded again, and so is a built one whose protocols have other tables
// there. Layers are only gained: where one would be lost, all stay as they are.
func (p *Packet) Rebase(reg *Registry) {
	if p.reg == reg {
		return
	}
	p.reg = reg
	again := p.fixed
	for i := range p.refs {
		q := reg.byName[p.refs[i].Proto.Name]
		again = again || q == nil || !q.alike(p.refs[i].Proto)
	}
	if !again {
		p.have = 0
		for i := range p.refs {
			p.refs[i].Proto = reg.byName[p.refs[i].Proto.Name]
			p.have |= p.refs[i].Proto.bit
		}
		return
	}
	if len(p.refs) == 0 {
		return
	}
	var q Packet
	reg.Decode(&q, p.Data, reg.byName[p.refs[0].Proto.Name])
	if len(q.refs) < len(p.refs) {
		return
	}
	for i := range p.refs {
		if q.refs[i].Proto.Name != p.refs[i].Proto.Name {
			return
		}
	}
	p.refs, p.have, p.deep = append(p.refs[:0], q.refs...), q.have, q.deep
}

// alike reports whether two tables have the same rows in the same places.
func (p *Proto) alike(q *Proto) bool {
	return p == q || slices.EqualFunc(p.Fields, q.Fields, func(f, g *Field) bool {
		return f.Name == g.Name && f.Kind == g.Kind && f.Bits == g.Bits && f.bitOff == g.bitOff && f.bits == g.bits
	})
}

// FieldError says what was wrong with a value, where, and what would be right.
type FieldError struct {
	Path string // "ip.ttl"
	Msg  string // "300 is out of range 0..255"
	Hint string // "" or "ttl has 8 bits (RFC 791 section 3.1)"
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Msg }

func fieldErr(path, hint, format string, a ...any) error {
	return &FieldError{Path: path, Msg: fmt.Sprintf(format, a...), Hint: hint}
}
