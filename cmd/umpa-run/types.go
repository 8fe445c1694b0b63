package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio/packet"
)

func (p *process) typesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "types [FILE]",
		Short: "write umpa.d.ts, for editors to complete and check scenarios",
		Example: `  umpa-run types                  writes umpa.d.ts here
  umpa-run types - | less         prints it`,
		RunE: func(_ *cobra.Command, args []string) error {
			name := "umpa.d.ts"
			switch len(args) {
			case 0:
			case 1:
				name = args[0]
			default:
				return usage("types takes one file", "umpa-run types [FILE]")
			}
			if name == "-" {
				_, err := fmt.Fprint(p.stdout, jsapi.Types(packet.Builtin()))
				return err
			}
			if err := os.WriteFile(name, []byte(jsapi.Types(packet.Builtin())), 0o666); err != nil {
				return &exitError{code: exitEnvironment, err: err}
			}
			fmt.Fprintf(p.stdout, "wrote %s\n", name)
			return nil
		},
	}
}
