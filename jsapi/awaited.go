package jsapi

import "github.com/dop251/goja"

// awaited is a promise that can be rejected for a reason that only Go knows. The
// error is then made when no code of the script runs, and would have no place:
// it gets that of the call which returned the promise.
type awaited struct {
	*deferred
	site []goja.StackFrame
}

// awaited makes such a promise, for the call that runs now.
func (a *API) awaited() *awaited {
	return &awaited{a.promise(), a.rt.CaptureCallStack(8, nil)}
}

// callSite is the property of an error that holds the calls it belongs to.
var callSite = goja.NewSymbol("umpa.callSite")

// Reject settles the promise with the Error object of err.
func (d *awaited) Reject(err error) { d.rejectWith(d.a.errorValue(err)) }

// rejectWith settles the promise with a value that is thrown.
func (d *awaited) rejectWith(v goja.Value) {
	if o, ok := v.(*goja.Object); ok {
		_ = o.DefineDataPropertySymbol(callSite, d.a.rt.ToValue(&d.site), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	}
	d.deferred.rejectWith(v)
}

// CallSite is the calls that led to the promise that a thrown value rejected,
// where the value was made without any code of the script running; else none.
func CallSite(thrown goja.Value) []goja.StackFrame {
	o, ok := thrown.(*goja.Object)
	if !ok {
		return nil
	}
	if v := o.GetSymbol(callSite); v != nil {
		if site, ok := v.Export().(*[]goja.StackFrame); ok {
			return *site
		}
	}
	return nil
}
