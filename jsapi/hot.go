package jsapi

import (
	"slices"

	"github.com/dop251/goja"
)

func init() {
	installs = append(installs, struct {
		names   string
		install func(*API)
	}{"hot", (*API).installHot})
}

// hot is what a version of a script has of reloads.
type hot struct {
	reloads   int
	data      *goja.Object // hot.data: what the version before left, and what this one has put there since
	given     []string     // names in data that the version before left
	disposers []*named
	inherited []inherited
	frozen    []*schedule // that went on when it was replaced
}

// inherited is what a link was when its new version began, to tell later what
// either version has changed since.
type inherited struct {
	id  uint16
	was assigned
}

// assigned is what assign() changes.
type assigned struct {
	assignment
	script bool
}

func (l *link) assignedNow() (a assigned) {
	a.mac, a.ip, a.ip6, a.gateway = l.env.MAC, l.prefix4, l.prefix6, l.gateway4
	if !a.gateway.IsValid() {
		a.gateway = l.gateway6
	}
	a.script = l.assigned
	return a
}

// installHot sets hot, which is import.meta.hot as well.
func (a *API) installHot() {
	a.hot.data = a.rt.NewObject()
	o := a.rt.NewObject()
	get := func(name string, f func() goja.Value) {
		getter := a.function("get "+name, func(goja.FunctionCall) goja.Value { return f() })
		_ = o.DefineAccessorProperty(name, getter, nil, goja.FLAG_FALSE, goja.FLAG_TRUE)
	}
	get("reloads", func() goja.Value { return a.rt.ToValue(a.hot.reloads) })
	get("data", func() goja.Value { return a.hot.data })
	_ = o.DefineDataProperty("dispose", a.function("dispose", func(call goja.FunctionCall) goja.Value {
		f, ok := goja.AssertFunction(call.Argument(0))
		if !ok {
			a.fail("hot.dispose((data) => { data.seen = seen })", "hot.dispose: a function is needed, not %s", a.describe(call.Argument(0)))
		}
		a.hot.disposers = append(a.hot.disposers, &named{a.handler("hot.dispose" + a.position()), f})
		return goja.Undefined()
	}), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_TRUE)
	a.global("hot", o)
}

// Prepare gives a new version, none of whose script has run, what the running
// version a leaves: its dispose callbacks are called and what they saved is
// cloned into hot.data of next; addresses and neighbours are taken over.
// reloads is what next shows as hot.reloads. Both runtimes must be the
// caller's during the call; afterwards they share nothing that changes. An
// error is that of a callback (a *goja.Exception with its place), or of data that
// cannot be cloned.
func (a *API) Prepare(next *API, reloads int) error {
	next.hot.reloads = reloads
	if err := a.leaveData(next); err != nil {
		return err
	}
	next.InheritLinks(a)
	for _, l := range next.links {
		next.hot.inherited = append(next.hot.inherited, inherited{l.id, l.assignedNow()})
	}
	return nil
}

// Replace makes next, whose top level has run, the successor of a at the
// swap. The dispose callbacks of a are called again. What a has left replaces
// what it left when next was prepared; names that next added to hot.data stay.
// What a learned and was assigned meanwhile goes to next too, unless next has
// assigned otherwise, and with it the packets that wait for a neighbour. On an
// error nothing has changed but next.
func (a *API) Replace(next *API) error {
	if err := a.leaveData(next); err != nil {
		return err
	}
	for i, l := range next.links {
		if i >= len(a.links) || i >= len(next.hot.inherited) {
			break
		}
		o, since := a.links[i], next.hot.inherited[i]
		l.id = o.id + (l.id - since.id)
		if was := o.assignedNow(); was != since.was && l.assignedNow() == since.was {
			l.env.MAC = o.env.MAC
			l.setIPv4(o.prefix4)
			l.setIPv6(o.prefix6)
			l.gateway4, l.gateway6, l.assigned = o.gateway4, o.gateway6, o.assigned
			l.hops.forgetRoutes()
		}
	}
	next.adopt(a)
	// Should it come back, what its schedules would have sent meanwhile is not due.
	a.hot.frozen = nil
	for _, s := range slices.Clone(a.scheduled) {
		if !s.over && !s.paused {
			s.pause()
			a.hot.frozen = append(a.hot.frozen, s)
		}
	}
	return nil
}

// Waited is how many packets have begun to wait for a neighbour in this version.
func (a *API) Waited() uint64 { return a.waited }

// Resume makes a, which was replaced by failed, run again in its place: it gets
// what failed has learned of neighbours, and the packets that wait for one, up to the
// time when failed had Waited for so many. Those behind them are forgotten.
func (a *API) Resume(failed *API, waited uint64) {
	for i, l := range a.links {
		if i >= len(failed.links) {
			break
		}
		o := failed.links[i]
		l.id = o.id
		for n := o.hops.oldest; n != nil; n = n.next {
			before := len(n.waiting)
			n.waiting = slices.DeleteFunc(n.waiting, func(w waiting) bool { return w.number > waited })
			o.hops.queued -= before - len(n.waiting)
			if n.asking { // the request may be what is undone: a begins a round of its own
				failed.host.ClearTimer(n.timer)
				n.asking = false
				o.hops.asking--
			}
		}
	}
	a.adopt(failed)
	for _, s := range a.hot.frozen {
		s.resume()
	}
	a.hot.frozen = nil
	for _, l := range a.links {
		for n := l.hops.oldest; n != nil; n = n.next {
			if len(n.waiting) > 0 && !n.asking {
				a.ask(l, n)
			}
		}
	}
}

