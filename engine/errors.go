package engine

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what kind of mistake a ScriptError is.
type Kind string

// The kinds of ScriptError.
const (
	KindSyntax    Kind = "syntax"    // the script does not compile
	KindImport    Kind = "import"    // it imports what is not there
	KindOptions   Kind = "options"   // its options are wrong
	KindException Kind = "exception" // nothing caught what it threw
	KindRejection Kind = "rejection" // nothing handled a promise's rejection
	KindTimeout   Kind = "timeout"   // a callback ran for too long
	KindMemory    Kind = "memory"    // the heap outgrew its limit
	KindInternal  Kind = "internal"  // a fault of the engine's own
)

// ErrVirtual is wrapped by the error for an interface that virtual time
// cannot be used with.
var ErrVirtual = errors.New("virtual time needs wires or capture files")

// ScriptError is a mistake in a scenario, at its place in the file as its
// author wrote it. Without a place, Line is 0.
type ScriptError struct {
	File         string
	Line, Column int // from 1; the column counts UTF-16 code units as editors do
	Kind         Kind
	Message      string
	Hint         string // what would be right; may be empty
	SourceLine   string // the line's text; may be empty
	Stack        []Frame

	cause error
}

// Frame is one call on the way to an error.
type Frame struct {
	Func         string // empty at the top level
	File         string
	Line, Column int
}

// Error is "file:line:col: message", without what it does not know.
func (e *ScriptError) Error() string {
	switch {
	case e.File == "":
		return e.Message
	case e.Line == 0:
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Unwrap returns the Go error that script code did not catch, if it was one.
func (e *ScriptError) Unwrap() error { return e.cause }

// Pretty is Error with the source line, a caret under the place, the calls
// that led there, and the hint, each on lines of their own.
func (e *ScriptError) Pretty() string {
	var b strings.Builder
	b.WriteString(e.Error())
	if e.SourceLine != "" && e.Line > 0 {
		line, caret := excerpt(e.SourceLine, e.Column)
		fmt.Fprintf(&b, "\n  %s\n  %s^", line, caret)
	}
	for _, f := range e.Stack[min(1, len(e.Stack)):] {
		b.WriteString("\n    at ")
		if f.Func != "" {
			fmt.Fprintf(&b, "%s (%s:%d:%d)", f.Func, f.File, f.Line, f.Column)
		} else {
			fmt.Fprintf(&b, "%s:%d:%d", f.File, f.Line, f.Column)
		}
	}
	if e.Hint != "" {
		b.WriteString("\nhint: " + e.Hint)
	}
	return b.String()
}

// LoadError says that a scenario does not load, with everything that is wrong
// with it, in the order of file and line.
type LoadError struct{ Errors []*ScriptError }

// Error has one line for each mistake.
func (e *LoadError) Error() string {
	lines := make([]string, len(e.Errors))
	for i, s := range e.Errors {
		lines[i] = s.Error()
	}
	return strings.Join(lines, "\n")
}

// Pretty is every mistake's Pretty.
func (e *LoadError) Pretty() string {
	parts := make([]string, len(e.Errors))
	for i, s := range e.Errors {
		parts[i] = s.Pretty()
	}
	return strings.Join(parts, "\n")
}

// Unwrap returns the mistakes.
func (e *LoadError) Unwrap() []error {
	errs := make([]error, len(e.Errors))
	for i, s := range e.Errors {
		errs[i] = s
	}
	return errs
}

// excerpt cuts a line to what fits a terminal around a column, and returns
// with it the blanks that put a caret there. Tabs stay tabs in both.
func excerpt(line string, column int) (text, blanks string) {
	const most = 120
	r := []rune(strings.TrimRight(line, "\r\n"))
	at, units := 0, 1
	for at < len(r) && units < column {
		units++
		if r[at] > 0xffff {
			units++
		}
		at++
	}
	from := 0
	for from < at && (r[from] == ' ' || r[from] == '\t') {
		from++
	}
	prefix := ""
	if at-from > most {
		from, prefix = at-most/2, "…"
	}
	to, suffix := len(r), ""
	if to-from > most {
		to, suffix = from+most, "…"
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", len([]rune(prefix))))
	for _, c := range r[from:at] {
		if c == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return prefix + string(r[from:to]) + suffix, b.String()
}
