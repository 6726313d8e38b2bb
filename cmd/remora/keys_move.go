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

// moved is the summary of exported or imported keys.
type moved struct {
	Home    string           `json:"home"`
	File    string           `json:"file"`
	Address string           `json:"address"`
	Signing *keystore.Record `json:"signing"` // null: lost; the node asks the other validators before it signs
}

func (m *moved) describeMove() string {
	signed := "unknown: the node asks the other validators before it signs"
	switch {
	case m.Signing != nil && m.Signing.Used:
		signed = fmt.Sprintf("on chain %s, up to round %d", m.Signing.ChainID, m.Signing.Round)
	case m.Signing != nil:
		signed = "nothing yet"
	}
	return formatTable([]string{"home", m.Home}, []string{"file", m.File}, []string{"address", m.Address}, []string{"signed", signed})
}

func (p *program) exportCommand() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write the node's key file, still encrypted, and its signing record to one file, to move both",
		Flags: []cli.Flag{
			homeFlag(), &cli.StringFlag{Name: "out", Required: true, Usage: "file to create"}, outputFlag(),
		},
		Action: withOutput(func(c *cli.Context, asJSON bool) error {
			h, err := home.Open(c.String(flagHome))
			if err != nil {
				return err
			}
			lock, err := h.Lock() // the record of a running node is outdated at once
			if err != nil {
				return err
			}
			return errors.Join(p.exportKeys(h, c.String("out"), asJSON), lock.Release())
		}),
	}
}

func (p *program) exportKeys(h *home.Home, out string, asJSON bool) error {
	info, err := readKeyInfo(h.NodeKeyPath())
	if err != nil {
		return err
	}
	r, err := keystore.LoadRecord(h.SigningPath())
	if errors.Is(err, fs.ErrNotExist) {
		return withCode("SIGNING_RECORD", fmt.Errorf("%w; start the node once: it asks the other validators and writes a record", err))
	}
	if err != nil {
		return err
	}
	if err := keystore.Export(out, h.NodeKeyPath(), h.SigningPath()); err != nil {
		return err
	}
	doc := moved{Home: h.Dir(), File: out, Address: info.Address, Signing: &r}
	return p.printAnswer(asJSON, &doc, doc.describeMove())
}

func (p *program) importCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "create a home from an exported file, or merge its signing record into a home with the same keys", ArgsUsage: "FILE",
		Flags: []cli.Flag{
			homeFlag(), genesisFlag(), passwordFlag(), outputFlag(),
			&cli.BoolFlag{Name: "lost", Usage: "the signing record is lost: the node asks the other validators before it signs"},
		},
		Action: withOutput(p.importHome),
	}
}

func (p *program) importHome(c *cli.Context, asJSON bool) error {
	password, err := p.readPassword(c)
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
		return newCodedError("SIGNING_RECORD", "%q has no signing record, and signing without it could contradict earlier signatures; "+
			"import a file of remora keys export, or add --lost", file)
	case r != nil && lost:
		return newUsageError("%q has a signing record: leave out --lost", file)
	}
	if _, err := home.Parse(keys); err != nil {
		return err
	}
	h, err := home.Open(c.String(flagHome))
	if errors.Is(err, home.ErrMissing) || errors.Is(err, home.ErrNotHome) {
		h, err = p.createImportedHome(c, home.Content{Keys: keys, Password: password, Signing: r})
	} else if err == nil {
		err = mergeRecord(h, keys, r)
	}
	if err != nil {
		return err
	}
	doc := moved{Home: h.Dir(), File: file, Address: keys.Public.Account.String(), Signing: r}
	return p.printAnswer(asJSON, &doc, doc.describeMove())
}

// createImportedHome creates a home with imported keys.
func (p *program) createImportedHome(c *cli.Context, content home.Content) (*home.Home, error) {
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

// mergeRecord merges an imported record into a home that has the same keys.
func mergeRecord(h *home.Home, keys *keystore.Keys, r *keystore.Record) error {
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
