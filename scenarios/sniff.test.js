// Tests of sniff.js:  umpa-run test scenarios/sniff.test.js

const frame = (...layers) => packet(eth({ dst: 'ff:ff:ff:ff:ff:ff' }), ...layers);

test('prints a line for each packet, with the time since the first', async (t) => {
  const sniff = await t.run('./sniff.js');
  send(frame(arp({ op: 'request', tpa: '10.0.0.1' })));
  await sleep(250);
  send(frame(ip({ dst: '10.0.0.1' }), udp({ sport: 1000, dport: 2000 }), 'x'));
  await sleep(1);
  assert.equal(sniff.log.length, 2);
  assert(/^ {5}1  0\.000000  .*arp who has 10\.0\.0\.1/.test(sniff.log[0]), sniff.log[0]);
  assert(/^ {5}2  0\.250000  .*:1000 > 10\.0\.0\.1:2000 udp len=1/.test(sniff.log[1]), sniff.log[1]);
  assert.equal(sniff.sent.length, 0, 'it only listens');
});

test('a filter lets through what it says', async (t) => {
  const sniff = await t.run('./sniff.js', { args: ['udp', 'port', '53'] });
  send(frame(ip({ dst: '10.0.0.1' }), udp({ dport: 53 })), frame(ip({ dst: '10.0.0.1' }), udp({ dport: 54 })));
  await sleep(1);
  assert.equal(sniff.log.filter((line) => !line.startsWith('        !')).length, 1, sniff.log.join('\n'));
});

test('says what is wrong with a packet', async (t) => {
  const sniff = await t.run('./sniff.js');
  send(frame(ip({ dst: '10.0.0.1', checksum: 1 }), udp({ dport: 9 })));
  await sleep(1);
  assert(sniff.log.some((line) => /! .*checksum/.test(line)), sniff.log.join('\n'));
});
