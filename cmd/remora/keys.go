package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/crypto/keystore"
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
