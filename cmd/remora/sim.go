package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

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

// codeSimulation is the code of a simulated run that did not keep what the protocol promises.
const codeSimulation = "SIMULATION_FAILED"

func (p *program) sim() *cli.Command {
	return &cli.Command{
		Name: "sim", Usage: "run committees in virtual time, with faults from a seed, and check every step",
		Subcommands: []*cli.Command{p.simRun(), p.simSearch(), p.simReplay()},
	}
}

func (p *program) simRun() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run one scenario; exit 20 unless it passes",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagScenario, Usage: "scenario `FILE` (TOML); without it ten seconds without faults at 50 transactions a second"},
			&cli.IntFlag{Name: flagValidators, Usage: "number of validators, in place of the file's"},
			&cli.Uint64Flag{Name: flagSeed, Usage: "seed, in place of the file's"},
			&cli.StringFlag{Name: flagRule, Usage: "commit rule, in place of the file's"},
			&cli.BoolFlag{Name: flagShrink, Usage: "if it fails, look for the simplest scenario with the same verdict and print it to stderr (up to 200 runs)"},
			outputFlag(),
		},
		Action: do(p.runScenario),
	}
}

func (p *program) runScenario(c *cli.Context, asJSON bool) error {
	s, err := scenarioOf(c)
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
		p.say("the simplest scenario that was found with this verdict:\n%s\n", text)
	}
	return p.simulated(r, replayOf(c), asJSON)
}

func (p *program) simSearch() *cli.Command {
	return &cli.Command{
		Name: "search", Usage: "run random faulted scenarios, one a seed, until one fails; a failure is shrunk and written to a file",
		Flags: []cli.Flag{
			&cli.Uint64Flag{Name: flagSeeds, Value: 1000, Usage: "how many"},
			&cli.Uint64Flag{Name: flagSeed, Value: 1, Usage: "the first"},
			&cli.IntFlag{Name: flagValidators, Usage: "number of validators; the seed chooses when 0"},
			&cli.StringFlag{Name: flagScenario, Value: "failed.toml", Usage: "`FILE` to which a failing scenario is written"},
			outputFlag(),
		},
		Action: do(p.searchScenarios),
	}
}

func (p *program) searchScenarios(c *cli.Context, asJSON bool) error {
	if n := c.Int(flagValidators); n < 0 || n > sim.MaxValidators {
		return misuse("--validators %d, want 0 to %d", n, sim.MaxValidators)
	}
	debug.SetGCPercent(400) // committees are short-lived, and so is what they leave
	runs, found := sim.Search(c.Context, c.Uint64(flagSeed), c.Uint64(flagSeeds), c.Int(flagValidators), runtime.GOMAXPROCS(0))
	switch {
	case c.Err() != nil:
		return c.Err()
	case found == nil:
		return p.answer(asJSON, map[string]int{"seeds": runs}, fmt.Sprintf("%d seeds, all pass", runs))
	case found.Err != nil:
		return fmt.Errorf("seed %d: %w", found.Scenario.Seed, found.Err)
	}
	p.say("seed %d: %s; looking for a simpler scenario with that verdict\n", found.Scenario.Seed, found.Report.Verdict)
	small := sim.Shrink(found.Scenario, found.Report.Verdict)
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
	return p.simulated(r, "remora sim run --scenario "+path, asJSON)
}

// scenarioOf reads the scenario and puts the flags above it.
func scenarioOf(c *cli.Context) (sim.Scenario, error) {
	s := sim.Scenario{Seed: 1, TxPerSecond: 50}
	if path := c.String(flagScenario); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return s, err
		}
		if s, err = sim.Parse(data); err != nil {
			return s, misuse("%s: %v", path, err)
		}
	}
	if c.IsSet(flagValidators) {
		s.Validators, s.Stake = c.Int(flagValidators), nil
		if s.Validators < 1 {
			return s, misuse("--validators %d, want 1 to %d", s.Validators, sim.MaxValidators)
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
		return s, misuse("%v", err)
	}
	return s, nil
}

// replayOf returns the command that repeats a run.
func replayOf(c *cli.Context) string {
	command := "remora sim run"
	for _, name := range []string{flagScenario, flagValidators, flagSeed, flagRule} {
		if c.IsSet(name) {
			command += fmt.Sprintf(" --%s %v", name, c.Value(name))
		}
	}
	return command
}

func (p *program) simulated(r sim.Report, replay string, asJSON bool) error {
	err := p.answer(asJSON, r, fmt.Sprintf(
		"%s: seed %d, %d rounds, %d blocks, %d of %d accepted transactions executed, trace %s\nlatency in virtual ms: p50 %.1f, p90 %.1f, p99 %.1f",
		r.Verdict, r.Seed, r.Rounds, r.Blocks, r.Executed, r.Accepted, r.Trace, r.Latency.P50, r.Latency.P90, r.Latency.P99))
	if err != nil || r.Verdict == sim.Pass {
		return err
	}
	return fail(codeSimulation, "%s with seed %d:\n%s\nreplay it with: %s (--shrink looks for a simpler scenario)", r.Verdict, r.Seed, strings.Join(r.Violations, "\n"), replay)
}
