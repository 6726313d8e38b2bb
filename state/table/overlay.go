package table

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// Overlay is a View with changes on top of another View. It caches what it reads: a row is read once from the View below,
// however many transactions touch it. It is used by one caller at a time.
type Overlay struct {
	base  View
	cells [end]map[string]*cell
	// undo holds what the cells were before the changes since the last Checkpoint, oldest first.
	undo []undone
}

// cell is one row as the overlay sees it.
type cell struct {
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
func (o *Overlay) Put(t ID, key, value []byte) { o.changeCell(o.cellOf(t, key), value) }

// Delete removes key, which need not exist.
func (o *Overlay) Delete(t ID, key []byte) { o.changeCell(o.cellOf(t, key), nil) }

func (o *Overlay) changeCell(c *cell, value []byte) {
	o.undo = append(o.undo, undone{cell: c, value: c.value, changed: c.changed})
	c.value, c.changed = value, true
}

func (o *Overlay) cellOf(t ID, key []byte) *cell {
	if c := o.cells[t][string(key)]; c != nil {
		return c
	}
	if o.cells[t] == nil {
		o.cells[t] = make(map[string]*cell)
	}
	c := new(cell)
	o.cells[t][string(key)] = c
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
	}
	o.Checkpoint()
}

// Ascend implements View: rows of the View below merged with the changes. The visitor must not change the overlay.
func (o *Overlay) Ascend(t ID, prefix []byte, visit func(key, value []byte) bool) error {
	changed := o.changedKeys(t, string(prefix))
	more := true
	emit := func(key string) {
		if v := o.cells[t][key].value; v != nil {
			more = visit([]byte(key), v)
		}
	}
	err := o.base.Ascend(t, prefix, func(key, value []byte) bool {
		for more && len(changed) > 0 && changed[0] < string(key) {
			emit(changed[0])
			changed = changed[1:]
		}
		switch {
		case !more:
		case len(changed) > 0 && changed[0] == string(key):
			emit(changed[0])
			changed = changed[1:]
		default:
			more = visit(key, value)
		}
		return more
	})
	if err != nil {
		return err
	}
	for ; more && len(changed) > 0; changed = changed[1:] {
		emit(changed[0])
	}
	return nil
}

// changedKeys returns the changed keys with prefix, sorted. A row that was never read counts as changed once it is put.
func (o *Overlay) changedKeys(t ID, prefix string) []string {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(o.cells[t])) {
		if strings.HasPrefix(k, prefix) && o.cells[t][k].isChanged() {
			keys = append(keys, k)
		}
	}
	return keys
}

// Changes returns the changes, sorted by table and key, one per key. The caller owns the slice and the keys.
func (o *Overlay) Changes() []Change {
	var changes []Change
	for _, t := range All() {
		for _, k := range o.changedKeys(t, "") {
			changes = append(changes, Change{Table: t, Key: []byte(k), Value: o.cells[t][k].value})
		}
	}
	return changes
}

// Diff visits the changed rows of a table in the order of their keys, with the values before and now. nil stands for no row. It
// reads the value before from the View below if need be, stops at the first error and returns it.
func (o *Overlay) Diff(t ID, visit func(key string, before, now []byte) error) error {
	for _, k := range o.changedKeys(t, "") {
		c := o.cells[t][k]
		before := c.base
		if !c.read {
			var err error
			if before, err = o.base.Get(t, []byte(k)); err != nil {
				return err
			}
		}
		if err := visit(k, before, c.value); err != nil {
			return err
		}
	}
	return nil
}
