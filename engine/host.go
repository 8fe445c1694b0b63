package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/timers"
)

// maxFile is the longest file that a script may read whole.
const maxFile = 256 << 20

// SetTimer sets a timer of this runtime; one that is in the past counts as due
// now, behind those that already are.
func (v *vm) SetTimer(at time.Duration, f func()) jsapi.Timer {
	return jsapi.Timer(v.timers.Add(v.e.origin+at, f))
}

// ClearTimer forgets a timer.
func (v *vm) ClearTimer(t jsapi.Timer) { v.timers.Cancel(timers.ID(t)) }

// Immediate calls f at the end of this turn.
func (v *vm) Immediate(f func()) { v.immediates = append(v.immediates, f) }

// Hold keeps the scenario alive.
func (v *vm) Hold() (release func()) {
	v.holds++
	held := true
	return func() {
		if held {
			held = false
			v.holds--
		}
	}
}

// Sleep blocks the scenario, and reports whether it is to end: it was asked to,
// or its time is up. Either ends a sleep early. A script that was told so and
// sleeps again is interrupted: it may be in a loop that has no other end. A
// version that is not live yet blocks nobody but itself.
func (v *vm) Sleep(d time.Duration) (end bool) {
	e := v.e
	if v.staged != nil {
		return v.sleepStaged(d)
	}
	e.sleeps++
	now := e.clock.Now()
	told := e.told
	switch {
	case e.state == stateStopping:
		told = now >= e.stopAt
		d = min(d, e.stopAt-now)
	case e.cfg.For > 0:
		d = min(d, e.cfg.For-now)
	}
	if told {
		v.rt.Interrupt(interruptStop)
		return true
	}
	if d > 0 {
		e.flush() // what was sent before it leaves before it
		e.guard.idle(true)
		e.sleep(d)
		e.guard.idle(false)
	}
	e.told = v.toEnd() && e.state == stateRunning
	return e.told
}

// sleepStaged blocks a version that is not live yet.
func (v *vm) sleepStaged(d time.Duration) (end bool) {
	e, s := v.e, v.staged
	switch {
	case d <= 0:
	case e.feed != nil:
	case e.conductor != nil:
		s.guard.idle(true)
		e.conductor.sleep(e, d)
		s.guard.idle(false)
	default:
		s.guard.idle(true)
		wake := time.NewTimer(d)
		select {
		case <-wake.C:
		case <-e.stopWake:
		case <-e.killWake:
		case <-s.cancelled:
			end = true
		}
		wake.Stop()
		s.guard.idle(false)
	}
	s.now, s.wall = s.now+d, s.wall.Add(d)
	return end || e.killed.Load()
}

// sleep blocks the loop for d, or until it is to end.
func (e *Engine) sleep(d time.Duration) {
	if e.state == stateRunning && (e.stopSeen || e.feed != nil && e.stopped.Load() != nil) {
		return // it was to end before: in a recorded run, and so in its replay
	}
	now := e.clock.Now()
	if at, cut := e.feed.cut(e, now+d); cut {
		e.virtual.AdvanceTo(at)
		return
	}
	if e.conductor != nil {
		e.conductor.sleep(e, d)
		return
	}
	var cut chan struct{} // never
	if e.state == stateRunning {
		cut = e.stopWake
	}
	if e.stepped != nil {
		clock := e.clock.(*timers.Virtual)
		switch real := e.stepped.Now(); {
		case e.timeIsUp(real) && real-now-d > lagMost:
			clock.AdvanceTo(e.cfg.For)
			e.journal.slept()
			return
		case real >= now+d: // the clock is behind: it catches up
			select {
			case <-cut:
			default:
				clock.AdvanceTo(now + d)
			}
			return
		}
	}
	wake := time.NewTimer(d)
	defer wake.Stop()
	start := time.Now()
	select {
	case <-wake.C:
	case <-cut:
		d = min(d, time.Since(start))
	case <-e.killWake:
	}
	if e.stepped != nil {
		e.clock.(*timers.Virtual).AdvanceTo(now + d)
	}
}

// toEnd reports whether the scenario is to end as soon as it can. A recorded run
// notes where in the script it heard so, for a replay must hear it there too.
func (v *vm) toEnd() bool {
	e := v.e
	stopped := e.stopped.Load()
	if stopped != nil && e.journal != nil && !e.stopSeen && e.state == stateRunning {
		e.stopSeen = true
		e.journal.cut(*stopped)
	}
	return e.killed.Load() || stopped != nil || e.cfg.For > 0 && e.clock.Now() >= e.cfg.For
}

// Links are the interfaces.
func (v *vm) Links() []jsapi.LinkInfo {
	if v.staged != nil {
		return v.staged.infos
	}
	return v.e.infos
}

// LinkStats counts what passed a link.
func (v *vm) LinkStats(link int) jsapi.LinkStats {
	s := v.e.links[link].Stats()
	return jsapi.LinkStats{Received: s.Received, Sent: s.Sent, Dropped: s.DroppedKernel + s.DroppedQueue + s.Lost, Errors: s.Errors}
}

