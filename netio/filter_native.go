package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// This is the compiler for builds without libpcap. It knows the part of
// pcap-filter(7) that people write, decides as libpcap does (which
// TestNativeFilterAgrees holds it to), and says what it does not know. It
// generates straightforward code and does not optimise it.

// compileNative compiles expr.
func compileNative(expr string, lt LinkType, snaplen int) ([]bpf.RawInstruction, error) {
	c := &compiler{}
	switch lt {
	case LinkTypeEthernet:
		c.typeAt, c.net = 12, 14
	case LinkTypeSLL:
		c.typeAt, c.net = 14, 16
	case LinkTypeSLL2:
		c.typeAt, c.net = 0, 20
	case LinkTypeRaw, LinkTypeIPv4, LinkTypeIPv6:
		c.typeAt, c.net = -1, 0
	case LinkTypeNull, LinkTypeLoop:
		c.typeAt, c.net = -1, 4
	default:
		return nil, fmt.Errorf("filters for link type %d need libpcap", lt)
	}
	c.ethernet = lt == LinkTypeEthernet
	if len(expr) > 8192 {
		return nil, errors.New("longer than 8192 characters")
	}
	var err error
	if c.tokens, err = lex(expr); err != nil {
		return nil, err
	}
	var root test = always(true)
	if c.tokens[0] != "" {
		if root, err = c.expression(); err != nil {
			return nil, err
		}
		if t := c.peek(); t != "" {
			return nil, fmt.Errorf("syntax error at %q", t)
		}
	}
	g := &generator{}
	yes, no := g.label(), g.label()
	root(g, yes, no)
	g.place(yes)
	g.emit(opRetK, uint32(snaplen))
	g.place(no)
	g.emit(opRetK, 0)
	return g.resolve()
}

// lex cuts an expression into tokens; the last one is empty.
func lex(s string) ([]string, error) {
	var tokens []string
	word := func(c byte) bool {
		return c == '.' || c == '_' || c == '\\' || c >= '0' && c <= '9' || c|32 >= 'a' && c|32 <= 'z'
	}
	depth := 0 // of brackets: a colon inside is not part of an address
	for i := 0; i < len(s); {
		c := s[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case word(c) || c == ':' && depth == 0:
			for i < len(s) && (word(s[i]) || s[i] == ':' && depth == 0 || s[i] == '-' && i+1 < len(s) && word(s[i+1])) {
				i++
			}
		case i+1 < len(s) && strings.Contains(" == != <= >= && || << >> ", " "+s[i:i+2]+" "):
			i += 2
		case strings.IndexByte("()[]!=<>&|+-*/%^:", c) >= 0:
			i++
			switch c {
			case '[':
				depth++
			case ']':
				depth--
			}
		default:
			return nil, fmt.Errorf("illegal character %q", c)
		}
		tokens = append(tokens, s[start:i])
	}
	return append(tokens, ""), nil
}

// generator collects instructions whose jumps are to labels.
type generator struct {
	code   []labelled
	labels []int
	memory int // scratch cells in use
	err    error
}

type labelled struct {
	op     uint16
	k      uint32
	jt, jf int
}

func (g *generator) label() int  { g.labels = append(g.labels, -1); return len(g.labels) - 1 }
func (g *generator) place(l int) { g.labels[l] = len(g.code) }
func (g *generator) emit(op uint16, k uint32) {
	g.code = append(g.code, labelled{op: op, k: k, jt: -1})
}
func (g *generator) jump(op uint16, k uint32, yes, no int) {
	g.code = append(g.code, labelled{op, k, yes, no})
}

