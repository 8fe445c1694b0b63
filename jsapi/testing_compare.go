package jsapi

import (
	"bytes"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// same says whether two values are one: identical, NaN and NaN, and a number
// and a BigInt of the same value, as in patterns.
func (a *API) same(x, y goja.Value) bool {
	if x.StrictEquals(y) || x.SameAs(y) {
		return true
	}
	n, m := wholeNumber(x), wholeNumber(y)
	return n != nil && m != nil && n.Cmp(m) == 0
}

// wholeNumber is the value of a number or BigInt, nil where it is no whole one.
func wholeNumber(v goja.Value) *big.Int {
	if _, isObject := v.(*goja.Object); isObject || v == nil {
		return nil
	}
	switch x := v.Export().(type) {
	case int64:
		return big.NewInt(x)
	case *big.Int:
		return x
	case float64:
		if i := int64(x); float64(i) == x {
			return big.NewInt(i)
		}
	}
	return nil
}

// compareDepth is how deep deepEqual looks.
const compareDepth = 500

// comparison compares two values by what is in them.
type comparison struct {
	a     *API
	depth int
	seen  map[[2]*goja.Object]bool
}

// compare returns what differs first, at which place; nothing when the values
// are equal.
func (c *comparison) compare(path string, x, y goja.Value) string {
	a := c.a
	if x == nil {
		x = goja.Undefined()
	}
	if y == nil {
		y = goja.Undefined()
	}
	if a.same(x, y) {
		return ""
	}
	ox, okx := x.(*goja.Object)
	oy, oky := y.(*goja.Object)
	if !okx || !oky {
		return c.differ(path, x, y)
	}
	if c.seen[[2]*goja.Object{ox, oy}] {
		return "" // inside itself: what differs is found elsewhere
	}
	if c.seen == nil {
		c.seen = map[[2]*goja.Object]bool{}
	}
	c.seen[[2]*goja.Object{ox, oy}] = true
	if c.depth++; c.depth > compareDepth {
		return fmt.Sprintf("nested more than %d deep", compareDepth)
	}
	defer func() { c.depth-- }()
	return c.objects(path, ox, oy)
}

func (c *comparison) differ(path string, x, y goja.Value) string {
	if path == "" {
		return fmt.Sprintf("%s is not %s", c.a.short(x), c.a.short(y))
	}
	return fmt.Sprintf("%s is %s, not %s", strings.TrimPrefix(path, "."), c.a.short(x), c.a.short(y))
}

func (c *comparison) objects(path string, x, y *goja.Object) string {
	a := c.a
	if p, q := a.viewOf(x), a.viewOf(y); p != nil || q != nil {
		if p == nil || q == nil || !bytes.Equal(p.finished().Data, q.finished().Data) {
			return c.differ(path, x, y)
		}
		return ""
	}
	if l, m := a.layerOf(x), a.layerOf(y); l != nil || m != nil {
		if l == nil || m == nil || l.class.proto != m.class.proto || !bytes.Equal(l.packet().Header(l.i), m.packet().Header(m.i)) {
			return c.differ(path, x, y)
		}
		return ""
	}
	if k, b := a.typedArray(x); k != "" || b != nil {
		if k2, b2 := a.typedArray(y); k != k2 || b2 == nil || !bytes.Equal(b, b2) {
			return c.differ(path, x, y)
		}
		return ""
	}
	if x.ExportType() != y.ExportType() || x.ClassName() != y.ClassName() {
		return c.differ(path, x, y)
	}
	n := a.natives
	switch {
	case x.ExportType() == typeFunction || x.ExportType() == typeClass || x.ExportType() == typePromise:
		return c.differ(path, x, y) // they are equal to themselves only
	case x.ExportType() == typeMap:
		return c.maps(path, x, y)
	case x.ExportType() == typeList && x.ClassName() != "Array":
		return c.sets(path, x, y)
	case x.ClassName() == "Date":
		if !a.same(must(n.getTime, x), must(n.getTime, y)) {
			return c.differ(path, x, y)
		}
	case x.ClassName() == "RegExp" || x.ClassName() == "String" || x.ClassName() == "Number" || x.ClassName() == "Boolean":
		if x.String() != y.String() {
			return c.differ(path, x, y)
		}
	case x.ClassName() == "Error":
		for _, k := range []string{"name", "message"} {
			if why := c.compare(path+"."+k, x.Get(k), y.Get(k)); why != "" {
				return why
			}
		}
	case x.ClassName() == "Array":
		length := x.Get("length").ToInteger()
		for i := range min(length, y.Get("length").ToInteger()) {
			k := strconv.FormatInt(i, 10)
			if why := c.compare(path+"["+k+"]", x.Get(k), y.Get(k)); why != "" {
				return why
			}
		}
		if m := y.Get("length").ToInteger(); m != length {
			return c.differ(path+".length", a.rt.ToValue(length), a.rt.ToValue(m))
		}
	default:
		return c.members(path, x, y)
	}
	return ""
}

// members compares plain objects. undefined means not told: a member that is
// undefined is as good as none.
func (c *comparison) members(path string, x, y *goja.Object) string {
	for _, k := range x.Keys() {
		if why := c.compare(path+"."+k, x.Get(k), y.Get(k)); why != "" {
			return why
		}
	}
	for _, k := range y.Keys() {
		if x.Get(k) == nil {
			if why := c.compare(path+"."+k, nil, y.Get(k)); why != "" {
				return why
			}
		}
	}
	return ""
}

// entries lists what forEach gives.
func (c *comparison) entries(each goja.Callable, o *goja.Object) (list [][2]goja.Value) {
	must(each, o, c.a.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		list = append(list, [2]goja.Value{call.Argument(1), call.Argument(0)})
		return goja.Undefined()
	}))
	return list
}

