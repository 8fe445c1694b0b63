package jsapi

import (
	"testing"

	"github.com/dop251/goja"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// quiet is a fake host that keeps nothing of what is sent.
type quiet struct {
	*fake
	bytes int
}

func (q *quiet) Send(link int, frame []byte, cause Cause) { q.bytes += len(frame) }

func benchScene(b *testing.B, src string) (*API, *quiet, *goja.Runtime) {
	rt := goja.New()
	h := &quiet{fake: newFake()}
	a := New(rt, h)
	src = "(function () {'use strict';" + src + "})()" // as a bundle is
	a.Source(src, "")
	if _, err := rt.RunString(src); err != nil {
		b.Fatal(err)
	}
	a.Settle()
	return a, h, rt
}

// BenchmarkDeliver is the price of one echo request, in batches of 64: decode,
// match, handler, answer, checksum.
func BenchmarkDeliver(b *testing.B) {
	for _, bm := range []struct{ name, src string }{
		{"handler=reply", `on({icmp: {type: 'echoRequest'}}, pkt => { if (pkt.icmp.id === 3 && pkt.ip.src !== '10.0.0.9' && pkt.icmp.seq >= 0) send(pkt.reply()) })`},
		{"handler=reply,returned", `on({icmp: {type: 'echoRequest'}}, pkt => { if (pkt.icmp.id === 3 && pkt.ip.src !== '10.0.0.9' && pkt.icmp.seq >= 0) return pkt.reply() })`},
		{"handler=reply,variable", `on({icmp: {type: 'echoRequest'}}, pkt => { const r = pkt.reply(); r.ip.ttl = 9; if (pkt.icmp.id === 3 && pkt.ip.src !== '10.0.0.9' && pkt.icmp.seq >= 0) send(r) })`},
		{"reaction", `on({icmp: {type: 'echoRequest'}}, reply())`},
		{"handler=reply,kept", `let kept; on({icmp: {type: 'echoRequest'}}, pkt => { kept = pkt; if (pkt.icmp.id === 3 && pkt.ip.src !== '10.0.0.9' && pkt.icmp.seq >= 0) send(pkt.reply()) })`},
		{"handler=count", `let n = 0; on({icmp: {type: 'echoRequest'}}, pkt => { n++ })`},
		{"handler=read3", `let n = 0; on({icmp: {type: 'echoRequest'}}, pkt => { if (pkt.icmp.id === 3 && pkt.ip.src !== '10.0.0.9' && pkt.icmp.seq >= 0) n++ })`},
		{"handler=read4", `let n = 0; on('icmp', p => { if (p.icmp.seq === 4 && p.ip.src !== '1.2.3.4' && p.eth.src !== '') n = p.ip.ttl })`},
		{"handler=async", `let n = 0; on({icmp: {type: 'echoRequest'}}, async pkt => { n++ })`},
		{"handler=none,pattern", `on({tcp: {dport: 80}}, pkt => {})`},
		{"handler=none,patterns=100", `for (let i = 0; i < 100; i++) on({udp: {dport: i + 1}}, pkt => {})`},
		{"handler=none,patterns=1000", `for (let i = 0; i < 1000; i++) on({ip: {dst: '10.1.' + (i >> 8) + '.' + (i & 255)}, udp: {dport: 53}}, pkt => {})`},
		{"handler=count,patterns=1000", `let n = 0; for (let i = 0; i < 1000; i++) on({icmp: {seq: i}}, pkt => { n++ }); for (let i = 0; i < 1000; i++) on({ip: {src: '10.0.' + (i >> 8) + '.' + (i & 255)}}, pkt => { n = 1 })`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			a, _, _ := benchScene(b, bm.src)
			data := frame(b, echo)
			batch := make([]Frame, 64)
			for i := range batch {
				batch[i] = Frame{Data: data, Length: len(data), Number: 1}
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n++; n == 64 {
					a.Deliver(batch)
					n = 0
				}
			}
		})
	}
}

// BenchmarkBaseline is what the alternatives cost.
func BenchmarkBaseline(b *testing.B) {
	b.Run("bare AssertFunction call", func(b *testing.B) {
		rt := goja.New()
		v, _ := rt.RunString(`(function (x) {})`)
		f, _ := goja.AssertFunction(v)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = f(goja.Undefined(), goja.Undefined())
		}
	})
	b.Run("gopacket and plain objects", func(b *testing.B) {
		rt := goja.New()
		v, _ := rt.RunString(`(function (pkt) { if (pkt.icmp.id === 3 && pkt.ip.src !== '10.0.0.9' && pkt.icmp.seq >= 0)
			return { eth: { src: pkt.eth.dst, dst: pkt.eth.src }, ip: { src: pkt.ip.dst, dst: pkt.ip.src }, icmp: { type: 0, id: pkt.icmp.id, seq: pkt.icmp.seq } } })`)
		f, _ := goja.AssertFunction(v)
		data := frame(b, echo)
		b.ReportAllocs()
		for b.Loop() {
			p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
			eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
			ip := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
			icmp := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
			o, oe, oi, oc := rt.NewObject(), rt.NewObject(), rt.NewObject(), rt.NewObject()
			_ = oe.Set("src", eth.SrcMAC.String())
			_ = oe.Set("dst", eth.DstMAC.String())
			_ = oi.Set("src", ip.SrcIP.String())
			_ = oi.Set("dst", ip.DstIP.String())
			_ = oi.Set("ttl", ip.TTL)
			_ = oc.Set("type", icmp.TypeCode.Type())
			_ = oc.Set("id", icmp.Id)
			_ = oc.Set("seq", icmp.Seq)
			_ = o.Set("eth", oe)
			_ = o.Set("ip", oi)
			_ = o.Set("icmp", oc)
			if _, err := f(goja.Undefined(), o); err != nil {
				b.Fatal(err)
			}
			eth.SrcMAC, eth.DstMAC = eth.DstMAC, eth.SrcMAC
			ip.SrcIP, ip.DstIP = ip.DstIP, ip.SrcIP
			icmp.TypeCode = 0
			buf := gopacket.NewSerializeBuffer()
			if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true}, eth, ip, icmp, gopacket.Payload(icmp.Payload)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
