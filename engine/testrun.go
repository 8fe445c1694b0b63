package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/timers"
)

// hooks are what an engine tells to who runs it inside this package. Each may be
// nil; they are called on the loop's goroutine.
type hooks struct {
	made    func(*vm)             // a runtime is there, in which nothing has run
	begun   func()                // the top level has run up to its first await
	started func(*vm)             // it has run to its end, and so has onStart
	sent    func(*link, [][]byte) // frames have left
}

// Defaults and limits of tests.
const (
	DefaultTestTimeout = 30 * time.Second
	testNumber         = 254     // the test's own, on each wire
	testWires          = 64      // of one test
	testKeepFrames     = 100_000 // of one scenario, for sent
	testKeepBytes      = 64 << 20
	testKeepLines      = 100_000 // of one scenario's console
)

// TestOptions says how tests are run.
type TestOptions struct {
	// Bundled is where scenarios are looked for that are not beside the test
	// file; nil: nowhere.
	Bundled fs.FS
	// Match, when not nil, chooses tests by their names.
	Match *regexp.Regexp
	// Timeout bounds one test in real time; 0 means DefaultTestTimeout.
	Timeout time.Duration
	// Report is told of each test when it has ended; it may be nil.
	Report func(TestResult)
	// Used is told the absolute path of each file that the tests come from or read: the
	// test file, the scenarios it starts, what they import, and what they open. It
	// may be nil.
	Used func(path string)
}

// TestResult is one test that was run.
type TestResult struct {
	File string // of tests, as it was named
	Name string
	Line int // where it is defined; 0: not known
	// Err is why it failed: as a rule a [*ScriptError]. nil: it passed.
	Err error
	// Diff shows, where values were compared, what was expected ("- ") and what
	// there was ("+ "), line by line; it may be empty.
	Diff      string
	Real      time.Duration // that it took
	Virtual   time.Duration // the same on its own clock
	Output    []string      // what the test wrote to its console
	Scenarios []TestedScenario
}

// TestedScenario is a scenario that a test started, and what it wrote.
type TestedScenario struct {
	Name   string
	Output []string
}

// ErrNoTests is what RunTests returns of a file that defines none.
var ErrNoTests = errors.New("no tests")

// errMoreWires ends an attempt at a test that asks for a wire it is not on: the
// interfaces of a runtime are settled when it begins.
var errMoreWires = errors.New("more wires are needed")

// RunTests runs the tests of one file, in their order, each in virtual time, in
// a runtime, on wires and with scenarios of its own. Of the configuration the
// script, its place, args, env, seed (1 unless told) and limits count; its
// interfaces are wires, named as the scenarios that a test starts name theirs.
// A file that does not load is an error, a test that fails is not.
func RunTests(ctx context.Context, cfg Config, o TestOptions) ([]TestResult, error) {
	if !cfg.SeedSet {
		cfg.Seed, cfg.SeedSet = 1, true
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTestTimeout
	}
	cfg.used = o.Used
	u, err := load(cfg)
	if err != nil {
		return nil, err
	}
	cfg.loaded = u
	tests, err := listTests(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	var results []TestResult
	for i, t := range tests {
		if o.Match != nil && !o.Match.MatchString(t.Name) {
			continue
		}
		r := runTest(ctx, cfg, o, i)
		r.File, r.Name = u.name, t.Name
		if _, r.Line, _ = u.sources.place(t.At); r.Line < 1 {
			r.Line = 0
		}
		results = append(results, r)
		if o.Report != nil {
			o.Report(r)
		}
		if ctx.Err() != nil {
			return results, ctx.Err()
		}
	}
	return results, nil
}

// listTests runs a file's top level, and lists what it defined.
func listTests(ctx context.Context, cfg Config, o TestOptions) ([]jsapi.Test, error) {
	r := newTestRun(cfg, o, -1)
	if err := r.run(ctx, nil); err != nil {
		return nil, err
	}
	if len(r.tests) == 0 {
		return nil, &ScriptError{File: cfg.loaded.name, Kind: KindOptions, cause: ErrNoTests, Message: "there are no tests in this file",
			Hint: "test('what it shows', async (t) => { const s = await t.run('./scenario.js'); assert.equal(s.sent.length, 1); })"}
	}
	return r.tests, nil
}

// runTest runs one test, again where it turns out to need more wires.
func runTest(ctx context.Context, cfg Config, o TestOptions, n int) TestResult {
	begin := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, errTestTimeout)
	defer cancel()
	var wires []string
	for {
		r := newTestRun(cfg, o, n)
		err := r.run(ctx, wires)
		if errors.Is(err, errMoreWires) && len(wires) < testWires {
			wires = r.needed
			continue
		}
		result := TestResult{Err: err, Diff: diffOf(err), Real: time.Since(begin), Virtual: r.clock.Now(), Output: r.lines}
		for _, s := range r.scenarios {
			result.Scenarios = append(result.Scenarios, TestedScenario{s.engine.cfg.Script, s.lines})
		}
		return result
	}
}

