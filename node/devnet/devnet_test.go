package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/home"
)

// founded makes a devnet without starting anything.
func founded(t *testing.T, s Spec) (string, *topology) {
	t.Helper()
	ports, err := findFreeBlock(s.Validators + s.Caches + s.Gateways)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s.PortBase = ports.first
	topo, err := createChain(dir, &s)
	if err := errors.Join(err, ports.releaseClaim()); err != nil {
		t.Fatal(err)
	}
	return dir, topo
}

func TestCreateMakesACompleteChain(t *testing.T) {
	dir, topo := founded(t, Spec{Validators: 3, Epoch: 1e9, Config: map[string]string{"mempool.seal_ms": "50"}})
	back, err := loadTopology(dir)
	if err != nil || !remora.IsDev(back.ChainID) || len(back.Nodes) != 3 || back.ChainID != topo.ChainID {
		t.Fatalf("%+v, %v", back, err)
	}
	g, err := home.ReadGenesis(filepath.Join(dir, genesisFile))
	if err != nil || g.Params.EpochMillis != 1000 || len(g.Validators) != 3 {
		t.Fatalf("%+v, %v", g, err)
	}
	owners := map[remora.Address]bool{}
	ports := map[int]bool{}
	for i, p := range back.Nodes {
		h, err := home.Open(filepath.Join(dir, p.Name))
		if err != nil {
			t.Fatal(err)
		}
		own, err := h.Genesis()
		if err != nil || own.Hash() != g.Hash() {
			t.Errorf("%s: another genesis, %v", p.Name, err)
		}
		conf, err := config.Load(config.Sources{File: h.ConfigPath()})
		if err != nil || conf.RPC.Listen != p.addressAt(p.RPC) || conf.Metrics.Listen != p.addressAt(p.Metrics) || conf.Mempool.SealMillis != 50 {
			t.Errorf("%s: %+v, %v", p.Name, conf, err)
		}
		if v := g.Validators[i]; v.Node.Name != p.Name || !slices.Equal(v.Node.Addrs, conf.P2P.Listen) {
			t.Errorf("%s: genesis says %+v, it listens on %v", p.Name, v.Node, conf.P2P.Listen)
		}
		owners[g.Validators[i].Account] = true
		for _, port := range p.usedPorts() {
			if ports[port] {
				t.Errorf("port %d twice", port)
			}
			ports[port] = true
		}
	}
	if len(back.Accounts) < 4 {
		t.Errorf("%d accounts", len(back.Accounts))
	}
	for _, a := range back.Accounts {
		keys, err := keystore.Load(keyPath(dir, a.Name), nil)
		if err != nil || keys.Public.Account != a.Address || owners[a.Address] {
			t.Errorf("%s: %v, of a node: %v", a.Name, err, owners[a.Address])
		}
		funded := slices.ContainsFunc(g.Accounts, func(f remora.GenesisAccount) bool { return f.Address == a.Address && f.Balance > 0 })
		if !funded {
			t.Errorf("%s has nothing", a.Name)
		}
	}
	if _, err := createChain(dir, &Spec{Validators: 1, Epoch: 1e9}); !errors.Is(err, ErrNoDevnet) {
		t.Errorf("over another devnet: %v", err)
	}
}

// Nodes with hosts of their own are known to each other and to clients by them, over a resumption as well.
func TestHosts(t *testing.T) {
	dir, _ := founded(t, Spec{Validators: 2, Epoch: time.Second, Hosts: []string{"10.77.0.1", "10.77.0.2"}})
	topo, err := loadTopology(dir)
	if err != nil {
		t.Fatal(err)
	}
	g, err := home.ReadGenesis(filepath.Join(dir, genesisFile))
	if err != nil {
		t.Fatal(err)
	}
	second := topo.Nodes[1]
	if want := "/ip4/10.77.0.2/tcp/" + strconv.Itoa(second.P2P); g.Validators[1].Node.Addrs[0] != want {
		t.Errorf("the genesis says %s, want %s", g.Validators[1].Node.Addrs[0], want)
	}
	if want := "http://10.77.0.2:" + strconv.Itoa(second.RPC); second.urlAt(second.RPC) != want {
		t.Errorf("clients find it at %s, want %s", second.urlAt(second.RPC), want)
	}
	d := &Devnet{dir: t.TempDir()}
	if err := d.prepareChain(&Spec{Validators: 3, Hosts: []string{"10.77.0.1"}}); !errors.Is(err, ErrUsage) {
		t.Errorf("one host for three nodes: %v", err)
	}
}

func TestPortBase(t *testing.T) {
	nodes := []*place{{}, {}}
	if err := assignPorts(nodes, 21_000); err != nil {
		t.Fatal(err)
	}
	if nodes[0].usedPorts()[0] != 21_000 || nodes[1].usedPorts()[0] != 21_010 {
		t.Errorf("%+v, %+v", *nodes[0], *nodes[1])
	}
	for _, base := range []int{-1, 65_530, 1 << 40} {
		if err := assignPorts(nodes, base); !errors.Is(err, ErrUsage) {
			t.Errorf("base %d: %v", base, err)
		}
	}
	if err := assignPorts(nodes, 65_516); err != nil {
		t.Errorf("up to the last port: %v", err)
	}
}

// A devnet of which one node listens keeps its whole block to itself, as one does that is being made.
func TestFreeBlocksAreWhole(t *testing.T) {
	b, err := findFreeBlock(15)
	if err != nil || b.first%blockSize != 0 {
		t.Fatal(b, err)
	}
	const size = 2 * blockSize
	if _, err := claimBlock(b.first, size); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("claimed twice: %v", err)
	}
	node, err := listenLocally(b.first + 140)
	if err := errors.Join(err, b.releaseClaim()); err != nil {
		t.Fatal(err)
	}
	if _, err := claimBlock(b.first, size); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("claimed while a node listens: %v", err)
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err = claimBlock(b.first, size); err != nil {
		t.Fatal(err)
	}
	if err := b.releaseClaim(); err != nil {
		t.Fatal(err)
	}
}

