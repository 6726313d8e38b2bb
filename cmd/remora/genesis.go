package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/state"
)

// foundation tells what a genesis file founds.
type foundation struct {
	ChainID    string      `json:"chain_id"`
	Genesis    remora.Hash `json:"genesis"`
	Validators int         `json:"validators"`
	Accounts   int         `json:"accounts"`
}

func (p *program) genesis() *cli.Command {
	return &cli.Command{Name: "genesis", Usage: "genesis files", Subcommands: []*cli.Command{
		{
			Name: "create", Usage: "found a chain from what its validators' init -o json printed",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "chain-id", Required: true, Usage: "id of the chain; one that starts with dev is for development"},
				&cli.StringSliceFlag{Name: "validator", Required: true, Usage: "FILE=STAKE: a validator's record and its stake; repeat for each"},
				&cli.StringSliceFlag{Name: "allocate", Usage: "ADDRESS=AMOUNT: an account and what it holds; repeat for each"},
				&cli.StringFlag{Name: "out", Required: true, Usage: "file to create"},
				&cli.DurationFlag{Name: "epoch", Value: time.Hour, Usage: "length of an epoch"},
				&cli.StringFlag{Name: "min-fee", Value: "10", Usage: "least fee of a transaction"},
				&cli.StringFlag{Name: "fee-per-byte", Value: "1", Usage: "fee of each byte of a transaction"},
				&cli.StringFlag{Name: "price-per-mib", Value: "100000", Usage: "what a session prepays for a MiB of content that a cache delivers"},
				&cli.UintFlag{Name: "treasury-per-mille", Value: 50, Usage: "of settled claims that go to the treasury"},
				outputFlag(),
			},
			Action: do(p.createGenesis),
		},
		{
			Name: "validate", Usage: "check a genesis file, proofs of possession included, and print its hash", ArgsUsage: "FILE",
			Flags: []cli.Flag{outputFlag()},
			Action: do(func(c *cli.Context, asJSON bool) error {
				g, err := readGenesis(c.Args().First())
				if err != nil {
					return err
				}
				return p.answerGenesis(g, asJSON)
			}),
		},
	}}
}

// answerGenesis checks a genesis in full and tells of it.
func (p *program) answerGenesis(g *remora.Genesis, asJSON bool) error {
	if err := state.CheckGenesis(g, exec.NewVerifier()); err != nil {
		return withCode("GENESIS_INVALID", err)
	}
	doc := foundation{ChainID: g.ChainID, Genesis: g.Hash(), Validators: len(g.Validators), Accounts: len(g.Accounts)}
	return p.answer(asJSON, doc, fmt.Sprintf("chain %s, genesis %s: %d validators, %d accounts",
		doc.ChainID, doc.Genesis, doc.Validators, doc.Accounts))
}

func (p *program) createGenesis(c *cli.Context, asJSON bool) error {
	g := &remora.Genesis{
		ChainID: c.String("chain-id"), Time: remora.Millis(time.Now().UnixMilli()),
		Params: remora.Params{Rule: "bullshark", GCDepth: 50, EpochMillis: remora.Millis(c.Duration("epoch").Milliseconds())},
	}
	g.Params.TreasuryPerMille = uint16(min(c.Uint("treasury-per-mille"), 1<<16-1))
	for flag, fee := range map[string]*remora.Amount{
		"min-fee": &g.Params.MinFee, "fee-per-byte": &g.Params.FeePerByte, "price-per-mib": &g.Params.PricePerMiB,
	} {
		if err := fee.UnmarshalText([]byte(c.String(flag))); err != nil {
			return misuse("--%s: %v", flag, err)
		}
	}
	for _, text := range c.StringSlice("validator") {
		v, err := founder(text)
		if err != nil {
			return err
		}
		g.Validators = append(g.Validators, v)
	}
	for _, text := range c.StringSlice("allocate") {
		var a remora.GenesisAccount
		address, amount, _ := strings.Cut(text, "=")
		if err := errors.Join(a.Address.UnmarshalText([]byte(address)), a.Balance.UnmarshalText([]byte(amount))); err != nil {
			return misuse("--allocate %.100q: %v", text, err)
		}
		g.Accounts = append(g.Accounts, a)
	}
	if err := state.CheckGenesis(g, exec.NewVerifier()); err != nil {
		return withCode("GENESIS_INVALID", err)
	}
	if err := writeNew(c.String("out"), g); err != nil {
		return err
	}
	return p.answerGenesis(g, asJSON)
}

// founder reads FILE=STAKE.
func founder(text string) (remora.GenesisValidator, error) {
	var v remora.GenesisValidator
	at := strings.LastIndex(text, "=")
	if at < 0 {
		return v, misuse("--validator %.100q, want FILE=STAKE", text)
	}
	if err := v.Stake.UnmarshalText([]byte(text[at+1:])); err != nil {
		return v, misuse("--validator %.100q: %v", text, err)
	}
	data, err := readBounded(text[:at], remora.MaxGenesisBytes)
	if err != nil {
		return v, err
	}
	var record made
	if err := json.Unmarshal(data, &record); err != nil {
		return v, fail("GENESIS_INVALID", "%q is not what init -o json prints: %w", text[:at], err)
	}
	v.Account, v.Node = record.Account, record.Node
	return v, nil
}

// writeNew writes a document to a file that must not exist.
func writeNew(path string, doc any) error {
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %q: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}
