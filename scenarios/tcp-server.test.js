// Tests of tcp-server.js:  umpa-run test scenarios/tcp-server.test.js

export const options = { interfaces: ['lan'] };

// A client with just enough TCP to fetch a page; it says `lose(n)` for segments
// that it does as if they had not arrived.
async function get(path, lose = () => false) {
  const sport = 40000, dport = 80;
  let seq = 1000, ack, text = '', n = 0, closed = false;
  const tell = (flags, payload = '') => send(packet(ip({ dst: '10.0.0.1' }), tcp({ sport, dport, seq, ack: ack ?? 0, flags, window: 65535 }), payload));
  on({ tcp: { dport: sport, flags: { has: 'A', not: 'S' } } }, (pkt) => {
    const data = pkt.text;
    if (lose(n++) || !(data.length || pkt.tcp.flags.includes('F'))) return;
    if (pkt.tcp.seq === ack) {
      text += data;
      ack = (ack + data.length) >>> 0;
      if (pkt.tcp.flags.includes('F')) {
        ack = (ack + 1) >>> 0;
        if (!closed) {
          closed = true;
          tell('FA');
          seq++;
          return;
        }
      }
    }
    tell('A');
  });
  const opened = receiveOne({ tcp: { dport: sport, flags: 'SA' } }, { timeout: '5s' });
  tell('S');
  const pkt = await opened;
  [seq, ack] = [seq + 1, (pkt.tcp.seq + 1) >>> 0];
  const request = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  tell('PA', request);
  seq += request.length;
  await sleep('60s');
  return text;
}

test('serves its page', async (t) => {
  await t.run('./tcp-server.js');
  const text = await get('/');
  assert(text.startsWith('HTTP/1.1 200 OK\r\n'), text.slice(0, 40));
  const [head, body] = text.split('\r\n\r\n');
  assert.equal(body.length, Number(/Content-Length: (\d+)/.exec(head)[1]));
});

test('sends again what was lost', async (t) => {
  await t.run('./tcp-server.js');
  const text = await get('/', (n) => n === 3 || n === 6);
  const [head, body] = text.split('\r\n\r\n');
  assert.equal(body.length, Number(/Content-Length: (\d+)/.exec(head)[1]));
});

test('has one page only', async (t) => {
  await t.run('./tcp-server.js');
  assert((await get('/other')).startsWith('HTTP/1.1 404 '));
});

test('another port is closed', async (t) => {
  await t.run('./tcp-server.js');
  const answer = await sr1(packet(ip({ dst: '10.0.0.1' }), tcp({ sport: 40001, dport: 81, flags: 'S' })), { timeout: '2s' });
  assert.equal(answer?.tcp.flags ?? 'RA', 'RA');
});
