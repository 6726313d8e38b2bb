package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/home"
)

// Names of flags that several commands share.
const (
	flagOutput   = "output"
	flagNode     = "node"
	flagHome     = "home"
	flagKey      = "key"
	flagPassword = "password-file"
	flagGenesis  = "genesis"
	flagFrom     = "from"
	flagFor      = "for"
	flagTimeout  = "timeout"
)

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: flagOutput, Aliases: []string{"o"}, Value: "text", Usage: "text or json"}
}

func nodeFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagNode, EnvVars: []string{"REMORA_NODE"}, Usage: "URL of the node to ask (default: the node that runs in --home, or http://127.0.0.1:4240)",
	}
}

func homeFlag() cli.Flag {
	return &cli.StringFlag{Name: flagHome, EnvVars: []string{"REMORA_HOME"}, Value: defaultHome(), Usage: "home directory of the node"}
}

func keyFlag() cli.Flag {
	return &cli.StringFlag{Name: flagKey, Required: true, Usage: "key file to sign with"}
}

func passwordFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagPassword, EnvVars: []string{"REMORA_PASSWORD_FILE"}, Usage: "file whose first line is the password of the key file; - for stdin",
	}
}

func genesisFlag() cli.Flag {
	return &cli.StringFlag{Name: flagGenesis, Usage: "genesis file of the chain, the root of all trust"}
}

func defaultHome() string {
	dir, err := os.UserHomeDir()
	if err != nil {
		return ".remora"
	}
	return filepath.Join(dir, ".remora")
}

// wantsJSON reports whether -o asks for JSON.
func wantsJSON(c *cli.Context) (bool, error) {
	switch format := c.String(flagOutput); format {
	case "json":
		return true, nil
	case "text":
		return false, nil
	default:
		return false, newUsageError("output %.32q, want text or json", format)
	}
}

// action is a command that prints its answer as JSON or as text.
type action func(c *cli.Context, asJSON bool) error

// withOutput adapts an action for the library.
func withOutput(a action) cli.ActionFunc {
	return func(c *cli.Context) error {
		asJSON, err := wantsJSON(c)
		if err == nil {
			err = a(c, asJSON)
		}
		var usage *usageError
		if errors.As(err, &usage) && usage.command == "" {
			usage.command = c.Command.HelpName
		}
		return err
	}
}

// askNode calls use with a client of the node that the command line names, and with the time limit of --timeout.
func askNode(c *cli.Context, use func(ctx context.Context, node *client.Client) error) error {
	url, err := nodeURL(c)
	if err != nil {
		return err
	}
	node, err := client.New(url)
	if err != nil {
		return newUsageError("%v", err)
	}
	defer node.Close()
	ctx := c.Context
	if limit := c.Duration(flagTimeout); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return use(ctx, node)
}

// nodeURL returns the URL of --node, else that of the node of --home, else the default.
func nodeURL(c *cli.Context) (string, error) {
	if url := c.String(flagNode); url != "" {
		return url, nil
	}
	h, err := home.Open(c.String(flagHome))
	if err != nil {
		if c.IsSet(flagHome) {
			return "", err
		}
		return "http://" + config.Default().RPC.Listen, nil
	}
	api, err := h.API()
	return api.RPC, err
}

// nodeFlags adds the flags of a command that asks a node.
func nodeFlags(more ...cli.Flag) []cli.Flag {
	return append(more, nodeFlag(), homeFlag(), outputFlag())
}

// readPassword reads the password file, or returns nil if none is named.
func (p *program) readPassword(c *cli.Context) ([]byte, error) {
	var in io.Reader
	switch path := c.String(flagPassword); path {
	case "":
		return nil, nil
	case "-":
		in = p.in
	default:
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
		defer f.Close()
		in = f
	}
	const limit = 4 << 10
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	if first = bytes.TrimSuffix(first, []byte("\r")); len(first) == 0 || len(data) > limit {
		return nil, newUsageError("the first line of the password file is empty, or the file has over %d bytes", limit)
	}
	return first, nil
}

// loadKeys opens a key file, with the password file if it has a password.
func (p *program) loadKeys(c *cli.Context, path string) (*keystore.Keys, error) {
	info, err := keystore.Peek(path)
	if err != nil {
		return nil, err
	}
	var password []byte
	if info.Protected {
		if password, err = p.readPassword(c); err != nil {
			return nil, err
		}
		if password == nil {
			return nil, newCodedError("KEY_PASSWORD", "key file %q has a password: name the file that holds it with --password-file", path)
		}
	}
	return keystore.Load(path, password)
}

// loadSigner opens the account's key in the file of --key.
func (p *program) loadSigner(c *cli.Context) (*ed25519.PrivateKey, error) {
	keys, err := p.loadKeys(c, c.String(flagKey))
	if err != nil {
		return nil, err
	}
	return home.Account(keys)
}

// formatTable aligns the columns of rows.
func formatTable(rows ...[]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var out strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&out, "%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
	return b.String()
}
