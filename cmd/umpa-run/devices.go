package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/netio"
	"github.com/umpa-run/umpa-run/netio/packet"
)

func (p *process) devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "list the interfaces that can be opened, and why others cannot",
		Args:  none("devices"),
		RunE: func(*cobra.Command, []string) error {
			devices, err := netio.Devices()
			if err != nil {
				return &exitError{code: exitEnvironment, err: err}
			}
			p.printDevices(devices)
			return nil
		},
	}
}

func (p *process) printDevices(devices []netio.Device) {
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tSTATE\tMAC\tMTU\tADDRESSES\tCAN BE OPENED")
	why := map[string]bool{}
	own := false
	for _, d := range devices {
		state, mac, open := "down", "-", "yes"
		if d.Up {
			state = "up"
		}
		if d.MAC != (netio.MAC{}) {
			mac = packet.MAC(d.MAC).String()
		}
		if !d.Openable {
			open = "no"
			if d.Why != "" {
				open += ": " + d.Why
				why[d.Why] = true
			}
		}
		addrs := make([]string, len(d.Addrs))
		for i, a := range d.Addrs {
			addrs[i] = a.String()
			own = own || !a.Addr().IsLoopback()
		}
		if len(addrs) == 0 {
			addrs = []string{"-"}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", d.Name, state, mac, d.MTU, strings.Join(addrs, " "), open)
	}
	fmt.Fprintln(t, "wire[:NAME]\tup\t-\t1500\t10.0.0.N/24 fd00::N/64\tyes: in memory, no privilege needed")
	t.Flush()
	if len(why) > 0 {
		fmt.Fprint(p.stdout, "\nTo open interfaces without being root:\n  sudo setcap cap_net_raw,cap_net_admin+ep $(command -v umpa-run)\n")
	}
	if own {
		fmt.Fprint(p.stdout, `
On its own addresses the kernel answers too: it resets TCP connections that it
did not open. Give a simulated host addresses that the kernel does not have.
`)
	}
}

// none refuses arguments.
func none(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage(fmt.Sprintf("%s takes no arguments, but %q was given", command, args[0]), "umpa-run "+command)
		}
		return nil
	}
}
