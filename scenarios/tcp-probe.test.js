// Tests of tcp-probe.js:  umpa-run test scenarios/tcp-probe.test.js

const target = '10.0.0.254'; // the test itself

test('tells open, closed and filtered ports apart', async (t) => {
  on({ arp: { op: 'request', tpa: target } }, reply());
  on({ tcp: { flags: 'S', dport: 80 } }, (pkt) => pkt.reply());
  on({ tcp: { flags: 'S', dport: 81 } }, (pkt) => pkt.reply({ tcp: { flags: 'RA' } }));
  const probe = await t.run('./tcp-probe.js', { args: [target, '80', '81', '82'] });
  await sleep('10s');
  assert.deepEqual(probe.log, [`${target} port 80: open`, `${target} port 81: closed`, `${target} port 82: filtered`]);
  const sent = (dport) => probe.sent.filter((p) => p.tcp?.dport === dport).map((p) => p.tcp.flags);
  assert.deepEqual(sent(80), ['S', 'R'], 'an open port is left in peace');
  assert.deepEqual(sent(82), ['S', 'S', 'S'], 'a lost SYN is sent again');
});

test('an answer to somebody else is no answer', async (t) => {
  on({ arp: { op: 'request', tpa: target } }, reply());
  on({ tcp: { flags: 'S' } }, (pkt) => pkt.reply({ tcp: { ack: pkt.tcp.seq + 2 } }));
  const probe = await t.run('./tcp-probe.js', { args: [target, '80'] });
  await sleep('10s');
  assert.deepEqual(probe.log, [`${target} port 80: filtered`]);
});
