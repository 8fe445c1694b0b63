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
// # Reload
//
// With Config.Watch, a save of the script or of a local file it imports makes a
// new version. It is bundled, and its top level run up to the first await, in a
// runtime of its own beside the live version, which does not notice: what the
// new one sends, stores, logs or writes to capture files until the swap waits
// for the swap, and its subscriptions hear nothing yet. Before that, and again
// at the swap, the callbacks of hot.dispose are called in the live version, and
// what they leave is cloned.
//
// The swap is between two turns. All that waits for the old version ends with
// it; what has arrived and was not delivered goes to the new one, and so do the
// addresses, the neighbours and the packets that wait for one. Then onReload is
// called. A version that does not load, throws at top level, or is given data
// that cannot be cloned, never comes to run.
//
// A new version is on trial for Config.Trial, and for its first ten callbacks
// however long these take to come. What it throws then and nothing catches is
// undone: the old version, kept frozen so far, goes on where it was; what the
// callback that threw has sent does not leave; and a frame that it was called
// for goes to the old version. Timers of the old version that came due while it
// was frozen run at once, intervals once. What the new version did before that
// callback stays done: frames it sent, storage it set.
//
// # The end
//
// A scenario ends when nothing is left that could run: no timer, no immediate,
// no promise with work behind it, no frame waiting, and no subscription that an
// interface could still wake. A capture file that has been read to its end
// wakes nothing. A scenario also ends by stop(), by Config.For, by an error
// that nothing caught, and when the context is cancelled.
package engine
