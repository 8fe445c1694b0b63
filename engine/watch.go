package engine

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settleTime is how long the files have to be quiet after a save: an
	// editor writes several at once, or one in several steps.
	settleTime = 10 * time.Millisecond
	// settleMost bounds that, for files that are never quiet.
	settleMost = 200 * time.Millisecond
	// lookEvery is how often files are looked at that were not told of: a folder was
	// put in the place of another, a link leads elsewhere, an import that was
	// missing is there.
	lookEvery = time.Second
	// slowTop is how long a new version's top level runs before that is said.
	slowTop = 2 * time.Second
)

// fileEvents tells of files that were written, or moved to where they are, in
// the folders that were added.
type fileEvents interface {
	Add(folder string) error
	// Events gives paths; an empty one means that any file may have changed.
	Events() <-chan string
	Close() error
}

// notified is fileEvents by the operating system.
type notified struct {
	*fsnotify.Watcher
	paths chan string
	quit  chan struct{}
}

func newFileEvents() (fileEvents, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	n := &notified{w, make(chan string, 64), make(chan struct{})}
	go n.run()
	return n, nil
}

func (n *notified) Events() <-chan string { return n.paths }

func (n *notified) Close() error {
	close(n.quit)
	return n.Watcher.Close()
}

// run passes on what says that a file has new contents. A file that is gone
// says nothing: mostly an editor is about to put another one there.
func (n *notified) run() {
	for {
		path := "" // an error: events were lost
		select {
		case ev, ok := <-n.Watcher.Events:
			if !ok {
				return
			}
			if !ev.Has(fsnotify.Create) && !ev.Has(fsnotify.Write) {
				continue
			}
			path = ev.Name
		case <-n.Errors:
		case <-n.quit:
			return
		}
		select {
		case n.paths <- path:
		case <-n.quit:
			return
		}
	}
}

// watcher reloads an engine's scenario when its files are saved. It runs on a
// goroutine of its own, and does there what takes time.
type watcher struct {
	e       *Engine
	events  fileEvents
	quit    chan struct{}
	over    chan struct{}
	files   map[string]bool // whose save means a reload, by every name they have
	folders map[string]bool
	tried   *unit  // what was last loaded, whatever became of it; nil: did not load
	mistake string // why it did not load
	changed map[string]bool
	since   time.Time              // of the first change
	seen    map[string]os.FileInfo // files as they were when they were last looked at; nil: gone
	told    map[string]bool        // that they are gone, or empty
}

// watch begins to watch the scenario's files, if it is to.
func (e *Engine) watch() {
	if !e.cfg.Watch || e.virtual != nil || e.cfg.FS != nil || len(e.unit.files) == 0 {
		return
	}
	open := e.openEvents
	if open == nil {
		open = newFileEvents
	}
	events, err := open()
	if err != nil {
		e.notice(fmt.Sprintf("saves are not noticed: %v", err))
		return
	}
	w := &watcher{e: e, events: events, quit: make(chan struct{}), over: make(chan struct{}), tried: e.unit,
		files: map[string]bool{}, folders: map[string]bool{}, changed: map[string]bool{}, seen: map[string]os.FileInfo{}, told: map[string]bool{}}
	e.watcher = w
	w.follow(e.unit.files)
	// A save between the load and now was missed. A file's time can lag behind
	// the clock by a tick; looking in vain costs nothing.
	for _, f := range e.unit.files {
		if info, err := os.Stat(f); err == nil && info.ModTime().After(e.unit.loaded.Add(-settleTime)) {
			w.touch(f)
		}
	}
	go w.run()
}

// stop ends the watching; nil has none.
func (w *watcher) stop() {
	if w == nil {
		return
	}
	close(w.quit)
	<-w.over
}

