package jsapi

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// fake is a host for tests: a virtual clock, two interfaces, and slices of
// what was sent, logged and failed.
type fake struct {
	now        time.Duration
	timers     []*fakeTimer
	lastTimer  Timer
	soon       []func()
	flushes    []func()
	held       int
	links      []LinkInfo
	sent       []fakeFrame
	logs       []string
	fails      []fakeFailure
	quarantine bool
	stopped    []string
	files      map[string][]byte
	args       []string
	env        map[string]string
	watch      Watch
	filters    map[string]func([]byte) bool
	hop        func(dst netip.Addr) (hop, src netip.Addr, ok bool)
	captures   map[string]*fakeCapture
	devices    []Device
	storage    memory
}

type fakeTimer struct {
	id Timer
	at time.Duration
	f  func()
}

type fakeFrame struct {
	link  int
	data  []byte
	cause Cause
}

type fakeFailure struct {
	err error
	who *Handler
}

// fakeCapture is a capture file in memory.
type fakeCapture struct {
	frames [][]byte
	times  []int64
	at     int
	closed bool
}

func newFake() *fake {
	return &fake{
		links: []LinkInfo{
			{Name: "lan", Kind: "wire", MAC: packet.MAC{2, 0, 0, 0, 0, 1}, IPv4: netip.MustParsePrefix("10.0.0.1/24"), IPv6: netip.MustParsePrefix("fd00::1/64"), MTU: 1500, Up: true, First: "eth"},
			{Name: "wan", Kind: "wire", MAC: packet.MAC{2, 0, 0, 0, 1, 1}, IPv4: netip.MustParsePrefix("192.0.2.1/24"), MTU: 1500, Up: true, First: "eth"},
		},
		files: map[string][]byte{}, storage: memory{}, env: map[string]string{}, captures: map[string]*fakeCapture{},
		filters: map[string]func([]byte) bool{},
	}
}

func (h *fake) Now() time.Duration { return h.now }
func (h *fake) Wall() time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(h.now)
}

func (h *fake) SetTimer(at time.Duration, f func()) Timer {
	h.lastTimer++
	t := &fakeTimer{h.lastTimer, at, f}
	i, _ := slices.BinarySearchFunc(h.timers, t, func(x, t *fakeTimer) int {
		if x.at <= t.at {
			return -1
		}
		return 1
	})
	h.timers = slices.Insert(h.timers, i, t)
	return t.id
}

func (h *fake) ClearTimer(id Timer) {
	h.timers = slices.DeleteFunc(h.timers, func(t *fakeTimer) bool { return t.id == id })
}

func (h *fake) Immediate(f func()) { h.soon = append(h.soon, f) }
func (h *fake) Hold() func()       { h.held++; return func() { h.held-- } }
func (h *fake) Sleep(d time.Duration) (end bool) {
	h.now += d
	return false
}
func (h *fake) Links() []LinkInfo            { return h.links }
func (h *fake) LinkStats(link int) LinkStats { return LinkStats{Sent: uint64(len(h.sent))} }
func (h *fake) Send(link int, frame []byte, cause Cause) {
	h.sent = append(h.sent, fakeFrame{link, slices.Clone(frame), cause})
}
func (h *fake) Where() string  { return "" }
func (h *fake) Flush(f func()) { h.flushes = append(h.flushes, f) }
func (h *fake) NextHop(link int, dst netip.Addr) (hop, src netip.Addr, ok bool) {
	if h.hop == nil {
		return hop, src, false
	}
	return h.hop(dst)
}

func (h *fake) CompileFilter(expr string, link int) (func([]byte) bool, error) {
	if f := h.filters[expr]; f != nil {
		return f, nil
	}
	return nil, errors.New("syntax error")
}

func (h *fake) ReadFile(path string) ([]byte, error) {
	if b, ok := h.files[path]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("open %s: no such file", path)
}

func (h *fake) OpenCapture(path string) (CaptureReader, error) {
	if c := h.captures[path]; c != nil {
		c.at = 0
		return c, nil
	}
	return nil, fmt.Errorf("open %s: no such file", path)
}

func (h *fake) CreateCapture(path string) (CaptureWriter, error) {
	c := &fakeCapture{}
	h.captures[path] = c
	return fakeWriter{c}, nil
}

func (c *fakeCapture) Next() ([]byte, int64, int, string, error) {
	if c.at == len(c.frames) {
		return nil, 0, 0, "", io.EOF
	}
	c.at++
	b := c.frames[c.at-1]
	var at int64
	if c.at-1 < len(c.times) {
		at = c.times[c.at-1]
	}
	return b, at, len(b), "eth", nil
}

func (c *fakeCapture) Close() error { c.closed = true; return nil }

type fakeWriter struct{ c *fakeCapture }