// resolve fixes the addresses. A conditional jump reaches 255 instructions; one
// that has to reach farther is followed by two that go anywhere.
func (g *generator) resolve() ([]bpf.RawInstruction, error) {
	if g.err != nil {
		return nil, g.err
	}
	far := make([]bool, len(g.code))
	address := make([]int, len(g.code)+1)
	for grown := true; grown; {
		grown = false
		for i := range g.code {
			address[i+1] = address[i] + 1
			if far[i] {
				address[i+1] += 2
			}
		}
		for i, in := range g.code {
			if in.jt >= 0 && !far[i] && max(address[g.labels[in.jt]], address[g.labels[in.jf]])-address[i] > 256 {
				far[i], grown = true, true
			}
		}
	}
	raw := make([]bpf.RawInstruction, 0, address[len(g.code)])
	for i, in := range g.code {
		r := bpf.RawInstruction{Op: in.op, K: in.k}
		if in.jt < 0 {
			raw = append(raw, r)
			continue
		}
		jt, jf := address[g.labels[in.jt]]-address[i]-1, address[g.labels[in.jf]]-address[i]-1
		if far[i] {
			r.Jt, r.Jf = 0, 1
			raw = append(raw, r, bpf.RawInstruction{Op: opJa, K: uint32(jt - 1)}, bpf.RawInstruction{Op: opJa, K: uint32(jf - 2)})
			continue
		}
		r.Jt, r.Jf = uint8(jt), uint8(jf)
		raw = append(raw, r)
	}
	return raw, nil
}

// test generates code that jumps to yes or no.
type test func(g *generator, yes, no int)

func always(v bool) test {
	return func(g *generator, yes, no int) {
		g.emit(opLdImm, 0)
		if !v {
			yes = no
		}
		g.jump(opJeqK, 0, yes, yes)
	}
}

func both(tests ...test) test {
	return func(g *generator, yes, no int) {
		for _, t := range tests[:len(tests)-1] {
			next := g.label()
			t(g, next, no)
			g.place(next)
		}
		tests[len(tests)-1](g, yes, no)
	}
}

func either(tests ...test) test {
	return func(g *generator, yes, no int) {
		for _, t := range tests[:len(tests)-1] {
			next := g.label()
			t(g, yes, next)
			g.place(next)
		}
		tests[len(tests)-1](g, yes, no)
	}
}

func inverse(t test) test { return func(g *generator, yes, no int) { t(g, no, yes) } }

// load is a load instruction's opcode for 1, 2 or 4 bytes.
func load(size int) uint16 { return map[int]uint16{1: opLdB, 2: opLdH, 4: opLdW}[size] }

// at compares bytes at a fixed place, under a mask.
func at(offset, size int, mask, op uint32, value uint32) test {
	return func(g *generator, yes, no int) {
		g.emit(load(size), uint32(offset))
		if mask != 0 {
			g.emit(opAlu|aluAnd, mask)
		}
		g.jump(uint16(op), value, yes, no)
	}
}

func equal(offset, size int, value uint32) test { return at(offset, size, 0, opJeqK, value) }

// compiler parses an expression. Its offsets move behind a tag once `vlan` was read, as libpcap's do.
type compiler struct {
	tokens   []string
	pos      int
	typeAt   int // of the EtherType; -1 where the IP version tells
	net      int // of the network header
	ethernet bool
	last     qualifiers // of the last primitive, for "port 80 or 443"
}

type qualifiers struct{ proto, dir, kind string }

func (c *compiler) peek() string { return c.tokens[c.pos] }

func (c *compiler) next() string {
	t := c.tokens[c.pos]
	if t != "" {
		c.pos++
	}
	return t
}

func (c *compiler) accept(words ...string) bool {
	for _, w := range words {
		if c.peek() == w {
			c.pos++
			return true
		}
	}
	return false
}

// expression reads terms; `and` and `or` bind alike, to the left.
func (c *compiler) expression() (test, error) {
	left, err := c.term()
	for err == nil {
		switch {
		case c.accept("and", "&&"):
			var right test
			if right, err = c.term(); err == nil {
				left = both(left, right)
			}
		case c.accept("or", "||"):
			var right test
			if right, err = c.term(); err == nil {
				left = either(left, right)
			}
		default:
			return left, nil
		}
	}
	return nil, err
}

func (c *compiler) term() (test, error) {
	if c.accept("not", "!") {
		t, err := c.term()
		if err != nil {
			return nil, err
		}
		return inverse(t), nil
	}
	// What begins like arithmetic may be a relation, or else a parenthesis or a value
	// that follows earlier qualifiers.
	if t := c.peek(); t == "(" || t == "len" || t == "-" || isNumber(t) || c.tokens[min(c.pos+1, len(c.tokens)-1)] == "[" {
		saved := *c
		r, err := c.relation()
		if err == nil {
			return r, nil
		}
		if t != "(" && !isNumber(t) || errors.Is(err, errArithmetic) {
			return nil, err
		}
		*c = saved
	}
	if c.accept("(") {
		t, err := c.expression()
		if err != nil {
			return nil, err
		}
		if !c.accept(")") {
			return nil, fmt.Errorf("syntax error at %q: ')' is missing", c.peek())
		}
		return t, nil
	}
	return c.primitive()
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 0, 32)
	return err == nil
}

