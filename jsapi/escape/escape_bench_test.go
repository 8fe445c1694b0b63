package escape

import (
	"testing"

	"github.com/dop251/goja/parser"
)

var benchHandlers = []struct{ name, src string }{
	{"echo", `pkt => { const r = pkt.reply(); r.icmp.type = 0; send(r) }`},
	{"destructured", `({ ip, tcp }) => { if (tcp && tcp.flags === 'S' && ip.src.startsWith('10.')) send(pkt.reply()) }`},
	{"captured", `pkt => { const t = pkt.tcp; setTimeout(() => { send(t) }, 100) }`},
	{"server", `function onTcp(pkt) {
  const { ip, tcp } = pkt;
  if (!tcp || tcp.dport !== 80) return;
  hits++;
  total += pkt.length;
  switch (tcp.flags) {
    case 'S':
      console.log(` + "`syn from ${ip.src}:${tcp.sport}`" + `);
      return pkt.reply({ tcp: { flags: 'SA', seq: 1000 } });
    case 'FA': case 'RA': case 'R':
      return pkt.reply({ tcp: { flags: 'A', ack: tcp.seq + 1 } });
  }
  for (let i = 0; i < 3; i++) {
    if (pkt.payload.length > i) send(pkt.reply({ tcp: { seq: tcp.ack + i } }));
  }
}`},
}

// The budget is 15 to 40 µs a handler, once, when it is registered. Parsing alone is the baseline.
func BenchmarkAnalyse(b *testing.B) {
	opt := testOptions()
	for _, h := range benchHandlers {
		b.Run("handler="+h.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Analyse(h.src, opt)
			}
		})
	}
}

func BenchmarkParseAlone(b *testing.B) {
	for _, h := range benchHandlers {
		b.Run("handler="+h.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parser.ParseFile(nil, "", "("+h.src+"\n)", 0, parser.WithDisableSourceMaps); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
