package jsapi

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// installFiles sets what a script has of files and of its command line: pcap,
// open, openBytes, args, env and stop.
func (a *API) installFiles() {
	pcap := a.rt.NewObject()
	a.put(pcap, "read", a.function("read", a.pcapRead))
	a.put(pcap, "write", a.function("write", a.pcapWrite))
	a.put(pcap, "writer", a.function("writer", a.pcapWriter))
	a.freeze(pcap)
	a.global("pcap", pcap)

	a.global("open", a.function("open", func(call goja.FunctionCall) goja.Value {
		b := a.readFile("open", call.Argument(0))
		return a.rt.ToValue(strings.TrimPrefix(toUTF8(b), "\ufeff"))
	}))
	a.global("openBytes", a.function("openBytes", func(call goja.FunctionCall) goja.Value {
		return a.uint8Array(slices.Clone(a.readFile("openBytes", call.Argument(0))))
	}))

	var args []any
	for _, s := range a.host.Args() {
		args = append(args, s)
	}
	list := a.rt.NewArray(args...)
	a.freeze(list)
	a.global("args", list)

	values := a.host.Env()
	env := a.rt.CreateObject(nil) // so that env.constructor is undefined, as any name not given
	for _, name := range slices.Sorted(maps.Keys(values)) {
		a.put(env, name, a.rt.ToValue(values[name]))
	}
	a.freeze(env)
	a.global("env", env)

	a.global("stop", a.function("stop", func(call goja.FunctionCall) goja.Value {
		reason := ""
		if v := call.Argument(0); !goja.IsUndefined(v) {
			reason = a.text(v)
		}
		a.host.Stop(reason)
		return goja.Undefined()
	}))
}

// path reads the name of a file.
func (a *API) path(who string, v goja.Value) string {
	if v == nil || !goja.IsString(v) || v.String() == "" {
		a.fail(who+"('name')", "%s: %s is not the name of a file", who, a.describe(v))
	}
	return v.String()
}

func (a *API) readFile(who string, v goja.Value) []byte {
	b, err := a.host.ReadFile(a.path(who, v))
	if err != nil {
		a.throw(err)
	}
	return b
}

// iterable makes an object of an iterator over packets. next returns nil at
// the end; stop is called when the loop over it ends early.
func (a *API) iterator(next func() goja.Value, stop func()) *goja.Object {
	o := a.rt.NewObject()
	result := func(v goja.Value, done bool) goja.Value {
		r := a.rt.NewObject()
		a.put(r, "value", v)
		a.put(r, "done", a.rt.ToValue(done))
		return r
	}
	a.put(o, "next", a.function("next", func(goja.FunctionCall) goja.Value {
		if v := next(); v != nil {
			return result(v, false)
		}
		return result(goja.Undefined(), true)
	}))
	a.put(o, "return", a.function("return", func(call goja.FunctionCall) goja.Value {
		stop()
		return result(call.Argument(0), true)
	}))
	_ = o.SetSymbol(goja.SymIterator, a.function("[Symbol.iterator]", func(goja.FunctionCall) goja.Value { return o }))
	return o
}

// pcapRead makes an iterable: each loop over it opens the file anew and reads
// a packet when the loop asks for one, so that a capture of any size can be
// gone through.
func (a *API) pcapRead(call goja.FunctionCall) goja.Value {
	path := a.path("pcap.read", call.Argument(0))
	m := a.match("pcap.read", call.Argument(1))
	o := a.rt.NewObject()
	_ = o.SetSymbol(goja.SymIterator, a.function("[Symbol.iterator]", func(goja.FunctionCall) goja.Value {
		r, err := a.host.OpenCapture(path)
		if err != nil {
			a.throw(err)
		}
		stop := func() {
			if r != nil {
				_ = r.Close()
				r = nil
			}
		}
		return a.iterator(func() goja.Value {
			for r != nil {
				data, at, length, first, err := r.Next()
				if err != nil {
					stop()
					if errors.Is(err, io.EOF) {
						break
					}
					a.throw(err)
				}
				v := a.fileView(data, at, length, first)
				if m.matches(a, v.p, v) {
					return v.object()
				}
			}
			return nil
		}, stop)
	}))
	return o
}

// fileView is a packet of a capture file, over bytes of its own.
func (a *API) fileView(data []byte, at int64, length int, first string) *view {
	v := &view{a: a, link: -1}
	a.reg.Decode(&v.own, slices.Clone(data), a.reg.Proto(first))
	v.own.Time, v.own.Length, v.own.Iface = at, length, -1
	v.p = &v.own
	return v
}

// capture is a file that packets are written to.
type capture struct {
	a *API
	w CaptureWriter // nil: closed
}

func (a *API) create(who string, v goja.Value) *capture {
	w, err := a.host.CreateCapture(a.path(who, v))
	if err != nil {
		a.throw(err)
	}
	return &capture{a, w}
}

// write adds a packet; one that was never sent nor received has the time of now.
func (c *capture) write(who string, x goja.Value, comment string) {
	a := c.a
	v := a.viewOf(x)
	if v == nil {
		a.fail("a packet: packet(ip({ … }), …), or one that was received", "%s: %s is not a packet", who, a.describe(x))
	}
	if c.w == nil {
		a.fail("", "%s: the file was closed", who)
	}
	p := v.finished()
	first := "eth"
	if refs := p.Layers(); len(refs) > 0 {
		first = refs[0].Proto.Name
	}
	at := p.Time
	if at == 0 {
		at = a.host.Wall().UnixNano()
	}
	if err := c.w.Write(p.Data, at, first, comment); err != nil {
		a.throw(err)
	}
}

func (c *capture) close() {
	if c.w == nil {
		return
	}
	w := c.w
	c.w = nil
	if err := w.Close(); err != nil {
		c.a.throw(err)
	}
}

func (a *API) pcapWrite(call goja.FunctionCall) goja.Value {
	packets := call.Argument(1)
	if a.viewOf(packets) != nil {
		a.fail("pcap.write(path, [pkt])", "pcap.write: a list of packets is needed, not one packet")
	}
	if o, ok := packets.(*goja.Object); !ok || !goja.IsString(call.Argument(0)) || o.GetSymbol(goja.SymIterator) == nil {
		a.fail("pcap.write('out.pcapng', packets)", "pcap.write: a path and a list of packets are needed, not %s, %s", a.describe(call.Argument(0)), a.describe(packets))
	}
	c := a.create("pcap.write", call.Argument(0))
	defer func() { // what was written before a mistake stays readable
		if c.w != nil {
			_ = c.w.Close()
		}
	}()
	n := 0
	a.rt.ForOf(packets, func(x goja.Value) bool {
		c.write("pcap.write", x, "")
		n++
		return true
	})
	c.close()
	return a.rt.ToValue(n)
}

func (a *API) pcapWriter(call goja.FunctionCall) goja.Value {
	c := a.create("pcap.writer", call.Argument(0))
	o := a.rt.NewObject()
	a.put(o, "write", a.function("write", func(call goja.FunctionCall) goja.Value {
		comment := ""
		if v := call.Argument(1); !goja.IsUndefined(v) {
			comment = a.text(v)
		}
		c.write("write", call.Argument(0), comment)
		return goja.Undefined()
	}))
	a.put(o, "close", a.function("close", func(goja.FunctionCall) goja.Value {
		c.close()
		return goja.Undefined()
	}))
	return o
}
