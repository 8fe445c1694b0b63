package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func benchFrames(b *testing.B) map[string][]byte {
	frames := map[string][]byte{}
	for _, name := range []string{"icmp echo", "udp", "tcp syn", "tcp6", "dns query"} {
		frames[name] = bytes.Clone(buildParts(b, constructions()[name]...).Data)
	}
	return frames
}

var benchNames = []string{"icmp echo", "udp", "tcp syn", "tcp6", "dns query"}

// BenchmarkDecode finds the layers and reads one address. gopacket's parser
// reuses its layers too; its NewPacket is what most programs call.
func BenchmarkDecode(b *testing.B) {
	frames := benchFrames(b)
	reg := Builtin()
	for _, name := range benchNames {
		frame := frames[name]
		b.Run("packet="+name+"/by=table", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			var p Packet
			dst := protoEth.Field("dst")
			for b.Loop() {
				reg.Decode(&p, frame, protoEth)
				p.Raw(0, dst)
			}
		})
		b.Run("packet="+name+"/by=gopacket.DecodingLayerParser", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			var eth layers.Ethernet
			var ip layers.IPv4
			var ip6 layers.IPv6
			var icmp layers.ICMPv4
			var tcp layers.TCP
			var udp layers.UDP
			var dns layers.DNS
			var payload gopacket.Payload
			parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip, &ip6, &icmp, &tcp, &udp, &dns, &payload)
			parser.IgnoreUnsupported = true
			found := []gopacket.LayerType{}
			for b.Loop() {
				if err := parser.DecodeLayers(frame, &found); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("packet="+name+"/by=gopacket.NewPacket", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
			}
		})
	}
}

// BenchmarkBuild makes Ethernet, IPv4, UDP and payload with lengths and
// checksums worked out.
func BenchmarkBuild(b *testing.B) {
	reg := Builtin()
	ethFields := Fields{{"dst", MAC{2, 0, 0, 0, 0, 2}}}
	ipFields := Fields{{"dst", netip.MustParseAddr("192.0.2.2")}, {"ttl", uint64(64)}}
	udpFields := Fields{{"sport", uint64(1000)}, {"dport", uint64(2000)}}
	payload := []byte("hello")
	b.Run("by=table", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := NewBytes(reg, nil)
			for _, l := range []struct {
				proto  *Proto
				fields Fields
			}{{protoEth, ethFields}, {protoIP, ipFields}, {protoUDP, udpFields}} {
				q, err := New(reg, l.proto, l.fields)
				if err == nil {
					err = p.Append(q)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			p.AppendBytes(payload)
			if err := p.Finish(oracleEnv); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=gopacket.SerializeLayers", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
			ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{192, 0, 2, 2}}
			udp := &layers.UDP{SrcPort: 1000, DstPort: 2000}
			serialize(b, gopacket.NewSerializeBuffer(), eth, ip, udp, gopacket.Payload(payload))
		}
	})
	b.Run("by=gopacket.SerializeLayers, reused", func(b *testing.B) {
		b.ReportAllocs()
		eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{192, 0, 2, 2}}
		udp := &layers.UDP{SrcPort: 1000, DstPort: 2000}
		buf := gopacket.NewSerializeBuffer()
		for b.Loop() {
			serialize(b, buf, eth, ip, udp, gopacket.Payload(payload))
		}
	})
}

