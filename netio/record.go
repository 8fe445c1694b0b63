package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// writeBuffer is how much a Writer gathers before it writes.
const writeBuffer = 1 << 16

// WriterOptions says what a capture file is to be.
type WriterOptions struct {
	// Pcap writes the older format: one link type, no directions and no
	// comments. Its times are in nanoseconds, too.
	Pcap bool
	// Comment is about the whole file; only pcapng has it.
	Comment string
}

// Writer writes a capture file: pcapng (draft-ietf-opsawg-pcapng) with nanosecond times, directions
// and comments, or pcap. Equal calls give equal bytes. It gathers whole blocks
// and writes them when 64 KiB are full or at Flush. It is not safe for
// concurrent use.
type Writer struct {
	w       io.Writer
	buf     []byte
	pcap    bool
	links   []LinkType // of each interface
	written int64      // bytes that w took
	err     error      // a stream that broke inside a block is not continued
}

// NewWriter begins a capture file on w.
func NewWriter(w io.Writer, o WriterOptions) *Writer {
	cw := &Writer{w: w, pcap: o.Pcap, buf: make([]byte, 0, writeBuffer)}
	if o.Pcap {
		return cw // its header wants the link type
	}
	at := cw.begin(blockSection)
	cw.u32(byteOrderMagic)
	cw.u32(1)          // version 1.0
	cw.u32(0xffffffff) // the section's length is not told
	cw.u32(0xffffffff)
	cw.option(optShbUserAppl, "umpa-run")
	if o.Comment != "" {
		cw.option(optComment, o.Comment)
	}
	cw.u32(optEnd)
	cw.end(at)
	return cw
}

func (w *Writer) u16(v uint16) { w.buf = binary.LittleEndian.AppendUint16(w.buf, v) }
func (w *Writer) u32(v uint32) { w.buf = binary.LittleEndian.AppendUint32(w.buf, v) }

// pad fills up to a multiple of four bytes what is n bytes long.
func (w *Writer) pad(n int) {
	for ; n%4 != 0; n++ {
		w.buf = append(w.buf, 0)
	}
}

// begin starts a block; end fills in both its lengths.
func (w *Writer) begin(kind uint32) (at int) {
	at = len(w.buf)
	w.u32(kind)
	w.u32(0)
	return at
}

func (w *Writer) end(at int) {
	n := uint32(len(w.buf) - at + 4)
	binary.LittleEndian.PutUint32(w.buf[at+4:], n)
	w.u32(n)
}

// option writes one option; its length has 16 bits, what is longer is cut.
func (w *Writer) option(code uint16, value string) {
	value = value[:min(len(value), 65535)]
	w.u16(code)
	w.u16(uint16(len(value)))
	w.buf = append(w.buf, value...)
	w.pad(len(value))
}

// AddInterface describes an interface and returns the number that WritePacket
// wants. In a pcap file the first one decides the link type.
func (w *Writer) AddInterface(i Info) int {
	w.links = append(w.links, i.LinkType)
	if w.pcap {
		if len(w.links) == 1 {
			w.u32(pcapNano)
			w.u16(2) // version 2.4
			w.u16(4)
			w.u32(0)
			w.u32(0)
			w.u32(MaxFrame)
			w.u32(uint32(i.LinkType))
		}
		return len(w.links) - 1
	}
	at := w.begin(blockInterface)
	w.u16(uint16(i.LinkType))
	w.u16(0)
	w.u32(MaxFrame)
	if i.Name != "" {
		w.option(optIfName, i.Name)
	}
	if i.MAC != (MAC{}) {
		w.option(optIfMAC, string(i.MAC[:]))
	}
	w.option(optIfTsresol, "\x09")
	w.u32(optEnd)
	w.end(at)
	return len(w.links) - 1
}

