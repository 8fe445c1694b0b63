package jsapi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestMachine runs a script, delivers an echo request, lets a second pass,
// delivers another, and looks at log.
func TestMachine(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"enter at once", `machine({initial: 'a', states: {a: {enter: m => log.push('in ' + m.state)}}}); log.push('made')`, "in a,made"},
		{"a name as target", `const m = machine({initial: 'a', states: {a: {on: [['icmp', 'b']], exit: () => log.push('out')}, b: {enter: m => log.push('b', m.state)}}})`, "out,b,b"},
		{"the first entry decides", `machine({initial: 'a', states: {a: {on: [['tcp', 'c'], ['icmp', 'b'], ['ip', 'c']]}, b: {enter: () => log.push('b')}, c: {enter: () => log.push('c')}}})`, "b"},
		{"one that stays decides, too", `machine({initial: 'a', states: {a: {on: [['icmp', () => { log.push('x') }], ['ip', () => { log.push('y') }]]}}})`, "x,x"},
		{"a predicate behind it is not asked", `machine({initial: 'a', states: {a: {on: [['icmp', () => {}], [p => { log.push('asked'); return true }, () => { log.push('y') }]]}}})`, ""},
		{"one transition a packet", `machine({initial: 'a', states: {a: {on: [['icmp', 'b']]}, b: {enter: () => log.push('b'), on: [['icmp', 'c']]}, c: {enter: () => log.push('c')}}})`, "b,c"},
		{"a function with packet and machine", `machine({initial: 'a', context: {n: 5}, states: {a: {on: [['icmp', (p, m) => { log.push(p.icmp.seq, m.context.n); return 'b' }]]}, b: {enter: () => log.push('b')}}})`, "4,5,b"},
		{"a promise of a name", `machine({initial: 'a', states: {a: {on: [['icmp', async () => { await null; return 'b' }]]}, b: {enter: () => log.push('b')}}})`, "b"},
		{"a promise that is late", `machine({initial: 'a', states: {a: {on: [['icmp', async (p, m) => { m.go('c'); await null; return 'b' }]]}, b: {enter: () => log.push('b')}, c: {enter: () => log.push('c')}}})`, "c"},
		{"again the same state", `machine({initial: 'a', states: {a: {enter: () => log.push('in'), exit: () => log.push('out'), on: [['icmp', 'a']]}}})`, "in,out,in,out,in"},
		{"after", `machine({initial: 'a', states: {a: {after: {'300ms': 'b'}}, b: {enter: () => log.push(now())}}})`, "300"},
		{"after in milliseconds", `machine({initial: 'a', states: {a: {after: {300: 'b'}}, b: {enter: () => log.push(now())}}})`, "300"},
		{"after, the earlier", `machine({initial: 'a', states: {a: {after: [['2s', 'b'], [200, 'c']]}, b: {enter: () => log.push('b')}, c: {enter: () => log.push('c')}}})`, "c"},
		{"after a computed time", `machine({initial: 'a', context: {n: 1}, states: {a: {enter: m => { m.context.n *= 2 }, after: [[m => m.context.n * 100, 'a2']]}, a2: {enter: m => log.push(now())}}})`, "200"},
		{"after a function that stays", `machine({initial: 'a', states: {a: {after: {100: () => { log.push('x') }}}}})`, "x"},
		{"leaving ends after", `machine({initial: 'a', states: {a: {on: [['icmp', 'b']], after: {500: 'c'}}, b: {}, c: {enter: () => log.push('c')}}})`, ""},
		{"entering again begins after anew", `machine({initial: 'a', states: {a: {on: [['icmp', 'a']], after: {700: 'c'}}, c: {enter: () => log.push(now())}}})`, "700"},
		{"leaving ends timers", `machine({initial: 'a', states: {a: {enter: () => { setTimeout(() => log.push('t'), 500); setInterval(() => log.push('i'), 400) }, on: [['icmp', 'b']]}, b: {}}})`, ""},
		{"timers of a timer end as well", `machine({initial: 'a', states: {a: {enter: () => { setTimeout(() => setTimeout(() => log.push('t'), 500), 100) }, after: {300: 'b'}}, b: {}}})`, ""},
		{"timers after an await end as well", `machine({initial: 'a', states: {a: {enter: async () => { await sleep(100); setTimeout(() => log.push('t'), 500) }, after: {300: 'b'}}, b: {}}})`, ""},
		{"a sleep that ends with its state", `machine({initial: 'a', states: {a: {enter: async () => { await sleep(500); log.push('t') }, after: {300: 'b'}}, b: {}}})`, ""},
		{"leaving ends subscriptions", `machine({initial: 'a', states: {a: {enter: () => { on('icmp', () => log.push('s')) }, after: {500: 'b'}}, b: {}}})`, "s"},
		{"leaving ends waits", `machine({initial: 'a', states: {a: {enter: () => { receiveOne('tcp', {timeout: 800}).catch(() => log.push('late')) }, after: {500: 'b'}}, b: {}}})`, ""},
		{"what on made stays", `machine({initial: 'a', states: {a: {on: [['icmp', () => { setTimeout(() => log.push('t'), 500); return 'b' }]]}, b: {}}})`, "t"},
		{"what was made before stays", `setTimeout(() => log.push('t'), 500); machine({initial: 'a', states: {a: {on: [['icmp', 'b']]}, b: {}}})`, "t"},
		{"go", `const m = machine({initial: 'a', states: {a: {exit: () => log.push('out')}, b: {enter: () => log.push('in')}}}); m.go('b'); log.push(m.state)`, "out,in,b"},
		{"go in enter comes after it", `const m = machine({initial: 'a', states: {a: {enter: m => { m.go('b'); log.push(m.state) }}, b: {enter: m => log.push(m.state)}}})`, "a,b"},
		{"deliver", `const m = machine({initial: 'a', states: {a: {on: [['icmp', 'b']]}, b: {enter: () => log.push('b')}}}, {listen: false}); on('icmp', p => log.push(m.deliver(p)))`, "b,true,false"},
		{"listen: false hears nothing", `machine({initial: 'a', states: {a: {on: [['icmp', 'b']]}, b: {enter: () => log.push('b')}}}, {listen: false})`, ""},
		{"final", `const m = machine({initial: 'a', context: 7, states: {a: {on: [['icmp', 'z']]}, z: {final: true}}}); m.done.then(v => log.push(v, m.state))`, "7,z"},
		{"final with a value", `const m = machine({initial: 'a', states: {a: {on: [['icmp', 'z']]}, z: {enter: () => 9, final: true}}}); m.done.then(v => log.push(v))`, "9"},
		{"done asked for late", `const m = machine({initial: 'z', states: {z: {enter: () => 9, final: true}}}); m.done.then(v => log.push(v))`, "9"},
		{"after its end", `const m = machine({initial: 'z', states: {z: {final: true}, a: {enter: () => log.push('a')}}}); m.go('a'); log.push(m.state)`, "z"},
		{"stop", `const m = machine({initial: 'a', context: 3, states: {a: {exit: m => { log.push('out'); m.stop() }, on: [['icmp', 'b']], after: {10: 'b'}}, b: {enter: () => log.push('b')}}}); m.done.then(v => log.push(v)); m.stop()`, "out,3"},
		{"a machine in a state", `machine({initial: 'a', states: {a: {enter: () => { machine({initial: 'x', states: {x: {exit: () => log.push('x out'), after: {600: 'y'}}, y: {enter: () => log.push('y')}}}) }, after: {500: 'b'}}, b: {enter: () => log.push('b')}}})`, "x out,b"},
		{"context replaced", `const m = machine({initial: 'a', states: {a: {}}}); m.context = 4; log.push(m.context)`, "4"},
	}
	b := frame(t, echo)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.run("const log = [];" + tt.src)
			s.deliver(b)
			s.host.advance(time.Second)
			s.deliver(b)
			if got := s.run("log.join()").String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			s.noFailures()
		})
	}
}

