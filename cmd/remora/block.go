package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/light"
)

// certificateWait bounds the wait for a certificate that has not formed yet.
const certificateWait = 5 * time.Second

// verifiedBlock is a block whose certificate was verified by this command.
type verifiedBlock struct {
	*client.Block
	Verified bool `json:"verified"`
}

func (p *program) blockCommand() *cli.Command {
	return &cli.Command{
		Name: "block", Usage: "show an executed block", ArgsUsage: "HEIGHT",
		Flags: nodeFlags(
			&cli.BoolFlag{Name: "verify", Usage: "check the block's certificate against --genesis"},
			genesisFlag()),
		Action: withOutput(p.showBlock),
	}
}

func (p *program) showBlock(c *cli.Context, asJSON bool) error {
	height, err := parseHeight(c.Args().First())
	if err != nil {
		return err
	}
	if c.Bool("verify") != (c.String(flagGenesis) != "") {
		return newUsageError("--verify and --genesis belong together")
	}
	return askNode(c, func(ctx context.Context, node *client.Client) error {
		if c.Bool("verify") {
			return p.verifyBlock(c, node, height, asJSON)
		}
		b, err := node.Block(ctx, height)
		if err != nil {
			return err
		}
		return p.printAnswer(asJSON, b, describeBlock(b))
	})
}

// verifyBlock checks the certificate, and that the node describes the block as certified.
func (p *program) verifyBlock(c *cli.Context, node *client.Client, height remora.Height, asJSON bool) error {
	genesis, err := readGenesis(c.String(flagGenesis))
	if err != nil {
		return err
	}
	proof, err := node.BlockProof(c.Context, height, certificateWait)
	if err != nil {
		return err
	}
	header, err := light.VerifyBlock(genesis, proof)
	if err != nil {
		return err
	}
	if header.Height != height {
		return newCodedError(codeUnverified, "asked for block %d, got a proof of block %d", height, header.Height)
	}
	b, err := node.Block(c.Context, height)
	if err != nil {
		return err
	}
	if b.Hash != header.Hash() || b.StateRoot != header.StateRoot || b.Parent != header.Parent || b.Time != header.Time || b.Epoch != header.Epoch {
		return newCodedError(codeUnverified, "the node's description of block %d differs from the certified header", height)
	}
	return p.printAnswer(asJSON, verifiedBlock{Block: b, Verified: true}, describeBlock(b)+"verified     yes\n")
}

func describeBlock(b *client.Block) string {
	certificate := "not formed yet"
	if b.Certificate != nil {
		certificate = fmt.Sprintf("%s: stake %s, a quorum is %s", strings.Join(b.Certificate.Signers, " "), b.Certificate.Stake, b.Certificate.Quorum)
	}
	return formatTable(
		[]string{"height", fmt.Sprintf("%d (epoch %d, term %d)", b.Height, b.Epoch, b.Term)},
		[]string{"hash", b.Hash.String()},
		[]string{"parent", b.Parent.String()},
		[]string{"time", time.UnixMilli(int64(b.Time)).UTC().Format(time.RFC3339Nano)},
		[]string{"state root", b.StateRoot.String()},
		[]string{"txs", strconv.Itoa(b.Txs)},
		[]string{"leader", b.Leader},
		[]string{"certificate", certificate},
	)
}

func parseHeight(text string) (remora.Height, error) {
	h, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, newUsageError("height %.32q is not a whole number from 0 on", text)
	}
	return remora.Height(h), nil
}
