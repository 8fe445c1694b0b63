package engine

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/timers"
)

// A recording that can be run again holds, beside the packets, notes
// (netio.Recorder.Note) of everything that reached a scenario from outside, each
// with the turn of the loop and the time on its clock at which it did:
// docs/recordings.md tells the format.
//
// A scenario that is recorded in real time runs on a stepped clock: the time
// stands still within a turn, each timer runs at its very deadline, and what
// arrives is taken in turns of its own. So what a scenario sees of time is in
// the notes, and a replay on the virtual clock is the same run. A run that reads a
// capture file is stepped too: timers and recorded packets then interleave as they
// would on the virtual clock, however late the machine is.

// noteKind is the first number of a note.
type noteKind uint64

const (
	noteStart   noteKind = 1 + iota // a scenario begins: startNote, as compressed JSON
	noteFrames                      // frames were delivered
	noteState                       // a link went down or came up
	noteEnd                         // a link's end
	noteStop                        // the outside asked it to stop
	noteRest                        // nothing could happen any more
	noteStage                       // another version was loaded, and got what the live one leaves: bundleNote, as compressed JSON
	noteSwap                        // it took over
	noteHop                         // the kernel was asked for a route
	noteOver                        // the scenario has ended
	noteCut                         // noteStop, in the middle of a turn: it cut a sleepSync short
	noteFile                        // the script read a file: its text, compressed
	noteRefused                     // a frame could not be sent
	noteTick                        // a stepped clock went on though no turn was due to that
)

// maxBundle bounds what is kept of a scenario's text, compressed.
const maxBundle = 16 << 20

// maxInflated bounds the same, inflated.
const maxInflated = 64 << 20

// maxSource is the longest file whose text is kept for the messages of a replay.
const maxSource = 1 << 20

// startNote is what is needed to run a scenario again.
type startNote struct {
	Bundle          bundleNote
	Args            []string
	Env             map[string]string
	Seed            uint64
	Number          int
	Start           int64 // nanoseconds since 1970 at time 0
	For             time.Duration
	CallbackTimeout time.Duration
	StopTimeout     time.Duration
	Trial           time.Duration
	Links           []linkNote
	Storage         map[string][]byte // what was stored before
}

// linkNote is an interface of a scenario.
type linkNote struct {
	Name   string
	Record int // its number in the recording
	Info   netio.Info
}

// bundleNote is a scenario's text.
type bundleNote struct {
	Version  int // how many reloads came before
	Script   string
	Dir      string
	Embedded bool // Dir is a folder of those that the program brings along
	Code     string
	Map      string            // of its places, as the runtime takes it
	Sources  map[string]string // local files, as messages call them
}

// recording is what an engine has for being recorded or replayed.
type recording struct {
	journal  *journal     // nil: nothing is noted
	feed     *feed        // nil: the world is what reaches it
	stepped  timers.Clock // the real time that its stepped clock follows; nil: its clock is no such one
	shut     bool         // what has arrived is not for this turn
	exact    bool         // the stepped clock may fall behind as far as it likes
	stopSeen bool         // Stop has been noted
	stopNow  bool         // it is to be, in the turn that begins
	sleeps   uint64       // calls of Sleep by live versions
	told     bool         // the last of them said that the scenario is to end
}

// journal writes the notes of one engine. A nil journal writes none.
type journal struct {
	e     *Engine
	r     *netio.Recorder
	id    uint64
	note  netio.NoteWriter
	whys  []comments // by link: of the frames that are queued
	files []uint64   // numbers in the file of received frames, by their own; a ring
}

// comments are texts one behind the other.
type comments struct {
	text []byte
	ends []int
}

// at is the comment of that number; empty where there is none.
func (c *comments) at(n int) string {
	if n >= len(c.ends) {
		return ""
	}
	from := 0
	if n > 0 {
		from = c.ends[n-1]
	}
	return string(c.text[from:c.ends[n]])
}

// journalFrames is how many received frames can still be named as a cause.
const journalFrames = 1 << 14

func bundleOf(u *unit, version int) bundleNote {
	b := bundleNote{Version: version, Script: u.name, Dir: u.dir, Embedded: u.embedded != nil, Code: u.text, Map: string(u.mapped), Sources: map[string]string{}}
	for name, read := range u.sources.read {
		if strings.Contains(name, "node_modules") {
			continue
		}
		if text, err := read(); err == nil && len(text) <= maxSource {
			b.Sources[name] = string(text)
		}
	}
	return b
}

