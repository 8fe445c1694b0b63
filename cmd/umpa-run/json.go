package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// maxSafe is the largest integer that JSON readers keep exactly (RFC 8259
// section 6).
const maxSafe = 1<<53 - 1

// appendJSON appends a field's value as JSON: objects in the table's order,
// bytes as { "hex": … }, numbers that a float64 would round as strings.
func appendJSON(b []byte, v packet.Value) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case uint64:
		if v > maxSafe {
			return appendString(b, strconv.FormatUint(v, 10))
		}
		return strconv.AppendUint(b, v, 10)
	case int64:
		if v > maxSafe || v < -maxSafe {
			return appendString(b, strconv.FormatInt(v, 10))
		}
		return strconv.AppendInt(b, v, 10)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		if j, err := json.Marshal(v); err == nil {
			return append(b, j...)
		}
		return append(b, "null"...) // not a number, infinite
	case string:
		return appendString(b, v)
	case []byte:
		b = append(b, `{"hex":"`...)
		b = hex.AppendEncode(b, v)
		return append(b, `"}`...)
	case packet.MAC:
		return appendString(b, v.String())
	case netip.Addr:
		return appendString(b, v.String())
	case packet.Fields:
		b = append(b, '{')
		for i, f := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, f.Name)
			b = append(b, ':')
			b = appendJSON(b, f.Value)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	case []string:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, item)
		}
		return append(b, ']')
	}
	return appendString(b, fmt.Sprint(v))
}

func appendString(b []byte, s string) []byte {
	j, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...)
	}
	return append(b, j...)
}
