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

// sentTx is a transaction that a node took. Height and result are set when its execution was awaited.
type sentTx struct {
	Hash   remora.Hash    `json:"hash"`
	Height *remora.Height `json:"height,omitempty"`
	Result string         `json:"result,omitempty"` // ok or a code
}

func waitFlag() cli.Flag {
	return &cli.BoolFlag{Name: "wait", Usage: "until it is executed"}
}

func timeoutFlag() cli.Flag {
	return &cli.DurationFlag{Name: "timeout", Value: time.Minute, Usage: "how long the whole command may take"}
}

func (p *program) tx() *cli.Command {
	return &cli.Command{Name: "tx", Usage: "transactions", Subcommands: []*cli.Command{
		{
			Name: "transfer", Usage: "move base units from an account to another",
			Flags: asking(keyFlag(), passwordFlag(), waitFlag(), timeoutFlag(),
				&cli.StringFlag{Name: "to", Required: true, Usage: "address that receives"},
				&cli.StringFlag{Name: "amount", Required: true, Usage: "base units"}),
			Action: do(p.transfer),
		},
		{
			Name: "send", Usage: "submit the bytes of a signed transaction",
			Flags:  asking(&cli.StringFlag{Name: "hex", Required: true, Usage: "the bytes in hexadecimal"}, waitFlag(), timeoutFlag()),
			Action: do(p.sendRaw),
		},
		{
			Name: "get", Usage: "where and how a transaction was executed", ArgsUsage: "HASH", Flags: asking(waitFlag(), timeoutFlag()),
			Action: do(p.getTx),
		},
	}}
}

func (p *program) transfer(c *cli.Context, asJSON bool) error {
	to, err := remora.ParseAddress(c.String("to"))
	if err != nil {
		return misuse("--to: %v", err)
	}
	var amount remora.Amount
	if err := amount.UnmarshalText([]byte(c.String("amount"))); err != nil {
		return misuse("--amount: %v", err)
	}
	key, err := p.signer(c)
	if err != nil {
		return err
	}
	return ask(c, func(ctx context.Context, node *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		sent, err := node.Transfer(ctx, key, to, amount, c.Bool("wait"))
		if sent == nil {
			return err
		}
		return errors.Join(p.answerSent(asJSON, sent.Hash, sent.Tx), err)
	})
}

// answerSent prints a transaction that was taken, with its execution if that is known.
func (p *program) answerSent(asJSON bool, hash remora.Hash, tx *client.Tx) error {
	doc, text := sentTx{Hash: hash}, fmt.Sprintf("taken: %s", hash)
	if tx != nil {
		doc.Height, doc.Result = &tx.Height, tx.Result.String()
		text = fmt.Sprintf("block %d: %s: %s", tx.Height, tx.Result, hash)
	}
	return p.answer(asJSON, doc, text)
}

func (p *program) sendRaw(c *cli.Context, asJSON bool) error {
	raw, err := hex.DecodeString(c.String("hex"))
	if err != nil {
		return remora.Reject(remora.CodeMalformed, "--hex: %v", err)
	}
	return ask(c, func(ctx context.Context, node *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		batch, err := node.SendTx(ctx, raw)
		if err != nil {
			return err
		}
		hash := remora.TxHash(raw)
		if !c.Bool("wait") {
			return p.answerSent(asJSON, hash, nil)
		}
		tx, err := node.WaitTx(ctx, hash, batch)
		if err != nil {
			return fmt.Errorf("transaction %s was taken; waiting for its execution: %w", hash, err)
		}
		return errors.Join(p.answerSent(asJSON, hash, tx), refused(tx))
	})
}

// refused is the error of a transaction that a block refused, nil when it had its effect.
func refused(tx *client.Tx) error {
	if tx.Result == remora.CodeOK {
		return nil
	}
	return remora.Reject(tx.Result, "block %d refused transaction %s", tx.Height, tx.Hash)
}

func (p *program) getTx(c *cli.Context, asJSON bool) error {
	hash, err := remora.ParseHash(c.Args().First())
	if err != nil {
		return misuse("%v", err)
	}
	return ask(c, func(ctx context.Context, node *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		get := node.Tx
		if c.Bool("wait") {
			get = node.WaitTx
		}
		tx, err := get(ctx, hash, remora.Hash{})
		if err != nil {
			return err
		}
		text := fmt.Sprintf("block %d, position %d: %s", tx.Height, tx.Position, tx.Result)
		return p.answer(asJSON, tx, text)
	})
}
