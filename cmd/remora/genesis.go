package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/state"
)

func (p *program) genesis() *cli.Command {
	return &cli.Command{Name: "genesis", Usage: "genesis files", Subcommands: []*cli.Command{{
		Name: "validate", Usage: "check a genesis file, proofs of possession included, and print its hash", ArgsUsage: "FILE",
		Flags: []cli.Flag{outputFlag()},
		Action: do(func(c *cli.Context, asJSON bool) error {
			g, err := readGenesis(c.Args().First())
			if err != nil {
				return err
			}
			if err := state.CheckGenesis(g, exec.NewVerifier()); err != nil {
				return withCode("GENESIS_INVALID", err)
			}
			doc := struct {
				ChainID    string `json:"chain_id"`
				Genesis    string `json:"genesis"`
				Validators int    `json:"validators"`
				Accounts   int    `json:"accounts"`
			}{g.ChainID, g.Hash().String(), len(g.Validators), len(g.Accounts)}
			return p.answer(asJSON, doc, fmt.Sprintf("chain %s, genesis %s: %d validators, %d accounts",
				doc.ChainID, doc.Genesis, doc.Validators, doc.Accounts))
		}),
	}}}
}