// find looks for an equal key among those that are left.
func (c *comparison) find(list [][2]goja.Value, key goja.Value) int {
	for i, e := range list {
		if e[0] != nil && (&comparison{a: c.a, depth: c.depth}).compare("", key, e[0]) == "" {
			return i
		}
	}
	return -1
}

func (c *comparison) maps(path string, x, y *goja.Object) string {
	xs, ys := c.entries(c.a.natives.mapEach, x), c.entries(c.a.natives.mapEach, y)
	if len(xs) != len(ys) {
		return c.differ(path+".size", c.a.rt.ToValue(len(xs)), c.a.rt.ToValue(len(ys)))
	}
	for _, e := range xs {
		at := path + ".get(" + c.a.short(e[0]) + ")"
		i := c.find(ys, e[0])
		if i < 0 {
			return c.differ(at, e[1], goja.Undefined())
		}
		if why := c.compare(at, e[1], ys[i][1]); why != "" {
			return why
		}
		ys[i][0] = nil
	}
	return ""
}

func (c *comparison) sets(path string, x, y *goja.Object) string {
	xs, ys := c.entries(c.a.natives.setEach, x), c.entries(c.a.natives.setEach, y)
	if len(xs) != len(ys) {
		return c.differ(path+".size", c.a.rt.ToValue(len(xs)), c.a.rt.ToValue(len(ys)))
	}
	for _, e := range xs {
		i := c.find(ys, e[0])
		if i < 0 {
			return fmt.Sprintf("%s holds %s, which was not expected", strings.TrimPrefix(path+" it", "."), c.a.short(e[0]))
		}
		ys[i][0] = nil
	}
	return ""
}

// diff shows two values line by line: packets field by field. Empty where a
// line says it all.
func (a *API) diff(expected, actual goja.Value) string {
	show := func(v goja.Value) string {
		if v != nil && goja.IsString(v) {
			return v.String()
		}
		if p := a.viewOf(v); p != nil {
			return p.finished().Show()
		}
		return a.inspect(v)
	}
	x, y := strings.TrimRight(show(expected), "\n"), strings.TrimRight(show(actual), "\n")
	if !strings.Contains(x, "\n") && !strings.Contains(y, "\n") && len(x)+len(y) < 100 {
		return ""
	}
	return DiffLines(x, y)
}

// holds says whether a packet matches.
func (a *API) holds(v *view, match goja.Value) bool {
	return a.match("assert.match", match).matches(a, v.finished(), v)
}

