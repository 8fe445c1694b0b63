package jsapi

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

const (
	// scheduleBatch is how many packets a schedule sends before everybody else
	// has a turn.
	scheduleBatch = 256
	// scheduleTurn is how long a source of script code may take before that.
	scheduleTurn = 10 * time.Millisecond
	// scheduleLag is how far a schedule may be behind and still make up for it:
	// what was due before is left out, so that a scenario that was held up does
	// not flood afterwards.
	scheduleLag = time.Second
	// scheduleCheck is when a schedule that cannot keep up says so.
	scheduleCheck = 10 * time.Second
	// scheduleNamed is how many schedules the summary names.
	scheduleNamed = 64
	// stillRate is what 'max' means where time stands still while packets are
	// sent, in virtual time: the speed of a link of 10 Gbit/s.
	stillRate = 10e9
)

// scheduling is what the API keeps of schedules.
type scheduling struct {
	scheduled []*schedule // that have not ended
	named     int
	unnamed   *Handler // of those beyond scheduleNamed
}

// schedule sends from a source on a timetable. Deadlines are counted from a
// base and not from what was sent last, so that they do not drift.
type schedule struct {
	a      *API
	h      *Handler
	name   string // what messages call it
	entry  string // and the summary: the name and its place; empty: it has no entry of its own
	source source
	table  timetable
	fire   func()
	timer  Timer
	frame  uint64 // that was being delivered when it was made; 0: none

	start  time.Duration // when it was made
	origin time.Duration // deadline of the first slot, later by as much as it was paused
	base   time.Duration // deadline of tick 0
	next   time.Duration // deadline of the next slot, where it does not follow from base
	end    time.Duration // no deadline is at or after that
	index  int64         // slots that the source was asked for
	tick   int64         // slots of the timetable since base
	missed int64         // of those, left out
	paced  uint64        // bytes since base, where their number is the pace
	sent   uint64        // packets handed to the host, or to the queue of their neighbour
	bytes  uint64
	mark   time.Duration // since when this timetable is in force
	marked uint64        // packets sent before
	last   time.Duration // when the last packet was sent
	check  time.Duration // when to look whether it keeps up
	told   bool          // that it does not
	long   bool          // the last turn was cut short

	scope *scope // that it ends with
	held  int

	paused   bool
	pausedAt time.Duration
	over     bool
	failure  error // what ended it
	done     *deferred
}

var typeSchedule = reflect.TypeFor[*schedule]()

// pace is what a timetable's deadlines follow from.
type pace uint8

const (
	paceMax      pace = iota // as fast as the link takes
	paceInterval             // base + n × interval
	paceRate                 // base + n / rate
	paceBits                 // the packet before, and how long it was
	paceDrawn                // the packet before, and a draw
)

// timetable is what a script gave.
type timetable struct {
	pace     pace
	told     bool // interval or rate was told
	delay    time.Duration
	interval time.Duration
	draw     *packet.Vary
	rate     float64 // packets or bits per second
	count    int64   // slots; -1: no bound
	duration time.Duration
	burst    int64
	link     int
	blocking bool
}

const forever = time.Duration(math.MaxInt64)

// source gives a schedule its packets.
type source interface {
	// send sends the packet of a slot, and tells how many packets and bytes that
	// were: none for a slot that is left empty. The error is io.EOF at the end.
	send(s *schedule, now time.Duration, cause Cause) (packets, bytes int, err error)
	// scripted reports whether send runs script code.
	scripted() bool
	// why says which lane it runs in, and why.
	why() (lane, why string)
	// stop is called when no more packets are wanted.
	stop()
}

// schedule makes and starts a schedule.
func (a *API) schedule(call goja.FunctionCall) goja.Value {
	if len(a.links) == 0 {
		a.fail("", "schedule: there is no interface")
	}
	s := &schedule{a: a, table: timetable{count: -1, duration: -1, burst: 1, link: -1}}
	s.readTable("schedule", call.Argument(1), true)
	s.readSource(call.Argument(0))
	s.h = a.scheduleHandler(s)
	s.h.Lane, s.h.Why = s.source.why()
	s.frame = a.frame
	s.start = a.host.Now()
	s.base = a.deadline(s.table.delay)
	s.origin, s.next, s.mark, s.check, s.end = s.base, s.base, s.base, later(s.base, scheduleCheck), forever
	if s.table.duration >= 0 {
		s.end = later(s.base, s.table.duration)
	}
	a.scheduled = append(a.scheduled, s)
	if s.table.blocking {
		s.block()
		return a.rt.NewDynamicObject(s)
	}
	s.fire = s.step
	if a.scope != nil {
		a.scope.own(s)
	}
	s.goOn()
	return a.rt.NewDynamicObject(s)
}

