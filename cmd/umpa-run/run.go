package main

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
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/engine"
	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/netio/packet"
	"github.com/umpa-run/umpa-run/scenarios"
)

// signalEcho is how long after the first signal another one is taken for the
// same: timeout(1) signals its child and then the whole process group, which
// the child is in.
const signalEcho = 250 * time.Millisecond

// killWait is how long a scenario that was killed may take to let go: a native
// function of the JavaScript engine cannot be interrupted.
const killWait = 2 * time.Second

// runOptions are the flags of run and eval.
type runOptions struct {
	interfaces []string
	record     string
	rotateSize sizeValue
	rotateKeep uint
	seed       seedValue
	duration   durationValue
	env        []string
	allowRead  []string
	state      string
	virtual    bool
	start      string
	quiet      bool
	explain    bool
	keepGoing  bool
	logFormat  string
	user       string
	noWatch    bool
	trial      trialValue
}

func (p *process) runFlags(cmd *cobra.Command) *runOptions {
	o := &runOptions{}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&o.interfaces, "iface", "i", nil, "`[NAME=]IFACE` to run on, repeatable: eth0, wire[:NAME][,delay=5ms,loss=1%,…], tap:NAME, file:IN.pcap (default wire)")
	f.StringVarP(&o.record, "write", "w", "", "record all traffic, both ways, to `FILE` as pcapng")
	f.Var(&o.rotateSize, "rotate-size", "with -w: begin another file at that size: 500KB, 100MB, 2GB")
	f.UintVar(&o.rotateKeep, "rotate-keep", 0, "with -w: how many files to keep, the newest `N` (default: all)")
	f.VarP(&o.duration, "for", "", "stop after that long: 90s, 10m, 1w")
	f.BoolVar(&o.virtual, "virtual", false, "virtual time: jump from event to event (wires and files only)")
	f.StringVar(&o.start, "start", "", "with --virtual: `TIME` it starts at (default 2026-01-01T00:00:00Z)")
	f.Var(&o.seed, "seed", "seed of every random draw (default: drawn, and printed at the end)")
	f.StringArrayVarP(&o.env, "env", "e", nil, "`NAME=VALUE` that the scenario sees in env, repeatable")
	f.StringArrayVar(&o.allowRead, "allow-read", nil, "`DIR` whose files the scenario may read beside its own folder, repeatable")
	f.StringVar(&o.state, "state", "", "keep what scenarios put into storage in files of `DIR`, through restarts")
	f.BoolVar(&o.noWatch, "no-watch", false, "do not reload a scenario when its file, or a local file it imports, is saved")
	f.Var(&o.trial, "trial", "after a reload, go back to the version before when the new one fails within that `DURATION`, or in its first 10 callbacks within 5 times as long: 3s, 0 for never (default 3s)")
	f.BoolVar(&o.keepGoing, "keep-going", false, "when one scenario fails, let the others go on")
	f.BoolVar(&o.explain, "explain", false, "tell which lane each handler ran in, and why")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no summary at the end, no notices")
	f.StringVar(&o.logFormat, "log-format", "text", "`FORMAT` of what is written: text or json")
	f.StringVar(&o.user, "user", "", "once the interfaces are open, give up root and become `NAME`")
	return o
}

var noTrial = regexp.MustCompile(`^0+(\.0*)?(ns|us|ms|s|m|h|d|w)?$`)

// trialValue is the --trial flag: negative means never to go back.
type trialValue time.Duration

func (t *trialValue) String() string { return "" }
func (t *trialValue) Type() string   { return "duration" }

func (t *trialValue) Set(text string) error {
	if noTrial.MatchString(text) {
		*t = -1
		return nil
	}
	return (*durationValue)(t).Set(text)
}

// seedValue is the --seed flag.
type seedValue struct {
	n   uint64
	set bool
}

func (s *seedValue) String() string { return "" }
func (s *seedValue) Type() string   { return "N" }

func (s *seedValue) Set(text string) error {
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number from 0 to %d", text, uint64(1<<64-1))
	}
	s.n, s.set = n, true
	return nil
}

// sizeValue is a flag in bytes: "500KB", "100MB", "2GB", or a plain number.
type sizeValue int64

func (s *sizeValue) String() string { return "" }
func (s *sizeValue) Type() string   { return "SIZE" }

func (s *sizeValue) Set(text string) error {
	digits, unit := strings.ToUpper(text), int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
		if d, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, unit = d, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size: 500KB, 100MB, 2GB", text)
	}
	*s = sizeValue(n * unit)
	return nil
}

