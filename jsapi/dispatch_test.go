package jsapi

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDispatch runs a script, delivers an echo request twice in one batch, and
// looks at what the script noted in log.
func TestDispatch(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"order of registration", `on('ip', () => log.push(1)); on('icmp', () => log.push(2))`, "1,2,1,2"},
		{"priority", `on('ip', () => log.push(1)); on('icmp', () => log.push(2), {priority: 1})`, "2,1,2,1"},
		{"equal priority keeps order", `on('ip', () => log.push(1), {priority: 1}); on('icmp', () => log.push(2), {priority: 1})`, "1,2,1,2"},
		{"final", `on('ip', () => log.push(1), {final: true}); on('icmp', () => log.push(2))`, "1,1"},
		{"once", `once('ip', () => log.push(1))`, "1"},
		{"count", `on('ip', () => log.push(1), {count: 2})`, "1,1"},
		{"other interface", `on('ip', () => log.push(1), {iface: 'wan'})`, ""},
		{"no match", `on('tcp', () => log.push(1))`, ""},
		{"predicate", `on(p => p.icmp.seq === 4, () => log.push(1))`, "1,1"},
		{"pattern", `on({icmp: {type: 'echoRequest'}, vlan: false}, p => log.push(p.icmp.type))`, "8,8"},
		{"not", `on(not('tcp'), () => log.push(1))`, "1,1"},
		{"cancel in itself", `const s = on('ip', () => { log.push(1); s.cancel() })`, "1"},
		{"cancel a later one", `on('ip', () => { log.push(1); s.cancel() }); const s = on('ip', () => log.push(2))`, "1,1"},
		{"cancel an earlier one", `const s = on('ip', () => log.push(1)); on('ip', () => { log.push(2); s.cancel() })`, "1,2,2"},
		{"added ones see later packets", `let n = 0; on('ip', () => { log.push(0); if (!n++) on('ip', () => log.push(1), {priority: 9}) })`, "0,1,0"},
		{"microtasks come before the next handler", `on('ip', () => { Promise.resolve().then(() => log.push('m')); log.push(1) }); on('ip', () => log.push(2))`, "1,m,2,1,m,2"},
		{"hits", `const s = on('ip', () => log.push(s.hits))`, "1,2"},
		{"receiveOne in a loop sees both", `(async () => { for (;;) { const p = await receiveOne('icmp'); log.push(p.icmp.seq) } })()`, "4,4"},
		{"receiveOne one", `receiveOne('icmp').then(p => log.push(p.iface))`, "lan"},
		{"receiveLoop", `receiveLoop('icmp', p => log.push('x'), {count: 2}).then(n => log.push(n))`, "x,x,2"},
		{"receive", `(async () => { const it = receive('icmp', {count: 2}); for (;;) { const r = await it.next(); if (r.done) break; log.push(r.value.icmp.seq) } log.push('end') })()`, "4,4,end"},
		{"select", `select({a: 'tcp', b: ['icmp', p => 'v']}).then(r => log.push(r.branch, r.value, r.packet.icmp.seq))`, "b,v,4"},
		{"the same packet to two handlers", `let q; on('ip', p => { q = p }); on('icmp', p => log.push(p === q))`, "true,true"},
		{"two packets are two objects", `let q; on('ip', p => { log.push(p === q, p.ip === (q && q.ip)); q = p })`, "false,false,false,false"},
	}
	b := frame(t, echo)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.run("const log = [];" + tt.src)
			s.deliver(b, b)
			if got := s.run("log.join()").String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			s.noFailures()
			if n := s.host.watch.Count(); n%2 != 0 {
				t.Errorf("the watch is left at %d: inside", n)
			}
		})
	}
}

