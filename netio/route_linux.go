package netio

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// NextHop finds by the kernel's routing table which neighbour on iface a packet to
// dst goes to: dst itself where it is on the link, otherwise a gateway. src
// is the address of iface to send it from, when it has one of that family. Without a
// route by iface ok is false. Only Linux answers.
func NextHop(iface string, dst netip.Addr) (hop, src netip.Addr, ok bool) {
	dst = dst.Unmap().WithZone("")
	i, err := net.InterfaceByName(iface)
	if err != nil || !dst.IsValid() {
		return hop, src, false
	}
	own := describe(i).Addrs
	// Addresses of the interface come first: the table may not show their
	// prefixes (an interface that is down).
	for _, p := range own {
		if p.Contains(dst) && !dst.IsLinkLocalUnicast() {
			return dst, p.Addr(), true
		}
	}
	best := -1
	for _, r := range routes(iface, dst.Is4()) {
		if r.dst.Contains(dst) && (r.dst.Bits() > best) {
			best, hop = r.dst.Bits(), r.gateway
		}
	}
	if best < 0 {
		return hop, src, false
	}
	if hop.IsUnspecified() {
		hop = dst
	}
	return hop, sourceFor(own, hop, dst), true
}

// sourceFor chooses an address of the interface: the one whose prefix holds the
// next hop, else the first of the same scope, else the first of the family.
func sourceFor(own []netip.Prefix, hop, dst netip.Addr) netip.Addr {
	var same, first netip.Addr
	for _, p := range own {
		a := p.Addr()
		switch {
		case a.Is4() != dst.Is4():
			continue
		case p.Contains(hop) && a.IsLinkLocalUnicast() == dst.IsLinkLocalUnicast():
			return a
		case !same.IsValid() && a.IsLinkLocalUnicast() == dst.IsLinkLocalUnicast():
			same = a
		case !first.IsValid():
			first = a
		}
	}
	if same.IsValid() {
		return same
	}
	return first
}

type kernelRoute struct {
	dst     netip.Prefix
	gateway netip.Addr // unspecified: on the link
	metric  uint64
}

// routes reads those routes of the main table that leave by iface, the
// preferred one of equal prefixes first.
func routes(iface string, v4 bool) []kernelRoute {
	var all []kernelRoute
	path, parse := "/proc/thread-self/net/ipv6_route", parseRoute6
	if v4 {
		path, parse = "/proc/thread-self/net/route", parseRoute4
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		name, r, ok := parse(strings.Fields(line))
		if !ok || name != iface {
			continue
		}
		at := len(all)
		for at > 0 && all[at-1].metric > r.metric {
			at--
		}
		all = append(all[:at], append([]kernelRoute{r}, all[at:]...)...)
	}
	return all
}

const (
	routeUp     = 0x1 // RTF_UP of <linux/route.h>
	routeReject = 0x200
)

// parseRoute4 reads a line of /proc/net/route, whose addresses are words in the
// machine's byte order.
func parseRoute4(f []string) (iface string, r kernelRoute, ok bool) {
	if len(f) < 8 {
		return
	}
	word := func(s string) (netip.Addr, error) {
		v, err := strconv.ParseUint(s, 16, 32)
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(v))
		return netip.AddrFrom4(b), err
	}
	dst, err1 := word(f[1])
	gateway, err2 := word(f[2])
	mask, err3 := word(f[7])
	flags, err4 := strconv.ParseUint(f[3], 16, 32)
	metric, err5 := strconv.ParseUint(f[6], 10, 32)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return
		}
	}
	if flags&routeUp == 0 || flags&routeReject != 0 {
		return
	}
	m := mask.As4()
	ones, size := net.IPMask(m[:]).Size()
	if size == 0 {
		return
	}
	return f[0], kernelRoute{netip.PrefixFrom(dst, ones), gateway, metric}, true
}

// parseRoute6 reads a line of /proc/net/ipv6_route.
func parseRoute6(f []string) (iface string, r kernelRoute, ok bool) {
	if len(f) < 10 {
		return
	}
	address := func(s string) (netip.Addr, error) {
		if len(s) != 32 {
			return netip.Addr{}, fmt.Errorf("not an address: %q", s)
		}
		var b [16]byte
		for i := range b {
			v, err := strconv.ParseUint(s[2*i:2*i+2], 16, 8)
			if err != nil {
				return netip.Addr{}, err
			}
			b[i] = byte(v)
		}
		return netip.AddrFrom16(b), nil
	}
	dst, err1 := address(f[0])
	bits, err2 := strconv.ParseUint(f[1], 16, 8)
	gateway, err3 := address(f[4])
	metric, err4 := strconv.ParseUint(f[5], 16, 32)
	flags, err5 := strconv.ParseUint(f[8], 16, 32)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return
		}
	}
	if flags&routeUp == 0 || flags&routeReject != 0 || bits > 128 {
		return
	}
	return f[9], kernelRoute{netip.PrefixFrom(dst, int(bits)), gateway, metric}, true
}
