# Makes golden.pcap: one packet of each kind, built by Scapy 2.5.0, so that
# the tables are held against somebody else's bytes.
#
#	python3 golden.py golden.pcap
import sys
from scapy.all import *

a, b = '02:00:00:00:00:01', '02:00:00:00:00:02'
E = Ether(src=a, dst=b)
I = IP(src='192.0.2.1', dst='192.0.2.2', id=4660, ttl=63)
J = IP(src='192.0.2.2', dst='192.0.2.1', id=22136, ttl=61, tos=0xb9, flags='DF')
six = IPv6(src='2001:db8::1', dst='2001:db8::2', tc=0x2e, fl=0xabcde, hlim=61)
link = IPv6(src='fe80::1', dst='fe80::2', hlim=255)
data = bytes(range(32, 88))
lladdr = ICMPv6NDOptSrcLLAddr(lladdr=a)
query = DNS(id=0xbeef, rd=1, qd=DNSQR(qname='example.com', qtype='MX'))

def rr(name, typ, **k):
    return DNSRR(rrname=name, type=typ, ttl=300, **k)

big = I / UDP(sport=1000, dport=2000) / (b'fragment' * 40)
big6 = IPv6(bytes(IPv6(src='2001:db8::1', dst='2001:db8::2') / UDP(sport=1000, dport=2000) / (b'fragment' * 40)))
boot = BOOTP(chaddr=bytes.fromhex('020000000001') + bytes(10), xid=0x12345678, flags=0x8000, secs=3)

