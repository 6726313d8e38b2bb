package main

import (
	"context"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/client"
)

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
