// Tests of flood.js:  umpa-run test scenarios/flood.test.js

const target = '10.0.0.254'; // the test itself

test('sends as many as it is told, at the rate', async (t) => {
  on({ arp: { op: 'request', tpa: target } }, reply());
  const flood = await t.run('./flood.js', { args: [target, 'rate=100', 'count=50', 'size=64', 'port=7'] });
  await sleep('5s');
  const sent = flood.sent.filter((p) => p.udp);
  assert.equal(sent.length, 50);
  assert.deepEqual(sent[0].errors, []);
  assert.equal(sent[0].payload.length, 64);
  assert.deepEqual(sent.map((p) => p.udp.sport), Array.from({ length: 50 }, (_, n) => 1024 + n));
  assert(sent.every((p) => p.udp.dport === 7 && p.ip.dst === target));
  assert.equal(Math.round(sent.at(-1).time - sent[1].time), 480);
});

test('ends after its time, with sources of a network', async (t) => {
  on({ arp: { op: 'request', tpa: target } }, reply());
  const flood = await t.run('./flood.js', { args: [target, 'rate=1kpps', 'for=1s', 'from=192.0.2.0/24'] });
  await sleep('3s');
  const sent = flood.sent.filter((p) => p.udp);
  assert(Math.abs(sent.length - 1000) <= 1, `${sent.length} packets`);
  assert(sent.every((p) => address.in(p.ip.src, '192.0.2.0/24')));
  assert(new Set(sent.map((p) => p.ip.src)).size > 100);
});
