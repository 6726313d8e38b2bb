package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/publish"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/wallet"
	"github.com/remora-network/remora/proofs/content"
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

func (p *program) fetchCommand() *cli.Command {
	return &cli.Command{
		Name: "fetch", Usage: "fetch content through a gateway and verify every piece before writing it", ArgsUsage: "CID[/PATH]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "gateway", Required: true, Usage: "URL of a gateway"},
			&cli.StringFlag{Name: "out", Required: true, Usage: "file to write; for a directory, the directory to create"},
			&cli.StringFlag{Name: flagKey, Usage: "key file of the account that pays the caches; without it, caches are not paid"},
			passwordFlag(),
			&cli.StringFlag{Name: flagNode, Usage: "URL of the node that receives transactions (default: the gateway)"},
			&cli.StringFlag{Name: "max-spend", Usage: "maximum that a new session may prepay, in base units"},
			&cli.StringFlag{Name: "sessions", Usage: "directory that records the signed receipts (default: the key file with .sessions)"},
			outputFlag(),
		},
		Action: withOutput(p.fetchContent),
	}
}

// fetchContent fetches CID or CID/PATH.
func (p *program) fetchContent(c *cli.Context, asJSON bool) error {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(c.Args().First(), "/ipfs/"), "/"), "/")
	o := fetch.Options{
		Gateway: c.String("gateway"), CID: parts[0], Path: parts[1:], Out: c.String("out"), Progress: p.newProgress(),
	}
	if c.String(flagKey) != "" {
		node, err := p.preparePayment(c, &o)
		if err != nil {
			return err
		}
		defer node.Close()
	} else if c.IsSet("max-spend") || c.IsSet(flagNode) || c.IsSet("sessions") {
		return newUsageError("--max-spend, --node and --sessions are for paid fetches: name the account with --key")
	}
	r, err := fetch.Fetch(c.Context, o)
	switch {
	case errors.Is(err, content.ErrCID) || errors.Is(err, content.ErrForeignCID):
		return newUsageError("%v", err)
	case errors.Is(err, fetch.ErrUnverified):
		return withCode(codeUnverified, err)
	case err != nil:
		return withCode("FETCH_FAILED", err)
	}
	return p.printAnswer(asJSON, r, fmt.Sprintf("%d bytes verified in %.2f s (%.0f MB/s), %d receipts",
		r.Bytes, r.Seconds, float64(r.Bytes)/1e6/max(r.Seconds, 1e-6), r.Receipts))
}

// preparePayment adds to the options what a paid fetch needs. The caller closes the client.
func (p *program) preparePayment(c *cli.Context, o *fetch.Options) (*client.Client, error) {
	if text := c.String("max-spend"); text != "" {
		if err := o.MaxSpend.UnmarshalText([]byte(text)); err != nil || o.MaxSpend == 0 {
			return nil, newUsageError("--max-spend %.64q, want a positive number of base units", text)
		}
	}
	key, err := p.loadSigner(c)
	if err != nil {
		return nil, err
	}
	url := c.String(flagNode)
	if url == "" {
		url = o.Gateway
	}
	node, err := client.New(url)
	if err != nil {
		return nil, newUsageError("%v", err)
	}
	o.Key, o.Chain, o.Sessions = key, wallet.Wallet{Node: node, Key: key}, c.String("sessions")
	if o.Sessions == "" {
		o.Sessions = c.String(flagKey) + ".sessions"
	}
	return node, nil
}

// progressEvery is the interval of progress messages.
const progressEvery = time.Second

// newProgress returns a function that prints the progress of a fetch.
func (p *program) newProgress() func(done, total uint64) {
	last := time.Now()
	return func(done, total uint64) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			p.printMessage("%d of %d MiB verified\n", done>>20, total>>20)
		}
	}
}
