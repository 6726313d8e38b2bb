package main

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
)

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print version, commit and Go version", Flags: []cli.Flag{outputFlag()},
		Action: withOutput(func(_ *cli.Context, asJSON bool) error {
			doc := struct {
				Version  string `json:"version"`
				Commit   string `json:"commit"`
				Go       string `json:"go"`
				Protocol int    `json:"protocol"`
			}{version, commit, runtime.Version(), remora.ProtocolVersion}
			return p.printAnswer(asJSON, doc, fmt.Sprintf("remora %s (%s, %s, protocol %d)", doc.Version, doc.Commit, doc.Go, doc.Protocol))
		}),
	}
}
