// Tests of syn-scan.js:  umpa-run test scenarios/syn-scan.test.js

const target = '10.0.0.254'; // the test itself

test('tells open, closed and filtered ports apart', async (t) => {
  on({ arp: { op: 'request', tpa: target } }, reply());
  on({ tcp: { flags: 'S', dport: [22, 80] } }, reply());
  on({ tcp: { flags: 'S', dport: { min: 81, max: 90 } } }, reply({ tcp: { flags: 'RA' } }));
  const scan = await t.run('./syn-scan.js', { args: ['-p', '22,80-92', target] });
  await sleep('10s');
  assert.deepEqual(scan.log, [`${target} 22/tcp open`, `${target} 80/tcp open`, `${target}: 2 open, 10 closed, 2 filtered`]);
  const to = (dport) => scan.sent.filter((p) => p.tcp?.dport === dport).map((p) => p.tcp.flags);
  assert.deepEqual(to(22), ['S', 'R'], 'an open port is left in peace');
  assert.deepEqual(to(92), ['S', 'S', 'S'], 'three tries');
  assert.deepEqual(to(81), ['S'], 'who has answered is not asked again');
});

test('keeps its rate', async (t) => {
  on({ arp: { op: 'request', tpa: target } }, reply());
  on({ tcp: { flags: 'S' } }, reply({ tcp: { flags: 'RA' } }));
  const scan = await t.run('./syn-scan.js', { args: ['-p', '1-11', '-r', 10, target] });
  await sleep('10s');
  const times = scan.sent.filter((p) => p.tcp).map((p) => p.time);
  assert.equal(times.length, 11);
  assert.equal(Math.round(times.at(-1) - times[1]), 900);
});
