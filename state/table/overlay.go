package table

import (
	"bytes"
	"slices"
	"strings"

	"github.com/google/btree"
)

// Overlay is a View with changes on top of another View. It caches what it reads: a row is read once from the View below,
// however many transactions touch it. It is used by one caller at a time.
type Overlay struct {
	base  View
	cells [end]map[string]*cell
	// sorted holds the changed cells of a table by key, and none that was only read or whose change was undone: Ascend sees
	// what its prefix selects, however much the block touched.
	sorted [end]*btree.BTreeG[*cell]
	// undo holds what the cells were before the changes since the last Checkpoint, oldest first.
	undo []undone
}

// cell is one row as the overlay sees it.
type cell struct {
	key     string
	base    []byte // value in the View below; meaningful once read
	value   []byte // value now
	read    bool
	changed bool
}

// isChanged reports whether the cell holds a change. Putting back the value that was read is no change.
func (c *cell) isChanged() bool {
	same := c.read && bytes.Equal(c.base, c.value) && (c.base == nil) == (c.value == nil)
	return c.changed && !same
}

type undone struct {
	cell    *cell
	table   ID
	value   []byte
	changed bool
}

// NewOverlay returns an overlay on base without changes.
func NewOverlay(base View) *Overlay { return &Overlay{base: base} }

// Get implements View.
func (o *Overlay) Get(t ID, key []byte) ([]byte, error) {
	c := o.cells[t][string(key)]
	if c != nil && (c.read || c.changed) {
		return c.value, nil
	}
	value, err := o.base.Get(t, key)
	if err != nil {
		return nil, err
	}
	if c == nil {
		c = o.cellOf(t, key)
	}
	c.base, c.value, c.read = value, value, true
	return value, nil
}

// Put sets the value under key. The overlay keeps the value, which is not nil, and copies the key.
func (o *Overlay) Put(t ID, key, value []byte) { o.changeCell(t, key, value) }

// Delete removes key, which need not exist.
func (o *Overlay) Delete(t ID, key []byte) { o.changeCell(t, key, nil) }

func (o *Overlay) changeCell(t ID, key, value []byte) {
	c := o.cellOf(t, key)
	o.undo = append(o.undo, undone{cell: c, table: t, value: c.value, changed: c.changed})
	if !c.changed {
		o.sortedCells(t).ReplaceOrInsert(c)
	}
	c.value, c.changed = value, true
}

// degree of the trees: up to twice as many cells are in a node.
const degree = 32

func byKey(a, b *cell) bool { return a.key < b.key }

func (o *Overlay) sortedCells(t ID) *btree.BTreeG[*cell] {
	if o.sorted[t] == nil {
		o.sorted[t] = btree.NewG(degree, byKey)
	}
	return o.sorted[t]
}

func (o *Overlay) cellOf(t ID, key []byte) *cell {
	if c := o.cells[t][string(key)]; c != nil {
		return c
	}
	if o.cells[t] == nil {
		o.cells[t] = make(map[string]*cell)
	}
	c := &cell{key: string(key)}
	o.cells[t][c.key] = c
	return c
}

// Checkpoint makes the present state the one that Rollback returns to.
func (o *Overlay) Checkpoint() {
	clear(o.undo) // release the values
	o.undo = o.undo[:0]
}

// Rollback undoes every change since the last Checkpoint.
func (o *Overlay) Rollback() {
	for _, u := range slices.Backward(o.undo) {
		u.cell.value, u.cell.changed = u.value, u.changed
		if !u.changed {
			o.sortedCells(u.table).Delete(u.cell)
		}
	}
	o.Checkpoint()
}

// Ascend implements View: rows of the View below merged with the changes. The visitor must not change the overlay.
func (o *Overlay) Ascend(t ID, prefix []byte, visit func(key, value []byte) bool) error {
	changed, more := o.firstChanged(t, string(prefix), string(prefix)), true
	emit := func() {
		if changed.value != nil {
			more = visit([]byte(changed.key), changed.value)
		}
		if more {
			changed = o.firstChanged(t, changed.key+"\x00", string(prefix))
		}
	}
	err := o.base.Ascend(t, prefix, func(key, value []byte) bool {
		for more && changed != nil && changed.key < string(key) {
			emit()
		}
		switch {
		case !more:
		case changed != nil && changed.key == string(key):
			emit()
		default:
			more = visit(key, value)
		}
		return more
	})
	if err != nil {
		return err
	}
	for more && changed != nil {
		emit()
	}
	return nil
}

// firstChanged returns the first changed cell from a key on whose own key has the prefix, nil if there is none.
func (o *Overlay) firstChanged(t ID, from, prefix string) *cell {
	var first *cell
	o.sortedCells(t).AscendGreaterOrEqual(&cell{key: from}, func(c *cell) bool {
		switch {
		case !strings.HasPrefix(c.key, prefix):
			return false
		case !c.isChanged():
			return true
		}
		first = c
		return false
	})
	return first
}

// changedCells returns the changed cells of a table, sorted by key. A row that was never read counts as changed once it is put.
func (o *Overlay) changedCells(t ID) []*cell {
	if o.sorted[t] == nil {
		return nil
	}
	cells := make([]*cell, 0, o.sorted[t].Len())
	o.sorted[t].Ascend(func(c *cell) bool {
		if c.isChanged() {
			cells = append(cells, c)
		}
		return true
	})
	return cells
}

// Changes returns the changes, sorted by table and key, one per key. The caller owns the slice and the keys.
func (o *Overlay) Changes() []Change {
	var changes []Change
	for _, t := range All() {
		for _, c := range o.changedCells(t) {
			changes = append(changes, Change{Table: t, Key: []byte(c.key), Value: c.value})
		}
	}
	return changes
}

// Diff visits the changed rows of a table in the order of their keys, with the values before and now. nil stands for no row. It
// reads the value before from the View below if need be, stops at the first error and returns it.
func (o *Overlay) Diff(t ID, visit func(key string, before, now []byte) error) error {
	for _, c := range o.changedCells(t) {
		before := c.base
		if !c.read {
			var err error
			if before, err = o.base.Get(t, []byte(c.key)); err != nil {
				return err
			}
		}
		if err := visit(c.key, before, c.value); err != nil {
			return err
		}
	}
	return nil
}
