// A protocol that nobody but this file knows, in use on both sides.
//
//   umpa-run scenarios/custom-protocol.js scenarios/custom-protocol.js     on a virtual wire
//   umpa-run -i eth0 scenarios/custom-protocol.js -- station               on a real interface,
//   umpa-run -i eth0 scenarios/custom-protocol.js -- display 192.0.2.7     from another machine
//
// Arguments: [station | display [ADDRESS]]
//   station  has two sensors, and answers who asks for them
//   display  asks the station, and prints what it says
// Without arguments the first script on the wire is the display, and the
// second one the station.
//
// The protocol is called meter. A message is a header and a list of values:
//
//    0                   1                   2                   3
//   +-------+-------+---------------+-------------------------------+
//   |version| type  |    sensor     |            number             |
//   +-------+-------+---------------+-------------------------------+
//   |            length             |           checksum            |
//   +---------------+---------------+-------------------------------+
//   |     kind      |     size      |  value …                        as often as there is room
//   +---------------+---------------+----------- …
//
// Declared once, it has all that the built-in protocols have: a builder with
// constants, decoding, patterns, replies, changes, printing. What a message
// does not tell (length, checksum, sizes, the port) is worked out.

const meter = protocol('meter', {
  fields: [
    field.bits('version', 4, { default: 1 }),
    field.bits('type', 4, { default: 'read', enum: { read: 1, values: 2, refused: 3 } }),
    field.u8('sensor'),
    field.u16('number'),
    field.length('length', 16),                   // of the whole message: what lies behind is padding
    field.checksum('checksum', 'crc16'),
    // Each value says what it is and how long it is, so that a reader can pass
    // over what it does not know.
    field.list('values', [
      field.u8('kind', { enum: { temperature: 1, name: 2, state: 3 } }),
      field.u8('size'),                           // filled in, as the value's size names it
      field.choice('value', 'kind', 'size', {
        temperature: [field.i16('centidegrees')],
        name: [field.string('text', 'rest')],
        state: [field.flags('flags', 8, ['low', 'high', 'battery'])],
      }),
    ], 'rest'),
  ],
  over: { udp: 4711 },
  // What pkt.reply() makes of a question, and what sr1() takes for its answer.
  reply: (question) => ({ type: 'values', sensor: question.sensor, number: question.number }),
  answers: (answer, question) => answer.type !== meter.READ && answer.number === question.number,
});

const own = interfaces[0].addresses.map((a) => a.split('/')[0]).filter((a) => a.includes('.'));
const onWire = interfaces[0].kind === 'wire';
const role = args[0] ?? (own.includes('10.0.0.1') ? 'display' : 'station');

// On a wire no kernel tells others our MAC.
if (onWire) on({ arp: { op: 'request', tpa: own } }, reply());

if (role === 'station') station();
else if (role === 'display') await display(args[1] ?? '10.0.0.2');
else throw new Error(`${role}: custom-protocol.js takes [station | display [ADDRESS]]`);

function station() {
  const sensors = [
    { name: 'cellar', centidegrees: 1150, flags: '' },
    { name: 'roof', centidegrees: -540, flags: 'low|battery' },
  ];
  // The pattern is compiled like any other; the port is known from the declaration.
  on({ meter: { version: 1, type: 'read' } }, (pkt) => {
    if (pkt.errors.length) {                      // a wrong checksum among them
      console.log(`station: dropped: ${pkt.errors.join('; ')}`);
      return;
    }
    const sensor = sensors[pkt.meter.sensor];
    if (!sensor) return pkt.reply({ meter: { type: 'refused' } });
    return pkt.reply({ meter: { values: [
      { kind: 'name', value: { text: sensor.name } },
      { kind: 'temperature', value: { centidegrees: sensor.centidegrees } },
      { kind: 'state', value: { flags: sensor.flags } },
    ] } });
  });
}

async function display(address) {
  const ask = (fields) => sr1(packet(ip({ dst: address }), udp({ sport: 40000 }), meter(fields)), { timeout: '1s' });
  for (let sensor = 0; sensor < 3; sensor++) {
    const answer = await ask({ sensor, number: 100 + sensor });
    if (!answer) {
      console.log(`sensor ${sensor}: no answer`);
    } else if (answer.matches({ meter: { type: 'refused' } })) {
      console.log(`sensor ${sensor}: there is none`);
    } else {
      const values = Object.assign({}, ...answer.meter.values.map((v) => v.value));
      console.log(`sensor ${sensor}: ${values.text} has ${values.centidegrees / 100} °C ${values.flags && `(${values.flags})`}`.trim());
    }
  }
  // What is told is kept, however wrong: this question is not answered.
  const answer = await ask({ sensor: 0, number: 999, checksum: 0xbad });
  console.log(`with a wrong checksum: ${answer ? answer.summary() : 'no answer'}`);
  stop();
}