// later is t plus d, at most the end of time.
func later(t, d time.Duration) time.Duration {
	if t += d; t < 0 {
		return forever
	}
	return t
}

// scheduleHandler is the entry of the summary for a schedule.
func (a *API) scheduleHandler(s *schedule) *Handler {
	s.name = "schedule(" + s.name + ")"
	if a.named < scheduleNamed {
		a.named++
		s.entry = s.name + a.position()
		return a.handler(s.entry)
	}
	if a.unnamed == nil {
		a.unnamed = a.handler(fmt.Sprintf("schedule (those after the first %d)", scheduleNamed))
	}
	return a.unnamed
}

// readTable reads a timetable over the one that is there.
func (s *schedule) readTable(where string, v goja.Value, first bool) {
	a, t := s.a, &s.table
	opt := a.options(where, v, "delay", "interval", "rate", "count", "duration", "burst", "iface", "blocking")
	if opt["interval"] != nil && opt["rate"] != nil {
		a.fail("one of them", "%s: an interval and a rate", where)
	}
	if x := opt["delay"]; x != nil {
		if !first && s.index > 0 {
			a.fail("", "%s: delay: it has begun", where)
		}
		t.delay = a.duration(x)
	}
	if x := opt["interval"]; x != nil {
		t.told, t.draw, t.interval = true, nil, 0
		if o, ok := x.(*goja.Object); ok {
			y := a.varyingOf(o)
			if y == nil {
				y = a.iterated(where+": interval", o)
			}
			if y == nil {
				a.fail("a duration, or one that varies: random.exponential('1s')", "%s: interval: %s is no duration", where, a.describe(x))
			}
			t.pace, t.draw = paceDrawn, y.v
		} else if t.interval = a.duration(x); t.interval > 0 {
			t.pace = paceInterval
		} else {
			t.pace = paceMax
		}
	}
	if x := opt["rate"]; x != nil {
		t.told, t.draw = true, nil
		t.pace, t.rate = a.rate(where, x)
	}
	if x := opt["count"]; x != nil {
		t.count = a.number(where+": count", x, 0, 1<<52)
	}
	if x := opt["duration"]; x != nil {
		t.duration = a.duration(x)
	}
	if x := opt["burst"]; x != nil {
		t.burst = a.number(where+": burst", x, 1, 1<<20)
	}
	if x := opt["iface"]; x != nil {
		t.link = a.iface(where, x)
	}
	if x := opt["blocking"]; x != nil {
		if !first {
			a.fail("", "%s: blocking cannot be changed", where)
		}
		t.blocking = x.ToBoolean()
	}
}

