package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/home"
)

// moved is what a home knows after its key came or before it goes.
type moved struct {
	Home    string           `json:"home"`
	File    string           `json:"file"`
	Address string           `json:"address"`
	Signing *keystore.Record `json:"signing"` // null: lost, the node asks the other validators before it signs
}

func (m *moved) text() string {
	signed := "not known: the node asks the other validators before it signs"
	switch {
	case m.Signing != nil && m.Signing.Used:
		signed = fmt.Sprintf("on chain %s, up to round %d", m.Signing.ChainID, m.Signing.Round)
	case m.Signing != nil:
		signed = "nothing yet"
	}
	return table([]string{"home", m.Home}, []string{"file", m.File}, []string{"address", m.Address}, []string{"signed", signed})
}

func (p *program) exportKeys() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write the node's key file, encrypted as it is, and the record of what it signed into one file, to move them",
		Flags: []cli.Flag{
			homeFlag(), &cli.StringFlag{Name: "out", Required: true, Usage: "file to create"}, outputFlag(),
		},
		Action: do(func(c *cli.Context, asJSON bool) error {
			h, err := home.Open(c.String(flagHome))
			if err != nil {
				return err
			}
			lock, err := h.Lock() // a running node's record is old as soon as it is written
			if err != nil {
				return err
			}
			return errors.Join(p.export(h, c.String("out"), asJSON), lock.Release())
		}),
	}
}

func (p *program) export(h *home.Home, out string, asJSON bool) error {
	info, err := peek(h.NodeKeyPath())
	if err != nil {
		return err
	}
	r, err := keystore.LoadRecord(h.SigningPath())
	if errors.Is(err, fs.ErrNotExist) {
		return withCode("SIGNING_RECORD", fmt.Errorf("%w; start the node once, so that it asks the others and writes one", err))
	}
	if err != nil {
		return err
	}
	if err := keystore.Export(out, h.NodeKeyPath(), h.SigningPath()); err != nil {
		return err
	}
	doc := moved{Home: h.Dir(), File: out, Address: info.Address, Signing: &r}
	return p.answer(asJSON, &doc, doc.text())
}

func (p *program) importKeys() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "create a home from what export wrote; into a home of the same key: its record of what was signed", ArgsUsage: "FILE",
		Flags: []cli.Flag{
			homeFlag(), genesisFlag(), passwordFlag(), outputFlag(),
			&cli.BoolFlag{Name: "lost", Usage: "the record of what the key signed is lost: the node asks the other validators before it signs"},
		},
		Action: do(p.importHome),
	}
}

func (p *program) importHome(c *cli.Context, asJSON bool) error {
	password, err := p.password(c)
	if err != nil {
		return err
	}
	file := c.Args().First()
	keys, r, err := keystore.Import(file, password)
	if err != nil {
		return err
	}
	switch lost := c.Bool("lost"); {
	case r == nil && !lost:
		return fail("SIGNING_RECORD", "%q has no record of what the key signed, and signing without it could contradict that; "+
			"import what remora keys export wrote, or say --lost", file)
	case r != nil && lost:
		return misuse("%q has the record of what the key signed: leave out --lost", file)
	}
	if _, err := home.Parse(keys); err != nil {
		return err
	}
	h, err := home.Open(c.String(flagHome))
	if errors.Is(err, home.ErrMissing) || errors.Is(err, home.ErrNotHome) {
		h, err = p.homeOf(c, home.Content{Keys: keys, Password: password, Signing: r})
	} else if err == nil {
		err = merge(h, keys, r)
	}
	if err != nil {
		return err
	}
	doc := moved{Home: h.Dir(), File: file, Address: keys.Public.Account.String(), Signing: r}
	return p.answer(asJSON, &doc, doc.text())
}

// homeOf creates a home with imported keys.
func (p *program) homeOf(c *cli.Context, content home.Content) (*home.Home, error) {
	var err error
	if content.Config, err = config.Render(nil); err != nil {
		return nil, err
	}
	if path := c.String(flagGenesis); path != "" {
		if content.Genesis, err = readGenesis(path); err != nil {
			return nil, err
		}
	}
	return home.Create(c.String(flagHome), content)
}

// merge adds an imported record to the one of a home that has the key already.
func merge(h *home.Home, keys *keystore.Keys, r *keystore.Record) error {
	info, err := keystore.Peek(h.NodeKeyPath())
	if err != nil {
		return err
	}
	if info.Public != keys.Public || r == nil {
		return fmt.Errorf("%w: %q; choose another --home (keys are never overwritten)", home.ErrExists, h.Dir())
	}
	lock, err := h.Lock()
	if err != nil {
		return err
	}
	return errors.Join(keystore.SaveRecord(h.SigningPath(), *r), lock.Release())
}
