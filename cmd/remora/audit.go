package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/replay"
)

// divergence is the answer of a replay that reached another state than the quorum certified.
type divergence struct {
	Height   remora.Height `json:"height"`
	Expected remora.Hash   `json:"expected"` // state root that the quorum signed
	Got      remora.Hash   `json:"got"`
	Reason   string        `json:"reason"`
}

// audited is the function of one kind of audit.
type audited func(ctx context.Context, g *remora.Genesis, s replay.Source, to remora.Height) (replay.Summary, error)

func (p *program) auditCommands() *cli.Command {
	genesis := genesisFlag().(*cli.StringFlag)
	genesis.Required = true
	flags := []cli.Flag{
		&cli.StringFlag{Name: flagFrom, Required: true, Usage: "source of the blocks: URL of a node, or a copy of a node's home"},
		genesis,
		&cli.StringFlag{Name: "to", Usage: "last height (default: the newest certified block)"},
		outputFlag(),
	}
	command := func(name, usage string, act audited) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage, Flags: flags,
			Action: withOutput(func(c *cli.Context, asJSON bool) error { return p.runAudit(c, asJSON, act) }),
		}
	}
	return &cli.Command{Name: "audit", Usage: "check a chain without trusting the source of its blocks", Subcommands: []*cli.Command{
		command("replay", "execute every block from the genesis and compare with the certified states", replay.Replay),
		command("verify", "check certificates and links of every block without executing", replay.Verify),
	}}
}

func (p *program) runAudit(c *cli.Context, asJSON bool, act audited) error {
	g, err := readGenesis(c.String(flagGenesis))
	if err != nil {
		return err
	}
	var to remora.Height
	if c.IsSet("to") {
		if to, err = parseHeight(c.String("to")); err != nil {
			return err
		}
	}
	source, closeSource, err := openSource(c.String(flagFrom))
	if err != nil {
		return err
	}
	begin := time.Now()
	found, err := act(c.Context, g, source, to)
	err = errors.Join(err, closeSource())
	var parted *exec.Divergence
	if errors.As(err, &parted) {
		doc := divergence{Height: parted.Height, Expected: parted.Expected.StateRoot, Got: parted.Got.StateRoot, Reason: parted.Error()}
		return errors.Join(p.printAnswer(asJSON, doc, "diverged: "+doc.Reason), err)
	}
	if err != nil {
		return err
	}
	return p.printAnswer(asJSON, found, fmt.Sprintf("blocks %d to %d are valid: %d transactions, state root %s, %.1f s",
		found.From, found.To, found.Txs, found.StateRoot, time.Since(begin).Seconds()))
}

// openSource opens a node by its URL, or a copy of a home by its directory.
func openSource(from string) (replay.Source, func() error, error) {
	if strings.Contains(from, "://") {
		node, err := client.New(from)
		if err != nil {
			return nil, nil, newUsageError("--from: %v", err)
		}
		return replay.Remote{Client: node}, func() error { node.Close(); return nil }, nil
	}
	info, err := os.Stat(from)
	if err != nil {
		return nil, nil, fmt.Errorf("--from: %w", err)
	}
	if !info.IsDir() {
		return nil, nil, newUsageError("--from %q is a file, want the URL of a node or a copy of a node's home", from)
	}
	holder, held, err := home.Holds(filepath.Join(from, "lock"))
	if err != nil {
		return nil, nil, err
	}
	if held {
		return nil, nil, fmt.Errorf("%w: %q is the home of a running node (process %d); use its URL, or a copy of the home",
			home.ErrLocked, from, holder.Pid)
	}
	h, err := replay.OpenHome(from)
	if err != nil {
		return nil, nil, err
	}
	return h, h.Close, nil
}
