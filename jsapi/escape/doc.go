// Package escape decides, from a handler's source text alone, whether the packet it is given can outlive the call.
//
// A received packet reaches a script as a view over the frame's bytes. A fresh view over copied bytes is right for every
// handler; one view that is re-pointed from packet to packet, over borrowed bytes, costs half of that and allocates nothing,
// but is right only for a handler that keeps neither the packet, nor a layer, nor anything else that reads through them.
// [Analyse] answers that when the handler is registered, and answers as well whether the handler can queue a microtask, so
// that the drain after the call can be saved:
//
//	v := escape.Analyse(source, escape.Options{Natives: natives, Members: members, Scalars: scalars})
//	if v.Stays {
//		// deliver the re-pointed view
//	}
//
// # How it decides
//
// It is an abstract interpretation of the syntax tree, without flow: each local variable has one set of kinds (primitive,
// literal, built packet, function, view, anything else), joined over all its assignments, and the body is walked until
// the sets no longer grow. One invariant carries the proof: a view is only ever held by a temporary or by a local variable
// that no inner function mentions. So whatever is not written in the handler (other variables, results of unknown calls,
// getters, setters, proxies, iterators) can run when it likes and does not meet the packet. Every use of a view that is not
// known to keep the invariant ends the proof: storing, returning, throwing, capturing, spreading, converting to text or
// number (which calls methods that the script may have replaced), reading a member that is not declared, passing it to a
// function that is not declared. What is not understood ends it too: eval, with, arguments, classes, async functions,
// generators, names assigned that are declared to be native.
//
// Microtasks are queued by promises only. So a handler is quiet when it runs no code but its own, declared natives, and
// operators on primitives, which cannot call back.
//
// # What the caller owes
//
// The answers of [Options] are taken for facts, for as long as the verdict is used:
//
//   - The source text is the function's own: from Function.prototype.toString as it was before any script ran, called on the
//     function, for a script can give its function a toString that lies. What has no source of its own (bound functions,
//     proxies, natives) reads "[native code]" and does not parse: such a handler never Stays.
//   - The handler is called with the packet as first argument and with nothing else that reads the packet: not as this, not
//     as a further argument. A call made while another runs (re-entrance) has another view.
//   - A name that Natives knows means, at the place where the handler was written, that native: neither the global property,
//     nor (for "console.log") the property of the global, is replaced, and no scope around the handler declares the name.
//     A declaration or assignment inside the source is noticed here; one outside cannot be. Bundlers
//     rename: a script's own send may leave the global alone and be called send2, and an imported one may be a variable named send or
//     send2; [Script] tells which names a bundle declares.
//   - Members and fields that are declared are answered by the view itself. A nil from DynamicObject.Get falls through to
//     Object.prototype, where a script may have put a getter, and that getter gets the view: an absent layer or field must read as undefined, not as nil.
//   - No native and no member hands the view to script code, keeps it in an error it throws, or returns it. That includes the
//     functions of a protocol which a script declared: if one is called with a layer, that layer is a fresh one.
package escape
