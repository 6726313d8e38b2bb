package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

func (p *program) session() *cli.Command {
	return &cli.Command{Name: "session", Usage: "what an account prepaid for deliveries", Subcommands: []*cli.Command{
		{
			Name: "list", Usage: "an account's sessions that are not refunded yet", ArgsUsage: "ADDRESS", Flags: asking(),
			Action: do(p.listSessions),
		},
		{
			Name: "close", Usage: "end a session with the present epoch; what is left is refunded when no claim can come any more", ArgsUsage: "ID",
			Flags: asking(keyFlag(), passwordFlag(), waitFlag(), timeoutFlag()), Action: do(p.closeSession),
		},
	}}
}

func (p *program) listSessions(c *cli.Context, asJSON bool) error {
	owner, err := remora.ParseAddress(c.Args().First())
	if err != nil {
		return misuse("%v", err)
	}
	return ask(c, func(ctx context.Context, node *client.Client) error {
		sessions, err := node.Sessions(ctx, owner)
		if err != nil {
			return err
		}
		rows := [][]string{{"ID", "OPENED", "EXPIRES", "CACHE", "BYTES", "LEFT", "HELD"}}
		for _, s := range sessions {
			for _, g := range s.Grants {
				rows = append(rows, []string{
					strconv.FormatUint(uint64(s.ID), 10), strconv.FormatUint(uint64(s.Opened), 10), strconv.FormatUint(uint64(s.Expiry), 10),
					g.Node.String()[:16], strconv.FormatUint(g.Granted, 10), strconv.FormatUint(g.Left, 10), g.Held.String(),
				})
			}
		}
		return p.answer(asJSON, sessions, table(rows...))
	})
}

func (p *program) closeSession(c *cli.Context, asJSON bool) error {
	id, err := strconv.ParseUint(c.Args().First(), 10, 64)
	if err != nil {
		return misuse("session %.24q is not a decimal number", c.Args().First())
	}
	key, err := p.signer(c)
	if err != nil {
		return err
	}
	return ask(c, func(ctx context.Context, node *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		body := remora.CloseSession{Session: remora.SessionID(id)}
		sent, err := node.Send(ctx, key, client.Draft{Kind: remora.KindCloseSession, Body: body}, c.Bool("wait"))
		if sent == nil {
			return err
		}
		return errors.Join(p.answerSent(asJSON, sent.Hash, sent.Tx), err)
	})
}
