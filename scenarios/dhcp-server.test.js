// Tests of dhcp-server.js:  umpa-run test scenarios/dhcp-server.test.js

export const options = { interfaces: ['lan'] };
const pool = ['10.0.0.100', '10.0.0.101'];

// What a client says, and what it is told: undefined where it is told nothing.
function say(mac, messageType, more = {}, fields = {}) {
  const xid = random.int(1, 2 ** 31).value;
  const answer = receiveOne({ dhcp: { op: 'reply', xid } }, { timeout: '1s' }).then((pkt) => pkt.dhcp, () => undefined);
  send(packet(eth({ src: mac, dst: 'ff:ff:ff:ff:ff:ff' }), ip({ src: '0.0.0.0', dst: '255.255.255.255' }), udp({ sport: 68, dport: 67 }),
    dhcp({ op: 'request', xid, chaddr: mac, ...fields, options: { messageType, ...more } })));
  return answer;
}
async function lease(mac) {
  const offer = await say(mac, 'discover');
  return say(mac, 'request', { requestedIp: offer.yiaddr, serverId: offer.options.serverId });
}
const [first, second, third] = [1, 2, 3].map((n) => `02:00:00:00:aa:0${n}`);

test('offers and gives an address of its pool', async (t) => {
  await t.run('./dhcp-server.js', { args: pool, env: { LEASE: '60', DNS: '192.0.2.53' } });
  const ack = await lease(first);
  assert.equal(ack.yiaddr, pool[0]);
  assert.match(parse(packet(eth(), ip(), udp({ sport: 67, dport: 68 }), dhcp({ options: ack.options })).bytes), { dhcp: { options: { messageType: 'ack' } } });
  assert.equal(ack.options.leaseTime, 60);
  assert.deepEqual(ack.options.dns, ['192.0.2.53']);
  assert.equal(ack.options.subnetMask, '255.255.255.0');
});

test('a client keeps its address, another one gets another', async (t) => {
  await t.run('./dhcp-server.js', { args: pool });
  assert.deepEqual([(await lease(first)).yiaddr, (await lease(second)).yiaddr, (await lease(first)).yiaddr], [pool[0], pool[1], pool[0]]);
});

test('an empty pool has nothing to offer, until a lease is over', async (t) => {
  const server = await t.run('./dhcp-server.js', { args: pool, env: { LEASE: '60' } });
  await lease(first);
  await lease(second);
  assert.equal(await say(third, 'discover'), undefined);
  assert(server.log.some((line) => line === `no address left for ${third}`), server.log.join('\n'));
  await sleep('2m');
  assert(pool.includes((await lease(third)).yiaddr));
});

test('an address of somebody else is refused', async (t) => {
  await t.run('./dhcp-server.js', { args: pool });
  const { yiaddr, options: { serverId } } = await lease(first);
  assert.equal((await say(second, 'request', { requestedIp: yiaddr, serverId })).options.messageType, 6, 'a NAK');
});
