package jsapi

import (
	"math/big"
	"slices"

	"github.com/umpa-run/umpa-run/netio/packet"
)

const (
	// fewSubs is how many subscriptions are asked one after the other: hashing
	// costs about as much as that many failed matches.
	fewSubs = 12
	// settled is how many frames in a row must have met the same subscriptions
	// before it pays to index them: making the index costs about as much as
	// that many frames cost without it.
	settled = 16
)

// exact is a field that a pattern wants to have one value.
type exact struct {
	proto *packet.Proto
	field *packet.Field
	value uint64
}

// subIndex finds the subscriptions that may match a packet by the exact values
// that their patterns want, so that a thousand patterns cost as one.
type subIndex struct {
	subs   []*sub // that it was made of; nil: none yet
	same   int    // frames that met subs as they are now
	plain  []*sub // those without an exact value
	groups []group
	found  []*sub // reused
	result []*sub
}

// group is the subscriptions that are found by one field.
type group struct {
	proto *packet.Proto
	field *packet.Field
	by    map[uint64][]*sub
}

// exacts lists the exact values that a pattern wants of fixed fields of
// outermost headers.
func exacts(reg *packet.Registry, pattern any) (list []exact) {
	fields, ok := pattern.(packet.Fields)
	if !ok {
		return nil
	}
	for _, pv := range fields {
		proto := reg.Proto(pv.Name)
		tests, ok := pv.Value.(packet.Fields)
		if proto == nil || !ok {
			continue
		}
		for _, fv := range tests {
			f := proto.Field(fv.Name)
			if f == nil || !f.Fixed() || f.Kind > packet.IPv4 || f.Kind == packet.Float {
				continue
			}
			switch fv.Value.(type) {
			case uint64, int64, string, *big.Int:
			default:
				continue
			}
			// Building a header takes the value as matching does; what it refuses
			// (a CIDR) is no exact value.
			h, err := packet.New(reg, proto, packet.Fields{fv})
			if err != nil {
				continue
			}
			if v, ok := h.Uint(0, f); ok {
				list = append(list, exact{proto, f, v})
			}
		}
	}
	return list
}

// candidates are the subscriptions to ask about the packet, in order. The list
// stays as it is until the next call.
func (a *API) candidates(p *packet.Packet) []*sub {
	x := &a.bySub
	if len(a.subs) < fewSubs {
		return a.subs
	}
	if len(x.subs) != len(a.subs) || &x.subs[0] != &a.subs[0] {
		x.subs, x.same = a.subs, 0
	}
	if x.same < settled {
		if x.same++; x.same == settled {
			x.build()
		}
		return a.subs
	}
	x.found = x.found[:0]
	lists := 0
	for i := range x.groups {
		g := &x.groups[i]
		if layer := p.Find(g.proto, 0); layer >= 0 {
			if v, ok := p.Uint(layer, g.field); ok {
				if hits := g.by[v]; len(hits) > 0 {
					x.found = append(x.found, hits...)
					lists++
				}
			}
		}
	}
	if lists == 0 {
		return x.plain
	}
	if lists > 1 {
		slices.SortFunc(x.found, func(s, t *sub) int { return s.place - t.place })
	}
	if len(x.plain) == 0 {
		return x.found
	}
	x.result = x.result[:0]
	i, j := 0, 0
	for i < len(x.plain) && j < len(x.found) {
		if x.plain[i].place < x.found[j].place {
			x.result = append(x.result, x.plain[i])
			i++
		} else {
			x.result = append(x.result, x.found[j])
			j++
		}
	}
	x.result = append(x.result, x.plain[i:]...)
	x.result = append(x.result, x.found[j:]...)
	return x.result
}

// build makes the index of x.subs. A pattern with several exact values is found
// by the field that tells most patterns apart.
func (x *subIndex) build() {
	values := map[*packet.Field]map[uint64]bool{}
	for i, s := range x.subs {
		s.place = i
		for _, e := range s.match.exacts {
			if values[e.field] == nil {
				values[e.field] = map[uint64]bool{}
			}
			values[e.field][e.value] = true
		}
	}
	x.plain, x.groups = nil, nil
	at := map[*packet.Field]int{}
	for _, s := range x.subs {
		var best *exact
		for i := range s.match.exacts {
			if e := &s.match.exacts[i]; best == nil || len(values[e.field]) > len(values[best.field]) {
				best = e
			}
		}
		if best == nil {
			x.plain = append(x.plain, s)
			continue
		}
		i, ok := at[best.field]
		if !ok {
			i = len(x.groups)
			at[best.field] = i
			x.groups = append(x.groups, group{best.proto, best.field, map[uint64][]*sub{}})
		}
		x.groups[i].by[best.value] = append(x.groups[i].by[best.value], s)
	}
}