// readSource reads what is to be sent.
func (s *schedule) readSource(x goja.Value) {
	a := s.a
	const right = "a packet, a list, an iterable or a function: schedule(pkt, { interval: '1s' })"
	o, ok := x.(*goja.Object)
	if !ok {
		a.fail(right, "schedule: %s is no source of packets", a.describe(x))
	}
	bounded := s.table.told || s.table.count >= 0 || s.table.duration >= 0
	kind := o.ExportType()
	if kind == typeList && o.ClassName() != "Array" {
		kind = nil // a Set
	}
	switch kind {
	case typeView:
		v := a.viewOf(o)
		s.name = layerNames(v)
		s.source = newTemplates(a, []*view{v})
		if !bounded {
			s.table.count = 1
		}
		return
	case typeLayer:
		a.fail("make a packet of it: packet(…)", "schedule: a layer is no packet")
	case typeProducts:
		p := o.Export().(*products)
		s.name = "product of " + layerNames(p.v)
		s.source = newProductSource(p)
		return
	case typeList:
		list := a.gather("schedule", []goja.Value{o})
		s.name = fmt.Sprintf("%d packets", len(list))
		s.source = newTemplates(a, list)
		if s.table.count < 0 && s.table.duration < 0 {
			s.table.count = int64(len(list)) // once each
		}
		return
	case typeFunction, typeClass:
		if tag := o.GetSymbol(goja.SymToStringTag); tag != nil {
			name := o.Get("name").String()
			switch tag.String() {
			case "GeneratorFunction":
				if name == "" {
					name = "(function* () { … })"
				}
				a.fail("call it: "+name+"()", "schedule: the generator function %s is no source of packets, what it returns is one", name)
			case "AsyncFunction":
				if name == "" {
					name = "the source"
				}
				a.fail(synchronousHint, "schedule: %s is async: a source function must be synchronous", name)
			}
		}
		if n := o.Get("name"); n != nil && goja.IsString(n) && n.String() != "" {
			s.name = n.String()
			if p := a.reg.Proto(s.name); p != nil && o.StrictEquals(a.exports.Get(p.Name)) {
				a.fail("make a packet: packet("+p.Name+"({ … }))", "schedule: the builder %s is no source of packets", p.Name)
			}
		} else {
			s.name = "function"
		}
		f, _ := goja.AssertFunction(o)
		s.source = &functionSource{call: f}
		return
	}
	next, isIterator := goja.AssertFunction(o.Get("next"))
	if begin, ok := goja.AssertFunction(o.GetSymbol(goja.SymIterator)); ok && !isIterator {
		v, err := begin(o)
		if err != nil {
			a.throw(err)
		}
		if o, ok = v.(*goja.Object); ok {
			next, isIterator = goja.AssertFunction(o.Get("next"))
		}
	}
	if !isIterator {
		a.fail(right, "schedule: %s is no source of packets", a.describe(x))
	}
	s.name = "iterator"
	s.source = &iteratorSource{it: o, next: next}
}

// layerNames names a packet by its layers.
func layerNames(v *view) string {
	name := ""
	for _, r := range v.packet().Layers() {
		if name != "" {
			name += "/"
		}
		name += r.Proto.Name
	}
	if name == "" {
		return "payload"
	}
	return name
}

// group is the deadline of the nth burst, where it follows from base.
func (s *schedule) group(n int64) time.Duration {
	t := &s.table
	if t.pace == paceInterval {
		if n > 0 && t.interval > (forever-s.base)/time.Duration(n) {
			return forever
		}
		return s.base + time.Duration(n)*t.interval
	}
	d := math.Round(float64(n) * float64(t.burst) * (1e9 / t.rate))
	if d >= float64(forever-s.base) {
		return forever
	}
	return s.base + time.Duration(d)
}

// groups is how many bursts are due at a time.
func (s *schedule) groups(at time.Duration) int64 {
	if at < s.base {
		return 0
	}
	t := &s.table
	var n int64
	if t.pace == paceInterval {
		return int64((at-s.base)/t.interval) + 1
	}
	n = int64(float64(at-s.base)*t.rate/1e9/float64(t.burst)) + 1
	for n > 0 && s.group(n-1) > at {
		n--
	}
	for s.group(n) <= at {
		n++
	}
	return n
}

// uniform reports whether deadlines follow from base.
func (s *schedule) uniform() bool { return s.table.pace == paceInterval || s.table.pace == paceRate }

// due is the deadline of the next slot.
func (s *schedule) due() time.Duration {
	if s.uniform() {
		return s.group(s.tick / s.table.burst)
	}
	return s.next
}

// ready is how many slots are due.
func (s *schedule) ready(now time.Duration) int64 {
	at := now
	if s.end != forever && at >= s.end {
		at = s.end - 1
	}
	n := int64(0)
	switch {
	case s.uniform():
		n = s.groups(at)*s.table.burst - s.tick
	case s.table.pace == paceMax && s.next <= at:
		n = scheduleBatch
	case s.next <= at:
		n = s.table.burst - s.tick%s.table.burst
		if s.table.pace == paceBits {
			n = 1 // the next one's deadline follows from its length
		}
	}
	if s.table.count >= 0 {
		n = min(n, s.table.count-s.index)
	}
	return n
}

