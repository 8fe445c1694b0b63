package jsapi

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"

	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/url"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// polyfills are what goja lacks of ES2024 and scripts are likely to use. The
// symbols are the registered ones, so that code lowered by a bundler, which
// may look for them in the registry, finds the same.
var polyfills = sync.OnceValue(func() *goja.Program {
	return goja.MustCompile("umpa:polyfills", `'use strict';
(function () {
	const add = (on, name, value) => {
		if (!(name in on)) Object.defineProperty(on, name, { value, writable: true, configurable: true });
	};
	for (const name of ['asyncIterator', 'dispose', 'asyncDispose']) {
		if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol.for('Symbol.' + name) });
	}
	add(Promise, 'withResolvers', function withResolvers() {
		let resolve, reject;
		const promise = new this((a, b) => { resolve = a; reject = b; });
		return { promise, resolve, reject };
	});
	add(Object, 'groupBy', function groupBy(items, key) {
		const groups = Object.create(null);
		let i = 0;
		for (const item of items) (groups[key(item, i++)] ??= []).push(item);
		return groups;
	});
	add(Map, 'groupBy', function groupBy(items, key) {
		const groups = new Map();
		let i = 0;
		for (const item of items) {
			const k = key(item, i++);
			const group = groups.get(k);
			if (group) group.push(item); else groups.set(k, [item]);
		}
		return groups;
	});
})`, true)
})

func init() {
	installs = append(installs, []struct {
		names   string
		install func(*API)
	}{
		{"setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate queueMicrotask sleep sleepSync now", (*API).installTimers},
		{"console", (*API).installConsole},
		{"pcap open openBytes args env stop", (*API).installFiles},
		{"address structuredClone TextEncoder TextDecoder URL URLSearchParams crypto", (*API).installMisc},
	}...)
}

// installMisc sets what belongs to no other file: address, and what a script
// expects of any JavaScript.
func (a *API) installMisc() {
	module := a.rt.NewObject()
	urls := a.rt.NewObject()
	_ = module.Set("exports", urls)
	url.Require(a.rt, module)
	a.global("URL", urls.Get("URL"))
	a.global("URLSearchParams", urls.Get("URLSearchParams"))

	f, err := a.rt.RunProgram(polyfills())
	if err != nil {
		panic(err)
	}
	if call, ok := goja.AssertFunction(f); ok {
		if _, err := call(goja.Undefined()); err != nil {
			panic(err)
		}
	}

	address := a.rt.NewObject()
	for name, f := range map[string]func(goja.FunctionCall) goja.Value{
		"in": a.addressIn, "compare": a.addressCompare, "bytes": a.addressBytes, "from": a.addressFrom,
	} {
		a.put(address, name, a.function(name, f))
	}
	a.freeze(address)
	a.global("address", address)

	a.global("structuredClone", a.function("structuredClone", func(call goja.FunctionCall) goja.Value {
		if len(call.Arguments) == 0 {
			a.fail("structuredClone(value)", "structuredClone: a value is needed")
		}
		return a.clone(a, "structuredClone: value", call.Argument(0))
	}))
	a.installText()

	a.installCrypto()
}

// freeze makes an object of ours read-only.
func (a *API) freeze(o *goja.Object) {
	if _, err := a.freezeObject(goja.Undefined(), o); err != nil {
		panic(err)
	}
}

const addressHint = "an address as text: '10.0.0.1', '2001:db8::1', '02:00:00:00:00:01'"

// anyAddress reads an IPv4, IPv6 or MAC address; a MAC is given as its bytes.
func (a *API) anyAddress(who string, v goja.Value) (ip netip.Addr, mac []byte) {
	if v == nil || !goja.IsString(v) {
		a.fail(addressHint, "address.%s: %s is not an address", who, a.describe(v))
	}
	s := v.String()
	if m, ok := packet.ParseMAC(s); ok {
		return netip.Addr{}, m[:]
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" {
		a.fail(addressHint, "address.%s: '%s' is not an address", who, s)
	}
	return ip, nil
}

func (a *API) addressIn(call goja.FunctionCall) goja.Value {
	ip, mac := a.anyAddress("in", call.Argument(0))
	text := call.Argument(1)
	var prefix netip.Prefix
	err := fmt.Errorf("no text")
	if goja.IsString(text) {
		if prefix, err = netip.ParsePrefix(text.String()); err != nil && !strings.Contains(text.String(), "/") {
			// An address is the network of itself alone.
			var one netip.Addr
			if one, err = netip.ParseAddr(text.String()); err == nil {
				prefix = netip.PrefixFrom(one, one.BitLen())
			}
		}
	}
	if mac != nil || err != nil {
		a.fail("address.in('10.0.0.7', '10.0.0.0/24')", "address.in: %s in %s: an address and a network are needed", a.describe(call.Argument(0)), a.describe(text))
	}
	return a.rt.ToValue(prefix.Contains(ip))
}

func (a *API) addressCompare(call goja.FunctionCall) goja.Value {
	ip1, mac1 := a.anyAddress("compare", call.Argument(0))
	ip2, mac2 := a.anyAddress("compare", call.Argument(1))
	if (mac1 == nil) != (mac2 == nil) {
		a.fail("two IP addresses, or two MAC addresses", "address.compare: %s and %s have no order", a.describe(call.Argument(0)), a.describe(call.Argument(1)))
	}
	if mac1 != nil {
		return a.rt.ToValue(strings.Compare(string(mac1), string(mac2)))
	}
	return a.rt.ToValue(ip1.Compare(ip2))
}

func (a *API) addressBytes(call goja.FunctionCall) goja.Value {
	ip, mac := a.anyAddress("bytes", call.Argument(0))
	if mac != nil {
		return a.uint8Array(mac)
	}
	return a.uint8Array(ip.AsSlice())
}

func (a *API) addressFrom(call goja.FunctionCall) goja.Value {
	b := bytesOf(call.Argument(0))
	switch len(b) {
	case 4, 16:
		ip, _ := netip.AddrFromSlice(b)
		return a.rt.ToValue(ip.String())
	case 6:
		return a.rt.ToValue(packet.MAC(b).String())
	}
	a.fail("4 bytes for IPv4, 16 for IPv6, 6 for a MAC", "address.from: %s is no address", a.describe(call.Argument(0)))
	return nil
}

// installCrypto sets crypto.getRandomValues, drawn from the seed of the run:
// what a scenario simulates must come out the same again, and protects nobody.
func (a *API) installCrypto() {
	// Its own stream, so that drawing here does not shift random's.
	key := [32]byte{}
	copy(key[8:], "crypto.getRandomValues")
	binary.LittleEndian.PutUint64(key[:], a.host.Seed())
	source := rand.NewChaCha8(key)

	crypto := a.rt.NewObject()
	a.put(crypto, "getRandomValues", a.function("getRandomValues", func(call goja.FunctionCall) goja.Value {
		v := call.Argument(0)
		name, b := a.typedArray(v)
		if name == "" || strings.HasPrefix(name, "Float") {
			a.fail("crypto.getRandomValues(new Uint8Array(16))", "crypto.getRandomValues: %s is not an array of integers", a.describe(v))
		}
		if len(b) > 65536 {
			a.fail("fill it in parts", "crypto.getRandomValues: %d bytes at once, at most 65536", len(b))
		}
		_, _ = source.Read(b) // never fails
		return v
	}))
	a.global("crypto", crypto)
}
