package jsapi

import (
	"math"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

const (
	// answerTimeout is how long sr and sr1 wait where they are not told.
	answerTimeout = 2 * time.Second
	// probeBatch is how many probes leave before what came back is looked at.
	probeBatch = 256
	// maxProbes bounds one sr.
	maxProbes = 1 << 22
)

func init() {
	installs = append(installs, struct {
		names   string
		install func(*API)
	}{"sr1 sr", (*API).installConversations})
}

func (a *API) installConversations() {
	a.asking = &Handler{Name: "sr1", Lane: "go"}
	a.global("sr1", a.function("sr1", a.sr1))
	a.global("sr", a.function("sr", a.sr))
}

// conversations is what the API keeps of requests.
type conversations struct {
	probes uint64 // how many were made distinct so far
	asking *Handler
}

// probe makes the packet that is sent out of one that the script gave: a copy,
// in which the identifiers, sequence numbers and source ports that were not
// told differ from those of the probes before.
func (a *API) probe(given *view) *view {
	p := given.packet().Clone()
	v := a.newView(p, given.link)
	v.answer = given.answer
	if p.Received() || given.answer && !p.Dirty() {
		return v
	}
	n := a.probes
	a.probes++
	base := a.host.Seed() * 0x9e3779b97f4a7c15 >> 32 // late answers to the run before are not of this one
	for i, r := range p.Layers() {
		switch r.Proto.Name {
		case "eth", "vlan", "ip", "ip6", "ip6frag":
			continue
		}
		untold := func(name string) *packet.Field {
			f := r.Proto.Field(name)
			if f == nil || f.Kind != packet.Uint || f.Auto != nil && f.Auto.What != packet.AutoFrom || f.Own != 0 || p.Told(i, f) {
				return nil
			}
			if _, there := p.Uint(i, f); !there {
				return nil
			}
			return f
		}
		set := func(f *packet.Field, x uint64) {
			if f.Bits < 64 {
				x &= 1<<uint(f.Bits) - 1
			}
			if err := p.Set(i, f, x); err != nil {
				a.throw(err)
			}
		}
		id, seq := untold("id"), untold("seq")
		switch {
		case r.Proto.Name == "tcp" && seq != nil:
			set(seq, mixKey(base, n))
		case id != nil && seq != nil: // as ping: one id, counted on
			set(seq, n)
			set(id, base+n>>min(uint(seq.Bits), 63))
		case seq != nil:
			set(seq, n)
		case id != nil:
			set(id, base+n)
		}
		if f := untold("xid"); f != nil {
			set(f, base<<16+n)
		}
		if f := untold("sport"); f != nil && f.Bits == 16 {
			fixed := i+1 < len(p.Layers()) && slices.ContainsFunc(p.Layers()[i+1].Proto.Over, func(b packet.Bind) bool {
				return b.Space == r.Proto.Name && b.From != 0 // as a DHCP client's
			})
			if !fixed {
				set(f, 49152+(base+n)%16384) // the dynamic ports (RFC 6335 section 6)
			}
		}
	}
	return v
}

// sent marks a probe that has left once: when it is sent again, it is the same
// bytes, and what answers the first try answers the second.
func (v *view) sent() { v.answer = true }

// sr1 sends a packet and waits for its answer; after the last try it resolves
// with undefined.
func (a *API) sr1(call goja.FunctionCall) goja.Value {
	opt := a.options("sr1", call.Argument(1), "timeout", "retry", "iface")
	list := a.gather("sr1", []goja.Value{call.Argument(0)})
	if len(list) != 1 {
		a.fail("sr() sends several", "sr1: %d packets are to be sent", len(list))
	}
	limit, retry, link := a.trying("sr1", opt)
	given := list[0]
	if given.vary != nil {
		given = a.instance(given)
	}
	request := a.probe(given)
	a.sendView(request, link)
	request.sent()

	d := a.awaited()
	h := a.current
	if h == nil {
		h = a.asking
	}
	s := &sub{a: a, match: &match{name: "answer", request: request.p, goes: true}, link: -1, left: 1, h: a.asking}
	s.goes = func(v *view) { d.Resolve(v.object()) }
	var timer Timer
	var wait func()
	again := a.since()
	late := func() {
		timer = 0
		if s.ended || a.closed {
			return
		}
		err := a.guarded(func() {
			a.enter(h, func() {
				if retry > 0 {
					retry--
					again(func() { a.sendView(request, link) })
					wait()
					return
				}
				s.cancel()
				d.Resolve(goja.Undefined())
			})
		})
		if err != nil {
			s.cancel()
			a.enter(h, func() { d.rejectWith(a.errorValue(err)) })
		}
		a.settle()
	}
	wait = func() { timer = a.host.SetTimer(a.deadline(limit), late) }
	s.end = func() {
		if timer != 0 {
			a.host.ClearTimer(timer)
			timer = 0
		}
	}
	wait()
	a.subscribe(s)
	return d.promise
}

// trying reads the options that sr and sr1 share.
func (a *API) trying(where string, opt map[string]goja.Value) (limit time.Duration, retry int64, link int) {
	limit, link = answerTimeout, -1
	if x := opt["timeout"]; x != nil {
		limit = a.duration(x)
	}
	if x := opt["retry"]; x != nil {
		retry = a.number(where+": retry", x, 0, 1<<20)
	}
	if x := opt["iface"]; x != nil {
		link = a.iface(where, x)
	}
	return limit, retry, link
}

// sweep is one call of sr.
type sweep struct {
	a        *API
	d        *awaited
	h        *Handler
	link     int
	limit    time.Duration
	retry    int64
	interval time.Duration // between probes; 0: none
	bits     float64       // or what a second may take; 0: any

	source func() *view // the next packet, nil at the end
	next   time.Duration
	more   bool
	all    []*probing
	queue  []*probing            // by deadline; those that were answered are skipped
	by     map[uint64][]*probing // by request key
	rest   []*probing            // without keys
	open   int                   // not answered, and not given up
	sub    *sub
	hit    *probing
	keys   []uint64
	again  func(func())
	sender Timer
	timer  Timer
}

// probing is one probe of a sweep.
type probing struct {
	v        *view
	n        int
	at       time.Duration // when it was sent last
	wall     int64
	tries    int64
	keys     []uint64
	received *view
	over     bool
	rtt      time.Duration
}

// sr sends many packets and gathers their answers.
func (a *API) sr(call goja.FunctionCall) goja.Value {
	opt := a.options("sr", call.Argument(1), "timeout", "retry", "interval", "rate", "iface")
	w := &sweep{a: a, d: a.awaited(), h: a.current, more: true, by: map[uint64][]*probing{}, next: a.host.Now()}
	if w.h == nil {
		w.h = a.asking
	}
	w.limit, w.retry, w.link = a.trying("sr", opt)
	if opt["interval"] != nil && opt["rate"] != nil {
		a.fail("one of them", "sr: an interval and a rate")
	}
	if x := opt["interval"]; x != nil {
		w.interval = a.duration(x)
	}
	if x := opt["rate"]; x != nil {
		switch pace, rate := a.rate("sr", x); pace {
		case paceRate:
			w.interval = max(time.Duration(math.Round(1e9/rate)), 1)
		case paceBits:
			w.bits = rate
		}
	}
	w.source = a.probeSource(call.Argument(0))
	w.sub = &sub{a: a, match: &match{name: "answer", custom: w.find, goes: true}, link: -1, left: -1, h: a.asking}
	w.sub.goes = w.answered
	w.sub.end = func() {
		for _, t := range []*Timer{&w.sender, &w.timer} {
			if *t != 0 {
				a.host.ClearTimer(*t)
				*t = 0
			}
		}
	}
	a.subscribe(w.sub)
	w.again = a.since()
	ex := a.guarded(w.send)
	if ex != nil {
		w.sub.cancel()
		a.throw(ex)
	}
	return w.d.promise
}

// probeSource reads what sr is to send: a packet, the layers of one, a list, a
// product or an iterable. Each template gives its combinations.
func (a *API) probeSource(x goja.Value) func() *view {
	o, ok := x.(*goja.Object)
	if !ok {
		a.fail("sr([ip({ dst: hosts('10.0.0.0/24') }), icmp()])", "sr: %s is nothing to send", a.describe(x))
	}
	var list []*view
	switch o.ExportType() {
	case typeProducts:
		return a.combinations(o.Export().(*products).v)
	case typeView, typeLayer, typeBytes, typeList:
		list = a.gather("sr", []goja.Value{o})
	}
	var next goja.Callable
	if list == nil {
		begin, ok := goja.AssertFunction(o.GetSymbol(goja.SymIterator))
		if !ok {
			a.fail("sr([ip({ dst: hosts('10.0.0.0/24') }), icmp()])", "sr: %s is nothing to send", a.describe(x))
		}
		it, err := begin(o)
		if err == nil {
			if o, ok = it.(*goja.Object); ok {
				next, ok = goja.AssertFunction(o.Get("next"))
			}
			if !ok {
				a.fail("an object with next()", "sr: %s is no iterator", a.describe(it))
			}
		} else {
			a.throw(err)
		}
	}
	var turn func() *view
	return func() *view {
		for {
			if turn != nil {
				if v := turn(); v != nil {
					return v
				}
				turn = nil
			}
			if next != nil && len(list) == 0 {
				r, err := next(o)
				if err != nil {
					a.throw(err)
				}
				result, ok := r.(*goja.Object)
				if !ok {
					a.fail("{ value, done }", "sr: next() gave %s", a.describe(r))
				}
				if done := result.Get("done"); done != nil && done.ToBoolean() {
					return nil
				}
				list = a.gather("sr", []goja.Value{result.Get("value")})
				continue
			}
			if len(list) == 0 {
				return nil
			}
			turn = a.combinations(list[0])
			list = list[1:]
		}
	}
}

// send sends the probes that are due, and sets the timer for the next ones.
func (w *sweep) send() {
	a := w.a
	w.sender = 0
	now := a.host.Now()
	for n := 0; w.more && w.next <= now; n++ {
		if n == probeBatch {
			w.next = max(w.next, now-time.Second) // no more than a second is made up for
			break
		}
		given := w.source()
		if given == nil {
			w.more = false
			break
		}
		if len(w.all) == maxProbes {
			a.fail("", "sr: more than %d packets", maxProbes)
		}
		p := &probing{v: a.probe(given), n: len(w.all)}
		w.all = append(w.all, p)
		w.open++
		w.try(p)
		if p.keys = p.v.p.RequestKeys(nil); len(p.keys) == 0 {
			w.rest = append(w.rest, p)
		}
		for _, k := range p.keys {
			w.by[k] = append(w.by[k], p)
		}
		switch {
		case w.interval > 0:
			w.next = later(w.next, w.interval)
		case w.bits > 0:
			w.next = later(w.next, time.Duration(float64(len(p.v.p.Data))*8e9/w.bits))
		}
	}
	if w.more {
		w.sender = a.host.SetTimer(max(w.next, now), func() { w.fire(w.send) })
	}
	w.watch()
}

// fire runs f as what a timer of the sweep does.
func (w *sweep) fire(f func()) {
	a := w.a
	if w.sub.ended || a.closed {
		return
	}
	if err := a.guarded(func() { a.enter(w.h, func() { w.again(f) }) }); err != nil {
		w.sub.cancel()
		a.enter(w.h, func() { w.d.rejectWith(a.errorValue(err)) })
	}
	a.settle()
}

// try sends a probe.
func (w *sweep) try(p *probing) {
	p.tries++
	p.at, p.wall = w.a.host.Now(), w.a.host.Wall().UnixNano()
	w.a.sendView(p.v, w.link)
	p.v.sent()
	w.queue = append(w.queue, p)
}

// watch sets the timer of the probe that is to be given up next, or ends the
// sweep.
func (w *sweep) watch() {
	for len(w.queue) > 0 && w.queue[0].over {
		w.queue[0] = nil
		w.queue = w.queue[1:]
	}
	if w.open == 0 && !w.more {
		w.finish()
		return
	}
	if w.timer == 0 && len(w.queue) > 0 {
		w.timer = w.a.host.SetTimer(later(w.queue[0].at, w.limit), func() {
			w.timer = 0
			w.fire(w.late)
		})
	}
}

// late sends again, or gives up, what waited long enough.
func (w *sweep) late() {
	now := w.a.host.Now()
	for len(w.queue) > 0 {
		p := w.queue[0]
		if !p.over && later(p.at, w.limit) > now {
			break
		}
		w.queue[0] = nil
		w.queue = w.queue[1:]
		switch {
		case p.over:
		case p.tries <= w.retry:
			w.try(p)
		default:
			w.forget(p)
		}
	}
	w.watch()
}

// forget takes a probe from those that wait.
func (w *sweep) forget(p *probing) {
	p.over = true
	w.open--
	for _, k := range p.keys {
		list := slices.DeleteFunc(w.by[k], func(q *probing) bool { return q == p })
		if len(list) == 0 {
			delete(w.by, k)
		} else {
			w.by[k] = list
		}
	}
	if len(p.keys) == 0 {
		w.rest = slices.DeleteFunc(w.rest, func(q *probing) bool { return q == p })
	}
	p.keys = nil
}

// find looks for the oldest probe that a packet answers.
func (w *sweep) find(p *packet.Packet) bool {
	w.hit = nil
	look := func(list []*probing) {
		for _, q := range list {
			if (w.hit == nil || q.n < w.hit.n) && p.Answers(q.v.p) {
				w.hit = q
			}
		}
	}
	if len(w.by) > 0 {
		w.keys = p.AnswerKeys(w.keys[:0])
		for _, k := range w.keys {
			look(w.by[k])
		}
	}
	look(w.rest)
	return w.hit != nil
}

// answered takes the answer of the probe that was found.
func (w *sweep) answered(v *view) {
	p := w.hit
	p.received = v
	// The time of capture is nearer to the truth than when it was looked at,
	// where the clocks agree that it lies between.
	p.rtt = w.a.host.Now() - p.at
	if d := time.Duration(v.p.Time - p.wall); d >= 0 && d < p.rtt {
		p.rtt = d
	}
	w.forget(p)
	w.watch()
}

// finish resolves the promise.
func (w *sweep) finish() {
	if w.sub.ended {
		return
	}
	w.sub.cancel()
	a := w.a
	var answered, unanswered []any
	for _, p := range w.all {
		if p.received == nil {
			unanswered = append(unanswered, p.v.object())
			continue
		}
		o := a.rt.NewObject()
		a.put(o, "sent", p.v.object())
		a.put(o, "received", p.received.object())
		a.put(o, "rtt", a.rt.ToValue(float64(p.rtt)/float64(time.Millisecond)))
		answered = append(answered, o)
	}
	r := a.rt.NewObject()
	a.put(r, "answered", a.rt.NewArray(answered...))
	a.put(r, "unanswered", a.rt.NewArray(unanswered...))
	w.d.Resolve(r)
}
