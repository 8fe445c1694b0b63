package jsapi

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/umpa-run/umpa-run/netio/packet"
)

const (
	// RFC 4861 section 10: MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT and
	// RETRANS_TIMER; ARP has no numbers of its own (RFC 1122 section 2.3.2.1).
	hopTries   = 3
	hopRetry   = time.Second
	hopFresh   = 60 * time.Second // after that without a sign of life, use asks again
	hopRoutes  = 10 * time.Second // how long an answer of the kernel's routes is kept
	hopWaiting = 1024             // packets that wait for one neighbour
	hopQueued  = 4096             // packets that wait on one link
	hopLimit   = 16384            // neighbours remembered on one link
	hopWarned  = 10               // neighbours without an answer that are named on the console
)

// neighbour is one next hop: its MAC, or the packets that wait for it.
type neighbour struct {
	addr    netip.Addr
	mac     packet.MAC
	known   bool          // mac may be used
	asking  bool          // requests are going out
	failed  bool          // the last round had no answer
	warned  bool          // and the console has said so
	gone    bool          // no longer in the cache
	tries   int           // requests sent in this round
	seen    time.Duration // when mac was last confirmed
	timer   Timer
	waiting []waiting
	// Neighbours stand in order of use, so that the longest unused goes first
	// when there are too many; a map's order would differ from run to run.
	prev, next *neighbour
}

// waiting is a finished frame that lacks its destination MAC.
type waiting struct {
	frame  []byte
	cause  Cause
	number uint64         // among those that began to wait in this version; 0: it came from another
	routed *packet.Packet // what it was when it came in, of a frame on its way through
}

// hop is where a packet to one destination goes, as last worked out.
type hop struct {
	n     *neighbour
	until time.Duration // the routes may have changed after that
}

// neighbours is the neighbour cache of one link: RFC 826 for IPv4, RFC 4861
// for IPv6, with the states that a sender needs.
type neighbours struct {
	byAddr  map[netip.Addr]*neighbour
	routes  map[netip.Addr]hop
	last    netip.Addr // destination of the last packet: mostly that of the next one too
	lastHop hop
	oldest  *neighbour // of the list in order of use
	newest  *neighbour
	asking  int
	queued  int
	dropped uint64 // packets that left for no one: no answer, or no room to wait
	silent  int    // neighbours that did not answer, named or not
	full    bool   // the console has said that packets were dropped for want of room
	drained []func()
}

func (c *neighbours) init() {
	c.byAddr = make(map[netip.Addr]*neighbour)
	c.routes = make(map[netip.Addr]hop)
}

func (c *neighbours) forgetRoutes() {
	clear(c.routes)
	c.last = netip.Addr{}
}

func (c *neighbours) unlink(n *neighbour) {
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		c.oldest = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		c.newest = n.prev
	}
	n.prev, n.next = nil, nil
}

func (c *neighbours) push(n *neighbour) {
	n.prev = c.newest
	if n.prev != nil {
		n.prev.next = n
	} else {
		c.oldest = n
	}
	c.newest = n
}

// use finds or makes the entry for an address and makes it the newest. It
// returns nil where the cache is full of neighbours that are being asked.
func (c *neighbours) use(addr netip.Addr) *neighbour {
	n := c.byAddr[addr]
	if n != nil {
		if c.newest != n {
			c.unlink(n)
			c.push(n)
		}
		return n
	}
	if len(c.byAddr) >= hopLimit {
		old := c.oldest
		for old != nil && old.asking {
			old = old.next
		}
		if old == nil {
			return nil
		}
		c.unlink(old)
		delete(c.byAddr, old.addr)
		old.gone = true
	}
	n = &neighbour{addr: addr}
	c.byAddr[addr] = n
	c.push(n)
	return n
}

// sendVia sends a finished Ethernet frame whose destination MAC was not told:
// dst is the destination of its IP header. The MAC is written into the frame,
// now or when the neighbour has answered; the frame is not kept. What waits
// keeps its order, keeps the scenario alive, and is dropped, counted and said
// on the console when there is no answer to three requests a second apart.
func (a *API) sendVia(l *link, dst netip.Addr, frame []byte, cause Cause) {
	a.sendRouted(l, dst, frame, cause, nil)
}

