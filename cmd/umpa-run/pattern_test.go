package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umpa-run/umpa-run/netio/packet"
)

func TestParsePattern(t *testing.T) {
	type F = packet.Fields
	tests := []struct {
		text string
		want F
	}{
		{"{}", F{}},
		{"{ ip: {} }", F{{Name: "ip", Value: F{}}}},
		{"{vlan:false,ip:true,}", F{{Name: "vlan", Value: false}, {Name: "ip", Value: true}}},
		{"{ tcp: { flags: 'SA', dport: [80, 0x1bb] } }", F{{Name: "tcp", Value: F{
			{Name: "flags", Value: "SA"}, {Name: "dport", Value: []any{uint64(80), uint64(443)}}}}}},
		{`{ "tcp": { flags: { has: "S", not: 'AR' } } }`, F{{Name: "tcp", Value: F{
			{Name: "flags", Value: packet.HasFlags{Has: "S", Not: "AR"}}}}}},
		{"{ ip: { ttl: { min: 1 } } }", F{{Name: "ip", Value: F{{Name: "ttl", Value: packet.Range{Min: uint64(1)}}}}}},
		{"{ ip: { src: { not: '10.0.0.0/8' } } }", F{{Name: "ip", Value: F{{Name: "src", Value: packet.Not{Test: "10.0.0.0/8"}}}}}},
		{"{ ntp: { offset: -5, seq: 18446744073709551615n } }", F{{Name: "ntp", Value: F{
			{Name: "offset", Value: int64(-5)}, {Name: "seq", Value: uint64(1<<64 - 1)}}}}},
		{`{ payload: 'a\'b\x41é' }`, F{{Name: "payload", Value: "a'bAé"}}},
		{"{ udp: { sport: 1e3 } }", F{{Name: "udp", Value: F{{Name: "sport", Value: uint64(1000)}}}}},
	}
	for _, test := range tests {
		got, err := parsePattern(test.text)
		if err != nil {
			t.Errorf("parsePattern(%q): %v", test.text, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("parsePattern(%q) (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestParsePatternRegexp(t *testing.T) {
	got, err := parsePattern(`{ payload: /^get [/x]\/y/i }`)
	if err != nil {
		t.Fatal(err)
	}
	re, ok := got.Get("payload").(packet.Regexp)
	if !ok {
		t.Fatalf("payload is %T, want a regular expression", got.Get("payload"))
	}
	if !re.MatchString("GET //y") || re.MatchString("PUT //y") {
		t.Error("the expression does not match as it should")
	}
}

func TestParsePatternErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "ends where a value"},
		{"{", "ends where a name or '}'"},
		{"{ ip }", "column 6: '}' where ':'"},
		{"{ ip: tcp }", "column 7: 't' where a value (text stands in quotes)"},
		{"{ ip: { ttl: 6x4 } }", "column 14: '6' where a number"},
		{"{ ip: 'x }", "column 7: a string without its closing '"},
		{"{} {}", "column 4: '{' where the end"},
		{"'ip'", "object of protocols"},
		{"{ a: /(/ }", "column 6: error parsing regexp"},
		{"{ a: " + strings.Repeat("[", 100), "nested deeper"},
	}
	for _, test := range tests {
		_, err := parsePattern(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("parsePattern(%q): error %v, want one with %q", test.text, err, test.want)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, seed := range []string{"{ tcp: { flags: 'SA', dport: [80, 443] } }", `{ a: /x/i, b: "\u0041", c: { min: 1, max: 2n } }`, "{ a: { has: 'S', not: 1 } }"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pattern, err := parsePattern(text)
		if err == nil && pattern == nil {
			t.Error("neither a pattern nor an error")
		}
	})
}
