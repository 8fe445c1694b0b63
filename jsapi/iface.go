package jsapi

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// link is the API's own view of one interface: the addresses the scenario
// speaks as, which assign() changes, and the neighbours known on it.
type link struct {
	index  int
	object *goja.Object // in interfaces
	name   string
	kind   string
	mtu    int

	// env is what packets sent by this link take where they were not told.
	// Its pointer stays the same through assign().
	env      packet.Env
	prefix4  netip.Prefix // the address of env with the length of its network; zero: none
	prefix6  netip.Prefix
	gateway4 netip.Addr // default next hops; zero: none
	gateway6 netip.Addr
	assigned bool // by the script: its own prefix then goes before the kernel's routes

	id      uint16 // last IPv4 identification
	answers answers
	hops    neighbours
	reply   packet.Packet // what the last automatic answer was built into
}

// surroundings is what the API keeps of the world around packets;
// installInterfaces fills it.
type surroundings struct {
	links   []*link
	natives *natives
}

// newLinks makes the table of links from what the host says of them.
func newLinks(infos []LinkInfo) []*link {
	links := make([]*link, len(infos))
	for i, info := range infos {
		l := &link{index: i, name: info.Name, kind: info.Kind, mtu: info.MTU}
		l.env.MAC = info.MAC
		// RFC 6864 section 4.1: the identification of an unfragmented packet
		// need only be there. Counting from 1 keeps runs the same.
		l.env.NextID = func() uint16 { l.id++; return l.id }
		l.setIPv4(info.IPv4)
		l.setIPv6(info.IPv6)
		l.setGateway(info.Gateway)
		l.answers = parseAnswers(info.Answer)
		l.hops.init()
		links[i] = l
	}
	return links
}

// InheritLinks takes over what the API of the version before a reload knew of
// the interfaces: the addresses that assign() gave them, the identifications
// counted so far, and the neighbours found. It is called before any script of
// the new version runs. What waits for a neighbour stays with the old one.
func (a *API) InheritLinks(old *API) {
	for i, l := range a.links {
		if i >= len(old.links) {
			break
		}
		o := old.links[i]
		l.id = o.id
		if o.assigned || o.env.MAC != l.env.MAC {
			l.env.MAC = o.env.MAC
			l.setIPv4(o.prefix4)
			l.setIPv6(o.prefix6)
			l.gateway4, l.gateway6, l.assigned = o.gateway4, o.gateway6, o.assigned
		}
		for n := o.hops.oldest; n != nil; n = n.next {
			if n.known {
				if m := l.hops.use(n.addr); m != nil {
					m.mac, m.known, m.seen = n.mac, true, n.seen
				}
			}
		}
	}
}

func (l *link) setIPv4(p netip.Prefix) {
	l.prefix4, l.env.IPv4, l.env.Broadcast4 = p, p.Addr(), directed(p)
}

func (l *link) setIPv6(p netip.Prefix) {
	l.prefix6, l.env.IPv6 = p, p.Addr()
}

func (l *link) setGateway(a netip.Addr) {
	switch a = a.Unmap(); {
	case a.Is4():
		l.gateway4 = a
	case a.Is6():
		l.gateway6 = a
	}
}

// owns reports whether a is an address the scenario speaks as on this link.
func (l *link) owns(a netip.Addr) bool {
	return a.IsValid() && (a == l.env.IPv4 || a == l.env.IPv6)
}

// holds reports whether a is in the network of the link's own addresses.
func (l *link) holds(a netip.Addr) bool {
	return l.prefix4.IsValid() && l.prefix4.Contains(a) || l.prefix6.IsValid() && l.prefix6.Contains(a)
}

