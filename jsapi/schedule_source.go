package jsapi

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// snapshot is the packet as it is now: what the script changes later changes
// no schedule. Values that vary stay shared.
func (a *API) snapshot(v *view) *view {
	c := a.newView(v.packet().Clone(), v.link)
	c.answer = v.answer
	if v.vary != nil {
		c.vary = &varied{slots: v.vary.slots[:len(v.vary.slots):len(v.vary.slots)]}
	}
	return c
}

// templates sends packets in turn, again and again, without entering
// JavaScript but for the iterators in them.
type templates struct {
	list  []prepared
	at    int
	calls bool // a value is drawn by script code
}

// prepared is one packet and what was compiled of it.
type prepared struct {
	v    *view
	out  *outgoing
	link int // that out was compiled for as told; -1: by the packet
}

func newTemplates(a *API, list []*view) *templates {
	t := &templates{list: make([]prepared, len(list))}
	for i, v := range list {
		t.list[i].v = a.snapshot(v)
		if v.vary == nil {
			continue
		}
		for _, s := range v.vary.slots {
			packet.EachVary(s.Value, func(x *packet.Vary) { t.calls = t.calls || x.External() })
		}
	}
	return t
}

func (t *templates) scripted() bool { return t.calls }
func (t *templates) stop()          {}

func (t *templates) why() (lane, why string) {
	if t.calls {
		return "js", "a field is drawn from an iterator of the script"
	}
	for _, p := range t.list {
		if p.v.vary != nil {
			if why := p.v.a.plain(p.v).Why(); why != "" {
				return "go", "built anew for each packet: " + why
			}
		}
	}
	return "go", "sent without entering JavaScript: values are stored at fixed places"
}

func (t *templates) send(s *schedule, now time.Duration, cause Cause) (packets, bytes int, err error) {
	if len(t.list) == 0 {
		return 0, 0, io.EOF
	}
	p := &t.list[t.at]
	if t.at++; t.at == len(t.list) {
		t.at = 0
	}
	o := p.out
	if o == nil || p.link != s.table.link || !o.current() {
		link := s.table.link
		if link < 0 {
			if link = s.a.templateLink(p.v); link < 0 {
				return s.a.sendInstance(p.v, cause)
			}
		}
		if o, err = s.a.tryOutgoing(p.v, link); err != nil {
			return 0, 0, err
		}
		p.out, p.link = o, s.table.link
	}
	n, err := o.send(now, cause)
	return 1, n, err
}

// many sends up to n packets where there is one template and it is compiled,
// without looking again for each; it returns how many slots it served. What
// goes wrong is left for send to find.
func (t *templates) many(s *schedule, n int64, now time.Duration, cause Cause) int64 {
	if len(t.list) != 1 {
		return 0
	}
	p := &t.list[0]
	o := p.out
	if o == nil || p.link != s.table.link || o.t == nil || o.t.Why() != "" || !o.current() {
		return 0
	}
	size := 0
	for i := int64(0); i < n; i++ {
		size, _ = o.send(now, cause) // of stores alone, none can fail
	}
	s.index += n
	s.tick += n
	s.sent += uint64(n)
	s.bytes += uint64(n) * uint64(size)
	s.last = now
	s.h.Hits += uint64(n)
	return n
}

// tryOutgoing is outgoing, where there is no script to throw to.
func (a *API) tryOutgoing(v *view, link int) (o *outgoing, err error) {
	if ex := a.guarded(func() { o = a.outgoing(v, link) }); ex != nil {
		return nil, ex
	}
	return o, nil
}

// sendInstance sends the next packet of a template by the interface that it
// belongs to.
func (a *API) sendInstance(v *view, cause Cause) (packets, bytes int, err error) {
	ex := a.guarded(func() {
		t := a.plain(v)
		if _, err = t.Next(); err != nil {
			return
		}
		q := a.newView(t.Packet().Clone(), v.link)
		bytes = a.sendCaused(q, -1, cause)
	})
	if ex != nil {
		err = ex
	}
	return 1, bytes, err
}

// sendCaused is sendView for a cause of its own; it returns the packet's length.
func (a *API) sendCaused(v *view, link int, cause Cause) int {
	handler, frame := a.current, a.frame
	a.current, a.frame = cause.Handler, cause.Frame
	defer func() { a.current, a.frame = handler, frame }()
	a.sendView(v, link)
	return len(v.p.Data)
}

// productSource sends every packet of a template's combinations.
type productSource struct {
	p   *products
	out *outgoing
	one func() *view // where the interface depends on the packet
}

func newProductSource(p *products) *productSource {
	return &productSource{p: &products{p.a, p.a.snapshot(p.v)}}
}

func (p *productSource) scripted() bool {
	calls := false
	if v := p.p.v; v.vary != nil {
		for _, s := range v.vary.slots {
			packet.EachVary(s.Value, func(x *packet.Vary) { calls = calls || x.External() })
		}
	}
	return calls
}

func (p *productSource) stop() {}

