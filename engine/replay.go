package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/netip"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/netio/packet"
)

// maxRecording bounds the frames of a recording that is replayed, in bytes: it is
// held in memory.
const maxRecording = 1 << 30

// maxNoteFrames bounds the frames of one turn: a turn takes batches until it has
// turnFrames, and the last one may be full.
const maxNoteFrames = 4096

// Recording is what umpa-run -w has recorded, read to be run again.
type Recording struct {
	path      string
	size      int // of what is kept, about
	packets   []recorded
	scenarios []*recordedScenario
}

// recorded is a packet of the file.
type recorded struct {
	iface   int
	dir     netio.Direction
	time    int64
	data    []byte
	length  int
	comment string
	first   string // outermost protocol
	name    string // of the interface
}

// recordedScenario is one engine of the run, and what reached it.
type recordedScenario struct {
	startNote
	events   []event
	hops     []hopEvent
	files    []fileEvent
	refused  []map[uint64]refusal // by link: frames that could not be sent
	versions map[int]bundleNote   // that were loaded later
	over     bool                 // it ended by itself while it was recorded
	last     time.Duration        // the last that is known of it
}

// refusal is why a link did not take a frame.
type refusal struct {
	err    string
	closed bool
}

func (r refusal) error() error {
	if r.closed {
		return fmt.Errorf("%s: %w", r.err, netio.ErrClosed)
	}
	return errors.New(r.err)
}

// event is something that reached an engine from outside.
type event struct {
	kind   noteKind
	turn   uint64
	at     time.Duration
	frames []fedFrame
	link   int
	up     bool
	text   string
	sleep  uint64 // noteCut: which one it was, counted from 1; noteTick: the same, or 0
	last   bool   // noteTick: for no turn, but for the end
	bundle *bundleNote
}

type fedFrame struct {
	link   int
	time   int64
	length int
	data   []byte
	number uint64 // on a wire: of the packet that it is
	cut    int    // and how much of that was received
}

// hopEvent is what the kernel said of the way to an address.
type hopEvent struct {
	link          int
	dst, hop, src netip.Addr
	ok            bool
}

// fileEvent is a file as the script read it, or why it could not.
type fileEvent struct {
	name string
	text []byte
	err  string
}

func (f *fileEvent) error() error {
	if f.err == "" {
		return nil
	}
	return errors.New(f.err)
}

