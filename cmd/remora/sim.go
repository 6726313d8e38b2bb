package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/flight"
	"github.com/remora-network/remora/node/sim"
)

const (
	flagScenario   = "scenario"
	flagValidators = "validators"
	flagSeed       = "seed"
	flagSeeds      = "seeds"
	flagRule       = "rule"
	flagShrink     = "shrink"
)

// codeSimulation is the code of a simulated run that violated a guarantee of the protocol.
const codeSimulation = "SIMULATION_FAILED"

func (p *program) simCommands() *cli.Command {
	return &cli.Command{
		Name: "sim", Usage: "run committees in virtual time, with faults from a seed, and check every step",
		Subcommands: []*cli.Command{p.simRunCommand(), p.simSearchCommand(), p.simReplayCommand()},
	}
}

func (p *program) simRunCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run one scenario; exit 20 unless it passes",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagScenario, Usage: "scenario `FILE` (TOML); default: ten seconds without faults at 50 transactions per second"},
			&cli.IntFlag{Name: flagValidators, Usage: "number of validators, overrides the file"},
			&cli.Uint64Flag{Name: flagSeed, Usage: "seed, overrides the file"},
			&cli.StringFlag{Name: flagRule, Usage: "commit rule, overrides the file"},
			&cli.BoolFlag{Name: flagShrink, Usage: "after a failure, search for the simplest scenario with the same verdict and print it to stderr (up to 200 runs)"},
			outputFlag(),
		},
		Action: withOutput(p.runScenario),
	}
}

func (p *program) runScenario(c *cli.Context, asJSON bool) error {
	s, err := readScenario(c)
	if err != nil {
		return err
	}
	r, err := sim.Run(s)
	if err != nil {
		return err
	}
	if r.Verdict != sim.Pass && c.Bool(flagShrink) {
		text, err := sim.Format(sim.Shrink(s, r.Verdict))
		if err != nil {
			return err
		}
		p.printMessage("the simplest scenario found with this verdict:\n%s\n", text)
	}
	return p.printSimulation(r, repeatCommand(c), asJSON)
}

func (p *program) simSearchCommand() *cli.Command {
	return &cli.Command{
		Name: "search", Usage: "run random scenarios with faults, one per seed, until one fails; shrink that one and write it to a file",
		Flags: []cli.Flag{
			&cli.Uint64Flag{Name: flagSeeds, Value: 1000, Usage: "number of seeds"},
			&cli.Uint64Flag{Name: flagSeed, Value: 1, Usage: "first seed"},
			&cli.IntFlag{Name: flagValidators, Usage: "number of validators; 0: chosen by the seed"},
			&cli.StringFlag{Name: flagScenario, Value: "failed.toml", Usage: "`FILE` for the failed scenario"},
			outputFlag(),
		},
		Action: withOutput(p.searchScenarios),
	}
}

func (p *program) searchScenarios(c *cli.Context, asJSON bool) error {
	if n := c.Int(flagValidators); n < 0 || n > sim.MaxValidators {
		return newUsageError("--validators %d, want 0 to %d", n, sim.MaxValidators)
	}
	debug.SetGCPercent(400) // runs are short and leave much garbage
	runs, found := sim.Search(c.Context, c.Uint64(flagSeed), c.Uint64(flagSeeds), c.Int(flagValidators), runtime.GOMAXPROCS(0))
	switch {
	case c.Err() != nil:
		return c.Err()
	case found == nil:
		return p.printAnswer(asJSON, map[string]int{"seeds": runs}, fmt.Sprintf("%d seeds, all pass", runs))
	case found.Err != nil:
		return fmt.Errorf("seed %d: %w", found.Scenario.Seed, found.Err)
	}
	p.printMessage("seed %d: %s; searching for a simpler scenario with the same verdict\n", found.Scenario.Seed, found.Outcome.Verdict)
	small := sim.Shrink(found.Scenario, found.Outcome.Verdict)
	text, err := sim.Format(small)
	if err != nil {
		return err
	}
	path := c.String(flagScenario)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	r, err := sim.Run(small)
	if err != nil {
		return err
	}
	return p.printSimulation(r, "remora sim run --scenario "+path, asJSON)
}

// readScenario reads the scenario and applies the flags.
func readScenario(c *cli.Context) (sim.Scenario, error) {
	s := sim.Scenario{Seed: 1, TxPerSecond: 50}
	if path := c.String(flagScenario); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return s, err
		}
		if s, err = sim.Parse(data); err != nil {
			return s, newUsageError("%s: %v", path, err)
		}
	}
	if c.IsSet(flagValidators) {
		s.Validators, s.Stake = c.Int(flagValidators), nil
		if s.Validators < 1 {
			return s, newUsageError("--validators %d, want 1 to %d", s.Validators, sim.MaxValidators)
		}
	}
	if c.IsSet(flagSeed) {
		s.Seed = c.Uint64(flagSeed)
	}
	if c.IsSet(flagRule) {
		s.Rule = c.String(flagRule)
	}
	s = s.WithDefaults()
	if err := s.Check(); err != nil {
		return s, newUsageError("%v", err)
	}
	return s, nil
}

// repeatCommand returns the command that repeats a run.
func repeatCommand(c *cli.Context) string {
	command := "remora sim run"
	for _, name := range []string{flagScenario, flagValidators, flagSeed, flagRule} {
		if c.IsSet(name) {
			command += fmt.Sprintf(" --%s %v", name, c.Value(name))
		}
	}
	return command
}

func (p *program) printSimulation(r sim.Outcome, replay string, asJSON bool) error {
	err := p.printAnswer(asJSON, r, fmt.Sprintf(
		"%s: seed %d, %d rounds, %d blocks, %d of %d accepted transactions executed, trace %s\nlatency in virtual ms: p50 %.1f, p90 %.1f, p99 %.1f",
		r.Verdict, r.Seed, r.Rounds, r.Blocks, r.Executed, r.Accepted, r.Trace, r.Latency.P50, r.Latency.P90, r.Latency.P99))
	if err != nil || r.Verdict == sim.Pass {
		return err
	}
	return newCodedError(codeSimulation, "%s with seed %d:\n%s\nreplay it with: %s (--shrink searches for a simpler scenario)", r.Verdict, r.Seed, strings.Join(r.Violations, "\n"), replay)
}

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
