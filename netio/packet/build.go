package packet

import (
	"fmt"
	"slices"
)

// New builds one header with the given fields told. The rest takes its
// defaults now, and is worked out by Finish once it stands in a packet. The
// error is a *FieldError: an unknown name, a value of the wrong type or out of
// range.
func New(reg *Registry, proto *Proto, fields Fields) (*Packet, error) {
	vals := make([]Value, len(proto.Fields))
	for _, fv := range fields {
		f := proto.byName[fv.Name]
		if f == nil {
			return nil, UnknownField(proto.Name, fv.Name, proto.Fields)
		}
		vals[f.index] = fv.Value
	}
	h, told, err := proto.encode(reg, vals)
	if err != nil {
		return nil, err
	}
	p := &Packet{reg: reg, dirty: true}
	p.Data = h
	p.refs = append(p.inline[:0], Ref{Proto: proto, Hdr: int32(len(h)), End: int32(len(h)), told: told})
	p.have = proto.bit
	return p, nil
}

// NewBytes builds a packet of no layers, only payload.
func NewBytes(reg *Registry, b []byte) *Packet {
	p := &Packet{reg: reg, Data: append([]byte(nil), b...)}
	p.refs = p.inline[:0]
	return p
}

// Append puts a copy of q's layers and payload behind p's. What p carried
// so far becomes part of the packet only if it had no payload of its own: a
// payload followed by a header is refused. What stands behind the header of an
// ICMP error is a quote: q is finished, and its bytes are p's payload, as they
// will be read.
func (p *Packet) Append(q *Packet) error {
	if len(q.refs) > 0 && len(p.refs) == 0 && len(p.Data) > 0 || len(p.refs) > 0 && len(q.refs) > 0 && len(p.Payload()) > 0 {
		return &FieldError{Path: q.refs[0].Proto.Name, Msg: "a header behind a payload", Hint: "headers first, then one payload"}
	}
	if len(p.refs)+len(q.refs) > maxLayers {
		return &FieldError{Path: "packet", Msg: fmt.Sprintf("more than %d layers", maxLayers)}
	}
	if len(q.refs) > 0 && p.EndsInError() {
		if q.dirty {
			q = q.Clone()
			if err := q.Finish(nil); err != nil {
				return err
			}
		}
		p.AppendBytes(q.Data)
		return nil
	}
	p.dropPadding()
	base := int32(len(p.Data))
	p.Data = append(p.Data, q.Data...)
	for i := range p.refs {
		p.refs[i].End = int32(len(p.Data))
	}
	for _, r := range q.refs {
		r.Off += base
		r.End += base
		p.refs = append(p.refs, r)
		p.have |= r.Proto.bit
	}
	p.dirty = true
	return nil
}

// EndsInError reports whether the innermost header is that of an ICMP or
// ICMPv6 error message, which quotes what follows.
func (p *Packet) EndsInError() bool {
	n := len(p.refs) - 1
	if n < 0 || p.refs[n].Hdr == 0 {
		return false
	}
	switch h := p.header(n); p.refs[n].Proto {
	case protoICMP:
		return h[0] >= 3 && h[0] <= 5 || h[0] == 11 || h[0] == 12
	case protoICMP6:
		return h[0] < 128
	}
	return false
}

// AppendBytes puts payload behind everything.
func (p *Packet) AppendBytes(b []byte) {
	p.dropPadding()
	p.Data = append(p.Data, b...)
	for i := range p.refs {
		p.refs[i].End = int32(len(p.Data))
	}
	p.dirty = true
}

// dropPadding cuts what lies behind the end of the innermost layer, so that
// what is appended is its payload.
func (p *Packet) dropPadding() {
	if n := len(p.refs); n > 0 {
		p.Data = p.Data[:p.refs[n-1].End]
	}
}

// Dirty reports whether Finish has something to work out.
func (p *Packet) Dirty() bool { return p.dirty }