func (p *process) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [flags] SCENARIO.js [SCENARIO.js ...] [-- ARGS...]",
		Short: "run scenarios (the default command)",
		Example: `  umpa-run run scenarios/ping.js scenarios/responder.js -- -c 3
  umpa-run run -i eth0 -w trace.pcapng scenarios/sniff.js -- icmp`,
	}
	o := p.runFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		scripts, rest := atDash(cmd, args)
		if len(scripts) == 0 {
			return usage("no scenario given", "umpa-run run scenarios/ping.js scenarios/responder.js -- -c 3")
		}
		return p.run(o, scripts, rest)
	}
	return cmd
}

func (p *process) evalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval [flags] CODE [-- ARGS...]",
		Short: "run one line of code as a scenario",
		Example: `  umpa-run eval 'console.log(packet(ip({ dst: "192.0.2.1" }), icmp()).show())'
  umpa-run -i eth0 eval 'on("arp", (pkt) => console.log(pkt.summary()))'`,
	}
	o := p.runFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		code, rest := atDash(cmd, args)
		if len(code) != 1 {
			return usage(fmt.Sprintf("eval takes one argument, the code; %d were given", len(code)), "quote it: umpa-run eval 'console.log(now())'")
		}
		return p.runAll(o, []engine.Config{{Script: "eval", Source: []byte(code[0]), Args: rest}})
	}
	return cmd
}

func usage(complaint, hint string) error {
	return &exitError{code: exitUsage, err: errors.New(complaint), hint: hint}
}

func (p *process) run(o *runOptions, scripts, args []string) error {
	p.json = o.logFormat == "json"
	configs := make([]engine.Config, len(scripts))
	for i, s := range scripts {
		c, err := p.scenario(s)
		if err != nil {
			return err
		}
		c.Args = args
		configs[i] = c
	}
	return p.runAll(o, configs)
}

// scenario finds the scenario that a path names: a file or, where there is
// none, one of those the program brings along.
func (p *process) scenario(name string) (engine.Config, error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return engine.Config{}, &exitError{code: exitUsage, err: fmt.Errorf("%s is a folder, not a scenario", name)}
	case err == nil:
		return engine.Config{Script: name}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return engine.Config{}, exit(err)
	}
	if bundled := filepath.ToSlash(filepath.Clean(name)); fs.ValidPath(bundled) {
		if _, err := fs.Stat(scenarios.FS, bundled); err == nil {
			return engine.Config{Script: bundled, FS: scenarios.FS}, nil
		}
	}
	return engine.Config{}, &exitError{
		code: exitEnvironment,
		err:  fmt.Errorf("%s: no such scenario", name),
		hint: p.scenarioHint(name),
	}
}

// scenarioHint says what a path that leads nowhere may have meant: a
// subcommand, a bundled scenario, a file beside it.
func (p *process) scenarioHint(name string) string {
	if !strings.ContainsAny(name, "./\\") {
		var commands []string
		for _, c := range p.rootCommand().Commands() {
			commands = append(commands, c.Name())
		}
		if near := packet.Nearest(name, commands); near != "" {
			return fmt.Sprintf("did you mean the command %q?", near)
		}
	}
	bundled, _ := fs.Glob(scenarios.FS, "scenarios/*.js")
	bundled = slices.DeleteFunc(bundled, func(b string) bool { return strings.HasSuffix(b, ".test.js") })
	for _, b := range bundled {
		if base := path.Base(b); base == filepath.Base(name) || strings.TrimSuffix(base, ".js") == name {
			return fmt.Sprintf("there is a bundled %s", b)
		}
	}
	if there, err := filepath.Glob(filepath.Join(filepath.Dir(name), "*.[jt]s")); err == nil {
		names := make([]string, len(there))
		for i, t := range there {
			names[i] = filepath.Base(t)
		}
		if near := packet.Nearest(filepath.Base(name), names); near != "" {
			return fmt.Sprintf("did you mean %s?", filepath.Join(filepath.Dir(name), near))
		}
	}
	return "bundled are " + strings.Join(bundled, ", ")
}

