package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/umpa-run/umpa-run/engine"
	"github.com/umpa-run/umpa-run/scenarios"
)

func (p *process) replayCommand() *cobra.Command {
	var with string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "replay [flags] RECORDING.pcapng",
		Short: "run a recording again, and compare what is sent",
		Long: `Runs the scenarios of a recording again, in virtual time, with the same input at the
same times, and compares what they send with what the recording holds, bit for
bit. The first packet that differs is shown field by field; the exit code is then
1. Recordings are made by -w FILE.pcapng. docs/recordings.md tells what is in them.`,
		Example: `  umpa-run -i eth0 -w run.pcapng mine.js       makes a recording
  umpa-run replay run.pcapng                   the same again
  umpa-run replay run.pcapng --with new.js     what would another version have sent?`,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&with, "with", "", "run `SCRIPT` in place of the recorded scenario")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not show what the scenarios write")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("replay takes one recording", "umpa-run replay run.pcapng")
		}
		o := engine.ReplayOptions{Bundled: scenarios.FS}
		if with != "" {
			c, err := p.scenario(with)
			if err != nil {
				return err
			}
			o.With = c
		}
		r, err := engine.OpenRecording(args[0])
		if err != nil {
			return exit(err)
		}
		out := newOutput(p, &runOptions{logFormat: "text"})
		defer out.flush()
		if !quiet {
			o.Log = out.entry
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		stopped := make(chan struct{})
		defer close(stopped)
		go func() {
			select {
			case <-p.signals:
				cancel()
			case <-stopped:
			}
		}()
		results, err := r.Replay(ctx, o)
		out.flush()
		if errors.Is(err, engine.ErrKilled) {
			return &exitError{code: exitInterrupted}
		}
		differs := false
		for _, s := range results {
			if s.First == nil {
				as := "all as recorded"
				if s.Broken {
					as += ", as far as the recording goes: it does not hold the scenario's end"
				}
				fmt.Fprintf(p.stderr, "%s: %s, %s\n", s.Script, count(uint64(s.Sent), "packet"), as)
				if s.Err != nil {
					fmt.Fprintf(p.stderr, "%s: it failed in the recorded run, and does again:\n", s.Script)
					p.complain(&exitError{err: s.Err})
				}
				continue
			}
			differs = true
			fmt.Fprintf(p.stderr, "%s: differs after %s\n%s\n", s.Script, count(uint64(s.Sent), "packet"), s.First.Text)
			if s.First.Err != nil {
				p.complain(&exitError{err: s.First.Err})
			}
		}
		if err != nil {
			return exit(err)
		}
		if differs {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return cmd
}
