package netio

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
)

// This reader is our own, and not gopacket's pcapgo, for three reasons:
// pcapgo has neither comments nor directions of packets; it allocates what a
// hostile length field asks for; and it reads each packet by several calls
// through a bufio.Reader, where here a packet costs one bounds check and no
// copy (see BenchmarkReader).

// Direction says which way a recorded frame went.
type Direction uint8

// Directions, numbered as in the epb_flags of pcapng.
const (
	DirectionUnknown Direction = iota
	DirectionIn
	DirectionOut
)

func (d Direction) String() string {
	switch d {
	case DirectionIn:
		return "in"
	case DirectionOut:
		return "out"
	}
	return "unknown"
}

// Limits on what a capture file may make the reader keep.
const (
	maxBlock      = 1 << 20 // bytes of a pcapng block that is read, rather than skipped
	maxInterfaces = 1 << 16
	readAhead     = 1 << 18
)

// CaptureInterface is an interface that a capture file describes.
type CaptureInterface struct {
	Name        string // if_name; empty in pcap files
	Description string
	LinkType    LinkType
	Snaplen     int   // 0 means no limit
	Resolution  int64 // timestamp units a second
	Offset      int64 // seconds to add to each timestamp

	micro bool // Resolution in the forms that need no long division
	nano  bool
}

// PacketMeta is what a capture file says about a packet beside the frame.
type PacketMeta struct {
	Interface int // index into Reader.Interfaces
	Direction Direction

	r *Reader // holds the options; a small value is cheaper to return
}

// Comments returns the packet's comments; like the frame, the meta data may
// only be asked until the next call of Next.
func (m PacketMeta) Comments() []string {
	if m.r == nil {
		return nil
	}
	var all []string
	eachOption(m.r.order, m.r.options, func(code uint16, value []byte) {
		if code == optComment {
			all = append(all, string(value))
		}
	})
	return all
}

// Codes of pcapng (draft-ietf-opsawg-pcapng, section 4).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6

	byteOrderMagic = uint32(0x1a2b3c4d)

	optEnd         = 0
	optComment     = 1
	optIfName      = 2
	optIfDesc      = 3
	optIfMAC       = 6
	optIfTsresol   = 9
	optIfTsoffset  = 14
	optEpbFlags    = 2
	optShbUserAppl = 4
)

// byteOrder is a file's: true for big-endian. A branch on it is cheaper than
// the calls that binary.ByteOrder makes, of which a packet takes a dozen.
type byteOrder bool

func (big byteOrder) u16(b []byte) uint16 {
	if big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (big byteOrder) u32(b []byte) uint32 {
	if big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (big byteOrder) u64(b []byte) uint64 {
	if big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// eachOption calls f for each option of a pcapng block; a broken list ends early.
func eachOption(order byteOrder, o []byte, f func(code uint16, value []byte)) {
	for len(o) >= 4 {
		code, n := order.u16(o), int(order.u16(o[2:]))
		if code == optEnd || n > len(o)-4 {
			return
		}
		f(code, o[4:4+n])
		o = o[min(len(o), 4+(n+3)&^3):]
	}
}

// Reader reads a capture file: pcap of either byte order, in microseconds or
// nanoseconds, or pcapng, each plain or compressed by gzip. It is not safe for
// concurrent use.
type Reader struct {
	src    io.Reader
	closer io.Closer
	err    error // sticky

	buf    []byte
	r, w   int   // what is read and not yet used
	base   int64 // offset in the (decompressed) file of buf[0]
	srcErr error // met while reading ahead; due when the buffer is used up

	order   byteOrder
	pcapng  bool
	header  int // bytes of a pcap record header
	packets int

	interfaces []CaptureInterface
	section    int    // index of the first interface of this section
	options    []byte // of the last packet
	lastTime   int64
	notes      func([]byte) // see OnNote
}

// OpenCapture opens a capture file.
func OpenCapture(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("capture file: %w", err)
	}
	r, err := NewReader(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("capture file %q: %w", path, err)
	}
	r.closer = f
	return r, nil
}

// NewReader reads a capture from src. Its own buffering makes a bufio.Reader
// in between a waste.
func NewReader(src io.Reader) (*Reader, error) {
	r := &Reader{src: src, buf: make([]byte, readAhead)}
	magic, err := r.need(4)
	if err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(r.buf[r.r:r.w])), src))
		if err != nil {
			return nil, fmt.Errorf("compressed file: %w", err)
		}
		*r = Reader{src: z, buf: make([]byte, readAhead)}
		magic, err = r.need(4)
		if err != nil {
			return nil, r.startError(err)
		}
	}
	if err != nil {
		return nil, r.startError(err)
	}
	le, be := binary.LittleEndian.Uint32(magic), binary.BigEndian.Uint32(magic)
	if le == blockSection {
		r.pcapng = true
		if err := r.readSection(); err != nil {
			_, _, err = r.fail(err)
			return nil, err
		}
		return r, nil
	}
	kind := le
	if pcapHeader(be) > 0 {
		r.order, kind = true, be
	}
	if r.header = pcapHeader(kind); r.header == 0 {
		return nil, fmt.Errorf("not a capture file: it begins with %x, and neither pcap nor pcapng does", magic[:4])
	}
	h, err := r.take(24)
	if err != nil {
		return nil, r.startError(err)
	}
	itf := CaptureInterface{
		Snaplen:    int(r.order.u32(h[16:])),
		LinkType:   normalLinkType(r.order.u32(h[20:]) & 0xffff), // above it: the length of the FCS
		Resolution: 1e6,
	}
	if kind == pcapNano {
		itf.Resolution = 1e9
	}
	r.interfaces = []CaptureInterface{itf}
	return r, nil
}

