// Tests of responder.js:  umpa-run test scenarios/responder.test.js

test('answers ARP and pings for its own address', async (t) => {
  const responder = await t.run('./responder.js');
  const answer = await sr1(packet(ip({ dst: '10.0.0.1' }), icmp({ id: 7, seq: 9 }), 'hello'));
  assert.match(answer, { ip: { src: '10.0.0.1', ttl: 64 }, icmp: { type: 'echoReply', id: 7, seq: 9 } });
  assert.equal(answer.text, 'hello');
  assert.deepEqual(answer.errors, []);
  assert.deepEqual(responder.sent.map((p) => (p.arp ? 'arp' : 'icmp')), ['arp', 'icmp']);
  assert.match(responder.sent[0], { arp: { op: 'reply', sha: '02:00:00:00:00:01', spa: '10.0.0.1' } });
});

test('answers for the addresses it is given, and no others', async (t) => {
  const responder = await t.run('./responder.js', { args: ['192.0.2.7', '2001:db8::7'] });
  const ask = (tpa) => sr1(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff' }), arp({ op: 'request', tpa })));
  assert.match(await ask('192.0.2.7'), { arp: { spa: '192.0.2.7' } });
  assert.equal(await ask('10.0.0.1'), undefined);
  const solicited = await sr1(packet(
    eth({ dst: '33:33:ff:00:00:07' }), ip6({ src: 'fd00::fe', dst: 'ff02::1:ff00:7', hopLimit: 255 }),
    icmp6({ type: 'neighborSolicitation', target: '2001:db8::7', options: { sourceMac: interfaces[0].mac } })));
  assert.match(solicited, { icmp6: { type: 'neighborAdvertisement', target: '2001:db8::7', solicited: 1, override: 1 } });
  assert.equal(responder.sent.length, 2);
});

test('answers IPv6 pings', async (t) => {
  await t.run('./responder.js');
  const answer = await sr1(packet(ip6({ dst: 'fd00::1' }), icmp6({ type: 'echoRequest', id: 1, seq: 2 })));
  assert.match(answer, { ip6: { src: 'fd00::1' }, icmp6: { type: 'echoReply', id: 1, seq: 2 } });
});