// OpenRecording reads a recording, or another capture file: of one that umpa-run
// has not recorded, little can be said.
func OpenRecording(path string) (*Recording, error) {
	r, err := netio.OpenCapture(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	rec := &Recording{}
	comments := map[string]string{} // many are the same
	var note error
	r.OnNote(func(data []byte) {
		if rec.size += len(data); note == nil && rec.size <= maxRecording {
			note = rec.note(data)
		}
	})
	for {
		f, m, err := r.Next()
		if note != nil {
			return nil, fmt.Errorf("recording %q: %w", path, note)
		}
		if err != nil {
			// A recording that breaks off is good up to there.
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			return nil, fmt.Errorf("recording %q: %w", path, err)
		}
		comment := strings.Join(m.Comments(), "; ")
		if known, ok := comments[comment]; ok {
			comment = known
		} else {
			if rec.size += len(comment); len(comments) == maxComments {
				clear(comments)
			}
			comments[comment] = comment
		}
		if rec.size += len(f.Data) + packetSize; rec.size > maxRecording {
			return nil, fmt.Errorf("recording %q: %w", path, errLarge)
		}
		p := recorded{iface: m.Interface, dir: m.Direction, time: f.Time, data: slices.Clone(f.Data), length: f.Length, comment: comment}
		i := r.Interfaces()[m.Interface]
		p.first, p.name = firstLayer(i.LinkType), i.Name
		rec.packets = append(rec.packets, p)
	}
	rec.path = path
	rec.join()
	return rec, nil
}

// What a replay keeps of each packet and each delivery beside its bytes, about:
// slices grow by doubling.
const (
	packetSize  = 320
	frameSize   = 160
	maxComments = 1 << 16
)

// size is about how much memory a scenario's text takes.
func (b *bundleNote) size() int {
	n := len(b.Code) + len(b.Map)
	for name, text := range b.Sources {
		n += len(name) + len(text)
	}
	return n
}

var errLarge = fmt.Errorf("it needs more than %d MiB of memory, and cannot be replayed", maxRecording>>20)

var errBadNote = errors.New("a note that is damaged, or of another version of umpa-run")

// note reads one note. The frames that it only counts are filled in by join.
func (r *Recording) note(data []byte) error {
	n := &netio.NoteReader{Data: data}
	kind, id := noteKind(n.Uint()), n.Uint()
	e := event{kind: kind, turn: n.Uint(), at: time.Duration(n.Uint())}
	if kind == noteStart {
		s := &recordedScenario{}
		if err := unpack(n.Bytes(), &s.startNote); err != nil || n.Bad || id != uint64(len(r.scenarios)) {
			return errBadNote
		}
		s.refused = make([]map[uint64]refusal, len(s.Links))
		s.versions = map[int]bundleNote{}
		r.scenarios = append(r.scenarios, s)
		return nil
	}
	if id >= uint64(len(r.scenarios)) {
		return errBadNote
	}
	s := r.scenarios[id]
	s.last = e.at
	link := func() int {
		l := n.Uint()
		if l >= uint64(len(s.Links)) {
			n.Bad = true
			return 0
		}
		return int(l)
	}
	switch kind {
	case noteFrames:
		for len(n.Data) > 0 && !n.Bad {
			l, count := link(), n.Uint()
			if uint64(len(e.frames))+count > maxNoteFrames {
				return errBadNote
			}
			if r.size += int(count) * frameSize; r.size > maxRecording {
				return errLarge
			}
			for range count {
				f := fedFrame{link: l}
				if n.Bad {
					return errBadNote
				}
				if s.Links[l].Info.Kind == netio.KindWire {
					f.time, f.length, f.number = int64(n.Uint()), int(min(n.Uint(), 1<<30)), n.Uint()
					if f.number > 0 {
						f.cut = int(min(n.Uint(), netio.MaxFrame))
					} else {
						f.data = slices.Clone(n.Bytes())
					}
				}
				e.frames = append(e.frames, f)
			}
		}
	case noteState:
		e.link, e.up = link(), n.Uint() == 1
	case noteEnd:
		e.link, e.text = link(), string(n.Bytes())
	case noteStop, noteRest:
		e.text = string(n.Bytes())
	case noteCut:
		e.sleep, e.text = n.Uint(), string(n.Bytes())
	case noteTick:
		e.sleep, e.last = n.Uint(), n.Uint() == 1
	case noteStage:
		var b bundleNote
		if unpack(n.Bytes(), &b) != nil {
			return errBadNote
		}
		if r.size += b.size(); r.size > maxRecording {
			return errLarge
		}
		s.versions[b.Version], e.bundle = b, &b
	case noteSwap:
	case noteRefused:
		l, number := link(), n.Uint()
		if s.refused[l] == nil {
			s.refused[l] = map[uint64]refusal{}
		}
		s.refused[l][number] = refusal{string(n.Bytes()), n.Uint() == 1}
	case noteHop:
		h := hopEvent{link: link()}
		for _, a := range []*netip.Addr{&h.dst, &h.hop, &h.src} {
			if a.UnmarshalBinary(n.Bytes()) != nil {
				return errBadNote
			}
		}
		h.ok = n.Uint() == 1
		s.hops = append(s.hops, h)
	case noteFile:
		f := fileEvent{name: string(n.Bytes()), err: string(n.Bytes())}
		var err error
		if f.text, err = inflated(n.Bytes()); err != nil {
			return errBadNote
		}
		if r.size += len(f.text); r.size > maxRecording {
			return errLarge
		}
		s.files = append(s.files, f)
	case noteOver:
		s.over = string(n.Bytes()) != killed
	default:
		return errBadNote
	}
	if n.Bad {
		return errBadNote
	}
	switch kind {
	case noteHop, noteFile, noteRefused, noteOver:
	default:
		s.events = append(s.events, e)
	}
	return nil
}

// join gives the frames that notes count their packets: those that came in by
// their interface, in order.
func (r *Recording) join() {
	byIface := map[int][]*recorded{}
	for i := range r.packets {
		if p := &r.packets[i]; p.dir == netio.DirectionIn {
			byIface[p.iface] = append(byIface[p.iface], p)
		}
	}
	for _, s := range r.scenarios {
		for i := range s.events {
			e := &s.events[i]
			for k := range e.frames {
				f := &e.frames[k]
				if f.number > 0 {
					if f.number > uint64(len(r.packets)) { // it broke off in between
						e.frames = e.frames[:k]
						break
					}
					data := r.packets[f.number-1].data
					f.data = data[:min(f.cut, len(data))]
					continue
				}
				if f.data != nil || s.Links[f.link].Info.Kind == netio.KindWire {
					continue
				}
				left := byIface[s.Links[f.link].Record]
				if len(left) == 0 { // it broke off in between
					e.frames = e.frames[:k]
					break
				}
				f.time, f.length, f.data = left[0].time, left[0].length, left[0].data
				byIface[s.Links[f.link].Record] = left[1:]
			}
		}
	}
}

// Scripts lists the scenarios of the run.
func (r *Recording) Scripts() []string {
	names := make([]string, len(r.scenarios))
	for i, s := range r.scenarios {
		names[i] = s.Bundle.Script
	}
	return names
}

// ReplayOptions says how a recording is run again.
type ReplayOptions struct {
	// With is what runs in place of the scenario that was recorded; its Script
	// and where that is count. Empty: the recorded text. Of several scenarios it
	// stands for the one whose file has the same name.
	With Config
	// Bundled is where scenarios are that the program brings along.
	Bundled fs.FS
	// Log receives what the scenarios write; nil discards.
	Log func(Entry)
}

// Difference is the first thing that a replay sent otherwise.
type Difference struct {
	Script string
	// Packet is the number in the recording of the packet that was expected; 0:
	// the replay sent one more.
	Packet int
	Text   string // what differs, over several lines
	Err    error  // that ended the replay early; nil: none did
}

// Replayed says what a replay came to.
type Replayed struct {
	Script string
	Sent   int // packets that were the same
	First  *Difference
	// Broken says that the recording does not hold the scenario's end, for it was
	// killed or the file breaks off: what would have followed is not known.
	Broken bool
	// Err is what the scenario ended with in the replay, as it did when it was
	// recorded; nil where First tells of it.
	Err error
}

// Replay runs each scenario of the recording again on a virtual clock, with the
// same input at the same times, and compares what it sends with what is recorded.
// A capture file that is no recording is an error that says so.
func (r *Recording) Replay(ctx context.Context, o ReplayOptions) ([]Replayed, error) {
	if len(r.scenarios) == 0 {
		return nil, fmt.Errorf("recording %q: %w", r.path, errNoNotes)
	}
	replaced := -1
	if o.With.Script != "" {
		for i, s := range r.scenarios {
			if len(r.scenarios) == 1 || filepath.Base(s.Bundle.Script) == filepath.Base(o.With.Script) {
				replaced = i
				break
			}
		}
		if replaced < 0 {
			return nil, fmt.Errorf("%s stands for none of the scenarios in the recording, %q: it goes by the file's name", o.With.Script, r.Scripts())
		}
	}
	var results []Replayed
	for i, s := range r.scenarios {
		with := Config{}
		if i == replaced {
			with = o.With
		}
		result, err := r.replay(ctx, s, with, o)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

func (r *Recording) replay(ctx context.Context, s *recordedScenario, with Config, o ReplayOptions) (Replayed, error) {
	cfg := Config{Script: s.Bundle.Script, Args: s.Args, Env: s.Env, Seed: s.Seed, SeedSet: true, Number: s.Number, For: s.For,
		CallbackTimeout: s.CallbackTimeout, StopTimeout: s.StopTimeout, Trial: s.Trial,
		Virtual: true, Start: time.Unix(0, s.Start).UTC(), Log: o.Log, Wires: netio.NewWires()}
	var err error
	if with.Script != "" {
		cfg.Script, cfg.FS, cfg.Source, cfg.Dir = with.Script, with.FS, with.Source, with.Dir
		cfg.loaded, err = load(cfg)
	} else {
		cfg.loaded, err = s.Bundle.unit(cfg, o.Bundled)
	}
	if err != nil {
		return Replayed{}, err
	}
	c := &comparer{recording: r, scenario: s, result: Replayed{Script: cfg.Script}}
	for i, p := range r.packets {
		if p.dir != netio.DirectionOut {
			continue
		}
		for k, l := range s.Links {
			if l.Record == p.iface {
				c.expected = append(c.expected, expectation{i, k})
			}
		}
	}
	for i, l := range s.Links {
		link := &replayLink{info: l.Info, refused: s.refused[i]}
		named := Interface{Name: l.Name, Link: link}
		if !slices.ContainsFunc(cfg.loaded.options.interfaces, func(w wanted) bool { return w.name == l.Name }) {
			named.Name = ""
		}
		link.info.Name = l.Name
		if l.Info.Kind == netio.KindFile {
			t := &replayFile{replayLink: link}
			for _, p := range r.packets {
				if p.iface == s.Links[i].Record && p.dir == netio.DirectionIn {
					t.frames = append(t.frames, netio.Frame{Data: p.data, Time: p.time, Length: p.length})
				}
			}
			named.Link = t
		}
		cfg.Interfaces = append(cfg.Interfaces, named)
	}
	events := s.events
	if with.Script != "" { // one version, from start to end
		events = slices.DeleteFunc(slices.Clone(events), func(x event) bool { return x.kind == noteStage || x.kind == noteSwap })
		if n := len(s.events) - len(events); n > 0 && o.Log != nil {
			o.Log(Entry{Level: "notice", Text: "the recorded run was reloaded; this one is not", Script: cfg.Script, Time: cfg.Start})
		}
	}
	events = append(slices.Clip(events), r.end(s))
	cfg.replay = &feed{events: events, hops: s.hops, files: s.files, bundled: o.Bundled}
	e, err := New(cfg)
	if err != nil {
		return Replayed{}, err
	}
	e.cfg.loaded = nil
	maps.Copy(e.store.values, s.Storage)
	e.hooks.sent = func(l *link, frames [][]byte) {
		for _, f := range frames {
			c.sent(e, l, f)
		}
	}
	err = e.Run(ctx)
	c.result.Broken = !s.over
	late := false
	if errors.Is(err, ErrKilled) && ctx.Err() == nil && cfg.replay.ended {
		err, late = nil, s.over
	}
	switch {
	case errors.Is(err, ErrKilled) || ctx.Err() != nil:
		return c.result, ErrKilled
	case c.result.First == nil && len(c.expected) > 0:
		c.missing(err)
	case c.result.First == nil && err != nil && with.Script == "":
		c.result.Err = err
	case c.result.First == nil && late:
		c.result.First = &Difference{Script: cfg.Script, Text: fmt.Sprintf("it does not end: the recorded run ended after %v", s.last)}
	case c.result.First == nil && err != nil && with.Script != "":
		c.result.First = &Difference{Script: cfg.Script, Text: "it fails where the recording ends", Err: err}
	}
	return c.result, nil
}

// end is the event that ends a replay that does not end by itself: where the
// recording breaks off, or when the scenario should long be over.
func (r *Recording) end(s *recordedScenario) event {
	x := event{kind: noteOver, turn: math.MaxUint64, at: s.last + 1}
	if s.over {
		x.at += s.StopTimeout
		return x
	}
	for _, p := range r.packets {
		if slices.ContainsFunc(s.Links, func(l linkNote) bool { return l.Record == p.iface }) {
			x.at = max(x.at, time.Duration(p.time-s.Start)+1)
		}
	}
	return x
}

// unit is the recorded text as a scenario that can run.
func (b *bundleNote) unit(cfg Config, bundled fs.FS) (*unit, error) {
	cfg.Script = b.Script
	if b.Embedded {
		cfg.FS = bundled
	}
	l := &loader{cfg: cfg, cwd: ".", space: "file", dir: b.Dir, entry: filepath.Join(b.Dir, filepath.Base(b.Script))}
	l.unit = &unit{name: b.Script, dir: b.Dir, embedded: cfg.FS, texts: map[string]string{}, text: b.Code, mapped: []byte(b.Map), sources: &sources{
		read: map[string]func() ([]byte, error){}, lines: map[string][]string{}, shown: map[string]string{},
	}}
	for name, text := range b.Sources {
		l.unit.texts[name] = text
		l.unit.sources.read[name] = func() ([]byte, error) { return []byte(text), nil }
		l.unit.sources.shown[gojaName(filepath.ToSlash(name))] = name
	}
	text := b.Code + "//# sourceMappingURL=scenario.map\n"
	tree, err := parser.ParseFile(nil, bundleFile, text, 0, parser.WithSourceMapLoader(func(string) ([]byte, error) { return l.unit.mapped, nil }))
	if err != nil {
		return nil, l.syntaxError(err, nil)
	}
	if l.unit.program, err = goja.CompileAST(tree, true); err != nil {
		return nil, l.syntaxError(err, nil)
	}
	return l.unit, l.readOptions(tree)
}

// feed gives an engine what reached it when it was recorded. A nil feed has
// nothing to give.
type feed struct {
	events  []event
	hops    []hopEvent
	files   []fileEvent
	bundled fs.FS
	staged  *vm // a version that was loaded, and has not taken over
	ended   bool
}

// next is when the next event is due.
func (f *feed) next() (at time.Duration, ok bool) {
	if f == nil || len(f.events) == 0 {
		return 0, false
	}
	return f.events[0].at, true
}

// inTurn reports whether an event is noted in the course of the turn that it is for.
func (x *event) inTurn() bool {
	return x.kind == noteState || x.kind == noteEnd || x.kind == noteStage || x.kind == noteSwap
}

// pour gives the turn that begins what reached that turn. Where the scenario is
// another one by now, and has had fewer turns, it comes when nothing of its own
// is left to do at that time.
func (f *feed) pour(e *Engine, now time.Duration) {
	// What is done for the outside late in a turn has the time at which that was: a
	// callback before it may have slept.
	for same := false; f != nil && len(f.events) > 0 && (f.events[0].at <= now || same && f.events[0].inTurn()); same = true {
		if x := f.events[0]; x.turn == e.turns && (x.kind == noteCut || x.kind == noteTick) {
			return // not at the start of the turn, but in it, or after it
		}
		due, timer := e.vm.timers.Peek()
		own := timer && due <= now || len(e.vm.immediates) > 0 || len(e.vm.due) > 0
		if f.events[0].turn > e.turns && own && !same {
			return
		}
		x := f.events[0]
		f.events = f.events[1:]
		f.give(e, x)
		if len(f.events) > 0 && f.events[0].turn != x.turn {
			return
		}
	}
}

func (f *feed) give(e *Engine, x event) {
	post := func(g func()) { e.posts = append(e.posts, g) }
	switch x.kind {
	case noteFrames:
		for i := 0; i < len(x.frames); {
			a := arrival{x.frames[i].link, netio.NewBatch()}
			for i < len(x.frames) && x.frames[i].link == a.link && a.batch.Append(x.frames[i].data, x.frames[i].time, x.frames[i].length) {
				i++
			}
			e.batches = append(e.batches, a)
		}
	case noteState:
		if x.link < len(e.links) {
			post(func() { e.links[x.link].state(x.up) })
		}
	case noteEnd:
		if x.link < len(e.links) {
			post(func() {
				e.links[x.link].ended = true
				e.links[x.link].state(false)
			})
		}
	case noteStop, noteCut:
		e.Stop(x.text)
	case noteRest:
		post(func() { e.quiet = true })
	case noteOver:
		f.ended = true
		e.Kill()
	case noteStage:
		post(func() { f.stage(e, x) })
	case noteSwap:
		post(func() {
			if f.staged != nil {
				e.successor = &successor{vm: f.staged, done: func(error) {}}
				f.staged = nil
			}
		})
	}
}

// stage loads the version that was loaded here, and runs its top level. The swap is
// a later event, if it came to that.
func (f *feed) stage(e *Engine, x event) {
	f.drop()
	u, err := x.bundle.unit(e.cfg, f.bundled)
	if err != nil {
		e.notice(fmt.Sprintf("a version of the recording: %v", err))
		return
	}
	f.staged, _ = e.stageNow(u) // what is wrong with it has been said
}

// drop forgets a version that did not take over.
func (f *feed) drop() {
	if f != nil && f.staged != nil {
		f.staged.close()
		f.staged = nil
	}
}

// tick has the clock go on where it did between two turns: ends says that it was the
// end. Ticks of turns that are past are for another script.
func (f *feed) tick(e *Engine) (ends bool) {
	for f != nil && len(f.events) > 0 && f.events[0].kind == noteTick && f.events[0].turn <= e.turns {
		x := f.events[0]
		if x.sleep > 0 && x.turn == e.turns {
			return false
		}
		if x.turn == e.turns {
			e.virtual.AdvanceTo(x.at)
			ends = ends || x.last
		}
		f.events = f.events[1:]
	}
	return ends
}

// cut tells a sleep that would last until then whether the outside ends it before,
// and when: Stop, in the recording of the same script at that very sleep, or the
// recording's end. What else waits meanwhile comes in later turns, as it did.
func (f *feed) cut(e *Engine, until time.Duration) (at time.Duration, ok bool) {
	if f == nil {
		return 0, false
	}
	if len(f.events) > 0 && f.events[0].kind == noteTick && f.events[0].sleep == e.sleeps {
		x := f.events[0]
		f.events = f.events[1:]
		return x.at, true
	}
	i := slices.IndexFunc(f.events, func(x event) bool { return x.kind == noteCut || x.kind == noteStop || x.kind == noteOver })
	if i < 0 {
		return 0, false
	}
	x := f.events[i]
	if x.at >= until && (x.kind != noteCut || x.turn != e.turns || x.sleep != e.sleeps) {
		return 0, false
	}
	if x.kind == noteOver {
		f.give(e, x)
	} else {
		f.events = slices.Delete(slices.Clone(f.events), i, i+1)
		e.Stop(x.text)
	}
	return max(x.at, e.clock.Now()), true
}

// hop is what the kernel said to the same question, the next time it was asked,
// or else the last.
func (f *feed) hop(link int, dst netip.Addr) (hop, src netip.Addr, ok bool) {
	var h hopEvent
	f.hops, h, _ = nextOf(f.hops, func(h hopEvent) bool { return h.link == link && h.dst == dst })
	return h.hop, h.src, h.ok
}

// file is the file of that name, the same way.
func (f *feed) file(name string) (x fileEvent, ok bool) {
	if f == nil {
		return x, false
	}
	f.files, x, ok = nextOf(f.files, func(x fileEvent) bool { return x.name == name })
	return x, ok
}

// nextOf takes the first of those asked for out of a list, but for the last one.
func nextOf[T any](list []T, asked func(T) bool) (rest []T, first T, ok bool) {
	i := slices.IndexFunc(list, asked)
	if i < 0 {
		return list, first, false
	}
	first = list[i]
	if slices.ContainsFunc(list[i+1:], asked) {
		list = slices.Delete(list, i, i+1)
	}
	return list, first, true
}

// replayLink is an interface as it was, with nobody behind it.
type replayLink struct {
	info    netio.Info
	stats   netio.Stats
	given   uint64
	refused map[uint64]refusal
}

func (l *replayLink) Info() netio.Info       { return l.info }
func (l *replayLink) Start(netio.Sink) error { return nil }
func (l *replayLink) Stats() netio.Stats     { return l.stats }
func (l *replayLink) Close() error           { return nil }

// Send takes what the interface took when it was recorded.
func (l *replayLink) Send(frames [][]byte) (int, error) {
	for n := range frames {
		why, refused := l.refused[l.given]
		l.given++
		if !refused {
			l.stats.Sent++
			continue
		}
		if why.closed {
			l.given += uint64(len(frames) - n - 1)
		}
		return n, why.error()
	}
	return len(frames), nil
}

// replayFile is a capture file that was read, as far as it was.
type replayFile struct {
	*replayLink
	frames []netio.Frame
}

func (l *replayFile) Next() (netio.Frame, error) {
	if len(l.frames) == 0 {
		return netio.Frame{}, io.EOF
	}
	f := l.frames[0]
	l.frames = l.frames[1:]
	return f, nil
}

func (l *replayFile) Send(frames [][]byte) (int, error) {
	return 0, fmt.Errorf("nothing can be sent to a file: %w", netio.ErrClosed)
}

// mostDifference bounds the lines that show a difference.
const mostDifference = 80

// comparer holds what a replay sends against the recording.
type comparer struct {
	recording *Recording
	scenario  *recordedScenario
	expected  []expectation
	result    Replayed
}

// expectation is a packet that was sent: its place among the packets, and its link.
type expectation struct{ packet, link int }

func (c *comparer) sent(e *Engine, l *link, frame []byte) {
	if c.result.First != nil {
		return
	}
	now := e.clock.Wall().UnixNano()
	if len(c.expected) == 0 {
		if !c.scenario.over {
			return // the recording broke off: what would have followed is not known
		}
		c.differ(0, "one packet more is sent than was recorded", now, l.name, "", c.text(frame, now, l.name, firstLayer(l.info.LinkType)))
		e.Stop("the replay differs")
		return
	}
	x := c.expected[0]
	p := &c.recording.packets[x.packet]
	if bytes.Equal(p.data, frame) && p.time == now && x.link == l.index {
		c.expected = c.expected[1:]
		c.result.Sent++
		return
	}
	name := c.scenario.Links[x.link].Name
	what := "another packet is sent"
	switch {
	case !bytes.Equal(p.data, frame):
	case x.link != l.index:
		what = "the packet leaves by another interface"
	default:
		what = "the packet leaves at another time"
	}
	c.differ(x.packet+1, what, p.time, name, c.text(p.data, p.time, name, p.first), c.text(frame, now, l.name, firstLayer(l.info.LinkType)))
	e.Stop("the replay differs")
}

// missing says that a packet was not sent.
func (c *comparer) missing(err error) {
	x := c.expected[0]
	p := &c.recording.packets[x.packet]
	name := c.scenario.Links[x.link].Name
	c.differ(x.packet+1, "the packet is not sent", p.time, name, c.text(p.data, p.time, name, p.first), "")
	c.result.First.Err = err
}

func (c *comparer) differ(number int, what string, at int64, iface, want, got string) {
	var b strings.Builder
	after := time.Duration(at - c.scenario.Start)
	if number > 0 {
		fmt.Fprintf(&b, "packet %d, at %v on %s: %s", number, after, iface, what)
		if why := c.recording.packets[number-1].comment; why != "" {
			fmt.Fprintf(&b, "\nit was %s", why)
		}
	} else {
		fmt.Fprintf(&b, "at %v on %s: %s", after, iface, what)
	}
	b.WriteString("\n- recorded, + replayed\n")
	if want == "" || got == "" {
		sign, text := "- ", want
		if want == "" {
			sign, text = "+ ", got
		}
		for line := range strings.SplitSeq(text, "\n") {
			b.WriteString(sign + line + "\n")
		}
	} else {
		b.WriteString(jsapi.DiffLines(want, got))
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if n := len(lines) - mostDifference; n > 0 {
		lines = append(lines[:mostDifference], fmt.Sprintf("… and %d lines more", n))
	}
	c.result.First = &Difference{Script: c.result.Script, Packet: number, Text: strings.Join(lines, "\n")}
}

// text is a packet with all its fields, its time and its interface.
func (c *comparer) text(frame []byte, at int64, iface, first string) string {
	var p packet.Packet
	reg := packet.Builtin()
	reg.Decode(&p, frame, reg.Proto(first))
	return fmt.Sprintf("time %v\ninterface %s\n%s", time.Duration(at-c.scenario.Start), iface, strings.TrimRight(p.Show(), "\n"))
}

// ErrNoPacket is wrapped by the error for a packet that is not in a recording.
var ErrNoPacket = errors.New("no such packet")

// mostCauses bounds what Explain tells of what made a packet be sent.
const mostCauses = 12

// Explain says why the packet of that number, counted from 1, was sent: what sent
// it, and what made that happen, step by step.
func (r *Recording) Explain(number int) (string, error) {
	if number < 1 || number > len(r.packets) {
		return "", fmt.Errorf("%w: the recording has %d", ErrNoPacket, len(r.packets))
	}
	var b strings.Builder
	for steps := 0; number > 0; steps++ {
		if number > len(r.packets) || steps == mostCauses {
			fmt.Fprintf(&b, "… and so on, from packet %d\n", number)
			break
		}
		p := &r.packets[number-1]
		var k packet.Packet
		reg := packet.Builtin()
		reg.Decode(&k, p.data, reg.Proto(p.first))
		when, name := time.Unix(0, p.time).UTC().Format(time.RFC3339Nano), p.name
		s := r.scenario(p)
		if s != nil {
			when, name = time.Duration(p.time-s.Start).String(), name+" of "+s.Bundle.Script
		}
		fmt.Fprintf(&b, "packet %d, at %s on %s: %s\n", number, when, name, k.Summary())
		next := 0
		switch {
		case p.dir == netio.DirectionIn:
			b.WriteString("  it was received\n")
		case p.comment == "":
			b.WriteString("  the file does not say why it was sent\n")
		default:
			fmt.Fprintf(&b, "  %s\n", p.comment)
			s.sourceLine(&b, p.comment)
			// Numbers are those of the whole recording: in a part of one they lead nowhere.
			if _, cause, ok := strings.Cut(p.comment, "because of packet "); ok && s != nil {
				_, _ = fmt.Sscan(cause, &next) // 0: there is none
			}
		}
		if next >= number { // what has made it comes before it
			break
		}
		number = next
	}
	return strings.TrimRight(b.String(), "\n"), nil
}

// scenario is whose interface a packet passed; nil: the recording does not say.
func (r *Recording) scenario(p *recorded) *recordedScenario {
	for _, s := range r.scenarios {
		for _, l := range s.Links {
			if l.Record == p.iface {
				return s
			}
		}
	}
	return nil
}

var (
	commentPlace   = regexp.MustCompile(`^sent by (\S+):(\d+)[ ,]|^sent by .* at (\S+):(\d+),`)
	commentVersion = regexp.MustCompile(`, version (\d+)`)
)

// sourceLine shows the line that a comment names, as it was in its version.
func (s *recordedScenario) sourceLine(b *strings.Builder, comment string) {
	at := commentPlace.FindStringSubmatch(comment)
	if s == nil || at == nil {
		return
	}
	sources := s.Bundle.Sources
	if v := commentVersion.FindStringSubmatch(comment); v != nil {
		if n, _ := strconv.Atoi(v[1]); n > 0 {
			sources = s.versions[n].Sources
		}
	}
	name, number := at[1]+at[3], at[2]+at[4]
	n, _ := strconv.Atoi(number) // they are digits
	for file, text := range sources {
		// A handler is named by its file alone, without the folder.
		if file != name && (at[1] != "" || path.Base(filepath.ToSlash(file)) != name) {
			continue
		}
		if lines := strings.Split(text, "\n"); n >= 1 && n <= len(lines) {
			fmt.Fprintf(b, "    %s\n", strings.TrimSpace(lines[n-1]))
		}
		return
	}
}
