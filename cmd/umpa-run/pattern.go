package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// parsePattern reads a pattern as it stands in a scenario's on():
//
//	{ ip: { dst: '10.0.0.0/8' }, tcp: { flags: { has: 'S', not: 'A' }, dport: [80, 443] } }
//
// That is JavaScript's syntax of literals, and nothing else of JavaScript:
// a capture is decoded without a runtime.
func parsePattern(text string) (packet.Fields, error) {
	s := &patternScanner{text: text}
	v, err := s.value(0)
	if err == nil && s.peek() != 0 {
		err = s.unexpected("the end")
	}
	if err != nil {
		return nil, err
	}
	fields, ok := v.(packet.Fields)
	if !ok {
		return nil, fmt.Errorf("a pattern is an object of protocols")
	}
	return fields, nil
}

type patternScanner struct {
	text string
	at   int
}

// mostNested bounds the parser's own recursion.
const mostNested = 32

// peek skips blanks and returns the next byte, 0 at the end.
func (s *patternScanner) peek() byte {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

func (s *patternScanner) unexpected(want string) error {
	if s.peek() == 0 {
		return fmt.Errorf("it ends where %s was expected", want)
	}
	r, _ := utf8.DecodeRuneInString(s.text[s.at:])
	return fmt.Errorf("column %d: %q where %s was expected", utf8.RuneCountInString(s.text[:s.at])+1, r, want)
}

func (s *patternScanner) value(depth int) (any, error) {
	if depth > mostNested {
		return nil, fmt.Errorf("nested deeper than %d", mostNested)
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(depth)
	case c == '[':
		s.at++
		list := []any{}
		for s.peek() != ']' {
			v, err := s.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
			if s.peek() == ',' {
				s.at++
			} else if s.peek() != ']' {
				return nil, s.unexpected("',' or ']'")
			}
		}
		s.at++
		return list, nil
	case c == '\'' || c == '"' || c == '`':
		return s.quoted(c)
	case c == '/':
		return s.regexp()
	case c >= '0' && c <= '9' || c == '-' || c == '.':
		return s.number()
	}
	switch word := s.word(); word {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "":
		return nil, s.unexpected("a value")
	default:
		s.at -= len(word)
		return nil, s.unexpected("a value (text stands in quotes)")
	}
}

func (s *patternScanner) object(depth int) (any, error) {
	s.at++ // the brace
	fields := packet.Fields{}
	for s.peek() != '}' {
		var name string
		var err error
		if c := s.peek(); c == '\'' || c == '"' {
			name, err = s.quoted(c)
		} else if name = s.word(); name == "" {
			err = s.unexpected("a name or '}'")
		}
		if err != nil {
			return nil, err
		}
		if s.peek() != ':' {
			return nil, s.unexpected("':'")
		}
		s.at++
		v, err := s.value(depth + 1)
		if err != nil {
			return nil, err
		}
		fields = append(fields, packet.FieldValue{Name: name, Value: v})
		if s.peek() == ',' {
			s.at++
		} else if s.peek() != '}' {
			return nil, s.unexpected("',' or '}'")
		}
	}
	s.at++
	if depth == 0 {
		return fields, nil
	}
	return condition(fields), nil
}

// condition is what an object says of a value when it is not a nested pattern:
// { min, max }, { not }, { has, not }.
func condition(f packet.Fields) any {
	only := func(names ...string) bool {
		for _, v := range f {
			found := false
			for _, n := range names {
				found = found || v.Name == n
			}
			if !found {
				return false
			}
		}
		return len(f) > 0
	}
	text := func(name string) string {
		t, _ := f.Get(name).(string)
		return t
	}
	switch {
	case only("min", "max"):
		return packet.Range{Min: f.Get("min"), Max: f.Get("max")}
	case only("has", "not") && f.Get("has") != nil:
		return packet.HasFlags{Has: text("has"), Not: text("not")}
	case only("not"):
		return packet.Not{Test: f.Get("not")}
	}
	return f
}

func (s *patternScanner) word() string {
	start := s.at
	for s.at < len(s.text) {
		c := s.text[s.at]
		if c != '_' && c != '$' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		s.at++
	}
	return s.text[start:s.at]
}

func (s *patternScanner) quoted(quote byte) (string, error) {
	start := s.at
	var b strings.Builder
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case quote:
			s.at++
			return b.String(), nil
		case '\\':
			r, _, rest, err := strconv.UnquoteChar(s.text[s.at:], quote)
			if err != nil {
				return "", s.unexpected("an escape such as \\n or \\x00")
			}
			b.WriteRune(r)
			s.at = len(s.text) - len(rest) - 1
		default:
			b.WriteByte(c)
		}
	}
	s.at = start
	return "", fmt.Errorf("column %d: a string without its closing %c", start+1, quote)
}

func (s *patternScanner) number() (any, error) {
	start := s.at
	for s.at < len(s.text) && strings.IndexByte("+-.0123456789abcdefxnABCDEFX_", s.text[s.at]) >= 0 {
		s.at++
	}
	digits := strings.TrimSuffix(s.text[start:s.at], "n") // a BigInt is matched like a number
	if n, err := strconv.ParseUint(digits, 0, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseFloat(digits, 64); err == nil && !math.IsInf(n, 0) {
		if n == math.Trunc(n) && n >= 0 && n <= maxSafe {
			return uint64(n), nil
		}
		return n, nil
	}
	s.at = start
	return nil, s.unexpected("a number")
}

// regexp reads /…/ with the flags i, s and m.
func (s *patternScanner) regexp() (any, error) {
	start := s.at
	class := false
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case '[':
			class = true
		case ']':
			class = false
		case '/':
			if class {
				continue
			}
			body := s.text[start+1 : s.at]
			s.at++
			if flags := strings.ReplaceAll(s.word(), "u", ""); flags != "" {
				body = "(?" + flags + ")" + body
			}
			re, err := regexp.Compile(body)
			if err != nil {
				return nil, fmt.Errorf("column %d: %w", start+1, err)
			}
			return re, nil
		}
	}
	return nil, fmt.Errorf("column %d: a regular expression without its closing /", start+1)
}
