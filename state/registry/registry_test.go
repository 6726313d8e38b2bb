package registry_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

var alice, bob = remora.Address{1}, remora.Address{2}

// prover accepts a proof that starts as its key does, and counts.
type prover struct{ asked int }

func (p *prover) Holds(s verdict.Statement) bool {
	p.asked++
	possession, ok := s.(verdict.Possession)
	return ok && possession.Proof[0] == possession.Public[0]
}

// validNode returns a valid record whose keys all differ from those of another id.
func validNode(id byte, name string) *remora.Node {
	n := &remora.Node{
		Name: name, Roles: remora.RoleCache, Header: remora.Address{id},
		PeerID: "peer" + string('a'+rune(id)), Addrs: []string{"/ip4/127.0.0.1/tcp/1"},
	}
	n.Consensus, n.Beacon = remora.BLSPublicKey{id, 1}, remora.BLSPublicKey{id, 2}
	n.Possession, n.BeaconPoP = remora.BLSSignature{id}, remora.BLSSignature{id}
	return n
}

func registerCode(t *testing.T, o *table.Overlay, p *prover, account remora.Address, n *remora.Node) remora.Code {
	t.Helper()
	err := registry.Register(o, p, account, n)
	var r *remora.Rejection
	switch {
	case err == nil:
		return remora.CodeOK
	case errors.As(err, &r):
		return r.Code
	}
	t.Fatal(err)
	return 0
}

func mustRegister(t *testing.T, o *table.Overlay, account remora.Address, n *remora.Node) {
	t.Helper()
	if code := registerCode(t, o, new(prover), account, n); code != remora.CodeOK {
		t.Fatal(code)
	}
}

func holderOf(t *testing.T, account remora.Address, exists bool, err error) string {
	t.Helper()
	switch {
	case err != nil:
		t.Fatal(err)
	case !exists:
		return "nobody"
	case account == alice:
		return "alice"
	}
	return "bob"
}

func byName(t *testing.T, v table.View, name string) string {
	t.Helper()
	account, exists, err := registry.ByName(v, name)
	return holderOf(t, account, exists, err)
}

func byKey(t *testing.T, v table.View, key string) string {
	t.Helper()
	account, exists, err := registry.ByKey(v, key)
	return holderOf(t, account, exists, err)
}

func TestRegister(t *testing.T) {
	o := table.NewOverlay(new(table.Memory))
	n := validNode(1, "one")
	mustRegister(t, o, alice, n)
	got, exists, err := registry.Get(o, alice)
	if diff := cmp.Diff(*n, got, cmpopts.IgnoreUnexported(remora.Node{})); err != nil || !exists || diff != "" {
		t.Errorf("node (exists %v, %v, -want +got):\n%s", exists, err, diff)
	}
	for _, key := range []string{string(n.Consensus[:]), string(n.Beacon[:]), string(n.Header[:]), n.PeerID} {
		if who := byKey(t, o, key); who != "alice" {
			t.Errorf("key %x belongs to %s", key, who)
		}
	}
	if who := byName(t, o, "one"); who != "alice" {
		t.Errorf("the name belongs to %s", who)
	}
}

// TestEachKeyIsUnique lets bob register with one key of alice at a time, in either of the two places where a key of
// that type can stand.
func TestEachKeyIsUnique(t *testing.T) {
	a := validNode(1, "one")
	for name, take := range map[string]func(n *remora.Node){
		"consensus":           func(n *remora.Node) { n.Consensus = a.Consensus },
		"beacon":              func(n *remora.Node) { n.Beacon = a.Beacon },
		"consensus as beacon": func(n *remora.Node) { n.Beacon = a.Consensus },
		"beacon as consensus": func(n *remora.Node) { n.Consensus = a.Beacon },
		"header":              func(n *remora.Node) { n.Header = a.Header },
		"peer id":             func(n *remora.Node) { n.PeerID = a.PeerID },
	} {
		o := table.NewOverlay(new(table.Memory))
		mustRegister(t, o, alice, a)
		o.Checkpoint()
		n := validNode(2, "two")
		take(n)
		if code := registerCode(t, o, new(prover), bob, n); code != remora.CodeNodeExists {
			t.Errorf("%s: %s", name, code)
		}
		if who := byName(t, o, "two"); who != "nobody" {
			t.Errorf("%s: the refused node's name belongs to %s", name, who)
		}
	}
}

func TestNameIsUnique(t *testing.T) {
	o := table.NewOverlay(new(table.Memory))
	mustRegister(t, o, alice, validNode(1, "one"))
	if code := registerCode(t, o, new(prover), bob, validNode(2, "one")); code != remora.CodeNameTaken {
		t.Errorf("%s, want %s", code, remora.CodeNameTaken)
	}
}

