package jsapi

import (
	"io"
	"net/netip"
	"time"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// Host is what the API needs from the engine that runs the script. The API
// knows no files, sockets or goroutines: it has this. Every method is called
// on the goroutine that owns the runtime, and every function the API gives to
// the host is called back on it, outside of any script code.
type Host interface {
	// Now is the time since the scenario first started, monotonic, on the
	// engine's clock, real or virtual.
	Now() time.Duration
	// Wall is the same instant as a date: what Date and pkt.time show.
	Wall() time.Time

	// SetTimer calls f in the turn whose time has reached at. Equal deadlines
	// run in the order they were set. A pending timer keeps the scenario alive.
	SetTimer(at time.Duration, f func()) Timer
	// ClearTimer forgets a timer; one that ran or was cleared is ignored.
	ClearTimer(t Timer)
	// Immediate calls f at the end of this turn, before the next turn's
	// timers. It keeps the scenario alive.
	Immediate(f func())
	// Hold keeps the scenario alive until the function it returns is called:
	// for a promise with work behind it that is neither timer nor subscription.
	Hold() (release func())
	// Sleep blocks the scenario for d, or until it is to end, and reports
	// whether it is to; what arrives meanwhile is kept.
	Sleep(d time.Duration) (end bool)

	// Links are the interfaces the scenario runs on, the default one first.
	// The slice and its length never change while the scenario runs.
	Links() []LinkInfo
	// LinkStats counts what passed a link.
	LinkStats(link int) LinkStats
	// Send queues a frame, which the host copies before it returns. It leaves
	// at the end of this turn, in the order of calls; a full queue is flushed.
	Send(link int, frame []byte, cause Cause)
	// Where is the author's line that calls the API now, for the Cause of a
	// frame that has to wait; empty where nobody asks for it.
	Where() string
	// Flush calls f, in a later turn, when all that was sent so far has left.
	Flush(f func())
	// NextHop asks the kernel's routes which neighbour a packet to dst goes
	// to by that link, and the source address it would carry. ok is false
	// where there is no kernel to ask (wire, tap, file).
	NextHop(link int, dst netip.Addr) (hop, src netip.Addr, ok bool)
	// CompileFilter compiles a pcap filter for frames of that link, or for
	// Ethernet when link is -1. An error is libpcap's own words.
	CompileFilter(expr string, link int) (func(frame []byte) bool, error)

	// ReadFile reads a file that the script may read: below its own folder,
	// or a folder it was allowed. Relative paths start at the script's folder.
	ReadFile(path string) ([]byte, error)
	// OpenCapture and CreateCapture open capture files; relative paths start
	// at the working directory.
	OpenCapture(path string) (CaptureReader, error)
	CreateCapture(path string) (CaptureWriter, error)
	// Devices lists the machine's interfaces.
	Devices() ([]Device, error)

	// Storage is what outlives this runtime: through reloads, and where the
	// host keeps it in a file through restarts of the process.
	Storage() Store

	// Args, Env and Seed are what the command line gave.
	Args() []string
	Env() map[string]string
	Seed() uint64

	// Log writes a line the script asked for. Level is "log", "info", "warn",
	// "error" or "debug".
	Log(level, text string)
	// Stop ends the scenario as if nothing were left to do.
	Stop(reason string)
	// Fail reports what script code did not catch: a *goja.Exception, a
	// *goja.InterruptedError, a stack overflow, or a Go error. who names the
	// handler ("on(…) at line 3", "onArp", "setTimeout"). It decides whether
	// the run ends or, by returning true, that the handler is quarantined.
	Fail(err error, who *Handler) (quarantine bool)
	// Watch is marked on entering and leaving script code, so that a callback
	// that runs away is interrupted.
	Watch() *Watch
}

// Timer names a pending timer. The zero Timer is none.
type Timer uint64

// Cause says why a frame was sent, for recordings: by which handler or timer,
// and on account of which received frame.
type Cause struct {
	Handler *Handler // nil: the script's top level
	Frame   uint64   // number of the received frame, from Frame.Number; 0: none
	Place   string   // from Host.Where, of a frame that leaves later than it was sent
	Asks    bool     // it asks for the neighbour of a frame with that cause
}

// Handler is a callback the script registered, as the summary and errors name it.
type Handler struct {
	Name    string // "onArp", "on('arp')", "setInterval"
	Hits    uint64
	Errors  uint64
	Longest time.Duration // longest single run; measured only where that is cheap
	Lane    string        // "go" or "js"
	Why     string        // why it got that lane, for --explain
}

// LinkInfo is what the API knows of an interface.
type LinkInfo struct {
	Name    string
	Kind    string // "live", "wire", "tap", "file"
	MAC     packet.MAC
	IPv4    netip.Prefix // the address the scenario speaks as; zero: none
	IPv6    netip.Prefix
	Gateway netip.Addr // default next hop where the kernel has no say; zero: none
	Addrs   []netip.Prefix
	MTU     int
	Up      bool
	First   string // outermost protocol of its frames: "eth", "ip", …
	Answer  []string
}

// LinkStats is what interfaces[i].stats() shows.
type LinkStats struct{ Received, Sent, Dropped, Errors uint64 }

// Device is what availableDevices() shows.
type Device struct {
	Name, Description, MAC string
	Addresses              []string
	Up                     bool
}

// Frame is one received frame. Data is the host's: valid until Deliver returns.
type Frame struct {
	Link   int
	Data   []byte
	Time   int64 // nanoseconds since 1970
	Length int   // bytes on the wire
	Number uint64
}

// Store keeps encoded values by key.
type Store interface {
	// Get returns a value, which is not to be changed.
	Get(key string) (value []byte, ok bool)
	// Set keeps a copy of value, Delete forgets a key; one that is not there is fine.
	Set(key string, value []byte) error
	Delete(key string) error
	Keys() []string
}

// CaptureReader reads a capture file one frame at a time; Next returns io.EOF
// at its end. The data are valid until the next call.
type CaptureReader interface {
	Next() (data []byte, timeNs int64, length int, first string, err error)
	io.Closer
}

// CaptureWriter writes a capture file.
type CaptureWriter interface {
	Write(data []byte, timeNs int64, first, comment string) error
	io.Closer
}
