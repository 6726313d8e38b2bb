package tree

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
)

// drawKey draws keys that often share prefixes, long ones included, and often repeat.
func drawKey(t *rapid.T) remora.Hash {
	var k remora.Hash
	k[0] = rapid.SampledFrom([]byte{0x00, 0x01, 0x80, 0xc0, 0xff}).Draw(t, "first")
	k[15] = rapid.ByteRange(0, 3).Draw(t, "middle")
	k[31] = rapid.ByteRange(0, 3).Draw(t, "last")
	return k
}

// drawBatch draws changes of distinct keys, a third of them deletions.
func drawBatch(t *rapid.T) []Change {
	keys := rapid.SliceOfNDistinct(rapid.Custom(drawKey), 0, 8, rapid.ID[remora.Hash]).Draw(t, "keys")
	batch := make([]Change, len(keys))
	for i, k := range keys {
		batch[i] = Delete(k)
		if v := rapid.ByteRange(0, 2).Draw(t, "value"); v > 0 {
			batch[i] = Set(k, []byte{v})
		}
	}
	return batch
}

// requireSame checks t against the model: root, size, every value, shape.
func requireSame(tb rapid.TB, tr Tree, m model) {
	tb.Helper()
	if got, want := tr.Root(), m.root(); got != want {
		tb.Fatalf("root %s, model %s", got, want)
	}
	if tr.Len() != len(m) {
		tb.Fatalf("Len %d, model %d", tr.Len(), len(m))
	}
	for k, want := range m {
		if got, ok := tr.Get(k); !ok || got != want {
			tb.Fatalf("Get(%s) = %s, %v, model %s", k, got, ok, want)
		}
	}
	if n := countLeaves(tb, tr.top); n != len(m) {
		tb.Fatalf("%d leaves, model %d", n, len(m))
	}
}

// countLeaves checks the invariant of inner nodes on the way: at least two leaves below.
func countLeaves(tb rapid.TB, n node) int {
	switch x := n.(type) {
	case *leaf:
		return 1
	case *inner:
		count := countLeaves(tb, x.left) + countLeaves(tb, x.right)
		if count < 2 {
			tb.Fatalf("inner node with %d leaves", count)
		}
		return count
	}
	return 0
}

func TestUpdateAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, tr := model{}, Tree{}
		for range rapid.IntRange(1, 10).Draw(t, "batches") {
			batch := drawBatch(t)
			given := slices.Clone(batch)
			next, err := tr.Update(batch)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(batch, given) {
				t.Fatal("Update changed the caller's slice")
			}
			m.apply(batch)
			tr = next
			requireSame(t, tr, m)
			if k := drawKey(t); m[k].IsZero() {
				if _, ok := tr.Get(k); ok {
					t.Fatalf("Get(%s) finds an absent key", k)
				}
			}
		}
	})
}

func TestUpdateLongSequences(t *testing.T) {
	for seed := range int64(2_000) {
		r := rand.New(rand.NewSource(seed))
		m, tr := model{}, Tree{}
		for range 12 {
			var batch []Change
			for _, k := range r.Perm(24)[:r.Intn(10)] {
				key := KeyHash(byte(seed), []byte{byte(k)})
				if seed%2 == 0 { // one set bit each, hence long prefixes of zeros
					key = remora.Hash{}
					key[k/8] = 1 << (k % 8)
				}
				batch = append(batch, Change{Key: key, ValueHash: remora.Hash{31: byte(r.Intn(3))}})
			}
			next, err := tr.Update(batch)
			if err != nil {
				t.Fatal(err)
			}
			m.apply(batch)
			tr = next
		}
		if got, want := tr.Root(), m.root(); got != want {
			t.Fatalf("seed %d: root %s, model %s", seed, got, want)
		}
		if tr.Len() != len(m) {
			t.Fatalf("seed %d: Len %d, model %d", seed, tr.Len(), len(m))
		}
	}
}

