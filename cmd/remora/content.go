package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/publish"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
)

// published is the answer of publish.
type published struct {
	*publish.Report
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
		chain := publisher{node, key}
		r, err := publish.Publish(ctx, c.Args().First(), publish.Options{
			Chain: chain, Replicas: uint8(replicas),
			Progress: func(format string, args ...any) { p.say(format+"\n", args...) },
		})
		if err != nil {
			return withCode("PUBLISH_FAILED", err)
		}
		doc := published{Report: r}
		if doc.URL, err = chain.gatewayURL(ctx, "/ipfs/"+r.CID); err != nil {
			return err
		}
		return p.answer(asJSON, doc, fmt.Sprintf("%s\n%s\n%d files, %d bytes, at %d caches after %.1f s",
			r.CID, doc.URL, r.Files, r.Size, r.Replicas, time.Since(begin).Seconds()))
	})
}

// publisher is the chain as publish needs it: through a node's API.
type publisher struct {
	node *client.Client
	key  *ed25519.PrivateKey
}

// Register implements publish.Chain.
func (p publisher) Register(ctx context.Context, r remora.RegisterContent) error {
	_, err := p.node.Send(ctx, p.key, client.Draft{Kind: remora.KindRegisterContent, Body: r}, true)
	var refused *remora.Rejection
	if errors.As(err, &refused) && refused.Code == remora.CodeContentExists {
		return nil
	}
	return err
}

// Caches implements publish.Chain.
func (p publisher) Caches(ctx context.Context) ([]publish.Cache, error) {
	return p.serving(ctx, remora.RoleCache)
}

// serving lists the registered nodes of a role with the URL at which they serve the web.
func (p publisher) serving(ctx context.Context, role remora.Roles) ([]publish.Cache, error) {
	nodes, err := p.node.AllNodes(ctx)
	if err != nil {
		return nil, err
	}
	var found []publish.Cache
	for _, n := range nodes {
		if at, serves := transfer.WebAddress(n.Addrs); serves && n.Roles&role != 0 {
			found = append(found, publish.Cache{Address: n.Address, Name: n.Name, URL: "http://" + at.String()})
		}
	}
	return found, nil
}

// gatewayURL returns where the first registered gateway serves a path, and the path alone when there is none.
func (p publisher) gatewayURL(ctx context.Context, path string) (string, error) {
	gateways, err := p.serving(ctx, remora.RoleGateway)
	if err != nil || len(gateways) == 0 {
		return path, err
	}
	return gateways[0].URL + path, nil
}
