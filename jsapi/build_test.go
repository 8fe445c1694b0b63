package jsapi

import "testing"

func TestBuilderConstants(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"icmp.ECHO_REQUEST", "8"},
		{"icmp.ECHO_REQEST", "TypeError: icmp has no constant ECHO_REQEST | did you mean ECHO_REQUEST?"},
		{"'ECHO_REQEST' in icmp", "false"},
		{"icmp.echoReqest", "undefined"},
		{"Object.keys(arp).includes('REQUEST')", "true"},
		{"icmp.call(null, { seq: 7 }).seq", "7"},
		{"typeof udp.bind, udp instanceof Function", "true"},
		{"icmp.name", "icmp"},
		{"icmp.mine = 3; icmp.mine", "3"},
		{"protocol('kv', { fields: [field.u8('op', { enum: { GET: 1 } })] }).GETS", "TypeError: kv has no constant GETS | did you mean GET?"},
	} {
		if got := newScene(t).eval(tt.src); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.src, got, tt.want)
		}
	}
}
