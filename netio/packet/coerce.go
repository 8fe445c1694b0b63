package packet

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
)

// number coerces a loose value to the bits of a numeric field: integers of any
// Go type, whole floats, *big.Int, bool, a standard name where there are some,
// and letters for Flags.
func (f *Field) toNumber(path string, v any) (uint64, error) {
	switch f.Kind {
	case Float:
		x, ok := toFloat(v)
		if !ok {
			return 0, fieldErr(path, "", "%s is not a number", describe(v))
		}
		if f.Bits == 32 {
			return uint64(math.Float32bits(float32(x))), nil
		}
		return math.Float64bits(x), nil
	case Flags:
		if s, ok := v.(string); ok {
			return f.flagBits(path, s)
		}
		if l, ok := v.([]any); ok {
			var all uint64
			for _, x := range l {
				s, _ := x.(string)
				b, err := f.flagBits(path, s)
				if err != nil {
					return 0, err
				}
				all |= b
			}
			return all, nil
		}
	}
	if s, ok := v.(string); ok {
		if n, ok := f.Enum.Value(s); ok {
			return n, nil
		}
		if f.Enum == nil {
			return 0, fieldErr(path, "", "%s is not a number", describe(v))
		}
		names := make([]string, len(*f.Enum))
		for i, e := range *f.Enum {
			names[i] = e.Name
		}
		hint := "a number, or one of " + listSome(names)
		if n := Nearest(s, names); n != "" {
			hint = fmt.Sprintf("did you mean %q?", n)
		}
		return 0, fieldErr(path, hint, "%q is no name of a value", s)
	}
	n, neg, whole, ok := toInteger(v)
	if !ok {
		return 0, fieldErr(path, "", "%s is not a number", describe(v))
	}
	if !whole {
		return 0, fieldErr(path, "", "%s is not a whole number", describe(v))
	}
	mask := ^uint64(0)
	if f.Bits < 64 {
		mask = 1<<uint(f.Bits) - 1
	}
	if f.Wraps {
		return n & mask, nil
	}
	if f.Kind == Int {
		lim := uint64(1) << uint(f.Bits-1)
		if neg && -n > lim || !neg && n >= lim {
			return 0, f.rangeErr(path, v, "-"+strconv.FormatUint(lim, 10), strconv.FormatUint(lim-1, 10))
		}
		return n & mask, nil
	}
	if neg || n > mask {
		return 0, f.rangeErr(path, v, "0", strconv.FormatUint(mask, 10))
	}
	return n, nil
}

func (f *Field) rangeErr(path string, v any, lo, hi string) error {
	name := f.Name
	if name == "" {
		name = "it"
	}
	hint := fmt.Sprintf("%s has %d bits", name, f.Bits)
	if f.Bits == 1 {
		hint = name + " has 1 bit"
	}
	if f.RFC != "" {
		hint += " (" + f.RFC + ")"
	}
	return fieldErr(path, hint, "%s is out of range %s..%s", describe(v), lo, hi)
}

func (f *Field) flagBits(path, s string) (uint64, error) {
	var all uint64
	single := true
	for _, l := range f.Letters {
		single = single && len(l) <= 1
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '|' || r == ',' || r == ' ' })
	if single {
		parts = strings.Split(s, "")
	}
next:
	for _, part := range parts {
		for i, l := range f.Letters {
			if l != "" && strings.EqualFold(l, part) {
				all |= 1 << uint(i)
				continue next
			}
		}
		return 0, fieldErr(path, fmt.Sprintf("the letters are %s", strings.Join(f.Letters, " ")), "%q has no flag %q", s, part)
	}
	return all, nil
}

// FlagText gives the letters of the flags that are set, in the table's order.
func (f *Field) FlagText(v uint64) string {
	var b strings.Builder
	for i, l := range f.Letters {
		if v>>uint(i)&1 != 0 {
			if len(l) > 1 && b.Len() > 0 {
				b.WriteByte('|')
			}
			b.WriteString(l)
		}
	}
	return b.String()
}