// Previous is what onReload is called with: { reloads, data }.
func (a *API) Previous() goja.Value {
	o := a.rt.NewObject()
	a.put(o, "reloads", a.rt.ToValue(a.hot.reloads))
	a.put(o, "data", a.hot.data)
	return o
}

// leaveData calls the dispose callbacks and clones what they saved to next.
// The callbacks get a copy of hot.data each time: they run twice a reload, and
// the version may go on.
func (a *API) leaveData(next *API) error {
	var (
		data *goja.Object
		err  error
	)
	if err := a.cloned(a, a.hot.data, &data); err != nil {
		return err
	}
	for _, d := range a.hot.disposers {
		d.h.Hits++
		var result goja.Value
		a.enter(d.h, func() { result, err = d.f(goja.Undefined(), data) })
		if o, ok := result.(*goja.Object); ok && err == nil && o.ExportType() == typePromise {
			p := o.Export().(*goja.Promise)
			a.rejections = slices.DeleteFunc(a.rejections, func(r rejection) bool { return r.promise == p })
			err = &mistake{d.h.Name + ": the callback is async, but what it saves after an await is too late", "save all at once"}
		}
		if err != nil {
			d.h.Errors++
			return err
		}
		a.settle()
	}
	var left *goja.Object
	if err := a.cloned(next, data, &left); err != nil {
		return err
	}
	next.scan(left, map[*goja.Object]bool{})
	for _, name := range next.hot.given {
		if err := next.hot.data.Delete(name); err != nil {
			return err
		}
	}
	next.hot.given = left.Keys()
	for _, name := range next.hot.given {
		next.put(next.hot.data, name, left.Get(name))
	}
	return nil
}

// cloned clones hot.data into the runtime of to.
func (a *API) cloned(to *API, data *goja.Object, copy **goja.Object) (err error) {
	defer func() {
		if x := recover(); x != nil { // a getter of the script's that was interrupted
			err = uncaught(x)
		}
	}()
	a.enter(nil, func() {
		if ex := a.rt.Try(func() { *copy, _ = a.clone(to, "hot.data", data).(*goja.Object) }); ex != nil {
			err = ex
		}
	})
	return err
}

// scan walks through what was cloned. A string that came from Go looks at its
// own text when it is first used, and it is shared with the other runtime,
// which may be on another goroutine: it does so here.
func (a *API) scan(v goja.Value, seen map[*goja.Object]bool) {
	if s, ok := v.(goja.String); ok {
		s.Length()
		return
	}
	o, ok := v.(*goja.Object)
	if !ok || seen[o] {
		return
	}
	seen[o] = true
	each := a.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		a.scan(call.Argument(0), seen)
		a.scan(call.Argument(1), seen)
		return goja.Undefined()
	})
	switch t := o.ExportType(); {
	case t == typeMap:
		must(a.natives.mapEach, o, each)
	case t == typeList && o.ClassName() != "Array":
		must(a.natives.setEach, o, each)
	case t == typeList || t == typePlain || o.ClassName() == "Error":
		for _, k := range o.Keys() {
			a.scan(o.Get(k), seen)
		}
	}
}

// adopt takes over the neighbours of another version and the packets that wait
// for them. A round of requests goes on where it was.
func (a *API) adopt(from *API) {
	for i, l := range a.links {
		if i >= len(from.links) {
			break
		}
		o := from.links[i]
		l.hops.dropped = max(l.hops.dropped, o.hops.dropped)
		for n := o.hops.oldest; n != nil; n = n.next {
			m := l.hops.use(n.addr)
			if m == nil {
				continue
			}
			if n.known && (!m.known || m.seen <= n.seen) {
				if len(m.waiting) > 0 || m.asking {
					a.learn(l, m, n.mac)
				}
				m.mac, m.known, m.failed, m.seen = n.mac, true, false, n.seen
			}
			m.warned = m.warned || n.warned
			a.wait(l, m, n, from)
			o.hops.queued -= len(n.waiting)
			n.waiting = nil
		}
	}
}

// wait takes over what waits for the neighbour n of another version.
func (a *API) wait(l *link, m, n *neighbour, from *API) {
	if n.asking {
		from.host.ClearTimer(n.timer)
		n.asking = false
		from.links[l.index].hops.asking--
		if !m.known && !m.asking {
			m.asking, m.tries = true, n.tries
			l.hops.asking++
			m.timer = a.host.SetTimer(a.host.Now()+hopRetry, func() { a.unanswered(l, m) })
		}
	}
	if m.known {
		for i := range n.waiting {
			copy(n.waiting[i].frame, m.mac[:])
			a.host.Send(l.index, n.waiting[i].frame, n.waiting[i].cause)
		}
		return
	}
	// What the other version sent came first.
	for i := range n.waiting {
		n.waiting[i].number = 0
	}
	m.waiting = slices.Concat(n.waiting, m.waiting)
	l.hops.queued += len(n.waiting)
	for over := len(m.waiting) - hopWaiting; over > 0; over-- {
		m.waiting = m.waiting[1:]
		l.hops.queued--
		l.hops.drop(a, l, 1)
	}
}
