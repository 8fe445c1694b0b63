package jsapi

// names is a table from names to values, asked for every property that a
// script reads of a packet: a third of the price of a map.
type names[T any] struct {
	slots []nameSlot[T]
	mask  uint32
	list  []string // in the order they were added
}

type nameSlot[T any] struct {
	name  string
	value T
}

func (t *names[T]) hash(s string) uint32 {
	n := len(s)
	if n == 0 {
		return 0
	}
	return (uint32(n)*131 + uint32(s[0])*31 + uint32(s[n-1])*7 + uint32(s[n>>1])) & t.mask
}

// add gives a name a value; one that is there is replaced.
func (t *names[T]) add(name string, v T) {
	if p := t.find(name); p != nil {
		*p = v
		return
	}
	t.list = append(t.list, name)
	if 2*len(t.list) > len(t.slots) {
		old := t.slots
		n := 16 // a power of two, sparse enough that a look-up is mostly one probe
		for n < 4*len(t.list) {
			n *= 2
		}
		t.slots, t.mask = make([]nameSlot[T], n), uint32(n-1)
		for _, s := range old {
			if s.name != "" {
				t.put(s)
			}
		}
	}
	t.put(nameSlot[T]{name, v})
}

func (t *names[T]) put(s nameSlot[T]) {
	i := t.hash(s.name)
	for t.slots[i].name != "" {
		i = (i + 1) & t.mask
	}
	t.slots[i] = s
}

// find returns the place of a name's value, or nil.
func (t *names[T]) find(name string) *T {
	if len(t.slots) == 0 {
		return nil
	}
	for i := t.hash(name); ; i = (i + 1) & t.mask {
		s := &t.slots[i]
		if s.name == name {
			if name == "" {
				return nil
			}
			return &s.value
		}
		if s.name == "" {
			return nil
		}
	}
}