// smallKeys are eight keys that part at the first, at middle and at the last bits.
func smallKeys() []remora.Hash {
	return []remora.Hash{
		{}, {31: 1}, {31: 2}, {0: 0x80}, {0: 0x80, 16: 1}, {0: 0xc0}, {0: 0xff}, {0: 0x01, 31: 0x80},
	}
}

func subset(keys []remora.Hash, mask int) []Change {
	var leaves []Change
	for i, k := range keys {
		if mask>>i&1 == 1 {
			leaves = append(leaves, Set(k, []byte{byte(i)}))
		}
	}
	return leaves
}

// TestEveryTransition goes from every set of the small keys to every other set in one batch.
func TestEveryTransition(t *testing.T) {
	keys := smallKeys()
	trees := make([]Tree, 1<<len(keys))
	for mask := range trees {
		m := model{}
		m.apply(subset(keys, mask))
		trees[mask] = mustBuild(t, subset(keys, mask))
		requireSame(t, trees[mask], m)
	}
	for from, tr := range trees {
		for to := range trees {
			batch := subset(keys, to)
			for i, k := range keys {
				if to>>i&1 == 0 {
					batch = append(batch, Delete(k))
				}
			}
			got, err := tr.Update(batch)
			if err != nil {
				t.Fatal(err)
			}
			if got.Root() != trees[to].Root() || got.Len() != trees[to].Len() {
				t.Fatalf("from set %08b to %08b: root %s, built at once %s", from, to, got.Root(), trees[to].Root())
			}
		}
	}
}

func TestRootIsIndependentOfHistory(t *testing.T) {
	leaves := numbered(300, 0)
	extra := numbered(600, 1)[300:]
	want := mustBuild(t, leaves).Root()
	for seed := range int64(20) {
		r := rand.New(rand.NewSource(seed))
		all := slices.Concat(leaves, extra)
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var tr Tree
		for len(all) > 0 {
			n := 1 + r.Intn(min(40, len(all)))
			tr = mustUpdate(t, tr, all[:n])
			all = all[n:]
		}
		var gone []Change
		for _, c := range extra {
			gone = append(gone, Delete(c.Key))
		}
		half := r.Intn(len(gone))
		tr = mustUpdate(t, mustUpdate(t, tr, gone[half:]), gone[:half])
		if tr.Root() != want || tr.Len() != len(leaves) {
			t.Fatalf("seed %d: root %s with %d keys, want %s with %d", seed, tr.Root(), tr.Len(), want, len(leaves))
		}
	}
}

func mustUpdate(tb rapid.TB, tr Tree, changes []Change) Tree {
	tb.Helper()
	next, err := tr.Update(changes)
	if err != nil {
		tb.Fatal(err)
	}
	return next
}

func TestOldVersionsStayReadable(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	type version struct {
		tree Tree
		held model
		root remora.Hash
	}
	var versions []version
	m, tr := model{}, Tree{}
	for range 40 {
		held := model{}
		for k, v := range m {
			held[k] = v
		}
		versions = append(versions, version{tr, held, tr.Root()})
		var batch []Change
		for _, i := range r.Perm(60)[:15] {
			batch = append(batch, Change{Key: KeyHash(1, []byte{byte(i)}), ValueHash: remora.Hash{byte(r.Intn(4))}})
		}
		m.apply(batch)
		tr = mustUpdate(t, tr, batch)
	}
	for i, v := range versions {
		if v.tree.Root() != v.root {
			t.Fatalf("version %d: root changed from %s to %s", i, v.root, v.tree.Root())
		}
		requireSame(t, v.tree, v.held)
		for k, value := range v.held {
			if err := v.tree.Prove(k).VerifyMember(v.root, k, value); err != nil {
				t.Fatalf("version %d: %v", i, err)
			}
		}
	}
}

