package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/light"
)

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
