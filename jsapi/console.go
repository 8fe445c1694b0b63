package jsapi

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
)

const (
	logLimit    = 1 << 20 // bytes of one line of the console
	labelLimit  = 1000    // labels of time() and count(): a script could make new ones for weeks
	groupLimit  = 40      // groups that indent further
	tableRows   = 1000
	tableFields = 60
)

// consoleState is what console keeps between calls.
type consoleState struct {
	a      *API
	indent int
	timers map[string]time.Duration
	counts map[string]int
	json   goja.Callable // JSON.stringify
}

// installConsole sets console. Its functions print by [Host.Log] and never
// throw; a getter of a script's object is shown, not run.
func (a *API) installConsole() {
	c := &consoleState{a: a, timers: map[string]time.Duration{}, counts: map[string]int{}}
	c.json, _ = goja.AssertFunction(a.rt.Get("JSON").ToObject(a.rt).Get("stringify"))
	console := a.rt.NewObject()
	def := func(name string, f func(call goja.FunctionCall)) {
		a.put(console, name, a.function(name, func(call goja.FunctionCall) goja.Value {
			f(call)
			return goja.Undefined()
		}))
	}
	for _, level := range []string{"log", "info", "warn", "error", "debug"} {
		def(level, func(call goja.FunctionCall) { c.print(level, c.format(call.Arguments)) })
	}
	def("dir", func(call goja.FunctionCall) { c.print("log", a.inspect(call.Argument(0))) })
	def("table", func(call goja.FunctionCall) { c.print("log", c.table(call.Argument(0))) })
	def("assert", func(call goja.FunctionCall) {
		if call.Argument(0).ToBoolean() {
			return
		}
		text := "Assertion failed"
		if len(call.Arguments) > 1 {
			text += ": " + c.format(call.Arguments[1:])
		}
		c.print("error", text)
	})
	def("time", func(call goja.FunctionCall) {
		label := c.label(call)
		if _, ok := c.timers[label]; ok {
			c.print("warn", "console.time: '"+label+"' is running")
			return
		}
		if len(c.timers) >= labelLimit {
			c.print("warn", "console.time: more than "+strconv.Itoa(labelLimit)+" labels")
			return
		}
		c.timers[label] = a.host.Now()
	})
	timed := func(call goja.FunctionCall, end bool) {
		label := c.label(call)
		since, ok := c.timers[label]
		if !ok {
			c.print("warn", "console.timeEnd: there is no '"+label+"'")
			return
		}
		text := label + ": " + elapsed(a.host.Now()-since)
		if end {
			delete(c.timers, label)
		} else if len(call.Arguments) > 1 {
			text += " " + c.format(call.Arguments[1:])
		}
		c.print("log", text)
	}
	def("timeEnd", func(call goja.FunctionCall) { timed(call, true) })
	def("timeLog", func(call goja.FunctionCall) { timed(call, false) })
	def("count", func(call goja.FunctionCall) {
		label := c.label(call)
		if _, ok := c.counts[label]; !ok && len(c.counts) >= labelLimit {
			c.print("warn", "console.count: more than "+strconv.Itoa(labelLimit)+" labels")
			return
		}
		c.counts[label]++
		c.print("log", label+": "+strconv.Itoa(c.counts[label]))
	})
	def("countReset", func(call goja.FunctionCall) { delete(c.counts, c.label(call)) })
	def("group", func(call goja.FunctionCall) {
		if len(call.Arguments) > 0 {
			c.print("log", c.format(call.Arguments))
		}
		c.indent++
	})
	def("groupEnd", func(goja.FunctionCall) { c.indent = max(c.indent-1, 0) })
	a.global("console", console)
}

func (c *consoleState) print(level, text string) {
	if len(text) > logLimit {
		text = strings.ToValidUTF8(text[:logLimit], "") + "… " + strconv.Itoa(len(text)-logLimit) + " more bytes"
	}
	if c.indent > 0 {
		margin := strings.Repeat("  ", min(c.indent, groupLimit))
		text = margin + strings.ReplaceAll(text, "\n", "\n"+margin)
	}
	c.a.host.Log(level, text)
}

func (c *consoleState) label(call goja.FunctionCall) string {
	v := call.Argument(0)
	if goja.IsUndefined(v) {
		return "default"
	}
	s := c.a.text(v)
	return s[:min(len(s), 200)]
}

// elapsed is a time in the unit that suits it.
func elapsed(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms"
	}
	return d.Round(time.Millisecond).String()
}