// startJournal begins an engine's part of the recording, number id of those in it.
func (e *Engine) startJournal(id int, start time.Time) {
	if e.cfg.Recorder == nil || !e.cfg.Recorder.Comments() || e.cfg.replay != nil {
		return
	}
	e.journal = &journal{e: e, r: e.cfg.Recorder, id: uint64(id), whys: make([]comments, len(e.links)), files: make([]uint64, journalFrames)}
	n := startNote{Bundle: bundleOf(e.unit, 0), Args: e.cfg.Args, Env: e.cfg.Env, Seed: e.cfg.Seed, Number: e.cfg.Number, Start: start.UnixNano(),
		For: e.cfg.For, CallbackTimeout: e.cfg.CallbackTimeout, StopTimeout: e.cfg.StopTimeout, Trial: e.cfg.Trial, Storage: e.store.values}
	for _, l := range e.links {
		info := l.info
		n.Links = append(n.Links, linkNote{l.name, l.record, info})
	}
	e.journal.pack(noteStart, n)
	e.recorded(e.cfg.Recorder.Flush()) // whatever becomes of the process
}

// heard is what the outside has said to a version that is not live yet.
type heard struct {
	hops  []hopEvent
	files []fileEvent
}

// heard notes what a version heard before it was live.
func (j *journal) heard(h *heard) {
	for _, x := range h.hops {
		j.hop(x)
	}
	for _, x := range h.files {
		j.file(x)
	}
}

// begin starts a note.
func (j *journal) begin(k noteKind) *netio.NoteWriter {
	w := &j.note
	w.Data = w.Data[:0]
	w.Uint(uint64(k))
	w.Uint(j.id)
	w.Uint(j.e.turns)
	w.Uint(uint64(j.e.clock.Now()))
	return w
}

func (j *journal) end(w *netio.NoteWriter) {
	if err := j.r.Note(w.Data); err != nil {
		j.e.recorded(err)
	}
}

// pack writes a note of compressed JSON.
func (j *journal) pack(k noteKind, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		j.e.recorded(err)
		return
	}
	packed := deflated(text)
	if len(packed) > maxBundle || len(text) > maxInflated {
		j.e.notice("the scenario is too large to be kept in the recording: it cannot be replayed")
		return
	}
	w := j.begin(k)
	w.Bytes(packed)
	j.end(w)
}

func unpack(data []byte, v any) error {
	text, err := inflated(data)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

func deflated(text []byte) []byte {
	var b bytes.Buffer
	f, _ := flate.NewWriter(&b, flate.DefaultCompression) // fails for a level that is none
	_, _ = f.Write(text)                                  // a Buffer takes all
	_ = f.Close()
	return b.Bytes()
}

func inflated(data []byte) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxInflated+1))
	if err == nil && len(text) > maxInflated {
		err = errors.New("a note of more than 64 MiB")
	}
	return text, err
}

// delivered notes the frames of this turn that were not read from a file by
// its times. Those that are in the recording as packets are only counted.
func (j *journal) delivered(batches []arrival) {
	if j == nil {
		return
	}
	w := j.begin(noteFrames)
	for _, a := range batches {
		l := j.e.links[a.link]
		w.Uint(uint64(a.link))
		w.Uint(uint64(len(a.batch.Frames)))
		if l.info.Kind != netio.KindWire {
			continue
		}
		for i := range a.batch.Frames {
			f := &a.batch.Frames[i]
			w.Uint(uint64(f.Time))
			w.Uint(uint64(f.Length))
			number := j.r.Number(f.Recorded)
			if w.Uint(number); number > 0 {
				w.Uint(uint64(len(f.Data)))
			} else {
				w.Bytes(f.Data)
			}
		}
	}
	j.end(w)
}

func (j *journal) state(link int, up bool) {
	if j == nil {
		return
	}
	w := j.begin(noteState)
	w.Uint(uint64(link))
	w.Uint(bit(up))
	j.end(w)
}

func (j *journal) linkEnd(link int, err error) {
	if j == nil {
		return
	}
	w := j.begin(noteEnd)
	w.Uint(uint64(link))
	text := ""
	if err != nil {
		text = err.Error()
	}
	w.Bytes([]byte(text))
	j.end(w)
}

func (j *journal) text(k noteKind, text string) {
	if j == nil {
		return
	}
	w := j.begin(k)
	w.Bytes([]byte(text))
	j.end(w)
}

// tick notes that the clock went on to where it is now, for the turn that follows;
// last: for none, it is the end of the run.
func (j *journal) tick(last bool) {
	if j == nil {
		return
	}
	w := j.begin(noteTick)
	w.Uint(0)
	w.Uint(bit(last))
	j.end(w)
}

// slept notes that a sleep lasted until now, for the run's time was up.
func (j *journal) slept() {
	if j == nil {
		return
	}
	w := j.begin(noteTick)
	w.Uint(j.e.sleeps)
	w.Uint(1)
	j.end(w)
}

// cut notes that Stop was heard at the end of the sleep that is just over.
func (j *journal) cut(reason string) {
	w := j.begin(noteCut)
	w.Uint(j.e.sleeps)
	w.Bytes([]byte(reason))
	j.end(w)
}

