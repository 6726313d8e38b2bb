package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

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

// verdict is the content of a verified proof.
type verdict struct {
	Verified  bool           `json:"verified"`
	Address   remora.Address `json:"address"`
	Exists    bool           `json:"exists"`
	Balance   remora.Amount  `json:"balance"`
	Nonce     uint64         `json:"nonce"`
	Height    remora.Height  `json:"height"`
	StateRoot remora.Hash    `json:"state_root"`
}

func (p *program) proofCommands() *cli.Command {
	genesis := genesisFlag().(*cli.StringFlag)
	genesis.Required = true
	return &cli.Command{Name: "proof", Usage: "verify proofs offline", Subcommands: []*cli.Command{{
		Name: "verify", Usage: "verify a proof that account --prove printed; needs no node", ArgsUsage: "FILE",
		Flags: []cli.Flag{genesis, outputFlag()},
		Action: withOutput(func(c *cli.Context, asJSON bool) error {
			g, err := readGenesis(c.String(flagGenesis))
			if err != nil {
				return err
			}
			data, err := readBounded(c.Args().First(), light.MaxDocument)
			if err != nil {
				return err
			}
			a, err := light.ParseAccount(data)
			if err != nil {
				return err
			}
			if err := light.VerifyAccount(g, a); err != nil {
				return err
			}
			doc := verdict{
				Verified: true, Address: a.Address, Exists: a.Exists, Balance: a.Balance, Nonce: a.Nonce, Height: a.Height, StateRoot: a.StateRoot,
			}
			return p.printAnswer(asJSON, doc, describeProof(a))
		}),
	}}}
}

// readBounded reads at most limit+1 bytes of a file. Parsers refuse more than limit.
func readBounded(path string, limit int64) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, limit+1))
}