func TestMachineSends(t *testing.T) {
	s := newScene(t)
	s.run(`machine({initial: 'a', states: {a: {on: [['icmp', p => p.reply()]]}}})`)
	s.deliver(frame(t, echo))
	if len(s.host.sent) != 1 || !strings.HasPrefix(s.host.sent[0].cause.Handler.Name, "machine") {
		t.Errorf("sent %v", s.host.sent)
	}
	s.noFailures()
}

func TestMachineMistakes(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{`machine()`, "TypeError: machine: undefined is no definition | " + machineHint},
		{`machine({initial: 'a'})`, "TypeError: machine: there are no states | " + machineHint},
		{`machine({initial: 'a', states: {}})`, "TypeError: machine: there are no states | " + machineHint},
		{`machine({states: {a: {}}})`, "TypeError: machine: initial is missing | initial: 'a'"},
		{`machine({initial: 'idel', states: {idle: {}}})`, "TypeError: machine: initial: there is no state 'idel' | did you mean idle?"},
		{`machine({initial: 'a', states: {a: {on: [['arp', 'waitin']]}, waiting: {}}})`, "TypeError: machine: a: on[0]: there is no state 'waitin' | did you mean waiting?"},
		{`machine({initial: 'a', states: {a: {on: ['arp', 'b']}, b: {}}})`, "TypeError: machine: a: on[0]: 'arp' is no pair | on: [['arp', 'busy'], [{ tcp: { flags: 'S' } }, (pkt, m) => 'open']]"},
		{`machine({initial: 'a', states: {a: {on: [['arp', 5]]}, b: {}}})`, "TypeError: machine: a: on[0]: 5 is no state | the name of a state, or a function that returns one"},
		{`machine({initial: 'a', states: {a: {after: {'2x': 'b'}}, b: {}}})`, "2x"},
		{`machine({initial: 'a', states: {a: {after: {'2s': 'other'}}, b: {}}})`, "TypeError: machine: a: after '2s': there is no state 'other' | the states are a, b"},
		{`machine({initial: 'a', states: {a: {entr: () => {}}}})`, "entr"},
		{`machine({initial: 'a', states: {a: {enter: 5}}})`, "TypeError: machine: a: enter: 5 is no function | a function"},
		{`machine({initial: 'a', states: {a: {final: true, on: [['arp', 'a']]}}})`, "TypeError: machine: a: a final state is never left | take away final, or on and after"},
		{`machine({initial: 'a', states: {a: {}}}).go('other')`, "TypeError: go: there is no state 'other' | the states are a"},
		{`machine({initial: 'a', states: {a: {}}}).deliver(5)`, "TypeError: deliver: 5 is no packet | m.deliver(pkt)"},
		{`machine({initial: 'a', states: {a: {}}}).stat`, "TypeError: a machine has no stat | did you mean state?"},
		{`machine({initial: 'a', states: {a: {}}}).state = 'b'`, "TypeError: state: a machine's state cannot be assigned | m.go('…')"},
		{`machine({initial: 'a', states: {a: {on: [['arp', 'a'], [{tcp: {dprt: 5}}, 'a']]}}})`, "dprt"},
	} {
		s := newScene(t)
		if got := s.eval(tt.src); got != tt.want && (strings.HasPrefix(tt.want, "TypeError") || !strings.Contains(got, tt.want)) {
			t.Errorf("%s:\n got %s\nwant %s", tt.src, got, tt.want)
		}
	}
}