// runAll runs scenarios together: they share wires, recording and the two
// output streams.
func (p *process) runAll(o *runOptions, configs []engine.Config) error {
	p.json = o.logFormat == "json"
	base, err := p.configure(o)
	if err != nil {
		return err
	}
	out := newOutput(p, o)
	defer out.flush()
	base.Log = out.entry
	out.several = len(configs) > 1
	base.Wires = netio.NewWires()
	if o.record != "" {
		out.recording = o.record
		out.recorder, err = netio.NewRecorder(o.record, netio.RecorderOptions{RotateSize: int64(o.rotateSize), RotateKeep: int(o.rotateKeep)})
		if err != nil {
			return &exitError{code: exitEnvironment, err: err}
		}
		defer out.recorder.Close()
		base.Recorder = out.recorder
	}

	var engines []*engine.Engine
	release := func() {
		for _, e := range engines {
			e.Close()
		}
	}
	for i, c := range configs {
		merged := *base
		merged.Script, merged.Source, merged.FS, merged.Args = c.Script, c.Source, c.FS, c.Args
		merged.Number = i + 1
		merged.Shared = len(configs) > 1
		e, err := engine.New(merged)
		if err != nil {
			release()
			return exit(err)
		}
		engines = append(engines, e)
		if !base.SeedSet {
			// One seed repeats the whole run.
			base.Seed, base.SeedSet = e.Seed(), true
		}
	}
	if name := unwanted(base.Interfaces, engines); name != "" {
		release()
		return &exitError{code: exitEnvironment, err: fmt.Errorf("-i %s=…: no scenario has an interface %q", name, name),
			hint: "export const options = { interfaces: ['" + name + "'] }"}
	}
	if o.user != "" {
		if err := becomeUser(o.user); err != nil {
			release()
			return &exitError{code: exitEnvironment, err: fmt.Errorf("--user %s: %w", o.user, err)}
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- engine.RunAll(ctx, engines, o.keepGoing) }()
	finish := func(err error) error {
		if out.recorder != nil {
			if cerr := out.recorder.Close(); cerr != nil && err == nil {
				err = cerr
			}
		}
		out.summary(engines)
		out.flush()
		return err
	}
	for first := (time.Time{}); ; {
		select {
		case err := <-done:
			return exit(finish(err))
		case <-p.signals:
			switch {
			case first.IsZero():
				first = time.Now()
				cancel()
			case time.Since(first) >= signalEcho:
				for _, e := range engines {
					e.Kill()
				}
				select {
				case <-done:
					_ = finish(nil) // the exit code is that of the signal
				case <-time.After(killWait):
					out.flush() // an engine that still runs has no summary
				}
				return &exitError{code: exitInterrupted}
			}
		}
	}
}

// unwanted is the name of an interface that none of the scenarios took, or "".
func unwanted(given []engine.Interface, engines []*engine.Engine) string {
	for _, g := range given {
		if g.Name != "" && !slices.ContainsFunc(engines, func(e *engine.Engine) bool {
			return slices.ContainsFunc(e.Summary().Interfaces, func(i engine.InterfaceSummary) bool { return i.Name == g.Name })
		}) {
			return g.Name
		}
	}
	return ""
}

// configure turns flags into what all engines of a run have in common.
func (p *process) configure(o *runOptions) (*engine.Config, error) {
	c := &engine.Config{
		EndAtRest: true,
		Watch:     !o.noWatch,
		Trial:     time.Duration(o.trial),
		For:       time.Duration(o.duration),
		Virtual:   o.virtual,
		Seed:      o.seed.n,
		SeedSet:   o.seed.set,
		AllowRead: o.allowRead,
		StateDir:  o.state,
	}
	for _, spec := range o.interfaces {
		i := engine.Interface{Spec: spec}
		// A name for the scenario's own use stands before '='. Options of a
		// wire have their '=' behind a comma.
		if name, rest, ok := strings.Cut(spec, "="); ok && !strings.ContainsAny(name, ",:/") {
			i = engine.Interface{Name: name, Spec: rest}
		}
		if i.Spec == "" {
			return nil, usage(fmt.Sprintf("-i %q names no interface", spec), "-i eth0, -i wire:lab, -i tap:t0, -i file:in.pcap, or -i NAME=eth0")
		}
		c.Interfaces = append(c.Interfaces, i)
	}
	for _, pair := range o.env {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usage(fmt.Sprintf("-e %q is not NAME=VALUE", pair), "")
		}
		if c.Env == nil {
			c.Env = map[string]string{}
		}
		c.Env[name] = value
	}
	for _, dir := range o.allowRead {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, &exitError{code: exitEnvironment, err: fmt.Errorf("--allow-read %s: no such folder", dir)}
		}
	}
	if o.record == "" && (o.rotateSize > 0 || o.rotateKeep > 0) {
		return nil, usage("--rotate-size and --rotate-keep are only for -w", "")
	}
	if o.start != "" {
		if !o.virtual {
			return nil, usage("--start is only for --virtual", "")
		}
		t, err := parseTime(o.start)
		if err != nil {
			return nil, err
		}
		c.Start = t
	}
	if !slices.Contains([]string{"text", "json"}, o.logFormat) {
		return nil, usage(fmt.Sprintf("--log-format %q: it is text or json", o.logFormat), "")
	}
	return c, nil
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		t, err := time.Parse(layout, s)
		switch {
		case err != nil:
		case t.Before(engine.FirstTime) || t.After(engine.LastTime):
			return t, usage(fmt.Sprintf("--start %q: virtual time is from %s to %s", s, engine.FirstTime.Format(time.DateOnly), engine.LastTime.Format(time.DateOnly)), "")
		default:
			return t, nil
		}
	}
	return time.Time{}, usage(fmt.Sprintf("--start %q is not a time", s), "as in 2026-01-01T00:00:00Z")
}
