// Package engine runs scenarios: it loads and bundles a script, opens its
// interfaces, and turns the event loop until nothing is left that could run.
//
// One engine is one scenario. It owns one JavaScript runtime, one queue of
// timers and one goroutine, the loop; receivers and signals only post to its
// inbox. A program that embeds it needs three calls:
//
//	e, err := engine.New(engine.Config{Script: "probe.js"})
//	…
//	err = e.Run(ctx)
//	summary := e.Summary()
//
// # The turn
//
// The loop takes turns, and everything a script can observe happens in one of
// its steps, always in this order:
//
//  1. timers whose deadline has come, by deadline and then by the order they
//     were set;
//  2. packets: a batch of what has arrived, in the order it arrived, and the
//     frames of capture files whose time has come;
//  3. other posts: an interface going down or up, the end of a flush;
//  4. immediates that were set so far, in their order;
//  5. the frames that were sent in this turn leave, one batch a link.
//
// Microtasks are drained after each callback. A timer set by a timer callback
// runs in a later turn, even with no delay; so does an immediate set by an
// immediate.
//
// # The end
//
// A scenario ends when nothing is left that could run: no timer, no immediate,
// no promise with work behind it, no frame waiting, and no subscription that an
// interface could still wake. A capture file that has been read to its end
// wakes nothing. A scenario also ends by stop(), by Config.For, by an error
// that nothing caught, and when the context is cancelled.
package engine
