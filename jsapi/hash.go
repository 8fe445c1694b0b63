package jsapi

import (
	"math/bits"
	"slices"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// fewSubs is how many patterns on the same fields are asked one after the
// other: hashing costs about as much as that many failed matches.
const fewSubs = 8

// subIndex holds the subscriptions so that a packet meets those that may match
// it: patterns on exact values of the same fields are found by one look-up of
// the packet's values, requests by the keys of what may answer them, and the
// rest is asked in turn. Coming and going costs the same however many there
// are.
type subIndex struct {
	live     int
	last     uint64 // registration numbers
	plain    subList
	tables   []*table
	open     []*table            // those of tables that are looked up
	requests map[uint64]*subList // by packet.RequestKeys

	keys   []uint64 // reused
	found  []*sub
	result []*sub
}

// subList is subscriptions in the order in which they are asked: larger
// priority first, then order of registration. Those that ended stay until
// they are half of it, so that ending costs no search.
type subList struct {
	subs []*sub
	dead int
}

// table finds patterns that want exact values of the same fields.
type table struct {
	key     []packet.ExactField
	need    uint64 // bits of their protocols
	members int
	by      map[uint64]*subList // nil: too few, they are in plain
}

// before reports whether s is asked before t.
func (s *sub) before(t *sub) bool {
	return s.priority > t.priority || s.priority == t.priority && s.number < t.number
}

func order(s, t *sub) int {
	if s.before(t) {
		return -1
	}
	return 1
}

// add puts s in its place. A delivery that goes over the list keeps the one it
// has: shared says that there is one.
func (l *subList) add(s *sub, shared bool) {
	if n := len(l.subs); n == 0 || l.subs[n-1].before(s) {
		l.subs = append(l.subs, s) // behind what a delivery looks at
		return
	}
	i, _ := slices.BinarySearchFunc(l.subs, s, order)
	if shared {
		l.subs = slices.Clone(l.subs)
	}
	l.subs = slices.Insert(l.subs, i, s)
}

// ended says that one of the list ended.
func (l *subList) ended(shared bool) {
	if l.dead++; l.dead > 8 && l.dead > len(l.subs)/2 || l.dead == len(l.subs) {
		l.keep(shared, func(s *sub) bool { return !s.ended })
		l.dead = 0
	}
}

func (l *subList) keep(shared bool, want func(*sub) bool) {
	if shared {
		l.subs = slices.Clone(l.subs)
	}
	l.subs = slices.DeleteFunc(l.subs, func(s *sub) bool { return !want(s) })
}

func mixKey(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// keyOf is the hash of the values that a packet has; ok is false where it
// lacks one of the fields.
func (t *table) keyOf(p *packet.Packet) (key uint64, ok bool) {
	if p.Present()&t.need != t.need {
		return 0, false
	}
	key = uint64(len(t.key))
	for i := range t.key {
		k := &t.key[i]
		layer := p.Find(k.Proto, 0)
		if layer < 0 {
			return 0, false
		}
		if k.Field == nil {
			continue
		}
		v, ok := p.Uint(layer, k.Field)
		if !ok {
			return 0, false
		}
		key = mixKey(key, v)
	}
	return key, true
}

// exact reads the fields and values by which a subscription may be found; no
// fields where there are none.
func (m *match) exact() (fields []packet.ExactField, key uint64) {
	if m.pattern == nil {
		return nil, 0
	}
	fields, values, _ := m.pattern.Exact()
	key = uint64(len(fields))
	some := false
	for i, k := range fields {
		if k.Field != nil {
			some = true
			key = mixKey(key, values[i])
		}
	}
	if !some {
		return nil, 0
	}
	return fields, key
}

func (x *subIndex) table(fields []packet.ExactField) *table {
	for _, t := range x.tables {
		if slices.Equal(t.key, fields) {
			return t
		}
	}
	t := &table{key: fields}
	for _, k := range fields {
		t.need |= k.Proto.Bit()
	}
	x.tables = append(x.tables, t)
	return t
}

// add files a subscription.
func (x *subIndex) add(s *sub, shared bool) {
	x.live++
	x.last++
	s.number = x.last
	x.file(s, shared)
}

func (x *subIndex) file(s *sub, shared bool) {
	if s.match.request != nil {
		if s.keys = s.match.request.RequestKeys(nil); len(s.keys) > 0 {
			if x.requests == nil {
				x.requests = map[uint64]*subList{}
			}
			for _, k := range s.keys {
				into(x.requests, k).add(s, shared)
			}
			return
		}
	}
	fields, key := s.match.exact()
	if fields == nil {
		x.plain.add(s, shared)
		return
	}
	t := x.table(fields)
	s.table, s.key = t, key
	t.members++
	switch {
	case t.by != nil:
		into(t.by, key).add(s, shared)
	case t.members <= fewSubs:
		x.plain.add(s, shared)
	default:
		t.by = map[uint64]*subList{}
		x.open = append(x.open, t)
		for _, m := range x.plain.subs {
			if m.table == t && !m.ended {
				into(t.by, m.key).add(m, false)
			}
		}
		into(t.by, key).add(s, false)
		x.plain.keep(shared, func(m *sub) bool { return m.table != t && !m.ended })
		x.plain.dead = 0
	}
}

func into(m map[uint64]*subList, key uint64) *subList {
	l := m[key]
	if l == nil {
		l = new(subList)
		m[key] = l
	}
	return l
}

// remove takes out a subscription that has just ended.
func (x *subIndex) remove(s *sub, shared bool) {
	x.live--
	if len(s.keys) > 0 {
		for _, k := range s.keys {
			x.drop(x.requests, k, shared)
		}
		return
	}
	t := s.table
	if t == nil {
		x.plain.ended(shared)
		return
	}
	t.members--
	if t.by == nil {
		x.plain.ended(shared)
	} else {
		x.drop(t.by, s.key, shared)
	}
	if t.members == 0 {
		if t.by != nil {
			x.open = slices.DeleteFunc(x.open, func(o *table) bool { return o == t })
		}
		x.tables = slices.DeleteFunc(x.tables, func(o *table) bool { return o == t })
	}
}

func (x *subIndex) drop(m map[uint64]*subList, key uint64, shared bool) {
	if l := m[key]; l != nil {
		if l.ended(shared); len(l.subs) == 0 {
			delete(m, key)
		}
	}
}

// all lists the subscriptions in order.
func (x *subIndex) all() []*sub {
	list := slices.Clone(x.plain.subs)
	for _, t := range x.open {
		for _, l := range t.by {
			list = append(list, l.subs...)
		}
	}
	for _, l := range x.requests {
		list = append(list, l.subs...)
	}
	slices.SortFunc(list, order)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(s *sub) bool { return s.ended })
}

// refile takes the patterns as they are now: a protocol was replaced.
func (x *subIndex) refile() {
	list := x.all()
	*x = subIndex{live: x.live, last: x.last}
	for _, s := range list {
		s.table, s.keys = nil, nil
		x.file(s, false)
	}
}

// candidates are the subscriptions to ask about a packet, in order. The list
// stays as it is until the next call, whatever comes and goes, but what ended
// may be in it.
func (x *subIndex) candidates(p *packet.Packet) []*sub {
	if len(x.open) == 0 && len(x.requests) == 0 {
		return x.plain.subs
	}
	var (
		only  *subList
		lists int
	)
	x.found = x.found[:0]
	hit := func(l *subList) {
		if l == nil {
			return
		}
		if lists++; lists == 1 {
			only = l
			return
		} else if lists == 2 {
			x.found = append(x.found, only.subs...)
		}
		x.found = append(x.found, l.subs...)
	}
	for _, t := range x.open {
		if key, ok := t.keyOf(p); ok {
			hit(t.by[key])
		}
	}
	if len(x.requests) > 0 {
		x.keys = p.AnswerKeys(x.keys[:0])
		for _, k := range x.keys {
			hit(x.requests[k])
		}
	}
	found := x.found
	switch {
	case lists == 0:
		return x.plain.subs
	case lists == 1:
		found = only.subs
	default:
		slices.SortFunc(found, order)
		found = slices.Compact(found) // a request may be found twice
	}
	plain := x.plain.subs
	if len(plain) == 0 {
		return found
	}
	x.result = x.result[:0]
	for len(plain) > 0 && len(found) > 0 {
		if plain[0].before(found[0]) {
			x.result, plain = append(x.result, plain[0]), plain[1:]
		} else {
			x.result, found = append(x.result, found[0]), found[1:]
		}
	}
	x.result = append(append(x.result, plain...), found...)
	return x.result
}