// addresses are the ones the scenario speaks as, then the interface's others.
func (l *link) addresses(info *LinkInfo) []any {
	var list []netip.Addr
	add := func(a netip.Addr) {
		if a.IsValid() && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	add(l.env.IPv4)
	add(l.env.IPv6)
	for _, p := range info.Addrs {
		add(p.Addr())
	}
	texts := make([]any, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return texts
}

// assignment is what assign() was given, read whole before anything changes:
// a mistake in one member leaves all as it was.
type assignment struct {
	mac     packet.MAC
	ip, ip6 netip.Prefix
	gateway netip.Addr
	has     [4]bool // mac, ip, ip6, gateway were given; the zero value then means none
}

var assignNames = []string{"mac", "ip", "ip6", "gateway"}

func (l *link) apply(c *assignment) {
	if c.has[0] {
		l.env.MAC = c.mac
	}
	if c.has[1] {
		l.setIPv4(c.ip)
	}
	if c.has[2] {
		l.setIPv6(c.ip6)
	}
	if c.has[3] {
		if !c.gateway.IsValid() {
			l.gateway4, l.gateway6 = netip.Addr{}, netip.Addr{}
		}
		l.setGateway(c.gateway)
	}
	l.assigned = l.assigned || c.has[1] || c.has[2] || c.has[3]
	l.hops.forgetRoutes()
}

// parsePrefix reads '10.0.0.2/24' or '10.0.0.2'. An address without a length
// keeps the network it was in; else its network is a /24, or a /64 of IPv6.
func parsePrefix(member, s string, old netip.Prefix, v6 bool) (netip.Prefix, error) {
	example, family, length := "10.0.0.2/24", "an IPv4 address", 24
	if v6 {
		example, family, length = "fd00::2/64", "an IPv6 address", 64
	}
	wrong := &mistake{fmt.Sprintf("assign: %s: '%s' is not %s", member, s, family), fmt.Sprintf("an address with the length of its network: '%s'", example)}
	if old.IsValid() {
		length = old.Bits()
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, wrong
		}
		if old.IsValid() && !old.Contains(a) {
			length = 24
			if v6 {
				length = 64
			}
		}
		p = netip.PrefixFrom(a, length)
	}
	if p.Addr().Is4() == v6 || p.Addr().Is4In6() || p.Addr().Zone() != "" {
		return netip.Prefix{}, wrong
	}
	return p, nil
}

// assignment reads the object given to assign().
func (a *API) assignment(l *link, v goja.Value) *assignment {
	o, ok := v.(*goja.Object)
	if !ok {
		a.fail("assign({ ip: '10.0.0.2/24', gateway: '10.0.0.1' })", "assign: an object is needed, not %s", a.describe(v))
	}
	c := new(assignment)
	for _, name := range o.Keys() {
		i := slices.Index(assignNames, name)
		if i < 0 {
			hint := "one of " + strings.Join(assignNames, ", ")
			if near := packet.Nearest(name, assignNames); near != "" {
				hint = "did you mean '" + near + "'?"
			}
			a.fail(hint, "assign: there is no '%s'", name)
		}
		v := o.Get(name)
		if goja.IsUndefined(v) {
			continue
		}
		c.has[i] = true
		if goja.IsNull(v) {
			if name == "mac" {
				a.fail("a MAC address: '02:00:00:00:00:02'", "assign: mac cannot be null")
			}
			continue
		}
		s, ok := v.Export().(string)
		if !ok || !goja.IsString(v) {
			a.fail("an address is a string", "assign: %s: %s is not an address", name, a.describe(v))
		}
		var err error
		switch name {
		case "mac":
			m, ok := packet.ParseMAC(s)
			if !ok || m[0]&1 != 0 || m == (packet.MAC{}) {
				a.fail("six bytes in hex, the first one even: '02:00:00:00:00:02'", "assign: mac: '%s' is not the MAC address of one interface", s)
			}
			c.mac = m
		case "ip":
			c.ip, err = parsePrefix(name, s, l.prefix4, false)
		case "ip6":
			c.ip6, err = parsePrefix(name, s, l.prefix6, true)
		case "gateway":
			if c.gateway, err = netip.ParseAddr(s); err != nil {
				err = &mistake{fmt.Sprintf("assign: gateway: '%s' is not an address", s), "the address of the router: '10.0.0.1'"}
			}
		}
		if err != nil {
			a.throw(err)
		}
	}
	return c
}

// installInterfaces sets interfaces and availableDevices.
func (a *API) installInterfaces() {
	a.natives = takeNatives(a.rt)
	a.links = newLinks(a.host.Links())
	list := make([]any, len(a.links))
	for i, l := range a.links {
		list[i] = a.interfaceObject(l)
	}
	array := a.rt.NewArray(list...)
	a.freeze(array)
	a.global("interfaces", array)
	a.global("availableDevices", a.function("availableDevices", a.availableDevices))
}

// isInterface reports whether an object is one of interfaces.
func (a *API) isInterface(o *goja.Object) bool {
	return slices.ContainsFunc(a.links, func(l *link) bool { return l.object == o })
}

// interfaceObject is what the script sees of a link. What may change while
// the scenario runs is read when asked.
func (a *API) interfaceObject(l *link) *goja.Object {
	o := a.rt.NewObject()
	l.object = o
	get := func(name string, f func() any) {
		getter := a.function("get "+name, func(goja.FunctionCall) goja.Value { return a.rt.ToValue(f()) })
		_ = o.DefineAccessorProperty(name, getter, nil, goja.FLAG_FALSE, goja.FLAG_TRUE)
	}
	info := func() *LinkInfo { return &a.host.Links()[l.index] }
	get("name", func() any { return l.name })
	get("kind", func() any { return l.kind })
	get("mac", func() any { return l.env.MAC.String() })
	get("addresses", func() any { return a.rt.NewArray(l.addresses(info())...) })
	get("mtu", func() any { return info().MTU })
	get("up", func() any { return info().Up })
	method := func(name string, f func(goja.FunctionCall) goja.Value) {
		_ = o.DefineDataProperty(name, a.function(name, f), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	}
	method("assign", func(call goja.FunctionCall) goja.Value {
		l.apply(a.assignment(l, call.Argument(0)))
		return goja.Undefined()
	})
	method("stats", func(goja.FunctionCall) goja.Value {
		s := a.host.LinkStats(l.index)
		r := a.rt.NewObject()
		for _, c := range []struct {
			name string
			n    uint64
		}{
			// What waited in vain for a neighbour was dropped here, before the host saw it.
			{"received", s.Received}, {"sent", s.Sent}, {"dropped", s.Dropped + l.hops.dropped}, {"errors", s.Errors},
		} {
			_ = r.Set(c.name, float64(c.n))
		}
		return r
	})
	return o
}

func (a *API) availableDevices(goja.FunctionCall) goja.Value {
	devices, err := a.host.Devices()
	if err != nil {
		a.throw(err)
	}
	list := make([]any, len(devices))
	for i, d := range devices {
		o := a.rt.NewObject()
		addresses := make([]any, len(d.Addresses))
		for i, s := range d.Addresses {
			addresses[i] = s
		}
		_ = o.Set("name", d.Name)
		_ = o.Set("description", d.Description)
		_ = o.Set("mac", d.MAC)
		_ = o.Set("addresses", a.rt.NewArray(addresses...))
		_ = o.Set("up", d.Up)
		list[i] = o
	}
	return a.rt.NewArray(list...)
}
