package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/wallet"
	"github.com/remora-network/remora/proofs/content"
)

func (p *program) fetch() *cli.Command {
	return &cli.Command{
		Name: "fetch", Usage: "fetch content through a gateway, verifying every piece before it is written", ArgsUsage: "CID[/PATH]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "gateway", Required: true, Usage: "URL of a gateway"},
			&cli.StringFlag{Name: "out", Required: true, Usage: "file to write, or directory for a directory"},
			&cli.StringFlag{Name: flagKey, Usage: "key file of the account that pays the caches; without it nobody is paid"},
			passwordFlag(),
			&cli.StringFlag{Name: flagNode, Usage: "URL of the node that takes transactions (default: the gateway)"},
			&cli.StringFlag{Name: "max-spend", Usage: "most that a new session may prepay, in base units"},
			&cli.StringFlag{Name: "sessions", Usage: "directory that remembers what was signed (default: the key file with .sessions)"},
			outputFlag(),
		},
		Action: do(p.fetchContent),
	}
}

// fetchContent fetches CID or CID/PATH.
func (p *program) fetchContent(c *cli.Context, asJSON bool) error {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(c.Args().First(), "/ipfs/"), "/"), "/")
	o := fetch.Options{
		Gateway: c.String("gateway"), CID: parts[0], Path: parts[1:], Out: c.String("out"), Progress: p.progress(),
	}
	if c.String(flagKey) != "" {
		node, err := p.pay(c, &o)
		if err != nil {
			return err
		}
		defer node.Close()
	} else if c.IsSet("max-spend") || c.IsSet(flagNode) || c.IsSet("sessions") {
		return misuse("--max-spend, --node and --sessions are about paying: name the account with --key")
	}
	r, err := fetch.Fetch(c.Context, o)
	switch {
	case errors.Is(err, content.ErrCID) || errors.Is(err, content.ErrForeignCID):
		return misuse("%v", err)
	case errors.Is(err, fetch.ErrUnverified):
		return withCode(codeUnverified, err)
	case err != nil:
		return withCode("FETCH_FAILED", err)
	}
	return p.answer(asJSON, r, fmt.Sprintf("%d bytes verified in %.2f s (%.0f MB/s), %d receipts",
		r.Bytes, r.Seconds, float64(r.Bytes)/1e6/max(r.Seconds, 1e-6), r.Receipts))
}

// pay fills in what a fetch needs to sign receipts. The caller closes the client.
func (p *program) pay(c *cli.Context, o *fetch.Options) (*client.Client, error) {
	if text := c.String("max-spend"); text != "" {
		if err := o.MaxSpend.UnmarshalText([]byte(text)); err != nil || o.MaxSpend == 0 {
			return nil, misuse("--max-spend %.64q, want a positive number of base units", text)
		}
	}
	key, err := p.signer(c)
	if err != nil {
		return nil, err
	}
	url := c.String(flagNode)
	if url == "" {
		url = o.Gateway
	}
	node, err := client.New(url)
	if err != nil {
		return nil, misuse("%v", err)
	}
	o.Key, o.Chain, o.Sessions = key, wallet.Payer{Node: node, Key: key}, c.String("sessions")
	if o.Sessions == "" {
		o.Sessions = c.String(flagKey) + ".sessions"
	}
	return node, nil
}

// progressEvery is how often a fetch tells how far it is.
const progressEvery = time.Second

// progress returns what tells of a fetch that takes long.
func (p *program) progress() func(done, total uint64) {
	last := time.Now()
	return func(done, total uint64) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			p.say("%d of %d MiB verified\n", done>>20, total>>20)
		}
	}
}