var (
	etherTypes = map[string]uint32{"ip": 0x0800, "ip6": 0x86dd, "arp": 0x0806, "rarp": 0x8035}
	ipProtos   = map[string]uint32{"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmp6": 58, "pim": 103, "vrrp": 112, "sctp": 132}
)

// etherType tests the network protocol.
func (c *compiler) etherType(v uint32) test {
	if c.typeAt >= 0 {
		return equal(c.typeAt, 2, v)
	}
	switch v {
	case 0x0800:
		return at(c.net, 1, 0xf0, opJeqK, 0x40)
	case 0x86dd:
		return at(c.net, 1, 0xf0, opJeqK, 0x60)
	}
	return always(false)
}

func (c *compiler) ip4() test { return c.etherType(0x0800) }
func (c *compiler) ip6() test { return c.etherType(0x86dd) }

// ipProto tests the protocol of IPv4 or IPv6, in the latter also behind a
// fragment header.
func (c *compiler) ipProto(family string, v uint32) test {
	four := both(c.ip4(), equal(c.net+9, 1, v))
	six := both(c.ip6(), either(equal(c.net+6, 1, v), both(equal(c.net+6, 1, 44), equal(c.net+40, 1, v))))
	switch family {
	case "ip":
		return four
	case "ip6":
		return six
	}
	return either(four, six)
}

// named is the test that a protocol's name stands for.
func (c *compiler) named(name string) test {
	if v, ok := etherTypes[name]; ok {
		return c.etherType(v)
	}
	switch name {
	case "icmp", "igmp", "vrrp":
		return c.ipProto("ip", ipProtos[name])
	case "icmp6":
		return c.ipProto("ip6", 58)
	}
	return c.ipProto("", ipProtos[name])
}

func (c *compiler) primitive() (test, error) {
	var q qualifiers
	first := c.peek()
	switch {
	case c.accept("vlan"):
		return c.vlan()
	case c.accept("less"):
		n, err := c.number("a length")
		return c.length(opJgtK, n, false), err
	case c.accept("greater"):
		n, err := c.number("a length")
		return c.length(opJgeK, n, true), err
	case c.accept("broadcast"):
		return c.ether("dst", "ff:ff:ff:ff:ff:ff")
	case c.accept("multicast"):
		return c.groupBit()
	}
	if _, ok := etherTypes[first]; ok || first == "ether" || ipProtos[first] != 0 {
		q.proto = c.next()
	}
	if c.accept("src") {
		q.dir = "src"
		if c.pos+1 < len(c.tokens) && c.tokens[c.pos+1] == "dst" && c.accept("or", "and") {
			q.dir = c.tokens[c.pos-1]
			c.pos++
		}
	} else if c.accept("dst") {
		q.dir = "dst"
		if c.pos+1 < len(c.tokens) && c.tokens[c.pos+1] == "src" && c.accept("or", "and") {
			q.dir = c.tokens[c.pos-1]
			c.pos++
		}
	}
	switch t := c.peek(); t {
	case "host", "net", "port", "portrange", "proto":
		q.kind = c.next()
	case "broadcast", "multicast":
		if q.proto != "" && q.dir == "" {
			c.next()
			return c.group(q.proto, t)
		}
	case "", ")", "and", "or", "&&", "||":
		if q.proto != "" && q.proto != "ether" && q.dir == "" {
			c.last = q
			return c.named(q.proto), nil
		}
		return nil, fmt.Errorf("syntax error at %q", t)
	}
	if q == (qualifiers{}) {
		switch {
		case c.last != q:
		case net.ParseIP(first) != nil:
			return nil, fmt.Errorf("an address alone: say 'host %s'", first)
		default:
			return nil, c.unknown(first)
		}
		q = c.last
	}
	c.last = q
	return c.qualified(q)
}

func (c *compiler) unknown(word string) error {
	return fmt.Errorf("%q is not known without libpcap: known are ether, vlan, arp, rarp, ip, ip6, icmp, icmp6, igmp, tcp, udp, sctp, "+
		"with src, dst, host, net, port, portrange, proto, broadcast, multicast; less, greater, len, and proto[offset:size]", word)
}

