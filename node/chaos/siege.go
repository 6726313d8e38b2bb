package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/chaos/attack"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
)

// traitor is the validator whose place an attacking member takes.
const traitor = "validator-3"

// Siege is a devnet with validators, caches and a gateway, clients that send transfers through its honest nodes, and an
// attacker in a process of its own.
type Siege struct {
	net     *devnet.Devnet
	status  *devnet.Status
	genesis *remora.Genesis
	nodes   []*client.Client      // by status.Nodes
	keys    []*ed25519.PrivateKey // by status.Accounts
	records []client.Node
	poor    string                // key file of an account with one fee
	hostile []*ed25519.PrivateKey // of the accounts of attackers
	held    remora.Amount         // by them, when it was last asked
}

// siegeEpoch is longer than a siege: what expires does not help the defence.
const siegeEpoch = 10 * time.Minute

// Besiege starts the network in a directory.
func Besiege(ctx context.Context, dir, binary string) (*Siege, error) {
	s := new(Siege)
	spec := devnet.Spec{Home: filepath.Join(dir, "net"), Validators: Validators, Caches: 2, Gateways: 1, Epoch: siegeEpoch, Binary: binary}
	if end, limited := ctx.Deadline(); limited {
		spec.For = time.Until(end) + graceTime
	}
	var err error
	if s.net, err = devnet.Up(ctx, spec); err != nil {
		return nil, err
	}
	if err := s.meetNodes(ctx, dir); err != nil {
		return nil, errors.Join(err, s.Down())
	}
	return s, nil
}

// Down ends every node.
func (s *Siege) Down() error {
	for _, c := range s.nodes {
		c.Close()
	}
	return s.net.Down(context.Background())
}

func (s *Siege) meetNodes(ctx context.Context, dir string) (err error) {
	if s.status, err = s.net.Status(); err != nil {
		return err
	}
	if s.genesis, err = home.ReadGenesis(s.status.Genesis); err != nil {
		return err
	}
	for _, node := range s.status.Nodes {
		c, err := client.New(node.RPC)
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, c)
	}
	for _, account := range s.status.Accounts {
		key, err := home.OpenAccount(account.Key)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, key)
	}
	err = devnet.Poll(ctx, func() (bool, error) { // caches and gateways register themselves
		s.records, err = s.nodes[0].AllNodes(ctx)
		return len(s.records) == len(s.nodes), err
	})
	if err != nil {
		return err
	}
	return s.fundPoor(ctx, filepath.Join(dir, "poor.json"))
}

// fundPoor creates an account that can pay for one transfer.
func (s *Siege) fundPoor(ctx context.Context, path string) error {
	keys, err := home.NewKeys(keystore.KindAccount)
	if err != nil {
		return err
	}
	if err := keystore.Save(path, keys, nil); err != nil {
		return err
	}
	key, err := home.Account(keys)
	if err != nil {
		return err
	}
	s.poor, s.hostile = path, []*ed25519.PrivateKey{s.keys[len(s.keys)-2], key}
	draft := client.Draft{Kind: remora.KindTransfer, Body: remora.Transfer{To: key.Public(), Amount: 1}}
	tx, err := remora.DecodeTx(client.Sign(key, s.genesis, draft, client.Nonce{}))
	if err != nil {
		return err
	}
	_, err = s.nodes[0].Transfer(ctx, s.keys[len(s.keys)-1], key.Public(), tx.Fee+2, true)
	return err
}

