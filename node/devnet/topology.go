package devnet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/durable"
)

// Names inside a devnet's directory. Each node's home is a folder of the node's name.
const (
	topologyFile = "devnet.json"
	genesisFile  = "genesis.json"
	accountsDir  = "accounts"
	lockFile     = "lock"
	logFile      = "log" // inside a node's home
)

// topology is the content of devnet.json: the nodes with their ports, which stay the same over restarts.
type topology struct {
	ChainID  string      `json:"chain_id"`
	Deadline time.Time   `json:"deadline,omitzero"` // when all nodes stop
	Nodes    []*place    `json:"nodes"`
	Accounts []allotment `json:"accounts"`
}

// place is a node with its ports.
type place struct {
	Name    string `json:"name"`
	Role    string `json:"role"`
	Host    string `json:"host,omitempty"` // IPv4 address; empty: loopback
	P2P     int    `json:"p2p"`
	RPC     int    `json:"rpc"`
	Metrics int    `json:"metrics"`
	Gateway int    `json:"gateway,omitempty"` // 0 unless the node is one
}

// allotment is a funded account of a user.
type allotment struct {
	Name    string         `json:"name"`
	Address remora.Address `json:"address"`
}

func (p *place) hostOrLoopback() string { return cmp.Or(p.Host, loopback) }

func (p *place) multiaddrAt(port int) string {
	return "/ip4/" + p.hostOrLoopback() + "/tcp/" + strconv.Itoa(port)
}

func (p *place) addressAt(port int) string { return p.hostOrLoopback() + ":" + strconv.Itoa(port) }

func (p *place) urlAt(port int) string { return "http://" + p.addressAt(port) }

func (p *place) usedPorts() []int {
	ports := []int{p.P2P, p.RPC, p.Metrics}
	if p.Role == RoleGateway {
		ports = append(ports, p.Gateway)
	}
	return ports
}

func (t *topology) countRole(role string) int {
	n := 0
	for _, p := range t.Nodes {
		if p.Role == role {
			n++
		}
	}
	return n
}

func (t *topology) findNode(name string) (*place, error) {
	i := slices.IndexFunc(t.Nodes, func(p *place) bool { return p.Name == name })
	if i < 0 {
		var names []string
		for _, p := range t.Nodes {
			names = append(names, p.Name)
		}
		return nil, fmt.Errorf("%w: %.64q; the nodes are %v", ErrUnknownNode, name, names)
	}
	return t.Nodes[i], nil
}

// loadTopology returns nil if dir has no topology.
func loadTopology(dir string) (*topology, error) {
	data, err := os.ReadFile(filepath.Join(dir, topologyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	t := new(topology)
	if err == nil {
		err = json.Unmarshal(data, t)
	}
	if err == nil && (len(t.Nodes) == 0 || slices.Contains(t.Nodes, nil)) {
		err = errors.New("it has no nodes")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: read %s: %w; remove %q to start over", ErrNoDevnet, topologyFile, err, dir)
	}
	return t, nil
}

// saveTopology replaces the file. A crash leaves the old one or the new one.
func (t *topology) saveTopology(dir string) error {
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", topologyFile, err)
	}
	return durable.Replace(filepath.Join(dir, topologyFile), append(text, '\n'))
}