func (c *compiler) number(what string) (uint32, error) {
	t := c.next()
	n, err := strconv.ParseUint(t, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not %s", t, what)
	}
	return uint32(n), nil
}

func (c *compiler) length(op uint16, n uint32, is bool) test {
	t := func(g *generator, yes, no int) {
		g.emit(opLdLen, 0)
		g.jump(op, n, yes, no)
	}
	if !is {
		return inverse(t)
	}
	return t
}

func (c *compiler) vlan() (test, error) {
	if c.typeAt < 0 || !c.ethernet {
		return nil, errors.New("this link type has no VLAN tags")
	}
	t := either(equal(c.typeAt, 2, 0x8100), equal(c.typeAt, 2, 0x88a8), equal(c.typeAt, 2, 0x9100))
	if isNumber(c.peek()) {
		id, _ := c.number("")
		if id > 4095 {
			return nil, fmt.Errorf("a VLAN id is 0 to 4095, not %d", id)
		}
		t = both(t, at(c.typeAt+2, 2, 0xfff, opJeqK, id))
	}
	c.typeAt += 4
	c.net += 4
	return t, nil
}

// qualified reads the value that q is about.
func (c *compiler) qualified(q qualifiers) (test, error) {
	value := strings.TrimPrefix(c.next(), "\\")
	if value == "" {
		return nil, errors.New("syntax error at the end: a value is missing")
	}
	switch q.kind {
	case "port", "portrange":
		return c.port(q, value)
	case "proto":
		return c.proto(q, value)
	case "net":
		return c.network(q, value)
	}
	if q.proto == "ether" {
		return c.ether(q.dir, value)
	}
	a, err := netip.ParseAddr(value)
	if err != nil {
		if _, macErr := net.ParseMAC(value); macErr == nil {
			return nil, fmt.Errorf("%q is an Ethernet address: say 'ether host'", value)
		}
		return nil, fmt.Errorf("%q is not an IP address (without libpcap names are not looked up)", value)
	}
	if c.peek() == "/" {
		if q.kind != "" {
			return nil, errors.New("a mask is for networks: say 'net'")
		}
		return c.network(q, value)
	}
	return c.prefix(q, netip.PrefixFrom(a, a.BitLen()))
}

// network reads the rest of a net: /length, mask, or nothing, when the number of
// parts tells.
func (c *compiler) network(q qualifiers, value string) (test, error) {
	if strings.Contains(value, ":") {
		a, err := netip.ParseAddr(value)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network", value)
		}
		bits := uint32(128)
		if c.accept("/") {
			if bits, err = c.number("a prefix length"); err != nil {
				return nil, err
			}
		}
		return c.masked(q, netip.PrefixFrom(a, int(bits)))
	}
	parts := strings.Split(value, ".")
	bits := uint32(len(parts) * 8)
	for len(parts) < 4 {
		parts = append(parts, "0")
	}
	a, err := netip.ParseAddr(strings.Join(parts, "."))
	if err != nil {
		return nil, fmt.Errorf("%q is not a network", value)
	}
	switch {
	case c.accept("/"):
		if bits, err = c.number("a prefix length"); err != nil {
			return nil, err
		}
	case c.accept("mask"):
		m, err := netip.ParseAddr(c.next())
		if err != nil || !m.Is4() {
			return nil, errors.New("'mask' wants an IPv4 mask")
		}
		b := m.As4()
		ones, size := net.IPMask(b[:]).Size()
		if size == 0 {
			return nil, errors.New("a mask with gaps is not known without libpcap")
		}
		bits = uint32(ones)
	}
	return c.masked(q, netip.PrefixFrom(a, int(bits)))
}

func (c *compiler) masked(q qualifiers, p netip.Prefix) (test, error) {
	switch {
	case !p.IsValid():
		return nil, fmt.Errorf("a prefix length of %v is 0 to %d", p.Addr(), p.Addr().BitLen())
	case p.Masked() != p:
		return nil, fmt.Errorf("non-network bits set in %q", p.Addr())
	}
	return c.prefix(q, p)
}