// TestUpdate changes all fields of a node: the old name and keys are free again, the new ones are taken.
func TestUpdate(t *testing.T) {
	o := table.NewOverlay(new(table.Memory))
	before, after := validNode(1, "one"), validNode(2, "two")
	mustRegister(t, o, alice, before)
	mustRegister(t, o, alice, after)
	if who := byName(t, o, "one"); who != "nobody" {
		t.Errorf("the old name belongs to %s", who)
	}
	mustRegister(t, o, bob, before)
	for _, want := range []struct {
		who  string
		node *remora.Node
	}{{"bob", before}, {"alice", after}} {
		if who := byName(t, o, want.node.Name); who != want.who {
			t.Errorf("name %s belongs to %s, want %s", want.node.Name, who, want.who)
		}
		if who := byKey(t, o, want.node.PeerID); who != want.who {
			t.Errorf("peer id of %s belongs to %s, want %s", want.node.Name, who, want.who)
		}
	}
}

// TestUpdateProvesNewKeysOnly checks that a change of address is cheap and a change of key is proven.
func TestUpdateProvesNewKeysOnly(t *testing.T) {
	o := table.NewOverlay(new(table.Memory))
	p := new(prover)
	n := validNode(1, "one")
	if code := registerCode(t, o, p, alice, n); code != remora.CodeOK || p.asked != 2 {
		t.Fatalf("%s after %d proofs, want ok after 2", code, p.asked)
	}
	n.Addrs = []string{"/ip4/127.0.0.1/tcp/2"}
	if code := registerCode(t, o, p, alice, n); code != remora.CodeOK || p.asked != 2 {
		t.Errorf("address changed: %s after %d proofs, want ok after 2", code, p.asked)
	}
	n.Beacon = remora.BLSPublicKey{9}
	if code := registerCode(t, o, p, alice, n); code != remora.CodeBadPossession || p.asked != 3 {
		t.Errorf("key without proof: %s after %d proofs, want %s after 3", code, p.asked, remora.CodeBadPossession)
	}
	n.BeaconPoP = remora.BLSSignature{9}
	if code := registerCode(t, o, p, alice, n); code != remora.CodeOK || p.asked != 4 {
		t.Errorf("key with proof: %s after %d proofs, want ok after 4", code, p.asked)
	}
	n.Possession[0]++
	if code := registerCode(t, o, p, alice, n); code != remora.CodeBadPossession {
		t.Errorf("known key with another proof: %s", code)
	}
}

func TestAll(t *testing.T) {
	o := table.NewOverlay(new(table.Memory))
	mustRegister(t, o, bob, validNode(2, "two"))
	mustRegister(t, o, alice, validNode(1, "one"))
	for limit, want := range map[int][]string{1: {"one"}, 5: {"one", "two"}} {
		var names []string
		err := registry.All(o, func(_ remora.Address, n remora.Node) bool {
			names = append(names, n.Name)
			return len(names) < limit
		})
		if diff := cmp.Diff(want, names); err != nil || diff != "" {
			t.Errorf("nodes (%v, -want +got):\n%s", err, diff)
		}
	}
}

func TestEpoch(t *testing.T) {
	e := registry.Epoch{Number: 3, StartTime: 1000, StartHeight: 7}
	for _, tt := range []struct {
		time   remora.Millis
		height remora.Height
		want   bool
	}{{1000, 9, false}, {1499, 9, false}, {1500, 9, true}, {9000, 20, true}, {1500, 8, false}, {9000, 7, false}} {
		p := remora.Params{EpochMillis: 500, EpochBlocks: 3}
		want := e
		if tt.want {
			want = registry.Epoch{Number: 4, StartTime: tt.time, StartHeight: tt.height + 1}
		}
		if got := e.After(tt.time, tt.height, &p); got != want {
			t.Errorf("after block %d at %d: epoch %+v, want %+v", tt.height, tt.time, got, want)
		}
	}
}

// TestCorruptRecords puts bytes that no node wrote, or none at all, under every kind of key.
func TestCorruptRecords(t *testing.T) {
	damaged, empty := new(table.Memory), new(table.Memory)
	garbage := []byte{0xff}
	damaged.Apply([]table.Change{
		{Table: table.Nodes, Key: alice[:], Value: garbage},
		{Table: table.NodeNames, Key: []byte("name"), Value: garbage},
		{Table: table.NodeKeys, Key: []byte("key"), Value: garbage},
		{Table: table.Chain, Key: []byte("epoch"), Value: garbage},
		{Table: table.Chain, Key: []byte("term"), Value: garbage},
	})
	_, _, getErr := registry.Get(damaged, alice)
	_, _, nameErr := registry.ByName(damaged, "name")
	_, _, keyErr := registry.ByKey(damaged, "key")
	_, epochErr := registry.GetEpoch(damaged)
	_, termErr := registry.GetTerm(damaged)
	_, noEpoch := registry.GetEpoch(empty)
	_, noTerm := registry.GetTerm(empty)
	allErr := registry.All(damaged, func(remora.Address, remora.Node) bool { return true })
	for i, err := range []error{getErr, nameErr, keyErr, epochErr, termErr, noEpoch, noTerm, allErr} {
		if !errors.Is(err, remora.ErrCorrupt) {
			t.Errorf("read %d: %v", i, err)
		}
	}
}
