package jsapi

import (
	"time"

	"github.com/dop251/goja"
)

// timerKind says which function made a timer.
type timerKind uint8

const (
	oneShot timerKind = iota
	periodic
	immediate
)

// slot is one timer of the script. Slots are reused, and so are the functions
// given to the host: a million pending timers are a million of these and
// nothing else.
type slot struct {
	f      goja.Callable
	args   []goja.Value
	fire   func()
	timer  Timer
	at     time.Duration // deadline
	period time.Duration
	turn   uint32 // how often the slot was used before: makes ids differ
	kind   timerKind
	used   bool
	scope  *scope   // that was active when it was made
	frame  uint64   // that was being delivered when it was made; 0: none
	caller *calling // of an interval
	held   int      // its place there, plus one; 0: not held
}

// timerTable finds a timer by its id, the number a script gets: the slot's
// place plus one, and above it the slot's turn, so that the id of a timer that
// ended is never another's.
type timerTable struct {
	a     *API
	slots []slot
	free  []uint32
	// Shared by all timers of a kind: they come and go for weeks, and the
	// summary is to stay readable.
	once, often, soon, micro *Handler
}

// The place takes 26 bits of an id and the turn 27, which a script's number
// still holds exactly.
const (
	placeBits = 26
	turnMask  = 1<<27 - 1
)

func (t *timerTable) add(kind timerKind, f goja.Callable, args []goja.Value) (place uint32) {
	if n := len(t.free); n > 0 {
		place = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if len(t.slots) == 1<<placeBits-1 {
			t.a.fail("clear those that are no longer needed", "%d timers are pending", len(t.slots))
		}
		place = uint32(len(t.slots))
		t.slots = append(t.slots, slot{fire: func() { t.fire(place) }})
	}
	s := &t.slots[place]
	s.f, s.kind, s.used, s.frame = f, kind, true, t.a.frame
	if len(args) > 0 {
		s.args = append([]goja.Value(nil), args...)
	}
	return place
}

// slotRef is a timer that a scope owns.
type slotRef struct {
	t  *timerTable
	at uint32
}

func (r slotRef) place() int { return r.t.slots[r.at].held - 1 }

func (r slotRef) hold(in *scope, place int) {
	s := &r.t.slots[r.at]
	if in == nil {
		s.held = 0 // but what it calls still runs within the scope
		return
	}
	s.scope, s.held = in, place+1
}

func (r slotRef) cancel() { r.t.drop(r.at) }

// id is the number of a timer that was just set. From now on the active scope
// owns it.
func (t *timerTable) id(place uint32) goja.Value {
	id := t.number(place)
	if t.a.scope != nil {
		t.a.scope.own(slotRef{t, place})
	}
	return id
}

func (t *timerTable) number(place uint32) goja.Value {
	return t.a.rt.ToValue(int64(t.slots[place].turn)<<placeBits | int64(place+1))
}

func (t *timerTable) end(place uint32) {
	s := &t.slots[place]
	if s.held > 0 {
		s.scope.release(slotRef{t, place})
	}
	s.f, s.args, s.used, s.scope = nil, nil, false, nil
	s.turn = (s.turn + 1) & turnMask
	t.free = append(t.free, place)
}

// clear ends the timer with that id; anything else is ignored, as on the web.
func (t *timerTable) clear(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	if !goja.IsNumber(v) {
		return goja.Undefined()
	}
	id := v.ToInteger()
	place := id&(1<<placeBits-1) - 1
	if place < 0 || place >= int64(len(t.slots)) {
		return goja.Undefined()
	}
	if s := &t.slots[place]; s.used && int64(s.turn) == id>>placeBits {
		t.drop(uint32(place))
	}
	return goja.Undefined()
}

// calling is an interval, for what its callback does later.
type calling struct {
	t     *timerTable
	place uint32
	turn  uint32
}

func (c *calling) cancel() {
	if s := &c.t.slots[c.place]; s.used && s.turn == c.turn {
		c.t.drop(c.place)
	}
}

// drop ends a timer before its time.
func (t *timerTable) drop(place uint32) {
	s := &t.slots[place]
	if s.kind != immediate {
		t.a.host.ClearTimer(s.timer)
		t.end(place)
		return
	}
	// The host will still call the slot, so it must not be reused before.
	if s.held > 0 {
		s.scope.release(slotRef{t, place})
	}
	s.f, s.args = nil, nil
	s.turn = (s.turn + 1) & turnMask
}

