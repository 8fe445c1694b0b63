package packet

import "encoding/binary"

// dhcpMessages are the values of option 53 (RFC 2132 section 9.6, RFC 3203,
// RFC 4388, RFC 6926, RFC 7724).
var dhcpMessages = Enum{
	{"discover", 1}, {"offer", 2}, {"request", 3}, {"decline", 4}, {"ack", 5}, {"nak", 6}, {"release", 7}, {"inform", 8}, {"forceRenew", 9},
	{"leaseQuery", 10}, {"leaseUnassigned", 11}, {"leaseUnknown", 12}, {"leaseActive", 13}, {"bulkLeaseQuery", 14}, {"leaseQueryDone", 15},
}

const dhcpCookie = 0x63825363 // RFC 2131 section 3

func dhcpOption(code uint64, f Field) *Option { return &Option{Type: code, Field: f} }

func dhcpAddress(code uint64, name, doc, rfc string) *Option {
	return dhcpOption(code, Field{Name: name, Kind: IPv4, Doc: doc, RFC: rfc})
}

func dhcpAddresses(code uint64, name, doc, rfc string) *Option {
	return dhcpOption(code, Field{Name: name, Kind: List, Items: []*Field{{Kind: IPv4}}, Doc: doc, RFC: rfc})
}

func dhcpNumber(code uint64, name string, bits int, doc, rfc string) *Option {
	return dhcpOption(code, Field{Name: name, Kind: Uint, Bits: bits, Doc: doc, RFC: rfc})
}

func dhcpText(code uint64, name, doc, rfc string) *Option {
	return dhcpOption(code, Field{Name: name, Kind: Text, Doc: doc, RFC: rfc})
}

func dhcpBytes(code uint64, name, doc, rfc string) *Option {
	return dhcpOption(code, Field{Name: name, Kind: Bytes, Doc: doc, RFC: rfc})
}

