// Package home manages a node's directory. Create makes one, Open checks one, and Lock makes this process its only user:
//
//	config.toml          settings that differ from the defaults
//	genesis.json         the chain
//	chain.json           the chain that this home belongs to, written once
//	keys/node.json       the node's keys
//	keys/account.json    the key of the node's account alone, for paying and signing transactions
//	keys/signing.json    how far the consensus key has signed; it moves with the key
//	data/                the store
//	api.json             URLs of the running node
//	crashes.json         the newest crashes
//	panic.txt            output of the last panic
//	lock                 held by the running node
package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/durable"
	"github.com/remora-network/remora/crypto/keystore"
)

// Errors to branch on with errors.Is.
var (
	ErrExists      = errors.New("home is already initialised")
	ErrMissing     = errors.New("no home here")
	ErrNotHome     = errors.New("not a home")
	ErrPermissions = errors.New("home is open to other users")
	ErrNoGenesis   = errors.New("home has no genesis yet")
	ErrOtherChain  = errors.New("home belongs to another chain")
	ErrLocked      = errors.New("home is in use")
	ErrNotRunning  = errors.New("no node is running")
)

// Home is an initialised directory. It holds no resource.
type Home struct{ dir string }

// Content is the initial content of a home.
type Content struct {
	Keys     *keystore.Keys   // of kind node
	Password []byte           // of the key files; empty: anyone who can read them can open them
	Genesis  *remora.Genesis  // nil: added later as genesis.json
	Config   []byte           // of config.toml
	Signing  *keystore.Record // nil: unknown
}

// NewSigning returns the signing record of new keys.
func NewSigning(k *keystore.Keys) *keystore.Record { return &keystore.Record{Key: k.Public.BLS} }

// Create initialises dir, which must be missing or empty. It never touches an existing home.
func Create(dir string, c Content) (*Home, error) {
	h, err := resolveHome(dir)
	if err != nil {
		return nil, err
	}
	if err := h.checkVacant(); err != nil {
		return nil, err
	}
	for _, d := range []string{h.dir, h.path(keysDir), h.DataDir()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("create home: %w; choose another --home", err)
		}
	}
	if err := os.Chmod(h.dir, 0o700); err != nil { // it may have existed with other permissions
		return nil, fmt.Errorf("create home: %w", err)
	}
	if c.Genesis != nil {
		if err := h.writeGenesis(c.Genesis); err != nil {
			return nil, err
		}
	}
	if err := durable.Replace(h.ConfigPath(), c.Config); err != nil {
		return nil, err
	}
	if err := keystore.Save(h.AccountKeyPath(), AccountOf(c.Keys), c.Password); err != nil {
		return nil, err
	}
	if c.Signing != nil {
		if err := keystore.SaveRecord(h.SigningPath(), *c.Signing); err != nil {
			return nil, err
		}
	}
	// The node's keys come last: they mark the home as complete.
	return h, keystore.Save(h.NodeKeyPath(), c.Keys, c.Password)
}

func (h *Home) writeGenesis(g *remora.Genesis) error {
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the genesis: %w", err)
	}
	return durable.Replace(h.GenesisPath(), append(text, '\n'))
}

// Open checks that dir is a home that only its owner can access.
func Open(dir string) (*Home, error) {
	h, err := resolveHome(dir)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(h.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %q does not exist; create it with remora init --home %q", ErrMissing, h.dir, h.dir)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotHome, err)
	case !info.IsDir():
		return nil, fmt.Errorf("%w: %q is not a directory", ErrNotHome, h.dir)
	}
	if _, err := os.Stat(h.NodeKeyPath()); err != nil {
		return nil, fmt.Errorf("%w: %q has no %s; create a home with remora init --home DIR", ErrNotHome, h.dir, nodeKeyFile)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("%w: %q has mode %04o; run chmod 700 %q", ErrPermissions, h.dir, perm, h.dir)
	}
	return h, nil
}