// follow watches the folders of files.
func (w *watcher) follow(files []string) {
	for _, f := range files {
		names := []string{f}
		if real, err := filepath.EvalSymlinks(f); err == nil && real != f {
			names = append(names, real)
		}
		for _, n := range names {
			w.files[n] = true
			folder := filepath.Dir(n)
			if err := w.events.Add(folder); err != nil && !w.folders[folder] {
				w.e.inbox.post(func() { w.e.notice(fmt.Sprintf("saves in %s are not noticed: %v", folder, err)) })
			}
			w.folders[folder] = true
		}
		w.look(f)
	}
}

// look notes what a file is now, and reports whether it is there and another
// than before.
func (w *watcher) look(path string) (another bool) {
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	was, known := w.seen[path]
	w.seen[path] = info
	switch {
	case info == nil:
		return false
	case was == nil:
		return known
	}
	return !os.SameFile(was, info) || !was.ModTime().Equal(info.ModTime()) || was.Size() != info.Size()
}

// lookAll looks for what was not told of.
func (w *watcher) lookAll() {
	if w.tried == nil {
		w.touch(w.e.cfg.Script + " and what it imports")
		return
	}
	for _, f := range w.tried.files {
		gone := w.seen[f] == nil
		if w.look(f) {
			w.touch(f)
		}
		w.tell(f, gone && w.seen[f] == nil, "is gone: what was loaded of it runs on")
	}
}

// tell says once what is wrong with a file, as long as it is.
func (w *watcher) tell(path string, wrong bool, what string) {
	if wrong && !w.told[path] {
		w.e.inbox.post(func() { w.e.notice(listed([]string{path}) + " " + what) })
	}
	w.told[path] = wrong
}

// concerns reports whether the event at path is one of a file we want. When the
// last version did not load, any file may be what it lacks.
func (w *watcher) concerns(path string) bool {
	return path == "" || w.files[path] || w.tried == nil && w.folders[filepath.Dir(path)] && importable[filepath.Ext(path)]
}

// importable are the kinds of files that a scenario can import.
var importable = map[string]bool{".js": true, ".mjs": true, ".cjs": true, ".jsx": true, ".ts": true, ".mts": true, ".cts": true, ".tsx": true,
	".json": true, ".txt": true}

// touch notes a change.
func (w *watcher) touch(path string) {
	if len(w.changed) == 0 {
		w.since = time.Now()
	}
	w.changed[path] = true
}

func (w *watcher) run() {
	defer close(w.over)
	defer w.events.Close()
	for w.wait() && w.quiet() {
		changed, since := listed(slices.Collect(maps.Keys(w.changed))), w.since
		ours := false
		for path := range w.changed {
			ours = ours || path == "" || w.files[path]
		}
		clear(w.changed)
		if !w.attempt(changed, since, ours) {
			return
		}
	}
}

