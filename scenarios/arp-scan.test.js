// Tests of arp-scan.js:  umpa-run test scenarios/arp-scan.test.js

const request = { arp: { op: 'request' } };

test('lists who answers, by address', async (t) => {
  on({ ...request, arp: { op: 'request', tpa: ['10.0.0.200', '10.0.0.9'] } }, (pkt) => pkt.reply({ arp: { sha: `02:00:00:00:01:${pkt.arp.tpa.endsWith('.9') ? '09' : 'c8'}` } }));
  const scan = await t.run('./arp-scan.js');
  await sleep('5s');
  assert.deepEqual(scan.log.slice(0, 2), ['10.0.0.9         02:00:00:00:01:09', '10.0.0.200       02:00:00:00:01:c8']);
  assert(scan.log[2].startsWith('2 hosts of 10.0.0.1/24 in '), scan.log[2]);
});

test('asks once more who said nothing', async (t) => {
  let asked = 0;
  on({ arp: { op: 'request', tpa: '10.0.0.6' } }, (pkt) => { if (++asked === 2) return pkt.reply(); });
  const scan = await t.run('./arp-scan.js', { args: ['10.0.0.4/30'] });
  await sleep('2s');
  assert.deepEqual(scan.sent.map((p) => p.arp.tpa), ['10.0.0.5', '10.0.0.6', '10.0.0.5', '10.0.0.6']);
  assert(scan.log[0].startsWith('10.0.0.6 '), scan.log[0]);
});

test('tells when two hosts have one address', async (t) => {
  on({ arp: { op: 'request', tpa: '10.0.0.5' } }, (pkt) => [pkt.reply({ arp: { sha: '02:00:00:00:00:aa' } }), pkt.reply({ arp: { sha: '02:00:00:00:00:bb' } })]);
  const scan = await t.run('./arp-scan.js', { args: ['10.0.0.4/30'] });
  await sleep('2s');
  assert.equal(scan.log[0], '10.0.0.5         02:00:00:00:00:aa and 02:00:00:00:00:bb');
});
