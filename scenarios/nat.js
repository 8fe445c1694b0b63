// Network address translation, as in the box between a home and its provider:
// all hosts of one network speak to the other as one address (RFC 3022).
//
//   umpa-run -i lan=eth0 -i wan=eth1 scenarios/nat.js -- 192.168.1.254/24 203.0.113.2/24 203.0.113.1
//
// Arguments: its address on lan, its address on wan, and the router on wan.
// IPv4 only; ICMP echo, UDP and TCP; fragments but the first do not pass.
//
// The first packet of a conversation is looked at here. It makes a mapping:
// two reactions, one for each direction, that are compiled and do for all
// packets after it what route() does, and change addresses and ports.

export const options = {
  interfaces: {
    lan: { mac: env.MAC_LAN ?? '02:00:00:00:01:fe', ip: args[0] ?? '192.168.1.254/24', answer: ['arp'] },
    wan: { mac: env.MAC_WAN ?? '02:00:00:00:02:fe', ip: args[1] ?? '203.0.113.2/24', gateway: args[2] ?? '203.0.113.1', answer: ['arp'] },
  },
};
const { lan, wan } = options.interfaces;
const [inside, outside] = [lan.ip, wan.ip].map((address) => address.split('/')[0]);

// What stands for a host's end of a conversation: ports, or the id of a ping.
// A mapping goes when nothing has used it for that long, at the least what
// RFC 4787, 5382 and 5508 ask for.
const protocols = {
  icmp: { from: 'id', to: 'id', request: { type: 'echoRequest' }, answer: { type: 'echoReply' }, idle: 60e3 },
  udp: { from: 'sport', to: 'dport', request: {}, answer: {}, idle: 5 * 60e3 },
  tcp: { from: 'sport', to: 'dport', request: {}, answer: {}, idle: 2 * 3600e3 + 4 * 60e3 },
};
const mappings = new Map();    // 'udp 40001', as seen outside → { host, port, … }

// A port that no other host has outside: its own if that is free.
function freePort(name, wanted) {
  for (let n = 0; n < 0x10000 - 1024; n++) {
    const port = 1024 + (wanted - 1024 + 0x10000 - 1024 + n) % (0x10000 - 1024);
    if (!mappings.has(`${name} ${port}`)) return port;
  }
}

for (const [name, p] of Object.entries(protocols)) {
  on({ eth: { dst: lan.mac }, ip: { src: lan.ip, dst: { not: [lan.ip, outside] }, offset: 0 }, [name]: p.request }, (pkt) => {
    const host = pkt.ip.src, from = pkt[name][p.from];
    const port = from === undefined ? from : freePort(name, from);
    if (port === undefined) return;   // a header that is cut off, or no port left
    if (pkt.ip.ttl <= 1) return pkt.error('timeExceeded');

    const out = { ip: { src: outside }, [name]: { [p.from]: port } };
    const back = { ip: { dst: host }, [name]: { [p.to]: from } };
    const final = { final: true, priority: 1 };
    mappings.set(`${name} ${port}`, {
      host, from, idle: p.idle, used: now(), hits: 0,
      reactions: [
        on({ eth: { dst: lan.mac }, ip: { src: host, dst: { not: [lan.ip, outside] } }, [name]: { ...p.request, [p.from]: from } },
          route('wan', out), { iface: 'lan', ...final }),
        on({ eth: { dst: wan.mac }, ip: { dst: outside }, [name]: { ...p.answer, [p.to]: port } },
          route('lan', back), { iface: 'wan', ...final }),
      ],
    });
    onward('wan', pkt.with({ ...out, ip: { ...out.ip, ttl: pkt.ip.ttl - 1 } }));
  }, { iface: 'lan' });
}

// Without its Ethernet header a packet goes to the next hop of its destination.
function onward(iface, pkt) {
  send(packet(...pkt.layers.slice(1), pkt.payload), { iface });
}

// A router outside may have something to say about a packet of ours. It quotes
// what it saw; the host knows that packet by other numbers.
on({ eth: { dst: wan.mac }, ip: { dst: outside }, icmp: { type: ['unreachable', 'timeExceeded', 'parameterProblem'] } }, (pkt) => {
  const quoted = pkt.quoted;
  const name = quoted && Object.keys(protocols).find((n) => quoted.has(n));
  if (!name) return;
  const { from } = protocols[name];
  const m = mappings.get(`${name} ${quoted[name][from]}`);
  if (!m) return;
  const { type, code, mtu } = pkt.icmp;
  const inner = quoted.with({ ip: { src: m.host }, [name]: { [from]: m.from } });
  send(ip({ src: pkt.ip.src, dst: m.host, ttl: pkt.ip.ttl - 1 }), icmp({ type, code, mtu }), inner.bytes, { iface: 'lan' });
}, { iface: 'wan' });

// It answers pings itself, on both sides.
on({ eth: { dst: [lan.mac, wan.mac] }, ip: { dst: [inside, outside] }, icmp: { type: 'echoRequest' } }, reply());

// Every reaction counts its packets: that is how we know who still talks.
setInterval(() => {
  for (const [key, m] of mappings) {
    const hits = m.reactions[0].hits + m.reactions[1].hits;
    if (hits !== m.hits) [m.hits, m.used] = [hits, now()];
    else if (now() - m.used > m.idle) {
      m.reactions.forEach((r) => r.cancel());
      mappings.delete(key);
    }
  }
}, '10s');

console.info(`translating ${lan.ip} to ${outside}`);
