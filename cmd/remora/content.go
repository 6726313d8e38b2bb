package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/publish"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/wallet"
)

// published is the answer of publish.
type published struct {
	*publish.Publication
	UnixFS string `json:"unixfs_cid"` // empty: not computed by this build
	URL    string `json:"url"`        // at a registered gateway, or only the path if there is none
}

func (p *program) publishCommand() *cli.Command {
	return &cli.Command{
		Name: "publish", Usage: "publish a file or a directory: register it and upload it to caches", ArgsUsage: "PATH",
		Flags: nodeFlags(keyFlag(), passwordFlag(),
			&cli.IntFlag{Name: "replicas", Value: 2, Usage: "number of caches that should store it"}),
		Action: withOutput(p.publishPath),
	}
}

func (p *program) publishPath(c *cli.Context, asJSON bool) error {
	replicas := c.Int("replicas")
	if replicas < 1 || replicas > remora.MaxReplicas {
		return newUsageError("--replicas %d, want 1 to %d", replicas, remora.MaxReplicas)
	}
	key, err := p.loadSigner(c)
	if err != nil {
		return err
	}
	return askNode(c, func(ctx context.Context, node *client.Client) error {
		begin := time.Now()
		chain := wallet.Wallet{Node: node, Key: key}
		r, err := publish.Publish(ctx, c.Args().First(), publish.Options{
			Chain: chain, Replicas: uint8(replicas),
			Progress: func(format string, args ...any) { p.printMessage(format+"\n", args...) },
		})
		if err != nil {
			return withCode("PUBLISH_FAILED", err)
		}
		doc := published{Publication: r}
		if doc.URL, err = chain.GatewayURL(ctx, "/ipfs/"+r.CID); err != nil {
			return err
		}
		return p.printAnswer(asJSON, doc, fmt.Sprintf("%s\n%s\n%d files, %d bytes, at %d caches after %.1f s",
			r.CID, doc.URL, r.Files, r.Size, r.Replicas, time.Since(begin).Seconds()))
	})
}