// Finish works out everything that was not told: the sender's own addresses
// from env, the numbers of next protocols, lengths, checksums (innermost
// first). It may be called again after changes; it does nothing when there
// were none.
func (p *Packet) Finish(env *Env) error {
	if !p.dirty {
		return nil
	}
	for i := range p.refs {
		r := &p.refs[i]
		h := p.Data[r.Off : r.Off+r.Hdr]
		if r.told == allTold || int(r.Hdr) < r.Proto.minBytes {
			continue
		}
		for _, f := range r.Proto.owns {
			if r.told>>uint(f.index)&1 == 0 && f.Fixed() && f.end() <= len(h) && f.present(h) {
				f.own(h, env)
			}
		}
		for _, f := range r.Proto.autos {
			if r.told>>uint(f.index)&1 != 0 {
				continue
			}
			rule := &f.ld
			if !f.Fixed() || len(f.When) > 0 {
				moved, ok := p.rule(i, f)
				if !ok {
					continue
				}
				rule = &moved
			}
			switch a := f.Auto; a.What {
			case AutoNext, AutoFrom:
				if i+1 < len(p.refs) {
					if b, ok := p.reg.bound(r.Proto.nextSpace, p.refs[i+1].Proto); ok && a.What == AutoNext {
						rule.store(h, b.Value)
					} else if ok && b.From != 0 {
						rule.store(h, b.From)
					}
				}
			case AutoLength:
				if a.within() {
					break // written with the header
				}
				n := int(r.End - r.Off)
				switch a.Of {
				case OfHeader:
					n = int(r.Hdr)
				case OfPayload:
					n -= int(r.Hdr)
				}
				n = (n+a.Unit-1)/a.Unit + a.Plus
				if n < 0 || uint64(n) > rule.mask {
					return fieldErr(r.Proto.Name+"."+f.Name, "tell the length yourself to send it all the same",
						"a length of %d is more than its %d bits can tell", n, f.Bits)
				}
				rule.store(h, uint64(n))
			}
		}
	}
	for i := len(p.refs) - 1; i >= 0; i-- {
		r := &p.refs[i]
		if r.Proto.Outer != nil {
			p.outer(i)
		}
		f := r.Proto.sum
		if f == nil || r.told>>uint(f.index)&1 != 0 {
			continue
		}
		if v, ok := p.checksum(i); ok {
			if rule, ok := p.rule(i, f); ok {
				rule.store(p.header(i), v)
			}
		}
	}
	p.dirty = false
	return nil
}

// outer gives the headers around layer i what it wants of them.
func (p *Packet) outer(i int) {
	h := p.header(i)
	for _, o := range p.refs[i].Proto.Outer {
		rule := Field{When: o.When}
		if !rule.present(h) {
			continue
		}
		for j := i - 1; j >= 0; j-- {
			r := &p.refs[j]
			if r.Proto.Name != o.Proto {
				continue
			}
			f := r.Proto.byName[o.Field]
			if r.told>>uint(f.index)&1 == 0 && f.ld.need() <= int(r.Hdr) {
				f.ld.store(p.header(j), o.Value)
			}
			break
		}
	}
}

// own fills a field with the sender's own address.
func (f *Field) own(h []byte, env *Env) {
	b := h[f.bitOff/8:]
	switch {
	case env == nil:
	case f.Own == OwnMAC && f.Kind == MACs:
		copy(b, env.MAC[:])
	case f.Own == OwnMAC: // DHCP's chaddr: bytes
		clear(b[:f.width()/8])
		copy(b, env.MAC[:])
	case f.Own == OwnIPv4 && env.IPv4.Is4():
		a := env.IPv4.As4()
		copy(b, a[:])
	case f.Own == OwnIPv6 && env.IPv6.Is6():
		a := env.IPv6.As16()
		copy(b, a[:])
	case f.Own == OwnID && env.NextID != nil:
		f.ld.store(h, uint64(env.NextID()))
	}
}

