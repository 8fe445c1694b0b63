//go:build !cgo || windows

package netio

import "golang.org/x/net/bpf"

// compileExpression compiles without libpcap. (On Windows it could be asked, if
// Npcap is installed; a filter should not depend on that.)
func compileExpression(expr string, lt LinkType, snaplen int) ([]bpf.RawInstruction, error) {
	return compileNative(expr, lt, snaplen)
}