func TestUpdateWithoutEffectSharesTheTree(t *testing.T) {
	leaves := numbered(100, 0)
	tr := mustBuild(t, leaves)
	absent := numbered(120, 0)[100:]
	for i := range absent {
		absent[i] = Delete(absent[i].Key)
	}
	for name, batch := range map[string][]Change{"empty": nil, "same values": leaves, "absent deleted": absent} {
		if got := mustUpdate(t, tr, batch); got != tr {
			t.Errorf("%s: the tree was copied", name)
		}
	}
}

// TestUpdateCopiesOnlyTheChangedPath compares the two trees node by node.
func TestUpdateCopiesOnlyTheChangedPath(t *testing.T) {
	leaves := numbered(1_000, 0)
	old := mustBuild(t, leaves)
	now := mustUpdate(t, old, []Change{Set(leaves[0].Key, []byte("new"))})
	fresh, path := 0, len(now.Prove(leaves[0].Key).Siblings)+1
	for a, b := old.top, now.top; a != b; fresh++ {
		x, ok := a.(*inner)
		if !ok {
			fresh++
			break
		}
		y, side := b.(*inner), bitOfKey(&leaves[0].Key, fresh)
		if x.childAt(1-side) != y.childAt(1-side) {
			t.Fatalf("sibling at depth %d was copied", fresh)
		}
		a, b = x.childAt(side), y.childAt(side)
	}
	if fresh != path {
		t.Fatalf("%d nodes copied, the path has %d", fresh, path)
	}
}

func TestDuplicateKeysAreRefused(t *testing.T) {
	tr := mustBuild(t, numbered(10, 0))
	key := KeyHash(2, []byte("twice"))
	for name, batch := range map[string][]Change{
		"equal":          {Set(key, []byte("a")), Set(key, []byte("a"))},
		"two values":     {Set(key, []byte("a")), Set(key, []byte("b"))},
		"set and delete": {Set(key, []byte("a")), Delete(key)},
		"apart":          {Set(key, nil), Set(remora.Hash{}, nil), Set(remora.Hash{255}, nil), Delete(key)},
	} {
		got, err := tr.Update(batch)
		if !errors.Is(err, ErrDuplicateKey) {
			t.Errorf("%s: error %v, want ErrDuplicateKey", name, err)
		}
		if got != tr {
			t.Errorf("%s: a refused batch changed the tree", name)
		}
	}
}

func TestEmptyTree(t *testing.T) {
	var tr Tree
	if !tr.Root().IsZero() || tr.Len() != 0 {
		t.Fatalf("empty tree: root %s, Len %d", tr.Root(), tr.Len())
	}
	filled := mustBuild(t, numbered(50, 0))
	var all []Change
	for _, c := range numbered(50, 0) {
		all = append(all, Delete(c.Key))
	}
	if got := mustUpdate(t, filled, all); got != tr {
		t.Fatalf("all keys deleted: %d left, root %s", got.Len(), got.Root())
	}
}

func TestSamePrefix(t *testing.T) {
	a := KeyHash(0, []byte("a"))
	for n := range maxDepth + 1 {
		if !samePrefix(&a, &a, n) {
			t.Fatalf("a key differs from itself in %d bits", n)
		}
		for flipped := range maxDepth {
			b := a
			b[flipped/8] ^= 0x80 >> (flipped % 8)
			if got, want := samePrefix(&a, &b, n), digits(a)[:n] == digits(b)[:n]; got != want {
				t.Fatalf("samePrefix of %d bits with bit %d flipped: %v", n, flipped, got)
			}
		}
	}
}

func ExampleTree_Update() {
	alice := KeyHash(1, []byte("alice"))
	before, _ := Tree{}.Update([]Change{Set(alice, []byte("10"))})
	after, _ := before.Update([]Change{Set(alice, []byte("7"))})
	fmt.Println(before.Prove(alice).VerifyMember(before.Root(), alice, ValueHash([]byte("10"))))
	fmt.Println(after.Prove(alice).VerifyMember(after.Root(), alice, ValueHash([]byte("10"))) != nil)
	// Output:
	// <nil>
	// true
}