// TestMachineFailures looks at what the host is told of, and that a failed
// machine is quarantined.
func TestMachineFailures(t *testing.T) {
	b := frame(t, echo)
	for _, tt := range []struct{ name, src, want string }{
		{"on", `machine({initial: 'a', states: {a: {on: [['icmp', () => { throw new Error('x') }]]}}})`, "machine: Error: x"},
		{"on returns nonsense", `machine({initial: 'a', states: {a: {on: [['icmp', () => 5]]}}})`, "machine: TypeError: machine: a: on[0]: 5 is no state | the name of a state, or a function that returns one"},
		{"on returns the packet", `machine({initial: 'a', states: {a: {on: [['icmp', p => p]]}}})`, "machine: TypeError: machine: a: on[0]: it returned the packet it received | forward() or pkt.with({}) says it is meant"},
		{"enter", `machine({initial: 'a', states: {a: {on: [['icmp', 'b']]}, b: {enter: () => { throw new Error('x') }, after: {1: 'a'}}}})`, "machine: Error: x"},
		{"enter later", `machine({initial: 'a', states: {a: {enter: async () => { await null; throw new Error('x') }, on: [['icmp', 'a']]}}})`, "machine: Error: x"},
		{"after", `machine({initial: 'a', states: {a: {after: {1: () => { throw new Error('x') }}}}})`, "machine: Error: x"},
		{"exit", `machine({initial: 'a', states: {a: {exit: () => { throw new Error('x') }, after: {1: 'b'}}, b: {}}})`, "machine: Error: x"},
	} {
		s := newScene(t)
		s.host.quarantine = true
		s.run(tt.src)
		s.deliver(b)
		s.host.advance(time.Second)
		s.deliver(b)
		if got := s.failures(); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestMachineLeaks takes a machine of 50 states through 10,000 transitions:
// whatever its states made is gone again.
func TestMachineLeaks(t *testing.T) {
	s := newScene(t)
	s.run(`
		const states = {};
		for (let i = 0; i < 50; i++) states['s' + i] = {
			enter: m => {
				on({udp: {dport: i + 1}}, () => {});
				once('icmp', () => { setTimeout(() => {}, 1e6) });
				setTimeout(() => {}, '1h'); setInterval(() => {}, '1h'); setImmediate(() => {});
				receiveOne('tcp', {timeout: '1h'});
				receive('arp').next();
				sr1([ip({dst: '10.0.0.9'}), icmp()], {timeout: '1h'});
				schedule(packet(ip({dst: '10.0.0.9'}), udp()), {interval: '1h', delay: '1h'});
				sleep('1h');
			},
			on: [[{tcp: {dport: i}}, 's0'], ['icmp', 's' + (i + 1) % 50]],
			after: {'1h': 's0'},
		};
		const m = machine({initial: 's0', states});`)
	b := frame(t, echo)
	s.host.advance(0)
	subs, timers, scheduled := s.api.subs.live, len(s.host.timers), len(s.api.scheduled)
	for i := range 10000 {
		s.deliver(b)
		s.host.advance(time.Millisecond)
		if i%1000 == 0 {
			s.host.sent = nil
		}
		if n := s.api.subs.live; n != subs {
			t.Fatalf("after %d transitions: %d subscriptions, not %d", i+1, n, subs)
		}
	}
	if n := len(s.host.timers); n > timers+2 { // ARP for the next hop has its own
		t.Errorf("%d timers, not %d", n, timers)
	}
	if n := len(s.api.scheduled); n != scheduled {
		t.Errorf("%d schedules, not %d", n, scheduled)
	}
	if x := &s.api.subs; len(x.plain.subs) > 4*subs+16 || len(x.tables) > 60 {
		t.Errorf("the index keeps %d and %d tables", len(x.plain.subs), len(x.tables))
	}
	if got := s.run("m.state").String(); got != "s0" {
		t.Errorf("in %s", got)
	}
	s.run("m.stop()")
	if s.api.Alive() {
		t.Error("subscriptions are left")
	}
	s.host.advance(time.Minute)
	if n := len(s.host.timers); n != 0 {
		t.Errorf("%d timers are left", n)
	}
	s.noFailures()
	for _, h := range s.api.Handlers() {
		if strings.HasPrefix(h.Name, "machine") && (!strings.Contains(h.Why, "s0 → s1 ×200") || h.Hits != 10000) {
			t.Errorf("%d hits: %s", h.Hits, h.Why)
		}
	}
}

// TestMachines gives each of a thousand connections its machine.
func TestMachines(t *testing.T) {
	s := newScene(t)
	s.run(`
		let done = 0;
		for (let i = 0; i < 1000; i++) machine({initial: 'a', states: {
			a: {on: [[{udp: {sport: 1000 + i}}, 'b']]},
			b: {on: [[{udp: {sport: 1000 + i, dport: 2}}, 'z']], after: {'1m': 'a'}},
			z: {enter: () => { done++ }, final: true},
		}})`)
	b := frame(t, "eth({dst:'02:00:00:00:00:01'}), ip({src:'10.0.0.2',dst:'10.0.0.1'}), udp({sport:1000,dport:2,checksum:0})")
	port := len(b) - 8
	for range 2 {
		for i := range 1000 {
			b[port], b[port+1] = byte((1000+i)>>8), byte(1000+i)
			s.deliver(b)
			if n := len(s.api.subs.candidates(s.decoded(b))); n > fewSubs+2 {
				t.Fatalf("%d machines are asked", n)
			}
		}
	}
	if got := s.run("done").String(); got != "1000" {
		t.Errorf("%s are done", got)
	}
	if s.api.Alive() || len(s.host.timers) != 0 || len(s.api.sites) != 1 {
		t.Errorf("left: %d subscriptions, %d timers, %d sites", s.api.subs.live, len(s.host.timers), len(s.api.sites))
	}
	s.noFailures()
}

// BenchmarkMachine is the price of a transition, with as many machines about;
// the baseline is a handler that keeps the state itself.
func BenchmarkMachine(b *testing.B) {
	data := frame(b, echo)
	batch := []Frame{{Data: data, Length: len(data), Number: 1}}
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("machines=%d", n), func(b *testing.B) {
			a, _, _ := benchScene(b, fmt.Sprintf(`for (let i = 0; i < %d; i++) machine({initial: 'a', states: {a: {on: [[{icmp: {seq: i + 4}}, 'b']]}, b: {on: [[{icmp: {seq: i + 4}}, 'a']]}}})`, n))
			b.ReportAllocs()
			for b.Loop() {
				a.Deliver(batch)
			}
		})
	}
	b.Run("handler", func(b *testing.B) {
		a, _, _ := benchScene(b, `let s = 'a'; on({icmp: {seq: 4}}, p => { s = s === 'a' ? 'b' : 'a' })`)
		b.ReportAllocs()
		for b.Loop() {
			a.Deliver(batch)
		}
	})
}
