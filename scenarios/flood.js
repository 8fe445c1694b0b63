// Sends UDP packets that differ, at a rate, and says how well that went.
//
//   umpa-run -i eth0 scenarios/flood.js -- 192.0.2.1 rate=100kpps for=10s
//   umpa-run -i eth0 scenarios/flood.js -- 192.0.2.1 rate=50Mbps size=1472 count=10000
//
// Only ever at machines that are yours to load.
//
// Arguments: ADDRESS [NAME=VALUE ...]
//   rate   packets or bits a second: 100, 10kpps, 1Mpps, 100Mbps, max (1000)
//   count  how many at most, for: how long (10s where neither is told)
//   port   the destination port (9, "discard"), size: bytes of data (18)
//   from   a network whose addresses are the sources (our own address)

const set = { rate: '1000', port: 9, size: 18 };
let target;
for (const argument of args) {
  const [name, value] = argument.split('=');
  if (value === undefined) target = name;
  else if (['rate', 'count', 'for', 'port', 'size', 'from'].includes(name)) set[name] = value;
  else throw new Error(`${argument}: flood.js takes ADDRESS [rate=…] [count=…] [for=…] [port=…] [size=…] [from=…]`);
}
if (!target) throw new Error('flood at whom? umpa-run -i eth0 scenarios/flood.js -- 192.0.2.1 rate=100kpps for=10s');
if (!set.count && !set.for) set.for = '10s';

// A packet with varying fields is a template: it is compiled, and each packet
// that leaves is the last one with some bytes changed.
const source = set.from ? { src: random.ip(set.from) } : {};
const template = packet(
  target.includes(':') ? ip6({ dst: target, ...source }) : ip({ dst: target, id: counter(), ...source }),
  udp({ sport: range(1024, 65535), dport: Number(set.port) }),
  new Uint8Array(Number(set.size)),
);

const flood = schedule(template, {
  rate: /^[0-9.]+$/.test(set.rate) ? Number(set.rate) : set.rate,
  count: set.count && Number(set.count),
  duration: set.for,
});
const begin = now();

function onStop() {
  const seconds = (now() - begin) / 1000;
  console.log(`${flood.sent} packets in ${seconds.toFixed(2)} s: ${Math.round(flood.achieved)} a second, ${set.rate} asked for`);
}
await flood.done;
