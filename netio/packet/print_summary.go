package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// summaries are the parts that built-in protocols have in the one-line
// summary, by name. They stand here and not in the tables because one line is
// written by all of them together: what each says depends on its neighbours.
var summaries map[string]func(p *Packet, i int, b []byte) []byte

func init() { // here, because summaries of errors hold summaries
	summaries = map[string]func(p *Packet, i int, b []byte) []byte{
		"sll": summaryName, "sll2": summaryName, "loopback": summaryName,
		"eth": summaryEth, "vlan": summaryVLAN, "arp": summaryARP,
		"ip": summaryIP, "ip6": summaryIP6, "ip6hop": summaryName, "ip6dest": summaryName, "ip6route": summaryName, "ip6frag": summaryFragment,
		"icmp": summaryICMP, "icmp6": summaryICMP6, "tcp": summaryTCP, "udp": summaryUDP,
		"dns": summaryDNS, "dhcp": summaryDHCP,
	}
}

// Summary is one line, as in a packet list:
//
//	eth 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff arp who has 10.0.0.2? tell 10.0.0.1
//	ip 10.0.0.1 > 10.0.0.2 icmp echo request id=1 seq=2 len=56
//	ip 10.0.0.1:1234 > 10.0.0.2:80 tcp SA seq=0 ack=1 win=65535 len=0
//	ip 10.0.0.1:49152 > 10.0.0.2:53 dns query A example.com id=7
//
// Addresses of the link are left out where there is an IP header.
func (p *Packet) Summary() string { return p.summary(true) }

