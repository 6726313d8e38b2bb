package tree

import (
	"errors"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
)

// naiveDifference compares two models key by key.
func naiveDifference(ours, theirs model) (Difference, bool) {
	union := maps.Clone(ours)
	maps.Copy(union, theirs)
	for _, k := range union.keys() {
		if ours[k] != theirs[k] {
			return Difference{Key: k, Ours: ours[k], Theirs: theirs[k]}, true
		}
	}
	return Difference{}, false
}

// questions asks a tree and counts.
type questions struct {
	tree  Tree
	count int
}

func (q *questions) ask(p Path) (Node, error) {
	q.count++
	n, ok := q.tree.At(p)
	if !ok {
		return Node{}, errors.New("asked for an empty place")
	}
	return n, nil
}

func requireDifference(tb rapid.TB, ours, theirs Tree, want Difference, differ bool) {
	tb.Helper()
	q := &questions{tree: theirs}
	got, found, err := ours.Difference(theirs.Root(), q.ask)
	if err != nil || found != differ || got != want {
		tb.Fatalf("difference %+v, %v, %v, want %+v, %v", got, found, err, want, differ)
	}
	most := 0
	if differ {
		most = len(theirs.Prove(want.Key).Siblings) + 1
	}
	if q.count > most {
		tb.Fatalf("%d questions, the path of %s has %d nodes", q.count, want.Key, most)
	}
}

// TestDifferenceAgainstModel changes one tree in up to three batches: one key or many, set, changed or deleted.
func TestDifferenceAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours, theirs, mine, yours := Tree{}, Tree{}, model{}, model{}
		for range rapid.IntRange(0, 5).Draw(t, "common") {
			batch := drawBatch(t)
			mine.apply(batch)
			yours.apply(batch)
			ours, theirs = mustUpdate(t, ours, batch), mustUpdate(t, theirs, batch)
		}
		for range rapid.IntRange(0, 3).Draw(t, "apart") {
			batch := drawBatch(t)
			yours.apply(batch)
			theirs = mustUpdate(t, theirs, batch)
		}
		want, differ := naiveDifference(mine, yours)
		requireDifference(t, ours, theirs, want, differ)
		want.Ours, want.Theirs = want.Theirs, want.Ours
		requireDifference(t, theirs, ours, want, differ)
	})
}

// TestDifferenceOfEverySet compares every set of the small keys with every other one.
func TestDifferenceOfEverySet(t *testing.T) {
	keys := smallKeys()
	trees, models := make([]Tree, 1<<len(keys)), make([]model, 1<<len(keys))
	for mask := range trees {
		models[mask] = model{}
		models[mask].apply(subset(keys, mask))
		trees[mask] = mustBuild(t, subset(keys, mask))
	}
	for a := range trees {
		for b := range trees {
			want, differ := naiveDifference(models[a], models[b])
			requireDifference(t, trees[a], trees[b], want, differ)
		}
	}
}

// TestDifferenceOfOneValueAmongMany finds one changed value of many in few questions.
func TestDifferenceOfOneValueAmongMany(t *testing.T) {
	leaves := numbered(20_000, 0)
	ours := mustBuild(t, leaves)
	changed := Set(leaves[777].Key, []byte("changed"))
	q := &questions{tree: mustUpdate(t, ours, []Change{changed})}
	got, _, err := ours.Difference(q.tree.Root(), q.ask)
	want := Difference{Key: changed.Key, Ours: leaves[777].ValueHash, Theirs: changed.ValueHash}
	if err != nil || got != want || q.count > 40 {
		t.Errorf("difference %+v after %d questions, error %v", got, q.count, err)
	}
}

