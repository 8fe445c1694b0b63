package engine

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"

	"github.com/umpa-run/umpa-run/jsapi"
)

// Kind says what kind of mistake a ScriptError is.
type Kind string

// The kinds of ScriptError.
const (
	KindSyntax    Kind = "syntax"    // the script does not compile
	KindImport    Kind = "import"    // it imports what is not there
	KindOptions   Kind = "options"   // its options are wrong
	KindException Kind = "exception" // nothing caught what it threw, or a promise was rejected with
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
type LoadError struct {
	Errors []*ScriptError

	files []string // that were read before it was given up
}

// filesOf are the files that a load read which failed.
func filesOf(err error) []string {
	var l *LoadError
	if errors.As(err, &l) {
		return l.files
	}
	return nil
}

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

// scriptError makes a ScriptError of what script code did not catch.
func (v *vm) scriptError(err error, who *jsapi.Handler) *ScriptError {
	src := v.unit.sources
	s := &ScriptError{File: v.unit.name, Kind: KindException, cause: err}
	var (
		mine        *ScriptError
		interrupted *goja.InterruptedError
		overflow    *goja.StackOverflowError
		thrown      *goja.Exception
		fault       *jsapi.Panic
		stack       []goja.StackFrame
	)
	name := "the top level"
	if who != nil {
		name = who.Name
	}
	switch {
	case errors.As(err, &mine):
		return mine
	case errors.As(err, &interrupted):
		why, _ := interrupted.Value().(interruption)
		limit := v.limit
		if who == nil {
			name = "a callback"
		}
		if v.inTop {
			name, limit = "the top level", topLimit(limit)
		}
		s.Kind, s.Message, s.Hint = why.describe(v.e, name, limit)
		stack = interrupted.Stack()
	case errors.As(err, &overflow):
		s.Message, s.Hint = fmt.Sprintf("calls nest deeper than %d", maxCalls), "a function that calls itself needs a way out; a loop has no limit"
		stack = overflow.Stack()
	case errors.As(err, &thrown):
		if stack = thrown.Stack(); !slices.ContainsFunc(stack, func(f goja.StackFrame) bool { return authors(f.Position()) }) {
			stack = slices.Concat(stack, jsapi.CallSite(thrown.Value()))
		}
		s.Message, s.Hint = describe(thrown)
	case errors.As(err, &fault):
		s.Kind, s.Message = KindInternal, fmt.Sprintf("%s: a fault of umpa-run itself: %v", name, fault.Value)
		s.Hint = "please report it, with the scenario; it was found at " + faultAt(fault.Stack)
	default:
		s.Kind, s.Message = KindInternal, name+": "+err.Error()
	}
	s.place(src, stack)
	if s.Line == 0 && who != nil && s.Kind != KindInternal {
		s.placeHandler(v.unit, who.Name)
	}
	return s
}

// registered is where a handler's name says that it was registered.
var registered = regexp.MustCompile(` at ([^/]+):(\d+)$`)

// placeHandler gives an error without any call of the author's, such as what a
// handler returned, the place where the handler was registered or, for one that
// was found by its name, where it is declared.
func (s *ScriptError) placeHandler(u *unit, handler string) {
	src := u.sources
	if g := registered.FindStringSubmatch(handler); g != nil {
		line, err := strconv.Atoi(g[2])
		if err != nil {
			return
		}
		var files []string
		for name := range src.read {
			if path.Base(filepath.ToSlash(name)) == g[1] {
				files = append(files, name)
			}
		}
		if len(files) != 1 { // the name has no folder: it may be either
			return
		}
		s.at(src, files[0], line, strings.TrimSpace)
		return
	}
	if !handlerName.MatchString(handler) {
		return
	}
	declared := regexp.MustCompile(`\b(?:function\s*\*?\s*|const\s+|let\s+|var\s+)` + regexp.QuoteMeta(handler) + `\b`)
	for n := 1; n <= src.count(u.name); n++ {
		if found := declared.FindString(src.line(u.name, n)); found != "" {
			s.at(src, u.name, n, func(line string) string { return line[strings.Index(line, found):] })
			return
		}
	}
}

// at places an error in a line, at what from leaves of it at the line's end.
func (s *ScriptError) at(src *sources, name string, line int, from func(line string) string) {
	text := src.line(name, line)
	if text == "" {
		return
	}
	s.File, s.Line, s.SourceLine = name, line, text
	s.Column = utf16Column(text, strings.Index(text, from(text)))
}

// most calls that an error lists.
const maxStack = 12

// authors reports whether a place is in a file of the scenario's author.
func authors(p file.Position) bool {
	return p.Line > 0 && p.Filename != apiSpace && !strings.HasPrefix(p.Filename, apiSpace+":") && p.Filename != bundleFile
}

// place fills in where it happened: the frames that are the author's.
func (s *ScriptError) place(src *sources, stack []goja.StackFrame) {
	for i := range stack {
		p := stack[i].Position()
		if !authors(p) {
			continue
		}
		f := Frame{Func: stack[i].FuncName()}
		f.File, f.Line, f.Column = src.place(p)
		if f.Func == "<anonymous>" || f.Func == p.Filename {
			f.Func = ""
		}
		// A call of itself says nothing new.
		if n := len(s.Stack); n < maxStack && (n == 0 || s.Stack[n-1] != f) {
			s.Stack = append(s.Stack, f)
		}
	}
	if len(s.Stack) > 0 {
		f := s.Stack[0]
		s.File, s.Line, s.Column = f.File, f.Line, f.Column
		s.SourceLine = src.line(f.File, f.Line)
	}
}

// throwHint is for what was thrown and is no Error: goja knows a place for it
// only where no promise was between.
const throwHint = "throw new Error(…) tells where it was thrown"

// maxQuoted is how many members of a thrown object a message shows.
const maxQuoted = 8

// describe is the message of what was thrown, and its hint. What native code
// threw speaks for itself; what a script or the language threw is named by its
// class, unless that says nothing.
func describe(thrown *goja.Exception) (message, hint string) {
	value := thrown.Value()
	o, ok := value.(*goja.Object)
	if !ok {
		return "uncaught " + quoted(value), throwHint
	}
	get := func(name string) string {
		v := o.Get(name)
		if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
			return ""
		}
		return v.String()
	}
	defer func() {
		if recover() != nil { // a getter of the script's that throws
			message, hint = "uncaught object", ""
		}
	}()
	message, hint = get("message"), get("hint")
	class := get("name")
	native := len(thrown.Stack()) > 0 && thrown.Stack()[0].SrcName() == "<native>"
	switch {
	case message == "" && class == "":
		message = "uncaught " + quoted(value)
		if hint == "" {
			hint = throwHint
		}
	case message == "":
		message = class
	case class != "" && class != "Error" && class != "GoError" && !native:
		message = class + ": " + message
	}
	return message, hint
}

