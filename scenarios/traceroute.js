// Shows the way to an address: each router on it says that a packet's time is
// over when we give it just enough of it to get there.
//
//   umpa-run -i eth0 scenarios/traceroute.js -- 192.0.2.1
//   umpa-run -i eth0 scenarios/traceroute.js -- -I -q 1 2001:db8::1
//
// Arguments: [-I] [-m HOPS] [-q PROBES] [-w SECONDS] ADDRESS
//   -I  echo requests instead of UDP to ports that nobody listens on
//   -m  hops at most (30), -q probes a hop (3), -w how long to wait for one (2)

const set = { m: 30, q: 3, w: 2, I: false };
let target;
for (let n = 0; n < args.length; n++) {
  const option = args[n].startsWith('-') && args[n].slice(1);
  if (option === false) target = args[n];
  else if (option === 'I') set.I = true;
  else if (option in set && Number(args[n + 1]) > 0) set[option] = Number(args[++n]);
  else target = undefined, n = args.length;
}
if (!target) throw new Error('traceroute.js takes [-I] [-m HOPS] [-q PROBES] [-w SECONDS] ADDRESS');

const v6 = target.includes(':');
const id = Math.floor(Math.random() * 0x10000);
let probes = 0;
// No two probes are alike: that is how an error's quotation tells them apart.
function probe(ttl) {
  const seq = probes++;
  const network = v6 ? ip6({ dst: target, hopLimit: ttl }) : ip({ dst: target, ttl });
  if (!set.I) return packet(network, udp({ sport: 0x8000 | id, dport: 33434 + seq }), new Uint8Array(32));
  return packet(network, v6 ? icmp6({ id, seq }) : icmp({ id, seq }), new Uint8Array(32));
}

// What traceroute prints behind a time, for errors that mean there is no way.
const marks = v6 ? { 0: '!N', 1: '!X', 3: '!H' } : { 0: '!N', 1: '!H', 2: '!P', 4: '!F', 9: '!X', 10: '!X', 13: '!X' };

console.log(`traceroute to ${target}, ${set.m} hops max`);
for (let ttl = 1, there = false; ttl <= set.m && !there; ttl++) {
  let line = String(ttl).padStart(2), before;
  for (let n = 0; n < set.q; n++) {
    const begin = now();
    const answer = await sr1(probe(ttl), { timeout: set.w * 1000 });
    if (!answer) {
      line += '  *';
      continue;
    }
    const time = now() - begin;
    const from = v6 ? answer.ip6.src : answer.ip.src;
    if (from !== before) line += `  ${from}`;
    before = from;
    line += `  ${time.toFixed(3)} ms`;
    const error = v6 ? answer.icmp6?.type === icmp6.UNREACHABLE : answer.icmp?.type === icmp.UNREACHABLE;
    if (error && from !== target) line += ` ${marks[(answer.icmp ?? answer.icmp6).code] ?? '!'}`;
    there ||= error || from === target;
  }
  console.log(line);
}
stop('done');