// A taken port is refused by the name of the process that has it: here this one.
func TestTakenPortNamesItsHolder(t *testing.T) {
	for _, loopback := range []string{"127.0.0.1:0", "[::]:0"} {
		l, err := net.Listen("tcp", loopback)
		if err != nil {
			t.Skip(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		nodes := []*place{{Name: "validator-0", P2P: port, RPC: port, Metrics: port}}
		err = checkPorts(nodes)
		if !errors.Is(err, ErrPortTaken) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) ||
			!strings.Contains(err.Error(), filepath.Base(os.Args[0])) {
			t.Errorf("%s: %v", loopback, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := checkPorts(nodes); err != nil {
			t.Errorf("%s, free again: %v", loopback, err)
		}
	}
}

func TestUpRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, topologyFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		spec Spec
		want error
	}{
		{Spec{}, ErrUsage},
		{Spec{Home: file, Validators: 1}, ErrNoDevnet},
		{Spec{Home: filepath.Dir(file), Validators: 1}, ErrNoDevnet},
		{Spec{Home: broken, Validators: 1}, ErrNoDevnet},
		{Spec{Home: t.TempDir(), Validators: MaxValidators + 1}, ErrUsage},
		{Spec{Home: t.TempDir(), Validators: -1}, ErrUsage},
		{Spec{Home: t.TempDir(), Validators: 1, Config: map[string]string{"log.level": "loud"}}, config.ErrInvalid},
	} {
		if _, err := Up(t.Context(), tt.spec); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt.spec, err)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNoDevnet) {
		t.Errorf("open nothing: %v", err)
	}
}

// A node that ends at once is noticed at once, with the end of its log.
func TestUpShowsTheLogOfANodeThatFails(t *testing.T) {
	script := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho cannot start >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, err := Up(t.Context(), Spec{Home: dir, Validators: 2, Binary: script})
	if !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "cannot start") {
		t.Errorf("got %v", err)
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	status, err := d.Status()
	if err != nil || slices.ContainsFunc(status.Nodes, func(n NodeStatus) bool { return n.Running || n.Pid != 0 }) {
		t.Errorf("%+v, %v", status, err)
	}
}

// A node does not hold pipes that its starter inherited: a reader of the pipe would wait for the node to end.
func TestNodesInheritNothing(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	inherited, err := syscall.Dup(int(w.Fd())) // without the flag that closes it, as after an exec
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "sleeper")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec tail -f /dev/null\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(script, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-p.ended
	}()
	if err := errors.Join(w.Close(), syscall.Close(inherited), r.SetReadDeadline(time.Now().Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the pipe has not ended: %v", err)
	}
}

// A lock that names a process which does not use the home is not believed: that process is never signalled.
func TestForeignProcessIsNeverSignalled(t *testing.T) {
	dir, topo := founded(t, Spec{Validators: 1, Epoch: 1e9})
	lock, err := home.LockFile(filepath.Join(dir, topo.Nodes[0].Name, "lock")) // held by this process, whose arguments do not name the home
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Kill(t.Context(), topo.Nodes[0].Name); err == nil || !strings.Contains(err.Error(), "is in use by an unknown process") {
		t.Errorf("got %v", err) // and this process still runs
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if err := d.Kill(t.Context(), topo.Nodes[0].Name); err != nil {
		t.Errorf("no process: %v", err)
	}
}

// Two commands never change a devnet at a time: the second waits for the first.
func TestChangesWaitForEachOther(t *testing.T) {
	dir, _ := founded(t, Spec{Validators: 1, Epoch: 1e9})
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	inside, done := make(chan struct{}), make(chan error, 1)
	var first atomic.Bool // the lock of a file is no order of memory
	err = d.withLock(t.Context(), func() error {
		go func() {
			close(inside)
			done <- d.withLock(context.WithoutCancel(t.Context()), func() error {
				if !first.Load() {
					return errors.New("inside before the first was done")
				}
				return nil
			})
		}()
		<-inside
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.withLock(gone, func() error { return nil }); !errors.Is(err, home.ErrLocked) {
			return errors.Join(errors.New("a third did not have to wait"), err)
		}
		first.Store(true)
		return nil
	})
	if err := errors.Join(err, <-done); err != nil {
		t.Error(err)
	}
}

func TestEnvironment(t *testing.T) {
	got := nodeEnvironment([]string{"PATH=/bin", "REMORA_RPC_LISTEN=127.0.0.1:1", "REMORA_HOME=/x", "HOME=/root"})
	if !slices.Equal(got, []string{"PATH=/bin", "HOME=/root"}) {
		t.Errorf("got %v", got)
	}
}

// Scripts rely on the fields of the status.
func TestStatusDocument(t *testing.T) {
	dir, _ := founded(t, Spec{Validators: 1, Epoch: 1e9})
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	status, err := d.Status()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Nodes    []map[string]any
		Accounts []map[string]any
	}
	var top map[string]any
	if err := errors.Join(json.Unmarshal(text, &doc), json.Unmarshal(text, &top)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		object map[string]any
		fields string
	}{
		{top, "chain_id home genesis nodes accounts"},
		{doc.Nodes[0], "name role pid home rpc gateway metrics running"},
		{doc.Accounts[0], "name address key"},
	} {
		for field := range strings.FieldsSeq(want.fields) {
			if _, has := want.object[field]; !has {
				t.Errorf("no %s in %v", field, want.object)
			}
		}
	}
}
