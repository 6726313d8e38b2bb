package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// sentTx is a transaction that a node accepted. Height and result are set if its execution was awaited.
type sentTx struct {
	Hash   remora.Hash    `json:"hash"`
	Height *remora.Height `json:"height,omitempty"`
	Result string         `json:"result,omitempty"` // ok or a code
}

func waitFlag() cli.Flag {
	return &cli.BoolFlag{Name: "wait", Usage: "wait until the transaction is executed"}
}

func timeoutFlag() cli.Flag {
	return &cli.DurationFlag{Name: flagTimeout, Value: time.Minute, Usage: "time limit of the command"}
}

func (p *program) txCommands() *cli.Command {
	return &cli.Command{Name: "tx", Usage: "send and look up transactions", Subcommands: []*cli.Command{
		{
			Name: "transfer", Usage: "transfer base units to another account",
			Flags: nodeFlags(keyFlag(), passwordFlag(), waitFlag(), timeoutFlag(),
				&cli.StringFlag{Name: "to", Required: true, Usage: "address of the receiver"},
				&cli.StringFlag{Name: "amount", Required: true, Usage: "amount in base units"}),
			Action: withOutput(p.sendTransfer),
		},
		{
			Name: "send", Usage: "submit the bytes of a signed transaction",
			Flags:  nodeFlags(&cli.StringFlag{Name: "hex", Required: true, Usage: "the bytes in hexadecimal"}, waitFlag(), timeoutFlag()),
			Action: withOutput(p.sendBytes),
		},
		{
			Name: "get", Usage: "show the block and the result of a transaction", ArgsUsage: "HASH", Flags: nodeFlags(waitFlag(), timeoutFlag()),
			Action: withOutput(p.showTx),
		},
	}}
}

func (p *program) sendTransfer(c *cli.Context, asJSON bool) error {
	to, err := remora.ParseAddress(c.String("to"))
	if err != nil {
		return newUsageError("--to: %v", err)
	}
	var amount remora.Amount
	if err := amount.UnmarshalText([]byte(c.String("amount"))); err != nil {
		return newUsageError("--amount: %v", err)
	}
	return p.sendDraft(c, client.Draft{Kind: remora.KindTransfer, Body: remora.Transfer{To: to, Amount: amount}}, asJSON)
}

// sendDraft signs a draft with --key, sends it and prints the transaction.
func (p *program) sendDraft(c *cli.Context, draft client.Draft, asJSON bool) error {
	key, err := p.loadSigner(c)
	if err != nil {
		return err
	}
	return askNode(c, func(ctx context.Context, node *client.Client) error {
		sent, err := node.Send(ctx, key, draft, c.Bool("wait"))
		if sent == nil {
			return err
		}
		return errors.Join(p.printSent(asJSON, sent.Hash, sent.Tx), err)
	})
}

// printSent prints an accepted transaction, with its execution if that is known.
func (p *program) printSent(asJSON bool, hash remora.Hash, tx *client.Tx) error {
	doc, text := sentTx{Hash: hash}, fmt.Sprintf("taken: %s", hash)
	if tx != nil {
		doc.Height, doc.Result = &tx.Height, tx.Result.String()
		text = fmt.Sprintf("block %d: %s: %s", tx.Height, tx.Result, hash)
	}
	return p.printAnswer(asJSON, doc, text)
}

func (p *program) sendBytes(c *cli.Context, asJSON bool) error {
	raw, err := hex.DecodeString(c.String("hex"))
	if err != nil {
		return remora.Reject(remora.CodeMalformed, "--hex: %v", err)
	}
	return askNode(c, func(ctx context.Context, node *client.Client) error {
		batch, err := node.SendTx(ctx, raw)
		if err != nil {
			return err
		}
		hash := remora.TxHash(raw)
		if !c.Bool("wait") {
			return p.printSent(asJSON, hash, nil)
		}
		tx, err := node.WaitTx(ctx, hash, batch)
		if err != nil {
			return fmt.Errorf("transaction %s was taken; waiting for its execution: %w", hash, err)
		}
		return errors.Join(p.printSent(asJSON, hash, tx), tx.Err())
	})
}

func (p *program) showTx(c *cli.Context, asJSON bool) error {
	hash, err := remora.ParseHash(c.Args().First())
	if err != nil {
		return newUsageError("%v", err)
	}
	return askNode(c, func(ctx context.Context, node *client.Client) error {
		get := node.Tx
		if c.Bool("wait") {
			get = node.WaitTx
		}
		tx, err := get(ctx, hash, remora.Hash{})
		if err != nil {
			return err
		}
		text := fmt.Sprintf("block %d, position %d: %s", tx.Height, tx.Position, tx.Result)
		return p.printAnswer(asJSON, tx, text)
	})
}