// Send queues a frame.
func (v *vm) Send(link int, frame []byte, cause jsapi.Cause) {
	if v.staged != nil {
		if cause.Place == "" {
			cause.Place = v.Where()
		}
		v.staged.send(link, frame, cause)
		return
	}
	v.e.journal.queued(v.e.links[link], v, cause)
	v.e.send(v.e.links[link], frame)
}

// Flush calls f in the next turn: each turn ends by sending what it queued.
func (v *vm) Flush(f func()) { v.later = append(v.later, f) }

// NextHop asks the kernel.
func (v *vm) NextHop(link int, dst netip.Addr) (hop, src netip.Addr, ok bool) {
	l := v.e.links[link]
	if l.info.Kind != netio.KindLive {
		return hop, src, false
	}
	if v.e.feed != nil {
		return v.e.feed.hop(link, dst)
	}
	hop, src, ok = netio.NextHop(l.Info().Name, dst)
	said := hopEvent{link, dst, hop, src, ok}
	if v.staged != nil {
		v.staged.heard.hops = append(v.staged.heard.hops, said)
	} else {
		v.e.journal.hop(said)
	}
	return hop, src, ok
}

// Storage is the engine's: it outlives the runtime.
// A version that is not live yet writes it at the swap.
func (v *vm) Storage() jsapi.Store { return storageOf{v} }

// CompileFilter compiles a pcap filter.
func (v *vm) CompileFilter(expr string, link int) (func(frame []byte) bool, error) {
	t := netio.LinkTypeEthernet
	if link >= 0 {
		t = v.e.links[link].info.LinkType
	}
	f, err := netio.CompileFilter(expr, t, 0)
	if err != nil {
		return nil, err
	}
	return f.Match, nil
}

// ReadFile reads a file that the script may read. A recorded run keeps what was in
// it.
func (v *vm) ReadFile(name string) ([]byte, error) {
	if f, ok := v.e.feed.file(name); ok {
		return f.text, f.error()
	}
	text, err := v.readFile(name)
	if v.e.journal == nil {
		return text, err
	}
	said := fileEvent{name: name, text: text}
	if err != nil {
		said.err = err.Error()
	}
	if v.staged != nil {
		v.staged.heard.files = append(v.staged.heard.files, said)
	} else {
		v.e.journal.file(said)
	}
	return text, err
}