// toInteger takes any number apart. n is in two's complement.
func toInteger(v any) (n uint64, neg, whole, ok bool) {
	switch x := v.(type) {
	case uint64:
		return x, false, true, true
	case int64:
		return uint64(x), x < 0, true, true
	case int:
		return uint64(x), x < 0, true, true
	case uint16:
		return uint64(x), false, true, true
	case bool:
		if x {
			return 1, false, true, true
		}
		return 0, false, true, true
	case float64:
		if x != math.Trunc(x) || math.IsInf(x, 0) || math.IsNaN(x) {
			return 0, false, false, true
		}
		if x < 0 {
			if x < -(1 << 63) {
				return 0, false, false, true
			}
			return uint64(int64(x)), true, true, true
		}
		if x >= 1<<64 {
			return 0, false, false, true
		}
		return uint64(x), false, true, true
	case *big.Int:
		if x.Sign() < 0 {
			if x.IsInt64() {
				return uint64(x.Int64()), true, true, true
			}
			return 0, true, false, true
		}
		if !x.IsUint64() {
			return 0, false, false, true
		}
		return x.Uint64(), false, true, true
	}
	return 0, false, false, false
}

func toFloat(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	case int:
		return float64(x), true
	}
	return 0, false
}

func floatFrom(v uint64, bits int) Value {
	if bits == 32 {
		return float64(math.Float32frombits(uint32(v)))
	}
	return math.Float64frombits(v)
}

func toMAC(path string, v any) (MAC, error) {
	switch x := v.(type) {
	case MAC:
		return x, nil
	case []byte:
		if len(x) == 6 {
			return MAC(x), nil
		}
	case string:
		if m, ok := ParseMAC(x); ok {
			return m, nil
		}
	}
	return MAC{}, fieldErr(path, "six bytes in hex: '02:00:00:00:00:01'", "%s is no MAC address", describe(v))
}

// ParseMAC reads six bytes in hex, parted by ':' or '-'.
func ParseMAC(s string) (m MAC, ok bool) {
	if len(s) != 17 {
		return m, false
	}
	for i := range m {
		n, err := strconv.ParseUint(s[i*3:i*3+2], 16, 8)
		if err != nil || i < 5 && s[i*3+2] != ':' && s[i*3+2] != '-' {
			return m, false
		}
		m[i] = byte(n)
	}
	return m, true
}

func toAddr(path string, v any, six bool) (netip.Addr, error) {
	want := "IPv4 address"
	hint := "four numbers of 0..255: '192.0.2.1'"
	if six {
		want, hint = "IPv6 address", "such as '2001:db8::1'"
	}
	var a netip.Addr
	switch x := v.(type) {
	case netip.Addr:
		a = x
	case []byte:
		a, _ = netip.AddrFromSlice(x)
	case string:
		a, _ = netip.ParseAddr(x)
		a = a.WithZone("")
	}
	if !a.IsValid() {
		return a, fieldErr(path, hint, "%s is no %s", describe(v), want)
	}
	if six && a.Is4() || !six && !a.Is4() {
		if !six && a.Is4In6() {
			return a.Unmap(), nil
		}
		if six {
			hint = "an IPv4 address goes into ip({ … })"
		} else {
			hint = "an IPv6 address goes into ip6({ … })"
		}
		return a, fieldErr(path, hint, "%s is no %s", describe(v), want)
	}
	return a, nil
}

func toBytes(path string, v any) ([]byte, error) {
	switch x := v.(type) {
	case []byte:
		return x, nil
	case string:
		return []byte(x), nil
	}
	return nil, fieldErr(path, "a string, a Uint8Array or hex('…')", "%s is not bytes", describe(v))
}

func toText(path string, v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case []byte:
		return string(x), nil
	}
	return "", fieldErr(path, "", "%s is not a string", describe(v))
}

// describe shows a value as its author may have written it.
func describe(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case string:
		if len(x) > 60 {
			x = x[:57] + "..."
		}
		return "'" + x + "'"
	case []byte:
		return fmt.Sprintf("an array of %d bytes", len(x))
	case []any:
		return fmt.Sprintf("a list of %d", len(x))
	case Fields:
		return "an object"
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func listSome(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// Nearest returns the name most like the misspelt one, or "" when none is
// near enough to be meant: at most a third of its letters differ.
func Nearest(name string, names []string) string {
	best, least := "", len(name)/3+1
	if len(name) <= 2 {
		least = 1
	}
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d <= least && (best == "" || d < least) {
			best, least = n, d
		}
	}
	return best
}

// distance counts insertions, deletions, replacements and swaps of neighbours.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
