package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/story"
)

func (p *program) storyCommand() *cli.Command {
	return &cli.Command{
		Name: "story", Usage: "start a devnet, pay, crash, recover, publish, fetch, claim, forge, replay and prove; then stay up",
		Flags: []cli.Flag{
			devnetHomeFlag(),
			&cli.BoolFlag{Name: "once", Usage: "stop all nodes at the end; exit 0 only if every step held"},
			outputFlag(),
		},
		Action: withOutput(p.tellStory),
	}
}

func (p *program) tellStory(c *cli.Context, asJSON bool) error {
	to := p.out
	if asJSON {
		to = p.err
	}
	s, err := story.Begin(c.Context, c.String(flagHome), func(step story.Step) {
		_, _ = fmt.Fprintf(to, "%6.2f s  %s\n", step.Seconds, step.Text)
	})
	if err != nil {
		return err
	}
	told, err := s.Tell(c.Context)
	switch {
	case err != nil:
		err = withCode("STORY_FAILED", err)
	case c.Bool("once"):
		err = p.printAnswer(asJSON, told, fmt.Sprintf("%6.2f s  every step held; the chain stays in %s", told.Seconds, told.Home))
	default:
		err = p.printAnswer(asJSON, told, describeDevnet(fmt.Sprintf("devnet ready, story told in %.1f s", told.Seconds), told.Status))
		if err == nil {
			p.printMessage("Ctrl-C stops all nodes\n")
			return p.awaitEnd(c.Context, s.Net, 0)
		}
	}
	return errors.Join(err, s.Net.Down(context.WithoutCancel(c.Context)))
}
