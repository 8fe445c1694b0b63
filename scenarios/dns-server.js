// A name server for one zone, which it reads from a JSON file.
//
//   umpa-run -i eth0 -e IP=192.0.2.53/24 -e IP6=2001:db8::53/64 scenarios/dns-server.js
//   umpa-run -i eth0 -e IP=192.0.2.53/24 --allow-read . scenarios/dns-server.js -- my-zone.json
//
//   dig @192.0.2.53 www.example.org AAAA
//
// Arguments: [ZONE.json] (default: dns-zone.json beside this file, which shows
// the format). IP and IP6 are the server's own addresses: take some that the
// kernel does not have, or it will tell the clients that port 53 is closed. On
// a wire it needs none.

export const options = {
  interfaces: { lan: { mac: env.MAC, ip: env.IP, ip6: env.IP6, answer: ['arp', 'nd', 'echo'] } },
};
const UDP_LIMIT = 512;   // bytes of a message, of clients that do not say more (RFC 1035 section 2.3.4)
const OUR_LIMIT = 1232;  // what goes through any network in one piece

// The zone: a name in full and in lower case → its records.
const zone = JSON.parse(open(args[0] ?? 'dns-zone.json'));
const origin = zone.origin.toLowerCase();
const names = new Map();
for (const { name, type, ttl = zone.ttl, data } of zone.records) {
  const full = name === '@' ? origin : `${name}.${origin}`.toLowerCase();
  const record = { name: full, type: dns({ answers: [{ type }] }).answers[0].type, ttl, data };
  names.set(full, [...(names.get(full) ?? []), record]);
}
const [SOA, CNAME, OPT, ANY] = ['soa', 'cname', 'opt', 'any'].map((type) => dns({ questions: [{ type }] }).questions[0].type);
const soa = names.get(origin)?.find((r) => r.type === SOA);
if (!soa) throw new Error(`the zone ${origin} has no SOA record: { "name": "@", "type": "soa", "data": { … } }`);
// With it "no" is said, for as long as it says (RFC 2308 section 3).
const no = { aa: 1, authorities: [{ ...soa, ttl: Math.min(soa.ttl, soa.data.minimum) }] };

// What the zone has to say to a question (RFC 1034 section 4.3.2).
function lookUp(question) {
  const answers = [];
  let name = question.name.toLowerCase();
  if (question.class !== 1 || !inZone(name)) return { rcode: 'refused' };
  for (let hops = 0; hops < 8; hops++) {
    const records = names.get(name);
    if (!records) {
      // A name that only has others below it exists, without records.
      const exists = [...names.keys()].some((n) => n.endsWith(`.${name}`));
      return { ...no, answers, rcode: exists ? 'noError' : 'nxDomain' };
    }
    const found = records.filter((r) => r.type === question.type || question.type === ANY);
    answers.push(...found);
    if (found.length) return { aa: 1, answers };
    const alias = records.find((r) => r.type === CNAME);
    if (!alias) return { ...no, answers };
    answers.push(alias);
    name = alias.data.toLowerCase();
    if (!inZone(name)) return { aa: 1, answers };
  }
  return { rcode: 'servFail' };
}
const inZone = (name) => name === origin || name.endsWith(`.${origin}`);

// A client that knows EDNS (RFC 6891) sends an OPT record, whose class is the
// length that it can take. It wants one back.
function answer(pkt) {
  if (pkt.errors.length) return;
  const { questions, opcode, additionals } = pkt.dns;
  const edns = additionals.find((r) => r.type === OPT);
  const common = edns ? { additionals: [{ name: '', type: OPT, class: OUR_LIMIT, ttl: 0, data: '' }] } : {};
  const result = opcode !== dns.QUERY ? { rcode: 'notImp' } : questions.length !== 1 ? { rcode: 'formErr' } : lookUp(questions[0]);

  const limit = edns ? Math.min(Math.max(edns.class, UDP_LIMIT), OUR_LIMIT) : UDP_LIMIT;
  const response = pkt.reply({ dns: { ...common, ...result } });
  if (response.dns.bytes.length <= limit) return response;
  // Too long: the client may ask again by TCP (RFC 2181 section 9).
  return pkt.reply({ dns: { ...common, aa: 1, tc: 1 } });
}

const ours = { eth: { dst: interfaces[0].mac } };
on({ ...ours, udp: { dport: 53 }, dns: { qr: 0 } }, answer);
// We do not speak TCP, and say so.
on({ ...ours, tcp: { flags: { has: 'S', not: 'A' } } }, reply({ tcp: { flags: 'RA' } }));

console.info(`answering for ${zone.records.length} records of ${origin}`);
