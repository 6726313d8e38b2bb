package devnet

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/home"
)

// The parameters of a new chain, amounts in base units.
const (
	accountBalance = remora.Amount(1_000_000_000_000)
	nodeBalance    = remora.Amount(1_000_000_000)
	nodeStake      = remora.Amount(1_000_000)
	minFee         = remora.Amount(10)
	weightPrice    = remora.Amount(17) // a transfer costs about 170
	gcDepth        = remora.Round(50)
	pricePerMiB    = remora.Amount(100_000) // claims of about a MiB pay for their own transactions
	treasury       = 50                     // per mille of settled claims
)

// accountNames are the names of the funded accounts.
var accountNames = []string{"alice", "bob", "carol", "dave", "erin", "frank"}

// createChain creates a chain in dir: genesis, homes, funded accounts. The topology comes last: it marks the devnet as complete.
func createChain(dir string, s *Spec) (*topology, error) {
	if err := checkVacant(dir); err != nil {
		return nil, err
	}
	t := &topology{ChainID: "dev-" + randomSuffix()}
	for _, kind := range s.roleCounts() {
		for i := range kind.n {
			t.Nodes = append(t.Nodes, &place{Name: kind.role + "-" + strconv.Itoa(i), Role: kind.role})
		}
	}
	if n := len(s.Hosts); n > 0 && n != len(t.Nodes) {
		return nil, fmt.Errorf("%w: %d hosts for %d nodes", ErrUsage, n, len(t.Nodes))
	}
	for i, host := range s.Hosts {
		t.Nodes[i].Host = host
	}
	if err := assignPorts(t.Nodes, s.PortBase); err != nil {
		return nil, err
	}
	if err := checkPorts(t.Nodes); err != nil {
		return nil, err
	}
	g := &remora.Genesis{
		ChainID: t.ChainID,
		Time:    remora.Millis(time.Now().UnixMilli()),
		Params: remora.Params{
			Rule: "bullshark", BlockWeight: remora.DefaultBlockWeight, QueueBytes: remora.DefaultQueueBytes, GCDepth: gcDepth, EpochMillis: remora.Millis(s.Epoch.Milliseconds()), EpochBlocks: epochBlocks(s.Epoch),
			MinFee: minFee, WeightPrice: weightPrice, PricePerMiB: pricePerMiB, TreasuryPerMille: treasury,
		},
	}
	if err := createAccounts(dir, t, g); err != nil {
		return nil, err
	}
	if err := createHomes(dir, t, g, s.Config); err != nil {
		return nil, err
	}
	return t, t.saveTopology(dir)
}

// checkVacant refuses a directory with files other than the lock.
func checkVacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNoDevnet, err)
	}
	for _, e := range entries {
		if e.Name() != lockFile {
			return fmt.Errorf("%w: %q holds files but no complete devnet; choose another --home or remove it", ErrNoDevnet, dir)
		}
	}
	return nil
}

func randomSuffix() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// createAccounts writes the accounts' key files, without password, and adds the accounts to topology and genesis.
func createAccounts(dir string, t *topology, g *remora.Genesis) error {
	if err := os.Mkdir(filepath.Join(dir, accountsDir), 0o700); err != nil {
		return fmt.Errorf("create accounts: %w", err)
	}
	for _, name := range accountNames {
		keys, err := home.NewKeys(keystore.KindAccount)
		if err != nil {
			return err
		}
		if err := keystore.Save(keyPath(dir, name), keys, nil); err != nil {
			return err
		}
		t.Accounts = append(t.Accounts, allotment{Name: name, Address: keys.Public.Account})
		g.Accounts = append(g.Accounts, remora.GenesisAccount{Address: keys.Public.Account, Balance: accountBalance})
	}
	return nil
}

// createHomes generates the nodes' keys, completes the genesis with them, and creates the homes.
func createHomes(dir string, t *topology, g *remora.Genesis, extra map[string]string) error {
	all := make([]*keystore.Keys, len(t.Nodes))
	for i, p := range t.Nodes {
		keys, err := home.NewKeys(keystore.KindNode)
		if err != nil {
			return err
		}
		record, err := home.Record(keys, p.Name, remora.RoleValidator, []string{p.multiaddrAt(p.P2P)})
		if err != nil {
			return err
		}
		all[i] = keys
		if p.Role == RoleValidator { // the others register themselves
			g.Validators = append(g.Validators, remora.GenesisValidator{Account: keys.Public.Account, Stake: nodeStake, Node: record})
		}
		g.Accounts = append(g.Accounts, remora.GenesisAccount{Address: keys.Public.Account, Balance: nodeBalance})
	}
	if err := g.Check(); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	for i, p := range t.Nodes {
		file, err := renderConfig(p, extra)
		if err != nil {
			return err
		}
		content := home.Content{Keys: all[i], Signing: home.NewSigning(all[i]), Genesis: g, Config: file}
		if _, err := home.Create(filepath.Join(dir, p.Name), content); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the genesis: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, genesisFile), append(text, '\n'), 0o600)
}

// renderConfig returns a node's configuration: its ports, and the settings of the spec.
func renderConfig(p *place, extra map[string]string) ([]byte, error) {
	values := map[string]string{
		"p2p.listen": p.multiaddrAt(p.P2P), "rpc.listen": p.addressAt(p.RPC), "metrics.listen": p.addressAt(p.Metrics),
	}
	if p.Role != RoleValidator {
		values["node.name"], values["node.roles"] = p.Name, p.Role
	}
	if p.Role == RoleGateway {
		values["gateway.listen"] = p.addressAt(p.Gateway)
	}
	maps.Copy(values, extra)
	return config.Render(values)
}

func keyPath(dir, name string) string { return filepath.Join(dir, accountsDir, name+".json") }

// epochBlocks returns the least number of blocks in an epoch of a length: 16, or about as many as an idle chain makes in a
// shorter one, at one a second.
func epochBlocks(length time.Duration) remora.Height {
	return min(remora.DefaultEpochBlocks, remora.Height(length/time.Second)+1)
}
