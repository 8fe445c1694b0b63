package packet

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// tshark runs the other decoder that the tables are held against. Without it
// the test is skipped, unless UMPA_TOOLS=require says that it must be there.
func tshark(t *testing.T, file string, args ...string) []string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("UMPA_TOOLS") == "require" {
			t.Fatal("tshark is not installed, and UMPA_TOOLS=require asks for it")
		}
		t.Skip("skipped: tshark is not installed")
	}
	args = append([]string{"-n", "-r", file,
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.relative_sequence_numbers:FALSE",
		"-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"}, args...)
	cmd := exec.Command(path, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// readCapture returns the frames of a capture file of testdata.
func readCapture(t testing.TB, name string) [][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for {
		data, _, err := r.ReadPacketData()
		if err == io.EOF {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, data)
	}
}

func writeCapture(t *testing.T, frames [][]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "built.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, b := range frames {
		if err := w.WritePacket(gopacket.CaptureInfo{CaptureLength: len(b), Length: len(b)}, b); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// oracle says which fields of tshark are one of ours: the name after "=" is
// the field, several joined by "+" are met in that order, "*4" says that
// tshark counts in units that are so much smaller. Of a list of objects, the
// name is that of the item's field.
const oracle = `
eth.dst=eth.dst eth.src=eth.src eth.type=eth.type
vlan.priority=ieee8021ad.priority+vlan.priority vlan.dei=ieee8021ad.dei+vlan.dei vlan.id=ieee8021ad.id+vlan.id
arp.htype=arp.hw.type arp.ptype=arp.proto.type arp.hlen=arp.hw.size arp.plen=arp.proto.size arp.op=arp.opcode
arp.sha=arp.src.hw_mac arp.spa=arp.src.proto_ipv4 arp.tha=arp.dst.hw_mac arp.tpa=arp.dst.proto_ipv4
ip.version=ip.version ip.headerLength=ip.hdr_len*4 ip.dscp=ip.dsfield.dscp ip.ecn=ip.dsfield.ecn ip.length=ip.len ip.id=ip.id
ip.df=ip.flags.df ip.mf=ip.flags.mf ip.offset=ip.frag_offset ip.ttl=ip.ttl ip.protocol=ip.proto ip.checksum=ip.checksum
ip.src=ip.src ip.dst=ip.dst ip.options.type=ip.opt.type
ip6.version=ip.version ip6.trafficClass=ipv6.tclass ip6.flowLabel=ipv6.flow ip6.length=ipv6.plen ip6.nextHeader=ipv6.nxt ip6.hopLimit=ipv6.hlim
ip6.src=ipv6.src ip6.dst=ipv6.dst
ip6hop.nextHeader=ipv6.hopopts.nxt ip6hop.headerLength=ipv6.hopopts.len ip6hop.options.routerAlert=ipv6.opt.router_alert
ip6dest.nextHeader=ipv6.dstopts.nxt ip6dest.headerLength=ipv6.dstopts.len
ip6route.nextHeader=ipv6.routing.nxt ip6route.headerLength=ipv6.routing.len ip6route.type=ipv6.routing.type ip6route.segmentsLeft=ipv6.routing.segleft
ip6route.addresses=ipv6.routing.mipv6.home_address
ip6frag.nextHeader=ipv6.fraghdr.nxt ip6frag.offset=ipv6.fraghdr.offset ip6frag.mf=ipv6.fraghdr.more ip6frag.id=ipv6.fraghdr.ident
icmp.type=icmp.type icmp.code=icmp.code icmp.checksum=icmp.checksum icmp.id=icmp.ident icmp.seq=icmp.seq icmp.originate=icmp.originate_timestamp icmp.receive=icmp.receive_timestamp icmp.transmit=icmp.transmit_timestamp icmp.gateway=icmp.redir_gw
icmp.pointer=icmp.pointer icmp.mtu=icmp.mtu
icmp6.type=icmpv6.type icmp6.code=icmpv6.code icmp6.checksum=icmpv6.checksum icmp6.id=icmpv6.echo.identifier icmp6.seq=icmpv6.echo.sequence_number
icmp6.mtu=icmpv6.mtu icmp6.pointer=icmpv6.pointer icmp6.maxResponse=icmpv6.mld.maximum_response_delay
icmp6.hopLimit=icmpv6.nd.ra.cur_hop_limit icmp6.managed=icmpv6.nd.ra.flag.m icmp6.otherConfig=icmpv6.nd.ra.flag.o icmp6.routerPreference=icmpv6.nd.ra.flag.prf
icmp6.lifetime=icmpv6.nd.ra.router_lifetime icmp6.reachable=icmpv6.nd.ra.reachable_time icmp6.retransmit=icmpv6.nd.ra.retrans_timer
icmp6.router=icmpv6.nd.na.flag.r icmp6.solicited=icmpv6.nd.na.flag.s icmp6.override=icmpv6.nd.na.flag.o
icmp6.target=icmpv6.nd.ns.target_address+icmpv6.nd.na.target_address+icmpv6.mld.multicast_address
icmp6.options.sourceMac=icmpv6.opt.src_linkaddr icmp6.options.targetMac=icmpv6.opt.target_linkaddr icmp6.options.mtu=icmpv6.opt.mtu
icmp6.options.prefix.length=icmpv6.opt.prefix.length icmp6.options.prefix.onLink=icmpv6.opt.prefix.flag.l icmp6.options.prefix.autonomous=icmpv6.opt.prefix.flag.a
icmp6.options.prefix.valid=icmpv6.opt.prefix.valid_lifetime icmp6.options.prefix.preferred=icmpv6.opt.prefix.preferred_lifetime
icmp6.options.prefix.prefix=icmpv6.opt.prefix icmp6.options.rdnss.lifetime=icmpv6.opt.rdnss.lifetime icmp6.options.rdnss.servers=icmpv6.opt.rdnss
tcp.sport=tcp.srcport tcp.dport=tcp.dstport tcp.seq=tcp.seq_raw tcp.ack=tcp.ack_raw tcp.dataOffset=tcp.hdr_len*4 tcp.flags=tcp.flags
tcp.window=tcp.window_size_value tcp.checksum=tcp.checksum tcp.urgent=tcp.urgent_pointer
tcp.options.mss=tcp.options.mss_val tcp.options.windowScale=tcp.options.wscale.shift tcp.options.sackLeft=tcp.options.sack_le
tcp.options.sackRight=tcp.options.sack_re tcp.options.timestampsValue=tcp.options.timestamp.tsval tcp.options.timestampsEcho=tcp.options.timestamp.tsecr
udp.sport=udp.srcport udp.dport=udp.dstport udp.length=udp.length udp.checksum=udp.checksum
dns.id=dns.id dns.qr=dns.flags.response dns.opcode=dns.flags.opcode dns.aa=dns.flags.authoritative dns.tc=dns.flags.truncated
dns.rd=dns.flags.recdesired dns.ra=dns.flags.recavail dns.ad=dns.flags.authenticated dns.cd=dns.flags.checkdisable dns.rcode=dns.flags.rcode
dns.qdcount=dns.count.queries dns.ancount=dns.count.answers dns.nscount=dns.count.auth_rr dns.arcount=dns.count.add_rr
dns.questions.name=dns.qry.name dns.questions.type=dns.qry.type dns.questions.class=dns.qry.class
dns.rr.name=dns.resp.name dns.rr.type=dns.resp.type dns.rr.class=dns.resp.class dns.rr.ttl=dns.resp.ttl dns.rr.payloadSize=dns.rr.udp_payload_size dns.rr.flags=dns.resp.z
dns.rr.a=dns.a dns.rr.aaaa=dns.aaaa dns.rr.cname=dns.cname dns.rr.ns=dns.ns dns.rr.ptr=dns.ptr.domain_name dns.rr.txt=dns.txt
dns.rr.mx.preference=dns.mx.preference dns.rr.mx.exchange=dns.mx.mail_exchange
dns.rr.srv.priority=dns.srv.priority dns.rr.srv.weight=dns.srv.weight dns.rr.srv.port=dns.srv.port dns.rr.srv.target=dns.srv.target
dns.rr.soa.mname=dns.soa.mname dns.rr.soa.rname=dns.soa.rname dns.rr.soa.serial=dns.soa.serial_number dns.rr.soa.refresh=dns.soa.refresh_interval
dns.rr.soa.retry=dns.soa.retry_interval dns.rr.soa.expire=dns.soa.expire_limit dns.rr.soa.minimum=dns.soa.minimum_ttl
dhcp.op=dhcp.type dhcp.htype=dhcp.hw.type dhcp.hlen=dhcp.hw.len dhcp.hops=dhcp.hops dhcp.xid=dhcp.id dhcp.secs=dhcp.secs dhcp.flags=dhcp.flags
dhcp.ciaddr=dhcp.ip.client dhcp.yiaddr=dhcp.ip.your dhcp.siaddr=dhcp.ip.server dhcp.giaddr=dhcp.ip.relay dhcp.chaddr=dhcp.hw.mac_addr
dhcp.sname=dhcp.server dhcp.file=dhcp.file
dhcp.options.messageType=dhcp.option.dhcp dhcp.options.requestedIp=dhcp.option.requested_ip_address dhcp.options.hostname=dhcp.option.hostname
dhcp.options.parameterList=dhcp.option.request_list_item dhcp.options.maxMessageSize=dhcp.option.dhcp_max_message_size
dhcp.options.serverId=dhcp.option.dhcp_server_id dhcp.options.leaseTime=dhcp.option.ip_address_lease_time dhcp.options.renewalTime=dhcp.option.renewal_time_value
dhcp.options.rebindingTime=dhcp.option.rebinding_time_value dhcp.options.subnetMask=dhcp.option.subnet_mask dhcp.options.router=dhcp.option.router
dhcp.options.dns=dhcp.option.domain_name_server dhcp.options.domainName=dhcp.option.domain_name dhcp.options.broadcast=dhcp.option.broadcast_address
dhcp.options.ntp=dhcp.option.ntp_server
`

// unmapped are our fields that tshark has in another shape, or not at all.
var unmapped = map[string]string{
	"vlan.type":             "tshark's name depends on the tag's own EtherType",
	"ip.options.data":       "tshark takes the options apart",
	"tcp.options.sackOk":    "presence, with no value of its own",
	"tcp.reserved":          "part of tshark's tcp.flags",
	"dns.rr.data":           "empty data of OPT",
	"dns.rr.srvName":        "tshark cuts service and protocol off",
	"dhcp.options.clientId": "tshark takes it apart",
	"dns.query":             "tshark has these flags in responses alone",
	"tcp.cut":               "tshark has ports alone of a header that is cut off",
	"icmp.mtu0":             "tshark has no MTU unless fragmentation was needed",
}

// oracleValues collects a packet's visible values by name, those of quoted packets
// behind.
func oracleValues(p *Packet, out map[string][]string) {
	for i := range p.refs {
		for _, f := range p.refs[i].Proto.Fields {
			if f.Hidden {
				continue
			}
			v, ok := p.Value(i, f)
			if !ok {
				continue
			}
			name := f.proto.Name + "." + f.Name
			switch name {
			case "dns.aa", "dns.ra", "dns.ad", "dns.rcode":
				if p.number(i, "qr") == 0 {
					name = "dns.query"
				}
			case "tcp.seq":
				if len(p.header(i)) < f.proto.minBytes {
					name = "tcp.cut"
				}
			case "tcp.flags":
				v = v.(uint64) | p.number(i, "reserved")<<8
			case "icmp.mtu":
				if p.number(i, "code") != 4 {
					name += "0"
				}
			case "dns.answers", "dns.authorities", "dns.additionals":
				for _, x := range v.([]any) {
					oracleRecord(x.(Fields), out)
				}
				continue
			}
			oracleValue(name, v, out)
		}
	}
	if q := p.Quoted(); q != nil {
		oracleValues(q, out)
	}
}

func oracleRecord(rr Fields, out map[string][]string) {
	typ := rr.Get("type").(uint64)
	for _, fv := range rr {
		name := "dns.rr." + fv.Name
		switch {
		case typ == 41 && fv.Name == "class":
			name = "dns.rr.payloadSize"
		case typ == 41 && fv.Name == "ttl":
			name = "dns.rr.flags"
			fv.Value = fv.Value.(uint64) & 0xffff
		case typ == 33 && fv.Name == "name":
			name = "dns.rr.srvName"
		case fv.Name == "data" && typ != 41:
			name = "dns.rr." + dnsTypes.Name(typ)
		}
		oracleValue(name, fv.Value, out)
	}
}

func oracleValue(name string, v any, out map[string][]string) {
	switch x := v.(type) {
	case Fields:
		for _, fv := range x {
			oracleValue(name+"."+fv.Name, fv.Value, out)
		}
	case []any:
		if name == "tcp.options.timestamps" {
			oracleValue(name+"Value", x[0], out)
			oracleValue(name+"Echo", x[1], out)
			return
		}
		for _, it := range x {
			if pair, ok := it.([]any); ok {
				oracleValue(name+"Left", pair[0], out)
				oracleValue(name+"Right", pair[1], out)
				continue
			}
			oracleValue(name, it, out)
		}
	case []byte:
		out[name] = append(out[name], hex.EncodeToString(x))
	case string:
		if x == "" && name == "dns.rr.name" {
			x = "<Root>"
		}
		if x != "" { // an empty text is none to tshark
			out[name] = append(out[name], x)
		}
	default:
		out[name] = append(out[name], fmt.Sprint(x))
	}
}

// canonical brings a value as tshark prints it to the form that oracleValues gives.
func canonical(s string) string {
	if n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64); err == nil && strings.HasPrefix(s, "0x") {
		return strconv.FormatUint(n, 10)
	}
	switch s {
	case "True":
		return "1"
	case "False":
		return "0"
	}
	return s
}

// TestOracle compares every visible field of every packet of the golden
// capture, built by Scapy, with what tshark reads there.
func TestOracle(t *testing.T) {
	type column struct {
		ours   []string // in wire order of the layers: ip before ip6
		fields []string
		unit   uint64
	}
	var columns []*column
	byField := map[string]*column{}
	mapped := map[string]bool{}
	for _, entry := range strings.Fields(oracle) {
		ours, theirs, _ := strings.Cut(entry, "=")
		mapped[ours] = true
		theirs, unit, _ := strings.Cut(theirs, "*")
		c := byField[theirs]
		if c == nil {
			n, _ := strconv.ParseUint(unit, 10, 64)
			c = &column{fields: strings.Split(theirs, "+"), unit: max(n, 1)}
			byField[theirs] = c
			columns = append(columns, c)
		}
		c.ours = append(c.ours, ours)
	}
	var args []string
	for _, c := range columns {
		for _, f := range c.fields {
			args = append(args, "-e", f)
		}
	}
	frames := readCapture(t, "golden.pcap")
	lines := tshark(t, filepath.Join("testdata", "golden.pcap"), args...)
	if len(lines) != len(frames) {
		t.Fatalf("tshark read %d packets of %d", len(lines), len(frames))
	}
	reg := Builtin()
	compared := 0
	for n, frame := range frames {
		var p Packet
		reg.Decode(&p, frame, protoEth)
		if errs := p.Errors(); len(errs) > 0 {
			t.Errorf("packet %d: %s: errors %q", n+1, p.Summary(), errs)
		}
		values := map[string][]string{}
		oracleValues(&p, values)
		for name := range values {
			if !mapped[name] && unmapped[name] == "" {
				t.Errorf("packet %d: %s has neither a field of tshark nor a reason to have none", n+1, name)
			}
		}
		cells := strings.Split(lines[n], "\t")
		for _, c := range columns {
			var want []string
			for range c.fields {
				for _, s := range strings.Split(cells[0], "|") {
					if s = canonical(s); s == "" {
						continue
					}
					if c.unit > 1 {
						v, _ := strconv.ParseUint(s, 10, 64)
						s = strconv.FormatUint(v/c.unit, 10)
					}
					if c.ours[0] == "ip.options.type" && (s == "0" || s == "1") {
						continue // fillers
					}
					want = append(want, s)
				}
				cells = cells[1:]
			}
			var got []string
			for _, name := range c.ours {
				got = append(got, values[name]...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("packet %d: %s: %s (-tshark +ours)\n%s", n+1, p.Summary(), strings.Join(c.ours, " "), diff)
			}
			compared += len(want)
		}
	}
	t.Logf("%d packets, %d values compared", len(frames), compared)
}

// verdict is what tshark says about packets that we built.
func verdict(t *testing.T, frames [][]byte) (bad []string) {
	t.Helper()
	lines := tshark(t, writeCapture(t, frames), "-e", "_ws.malformed", "-e", "_ws.expert.message", "-e", "_ws.expert.group",
		"-e", "ip.checksum.status", "-e", "tcp.checksum.status", "-e", "udp.checksum.status", "-e", "icmp.checksum.status", "-e", "icmpv6.checksum.status",
		"-e", "frame.protocols")
	if len(lines) != len(frames) {
		t.Fatalf("tshark read %d packets of %d", len(lines), len(frames))
	}
	const malformed, checksum = "117440512", "16777216"
	for n, line := range lines {
		cells := strings.Split(line, "\t")
		why := ""
		if cells[0] != "" {
			why = "malformed"
		}
		for _, g := range strings.Split(cells[2], "|") {
			if g == malformed || g == checksum {
				why += " " + cells[1]
			}
		}
		for k, status := range cells[3:8] {
			for _, s := range strings.Split(status, "|") {
				if s == "0" || s == "Bad" {
					why += fmt.Sprintf(" bad checksum of %s", []string{"ip", "tcp", "udp", "icmp", "icmp6"}[k])
				}
			}
		}
		if why != "" {
			bad = append(bad, fmt.Sprintf("packet %d (%s): %s", n, cells[8], why))
		}
	}
	return bad
}

var oracleEnv = &Env{MAC: MAC{2, 0, 0, 0, 0, 1}, IPv4: netip.MustParseAddr("192.0.2.1"), IPv6: netip.MustParseAddr("2001:db8::1"), NextID: func() uint16 { return 0x4242 }}

// part is one layer to build: a protocol's name and its fields; "" is payload.
type part struct {
	layer  string
	fields Fields
}

func textPart(s string) part { return part{"", Fields{{"", s}}} }

func buildParts(t testing.TB, parts ...part) *Packet {
	t.Helper()
	p, err := tryBuild(parts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryBuild(parts ...part) (*Packet, error) {
	reg := Builtin()
	p := NewBytes(reg, nil)
	for _, x := range parts {
		if x.layer == "" {
			p.AppendBytes([]byte(x.fields[0].Value.(string)))
			continue
		}
		q, err := New(reg, reg.Proto(x.layer), x.fields)
		if err != nil {
			return nil, err
		}
		if err := p.Append(q); err != nil {
			return nil, err
		}
	}
	return p, p.Finish(oracleEnv)
}

// constructions are packets as scripts write them, each part told as little
// as it can be.
func constructions() map[string][]part {
	eth := part{"eth", Fields{{"dst", "02:00:00:00:00:02"}}}
	ip := part{"ip", Fields{{"dst", "192.0.2.2"}}}
	ip6 := part{"ip6", Fields{{"dst", "2001:db8::2"}}}
	nd := part{"ip6", Fields{{"src", "fe80::1"}, {"dst", "fe80::2"}, {"hopLimit", 255}}}
	with := func(name string, kv ...any) part {
		var f Fields
		for i := 0; i < len(kv); i += 2 {
			f = append(f, FieldValue{kv[i].(string), kv[i+1]})
		}
		return part{name, f}
	}
	question := Fields{{"name", "example.com"}, {"type", "A"}}
	record := func(name, typ string, data any) Fields {
		return Fields{{"name", name}, {"type", typ}, {"ttl", 60}, {"data", data}}
	}
	return map[string][]part{
		"arp request":    {part{"eth", nil}, with("arp", "tpa", "192.0.2.2")},
		"arp reply":      {eth, with("arp", "op", "reply", "tha", "02:00:00:00:00:02", "tpa", "192.0.2.2")},
		"vlan":           {eth, with("vlan", "id", 5), ip, with("udp", "dport", 6100), textPart("x")},
		"qinq":           {with("eth", "type", 0x88a8), with("vlan", "id", 5), with("vlan", "id", 6, "priority", 7), ip, with("icmp")},
		"icmp echo":      {eth, ip, with("icmp", "id", 1, "seq", 2), textPart("abcdefgh")},
		"icmp odd":       {eth, ip, with("icmp"), textPart("odd")},
		"icmp timestamp": {eth, ip, with("icmp", "type", "timestamp", "id", 1)},
		"icmp times":     {eth, ip, with("icmp", "type", "timestampReply", "originate", 1, "receive", 2, "transmit", 3)},
		"route":          {eth, ip6, part{"ip6route", nil}, with("udp", "dport", 5000), textPart("x")},
		"route mobile":   {eth, ip6, with("ip6route", "type", "mobile", "segmentsLeft", 1, "addresses", []any{"2001:db8::3"}), with("icmp6")},
		"router alert":   {eth, with("ip", "dst", "224.0.0.1", "ttl", 1, "options", []any{Fields{{"type", 148}, {"data", []byte{0, 0}}}}), with("icmp")},
		"udp":            {eth, ip, with("udp", "sport", 1000, "dport", 2000), textPart("hello")},
		"udp empty":      {eth, ip, with("udp", "sport", 1000, "dport", 2000)},
		"udp6 odd":       {eth, ip6, with("udp", "sport", 1000, "dport", 2000), textPart("abc")},
		"tcp syn": {eth, ip, with("tcp", "sport", 40000, "flags", "S", "options",
			Fields{{"mss", 1460}, {"sackOk", 1}, {"timestamps", []any{1, 0}}, {"windowScale", 7}})},
		"tcp data":    {eth, ip, with("tcp", "sport", 40000, "dport", 9999, "flags", "PA", "seq", 1, "ack", 1), textPart("some data")},
		"tcp sack":    {eth, ip, with("tcp", "sport", 40000, "dport", 9999, "flags", "A", "options", Fields{{"sack", []any{[]any{1, 2}, []any{5, 9}}}})},
		"tcp6":        {eth, ip6, with("tcp", "sport", 40000, "dport", 9999), textPart("odd")},
		"ip in ip":    {eth, ip, with("ip", "dst", "192.0.2.9"), with("udp", "dport", 5000), textPart("inner")},
		"6 in 4":      {eth, ip, ip6, with("icmp6")},
		"icmp6 echo":  {eth, ip6, with("icmp6", "id", 3, "seq", 4), textPart("abc")},
		"hop-by-hop":  {eth, ip6, with("ip6hop", "options", Fields{{"routerAlert", 0}}), with("icmp6")},
		"dest":        {eth, ip6, part{"ip6dest", nil}, with("udp", "dport", 5000), textPart("x")},
		"ip6 whole":   {eth, ip6, with("ip6frag", "id", 9), with("udp", "dport", 5000), textPart("x")},
		"nd solicit":  {eth, nd, with("icmp6", "type", "neighborSolicitation", "target", "fe80::2", "options", Fields{{"sourceMac", "02:00:00:00:00:01"}})},
		"nd advert":   {eth, nd, with("icmp6", "type", "neighborAdvertisement", "target", "fe80::1", "solicited", 1, "options", Fields{{"targetMac", "02:00:00:00:00:01"}})},
		"nd routers?": {eth, nd, with("icmp6", "type", "routerSolicitation")},
		"nd router": {eth, nd, with("icmp6", "type", "routerAdvertisement", "options", Fields{{"sourceMac", "02:00:00:00:00:01"}, {"mtu", 1500},
			{"prefix", Fields{{"prefix", "2001:db8::"}}}, {"rdnss", Fields{{"servers", []any{"2001:db8::53"}}}}})},
		"dns query": {eth, ip, part{"udp", nil}, with("dns", "id", 1, "questions", []any{question})},
		"dns answers": {eth, ip, with("udp", "sport", 53, "dport", 5000), with("dns", "id", 1, "qr", 1, "questions", []any{question}, "answers", []any{
			record("example.com", "A", "192.0.2.3"), record("example.com", "AAAA", "2001:db8::3"), record("www.example.com", "CNAME", "example.com"),
			record("example.com", "MX", Fields{{"preference", 5}, {"exchange", "mail.example.com"}}), record("example.com", "TXT", []any{"one", "two"}),
			record("_sip._udp.example.com", "SRV", Fields{{"port", 5060}, {"target", "sip.example.com"}}),
		}, "authorities", []any{record("example.com", "SOA", Fields{{"mname", "ns.example.com"}, {"rname", "root.example.com"}, {"serial", 1}})})},
		"dhcp": {part{"eth", nil}, with("ip", "src", "0.0.0.0", "dst", "255.255.255.255"), part{"udp", nil},
			with("dhcp", "xid", 77, "options", Fields{{"messageType", "discover"}, {"parameterList", []any{1, 3, 6}}, {"hostname", "host"}, {"clientId", []byte{1, 2, 0, 0, 0, 0, 1}},
				{"domainSearch", []any{"a.example.com", "example.com"}}, {"relayAgent", Fields{{"circuitId", "port 1"}}}})},
	}
}

// TestBuiltIsSound has tshark judge what the builders make, the answers and
// errors made from it, and random ones: nothing malformed, no bad checksum.
func TestBuiltIsSound(t *testing.T) {
	var frames [][]byte
	var names []string
	add := func(name string, p *Packet) {
		frames = append(frames, bytes.Clone(p.Data))
		names = append(names, name)
	}
	reg := Builtin()
	other := &Env{MAC: MAC{2, 0, 0, 0, 0, 2}, IPv4: netip.MustParseAddr("192.0.2.2"), IPv6: netip.MustParseAddr("2001:db8::2")}
	for name, parts := range constructions() {
		p := buildParts(t, parts...)
		add(name, p)
		var got Packet
		reg.Decode(&got, p.Data, protoEth)
		if errs := got.Errors(); len(errs) > 0 {
			t.Errorf("%s: errors %q", name, errs)
		}
		r, err := got.Reply(other, nil, nil)
		if err != nil {
			t.Errorf("%s: reply: %v", name, err)
			continue
		}
		if name != "arp reply" && !strings.HasPrefix(name, "nd router") && name != "dns answers" { // what nobody answers
			add("reply to "+name, r)
		}
		if got.FindName("ip", 0) >= 0 || got.FindName("ip6", 0) >= 0 {
			for _, kind := range []string{"unreachable", "timeExceeded", "packetTooBig", "parameterProblem", "redirect"} {
				if kind == "redirect" && name == "6 in 4" {
					continue // tshark gives the quote of a redirect eight bytes of data, too few for IPv6
				}
				e, err := got.Error(other, kind, ErrorOptions{})
				if err != nil {
					t.Errorf("%s: %s: %v", name, kind, err)
				}
				if e != nil {
					add(kind+" about "+name, e)
				}
			}
		}
		if w, err := got.With([]Change{{Proto: protoEth, Fields: Fields{{"src", "02:00:00:00:00:77"}}}, {Payload: nil}}); err == nil && len(got.Payload()) > 0 {
			add(name+" without payload", w)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		p := buildParts(t, randomParts(rnd)...)
		add("random "+p.Summary(), p)
	}
	for _, b := range verdict(t, frames) {
		n := 0
		fmt.Sscanf(b, "packet %d", &n)
		t.Errorf("%s: %s\n%s", names[n], b, hex.Dump(frames[n]))
	}
	t.Logf("%d packets", len(frames))

	// The judge must be awake: a frame with one wrong checksum is flagged.
	wrong := buildParts(t, part{"eth", nil}, part{"ip", Fields{{"dst", "192.0.2.2"}}}, part{"udp", Fields{{"dport", 5000}, {"checksum", 0x1234}}}, textPart("x"))
	if bad := verdict(t, [][]byte{wrong.Data}); len(bad) != 1 {
		t.Errorf("tshark did not flag a wrong checksum: %q", bad)
	}
}

// randomParts is a random sound packet over UDP, TCP or ICMP.
func randomParts(r *rand.Rand) []part {
	parts := []part{{"eth", Fields{{"dst", MAC{2, byte(r.Uint32()), 0, 0, 0, byte(r.Uint32())}}}}}
	for range r.IntN(3) {
		parts = append(parts, part{"vlan", Fields{{"id", r.IntN(4096)}, {"priority", r.IntN(8)}}})
	}
	six := r.IntN(2) == 0
	if six {
		var dst [16]byte
		for i := range dst {
			dst[i] = byte(r.Uint32())
		}
		dst[0] = 0x20
		parts = append(parts, part{"ip6", Fields{{"dst", netip.AddrFrom16(dst)}, {"flowLabel", r.IntN(1 << 20)}, {"trafficClass", r.IntN(256)}, {"hopLimit", 1 + r.IntN(255)}}})
		if r.IntN(3) == 0 {
			parts = append(parts, part{"ip6dest", nil})
		}
	} else {
		f := Fields{{"dst", netip.AddrFrom4([4]byte{byte(1 + r.IntN(223)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})}, {"ttl", 1 + r.IntN(255)}, {"dscp", r.IntN(64)}, {"df", r.IntN(2)}}
		if r.IntN(3) == 0 {
			f = append(f, FieldValue{"options", []any{Fields{{"type", 148}, {"data", []byte{0, 0}}}}})
		}
		parts = append(parts, part{"ip", f})
	}
	ports := Fields{{"sport", 20000 + r.IntN(1000)}, {"dport", 30000 + r.IntN(1000)}}
	switch r.IntN(3) {
	case 0:
		parts = append(parts, part{"udp", ports})
	case 1:
		f := append(ports, Fields{{"seq", r.IntN(1 << 30)}, {"ack", 0}, {"flags", "S"}, {"window", r.IntN(65536)}}...)
		var o Fields
		if r.IntN(2) == 0 {
			o = append(o, FieldValue{"mss", 500 + r.IntN(1000)})
		}
		if r.IntN(2) == 0 {
			o = append(o, FieldValue{"windowScale", r.IntN(15)})
		}
		if r.IntN(2) == 0 {
			o = append(o, FieldValue{"timestamps", []any{r.IntN(1 << 30), 0}})
		}
		parts = append(parts, part{"tcp", append(f, FieldValue{"options", o})})
	default:
		name := "icmp"
		if six {
			name = "icmp6"
		}
		parts = append(parts, part{name, Fields{{"id", r.IntN(65536)}, {"seq", r.IntN(65536)}}})
	}
	b := make([]byte, r.IntN(100))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return append(parts, textPart(string(b)))
}
