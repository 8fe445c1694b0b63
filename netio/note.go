package netio

import (
	"encoding/binary"
	"sync/atomic"
)

// Notes are a program's own data in a pcapng file: blocks of a type that
// draft-ietf-opsawg-pcapng (section 11.1) leaves to local use, with a mark of ours
// in front. Readers pass over a type that they do not know. They do not all pass
// over custom blocks (section 4.7), which are meant for this: Wireshark 4.0 lists
// one as a frame, and every packet behind it has another number there than here.
const (
	blockNote    = 0x80756d70 // the top bit: local use
	noteMark     = "umpa-run note 1\n"
	maxNoteBytes = 64 << 20
)

// Note adds data of our own behind what was recorded so far. In a pcap file
// there is no place for it, and where files are rotated the first ones, which would be needed,
// may be gone: nothing is written.
func (r *Recorder) Note(data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.file == nil || r.w.pcap || r.o.RotateSize > 0 {
		return nil
	}
	r.w.note(data)
	if len(r.w.buf) >= writeBuffer {
		return r.flush()
	}
	return nil
}

// Comments says whether the file holds comments: it is pcapng.
func (r *Recorder) Comments() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.w != nil && !r.w.pcap
}

func (w *Writer) note(data []byte) {
	at := w.begin(blockNote)
	w.buf = append(w.buf, noteMark...)
	w.u32(uint32(len(data)))
	w.buf = append(w.buf, data...)
	w.pad(len(data))
	w.end(at)
}

// noteOf returns what a block's body holds, if it is a note.
func noteOf(order byteOrder, body []byte) ([]byte, bool) {
	const head = len(noteMark) + 4
	if len(body) < head || string(body[:len(noteMark)]) != noteMark {
		return nil, false
	}
	n := int(order.u32(body[head-4:]))
	if n > len(body)-head {
		return nil, false
	}
	return body[head : head+n], true
}

// OnNote sets a function that is called for each note, in the order of the
// file, before Next returns the packet behind it. What it is given is valid
// until it returns.
func (r *Reader) OnNote(f func(data []byte)) { r.notes = f }

// noteBlock hands a note over; it reports whether the block was used.
func (r *Reader) noteBlock(n int) (used bool, err error) {
	if r.notes == nil || n > maxNoteBytes || n < 16 {
		return false, nil
	}
	if r.w-r.r < n {
		if err := r.fill(n); err != nil {
			return false, err
		}
	}
	block := r.buf[r.r : r.r+n]
	if data, ok := noteOf(r.order, block[8:n-4]); ok {
		r.notes(data)
	}
	r.r += n
	return true, nil
}

// A frame's number in a recording has numberBits; above it stands which recorder
// it is of, for wires may join engines that have different ones.
const numberBits = 40

var recorders atomic.Uint64

// Recorded is what stands in [Frame.Recorded] of a frame that Add gave that number.
func (r *Recorder) Recorded(number uint64) uint64 {
	if number == 0 || number>>numberBits != 0 {
		return 0
	}
	return r.id<<numberBits | number
}

// Number returns the number, counted from 1, of the frame that its sender has
// recorded here; 0 where it is not told, or is another recorder's.
func (r *Recorder) Number(recorded uint64) uint64 {
	if recorded>>numberBits != r.id {
		return 0
	}
	return recorded & (1<<numberBits - 1)
}

// NoteWriter makes a note: it is a run of unsigned
// numbers (as in encoding/binary) and of strings behind their lengths.
type NoteWriter struct{ Data []byte }

// Uint adds a number.
func (w *NoteWriter) Uint(n uint64) { w.Data = binary.AppendUvarint(w.Data, n) }

// Bytes adds a string.
func (w *NoteWriter) Bytes(b []byte) {
	w.Uint(uint64(len(b)))
	w.Data = append(w.Data, b...)
}

// NoteReader reads what NoteWriter wrote. Past the end, or of what is no note,
// everything reads as zero and Bad is set.
type NoteReader struct {
	Data []byte
	Bad  bool
}

// Uint reads a number.
func (r *NoteReader) Uint() uint64 {
	n, size := binary.Uvarint(r.Data)
	if size <= 0 {
		r.Bad, r.Data = true, nil
		return 0
	}
	r.Data = r.Data[size:]
	return n
}

// Bytes reads a string, which is part of Data.
func (r *NoteReader) Bytes() []byte {
	n := r.Uint()
	if n > uint64(len(r.Data)) {
		r.Bad, r.Data = true, nil
		return nil
	}
	b := r.Data[:n:n]
	r.Data = r.Data[n:]
	return b
}
