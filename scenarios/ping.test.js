// Tests of ping.js:  umpa-run test scenarios/ping.test.js

const neighbour = '10.0.0.254'; // the test itself

test('every ping that is answered is counted', async (t) => {
  on('arp', reply({ arp: { sha: interfaces[0].mac } }));
  on({ icmp: { type: 'echoRequest' } }, reply());
  const ping = await t.run('./ping.js', { args: ['-c', '3', '-s', '16', neighbour] });
  await sleep('5s');
  const echoes = ping.sent.filter((p) => p.icmp);
  assert.deepEqual(echoes.map((p) => p.icmp.seq), [1, 2, 3]);
  for (const p of echoes) assert.match(p, { ip: { src: '10.0.0.1', dst: neighbour }, icmp: { type: 'echoRequest' } });
  assert.equal(echoes[0].payload.length, 16);
  assert.deepEqual(echoes.map((p) => p.time - echoes[0].time), [0, 1000, 2000], 'a ping each second');
  assert(ping.log.includes('3 packets transmitted, 3 received, 0% packet loss'), ping.log.join('\n'));
});

test('what is not answered is lost', async (t) => {
  on({ arp: { op: 'request', tpa: neighbour } }, reply());
  on({ icmp: { type: 'echoRequest', seq: { not: 2 } } }, (pkt) => pkt.reply());
  const ping = await t.run('./ping.js', { args: ['-c', 4, '-i', 0.1, neighbour] });
  await sleep('3s');
  assert(ping.log.includes('4 packets transmitted, 3 received, 25% packet loss'), ping.log.join('\n'));
});

test('a late answer shows its time, a second one is told', async (t) => {
  on({ arp: { op: 'request', tpa: neighbour } }, reply());
  on({ icmp: { type: 'echoRequest' } }, (pkt) => {
    const answer = pkt.reply();
    setTimeout(() => send(answer, answer), 30);
  });
  const ping = await t.run('./ping.js', { args: ['-c', 2, '-i', 0.2, neighbour] });
  await sleep('2s');
  assert.equal(ping.log.filter((line) => line.endsWith('icmp_seq=1 ttl=64 time=30.000 ms')).length, 1);
  assert.equal(ping.log.filter((line) => line.startsWith('duplicate answer')).length, 2);
});

test('an error of the network is shown', async (t) => {
  on({ arp: { op: 'request', tpa: neighbour } }, reply());
  on({ icmp: { type: 'echoRequest' } }, (pkt) => pkt.error('unreachable', { code: 'host' }));
  const ping = await t.run('./ping.js', { args: ['-c', 1, neighbour] });
  await sleep('2s');
  assert(ping.log.some((line) => line.startsWith(`From ${neighbour}: icmp_seq=1`)), ping.log.join('\n'));
});

test('IPv6, and the responder', async (t) => {
  await t.run('./responder.js');
  const ping = await t.run('./ping.js', { args: ['-c', 2, 'fd00::1'] });
  await sleep('3s');
  assert(ping.log.includes('2 packets transmitted, 2 received, 0% packet loss'), ping.log.join('\n'));
});

test('nobody is there', async (t) => {
  const ping = await t.run('./ping.js', { args: ['-q', '-c', 1, '10.0.0.9'] });
  await sleep('10s');
  assert(ping.log.includes('1 packets transmitted, 0 received, 100% packet loss'), ping.log.join('\n'));
});
