package packet

import "slices"

// Copied is a value taken from the packet that is reacted to: a field of its
// outermost layer of that protocol, plus a number, kept within Min..Max where
// Clamp says so.
type Copied struct {
	Field *Field
	Plus  int64
	Min   int64
	Max   int64
	Clamp bool
}

// Changes is a list of changes that is checked once and laid over many
// packets. Values may be constants, a *Vary, or a Copied. It belongs to one
// goroutine.
type Changes struct {
	list    []Change
	dynamic []dynamic
	drawn   []draw
}

// dynamic is one value to work out for each packet.
type dynamic struct {
	change, field int // its place in list
	vary          int // index into drawn, or -1
	copied        Copied
	path          string
}

type draw struct {
	vary *Vary
	now  Value
}

// NewChanges checks names and constant values. The error is a *FieldError.
func NewChanges(reg *Registry, list []Change) (*Changes, error) {
	c := &Changes{}
	for _, ch := range list {
		if ch.Proto == nil {
			c.list = append(c.list, ch)
			continue
		}
		constant := make(Fields, 0, len(ch.Fields))
		fields := slices.Clone(ch.Fields)
		for i, fv := range fields {
			f := ch.Proto.byName[fv.Name]
			if f == nil {
				return nil, UnknownField(ch.Proto.Name, fv.Name, ch.Proto.Fields)
			}
			d := dynamic{change: len(c.list), field: i, vary: -1, path: ch.Proto.Name + "." + f.Name}
			switch v := fv.Value.(type) {
			case *Vary:
				d.vary = slices.IndexFunc(c.drawn, func(x draw) bool { return x.vary == v })
				if d.vary < 0 {
					d.vary = len(c.drawn)
					c.drawn = append(c.drawn, draw{vary: v})
				}
			case Copied:
				d.copied = v
			default:
				constant = append(constant, fv)
				continue
			}
			c.dynamic = append(c.dynamic, d)
		}
		if err := checkConstants(reg, ch.Proto, constant); err != nil {
			return nil, err
		}
		c.list = append(c.list, Change{Proto: ch.Proto, Fields: fields})
	}
	return c, nil
}

// checkConstants finds a value that the field cannot hold. Fields whose
// presence depends on others are left to the packet they are laid over.
func checkConstants(reg *Registry, proto *Proto, fields Fields) error {
	for _, fv := range fields {
		f := proto.byName[fv.Name]
		if len(f.When) > 0 || fv.Value == nil {
			continue
		}
		if _, err := New(reg, proto, Fields{fv}); err != nil {
			return err
		}
	}
	return nil
}

// For returns the changes for one packet: varying values drawn, copied ones
// taken from p. The slice is valid until the call after. A value that p does
// not have, or that is out of range, is a *FieldError.
func (c *Changes) For(p *Packet) ([]Change, error) {
	if len(c.dynamic) == 0 {
		return c.list, nil
	}
	for i := range c.drawn {
		v, err := c.drawn[i].vary.Next()
		if err != nil {
			return nil, err
		}
		c.drawn[i].now = v
	}
	for i := range c.dynamic {
		d := &c.dynamic[i]
		target := &c.list[d.change].Fields[d.field]
		if d.vary >= 0 {
			target.Value = c.drawn[d.vary].now
			if f := c.list[d.change].Proto.byName[target.Name]; f.Kind == Uint && c.drawn[d.vary].vary.kind == varyCounter {
				n, _, _, _ := toInteger(target.Value)
				target.Value = n & mask(f.Bits)
			}
			continue
		}
		v, err := d.copied.from(p, d.path)
		if err != nil {
			return nil, err
		}
		target.Value = v
	}
	return c.list, nil
}

func mask(bits int) uint64 {
	if bits >= 64 {
		return ^uint64(0)
	}
	return 1<<uint(bits) - 1
}

func (c *Copied) from(p *Packet, path string) (Value, error) {
	proto := c.Field.proto
	i := p.Find(proto, 0)
	if i < 0 {
		return nil, fieldErr(path, "match on "+proto.Name+" first", "from('%s.%s'): the packet has no %s layer", proto.Name, c.Field.Name, proto.Name)
	}
	if c.Plus == 0 && !c.Clamp || c.Field.Kind > Flags {
		v, ok := p.Value(i, c.Field)
		if !ok {
			return nil, fieldErr(path, "", "from('%s.%s'): the packet has no such field", proto.Name, c.Field.Name)
		}
		return v, nil
	}
	n, ok := p.Uint(i, c.Field)
	if !ok {
		return nil, fieldErr(path, "", "from('%s.%s'): the packet has no such field", proto.Name, c.Field.Name)
	}
	x := int64(n) + c.Plus
	if c.Clamp {
		x = min(max(x, c.Min), c.Max)
	}
	return x, nil
}

// Dynamic reports whether some value differs from packet to packet.
func (c *Changes) Dynamic() bool { return len(c.dynamic) > 0 }
