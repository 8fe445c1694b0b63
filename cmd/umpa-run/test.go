package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/engine"
	"github.com/umpa-run/umpa-run/scenarios"
)

// testOptions are the flags of test.
type testOptions struct {
	match   string
	seed    seedValue
	env     []string
	timeout durationValue
	tap     bool
	watch   bool
}

func (p *process) testCommand() *cobra.Command {
	o := &testOptions{}
	cmd := &cobra.Command{
		Use:   "test [flags] FILE.test.js [FILE.test.js ...] [-- ARGS...]",
		Short: "run tests of scenarios, in virtual time",
		Long: `Runs the tests that files define by test('what it shows', async (t) => { … }), each in
virtual time, on wires and with scenarios of its own. t.run('./ping.js') starts a
scenario; the test is on the same wires, as 10.0.0.254. The exit code is 1 when a
test fails. A folder stands for the *.test.js and *.test.ts files in it.`,
		Example: `  umpa-run test scenarios/ping.test.js
  umpa-run test --match 'lost' --watch mine.test.ts
  umpa-run test --tap tests/`,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.match, "match", "m", "", "run only tests whose name this `REGEXP` finds")
	f.Var(&o.seed, "seed", "seed of every random draw (default 1)")
	f.StringArrayVarP(&o.env, "env", "e", nil, "`NAME=VALUE` that the tests see in env, repeatable")
	f.Var(&o.timeout, "timeout", "longest that one test may take, in real time (default 30s)")
	f.BoolVar(&o.tap, "tap", false, "write the Test Anything Protocol, version 14")
	f.BoolVar(&o.watch, "watch", false, "run again when a file that matters is saved, until Ctrl-C")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		files, rest := atDash(cmd, args)
		if len(files) == 0 {
			return usage("test needs a file with tests", "umpa-run test scenarios/ping.test.js")
		}
		return p.test(o, files, rest)
	}
	return cmd
}

