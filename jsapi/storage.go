package jsapi

import (
	"slices"

	"github.com/dop251/goja"
)

func init() {
	installs = append(installs, []struct {
		names   string
		install func(*API)
	}{
		{"storage", (*API).installStorage},
	}...)
}

// maxKey is the longest key in bytes: what a state file takes.
const maxKey = 32768

// installStorage sets storage: values that outlive this runtime, kept by the
// host in encoded form. What a script gets is always a copy of its own.
func (a *API) installStorage() {
	o := a.rt.NewObject()
	a.put(o, "get", a.function("get", func(call goja.FunctionCall) goja.Value {
		return a.stored("get", a.storageKey("get", call.Argument(0)))
	}))
	a.put(o, "set", a.function("set", func(call goja.FunctionCall) goja.Value {
		key := a.storageKey("set", call.Argument(0))
		if len(call.Arguments) < 2 {
			a.fail("storage.set(key, value); storage.delete(key) forgets it", "storage.set: a value is needed")
		}
		a.store("set", key, call.Argument(1))
		return goja.Undefined()
	}))
	a.put(o, "update", a.function("update", func(call goja.FunctionCall) goja.Value {
		key := a.storageKey("update", call.Argument(0))
		f, ok := goja.AssertFunction(call.Argument(1))
		if !ok {
			a.fail("storage.update('visits', (n = 0) => n + 1)", "storage.update: %s is no function", a.describe(call.Argument(1)))
		}
		v, err := f(goja.Undefined(), a.stored("update", key))
		if err != nil {
			panic(err) // nothing was changed
		}
		if p, ok := v.(*goja.Object); ok && p.ExportType() == typePromise {
			a.fail("await first, and update then", "storage.update: the function returned a promise")
		}
		a.store("update", key, v)
		return v
	}))
	a.put(o, "delete", a.function("delete", func(call goja.FunctionCall) goja.Value {
		if err := a.host.Storage().Delete(a.storageKey("delete", call.Argument(0))); err != nil {
			a.throw(err)
		}
		return goja.Undefined()
	}))
	a.put(o, "keys", a.function("keys", func(goja.FunctionCall) goja.Value {
		keys := slices.Clone(a.host.Storage().Keys())
		slices.Sort(keys)
		return a.strings(keys)
	}))
	_ = o.DefineAccessorProperty("size", a.rt.ToValue(func(goja.FunctionCall) goja.Value {
		return a.integer(uint64(len(a.host.Storage().Keys())))
	}), nil, goja.FLAG_FALSE, goja.FLAG_TRUE)
	a.freeze(o)
	a.global("storage", o)
}

func (a *API) storageKey(who string, v goja.Value) string {
	if !goja.IsString(v) {
		a.fail("a string: storage."+who+"('leases'…)", "storage.%s: %s is no key", who, a.describe(v))
	}
	key := v.String()
	if key == "" || len(key) > maxKey {
		a.fail("", "storage.%s: a key has 1 to %d bytes, not %d", who, maxKey, len(key))
	}
	return key
}

// stored is a fresh copy of a value; undefined where there is none.
func (a *API) stored(who, key string) goja.Value {
	b, ok := a.host.Storage().Get(key)
	if !ok {
		return goja.Undefined()
	}
	v, err := a.decodeStored(b)
	if err != nil {
		a.fail("storage.delete('"+key+"') forgets it", "storage.%s: '%s': %v", who, key, err)
	}
	return v
}

// store keeps a value; undefined forgets it.
func (a *API) store(who, key string, v goja.Value) {
	var err error
	if v == nil || goja.IsUndefined(v) {
		err = a.host.Storage().Delete(key)
	} else {
		err = a.host.Storage().Set(key, a.encodeStored("storage."+who+"('"+key+"')", v))
	}
	if err != nil {
		a.throw(err)
	}
}
