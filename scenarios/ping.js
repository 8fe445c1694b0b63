// Pings an address, and prints what ping prints.
//
//   umpa-run scenarios/ping.js scenarios/responder.js -- -c 3      on a virtual wire
//   umpa-run -i eth0 scenarios/ping.js -- -c 4 192.0.2.1           on a real interface
//   umpa-run -i eth0 scenarios/ping.js -- -i 0.2 2001:db8::1
//
// Arguments: [-c COUNT] [-i SECONDS] [-W SECONDS] [-s BYTES] [-q] [ADDRESS]
//   -c  stop after that many (default: 4 on a wire, endless elsewhere)
//   -i  time between two pings (1), -W how long the last one is waited for (1)
//   -s  bytes of data in each (56), -q no line for each answer
// Without an address it pings its neighbour on the wire: 10.0.0.1 pings
// 10.0.0.2, all others ping 10.0.0.1.

const onWire = interfaces[0].kind === 'wire';
const set = { c: onWire ? 4 : Infinity, i: 1, W: 1, s: 56, q: false };
let target;
for (let n = 0; n < args.length; n++) {
  const option = args[n].startsWith('-') && args[n].slice(1);
  if (option === false) target = args[n];
  else if (option === 'q') set.q = true;
  else if (option in set && Number(args[n + 1]) >= 0) set[option] = Number(args[++n]);
  else throw new Error(`${args[n]}: ping.js takes [-c COUNT] [-i SECONDS] [-W SECONDS] [-s BYTES] [-q] [ADDRESS]`);
}
if (!target && onWire) {
  target = interfaces[0].addresses.some((a) => a.split('/')[0] === '10.0.0.1') ? '10.0.0.2' : '10.0.0.1';
}
if (!target) throw new Error('which address? umpa-run -i eth0 scenarios/ping.js -- 192.0.2.1');

// IPv4 and IPv6 differ in three names.
const v6 = target.includes(':');
const id = Math.floor(Math.random() * 0x10000);
const data = new Uint8Array(set.s).map((_, n) => n);
const request = (seq) => v6
  ? packet(ip6({ dst: target }), icmp6({ type: 'echoRequest', id, seq }), data)
  : packet(ip({ dst: target }), icmp({ type: 'echoRequest', id, seq }), data);

let sent = 0;
const sentAt = new Map();       // sequence number → when
const times = [];               // of the answers, in ms

function ping() {
  sent++;
  sentAt.set(sent & 0xffff, now());
  // No Ethernet header: the engine finds out the next hop's address.
  send(request(sent));
  if (sent < set.c) return;
  clearInterval(timer);
  setTimeout(() => stop('done'), set.W * 1000);
}

// The pattern is compiled: packets that do not match never enter JavaScript.
on(v6 ? { icmp6: { type: 'echoReply', id } } : { icmp: { type: 'echoReply', id } }, (pkt) => {
  const { seq } = v6 ? pkt.icmp6 : pkt.icmp;
  const begin = sentAt.get(seq);
  if (begin === undefined) {
    console.log(`duplicate answer from ${v6 ? pkt.ip6.src : pkt.ip.src}: icmp_seq=${seq}`);
    return;
  }
  sentAt.delete(seq);
  const time = now() - begin;
  times.push(time);
  if (!set.q) {
    const [from, ttl] = v6 ? [pkt.ip6.src, pkt.ip6.hopLimit] : [pkt.ip.src, pkt.ip.ttl];
    console.log(`${8 + pkt.payload.length} bytes from ${from}: icmp_seq=${seq} ttl=${ttl} time=${time.toFixed(3)} ms`);
  }
  if (sent >= set.c && times.length === sent) stop('done');
});

// A router or the target itself may have something to say about our pings:
// an ICMP error quotes the packet that it is about.
on(v6 ? { icmp6: { type: { max: 127 } } } : { icmp: { type: ['unreachable', 'timeExceeded'] } }, (pkt) => {
  const about = pkt.quoted?.[v6 ? 'icmp6' : 'icmp'];
  if (about?.id === id) console.log(`From ${v6 ? pkt.ip6.src : pkt.ip.src}: icmp_seq=${about.seq} ${pkt.summary()}`);
});

function onStop() {
  const lost = sent ? Math.round(100 * (sent - times.length) / sent) : 0;
  console.log(`\n--- ${target} ping statistics ---`);
  console.log(`${sent} packets transmitted, ${times.length} received, ${lost}% packet loss`);
  if (times.length === 0) return;
  const mean = times.reduce((a, b) => a + b) / times.length;
  const deviation = Math.sqrt(times.reduce((a, t) => a + (t - mean) ** 2, 0) / times.length);
  const least = times.reduce((a, b) => Math.min(a, b));
  const most = times.reduce((a, b) => Math.max(a, b));
  console.log(`rtt min/avg/max/mdev = ${[least, mean, most, deviation].map((t) => t.toFixed(3)).join('/')} ms`);
}

console.log(`PING ${target} ${set.s} data bytes`);
const timer = setInterval(ping, set.i * 1000);
ping();