// text is a value as it stands among others on a line: a string as it is.
func (a *API) text(v goja.Value) string {
	if goja.IsString(v) {
		return v.String()
	}
	return a.inspect(v)
}

// format is the arguments of log as one text: a first string may hold %s %d
// %i %f %j %o %O %c and %%, as in Node; what is left over follows, parted by
// spaces.
func (c *consoleState) format(args []goja.Value) string {
	if len(args) == 0 {
		return ""
	}
	var b strings.Builder
	if goja.IsString(args[0]) {
		f := args[0].String()
		args = args[1:]
		if len(args) == 0 {
			return f // percent signs stay as they are
		}
		for {
			i := strings.IndexByte(f, '%')
			if i < 0 || i == len(f)-1 {
				break
			}
			b.WriteString(f[:i])
			verb := f[i+1]
			rest := f[i+2:]
			switch {
			case verb == '%':
				b.WriteByte('%')
			case len(args) > 0 && strings.IndexByte("sdifjoOc", verb) >= 0:
				b.WriteString(c.verb(verb, args[0]))
				args = args[1:]
			default:
				b.WriteByte('%')
				rest = f[i+1:]
			}
			f = rest
		}
		b.WriteString(f)
	} else {
		b.WriteString(c.a.inspect(args[0]))
		args = args[1:]
	}
	for _, v := range args {
		if b.Len() > 2*logLimit {
			break
		}
		b.WriteByte(' ')
		b.WriteString(c.a.text(v))
	}
	return b.String()
}

func (c *consoleState) verb(verb byte, v goja.Value) string {
	_, isObject := v.(*goja.Object)
	switch verb {
	case 's':
		return c.a.text(v)
	case 'c': // CSS, of which a terminal has none
		return ""
	case 'd', 'i', 'f':
		if _, ok := v.(*goja.Symbol); ok || isObject {
			return "NaN"
		}
		if s := c.a.inspect(v); strings.HasSuffix(s, "n") && goja.IsBigInt(v) {
			return s
		}
		x := v.ToFloat()
		if verb == 'i' {
			x = math.Trunc(x)
		}
		return c.a.rt.ToValue(x).String()
	case 'j':
		var text string
		if ex := c.a.rt.Try(func() { text = must(c.json, goja.Undefined(), v).String() }); ex != nil {
			return c.a.inspect(v)
		}
		return text
	}
	return c.a.inspect(v)
}

// table is rows as a table, as Node draws it: of an array or an object of
// rows, each an array, an object or a single value.
func (c *consoleState) table(v goja.Value) string {
	o, ok := v.(*goja.Object)
	if !ok {
		return c.a.text(v)
	}
	in := c.a.newInspector()
	header := []string{"(index)"}
	var columns names[int]
	values := false
	var rows []map[string]string
	var indexes []string
	entries := in.members(o, tableRows)
	for _, e := range entries {
		row := map[string]string{}
		cells, isRow := e.v.(*goja.Object)
		if isRow && (e.accessor != "" || !in.tabular(cells)) {
			isRow = false
		}
		if !isRow {
			row["\x00"] = in.cell(e)
			values = true
		} else {
			for _, f := range in.members(cells, tableFields) {
				if columns.find(f.key) == nil {
					if f.key == "" || len(columns.list) >= tableFields {
						continue
					}
					columns.add(f.key, len(columns.list))
				}
				row[f.key] = in.cell(f)
			}
		}
		rows, indexes = append(rows, row), append(indexes, e.key)
	}
	keys := columns.list
	header = append(header, keys...)
	if values {
		header, keys = append(header, "Values"), append(keys[:len(keys):len(keys)], "\x00")
	}
	lines := [][]string{header}
	for i, row := range rows {
		line := []string{indexes[i]}
		for _, k := range keys {
			line = append(line, row[k])
		}
		lines = append(lines, line)
	}
	text := drawTable(lines)
	if len(entries) == tableRows {
		text += "\n… only the first " + strconv.Itoa(tableRows) + " rows"
	}
	return text
}

func drawTable(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	rule := func(left, middle, right string) {
		b.WriteString(left)
		for i, w := range widths {
			if i > 0 {
				b.WriteString(middle)
			}
			b.WriteString(strings.Repeat("─", w+2))
		}
		b.WriteString(right)
	}
	rule("┌", "┬", "┐\n")
	for n, line := range lines {
		for i, cell := range line {
			b.WriteString("│ " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+1))
		}
		b.WriteString("│\n")
		if n == 0 {
			rule("├", "┼", "┤\n")
		}
	}
	rule("└", "┴", "┘")
	return b.String()
}
