package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/btree"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type row struct{ Key, Value string }

func collectRows(t interface{ Fatal(...any) }, v View, id ID, prefix string, limit int) []row {
	var found []row
	err := v.Ascend(id, []byte(prefix), func(key, value []byte) bool {
		found = append(found, row{string(key), string(value)})
		return len(found) < limit
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// naive is two maps, of which one is the state at the checkpoint.
type naive struct{ now, saved map[string]string }

func (n *naive) ascendRows(prefix string, limit int) []row {
	var found []row
	for _, k := range slices.Sorted(maps.Keys(n.now)) {
		if strings.HasPrefix(k, prefix) && len(found) < limit {
			found = append(found, row{k, n.now[k]})
		}
	}
	return found
}

// TestOverlayModel runs random operations on an overlay and on maps, and finally checks that the changes lead from the
// base to the overlay, each of them once and in order.
func TestOverlayModel(t *testing.T) {
	keys := []string{"a", "ab", "abc", "b", "ba", "c", "\x00", "\xff", "\xff\xff"}
	key := rapid.SampledFrom(keys)
	rapid.Check(t, func(rt *rapid.T) {
		base, model := new(Memory), &naive{now: make(map[string]string)}
		for _, k := range rapid.SliceOfDistinct(key, rapid.ID[string]).Draw(rt, "rows") {
			base.Apply([]Change{{Table: Accounts, Key: []byte(k), Value: []byte("base " + k)}, {Table: Stakes, Key: []byte(k), Value: []byte{}}})
			model.now[k] = "base " + k
		}
		start := maps.Clone(model.now)
		model.saved = maps.Clone(model.now)
		o := NewOverlay(base)
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				k, v := key.Draw(rt, "key"), rapid.StringN(0, 3, -1).Draw(rt, "value")
				o.Put(Accounts, []byte(k), []byte(v))
				model.now[k] = v
			},
			"delete": func(rt *rapid.T) {
				k := key.Draw(rt, "key")
				o.Delete(Accounts, []byte(k))
				delete(model.now, k)
			},
			"get": func(rt *rapid.T) {
				k := key.Draw(rt, "key")
				got, err := o.Get(Accounts, []byte(k))
				want, exists := model.now[k]
				if err != nil || string(got) != want || exists != (got != nil) {
					rt.Fatalf("%q is %q (%v), want %q", k, got, err, want)
				}
			},
			"ascend": func(rt *rapid.T) {
				prefix, limit := rapid.SampledFrom([]string{"", "a", "ab", "b", "\xff", "x"}).Draw(rt, "prefix"), rapid.IntRange(1, 9).Draw(rt, "limit")
				if diff := cmp.Diff(model.ascendRows(prefix, limit), collectRows(rt, o, Accounts, prefix, limit)); diff != "" {
					rt.Fatalf("rows (-want +got):\n%s", diff)
				}
			},
			"checkpoint": func(*rapid.T) {
				o.Checkpoint()
				model.saved = maps.Clone(model.now)
			},
			"rollback": func(*rapid.T) {
				o.Rollback()
				model.now = maps.Clone(model.saved)
			},
			"diff": func(rt *rapid.T) { checkDiff(rt, o, start, model.now) },
		})
		checkChanges(rt, o, base, model)
	})
}

// checkDiff replays the differences onto the rows of the base.
func checkDiff(rt *rapid.T, o *Overlay, start, now map[string]string) {
	rows := maps.Clone(start)
	err := o.Diff(Accounts, func(key string, before, value []byte) error {
		if was, exists := start[key]; string(before) != was || exists != (before != nil) {
			rt.Fatalf("%q was %q, want %q", key, before, was)
		}
		if delete(rows, key); value != nil {
			rows[key] = string(value)
		}
		return nil
	})
	if diff := cmp.Diff(now, rows); err != nil || diff != "" {
		rt.Fatalf("differences lead elsewhere (%v, -want +got):\n%s", err, diff)
	}
}

func checkChanges(rt *rapid.T, o *Overlay, base *Memory, model *naive) {
	changes := o.Changes()
	order := func(a, b Change) int { return bytes.Compare(a.Key, b.Key) }
	if !slices.IsSortedFunc(changes, order) || len(slices.CompactFunc(slices.Clone(changes), func(a, b Change) bool { return order(a, b) == 0 })) != len(changes) {
		rt.Fatalf("changes are not sorted or not distinct: %v", changes)
	}
	untouched := base.Clone()
	base.Apply(changes)
	if diff := cmp.Diff(model.ascendRows("", 99), collectRows(rt, base, Accounts, "", 99)); diff != "" {
		rt.Fatalf("rows after the changes (-want +got):\n%s", diff)
	}
	if len(changes) > 0 {
		return
	}
	if diff := cmp.Diff(collectRows(rt, untouched, Accounts, "", 99), collectRows(rt, base, Accounts, "", 99)); diff != "" {
		rt.Fatal("no changes, yet rows differ: " + diff)
	}
}

