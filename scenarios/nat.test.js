// Tests of nat.js:  umpa-run test scenarios/nat.test.js

// A host inside, and the router outside.
export const options = {
  interfaces: {
    lan: { ip: '192.168.1.1/24', answer: ['arp'] },
    wan: { ip: '203.0.113.1/24', answer: ['arp'] },
  },
};
const [inside, outside] = ['02:00:00:00:01:fe', '02:00:00:00:02:fe'];
const out = (...layers) => send(packet(eth({ dst: inside }), ip({ src: '192.168.1.1', dst: '198.51.100.9' }), ...layers), { iface: 'lan' });
const arrives = (match, iface) => receiveOne(match, { iface, timeout: '5s' });

test('a conversation goes out by one address, and its answers come back', async (t) => {
  await t.run('./nat.js');
  let there = arrives('udp', 'wan');
  out(udp({ sport: 5000, dport: 5300 }), 'question');
  const question = await there;
  assert.match(question, { ip: { src: '203.0.113.2', dst: '198.51.100.9', ttl: 63 }, udp: { dport: 5300 } });
  assert.deepEqual(question.errors, []);
  const back = arrives('udp', 'lan');
  send(question.reply({ payload: 'answer' }));
  const answer = await back;
  assert.match(answer, { ip: { src: '198.51.100.9', dst: '192.168.1.1' }, udp: { sport: 5300, dport: 5000 } });
  assert.equal(answer.text, 'answer');
  assert.deepEqual(answer.errors, []);
});

test('two hosts with one port are kept apart', async (t) => {
  await t.run('./nat.js');
  const ports = [];
  on('udp', (pkt) => { ports.push(pkt.udp.sport); }, { iface: 'wan' });
  for (const src of ['192.168.1.1', '192.168.1.3']) {
    send(packet(eth({ dst: inside }), ip({ src, dst: '198.51.100.9' }), udp({ sport: 5000, dport: 5300 })), { iface: 'lan' });
  }
  await sleep('1s');
  assert.equal(ports.length, 2);
  assert(ports[0] !== ports[1], String(ports));
});

test('pings pass, and what nobody asked for does not', async (t) => {
  const nat = await t.run('./nat.js');
  const there = arrives('icmp', 'wan');
  out(icmp({ id: 7, seq: 1 }));
  const back = arrives('icmp', 'lan');
  send((await there).reply());
  assert.match(await back, { icmp: { type: 'echoReply', id: 7, seq: 1 } });
  const before = nat.sent.filter((p) => p.iface === 'lan').length;
  send(packet(eth({ dst: outside }), ip({ src: '198.51.100.9', dst: '203.0.113.2' }), udp({ sport: 1, dport: 6000 })), { iface: 'wan' });
  await sleep('1s');
  assert.equal(nat.sent.filter((p) => p.iface === 'lan').length, before);
});