// sendRouted is sendVia for a frame on its way through. Its sender is told
// when the next hop does not answer: routed is the packet as it came in.
func (a *API) sendRouted(l *link, dst netip.Addr, frame []byte, cause Cause, routed *packet.Packet) {
	now := a.host.Now()
	c := &l.hops
	if n := c.lastHop.n; n != nil && dst == c.last && n.known && !n.gone && now <= c.lastHop.until && now-n.seen <= hopFresh {
		copy(frame, n.mac[:])
		a.host.Send(l.index, frame, cause)
		return
	}
	dst = dst.Unmap().WithZone("")
	if mac, ok := groupMAC(l, dst); ok {
		copy(frame, mac[:])
		a.host.Send(l.index, frame, cause)
		return
	}
	h, ok := c.routes[dst]
	if !ok || now > h.until || h.n.gone {
		h = hop{c.use(a.nextHop(l, dst)), now + hopRoutes}
		if h.n == nil {
			c.drop(a, l, 1)
			return
		}
		if len(c.routes) >= hopLimit {
			c.forgetRoutes()
		}
		c.routes[dst] = h
	}
	c.last, c.lastHop = dst, h
	n := h.n
	if n.known {
		copy(frame, n.mac[:])
		a.host.Send(l.index, frame, cause)
		if !n.asking && now-n.seen > hopFresh {
			c.use(n.addr)
			a.ask(l, n)
		}
		return
	}
	if c.queued >= hopQueued && len(n.waiting) == 0 {
		c.drop(a, l, 1)
		return
	}
	if len(n.waiting) > 0 && (len(n.waiting) == hopWaiting || c.queued >= hopQueued) {
		// The oldest goes (RFC 4861 section 7.2.2).
		n.waiting[0] = waiting{}
		n.waiting = n.waiting[1:]
		c.queued--
		c.drop(a, l, 1)
	}
	if cause.Place == "" {
		cause.Place = a.host.Where()
	}
	a.waited++
	w := waiting{frame: append([]byte(nil), frame...), cause: cause, number: a.waited}
	if routed != nil {
		w.routed = routed.Clone()
	}
	n.waiting = append(n.waiting, w)
	c.queued++
	if !n.asking {
		a.ask(l, n)
	}
}

// drop counts packets that found no room, and says so once a link.
func (c *neighbours) drop(a *API, l *link, packets int) {
	c.dropped += uint64(packets)
	if !c.full {
		c.full = true
		a.host.Log("warn", fmt.Sprintf("%s: packets are dropped: too many wait for neighbours to answer (at most %d for one, %d in all)", l.name, hopWaiting, hopQueued))
	}
}

