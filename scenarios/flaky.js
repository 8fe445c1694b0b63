// A bridge between two interfaces that behaves like a bad network: it loses,
// delays, duplicates and reorders frames, in both directions.
//
//   umpa-run -i a=eth0 -i b=eth1 scenarios/flaky.js -- loss=5% delay=20ms jitter=5ms
//   umpa-run -i a=eth0 -i b=eth1 scenarios/flaky.js -- duplicate=1% reorder=10%
//
// Arguments, each NAME=VALUE, none of them needed:
//   loss, duplicate, reorder   the probability for one frame: 5% or 0.05
//   delay                      how long each frame is held: 20ms (0)
//   jitter                     standard deviation of the delay: 5ms (0)
//   gap                        how long a frame that is to be overtaken waits
//                              for the next one at most: 100ms
// The same --seed loses the same frames.

export const options = { interfaces: ['a', 'b'] };

const set = { loss: '0', duplicate: '0', reorder: '0', delay: '0ms', jitter: '0ms', gap: '100ms' };
for (const argument of args) {
  const [name, value] = argument.split('=');
  if (!(name in set) || !value) throw new Error(`${argument}: flaky.js takes ${Object.keys(set).map((n) => `${n}=…`).join(' ')}`);
  set[name] = value;
}
const probability = (name) => {
  const p = set[name].endsWith('%') ? parseFloat(set[name]) / 100 : Number(set[name]);
  if (!(p >= 0 && p <= 1)) throw new Error(`${name}=${set[name]}: a probability is 5% or 0.05`);
  return p;
};
const [loss, duplicate, reorder] = ['loss', 'duplicate', 'reorder'].map(probability);
const happens = (p) => p > 0 && Math.random() < p;
const wait = set.delay !== '0ms' || set.jitter !== '0ms' ? random.normal(set.delay, set.jitter) : null;

const count = { passed: 0, lost: 0, duplicated: 0, reordered: 0 };

function connect(from, to) {
  let held, timer;      // the frame that the next one is to overtake

  function leave(frame) {
    count.passed++;
    send(frame, { iface: to });
  }
  function pass(frame) {
    if (wait) setTimeout(leave, Math.max(0, wait.value), frame);
    else leave(frame);
  }
  function release() {
    const frame = held;
    held = undefined;
    clearTimeout(timer);
    if (frame) pass(frame);
  }

  on({ eth: {} }, (pkt) => {
    if (happens(loss)) {
      count.lost++;
      return;
    }
    const frame = pkt.with({});   // what came in cannot be sent: a copy can
    if (happens(duplicate)) {
      count.duplicated++;
      pass(frame);
    }
    if (!held && happens(reorder)) {
      count.reordered++;
      held = frame;
      timer = setTimeout(release, set.gap);
      return;
    }
    pass(frame);
    release();
  }, { iface: from });
}
connect('a', 'b');
connect('b', 'a');

function onStop() {
  console.log(Object.entries(count).map(([what, n]) => `${n} ${what}`).join(', '));
}
console.info(`bridging a and b with ${Object.entries(set).map(([n, v]) => `${n}=${v}`).join(' ')}`);