// Magic numbers of pcap (draft-ietf-opsawg-pcap, section 4), and of the
// variant by Kuznetzov whose record headers are eight bytes longer.
const (
	pcapMicro     = 0xa1b2c3d4
	pcapNano      = 0xa1b23c4d
	pcapKuznetzov = 0xa1b2cd34
)

// pcapHeader is the length of a record header for a magic number, 0 for an unknown one.
func pcapHeader(magic uint32) int {
	switch magic {
	case pcapMicro, pcapNano:
		return 16
	case pcapKuznetzov:
		return 24
	}
	return 0
}

// normalLinkType maps the numbers that some systems write for raw IP.
func normalLinkType(n uint32) LinkType {
	if n == 12 || n == 14 {
		return LinkTypeRaw
	}
	return LinkType(n)
}

func (r *Reader) startError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if r.w == r.r {
			return errors.New("not a capture file: it is empty")
		}
		return fmt.Errorf("broken off in the file header at byte %d: %w", r.base+int64(r.w), io.ErrUnexpectedEOF)
	}
	return err
}

// offset is where in the file the next byte to be used stands.
func (r *Reader) offset() int64 { return r.base + int64(r.r) }

// need returns the next n bytes without using them. At the end of the file it
// returns io.EOF when there are none, io.ErrUnexpectedEOF when there are fewer.
func (r *Reader) need(n int) ([]byte, error) {
	if r.w-r.r < n {
		if err := r.fill(n); err != nil {
			return nil, err
		}
	}
	return r.buf[r.r : r.r+n], nil
}

// take is need, and uses the bytes.
func (r *Reader) take(n int) ([]byte, error) {
	b, err := r.need(n)
	if err == nil {
		r.r += n
	}
	return b, err
}