func serialize(b *testing.B, buf gopacket.SerializeBuffer, l ...gopacket.SerializableLayer) {
	for _, x := range l {
		if udp, ok := x.(*layers.UDP); ok {
			if err := udp.SetNetworkLayerForChecksum(l[1].(*layers.IPv4)); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReply answers an echo request, decoding included.
func BenchmarkReply(b *testing.B) {
	reg := Builtin()
	frame := benchFrames(b)["icmp echo"]
	b.Run("by=table", func(b *testing.B) {
		b.ReportAllocs()
		var p, out Packet
		for b.Loop() {
			reg.Decode(&p, frame, protoEth)
			if _, err := p.Reply(oracleEnv, nil, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=table, ttl changed", func(b *testing.B) {
		b.ReportAllocs()
		changes := []Change{{Proto: protoIP, Fields: Fields{{"ttl", uint64(9)}}}}
		var p, out Packet
		for b.Loop() {
			reg.Decode(&p, frame, protoEth)
			if _, err := p.Reply(oracleEnv, changes, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=gopacket", func(b *testing.B) {
		b.ReportAllocs()
		var eth layers.Ethernet
		var ip layers.IPv4
		var icmp layers.ICMPv4
		var payload gopacket.Payload
		parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip, &icmp, &payload)
		found := []gopacket.LayerType{}
		buf := gopacket.NewSerializeBuffer()
		for b.Loop() {
			if err := parser.DecodeLayers(frame, &found); err != nil {
				b.Fatal(err)
			}
			eth.SrcMAC, eth.DstMAC = eth.DstMAC, eth.SrcMAC
			ip.SrcIP, ip.DstIP = ip.DstIP, ip.SrcIP
			icmp.TypeCode = layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoReply, 0)
			serialize(b, buf, &eth, &ip, &icmp, payload)
		}
	})
}

// BenchmarkWith changes the TTL of a received packet in a copy.
func BenchmarkWith(b *testing.B) {
	reg := Builtin()
	frame := benchFrames(b)["udp"]
	b.Run("by=table", func(b *testing.B) {
		b.ReportAllocs()
		changes := []Change{{Proto: protoIP, Fields: Fields{{"ttl", uint64(9)}}}}
		var p Packet
		for b.Loop() {
			reg.Decode(&p, frame, protoEth)
			if _, err := p.With(changes); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=gopacket", func(b *testing.B) {
		b.ReportAllocs()
		var eth layers.Ethernet
		var ip layers.IPv4
		var udp layers.UDP
		var payload gopacket.Payload
		parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip, &udp, &payload)
		parser.IgnoreUnsupported = true
		found := []gopacket.LayerType{}
		buf := gopacket.NewSerializeBuffer()
		for b.Loop() {
			if err := parser.DecodeLayers(frame, &found); err != nil {
				b.Fatal(err)
			}
			ip.TTL = 9
			serialize(b, buf, &eth, &ip, &udp, payload)
		}
	})
}

// BenchmarkChecksum compares with adding word by word, as RFC 1071 writes it.
func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 64, 1500, 9000} {
		data := bytes.Repeat([]byte{0x12, 0x34, 0x56}, n/3+1)[:n]
		b.Run(fmt.Sprintf("len=%d/by=words of 64 bits", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				Checksum(data)
			}
		})
		b.Run(fmt.Sprintf("len=%d/by=words of 16 bits", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				checksumByWord(data)
			}
		})
	}
}

// checksumByWord is the checksum as RFC 1071 section 4.1 writes it.
func checksumByWord(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// TestChecksum holds the fast sum against the plain one, at every length and
// with carries.
func TestChecksum(t *testing.T) {
	for n := range 200 {
		for _, fill := range []byte{0, 1, 0x80, 0xff} {
			b := bytes.Repeat([]byte{fill}, n)
			for i := range b {
				b[i] ^= byte(i * n)
			}
			if got, want := Checksum(b), checksumByWord(b); got != want {
				t.Fatalf("%x: %#x, want %#x", b, got, want)
			}
		}
	}
}

// BenchmarkSummary is what a packet list costs a line.
func BenchmarkSummary(b *testing.B) {
	frames := benchFrames(b)
	for _, name := range benchNames {
		b.Run("packet="+name, func(b *testing.B) {
			b.ReportAllocs()
			var p Packet
			for b.Loop() {
				Builtin().Decode(&p, frames[name], protoEth)
				_ = p.Summary()
			}
		})
	}
}