// readFile reads a file below the scenario's folder, or below one that the
// configuration allows. What a symbolic link leads to counts, not where it is.
func (v *vm) readFile(name string) ([]byte, error) {
	if v.unit.embedded != nil {
		clean := path.Join(v.unit.dir, filepath.ToSlash(name))
		text, err := fs.ReadFile(v.unit.embedded, clean)
		if err == nil || len(v.e.cfg.AllowRead) == 0 {
			return text, fileError(name, err)
		}
	}
	at := name
	if !filepath.IsAbs(at) && v.unit.embedded == nil {
		at = filepath.Join(v.unit.dir, at)
	}
	at, err := filepath.Abs(at)
	if err != nil {
		return nil, fileError(name, err)
	}
	if v.e.cfg.used != nil {
		v.e.cfg.used(at)
	}
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		if !v.mayRead(at) { // whether it exists is nobody's business
			return nil, notAllowed(name)
		}
		return nil, fileError(name, err)
	}
	folder := v.folderOf(real)
	if folder == "" {
		return nil, notAllowed(name)
	}
	rel, err := filepath.Rel(folder, real)
	if err != nil {
		return nil, fileError(name, err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer root.Close()
	f, err := root.Open(rel)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fileError(name, err)
	case info.IsDir():
		return nil, fmt.Errorf("open '%s': it is a folder", name)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("open '%s': it is no regular file", name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("open '%s': %d bytes; at most %d can be read at once", name, info.Size(), maxFile)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	return text, fileError(name, err)
}

// folders are those the script may read below, without symbolic links.
func (v *vm) folders() []string {
	var list []string
	if v.unit.embedded == nil {
		list = append(list, v.unit.dir)
	}
	list = append(list, v.e.cfg.AllowRead...)
	for i, d := range list {
		if abs, err := filepath.Abs(d); err == nil {
			list[i] = abs
		}
		if real, err := filepath.EvalSymlinks(list[i]); err == nil {
			list[i] = real
		}
	}
	return list
}

// folderOf is the allowed folder that a file without symbolic links is below, or "".
func (v *vm) folderOf(real string) string {
	for _, d := range v.folders() {
		if rel, err := filepath.Rel(d, real); err == nil && filepath.IsLocal(rel) {
			return d
		}
	}
	return ""
}

func (v *vm) mayRead(at string) bool {
	if real, err := filepath.EvalSymlinks(filepath.Dir(at)); err == nil {
		at = filepath.Join(real, filepath.Base(at))
	}
	return v.folderOf(at) != ""
}

func notAllowed(name string) error {
	return fmt.Errorf("open '%s': a scenario reads files below its own folder; --allow-read DIR allows another", name)
}

// fileError says what went wrong with the file as the script called it.
func fileError(name string, err error) error {
	var p *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open '%s': there is no such file", name)
	case errors.As(err, &p):
		err = p.Err
	}
	return fmt.Errorf("open '%s': %s", name, strings.ToLower(err.Error()))
}

// captureReader is a netio.Reader as scripts read it.
type captureReader struct {
	*netio.Reader
	v *vm
}

func (r captureReader) Next() (data []byte, timeNs int64, length int, first string, err error) {
	f, m, err := r.Reader.Next()
	if err != nil {
		return nil, 0, 0, "", err
	}
	return f.Data, f.Time, f.Length, firstLayer(r.Interfaces()[m.Interface].LinkType), nil
}

// Close closes the file; the version has it open no more.
func (r captureReader) Close() error {
	delete(r.v.open, r)
	return r.Reader.Close()
}

// OpenCapture opens a capture file.
func (v *vm) OpenCapture(path string) (jsapi.CaptureReader, error) {
	if temporary, made := v.files[path]; made {
		path = temporary
	}
	r, err := netio.OpenCapture(path)
	if err != nil {
		return nil, err
	}
	c := captureReader{r, v}
	v.open[c] = true
	return c, nil
}

// captureWriter writes a capture file; an interface of it for each link type.
type captureWriter struct {
	*netio.Writer
	v      *vm
	file   *os.File
	pcap   bool
	ifaces map[netio.LinkType]int
}

func (w *captureWriter) Write(data []byte, timeNs int64, first, comment string) error {
	t := linkTypeOf(first)
	n, ok := w.ifaces[t]
	if !ok {
		if w.pcap && len(w.ifaces) > 0 {
			return errors.New("a pcap file holds packets of one link type; a pcapng file holds any")
		}
		n = w.AddInterface(netio.Info{Name: first, LinkType: t})
		w.ifaces[t] = n
	}
	return w.WritePacket(n, netio.DirectionUnknown, timeNs, data, len(data), comment)
}

func (w *captureWriter) Close() error {
	delete(w.v.open, w)
	return errors.Join(w.Flush(), w.file.Close())
}

// linkTypeOf is the link type of frames whose outermost protocol is first.
func linkTypeOf(first string) netio.LinkType {
	switch first {
	case "ip", "ip6":
		return netio.LinkTypeRaw
	case "loopback":
		return netio.LinkTypeNull
	case "sll":
		return netio.LinkTypeSLL
	case "sll2":
		return netio.LinkTypeSLL2
	}
	return netio.LinkTypeEthernet
}

// CreateCapture makes a capture file: pcap if it is called so, else pcapng. A
// version that may not remain makes it under another name, for the one before may
// be writing that very file; a replay makes it elsewhere, and leaves none behind.
func (v *vm) CreateCapture(path string) (jsapi.CaptureWriter, error) {
	var (
		f   *os.File
		err error
	)
	waits := v.staged != nil || v.trial != nil || v.e.feed != nil
	if waits {
		folder := filepath.Dir(path)
		if v.e.feed != nil {
			folder = "" // that of temporary files
		}
		f, err = os.CreateTemp(folder, "."+filepath.Base(path)+".*")
	} else {
		f, err = os.Create(path)
	}
	if err != nil {
		return nil, err
	}
	if waits {
		if before, made := v.files[path]; made {
			_ = os.Remove(before) // made twice: the last one counts
		}
		if v.files == nil {
			v.files = map[string]string{}
		}
		v.files[path] = f.Name()
	}
	pcap := strings.EqualFold(filepath.Ext(path), ".pcap")
	w := &captureWriter{netio.NewWriter(f, netio.WriterOptions{Pcap: pcap}), v, f, pcap, map[netio.LinkType]int{}}
	v.open[w] = true
	return w, nil
}

// Devices lists the machine's interfaces.
func (v *vm) Devices() ([]jsapi.Device, error) {
	devices, err := netio.Devices()
	if err != nil {
		return nil, err
	}
	list := make([]jsapi.Device, len(devices))
	for i, d := range devices {
		list[i] = jsapi.Device{Name: d.Name, Description: d.Description, Up: d.Up}
		if d.MAC != (netio.MAC{}) {
			list[i].MAC = fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", d.MAC[0], d.MAC[1], d.MAC[2], d.MAC[3], d.MAC[4], d.MAC[5])
		}
		for _, a := range d.Addrs {
			list[i].Addresses = append(list[i].Addresses, a.Addr().String())
		}
	}
	return list, nil
}

// Stop ends the scenario as if nothing were left to do.
func (v *vm) Stop(reason string) {
	if reason == "" {
		reason = "stop"
	}
	if v.staged != nil {
		if v.staged.stop == "" {
			v.staged.stop = reason
		}
		return
	}
	if v.e.reason == "" {
		v.e.reason = reason
	}
}