// TestSent looks at what leaves when an echo request came in by the second
// interface, or at once.
func TestSent(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"send(reply)", `on('icmp', p => send(p.reply()))`, "wan eth/ip/icmp 02:00:00:00:00:02 on('icmp') 1"},
		{"returned", `on('icmp', p => p.reply())`, "wan eth/ip/icmp 02:00:00:00:00:02 on('icmp') 1"},
		{"list returned", `on('icmp', p => [p.reply(), p.reply()])`, "wan eth/ip/icmp 02:00:00:00:00:02 on('icmp') 1, wan eth/ip/icmp 02:00:00:00:00:02 on('icmp') 1"},
		{"promise returned", `on('icmp', async p => { await null; return p.reply() })`, "wan eth/ip/icmp 02:00:00:00:00:02 on('icmp') 1"},
		{"something else returned", `on('icmp', p => 5); on('icmp', p => [1]); on('icmp', p => ({}))`, ""},
		{"named", `function onIcmp(p) { return p.reply() }`, "wan eth/ip/icmp 02:00:00:00:00:02 onIcmp 1"},
		{"a packet as handler", `on('icmp', packet(eth({dst:'02:00:00:00:00:09'}), ip({dst:'192.0.2.9'}), udp()))`, "wan eth/ip/udp 02:00:00:00:00:09 on('icmp') 1"},
		{"layers", `send(eth({dst:'02:00:00:00:00:09'}), ip({dst:'10.0.0.9'}), udp())`, "lan eth/ip/udp 02:00:00:00:00:09 - 0"},
		{"by destination", `send(eth({dst:'02:00:00:00:00:09'}), ip({dst:'192.0.2.9'}), udp())`, "wan eth/ip/udp 02:00:00:00:00:09 - 0"},
		{"named interface", `send(eth({dst:'02:00:00:00:00:09'}), ip({dst:'10.0.0.9'}), udp(), {iface: 'wan'})`, "wan eth/ip/udp 02:00:00:00:00:09 - 0"},
		{"broadcast", `send(ip({dst:'255.255.255.255'}), udp())`, "lan eth/ip/udp ff:ff:ff:ff:ff:ff - 0"},
		{"multicast", `send(ip({dst:'224.0.0.5'}), udp())`, "lan eth/ip/udp 01:00:5e:00:00:05 - 0"},
		{"arp request", `send(arp({op:'request', tpa:'10.0.0.9'}))`, "lan eth/arp ff:ff:ff:ff:ff:ff - 0"},
		{"arp reply", `send(arp({op:'reply', tpa:'10.0.0.9', tha:'02:00:00:00:00:09'}))`, "lan eth/arp 02:00:00:00:00:09 - 0"},
		{"two packets", `const q = packet(eth({dst:'02:00:00:00:00:09'}), arp()); send(q, q)`, "lan eth/arp 02:00:00:00:00:09 - 0, lan eth/arp 02:00:00:00:00:09 - 0"},
		{"list", `const q = packet(eth({dst:'02:00:00:00:00:09'}), arp()); send([q, q])`, "lan eth/arp 02:00:00:00:00:09 - 0, lan eth/arp 02:00:00:00:00:09 - 0"},
		{"bytes", `send(hex('020000000009 020000000001 88b5'))`, "lan eth 02:00:00:00:00:09 - 0"},
		{"with() of a received packet", `on('icmp', p => send(p.with({eth: {dst: '02:00:00:00:00:0a'}})))`, "wan eth/ip/icmp 02:00:00:00:00:0a on('icmp') 1"},
		{"received", `on('icmp', p => send(p, {iface: 'lan'}))`, "lan eth/ip/icmp 02:00:00:00:00:01 on('icmp') 1"},
	}
	b := frame(t, echo)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.run(tt.src)
			s.api.Named("onIcmp", s.rt.Get("onIcmp"))
			s.deliverOn(1, b)
			var got []string
			for _, f := range s.host.sent {
				who := "-"
				if f.cause.Handler != nil {
					who = strings.TrimSuffix(f.cause.Handler.Name, " at test.js:1")
				}
				v := s.api.copyView(s.decoded(f.data), -1)
				_ = s.rt.Set("x", v.object())
				got = append(got, fmt.Sprintf("%s %s %s %s %d", s.host.links[f.link].Name, s.run("x.layers.map(l => l.layer).join('/')"), s.run("x.eth.dst"), who, f.cause.Frame))
				if e := s.run("x.errors.join()").String(); e != "" && tt.name != "bytes" {
					t.Errorf("errors: %s", e)
				}
			}
			if g := strings.Join(got, ", "); g != tt.want {
				t.Errorf("\n got %s\nwant %s", g, tt.want)
			}
			s.noFailures()
		})
	}
}

