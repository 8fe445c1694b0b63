// Tests of dns-server.js:  umpa-run test scenarios/dns-server.test.js

export const options = { interfaces: ['lan'] };

const ask = (name, type, more = {}) => sr1(packet(ip({ dst: '10.0.0.1' }), udp({ dport: 53 }), dns({ rd: 1, questions: [{ name, type }], ...more })));

test('answers with the records of its zone', async (t) => {
  await t.run('./dns-server.js');
  const { dns: answer } = await ask('www.example.org', 'a');
  assert.equal(answer.aa, 1);
  assert.deepEqual(answer.answers.map((r) => r.data), ['192.0.2.80', '192.0.2.81']);
  assert.deepEqual((await ask('WWW.Example.Org', 'aaaa')).dns.answers.map((r) => r.data), ['2001:db8::80']);
  assert.equal((await ask('short.example.org', 'a')).dns.answers[0].ttl, 5);
});

test('follows an alias within the zone', async (t) => {
  await t.run('./dns-server.js');
  assert.deepEqual((await ask('ftp.example.org', 'a')).dns.answers.map((r) => r.data), ['www.example.org', '192.0.2.80', '192.0.2.81']);
});

test('says no in the four ways there are', async (t) => {
  await t.run('./dns-server.js');
  const code = async (...question) => (await ask(...question)).dns.rcode;
  assert.equal(await code('nothing.example.org', 'a'), 3, 'no such name');
  assert.equal(await code('_tcp.example.org', 'a'), 0, 'a name between others');
  assert.equal(await code('example.com', 'a'), 5, 'another zone is refused');
  assert.equal(await code('example.org', 'a', { opcode: 4 }), 4, 'not implemented');
});

test('cuts what is too long for a client without EDNS', async (t) => {
  await t.run('./dns-server.js');
  const cut = (await ask('long.example.org', 'txt')).dns;
  assert.equal(cut.tc, 1);
  assert.equal(cut.answers.length, 0);
});

test('refuses TCP', async (t) => {
  await t.run('./dns-server.js');
  const answer = await sr1(packet(ip({ dst: '10.0.0.1' }), tcp({ dport: 53, flags: 'S' })));
  assert.equal(answer.tcp.flags, 'RA');
});