// prefix tests the addresses of IP and, of IPv4, those that ARP speaks of.
func (c *compiler) prefix(q qualifiers, p netip.Prefix) (test, error) {
	var tests []test
	add := func(proto string, src, dst int) {
		if q.proto == "" || q.proto == proto {
			tests = append(tests, both(c.etherType(etherTypes[proto]),
				directed(q.dir, c.addressAt(c.net+src, p), c.addressAt(c.net+dst, p))))
		}
	}
	if p.Addr().Is4() {
		add("ip", 12, 16)
		add("arp", 14, 24)
		add("rarp", 14, 24)
	} else {
		add("ip6", 8, 24)
	}
	if len(tests) == 0 {
		return nil, fmt.Errorf("'%s host' cannot be used with %v", q.proto, p.Addr())
	}
	return either(tests...), nil
}

// directed combines a test of the source with the same of the destination.
func directed(dir string, src, dst test) test {
	switch dir {
	case "src":
		return src
	case "dst":
		return dst
	case "and":
		return both(src, dst)
	}
	return either(src, dst)
}

// addressAt compares the address at offset with a prefix, word by word.
func (c *compiler) addressAt(offset int, p netip.Prefix) test {
	b := p.Addr().AsSlice()
	tests := []test{}
	for i := 0; i < len(b); i += 4 {
		bits := min(32, p.Bits()-i*8)
		if bits <= 0 {
			break
		}
		mask := ^uint32(0) << (32 - bits)
		value := (uint32(b[i])<<24 | uint32(b[i+1])<<16 | uint32(b[i+2])<<8 | uint32(b[i+3])) & mask
		tests = append(tests, at(offset+i, 4, mask, opJeqK, value))
	}
	if len(tests) == 0 {
		return always(true)
	}
	return both(tests...)
}

func (c *compiler) ether(dir, value string) (test, error) {
	if !c.ethernet {
		return nil, errors.New("this link type has no Ethernet addresses")
	}
	mac, err := net.ParseMAC(value)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("%q is not an Ethernet address", value)
	}
	compare := func(offset int) test {
		return both(equal(offset+2, 4, uint32(mac[2])<<24|uint32(mac[3])<<16|uint32(mac[4])<<8|uint32(mac[5])),
			equal(offset, 2, uint32(mac[0])<<8|uint32(mac[1])))
	}
	return directed(dir, compare(6), compare(0)), nil
}

func (c *compiler) groupBit() (test, error) {
	if !c.ethernet {
		return nil, errors.New("this link type has no Ethernet addresses")
	}
	return at(0, 1, 0, opJsetK, 1), nil
}

func (c *compiler) group(proto, what string) (test, error) {
	switch proto + " " + what {
	case "ether broadcast":
		return c.ether("dst", "ff:ff:ff:ff:ff:ff")
	case "ether multicast":
		return c.groupBit()
	case "ip multicast":
		return both(c.ip4(), at(c.net+16, 1, 0, opJgeK, 224)), nil
	case "ip6 multicast":
		return both(c.ip6(), equal(c.net+24, 1, 0xff)), nil
	}
	return nil, fmt.Errorf("'%s %s' is not known without libpcap", proto, what)
}

func (c *compiler) proto(q qualifiers, value string) (test, error) {
	v, err := strconv.ParseUint(value, 0, 16)
	if q.proto == "ether" {
		if name, ok := etherTypes[value]; ok {
			v, err = uint64(name), nil
		}
		if err != nil || v <= 1500 || c.typeAt < 0 {
			return nil, fmt.Errorf("%q is not an EtherType", value)
		}
		return c.etherType(uint32(v)), nil
	}
	if name, ok := ipProtos[value]; ok {
		v, err = uint64(name), nil
	}
	if err != nil || v > 255 || q.proto != "" && q.proto != "ip" && q.proto != "ip6" {
		return nil, fmt.Errorf("%q is not a protocol of IP", value)
	}
	return c.ipProto(q.proto, uint32(v)), nil
}

