package main

import (
	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/home"
)

func (p *program) config() *cli.Command {
	return &cli.Command{Name: "config", Usage: "the node's configuration", Subcommands: []*cli.Command{{
		Name: "show", Usage: "print the values in force",
		Flags: append(configFlags(), homeFlag(), outputFlag(),
			&cli.BoolFlag{Name: "origin", Usage: "say where each value comes from: flag, env, file or default"}),
		Action: do(func(c *cli.Context, asJSON bool) error {
			h, err := home.Open(c.String(flagHome))
			if err != nil {
				return err
			}
			loaded, err := loadConfig(c, h)
			if err != nil {
				return err
			}
			values := loaded.Values()
			var rows [][]string
			for i := range values {
				if !c.Bool("origin") {
					values[i].Origin = ""
				}
				rows = append(rows, []string{values[i].Key, "= " + values[i].Value, values[i].Origin})
			}
			return p.answer(asJSON, values, table(rows...))
		}),
	}}}
}
