package jsapi

import "sync/atomic"

// Watch tells another goroutine whether script code is running, and whether
// it is still the same callback, for the price of two atomic adds a callback
// and no clock read: an odd count is inside, and a count that has not moved
// between two looks is the same callback.
type Watch struct{ n atomic.Uint64 }

// Enter marks the start of a callback, Leave its end.
func (w *Watch) Enter() { w.n.Add(1) }

// Leave marks the end of a callback.
func (w *Watch) Leave() { w.n.Add(1) }

// Count returns the number of marks so far: odd while script code runs.
func (w *Watch) Count() uint64 { return w.n.Load() }