func (p *Packet) summary(quoted bool) string {
	var b []byte
	routed := p.Find(protoIP, 0) >= 0 || p.Find(protoIP6, 0) >= 0
	for i := range p.refs {
		proto := p.refs[i].Proto
		if proto == protoEth && routed {
			continue
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		before := len(b)
		builtIn := builtin.byName[proto.Name] == proto
		switch hook := summaries[proto.Name]; {
		case len(p.header(i)) < proto.minBytes:
			b = append(b, proto.Name...)
			if !p.cut() { // of a quote it is only natural
				b = append(b, " (cut off)"...)
			}
		case proto.Summary != nil:
			b = proto.Summary(p, i, b)
		case hook != nil && builtIn:
			b = hook(p, i, b)
		default:
			b = summaryTable(p, i, b)
		}
		if len(b) == before && before > 0 {
			b = b[:before-1]
		}
	}
	if len(p.refs) == 0 {
		return fmt.Sprintf("%d bytes", len(p.Data))
	}
	if quoted {
		if q := p.Quoted(); q != nil {
			b = append(b, " about "+q.summary(false)...)
		}
	}
	return string(b)
}

// follows reports whether a layer follows layer i.
func (p *Packet) follows(i int) bool { return i+1 < len(p.refs) }

// length appends the length of what layer i carries, where no layer of it
// says more.
func (p *Packet) length(i int, b []byte) []byte {
	if n := len(p.Body(i)); !p.follows(i) && n > 0 {
		b = append(b, " len="+strconv.Itoa(n)...)
	}
	return b
}

// spaced takes a lowerCamelCase name apart: "echoRequest" is "echo request".
func spaced(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// named is the standard name of a field's value in words, or the number.
func (p *Packet) nameOf(i int, field string) string {
	f := p.refs[i].Proto.byName[field]
	v, _ := p.Uint(i, f)
	if s := f.Enum.Name(v); s != "" {
		return spaced(s)
	}
	return field + " " + strconv.FormatUint(v, 10)
}

func (p *Packet) text(i int, field string) string {
	f := p.refs[i].Proto.byName[field]
	v, ok := p.Value(i, f)
	if !ok {
		return "?"
	}
	return scalarText(f, v)
}

func (p *Packet) number(i int, field string) uint64 {
	v, _ := p.Uint(i, p.refs[i].Proto.byName[field])
	return v
}

// summaryTable is for what has no words of its own: the name and the first
// fields that are a number or an address.
func summaryTable(p *Packet, i int, b []byte) []byte {
	proto := p.refs[i].Proto
	b = append(b, proto.Name...)
	n := 0
	for _, f := range proto.Fields {
		if f.Hidden || !f.Scalar() && f.Kind != Text && f.Kind != CText && f.Kind != Name || f.Auto != nil && f.Auto.What != AutoNext {
			continue
		}
		v, ok := p.Value(i, f)
		if !ok {
			continue
		}
		if x, ok := v.(uint64); ok && f.Enum.Name(x) != "" {
			b = append(b, " "+f.Name+"="+f.Enum.Name(x)...)
		} else {
			b = append(b, " "+f.Name+"="+scalarText(f, v)...)
		}
		if n++; n == 4 {
			break
		}
	}
	return p.length(i, b)
}

func summaryName(p *Packet, i int, b []byte) []byte {
	return p.length(i, append(b, p.refs[i].Proto.Name...))
}

func summaryEth(p *Packet, i int, b []byte) []byte {
	b = append(b, "eth "+p.text(i, "src")+" > "+p.text(i, "dst")...)
	if p.follows(i) {
		return b
	}
	return p.length(i, fmt.Appendf(b, " type 0x%04x", p.number(i, "type")))
}

func summaryVLAN(p *Packet, i int, b []byte) []byte {
	b = fmt.Appendf(b, "vlan %d", p.number(i, "id"))
	if n := p.number(i, "priority"); n != 0 {
		b = fmt.Appendf(b, " priority %d", n)
	}
	if p.follows(i) {
		return b
	}
	return p.length(i, fmt.Appendf(b, " type 0x%04x", p.number(i, "type")))
}

func summaryARP(p *Packet, i int, b []byte) []byte {
	spa, tpa, sha := p.text(i, "spa"), p.text(i, "tpa"), p.text(i, "sha")
	b = append(b, "arp "...)
	switch op := p.number(i, "op"); {
	case op == 1 && spa == tpa:
		return append(b, "announcement "+spa+" is at "+sha...)
	case op == 1 && spa == "0.0.0.0":
		return append(b, "probe who has "+tpa+"?"...)
	case op == 1:
		return append(b, "who has "+tpa+"? tell "+spa...)
	case op == 2:
		return append(b, "reply "+spa+" is at "+sha...)
	}
	return append(b, p.nameOf(i, "op")+" "+sha+" > "+p.text(i, "tha")...)
}

// summaryAddresses writes both ends, with the ports of a transport behind
// this IP header.
func summaryAddresses(p *Packet, i int, b []byte) []byte {
	b = append(b, p.refs[i].Proto.Name+" "...)
	var ports *Proto
	j := i + 1
	for j < len(p.refs) && p.refs[j].Proto.Passing {
		j++
	}
	if j < len(p.refs) {
		q := p.refs[j].Proto
		if s, d := q.byName["sport"], q.byName["dport"]; s != nil && d != nil && s.Fixed() && d.Fixed() {
			ports = q
		}
	}
	for k, name := range [2]string{"src", "dst"} {
		v, _ := p.Value(i, p.refs[i].Proto.byName[name])
		a, _ := v.(netip.Addr)
		if k == 1 {
			b = append(b, " > "...)
		}
		if ports != nil {
			if port, ok := p.Uint(j, ports.byName[[2]string{"sport", "dport"}[k]]); ok {
				b = netip.AddrPortFrom(a, uint16(port)).AppendTo(b)
				continue
			}
		}
		b = a.AppendTo(b)
	}
	return b
}

func summaryIP(p *Packet, i int, b []byte) []byte {
	b = summaryAddresses(p, i, b)
	offset, mf := p.number(i, "offset"), p.number(i, "mf")
	if offset != 0 || mf != 0 {
		b = fmt.Appendf(b, " fragment id=%d offset=%d", p.number(i, "id"), offset*8)
		if mf != 0 {
			b = append(b, " mf"...)
		}
	}
	if p.follows(i) {
		return b
	}
	return p.length(i, append(b, " "+p.nameOf(i, "protocol")...))
}

func summaryIP6(p *Packet, i int, b []byte) []byte {
	b = summaryAddresses(p, i, b)
	if p.follows(i) {
		return b
	}
	return p.length(i, append(b, " "+p.nameOf(i, "nextHeader")...))
}

func summaryFragment(p *Packet, i int, b []byte) []byte {
	b = fmt.Appendf(b, "fragment id=%d offset=%d", p.number(i, "id"), p.number(i, "offset")*8)
	if p.number(i, "mf") != 0 {
		b = append(b, " mf"...)
	}
	return p.length(i, b)
}

func summaryTCP(p *Packet, i int, b []byte) []byte {
	flags := p.refs[i].Proto.byName["flags"]
	bits := p.number(i, "flags")
	text := flags.FlagText(bits)
	if text == "" {
		text = "(no flags)"
	}
	b = append(b, "tcp "+text...)
	b = fmt.Appendf(b, " seq=%d", p.number(i, "seq"))
	if strings.Contains(text, "A") {
		b = fmt.Appendf(b, " ack=%d", p.number(i, "ack"))
	}
	return fmt.Appendf(b, " win=%d len=%d", p.number(i, "window"), len(p.Body(i)))
}

func summaryUDP(p *Packet, i int, b []byte) []byte {
	if p.follows(i) { // the ports are told, and what follows says the rest
		return b
	}
	return fmt.Appendf(b, "udp len=%d", len(p.Body(i)))
}

// icmpCode names a code, whose meaning depends on the type.
func icmpCode(proto *Proto, typ, code uint64) string {
	v6 := proto.Name == "icmp6"
	var names Enum
	switch {
	case !v6 && typ == 3 || v6 && typ == 1:
		return proto.byName["code"].Enum.Name(code)
	case !v6 && typ == 11 || v6 && typ == 3:
		names = Enum{{"transit", 0}, {"reassembly", 1}}
	case !v6 && typ == 5:
		names = Enum{{"net", 0}, {"host", 1}, {"netTos", 2}, {"hostTos", 3}}
	case !v6 && typ == 12:
		names = Enum{{"pointer", 0}, {"missingOption", 1}, {"badLength", 2}}
	case v6 && typ == 4:
		names = Enum{{"header", 0}, {"nextHeader", 1}, {"option", 2}}
	}
	return names.Name(code)
}

// icmpKind is the type in words, with the code of an error.
func (p *Packet) icmpKind(i int) string {
	proto := p.refs[i].Proto
	s := p.nameOf(i, "type")
	code := p.number(i, "code")
	if name := icmpCode(proto, p.number(i, "type"), code); name != "" {
		return s + " (" + spaced(name) + ")"
	}
	if code != 0 {
		s += " code " + strconv.FormatUint(code, 10)
	}
	return s
}

func summaryICMP(p *Packet, i int, b []byte) []byte {
	b = append(b, "icmp "+p.icmpKind(i)...)
	switch p.number(i, "type") {
	case 0, 8, 13, 14, 15, 16, 17, 18:
		b = fmt.Appendf(b, " id=%d seq=%d", p.number(i, "id"), p.number(i, "seq"))
	case 5:
		return append(b, " to "+p.text(i, "gateway")...)
	case 3:
		if mtu := p.number(i, "mtu"); mtu != 0 && p.number(i, "code") == 4 {
			b = fmt.Appendf(b, " mtu=%d", mtu)
		}
		return b
	case 4, 11, 12:
		return b
	}
	return p.length(i, b)
}

func summaryICMP6(p *Packet, i int, b []byte) []byte {
	b = append(b, "icmp6 "+p.icmpKind(i)...)
	options := func(name string) any {
		v, _ := p.Value(i, p.refs[i].Proto.byName["options"])
		set, _ := v.(Fields)
		return set.Get(name)
	}
	switch p.number(i, "type") {
	case 1, 3, 4:
		return b
	case 2:
		return fmt.Appendf(b, " mtu=%d", p.number(i, "mtu"))
	case 128, 129:
		b = fmt.Appendf(b, " id=%d seq=%d", p.number(i, "id"), p.number(i, "seq"))
	case 134:
		b = fmt.Appendf(b, " lifetime=%d", p.number(i, "lifetime"))
		prefixes, _ := options("prefix").([]any)
		for _, x := range prefixes {
			f, _ := x.(Fields)
			b = fmt.Appendf(b, " prefix %v/%v", f.Get("prefix"), f.Get("length"))
		}
		return b
	case 135:
		return append(b, " who has "+p.text(i, "target")+"?"...)
	case 136:
		b = append(b, " "+p.text(i, "target")...)
		if mac, ok := options("targetMac").(MAC); ok {
			b = append(b, " is at "+mac.String()...)
		}
		return b
	case 130, 131, 132, 137:
		return append(b, " "+p.text(i, "target")...)
	}
	return p.length(i, b)
}

func summaryDNS(p *Packet, i int, b []byte) []byte {
	b = append(b, "dns "...)
	if op := p.number(i, "opcode"); op != 0 {
		b = append(b, p.nameOf(i, "opcode")+" "...)
	}
	response := p.number(i, "qr") != 0
	if response {
		b = append(b, "response"...)
	} else {
		b = append(b, "query"...)
	}
	list := func(field string) []any {
		v, _ := p.Value(i, p.refs[i].Proto.byName[field])
		l, _ := v.([]any)
		return l
	}
	for _, x := range list("questions") {
		q, _ := x.(Fields)
		typ, _ := q.Get("type").(uint64)
		name, _ := q.Get("name").(string)
		b = append(b, " "+dnsTypeName(typ)+" "+dnsName(name)...)
	}
	if rcode := p.number(i, "rcode"); response && rcode != 0 {
		name := dnsRcodes.Name(rcode)
		if name == "" {
			name = "rcode " + strconv.FormatUint(rcode, 10)
		}
		b = append(b, " "+strings.ToUpper(name)...)
	}
	answers := list("answers")
	for k, x := range answers {
		if k == 4 {
			b = fmt.Appendf(b, " and %d more", len(answers)-k)
			break
		}
		rr, _ := x.(Fields)
		typ, _ := rr.Get("type").(uint64)
		b = append(b, [2]string{": ", ", "}[min(k, 1)]...)
		b = append(b, dnsTypeName(typ)+" "+dnsDataText(rr.Get("data"))...)
	}
	if response && len(answers) == 0 && p.number(i, "rcode") == 0 {
		b = append(b, " no answers"...)
	}
	return fmt.Appendf(b, " id=%d", p.number(i, "id"))
}

func dnsTypeName(typ uint64) string {
	if s := dnsTypes.Name(typ); s != "" {
		return strings.ToUpper(s)
	}
	return "TYPE" + strconv.FormatUint(typ, 10) // RFC 3597 section 5
}

func dnsName(s string) string {
	if s == "" {
		return "."
	}
	return s
}

// dnsDataText is the data of a resource record much as a zone file has it.
func dnsDataText(v any) string {
	switch x := v.(type) {
	case string:
		return dnsName(x)
	case []any:
		parts := make([]string, len(x))
		for i, s := range x {
			parts[i] = scalarText(nil, s)
		}
		return strings.Join(parts, " ")
	case Fields:
		parts := make([]string, len(x))
		for i, fv := range x {
			if s, ok := fv.Value.(string); ok {
				parts[i] = dnsName(s)
			} else {
				parts[i] = scalarText(nil, fv.Value)
			}
		}
		return strings.Join(parts, " ")
	}
	return scalarText(nil, v)
}

func summaryDHCP(p *Packet, i int, b []byte) []byte {
	v, _ := p.Value(i, p.refs[i].Proto.byName["options"])
	set, _ := v.(Fields)
	b = append(b, "dhcp "...)
	if n, ok := set.Get("messageType").(uint64); ok && dhcpMessages.Name(n) != "" {
		b = append(b, spaced(dhcpMessages.Name(n))...)
	} else {
		b = append(b, p.nameOf(i, "op")...)
	}
	if h := p.header(i); binary.BigEndian.Uint32(h[16:]) != 0 {
		b = append(b, " "+p.text(i, "yiaddr")...)
	} else if a, ok := set.Get("requestedIp").(netip.Addr); ok {
		b = append(b, " "+a.String()...)
	}
	b = append(b, " for "+p.text(i, "chaddr")...)
	if a, ok := set.Get("serverId").(netip.Addr); ok {
		b = append(b, " server "+a.String()...)
	}
	return fmt.Appendf(b, " xid=0x%08x", p.number(i, "xid"))
}
