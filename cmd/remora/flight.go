package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/flight"
)

// replayed is the answer of a replay. Error may be set in a replay that matches: the error that stopped the node.
type replayed struct {
	Records int          `json:"records"`
	Rounds  remora.Round `json:"rounds"`
	Matches bool         `json:"matches"`
	Error   string       `json:"error,omitempty"`
}

func (p *program) simReplayCommand() *cli.Command {
	return &cli.Command{
		Name: "replay", Usage: "replay the recorded input of a validator's cores", ArgsUsage: "FILE",
		Description: "A validator with flight.limit_mib set records into flight/ of its home. If its cores crashed, so does the replay:\n" +
			"run it in a debugger.",
		Flags:  []cli.Flag{outputFlag()},
		Action: withOutput(p.replayFlight),
	}
}

func (p *program) replayFlight(c *cli.Context, asJSON bool) error {
	recording, err := os.ReadFile(c.Args().First())
	if err != nil {
		return err
	}
	outcome, err := flight.Replay(recording)
	doc := replayed{Records: outcome.Records, Rounds: outcome.Rounds, Matches: err == nil}
	if met := errors.Join(err, outcome.Stopped); met != nil {
		doc.Error = met.Error()
	}
	text := fmt.Sprintf("%d records to round %d, as recorded", doc.Records, doc.Rounds)
	switch {
	case err != nil:
		text = fmt.Sprintf("%d records to round %d: %s", doc.Records, doc.Rounds, doc.Error)
	case outcome.Stopped != nil:
		text += "; the node stopped: " + doc.Error
	}
	if errors.Is(err, flight.ErrDiffers) {
		err = withCode(codeUnverified, err)
	}
	return errors.Join(p.printAnswer(asJSON, doc, text), err)
}
