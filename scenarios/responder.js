// A host that answers ARP, neighbour discovery and pings, over IPv4 and IPv6.
//
//   umpa-run scenarios/ping.js scenarios/responder.js              on a virtual wire
//   umpa-run -i eth0 scenarios/responder.js -- 192.0.2.7 2001:db8::7
//
// Arguments: the addresses it answers for. On a wire it needs none: it has
// 10.0.0.N and fd00::N, N being its place on the command line. On a real
// interface give it addresses that the kernel does not have, or both answer.
//
// Each reaction is one line: what to look for, and what to send back. reply()
// makes the answer the protocol calls for, from the interface's own MAC.

const given = args.filter((a) => /^[0-9]+(\.[0-9]+){3}$|^[0-9a-f]*:[0-9a-f:.]*$/i.test(a));
const own = given.length ? given : interfaces[0].addresses.map((a) => a.split('/')[0]);
const v4 = own.filter((a) => a.includes('.') && !a.includes(':'));
const v6 = own.filter((a) => a.includes(':'));

if (v4.length) {
  on({ arp: { op: 'request', tpa: v4 } }, (pkt) => pkt.reply());
  on({ ip: { dst: v4 }, icmp: { type: 'echoRequest' } }, (pkt) => pkt.reply());
}
if (v6.length) {
  // "Who has this address?" and "are you still there?" are the same message.
  on({ icmp6: { type: 'neighborSolicitation', target: v6 } }, (pkt) => pkt.reply());
  on({ ip6: { dst: v6 }, icmp6: { type: 'echoRequest' } }, (pkt) => pkt.reply());
}

console.info(`answering for ${own.join(', ')} at ${interfaces[0].mac}`);
