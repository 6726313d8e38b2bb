package beacon_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// verifier accepts hashes of key and message, and counts.
type verifier struct{ asked int }

func (v *verifier) Holds(s verdict.Statement) bool {
	v.asked++
	b, ok := s.(verdict.BLSSigned)
	return ok && b.Signature == signHash(b.Public, b.Message[:])
}

func signHash(pk remora.BLSPublicKey, msg []byte) remora.BLSSignature {
	h := remora.SumBLAKE3(append(pk[:], msg...))
	return remora.BLSSignature(append(h[:], make([]byte, remora.BLSSignatureSize-len(h))...))
}

// fixture is a beacon of a committee with given stakes.
type fixture struct {
	t         *testing.T
	committee *remora.Committee
	tables    *table.Memory
	verifier  *verifier
}

func newFixture(t *testing.T, stakes ...remora.Amount) *fixture {
	t.Helper()
	var members []remora.Member
	for i, stake := range stakes {
		id := byte(i + 1)
		members = append(members, remora.Member{
			Name: string('a' + rune(i)), Stake: stake, PeerID: string('a' + rune(i)), Header: remora.Address{id},
			Consensus: remora.BLSPublicKey{id, 1}, Beacon: remora.BLSPublicKey{id, 2},
		})
	}
	c, err := remora.NewCommittee(remora.Domain{1}, 1, members)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, committee: c, tables: new(table.Memory), verifier: new(verifier)}
	o := table.NewOverlay(f.tables)
	beacon.Start(o, remora.Hash{7})
	f.tables.Apply(o.Changes())
	return f
}

