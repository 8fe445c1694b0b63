package jsapi

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// units of a duration, in the order they are looked for: "ms" before "s".
var units = []struct {
	suffix string
	unit   time.Duration
}{
	{"ns", time.Nanosecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"ms", time.Millisecond},
	{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}, {"w", 7 * 24 * time.Hour},
}

const durationHint = "milliseconds, or a number with a unit: 250, '250ms', '1.5s', '10m', '2h', '1w'"

// ParseDuration reads what the contract calls a duration: a number of
// milliseconds, or one with a unit (ns us ms s m h d w). It is not negative,
// and what is longer than 292 years is an error.
func ParseDuration(s string) (time.Duration, error) {
	number, unit := strings.TrimSpace(s), time.Millisecond
	for _, u := range units {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(n), u.unit
			break
		}
	}
	x, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, &mistake{"'" + s + "' is no duration", durationHint}
	}
	return scale(s, x, unit)
}

func scale(text string, x float64, unit time.Duration) (time.Duration, error) {
	switch d := math.Round(x * float64(unit)); {
	case math.IsNaN(x), math.IsInf(x, 0):
		return 0, &mistake{text + " is no duration", durationHint}
	case d < 0:
		return 0, &mistake{"the duration " + text + " is negative", ""}
	case d >= math.MaxInt64:
		return 0, &mistake{"the duration " + text + " is too long", "at most 292 years"}
	default:
		return time.Duration(d), nil
	}
}

// duration reads a script's duration, and throws where it is none.
func (a *API) duration(v goja.Value) time.Duration {
	var (
		d   time.Duration
		err error
	)
	switch {
	case v != nil && goja.IsNumber(v):
		d, err = scale(v.String(), v.ToFloat(), time.Millisecond)
	case v != nil && goja.IsString(v):
		d, err = ParseDuration(v.String())
	default:
		err = &mistake{a.describe(v) + " is no duration", durationHint}
	}
	if err != nil {
		a.throw(err)
	}
	return d
}