// quoted is a thrown value as text.
func quoted(v goja.Value) (text string) {
	defer func() {
		if recover() != nil { // a toString of the script's that throws
			text = "object"
		}
	}()
	if v == nil {
		return "undefined"
	}
	if goja.IsString(v) {
		return fmt.Sprintf("%q", v.String())
	}
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Object" || len(o.Keys()) == 0 {
		return v.String()
	}
	var parts []string
	for _, k := range o.Keys() {
		if len(parts) == maxQuoted {
			parts = append(parts, "…")
			break
		}
		item := o.Get(k)
		if _, nested := item.(*goja.Object); nested {
			parts = append(parts, k+": …") // it may nest without end
		} else {
			parts = append(parts, k+": "+quoted(item))
		}
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// faultAt is the place in a Go stack trace that a panic came from, for reports:
// below the oldest panic, for goja passes on what it catches by a new one.
func faultAt(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	place := "an unknown place"
	for i, line := range lines {
		if !strings.HasPrefix(line, "panic(") {
			continue
		}
		for j := i + 2; j+1 < len(lines); j += 2 {
			if strings.HasPrefix(lines[j], "runtime.") || strings.HasPrefix(lines[j], "panic(") {
				continue
			}
			at, _, _ := strings.Cut(strings.TrimSpace(lines[j+1]), " +0x")
			place = at[strings.LastIndexByte(at, '/')+1:]
			break
		}
	}
	return place
}
