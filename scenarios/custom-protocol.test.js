// Tests of custom-protocol.js:  umpa-run test scenarios/custom-protocol.test.js

test('the display prints what the station says', async (t) => {
  const station = await t.run('./custom-protocol.js', { args: ['station'] });
  const display = await t.run('./custom-protocol.js', { args: ['display', '10.0.0.1'] });
  await sleep('30s');
  assert(display.log.some((line) => line.includes('cellar')), display.log.join('\n'));
  assert(display.log.some((line) => line.includes('roof')), display.log.join('\n'));
  assert(station.sent.some((p) => p.udp?.sport === 4711));
});

test('the station answers a message made by hand, and drops a damaged one', async (t) => {
  const station = await t.run('./custom-protocol.js', { args: ['station'] });
  const message = bytes(0x11, 0, hex('0001 0008 0000'));
  send(packet(ip({ dst: '10.0.0.1' }), udp({ sport: 4000, dport: 4711 }), message));
  await sleep('1s');
  assert(station.log.some((line) => line.startsWith('station: dropped: ')), station.log.join('\n'));
  assert.equal(station.sent.filter((p) => p.udp).length, 0);
});