// fire is called by the host when a slot's time has come.
func (t *timerTable) fire(place uint32) {
	if t.a.closed {
		return
	}
	s := &t.slots[place]
	f, args := s.f, s.args
	t.a.scope, t.a.frame = s.scope, s.frame
	if s.kind == periodic {
		t.a.caller = s.caller
	}
	defer func() { t.a.scope, t.a.frame, t.a.caller = nil, 0, nil }()
	switch s.kind {
	case oneShot:
		t.end(place)
		t.a.call(t.once, f, args...)
	case immediate:
		t.end(place)
		if f != nil {
			t.a.call(t.soon, f, args...)
		}
	case periodic:
		turn := s.turn
		_, ok := t.a.call(t.often, f, args...)
		s = &t.slots[place] // the callback may have added slots
		if s.turn != turn || !s.used {
			return // it cleared itself
		}
		if !ok { // the run ends, or this interval is quarantined
			t.end(place)
			return
		}
		// Counted from the deadline and not from now, so that a month of
		// intervals keeps its phase; periods that the scenario missed are
		// skipped, so that it does not have to catch up.
		s.at += s.period
		if late := t.a.host.Now() - s.at; late >= 0 {
			s.at += (late/s.period + 1) * s.period
		}
		s.timer = t.a.host.SetTimer(s.at, s.fire)
	}
}

// callback reads the function that a timer is to call.
func (a *API) callback(name string, v goja.Value) goja.Callable {
	f, ok := goja.AssertFunction(v)
	if !ok {
		a.fail("the function itself, not its result: "+name+"(f, 100), not "+name+"(f(), 100)", "%s: a function is needed, not %s", name, a.describe(v))
	}
	return f
}

// installTimers sets everything that has to do with time.
func (a *API) installTimers() {
	t := &timerTable{a: a}
	t.once, t.often, t.soon, t.micro = &Handler{Name: "setTimeout", Lane: "js"}, &Handler{Name: "setInterval", Lane: "js"}, &Handler{Name: "setImmediate", Lane: "js"}, &Handler{Name: "queueMicrotask", Lane: "js"}
	def := func(name string, f func(goja.FunctionCall) goja.Value) { a.global(name, a.function(name, f)) }
	rest := func(call goja.FunctionCall, n int) []goja.Value {
		if len(call.Arguments) <= n {
			return nil
		}
		return call.Arguments[n:]
	}
	def("setTimeout", func(call goja.FunctionCall) goja.Value {
		f := a.callback("setTimeout", call.Argument(0))
		var delay time.Duration
		if v := call.Argument(1); !goja.IsUndefined(v) {
			delay = a.delay(v)
		}
		place := t.add(oneShot, f, rest(call, 2))
		s := &t.slots[place]
		s.timer = a.host.SetTimer(a.deadline(delay), s.fire)
		return t.id(place)
	})
	def("setInterval", func(call goja.FunctionCall) goja.Value {
		f := a.callback("setInterval", call.Argument(0))
		period := a.duration(call.Argument(1))
		if period <= 0 {
			a.fail("a period of at least a nanosecond, or setImmediate", "setInterval: a period of 0 leaves no time for anything else")
		}
		place := t.add(periodic, f, rest(call, 2))
		s := &t.slots[place]
		s.period, s.at, s.caller = period, a.deadline(period), &calling{t, place, s.turn}
		s.timer = a.host.SetTimer(s.at, s.fire)
		return t.id(place)
	})
	def("setImmediate", func(call goja.FunctionCall) goja.Value {
		place := t.add(immediate, a.callback("setImmediate", call.Argument(0)), rest(call, 1))
		a.host.Immediate(t.slots[place].fire)
		return t.id(place)
	})
	for _, name := range []string{"clearTimeout", "clearInterval", "clearImmediate"} {
		def(name, t.clear)
	}

	settled := a.rt.NewObject()
	if p, resolve, _ := a.rt.NewPromise(); resolve(goja.Undefined()) == nil {
		settled = a.rt.ToValue(p).(*goja.Object)
	}
	then, _ := goja.AssertFunction(settled.Get("then"))
	def("queueMicrotask", func(call goja.FunctionCall) goja.Value {
		f := a.callback("queueMicrotask", call.Argument(0))
		task := func(goja.FunctionCall) goja.Value {
			a.call(t.micro, f)
			return goja.Undefined()
		}
		if _, err := then(settled, a.rt.ToValue(task)); err != nil {
			a.throw(err)
		}
		return goja.Undefined()
	})

	def("sleep", func(call goja.FunctionCall) goja.Value {
		d := a.promise()
		s := &sleeping{a: a}
		s.timer = a.host.SetTimer(a.deadline(a.duration(call.Argument(0))), func() {
			if s.scope != nil {
				s.scope.release(s)
			}
			d.Resolve(nil)
		})
		if a.scope != nil {
			a.scope.own(s)
		}
		return d.promise
	})
	def("sleepSync", func(call goja.FunctionCall) goja.Value {
		a.host.Sleep(a.duration(call.Argument(0)))
		return goja.Undefined()
	})
	def("now", func(goja.FunctionCall) goja.Value {
		return a.rt.ToValue(float64(a.host.Now()) / float64(time.Millisecond))
	})
}

// delay reads the delay of setTimeout: as on the web, a negative number, such
// as the time left until what is already past, means at once.
func (a *API) delay(v goja.Value) time.Duration {
	if goja.IsNumber(v) && v.ToFloat() < 0 {
		return 0
	}
	return a.duration(v)
}

// deadline is now plus d, at most the end of time.
func (a *API) deadline(d time.Duration) time.Duration {
	at := a.host.Now() + d
	if at < 0 {
		at = 1<<63 - 1
	}
	return at
}
