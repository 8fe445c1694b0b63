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

// TestBuiltError has what a built ICMP error quotes read as its bytes will be.
func TestBuiltError(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"packet(eth(), ip(), icmp({ type: 'unreachable' }), packet(ip({ dst: '10.0.0.5' }), udp({ dport: 9 }), 'a'))", "false,10.0.0.5,9,a"},
		{"packet(eth(), ip(), icmp({ type: 'unreachable' }), ip({ dst: '10.0.0.5' }), udp({ dport: 9 }), 'a')", "false,10.0.0.5,9,a"},
		{"packet(packet(eth(), ip(), icmp({ type: 'timeExceeded' })), ip({ dst: '10.0.0.5' }), udp({ dport: 9 }), 'a')", "false,10.0.0.5,9,a"},
	} {
		s := newScene(t)
		s.run("const show = p => [p.has('udp'), p.quoted.ip.dst, p.quoted.udp.dport, String.fromCharCode(...p.quoted.payload)].join(); const p = " + tt.src)
		for _, of := range []string{"p", "parse(p.bytes)"} {
			if got := s.eval("show(" + of + ")"); got != tt.want {
				t.Errorf("%s: %s: %s, want %s", tt.src, of, got, tt.want)
			}
			if got := s.eval(of + ".errors.join()"); got != "" {
				t.Errorf("%s: %s: errors %s", tt.src, of, got)
			}
		}
	}
	if got, want := newScene(t).eval("packet(ip(), icmp({ type: 'unreachable' }), ip({ ttl: random.int(1, 2) }))"), "TypeError: packet: what an ICMP error quotes cannot vary | vary the headers in front of it"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
