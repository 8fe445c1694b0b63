package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/umpa-run/umpa-run/engine"
	"github.com/umpa-run/umpa-run/netio"
)

// flushAfter is how long a line may wait on its way to a file or a pipe. It is
// what makes a console.log in a busy handler cheap; a terminal does not wait.
const flushAfter = 50 * time.Millisecond

// output writes what scenarios log and what the program has to say. Several
// engines log through one output.
type output struct {
	p       *process
	json    bool
	quiet   bool
	explain bool
	several bool // scenarios: what is said of one names it
	colours bool // of stderr

	recording string // its path
	recorder  *netio.Recorder

	mu      sync.Mutex
	stdout  *bufio.Writer
	pending bool // a flush is on its way
}

func newOutput(p *process, o *runOptions) *output {
	return &output{
		p:       p,
		json:    o.logFormat == "json",
		quiet:   o.quiet,
		explain: o.explain,
		colours: p.colours(p.stderrTerminal),
		stdout:  bufio.NewWriterSize(p.stdout, 64<<10),
	}
}

// entry is engine.Config.Log: console.log goes to stdout, the rest to stderr.
func (o *output) entry(e engine.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.Level == "notice" && o.quiet {
		return
	}
	line := o.line(e)
	if e.Level != "log" {
		o.stdout.Flush() // so that the two stay in order where they meet
		fmt.Fprintln(o.p.stderr, line)
		return
	}
	o.stdout.WriteString(line)
	o.stdout.WriteByte('\n')
	switch {
	case o.p.stdoutTerminal:
		o.stdout.Flush()
	case !o.pending:
		o.pending = true
		time.AfterFunc(flushAfter, o.flush)
	}
}

func (o *output) line(e engine.Entry) string {
	if o.json {
		b, err := json.Marshal(struct {
			Time   string `json:"time"`
			Level  string `json:"level"`
			Script string `json:"script"`
			Text   string `json:"text"`
		}{e.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), e.Level, e.Script, e.Text})
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	prefix, colour := "", ""
	switch e.Level {
	case "notice":
		prefix, colour = "umpa-run: ", faint
		if o.several && e.Script != "" {
			prefix += e.Script + ": "
		}
	case "warn":
		prefix, colour = "warning: ", yellow
	case "error":
		prefix, colour = "error: ", red
	case "debug":
		prefix, colour = "debug: ", faint
	}
	if o.colours && colour != "" {
		return colour + prefix + e.Text + plain
	}
	return prefix + e.Text
}

// flush writes out what waits.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pending = false
	o.stdout.Flush()
}

// mostHandlers bounds the summary of a scenario that makes subscriptions as it goes.
const mostHandlers = 24

// summary tells what each scenario did.
func (o *output) summary(engines []*engine.Engine) {
	o.flush()
	if o.quiet && !o.explain {
		return
	}
	for _, e := range engines {
		s := e.Summary()
		if o.json {
			b, err := json.Marshal(jsonSummary(s))
			if err == nil {
				fmt.Fprintf(o.p.stderr, "%s\n", b)
			}
			continue
		}
		o.textSummary(s)
	}
	if o.recorder == nil {
		return
	}
	written, lost := o.recorder.Counts()
	if o.json {
		b, err := json.Marshal(map[string]any{"recording": map[string]any{"file": o.recording, "written": written, "lost": lost}})
		if err == nil {
			fmt.Fprintf(o.p.stderr, "%s\n", b)
		}
		return
	}
	fmt.Fprintf(o.p.stderr, "recorded %s in %s", count(written, "frame"), o.recording)
	if lost > 0 {
		fmt.Fprintf(o.p.stderr, ", lost %d that could not be written", lost)
	}
	fmt.Fprintln(o.p.stderr)
}