// port tests TCP, UDP and SCTP ports. Of a fragmented IPv4 packet only the
// first fragment has them.
func (c *compiler) port(q qualifiers, value string) (test, error) {
	var protos []uint32
	switch q.proto {
	case "tcp", "udp", "sctp":
		protos = []uint32{ipProtos[q.proto]}
	case "":
		protos = []uint32{6, 17, 132}
	default:
		return nil, fmt.Errorf("'%s port' is not a filter: ports belong to tcp, udp and sctp", q.proto)
	}
	first, protos, err := portNumber(value, protos)
	last := first
	if low, high, ok := strings.Cut(value, "-"); err != nil && ok && q.kind == "portrange" {
		if first, _, err = portNumber(low, protos); err == nil {
			last, protos, err = portNumber(high, protos)
		}
	}
	if err != nil {
		return nil, err
	}
	if first > last {
		first, last = last, first
	}
	compare := func(op uint16, offset int, indexed bool) test {
		return func(g *generator, yes, no int) {
			if indexed {
				g.emit(opLdxMsh, uint32(c.net))
			}
			g.emit(op, uint32(offset))
			if first == last {
				g.jump(opJeqK, first, yes, no)
				return
			}
			above := g.label()
			g.jump(opJgeK, first, above, no)
			g.place(above)
			g.jump(opJgtK, last, no, yes)
		}
	}
	// The offsets of this moment: a later `vlan` moves those of c.
	here := *c
	c = &here
	var four, six []test
	for _, p := range protos {
		four = append(four, equal(c.net+9, 1, p))
		six = append(six, equal(c.net+6, 1, p))
	}
	t4 := both(c.ip4(), either(four...), inverse(at(c.net+6, 2, 0, opJsetK, 0x1fff)),
		directed(q.dir, compare(opLdHInd, c.net, true), compare(opLdHInd, c.net+2, true)))
	t6 := both(c.ip6(), either(six...), directed(q.dir, compare(opLdH, c.net+40, false), compare(opLdH, c.net+42, false)))
	return either(t4, t6), nil
}

// portNumber reads a port; a service's name also narrows the protocols down to
// those that have the service.
func portNumber(s string, protos []uint32) (uint32, []uint32, error) {
	n, err := strconv.ParseUint(s, 0, 16)
	if err == nil {
		return uint32(n), protos, nil
	}
	var port int
	var having []uint32
	for _, p := range protos {
		network := map[uint32]string{6: "tcp", 17: "udp"}[p]
		if found, err := net.LookupPort(network, s); network != "" && err == nil && (having == nil || found == port) {
			port, having = found, append(having, p)
		}
	}
	if having == nil || isDigit(s) {
		return 0, protos, fmt.Errorf("%q is not a port: 0 to 65535, or a service's name", s)
	}
	if len(having) == 2 {
		having = protos // libpcap then takes it for any protocol's
	}
	return uint32(port), having, nil
}

func isDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// value is an arithmetic expression: code that leaves its result in A, and the
// tests of protocols that must hold before.
type value struct {
	code   func(g *generator)
	needs  []test
	number *uint32 // when it is one
}

// errArithmetic marks errors in what can only have been meant as arithmetic.
var errArithmetic = errors.New("in arithmetic")

func (c *compiler) relation() (test, error) {
	left, err := c.arithmetic(0)
	if err != nil {
		return nil, err
	}
	op := c.next()
	var code uint16
	negate := false
	switch op {
	case "=", "==":
		code = opJeqK
	case "!=":
		code, negate = opJeqK, true
	case ">":
		code = opJgtK
	case "<=":
		code, negate = opJgtK, true
	case ">=":
		code = opJgeK
	case "<":
		code, negate = opJgeK, true
	default:
		return nil, fmt.Errorf("syntax error at %q: a comparison is missing", op)
	}
	right, err := c.arithmetic(0)
	if err != nil {
		return nil, err
	}
	var t test = func(g *generator, yes, no int) {
		if right.number != nil {
			left.code(g)
			g.jump(code, *right.number, yes, no)
			return
		}
		g.pair(left, right)
		g.jump(code|aluX, 0, yes, no)
	}
	if negate {
		t = inverse(t)
	}
	return both(append(append(left.needs, right.needs...), t)...), nil
}

// pair leaves left in A and right in X.
func (g *generator) pair(left, right value) {
	cell := g.memory
	if cell == memSize {
		g.err = errors.New("arithmetic too deep")
		return
	}
	g.memory++
	left.code(g)
	g.emit(opSt, uint32(cell))
	right.code(g)
	g.emit(opTax, 0)
	g.emit(opLdMem, uint32(cell))
	g.memory--
}

// operators of arithmetic, the weakest first: libpcap's precedence, not C's.
var operators = []map[string]uint16{
	{"|": aluOr, "&": aluAnd, "^": aluXor},
	{"<<": aluLsh, ">>": aluRsh},
	{"+": aluAdd, "-": aluSub},
	{"*": aluMul, "/": aluDiv, "%": aluMod},
}

