package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/engine"
)

// process is all that the command line touches of the process it runs in, so
// that a test can run it in another one. Nothing else in this package reads
// os.Args, the environment or the standard streams.
type process struct {
	args                           []string // without the program's name
	env                            func(name string) string
	stdout, stderr                 io.Writer
	stdoutTerminal, stderrTerminal bool
	signals                        <-chan os.Signal
	json                           bool // errors are JSON lines: set once the flags are known
}

// main runs the command line and returns the exit code.
func (p *process) main() int {
	root := p.rootCommand()
	root.SetArgs(p.args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.Execute()
	if err == nil {
		return exitDone
	}
	var e *exitError
	if !errors.As(err, &e) {
		// What is left are cobra's own complaints: unknown flags and the like.
		e = &exitError{code: exitUsage, err: err, hint: "umpa-run --help"}
	}
	p.complain(e)
	return e.code
}

// complain prints an error. Mistakes in a scenario bring their place and hint
// with them; other errors are prefixed by the program's name.
func (p *process) complain(e *exitError) {
	if e.err == nil {
		return // said already
	}
	if p.json {
		p.complainJSON(e)
		return
	}
	text := ""
	if s, ok := errors.AsType[pretty](e.err); ok {
		text = s.Pretty()
	} else {
		text = "umpa-run: " + e.err.Error()
	}
	if e.hint != "" {
		text += "\nhint: " + e.hint
	}
	if p.colours(p.stderrTerminal) {
		text = colourDiagnostic(text)
	}
	fmt.Fprintln(p.stderr, text)
}

// errorJSON is one mistake as --log-format json tells it.
type errorJSON struct {
	Level   string `json:"level"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// complainJSON prints an error as JSON, a line for each mistake.
func (p *process) complainJSON(e *exitError) {
	mistakes := []*engine.ScriptError{{Message: e.err.Error(), Hint: e.hint}}
	if l, ok := errors.AsType[*engine.LoadError](e.err); ok {
		mistakes = l.Errors
	} else if s, ok := errors.AsType[*engine.ScriptError](e.err); ok {
		mistakes = []*engine.ScriptError{s}
	}
	for _, s := range mistakes {
		b, err := json.Marshal(errorJSON{"error", s.File, s.Line, s.Column, s.Message, s.Hint})
		if err == nil {
			fmt.Fprintf(p.stderr, "%s\n", b)
		}
	}
}

// pretty is an error that prints over several lines: engine's.
type pretty interface {
	error
	Pretty() string
}

// colours says whether to colour what goes to a stream. See no-color.org.
func (p *process) colours(terminal bool) bool {
	return terminal && p.env("NO_COLOR") == "" && p.env("TERM") != "dumb"
}

// ANSI escape sequences (ECMA-48 section 8.3.117).
const (
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

// colourDiagnostic makes the first line of each mistake bold, carets red and
// hints stand out.
func colourDiagnostic(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		switch {
		case strings.HasPrefix(l, "hint: "):
			lines[i] = cyan + "hint:" + plain + l[len("hint:"):]
		case strings.TrimSpace(l) == "^":
			lines[i] = red + l + plain
		case !strings.HasPrefix(l, " "):
			lines[i] = bold + l + plain
		}
	}
	return strings.Join(lines, "\n")
}

func (p *process) rootCommand() *cobra.Command {
	cobra.EnableCommandSorting = false
	root := &cobra.Command{
		Use:   "umpa-run [flags] SCENARIO.js [SCENARIO.js ...] [-- ARGS...]",
		Short: "umpa-run runs network scenarios written in JavaScript or TypeScript.",
		Long: `umpa-run runs network scenarios: JavaScript or TypeScript files that build
packets, send them on a timetable, and react to what arrives.

A scenario runs on a virtual wire inside the process (the default: no
privileges needed), on a real interface (-i eth0), or against a capture file
(-i file:in.pcap). Several scenarios on one command line share the wire.`,
		Example: `  umpa-run scenarios/ping.js scenarios/responder.js      two scenarios on a virtual wire
  umpa-run -i eth0 scenarios/ping.js -- -c 4 192.0.2.1   on a real interface, as root
  umpa-run -i file:in.pcap scenarios/sniff.js            against a capture file
  umpa-run --virtual --for 1w mine.ts                    a week, in seconds
  umpa-run eval 'console.log(ip({ dst: "192.0.2.1" }))'  one line
  umpa-run check mine.ts                                 only look for mistakes
  umpa-run decode in.pcap -m 'tcp port 80'               print a capture
  umpa-run protocols tcp                                 what fields there are

Exit codes: 0 done; 1 a scenario failed; 2 bad usage; 3 a scenario does not
load; 4 the environment (no such interface or file, no privilege); 130
interrupted twice. A scenario's console.log goes to stdout, all else to stderr.`,
		Args:              cobra.ArbitraryArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{code: exitUsage, err: err, hint: c.CommandPath() + " --help"}
	})
	o := p.runFlags(root)
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			cmd.Help() //nolint:errcheck // there is nobody else to tell
			fmt.Fprint(p.stdout, "\nTry this first:\n  umpa-run scenarios/ping.js scenarios/responder.js -- -c 3\n")
			return nil
		}
		scripts, rest := atDash(cmd, args)
		return p.run(o, scripts, rest)
	}
	root.AddCommand(p.runCommand(), p.testCommand(), p.replayCommand(), p.explainCommand(), p.evalCommand(), p.checkCommand(), p.decodeCommand(),
		p.protocolsCommand(), p.devicesCommand(), p.typesCommand())
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	return root
}

// atDash parts what stands before "--" from what stands behind it.
func atDash(cmd *cobra.Command, args []string) (before, behind []string) {
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		return args[:n], args[n:]
	}
	return args, nil
}

// durationValue is a flag as scenarios write durations: "250ms", "1.5s",
// "10m", "2h", "3d", "1w", or milliseconds.
type durationValue time.Duration

func (d *durationValue) String() string { return "" }
func (d *durationValue) Type() string   { return "duration" }

func (d *durationValue) Set(s string) error {
	v, err := parseDuration(s)
	*d = durationValue(v)
	return err
}

var durationUnits = []struct {
	suffix string
	unit   time.Duration
}{
	{"ns", time.Nanosecond}, {"us", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second},
	{"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"", time.Millisecond},
}

func parseDuration(s string) (time.Duration, error) {
	for _, u := range durationUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		var n float64
		var rest string
		if c, _ := fmt.Sscanf(digits+" .", "%g %s", &n, &rest); c == 2 && rest == "." && n > 0 && n*float64(u.unit) < 1<<63 {
			return time.Duration(n * float64(u.unit)), nil
		}
		break
	}
	return 0, fmt.Errorf("%q is not a duration: 250ms, 1.5s, 10m, 2h or 1w", s)
}
