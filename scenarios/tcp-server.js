// A web server that brings its own TCP: one state machine for a connection.
//
//   umpa-run -i eth0 -e IP=192.0.2.7/24 -e IP6=2001:db8::7/64 scenarios/tcp-server.js
//   curl http://192.0.2.7/
//
// Arguments: [PORT (80)] [PAGE.html] (below this file's folder, or --allow-read)
//
// IP and IP6 are the server's own addresses. Take some that the kernel does not
// have: it would reset connections that it knows nothing of.
//
// What a real one has and this one has not: congestion control, SACK, window
// scaling, and segments kept that arrive out of order (they are sent again).

export const options = {
  interfaces: { lan: { mac: env.MAC, ip: env.IP, ip6: env.IP6, answer: ['arp', 'nd', 'echo'] } },
};
const PORT = Number(args[0] ?? 80);
const MOST = 1000;              // connections at once
const FLIGHT = 10;              // segments on their way at most (RFC 6928)
const PATIENCE = 6;             // times that a segment is sent before we give up

const page = args[1] ? open(args[1]) : `<!doctype html><title>umpa-run</title>\n${'<p>It works, and it is long enough for several segments.\n'.repeat(200)}`;
const http = (status, body) => new TextEncoder().encode(
  `HTTP/1.1 ${status}\r\nContent-Type: text/html\r\nContent-Length: ${new TextEncoder().encode(body).length}\r\nConnection: close\r\n\r\n${body}`);
const found = http('200 OK', page);
const missing = http('404 Not Found', 'There is only one page, and it is /\n');

// Sequence numbers wrap round: only the difference of two means something.
const less = (a, b) => ((a - b) | 0) < 0;
const plus = (a, n) => (a + n) >>> 0;

const reset = { tcp: { flags: { has: 'R' } } };
const syn = { tcp: { flags: { has: 'S', not: 'AR' } } };

function connection(first) {
  const iss = Math.floor(Math.random() * 2 ** 32);
  const mss = Math.min(first.tcp.options.mss ?? 536, interfaces[0].mtu - (first.ip6 ? 60 : 40));
  let next = plus(first.tcp.seq, 1);        // what we expect from the client
  let una = plus(iss, 1), sent = una;       // ours: the first not acknowledged, the first not sent
  let last = first, tries = 0, request = '', response = found, finished = false;

  // Every packet of ours answers one of the client's: addresses and ports are there.
  const tell = (flags, seq, payload = '') => send(last.reply({ tcp: { flags, seq, ack: next }, payload }));
  const at = (seq) => (seq - iss - 1) >>> 0;      // place of a sequence number in the response

  // Takes what a segment brings. Is there anything to acknowledge?
  function take(pkt) {
    last = pkt;
    const { seq, ack, flags } = pkt.tcp, data = pkt.payload;
    if (flags.includes('A') && less(una, ack) && !less(plus(iss, response.length + 2), ack)) {
      una = ack;
      if (less(sent, una)) sent = una;
      tries = 0;
    }
    if (seq !== next) return data.length > 0 || flags.includes('F');   // not its turn: say what we wait for
    next = plus(next, data.length);
    if (request.length < 8192) request += pkt.text;
    if (flags.includes('F')) {
      next = plus(next, 1);
      finished = true;
    }
    return data.length > 0 || flags.includes('F');
  }

  // Sends what the client's window has room for, the last segment with FIN.
  function transmit() {
    const window = Math.min(last.tcp.window, FLIGHT * mss);
    while (at(sent) < response.length && (sent === una || at(sent) - at(una) + mss <= window)) {
      const data = response.slice(at(sent), at(sent) + mss);
      const end = at(sent) + data.length === response.length;
      tell(end ? 'FPA' : 'A', sent, data);
      sent = plus(sent, data.length + (end ? 1 : 0));
    }
    if (at(sent) === response.length) {     // all but the FIN has arrived
      tell('FA', sent);
      sent = plus(sent, 1);
    }
  }
  const again = (state) => () => {
    sent = una;
    return ++tries < PATIENCE ? state : 'closed';
  };

  return machine({
    initial: 'synReceived',
    states: {
      synReceived: {
        enter: () => send(first.reply({ tcp: { seq: iss, options: { mss: interfaces[0].mtu - (first.ip6 ? 60 : 40) } } })),
        on: [
          [reset, 'closed'],
          [syn, 'synReceived'],              // it has not heard us
          [{ tcp: { flags: { has: 'A' } } }, (pkt) => {
            if (pkt.tcp.ack !== una) return pkt.reply({ tcp: { flags: 'R' } });
            if (take(pkt)) tell('A', sent);
            return request.includes('\r\n\r\n') ? 'responding' : 'listening';
          }],
        ],
        after: { '1s': again('synReceived') },
      },
      listening: {
        on: [
          [reset, 'closed'],
          [{ tcp: { flags: { has: 'A' } } }, (pkt) => {
            if (take(pkt)) tell('A', sent);
            if (request.includes('\r\n\r\n')) return 'responding';
            if (finished || request.length >= 8192) return 'aborted';
          }],
        ],
        after: { '30s': 'aborted' },
      },
      responding: {
        enter: () => {
          if (!/^GET \/(\?\S*)? HTTP/.test(request)) response = missing;
          transmit();
        },
        on: [
          [reset, 'closed'],
          [{ tcp: { flags: { has: 'A' } } }, (pkt) => {
            const before = una;
            if (take(pkt)) tell('A', sent);
            if (at(una) > response.length) return finished ? 'timeWait' : 'finWait';
            if (una !== before) return 'responding';    // there is room for more
          }],
        ],
        after: { '300ms': again('responding') },
      },
      // Our FIN is acknowledged, the client's has not come.
      finWait: {
        on: [
          [reset, 'closed'],
          [{ tcp: { flags: { has: 'A' } } }, (pkt) => {
            if (take(pkt)) tell('A', sent);
            if (finished) return 'timeWait';
          }],
        ],
        after: { '30s': 'aborted' },
      },
      // The client may not have heard our last word, and repeat its FIN.
      timeWait: {
        on: [[reset, 'closed'], [{ tcp: { flags: { has: 'F' } } }, () => tell('A', sent)]],
        after: { '2s': 'closed' },
      },
      aborted: { enter: (m) => { tell('RA', sent); m.go('closed'); } },
      closed: { final: true },
    },
  }, { listen: false });
}

// Which connection a packet is for, its flow says: both directions have the same.
const connections = new Map();
const ours = { eth: { dst: interfaces[0].mac } };
on({ ...ours, tcp: { dport: PORT } }, (pkt) => {
  const { flow } = pkt;
  const known = connections.get(flow);
  const opens = pkt.matches(syn);
  if (pkt.errors.length) return;
  if (known && !(opens && known.state === 'timeWait')) {
    known.deliver(pkt);
    return;
  }
  if (!opens) return pkt.matches(reset) ? undefined : pkt.reply({ tcp: { flags: pkt.tcp.flags.includes('A') ? 'R' : 'RA' } });
  if (connections.size >= MOST) return;      // the client will ask again
  const c = connection(pkt);
  connections.set(flow, c);
  c.done.then(() => connections.get(flow) === c && connections.delete(flow));
});
// All other ports are closed.
on({ ...ours, tcp: { dport: { not: PORT }, flags: { has: 'A', not: 'R' } } }, reply({ tcp: { flags: 'R' } }));
on({ ...ours, tcp: { dport: { not: PORT }, flags: { not: 'AR' } } }, reply({ tcp: { flags: 'RA' } }));

console.info(`serving ${page.length} characters on port ${PORT}`);