packets = [
    E / Dot1Q(vlan=100, prio=5, id=1) / I / UDP(sport=4000, dport=4001) / b'tagged',
    Ether(src=a, dst=b, type=0x88a8) / Dot1Q(vlan=10) / Dot1Q(vlan=200, prio=3) / I / ICMP(id=7, seq=1) / data,
    Ether(src=a, dst='ff:ff:ff:ff:ff:ff') / ARP(op=1, hwsrc=a, psrc='192.0.2.1', pdst='192.0.2.2') / Padding(bytes(18)),
    Ether(src=b, dst=a) / ARP(op=2, hwsrc=b, psrc='192.0.2.2', hwdst=a, pdst='192.0.2.1'),
    E / IP(src='192.0.2.1', dst='192.0.2.2', id=1, options=[IPOption_RR(routers=['192.0.2.254', '0.0.0.0', '0.0.0.0'], pointer=8)]) / ICMP(id=9, seq=2) / data,
    E / IP(src='192.0.2.1', dst='224.0.0.22', id=2, ttl=1, options=[IPOption_Router_Alert()], proto=2) / bytes.fromhex('2200f9010000000104000000e00000fb'),
    *[E / f for f in fragment(big, 200)],
    E / I / ICMP(id=0x1234, seq=1) / data,
    E / J / ICMP(type=0, id=0x1234, seq=1) / data,
    E / J / ICMP(type=3, code=3) / I / UDP(sport=5000, dport=53000) / b'quoted!!',
    E / J / ICMP(type=3, code=4, nexthopmtu=1280) / bytes(I / TCP(sport=1, dport=2, seq=99, chksum=0xabcd))[:28],
    E / J / ICMP(type=11, code=0) / I / ICMP(id=3, seq=4),
    E / J / ICMP(type=5, code=1, gw='192.0.2.254') / I / UDP(sport=5000, dport=53000) / b'quoted!!',
    E / J / ICMP(type=12, code=0, ptr=9) / I / UDP(sport=5000, dport=53000) / b'quoted!!',
    E / I / ICMP(type=13, id=5, seq=6, ts_ori=1, ts_rx=2, ts_tx=3),
    E / six / IPv6ExtHdrHopByHop(options=[RouterAlert(value=0), PadN(optdata=b'')]) / ICMPv6MLQuery(mladdr='ff02::fb', mrd=1000),
    E / six / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / UDP(sport=6000, dport=6001) / b'options',
    *[E / f for f in fragment6(IPv6(src='2001:db8::1', dst='2001:db8::2') / IPv6ExtHdrFragment(id=0xcafe) / UDP(sport=1000, dport=2000) / (b'fragment' * 40), 280)],
    E / six / IPv6ExtHdrRouting(type=2, segleft=1, addresses=['2001:db8::99']) / UDP(sport=6000, dport=6002) / b'routed',
    E / six / ICMPv6EchoRequest(id=77, seq=3, data=data),
    E / six / ICMPv6EchoReply(id=77, seq=3, data=data),
    Ether(src=a, dst='33:33:ff:00:00:02') / IPv6(src='fe80::1', dst='ff02::1:ff00:2', hlim=255) / ICMPv6ND_NS(tgt='fe80::2') / lladdr,
    E / link / ICMPv6ND_NA(tgt='fe80::1', R=1, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=a),
    E / IPv6(src='fe80::1', dst='ff02::2', hlim=255) / ICMPv6ND_RS() / lladdr,
    E / IPv6(src='fe80::1', dst='ff02::1', hlim=255) / ICMPv6ND_RA(chlim=64, M=1, O=1, prf=1, routerlifetime=1800, reachabletime=30000, retranstimer=1000) / lladdr
      / ICMPv6NDOptMTU(mtu=1492) / ICMPv6NDOptPrefixInfo(prefixlen=64, L=1, A=1, validlifetime=86400, preferredlifetime=14400, prefix='2001:db8:1::')
      / ICMPv6NDOptRDNSS(dns=['2001:db8::53', '2001:db8::54'], lifetime=600),
    E / six / ICMPv6PacketTooBig(mtu=1280) / IPv6(src='2001:db8::2', dst='2001:db8::9') / UDP(sport=7, dport=8) / b'too big',
    E / six / ICMPv6DestUnreach(code=4) / IPv6(src='2001:db8::2', dst='2001:db8::9') / UDP(sport=7, dport=8) / b'no port',
    E / six / ICMPv6ParamProblem(code=1, ptr=6) / IPv6(src='2001:db8::2', dst='2001:db8::9', nh=254) / b'what is it',
    E / I / TCP(sport=40000, dport=80, seq=1000, flags='S', window=64240,
                options=[('MSS', 1460), ('SAckOK', b''), ('Timestamp', (123456, 0)), ('NOP', None), ('WScale', 7)]),
    E / J / TCP(sport=80, dport=40000, seq=2000, ack=1001, flags='SA', window=65160, options=[('MSS', 1400)]),
    E / I / TCP(sport=40000, dport=80, seq=1001, ack=2001, flags='PA', window=502, options=[('NOP', None), ('NOP', None), ('Timestamp', (123460, 99))]) / b'GET / HTTP/1.0\r\n\r\n',
    E / J / TCP(sport=80, dport=40000, seq=2001, ack=1001, flags='A', window=502, options=[('NOP', None), ('NOP', None), ('SAck', (3000, 4000, 5000, 6000))]),
    E / J / TCP(sport=80, dport=40000, seq=5, ack=6, flags='FPAUEC', window=1, urgptr=4) / b'urgent',
    E / six / TCP(sport=40001, dport=443, seq=0xfffffff0, flags='R', window=0),
    E / I / UDP(sport=4000, dport=4001) / b'hello',
    E / I / UDP(sport=4000, dport=4001, chksum=0) / b'no checksum',
    E / six / UDP(sport=4000, dport=4001) / b'hello',
    E / I / UDP(sport=33333, dport=53) / query,
    E / J / UDP(sport=53, dport=33333) / DNS(id=0xbeef, qr=1, aa=1, rd=1, ra=1, ad=1, qd=DNSQR(qname='www.example.com', qtype='A'),
        an=rr('www.example.com', 'CNAME', rdata='web.example.com') / rr('web.example.com', 'A', rdata='192.0.2.80') / rr('web.example.com', 'AAAA', rdata='2001:db8::80'),
        ns=rr('example.com', 'NS', rdata='ns1.example.com'), ar=rr('ns1.example.com', 'A', rdata='192.0.2.53')).compress(),
    E / J / UDP(sport=53, dport=33333) / DNS(id=0xbef0, qr=1, rcode=3, opcode=0, cd=1, qd=DNSQR(qname='no.example.com', qtype=255), an=None,
        ns=DNSRRSOA(rrname='example.com', type='SOA', ttl=60, mname='ns1.example.com', rname='hostmaster.example.com', serial=2026010101, refresh=3600, retry=600, expire=86400, minimum=30)).compress(),
    E / J / UDP(sport=53, dport=33333) / DNS(id=0xbef1, qr=1, qd=DNSQR(qname='example.com', qtype='MX'),
        an=DNSRRMX(rrname='example.com', type='MX', ttl=60, preference=10, exchange='mail.example.com') / rr('example.com', 'TXT', rdata=[b'v=spf1 -all', b'second'])
           / DNSRRSRV(rrname='_sip._udp.example.com', type='SRV', ttl=60, priority=1, weight=2, port=5060, target='sip.example.com') / rr('1.2.0.192.in-addr.arpa', 'PTR', rdata='one.example.com'),
        ar=DNSRROPT(rclass=1232)).compress(),
    Ether(src=a, dst='ff:ff:ff:ff:ff:ff') / IP(src='0.0.0.0', dst='255.255.255.255') / UDP(sport=68, dport=67) / boot
      / DHCP(options=[('message-type', 'discover'), ('requested_addr', '192.0.2.50'), ('hostname', b'client'), ('param_req_list', [1, 3, 6, 15]), ('max_dhcp_size', 1500), ('client_id', b'\0client'), 'end']),
    Ether(src=b, dst=a) / IP(src='192.0.2.1', dst='192.0.2.50') / UDP(sport=67, dport=68)
      / BOOTP(op=2, xid=0x12345678, yiaddr='192.0.2.50', siaddr='192.0.2.1', giaddr='192.0.2.7', chaddr=bytes.fromhex('020000000001') + bytes(10), sname=b'server' + bytes(58), file=b'boot.img' + bytes(120))
      / DHCP(options=[('message-type', 'offer'), ('server_id', '192.0.2.1'), ('lease_time', 3600), ('renewal_time', 1800), ('rebinding_time', 3150), ('subnet_mask', '255.255.255.0'), ('router', '192.0.2.1'),
                      ('name_server', '192.0.2.53', '192.0.2.54'), ('domain', b'example.com'), ('broadcast_address', '192.0.2.255'), ('NTP_server', '192.0.2.123'), 'end']),
    Ether(src=b, dst=a) / IP(src='192.0.2.1', dst='192.0.2.50') / UDP(sport=67, dport=68) / BOOTP(op=2, xid=0x12345678, ciaddr='192.0.2.50', yiaddr='192.0.2.50', chaddr=bytes.fromhex('020000000001') + bytes(10))
      / DHCP(options=[('message-type', 'ack'), ('server_id', '192.0.2.1'), ('lease_time', 3600), 'end']),
]
frames = [Ether(bytes(p)) for p in packets]
for i, f in enumerate(frames):
    f.time = 1767225600 + i / 1000
wrpcap(sys.argv[1], frames)
