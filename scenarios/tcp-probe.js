// Finds out whether TCP ports are open, the way SYN scanners do: a port that
// answers SYN with SYN-ACK is open, one that answers with RST is closed, one
// that does not answer is behind a filter.
//
//   umpa-run -i eth0 scenarios/tcp-probe.js -- 192.0.2.1 22 80 443
//   umpa-run -i eth0 scenarios/tcp-probe.js -- 2001:db8::1 443
//
// Arguments: ADDRESS PORT [PORT ...]

const [target, ...ports] = args;
if (!ports.length || ports.some((p) => !(p > 0 && p < 65536))) {
  throw new Error('tcp-probe.js takes ADDRESS PORT [PORT ...]');
}
const TRIES = 3, PATIENCE = 1000; // ms

const v6 = target.includes(':');
const network = v6 ? ip6({ dst: target }) : ip({ dst: target });
const source = v6 ? { ip6: { src: target } } : { ip: { src: target } };

// Resolves with 'open', 'closed' or 'filtered'.
function probe(dport) {
  return new Promise((resolve) => {
    const sport = 32768 + Math.floor(Math.random() * 28000);
    const seq = Math.floor(Math.random() * 2 ** 32);
    const syn = packet(network, tcp({ sport, dport, seq, flags: 'S', options: { mss: 1460 } }));

    // A lost SYN looks like a filter: it is sent again before we say so.
    let tries = 0, timer;
    const attempt = () => {
      if (tries++ === TRIES) return answer('filtered');
      send(syn);
      timer = setTimeout(attempt, PATIENCE);
    };
    const answer = (verdict) => {
      clearTimeout(timer);
      answers.cancel();
      resolve(verdict);
    };
    const answers = on({ ...source, tcp: { sport: dport, dport: sport } }, (pkt) => {
      if (pkt.tcp.ack !== ((seq + 1) >>> 0)) return; // not about our SYN
      if (pkt.tcp.flags === 'SA') {
        // We do not mean to talk: without this the peer would keep asking.
        send(packet(network, tcp({ sport, dport, seq: pkt.tcp.ack, flags: 'R' })));
        answer('open');
      } else if (pkt.tcp.flags.includes('R')) {
        answer('closed');
      }
    });
    attempt();
  });
}

const verdicts = await Promise.all(ports.map((p) => probe(Number(p))));
ports.forEach((port, n) => console.log(`${target} port ${port}: ${verdicts[n]}`));