func (p *productSource) why() (lane, why string) {
	if p.scripted() {
		return "js", "a field is drawn from an iterator of the script"
	}
	return "go", "every combination, without entering JavaScript"
}

func (p *productSource) send(s *schedule, now time.Duration, cause Cause) (packets, bytes int, err error) {
	a := s.a
	if p.out == nil && p.one == nil {
		link := s.table.link
		if link < 0 {
			link = a.templateLink(p.p.v)
		}
		if ex := a.guarded(func() {
			if link < 0 || p.p.v.vary == nil {
				p.one = a.combinations(p.p.v)
			} else if p.out = a.outgoing(p.p.v, link); p.out.t != nil {
				p.out.t.Product()
			}
		}); ex != nil {
			return 0, 0, ex
		}
	}
	if p.out != nil {
		n, err := p.out.send(now, cause)
		return 1, n, err
	}
	if ex := a.guarded(func() {
		v := p.one()
		if v == nil {
			err = io.EOF
			return
		}
		bytes = a.sendCaused(v, s.table.link, cause)
	}); ex != nil {
		err = ex
	}
	return 1, bytes, err
}

const synchronousHint = "prepare what is needed before; to wait between packets: for (…) { send(pkt); await sleep(…) }"

// functionSource asks a function of the script.
type functionSource struct{ call goja.Callable }

func (f *functionSource) scripted() bool { return true }
func (f *functionSource) stop()          {}
func (f *functionSource) why() (lane, why string) {
	return "js", "the source is a function"
}

func (f *functionSource) send(s *schedule, now time.Duration, cause Cause) (packets, bytes int, err error) {
	x, err := f.call(goja.Undefined(), s.a.rt.ToValue(s.index))
	if err != nil {
		return 0, 0, err
	}
	if goja.IsUndefined(x) {
		return 0, 0, &mistake{s.name + " returned undefined", "a packet, null for none this time, or false to end"}
	}
	return s.a.sendGiven(s, x, cause)
}

// sendGiven sends what script code gave for a slot.
func (a *API) sendGiven(s *schedule, x goja.Value, cause Cause) (packets, bytes int, err error) {
	if v := a.viewOf(x); v != nil {
		return 1, a.sendCaused(v, s.table.link, cause), nil
	}
	switch {
	case x == nil || goja.IsNull(x):
		return 0, 0, nil
	case x.ExportType() == typePromise:
		return 0, 0, &mistake{s.name + " returned a promise: a source function must be synchronous", synchronousHint}
	case x.ExportType() != nil && x.ExportType().Kind().String() == "bool" && !x.ToBoolean():
		return 0, 0, io.EOF
	}
	for _, v := range a.gather(s.name, []goja.Value{x}) {
		bytes += a.sendCaused(v, s.table.link, cause)
		packets++
	}
	return packets, bytes, nil
}

// iteratorSource asks an iterator of the script.
type iteratorSource struct {
	it   *goja.Object
	next goja.Callable
}

func (i *iteratorSource) scripted() bool { return true }
func (i *iteratorSource) why() (lane, why string) {
	return "js", "the source is an iterator"
}

// stop lets a generator run its finally blocks.
func (i *iteratorSource) stop() {
	if f, ok := goja.AssertFunction(i.it.Get("return")); ok {
		if _, err := f(i.it); err != nil {
			panic(err)
		}
	}
}

func (i *iteratorSource) send(s *schedule, now time.Duration, cause Cause) (packets, bytes int, err error) {
	x, err := i.next(i.it)
	if err != nil {
		return 0, 0, err
	}
	r, ok := x.(*goja.Object)
	if !ok {
		return 0, 0, &mistake{"schedule: next() gave " + s.a.describe(x), "{ value, done }"}
	}
	if done := r.Get("done"); done != nil && done.ToBoolean() {
		return 0, 0, io.EOF
	}
	return s.a.sendGiven(s, r.Get("value"), cause)
}

// rates are the units of a rate; those of bits count frames without their FCS.
var rates = []struct {
	suffix string
	pace   pace
}{{"pps", paceRate}, {"bps", paceBits}}

const rateHint = "packets per second, or a number with a unit: 1000, '10kpps', '1Mpps', '100Mbps', 'max'"

// rate reads a script's rate.
func (a *API) rate(where string, v goja.Value) (pace, float64) {
	if goja.IsNumber(v) {
		x := v.ToFloat()
		if !(x > 0) || math.IsInf(x, 0) {
			a.fail(rateHint, "%s: rate: %v is no rate", where, v)
		}
		return paceRate, x
	}
	if !goja.IsString(v) {
		a.fail(rateHint, "%s: rate: %s is no rate", where, a.describe(v))
	}
	text := strings.TrimSpace(v.String())
	if text == "max" {
		return paceMax, 0
	}
	for _, u := range rates {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		unit := 1.0
		for prefix, factor := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9} {
			if n, ok := strings.CutSuffix(number, prefix); ok {
				number, unit = n, factor
			}
		}
		if x, err := strconv.ParseFloat(strings.TrimSpace(number), 64); err == nil && x*unit > 0 && !math.IsInf(x*unit, 0) {
			return u.pace, x * unit
		}
	}
	a.fail(rateHint, "%s: rate: %s is no rate", where, a.describe(v))
	return 0, 0
}