// wait waits until a file that concerns us was saved. false: the end.
func (w *watcher) wait() bool {
	var tick <-chan time.Time // never
	if w.e.lookEvery > 0 {
		ticker := time.NewTicker(w.e.lookEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for len(w.changed) == 0 {
		select {
		case <-w.quit:
			return false
		case path := <-w.events.Events():
			w.note(path)
		case <-tick:
			w.lookAll()
		}
	}
	return true
}

// note takes an event. It reports whether it concerns us.
func (w *watcher) note(path string) bool {
	if !w.concerns(path) {
		return false
	}
	w.touch(path)
	return true
}

// quiet waits until nothing was saved for a while. false: the end.
func (w *watcher) quiet() bool {
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	most := time.NewTimer(settleMost)
	defer most.Stop()
	for begun := ""; ; {
		select {
		case <-w.quit:
			return false
		case path := <-w.events.Events():
			if w.note(path) {
				timer.Reset(settleTime)
			}
		case <-timer.C:
			if begun = w.begun(); begun == "" {
				return true
			}
			timer.Reset(settleTime)
		case <-most.C:
			if begun == "" {
				return true
			}
			w.tell(begun, true, "is empty: it is not loaded until something is in it")
			most.Reset(settleMost)
		}
	}
}

// begun is a changed file that is empty, and was not: cut off by who is about to
// write it. Empty: there is none.
func (w *watcher) begun() string {
	for path := range w.changed {
		if info, err := os.Stat(path); err == nil && info.Size() == 0 && (w.tried == nil || w.tried.texts[path] != "") {
			return path
		}
		delete(w.told, path)
	}
	return ""
}

// attempt reloads what is in the files now. ours: one of them was saved, not
// only a file that may be missed. A save meanwhile ends it: the next attempt is
// on its way. false: the end.
func (w *watcher) attempt(changed string, since time.Time, ours bool) (on bool) {
	e := w.e
	before := w.tried
	u, err := load(e.cfg)
	again := before == nil && !ours && err != nil && err.Error() == w.mistake
	w.tried, w.mistake = u, ""
	if err != nil {
		w.mistake = err.Error()
		w.follow(filesOf(err))
		// A file beside ours did not help. It may be the log that this error is
		// about to be written to.
		return again || e.inbox.post(func() { e.refuse(nil, err) })
	}
	w.follow(u.files)
	var withdrawn atomic.Bool
	// ask has the loop do something, and waits for its answer.
	ask := func(f func(done func(error))) (err error, ok bool) {
		result := make(chan error, 1)
		if !e.inbox.post(func() { f(func(err error) { result <- err }) }) {
			return nil, false
		}
		err, ok = w.either(result, func() { withdrawn.Store(true) })
		return err, ok
	}
	err, ok := ask(func(done func(error)) {
		switch {
		case !u.same(e.unit):
			done(nil)
		case before == nil || !before.same(u):
			e.notice(changed + " is again what runs: nothing to reload")
			done(errWithdrawn)
		default:
			done(errWithdrawn)
		}
	})
	if !ok || err != nil {
		return ok
	}
	v := e.stage(u)
	ran := make(chan error, 1)
	running := false
	defer func() {
		if on {
			return
		}
		// The end has come meanwhile: the loop waits for this goroutine. What
		// heeds no interruption is left to the end of the process.
		if running {
			select {
			case <-ran:
			case <-time.After(stuckAfter):
				return
			}
		}
		if v.staged != nil {
			v.close()
		}
	}()
	refuse := func(err error) bool { return e.inbox.post(func() { e.refuse(v, err) }) }
	err, ok = ask(func(done func(error)) {
		if withdrawn.Load() {
			done(errWithdrawn)
			return
		}
		done(e.prepare(v))
	})
	if !ok {
		return false
	}
	if err == nil && withdrawn.Load() {
		err = errWithdrawn
	}
	if err != nil {
		return refuse(err)
	}
	running = true
	e.staging.Add(1)
	slow := time.AfterFunc(slowTop, func() {
		e.inbox.post(func() { e.notice("the new version's top level still runs; the running version goes on meanwhile") })
	})
	go func() { ran <- v.runStaged() }()
	err, ok = w.either(ran, v.staged.cancel)
	slow.Stop()
	e.staging.Add(-1)
	if !ok {
		return false
	}
	running = false
	if err != nil {
		return refuse(err)
	}
	_, ok = ask(func(done func(error)) {
		e.successor = &successor{vm: v, since: since, withdrawn: &withdrawn, done: done}
	})
	return ok
}

// either waits for a result. A save meanwhile, or the end, overtakes what is
// waited for: overtake is called, and the result is still waited for, unless
// the end is near. false: the end.
func (w *watcher) either(result <-chan error, overtake func()) (err error, ok bool) {
	overtaken := false
	end := func() {
		if !overtaken {
			overtaken = true
			overtake()
		}
	}
	for {
		select {
		case err = <-result:
			return err, true
		case <-w.quit:
			end()
			return errWithdrawn, false
		case path := <-w.events.Events():
			if w.note(path) {
				end()
			}
		}
	}
}
