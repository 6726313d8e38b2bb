// Package home is a node's directory: configuration, genesis, keys, data, and the lock that lets one process use them.
//
//	config.toml          what differs from the defaults
//	genesis.json         the chain
//	chain.json           the chain that this home belongs to, written once
//	keys/node.json       what the node signs with
//	keys/account.json    the node's account alone, to pay and to sign transactions with
//	keys/signing.json    what the node's consensus key has signed so far; it goes where the key goes
//	data/                the store
//	api.json             where the running node answers
//	crashes.json         the newest ends of the node that nobody asked for
//	panic.txt            what the last of them wrote
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
	ErrExists      = errors.New("home is initialised already")
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

// Content is what a new home starts with.
type Content struct {
	Keys     *keystore.Keys   // of kind node
	Password []byte           // of the key files; empty leaves them open to whoever can read them
	Genesis  *remora.Genesis  // nil: added later as genesis.json
	Config   []byte           // of config.toml
	Signing  *keystore.Record // nil: what the keys have signed is not known
}

// NewSigning returns the record of keys that have just been made.
func NewSigning(k *keystore.Keys) *keystore.Record { return &keystore.Record{Key: k.Public.BLS} }

// Create initialises dir, which must not exist or be empty. Existing homes, and above all their keys, are never touched.
func Create(dir string, c Content) (*Home, error) {
	h, err := at(dir)
	if err != nil {
		return nil, err
	}
	if err := h.vacant(); err != nil {
		return nil, err
	}
	for _, d := range []string{h.dir, h.path(keysDir), h.DataDir()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("create home: %w; choose another --home", err)
		}
	}
	if err := os.Chmod(h.dir, 0o700); err != nil { // an empty directory may have been there, open to others
		return nil, fmt.Errorf("create home: %w", err)
	}
	if c.Genesis != nil {
		if err := h.putGenesis(c.Genesis); err != nil {
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
	// Last: a home with these keys is complete.
	return h, keystore.Save(h.NodeKeyPath(), c.Keys, c.Password)
}

func (h *Home) putGenesis(g *remora.Genesis) error {
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the genesis: %w", err)
	}
	return durable.Replace(h.GenesisPath(), append(text, '\n'))
}

// Open checks that dir is a home that only its owner can enter.
func Open(dir string) (*Home, error) {
	h, err := at(dir)
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

func at(dir string) (*Home, error) {
	if dir == "" {
		return nil, fmt.Errorf("%w: the name is empty; name a directory with --home", ErrNotHome)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotHome, err)
	}
	return &Home{dir: abs}, nil
}

// vacant reports what stands in the way of a new home.
func (h *Home) vacant() error {
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

// chain is what chain.json records.
type chain struct {
	ChainID string      `json:"chain_id"`
	Genesis remora.Hash `json:"genesis"`
}

// Genesis reads and checks the genesis. The first time it records the chain; from then on another genesis is refused.
func (h *Home) Genesis() (*remora.Genesis, error) {
	g, err := ReadGenesis(h.GenesisPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: put the chain's genesis file at %q", ErrNoGenesis, h.GenesisPath())
	}
	if err != nil {
		return nil, err
	}
	now := chain{ChainID: g.ChainID, Genesis: g.Hash()}
	var was chain
	data, err := os.ReadFile(h.path(chainFile))
	if errors.Is(err, fs.ErrNotExist) {
		text, err := json.Marshal(now)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", chainFile, err)
		}
		return g, durable.Replace(h.path(chainFile), append(text, '\n'))
	}
	if err == nil {
		err = json.Unmarshal(data, &was)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", chainFile, err)
	}
	if was != now {
		return nil, fmt.Errorf("%w: it was used with genesis %s (chain %s), genesis.json is %s (chain %s); restore genesis.json or use another --home",
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
