package main

import (
	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/home"
)

func (p *program) configCommands() *cli.Command {
	return &cli.Command{Name: "config", Usage: "show the configuration of a node", Subcommands: []*cli.Command{{
		Name: "show", Usage: "print the effective values",
		Flags: append(configFlags(), homeFlag(), outputFlag(),
			&cli.BoolFlag{Name: "origin", Usage: "show the origin of each value: flag, env, file or default"}),
		Action: withOutput(func(c *cli.Context, asJSON bool) error {
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
			return p.printAnswer(asJSON, values, formatTable(rows...))
		}),
	}}}
}
