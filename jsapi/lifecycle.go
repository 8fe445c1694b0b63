package jsapi

import "github.com/dop251/goja"

// lifecycle is the functions that a script wrote for the moments of its life.
type lifecycle struct {
	start, stopped, reloaded, linked *named
	hot                              hot
}

// named is a function called by its name alone.
type named struct {
	h *Handler
	f goja.Callable
}

// lifecycle calls one of them. pending tells whether the promise that it
// returned is still to settle.
func (a *API) moment(n *named, args ...goja.Value) (pending func() bool) {
	settled := func() bool { return false }
	if n == nil || a.closed {
		return settled
	}
	v, ok := a.call(n.h, n.f, args...)
	if !ok {
		return settled
	}
	o, isObject := v.(*goja.Object)
	if !isObject || o.ExportType() != typePromise {
		return settled
	}
	p := o.Export().(*goja.Promise)
	return func() bool { return p.State() == goja.PromiseStatePending }
}

// Start calls onStart: at the first start, when every interface is capturing.
func (a *API) Start() { a.moment(a.start) }

// Stop calls onStop. pending tells whether the promise that it returned is
// still to settle: an engine waits for that, within bounds.
func (a *API) Stop(reason string) (pending func() bool) {
	return a.moment(a.stopped, a.rt.ToValue(reason))
}

// Reload calls onReload of a new version, in place of onStart, with what the
// old one left: { reloads, data }.
func (a *API) Reload(previous goja.Value) { a.moment(a.reloaded, previous) }

// Link calls onLink when an interface went up or down.
func (a *API) Link(link int, up bool) {
	if link >= 0 && link < len(a.linkNames) {
		a.moment(a.linked, a.linkNames[link], a.rt.ToValue(up))
	}
}
