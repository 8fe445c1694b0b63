// Tests of flaky.js:  umpa-run test scenarios/flaky.test.js

// Sends n numbered frames into a, one a millisecond, and gives what leaves by b:
// [number, milliseconds since it was sent].
async function through(t, n, ...args) {
  const arrived = [];
  on({ udp: { dport: 9 } }, (pkt) => { arrived.push([pkt.udp.sport, pkt.time - sentAt[pkt.udp.sport]]); }, { iface: 'b' });
  const sentAt = [];
  const flaky = await t.run('./flaky.js', { args });
  for (let i = 0; i < n; i++) {
    sentAt[i] = Date.now();
    send(packet(eth({ dst: '02:00:00:00:00:99' }), ip({ dst: '10.0.0.99' }), udp({ sport: i, dport: 9 })), { iface: 'a' });
    await sleep(1);
  }
  await sleep('2s');
  await flaky.stop();
  return { arrived, log: flaky.log };
}
const numbers = (list) => list.map(([number]) => number);
export const options = { interfaces: ['a', 'b'] };

test('without arguments it is a bridge', async (t) => {
  const { arrived } = await through(t, 50);
  assert.deepEqual(numbers(arrived), Array.from({ length: 50 }, (_, i) => i));
  assert(arrived.every(([, late]) => Math.abs(late) < 0.001));
});

test('loses about as many as it is told', async (t) => {
  const { arrived, log } = await through(t, 1000, 'loss=10%');
  assert(arrived.length > 860 && arrived.length < 940, `${arrived.length} of 1000 arrived`);
  assert.equal(log.at(-1), `${arrived.length} passed, ${1000 - arrived.length} lost, 0 duplicated, 0 reordered`);
});

test('delays', async (t) => {
  const { arrived } = await through(t, 20, 'delay=20ms');
  assert.equal(arrived.length, 20);
  assert(arrived.every(([, late]) => Math.abs(late - 20) < 0.001), JSON.stringify(arrived));
});

test('duplicates', async (t) => {
  const twice = await through(t, 20, 'duplicate=100%');
  assert.equal(twice.arrived.length, 40);
});

test('reorders', async (t) => {
  const { arrived } = await through(t, 200, 'reorder=20%');
  assert.equal(arrived.length, 200);
  assert.deepEqual(numbers(arrived).toSorted((x, y) => x - y), Array.from({ length: 200 }, (_, i) => i));
  assert(numbers(arrived).some((n, i, all) => i > 0 && n < all[i - 1]), 'some are overtaken');
});