// Attacker is an attacker's process.
type Attacker struct {
	kind string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// isMember reports whether an attack is one of a member of the committee.
func isMember(kind string) bool { return strings.HasPrefix(kind, "member-") }

func isStranger(kind string) bool { return strings.HasPrefix(kind, "stranger-") }

// restartCache restarts a cache when strangers have had time to take their places, and returns how long it takes until
// the cache is ready.
func (s *Siege) restartCache(ctx context.Context) (time.Duration, error) {
	devnet.Pause(ctx, 2*time.Second)
	cache := s.status.Nodes[s.find("cache-0")]
	if err := s.net.Stop(ctx, cache.Name); err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := s.net.Start(ctx, cache.Name); err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, 2*recoverMost)
	defer cancel()
	err := devnet.Poll(limited, func() (bool, error) {
		return strings.Contains(fetchText(limited, cache.RPC+"/readyz"), `"ready":true`), nil
	})
	took := time.Since(begin)
	if err != nil && limited.Err() != nil {
		err = ctx.Err()
	}
	if err == nil {
		s.status, err = s.net.Status() // its process is another one
	}
	return took, err
}

// Prepare starts an attacker, which takes its place and waits. One of the committee takes that of a validator that is stopped
// for it.
func (s *Siege) Prepare(ctx context.Context, kind string, percent int) (*Attacker, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	order := s.orderAttack(kind)
	order.Percent = percent
	if isMember(kind) {
		if err := s.net.Stop(ctx, traitor); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, program, order.Home) // the devnet knows the user of a home by its arguments
	cmd.Env, cmd.Stderr = append(os.Environ(), attack.Mark+"=1"), os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the attacker: %w", err)
	}
	a := &Attacker{kind: kind, cmd: cmd, in: in, out: bufio.NewReader(out)}
	line, err := json.Marshal(order)
	if err == nil {
		_, err = in.Write(append(line, '\n'))
	}
	var ready string
	if err == nil {
		ready, err = a.out.ReadString('\n')
	}
	if err != nil || ready != "ready\n" {
		return nil, fmt.Errorf("the attacker %s is not ready: %w: %w", kind, err, a.end())
	}
	return a, nil
}

// orderAttack returns what an attacker has to know.
func (s *Siege) orderAttack(kind string) attack.Order {
	accounts := s.status.Accounts
	o := attack.Order{
		Kind: kind, Genesis: s.status.Genesis, Account: accounts[len(accounts)-2].Key, Poor: s.poor, Victim: accounts[0].Address,
		Home: s.status.Nodes[s.find(traitor)].Home,
	}
	for _, node := range s.status.Nodes {
		i := slices.IndexFunc(s.records, func(r client.Node) bool { return r.Name == node.Name })
		if node.Role == devnet.RoleCache {
			o.Cache = s.records[i].Address.String()
		}
		if strings.HasPrefix(kind, "client-") && node.Role != devnet.RoleValidator || node.Name == traitor {
			continue
		}
		o.Targets = append(o.Targets, attack.Target{Name: node.Name, RPC: node.RPC, Peer: s.records[i].PeerID, P2P: s.records[i].Addrs[0]})
	}
	return o
}

func (s *Siege) find(name string) int {
	return slices.IndexFunc(s.status.Nodes, func(n devnet.NodeStatus) bool { return n.Name == name })
}

// Begin lets the attack begin.
func (a *Attacker) Begin() error {
	_, err := a.in.Write([]byte("go\n"))
	return err
}

// CPU returns the processor time that the attacker has used.
func (a *Attacker) CPU() time.Duration {
	used, err := devnet.CPUTime(a.cmd.Process.Pid)
	if err != nil {
		return 0
	}
	return used
}

// patience is the time that an attacker has to end by itself.
const patience = 5 * time.Second

func (a *Attacker) end() error {
	err := a.in.Close()
	kill := time.AfterFunc(patience, func() { _ = a.cmd.Process.Kill() })
	defer kill.Stop()
	failed := a.cmd.Wait()
	if a.cmd.ProcessState.ExitCode() < 0 { // a member that has too much to write is killed, and its home survives that
		failed = nil
	}
	return errors.Join(err, failed)
}

// End ends an attack, and starts the validator whose place it had.
func (s *Siege) End(ctx context.Context, a *Attacker) error {
	failed := a.end()
	if !isMember(a.kind) {
		return failed
	}
	return errors.Join(failed, s.net.Start(ctx, traitor))
}
