package home

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/keystore"
)

// holdVariable makes the test program hold the lock of the home that it names.
const holdVariable = "REMORA_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVariable); dir != "" {
		if err := hold(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// hold takes the lock, says so, and keeps it until its input ends or it is killed.
func hold(dir string) error {
	h, err := Open(dir)
	if err != nil {
		return err
	}
	if _, err := h.Lock(); err != nil {
		return err
	}
	fmt.Println("held")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

func nodeKeys(t *testing.T) *keystore.Keys {
	t.Helper()
	keys, err := NewKeys(keystore.KindNode)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// genesisOf returns a chain whose only validator has the keys.
func genesisOf(t *testing.T, chainID string, keys *keystore.Keys) *remora.Genesis {
	t.Helper()
	record, err := Record(keys, "alone", remora.RoleValidator, []string{"/ip4/127.0.0.1/tcp/4210"})
	if err != nil {
		t.Fatal(err)
	}
	return &remora.Genesis{
		ChainID: chainID, Time: 1, Params: remora.Params{Rule: "bullshark", BlockWeight: remora.DefaultBlockWeight, QueueBytes: remora.DefaultQueueBytes, GCDepth: 50, EpochMillis: 1000},
		Validators: []remora.GenesisValidator{{Account: keys.Public.Account, Stake: 1, Node: record}},
	}
}

func created(t *testing.T) *Home {
	t.Helper()
	keys := nodeKeys(t)
	h, err := Create(filepath.Join(t.TempDir(), "home"), Content{Keys: keys, Genesis: genesisOf(t, "dev-1", keys), Config: []byte("# none\n")})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestCreateThenOpen(t *testing.T) {
	h := created(t)
	same, err := Open(h.Dir())
	if err != nil || same.Dir() != h.Dir() {
		t.Fatalf("%v, %v", same, err)
	}
	g, err := same.Genesis()
	if err != nil || g.ChainID != "dev-1" {
		t.Fatalf("%v, %v", g, err)
	}
	keys, err := keystore.Load(h.NodeKeyPath(), nil)
	if err != nil {
		t.Fatal(err)
	}
	account, err := keystore.Load(h.AccountKeyPath(), nil)
	if err != nil || account.Kind != keystore.KindAccount || account.Public.Account != keys.Public.Account {
		t.Errorf("account: %v, %v", account, err)
	}
	info, err := os.Stat(h.Dir())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Create and Open refuse each other's situation, and everything that is no home.
func TestCreateAndOpenRefuse(t *testing.T) {
	h := created(t)
	before, err := os.ReadFile(h.NodeKeyPath())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(h.Dir(), Content{Keys: nodeKeys(t)}); !errors.Is(err, ErrExists) {
		t.Errorf("create twice: %v", err)
	}
	if after, err := os.ReadFile(h.NodeKeyPath()); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the keys changed: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string][2]error{
		"":                                 {ErrNotHome, ErrNotHome},
		file:                               {ErrNotHome, ErrNotHome},
		filepath.Dir(file):                 {ErrNotHome, ErrNotHome},
		"/":                                {ErrNotHome, ErrNotHome},
		filepath.Join(t.TempDir(), "none"): {nil, ErrMissing},
	} {
		if _, err := Open(dir); !errors.Is(err, want[1]) {
			t.Errorf("open %q: %v", dir, err)
		}
		if _, err := Create(dir, Content{Keys: nodeKeys(t)}); !errors.Is(err, want[0]) {
			t.Errorf("create %q: %v", dir, err)
		}
	}
}

func TestOpenHomeOfOthers(t *testing.T) {
	h := created(t)
	if err := os.Chmod(h.Dir(), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(h.Dir()); !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("got %v", err)
	}
}

func TestGenesisOfAnotherChain(t *testing.T) {
	keys := nodeKeys(t)
	h, err := Create(filepath.Join(t.TempDir(), "home"), Content{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Genesis(); !errors.Is(err, ErrNoGenesis) {
		t.Errorf("without genesis: %v", err)
	}
	put := func(chainID string) {
		text, err := json.Marshal(genesisOf(t, chainID, keys))
		if err == nil {
			err = os.WriteFile(h.GenesisPath(), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("dev-1")
	for range 2 {
		if _, err := h.Genesis(); err != nil {
			t.Fatal(err)
		}
	}
	put("dev-2")
	if _, err := h.Genesis(); !errors.Is(err, ErrOtherChain) || !strings.Contains(err.Error(), "dev-1") {
		t.Errorf("another chain: %v", err)
	}
	put("dev-1")
	if _, err := h.Genesis(); err != nil {
		t.Errorf("restored: %v", err)
	}
}

// The lock keeps a second process out, names the first, and is free once that was killed.
func TestLockOfAnotherProcess(t *testing.T) {
	h := created(t)
	if _, held, err := h.Running(); held || err != nil {
		t.Fatalf("held before anyone came: %v", err)
	}
	other := exec.Command(os.Args[0], "holder", "of\x1b[31mcolour")
	other.Env = append(os.Environ(), holdVariable+"="+h.Dir())
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	_, err = h.Lock()
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{strconv.Itoa(other.Process.Pid), "holder of?[31mcolour", "since"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	holder, held, err := h.Running()
	if err != nil || !held || holder.Pid != other.Process.Pid {
		t.Errorf("running: %+v, %v, %v", holder, held, err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it was killed
	_ = stdin.Close()
	lock, err := h.Lock()
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, held, err := h.Running(); held || err != nil {
		t.Errorf("held after release: %v", err)
	}
}

func TestAPI(t *testing.T) {
	h := created(t)
	if _, err := h.API(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("never started: %v", err)
	}
	lock, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.API(); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "starting") {
		t.Errorf("starting: %v", err)
	}
	want := API{RPC: "http://127.0.0.1:4240", Pid: os.Getpid()}
	if err := h.Announce(want); err != nil {
		t.Fatal(err)
	}
	if got, err := h.API(); err != nil || got != want {
		t.Errorf("running: %+v, %v", got, err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.API(); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("killed: %v", err)
	}
	if err := os.WriteFile(h.path(apiFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.API(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("an empty file: %v", err)
	}
	if err := errors.Join(h.Withdraw(), h.Withdraw()); err != nil {
		t.Errorf("withdraw: %v", err)
	}
}

func TestRecordProvesItsKeys(t *testing.T) {
	keys := nodeKeys(t)
	n := genesisOf(t, "dev-1", keys).Validators[0].Node
	if err := errors.Join(bls.VerifyPossession(n.Consensus, n.Possession), bls.VerifyPossession(n.Beacon, n.BeaconPoP)); err != nil {
		t.Error(err)
	}
	if _, err := Record(keys, "No Name", remora.RoleValidator, []string{"/ip4/127.0.0.1/tcp/1"}); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("bad name: %v", err)
	}
	if _, err := Record(AccountOf(keys), "a", remora.RoleValidator, []string{"/x"}); !errors.Is(err, keystore.ErrKeys) {
		t.Errorf("keys of an account: %v", err)
	}
}

// A key file whose halves do not belong together is refused before anything is signed.
func TestParseChecksHalves(t *testing.T) {
	for name, spoil := range map[string]func(k, other *keystore.Keys){
		"account":   func(k, o *keystore.Keys) { k.Public.Account = o.Public.Account },
		"header":    func(k, o *keystore.Keys) { k.Public.Header = o.Public.Header },
		"consensus": func(k, o *keystore.Keys) { k.Public.BLS = o.Public.BLS },
		"beacon":    func(k, o *keystore.Keys) { k.Public.Beacon = o.Public.Beacon },
	} {
		keys := nodeKeys(t)
		if _, err := Parse(keys); err != nil {
			t.Fatal(err)
		}
		spoil(keys, nodeKeys(t))
		if _, err := Parse(keys); !errors.Is(err, keystore.ErrKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