func (r *Reader) fill(n int) error {
	copy(r.buf, r.buf[r.r:r.w])
	r.base += int64(r.r)
	r.w -= r.r
	r.r = 0
	// Grown by what has in fact been read: a length field alone must not
	// make us allocate.
	for r.w < n && r.srcErr == nil {
		if r.w == len(r.buf) {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		got, err := r.src.Read(r.buf[r.w:])
		r.w += got
		if err != nil {
			r.srcErr = err
		}
	}
	switch {
	case r.w >= n:
		return nil
	case r.srcErr != io.EOF:
		return r.srcErr
	case r.w == 0:
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}

// skip uses n bytes that nobody wants to see.
func (r *Reader) skip(n int64) error {
	for n > 0 {
		if r.r == r.w {
			if err := r.fill(1); err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
		}
		step := min(n, int64(r.w-r.r))
		r.r += int(step)
		n -= step
	}
	return nil
}

// Interfaces returns the interfaces met so far: in a pcapng file more may
// follow between the packets.
func (r *Reader) Interfaces() []CaptureInterface { return r.interfaces }

// Offset returns how far the reader is, in bytes of the decompressed file.
func (r *Reader) Offset() int64 { return r.offset() }

// Close closes a file that OpenCapture opened.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

// Next returns the next packet. Its data and meta data are valid until the
// next call. At the end of the file the error is io.EOF; a damaged file gives
// an error that says in which packet and at which byte, and io.ErrUnexpectedEOF
// is in it when the file breaks off.
//
// A packet without a time (a simple packet block) has that of the one before.
func (r *Reader) Next() (Frame, PacketMeta, error) {
	if r.err != nil {
		return Frame{}, PacketMeta{}, r.err
	}
	if r.pcapng {
		var f Frame
		var m PacketMeta
		if err := r.nextBlock(&f, &m); err != nil {
			return r.fail(err)
		}
		return f, m, nil
	}
	n := r.header
	if r.w-r.r < n {
		if err := r.fill(n); err != nil {
			return r.fail(err)
		}
	}
	h := r.buf[r.r : r.r+16]
	sec, frac, caplen, length := r.order.u32(h), r.order.u32(h[4:]), r.order.u32(h[8:]), r.order.u32(h[12:])
	if caplen > MaxFrame {
		return r.fail(fmt.Errorf("%d bytes captured, but a frame has at most %d", caplen, MaxFrame))
	}
	end := n + int(caplen)
	if r.w-r.r < end {
		if err := r.fill(end); err != nil {
			return r.fail(err)
		}
	}
	data := r.buf[r.r+n : r.r+end : r.r+end]
	r.r += end
	r.packets++
	ns := int64(frac)
	if r.interfaces[0].Resolution == 1e6 {
		ns *= 1000
	}
	return Frame{Data: data, Time: int64(sec)*1e9 + ns, Length: max(int(length), int(caplen))}, PacketMeta{}, nil
}

// fail makes err final, with its place in the file.
func (r *Reader) fail(err error) (Frame, PacketMeta, error) {
	switch {
	case err == io.EOF:
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("broken off in packet %d at byte %d: %w", r.packets+1, r.base+int64(r.w), io.ErrUnexpectedEOF)
	default:
		err = fmt.Errorf("packet %d, at byte %d: %w", r.packets+1, r.offset(), err)
	}
	r.err = err
	return Frame{}, PacketMeta{}, err
}

// readSection reads a section header block, and with it the byte order of what follows.
func (r *Reader) readSection() error {
	h, err := r.need(12)
	if err != nil {
		return err
	}
	switch byteOrderMagic {
	case binary.LittleEndian.Uint32(h[8:]):
		r.order = false
	case binary.BigEndian.Uint32(h[8:]):
		r.order = true
	default:
		return fmt.Errorf("the byte-order magic of a section header is %x", h[8:12])
	}
	total := r.order.u32(h[4:])
	if total < 28 || total%4 != 0 {
		return fmt.Errorf("the length of a section header is %d; it has at least 28 bytes, in fours", total)
	}
	if h, err = r.need(16); err != nil {
		return err
	}
	if major := r.order.u16(h[12:]); major != 1 {
		return fmt.Errorf("pcapng version %d; only 1 is known", major)
	}
	if err := r.skip(int64(total)); err != nil {
		return err
	}
	r.section = len(r.interfaces)
	return nil
}

// nextBlock reads pcapng blocks up to and with the next packet.
func (r *Reader) nextBlock(f *Frame, m *PacketMeta) error {
	kind, n, err := r.toPacket()
	if err != nil {
		return err
	}
	if err := r.packet(kind, r.buf[r.r+8:r.r+n-4], f, m); err != nil {
		return err
	}
	r.r += n
	r.packets++
	return nil
}

// toPacket uses blocks up to the next packet block, which it leaves whole in
// the buffer; it returns the block's type and length.
func (r *Reader) toPacket() (kind uint32, n int, err error) {
	for {
		if r.w-r.r < 12 {
			if err := r.fill(12); err != nil {
				return 0, 0, err
			}
		}
		h := r.buf[r.r : r.r+8]
		var total uint32
		kind, total = r.order.u32(h), r.order.u32(h[4:])
		switch kind {
		case blockSection:
			if err := r.readSection(); err != nil {
				return 0, 0, err
			}
			continue
		case blockEnhanced, blockSimple, blockPacket, blockInterface:
			if total > maxBlock {
				return 0, 0, fmt.Errorf("a block of %d bytes; one of type %d has at most %d", total, kind, maxBlock)
			}
		}
		if total < 12 || total%4 != 0 {
			return 0, 0, fmt.Errorf("a block of type %d has a length of %d; it has at least 12 bytes, in fours", kind, total)
		}
		n = int(total)
		switch kind {
		case blockEnhanced, blockSimple, blockPacket, blockInterface:
		default:
			used := false
			if kind == blockNote {
				if used, err = r.noteBlock(n); err != nil {
					return 0, 0, err
				}
			}
			if !used {
				err = r.skip(int64(total))
			}
			if err != nil {
				return 0, 0, err
			}
			continue
		}
		if r.w-r.r < n {
			if err := r.fill(n); err != nil {
				return 0, 0, err
			}
		}
		block := r.buf[r.r : r.r+n]
		if trailer := r.order.u32(block[n-4:]); trailer != total {
			return 0, 0, fmt.Errorf("a block says it has %d bytes at its start, and %d at its end", total, trailer)
		}
		if kind != blockInterface {
			return kind, n, nil
		}
		if err := r.addInterface(block[8 : n-4]); err != nil {
			return 0, 0, err
		}
		r.r += n
	}
}

// packet reads the body of a packet block.
func (r *Reader) packet(kind uint32, body []byte, f *Frame, m *PacketMeta) error {
	var id, high, low, caplen, length uint32
	head := 20
	switch {
	case kind == blockSimple:
		head = 4
		if len(body) < head {
			return fmt.Errorf("a simple packet block of %d bytes; it has at least 16", len(body)+12)
		}
		length = r.order.u32(body)
		caplen = min(length, uint32(len(body)-head))
	case len(body) < head:
		return fmt.Errorf("a packet block of %d bytes; it has at least 32", len(body)+12)
	default:
		h := body[:20]
		id, high, low, caplen, length = r.order.u32(h), r.order.u32(h[4:]), r.order.u32(h[8:]), r.order.u32(h[12:]), r.order.u32(h[16:])
	}
	if kind == blockPacket {
		id = uint32(r.order.u16(body)) // the other half counts drops
	}
	index := r.section + int(id)
	if index >= len(r.interfaces) {
		return fmt.Errorf("interface %d is not described; this section has %d", id, len(r.interfaces)-r.section)
	}
	itf := &r.interfaces[index]
	if kind == blockSimple && itf.Snaplen > 0 {
		caplen = min(caplen, uint32(itf.Snaplen))
	}
	if caplen > MaxFrame {
		return fmt.Errorf("%d bytes captured, but a frame has at most %d", caplen, MaxFrame)
	}
	if int(caplen) > len(body)-head {
		return fmt.Errorf("%d bytes captured, but its block has room for %d", caplen, len(body)-head)
	}
	end := head + int(caplen)
	f.Data, f.Length = body[head:end:end], max(int(length), int(caplen))
	m.Interface = index
	if kind == blockSimple {
		f.Time = r.lastTime
		return nil
	}
	f.Time = itf.time(uint64(high)<<32 | uint64(low))
	r.lastTime = f.Time
	if rest := body[min(len(body), head+(int(caplen)+3)&^3):]; len(rest) >= 4 {
		m.r, r.options = r, rest
		m.Direction = direction(r.order, rest)
	}
	return nil
}

// direction is that of the epb_flags option. It is eachOption for the one option that
// is looked at for every packet.
func direction(order byteOrder, o []byte) Direction {
	for len(o) >= 4 {
		code, n := order.u16(o), int(order.u16(o[2:]))
		switch {
		case code == optEnd || n > len(o)-4:
			return DirectionUnknown
		case code == optEpbFlags && n == 4:
			d := Direction(order.u32(o[4:]) & 3)
			if d > DirectionOut {
				return DirectionUnknown
			}
			return d
		}
		o = o[min(len(o), 4+(n+3)&^3):]
	}
	return DirectionUnknown
}

// addInterface reads the body of an interface description block.
func (r *Reader) addInterface(body []byte) error {
	if len(body) < 8 {
		return fmt.Errorf("an interface description of %d bytes; it has at least 20", len(body)+12)
	}
	if len(r.interfaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces", maxInterfaces)
	}
	itf := CaptureInterface{
		LinkType:   normalLinkType(uint32(r.order.u16(body))),
		Snaplen:    int(r.order.u32(body[4:])),
		Resolution: 1e6,
	}
	var bad error
	eachOption(r.order, body[8:], func(code uint16, value []byte) {
		switch {
		case code == optIfName:
			itf.Name = text(value)
		case code == optIfDesc:
			itf.Description = text(value)
		case code == optIfTsresol && len(value) == 1:
			itf.Resolution, bad = resolution(value[0])
		case code == optIfTsoffset && len(value) == 8:
			itf.Offset = int64(r.order.u64(value))
		}
	})
	if bad != nil {
		return bad
	}
	itf.micro = itf.Resolution == 1e6 && itf.Offset == 0
	itf.nano = itf.Resolution == 1e9 && itf.Offset == 0
	r.interfaces = append(r.interfaces, itf)
	return nil
}

// text is an option's string, without what follows a NUL, and short.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	return string(b[:min(len(b), 1024)])
}

// resolution reads an if_tsresol option: timestamp units a second, a power of ten or (with the
// high bit) of two.
func resolution(v byte) (int64, error) {
	exp := int(v & 0x7f)
	if v&0x80 != 0 {
		if exp > 62 {
			return 0, fmt.Errorf("a timestamp resolution of 2^-%d s; at most 2^-62 is known", exp)
		}
		return 1 << exp, nil
	}
	if exp > 18 {
		return 0, fmt.Errorf("a timestamp resolution of 10^-%d s; at most 10^-18 is known", exp)
	}
	n := int64(1)
	for range exp {
		n *= 10
	}
	return n, nil
}

// time converts a timestamp of this interface to nanoseconds since 1970. What
// does not fit is the last moment that does.
func (c *CaptureInterface) time(units uint64) int64 {
	switch {
	case c.micro && units < math.MaxInt64/1000:
		return int64(units) * 1000
	case c.nano && units <= math.MaxInt64:
		return int64(units)
	}
	sec, frac := units/uint64(c.Resolution), units%uint64(c.Resolution)
	high, low := bits.Mul64(frac, 1e9)
	ns, _ := bits.Div64(high, low, uint64(c.Resolution)) // high < Resolution, for frac is
	if sec > math.MaxInt64/uint64(1e9) {
		return math.MaxInt64
	}
	s := int64(sec) + c.Offset
	if s < 0 && c.Offset > 0 || s > math.MaxInt64/int64(1e9)-1 {
		return math.MaxInt64
	}
	if s < math.MinInt64/int64(1e9) {
		return math.MinInt64
	}
	return s*1e9 + int64(ns)
}

// fileLink is a capture file as a link.
type fileLink struct {
	info   Info
	reader *Reader
	filter *Filter

	mu       sync.Mutex // Next against Close
	closed   bool
	received atomic.Uint64
	bytes    atomic.Uint64
	errors   atomic.Uint64
	lost     atomic.Uint64
}

func openFile(path string, cfg Config) (Link, error) {
	r, err := OpenCapture(path)
	if err != nil {
		return nil, err
	}
	l := &fileLink{reader: r, info: Info{Name: cfg.named(path), Kind: KindFile, MTU: 1500, LinkType: LinkTypeEthernet, Up: true}}
	// The interfaces of a pcapng file stand in front of its packets: only the
	// first packet's tells the link type. Looking at it uses nothing up, for it
	// stays in the buffer.
	l.info.LinkType, err = r.firstLinkType()
	if err == nil && cfg.Filter != "" {
		l.filter, err = CompileFilter(cfg.Filter, l.info.LinkType, MaxFrame)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("capture file %q: %w", path, err)
	}
	return l, nil
}

// firstLinkType is the link type of the first packet; where there is none, of the first interface.
func (r *Reader) firstLinkType() (LinkType, error) {
	index := 0
	if r.pcapng {
		kind, n, err := r.toPacket()
		switch {
		case err == io.EOF:
		case err != nil:
			_, _, err = r.fail(err)
			return 0, err
		case n >= 20: // what a shorter block or a number too large is, Next says
			body := r.buf[r.r+8:]
			switch kind {
			case blockEnhanced:
				index = r.section + int(r.order.u32(body))
			case blockPacket:
				index = r.section + int(r.order.u16(body))
			case blockSimple:
				index = r.section
			}
		}
	}
	if index >= len(r.interfaces) {
		return LinkTypeEthernet, nil // and no packets that Next would accept
	}
	return r.interfaces[index].LinkType, nil
}

func (l *fileLink) Info() Info { return l.info }

func (l *fileLink) Start(Sink) error { return nil }

func (l *fileLink) Next() (Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return Frame{}, fmt.Errorf("capture file %q: %w", l.info.Name, ErrClosed)
	}
	for {
		f, m, err := l.reader.Next()
		if err == io.EOF {
			return f, err
		}
		if err != nil {
			return f, fmt.Errorf("capture file %q: %w", l.info.Name, err)
		}
		if lt := l.reader.interfaces[m.Interface].LinkType; lt != l.info.LinkType {
			// One link has one link type: what does not fit is counted.
			l.lost.Add(1)
			continue
		}
		if l.filter != nil && !l.filter.Match(f.Data) {
			continue
		}
		l.received.Add(1)
		l.bytes.Add(uint64(f.Length))
		return f, nil
	}
}

func (l *fileLink) Send(frames [][]byte) (int, error) {
	l.errors.Add(uint64(len(frames)))
	return 0, fmt.Errorf("capture file %q: nothing can be sent to a file: %w", l.info.Name, ErrClosed)
}

func (l *fileLink) Stats() Stats {
	return Stats{Received: l.received.Load(), ReceivedBytes: l.bytes.Load(), Errors: l.errors.Load(), Lost: l.lost.Load()}
}

func (l *fileLink) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.reader.Close()
}
