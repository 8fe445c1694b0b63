package engine

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/netio/packet"
)

// outBytes is how much a turn may queue on a link before it is sent early.
const (
	outBytes  = 1 << 18
	outFrames = 256
)

// link is one interface of the engine. It is the sink of its netio.Link.
type link struct {
	netio.Link
	engine *Engine
	index  int
	info   netio.Info
	name   string // as the script calls it
	record int    // its number in the recording

	// Owned by the loop.
	ended    bool // nothing will arrive any more
	timed    netio.Timed
	frame    netio.Frame   // timed: the next frame
	due      time.Duration // and when it is due
	base     int64         // the recorded time that is time 0 of the run
	shift    int64         // from recorded times to dates of the run
	out      [][]byte      // queued in this turn, in arena
	arena    []byte
	left     int         // how often it was sent
	wire     *netio.Port // nil: it is none
	recorded []uint64    // of the frames that recordSent was given last
	given    uint64      // frames that the link was given, or that were dropped because it is closed
	fails    []sendFailure
}

// sendFailure is a cause for which frames could not be sent on a link.
type sendFailure struct {
	cause string
	said  time.Duration // when it was said last
	since uint64        // failures that were not said
}

// A scenario that sends what its link refuses does so for each packet: of one
// cause the user hears at most once in sayAgain, and no link has more than
// maxCauses of them that are told apart.
const (
	sayAgain  = time.Minute
	maxCauses = 8
)

// failed says that a frame could not be sent.
func (l *link) failed(err error) {
	cause := err
	for inner := cause; inner != nil; inner = errors.Unwrap(inner) {
		cause = inner
	}
	now, text := l.engine.clock.Now(), cause.Error()
	at := slices.IndexFunc(l.fails, func(f sendFailure) bool { return f.cause == text })
	if at < 0 && len(l.fails) == maxCauses {
		at = maxCauses - 1
	}
	more := ""
	switch {
	case at < 0:
		at = len(l.fails)
		l.fails = append(l.fails, sendFailure{cause: text})
	case now-l.fails[at].said < sayAgain:
		l.fails[at].since++
		return
	default:
		more = fmt.Sprintf(" (and %d times before, since this was said last)", l.fails[at].since)
	}
	l.fails[at].said, l.fails[at].since = now, 0
	l.engine.notice(fmt.Sprintf("send: %v%s", err, more))
}

// Deliver, LinkState and LinkEnd make a link its own sink.
func (l *link) Deliver(_ netio.Link, b *netio.Batch, wait bool) bool {
	return l.engine.inbox.put(l.index, b, wait)
}

func (l *link) LinkState(_ netio.Link, up bool) {
	l.engine.inbox.post(func() {
		l.engine.journal.state(l.index, up)
		l.state(up)
	})
}

func (l *link) LinkEnd(_ netio.Link, err error) {
	l.engine.inbox.post(func() {
		l.engine.journal.linkEnd(l.index, err)
		l.ended = true
		if err != nil {
			l.engine.notice(fmt.Sprintf("interface %s: %v", l.name, err))
		}
		l.state(false)
	})
}

// state tells the script that the link went down or came up.
func (l *link) state(up bool) {
	if info := &l.engine.infos[l.index]; info.Up != up {
		info.Up = up
		l.engine.show()
		l.engine.vm.api.Link(l.index, up)
	}
}

// show makes infos known to versions that are not live yet.
func (e *Engine) show() {
	copied := slices.Clone(e.infos)
	e.shown.Store(&copied)
}