// run sends what is due, but not too much at once, and ends the schedule when
// there will be no more.
func (s *schedule) run(now time.Duration) {
	if s.uniform() && now-s.due() > scheduleLag {
		s.skip(now)
	}
	before := s.bytes
	left := int64(scheduleBatch)
	for left > 0 && !s.over && !s.paused {
		n := min(s.ready(now), left)
		if n <= 0 {
			break
		}
		left -= n
		if s.long = s.slots(n, now); s.long {
			break
		}
	}
	if s.bytes > before {
		s.last = s.a.host.Now()
	}
	if s.over || s.paused {
		return
	}
	if s.table.pace == paceMax && s.bytes > before {
		if s.next = now; s.a.host.Now() == now { // virtual time
			s.next = later(now, time.Duration(math.Ceil(float64(s.bytes-before)*8e9/stillRate)))
		}
	}
	if now >= s.check {
		s.check = forever
		s.complain(s.a.host.Now())
	}
	if s.exhausted() || now >= s.end {
		s.finish(nil)
	}
}

// exhausted reports whether the timetable has no more slots.
func (s *schedule) exhausted() bool {
	return s.table.count >= 0 && s.index >= s.table.count || s.due() >= s.end
}

// skip leaves out what was due too long ago.
func (s *schedule) skip(now time.Duration) {
	n := s.groups(now-scheduleLag)*s.table.burst - s.tick
	if n > 0 {
		s.tick += n
		s.missed += n
	}
}

// slots sends the packets of the next n slots. It reports whether it left some
// because that took long: everybody else is to have a turn.
func (s *schedule) slots(n int64, now time.Duration) (long bool) {
	cause := Cause{Handler: s.h, Frame: s.frame}
	if !s.source.scripted() && s.table.pace != paceDrawn {
		if t, ok := s.source.(*templates); ok && s.table.pace != paceBits {
			n -= t.many(s, n, now, cause)
		}
		for ; n > 0; n-- {
			if err := s.slot(now, cause); err != nil {
				s.finish(err)
				break
			}
		}
		return false
	}
	// To the watch each call of the source is a callback: one that is called often
	// is no runaway.
	a := s.a
	watch := a.host.Watch()
	if s.table.blocking { // within the script's own call: what it throws goes there
		for ; n > 0 && !s.over; n-- {
			if err := s.slot(now, cause); err != nil {
				s.finish(err)
			}
			watch.Leave()
			watch.Enter()
		}
		return false
	}
	for n > 0 && !long && !s.over && !s.paused && !a.closed {
		var err error
		ex := a.guarded(func() {
			a.enter(s.h, func() {
				for n > 0 && err == nil && !s.over && !s.paused && !a.closed && !long {
					n--
					err = s.slot(now, cause)
					long = a.host.Now()-now > scheduleTurn
					watch.Leave()
					watch.Enter()
					if a.pending() || len(a.rejections) > 0 {
						return
					}
				}
			})
		})
		if ex != nil {
			err = ex
		}
		if err != nil {
			s.finish(err)
		}
		a.settle()
	}
	return long
}

// guarded runs f, which may call script code, and returns what it threw.
func (a *API) guarded(f func()) (err error) {
	defer func() {
		if x := recover(); x != nil {
			if _, ok := x.(*goja.InterruptedError); ok {
				a.rt.ClearInterrupt()
			}
			err = uncaught(x)
		}
	}()
	if ex := a.rt.Try(f); ex != nil {
		return ex
	}
	return nil
}

// slot sends the packet of the next slot.
func (s *schedule) slot(now time.Duration, cause Cause) error {
	packets, bytes, err := s.source.send(s, now, cause)
	if err != nil {
		return err
	}
	s.index++
	s.tick++
	if packets > 0 {
		s.sent += uint64(packets)
		s.bytes += uint64(bytes)
		s.last = now
		s.h.Hits += uint64(packets)
	}
	t := &s.table
	switch t.pace {
	case paceBits:
		s.paced += uint64(bytes)
		s.next = later(s.base, time.Duration(math.Round(float64(s.paced)*8e9/t.rate)))
		if d := now - scheduleLag - s.next; d > 0 {
			s.base += d
			s.next += d
		}
	case paceDrawn:
		if s.tick%t.burst != 0 || t.count >= 0 && s.index >= t.count {
			break
		}
		x, err := t.draw.Next()
		if err != nil {
			return err
		}
		d, err := drawnDuration(x)
		if err != nil {
			return err
		}
		s.next = max(later(s.next, d), now-scheduleLag)
	}
	return nil
}

