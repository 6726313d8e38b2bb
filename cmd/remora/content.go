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
	UnixFS string `json:"unixfs_cid"` // empty: this build computes no aliases
	URL    string `json:"url"`        // at a registered gateway; without one, the path at any gateway
}

func (p *program) publish() *cli.Command {
	return &cli.Command{
		Name: "publish", Usage: "publish a file or a directory: register it and hand it to caches", ArgsUsage: "PATH",
		Flags: asking(keyFlag(), passwordFlag(),
			&cli.IntFlag{Name: "replicas", Value: 2, Usage: "caches that are to hold it"}),
		Action: do(p.publishPath),
	}
}

func (p *program) publishPath(c *cli.Context, asJSON bool) error {
	replicas := c.Int("replicas")
	if replicas < 1 || replicas > remora.MaxReplicas {
		return misuse("--replicas %d, want 1 to %d", replicas, remora.MaxReplicas)
	}
	key, err := p.signer(c)
	if err != nil {
		return err
	}
	return ask(c, func(ctx context.Context, node *client.Client) error {
		begin := time.Now()
		chain := wallet.Publisher{Node: node, Key: key}
		r, err := publish.Publish(ctx, c.Args().First(), publish.Options{
			Chain: chain, Replicas: uint8(replicas),
			Progress: func(format string, args ...any) { p.say(format+"\n", args...) },
		})
		if err != nil {
			return withCode("PUBLISH_FAILED", err)
		}
		doc := published{Publication: r}
		if doc.URL, err = chain.GatewayURL(ctx, "/ipfs/"+r.CID); err != nil {
			return err
		}
		return p.answer(asJSON, doc, fmt.Sprintf("%s\n%s\n%d files, %d bytes, at %d caches after %.1f s",
			r.CID, doc.URL, r.Files, r.Size, r.Replicas, time.Since(begin).Seconds()))
	})
}
