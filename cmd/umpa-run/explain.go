package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/engine"
)

func (p *process) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain RECORDING.pcapng NUMBER",
		Short: "say why a recorded packet was sent",
		Long: `Says of a packet in a recording, by its number from 1 as packet lists count, which
line of which handler sent it, in which version of the scenario, and which packet
made it do so; then the same of that one.`,
		Example: `  umpa-run explain run.pcapng 42`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("explain takes a recording and the number of a packet", "umpa-run explain run.pcapng 42")
			}
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 1 {
				return usage(fmt.Sprintf("%q is not the number of a packet: they are counted from 1", args[1]), "umpa-run explain run.pcapng 42")
			}
			r, err := engine.OpenRecording(args[0])
			if err != nil {
				return exit(err)
			}
			text, err := r.Explain(n)
			if errors.Is(err, engine.ErrNoPacket) {
				return &exitError{code: exitUsage, err: err}
			}
			if err != nil {
				return exit(err)
			}
			fmt.Fprintln(p.stdout, text)
			return nil
		},
	}
}