// groupMAC maps destinations that are no single neighbour.
func groupMAC(l *link, dst netip.Addr) (mac packet.MAC, ok bool) {
	switch {
	case dst.Is4() && dst.IsMulticast(): // RFC 1112 section 6.4: the low 23 bits
		b := dst.As4()
		return packet.MAC{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}, true
	case dst.Is6() && dst.IsMulticast(): // RFC 2464 section 7: the low 32 bits
		b := dst.As16()
		return packet.MAC{0x33, 0x33, b[12], b[13], b[14], b[15]}, true
	case dst.Is4() && (dst.IsUnspecified() || dst == broadcast4 || dst == directed(l.prefix4)):
		return packet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true
	}
	return mac, false
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// directed is the broadcast address of a network (RFC 919 section 7); links
// of two addresses have none (RFC 3021).
func directed(p netip.Prefix) netip.Addr {
	if !p.IsValid() || !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	n := binary.BigEndian.Uint32(b[:]) | (1<<(32-p.Bits()) - 1)
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// nextHop is the neighbour to which a packet to dst goes: by the network and
// router that the script assigned, else by the kernel's routes, else by the
// network and router the link was given, else dst itself.
func (a *API) nextHop(l *link, dst netip.Addr) netip.Addr {
	if dst.IsLinkLocalUnicast() || l.assigned && l.holds(dst) {
		return dst
	}
	gateway := l.gateway4
	if dst.Is6() {
		gateway = l.gateway6
	}
	if l.assigned && gateway.IsValid() {
		return gateway
	}
	if hop, _, ok := a.host.NextHop(l.index, dst); ok && hop.IsValid() {
		return hop.Unmap().WithZone("")
	}
	if gateway.IsValid() && !l.holds(dst) {
		return gateway
	}
	return dst
}

// ask starts a round of requests for n's MAC, or sends the next one.
func (a *API) ask(l *link, n *neighbour) {
	if !n.asking {
		n.asking, n.tries = true, 0
		l.hops.asking++
	}
	n.tries++
	// A neighbour that was known is asked by unicast first: it is only to
	// confirm (RFC 1122 section 2.3.2.1, RFC 4861 section 7.3.3).
	to := packet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if n.known {
		to = n.mac
	}
	why := Cause{Asks: true}
	if len(n.waiting) > 0 {
		why = n.waiting[0].cause
		why.Asks = true
	}
	if n.addr.Is4() {
		a.host.Send(l.index, arpRequest(l, n.addr, to), why)
	} else {
		a.host.Send(l.index, neighbourSolicitation(l, n), why)
	}
	n.timer = a.host.SetTimer(a.host.Now()+hopRetry, func() { a.unanswered(l, n) })
}

// unanswered is called when a request had a second and no answer.
func (a *API) unanswered(l *link, n *neighbour) {
	if n.tries < hopTries {
		a.ask(l, n)
		return
	}
	c := &l.hops
	lost := len(n.waiting)
	c.queued -= lost
	c.dropped += uint64(lost)
	ours := 0
	for _, w := range n.waiting {
		if w.routed != nil {
			a.hostUnreachable(w.routed, w.cause)
		} else {
			ours++
		}
	}
	n.waiting = nil
	n.known, n.failed = false, true
	a.answered(l, n)
	if ours == 0 || n.warned {
		return
	}
	n.warned = true
	c.silent++
	if c.silent <= hopWarned {
		a.host.Log("error", fmt.Sprintf("%v (packets dropped: %d)", silence(l, n), lost))
	}
	if c.silent == hopWarned {
		a.host.Log("warn", fmt.Sprintf("%s: further neighbours that do not answer are counted, not named: see dropped", l.name))
	}
}

// silence is the error for a neighbour that does not answer.
func silence(l *link, n *neighbour) error {
	question := "ARP"
	if n.addr.Is6() {
		question = "neighbour solicitations"
	}
	return fmt.Errorf("%v: no answer to %s on %s", n.addr, question, l.name)
}

// hopError is why what was last sent to dst by that link did not leave: its
// neighbour did not answer. Nil where it did, or was not asked.
func (a *API) hopError(l *link, dst netip.Addr) error {
	if h, ok := l.hops.routes[dst.Unmap().WithZone("")]; ok && h.n.failed {
		return silence(l, h.n)
	}
	return nil
}

// hopsDone calls f when no packet waits for a neighbour any more, at once
// where none does: what flush() waits for before the host's queue.
func (a *API) hopsDone(f func()) {
	for _, l := range a.links {
		if l.hops.queued > 0 {
			l.hops.drained = append(l.hops.drained, func() { a.hopsDone(f) })
			return
		}
	}
	f()
}

// answered ends a round of requests, however it went.
func (a *API) answered(l *link, n *neighbour) {
	c := &l.hops
	if n.asking {
		n.asking = false
		c.asking--
	}
	if c.queued == 0 && len(c.drained) > 0 {
		drained := c.drained
		c.drained = nil
		for _, f := range drained {
			f()
		}
	}
}

// learn takes a MAC for n, and sends what waited for it.
func (a *API) learn(l *link, n *neighbour, mac packet.MAC) {
	n.mac, n.known, n.failed, n.warned = mac, true, false, false
	n.seen = a.host.Now()
	if n.asking {
		a.host.ClearTimer(n.timer)
	}
	held := n.waiting
	n.waiting = nil
	l.hops.queued -= len(held)
	for i := range held {
		copy(held[i].frame, mac[:])
		a.host.Send(l.index, held[i].frame, held[i].cause)
	}
	a.answered(l, n)
}

// observe looks at a received packet before the subscriptions do: it learns
// neighbours from answers to our own requests and from requests that are
// meant for us, and gives the automatic answers of the link. It reads the
// bytes at fixed places, since ARP and ND have no others.
func (a *API) observe(index int, p *packet.Packet) {
	l := a.links[index]
	if l.answers == 0 && len(l.hops.byAddr) == 0 {
		return
	}
	refs := p.Layers()
	if len(refs) < 2 || refs[0].Proto.Name != "eth" {
		return
	}
	switch refs[1].Proto.Name {
	case "arp":
		a.observeARP(l, p)
	case "ip6":
		if len(refs) > 2 && refs[2].Proto.Name == "icmp6" {
			a.observeICMP6(l, p)
		}
	case "ip":
		if l.answers&answerEcho != 0 && len(refs) > 2 && refs[2].Proto.Name == "icmp" {
			a.observeEcho(l, p)
		}
	}
}

func unicast(m packet.MAC) bool { return m[0]&1 == 0 && m != packet.MAC{} }

// observeARP is the algorithm of RFC 826, "Packet Reception", with care: an
// entry is made only by who asks for us or was asked by us, and changed only
// by what is addressed to us or is an announcement (RFC 5227 section 3).
func (a *API) observeARP(l *link, p *packet.Packet) {
	b := p.Header(1)
	if len(b) < 28 || binary.BigEndian.Uint64(b)>>16 != 0x0001_0800_0604 {
		return
	}
	op := binary.BigEndian.Uint16(b[6:])
	sha := packet.MAC(b[8:14])
	spa := netip.AddrFrom4([4]byte(b[14:18]))
	tpa := netip.AddrFrom4([4]byte(b[24:28]))
	forUs := tpa == l.env.IPv4
	if unicast(sha) && !spa.IsUnspecified() && !spa.IsMulticast() && spa != l.env.IPv4 {
		n := l.hops.byAddr[spa]
		switch {
		case n != nil && (forUs || n.asking || spa == tpa):
			a.learn(l, n, sha)
		case n == nil && forUs && op == 1 && l.answers&answerARP != 0:
			// It is about to hear from us: RFC 826 adds who asks for us.
			if n = l.hops.use(spa); n != nil {
				a.learn(l, n, sha)
			}
		}
	}
	if forUs && op == 1 && l.answers&answerARP != 0 {
		a.answer(l, p)
	}
}

// arpRequest is the frame that asks who has an address (RFC 826).
func arpRequest(l *link, target netip.Addr, to packet.MAC) []byte {
	b := make([]byte, 42)
	copy(b, to[:])
	copy(b[6:], l.env.MAC[:])
	copy(b[12:], []byte{0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1})
	copy(b[22:], l.env.MAC[:])
	if l.env.IPv4.IsValid() { // else a probe, which hosts answer too (RFC 5227 section 1.1)
		copy(b[28:], l.env.IPv4.AsSlice())
	}
	copy(b[38:], target.AsSlice())
	return b
}
