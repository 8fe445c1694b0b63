// Hands out addresses from a pool, by DHCP (RFC 2131).
//
//   umpa-run -i eth0 -e IP=192.0.2.1/24 scenarios/dhcp-server.js -- 192.0.2.100 192.0.2.199
//   umpa-run -i eth0 -e IP=192.0.2.1/24 -e LEASE=3600 -e DNS=192.0.2.53 --state leases scenarios/dhcp-server.js -- 192.0.2.100 192.0.2.199
//
// Arguments: [FIRST LAST] (.100 to .199 of the server's own network)
// IP is the server's own address: one that the kernel does not have. LEASE is
// in seconds (600). Leases are in storage: they survive a change of this file,
// and with --state a restart.

export const options = {
  interfaces: { lan: { mac: env.MAC, ip: env.IP, answer: ['arp', 'echo'] } },
};
const server = interfaces[0].addresses.find((a) => /^[0-9.]+$/.test(a));
const bits = Number((env.IP ?? '').split('/')[1] ?? 24);
const mask = address.from(new Uint8Array([24, 16, 8, 0].map((shift) => ((2 ** 32 - 2 ** (32 - bits)) / 2 ** shift) & 255)));
const pool = [...range(args[0] ?? server.replace(/\d+$/, '100'), args[1] ?? server.replace(/\d+$/, '199'))];
const lease = Number(env.LEASE ?? 600);
const HOLD = 30e3;    // an offer is kept that long for the client to take it up

// What there is in storage: 'client MAC' → { ip, until }, in ms since 1970.
// By address it is looked up so often that we keep it the other way round too.
const holders = new Map();
for (const key of storage.keys()) {
  if (key.startsWith('client ')) holders.set(storage.get(key).ip, key);
}
const valid = (key) => storage.get(key)?.until > Date.now();

function bind(key, ip, duration) {
  const old = storage.get(key), former = holders.get(ip);
  if (old && old.ip !== ip) holders.delete(old.ip);
  if (former && former !== key) storage.delete(former);   // its lease is over: there are never more than addresses
  holders.set(ip, key);
  storage.set(key, { ip, until: Date.now() + duration });
}
const isFree = (ip, key) => pool.includes(ip) && (!holders.has(ip) || holders.get(ip) === key || !valid(holders.get(ip)));

// Which address a client gets: the one it had, the one it asks for, one that
// nobody ever had, one whose lease is over (RFC 2131 section 4.3.1).
function choose(key, wanted) {
  const before = storage.get(key)?.ip;
  return [before, wanted].find((ip) => ip && isFree(ip, key)) ?? pool.find((ip) => !holders.has(ip)) ?? pool.find((ip) => isFree(ip, key));
}

const told = {
  leaseTime: lease, renewalTime: Math.floor(lease / 2), rebindingTime: Math.floor(lease * 7 / 8),
  subnetMask: mask, router: [env.ROUTER ?? server], ...(env.DNS ? { dns: [env.DNS] } : {}),
};

// A client without an address hears only what is sent to all, or to its MAC
// (section 4.1). All is safe; one that has an address is told there.
function respond(pkt, messageType, yiaddr, more = {}) {
  const { chaddr, ciaddr, giaddr } = pkt.dhcp;
  const relayed = giaddr !== '0.0.0.0', known = ciaddr !== '0.0.0.0' && messageType !== 'nak';
  const dst = relayed ? giaddr : known ? ciaddr : '255.255.255.255';
  const mac = relayed || known ? pkt.eth.src : 'ff:ff:ff:ff:ff:ff';
  console.log(`${messageType} ${yiaddr ?? ''} to ${chaddr}`);
  return pkt.reply({
    eth: { dst: mac }, ip: { src: server, dst }, udp: { sport: 67, dport: relayed ? 67 : 68 },
    dhcp: { yiaddr: yiaddr ?? '0.0.0.0', options: { messageType, serverId: server, ...more } },
  });
}

const request = { udp: { dport: 67 } };
const of = (messageType) => ({ ...request, dhcp: { op: 'request', options: { messageType } } });
const client = (pkt) => `client ${pkt.dhcp.chaddr}`;

on(of('discover'), (pkt) => {
  const ip = choose(client(pkt), pkt.dhcp.options.requestedIp);
  if (!ip) {
    console.warn(`no address left for ${pkt.dhcp.chaddr}`);
    return;
  }
  if (!valid(client(pkt))) bind(client(pkt), ip, HOLD);
  return respond(pkt, 'offer', ip, told);
});

on(of('request'), (pkt) => {
  const { options: asked, ciaddr } = pkt.dhcp;
  const key = client(pkt);
  if (asked.serverId && asked.serverId !== server) return;      // it took another server's offer
  const ip = asked.requestedIp ?? ciaddr;
  if (holders.get(ip) === key || (asked.serverId === undefined && isFree(ip, key) && !storage.get(key))) {
    bind(key, ip, lease * 1000);
    return respond(pkt, 'ack', ip, told);
  }
  return respond(pkt, 'nak');
});

// It is done with the address; or has found somebody else using it.
on(of('release'), (pkt) => {
  if (holders.get(pkt.dhcp.ciaddr) === client(pkt)) bind(client(pkt), pkt.dhcp.ciaddr, 0);
});
on(of('decline'), (pkt) => {
  const ip = pkt.dhcp.options.requestedIp;
  if (holders.get(ip) !== client(pkt)) return;
  console.warn(`${pkt.dhcp.chaddr} says that ${ip} is in use`);
  storage.delete(client(pkt));
  bind(`client (declined ${ip})`, ip, lease * 1000);
});
// It has an address, and wants to know the rest (section 4.3.5).
on(of('inform'), (pkt) => {
  const { subnetMask, router, dns } = told;
  return respond(pkt, 'ack', undefined, { subnetMask, router, dns });
});

console.info(`handing out ${pool[0]} to ${pool[pool.length - 1]} (${pool.length}) as ${server}, mask ${mask}, for ${lease} s`);
