//go:build !cgo && !windows

package netio

import "fmt"

// openPcap stands in for libpcap, which needs cgo.
func openPcap(name string, _ Config) (Link, error) {
	return nil, fmt.Errorf("interface %q: capture by libpcap is %w: it was built with CGO_ENABLED=0", name, ErrNotBuilt)
}

func pcapHas(string) bool { return false }