// mismatches lists the parts of a pattern that do not hold, each by itself.
func (a *API) mismatches(v *view, match goja.Value) string {
	o, ok := match.(*goja.Object)
	if !ok || o.ExportType() != typePlain {
		return ""
	}
	var lines []string
	try := func(name string, part goja.Value) {
		one := a.rt.NewObject()
		a.put(one, name, part)
		if a.holds(v, one) {
			return
		}
		lines = append(lines, "- "+a.short(one))
		if got := v.Get(name); got == nil || goja.IsUndefined(got) {
			lines = append(lines, "+ no "+name)
		} else if l := a.layerOf(got); l != nil {
			if p, ok := part.(*goja.Object); ok && len(p.Keys()) == 1 && l.Has(p.Keys()[0]) {
				field := p.Keys()[0]
				lines = append(lines, fmt.Sprintf("+ { %s: { %s: %s } }", name, field, a.short(l.Get(field))))
			}
		} else {
			lines = append(lines, "+ "+name+": "+a.short(got))
		}
	}
	for _, name := range o.Keys() {
		part, ok := o.Get(name).(*goja.Object)
		if !ok || part.ExportType() != typePlain || a.reg.Proto(name) == nil || len(part.Keys()) == 0 {
			try(name, o.Get(name))
			continue
		}
		for _, field := range part.Keys() {
			one := a.rt.NewObject()
			a.put(one, field, part.Get(field))
			try(name, one)
		}
	}
	return strings.Join(lines, "\n")
}

// What DiffLines shows: lines around a difference, lines in all. Past
// diffTable the lines are compared one to one, for the time that it would take.
const (
	diffContext = 2
	diffMost    = 200
	diffTable   = 1 << 20
)

// DiffLines shows how two texts differ, line by line: "- " in front of those
// that are only in want, "+ " in front of those that are only in got, and
// a few common ones around them.
func DiffLines(want, got string) string {
	x, y := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	var kept []bool // lines of out that are not common
	add := func(sign, line string) {
		out = append(out, sign+line)
		kept = append(kept, sign != "  ")
	}
	i, j := 0, 0
	for ; i < len(x) && i < len(y) && x[i] == y[i]; i++ {
		add("  ", x[i])
	}
	j = i
	rows, columns := len(x)-i, len(y)-j
	if rows*columns > diffTable {
		for ; i < len(x) || j < len(y); i, j = i+1, j+1 {
			if i < len(x) && j < len(y) && x[i] == y[j] {
				add("  ", x[i])
				continue
			}
			if i < len(x) {
				add("- ", x[i])
			}
			if j < len(y) {
				add("+ ", y[j])
			}
		}
	} else {
		// The longest common subsequence of what is left, from the end.
		common := make([][]int32, rows+1)
		for r := range common {
			common[r] = make([]int32, columns+1)
		}
		for r := rows - 1; r >= 0; r-- {
			for k := columns - 1; k >= 0; k-- {
				if x[i+r] == y[j+k] {
					common[r][k] = common[r+1][k+1] + 1
				} else {
					common[r][k] = max(common[r+1][k], common[r][k+1])
				}
			}
		}
		r, k := 0, 0
		for r < rows || k < columns {
			switch {
			case r < rows && k < columns && x[i+r] == y[j+k]:
				add("  ", x[i+r])
				r++
				k++
			case k == columns || r < rows && common[r+1][k] >= common[r][k+1]:
				add("- ", x[i+r])
				r++
			default:
				add("+ ", y[j+k])
				k++
			}
		}
	}
	return strings.Join(around(out, kept), "\n")
}

// around keeps the lines that are marked, and a few on both sides of them.
func around(lines []string, marked []bool) (kept []string) {
	left := true
	for i := range lines {
		near := false
		for k := max(0, i-diffContext); k <= min(len(lines)-1, i+diffContext); k++ {
			near = near || marked[k]
		}
		switch {
		case near && len(kept) == diffMost:
			return append(kept, "  …")
		case near:
			kept, left = append(kept, lines[i]), true
		case left:
			kept, left = append(kept, "  …"), false
		}
	}
	return kept
}
