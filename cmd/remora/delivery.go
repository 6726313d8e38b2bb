package main

import (
	"context"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

func (p *program) sessionCommands() *cli.Command {
	return &cli.Command{Name: "session", Usage: "list and close sessions, the deliveries that an account has prepaid", Subcommands: []*cli.Command{
		{
			Name: "list", Usage: "list the sessions of an account that are not refunded yet", ArgsUsage: "ADDRESS", Flags: nodeFlags(),
			Action: withOutput(p.listSessions),
		},
		{
			Name: "close", Usage: "end a session with the current epoch; the rest is refunded once no more claims are possible", ArgsUsage: "ID",
			Flags: nodeFlags(keyFlag(), passwordFlag(), waitFlag(), timeoutFlag()), Action: withOutput(p.closeSession),
		},
	}}
}

func (p *program) listSessions(c *cli.Context, asJSON bool) error {
	owner, err := remora.ParseAddress(c.Args().First())
	if err != nil {
		return newUsageError("%v", err)
	}
	return askNode(c, func(ctx context.Context, node *client.Client) error {
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
		return p.printAnswer(asJSON, sessions, formatTable(rows...))
	})
}

func (p *program) closeSession(c *cli.Context, asJSON bool) error {
	id, err := strconv.ParseUint(c.Args().First(), 10, 64)
	if err != nil {
		return newUsageError("session %.24q is not a decimal number", c.Args().First())
	}
	return p.sendDraft(c, client.Draft{Kind: remora.KindCloseSession, Body: remora.CloseSession{Session: remora.SessionID(id)}}, asJSON)
}

func (p *program) cacheCommands() *cli.Command {
	return &cli.Command{Name: "cache", Usage: "show what a cache has claimed and earned", Subcommands: []*cli.Command{
		{
			Name: "claims", Usage: "list a cache's claims for its deliveries, with their payouts",
			Flags:  nodeFlags(&cli.StringFlag{Name: "provider", Required: true, Usage: "address or registered name of the cache"}),
			Action: withOutput(p.listClaims),
		},
	}}
}

func (p *program) listClaims(c *cli.Context, asJSON bool) error {
	return askNode(c, func(ctx context.Context, node *client.Client) error {
		claims, err := node.Claims(ctx, c.String("provider"))
		if err != nil {
			return err
		}
		rows := [][]string{{"EPOCH", "STATE", "BYTES", "RECEIPTS", "PAID", "VALUE", "DEPOSIT", "HEIGHT", "ID"}}
		for _, claim := range claims {
			state := claim.State.String()
			if claim.Released {
				state += ", paid out"
			}
			rows = append(rows, []string{
				strconv.FormatUint(uint64(claim.Epoch), 10), state, strconv.FormatUint(claim.Bytes, 10),
				strconv.FormatUint(uint64(claim.Receipts), 10), claim.Paid.String(), claim.Value.String(), claim.Deposit.String(),
				strconv.FormatUint(uint64(claim.Height), 10), claim.ID.String()[:16],
			})
		}
		text := formatTable(rows...)
		if len(claims) == 0 {
			text = "no claims yet: a cache claims after an epoch in which clients acknowledged deliveries"
		}
		return p.printAnswer(asJSON, claims, text)
	})
}
