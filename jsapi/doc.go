// Package jsapi is everything a script sees: builders, packets, patterns,
// subscriptions, timers, interfaces, files, console. It is bound to a goja
// runtime and to a small [Host] that an engine implements, so that it knows
// no files, sockets or goroutines and can be tested with a fake host.
//
// The engine's side of the bargain is small: [New] installs the globals in a
// runtime; [API.Deliver] hands over what has arrived; [API.Alive] says whether
// a packet could still make something happen; [API.Lifecycle] calls onStart
// and its siblings.
package jsapi