// dhcpOptions are those of IANA's registry "BOOTP Vendor Extensions and DHCP
// Options" that are met; the rest stands in raw.
var dhcpOptions = []*Option{
	dhcpOption(53, Field{Name: "messageType", Kind: Uint, Bits: 8, Enum: &dhcpMessages, Doc: "what the message is", RFC: "RFC 2132 section 9.6"}),
	dhcpAddress(50, "requestedIp", "address the client asks for", "RFC 2132 section 9.1"),
	dhcpNumber(51, "leaseTime", 32, "seconds; 4294967295 is for ever", "RFC 2132 section 9.2"),
	dhcpAddress(54, "serverId", "address of the server that is meant", "RFC 2132 section 9.7"),
	dhcpAddress(1, "subnetMask", "mask of the client's subnet", "RFC 2132 section 3.3"),
	dhcpOption(2, Field{Name: "timeOffset", Kind: Int, Bits: 32, Doc: "seconds east of UTC", RFC: "RFC 2132 section 3.4"}),
	dhcpAddresses(3, "router", "routers, in order of preference", "RFC 2132 section 3.5"),
	dhcpAddresses(4, "timeServer", "RFC 868 time servers", "RFC 2132 section 3.6"),
	dhcpAddresses(5, "nameServer", "IEN 116 name servers", "RFC 2132 section 3.7"),
	dhcpAddresses(6, "dns", "DNS servers, in order of preference", "RFC 2132 section 3.8"),
	dhcpAddresses(7, "logServer", "log servers", "RFC 2132 section 3.9"),
	dhcpText(12, "hostname", "name of the client", "RFC 2132 section 3.14"),
	dhcpNumber(13, "bootFileSize", 16, "blocks of 512 bytes", "RFC 2132 section 3.15"),
	dhcpText(15, "domainName", "domain of the client", "RFC 2132 section 3.17"),
	dhcpText(17, "rootPath", "root file system", "RFC 2132 section 3.19"),
	dhcpNumber(19, "ipForwarding", 8, "1: the client forwards", "RFC 2132 section 4.1"),
	dhcpNumber(23, "defaultTtl", 8, "hops", "RFC 2132 section 4.5"),
	dhcpNumber(26, "mtu", 16, "MTU of the interface, bytes", "RFC 2132 section 5.1"),
	dhcpAddress(28, "broadcast", "broadcast address of the subnet", "RFC 2132 section 5.3"),
	dhcpNumber(31, "routerDiscovery", 8, "1: the client solicits routers", "RFC 2132 section 5.6"),
	dhcpOption(33, Field{Name: "staticRoutes", Kind: List, Items: []*Field{{Name: "destination", Kind: IPv4}, {Name: "router", Kind: IPv4}}, Doc: "classful routes", RFC: "RFC 2132 section 5.8"}),
	dhcpAddresses(42, "ntp", "NTP servers, in order of preference", "RFC 2132 section 8.3"),
	dhcpBytes(43, "vendorSpecific", "for the vendor class", "RFC 2132 section 8.4"),
	dhcpAddresses(44, "netbiosNameServer", "NetBIOS name servers", "RFC 2132 section 8.5"),
	dhcpNumber(46, "netbiosNodeType", 8, "1: B, 2: P, 4: M, 8: H", "RFC 2132 section 8.7"),
	dhcpNumber(52, "overload", 8, "1: file, 2: sname, 3: both hold options", "RFC 2132 section 9.3"),
	dhcpOption(55, Field{Name: "parameterList", Kind: List, Items: []*Field{{Kind: Uint, Bits: 8}}, Doc: "codes of the options asked for", RFC: "RFC 2132 section 9.8"}),
	dhcpText(56, "message", "error text", "RFC 2132 section 9.9"),
	dhcpNumber(57, "maxMessageSize", 16, "bytes, at least 576", "RFC 2132 section 9.10"),
	dhcpNumber(58, "renewalTime", 32, "T1, seconds", "RFC 2132 section 9.11"),
	dhcpNumber(59, "rebindingTime", 32, "T2, seconds", "RFC 2132 section 9.12"),
	dhcpText(60, "vendorClass", "vendor and configuration of the client", "RFC 2132 section 9.13"),
	dhcpBytes(61, "clientId", "hardware type and address, or type 0 and a name", "RFC 2132 section 9.14"),
	dhcpText(66, "tftpServer", "TFTP server's name", "RFC 2132 section 9.4"),
	dhcpText(67, "bootFile", "boot file's name", "RFC 2132 section 9.5"),
	dhcpBytes(77, "userClass", "user class", "RFC 3004 section 4"),
	dhcpNumber(80, "rapidCommit", 0, "1: two messages suffice", "RFC 4039 section 4"),
	dhcpBytes(81, "fqdn", "flags, two response codes, and the client's full name", "RFC 4702 section 2"),
	dhcpOption(82, Field{Name: "relayAgent", Kind: Options, Doc: "what the relay adds", RFC: "RFC 3046 section 2",
		TLV: &TLV{TypeBytes: 1, LenBytes: 1, Pad: -1, End: -1, RawType: "code", Options: []*Option{
			dhcpBytes(1, "circuitId", "where the client is attached", "RFC 3046 section 3.1"),
			dhcpBytes(2, "remoteId", "who is at the far end", "RFC 3046 section 3.2"),
			dhcpAddress(5, "linkSelection", "subnet to take the address from", "RFC 3527 section 3"),
		}}}),
	dhcpOption(93, Field{Name: "clientArchitecture", Kind: List, Items: []*Field{{Kind: Uint, Bits: 16}}, Doc: "processor architectures", RFC: "RFC 4578 section 2.1"}),
	dhcpBytes(94, "clientInterface", "network interface identifier", "RFC 4578 section 2.2"),
	dhcpBytes(97, "clientUuid", "machine identifier", "RFC 4578 section 2.3"),
	dhcpText(100, "timezonePosix", "POSIX TZ string", "RFC 4833 section 2"),
	dhcpText(101, "timezoneName", "name in the tz database", "RFC 4833 section 2"),
	dhcpNumber(108, "ip6OnlyWait", 32, "seconds without DHCPv4", "RFC 8925 section 3.1"),
	dhcpText(114, "captivePortal", "URI of the portal's API", "RFC 8910 section 2.1"),
	dhcpNumber(116, "autoConfigure", 8, "0: no link-local address", "RFC 2563 section 2"),
	dhcpAddress(118, "subnetSelection", "subnet to take the address from", "RFC 3011 section 2"),
	dhcpOption(119, Field{Name: "domainSearch", Kind: List, Items: []*Field{{Kind: Name}}, Doc: "domains to search", RFC: "RFC 3397 section 2"}),
	dhcpBytes(121, "classlessRoutes", "width, significant bytes of the destination, router; repeated", "RFC 3442"),
	dhcpBytes(124, "vendorIdentifyingClass", "enterprise number and data", "RFC 3925 section 3"),
	dhcpBytes(125, "vendorIdentifyingSpecific", "enterprise number and options", "RFC 3925 section 4"),
	dhcpAddresses(150, "tftpServers", "TFTP servers' addresses", "RFC 5859 section 3"),
}

