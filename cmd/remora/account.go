package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/light"
)

func (p *program) account() *cli.Command {
	return &cli.Command{
		Name: "account", Usage: "what an address holds", ArgsUsage: "ADDRESS",
		Flags: asking(&cli.BoolFlag{Name: "prove", Usage: "as of the newest certified block, with the proof"}),
		Action: do(func(c *cli.Context, asJSON bool) error {
			address, err := remora.ParseAddress(c.Args().First())
			if err != nil {
				return misuse("%v", err)
			}
			return ask(c, func(ctx context.Context, node *client.Client) error {
				if c.Bool("prove") {
					return p.proveAccount(ctx, node, address, asJSON)
				}
				a, err := node.Account(ctx, address)
				if err != nil {
					return err
				}
				return p.answer(asJSON, a, table(
					[]string{"address", a.Address.String()}, []string{"balance", a.Balance.String()},
					[]string{"nonce", fmt.Sprint(a.Nonce)}, []string{"stake", a.Stake.String()}, []string{"height", fmt.Sprint(a.Height)}))
			})
		}),
	}
}

// proveAccount prints the proof; without -o json it is readable JSON, since nobody reads hashes otherwise.
func (p *program) proveAccount(ctx context.Context, node *client.Client, address remora.Address, asJSON bool) error {
	proof, err := node.AwaitAccountProof(ctx, address, certificateWait)
	if err != nil {
		return err
	}
	if proof.Address != address {
		return fail(codeUnverified, "asked for account %s, got the proof of %s", address, proof.Address)
	}
	text, err := json.MarshalIndent(proof, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the proof: %w", err)
	}
	return p.answer(asJSON, proof, string(text))
}

// describeProof says what a verified proof proves.
func describeProof(a *light.AccountProof) string {
	return fmt.Sprintf("verified: account %s holds %s with nonce %d after block %d (state root %s)",
		a.Address, a.Balance, a.Nonce, a.Height, a.StateRoot)
}
