// Tests of traceroute.js:  umpa-run test scenarios/traceroute.test.js

const target = '10.0.0.77';

// Two routers in front of the target, all of them here.
function way(last) {
  on({ arp: { op: 'request', tpa: target } }, reply());
  const probe = { ip: { dst: target } };
  on({ ip: { dst: target, ttl: 1 } }, (pkt) => pkt.error('timeExceeded', { src: '192.0.2.1' }), { final: true });
  on({ ip: { dst: target, ttl: 2 } }, (pkt) => pkt.error('timeExceeded', { src: '192.0.2.2' }), { final: true });
  on(probe, last);
}

test('shows each hop, to the target', async (t) => {
  way((pkt) => pkt.error('unreachable', { code: 'port', src: target }));
  const trace = await t.run('./traceroute.js', { args: [target] });
  await sleep('10s');
  assert.deepEqual(trace.log.map((line) => line.replace(/ [\d.]+ ms/g, ' ms')), [
    `traceroute to ${target}, 30 hops max`, ' 1  192.0.2.1  ms  ms  ms', ' 2  192.0.2.2  ms  ms  ms', ` 3  ${target}  ms  ms  ms`]);
});

test('with echo requests, and a hop that says nothing', async (t) => {
  on({ arp: { op: 'request', tpa: target } }, reply());
  on({ ip: { dst: target, ttl: { min: 2 } }, icmp: { type: 'echoRequest' } }, (pkt) => pkt.reply());
  const trace = await t.run('./traceroute.js', { args: ['-I', '-q', 2, '-w', 1, target] });
  await sleep('10s');
  assert.equal(trace.log[1], ' 1  *  *');
  assert(trace.log[2].startsWith(` 2  ${target}  `), trace.log[2]);
  assert.equal(trace.log.length, 3);
});

test('marks where there is no way', async (t) => {
  way((pkt) => pkt.error('unreachable', { code: 'host', src: '192.0.2.3' }));
  const trace = await t.run('./traceroute.js', { args: ['-q', 1, target] });
  await sleep('10s');
  assert(/^ 3  192\.0\.2\.3  .* ms !H$/.test(trace.log[3]), trace.log[3]);
  assert.equal(trace.log.length, 4);
});