// Set changes a field of layer i of a built packet; it is told from then on.
// Nil takes it back: the default, or worked out again. Lists and objects are
// set as a whole. The error is a *FieldError.
func (p *Packet) Set(i int, f *Field, v Value) error {
	r := &p.refs[i]
	path := r.Proto.Name + "." + f.Name
	if p.fixed {
		return fieldErr(path, "make a changed copy: pkt.with({ … })", "a received packet cannot be changed")
	}
	h := p.header(i)
	if v != nil && !f.steers && f.Fixed() && f.Kind <= IPv6 && (f.bitOff+f.width()+7)/8 <= len(h) && f.present(h) {
		if f.Kind <= Flags {
			n, err := f.toNumber(path, v)
			if err != nil {
				return err
			}
			f.ld.store(h, n)
		} else {
			b, err := f.addrBytes(path, v)
			if err != nil {
				return err
			}
			copy(h[f.bitOff/8:], b)
		}
		r.told |= 1 << uint(f.index)
		p.dirty = true
		return nil
	}
	return p.reencode(i, []change{{f, v}})
}

// within reports whether a length or count is about a row of its own header.
func (a *Auto) within() bool { return a.Field != "" || a.Of == OfSized }

// measures reports whether a, which works out g, is about row f.
func (a *Auto) measures(g, f *Field) bool {
	if a.Of == OfSized {
		return f.Size.Field == g.Name
	}
	return a.Field != "" && a.Field == f.Name
}

type change struct {
	f *Field
	v Value
}

// reencode writes layer i again with changed fields, and moves what follows.
// Rows that were not told stay so; what stands behind the last row of a
// header that reads in full stays too.
func (p *Packet) reencode(i int, changes []change) error {
	r := &p.refs[i]
	proto := r.Proto
	vals := make([]Value, len(proto.Fields))
	for j, f := range proto.Fields {
		if r.told>>uint(j)&1 != 0 {
			if v, ok := p.Value(i, f); ok {
				vals[j] = v
			}
		}
	}
	for _, c := range changes {
		vals[c.f.index] = c.v
	}
	if r.told == allTold {
		// Lengths and counts within the header follow what was changed.
		for _, f := range proto.Fields {
			if a := f.Auto; a != nil && a.within() && slices.ContainsFunc(changes, func(c change) bool { return a.measures(f, c.f) }) &&
				!slices.ContainsFunc(changes, func(c change) bool { return c.f == f }) {
				vals[f.index] = nil
			}
		}
	}
	h, told, err := proto.encode(p.reg, vals)
	if err != nil {
		return err
	}
	p.splice(i, int(r.Off), int(r.Off+r.Hdr), h)
	r.Hdr = int32(len(h))
	r.told = told
	p.dirty = true
	return nil
}

// splice replaces bytes lo..hi, which belong to layer i, and moves the layers
// behind and the ends of those around.
func (p *Packet) splice(i, lo, hi int, b []byte) {
	d := int32(len(b) - (hi - lo))
	p.Data = slices.Replace(p.Data, lo, hi, b...)
	for j := range p.refs {
		r := &p.refs[j]
		if j > i {
			r.Off += d
		}
		r.End += d
	}
}

// SetPayload replaces what follows the last header.
func (p *Packet) SetPayload(b []byte) error {
	if p.fixed {
		return fieldErr("payload", "make a changed copy: pkt.with({ … })", "a received packet cannot be changed")
	}
	if len(p.refs) == 0 {
		p.Data = append(p.Data[:0], b...)
		return nil
	}
	i := len(p.refs) - 1
	r := &p.refs[i]
	p.splice(i, int(r.Off+r.Hdr), int(r.End), b)
	p.dirty = true
	return nil
}

// Change is what With and Reply lay over a packet: fields of the outermost
// layer of a protocol, or, where Proto is nil, the payload.
type Change struct {
	Proto   *Proto
	Fields  Fields
	Payload []byte
}