// Get is a member of the script's Schedule.
func (s *schedule) Get(key string) goja.Value {
	a := s.a
	method := func(f func(call goja.FunctionCall)) goja.Value {
		return a.function(key, func(call goja.FunctionCall) goja.Value {
			f(call)
			return goja.Undefined()
		})
	}
	switch key {
	case "sent":
		return a.rt.ToValue(float64(s.sent))
	case "running":
		return a.rt.ToValue(!s.over && !s.paused)
	case "achieved":
		rate, _ := s.achieved(a.host.Now())
		return a.rt.ToValue(rate)
	case "done":
		if s.done == nil {
			s.done = a.promise()
			switch {
			case s.failure != nil:
				s.done.Reject(s.failure)
			case s.over:
				s.done.Resolve(a.rt.ToValue(float64(s.sent)))
			}
		}
		return s.done.promise
	case "set":
		return method(func(call goja.FunctionCall) { s.set(call.Argument(0)) })
	case "pause":
		return method(func(goja.FunctionCall) { s.pause() })
	case "resume":
		return method(func(goja.FunctionCall) { s.resume() })
	case "cancel":
		return method(func(goja.FunctionCall) { s.finish(nil) })
	}
	return nil
}

// Set refuses: set() changes a schedule.
func (s *schedule) Set(key string, _ goja.Value) bool {
	s.a.fail("set({ rate: … }), pause(), resume(), cancel()", "%s: a schedule has no such property to assign", key)
	return false
}

var scheduleMembers = []string{"sent", "running", "achieved", "done", "set", "pause", "resume", "cancel"}

// Has says whether there is such a member.
func (s *schedule) Has(key string) bool {
	for _, m := range scheduleMembers {
		if m == key {
			return true
		}
	}
	return false
}

// Delete refuses.
func (s *schedule) Delete(key string) bool { return !s.Has(key) }

// Keys are the numbers: what is shown of a schedule.
func (s *schedule) Keys() []string { return scheduleMembers[:3] }

// pause stops the timetable's clock; resume lets it go on where it was.
func (s *schedule) pause() {
	if s.over || s.paused {
		return
	}
	s.paused, s.pausedAt = true, s.a.host.Now()
	if s.timer != 0 {
		s.a.host.ClearTimer(s.timer)
		s.timer = 0
	}
}

func (s *schedule) resume() {
	if s.over || !s.paused {
		return
	}
	s.paused = false
	d := s.a.host.Now() - s.pausedAt
	for _, t := range []*time.Duration{&s.origin, &s.base, &s.next, &s.end, &s.mark, &s.check, &s.last} {
		*t = later(*t, d)
	}
	s.goOn()
}

// set changes the timetable of a running schedule. A new pace counts from the
// last packet that was sent, and whether it is kept up with is judged from then
// on; the rate achieved is still that of the whole schedule.
func (s *schedule) set(v goja.Value) {
	if s.over {
		return
	}
	a := s.a
	old, now := s.table, a.host.Now()
	if s.paused {
		now = s.pausedAt
	}
	before := s.lastDue(now)
	if ex := a.rt.Try(func() { s.readTable("set", v, false) }); ex != nil {
		s.table = old // all or nothing
		panic(ex.Value())
	}
	t := &s.table
	begun := s.index > 0
	if t.delay != old.delay && !begun {
		s.base = later(s.start, t.delay)
		s.origin, s.next, s.mark, s.check = s.base, s.base, s.base, later(s.base, scheduleCheck)
	}
	if t.pace != old.pace || t.interval != old.interval || t.rate != old.rate || t.draw != old.draw || t.burst != old.burst {
		if begun {
			s.base, s.tick, s.missed, s.paced = before, 0, 0, 0
			at := before
			switch t.pace {
			case paceInterval, paceRate:
				at = s.group(1)
			case paceDrawn, paceBits:
				at = now
			}
			s.base = max(at, now)
			s.next, s.mark, s.marked = s.base, s.base, s.sent
			s.check, s.told = later(s.base, scheduleCheck), false
		} else {
			s.next = s.base
		}
	}
	if t.duration != old.duration || !begun {
		if s.end = forever; t.duration >= 0 {
			s.end = later(s.origin, t.duration)
		}
	}
	if s.timer != 0 {
		a.host.ClearTimer(s.timer)
		s.timer = 0
	}
	s.goOn()
}

// lastDue is the deadline of the slot that was served last.
func (s *schedule) lastDue(now time.Duration) time.Duration {
	switch {
	case s.tick == 0:
		return now
	case s.uniform():
		return s.group((s.tick - 1) / s.table.burst)
	}
	return s.last
}
