package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func (p *program) explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "explain an error code and its fix; without a code, list all codes", ArgsUsage: "[CODE]",
		Flags: []cli.Flag{outputFlag()},
		Action: withOutput(func(c *cli.Context, asJSON bool) error {
			if c.Args().Len() == 0 {
				var rows [][]string
				for _, e := range codes {
					rows = append(rows, []string{e.Code, e.Meaning})
				}
				return p.printAnswer(asJSON, codes, formatTable(rows...))
			}
			name := c.Args().First()
			e, known := findExplanation(name)
			if !known {
				var names []string
				for _, e := range codes {
					names = append(names, e.Code)
				}
				return newUsageError("unknown code %.64q%s", name, suggestName(name, names))
			}
			return p.printAnswer(asJSON, e, fmt.Sprintf("%s: %s\nfix: %s", e.Code, e.Meaning, e.Fix))
		}),
	}
}
