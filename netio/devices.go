package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Device is an interface of this machine.
type Device struct {
	Name        string
	Description string // in words, where the system has some
	MAC         MAC    // zero where it has none
	Addrs       []netip.Prefix
	MTU         int
	Up          bool
	Openable    bool
	Why         string // not openable: the reason, and what would help
}

// Devices lists the interfaces of this machine in the kernel's order, those
// that cannot be opened too.
func Devices() ([]Device, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	denied := probeLive()
	devices := make([]Device, 0, len(interfaces))
	for _, i := range interfaces {
		d := describe(&i)
		d.Openable = denied == nil
		switch {
		case errors.Is(denied, ErrPermission):
			d.Why = "no privilege: needs root or CAP_NET_RAW"
		case denied != nil:
			d.Why = denied.Error()
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// describe is what the net package knows of an interface.
func describe(i *net.Interface) Device {
	d := Device{Name: i.Name, MTU: i.MTU, Up: i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0}
	if len(i.HardwareAddr) == len(d.MAC) {
		copy(d.MAC[:], i.HardwareAddr)
	}
	addrs, _ := i.Addrs() // none, when the interface went away meanwhile
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ones, size := n.Mask.Size()
		if !ok || size == 0 {
			continue
		}
		d.Addrs = append(d.Addrs, netip.PrefixFrom(ip.Unmap(), ones))
	}
	switch {
	case i.Flags&net.FlagLoopback != 0:
		d.Description = "loopback"
	case i.Flags&net.FlagPointToPoint != 0:
		d.Description = "point to point"
	}
	return d
}