func (f *fixture) newestSeed() remora.Seed {
	f.t.Helper()
	s, err := beacon.GetSeed(f.tables)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// contributionOf carries the author's contribution to the step after seed.
func (f *fixture) contributionOf(author remora.Authority, seed remora.Seed) *remora.Header {
	m := remora.BeaconMessage(f.committee.Domain, seed.Step+1, seed.Hash)
	c := remora.Contribution{Step: seed.Step + 1, Signature: signHash(f.committee.Members[author].Beacon, m[:])}
	return &remora.Header{Author: author, Contributions: []remora.Contribution{c}}
}

// contribute advances the beacon by the contributions of the authors and returns the step after it.
func (f *fixture) contribute(authors ...remora.Authority) uint64 {
	f.t.Helper()
	var headers []*remora.Header
	for _, a := range authors {
		headers = append(headers, f.contributionOf(a, f.newestSeed()))
	}
	return f.advanceBy(headers...)
}

func (f *fixture) advanceBy(headers ...*remora.Header) uint64 {
	f.t.Helper()
	o := table.NewOverlay(f.tables)
	s, err := beacon.Advance(o, f.committee, headers, f.verifier)
	if err != nil {
		f.t.Fatal(err)
	}
	f.tables.Apply(o.Changes())
	if kept := f.newestSeed(); kept != s {
		f.t.Fatalf("returned %+v, stored %+v", s, kept)
	}
	return s.Step
}

func (f *fixture) pendingAuthors() []remora.Authority {
	f.t.Helper()
	list, err := beacon.GetPending(f.tables)
	if err != nil {
		f.t.Fatal(err)
	}
	var authors []remora.Authority
	for _, c := range list {
		authors = append(authors, c.Authority)
	}
	return authors
}

// TestQuorum counts stake, not members: Q of 3+1+1+1 is 5.
func TestQuorum(t *testing.T) {
	f := newFixture(t, 3, 1, 1, 1)
	for i, step := range []struct {
		authors []remora.Authority
		want    uint64
		pending []remora.Authority
	}{
		{[]remora.Authority{1, 2, 3}, 0, []remora.Authority{1, 2, 3}},
		{nil, 0, []remora.Authority{1, 2, 3}},
		{[]remora.Authority{0}, 1, nil},
		{[]remora.Authority{0}, 1, []remora.Authority{0}},
		{[]remora.Authority{0, 0, 2}, 1, []remora.Authority{0, 2}},
		{[]remora.Authority{3, 1}, 2, nil}, // more than needed, all of the block count
	} {
		if got := f.contribute(step.authors...); got != step.want {
			t.Errorf("block %d: step %d, want %d", i, got, step.want)
		}
		if diff := cmp.Diff(step.pending, f.pendingAuthors()); diff != "" {
			t.Errorf("block %d: pending (-want +got):\n%s", i, diff)
		}
	}
}

// TestSkipped lists what must not count. None of it may cost a signature check unless it could have counted.
func TestSkipped(t *testing.T) {
	f := newFixture(t, 1, 1, 1, 1)
	f.contribute(0)
	good := f.contributionOf(1, f.newestSeed())
	tests := []struct {
		name   string
		header *remora.Header
		asked  int
	}{
		{"none", &remora.Header{Author: 1}, 0},
		{"a repeated one", f.contributionOf(0, f.newestSeed()), 0},
		{"an old step", f.contributionOf(1, remora.Seed{}), 1}, // step 1 over another seed: a wrong signature
		{"a later step", f.contributionOf(1, remora.Seed{Step: 1, Hash: f.newestSeed().Hash}), 0},
		{"the last step", &remora.Header{Author: 1, Contributions: []remora.Contribution{{Step: 0}}}, 0},
		{"another's signature", &remora.Header{Author: 2, Contributions: good.Contributions}, 1},
		{"an author outside", &remora.Header{Author: 4, Contributions: good.Contributions}, 0},
	}
	for _, tt := range tests {
		f.verifier.asked = 0
		f.advanceBy(tt.header)
		if f.verifier.asked != tt.asked {
			t.Errorf("%s: %d signatures checked, want %d", tt.name, f.verifier.asked, tt.asked)
		}
		if diff := cmp.Diff([]remora.Authority{0}, f.pendingAuthors()); diff != "" {
			t.Errorf("%s: pending (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestWrongThenRight: a wrong signature does not use up the author's turn.
func TestWrongThenRight(t *testing.T) {
	f := newFixture(t, 1, 1, 1, 1)
	wrong := f.contributionOf(1, f.newestSeed())
	wrong.Contributions[0].Signature[0] ^= 1
	f.advanceBy(wrong, f.contributionOf(1, f.newestSeed()))
	if diff := cmp.Diff([]remora.Authority{1}, f.pendingAuthors()); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
}

// TestSeedBindsEverything: two runs agree, and the seed differs with order, contributors, chain and the seed before.
func TestSeedBindsEverything(t *testing.T) {
	seeds := make(map[remora.Hash]string)
	for name, run := range map[string]func(f *fixture){
		"0 1 2":          func(f *fixture) { f.contribute(0, 1, 2) },
		"2 1 0":          func(f *fixture) { f.contribute(2, 1, 0) },
		"0 1 3":          func(f *fixture) { f.contribute(0, 1, 3) },
		"0 1 2 3":        func(f *fixture) { f.contribute(0, 1, 2, 3) },
		"0 1 2, 0 1 2":   func(f *fixture) { f.contribute(0, 1, 2); f.contribute(0, 1, 2) },
		"another chain":  func(f *fixture) { f.committee.Domain = remora.Domain{2}; f.contribute(0, 1, 2) },
		"another origin": func(f *fixture) { f.restartFrom(remora.Hash{8}); f.contribute(0, 1, 2) },
	} {
		first, second := newFixture(t, 1, 1, 1, 1), newFixture(t, 1, 1, 1, 1)
		run(first)
		run(second)
		if first.newestSeed() != second.newestSeed() {
			t.Errorf("%s: two runs differ", name)
		}
		if other, taken := seeds[first.newestSeed().Hash]; taken {
			t.Errorf("%s and %s have one seed", name, other)
		}
		seeds[first.newestSeed().Hash] = name
	}
}

// TestSpreadOverBlocks: where blocks end between the contributions does not matter, only their order.
func TestSpreadOverBlocks(t *testing.T) {
	one, three := newFixture(t, 1, 1, 1, 1), newFixture(t, 1, 1, 1, 1)
	one.contribute(3, 0, 2)
	three.contribute(3)
	three.contribute(0)
	three.contribute(2)
	if diff := cmp.Diff(one.newestSeed(), three.newestSeed(), cmpopts.IgnoreUnexported(remora.Seed{})); diff != "" {
		t.Errorf("seeds differ:\n%s", diff)
	}
}

func (f *fixture) restartFrom(origin remora.Hash) {
	o := table.NewOverlay(f.tables)
	beacon.Start(o, origin)
	f.tables.Apply(o.Changes())
}

// TestCorruptRecords: damaged rows are errors, never panics or silently no contribution.
func TestCorruptRecords(t *testing.T) {
	stranger := remora.Encode([]beacon.Contribution{{Authority: 4}})
	for name, change := range map[string]table.Change{
		"no seed":               {Table: table.Beacon, Key: []byte("seed")},
		"damaged seed":          {Table: table.Beacon, Key: []byte("seed"), Value: []byte{0xff}},
		"damaged contributions": {Table: table.Beacon, Key: []byte("pending"), Value: []byte{0xff}},
		"author outside":        {Table: table.Beacon, Key: []byte("pending"), Value: stranger},
	} {
		f := newFixture(t, 1, 1, 1, 1)
		f.tables.Apply([]table.Change{change})
		_, err := beacon.Advance(table.NewOverlay(f.tables), f.committee, nil, f.verifier)
		if !errors.Is(err, remora.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