// TestChangesAcrossTables are sorted by table first.
func TestChangesAcrossTables(t *testing.T) {
	o := NewOverlay(new(Memory))
	o.Put(Stakes, []byte("a"), []byte("2"))
	o.Put(Accounts, []byte("b"), []byte("1"))
	o.Put(Accounts, []byte("b"), []byte("3"))
	o.Delete(Accepted, []byte("c"))
	want := []Change{
		{Table: Accounts, Key: []byte("b"), Value: []byte("3")},
		{Table: Stakes, Key: []byte("a"), Value: []byte("2")},
		{Table: Accepted, Key: []byte("c")},
	}
	if diff := cmp.Diff(want, o.Changes()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// TestUnchangedRows checks that putting back a value that was read is no change.
func TestUnchangedRows(t *testing.T) {
	base := new(Memory)
	base.Apply([]Change{{Table: Chain, Key: []byte("same"), Value: []byte("1")}, {Table: Chain, Key: []byte("empty"), Value: []byte{}}})
	o := NewOverlay(base)
	for _, k := range []string{"same", "empty", "absent"} {
		if _, err := o.Get(Chain, []byte(k)); err != nil {
			t.Fatal(err)
		}
	}
	o.Put(Chain, []byte("same"), []byte("2"))
	o.Put(Chain, []byte("same"), []byte("1"))
	o.Delete(Chain, []byte("empty"))
	o.Delete(Chain, []byte("absent"))
	want := []Change{{Table: Chain, Key: []byte("empty")}}
	if diff := cmp.Diff(want, o.Changes()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// counted counts the reads that reach the base.
type counted struct {
	View
	reads int
}

func (c *counted) Get(t ID, key []byte) ([]byte, error) {
	c.reads++
	return c.View.Get(t, key)
}

// TestOverlayReadsOnce also holds for rows that are absent, and after a rollback.
func TestOverlayReadsOnce(t *testing.T) {
	base := &counted{View: new(Memory)}
	o := NewOverlay(base)
	for range 3 {
		if v, err := o.Get(Accounts, []byte("absent")); v != nil || err != nil {
			t.Fatalf("%q, %v", v, err)
		}
		o.Put(Accounts, []byte("absent"), []byte("x"))
		o.Rollback()
	}
	if base.reads != 1 {
		t.Errorf("%d reads, want 1", base.reads)
	}
}

var errDisk = errors.New("disk")

type broken struct{}

func (broken) Get(ID, []byte) ([]byte, error)                        { return nil, errDisk }
func (broken) Ascend(ID, []byte, func(key, value []byte) bool) error { return errDisk }

// TestOverlayPassesErrors of the view below, and sees no absent row in them.
func TestOverlayPassesErrors(t *testing.T) {
	o := NewOverlay(broken{})
	o.Put(Accounts, []byte("k"), []byte("v"))
	_, getErr := o.Get(Accounts, []byte("other"))
	ascendErr := o.Ascend(Accounts, nil, func(_, _ []byte) bool { return true })
	diffErr := o.Diff(Accounts, func(string, []byte, []byte) error { return nil })
	for _, err := range []error{getErr, ascendErr, diffErr} {
		if !errors.Is(err, errDisk) {
			t.Errorf("error %v, want that of the disk", err)
		}
	}
}

func TestAll(t *testing.T) {
	if all := All(); len(all) != 18 || all[0] != Accounts || all[8] != Accepted || all[17] != Queued || !slices.IsSorted(all) {
		t.Errorf("tables %v: none may be renumbered; a new one goes to the end, and into this test", all)
	}
}

// TestMemoryClone is independent of the original, in both directions.
func TestMemoryClone(t *testing.T) {
	m := new(Memory)
	m.Apply([]Change{{Table: Nodes, Key: []byte("a"), Value: []byte("1")}})
	c := m.Clone()
	m.Apply([]Change{{Table: Nodes, Key: []byte("a")}, {Table: Chain, Key: []byte("x"), Value: []byte("y")}})
	c.Apply([]Change{{Table: Nodes, Key: []byte("b"), Value: []byte("2")}})
	if m.Len(Nodes) != 0 || m.Len(Chain) != 1 || c.Len(Nodes) != 2 || c.Len(Chain) != 0 {
		t.Errorf("original has %d and %d rows, clone %d and %d", m.Len(Nodes), m.Len(Chain), c.Len(Nodes), c.Len(Chain))
	}
}

// countComparisons makes an overlay on base whose cells of accounts count how often they are compared.
func countComparisons(base View, count *int) *Overlay {
	o := NewOverlay(base)
	o.sorted[Accounts] = btree.NewG(degree, func(a, b *cell) bool {
		*count++
		return byKey(a, b)
	})
	return o
}

// TestAscendCost has a block touch 30,000 rows of a table, which it only read, changed back, or changed, and then asks 64 times
// for the 32 rows of a prefix: what the prefix does not select costs nothing but the way to it.
func TestAscendCost(t *testing.T) {
	const rows, prefixes, each = 10_000, 64, 32
	comparisons := 0
	o := countComparisons(new(Memory), &comparisons)
	key := func(letter byte, n int) []byte { return binary.BigEndian.AppendUint32([]byte{letter}, uint32(n)) }
	for i := range rows {
		o.Put(Accounts, key('c', i), []byte("changed"))
	}
	for p := range prefixes {
		for i := range each {
			o.Put(Accounts, append(key('p', p), byte(i)), []byte("due"))
		}
	}
	o.Checkpoint()
	for i := range rows {
		if _, err := o.Get(Accounts, key('p', i)); err != nil {
			t.Fatal(err)
		}
		o.Put(Accounts, append(key('p', i%prefixes), "undone"+string(key('u', i))...), []byte("undone"))
	}
	o.Rollback()
	if kept := o.sorted[Accounts].Len(); kept != rows+prefixes*each {
		t.Errorf("%d rows are kept in order, %d are changed", kept, rows+prefixes*each)
	}
	comparisons = 0
	for p := range prefixes {
		if found := collectRows(t, o, Accounts, string(key('p', p)), rows); len(found) != each {
			t.Fatalf("%d rows of prefix %d, want %d", len(found), p, each)
		}
	}
	if limit := prefixes * (each + 1) * 24; comparisons > limit {
		t.Errorf("%d comparisons, want at most %d: 24 a row", comparisons, limit)
	}
}
