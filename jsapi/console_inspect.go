package jsapi

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dop251/goja"
)

const (
	inspectDepth  = 2     // levels of nested objects shown
	inspectItems  = 100   // items of a list, members of an object
	inspectText   = 10000 // bytes of a string inside an object
	inspectBudget = 20000 // values in all
	inspectWidth  = 76    // of a line
)

// inspector shows values as Node does. It runs no code of the script.
type inspector struct {
	a      *API
	budget int
	stack  []*goja.Object       // the objects around the one being shown
	cycles map[*goja.Object]int // those that stand inside themselves, numbered
}

func (a *API) newInspector() *inspector { return &inspector{a: a, budget: inspectBudget} }

// inspect shows any value, in bounded time and space. What cannot be shown
// says so; it does not throw.
func (a *API) inspect(v goja.Value) (text string) {
	in := a.newInspector()
	if ex := a.rt.Try(func() { text = in.show(v) }); ex != nil {
		return "[a value that cannot be shown]"
	}
	return text
}

func (in *inspector) show(v goja.Value) string {
	o, ok := v.(*goja.Object)
	if !ok {
		return in.primitive(v)
	}
	if in.budget--; in.budget < 0 {
		return "…"
	}
	if slices.Contains(in.stack, o) {
		if in.cycles == nil {
			in.cycles = map[*goja.Object]int{}
		}
		if in.cycles[o] == 0 {
			in.cycles[o] = len(in.cycles) + 1
		}
		return "[Circular *" + strconv.Itoa(in.cycles[o]) + "]"
	}
	in.stack = append(in.stack, o)
	text := in.object(o)
	in.stack = in.stack[:len(in.stack)-1]
	if n := in.cycles[o]; n > 0 {
		text = "<ref *" + strconv.Itoa(n) + "> " + text
	}
	return text
}

func (in *inspector) primitive(v goja.Value) string {
	switch {
	case v == nil:
		return "undefined"
	case goja.IsString(v):
		return quote(v.String())
	case goja.IsBigInt(v):
		return v.String() + "n"
	}
	if s, ok := v.(*goja.Symbol); ok {
		return "Symbol(" + s.String() + ")"
	}
	if x, ok := v.Export().(float64); ok && x == 0 && math.Signbit(x) {
		return "-0"
	}
	return v.String()
}

