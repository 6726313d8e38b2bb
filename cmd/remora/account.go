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

func (p *program) accountCommand() *cli.Command {
	return &cli.Command{
		Name: "account", Usage: "show the account of an address", ArgsUsage: "ADDRESS",
		Flags: nodeFlags(&cli.BoolFlag{Name: "prove", Usage: "show it as of the newest certified block, with a proof"}),
		Action: withOutput(func(c *cli.Context, asJSON bool) error {
			address, err := remora.ParseAddress(c.Args().First())
			if err != nil {
				return newUsageError("%v", err)
			}
			return askNode(c, func(ctx context.Context, node *client.Client) error {
				if c.Bool("prove") {
					return p.proveAccount(ctx, node, address, asJSON)
				}
				a, err := node.Account(ctx, address)
				if err != nil {
					return err
				}
				return p.printAnswer(asJSON, a, formatTable(
					[]string{"address", a.Address.String()}, []string{"balance", a.Balance.String()},
					[]string{"nonce", fmt.Sprint(a.Nonce)}, []string{"stake", a.Stake.String()}, []string{"height", fmt.Sprint(a.Height)}))
			})
		}),
	}
}

// proveAccount prints a proof as JSON, indented without -o json.
func (p *program) proveAccount(ctx context.Context, node *client.Client, address remora.Address, asJSON bool) error {
	proof, err := node.AwaitAccountProof(ctx, address, certificateWait)
	if err != nil {
		return err
	}
	if proof.Address != address {
		return newCodedError(codeUnverified, "asked for account %s, got a proof of %s", address, proof.Address)
	}
	text, err := json.MarshalIndent(proof, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the proof: %w", err)
	}
	return p.printAnswer(asJSON, proof, string(text))
}

// describeProof returns the content of a verified proof.
func describeProof(a *light.AccountProof) string {
	return fmt.Sprintf("verified: account %s holds %s with nonce %d after block %d (state root %s)",
		a.Address, a.Balance, a.Nonce, a.Height, a.StateRoot)
}
