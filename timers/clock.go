package timers

import (
	"sync/atomic"
	"time"
)

// Clock tells the time since its start, and the date.
type Clock interface {
	// Now is the time since the clock's start. It never goes back.
	Now() time.Duration
	// Wall is the same instant as a date, in UTC.
	Wall() time.Time
}

// Real is a clock that follows the machine's. It stands still while the machine
// is suspended. Safe for concurrent use.
type Real struct{ start time.Time }

// NewReal returns a clock that starts now.
func NewReal() *Real { return &Real{time.Now()} }

// Now is the monotonic time since NewReal.
func (c *Real) Now() time.Duration { return time.Since(c.start) }

// Wall is the machine's date: a clock that is set shows at once.
func (c *Real) Wall() time.Time { return time.Now().UTC() }

// VirtualStart is when virtual time starts unless told otherwise.
var VirtualStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Virtual is a clock that stands still until it is told. Safe for concurrent use.
type Virtual struct {
	start time.Time
	now   atomic.Int64
}

// NewVirtual returns a clock that shows start; the zero time means VirtualStart.
func NewVirtual(start time.Time) *Virtual {
	if start.IsZero() {
		start = VirtualStart
	}
	return &Virtual{start: start.UTC()}
}

// Now is how far the clock was advanced.
func (c *Virtual) Now() time.Duration { return time.Duration(c.now.Load()) }

// Wall is the start's date and Now.
func (c *Virtual) Wall() time.Time { return c.start.Add(c.Now()) }

// AdvanceTo sets the clock to t after its start. Going back is ignored.
func (c *Virtual) AdvanceTo(t time.Duration) {
	for {
		now := c.now.Load()
		if int64(t) <= now || c.now.CompareAndSwap(now, int64(t)) {
			return
		}
	}
}
