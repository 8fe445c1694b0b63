// Package jsapi is everything a script sees: builders, packets, patterns,
// subscriptions, timers, interfaces, files, console. It is bound to a goja
// runtime and to a small [Host] that an engine implements, so that it knows
// no files, sockets or goroutines and can be tested with a fake host.
//
// The engine's side of the bargain is small: [New] installs the globals in a
// runtime; [API.Source] tells the text that is about to run; [API.Named]
// registers the functions found in it by name; [API.Deliver] hands over what
// has arrived; [API.Alive] says whether a packet could still make something
// happen; [API.Start], [API.Stop], [API.Reload] and [API.Link] call onStart and
// its siblings.
//
// # Packets
//
// A received packet is an object over the frame's bytes: its properties are
// read from them when asked, by the tables of package packet. A handler that
// provably keeps nothing of its packet (package escape) is lent one object that
// is pointed from packet to packet; any other gets an object of its own over
// a copy. Whoever adds a member to packets says in memberKind what it lets out.
package jsapi