// TestDifferenceRefusesLies changes every answer on the way, one at a time.
func TestDifferenceRefusesLies(t *testing.T) {
	leaves := numbered(500, 0)
	ours := mustBuild(t, leaves)
	theirs := mustUpdate(t, ours, []Change{Set(leaves[3].Key, nil)})
	for name, lie := range map[string]func(*Node){
		"first hash":  func(n *Node) { n.Pair[0][5] ^= 1 },
		"second hash": func(n *Node) { n.Pair[1][5] ^= 1 },
		"kind":        func(n *Node) { n.Leaf = !n.Leaf },
		"sides":       func(n *Node) { n.Pair[0], n.Pair[1] = n.Pair[1], n.Pair[0] },
	} {
		for depth := range theirs.Prove(leaves[3].Key).Siblings {
			_, found, err := ours.Difference(theirs.Root(), func(p Path) (Node, error) {
				n, _ := theirs.At(p)
				if int(p.Depth) == depth {
					lie(&n)
				}
				return n, nil
			})
			if found || !errors.Is(err, ErrAnswer) {
				t.Errorf("%s at depth %d: found %v, error %v", name, depth, found, err)
			}
		}
	}
	silent := errors.New("silent")
	if _, _, err := ours.Difference(theirs.Root(), func(Path) (Node, error) { return Node{}, silent }); !errors.Is(err, silent) {
		t.Errorf("a peer that does not answer: %v", err)
	}
}

// TestDifferenceRefusesWhatIsNoTree walks nodes that hash to the root but do not have the shape of a tree.
func TestDifferenceRefusesWhatIsNoTree(t *testing.T) {
	key, value := remora.Hash{}, ValueHash([]byte("v"))
	ours := mustBuild(t, []Change{{Key: key, ValueHash: value}})
	single := Node{Leaf: true, Pair: [2]remora.Hash{key, value}}
	alone := Node{Pair: [2]remora.Hash{single.Hash(), {}}}
	misplaced := Node{Pair: [2]remora.Hash{{}, single.Hash()}}
	deep := []Node{{Pair: [2]remora.Hash{{1}, {2}}}}
	for range maxDepth {
		deep = append(deep, Node{Pair: [2]remora.Hash{deep[len(deep)-1].Hash(), {2}}})
	}
	for name, tt := range map[string]struct {
		root remora.Hash
		ask  func(Path) (Node, error)
	}{
		"a leaf that has not moved up": {alone.Hash(), func(Path) (Node, error) { return alone, nil }},
		"a leaf on the wrong side": {misplaced.Hash(), func(p Path) (Node, error) {
			if p.Depth == 0 {
				return misplaced, nil
			}
			return single, nil
		}},
		"deeper than a key": {deep[maxDepth].Hash(), func(p Path) (Node, error) { return deep[maxDepth-int(p.Depth)], nil }},
	} {
		d, found, err := ours.Difference(tt.root, tt.ask)
		if name == "a leaf on the wrong side" {
			// The lowest difference is on the side that is empty there, before the misplaced leaf is seen.
			if err != nil || !found || d.Key != key || !d.Theirs.IsZero() {
				t.Errorf("%s: %+v, %v, %v", name, d, found, err)
			}
			d, found, err = Tree{}.Difference(tt.root, tt.ask)
		}
		if found || !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %+v, %v, %v", name, d, found, err)
		}
	}
}

func TestAt(t *testing.T) {
	leaves := numbered(64, 0)
	tr := mustBuild(t, leaves)
	root, ok := tr.At(Path{})
	if !ok || root.Hash() != tr.Root() {
		t.Fatalf("root %+v, %v", root, ok)
	}
	for _, l := range leaves {
		depth := uint16(len(tr.Prove(l.Key).Siblings))
		n, ok := tr.At(Path{Key: l.Key, Depth: depth})
		if !ok || !n.Leaf || n.Pair != [2]remora.Hash{l.Key, l.ValueHash} {
			t.Fatalf("leaf %s at depth %d: %+v, %v", l.Key, depth, n, ok)
		}
		for _, below := range []uint16{depth + 1, maxDepth, maxDepth + 1, 65535} {
			if n, ok := tr.At(Path{Key: l.Key, Depth: below}); ok {
				t.Fatalf("at depth %d below leaf %s: %+v", below, l.Key, n)
			}
		}
	}
	if _, ok := (Tree{}).At(Path{}); ok {
		t.Fatal("the empty tree has a node")
	}
}