// openLinks opens what the configuration gives and the options want.
func (e *Engine) openLinks() error {
	e.opened = e.unit.options
	wants := e.unit.options.interfaces
	type pair struct {
		Interface
		wanted *wanted
	}
	pairs := make([]pair, 0, len(wants)+len(e.cfg.Interfaces))
	for i := range wants {
		pairs = append(pairs, pair{wanted: &wants[i]})
	}
	given := e.cfg.Interfaces
	if len(given) == 0 {
		given = []Interface{{Spec: "wire"}}
	}
	bound := make([]bool, len(pairs))
	for pass := range 2 { // those with a name first
		for _, g := range given {
			if (g.Name == "") != (pass == 1) {
				continue
			}
			at := -1
			for i := range bound {
				if !bound[i] && (g.Name == "" || wants[i].name == g.Name) {
					at = i
					break
				}
			}
			switch {
			case at >= 0:
				pairs[at].Interface, bound[at] = g, true
			case g.Name != "" && len(wants) > 0 && e.cfg.Shared:
				// It is another scenario's.
			case g.Name != "" && len(wants) > 0:
				names := make([]string, len(wants))
				for i, w := range wants {
					names[i] = w.name
				}
				return fmt.Errorf("scenario %s has no interface %q: its options name %q: %w", e.unit.name, g.Name, names, netio.ErrNoInterface)
			default:
				pairs = append(pairs, pair{Interface: g})
			}
		}
	}
	for i := range pairs {
		p := &pairs[i]
		if p.Spec == "" && p.Link == nil {
			p.Spec = "wire:" + p.wanted.name
		}
		if p.wanted != nil {
			p.Name = p.wanted.name
		}
		opened := p.Link
		if opened == nil {
			var err error
			opened, err = netio.Open(p.Spec, netio.Config{Name: p.Name, Wires: e.cfg.Wires, Filter: e.unit.options.filter, Promiscuous: true, Seed: e.cfg.Seed})
			if errors.Is(err, netio.ErrFilter) && e.unit.options.filterAt != nil {
				return e.unit.options.badFilter(err)
			}
			if err != nil {
				return err
			}
		}
		l := &link{Link: opened, engine: e, index: len(e.links), info: opened.Info()}
		e.links = append(e.links, l)
		if p.Name == "" {
			p.Name = l.info.Name
		}
		l.timed, _ = opened.(netio.Timed)
		l.wire, _ = opened.(*netio.Port)
		if e.cfg.Virtual && e.cfg.replay == nil && (l.info.Kind == netio.KindLive || l.info.Kind == netio.KindTap) {
			return fmt.Errorf("interface %s: %w", p.Name, ErrVirtual)
		}
		l.name = p.Name
		e.infos = append(e.infos, linkInfo(p.Name, l.info, p.wanted, e.cfg.Number))
		if e.cfg.Recorder != nil {
			var err error
			info := l.info
			info.Name = p.Name
			if l.record, err = e.cfg.Recorder.AddInterface(info); err != nil {
				return err
			}
		}
	}
	e.show()
	return nil
}

// linkInfo is what the script sees of a link: the addresses that the options
// say, else the kernel's, else on a wire those that the scenario's number gives.
// On a tap the scenario is not the kernel's interface but its peer, and has a
// MAC of its own.
func linkInfo(name string, info netio.Info, w *wanted, number int) jsapi.LinkInfo {
	l := jsapi.LinkInfo{Name: name, Kind: string(info.Kind), MAC: packet.MAC(info.MAC), Addrs: info.Addrs, MTU: info.MTU, Up: info.Up,
		First: firstLayer(info.LinkType)}
	if info.Kind == netio.KindWire {
		n := byte(number)
		l.MAC = packet.MAC{2, 0, 0, 0, 0, n}
		l.IPv4 = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 24)
		l.IPv6 = netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 15: n}), 64)
	}
	if info.Kind == netio.KindTap {
		l.MAC = packet.MAC{2, 0, 0, 0, 1, byte(number)}
	}
	for _, p := range info.Addrs {
		switch a := p.Addr(); {
		case a.Is4() && !l.IPv4.IsValid():
			l.IPv4 = p
		case a.Is6() && (!l.IPv6.IsValid() || l.IPv6.Addr().IsLinkLocalUnicast() && !a.IsLinkLocalUnicast()):
			l.IPv6 = p
		}
	}
	if w != nil {
		if w.mac != (netio.MAC{}) {
			l.MAC = packet.MAC(w.mac)
		}
		if w.ip.IsValid() {
			l.IPv4 = w.ip
		}
		if w.ip6.IsValid() {
			l.IPv6 = w.ip6
		}
		l.Gateway = w.gateway
		l.Answer = w.answer
	}
	if info.Kind == netio.KindWire && l.MAC != (packet.MAC{}) {
		l.Addrs = append(l.Addrs[:len(l.Addrs):len(l.Addrs)], linkLocal(l.MAC))
	}
	return l
}

// linkLocal is the address of RFC 4291, appendix A: the modified EUI-64 of m.
func linkLocal(m packet.MAC) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]}), 64)
}

// firstLayer is the outermost protocol of a link type's frames.
func firstLayer(t netio.LinkType) string {
	switch t {
	case netio.LinkTypeEthernet:
		return "eth"
	case netio.LinkTypeRaw, netio.LinkTypeIPv4:
		return "ip"
	case netio.LinkTypeIPv6:
		return "ip6"
	case netio.LinkTypeNull, netio.LinkTypeLoop:
		return "loopback"
	case netio.LinkTypeSLL:
		return "sll"
	case netio.LinkTypeSLL2:
		return "sll2"
	}
	return "payload"
}