func (w fakeWriter) Write(data []byte, timeNs int64, first, comment string) error {
	w.c.frames = append(w.c.frames, slices.Clone(data))
	w.c.times = append(w.c.times, timeNs)
	return nil
}
func (w fakeWriter) Close() error { w.c.closed = true; return nil }

// memory is a store that is a map.
type memory map[string][]byte

func (m memory) Get(key string) ([]byte, bool) { b, ok := m[key]; return b, ok }
func (m memory) Set(key string, value []byte) error {
	m[key] = slices.Clone(value)
	return nil
}
func (m memory) Delete(key string) error { delete(m, key); return nil }
func (m memory) Keys() []string          { return slices.Sorted(maps.Keys(m)) }

func (h *fake) Storage() Store             { return h.storage }
func (h *fake) Devices() ([]Device, error) { return h.devices, nil }
func (h *fake) Args() []string             { return h.args }
func (h *fake) Env() map[string]string     { return h.env }
func (h *fake) Seed() uint64               { return 1 }
func (h *fake) Log(level, text string)     { h.logs = append(h.logs, level+": "+text) }
func (h *fake) Stop(reason string)         { h.stopped = append(h.stopped, reason) }
func (h *fake) Fail(err error, who *Handler) bool {
	h.fails = append(h.fails, fakeFailure{err, who})
	return h.quarantine
}
func (h *fake) Watch() *Watch { return &h.watch }

// advance moves the clock, running what is due.
func (h *fake) advance(d time.Duration) {
	end := h.now + d
	h.immediates()
	for len(h.timers) > 0 && h.timers[0].at <= end {
		t := h.timers[0]
		h.timers = h.timers[1:]
		h.now = max(h.now, t.at)
		t.f()
		h.immediates()
	}
	h.now = end
}

func (h *fake) immediates() {
	for len(h.soon) > 0 {
		soon := h.soon
		h.soon = nil
		for _, f := range soon {
			f()
		}
	}
}

// scene is a runtime with the API over a fake host.
type scene struct {
	t    testing.TB
	rt   *goja.Runtime
	api  *API
	host *fake
	n    uint64
}

func newScene(t testing.TB) *scene { return newSceneOn(t, newFake()) }

func newSceneOn(t testing.TB, h *fake) *scene {
	t.Helper()
	rt := goja.New()
	return &scene{t: t, rt: rt, host: h, api: New(rt, h)}
}

// run runs a script's top level, and fails the test where it throws.
func (s *scene) run(src string) goja.Value {
	s.t.Helper()
	v, err := s.rt.RunScript("test.js", "'use strict';"+src)
	if err != nil {
		s.t.Fatalf("%v\nin %s", err, src)
	}
	s.api.Settle()
	return v
}

// eval is the text of what a script's expression gives, or of what it throws:
// "TypeError: message | hint".
func (s *scene) eval(src string) string {
	v, err := s.rt.RunScript("test.js", "'use strict';"+src)
	s.api.Settle()
	if err != nil {
		return errText(err)
	}
	return v.String()
}

func errText(err error) string {
	var ex *goja.Exception
	if !errors.As(err, &ex) {
		return err.Error()
	}
	text := ex.Value().String()
	if o, ok := ex.Value().(*goja.Object); ok {
		if h := o.Get("hint"); h != nil && !goja.IsUndefined(h) {
			text += " | " + h.String()
		}
	}
	return text
}

// deliver gives frames to the API as if they came in by the first interface.
func (s *scene) deliver(frames ...[]byte) { s.deliverOn(0, frames...) }

func (s *scene) deliverOn(link int, frames ...[]byte) {
	batch := make([]Frame, len(frames))
	for i, b := range frames {
		s.n++
		batch[i] = Frame{Link: link, Data: b, Time: s.host.Wall().UnixNano(), Length: len(b), Number: s.n}
	}
	s.api.Deliver(batch)
}

// failures are what the host was told of, as text.
func (s *scene) failures() string {
	var list []string
	for _, f := range s.host.fails {
		who := "?"
		if f.who != nil {
			who = strings.TrimSuffix(f.who.Name, " at test.js:1")
		}
		list = append(list, who+": "+errText(f.err))
	}
	return strings.Join(list, "\n")
}

func (s *scene) noFailures() {
	s.t.Helper()
	if f := s.failures(); f != "" {
		s.t.Errorf("failures: %s", f)
	}
}

// frame builds a frame from a script's expression: layers, parted by commas.
func frame(t testing.TB, layers string) []byte {
	t.Helper()
	s := newScene(t)
	v := s.run("packet(" + layers + ").bytes")
	return slices.Clone(bytesOf(v))
}

// decoded is a frame that was sent, as a packet.
func (s *scene) decoded(b []byte) *packet.Packet {
	p := new(packet.Packet)
	s.api.reg.Decode(p, b, s.api.reg.Proto("eth"))
	return p
}