func (j *journal) stage(u *unit) {
	if j != nil {
		j.pack(noteStage, bundleOf(u, j.e.reloads+1))
	}
}

// refused notes that a link did not take a frame: the one of that number, from 0,
// among those that it was given. closed: nor any behind it in the queue.
func (j *journal) refused(link int, number uint64, err error, closed bool) {
	if j == nil {
		return
	}
	w := j.begin(noteRefused)
	w.Uint(uint64(link))
	w.Uint(number)
	w.Bytes([]byte(err.Error()))
	w.Uint(bit(closed))
	j.end(w)
}

func (j *journal) swap() {
	if j != nil {
		j.end(j.begin(noteSwap))
	}
}

func (j *journal) hop(h hopEvent) {
	if j == nil {
		return
	}
	w := j.begin(noteHop)
	w.Uint(uint64(h.link))
	for _, a := range []netip.Addr{h.dst, h.hop, h.src} {
		b, _ := a.MarshalBinary() // never fails
		w.Bytes(b)
	}
	w.Uint(bit(h.ok))
	j.end(w)
}

func (j *journal) file(f fileEvent) {
	if j == nil {
		return
	}
	packed := deflated(f.text)
	if len(packed) > maxBundle || len(f.text) > maxInflated {
		j.e.notice(fmt.Sprintf("%s is too large to be kept in the recording: a replay reads the file itself", f.name))
		return
	}
	w := j.begin(noteFile)
	w.Bytes([]byte(f.name))
	w.Bytes([]byte(f.err))
	w.Bytes(packed)
	j.end(w)
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// received remembers which packet of the file a received frame is.
func (j *journal) received(number, file uint64) {
	if j != nil {
		j.files[number%journalFrames] = file
	}
}

// why appends the comment of a frame that is queued now.
func (j *journal) why(b []byte, v *vm, cause jsapi.Cause) []byte {
	b = append(b, "sent by "...)
	at := cause.Place
	if at == "" {
		at = v.where()
	}
	if cause.Asks {
		b = append(b, "the engine, to find a neighbour"...)
		if at != "" || cause.Handler != nil {
			b = append(b, " for "...)
		}
	}
	b = append(b, at...)
	switch {
	case cause.Handler != nil && at != "":
		b = append(append(b, " in "...), cause.Handler.Name...)
	case cause.Handler != nil:
		b = append(b, cause.Handler.Name...)
	case at != "":
	case cause.Frame > 0:
		b = append(b, "the engine, which answers for the scenario's addresses"...)
	case cause.Asks:
	default:
		b = append(b, "the engine"...)
	}
	b = strconv.AppendInt(append(b, ", version "...), int64(v.version), 10)
	if cause.Frame > 0 {
		if n := j.files[cause.Frame%journalFrames]; n > 0 && cause.Frame+journalFrames > j.e.number {
			b = strconv.AppendUint(append(b, ", because of packet "...), n, 10)
		} else {
			b = strconv.AppendUint(append(b, ", because of the frame "...), cause.Frame, 10)
			b = append(b, " that it received"...)
		}
	}
	return b
}

// Where is where the script calls into the engine now, for a recording.
func (v *vm) Where() string {
	if v.e.journal == nil {
		return ""
	}
	return v.where()
}

// where is the line of the author's that calls into the engine now, or nothing.
func (v *vm) where() string {
	if v.watch.Count()&1 == 0 {
		return ""
	}
	var stack [8]goja.StackFrame
	s := &ScriptError{}
	s.place(v.unit.sources, v.rt.CaptureCallStack(len(stack), stack[:0]))
	if s.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", s.File, s.Line)
}

// queued keeps the comment of a frame until it is recorded.
func (j *journal) queued(l *link, v *vm, cause jsapi.Cause) {
	if j != nil {
		c := &j.whys[l.index]
		c.text = j.why(c.text, v, cause)
		c.ends = append(c.ends, len(c.text))
	}
}

// recordSent records frames of a link's queue, from number at on.
func (e *Engine) recordSent(l *link, frames [][]byte, at int) {
	if e.cfg.Recorder == nil {
		return
	}
	now := e.clock.Wall().UnixNano()
	l.recorded = l.recorded[:0]
	for i, f := range frames {
		why := ""
		if e.journal != nil {
			why = e.journal.whys[l.index].at(at + i)
		}
		number, err := e.cfg.Recorder.Add(l.record, netio.DirectionOut, now, f, len(f), why)
		l.recorded = append(l.recorded, e.cfg.Recorder.Recorded(number))
		e.recorded(err)
	}
}

// flushed forgets the comments of the first n frames.
func (j *journal) flushed(l *link, n int) {
	if j == nil || n == 0 {
		return
	}
	c := &j.whys[l.index]
	if n >= len(c.ends) {
		c.text, c.ends = c.text[:0], c.ends[:0]
		return
	}
	gone := c.ends[n-1]
	c.text = append(c.text[:0], c.text[gone:]...)
	c.ends = append(c.ends[:0], c.ends[n:]...)
	for i := range c.ends {
		c.ends[i] -= gone
	}
}

// undone forgets the comments of all but the first n frames.
func (j *journal) undone(l *link, n int) {
	if j == nil {
		return
	}
	if c := &j.whys[l.index]; n < len(c.ends) {
		c.ends = c.ends[:n]
		length := 0
		if n > 0 {
			length = c.ends[n-1]
		}
		c.text = c.text[:length]
	}
}

const (
	// steps is how many turns of its own a scenario on a stepped clock may take while
	// the outside waits for one, and waitMost how long.
	steps    = 1000
	waitMost = 10 * time.Millisecond
	// tickEvery is how far a stepped clock may fall behind a script that calls for
	// the next turn at once, and lagMost how far behind one that is too slow for
	// its timers: then some of them run late, and intervals leave out times.
	tickEvery = time.Millisecond
	lagMost   = 50 * time.Millisecond
)

// liveStepped is live on a stepped clock: see the top of this file.
func (e *Engine) liveStepped(r *rest) {
	sleep := time.NewTimer(time.Hour)
	defer sleep.Stop()
	real, clock := e.stepped, e.clock.(*timers.Virtual) // at 0: the top level runs then
	e.watch()
	e.begin()
	e.shut = true
	var since time.Duration // when the outside had its turn, or nothing was to be done
	for at := 0; ; at++ {
		e.proceed()
		if e.state == stateEnded {
			break
		}
		internal := len(e.vm.immediates) > 0 || len(e.vm.later) > 0
		now := max(real.Now(), clock.Now())
		due, ok := e.deadline()
		outside := e.inbox.waiting() || e.stopped.Load() != nil && e.reason == "" && !e.stopping()
		late := ok && now-due > lagMost && !e.exact
		own := !outside || at < steps && now-since < waitMost
		switch {
		case late && e.timeIsUp(now):
			clock.AdvanceTo(e.cfg.For)
			e.journal.tick(true)
			continue
		case late && own:
			clock.AdvanceTo(now)
			e.journal.tick(false)
			e.turn()
			continue
		case internal && own:
			if now-clock.Now() >= tickEvery {
				to := now
				if ok {
					to = min(to, due)
				}
				if to > clock.Now() {
					clock.AdvanceTo(to)
					e.journal.tick(false)
				}
			}
			e.turn()
			continue
		case ok && due <= now && own:
			clock.AdvanceTo(due)
			e.turn()
			continue
		case outside:
			at, since = 0, now
			to := max(now, clock.Now()+1) // after what was due by then
			if behind := internal || ok && due <= to; behind {
				if e.exact {
					to = clock.Now() + 1
				}
				clock.AdvanceTo(to)
				e.journal.tick(false)
			}
			clock.AdvanceTo(to)
			e.shut = false
			if e.stopped.Load() != nil && e.reason == "" && !e.stopping() {
				e.stopSeen, e.stopNow = true, true
			}
			e.turn()
			e.shut = true
			continue
		}
		at = 0
		e.guard.idle(true)
		if ok {
			sleep.Reset(due - now)
		} else {
			sleep.Reset(time.Hour)
			if e.state == stateRunning && e.vm.holds == 0 {
				r.enter(e)
			}
		}
		select {
		case <-e.inbox.wake:
		case <-sleep.C:
		}
		if !ok {
			r.leave(e)
		}
		e.guard.idle(false)
		since = real.Now()
	}
	e.journal.text(noteOver, e.reason)
	e.finish()
}

// timeIsUp reports whether the time of the run is, at that real time.
func (e *Engine) timeIsUp(now time.Duration) bool {
	return e.cfg.For > 0 && e.state == stateRunning && now >= e.cfg.For
}

func (e *Engine) stopping() bool { return e.state != stateRunning || e.stopSeen }

// deadline is when the next turn is due by what the scenario itself has set.
func (e *Engine) deadline() (at time.Duration, ok bool) {
	at, ok = e.vm.timers.Peek()
	earlier := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, l := range e.links {
		if l.timed != nil && !l.ended {
			earlier(l.due)
		}
	}
	if e.cfg.For > 0 && e.state == stateRunning {
		earlier(e.cfg.For)
	}
	if e.onTrial() && e.state == stateRunning {
		earlier(e.vm.trial.until)
	}
	if e.state == stateStopping {
		earlier(e.stopAt)
	}
	return at, ok
}

// errNoNotes says that a file is no recording of ours.
var errNoNotes = errors.New("this capture holds no scenario: what can be replayed is what umpa-run -w FILE.pcapng has recorded, without --rotate-size")
