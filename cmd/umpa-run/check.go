package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/engine"
)

func (p *process) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check SCENARIO.js [SCENARIO.js ...]",
		Short: "look for mistakes in scenarios without running them",
		Long: `Loads and compiles scenarios with all that they import, and runs nothing. Every
mistake is printed as file:line:column; the exit code is then 3.`,
		Example: `  umpa-run check mine.ts`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("check needs a scenario", "umpa-run check mine.ts")
			}
			var worst error
			for _, name := range args {
				c, err := p.scenario(name)
				if err == nil {
					err = exit(engine.Check(c))
				}
				if err == nil {
					fmt.Fprintf(p.stdout, "%s: ok\n", name)
					continue
				}
				// Each file is looked at, and the first one's code is what counts.
				e := &exitError{}
				if errors.As(err, &e) {
					p.complain(e)
					if worst == nil {
						worst = &exitError{code: e.code}
					}
				}
			}
			return worst
		},
	}
}
