package jsapi

import "testing"

// TestMatchBytes has bytes in patterns, which are objects to JavaScript.
func TestMatchBytes(t *testing.T) {
	for _, tt := range []struct{ pattern, want string }{
		{"{ payload: hex('616263') }", "true"},
		{"{ payload: hex('616263').buffer }", "true"},
		{"{ payload: [hex('00'), hex('616263')] }", "true"},
		{"{ payload: { not: hex('616263') } }", "false"},
		{"{ payload: hex('6162') }", "false"},
		{"{ payload: new Uint8Array(0) }", "false"},
		{"{ udp: {}, payload: 'abc' }", "true"},
	} {
		s := newScene(t)
		if got := s.eval("packet(ip(), udp(), 'abc').matches(" + tt.pattern + ")"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.pattern, got, tt.want)
		}
	}
	s := newScene(t)
	s.run("var p = packet(ip(), udp(), dhcp({ options: { clientId: hex('0102') } }))")
	for pattern, want := range map[string]string{"hex('0102')": "true", "hex('0103')": "false"} {
		if got := s.eval("p.matches({ dhcp: { options: { clientId: " + pattern + " } } })"); got != want {
			t.Errorf("clientId %s: %s, want %s", pattern, got, want)
		}
	}
}
