// Scans TCP ports without opening a connection: SYN is answered by SYN-ACK from
// an open port, by RST from a closed one, by nothing where a filter is.
//
//   umpa-run -i eth0 scenarios/syn-scan.js -- -p 22,80,8000-8100 192.0.2.1 192.0.2.2
//
// Arguments: [-p PORTS (1-1024)] [-r PACKETS-PER-SECOND (1000)] ADDRESS ...

const targets = [];
let ports = '1-1024', rate = 1000;
for (let n = 0; n < args.length; n++) {
  if (args[n] === '-p') ports = args[++n];
  else if (args[n] === '-r') rate = Number(args[++n]);
  else targets.push(args[n]);
}
const list = [];
for (const part of (ports ?? '').split(',')) {
  const [first, last = first] = part.split('-').map(Number);
  for (let p = first; p <= last; p++) list.push(p);
}
if (!targets.length || !list.length || !list.every((p) => p > 0 && p < 65536) || !(rate > 0)) {
  throw new Error('syn-scan.js takes [-p PORTS] [-r PACKETS-PER-SECOND] ADDRESS ..., ports as in 22,80,8000-8100');
}

// One port of ours asks all of theirs; a sequence number of our own choice
// comes back in the answer, and tells it from another conversation's.
const sport = 32768 + Math.floor(Math.random() * 28000);
const seq = Math.floor(Math.random() * 2 ** 32);
const network = (dst) => (dst.includes(':') ? ip6({ dst }) : ip({ dst }));
const verdicts = new Map();      // 'address port' → open or closed
const key = (address, port) => `${address} ${port}`;

on({ tcp: { dport: sport, ack: (seq + 1) >>> 0, flags: { has: 'A' } } }, (pkt) => {
  const from = key((pkt.ip ?? pkt.ip6).src, pkt.tcp.sport);
  if (pkt.tcp.flags.includes('R')) verdicts.set(from, 'closed');
  else if (pkt.tcp.flags === 'SA') {
    verdicts.set(from, 'open');
    return pkt.reply({ tcp: { flags: 'R' } });    // we do not mean to talk
  }
});

// Those that have not answered, as packets: asked for as they are sent, so the
// later passes ask only what the earlier ones left open.
function* silent() {
  for (const dport of list) {
    for (const target of targets) {
      if (!verdicts.has(key(target, dport))) {
        yield packet(network(target), tcp({ sport, dport, seq, flags: 'S', options: { mss: 1460 } }));
      }
    }
  }
}
const all = list.length * targets.length;
for (let pass = 0; pass < 3 && verdicts.size < all; pass++) {
  await schedule(silent(), { rate }).done;
  for (let waited = 0; waited < 1000 && verdicts.size < all; waited += 50) await sleep(50);
}

for (const target of targets) {
  const states = { open: [], closed: [], filtered: [] };
  for (const port of list) states[verdicts.get(key(target, port)) ?? 'filtered'].push(port);
  for (const port of states.open) console.log(`${target} ${port}/tcp open`);
  console.log(`${target}: ${states.open.length} open, ${states.closed.length} closed, ${states.filtered.length} filtered`);
}
stop('done');
