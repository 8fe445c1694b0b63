package netio

import "sync"

// MaxFrame is the longest frame that any link carries and any capture file may
// hold, in bytes: libpcap's own largest snaplen.
const MaxFrame = 262144

// What a batch holds. A reaction to a single frame moves a few hundred bytes,
// a flood fills the arena: a batch therefore starts small and takes a slab only
// when it needs one, so that thousands of waiting one-frame batches stay cheap.
const (
	batchFrames = 256     // most frames of a batch
	slabBytes   = 1 << 17 // and the bytes of its arena
	smallFrames = 16
	smallBytes  = 4096
)

// slab is the room of a batch that is not small.
type slab struct {
	frames [batchFrames]Frame
	bytes  []byte
}

// Batch is a run of frames in the order they arrived, with the memory they
// stand in. Whoever holds a batch owns it until Release; nothing in it may be
// read after that.
type Batch struct {
	Frames []Frame

	bytes       []byte // the arena in use; len is what is taken
	slab        *slab  // nil while small
	smallFrames [smallFrames]Frame
	smallBytes  [smallBytes]byte
}

var (
	batches = sync.Pool{New: func() any { return new(Batch) }}
	slabs   = sync.Pool{New: func() any { return &slab{bytes: make([]byte, slabBytes)} }}
)

// NewBatch returns an empty batch from the pool.
func NewBatch() *Batch {
	b := batches.Get().(*Batch)
	b.Frames = b.smallFrames[:0]
	b.bytes = b.smallBytes[:0]
	return b
}

// Append copies one captured frame into the batch; length is its length on the
// wire. It returns false, and leaves the batch as it was, when the batch is
// full: 256 frames or 128 KiB. An empty batch takes any frame up to [MaxFrame].
func (b *Batch) Append(data []byte, timeNs int64, length int) bool {
	at, end := len(b.bytes), len(b.bytes)+len(data)
	if end > cap(b.bytes) || len(b.Frames) == cap(b.Frames) {
		if !b.widen(len(data)) {
			return false
		}
		at, end = len(b.bytes), len(b.bytes)+len(data)
	}
	b.bytes = b.bytes[:end]
	d := b.bytes[at:end:end]
	copy(d, data)
	n := len(b.Frames)
	b.Frames = b.Frames[:n+1]
	b.Frames[n] = Frame{Data: d, Time: timeNs, Length: length}
	return true
}

// widen makes room for n more bytes by moving to a slab. Frames already there
// keep pointing into the small arena, which stays with the batch.
func (b *Batch) widen(n int) bool {
	if n > MaxFrame || b.slab != nil && len(b.Frames) > 0 {
		return false
	}
	if b.slab == nil {
		b.slab = slabs.Get().(*slab)
		have := copy(b.slab.frames[:], b.Frames)
		b.Frames = b.slab.frames[:have]
		b.bytes = b.slab.bytes[:0]
	}
	if n <= cap(b.bytes) {
		return true
	}
	if len(b.Frames) > 0 {
		return false
	}
	b.bytes = make([]byte, 0, n) // larger than an arena: rare, and not kept
	return true
}

// Release gives the batch back to the pool.
func (b *Batch) Release() {
	if b.slab != nil {
		// Frames hold pointers; a slab that rests in the pool must not keep
		// an oversized frame alive.
		clear(b.Frames)
		slabs.Put(b.slab)
		b.slab = nil
	}
	b.Frames, b.bytes = nil, nil
	batches.Put(b)
}
