package jsapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/umpa-run/umpa-run/netio/packet"
)

// built is the bytes in hex of a header of the fields, told what is told, and
// what those bytes read as.
func built(s *scene, fields, told string) string {
	return s.eval(`{ const p = protocol('p', { fields: [` + fields + `] });
		const b = packet(p(` + told + `)).bytes;
		const { layer, ...read } = JSON.parse(JSON.stringify(parse(b, 'p'))).layers[0] ?? {};
		[...b].map((x) => x.toString(16).padStart(2, '0')).join('') + ' ' + JSON.stringify(read).replaceAll('"', '') }`)
}

// TestFields compares what is built with bytes written by hand, and reads them
// back.
func TestFields(t *testing.T) {
	tests := []struct{ name, fields, told, want string }{
		{"u8", `field.u8('a')`, `{ a: 255 }`, "ff {a:255}"},
		{"u16", `field.u16('a')`, `{ a: 0x1234 }`, "1234 {a:4660}"},
		{"u24", `field.u24('a')`, `{ a: 0x123456 }`, "123456 {a:1193046}"},
		{"u32", `field.u32('a')`, `{ a: 0xfffffffe }`, "fffffffe {a:4294967294}"},
		{"u64", `field.u64('a')`, `{ a: 0x123456789abcdef0n }`, "123456789abcdef0 {a:1311768467463790320}"},
		{"little-endian", `field.u16le('a'), field.u32le('b'), field.u64le('c')`, `{ a: 0x1234, b: 0x12345678, c: 1 }`, "3412785634120100000000000000 {a:4660,b:305419896,c:1}"},
		{"signed", `field.i8('a'), field.i16('b'), field.i32('c'), field.i64('d')`, `{ a: -1, b: -2, c: -3, d: -4n }`, "fffffefffffffdfffffffffffffffc {a:-1,b:-2,c:-3,d:-4}"},
		{"floats", `field.f32('a'), field.f64('b')`, `{ a: 1.5, b: -0.1 }`, "3fc00000bfb999999999999a {a:1.5,b:-0.1}"},
		{"bits", `field.bits('a', 3), field.bits('b', 1), field.bits('c', 12)`, `{ a: 5, b: true, c: 0xabc }`, "babc {a:5,b:1,c:2748}"},
		{"flags", `field.flags('f', 8, ['S', 'R', '', 'X'])`, `{ f: 'XS' }`, "09 {f:SX}"},
		{"flags by words", `field.flags('f', 16, ['more', 'last'])`, `{ f: 'more|last' }`, "0003 {f:more|last}"},
		{"addresses", `field.mac('m'), field.ipv4('a'), field.ipv6('b')`, `{ m: '02:00:00:00:00:01', a: '10.0.0.1', b: 'fd00::1' }`,
			"0200000000010a000001fd000000000000000000000000000001 {m:02:00:00:00:00:01,a:10.0.0.1,b:fd00::1}"},
		{"bytes of a number", `field.bytes('b', 4)`, `{ b: hex('0102') }`, "01020000 {b:{hex:01020000}}"},
		{"bytes of the rest", `field.u8('a'), field.bytes('b', 'rest')`, `{ a: 1, b: 'xy' }`, "017879 {a:1,b:{hex:7879}}"},
		{"text", `field.string('s', 4), field.cstring('c'), field.string('r', 'rest')`, `{ s: 'ab', c: 'cd', r: 'é' }`, "61620000636400c3a9 {s:ab,c:cd,r:é}"},
		{"length filled in", `field.u8('n'), field.u8('x'), field.bytes('b', 'n')`, `{ x: 9, b: 'abc' }`, "0309616263 {n:3,x:9,b:{hex:616263}}"},
		{"length told, however wrong", `field.u8('n'), field.bytes('b', 'n')`, `{ n: 1, b: 'abc' }`, "01616263 {n:1,b:{hex:61}}"},
		{"units", `field.u8('n'), field.bytes('b', { field: 'n', unit: 4, plus: -8 })`, `{ b: 'abcde' }`, "046162636465000000 {n:4,b:{hex:6162636465000000}}"},
		{"plus without unit", `field.u8('n'), field.bytes('b', { field: 'n', plus: -2 })`, `{ b: 'abc' }`, "05616263 {n:5,b:{hex:616263}}"},
		{"filled to the least", `field.u8('n'), field.bytes('b', { field: 'n', plus: 2 })`, `{ b: 'a' }`, "006100 {n:0,b:{hex:6100}}"},
		{"one length for two", `field.u8('n'), field.bytes('a', 'n'), field.bytes('b', 'n')`, `{ a: 'xyz', b: 'u' }`, "0378797a750000 {n:3,a:{hex:78797a},b:{hex:750000}}"},
		{"one length for either", `field.u8('t'), field.u8('n'), field.bytes('a', 'n', { when: { t: 1 } }), field.string('b', 'n', { when: { t: 2 } })`, `{ t: 2, b: 'xy' }`, "02027879 {t:2,n:2,b:xy}"},
		{"length of a field", `field.length('n', 16, { of: 'b', unit: 2, plus: 1 }), field.u8('x'), field.bytes('b', 'rest')`, `{ b: 'abcd' }`, "00030061626364 {n:3,x:0,b:{hex:61626364}}"},
		{"length of both", `field.length('n', 16), field.u8('x'), field.bytes('b', 'rest')`, `{ b: 'abcd' }`, "00070061626364 {n:7,x:0,b:{hex:61626364}}"},
		{"length of the layer", `field.length('n', 8, { of: 'layer', unit: 4 }), field.bytes('b', 'rest')`, `{ b: 'abcd' }`, "0261626364000000 {n:2,b:{hex:61626364000000}}"},
		{"length behind what varies", `field.cstring('c'), field.length('n', 8)`, `{ c: 'ab' }`, "61620004 {c:ab,n:4}"},
		{"count", `field.u8('n'), field.list('l', [field.u8('a'), field.u8('b')], 'n')`, `{ l: [{ a: 1 }, { b: 2 }] }`, "0201000002 {n:2,l:[{a:1,b:0},{a:0,b:2}]}"},
		{"bare values", `field.u8('n'), field.list('l', field.u16('x'), 'n')`, `{ l: [1, 2] }`, "0200010002 {n:2,l:[1,2]}"},
		{"a fixed number of items", `field.list('l', field.u8('x'), 3)`, `{ l: [1] }`, "010000 {l:[1,0,0]}"},
		{"items to the end", `field.list('l', [field.u8('n'), field.string('s', 'n')], 'rest')`, `{ l: [{ s: 'a' }, { s: 'bc' }] }`, "0161026263 {l:[{n:1,s:a},{n:2,s:bc}]}"},
		{"items until", `field.list('l', [field.u8('t')], 'rest', { until: { t: 0 } }), field.u8('x')`, `{ l: [{ t: 2 }, { t: 0 }], x: 7 }`, "020007 {l:[{t:2},{t:0}],x:7}"},
		{"bare items until", `field.list('l', field.u8('t'), 'rest', { until: { min: 0x80 } }), field.u8('x')`, `{ l: [2, 0x81], x: 7 }`, "028107 {l:[2,129],x:7}"},
		{"choice", `field.u8('t', { enum: { port: 1 } }), field.u8('n'), field.choice('b', 't', 'n', { port: [field.u16('p')], 2: [field.ipv4('a')] })`, `{ t: 'port', b: { p: 80 } }`, "01020050 {t:1,n:2,b:{p:80}}"},
		{"choice not told has its defaults", `field.u8('t', { default: 1 }), field.u8('n'), field.choice('b', 't', 'n', { 1: [field.u16('p', { default: 9 })] })`, ``, "01020009 {t:1,n:2,b:{p:9}}"},
		{"choice without a case", `field.u8('t'), field.choice('b', 't', 'rest', { 1: [field.u16('p')] })`, `{ t: 3, b: hex('0102') }`, "030102 {t:3,b:{hex:0102}}"},
		{"choice of a fixed size", `field.u8('t'), field.choice('b', 't', 4, { 1: [field.u16('p'), field.u16('q')] })`, `{ t: 2, b: hex('01') }`, "0201000000 {t:2,b:{hex:01000000}}"},
		{"bytes for a body", `field.u8('t'), field.choice('b', 't', 'rest', { 1: [field.u16('p')] })`, `{ t: 1, b: hex('01') }`, "0101 {t:1,b:{hex:01},bytes:{hex:0101}}"},
		{"TLVs", `field.list('l', [field.u8('t'), field.u8('n'), field.choice('v', 't', 'n', { 1: [field.u16('p')], 2: [field.list('x', field.u8('x'), 'rest')] })], 'rest')`,
			`{ l: [{ t: 1, v: { p: 1 } }, { t: 2, v: { x: [1, 2, 3] } }, { t: 9, v: 'z' }] }`,
			"010200010203010203" + "09017a {l:[{t:1,n:2,v:{p:1}},{t:2,n:3,v:{x:[1,2,3]}},{t:9,n:1,v:{hex:7a}}]}"},
		{"when equal", `field.u8('t'), field.u8('a', { when: { t: 1 } }), field.u8('b')`, `{ t: 1, a: 2, b: 3 }`, "010203 {t:1,a:2,b:3}"},
		{"when not", `field.u8('t'), field.u8('a', { when: { t: 1 } }), field.u8('b')`, `{ t: 2, b: 3 }`, "0203 {t:2,b:3}"},
		{"when one of", `field.u8('t', { enum: { get: 1 } }), field.u8('a', { when: { t: ['get', 4] } })`, `{ t: 4, a: 2 }`, "0402 {t:4,a:2}"},
		{"when in a range", `field.u8('t'), field.u8('a', { when: { t: { min: 3, max: 5 } } })`, `{ t: 5, a: 2 }`, "0502 {t:5,a:2}"},
		{"when out of a range", `field.u8('t'), field.u8('a', { when: { t: { not: { min: 3 } } } })`, `{ t: 3 }`, "03 {t:3}"},
		{"when signed", `field.i8('t'), field.u8('a', { when: { t: { min: -2, max: 2 } } })`, `{ t: -2, a: 7 }`, "fe07 {t:-2,a:7}"},
		{"when signed, not", `field.i8('t'), field.u8('a', { when: { t: { min: -2, max: 2 } } })`, `{ t: -3 }`, "fd {t:-3}"},
		{"when flags", `field.flags('f', 8, ['A', 'B', 'C']), field.u8('a', { when: { f: { has: 'A', not: 'B' } } })`, `{ f: 'AC', a: 7 }`, "0507 {f:AC,a:7}"},
		{"when both", `field.u8('t'), field.u8('u'), field.u8('a', { when: { t: 1, u: { not: [2, 3] } } })`, `{ t: 1, u: 4, a: 5 }`, "010405 {t:1,u:4,a:5}"},
		{"default", `field.u8('a', { default: 7 }), field.string('s', 'rest', { default: 'x' })`, ``, "0778 {a:7,s:x}"},
		{"default of a list", `field.list('l', [field.u8('a')], 'rest', { default: [{ a: 1 }] })`, ``, "01 {l:[{a:1}]}"},
		{"crc32", `field.u8('a'), field.checksum('c', 'crc32'), field.bytes('b', 'rest')`, `{ a: 0x31, b: '23' }`, "31" + "c1d844ff" + "3233 {a:49,c:3252176127,b:{hex:3233}}"},
		{"internet", `field.u16('a'), field.checksum('c', 'internet')`, `{ a: 0x1234 }`, "1234edcb {a:4660,c:60875}"},
		{"sum8 at the end", `field.cstring('s'), field.checksum('c', 'sum8')`, `{ s: 'ab' }`, "6162003d {s:ab,c:61}"},
		{"checksum with fields skipped", `field.u8('ttl'), field.u8('x'), field.checksum('c', 'sum8', { skip: ['ttl'] })`, `{ ttl: 9, x: 1 }`, "0901ff {ttl:9,x:1,c:255}"},
		{"checksum told", `field.u8('x'), field.checksum('c', 'sum8')`, `{ x: 1, c: 1 }`, "0101 {x:1,c:1}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := built(newScene(t), tt.fields, tt.told); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestProtocolMistakes: every mistake says what would be right.
func TestProtocolMistakes(t *testing.T) {
	p := func(fields string) string { return "protocol('p', { fields: [" + fields + "] })" }
	tests := []struct{ name, code, want string }{
		{"no name", `protocol()`, "TypeError: protocol: undefined is no name | " + protocolHint},
		{"a name that is none", `protocol('a b', { fields: [field.u8('a')] })`, "TypeError: protocol: 'a b' is no name of a protocol | a name as of a variable: letters, digits and _"},
		{"a member of packets", `protocol('reply', { fields: [field.u8('a')] })`, "TypeError: protocol: every packet has a member reply already | another name: pkt.reply is taken"},
		{"has", `protocol('has', { fields: [field.u8('a')] })`, "TypeError: protocol: every packet has a member has already | another name: pkt.has is taken"},
		{"layers", `protocol('layers', { fields: [field.u8('a')] })`, "TypeError: protocol: every packet has a member layers already | another name: pkt.layers is taken"},
		{"what JavaScript asks for", `protocol('then', { fields: [field.u8('a')] })`, "TypeError: protocol: JavaScript itself asks every object for then | another name"},
		{"onStart", `protocol('start', { fields: [field.u8('a')] })`, "TypeError: protocol: 'start': a function onStart is called for something else | another name"},
		{"no definition", `protocol('p')`, "TypeError: protocol 'p': undefined is no definition | " + protocolHint},
		{"no fields", `protocol('p', {})`, "TypeError: protocol 'p': fields are missing | " + protocolHint},
		{"empty", `protocol('p', { fields: [] })`, "TypeError: protocol 'p': fields: there are 1 to 64 fields, not 0"},
		{"misspelt", `protocol('p', { field: [] })`, "TypeError: protocol 'p' has no option field | did you mean fields?"},
		{"no field", `protocol('p', { fields: [{ name: 'a' }] })`, "TypeError: protocol 'p': fields[0]: an object is no field | field.u8('type'), or another kind of field"},
		{"no kind", `field.u12('a')`, "TypeError: there is no kind of field 'u12' | did you mean u16?"},
		{"field without a name", `field.u8()`, "TypeError: field.u8: undefined is no name of a field | field.u8('name'…)"},
		{"field's name", `field.u8('a-b')`, "TypeError: field.u8('a-b'): 'a-b' is no name of a field | a name as of a variable: letters, digits and _"},
		{"taken name", `field.u8('layer')`, "TypeError: field.u8('layer'): 'layer' means something else | 'layer_', or the word that the protocol's document uses"},
		{"options", `field.u8('a', { defalt: 1 })`, "TypeError: field.u8('a') has no option defalt | did you mean default?"},
		{"default out of range", `field.u8('a', { default: 256 })`, "RangeError: field.u8('a'): default: 256 is out of range 0..255 | it has 8 bits"},
		{"default of another type", `field.ipv4('a', { default: 'x' })`, "TypeError: field.ipv4('a'): default: 'x' is no IPv4 address | four numbers of 0..255: '192.0.2.1'"},
		{"enum out of range", `field.u8('a', { enum: { big: 256 } })`, "RangeError: field.u8('a'): enum: big: 256 is out of range 0..255 | a has 8 bits"},
		{"enum of no number", `field.mac('a', { enum: { x: 1 } })`, "TypeError: field.mac('a'): a MAC has no names of values"},
		{"enum twice", `field.u8('a', { enum: { echoReply: 0, ECHO_REPLY: 1 } })`, "TypeError: field.u8('a'): enum: 'ECHO_REPLY' is no name, or stands twice | case, '-' and '_' are ignored"},
		{"width", `field.bits('a', 65)`, "RangeError: field.bits('a'): width in bits: 65 is out of range 1..64"},
		{"letters", `field.flags('a', 2, ['A', 'B', 'C'])`, "TypeError: field.flags('a'): 3 letters for 2 bits"},
		{"letter twice", `field.flags('a', 2, ['A', 'a'])`, "TypeError: field.flags('a'): 'a' stands twice"},
		{"no letters", `field.flags('a', 2)`, "TypeError: field.flags('a'): undefined is no list of letters | a letter or a name for each bit, the lowest first: ['F', 'S', 'R']"},
		{"size", `field.bytes('a')`, "TypeError: field.bytes('a'): undefined is no size | " + sizeHint},
		{"size of nothing", `field.bytes('a', 0)`, "RangeError: field.bytes('a'): size: 0 is out of range 1..65536"},
		{"algorithm", `field.checksum('a', 'crc23')`, "TypeError: field.checksum('a'): 'crc23' is no algorithm | did you mean crc32?"},
		{"twice", p(`field.u8('a'), field.u8('a')`), "TypeError: protocol 'p': p.a stands twice"},
		{"size of a later field", p(`field.bytes('b', 'n'), field.u8('n')`), "TypeError: protocol 'p': p.b: size: there is no earlier field 'n' beside it"},
		{"size misspelt", p(`field.u8('length'), field.bytes('b', 'lenght')`), "TypeError: protocol 'p': p.b: size: there is no earlier field 'lenght' beside it | did you mean length?"},
		{"size by text", p(`field.cstring('n'), field.bytes('b', 'n')`), "TypeError: protocol 'p': p.b: size: 'n' is string, not a number | a u8, u16 or other unsigned number"},
		{"size by a checksum", p(`field.checksum('n', 'sum8'), field.bytes('b', 'n')`), "TypeError: protocol 'p': p.b: size: 'n' is a checksum"},
		{"when on nothing", p(`field.u8('a', { when: { b: 1 } })`), "TypeError: protocol 'p': p.a: when: there is no earlier field 'b' beside it"},
		{"when on bytes", p(`field.bytes('b', 2), field.u8('a', { when: { b: 1 } })`), "TypeError: protocol 'p': p.a: nothing can depend on 'b', which is bytes | a number, or flags"},
		{"when by another type", p(`field.u8('b'), field.u8('a', { when: { b: 'x' } })`), "TypeError: p.a: b: 'x' is not a number"},
		{"when empty", p(`field.u8('b'), field.u8('a', { when: {} })`), "TypeError: field.u8('a'): when: the pattern is empty | when: { type: [1, 2] }"},
		{"within a byte", p(`field.bits('a', 3), field.mac('m')`), "TypeError: protocol 'p': p.m begins within a byte | fill the byte up: field.bits('reserved', 5)"},
		{"ends within a byte", p(`field.bits('a', 3)`), "TypeError: protocol 'p': p ends within a byte | fill the byte up: field.bits('reserved', 5)"},
		{"condition within a byte", p(`field.bits('a', 4), field.bits('b', 4, { when: { a: 1 } })`), "TypeError: protocol 'p': p.b: its condition begins or ends within a byte | fill the byte up: field.bits('reserved', 4)"},
		{"length of an earlier field", p(`field.bytes('b', 2), field.length('n', 8, { of: 'b' })`), "TypeError: protocol 'p': p.n: of: 'b' is no later field beside it | one of layer, payload, both"},
		{"length in an item", p(`field.list('l', [field.length('n', 8)], 'rest')`), "TypeError: protocol 'p': p.l.n: only a field of the protocol itself tells the length of 'both' | of: a later field's name"},
		{"checksum in an item", p(`field.list('l', [field.checksum('n', 'sum8')], 'rest')`), "TypeError: protocol 'p': p.l.n: a checksum is over the whole layer and its payload | a field of the protocol itself"},
		{"two checksums", p(`field.checksum('a', 'sum8'), field.checksum('b', 'sum8')`), "TypeError: protocol 'p': p.b: a protocol has one checksum, and a is one"},
		{"skip", p(`field.u8('ttl'), field.checksum('b', 'sum8', { skip: ['tll'] })`), "TypeError: protocol 'p': p.b: skip: there is no field 'tll' | did you mean ttl?"},
		{"choice on nothing", p(`field.choice('b', 't', 1, {})`), "TypeError: protocol 'p': p.b: on: there is no earlier field 't' beside it"},
		{"case", p(`field.u8('t'), field.choice('b', 't', 1, { 256: [field.u8('x')] })`), "RangeError: p.b: case: 256 is out of range 0..255 | t has 8 bits"},
		{"until", p(`field.list('l', [field.u8('t')], 'rest', { until: { x: 0 } })`), "TypeError: protocol 'p': p.l: until: when: there is no earlier field 'x' beside it | did you mean t?"},
		{"next", `protocol('p', { fields: [field.u8('a')], next: 'ipp' })`, "TypeError: protocol 'p': next: there is no protocol 'ipp' | did you mean ip?"},
		{"next field", `protocol('p', { fields: [field.u8('type')], next: { field: 'typ' } })`, "TypeError: p: next: there is no field \"typ\" | did you mean \"type\"?"},
		{"next by text", `protocol('p', { fields: [field.cstring('type')], next: { field: 'type' } })`, "TypeError: protocol 'p': next: 'type' is string, not a number | a u8, u16 or other unsigned number"},
		{"over nothing", `protocol('p', { fields: [field.u8('a')], over: { upd: 1 } })`, "TypeError: protocol 'p': over: there is no protocol 'upd' | did you mean udp?"},
		{"over what carries nothing", `protocol('p', { fields: [field.u8('a')], over: { arp: 1 } })`, "TypeError: protocol 'p': over: nothing in arp tells what it carries | its definition says next: { field: 'type' }; or over: { udp: 9999 }"},
		{"port", `protocol('p', { fields: [field.u8('a')], over: { udp: 65536 } })`, "RangeError: protocol 'p': over: udp: 65536 is out of range 0..65535 | dport has 16 bits (RFC 768, Fields)"},
		{"answers", `protocol('p', { fields: [field.u8('a')], answers: true })`, "TypeError: protocol 'p': answers: true is no function | a function"},
		{"too deep", `{ let f = field.u8('a'); for (let i = 0; i < 20; i++) f = field.list('l', [f], 'rest'); protocol('p', { fields: [f] }) }`, "TypeError: protocol 'p': p.l.l.l.l.l.l.l.l: lists and choices nest more than 7 deep"},
		{"too many depend", p(func() (f string) {
			for i := range 13 {
				f += fmt.Sprintf("field.u8('n%d'), field.bytes('b%d', 'n%d'),", i, i, i)
			}
			return f
		}()), "TypeError: protocol 'p': other fields depend on 13 of its fields; on 12 they can"},
		{"building: out of range", p(`field.u8('a')`) + `({ a: 256 })`, "RangeError: p.a: 256 is out of range 0..255 | a has 8 bits"},
		{"building: unknown", p(`field.u8('type')`) + `({ typ: 256 })`, "TypeError: p: there is no field \"typ\" | did you mean \"type\"?"},
		{"building: too long for its length", p(`field.u8('n'), field.bytes('b', 'n')`) + `({ b: new Uint8Array(256) })`, "TypeError: p.n: 256, worked out of b, is more than its 8 bits can tell | tell it yourself to send it all the same"},
		{"building: too many", p(`field.list('l', field.u8('x'), 2)`) + `({ l: [1, 2, 3] })`, "TypeError: p.l: 3 items are more than the 2 it has"},
		{"building: what is not there", p(`field.u8('t'), field.u8('a', { when: { t: 1 } })`) + `({ a: 1 })`, "TypeError: p.a: there is no such field here | a depends on t"},
		{"building: lengths that differ", p(`field.u8('n'), field.bytes('a', 'n'), field.bytes('b', 'n')`) + `({ a: 'x', b: 'yz' })`, "TypeError: p.b: 2 bytes do not fit: n, which another field shares, makes it 1 | tell n yourself to send it all the same"},
		{"nothing is changed", `try { protocol('udp', { fields: [field.bits('a', 3)] }) } catch {} packet(udp()).udp.sport`, "49152"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newScene(t).eval(tt.code); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// kv is a small protocol of requests and answers, as a script would declare it.
const kv = `const kv = protocol('kv', {
	fields: [
		field.u8('op', { enum: { get: 1, PUT: 2, found: 3 } }), field.u16('id'), field.u8('n'), field.string('key', 'n'),
		field.list('tags', [field.u8('type'), field.u8('len'), field.choice('body', 'type', 'len', { 1: [field.u16('port')], 2: [field.flags('f', 8, ['A', 'B']), field.u64('big')] })], 'rest'),
	],
	over: { udp: [9999, 9998] },
	answers: (answer, request) => answer.op === kv.FOUND && answer.id === request.id,
	reply: (request) => ({ op: 'found', id: request.id, key: request.key }),
});
const get = (fields) => packet(eth({ dst: '02:00:00:00:00:02' }), ip({ dst: '10.0.0.2' }), udp({ sport: 5000 }), kv({ op: 'get', ...fields }));
const got = (p) => parse(p.bytes);
`

// TestProtocolIsLikeBuiltIn: whatever works with a built-in protocol works with
// one of the script's own.
func TestProtocolIsLikeBuiltIn(t *testing.T) {
	tests := []struct{ name, code, want string }{
		{"constants", `[kv.GET, kv.PUT, kv.FOUND].join()`, "1,2,3"},
		{"decodes", `const p = got(get({ id: 7, key: 'ab' })); p.has('kv') + ' ' + p.kv.id + ' ' + p.kv.key + ' ' + p.udp.dport + ' ' + p.errors.length`, "true 7 ab 9999 0"},
		{"by source port", `got(packet(eth(), ip(), udp({ sport: 9998, dport: 1 }), kv())).has('kv')`, "true"},
		{"nested values", `const l = got(get({ tags: [{ type: 2, body: { f: 'B', big: 1n } }] })).kv.tags[0]; l.body.f + typeof l.body.big + l.len`, "Bbigint9"},
		{"values of a body", `const a = protocol('a', { fields: [field.u8('t'), field.choice('b', 't', 'rest', { 1: [field.flags('f', 8, ['A']), field.u64('n')] })], over: { udp: 7 } });
			const p = got(packet(eth(), ip(), udp(), a({ t: 1, b: { f: 'A', n: 5 } }))), q = got(packet(eth(), ip(), udp(), a({ t: 2, b: hex('09') }))); p.a.b.f + typeof p.a.b.n + q.a.b[0]`, "Abigint9"},
		{"matches", `got(get({ id: 7 })).matches({ kv: { op: 'get', id: { min: 7 } } })`, "true"},
		{"matches in a choice in a list", `const p = got(get({ tags: [{ type: 1, body: { port: 80 } }] })); p.matches({ kv: { tags: { body: { port: [80, 443] } } } }) + ' ' + p.matches({ kv: { tags: { body: { port: 81 } } } })`, "true false"},
		{"pattern mistakes", `on({ kv: { opp: 1 } }, () => {})`, "TypeError: kv: there is no field \"opp\" | did you mean \"op\"?"},
		{"replies", `const r = got(get({ id: 7, key: 'ab' })).reply(); r.summary()`, `ip 10.0.0.2:9999 > 10.0.0.1:5000 kv op=found id=7 key="ab"`},
		{"replies with changes", `const r = got(get({ id: 7, key: 'ab' })).reply({ kv: { key: 'xyz' } }); r.kv.n + r.kv.key`, "3xyz"},
		{"answers", `const q = got(get({ id: 7 })); const r = got(q.reply()); r.answers(q) + ' ' + got(q.reply({ kv: { id: 8 } })).answers(q)`, "true false"},
		{"with", `const q = got(get({ id: 7, key: 'ab' })).with({ kv: { key: 'abc' } }); q.kv.n + ' ' + q.udp.length + ' ' + got(q).errors.length`, "3 15 0"},
		{"assigning", `const p = get({ key: 'a' }); p.kv.key = 'bcd'; p.kv.n`, "3"},
		{"show", `got(get({ id: 7 })).show().split('\n').slice(-7).join('|')`, `kv|  op 1 (get)|  id 7|  n 0|  key ""|  tags (none)|`},
		{"JSON there and back", `const p = got(get({ id: 7, tags: [{ type: 1, body: { port: 1 } }, { type: 9, body: 'x' }] })); String(packet(JSON.parse(JSON.stringify(p))).bytes) === String(p.bytes)`, "true"},
		{"varies", `const p = get({ id: counter(5) }); [...product(p)].map((x) => x.kv.id).join()`, "5"},
		{"range", `[...product(get({ id: range(1, 3) }))].map((x) => got(x).kv.id + ':' + got(x).errors.length).join()`, "1:0,2:0,3:0"},
		{"fuzz", `const p = packet(ip({ dst: '10.0.0.2' }), udp(), fuzz(kv())); send(p); send(p); 'sent'`, "sent"},
		{"parse", `parse(hex('010007026162'), 'kv').kv.key`, "ab"},
		{"decodeAs", `decodeAs({ tcp: 7000 }, 'kv'); got(packet(eth(), ip(), tcp({ dport: 7000 }), kv())).has('kv')`, "true"},
		{"over eth and ip", `protocol('a', { fields: [field.u8('x')], over: { eth: 0x88b5 } }); protocol('b', { fields: [field.u8('x')], over: { ip: 253 } });
			got(packet(eth(), protocol('a', { fields: [field.u8('x')], over: { eth: 0x88b5 } })())).eth.type + ' ' + got(packet(eth(), ip(), protocol('b', { fields: [field.u8('x')], over: { ip: 253 } })())).ip.protocol`, "34997 253"},
		{"under another", `const a = protocol('a', { fields: [field.u8('type', { enum: { inner: 3 } })], over: { udp: 7 }, next: { field: 'type' } });
			const b = protocol('b', { fields: [field.u16('x')], over: { a: 'inner' } });
			const p = got(packet(eth(), ip(), udp(), a(), b({ x: 5 }), 'rest')); p.a.type + ' ' + p.b.x + ' ' + p.text`, "3 5 rest"},
		{"next by cases", `const b = protocol('b', { fields: [field.u16('x')] });
			const a = protocol('a', { fields: [field.cstring('name'), field.u16('type')], over: { udp: 7 }, next: { field: 'type', cases: { 9: 'b', 0x800: 'ip' } } });
			const p = got(packet(eth(), ip(), udp(), a({ name: 'long' }), b({ x: 5 }))), q = got(packet(eth(), ip(), udp(), a(), ip(), icmp()));
			p.a.type + ' ' + p.b.x + ' ' + q.a.type + ' ' + q.has('icmp')`, "9 5 2048 true"},
		{"next always", `const a = protocol('a', { fields: [field.u8('x')], over: { udp: 7 }, next: 'ip' }); got(packet(eth(), ip(), udp(), a(), ip({ ttl: 9 }), icmp())).layer('ip', 1).ttl`, "9"},
		{"within itself", `const a = protocol('a', { fields: [field.u8('t')], over: { udp: 7, a: 1 }, next: { field: 't' } }); got(packet(eth(), ip(), udp(), a(), a(), a({ t: 5 }))).layers.length`, "6"},
		{"length leaves padding out", `const a = protocol('a', { fields: [field.length('n', 16), field.bytes('d', 'rest')], over: { eth: 0x88b5 } });
			const p = parse(bytes(packet(eth(), a({ d: 'xy' })).bytes, new Uint8Array(40))); p.a.d.length + ' ' + p.payload.length`, "2 0"},
		{"header length parts header and payload", `const a = protocol('a', { fields: [field.length('n', 8, { of: 'layer', unit: 4 }), field.bytes('options', 'rest')], over: { udp: 7 } });
			const p = got(packet(eth(), ip(), udp(), a({ options: 'xyz12' }), 'data')); p.a.n + ' ' + p.a.options.length + ' ' + p.text + ' ' + got(p.reply()).a.options.length`, "2 7 data 7"},
		{"a wrong checksum stays wrong", `const a = protocol('a', { fields: [field.cstring('s'), field.checksum('c', 'crc32')], over: { udp: 7 } });
			const p = got(packet(eth(), ip(), udp(), a({ s: 'x', c: 1 }))), q = got(packet(eth(), ip(), udp(), a({ s: 'x' })));
			p.errors.length + ' ' + p.with({ a: { s: 'yy' } }).errors.length + ' ' + q.errors.length + ' ' + q.with({ a: { s: 'yy' } }).errors.length`, "1 1 0 0"},
		{"pseudo-header", `const a = protocol('a', { fields: [field.checksum('c', 'internet-pseudo')], over: { ip: 253 } }); const p = got(packet(eth(), ip(), a(), 'data')); p.a.c > 0 && p.errors.length`, "0"},
		{"replaced everywhere", `const d = protocol('dns', { fields: [field.u16('x')] }); const p = got(packet(eth(), ip(), udp({ dport: 53 }), d({ x: 5 }))); p.dns.x + ' ' + p.matches({ dns: { x: 5 } }) + ' ' + packet(ip(), udp(), dns({ x: 6 })).udp.dport`, "5 true 53"},
		{"port replaced", `const d = protocol('mine', { fields: [field.u16('x')], over: { udp: 53 } }); const p = got(packet(eth(), ip(), udp({ dport: 53 }), d({ x: 5 }))); p.has('mine') + ' ' + p.has('dns') + ' ' + got(packet(eth(), ip(), udp(), dns())).has('dns')`, "true false false"},
		{"an old builder builds what is there now", `const old = udp; protocol('udp', { fields: [field.u8('x')] }); packet(old({ x: 3 })).bytes.length`, "1"},
		{"reply that is a layer", `protocol('a', { fields: [field.u8('x')], over: { udp: 7 }, reply: () => globalThis.b({ x: 9 }) }); const a = globalThis.b = protocol('a', { fields: [field.u8('x')], over: { udp: 7 }, reply: () => globalThis.b({ x: 9 }) }); got(packet(eth(), ip(), udp(), a())).reply().a.x`, "9"},
		{"reply that is none", `const a = protocol('a', { fields: [field.u8('x')], over: { udp: 7 }, reply: () => 5 }); got(packet(eth(), ip(), udp(), a())).reply()`, "TypeError: reply of a returned 5 | an object of fields: ({ type: 2 })"},
		{"reply that throws", `const a = protocol('a', { fields: [field.u8('x')], over: { udp: 7 }, reply: () => { throw new Error('no') } }); got(packet(eth(), ip(), udp(), a())).reply()`, "Error: no"},
		{"reply by default", `const a = protocol('a', { fields: [field.u8('n'), field.string('s', 'n')], over: { udp: 7 } }); got(packet(eth(), ip({ dst: '10.0.0.2' }), udp(), a({ s: 'xy' }), 'data')).reply().summary()`, `ip 10.0.0.2:7 > 10.0.0.1:49152 a s="xy"`},
		{"field used twice", `const x = field.u8('x'); protocol('a', { fields: [x] }); protocol('b', { fields: [x, field.bytes('y', 'x')] }); packet(protocol('c', { fields: [x] })({ x: 1 })).bytes.length + x.name`, "1x"},
		{"kinds taken apart", `const { u8, u16 } = field; packet(protocol('a', { fields: [u8('a'), u16('b')] })()).bytes.length`, "3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			if got := s.eval(kv + tt.code); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestProtocolIsSeen: what was registered before a protocol was declared or
// replaced sees it.
func TestProtocolIsSeen(t *testing.T) {
	s := newScene(t)
	s.run(`globalThis.seen = [];
		on('udp', () => seen.push('name'));
		on({ udp: { dport: 9999 } }, () => seen.push('pattern'));
		on({ eth: {} }, () => seen.push('eth'));
		protocol('eth', { fields: [field.mac('dst'), field.mac('src'), field.u16('type')], next: { field: 'type', cases: { 0x800: 'ip' } } });
		protocol('udp', { fields: [field.u16('sport', { default: 49152 }), field.u16('dport'), field.length('length', 16), field.checksum('checksum', 'internet-pseudo')], next: { field: 'dport' } });` +
		kv + `globalThis.frame = get({ id: 7, key: 'ab' }).bytes;
		on('kv', () => seen.push('kv'));
	`)
	f, err := s.rt.RunString(`(p) => { seen.push('onKv ' + p.kv.id) }`)
	if err != nil {
		t.Fatal(err)
	}
	s.api.Named("onKv", f)
	s.deliver(bytesOf(s.rt.Get("frame")))
	s.noFailures()
	if got, want := s.eval(`seen.join()`), "name,pattern,eth,kv,onKv 7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestProtocolAcrossRuntimes: a packet that is copied to the runtime of the
// next version is read by that one's declaration, once it is made.
func TestProtocolAcrossRuntimes(t *testing.T) {
	from, to := newScene(t), newScene(t)
	from.run(kv + `globalThis.p = get({ id: 7, key: 'ab' }); globalThis.q = got(p);`)
	for _, name := range []string{"p", "q"} {
		if err := to.rt.Set(name, from.api.clone(to.api, name, from.rt.Get(name))); err != nil {
			t.Fatal(err)
		}
	}
	const look = `[p, q].map((x) => x.layers.length + ' ' + x.kv?.id + ' ' + x.matches('udp')).join()`
	to.run(`globalThis.before = p.layers[3].id`)
	to.run(kv)
	if got, want := to.eval(look+` + ' ' + before + ' ' + q.reply().kv.op + ' ' + q.matches({ kv: { id: 7 } })`), "4 7 true,4 7 true 7 3 true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// The same within one runtime.
	s := newScene(t)
	s.run(`globalThis.q = parse(packet(eth(), ip(), udp({ dport: 9999 }), hex('010007026162')).bytes); globalThis.n = q.layers.length`)
	s.run(kv)
	if got, want := s.eval(`n + ' ' + q.kv?.key`), "3 ab"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestProtocolInTheGoLane: a reaction that enters a script's function says so,
// and what that throws is the reaction's failure.
func TestProtocolInTheGoLane(t *testing.T) {
	s := newScene(t)
	s.run(kv + `on({ kv: { op: 'get' } }, reply()); globalThis.frame = got(get({ id: 7, key: 'ab' })).bytes;
		on({ kv: { op: 'put' } }, reply()); globalThis.bad = false;`)
	h := s.api.Handlers()[0]
	if h.Lane != "go" {
		t.Errorf("before, the lane is %s", h.Lane)
	}
	s.deliver(bytesOf(s.rt.Get("frame")))
	s.noFailures()
	if len(s.host.sent) != 1 {
		t.Fatalf("%d packets were sent", len(s.host.sent))
	}
	p := s.decoded(s.host.sent[0].data)
	if got, want := p.Summary(), `ip 10.0.0.2:9999 > 10.0.0.1:5000 kv op=found id=7 key="ab"`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if h.Lane != "js" || !strings.HasSuffix(h.Why, "; but what kv replies is a function") {
		t.Errorf("after, the lane is %s: %s", h.Lane, h.Why)
	}

	s = newScene(t)
	s.run(`const a = protocol('a', { fields: [field.u8('x')], over: { udp: 7 }, reply: (r) => r.nothing, answers: () => { throw new Error('who knows') } });
		globalThis.frame = packet(eth(), ip(), udp(), a()).bytes; on('a', reply());
		sr1(packet(ip({ dst: '10.0.0.2' }), udp({ sport: 7 }), a())).catch(() => {});`)
	s.deliver(bytesOf(s.rt.Get("frame")))
	if got := s.failures(); !strings.Contains(got, `TypeError: a: there is no field "nothing"`) {
		t.Errorf("failures: %s", got)
	}
	if s.host.watch.Count()%2 != 0 {
		t.Error("the watch was left on")
	}
}

// TestProtocolCopies: a declared copy of a built-in protocol builds the same
// bytes, and reads, replies and matches alike.
func TestProtocolCopies(t *testing.T) {
	copies := map[string]string{
		"udp": `protocol('udp', { fields: [
			field.u16('sport', { default: 49152 }), field.u16('dport', { default: 9 }), field.length('length', 16), field.checksum('checksum', 'internet-pseudo')],
			next: { field: 'dport' },
			answers: (a, r) => a.sport === r.dport && a.dport === r.sport,
			reply: (r) => ({ sport: r.dport, dport: r.sport }) });`,
		"arp": `protocol('arp', { fields: [
			field.u16('htype', { default: 1 }), field.u16('ptype', { default: 0x800 }), field.u8('hlen', { default: 6 }), field.u8('plen', { default: 4 }),
			field.u16('op', { default: 1, enum: { request: 1, reply: 2 } }),
			field.mac('sha'), field.ipv4('spa'), field.mac('tha'), field.ipv4('tpa')] });`,
		"vlan": `protocol('vlan', { fields: [field.bits('priority', 3), field.bits('dei', 1), field.bits('id', 12), field.u16('type')], next: { field: 'type', cases: { 0x800: 'ip', 0x806: 'arp' } } });`,
	}
	frames := map[string][]string{
		"udp": {`ip({ dst: '10.0.0.2' }), udp({ sport: 1000, dport: 2000 }), 'hello'`, `ip({ dst: '10.0.0.2' }), udp({ length: 9, checksum: 7 })`,
			`ip6({ dst: 'fd00::2' }), udp({ dport: 53 }), dns({ questions: [{ name: 'a.b' }] })`, `ip({ dst: '10.0.0.2' }), udp(), dns({ id: 3 })`},
		"arp":  {`eth(), arp({ op: 'reply', sha: '02:00:00:00:00:01', spa: '10.0.0.1', tpa: '10.0.0.9' })`, `eth(), arp({ sha: '02:00:00:00:00:01', spa: '10.0.0.1', plen: 9 })`},
		"vlan": {`eth(), vlan({ id: 5, priority: 3 }), ip({ dst: '10.0.0.2' }), icmp()`, `eth(), vlan({ id: 5, type: 1 }), 'x'`, `eth(), vlan(), arp()`},
	}
	const look = `(() => { const p = packet(%s); const q = parse(p.bytes, p.layers[0].layer);
		return String(p.bytes) + JSON.stringify(q).replace(/"time":[^,]*,/, '') + (q.has('udp') ? String(q.reply().bytes) + q.reply().answers(q) : '') })()`
	for name, declared := range copies {
		for _, f := range frames[name] {
			a, b := newScene(t), newScene(t)
			b.run(declared)
			// One built-in identification of IP and one not yet used: the same in both.
			code := fmt.Sprintf(look, f)
			if want, got := a.eval(code), b.eval(code); got != want {
				t.Errorf("%s: %s\nbuilt-in %s\ndeclared %s", name, f, want, got)
			}
		}
	}
	if packet.Builtin().Proto("udp").Field("length").Auto == nil {
		t.Error("the built-in table was changed")
	}
}