// drawnDuration reads an interval that was drawn: milliseconds, or text.
func drawnDuration(x packet.Value) (time.Duration, error) {
	switch x := x.(type) {
	case uint64:
		return scale(fmt.Sprint(x), float64(x), time.Millisecond)
	case int64:
		return scale(fmt.Sprint(x), float64(x), time.Millisecond)
	case float64:
		return scale(fmt.Sprint(x), x, time.Millisecond)
	case string:
		return ParseDuration(x)
	}
	return 0, &mistake{fmt.Sprintf("schedule: interval: %v is no duration", x), durationHint}
}

// step is a turn of the schedule.
func (s *schedule) step() {
	s.timer = 0
	if s.over || s.paused || s.a.closed {
		return
	}
	s.run(s.a.host.Now())
	s.goOn()
}

// goOn sets the timer for the next slot.
func (s *schedule) goOn() {
	switch {
	case s.over || s.paused || s.timer != 0 || s.a.closed:
	case s.exhausted():
		s.timer = s.a.host.SetTimer(s.a.host.Now(), func() {
			s.timer = 0
			if !s.over && !s.a.closed {
				s.finish(nil)
			}
		})
	case s.long: // behind whoever is due by now
		s.timer = s.a.host.SetTimer(max(s.due(), s.a.host.Now()), s.fire)
	default:
		s.timer = s.a.host.SetTimer(s.due(), s.fire)
	}
}

// block runs the schedule to its end, or until the scenario is to end.
func (s *schedule) block() {
	const rest, pause = 100 * time.Millisecond, time.Millisecond
	const listen, most = 1 << 12, 5_000_000 // slots at one instant: on a virtual clock it lasts
	h := s.a.host
	awake := h.Now()
	instant, first, heard := awake, s.index, s.index
	for !s.over {
		now := h.Now()
		if now != instant {
			instant, first = now, s.index
		}
		if s.index-heard >= listen && !s.over {
			heard = s.index
			if h.Sleep(0) {
				s.finish(nil)
				break
			}
			if s.index-first > most {
				s.finish(&mistake{fmt.Sprintf("%s: virtual time stands still: %d of its slots are due at one instant", s.name, s.index-first), "an interval above 0, a rate, or a count"})
				break
			}
		}
		at := s.due()
		if s.exhausted() {
			s.finish(nil)
			break
		}
		if at <= now {
			s.run(now)
			// To the watch each batch is a callback, too.
			h.Watch().Leave()
			h.Watch().Enter()
			if now-awake < rest {
				continue
			}
			at = now + pause // a moment to send what is queued, and to hear signals
		}
		if h.Sleep(at - now) {
			s.finish(nil)
		}
		awake = h.Now()
	}
	var interrupted *goja.InterruptedError
	if errors.As(s.failure, &interrupted) {
		panic(interrupted) // no catch of the script's stops that
	}
	if s.failure != nil {
		s.a.throw(s.failure)
	}
}

// finish ends the schedule: err is what its source or its timetable threw, or
// io.EOF.
func (s *schedule) finish(err error) {
	if s.over {
		return
	}
	a := s.a
	s.over = true
	if s.timer != 0 {
		a.host.ClearTimer(s.timer)
		s.timer = 0
	}
	ended := errors.Is(err, io.EOF)
	if i := slices.Index(a.scheduled, s); i >= 0 {
		a.scheduled = slices.Delete(a.scheduled, i, i+1)
	}
	if s.scope != nil {
		s.scope.release(s)
	}
	s.complain(a.host.Now())
	if err == nil || ended {
		s.describe() // an error names it without the rate
	} else {
		s.failure = err
		if s.table.blocking {
			return
		}
		if s.entry != "" {
			s.h.Name = s.entry
		}
		// What the script did not throw is told to the host even where the script
		// waits for the end: it knows the words and the place.
		own := false
		switch err.(type) {
		case *goja.InterruptedError, *goja.StackOverflowError, *Panic:
			own = true
		}
		if s.done == nil || own {
			var ex *goja.Exception
			if !own && !errors.As(err, &ex) { // our own words, as the script would see them
				err = a.exception(a.errorValue(err))
			}
			s.h.Errors++
			a.host.Fail(err, s.h)
			return
		}
		a.enter(s.h, func() { s.done.Reject(err) })
		a.settle()
		return
	}
	if !ended && s.source.scripted() {
		if ex := a.guarded(func() { a.enter(s.h, s.source.stop) }); ex != nil && s.failure == nil {
			s.failure = ex
			a.failed(ex, s.h)
		}
	}
	if s.done != nil {
		s.done.Resolve(a.rt.ToValue(float64(s.sent)))
	}
}