// WritePacket adds a frame: timeNs is nanoseconds since 1970, length its bytes
// on the wire. A comment may be empty; only pcapng files have it, and dir.
func (w *Writer) WritePacket(iface int, dir Direction, timeNs int64, data []byte, length int, comment string) error {
	switch {
	case w.err != nil:
		return w.err
	case iface < 0 || iface >= len(w.links):
		return fmt.Errorf("capture file: interface %d was not added; there are %d", iface, len(w.links))
	case len(data) > MaxFrame:
		return fmt.Errorf("capture file: %w", errLongFrame)
	case w.pcap && w.links[iface] != w.links[0]:
		return fmt.Errorf("capture file: a pcap file has one link type, here %d, and cannot hold a frame of type %d: write pcapng",
			w.links[0], w.links[iface])
	}
	length = max(length, len(data))
	t := uint64(max(timeNs, 0))
	if w.pcap {
		w.u32(uint32(t / 1e9))
		w.u32(uint32(t % 1e9))
		w.u32(uint32(len(data)))
		w.u32(uint32(length))
		w.buf = append(w.buf, data...)
	} else {
		at := w.begin(blockEnhanced)
		w.u32(uint32(iface))
		w.u32(uint32(t >> 32))
		w.u32(uint32(t))
		w.u32(uint32(len(data)))
		w.u32(uint32(length))
		w.buf = append(w.buf, data...)
		w.pad(len(data))
		if dir != DirectionUnknown {
			w.u16(optEpbFlags)
			w.u16(4)
			w.u32(uint32(dir))
		}
		if comment != "" {
			w.option(optComment, comment)
		}
		if dir != DirectionUnknown || comment != "" {
			w.u32(optEnd)
		}
		w.end(at)
	}
	if len(w.buf) >= writeBuffer {
		return w.Flush()
	}
	return nil
}

// Flush writes what is gathered.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	n, err := w.w.Write(w.buf)
	w.written += int64(n)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	w.buf = w.buf[:0]
	if err != nil {
		w.err = fmt.Errorf("capture file: %w", err)
	}
	return w.err
}

// size is how long the file is, with what is gathered.
func (w *Writer) size() int64 { return w.written + int64(len(w.buf)) }

// RecorderOptions says how a recording is kept.
type RecorderOptions struct {
	Comment string
	// RotateSize begins a new file where the present one would become longer, in bytes; 0
	// means never. For run.pcapng the next files are run.1.pcapng, run.2.pcapng …
	RotateSize int64
	// RotateKeep is how many files remain, the newest ones; 0 means all.
	RotateKeep int
}

// recordRetry is how long after a failed write the next file is tried.
const recordRetry = time.Second

// Recorder writes a recording to one or, rotating, several files. It is safe
// for concurrent use.
//
// A write that fails, for want of room on the disk as a rule, ends no
// scenario: it is returned once, the packets it took with it and those that
// follow are counted, and a second later recording goes on in the next file,
// if that can be written. Every file ends with a whole block, and has what was
// recorded up to a second before the last packet.
type Recorder struct {
	path string
	o    RecorderOptions

	mu         sync.Mutex
	file       *os.File // nil: none at present, see Recorder
	w          *Writer
	number     int
	interfaces []Info
	closed     bool

	headers        int64 // bytes of the file before its first packet
	completeLength int64 // of it that are whole blocks on the disk
	pending        uint64
	flushed        time.Time
	retryAt        time.Time
	written, lost  uint64

	packets uint64 // recorded so far
	id      uint64 // of the recorder, never 0
}

// NewRecorder makes the file, or empties it. A path that ends in ".pcap" gives
// pcap files, any other pcapng.
func NewRecorder(path string, o RecorderOptions) (*Recorder, error) {
	if o.RotateSize < 0 || o.RotateKeep < 0 {
		return nil, fmt.Errorf("recording %q: a size or number of files below zero", path)
	}
	r := &Recorder{path: path, o: o, id: recorders.Add(1)}
	if err := r.create(); err != nil {
		return nil, err
	}
	return r, nil
}

// fileName is the path of the file of that number.
func (r *Recorder) fileName(number int) string {
	if number == 0 {
		return r.path
	}
	ext := filepath.Ext(r.path)
	return fmt.Sprintf("%s.%d%s", strings.TrimSuffix(r.path, ext), number, ext)
}

// create begins the file of the present number.
func (r *Recorder) create() error {
	f, err := os.Create(r.fileName(r.number))
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	r.w = NewWriter(f, WriterOptions{Pcap: strings.EqualFold(filepath.Ext(r.path), ".pcap"), Comment: r.o.Comment})
	for _, i := range r.interfaces {
		r.w.AddInterface(i)
	}
	if err := r.w.Flush(); err != nil {
		f.Close()
		os.Remove(f.Name())
		return fmt.Errorf("recording: %w", err)
	}
	r.file, r.headers, r.completeLength = f, r.w.size(), r.w.size()
	return nil
}

