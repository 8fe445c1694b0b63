//go:build cgo && !windows

package netio

import (
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcap"
	"golang.org/x/net/bpf"
)

// compileExpression has libpcap compile. Its messages are passed on as they are.
func compileExpression(expr string, lt LinkType, snaplen int) ([]bpf.RawInstruction, error) {
	if lt == LinkTypeRaw {
		lt = 12 // files and interfaces number raw IP differently; this is DLT_RAW
	}
	if lt < 0 || lt > 255 {
		// gopacket keeps a link type in a byte: a larger one would silently be another.
		return compileNative(expr, lt, snaplen)
	}
	instructions, err := pcap.CompileBPFFilter(layers.LinkType(lt), snaplen, expr)
	if err != nil {
		return nil, err
	}
	raw := make([]bpf.RawInstruction, len(instructions))
	for i, in := range instructions {
		raw[i] = bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return raw, nil
}
