// Package netio moves frames between an engine and the world: live
// interfaces, the in-memory wire, tap devices and capture files, in batches,
// plus BPF filters and capture files for reading and recording.
//
// It knows nothing of JavaScript. A [Link] is one opened interface. Its owner
// calls Start with a [Sink]; from then on the link's own goroutine (or, on a
// wire, the sender's) posts batches to the sink and never touches anything
// else of the owner's. A capture file is not pushed but pulled: see [Timed].
package netio

import (
	"errors"
	"net/netip"
)

// Kind says what stands behind a link.
type Kind string

// The kinds of link, as scripts see them.
const (
	KindLive Kind = "live"
	KindWire Kind = "wire"
	KindTap  Kind = "tap"
	KindFile Kind = "file"
)

// LinkType is a capture link type (the DLT / LINKTYPE registry of libpcap).
type LinkType int

// Link types the engine meets. Others are carried, and decode as payload.
const (
	LinkTypeNull     LinkType = 0
	LinkTypeEthernet LinkType = 1
	LinkTypeRaw      LinkType = 101
	LinkTypeLoop     LinkType = 108
	LinkTypeSLL      LinkType = 113
	LinkTypeIPv4     LinkType = 228
	LinkTypeIPv6     LinkType = 229
	LinkTypeSLL2     LinkType = 276
)

// Errors that callers branch on. They arrive wrapped: use errors.Is.
var (
	ErrClosed      = errors.New("link closed")
	ErrNoInterface = errors.New("no such interface")
	ErrPermission  = errors.New("no privilege")
	ErrNotBuilt    = errors.New("not in this build")
	ErrFilter      = errors.New("invalid filter")
	ErrOption      = errors.New("invalid option") // of a wire
)

// MAC is an EUI-48 address. The zero value means unknown.
type MAC [6]byte

// Info describes a link as it was when opened; Up changes later are told to
// the sink.
type Info struct {
	Name     string         // the name scripts use; for a live link the kernel's
	Kind     Kind           //
	MAC      MAC            // zero where the link has none
	Addrs    []netip.Prefix // addresses with their prefix lengths; the kernel's on a live link, none on a wire
	MTU      int            // bytes of payload above the Ethernet header; 1500 when unknown
	LinkType LinkType       // of every frame that arrives
	Up       bool           //
	Index    int            // the kernel's interface index, 0 where there is none
}

// Frame is one captured frame.
type Frame struct {
	Data   []byte // as captured; owned by the batch it stands in
	Time   int64  // nanoseconds since 1970
	Length int    // bytes on the wire; more than len(Data) when cut by the snaplen
	// Recorded says where on a wire the sender has recorded the frame: see
	// [Recorder.Number]. 0: nowhere.
	Recorded uint64
}

// Stats counts what passed a link since it was opened. A frame in which the
// kernel had joined several counts as those. Every frame that was
// not delivered is in exactly one of the drop counters, or in Errors; one that an
// impaired wire lost is in Lost and, since it left, in Sent.
type Stats struct {
	Received      uint64 // frames handed to the sink
	ReceivedBytes uint64
	Sent          uint64 // frames that left
	SentBytes     uint64
	DroppedKernel uint64 // received by the kernel or the driver, never seen by us
	DroppedQueue  uint64 // the receiver's queue was full
	Lost          uint64 // frames that were sent, and that an impaired wire lost; or that are in a file, but of another link type
	Errors        uint64 // frames the link refused to send
	Uncut         uint64 // delivered, though the kernel had joined segments in it that could not be told apart
}

// Link is one opened interface. Send, Stats and Close may be called from any
// goroutine; Send copies what it is given before it returns.
type Link interface {
	Info() Info
	// Start begins capture. When it has returned, every frame that arrives
	// is posted to sink. It is called once.
	Start(sink Sink) error
	// Send puts frames on the link in order, all of them: it waits while the
	// transmit queue is full. It returns how many left; fewer than all only
	// with an error, which speaks of the first frame that did not leave. That
	// one is counted in Errors; those behind it were not tried, and may be sent
	// by another call, unless the link is closed.
	Send(frames [][]byte) (int, error)
	Stats() Stats
	// Close ends capture and returns when no more will be posted. It returns
	// within a fraction of a second on a quiet link. Closing twice is fine.
	Close() error
}

// Sink receives what a link captures. Its methods are called from the link's
// goroutine, one at a time a link, and must not call back into the link.
type Sink interface {
	// Deliver hands a batch over; the sink owns it and calls Release. With
	// wait, Deliver blocks while the sink's queue is full (a live link: the
	// kernel then counts what it has to drop); without, a full queue refuses
	// the batch by returning false, and the caller still owns it and counts
	// its frames as dropped.
	Deliver(l Link, b *Batch, wait bool) bool
	// LinkState says that the link went down or came up.
	LinkState(l Link, up bool)
	// LinkEnd says that nothing more will arrive: the device is gone (err
	// says why). It is not called for Close.
	LinkEnd(l Link, err error)
}

// Timed is a link whose frames are pulled by their recorded time rather than
// pushed: a capture file. The engine schedules each Next on its own clock, so
// that timers interleave exactly. Start posts nothing for such a link, and
// Send on it is refused with ErrClosed and counted.
type Timed interface {
	Link
	// Next returns the next frame, valid until the call after. At the end
	// of the file it returns io.EOF; a file that breaks off returns the
	// error that says where.
	Next() (Frame, error)
}
