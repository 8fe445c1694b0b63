// Finds the hosts of a network by asking for each address. Who is there must
// answer, whatever its firewall says.
//
//   umpa-run -i eth0 scenarios/arp-scan.js -- 192.0.2.0/24
//   umpa-run scenarios/arp-scan.js scenarios/responder.js          on a virtual wire
//
// Arguments: [NETWORK (our own /24)]. A /24 takes about a second.

const own = interfaces[0].addresses.find((a) => /^[0-9.]+$/.test(a));
const network = args[0] ?? `${own}/24`;
const RATE = 1000;    // packets a second

// One template is the whole scan: hosts() gives each packet the next address.
const wanted = new Set(hosts(network));
const found = new Map();
const begin = now();

on({ arp: { op: 'reply', spa: network } }, (pkt) => {
  const { spa, sha } = pkt.arp;
  const known = found.get(spa);
  if (known === undefined) found.set(spa, sha);
  else if (!known.includes(sha)) found.set(spa, `${known} and ${sha}`);   // two hosts, one address
  wanted.delete(spa);
});

await schedule(packet(arp({ op: 'request', tpa: hosts(network) })), { rate: RATE, count: wanted.size }).done;
await sleep('300ms');
// A frame may have been lost: those that said nothing are asked once more.
wanted.delete(own);
if (wanted.size) await schedule([...wanted].map((tpa) => packet(arp({ op: 'request', tpa }))), { rate: RATE, count: wanted.size }).done;
await sleep('300ms');

for (const ip of [...found.keys()].sort(address.compare)) console.log(`${ip.padEnd(15)}  ${found.get(ip)}`);
console.info(`${found.size} hosts of ${network} in ${((now() - begin) / 1000).toFixed(2)} s`);
stop('done');