// cancel, hold and place make a schedule something that a scope owns.
func (s *schedule) cancel()                   { s.finish(nil) }
func (s *schedule) hold(in *scope, place int) { s.scope, s.held = in, place }
func (s *schedule) place() int                { return s.held }

// achieved is the rate in packets per second over all the time that the schedule
// has run, without its pauses and whatever its timetable was meanwhile, and how
// long that is.
func (s *schedule) achieved(now time.Duration) (rate float64, over time.Duration) {
	return s.measure(now, s.origin, s.sent)
}

// measure is the rate of n packets since a time at which a slot was due.
func (s *schedule) measure(now, since time.Duration, n uint64) (rate float64, over time.Duration) {
	until := now
	if s.over {
		until = s.last
	} else if s.paused {
		until = s.pausedAt
	}
	switch {
	case s.table.pace == paceDrawn && s.over && n > 0:
		n-- // the last one began no interval
	case s.table.pace != paceMax:
		until = max(until, s.due())
	}
	if over = until - since; over <= 0 {
		return 0, 0
	}
	return float64(n) / over.Seconds(), over
}

// target is the rate told, in packets per second; 0 where it is none.
func (s *schedule) target() float64 {
	switch s.table.pace {
	case paceInterval:
		return float64(s.table.burst) / s.table.interval.Seconds()
	case paceRate:
		return s.table.rate
	}
	return 0
}

// complain says once by how much a schedule cannot keep up: more than 1 %.
func (s *schedule) complain(now time.Duration) {
	if s.told || s.index == 0 || s.paused {
		return
	}
	if s.over {
		now = s.last
	}
	rate, over := s.measure(now, s.mark, s.sent-s.marked)
	if over <= 0 {
		return
	}
	short := 0.0
	text := ""
	switch {
	case s.uniform():
		burst := s.table.burst
		done := (s.tick - s.missed + burst - 1) / burst * burst // the last one may be cut by count
		short = 1 - float64(done)/(over.Seconds()*s.target())
		text = fmt.Sprintf("%s packets/s instead of %s", figure(rate), figure(s.target()))
	case s.table.pace == paceBits:
		bits := float64(s.paced) * 8 / over.Seconds()
		short = 1 - bits/s.table.rate
		text = fmt.Sprintf("%s bit/s instead of %s", figure(bits), figure(s.table.rate))
	}
	if short > 0.01 {
		s.told = true
		s.a.host.Log("warn", fmt.Sprintf("%s cannot keep up: %s, %.1f %% short", s.name, text, short*100))
	}
}

// describe puts the rate into the name that the summary shows.
func (s *schedule) describe() {
	if s.entry == "" || s.index == 0 {
		return
	}
	rate, over := s.achieved(s.a.host.Now())
	switch {
	case over <= 0:
		s.h.Name = s.entry
	case s.uniform():
		s.h.Name = fmt.Sprintf("%s %s pps of %s", s.entry, figure(rate), figure(s.target()))
	case s.table.pace == paceBits:
		s.h.Name = fmt.Sprintf("%s %s pps, %s bit/s of %s", s.entry, figure(rate), figure(float64(s.bytes)*8/over.Seconds()), figure(s.table.rate))
	default:
		s.h.Name = fmt.Sprintf("%s %s pps", s.entry, figure(rate))
	}
}

// figure shows a rate: three digits below 100, and groups of three above.
func figure(x float64) string {
	if x < 100 {
		return fmt.Sprintf("%.3g", x)
	}
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// refreshSchedules brings the names of running schedules up to date.
func (a *API) refreshSchedules() {
	for _, s := range a.scheduled {
		s.describe()
	}
}
