// Prints every packet in one line, as a packet list does.
//
//   umpa-run -i eth0 scenarios/sniff.js                        all there is
//   umpa-run -i eth0 scenarios/sniff.js -- udp port 53         what a pcap filter lets through
//   umpa-run -i eth0 scenarios/sniff.js -- arp                 one protocol
//   umpa-run -i file:in.pcapng scenarios/sniff.js              a capture file
//
// Ctrl-C ends it, and so does --for 10s.

const filter = args.join(' ');
let count = 0, first;

function print(pkt) {
  first ??= pkt.time;
  const seconds = (pkt.time - first) / 1000;
  console.log(`${String(++count).padStart(6)}  ${seconds.toFixed(6)}  ${pkt.summary()}`);
  for (const problem of pkt.errors) console.log(`        ! ${problem}`);
}

// What the filter lets through; the empty pattern asks for nothing, so every packet has it.
on(filter || {}, print);
