package table

import (
	"maps"
	"slices"
	"strings"
)

// Memory is a View kept in maps, for tests, simulations and audits. The zero value is empty and ready.
type Memory struct {
	tables map[ID]*rows
}

type rows struct {
	values map[string][]byte
	keys   []string // of values, sorted; nil when a key came or went since
}

// Get implements View.
func (m *Memory) Get(t ID, key []byte) ([]byte, error) {
	if r := m.tables[t]; r != nil {
		return r.values[string(key)], nil
	}
	return nil, nil
}

// Ascend implements View.
func (m *Memory) Ascend(t ID, prefix []byte, visit func(key, value []byte) bool) error {
	r := m.tables[t]
	if r == nil {
		return nil
	}
	if r.keys == nil {
		r.keys = slices.Sorted(maps.Keys(r.values))
	}
	start, _ := slices.BinarySearch(r.keys, string(prefix))
	for _, k := range r.keys[start:] {
		if !strings.HasPrefix(k, string(prefix)) || !visit([]byte(k), r.values[k]) {
			return nil
		}
	}
	return nil
}

// Apply makes the changes in place: m is the state after them. It keeps the values and copies the keys.
func (m *Memory) Apply(changes []Change) {
	if m.tables == nil {
		m.tables = make(map[ID]*rows)
	}
	for _, c := range changes {
		r := m.tables[c.Table]
		if r == nil {
			r = &rows{values: make(map[string][]byte)}
			m.tables[c.Table] = r
		}
		r.setRow(string(c.Key), c.Value)
	}
}

func (r *rows) setRow(key string, value []byte) {
	_, had := r.values[key]
	if value == nil {
		delete(r.values, key)
	} else {
		r.values[key] = value
	}
	if had == (value == nil) {
		r.keys = nil
	}
}

// Len returns the number of rows in a table.
func (m *Memory) Len(t ID) int {
	if r := m.tables[t]; r != nil {
		return len(r.values)
	}
	return 0
}

// Clone returns a copy that does not follow later changes of m.
func (m *Memory) Clone() *Memory {
	c := &Memory{tables: make(map[ID]*rows, len(m.tables))}
	for _, t := range slices.Sorted(maps.Keys(m.tables)) {
		c.tables[t] = &rows{values: maps.Clone(m.tables[t].values)}
	}
	return c
}