var protoDHCP = Register(&Proto{
	Name: "dhcp", Title: "Dynamic Host Configuration Protocol, with BOOTP", RFC: "RFC 2131, RFC 2132",
	Doc: "Messages are filled to the 300 bytes that BOOTP relays may ask for (RFC 1542 section 2.1).",
	Fields: []*Field{
		{Name: "op", Kind: Uint, Bits: 8, Default: uint64(1), Enum: &Enum{{"request", 1}, {"reply", 2}}, Doc: "to a server, or to a client", RFC: "RFC 2131 section 2"},
		{Name: "htype", Kind: Uint, Bits: 8, Default: uint64(1), Doc: "hardware type; 1 is Ethernet", RFC: "RFC 2131 section 2"},
		{Name: "hlen", Kind: Uint, Bits: 8, Default: uint64(6), Doc: "bytes of the hardware address", RFC: "RFC 2131 section 2"},
		{Name: "hops", Kind: Uint, Bits: 8, Doc: "relays passed", RFC: "RFC 2131 section 2"},
		{Name: "xid", Kind: Uint, Bits: 32, Wraps: true, Doc: "transaction", RFC: "RFC 2131 section 2"},
		{Name: "secs", Kind: Uint, Bits: 16, Doc: "seconds since the client began", RFC: "RFC 2131 section 2"},
		{Name: "flags", Kind: Uint, Bits: 16, Enum: &Enum{{"broadcast", 0x8000}}, Doc: "0x8000: answer by broadcast", RFC: "RFC 2131 section 2"},
		{Name: "ciaddr", Kind: IPv4, Doc: "client's address, when it can answer ARP for it", RFC: "RFC 2131 section 2"},
		{Name: "yiaddr", Kind: IPv4, Doc: "'your' address: the client's to be", RFC: "RFC 2131 section 2"},
		{Name: "siaddr", Kind: IPv4, Doc: "server to boot from", RFC: "RFC 2131 section 2"},
		{Name: "giaddr", Kind: IPv4, Doc: "relay's address", RFC: "RFC 2131 section 2"},
		{Name: "chaddr", Kind: MACs, Own: OwnMAC, Doc: "client's MAC; the interface's when not told", RFC: "RFC 2131 section 2"},
		{Name: "chaddrPadding", Kind: Bytes, Size: Size{N: 10}, Hidden: true, Doc: "rest of the 16 bytes of a hardware address", RFC: "RFC 2131 section 2"},
		{Name: "sname", Kind: Text, Size: Size{N: 64}, Doc: "server's name", RFC: "RFC 2131 section 2"},
		{Name: "file", Kind: Text, Size: Size{N: 128}, Doc: "boot file's name", RFC: "RFC 2131 section 2"},
		{Name: "cookie", Kind: Uint, Bits: 32, Default: uint64(dhcpCookie), Hidden: true, Doc: "says that options follow", RFC: "RFC 2131 section 3"},
		{Name: "options", Kind: Options, Default: Fields{}, When: []Cond{{Field: "cookie", In: []uint64{dhcpCookie}}}, Doc: "options", RFC: "RFC 2132",
			TLV: &TLV{TypeBytes: 1, LenBytes: 1, Pad: 0, End: 255, WriteEnd: true, MinBytes: 300 - 240, RawType: "code", Options: dhcpOptions}},
		{Name: "vendor", Kind: Bytes, When: []Cond{{Field: "cookie", In: []uint64{dhcpCookie}, Not: true}}, Doc: "vendor area of another kind", RFC: "RFC 951 section 3"},
	},
	Over:   []Bind{{Space: "udp", Value: 67, From: 68}, {Space: "udp", Value: 68, From: 67}},
	Greedy: true,
	Reply:  replyDHCP,
	Answers: func(p *Packet, i int, req *Packet, j int) bool {
		a, q := p.header(i), req.header(j)
		return len(a) >= 34 && len(q) >= 34 && a[0] == 2 && q[0] == 1 && string(a[4:8]) == string(q[4:8]) && string(a[28:34]) == string(q[28:34])
	},
})

// replyDHCP keeps xid, flags, giaddr and chaddr (RFC 2131 table 3), names the
// answering server, and answers a discover by an offer, a request or an inform
// by an ack. The address and the rest of the options are for the changes to say.
func replyDHCP(c *ReplyContext) error {
	q := c.Req.header(c.I)
	keep := func(name string) FieldValue {
		v, _ := c.Req.Value(c.I, c.Req.refs[c.I].Proto.byName[name])
		return FieldValue{name, v}
	}
	fields := Fields{{"op", uint64(2)}}
	for _, name := range []string{"htype", "hlen", "xid", "flags", "giaddr", "chaddr", "chaddrPadding"} {
		fields = append(fields, keep(name))
	}
	asked, _ := keep("options").Value.(Fields)
	options := Fields{}
	switch n, _ := asked.Get("messageType").(uint64); n {
	case 1:
		options = append(options, FieldValue{"messageType", uint64(2)})
	case 3, 8:
		options = append(options, FieldValue{"messageType", uint64(5)})
	}
	if len(options) > 0 && c.Env.IPv4.Is4() {
		options = append(options, FieldValue{"serverId", c.Env.IPv4})
	}
	if err := c.Rebuild(append(fields, FieldValue{"options", options})); err != nil {
		return err
	}
	// RFC 2131 section 4.1: to the relay; else to the client's address; else,
	// as it has none yet, to all, in a frame to all only if it asks for that.
	ipLayer := c.Out.Find(protoIP, 0)
	if ipLayer < 0 {
		return nil
	}
	h := c.Out.header(ipLayer)
	relayed := !unspecified(q[24:28])
	switch {
	case relayed:
		copy(h[16:20], q[24:28])
		if u := c.Out.Find(protoUDP, 0); u >= 0 {
			binary.BigEndian.PutUint16(c.Out.header(u)[2:], 67)
		}
	case !unspecified(q[12:16]):
		copy(h[16:20], q[12:16])
	case unspecified(h[16:20]):
		copy(h[16:20], []byte{255, 255, 255, 255})
		if e := c.Out.Find(protoEth, 0); e >= 0 && q[10]&0x80 != 0 {
			copy(c.Out.header(e)[:6], []byte{255, 255, 255, 255, 255, 255})
		}
	}
	return nil
}