func resolveHome(dir string) (*Home, error) {
	if dir == "" {
		return nil, fmt.Errorf("%w: the path is empty; name a directory with --home", ErrNotHome)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotHome, err)
	}
	return &Home{dir: abs}, nil
}

// checkVacant returns an error if a new home cannot be created here.
func (h *Home) checkVacant() error {
	entries, err := os.ReadDir(h.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w; choose another --home", ErrNotHome, err)
	case len(entries) == 0:
		return nil
	}
	if _, err := os.Stat(h.NodeKeyPath()); err == nil {
		return fmt.Errorf("%w: %q; start it with remora run, or choose another --home (keys are never overwritten)", ErrExists, h.dir)
	}
	return fmt.Errorf("%w: %q holds other files; choose an empty or new directory", ErrNotHome, h.dir)
}

// Names inside a home.
const (
	configFile     = "config.toml"
	genesisFile    = "genesis.json"
	chainFile      = "chain.json"
	keysDir        = "keys"
	nodeKeyFile    = "keys/node.json"
	accountKeyFile = "keys/account.json"
	signingFile    = "keys/signing.json"
	dataDir        = "data"
	apiFile        = "api.json"
	lockFile       = "lock"
	crashFile      = "crashes.json"
	panicFile      = "panic.txt"
)

func (h *Home) path(name string) string { return filepath.Join(h.dir, name) }

func (h *Home) writeJSON(name string, doc any) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return durable.Replace(h.path(name), append(text, '\n'))
}

// readJSON decodes a file into doc and reports whether the file exists.
func (h *Home) readJSON(name string, doc any) (exists bool, err error) {
	data, err := os.ReadFile(h.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, doc)
	}
	if err != nil {
		return true, fmt.Errorf("read %s: %w", name, err)
	}
	return true, nil
}

func (h *Home) removeFile(name string) error {
	if err := os.Remove(h.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Dir returns the absolute path of the home.
func (h *Home) Dir() string { return h.dir }

// ConfigPath returns the path of the configuration file.
func (h *Home) ConfigPath() string { return h.path(configFile) }

// GenesisPath returns the path of the genesis file.
func (h *Home) GenesisPath() string { return h.path(genesisFile) }

// NodeKeyPath returns the path of the node's key file.
func (h *Home) NodeKeyPath() string { return h.path(nodeKeyFile) }

// AccountKeyPath returns the path of the account's key file.
func (h *Home) AccountKeyPath() string { return h.path(accountKeyFile) }

// SigningPath returns the path of the node's signing record.
func (h *Home) SigningPath() string { return h.path(signingFile) }

// DataDir returns the directory of the store.
func (h *Home) DataDir() string { return h.path(dataDir) }

// KeysDir returns the directory of the key files.
func (h *Home) KeysDir() string { return h.path(keysDir) }

// chain is the content of chain.json.
type chain struct {
	ChainID string      `json:"chain_id"`
	Genesis remora.Hash `json:"genesis"`
}

// Genesis reads and checks the genesis. The first call binds the home to its chain; later calls refuse any other.
func (h *Home) Genesis() (*remora.Genesis, error) {
	g, err := ReadGenesis(h.GenesisPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; put the chain's genesis file at %q", ErrNoGenesis, h.GenesisPath())
	}
	if err != nil {
		return nil, err
	}
	now := chain{ChainID: g.ChainID, Genesis: g.Hash()}
	var was chain
	exists, err := h.readJSON(chainFile, &was)
	switch {
	case err != nil:
		return nil, err
	case !exists:
		return g, h.writeJSON(chainFile, now)
	case was != now:
		return nil, fmt.Errorf("%w: the home was used with genesis %s (chain %s), genesis.json has %s (chain %s); restore genesis.json or use another --home",
			ErrOtherChain, was.Genesis, was.ChainID, now.Genesis, now.ChainID)
	}
	return g, nil
}

// ReadGenesis reads and checks a genesis file.
func ReadGenesis(path string) (*remora.Genesis, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, remora.MaxGenesisBytes+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	g, err := remora.ParseGenesis(data)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return g, nil
}