// TestFailures looks at what the host is told.
func TestFailures(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"throw", `on('icmp', p => { throw new Error('x') })`, "on('icmp'): Error: x"},
		{"not only an Error", `on('icmp', p => { throw 5 })`, "on('icmp'): 5"},
		{"rejection of an async handler", `on('icmp', async p => { await null; p.dsn })`, "on('icmp'): TypeError: a packet has no dsn | did you mean dns?"},
		{"rejection of nobody", `on('icmp', p => { Promise.reject(new Error('y')) })`, "on('icmp'): Error: y"},
		{"rejection that is handled in time", `on('icmp', p => { const q = Promise.reject(new Error('y')); Promise.resolve().then(() => q.catch(() => {})) })`, ""},
		{"the received packet returned", `on('icmp', p => p)`, "on('icmp'): TypeError: the handler returned the packet it received | forward() or pkt.with({}) says it is meant"},
		{"the received packet promised", `on('icmp', async p => p)`, "on('icmp'): TypeError: the handler returned the packet it received | forward() or pkt.with({}) says it is meant"},
		{"predicate", `on(p => p.dsn, () => {})`, "on(function): TypeError: a packet has no dsn | did you mean dns?"},
		{"predicate in a pattern", `on({ip: {ttl: t => t.x.y}}, () => {})`, "on({ ip }): TypeError: Cannot read property 'y' of undefined"},
		{"stack overflow", `on('icmp', function f(p) { f(p) })`, "on('icmp'): RangeError: Maximum call stack size exceeded"},
	}
	b := frame(t, echo)
	for _, tt := range tests {
		for _, quarantine := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/quarantine=%v", tt.name, quarantine), func(t *testing.T) {
				s := newScene(t)
				s.rt.SetMaxCallStackSize(100)
				s.host.quarantine = quarantine
				s.run(tt.src + "; let others = 0; on('eth', () => { others++ })")
				s.deliver(b, b)
				got := s.failures()
				if strings.HasPrefix(tt.name, "stack overflow") {
					if !strings.Contains(got, "on('icmp')") {
						t.Errorf("got %s", got)
					}
				} else if want := tt.want; got != want && got != want+"\n"+want {
					t.Errorf("\n got %s\nwant %s", got, want)
				}
				if n := s.run("others").ToInteger(); tt.want != "" && quarantine && n != 2 || n < 0 {
					t.Errorf("others ran %d times", n)
				}
				if n := s.host.watch.Count(); n%2 != 0 {
					t.Errorf("the watch is left at %d: inside", n)
				}
			})
		}
	}
}

// TestInterrupt stops a handler that runs away, and goes on with the others.
func TestInterrupt(t *testing.T) {
	s := newScene(t)
	s.host.quarantine = true
	stop := s.rt.ToValue(func() { s.rt.Interrupt("too long") })
	_ = s.rt.Set("halt", stop)
	s.run("let n = 0; on('icmp', () => { halt(); for (;;); }); on('icmp', () => { n++ })")
	b := frame(t, echo)
	s.deliver(b, b)
	if got := s.run("n").ToInteger(); got != 2 {
		t.Errorf("the other handler ran %d times", got)
	}
	if len(s.host.fails) != 1 || !strings.Contains(s.failures(), "too long") {
		t.Errorf("failures: %s", s.failures())
	}
	if n := s.host.watch.Count(); n%2 != 0 {
		t.Errorf("the watch is left at %d: inside", n)
	}
}

// TestKept keeps packets in every way there is, overwrites the buffers they
// came in with thousands of others, and reads them again.
func TestKept(t *testing.T) {
	for _, src := range []string{
		`const kept = []; on('icmp', p => { kept.push(p) })`,
		`const kept = []; on('icmp', p => { kept.push({ get icmp() { return p.icmp }, get text() { return p.text } }) })`,
		`const kept = []; on('icmp', p => { const l = p.icmp; kept.push({ icmp: l, text: p.text }) })`,
		`const kept = []; on('icmp', async p => { await null; kept.push(p) })`,
		`const kept = []; (async () => { for (;;) kept.push(await receiveOne('icmp')) })()`,
		`const kept = []; on('icmp', function () { kept.push(arguments[0]) })`,
		`const kept = []; on('icmp', p => { kept.push(p.with({})) })`,
		`const kept = []; on(p => { if (p.icmp) kept.push(p); return false }, () => {})`,
		`const kept = []; on('icmp', p => { kept.push(...[p].map(x => x)) })`,
		`const kept = []; on('icmp', ({icmp, text}) => { kept.push({icmp, text}) })`,
	} {
		s := newScene(t)
		s.run(src)
		tmpl := frame(t, echo)
		buf := make([]byte, len(tmpl))
		seq := len(tmpl) - 8 - 2
		const n = 3000
		for i := range n {
			copy(buf, tmpl)
			buf[seq], buf[seq+1] = byte(i>>8), byte(i)
			copy(buf[len(buf)-8:], fmt.Sprintf("%08d", i))
			s.deliver(buf)
			clear(buf)
			if i%1000 == 0 {
				runtime.GC()
			}
		}
		runtime.GC()
		got := s.eval(fmt.Sprintf(`kept.length === %d && kept.every((p, i) => p.icmp.seq === i && p.text === String(i).padStart(8, '0'))`, n))
		if got != "true" {
			t.Errorf("%s: %s", src, got)
		}
		s.noFailures()
	}
}