func (o *output) textSummary(s engine.Summary) {
	var b strings.Builder
	title := func(t string) {
		if o.colours {
			t = bold + t + plain
		}
		b.WriteString(t)
	}
	title("-- " + s.Script)
	fmt.Fprintf(&b, ": %s after %s", s.Reason, shortDuration(s.Duration))
	if s.Duration-s.Real > time.Second || s.Real-s.Duration > time.Second {
		fmt.Fprintf(&b, " (%s of real time)", shortDuration(s.Real))
	}
	if s.Reloads > 0 {
		fmt.Fprintf(&b, ", %s", count(s.Reloads, "reload"))
	}
	if s.Errors > 0 {
		fmt.Fprintf(&b, ", %s", count(s.Errors, "error"))
	}
	fmt.Fprintf(&b, ", seed %d\n", s.Seed)

	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, i := range s.Interfaces {
		fmt.Fprintf(t, "   %s\treceived %d\tsent %d\t%s\n", i.Name, i.Stats.Received, i.Stats.Sent, dropped(i))
	}
	t.Flush()
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for n, h := range s.Handlers {
		if n == mostHandlers {
			fmt.Fprintf(t, "   and %d more\n", len(s.Handlers)-n)
			break
		}
		fmt.Fprintf(t, "   %s\t%s", h.Name, count(h.Hits, "hit"))
		if h.Errors > 0 {
			fmt.Fprintf(t, ", %s", count(h.Errors, "error"))
		}
		if h.Longest > 0 {
			fmt.Fprintf(t, "\tlongest %s", shortDuration(h.Longest))
		} else {
			fmt.Fprint(t, "\t")
		}
		if o.explain {
			fmt.Fprintf(t, "\t%s lane: %s", h.Lane, h.Why)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(o.p.stderr, strings.TrimRight(line, " \n"))
	}
}

// dropped says how many frames got lost, and where.
func dropped(i engine.InterfaceSummary) string {
	s := i.Stats
	var parts []string
	if s.DroppedKernel > 0 {
		parts = append(parts, fmt.Sprintf("%d by the kernel", s.DroppedKernel))
	}
	if s.DroppedQueue > 0 {
		parts = append(parts, fmt.Sprintf("%d by a full queue", s.DroppedQueue))
	}
	if s.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d lost on the wire", s.Lost))
	}
	if i.Unanswered > 0 {
		parts = append(parts, fmt.Sprintf("%d for want of a neighbour's answer", i.Unanswered))
	}
	text := "dropped 0"
	if len(parts) > 0 {
		text = "dropped " + strings.Join(parts, ", ")
	}
	if s.Errors > 0 {
		text += fmt.Sprintf("\tnot sent %d", s.Errors)
	}
	return text
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shortDuration is a duration in three significant digits.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g us", float64(d.Nanoseconds())/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d.Microseconds())/1e3)
	case d < time.Minute:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d < 24*time.Hour:
		return d.Round(time.Second).String()
	}
	days := d / (24 * time.Hour)
	return fmt.Sprintf("%dd%s", int64(days), (d - days*24*time.Hour).Round(time.Second))
}

type summaryJSON struct {
	Script     string          `json:"script"`
	Reason     string          `json:"reason"`
	Duration   float64         `json:"durationMs"`
	Real       float64         `json:"realMs"`
	Seed       uint64          `json:"seed"`
	Reloads    uint64          `json:"reloads"`
	Errors     uint64          `json:"errors"`
	Timers     uint64          `json:"timers"`
	Interfaces []interfaceJSON `json:"interfaces"`
	Handlers   []handlerJSON   `json:"handlers"`
}

type interfaceJSON struct {
	Name          string     `json:"name"`
	Kind          netio.Kind `json:"kind"`
	Received      uint64     `json:"received"`
	ReceivedBytes uint64     `json:"receivedBytes"`
	Sent          uint64     `json:"sent"`
	SentBytes     uint64     `json:"sentBytes"`
	DroppedKernel uint64     `json:"droppedByKernel"`
	DroppedQueue  uint64     `json:"droppedByQueue"`
	Lost          uint64     `json:"lostOnWire"`
	Unanswered    uint64     `json:"droppedUnanswered"`
	Errors        uint64     `json:"errors"`
}

type handlerJSON struct {
	Name    string  `json:"name"`
	Hits    uint64  `json:"hits"`
	Errors  uint64  `json:"errors"`
	Longest float64 `json:"longestMs"`
	Lane    string  `json:"lane"`
	Why     string  `json:"why,omitempty"`
}

func jsonSummary(s engine.Summary) any {
	ms := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
	j := summaryJSON{
		Script: s.Script, Reason: s.Reason, Duration: ms(s.Duration), Real: ms(s.Real), Seed: s.Seed,
		Reloads: s.Reloads, Errors: s.Errors, Timers: s.Timers,
		Interfaces: []interfaceJSON{}, Handlers: []handlerJSON{},
	}
	for _, i := range s.Interfaces {
		j.Interfaces = append(j.Interfaces, interfaceJSON{
			i.Name, i.Kind, i.Stats.Received, i.Stats.ReceivedBytes, i.Stats.Sent, i.Stats.SentBytes,
			i.Stats.DroppedKernel, i.Stats.DroppedQueue, i.Stats.Lost, i.Unanswered, i.Stats.Errors,
		})
	}
	for _, h := range s.Handlers {
		j.Handlers = append(j.Handlers, handlerJSON{h.Name, h.Hits, h.Errors, ms(h.Longest), h.Lane, h.Why})
	}
	return map[string]any{"summary": j}
}