// firstRecorded reads the first frames of capture files, and returns the time of
// the first of all; ok is false when there is none.
func (e *Engine) firstRecorded() (first int64, ok bool) {
	for _, l := range e.links {
		if l.timed == nil {
			continue
		}
		e.pull(l)
		if !l.ended && (!ok || l.frame.Time < first) {
			first, ok = l.frame.Time, true
		}
	}
	return first, ok
}

// startLinks begins capture. What was recorded at base is played at time 0 of the
// clock, whose date then is start: so is that of the frames.
func (e *Engine) startLinks(base, start int64) error {
	for _, l := range e.links {
		if err := l.Start(l); err != nil {
			return err
		}
		if l.timed != nil && !l.ended {
			l.base, l.shift = base, start-base
			l.due = time.Duration(l.frame.Time - base)
		}
	}
	return nil
}

// outside reports whether an interface leads out of the process: what comes by
// it has the machine's time.
func (e *Engine) outside() bool {
	return slices.ContainsFunc(e.links, func(l *link) bool { return l.info.Kind == netio.KindLive || l.info.Kind == netio.KindTap })
}

// pull reads the next frame of a capture file. A file that breaks off has
// ended: that is said, and is the run's error when it has ended.
func (e *Engine) pull(l *link) {
	f, err := l.timed.Next()
	if err != nil {
		l.ended = true
		l.frame = netio.Frame{}
		switch lost := l.Stats().Lost; {
		case !errors.Is(err, io.EOF):
			e.notice(err.Error())
			if e.broken == nil {
				e.broken = err
			}
		case lost > 0:
			e.notice(fmt.Sprintf("%s: passed over for a link type other than the first packet's: %d", l.name, lost))
		}
		return
	}
	l.frame = f
	// Time does not go back, whatever the file says.
	l.due = max(l.due, time.Duration(f.Time-l.base))
}

// send queues a frame.
func (e *Engine) send(l *link, frame []byte) {
	if len(l.arena)+len(frame) > cap(l.arena) || len(l.out) == outFrames {
		if len(l.out) > 0 {
			e.flushLink(l)
		}
		if l.arena == nil {
			l.arena = make([]byte, 0, outBytes)
			l.out = make([][]byte, 0, outFrames)
		}
		if len(frame) > cap(l.arena) {
			l.out = append(l.out, frame)
			e.flushLink(l)
			return
		}
	}
	at := len(l.arena)
	l.arena = append(l.arena, frame...)
	l.out = append(l.out, l.arena[at:len(l.arena):len(l.arena)])
}

// flushLink sends what is queued on a link. A frame that cannot be sent is
// counted by the link, and said now and then; those behind it still leave.
func (e *Engine) flushLink(l *link) {
	frames := l.out
	l.left++
	for len(frames) > 0 {
		at := len(l.out) - len(frames)
		var (
			n   int
			err error
		)
		if l.wire != nil && e.cfg.Recorder != nil {
			// Before those who answer can record their answers.
			e.recordSent(l, frames, at)
			n, err = l.wire.SendRecorded(frames, l.recorded)
		} else {
			n, err = l.Send(frames)
			e.recordSent(l, frames[:n], at)
		}
		if e.hooks.sent != nil {
			e.hooks.sent(l, frames[:n])
		}
		if err == nil {
			break
		}
		closed := errors.Is(err, netio.ErrClosed)
		e.journal.refused(l.index, l.given+uint64(at+n), err, closed)
		l.failed(err)
		if closed {
			break
		}
		frames = frames[min(n+1, len(frames)):]
	}
	l.given += uint64(len(l.out))
	e.journal.flushed(l, len(l.out))
	clear(l.out)
	l.out, l.arena = l.out[:0], l.arena[:0]
}

// record records a received frame. On a wire the sender has recorded it.
// It returns the frame's number in the recording, 0 where that is not known.
func (e *Engine) record(l *link, f *netio.Frame) uint64 {
	switch {
	case e.cfg.Recorder == nil:
		return 0
	case l.info.Kind == netio.KindWire:
		return e.cfg.Recorder.Number(f.Recorded)
	}
	number, err := e.cfg.Recorder.Add(l.record, netio.DirectionIn, f.Time, f.Data, f.Length, "")
	e.recorded(err)
	return number
}

func (e *Engine) recorded(err error) {
	if err != nil {
		e.notice(err.Error())
	}
}

func (e *Engine) closeLinks() {
	for _, l := range e.links {
		_ = l.Close() // what could not be closed is gone
	}
}
