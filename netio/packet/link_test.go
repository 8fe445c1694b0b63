package packet

import (
	"encoding/hex"
	"net/netip"
	"testing"
)

// TestCookedLinks decodes what stands in place of Ethernet in captures, and
// builds it again from its fields.
func TestCookedLinks(t *testing.T) {
	const ip4 = "4500001c000000004001f6ddc0000201c00002020800f7fd00010001"
	const ip6 = "6000000000003b4020010db8000000000000000000000001" + "20010db8000000000000000000000002"
	for _, tt := range []struct{ first, header, rest, inner string }{
		{"sll", "00000001000602000000000200000800", ip4, "ip"},
		{"sll", "000403040006000000000000000086dd", ip6, "ip6"},
		{"sll2", "0800000000000003000100060200000000020000", ip4, "ip"},
		{"sll2", "86dd000000000001030404060000000000000000", ip6, "ip6"},
		{"loopback", "02000000", ip4, "ip"},
		{"loopback", "00000002", ip4, "ip"},
		{"loopback", "18000000", ip6, "ip6"},
		{"loopback", "1c000000", ip6, "ip6"},
		{"loopback", "0000001e", ip6, "ip6"},
	} {
		b, err := hex.DecodeString(tt.header + tt.rest)
		if err != nil {
			t.Fatal(err)
		}
		var p Packet
		Builtin().Decode(&p, b, Builtin().Proto(tt.first))
		if len(p.Layers()) < 2 || p.Layers()[1].Proto.Name != tt.inner {
			t.Errorf("%s %s: %s", tt.first, tt.header, p.Summary())
			continue
		}
		if tt.first != "loopback" {
			if n, _ := p.Uint(0, p.Layers()[0].Proto.Field("addressLength")); n != 6 {
				t.Errorf("%s: an address of %d bytes", tt.header, n)
			}
		}
		env := &Env{MAC: MAC{2, 0, 0, 0, 0, 9}, IPv4: netip.MustParseAddr("192.0.2.2")}
		r, err := p.Reply(env, nil, nil)
		if err != nil || !r.Answers(&p) {
			t.Errorf("%s: reply %v: %v", tt.header, r, err)
		}
		if _, err := p.Error(env, "unreachable", ErrorOptions{}); err != nil {
			t.Errorf("%s: error: %v", tt.header, err)
		}
	}
	for first, want := range map[string]string{
		"sll": "00000001000602000000000100000800", "sll2": "0800000000000000000100060200000000010000", "loopback": "02000000",
	} {
		p := buildParts(t, part{first, nil}, part{"ip", nil})
		if got := hex.EncodeToString(p.Header(0)); got != want {
			t.Errorf("%s() is %s, want %s", first, got, want)
		}
	}
}