// AddInterface describes an interface in this file and every one that follows.
func (r *Recorder) AddInterface(i Info) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, fmt.Errorf("recording %q: %w", r.path, ErrClosed)
	}
	r.interfaces = append(r.interfaces, i)
	if r.file == nil {
		return len(r.interfaces) - 1, nil
	}
	before := r.w.size()
	r.w.AddInterface(i)
	r.headers += r.w.size() - before
	return len(r.interfaces) - 1, r.flush()
}

// Record adds a frame; see [Writer.WritePacket]. An error concerns this frame or earlier
// ones and is told once; recording need not be given up for it.
func (r *Recorder) Record(iface int, dir Direction, timeNs int64, data []byte, length int, comment string) error {
	_, err := r.Add(iface, dir, timeNs, data, length, comment)
	return err
}

// Add is Record that tells the frame's number in the recording, from 1; 0 when it
// is not in it.
func (r *Recorder) Add(iface int, dir Direction, timeNs int64, data []byte, length int, comment string) (number uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.lost++
		return 0, fmt.Errorf("recording %q: %w", r.path, ErrClosed)
	}
	if r.file == nil {
		if time.Now().Before(r.retryAt) {
			r.lost++
			return 0, nil
		}
		r.number++
		if err := r.create(); err != nil {
			r.number--
			r.retryAt = time.Now().Add(recordRetry)
			r.lost++
			return 0, nil // known since the first failure
		}
		r.dropOldest()
	}
	// What the packet adds, options included, at most.
	if full := r.w.size() + int64(len(data)+len(comment)) + 64; r.o.RotateSize > 0 && full > r.o.RotateSize && r.w.size() > r.headers {
		if err := r.rotate(); err != nil {
			r.lost++
			return 0, err
		}
	}
	r.pending++
	err = r.w.WritePacket(iface, dir, timeNs, data, length, comment)
	switch {
	case err != nil && r.w.err == nil: // the frame is at fault, not the file
		r.pending--
		r.lost++
		return 0, err
	case err != nil || len(r.w.buf) == 0 || time.Since(r.flushed) >= time.Second:
		err = r.flush()
	}
	if err != nil {
		return 0, err
	}
	r.packets++
	return r.packets, nil
}

// flush writes what is gathered. When that fails the file is cut to its last whole
// block and left.
func (r *Recorder) flush() error {
	err := r.w.Flush()
	if err == nil {
		r.written += r.pending
		r.pending, r.completeLength, r.flushed = 0, r.w.written, time.Now()
		return nil
	}
	r.lost += r.pending
	r.pending = 0
	err = errors.Join(err, r.file.Truncate(r.completeLength), r.file.Close())
	r.file, r.retryAt = nil, time.Now().Add(recordRetry)
	return fmt.Errorf("recording %q: %w", r.fileName(r.number), err)
}

// rotate goes on to the next file.
func (r *Recorder) rotate() error {
	if err := r.flush(); err != nil {
		return err
	}
	err := r.file.Close()
	r.file = nil
	r.number++
	if err == nil {
		err = r.create()
	}
	if err != nil {
		r.number--
		r.retryAt = time.Now().Add(recordRetry)
		return err
	}
	r.dropOldest()
	return nil
}

// dropOldest removes the file that is one too many.
func (r *Recorder) dropOldest() {
	if old := r.number - r.o.RotateKeep; r.o.RotateKeep > 0 && old >= 0 {
		os.Remove(r.fileName(old)) // already gone is as good
	}
}

// Flush writes what is gathered to the file, so that others can read it.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil || r.closed {
		return nil
	}
	return r.flush()
}

// Counts returns how many frames are in the files, and how many are not because
// they could not be written. Frames that still wait to be written are in neither.
func (r *Recorder) Counts() (written, lost uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written, r.lost
}

// Close ends the recording.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	if r.file == nil {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	err := r.file.Close()
	r.file = nil
	return err
}