func (p *process) test(o *testOptions, args, rest []string) error {
	to := engine.TestOptions{Bundled: scenarios.FS, Timeout: time.Duration(o.timeout)}
	if o.match != "" {
		var err error
		if to.Match, err = regexp.Compile(o.match); err != nil {
			return usage(fmt.Sprintf("--match: %v", err), "")
		}
	}
	base, err := p.configure(&runOptions{env: o.env, seed: o.seed, logFormat: "text"})
	if err != nil {
		return err
	}
	if _, err := testFiles(args); err != nil && !o.watch {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	defer close(stopped)
	go func() {
		select {
		case <-p.signals:
			cancel()
		case <-stopped:
		}
	}()
	used := testInputs{}
	to.Used = used.add
	once := func() error {
		files, err := testFiles(args)
		if err != nil {
			return err
		}
		r := &testReport{p: p, tap: o.tap, colours: p.colours(p.stdoutTerminal), begin: time.Now()}
		to.Report = r.test
		for _, file := range files {
			c, err := p.scenario(file)
			if err == nil {
				r.file(c.Script)
				c.Args, c.Env, c.Seed, c.SeedSet = rest, base.Env, base.Seed, base.SeedSet
				_, err = engine.RunTests(ctx, c, to)
				if ctx.Err() != nil {
					return &exitError{code: exitInterrupted}
				}
			}
			if err != nil {
				r.broken(file, err)
			}
		}
		return r.end()
	}
	if !o.watch {
		return once()
	}
	return p.watchTests(ctx, args, used, once)
}

// testFiles are the files that the arguments stand for.
func testFiles(args []string) ([]string, error) {
	var files []string
	for _, a := range args {
		info, err := os.Stat(a)
		if err != nil || !info.IsDir() {
			files = append(files, a) // a bundled one, perhaps: it is looked for later
			continue
		}
		var found []string
		for _, pattern := range []string{"*.test.js", "*.test.ts"} {
			f, err := filepath.Glob(filepath.Join(a, pattern))
			if err != nil {
				return nil, &exitError{code: exitUsage, err: err}
			}
			found = append(found, f...)
		}
		if len(found) == 0 {
			return nil, &exitError{code: exitFailed, err: fmt.Errorf("%s: no tests: there is no file *.test.js in this folder", a),
				hint: "ping.test.js: test('it pings', async (t) => { const s = await t.run('./ping.js'); assert(s.sent.length > 0); })"}
		}
		slices.Sort(found)
		files = append(files, found...)
	}
	return files, nil
}

// testReport writes what tests come to, for people or as TAP.
type testReport struct {
	p              *process
	tap, colours   bool
	begin          time.Time
	passed, failed int
	worst          int // exit code
	current        string
}

func (r *testReport) out(format string, args ...any) { fmt.Fprintf(r.p.stdout, format, args...) }

func (r *testReport) colour(c, text string) string {
	if r.colours {
		return c + text + plain
	}
	return text
}

// file begins a file's tests.
func (r *testReport) file(name string) {
	if r.tap {
		if r.current == "" {
			r.out("TAP version 14\n")
		}
		r.out("# %s\n", name)
	} else {
		r.out("%s\n", r.colour(bold, name))
	}
	r.current = name
}

// broken reports a file whose tests could not be run.
func (r *testReport) broken(file string, err error) {
	text, hint := err.Error(), ""
	code := exitCode(err)
	var e *exitError
	if errors.As(err, &e) {
		hint, code = e.hint, e.code
	}
	if s, ok := errors.AsType[pretty](err); ok {
		text = s.Pretty()
	}
	if errors.Is(err, engine.ErrNoTests) {
		code = exitFailed
	}
	if hint != "" {
		text += "\nhint: " + hint
	}
	r.failed++
	if r.worst == 0 || code != exitFailed {
		r.worst = code
	}
	if r.tap {
		if r.current == "" {
			r.file(file)
		}
		r.out("not ok %d - %s\n", r.passed+r.failed, tapText(file))
		r.yaml([][2]string{{"message", text}})
		return
	}
	r.block("  ", text)
}

// test reports one test.
func (r *testReport) test(t engine.TestResult) {
	if t.Err == nil {
		r.passed++
	} else {
		r.failed++
		r.worst = max(r.worst, exitFailed)
	}
	took := shortDuration(t.Real)
	if t.Virtual > 0 {
		took += ", " + shortDuration(t.Virtual) + " of virtual time"
	}
	if r.tap {
		word := "ok"
		if t.Err != nil {
			word = "not ok"
		}
		r.out("%s %d - %s # time=%.3fms\n", word, r.passed+r.failed, tapText(t.Name), float64(t.Real.Nanoseconds())/1e6)
		if t.Err != nil {
			r.yaml([][2]string{{"at", fmt.Sprintf("%s:%d", t.File, t.Line)}, {"message", failureText(t.Err)}, {"diff", t.Diff}, {"output", r.output(t)}})
		}
		return
	}
	if t.Err == nil {
		r.out("  %s %s (%s)\n", r.colour(faint, "ok    "), t.Name, took)
		for _, line := range t.Output {
			r.block("         ", line)
		}
		return
	}
	r.out("  %s %s (%s)\n", r.colour(red, "FAILED"), t.Name, took)
	text := failureText(t.Err)
	if r.colours {
		text = colourDiagnostic(text)
	}
	r.block("         ", text)
	if t.Diff != "" {
		r.out("         - expected, + there was\n")
		for line := range strings.SplitSeq(t.Diff, "\n") {
			switch {
			case strings.HasPrefix(line, "- "):
				line = r.colour(red, line)
			case strings.HasPrefix(line, "+ "):
				line = r.colour(cyan, line)
			}
			r.block("         ", line)
		}
	}
	if out := r.output(t); out != "" {
		r.block("         ", out)
	}
}

// lastLines is how much of a scenario's output a failure shows.
const lastLines = 20

// output is what the test and its scenarios wrote, the end of it.
func (r *testReport) output(t engine.TestResult) string {
	var b strings.Builder
	show := func(who string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s wrote:\n", who)
		if n := len(lines) - lastLines; n > 0 {
			fmt.Fprintf(&b, "  (%d lines before)\n", n)
			lines = lines[n:]
		}
		for _, l := range lines {
			for part := range strings.SplitSeq(l, "\n") {
				fmt.Fprintf(&b, "  %s\n", part)
			}
		}
	}
	show("the test", t.Output)
	for _, s := range t.Scenarios {
		show(s.Name, s.Output)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func failureText(err error) string {
	if s, ok := errors.AsType[pretty](err); ok {
		return s.Pretty()
	}
	return err.Error()
}

// block writes text with a margin.
func (r *testReport) block(margin, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		r.out("%s\n", strings.TrimRight(margin+line, " "))
	}
}

// tapText is a description as TAP 14 takes it: without what means something there.
func tapText(s string) string {
	return strings.NewReplacer("\\", "\\\\", "#", "\\#", "\n", " ").Replace(s)
}

// printable shows control characters, which YAML does not take, as Go writes them.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) }) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || r == utf8.RuneError) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// yaml writes a diagnostic block of TAP 14.
func (r *testReport) yaml(members [][2]string) {
	r.out("  ---\n")
	for _, m := range members {
		switch {
		case m[1] == "":
		case strings.Contains(m[1], "\n"):
			// The indentation is told, for the text's own may be deeper at first.
			r.out("  %s: |2\n", m[0])
			r.block("    ", printable(m[1]))
		default:
			// A string of JSON is one of YAML.
			text, err := json.Marshal(printable(m[1]))
			if err == nil {
				r.out("  %s: %s\n", m[0], text)
			}
		}
	}
	r.out("  ...\n")
}

// end writes the sum, and is the error that the program ends with.
func (r *testReport) end() error {
	if r.tap {
		r.out("1..%d\n", r.passed+r.failed)
	} else {
		r.out("%s: %d passed, %d failed, in %s\n", count(uint64(r.passed+r.failed), "test"), r.passed, r.failed, shortDuration(time.Since(r.begin)))
	}
	if r.passed+r.failed == 0 {
		return &exitError{code: exitFailed, err: errors.New("no test has a name that --match finds")}
	}
	if r.worst != 0 {
		return &exitError{code: r.worst}
	}
	return nil
}

// watchEvery is how often --watch looks at the files; what editors do to a file
// while they save it is over by then.
const watchEvery = 200 * time.Millisecond

// watchTests runs the tests, and again when a file that they used has changed, or
// a script has come or gone beside one. It looks at sizes and times: tests use
// few files, and this sees what is on network file systems and in containers too.
func (p *process) watchTests(ctx context.Context, args []string, used testInputs, once func() error) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		clear(used)
		for _, a := range args {
			if at, err := filepath.Abs(a); err == nil {
				used.add(at) // a folder, too, for what comes into it
			}
		}
		last := once()
		if e, ok := errors.AsType[*exitError](last); ok && e.err != nil {
			p.complain(e)
		}
		if ctx.Err() == nil {
			fmt.Fprintln(p.stderr, "umpa-run: waiting for a file to be saved; Ctrl-C ends")
		}
		for !used.changed() {
			select {
			case <-ctx.Done():
				return last
			case <-tick.C:
			}
		}
	}
}

// testInputs are the files that tests used, and their folders, by their absolute
// paths, and what they were like.
type testInputs map[string]string

func (in testInputs) add(path string) {
	for _, p := range []string{path, filepath.Dir(path)} {
		if _, known := in[p]; !known {
			in[p] = inputState(p)
		}
	}
}

func (in testInputs) changed() bool {
	for path, was := range in {
		if inputState(path) != was {
			return true
		}
	}
	return false
}

// inputState is a text that differs when a file does, or when a script comes into a
// folder or goes from it.
func inputState(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return ""
	case !info.IsDir():
		return fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return ""
	}
	var scripts []string
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".js", ".ts", ".mjs", ".mts", ".json":
			scripts = append(scripts, e.Name())
		}
	}
	return fmt.Sprintf("%q", scripts)
}
