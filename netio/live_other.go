//go:build !linux

package netio

import (
	"fmt"
	"net/netip"
)

func openLive(name string, cfg Config) (Link, error) { return openPcap(name, cfg) }

func openTap(name string, _ Config) (Link, error) {
	return nil, fmt.Errorf("tap %q: tap devices are for Linux only, and %w", name, ErrNotBuilt)
}

// probeLive says why no live interface can be opened, or nil where only
// opening one would tell.
func probeLive() error { return pcapMissing() }

// NextHop is for Linux only: elsewhere ok is false.
func NextHop(iface string, dst netip.Addr) (hop, src netip.Addr, ok bool) {
	return netip.Addr{}, netip.Addr{}, false
}
