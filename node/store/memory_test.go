package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestMemoryIsWhatItWas compares a database in memory with maps, over writes, syncs, crashes and snapshots.
func TestMemoryIsWhatItWas(t *testing.T) {
	values := new(Values)
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		m, now := NewMemory(values), map[string]string{}
		states := []map[string]string{{}} // durable, then after each pending batch
		for range 200 {
			switch r.IntN(8) {
			case 0:
				keep := r.IntN(len(states))
				m, now = m.Crash(keep), maps.Clone(states[keep])
				states = []map[string]string{maps.Clone(now)}
			case 1:
				pinned, then := m.Snapshot(), maps.Clone(now)
				write(t, m, r, now, false)
				states = append(states, maps.Clone(now))
				compare(t, pinned, then)
			case 2:
				low, high := key(r), key(r)
				if low > high {
					low, high = high, low
				}
				if err := m.DeleteRange([]byte(low), []byte(high)); err != nil {
					t.Fatal(err)
				}
				maps.DeleteFunc(now, func(k, _ string) bool { return k >= low && k < high })
				states = append(states, maps.Clone(now))
			default:
				sync := r.IntN(2) == 0
				write(t, m, r, now, sync)
				if states = append(states, maps.Clone(now)); sync {
					states = states[len(states)-1:]
				}
			}
			if m.Pending() != len(states)-1 {
				t.Fatalf("seed %d: %d pending, want %d", seed, m.Pending(), len(states)-1)
			}
			compare(t, m, now)
		}
	}
}

func TestMemoryThatFails(t *testing.T) {
	full := errors.New("full")
	m := NewMemory(nil)
	m.Fail(full)
	b := m.NewBatch()
	if err := errors.Join(b.Set([]byte("k"), nil), b.WriteSync()); !errors.Is(err, full) {
		t.Errorf("write: %v", err)
	}
	if err := b.Write(); !errors.Is(err, errBatchUsed) {
		t.Errorf("written again: %v", err)
	}
	if err := b.Set([]byte("k"), nil); !errors.Is(err, errBatchUsed) {
		t.Errorf("set after it was written: %v", err)
	}
	m.Fail(nil)
	compare(t, m, nil)
}

func key(r *rand.Rand) string { return fmt.Sprintf("k%02d", r.IntN(40)) }

func write(t *testing.T, m *Memory, r *rand.Rand, now map[string]string, sync bool) {
	t.Helper()
	b := m.NewBatch()
	defer b.Close()
	var errs error
	for range r.IntN(4) {
		k, v := key(r), strings.Repeat(fmt.Sprint(r.IntN(10)), r.IntN(3)*sharedFrom/2)
		if r.IntN(4) == 0 {
			errs = errors.Join(errs, b.Delete([]byte(k)))
			delete(now, k)
			continue
		}
		errs = errors.Join(errs, b.Set([]byte(k), []byte(v)))
		now[k] = v
	}
	commit := b.Write
	if sync {
		commit = b.WriteSync
	}
	if err := errors.Join(errs, commit()); err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, m reader, want map[string]string) {
	t.Helper()
	var keys []string
	err := m.ascendRows([]byte("a"), nil, func(k, v []byte) bool {
		got, err := m.readRow(k)
		if err != nil || !bytes.Equal(got, v) || want[string(k)] != string(v) {
			t.Fatalf("%s: %q visited, %q found, want %q (%v)", k, v, got, want[string(k)], err)
		}
		keys = append(keys, string(k))
		return true
	})
	if err != nil || !slices.Equal(keys, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("keys %v, want %v (%v)", keys, slices.Sorted(maps.Keys(want)), err)
	}
	if v, err := m.readRow([]byte("absent")); v != nil || err != nil {
		t.Fatalf("absent key: %q, %v", v, err)
	}
}
