// Tests of router.js:  umpa-run test scenarios/router.test.js

// A host in each of the two networks.
export const options = {
  interfaces: {
    a: { ip: '10.1.0.1/24', ip6: 'fd01::1/64', gateway: '10.1.0.254', answer: ['arp', 'nd'] },
    b: { ip: '10.2.0.1/24', ip6: 'fd02::1/64', gateway: '10.2.0.254', answer: ['arp', 'nd'] },
  },
};
const routerA = '02:00:00:00:01:fe';
const fromA = (...layers) => send(packet(eth({ dst: routerA }), ip({ src: '10.1.0.1', dst: '10.2.0.1', ...layers[0] }), ...layers.slice(1)), { iface: 'a' });

test('passes a packet on, with one hop less', async (t) => {
  await t.run('./router.js');
  const arrived = receiveOne({ udp: { dport: 7 } }, { iface: 'b', timeout: '5s' });
  fromA({ ttl: 9 }, udp({ dport: 7 }), 'over there');
  const pkt = await arrived;
  assert.match(pkt, { eth: { src: '02:00:00:00:02:fe' }, ip: { src: '10.1.0.1', dst: '10.2.0.1', ttl: 8 } });
  assert.equal(pkt.text, 'over there');
  assert.deepEqual(pkt.errors, []);
});

test('tells the sender when there is no hop left', async (t) => {
  await t.run('./router.js');
  const error = receiveOne({ icmp: { type: 'timeExceeded' } }, { iface: 'a', timeout: '5s' });
  fromA({ ttl: 1 }, udp({ dport: 7 }));
  const pkt = await error;
  assert.match(pkt, { ip: { src: '10.1.0.254' } });
  assert.equal(pkt.quoted.udp.dport, 7);
});

test('knows no way to other networks', async (t) => {
  await t.run('./router.js');
  const error = receiveOne({ icmp: { type: 'unreachable' } }, { iface: 'a', timeout: '5s' });
  fromA({ dst: '192.0.2.1' }, udp({ dport: 7 }));
  assert.equal((await error).icmp.code, 0);
});

test('answers pings to its address on either side', async (t) => {
  await t.run('./router.js');
  for (const dst of ['10.1.0.254', '10.2.0.254']) {
    const answer = receiveOne({ icmp: { type: 'echoReply' } }, { iface: 'a', timeout: '5s' });
    fromA({ dst }, icmp());
    assert.equal((await answer).ip.src, dst);
  }
});

test('routes IPv6', async (t) => {
  await t.run('./router.js');
  const arrived = receiveOne({ ip6: { dst: 'fd02::1' }, udp: { dport: 7 } }, { iface: 'b', timeout: '5s' });
  send(packet(eth({ dst: routerA }), ip6({ src: 'fd01::1', dst: 'fd02::1', hopLimit: 5 }), udp({ dport: 7 })), { iface: 'a' });
  assert.equal((await arrived).ip6.hopLimit, 4);
});
