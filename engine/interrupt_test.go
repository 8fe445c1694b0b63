package engine

import (
	"strings"
	"testing"
	"time"
)

// A loop without end is interrupted wherever it stands: behind an await, too.
func TestSpinBehindAwait(t *testing.T) {
	for _, wait := range []string{
		"await sleep(1)", "await flush()", "await new Promise((r) => setTimeout(r, 1))", "await receiveOne('arp', { timeout: 1 }).catch(() => 0)",
		"await schedule(packet(eth({ type: 0x88b5 })), { count: 1 }).done", "await sr1([eth(), ip({ dst: '10.0.0.2' }), icmp()], { timeout: 1 })",
	} {
		t.Run(wait, func(t *testing.T) {
			_, err := runText(t, wait+";\nfor (;;) now();", func(c *Config) { c.CallbackTimeout = 50 * time.Millisecond })
			if s := asScriptError(t, err); s.Kind != KindTimeout || s.Line != 2 {
				t.Errorf("%v in line %d", s, s.Line)
			}
		})
	}
}

// A script that sleeps in a loop without end is ended by the second sleep after it
// was told to end, and its onStop may sleep.
func TestStopOfSleepLoop(t *testing.T) {
	const text = `setTimeout(() => { for (let n = 1; ; n++) { console.log(n, now()); sleepSync(100); } }, 100);
function onStop(why) { sleepSync(300); console.log(why, now()); }`
	got, err := runText(t, text, func(c *Config) { c.For = 350 * time.Millisecond })
	if want := "1 100\n2 200\n3 300\n4 350\ntime is up 650"; err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// Behind an interruption promises go on: those of onStop, and of what has nothing to
// do with it where a failing handler is only quarantined, and called no more.
func TestPromisesOutliveInterruption(t *testing.T) {
	quick := func(c *Config) { c.CallbackTimeout, c.For = 50*time.Millisecond, time.Second }
	got, err := runText(t, `(async () => { await sleep(10); for (;;) sleepSync(50); })();
async function onStop(why) { console.log(why); await sleep(100); console.log('slept'); await flush(); console.log('flushed'); }`, quick)
	if want := "time is up\nslept\nflushed"; err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	for _, bad := range []string{"for (;;) now();", "(function f() { f(); })();", "throw new Error('bad');"} {
		got, err = runText(t, `const options = { onError: 'quarantine' };
let n = 0;
setInterval(async () => { console.log('called', ++n); await sleep(10); if (n === 2) { `+bad+` } }, 100);
(async () => { for (let i = 1; i <= 4; i++) { await sleep(125); console.log('other', i); } })();`, quick)
		lines := strings.Split(got, "\n")
		count := func(prefix string) (n int) {
			for _, l := range lines {
				if strings.HasPrefix(l, prefix) {
					n++
				}
			}
			return n
		}
		if err != nil || count("called") != 2 || count("other") != 4 || !strings.Contains(got, "setInterval is called no more") {
			t.Errorf("%s: %v\n%s", bad, err, got)
		}
	}
}

// What was thrown may be code itself: it cannot hold up the run, and is no fault of ours.
func TestThrownDescribesItself(t *testing.T) {
	for _, thrown := range []string{
		"{ get message() { for (;;) now(); } }",
		"new (class extends Error { get name() { for (;;) now(); } })('x')",
		"new Proxy({}, { getPrototypeOf() { throw 2 }, get() { throw 1 }, ownKeys() { throw 3 } })",
	} {
		_, err := runText(t, "setTimeout(() => { throw "+thrown+" }, 1)", func(c *Config) { c.CallbackTimeout = 50 * time.Millisecond })
		if s := asScriptError(t, err); s.Kind == KindInternal || s.Line != 1 || !strings.Contains(s.Message, "uncaught") {
			t.Errorf("%s: %v in line %d", thrown, s, s.Line)
		}
	}
}