// quote writes a string as its source would be, in the quotes that need the
// fewest escapes.
func quote(s string) string {
	more := 0
	if len(s) > inspectText {
		more = len(s) - inspectText
		s = strings.ToValidUTF8(s[:inspectText], "")
	}
	q := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 {
		if strings.IndexByte(s, '"') < 0 {
			q = '"'
		} else if strings.IndexByte(s, '`') < 0 {
			q = '`'
		}
	}
	var b strings.Builder
	b.WriteByte(q)
	for _, r := range s {
		switch {
		case r == rune(q) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20 || r == 0x7f:
			b.WriteString(`\x` + strings.ToUpper(strconv.FormatInt(int64(r)|0x100, 16)[1:]))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte(q)
	if more > 0 {
		b.WriteString("... " + strconv.Itoa(more) + " more characters")
	}
	return b.String()
}

func identifier(s string) bool {
	for i, r := range s {
		if !(r == '_' || r == '$' || unicode.IsLetter(r) || i > 0 && unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

// entry is a member of an object, or an item of a list.
type entry struct {
	key      string // as it is written before the colon
	v        goja.Value
	accessor string // "[Getter]" where the value was not read
}

func (in *inspector) entry(e entry) string {
	if e.accessor != "" {
		return e.accessor
	}
	return in.show(e.v)
}

// property reads a member without running a getter. ok is false where there is none.
func (in *inspector) property(o *goja.Object, key goja.Value) (e entry, ok bool) {
	d, err := in.a.natives.descriptor(goja.Undefined(), o, key)
	if err != nil {
		return e, false
	}
	desc, ok := d.(*goja.Object)
	if !ok {
		return e, false
	}
	if !in.defined(desc, "get") && !in.defined(desc, "set") {
		e.v = desc.Get("value")
		return e, true
	}
	switch {
	case !in.defined(desc, "set"):
		e.accessor = "[Getter]"
	case !in.defined(desc, "get"):
		e.accessor = "[Setter]"
	default:
		e.accessor = "[Getter/Setter]"
	}
	return e, true
}

func (in *inspector) defined(o *goja.Object, name string) bool {
	v := o.Get(name)
	return v != nil && !goja.IsUndefined(v)
}

// members lists at most limit enumerable members, of a list its items.
func (in *inspector) members(o *goja.Object, limit int) []entry {
	if o.ExportType() == typeProxy {
		return nil
	}
	var list []entry
	for _, k := range o.Keys() {
		if len(list) == limit {
			break
		}
		if e, ok := in.property(o, in.a.rt.ToValue(k)); ok {
			e.key = k
			list = append(list, e)
		}
	}
	return list
}

// named is how members are written: `key: value`, without those in skip.
func (in *inspector) named(o *goja.Object, skip func(key string) bool) []string {
	var lines []string
	n := 0
	for _, k := range o.Keys() {
		if skip != nil && skip(k) {
			continue
		}
		if n++; n > inspectItems || in.budget < 0 {
			continue
		}
		e, ok := in.property(o, in.a.rt.ToValue(k))
		if !ok {
			continue
		}
		if !identifier(k) {
			k = quote(k)
		}
		lines = append(lines, k+": "+in.entry(e))
	}
	for _, s := range o.Symbols() {
		if e, ok := in.property(o, s); ok && n < inspectItems {
			lines = append(lines, "["+in.primitive(s)+"]: "+in.entry(e))
		}
	}
	if n > len(lines) && n > inspectItems {
		lines = append(lines, "... "+more(n-inspectItems, "item"))
	}
	return lines
}

func more(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " more " + what
}

func (in *inspector) object(o *goja.Object) string {
	if v := in.a.viewOf(o); v != nil {
		return v.finished().Summary()
	}
	if l := in.a.layerOf(o); l != nil {
		if in.deep() {
			return "[" + l.class.proto.Name + "]"
		}
		return in.frame(l.class.proto.Name+" ", "{", in.named(o, nil), "}")
	}
	name := in.className(o)
	switch o.ExportType() {
	case typeProxy:
		return "[Proxy]"
	case typeFunction, typeClass:
		return in.function(o)
	case typePromise:
		return in.promise(o)
	case typeArrayBuffer:
		b := o.Export().(goja.ArrayBuffer).Bytes()
		return in.frame("ArrayBuffer ", "{", []string{"[Uint8Contents]: <" + hexBytes(b) + ">", "byteLength: " + strconv.Itoa(len(b))}, "}")
	case typeMap:
		return in.mapOrSet(o, name, "Map", in.a.natives.mapEach, func(value, key goja.Value) string {
			return in.show(key) + " => " + in.show(value)
		})
	case typeList:
		if o.ClassName() == "Array" {
			return in.array(o, name)
		}
		return in.mapOrSet(o, name, "Set", in.a.natives.setEach, func(value, _ goja.Value) string { return in.show(value) })
	}
	switch o.ClassName() {
	case "Date":
		ms := must(in.a.natives.getTime, o).ToFloat()
		if math.IsNaN(ms) {
			return "Invalid Date"
		}
		return time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.000Z")
	case "RegExp":
		return in.plainText(o, "source", func(s string) string {
			return "/" + s + "/" + in.plainText(o, "flags", func(s string) string { return s })
		})
	case "Error":
		return in.errorObject(o)
	case "Number", "Boolean", "String":
		return "[" + o.ClassName() + ": " + in.boxed(o) + "]"
	case "Function":
		return in.function(o)
	case "Arguments":
		name = "[Arguments]"
	}
	if class := in.a.natives.typed(o); class != "" {
		return in.typedArray(o, class)
	}
	if in.deep() {
		return "[" + name + "]"
	}
	prefix := ""
	switch {
	case name == "Object: null prototype":
		prefix = "[Object: null prototype] "
	case name != "Object":
		prefix = name + " "
	}
	return in.frame(prefix, "{", in.named(o, nil), "}")
}

// plainText reads a text member that the built-in class has on its prototype,
// where the object has none of its own.
func (in *inspector) plainText(o *goja.Object, name string, f func(string) string) string {
	if e, ok := in.property(o, in.a.rt.ToValue(name)); ok {
		if e.accessor != "" || !goja.IsString(e.v) {
			return f("…")
		}
		return f(e.v.String())
	}
	if v := o.Get(name); v != nil && goja.IsString(v) {
		return f(v.String())
	}
	return f("…")
}

func (in *inspector) boxed(o *goja.Object) string {
	if o.ClassName() == "String" {
		if e, ok := in.property(o, in.a.rt.ToValue("length")); ok && e.v != nil {
			var b strings.Builder
			for i := range min(e.v.ToInteger(), inspectItems) {
				if c, ok := in.property(o, in.a.rt.ToValue(strconv.FormatInt(i, 10))); ok && c.v != nil {
					b.WriteString(c.v.String())
				}
			}
			return quote(b.String())
		}
	}
	switch x := o.Export().(type) {
	case bool:
		return strconv.FormatBool(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return in.a.rt.ToValue(x).String()
	}
	return "…"
}

// deep reports whether the object being shown is too deep to show its members.
func (in *inspector) deep() bool { return len(in.stack) > inspectDepth+1 }

// className is the name of the class an object was made by.
func (in *inspector) className(o *goja.Object) string {
	if o.ExportType() == typeProxy {
		return "Proxy"
	}
	proto := o.Prototype()
	if proto == nil {
		return "Object: null prototype"
	}
	for range 20 {
		if proto == nil || proto.ExportType() == typeProxy {
			break
		}
		if e, ok := in.property(proto, in.a.rt.ToValue("constructor")); ok {
			if f, ok := e.v.(*goja.Object); ok && f.ExportType() != typeProxy {
				if n, ok := in.property(f, in.a.rt.ToValue("name")); ok && n.v != nil && goja.IsString(n.v) && n.v.String() != "" {
					name := n.v.String()
					if name == "Object" {
						if tag, ok := in.property(proto, goja.SymToStringTag); ok && tag.v != nil && goja.IsString(tag.v) {
							return "Object [" + tag.v.String() + "]"
						}
					}
					return name
				}
			}
		}
		if tag, ok := in.property(proto, goja.SymToStringTag); ok && tag.v != nil && goja.IsString(tag.v) {
			return "Object [" + tag.v.String() + "]"
		}
		proto = proto.Prototype()
	}
	return "Object"
}

func (in *inspector) function(o *goja.Object) string {
	kind := "Function"
	if o.ExportType() == typeProxy {
		return "[Proxy]"
	}
	if o.ExportType() == typeClass {
		kind = "class"
	}
	name := ""
	if e, ok := in.property(o, in.a.rt.ToValue("name")); ok && e.v != nil && goja.IsString(e.v) {
		name = e.v.String()
	}
	text := "[" + kind + ": " + name + "]"
	switch {
	case kind == "class" && name == "":
		text = "[class (anonymous)]"
	case kind == "class":
		text = "[class " + name + "]"
	case name == "":
		text = "[Function (anonymous)]"
	}
	if in.deep() {
		return text
	}
	if lines := in.named(o, nil); len(lines) > 0 {
		return in.frame(text+" ", "{", lines, "}")
	}
	return text
}

func (in *inspector) promise(o *goja.Object) string {
	p, ok := o.Export().(*goja.Promise)
	if !ok {
		return "Promise {}"
	}
	switch p.State() {
	case goja.PromiseStatePending:
		return "Promise { <pending> }"
	case goja.PromiseStateRejected:
		return in.frame("Promise ", "{", []string{"<rejected> " + in.show(p.Result())}, "}")
	}
	return in.frame("Promise ", "{", []string{in.show(p.Result())}, "}")
}

func hexBytes(b []byte) string {
	const limit = 50
	var s strings.Builder
	for i, c := range b {
		if i == limit {
			s.WriteString(" ... " + more(len(b)-limit, "byte"))
			break
		}
		if i > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(strconv.FormatInt(int64(c)|0x100, 16)[1:])
	}
	return s.String()
}

func (in *inspector) mapOrSet(o *goja.Object, name, class string, each goja.Callable, f func(value, key goja.Value) string) string {
	if name == "Object" {
		name = class
	}
	n, lines := 0, []string(nil)
	deep := in.deep()
	must(each, o, in.a.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		if n++; n <= inspectItems && !deep {
			lines = append(lines, f(call.Argument(0), call.Argument(1)))
		}
		return goja.Undefined()
	}))
	if deep {
		return "[" + name + "]"
	}
	if n > inspectItems {
		lines = append(lines, "... "+more(n-inspectItems, "item"))
	}
	lines = append(lines, in.named(o, nil)...)
	return in.frame(name+"("+strconv.Itoa(n)+") ", "{", lines, "}")
}

func index(k string) bool {
	_, err := strconv.ParseUint(k, 10, 32)
	return err == nil
}

func (in *inspector) array(o *goja.Object, name string) string {
	if in.deep() {
		return "[" + name + "]"
	}
	length := int64(0)
	if e, ok := in.property(o, in.a.rt.ToValue("length")); ok && e.v != nil {
		length = e.v.ToInteger()
	}
	var items []string
	holes, shown := int64(0), int64(0)
	flush := func() {
		if holes > 0 {
			s := "s"
			if holes == 1 {
				s = ""
			}
			items = append(items, "<"+strconv.FormatInt(holes, 10)+" empty item"+s+">")
			holes = 0
		}
	}
	i := int64(0)
	for ; i < length && shown < inspectItems && in.budget >= 0; i++ {
		e, ok := in.property(o, in.a.rt.ToValue(i))
		if !ok {
			holes++
			// A hole is not looked for item by item in what may be a billion of them.
			if holes > inspectItems {
				holes = length - i - 1 + holes
				i = length
				break
			}
			continue
		}
		flush()
		items = append(items, in.entry(e))
		shown++
	}
	flush()
	if i < length {
		items = append(items, "... "+more(int(length-i), "item"))
	}
	prefix := ""
	if name != "Array" {
		prefix = name + "(" + strconv.FormatInt(length, 10) + ") "
	}
	if length <= 1<<16 {
		items = append(items, in.named(o, index)...)
	}
	return in.frame(prefix, "[", items, "]")
}

func (in *inspector) typedArray(o *goja.Object, class string) string {
	if in.deep() {
		return "[" + class + "]"
	}
	n := int(must(in.a.natives.size, o).ToInteger() / elementSize(class))
	items := make([]string, 0, min(n, inspectItems)+1)
	for i := range min(n, inspectItems) {
		items = append(items, in.primitive(o.Get(strconv.Itoa(i))))
	}
	if n > inspectItems {
		items = append(items, "... "+more(n-inspectItems, "item"))
	}
	return in.frame(class+"("+strconv.Itoa(n)+") ", "[", items, "]")
}

// errorObject is an error with its stack, whose positions are those the
// runtime gives, then what else the script put into it.
func (in *inspector) errorObject(o *goja.Object) string {
	text := ""
	if e, ok := in.property(o, in.a.rt.ToValue("stack")); ok && e.accessor == "" && e.v != nil && goja.IsString(e.v) {
		text = strings.TrimRight(e.v.String(), "\n")
	}
	if text == "" {
		text = in.plainText(o, "name", func(name string) string {
			return in.plainText(o, "message", func(message string) string {
				if message == "" {
					return name
				}
				return name + ": " + message
			})
		})
	}
	if len(in.stack) > 1 {
		text = "[" + strings.ReplaceAll(text, "\n", "\n  ") + "]"
	}
	if in.deep() {
		return text
	}
	lines := in.named(o, func(k string) bool { return k == "stack" || k == "message" || k == "name" })
	for _, k := range []string{"hint", "cause"} {
		if e, ok := in.property(o, in.a.rt.ToValue(k)); ok && !slices.Contains(o.Keys(), k) {
			lines = append(lines, k+": "+in.entry(e))
		}
	}
	if len(lines) > 0 {
		return in.frame(text+" ", "{", lines, "}")
	}
	return text
}

// frame puts members between brackets: on one line if they fit, else one a
// line, or for many short items as many on a line as fit.
func (in *inspector) frame(prefix, left string, items []string, right string) string {
	if len(items) == 0 {
		return prefix + left + right
	}
	total, widest, lines := utf8.RuneCountInString(prefix)+len(items), 0, false
	for _, s := range items {
		n := utf8.RuneCountInString(s)
		total += n + 1
		widest = max(widest, n)
		lines = lines || strings.IndexByte(s, '\n') >= 0
	}
	indent := 2 * (len(in.stack) - 1)
	if !lines && total+indent <= inspectWidth {
		return prefix + left + " " + strings.Join(items, ", ") + " " + right
	}
	if !lines && left == "[" && len(items) > 6 && widest <= 16 {
		items = columns(items, widest, max(inspectWidth-indent, 20))
	}
	return prefix + left + "\n  " + strings.ReplaceAll(strings.Join(items, ",\n"), "\n", "\n  ") + "\n" + right
}

// columns joins items to lines of equal columns; the last line of a cut list
// stands alone.
func columns(items []string, widest, width int) []string {
	n := len(items)
	tail := ""
	if strings.HasPrefix(items[n-1], "... ") {
		tail, items = items[n-1], items[:n-1]
	}
	each := max(min(width/(widest+2), 16), 1)
	var lines []string
	for len(items) > 0 {
		k := min(each, len(items))
		var b strings.Builder
		for i, s := range items[:k] {
			pad := strings.Repeat(" ", widest-utf8.RuneCountInString(s))
			if i == k-1 {
				b.WriteString(pad + s)
				continue
			}
			b.WriteString(pad + s + ", ")
		}
		lines = append(lines, b.String())
		items = items[k:]
	}
	if tail != "" {
		lines = append(lines, tail)
	}
	return lines
}

// tabular reports whether an object is a row of a table rather than a value.
func (in *inspector) tabular(o *goja.Object) bool {
	switch o.ExportType() {
	case typePlain, typeLayer:
		return o.ClassName() == "Object" && in.a.natives.typed(o) == ""
	case typeList:
		return o.ClassName() == "Array"
	}
	return false
}

// cell is a value in a table, on one line.
func (in *inspector) cell(e entry) string {
	in.stack = append(in.stack, nil, nil)
	s := in.entry(e)
	in.stack = in.stack[:len(in.stack)-2]
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 100 {
		s = string(r[:99]) + "…"
	}
	return s
}