var errTestTimeout = errors.New("the test took too long")

// diffOf is the comparison that an assertion's error carries.
func diffOf(err error) string {
	var thrown *goja.Exception
	if !errors.As(err, &thrown) {
		return ""
	}
	if o, ok := thrown.Value().(*goja.Object); ok {
		if d := o.Get("diff"); d != nil && goja.IsString(d) {
			return d.String()
		}
	}
	return ""
}

// testRun is one attempt at one test: the engine that runs the test, and those
// that it starts. All but what is said is the conductor's.
type testRun struct {
	cfg    Config
	o      TestOptions
	n      int // of the test; -1: only list them
	tests  []jsapi.Test
	clock  *timers.Virtual
	wires  *netio.Wires
	engine *Engine
	on     []string // the wires it is on
	needed []string // more of them: the next attempt's
	lines  []string

	conductor *conductor
	scenarios []*testScenario
	settled   bool // the test's promise

	mu      sync.Mutex // guards engines
	engines []*Engine
	killed  atomic.Bool
}

func newTestRun(cfg Config, o TestOptions, n int) *testRun {
	return &testRun{cfg: cfg, o: o, n: n, clock: timers.NewVirtual(cfg.Start), wires: netio.NewWires()}
}

// run runs the attempt on these wires; none means the wire "wire".
func (r *testRun) run(ctx context.Context, wires []string) error {
	r.wires.SetClock(func() int64 { return r.clock.Wall().UnixNano() })
	cfg := r.cfg
	cfg.Virtual, cfg.Number, cfg.Wires, cfg.Recorder, cfg.For, cfg.ownSeed = true, testNumber, r.wires, nil, 0, true
	cfg.Interfaces = nil
	for _, w := range cfg.loaded.options.interfaces {
		cfg.Interfaces = append(cfg.Interfaces, Interface{Name: w.name, Spec: "wire:" + w.name})
		r.on = append(r.on, w.name)
	}
	if len(wires) == 0 && len(r.on) == 0 {
		wires = []string{"wire"}
	}
	for _, w := range wires {
		if !slices.Contains(r.on, w) {
			cfg.Interfaces = append(cfg.Interfaces, Interface{Spec: "wire:" + w})
			r.on = append(r.on, w)
		}
	}
	cfg.Log = func(e Entry) { r.lines = keepLine(r.lines, e) }
	var err error
	if r.engine, err = New(cfg); err != nil {
		return err
	}
	r.engine.hooks = hooks{made: func(v *vm) { v.api.EnableTests(r) }, started: r.start}
	r.conductor = &conductor{clock: r.clock, over: make(chan struct{}), ended: r.ended}
	defer func() {
		for _, e := range r.engines {
			e.guard.stop()
			e.release()
		}
	}()
	if err := r.add(r.engine); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.killed.Store(true)
		for _, e := range r.engines {
			e.Kill()
		}
	})
	defer stop()
	r.conductor.run()
	return r.verdict(ctx)
}

// verdict is why the test failed, if it did.
func (r *testRun) verdict(ctx context.Context) error {
	e := r.engine
	switch {
	case r.killed.Load() && errors.Is(context.Cause(ctx), errTestTimeout):
		return r.mistake("make what it waits for come sooner, or give it more time: umpa-run test --timeout 5m",
			"the test did not end within %v; on its own clock %v went by", r.o.Timeout, r.clock.Now())
	case r.killed.Load():
		return ErrKilled
	case e.err != nil:
		return e.err
	case r.n < 0 || r.settled:
		return nil
	case r.n >= len(r.tests):
		return r.mistake("tests are defined at the top level, in the same order each time", "the test is not there the second time")
	}
	return r.mistake("a test that sleeps, or a receiveOne() with a timeout, gives up by itself",
		"the test waits for what cannot come: no timer, no packet and no scenario is left to end its await")
}

// mistake is an error at the place where the test is defined.
func (r *testRun) mistake(hint, format string, args ...any) error {
	src := r.cfg.loaded.sources
	s := &ScriptError{File: r.cfg.loaded.name, Kind: KindException, Message: fmt.Sprintf(format, args...), Hint: hint}
	if r.n >= 0 && r.n < len(r.tests) {
		s.File, s.Line, s.Column = src.place(r.tests[r.n].At)
		s.SourceLine = src.line(s.File, s.Line)
	}
	return s
}

