package jsapi

// scope owns what ends with it: subscriptions, timers and schedules that were
// made while it was the active one. It is active within a state's enter, and
// goes along with what that leads to: the callbacks registered there, and
// what follows an await.
type scope struct {
	over  bool
	items []owned
}

// owned is something that can end before its time.
type owned interface {
	// cancel ends it. It is called once at most, and may call release.
	cancel()
	// hold tells where it is held, and release forgets it.
	hold(s *scope, place int)
	place() int
}

// scopes is the API's active scope.
type scopes struct{ scope *scope }

// own makes the scope the owner of o, until release. What is made after the
// scope is over ends at once.
func (s *scope) own(o owned) {
	if s.over {
		o.cancel()
		return
	}
	o.hold(s, len(s.items))
	s.items = append(s.items, o)
}

// release forgets o, which ended by itself. The last one takes its place, so
// that it costs the same however many there are.
func (s *scope) release(o owned) {
	i, last := o.place(), len(s.items)-1
	o.hold(nil, 0)
	if i != last {
		s.items[i] = s.items[last]
		s.items[i].hold(s, i)
	}
	s.items[last] = nil
	s.items = s.items[:last]
}

// end ends what the scope owns.
func (s *scope) end() {
	s.over = true
	for len(s.items) > 0 {
		o := s.items[len(s.items)-1]
		s.release(o)
		o.cancel()
	}
}

// within runs f with s as the active scope.
func (a *API) within(s *scope, f func()) {
	before := a.scope
	a.scope = s
	defer func() { a.scope = before }()
	f()
}

func (s *sub) hold(in *scope, place int) {
	if in == nil {
		s.held = 0 // but what it calls still runs within the scope
		return
	}
	s.scope, s.held = in, place+1
}

func (s *sub) place() int { return s.held - 1 }

// sleeping is a deadline of the host that something owns.
type sleeping struct {
	a     *API
	timer Timer
	scope *scope
	at    int
}

func (s *sleeping) cancel()                   { s.a.host.ClearTimer(s.timer) }
func (s *sleeping) hold(in *scope, place int) { s.scope, s.at = in, place }
func (s *sleeping) place() int                { return s.at }

// tracker takes the active scope along to what follows an await.
type tracker struct{ a *API }

// Grab is called when a reaction of a promise is queued.
func (t tracker) Grab() any {
	if t.a.scope == nil {
		return nil // no allocation
	}
	return t.a.scope
}

// Resumed is called before the reaction runs.
func (t tracker) Resumed(x any) {
	t.a.scope, _ = x.(*scope)
}

// Exited is called after it.
func (t tracker) Exited() { t.a.scope = nil }
