// A router between two networks, for IPv4 and IPv6.
//
//   umpa-run -i a=eth0 -i b=eth1 scenarios/router.js -- 10.1.0.254/24 10.2.0.254/24 fd01::fe/64 fd02::fe/64
//
// Arguments: its addresses, each with the length of its network: on a, on b,
// and the same for IPv6. Hosts reach one network from the other through it:
//
//   ip route add 10.2.0.0/24 via 10.1.0.254      on a host of network a
//
// It has MAC addresses of its own (-e MAC_A=… -e MAC_B=… for others), so the
// kernel of the machine it runs on takes no part, whatever its settings.

// Options are read before the script runs: they may use args and env.
// ARP and neighbour discovery for these addresses are left to the engine.
export const options = {
  interfaces: {
    a: { mac: env.MAC_A ?? '02:00:00:00:01:fe', ip: args[0] ?? '10.1.0.254/24', ip6: args[2] ?? 'fd01::fe/64', answer: ['arp', 'nd'] },
    b: { mac: env.MAC_B ?? '02:00:00:00:02:fe', ip: args[1] ?? '10.2.0.254/24', ip6: args[3] ?? 'fd02::fe/64', answer: ['arp', 'nd'] },
  },
};
const { a, b } = options.interfaces;
const bare = (address) => address.split('/')[0];
const ours = { eth: { dst: [a.mac, b.mac] } };
const toUs = { ...ours, ip: { dst: [bare(a.ip), bare(b.ip)] } };
const toUs6 = { ...ours, ip6: { dst: [bare(a.ip6), bare(b.ip6)] } };

// Packets for the router itself go no further: it answers pings, and says that
// it has nothing else to offer. Traceroute's last hop is told by that.
on({ ...toUs, icmp: { type: 'echoRequest' } }, reply());
on({ ...toUs6, icmp6: { type: 'echoRequest' } }, reply());
on({ ...toUs, udp: {} }, (pkt) => pkt.error('unreachable', { code: 'port' }));
on({ ...toUs6, udp: {} }, (pkt) => pkt.error('unreachable', { code: 'port' }));
on(any(toUs, toUs6), () => {}, { final: true });

// All others are passed on to the network they are for. route() does what a
// router owes: the TTL goes down by one, and the sender hears of a packet that
// has none left, is too long for the next link, or finds nobody there.
for (const [name, network] of Object.entries(options.interfaces)) {
  on({ ...ours, ip: { dst: network.ip } }, route(name), { final: true });
  on({ ...ours, ip6: { dst: network.ip6 } }, route(name), { final: true });
}

// There is no way to any other network.
on({ ...ours, ip: { dst: { not: '224.0.0.0/4' } } }, (pkt) => pkt.error('unreachable', { code: 'net' }));
on({ ...ours, ip6: { dst: { not: ['ff00::/8', 'fe80::/10'] } } }, (pkt) => pkt.error('unreachable', { code: 'noRoute' }));

console.info(`routing between ${a.ip}, ${a.ip6} and ${b.ip}, ${b.ip6}`);