// add starts an engine on the clock of the run.
func (r *testRun) add(e *Engine) error {
	e.mu.Lock()
	e.running = true
	e.mu.Unlock()
	e.virtual, e.clock, e.began, e.origin = r.clock, r.clock, time.Now(), r.clock.Now()
	e.guard.start(e)
	r.mu.Lock()
	r.engines = append(r.engines, e)
	if r.killed.Load() {
		e.Kill()
	}
	r.mu.Unlock()
	if err := e.startLinks(0, 0); err != nil {
		return err
	}
	r.conductor.add(e)
	return nil
}

// start runs the test when the file's top level has run.
func (r *testRun) start(v *vm) {
	r.tests = v.api.Tests()
	if r.n < 0 || r.n >= len(r.tests) {
		v.Stop("done")
		return
	}
	release := v.Hold()
	v.api.RunTest(r.n, func() {
		release()
		r.settled = true
		v.Stop("done")
		for _, s := range r.scenarios {
			s.engine.Stop("the test has ended")
		}
	})
}

// ended is told when an engine has ended.
func (r *testRun) ended(e *Engine) {
	if e == r.engine {
		for _, s := range r.scenarios {
			s.engine.Stop("the test has ended")
		}
		return
	}
	if e.err != nil && !errors.Is(e.err, ErrKilled) && r.engine.err == nil {
		r.engine.fail(e.err)
	}
	for _, s := range r.scenarios {
		if s.engine == e {
			s.over = true
			for _, f := range s.waiting {
				r.soon(func() { f(nil) })
			}
			s.waiting = nil
		}
	}
}

// soon calls f in a later turn of the test.
func (r *testRun) soon(f func()) {
	if r.engine.vm != nil && !r.engine.done {
		r.engine.vm.Flush(f)
	}
}

// StartScenario makes a testRun the host of its tests.
func (r *testRun) StartScenario(name string, o jsapi.ScenarioOptions, started func(jsapi.TestScenario, error)) {
	s, err := r.startScenario(name, o)
	switch {
	case errors.Is(err, errMoreWires):
		r.engine.fail(err)
	case err != nil:
		r.soon(func() { started(nil, err) })
	default:
		s.engine.hooks.begun = func() { r.soon(func() { started(s, nil) }) }
	}
}

func (r *testRun) startScenario(name string, o jsapi.ScenarioOptions) (*testScenario, error) {
	cfg, err := r.find(name)
	if err != nil {
		return nil, err
	}
	cfg.Args, cfg.Env = o.Args, o.Env
	cfg.Seed, cfg.SeedSet = r.cfg.Seed, true
	if o.Seed != nil {
		cfg.Seed, cfg.ownSeed = *o.Seed, true
	}
	cfg.Number = len(r.scenarios) + 1
	if cfg.Number == testNumber {
		return nil, fmt.Errorf("%s: a test can start %d scenarios", name, testNumber-1)
	}
	cfg.CallbackTimeout, cfg.MemoryLimit, cfg.StopTimeout, cfg.AllowRead = r.cfg.CallbackTimeout, r.cfg.MemoryLimit, r.cfg.StopTimeout, r.cfg.AllowRead
	cfg.Virtual, cfg.Wires, cfg.used = true, r.wires, r.cfg.used
	if cfg.loaded, err = load(cfg); err != nil {
		return nil, err
	}
	if err := r.plug(&cfg, o.Interfaces); err != nil {
		return nil, err
	}
	s := &testScenario{run: r}
	cfg.Log = func(e Entry) { s.lines = keepLine(s.lines, e) }
	if s.engine, err = New(cfg); err != nil {
		return nil, err
	}
	s.engine.cfg.loaded = nil // a reload reads the file again
	s.engine.hooks.sent = s.keep
	r.scenarios = append(r.scenarios, s)
	return s, r.add(s.engine)
}