// TestWaits lets timeouts pass.
func TestWaits(t *testing.T) {
	b := frame(t, echo)
	tests := []struct{ name, src, want string }{
		{"receiveOne", `receiveOne('arp', {timeout: 100}).catch(e => log.push(e instanceof TimeoutError, e.name, e.message))`,
			"true,TimeoutError,receiveOne('arp'): nothing came within 100ms"},
		{"receiveLoop", `receiveLoop('icmp', () => {}, {timeout: '1s'}).then(n => log.push(n))`, "1"},
		{"receive", `(async () => { const it = receive('icmp', {timeout: '1s'}); while (!(await it.next()).done) log.push(1); log.push('end') })()`, "1,end"},
		{"select", `select({a: 'arp'}, {timeout: 50}).catch(e => log.push(e.name))`, "TimeoutError"},
		{"sr1", `sr1([eth({dst:'02:00:00:00:00:09'}), ip({dst:'10.0.0.9'}), icmp()], {retry: 1}).then(p => log.push(p))`, ""},
	}
	for _, tt := range tests {
		s := newScene(t)
		s.run("const log = [];" + tt.src)
		if !s.api.Alive() {
			t.Errorf("%s: not alive", tt.name)
		}
		s.deliver(b)
		s.host.advance(10 * time.Second)
		if got := s.run("log.join()").String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if s.api.Alive() {
			t.Errorf("%s: alive after its end", tt.name)
		}
		if len(s.host.timers) > 0 {
			t.Errorf("%s: %d timers left", tt.name, len(s.host.timers))
		}
		s.noFailures()
	}
}

// TestSr1 answers what sr1 sent.
func TestSr1(t *testing.T) {
	s := newScene(t)
	s.run(`const log = []; sr1([eth({dst:'02:00:00:00:00:09'}), ip({dst:'10.0.0.9'}), icmp({id: 5, seq: 6})]).then(p => log.push(p.ip.src, p.icmp.type, p.icmp.seq))`)
	if len(s.host.sent) != 1 {
		t.Fatalf("%d packets were sent", len(s.host.sent))
	}
	s.deliver(frame(t, echo))
	req := s.decoded(s.host.sent[0].data)
	re, err := req.Reply(s.api.env(0), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.deliver(re.Data)
	if got, want := s.run("log.join()").String(), "10.0.0.9,0,6"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.noFailures()
}

func TestLifecycle(t *testing.T) {
	s := newScene(t)
	s.run(`const log = [];
		function onStart() { log.push('start') }
		async function onStop(reason) { log.push(reason); await receiveOne() }
		function onLink(iface, up) { log.push(iface, up) }
		function onReload(old) { log.push(old) }
		function onPacket(p) { log.push('packet') }
		function onArpp() {}
		function onEdge() {}`)
	for _, n := range []string{"onStart", "onStop", "onLink", "onReload", "onPacket", "onArpp", "onEdge"} {
		s.api.Named(n, s.rt.Get(n))
	}
	s.api.Start()
	s.api.Link(1, false)
	s.api.Reload(s.rt.ToValue(3))
	pending := s.api.Stop("done")
	if !pending() {
		t.Error("onStop's promise is not pending")
	}
	s.deliver(frame(t, echo))
	if pending() {
		t.Error("onStop's promise is still pending")
	}
	if got, want := s.run("log.join()").String(), "start,wan,false,3,done,packet"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := strings.Join(s.host.logs, "\n"), "warn: function onArpp is never called: did you mean onArp?"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.api.Close()
	if s.api.Alive() {
		t.Error("alive after Close")
	}
	s.deliver(frame(t, echo))
	s.noFailures()
}

// TestExportNames holds the list against what New really sets.
func TestExportNames(t *testing.T) {
	s := newScene(t)
	have := map[string]bool{}
	for _, k := range s.api.Exports().Keys() {
		t.Errorf("%s is enumerable", k)
	}
	for _, n := range s.api.Exports().GetOwnPropertyNames() {
		have[n] = true
	}
	for _, n := range ExportNames() {
		if !have[n] {
			t.Errorf("%s is listed, but not set", n)
		}
		delete(have, n)
	}
	for n := range have {
		t.Errorf("%s is set, but not listed", n)
	}
}

// TestMicrotaskQueue holds that this goja's queue of microtasks can be looked
// at: without, every callback pays for a drain.
func TestMicrotaskQueue(t *testing.T) {
	s := newScene(t)
	if !s.api.jobs.IsValid() {
		t.Fatal("goja.Runtime has no field jobQueue")
	}
	var during bool
	_ = s.rt.Set("look", s.rt.ToValue(func() { during = s.api.pending() }))
	s.run("Promise.resolve().then(() => {}); look()")
	if !during || s.api.pending() {
		t.Errorf("pending is %v while one is queued, %v after", during, s.api.pending())
	}
}
