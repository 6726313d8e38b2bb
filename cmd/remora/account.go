package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	proof, err := awaitProof(ctx, node, address)
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

// awaitProof asks again while the node has no certified state, which it has a moment after it started.
func awaitProof(ctx context.Context, node *client.Client, address remora.Address) (*light.AccountProof, error) {
	limited, cancel := context.WithTimeout(ctx, certificateWait)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		proof, err := node.AccountProof(ctx, address)
		if !errors.Is(err, client.ErrNotCertified) {
			return proof, err
		}
		select {
		case <-ticker.C:
		case <-limited.Done():
			return nil, err
		}
	}
}

// describeProof says what a verified proof proves.
func describeProof(a *light.AccountProof) string {
	return fmt.Sprintf("verified: account %s holds %s with nonce %d after block %d (state root %s)",
		a.Address, a.Balance, a.Nonce, a.Height, a.StateRoot)
}
