package jsapi

import "github.com/dop251/goja"

func init() {
	installs = append(installs, struct {
		names   string
		install func(*API)
	}{"flush", (*API).installFlush})
}

// installFlush makes flush(): a promise that is resolved when all that was sent
// before the call has left, also what waits for the address of its neighbour.
// What no neighbour answers for never leaves; it is waited for until that is known.
func (a *API) installFlush() {
	a.global("flush", a.function("flush", func(goja.FunctionCall) goja.Value {
		d := a.promise()
		a.hopsDone(func() { a.host.Flush(func() { d.Resolve(nil) }) })
		return d.promise
	}))
}
