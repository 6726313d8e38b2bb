package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/home"
)

// keyInfo is the public part of a key file.
type keyInfo struct {
	File      string          `json:"file"`
	Kind      keystore.Kind   `json:"kind"`
	Address   string          `json:"address"`
	Protected bool            `json:"protected"`
	Public    keystore.Public `json:"public"`
}

func (p *program) keyCommands() *cli.Command {
	return &cli.Command{Name: "keys", Usage: "create, list and move key files", Subcommands: []*cli.Command{
		{
			Name: "generate", Usage: "generate keys in a new file; existing files are never touched",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "out", Required: true, Usage: "file to create"},
				&cli.StringFlag{Name: "kind", Value: string(keystore.KindAccount), Usage: "account or node"},
				passwordFlag(), outputFlag(),
			},
			Action: withOutput(p.generateKeys),
		},
		{
			Name: "list", Usage: "list the key files of a home", Flags: []cli.Flag{homeFlag(), outputFlag()},
			Action: withOutput(p.listKeys),
		},
		{
			Name: "show", Usage: "print the public part of a key file, which needs no password", ArgsUsage: "FILE", Flags: []cli.Flag{outputFlag()},
			Action: withOutput(func(c *cli.Context, asJSON bool) error {
				info, err := readKeyInfo(c.Args().First())
				if err != nil {
					return err
				}
				return p.printAnswer(asJSON, info, info.describeKeys())
			}),
		},
		p.exportCommand(), p.importCommand(),
	}}
}

func (p *program) generateKeys(c *cli.Context, asJSON bool) error {
	kind := keystore.Kind(c.String("kind"))
	if kind != keystore.KindAccount && kind != keystore.KindNode {
		return newUsageError("kind %.32q, want account or node", string(kind))
	}
	password, err := p.readPassword(c)
	if err != nil {
		return err
	}
	keys, err := home.NewKeys(kind)
	if err != nil {
		return err
	}
	path := c.String("out")
	if err := keystore.Save(path, keys, password); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return withCode("KEY_EXISTS", err)
		}
		return err
	}
	info, err := readKeyInfo(path)
	if err != nil {
		return err
	}
	return p.printAnswer(asJSON, info, info.describeKeys())
}

func (p *program) listKeys(c *cli.Context, asJSON bool) error {
	h, err := home.Open(c.String(flagHome))
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(h.KeysDir())
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	list := []*keyInfo{}
	rows := [][]string{{"KIND", "ADDRESS", "FILE"}}
	for _, e := range entries {
		path := filepath.Join(h.KeysDir(), e.Name())
		if path == h.SigningPath() {
			continue
		}
		info, err := readKeyInfo(path)
		if err != nil {
			return err
		}
		list = append(list, info)
		rows = append(rows, []string{string(info.Kind), info.Address, info.File})
	}
	return p.printAnswer(asJSON, list, formatTable(rows...))
}

func readKeyInfo(path string) (*keyInfo, error) {
	info, err := keystore.Peek(path)
	if err != nil {
		return nil, err
	}
	return &keyInfo{
		File: path, Kind: info.Kind, Address: info.Public.Account.String(), Protected: info.Protected, Public: info.Public,
	}, nil
}

func (k *keyInfo) describeKeys() string {
	rows := [][]string{
		{"file", k.File},
		{"kind", string(k.Kind)},
		{"address", k.Address},
		{"password", map[bool]string{true: "yes", false: "no"}[k.Protected]},
	}
	if k.Kind == keystore.KindNode {
		rows = append(rows, []string{"header key", k.Public.Header.String()}, []string{"consensus key", k.Public.BLS.String()},
			[]string{"beacon key", k.Public.Beacon.String()})
	}
	return formatTable(rows...)
}

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