// With returns a copy with changes laid over it. Lengths follow by what was
// added; checksums follow by difference, so that a wrong one stays as wrong as
// it was. A change to a layer that is not there is an error.
func (p *Packet) With(changes []Change) (*Packet, error) {
	q := p.Clone()
	q.fixed = false
	type wrong struct {
		layer int
		diff  uint64
	}
	var off []wrong
	told := make([]uint64, len(q.refs))
	before := make([]int, len(q.refs))
	sizes := make([]int, len(q.refs))
	for i := range q.refs {
		r := &q.refs[i]
		told[i], before[i], sizes[i] = r.told, int(r.Hdr), int(r.End-r.Off)
		f := r.Proto.sum
		if f == nil || !q.Told(i, f) {
			continue
		}
		want, ok := q.checksum(i)
		if !ok {
			continue
		}
		have, _ := q.number64(i, f)
		if have == want {
			continue
		}
		if f.Auto.ZeroIsOnes && have == 0 {
			continue // none was computed; none will be
		}
		// ones' complement: have = want + diff; of a CRC have = want ^ diff
		diff := have ^ want
		if f.Auto.Sum.ones() {
			diff = uint64(fold16(have + uint64(^uint16(want))))
		}
		off = append(off, wrong{i, diff})
	}
	if err := q.overlay(changes); err != nil {
		return nil, err
	}
	set := make([]uint64, len(q.refs)) // told by this change: kept, however wrong
	for _, c := range changes {
		if i := q.Find(c.Proto, 0); i >= 0 {
			for _, fv := range c.Fields {
				if f := c.Proto.byName[fv.Name]; f != nil && fv.Value != nil {
					set[i] |= 1 << uint(f.index)
				}
			}
		}
	}
	for i := range q.refs {
		r := &q.refs[i]
		h := q.header(i)
		for _, f := range r.Proto.autos {
			bit := uint64(1) << uint(f.index)
			if set[i]&bit != 0 || told[i]&bit == 0 {
				continue
			}
			rule, ok := q.rule(i, f)
			a := f.Auto
			if ok && a.What == AutoLength && !a.within() {
				d := int(r.End-r.Off) - sizes[i]
				switch a.Of {
				case OfHeader:
					d = int(r.Hdr) - before[i]
				case OfPayload:
					d -= int(r.Hdr) - before[i]
				}
				if d != 0 {
					v := int(rule.load(h)) + d/a.Unit
					rule.store(h, uint64(v))
				}
			}
		}
	}
	for i := len(q.refs) - 1; i >= 0; i-- {
		f := q.refs[i].Proto.sum
		if f == nil || set[i]>>uint(f.index)&1 != 0 || told[i]>>uint(f.index)&1 == 0 {
			continue
		}
		want, ok := q.checksum(i)
		if !ok {
			continue
		}
		if have, _ := q.number64(i, f); f.Auto.ZeroIsOnes && have == 0 {
			continue
		}
		for _, w := range off {
			switch {
			case w.layer != i:
			case f.Auto.Sum.ones():
				want = uint64(fold16(want + w.diff))
			default:
				want ^= w.diff
			}
		}
		if rule, ok := q.rule(i, f); ok {
			rule.store(q.header(i), want)
		}
	}
	for i := range q.refs { // still told, except what never was
		q.refs[i].told |= told[i]
		if q.refs[i].told != allTold {
			q.dirty = true
		}
	}
	if p.fixed {
		q.dirty = false
	}
	return q, nil
}

// overlay lays changes over a built packet.
func (p *Packet) overlay(changes []Change) error {
	for _, c := range changes {
		if c.Proto == nil {
			if err := p.SetPayload(c.Payload); err != nil {
				return err
			}
			continue
		}
		i := p.Find(c.Proto, 0)
		if i < 0 {
			return fieldErr(c.Proto.Name, "the layers are "+p.layerNames(), "the packet has no such layer")
		}
		var slow []change
		for _, fv := range c.Fields {
			f := c.Proto.byName[fv.Name]
			if f == nil {
				return UnknownField(c.Proto.Name, fv.Name, c.Proto.Fields)
			}
			if fv.Value == nil {
				continue
			}
			if f.steers || !f.Fixed() || f.Kind > IPv6 {
				slow = append(slow, change{f, fv.Value})
				continue
			}
			if err := p.Set(i, f, fv.Value); err != nil {
				return err
			}
		}
		if slow != nil {
			if err := p.reencode(i, slow); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Packet) layerNames() string {
	var names []string
	for i := range p.refs {
		names = append(names, p.refs[i].Proto.Name)
	}
	return listSome(names)
}