func (c *compiler) arithmetic(level int) (value, error) {
	if level == len(operators) {
		return c.operand()
	}
	left, err := c.arithmetic(level + 1)
	for err == nil {
		op, ok := operators[level][c.peek()]
		if !ok {
			return left, nil
		}
		c.next()
		var right value
		if right, err = c.arithmetic(level + 1); err != nil {
			break
		}
		l := left
		if right.number != nil && *right.number == 0 && (op == aluDiv || op == aluMod) {
			return value{}, fmt.Errorf("division by zero %w", errArithmetic)
		}
		left = value{needs: append(append([]test(nil), l.needs...), right.needs...), code: func(g *generator) {
			if right.number != nil {
				l.code(g)
				g.emit(opAlu|op, *right.number)
				return
			}
			g.pair(l, right)
			g.emit(opAlu|op|aluX, 0)
		}}
	}
	return value{}, err
}

var constants = map[string]uint32{
	"tcpflags": 13, "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
	"icmptype": 0, "icmpcode": 1, "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14,
	"icmp6type": 0, "icmp6code": 1, "icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134,
	"icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
}

func (c *compiler) operand() (value, error) {
	t := c.next()
	if n, err := strconv.ParseUint(t, 0, 32); err == nil {
		return constant(uint32(n)), nil
	}
	if n, ok := constants[t]; ok {
		return constant(n), nil
	}
	switch t {
	case "(":
		v, err := c.arithmetic(0)
		if err == nil && !c.accept(")") {
			err = fmt.Errorf("syntax error at %q: ')' is missing", c.peek())
		}
		return v, err
	case "-":
		v, err := c.operand()
		return value{needs: v.needs, code: func(g *generator) { v.code(g); g.emit(opNeg, 0) }}, err
	case "len":
		return value{code: func(g *generator) { g.emit(opLdLen, 0) }}, nil
	}
	if c.peek() != "[" {
		return value{}, fmt.Errorf("syntax error at %q", t)
	}
	return c.accessor(t)
}

func constant(n uint32) value {
	return value{number: &n, code: func(g *generator) { g.emit(opLdImm, n) }}
}

// accessor reads proto[offset:size].
func (c *compiler) accessor(proto string) (value, error) {
	base, transport := c.net, false
	var needs []test
	switch proto {
	case "ether", "link":
		base = 0
	case "ip", "ip6", "arp", "rarp":
		needs = []test{c.named(proto)}
	case "tcp", "udp", "icmp", "igmp", "sctp":
		transport = true
		needs = []test{c.ipProto("ip", ipProtos[proto]), inverse(at(c.net+6, 2, 0, opJsetK, 0x1fff))}
	case "icmp6":
		base += 40
		needs = []test{c.ip6(), equal(c.net+6, 1, 58)}
	default:
		return value{}, fmt.Errorf("%w: %w", c.unknown(proto+"["), errArithmetic)
	}
	c.next()
	index, err := c.arithmetic(0)
	if err != nil {
		return value{}, err
	}
	size := uint32(1)
	if c.accept(":") {
		if size, err = c.number("a size"); err != nil {
			return value{}, err
		}
	}
	if size != 1 && size != 2 && size != 4 {
		return value{}, fmt.Errorf("%s[:%d]: data size must be 1, 2, or 4: %w", proto, size, errArithmetic)
	}
	if !c.accept("]") {
		return value{}, fmt.Errorf("syntax error at %q: ']' is missing: %w", c.peek(), errArithmetic)
	}
	header := uint32(c.net)
	op := load(int(size))
	return value{needs: append(needs, index.needs...), code: func(g *generator) {
		switch {
		case index.number != nil && !transport:
			g.emit(op, uint32(base)+*index.number)
		case index.number != nil:
			g.emit(opLdxMsh, header)
			g.emit(op&^0x20|0x40, uint32(base)+*index.number)
		case transport:
			index.code(g)
			g.emit(opLdxMsh, header)
			g.emit(opAlu|aluAdd|aluX, 0)
			g.emit(opTax, 0)
			g.emit(op&^0x20|0x40, uint32(base))
		default:
			index.code(g)
			g.emit(opTax, 0)
			g.emit(op&^0x20|0x40, uint32(base))
		}
	}}, nil
}
