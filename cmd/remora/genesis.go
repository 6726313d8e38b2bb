package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/durable"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/state"
)

// foundation is the summary of a genesis file.
type foundation struct {
	ChainID    string      `json:"chain_id"`
	Genesis    remora.Hash `json:"genesis"`
	Validators int         `json:"validators"`
	Accounts   int         `json:"accounts"`
}

func (p *program) genesisCommands() *cli.Command {
	return &cli.Command{Name: "genesis", Usage: "create and check genesis files", Subcommands: []*cli.Command{
		{
			Name: "create", Usage: "create a genesis file from the validators' records, which remora init -o json prints",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "chain-id", Required: true, Usage: "id of the chain; ids that start with dev are for development"},
				&cli.StringSliceFlag{Name: "validator", Required: true, Usage: "FILE=STAKE: a validator's record and its stake; repeat for each"},
				&cli.StringSliceFlag{Name: "allocate", Usage: "ADDRESS=AMOUNT: an account and its balance; repeat for each"},
				&cli.StringFlag{Name: "out", Required: true, Usage: "file to create"},
				&cli.DurationFlag{Name: "epoch", Value: time.Hour, Usage: "length of an epoch"},
				&cli.Uint64Flag{Name: "epoch-blocks", Value: uint64(remora.DefaultEpochBlocks), Usage: "least number of blocks in an epoch"},
				&cli.StringFlag{Name: "min-fee", Value: "10", Usage: "minimum fee of a transaction"},
				&cli.StringFlag{Name: "weight-price", Value: "17", Usage: "fee for each 1,000 units of a transaction's weight"},
				&cli.StringFlag{Name: "price-per-mib", Value: "100000", Usage: "price that sessions prepay for each MiB that a cache delivers"},
				&cli.UintFlag{Name: "treasury-per-mille", Value: 50, Usage: "share of settled claims that goes to the treasury, per mille"},
				outputFlag(),
			},
			Action: withOutput(p.createGenesis),
		},
		{
			Name: "validate", Usage: "check a genesis file, proofs of possession included, and print its hash", ArgsUsage: "FILE",
			Flags: []cli.Flag{outputFlag()},
			Action: withOutput(func(c *cli.Context, asJSON bool) error {
				g, err := readGenesis(c.Args().First())
				if err != nil {
					return err
				}
				return p.printGenesis(g, asJSON)
			}),
		},
	}}
}

// printGenesis checks a genesis in full and prints its summary.
func (p *program) printGenesis(g *remora.Genesis, asJSON bool) error {
	if err := state.CheckGenesis(g, exec.NewVerifier()); err != nil {
		return withCode("GENESIS_INVALID", err)
	}
	doc := foundation{ChainID: g.ChainID, Genesis: g.Hash(), Validators: len(g.Validators), Accounts: len(g.Accounts)}
	return p.printAnswer(asJSON, doc, fmt.Sprintf("chain %s, genesis %s: %d validators, %d accounts",
		doc.ChainID, doc.Genesis, doc.Validators, doc.Accounts))
}

func (p *program) createGenesis(c *cli.Context, asJSON bool) error {
	g := &remora.Genesis{
		ChainID: c.String("chain-id"), Time: remora.Millis(time.Now().UnixMilli()),
		Params: remora.Params{Rule: "bullshark", BlockWeight: remora.DefaultBlockWeight, QueueBytes: remora.DefaultQueueBytes, GCDepth: 50, EpochMillis: remora.Millis(c.Duration("epoch").Milliseconds()), EpochBlocks: remora.Height(c.Uint64("epoch-blocks"))},
	}
	g.Params.TreasuryPerMille = uint16(min(c.Uint("treasury-per-mille"), 1<<16-1))
	for flag, fee := range map[string]*remora.Amount{
		"min-fee": &g.Params.MinFee, "weight-price": &g.Params.WeightPrice, "price-per-mib": &g.Params.PricePerMiB,
	} {
		if err := fee.UnmarshalText([]byte(c.String(flag))); err != nil {
			return newUsageError("--%s: %v", flag, err)
		}
	}
	for _, text := range c.StringSlice("validator") {
		v, err := readFounder(text)
		if err != nil {
			return err
		}
		g.Validators = append(g.Validators, v)
	}
	for _, text := range c.StringSlice("allocate") {
		var a remora.GenesisAccount
		address, amount, _ := strings.Cut(text, "=")
		if err := errors.Join(a.Address.UnmarshalText([]byte(address)), a.Balance.UnmarshalText([]byte(amount))); err != nil {
			return newUsageError("--allocate %.100q: %v", text, err)
		}
		g.Accounts = append(g.Accounts, a)
	}
	if err := state.CheckGenesis(g, exec.NewVerifier()); err != nil {
		return withCode("GENESIS_INVALID", err)
	}
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the genesis: %w", err)
	}
	if err := durable.Create(c.String("out"), append(text, '\n')); err != nil {
		return err
	}
	return p.printGenesis(g, asJSON)
}

// readFounder reads the validator of FILE=STAKE.
func readFounder(text string) (remora.GenesisValidator, error) {
	var v remora.GenesisValidator
	at := strings.LastIndex(text, "=")
	if at < 0 {
		return v, newUsageError("--validator %.100q, want FILE=STAKE", text)
	}
	if err := v.Stake.UnmarshalText([]byte(text[at+1:])); err != nil {
		return v, newUsageError("--validator %.100q: %v", text, err)
	}
	data, err := readBounded(text[:at], remora.MaxGenesisBytes)
	if err != nil {
		return v, err
	}
	var record made
	if err := json.Unmarshal(data, &record); err != nil {
		return v, newCodedError("GENESIS_INVALID", "%q is not the output of remora init -o json: %w", text[:at], err)
	}
	v.Account, v.Node = record.Account, record.Node
	return v, nil
}