// plug gives a scenario its wires: those that are named, then those that its
// options name, or else the wire "wire". The test has to be on all of them.
func (r *testRun) plug(cfg *Config, names []string) error {
	wants := cfg.loaded.options.interfaces
	for i := range max(len(names), len(wants)) {
		var f Interface
		if i < len(wants) {
			f.Name = wants[i].name
		}
		if i < len(names) {
			f.Spec = "wire:" + names[i]
		} else {
			f.Spec = "wire:" + f.Name
		}
		cfg.Interfaces = append(cfg.Interfaces, f)
	}
	if len(cfg.Interfaces) == 0 {
		cfg.Interfaces = []Interface{{Spec: "wire:wire"}}
	}
	missing := false
	r.needed = r.needed[:0]
	if len(r.scenarios) > 0 || len(r.on) > 1 || r.on[0] != "wire" || len(cfg.loaded.options.interfaces) > 0 {
		r.needed = append(r.needed, r.on...)
	}
	for _, f := range cfg.Interfaces {
		name, _, _ := strings.Cut(strings.TrimPrefix(f.Spec, "wire:"), ",")
		if name == "" || strings.ContainsAny(name, ":/=") {
			return fmt.Errorf("t.run: interfaces: %q is not the name of a wire", name)
		}
		if !slices.Contains(r.on, name) {
			missing = true
		}
		if !slices.Contains(r.needed, name) {
			r.needed = append(r.needed, name)
		}
	}
	if missing {
		return errMoreWires
	}
	return nil
}

// find says which scenario a path means: relative to the test file, or a bundled one.
func (r *testRun) find(name string) (Config, error) {
	none := fmt.Errorf("%s: there is no such scenario: the path is relative to the test file", name)
	u := r.cfg.loaded
	if u.embedded != nil {
		at := path.Join(u.dir, filepath.ToSlash(name))
		if _, err := fs.Stat(u.embedded, at); err == nil {
			return Config{Script: at, FS: u.embedded}, nil
		}
	} else {
		at := name
		if !filepath.IsAbs(at) {
			at = filepath.Join(filepath.Dir(r.cfg.Script), name)
			if r.cfg.Source != nil {
				at = filepath.Join(u.dir, name)
			}
		}
		switch info, err := os.Stat(at); {
		case err == nil && info.IsDir():
			return Config{}, fmt.Errorf("%s is a folder, not a scenario", name)
		case err == nil:
			return Config{Script: at}, nil
		case !errors.Is(err, fs.ErrNotExist):
			return Config{}, err
		}
	}
	if at := path.Clean(filepath.ToSlash(name)); r.o.Bundled != nil && fs.ValidPath(at) {
		if _, err := fs.Stat(r.o.Bundled, at); err == nil {
			return Config{Script: at, FS: r.o.Bundled}, nil
		}
	}
	return Config{}, none
}

// keepLine keeps what a script wrote; the engine's own words are not its.
func keepLine(lines []string, e Entry) []string {
	if e.Level == "notice" || len(lines) == testKeepLines {
		return lines
	}
	return append(lines, e.Text)
}

// testScenario is a scenario that a test has started.
type testScenario struct {
	run     *testRun
	engine  *Engine
	sent    []jsapi.SentFrame
	bytes   int
	full    bool // more was sent than is kept
	lines   []string
	over    bool
	waiting []func(error) // for its end
}

// keep keeps frames that were sent.
func (s *testScenario) keep(l *link, frames [][]byte) {
	now := s.run.clock.Wall().UnixNano()
	for _, f := range frames {
		if s.bytes += len(f); len(s.sent) == testKeepFrames || s.bytes > testKeepBytes {
			s.full = true
			return
		}
		s.sent = append(s.sent, jsapi.SentFrame{Data: slices.Clone(f), Time: now, Iface: l.name})
	}
}

// Sent and the methods below make it a jsapi.TestScenario.
func (s *testScenario) Sent(n int) ([]jsapi.SentFrame, error) {
	if s.full {
		return nil, fmt.Errorf("%s sent more than the %d packets that a test keeps", s.engine.cfg.Script, testKeepFrames)
	}
	return s.sent[min(n, len(s.sent)):], nil
}

func (s *testScenario) Logged(n int) []string { return s.lines[min(n, len(s.lines)):] }

func (s *testScenario) Reload(name string, done func(error)) {
	tell := func(err error) {
		if err != nil {
			err = errors.New(err.Error()) // what the other runtime threw must not come into the test's
		}
		s.run.soon(func() { done(err) })
	}
	script := ""
	if name != "" {
		cfg, err := s.run.find(name)
		if err == nil && (cfg.FS == nil) != (s.engine.cfg.FS == nil) {
			err = fmt.Errorf("%s: a bundled scenario and a file do not follow each other", name)
		}
		if err != nil {
			tell(err)
			return
		}
		script = cfg.Script
	}
	if s.over || !s.engine.inbox.post(func() { s.engine.reload(script, tell) }) {
		tell(errors.New("reload: the scenario has ended"))
	}
}

func (s *testScenario) Stop(done func(error)) {
	if s.over {
		s.run.soon(func() { done(nil) })
		return
	}
	s.waiting = append(s.waiting, done)
	s.engine.Stop("stopped by the test")
}
