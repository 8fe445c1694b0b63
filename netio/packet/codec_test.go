package packet

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// arrived decodes the bytes of a built packet, as the other side sees it.
func arrived(t testing.TB, p *Packet) *Packet {
	t.Helper()
	q := new(Packet)
	Builtin().Decode(q, bytes.Clone(p.Data), protoEth)
	return q
}

func field(t testing.TB, p *Packet, layer, name string) Value {
	t.Helper()
	i := p.FindName(layer, 0)
	if i < 0 {
		t.Fatalf("no %s in %s", layer, p.Summary())
	}
	v, _ := p.Script(i, p.refs[i].Proto.Field(name))
	return v
}

// TestToldIsKept: what is told stays, what is not is worked out.
func TestToldIsKept(t *testing.T) {
	eth := part{"eth", Fields{{"dst", "02:00:00:00:00:02"}}}
	ip := func(more ...FieldValue) part {
		return part{"ip", append(Fields{{"src", "192.0.2.1"}, {"dst", "192.0.2.2"}}, more...)}
	}
	udp := func(more ...FieldValue) part {
		return part{"udp", append(Fields{{"sport", 1000}, {"dport", 2000}}, more...)}
	}
	// The words of pseudo-header and UDP header of these packets sum to
	// 0xffff with this one as payload, so that the checksum comes out as 0.
	zero := build16(t, eth, ip(), udp())
	tests := []struct {
		name         string
		parts        []part
		layer, field string
		want         any
		errors       []string
	}{
		{"checksum worked out", []part{eth, ip(), udp(), textPart("hello")}, "udp", "checksum", uint64(0x2c46), nil},
		{"wrong checksum", []part{eth, ip(), udp(FieldValue{"checksum", 0x1234}), textPart("hello")}, "udp", "checksum", uint64(0x1234),
			[]string{"udp: checksum 0x1234 is wrong, 0x2c46 would be right"}},
		{"forced zero checksum", []part{eth, ip(), udp(FieldValue{"checksum", 0}), textPart("hello")}, "udp", "checksum", uint64(0), nil},
		{"computed zero is sent as ones", []part{eth, ip(), udp(), textPart(zero)}, "udp", "checksum", uint64(0xffff), nil},
		{"checksum from float", []part{eth, ip(), udp(FieldValue{"checksum", 4660.0}), textPart("hello")}, "udp", "checksum", uint64(0x1234),
			[]string{"udp: checksum 0x1234 is wrong, 0x2c46 would be right"}},
		{"length worked out", []part{eth, ip(), udp(), textPart("hello")}, "ip", "length", uint64(33), nil},
		{"length too long", []part{eth, ip(FieldValue{"length", 100}), udp(), textPart("hello")}, "ip", "length", uint64(100),
			[]string{"ip: length 100 goes beyond the packet: 100 bytes are told, 33 there"}},
		{"length of udp too short", []part{eth, ip(), udp(FieldValue{"length", 4}, FieldValue{"checksum", 0}), textPart("hello")}, "udp", "length", uint64(4),
			[]string{"udp: length 4 is shorter than the header of 8 bytes"}},
		{"header length below the least", []part{eth, ip(FieldValue{"headerLength", 3}, FieldValue{"checksum", 0}, FieldValue{"protocol", 253}), textPart("x")}, "ip", "headerLength", uint64(3),
			[]string{"ip: checksum 0x0000 is wrong, 0xb5a6 would be right", "ip: headerLength 3 is below the least, 5"}},
		{"header length beyond", []part{eth, ip(FieldValue{"headerLength", 15}, FieldValue{"length", 0}), textPart("x")}, "ip", "headerLength", uint64(15), []string{"ip: header cut off: 21 of 60 bytes"}},
		{"protocol worked out", []part{eth, ip(), udp()}, "ip", "protocol", uint64(17), nil},
		{"protocol told", []part{eth, ip(FieldValue{"protocol", "tcp"}), udp()}, "ip", "protocol", uint64(6), []string{"tcp: header cut off: 8 of 20 bytes"}},
		{"port of what is carried", []part{eth, ip(), {"udp", Fields{{"sport", 1000}}}, {"dns", nil}}, "udp", "dport", uint64(53), nil},
		{"port told", []part{eth, ip(), {"udp", Fields{{"dport", 5353}}}, {"dns", nil}}, "udp", "dport", uint64(5353), nil},
		{"own address", []part{{"eth", nil}, {"ip", Fields{{"dst", "192.0.2.2"}}}}, "ip", "src", "192.0.2.1", nil},
		{"own identification", []part{{"eth", nil}, {"ip", Fields{{"dst", "192.0.2.2"}}}}, "ip", "id", uint64(0x4242), nil},
		{"count worked out", []part{eth, ip(), udp(FieldValue{"dport", 53}), {"dns", Fields{{"questions", []any{Fields{{"name", "a"}}, Fields{{"name", "b"}}}}}}}, "dns", "qdcount", uint64(2), nil},
		{"count told", []part{eth, ip(), udp(FieldValue{"dport", 53}), {"dns", Fields{{"qdcount", 3}, {"questions", []any{Fields{{"name", "a"}}}}}}}, "dns", "qdcount", uint64(3),
			[]string{"dns: name: the name is cut off"}},
		{"sequence numbers wrap", []part{eth, ip(), {"tcp", Fields{{"seq", 4294967296.0 + 5}}}}, "tcp", "seq", uint64(5), nil},
		{"negative sequence number", []part{eth, ip(), {"tcp", Fields{{"seq", -1}}}}, "tcp", "seq", uint64(0xffffffff), nil},
		{"flags by letters", []part{eth, ip(), {"tcp", Fields{{"flags", "AS"}}}}, "tcp", "flags", "SA", nil},
		{"reserved bit", []part{eth, ip(FieldValue{"reserved", 1})}, "ip", "reserved", uint64(1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := arrived(t, buildParts(t, tt.parts...))
			if got := field(t, p, tt.layer, tt.field); got != tt.want {
				t.Errorf("%s.%s is %#v, want %#v\n%s", tt.layer, tt.field, got, tt.want, p.Show())
			}
			if diff := cmp.Diff(tt.errors, p.Errors(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("errors (-want +got)\n%s", diff)
			}
		})
	}
}

// build16 is the two bytes of payload with which the packet's UDP checksum
// comes out as zero: the checksum it has with a payload of zeros.
func build16(t *testing.T, parts ...part) string {
	t.Helper()
	p := buildParts(t, append(parts, textPart("\x00\x00"))...)
	v, _ := p.Uint(p.FindName("udp", 0), protoUDP.Field("checksum"))
	return string([]byte{byte(v >> 8), byte(v)})
}

// TestFieldErrors: a mistake says where, what was wrong, and what would be right.
func TestFieldErrors(t *testing.T) {
	tests := []struct {
		layer       string
		fields      Fields
		error, hint string
	}{
		{"ip", Fields{{"ttl", 300}}, "ip.ttl: 300 is out of range 0..255", "ttl has 8 bits (RFC 791 section 3.1)"},
		{"ip", Fields{{"ttl", -1}}, "ip.ttl: -1 is out of range 0..255", "ttl has 8 bits (RFC 791 section 3.1)"},
		{"ip", Fields{{"ttl", 1.5}}, "ip.ttl: 1.5 is not a whole number", ""},
		{"ip", Fields{{"ttl", "many"}}, "ip.ttl: 'many' is not a number", ""},
		{"ip", Fields{{"dst", "10.0.0.256"}}, "ip.dst: '10.0.0.256' is no IPv4 address", "four numbers of 0..255: '192.0.2.1'"},
		{"ip", Fields{{"dst", "2001:db8::1"}}, "ip.dst: '2001:db8::1' is no IPv4 address", "an IPv6 address goes into ip6({ … })"},
		{"ip", Fields{{"dsn", 1}}, `ip: there is no field "dsn"`, `did you mean "dst"?`},
		{"eth", Fields{{"src", "02:00"}}, "eth.src: '02:00' is no MAC address", "six bytes in hex: '02:00:00:00:00:01'"},
		{"vlan", Fields{{"id", 5000}}, "vlan.id: 5000 is out of range 0..4095", "id has 12 bits (IEEE 802.1Q section 9.6)"},
		{"arp", Fields{{"op", "requets"}}, `arp.op: "requets" is no name of a value`, `did you mean "request"?`},
		{"icmp", Fields{{"type", "timeExceeded"}, {"seq", 1}}, "", ""},
		{"icmp", Fields{{"type", "redirect"}, {"id", 1}}, "icmp.id: there is no such field here", "id depends on type"},
		{"tcp", Fields{{"flags", "SX"}}, `tcp.flags: "SX" has no flag "X"`, "the letters are F S R P A U E C"},
		{"tcp", Fields{{"options", Fields{{"mss", 70000}}}}, "tcp.options.mss: 70000 is out of range 0..65535", "mss has 16 bits (RFC 9293 section 3.2)"},
		{"tcp", Fields{{"options", Fields{{"msss", 1}}}}, `tcp.options: there is no option "msss"`, `did you mean "mss"?`},
		{"dns", Fields{{"questions", []any{Fields{{"name", "a"}, {"typ", 1}}}}}, `dns.questions[0]: there is no field "typ"`, `did you mean "type"?`},
		{"dns", Fields{{"questions", []any{Fields{{"name", strings.Repeat("a", 64) + ".com"}}}}}, "", ""},
		{"dns", Fields{{"answers", []any{Fields{{"name", "a"}, {"type", "MX"}, {"data", Fields{{"preference", 1 << 16}}}}}}}, "dns.answers[0].data.preference: 65536 is out of range 0..65535", ""},
		{"dhcp", Fields{{"options", Fields{{"leaseTime", 1 << 33}}}}, "dhcp.options.leaseTime: 8589934592 is out of range 0..4294967295", ""},
		{"dhcp", Fields{{"options", Fields{{"messageType", "offr"}}}}, `dhcp.options.messageType: "offr" is no name of a value`, `did you mean "offer"?`},
		{"dhcp", Fields{{"sname", strings.Repeat("x", 65)}}, "dhcp.sname: 65 bytes are more than the 64 it has", ""},
	}
	for _, tt := range tests {
		_, err := New(Builtin(), Builtin().Proto(tt.layer), tt.fields)
		var fe *FieldError
		if !errors.As(err, &fe) {
			if tt.error != "" || err != nil {
				t.Errorf("%s %v: error %v, want %q", tt.layer, tt.fields, err, tt.error)
			}
			continue
		}
		if tt.error != "" && fe.Error() != tt.error {
			t.Errorf("%s %v:\n got %s\nwant %s", tt.layer, tt.fields, fe, tt.error)
		}
		if tt.hint != "" && fe.Hint != tt.hint {
			t.Errorf("%s %v: hint %q, want %q", tt.layer, tt.fields, fe.Hint, tt.hint)
		}
	}
}

// TestWith: lengths follow, checksums follow by difference, what was wrong
// stays as wrong.
func TestWith(t *testing.T) {
	good := []part{{"eth", Fields{{"dst", "02:00:00:00:00:02"}}}, {"ip", Fields{{"dst", "192.0.2.2"}, {"ttl", 64}}}, {"udp", Fields{{"sport", 1000}, {"dport", 2000}}}, textPart("hello")}
	t.Run("good stays good", func(t *testing.T) {
		p := arrived(t, buildParts(t, good...))
		q, err := p.With([]Change{{Proto: protoIP, Fields: Fields{{"ttl", 63}, {"src", "192.0.2.77"}}}, {Payload: []byte("a longer payload")}})
		if err != nil {
			t.Fatal(err)
		}
		if errs := q.Errors(); len(errs) > 0 {
			t.Errorf("errors %q", errs)
		}
		if n := field(t, q, "ip", "length"); n != uint64(44) {
			t.Errorf("ip.length %v, want 44", n)
		}
		if n := field(t, q, "udp", "length"); n != uint64(24) {
			t.Errorf("udp.length %v, want 24", n)
		}
		if field(t, p, "ip", "ttl") != uint64(64) || string(p.Payload()) != "hello" {
			t.Error("the received packet changed")
		}
	})
	t.Run("no change, same bytes", func(t *testing.T) {
		for n, frame := range readCapture(t, "golden.pcap") {
			var p Packet
			Builtin().Decode(&p, frame, protoEth)
			q, err := p.With(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(q.Data, frame) {
				t.Errorf("packet %d differs", n+1)
			}
		}
	})
	t.Run("wrong stays wrong", func(t *testing.T) {
		wrong := []part{good[0], {"ip", append(Fields{{"checksum", 0x1111}}, good[1].fields...)}, {"udp", append(Fields{{"checksum", 0x2222}}, good[2].fields...)}, good[3]}
		p := arrived(t, buildParts(t, wrong...))
		off := func(p *Packet, layer string) uint16 {
			i := p.FindName(layer, 0)
			have, _ := p.Uint(i, p.refs[i].Proto.Field("checksum"))
			want, _ := p.checksum(i)
			return fold16(have + uint64(^uint16(want)))
		}
		q, err := p.With([]Change{{Proto: protoIP, Fields: Fields{{"ttl", 9}, {"dst", "192.0.2.99"}}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range []string{"ip", "udp"} {
			if a, b := off(p, layer), off(q, layer); a != b || a == 0 {
				t.Errorf("%s was off by %#x, is off by %#x", layer, a, b)
			}
		}
	})
	t.Run("zero UDP checksum stays", func(t *testing.T) {
		p := arrived(t, buildParts(t, good[0], good[1], part{"udp", append(Fields{{"checksum", 0}}, good[2].fields...)}, good[3]))
		q, err := p.With([]Change{{Proto: protoIP, Fields: Fields{{"dst", "192.0.2.99"}}}})
		if err != nil {
			t.Fatal(err)
		}
		if v := field(t, q, "udp", "checksum"); v != uint64(0) {
			t.Errorf("checksum %#x, want 0", v)
		}
	})
	t.Run("told by the change", func(t *testing.T) {
		p := arrived(t, buildParts(t, good...))
		q, err := p.With([]Change{{Proto: protoUDP, Fields: Fields{{"checksum", 0xbeef}, {"length", 9}}}})
		if err != nil {
			t.Fatal(err)
		}
		if field(t, q, "udp", "checksum") != uint64(0xbeef) || field(t, q, "udp", "length") != uint64(9) {
			t.Errorf("not kept:\n%s", q.Show())
		}
	})
	t.Run("options move what follows", func(t *testing.T) {
		p := arrived(t, buildParts(t, good[0], good[1], part{"tcp", Fields{{"dport", 9999}}}, textPart("data")))
		q, err := p.With([]Change{{Proto: protoTCP, Fields: Fields{{"options", Fields{{"mss", 1400}, {"windowScale", 3}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if errs := q.Errors(); len(errs) > 0 || string(q.Payload()) != "data" || field(t, q, "tcp", "dataOffset") != uint64(7) {
			t.Errorf("errors %q\n%s", errs, q.Show())
		}
	})
	t.Run("count follows list", func(t *testing.T) {
		p := arrived(t, buildParts(t, good[0], good[1], part{"udp", nil}, part{"dns", Fields{{"questions", []any{Fields{{"name", "a.example"}}}}}}))
		q, err := p.With([]Change{{Proto: protoDNS, Fields: Fields{{"qr", 1}, {"answers", []any{Fields{{"name", "a.example"}, {"data", "192.0.2.5"}}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if errs := q.Errors(); len(errs) > 0 || field(t, q, "dns", "ancount") != uint64(1) {
			t.Errorf("errors %q\n%s", errs, q.Show())
		}
	})
	t.Run("no such layer", func(t *testing.T) {
		_, err := arrived(t, buildParts(t, good...)).With([]Change{{Proto: protoTCP, Fields: Fields{{"sport", 1}}}})
		if err == nil || err.Error() != "tcp: the packet has no such layer" {
			t.Errorf("error %v", err)
		}
	})
}

// TestSet: fields of a built packet can be assigned, lists as a whole; what is
// worked out follows, what was told stays.
func TestSet(t *testing.T) {
	p := buildParts(t, part{"eth", nil}, part{"ip", Fields{{"dst", "192.0.2.2"}}}, part{"tcp", Fields{{"dport", 9999}}}, textPart("data"))
	i := p.FindName("tcp", 0)
	steps := []struct {
		layer int
		name  string
		value Value
	}{
		{i, "options", Fields{{"mss", 1400}}}, {i - 1, "options", []any{Fields{{"type", 148}, {"data", []byte{0, 0}}}}}, {i, "flags", "SA"},
		{i, "options", Fields{{"mss", 1400}, {"timestamps", []any{1, 2}}}}, {i - 1, "ttl", 3}, {i, "options", nil}, {i - 1, "options", []any{}},
	}
	for _, s := range steps {
		if err := p.Set(s.layer, p.refs[s.layer].Proto.Field(s.name), s.value); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if err := p.Finish(oracleEnv); err != nil {
			t.Fatal(err)
		}
		q := arrived(t, p)
		if errs := q.Errors(); len(errs) > 0 || string(q.Payload()) != "data" {
			t.Fatalf("after %s = %v: errors %q\n%s", s.name, s.value, errs, q.Show())
		}
	}
	if len(p.Data) != 14+20+20+4 {
		t.Errorf("options are still there: %s", p.Show())
	}
	if err := arrived(t, p).Set(i, protoTCP.Field("sport"), 1); err == nil || err.Error() != "tcp.sport: a received packet cannot be changed" {
		t.Errorf("a received packet: %v", err)
	}
}

// TestOverlays: which fields a header has depends on its type.
func TestOverlays(t *testing.T) {
	tests := []struct {
		layer  string
		fields Fields
		want   string // the header's second word on
		has    []string
		hasNot []string
	}{
		{"icmp", Fields{{"id", 1}, {"seq", 2}}, "00010002", []string{"id", "seq"}, []string{"gateway", "mtu", "pointer"}},
		{"icmp", Fields{{"type", "redirect"}, {"gateway", "192.0.2.7"}}, "c0000207", []string{"gateway"}, []string{"id", "seq", "mtu"}},
		{"icmp", Fields{{"type", "unreachable"}, {"code", "fragmentationNeeded"}, {"mtu", 1400}}, "00000578", []string{"mtu"}, []string{"id", "gateway"}},
		{"icmp", Fields{{"type", "parameterProblem"}, {"pointer", 9}}, "09000000", []string{"pointer"}, []string{"id", "mtu"}},
		{"icmp", Fields{{"type", "timeExceeded"}}, "00000000", nil, []string{"id", "mtu", "pointer"}},
		{"icmp6", Fields{{"id", 1}, {"seq", 2}}, "00010002", []string{"id", "seq"}, []string{"target", "mtu", "options"}},
		{"icmp6", Fields{{"type", "packetTooBig"}, {"mtu", 1280}}, "00000500", []string{"mtu"}, []string{"id", "target", "options"}},
		{"icmp6", Fields{{"type", "neighborAdvertisement"}, {"target", "fe80::1"}, {"router", 1}, {"override", 1}}, "a0000000fe800000000000000000000000000001",
			[]string{"target", "router", "options"}, []string{"id", "mtu", "managed"}},
		{"icmp6", Fields{{"type", "routerSolicitation"}, {"options", Fields{{"sourceMac", "02:00:00:00:00:01"}}}}, "000000000101020000000001", []string{"options"}, []string{"target"}},
	}
	for _, tt := range tests {
		p, err := New(Builtin(), Builtin().Proto(tt.layer), tt.fields)
		if err != nil {
			t.Errorf("%v: %v", tt.fields, err)
			continue
		}
		if got := hexText(p.Data[4:]); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.fields, got, tt.want)
		}
		for _, names := range [][]string{tt.has, tt.hasNot} {
			for _, name := range names {
				f := p.refs[0].Proto.Field(name)
				if _, ok := p.Value(0, f); ok != (len(tt.has) > 0 && &names[0] == &tt.has[0]) {
					t.Errorf("%v: has %s: %v", tt.fields, name, ok)
				}
			}
		}
	}
}

func hexText(b []byte) string { return hexObject(b)[0].Value.(string) }

func TestQuoted(t *testing.T) {
	inner := buildParts(t, part{"eth", Fields{{"dst", "02:00:00:00:00:02"}}}, part{"ip", Fields{{"dst", "192.0.2.2"}}}, part{"tcp", Fields{{"sport", 7}, {"dport", 9999}, {"seq", 99}}}, textPart("data"))
	e, err := arrived(t, inner).Error(&Env{IPv4: netip.MustParseAddr("192.0.2.2")}, "unreachable", ErrorOptions{Code: "port"})
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(e.Data); cut > 14+20+8+20; cut-- { // however short the quote, it is read and no error
		short := bytes.Clone(e.Data[:cut])
		icmp := part{"icmp", Fields{{"type", "unreachable"}, {"code", "port"}}}
		p := arrived(t, buildParts(t, part{"eth", nil}, part{"ip", Fields{{"dst", "192.0.2.1"}}}, icmp, textPart(string(short[42:]))))
		q := p.Quoted()
		if q == nil || len(p.Errors())+len(q.Errors()) > 0 {
			t.Fatalf("%d bytes quoted: %v, errors %q", cut-42, q, p.Errors())
		}
		if got := field(t, q, "ip", "dst"); got != "192.0.2.2" {
			t.Errorf("quoted ip.dst %v", got)
		}
	}
	if q := arrived(t, inner).Quoted(); q != nil {
		t.Errorf("a TCP segment quotes %s", q.Summary())
	}
}

func TestFlow(t *testing.T) {
	env := &Env{MAC: MAC{2, 0, 0, 0, 0, 2}, IPv4: netip.MustParseAddr("192.0.2.2"), IPv6: netip.MustParseAddr("2001:db8::2")}
	for name, want := range map[string]string{
		"arp request": "arp 192.0.2.1 192.0.2.2",
		"icmp echo":   "icmp 192.0.2.1 192.0.2.2 id 1",
		"udp":         "udp 192.0.2.1:1000 192.0.2.2:2000",
		"udp6 odd":    "udp [2001:db8::1]:1000 [2001:db8::2]:2000",
		"tcp syn":     "tcp 192.0.2.1:40000 192.0.2.2:80",
		"vlan":        "udp 192.0.2.1:49152 192.0.2.2:6100",
		"icmp6 echo":  "icmp6 2001:db8::1 2001:db8::2 id 3",
		"dest":        "udp [2001:db8::1]:49152 [2001:db8::2]:5000",
		"ip in ip":    "ip 192.0.2.1 192.0.2.2 protocol 4",
	} {
		p := arrived(t, buildParts(t, constructions()[name]...))
		if got := p.Flow(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		r, err := p.Reply(env, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Flow(); got != want {
			t.Errorf("reply to %s: %q, want %q", name, got, want)
		}
	}
	// The port orders where the addresses do not.
	a := buildParts(t, part{"ip", Fields{{"src", "192.0.2.1"}, {"dst", "192.0.2.1"}}}, part{"udp", Fields{{"sport", 9}, {"dport", 8}}})
	if got := a.Flow(); got != "udp 192.0.2.1:8 192.0.2.1:9" {
		t.Error(got)
	}
}

func TestSummary(t *testing.T) {
	for name, want := range map[string]string{
		"arp request":    "eth 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff arp who has 192.0.2.2? tell 192.0.2.1",
		"arp reply":      "eth 02:00:00:00:00:01 > 02:00:00:00:00:02 arp reply 192.0.2.1 is at 02:00:00:00:00:01",
		"qinq":           "vlan 5 vlan 6 priority 7 ip 192.0.2.1 > 192.0.2.2 icmp echo request id=0 seq=0",
		"icmp echo":      "ip 192.0.2.1 > 192.0.2.2 icmp echo request id=1 seq=2 len=8",
		"udp":            "ip 192.0.2.1:1000 > 192.0.2.2:2000 udp len=5",
		"tcp syn":        "ip 192.0.2.1:40000 > 192.0.2.2:80 tcp S seq=0 win=65535 len=0",
		"tcp data":       "ip 192.0.2.1:40000 > 192.0.2.2:9999 tcp PA seq=1 ack=1 win=65535 len=9",
		"tcp6":           "ip6 [2001:db8::1]:40000 > [2001:db8::2]:9999 tcp S seq=0 win=65535 len=3",
		"ip in ip":       "ip 192.0.2.1 > 192.0.2.2 ip 192.0.2.1:49152 > 192.0.2.9:5000 udp len=5",
		"nd solicit":     "ip6 fe80::1 > fe80::2 icmp6 neighbor solicitation who has fe80::2?",
		"nd advert":      "ip6 fe80::1 > fe80::2 icmp6 neighbor advertisement fe80::1 is at 02:00:00:00:00:01",
		"nd router":      "ip6 fe80::1 > fe80::2 icmp6 router advertisement lifetime=1800 prefix 2001:db8::/64",
		"dns query":      "ip 192.0.2.1:49152 > 192.0.2.2:53 dns query A example.com id=1",
		"dhcp":           "ip 0.0.0.0:68 > 255.255.255.255:67 dhcp discover for 02:00:00:00:00:01 xid=0x0000004d",
		"router alert":   "ip 192.0.2.1 > 224.0.0.1 icmp echo request id=0 seq=0",
		"ip6 whole":      "ip6 [2001:db8::1]:49152 > [2001:db8::2]:5000 fragment id=9 offset=0 udp len=1",
		"icmp timestamp": "ip 192.0.2.1 > 192.0.2.2 icmp timestamp id=1 seq=0",
	} {
		if got := arrived(t, buildParts(t, constructions()[name]...)).Summary(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestShow(t *testing.T) {
	p := arrived(t, buildParts(t, part{"eth", Fields{{"dst", "02:00:00:00:00:02"}}}, part{"ip", Fields{{"dst", "192.0.2.2"}}},
		part{"tcp", Fields{{"dport", 9999}, {"checksum", 1}, {"options", Fields{{"mss", 1400}, {"timestamps", []any{1, 2}}}}}}, textPart("hello\n")))
	want := `eth
  dst 02:00:00:00:00:02
  src 02:00:00:00:00:01
  type 2048 (ip)
ip
  version 4
  headerLength 5 (20 bytes)
  dscp 0 (default)
  ecn 0 (notEct)
  length 62
  id 16962
  df 0
  mf 0
  offset 0
  ttl 64
  protocol 6 (tcp)
  checksum 0xb474
  src 192.0.2.1
  dst 192.0.2.2
  options (none)
tcp
  sport 49152
  dport 9999
  seq 0
  ack 0
  dataOffset 9 (36 bytes)
  reserved 0
  flags S
  window 65535
  checksum 0x0001
  urgent 0
  options
    mss 1400
    timestamps 1, 2
payload (6 bytes)
  0000  68 65 6c 6c 6f 0a                                 hello.
errors
  tcp: checksum 0x0001 is wrong, 0xb153 would be right
`
	if diff := cmp.Diff(want, p.Show()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestPadding: what the link adds is no payload.
func TestPadding(t *testing.T) {
	for _, name := range []string{"arp request", "udp empty", "vlan"} {
		frame := buildParts(t, constructions()[name]...).Data
		padded := append(bytes.Clone(frame), make([]byte, 60-len(frame))...)
		var bare, p Packet
		Builtin().Decode(&bare, frame, protoEth)
		Builtin().Decode(&p, padded, protoEth)
		if !bytes.Equal(p.Payload(), bare.Payload()) || len(p.Errors()) > 0 {
			t.Errorf("%s: payload %x, errors %q", name, p.Payload(), p.Errors())
		}
		again, err := FromObject(Builtin(), p.Object(""))
		if err != nil || !bytes.Equal(again.Data, padded) {
			t.Errorf("%s: %v, from its object came %x", name, err, again.Data)
		}
	}
}

// TestObject: toJSON has the names and forms of the scripting contract.
func TestObject(t *testing.T) {
	p := arrived(t, buildParts(t, part{"eth", Fields{{"dst", "02:00:00:00:00:02"}}}, part{"ip", Fields{{"dst", "192.0.2.2"}, {"ttl", 1}}}, part{"udp", Fields{{"dport", 2000}}}, textPart("hi")))
	p.Time = 1767225600123456789
	e, err := p.Error(&Env{IPv4: netip.MustParseAddr("192.0.2.2")}, "timeExceeded", ErrorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	obj := p.Object("lan")
	var keys []string
	for _, fv := range obj {
		keys = append(keys, fv.Name)
	}
	if got := strings.Join(keys, " "); got != "time iface length layers payload errors" {
		t.Errorf("keys %s", got)
	}
	if ms := obj.Get("time"); ms != 1767225600123.456789 {
		t.Errorf("time %v", ms)
	}
	if diff := cmp.Diff(Fields{{"layer", "eth"}, {"dst", "02:00:00:00:00:02"}, {"src", "02:00:00:00:00:01"}, {"type", uint64(0x800)}}, obj.Get("layers").([]any)[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Fields{{"hex", "6869"}}, obj.Get("payload")); diff != "" {
		t.Error(diff)
	}
	quoted, _ := arrived(t, e).Object("").Get("quoted").(Fields)
	if quoted == nil || quoted.Get("layers").([]any)[0].(Fields).Get("ttl") != uint64(1) {
		t.Errorf("quoted %v", quoted)
	}
}

// TestFromObjectEdited: what is edited in JSON wins over the bytes that stand
// beside it.
func TestFromObjectEdited(t *testing.T) {
	var syn Packet
	for _, frame := range readCapture(t, "golden.pcap") {
		Builtin().Decode(&syn, frame, protoEth)
		if i := syn.FindName("tcp", 0); i >= 0 {
			break
		}
	}
	find := func(obj Fields, layer string) Fields {
		for _, l := range obj.Get("layers").([]any) {
			if l := l.(Fields); l.Get("layer") == layer {
				return l
			}
		}
		return nil
	}
	obj := syn.Object("")
	if find(obj, "tcp").Get("bytes") == nil {
		t.Fatal("a SYN with fillers between its options comes without its bytes")
	}
	find(obj, "tcp").set("dport", 81.0)
	p, err := FromObject(Builtin(), obj)
	if err != nil {
		t.Fatal(err)
	}
	if got := field(t, p, "tcp", "dport"); got != uint64(81) {
		t.Errorf("dport %v, want 81", got)
	}
	if diff := cmp.Diff(field(t, &syn, "tcp", "options"), field(t, p, "tcp", "options")); diff != "" {
		t.Errorf("options changed: %s", diff)
	}

	for _, tt := range []struct {
		obj  Fields
		want string
	}{
		{Fields{{"layers", "ip"}}, "layers: 'ip' is not a list"},
		{Fields{{"layers", []any{"ip"}}}, "layers[0]: 'ip' is not an object"},
		{Fields{{"layers", []any{Fields{{"layer", "ipp"}}}}}, `layers[0]: there is no protocol "ipp"`},
		{Fields{{"layers", []any{Fields{{"layer", "ip"}, {"ttl", 300.0}}}}}, "ip.ttl: 300 is out of range 0..255"},
		{Fields{{"layers", []any{Fields{{"layer", "ip"}, {"tttl", 3.0}}}}}, `ip: there is no field "tttl"`},
		{Fields{{"payload", 3.0}}, "payload: 3 is not bytes"},
	} {
		_, err := FromObject(Builtin(), tt.obj)
		var fe *FieldError
		if !errors.As(err, &fe) || fe.Error() != tt.want {
			t.Errorf("%v: %v, want %s", tt.obj, err, tt.want)
		}
	}
	// What is left out is worked out.
	p, err = FromObject(Builtin(), Fields{{"layers", []any{Fields{{"layer", "ip"}, {"dst", "192.0.2.2"}}, Fields{{"layer", "udp"}, {"dport", 2000.0}}}}, {"payload", Fields{{"hex", "6869"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Finish(oracleEnv); err != nil {
		t.Fatal(err)
	}
	if field(t, p, "ip", "src") != "192.0.2.1" || field(t, p, "udp", "length") != uint64(10) || len(p.Errors()) > 0 {
		t.Error(p.Show())
	}
}

// TestScriptValue: the forms that scripts see, in lists, options and choices too.
func TestScriptValue(t *testing.T) {
	reg := Builtin().Clone()
	proto := &Proto{Name: "own", Fields: []*Field{
		{Name: "kind", Kind: Uint, Bits: 8},
		{Name: "big", Kind: Uint, Bits: 64},
		{Name: "less", Kind: Int, Bits: 64},
		{Name: "bits", Kind: Flags, Bits: 8, Letters: []string{"A", "B"}},
		{Name: "body", Kind: Choice, On: "kind", Size: Size{Prefix: 1}, Cases: map[uint64]*Field{1: {Kind: Struct, Items: []*Field{{Name: "mac", Kind: MACs}, {Name: "n", Kind: Uint, Bits: 64}}}}},
	}}
	if err := reg.Add(proto); err != nil {
		t.Fatal(err)
	}
	p, err := New(reg, proto, Fields{{"kind", 1}, {"big", uint64(1<<64 - 1)}, {"less", -5}, {"bits", "AB"}, {"body", Fields{{"mac", "02:00:00:00:00:0a"}, {"n", 7}}}})
	if err != nil {
		t.Fatal(err)
	}
	got := p.Object("").Get("layers").([]any)[0]
	want := Fields{{"layer", "own"}, {"kind", uint64(1)}, {"big", "18446744073709551615"}, {"less", "-5"}, {"bits", "AB"}, {"body", Fields{{"mac", "02:00:00:00:00:0a"}, {"n", "7"}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	again, err := FromObject(reg, p.Object(""))
	if err != nil || !bytes.Equal(again.Data, p.Data) {
		t.Errorf("%x, %v, want %x", again.Data, err, p.Data)
	}
}

// TestDNSReply: id, opcode, rd and the question are kept.
func TestDNSReply(t *testing.T) {
	query := arrived(t, buildParts(t, part{"eth", nil}, part{"ip", Fields{{"dst", "192.0.2.2"}}}, part{"udp", nil},
		part{"dns", Fields{{"id", 77}, {"ad", 1}, {"questions", []any{Fields{{"name", "Example.COM"}, {"type", "AAAA"}}}}, {"additionals", []any{Fields{{"type", "OPT"}, {"class", 1232}}}}}}))
	env := &Env{MAC: MAC{2, 0, 0, 0, 0, 2}, IPv4: netip.MustParseAddr("192.0.2.2")}
	r, err := query.Reply(env, []Change{{Proto: protoDNS, Fields: Fields{{"answers", []any{Fields{{"name", "Example.COM"}, {"type", "AAAA"}, {"data", "2001:db8::5"}}}}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r = arrived(t, r)
	want := "ip 192.0.2.2:53 > 192.0.2.1:49152 dns response AAAA Example.COM: AAAA 2001:db8::5 id=77"
	if got := r.Summary(); got != want || len(r.Errors()) > 0 {
		t.Errorf("%s, errors %q, want %s", got, r.Errors(), want)
	}
	for name, v := range map[string]uint64{"rd": 1, "ad": 0, "ra": 0, "arcount": 0} {
		if got := field(t, r, "dns", name); got != v {
			t.Errorf("%s %v, want %d", name, got, v)
		}
	}
	if !r.Answers(query) || query.Answers(r) {
		t.Errorf("answers: %v, and the other way %v", r.Answers(query), query.Answers(r))
	}
	lower, err := r.With([]Change{{Proto: protoDNS, Fields: Fields{{"questions", []any{Fields{{"name", "example.com"}, {"type", "AAAA"}}}}}}})
	if err != nil || !lower.Answers(query) {
		t.Errorf("case matters: %v", err)
	}
	for _, f := range []Fields{{{"id", 78}}, {{"questions", []any{Fields{{"name", "example.org"}, {"type", "AAAA"}}}}}, {{"questions", []any{Fields{{"name", "example.com"}, {"type", "A"}}}}}} {
		other, err := r.With([]Change{{Proto: protoDNS, Fields: f}})
		if err != nil || other.Answers(query) {
			t.Errorf("%v answers, error %v", f, err)
		}
	}
}

// TestDNSCompression: names of RFC 1035 are compressed, targets of SRV are not.
func TestDNSCompression(t *testing.T) {
	p, err := New(Builtin(), protoDNS, Fields{{"answers", []any{
		Fields{{"name", "a.example.com"}, {"type", "MX"}, {"data", Fields{{"preference", 1}, {"exchange", "example.com"}}}},
		Fields{{"name", "a.example.com"}, {"type", "SRV"}, {"data", Fields{{"target", "a.example.com"}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "0000" + "0100" + "0000" + "0002" + "0000" + "0000" +
		"0161076578616d706c6503636f6d00" + "000f" + "0001" + "00000000" + "0004" + "0001" + "c00e" +
		"c00c" + "0021" + "0001" + "00000000" + "0015" + "000000000000" + "0161076578616d706c6503636f6d00"
	if got := hexText(p.Data); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestDHCPReply: xid, flags, giaddr and chaddr are kept, and the answer goes
// where RFC 2131 section 4.1 has it.
func TestDHCPReply(t *testing.T) {
	env := &Env{MAC: MAC{2, 0, 0, 0, 0, 9}, IPv4: netip.MustParseAddr("192.0.2.9")}
	tests := []struct {
		name    string
		ip      Fields
		dhcp    Fields
		summary string
		dst     string // of the frame
	}{
		{"discover", Fields{{"src", "0.0.0.0"}, {"dst", "255.255.255.255"}}, Fields{{"options", Fields{{"messageType", "discover"}}}},
			"ip 192.0.2.9:67 > 255.255.255.255:68 dhcp offer for 02:00:00:00:00:01 server 192.0.2.9 xid=0x0000004d", "02:00:00:00:00:01"},
		{"broadcast asked for", Fields{{"src", "0.0.0.0"}, {"dst", "255.255.255.255"}}, Fields{{"flags", "broadcast"}, {"options", Fields{{"messageType", "request"}}}},
			"ip 192.0.2.9:67 > 255.255.255.255:68 dhcp ack for 02:00:00:00:00:01 server 192.0.2.9 xid=0x0000004d", "ff:ff:ff:ff:ff:ff"},
		{"renewal", Fields{{"src", "192.0.2.50"}, {"dst", "192.0.2.9"}}, Fields{{"ciaddr", "192.0.2.50"}, {"options", Fields{{"messageType", "request"}}}},
			"ip 192.0.2.9:67 > 192.0.2.50:68 dhcp ack for 02:00:00:00:00:01 server 192.0.2.9 xid=0x0000004d", "02:00:00:00:00:01"},
		{"relayed", Fields{{"src", "198.51.100.1"}, {"dst", "192.0.2.9"}}, Fields{{"giaddr", "198.51.100.1"}, {"options", Fields{{"messageType", "discover"}}}},
			"ip 192.0.2.9:67 > 198.51.100.1:67 dhcp offer for 02:00:00:00:00:01 server 192.0.2.9 xid=0x0000004d", "02:00:00:00:00:01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := arrived(t, buildParts(t, part{"eth", nil}, part{"ip", tt.ip}, part{"udp", nil}, part{"dhcp", append(Fields{{"xid", 77}, {"secs", 4}}, tt.dhcp...)}))
			r, err := req.Reply(env, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			r = arrived(t, r)
			if got := r.Summary(); got != tt.summary {
				t.Errorf("\n got %s\nwant %s", got, tt.summary)
			}
			if got := field(t, r, "eth", "dst"); got != tt.dst {
				t.Errorf("frame to %v, want %s", got, tt.dst)
			}
			if errs := r.Errors(); len(errs) > 0 {
				t.Errorf("errors %q", errs)
			}
			for _, name := range []string{"xid", "flags", "giaddr", "chaddr"} {
				if a, b := field(t, req, "dhcp", name), field(t, r, "dhcp", name); a != b {
					t.Errorf("%s was %v, is %v", name, a, b)
				}
			}
			if n := len(r.Data) - 42; n != 300 {
				t.Errorf("message of %d bytes, want 300 (RFC 1542 section 2.1)", n)
			}
		})
	}
}

// TestDecodeAllocates nothing for what is met all day.
func TestDecodeAllocates(t *testing.T) {
	reg := Builtin()
	frames := readCapture(t, "golden.pcap")
	sport := protoTCP.Field("sport")
	var p Packet
	n := testing.AllocsPerRun(10, func() {
		for _, f := range frames {
			reg.Decode(&p, f, protoEth)
			if i := p.Find(protoTCP, 0); i >= 0 {
				p.Uint(i, sport)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d packets", n, len(frames))
	}
}
