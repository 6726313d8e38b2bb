package delivery

import "sync"

// recent remembers the newest values by their keys, a fixed number of them.
type recent[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
	ring   []K // keys in the order of their coming, once it is full
	next   int // what the next one replaces
	limit  int
}

func newRecent[K comparable, V any](limit int) *recent[K, V] {
	return &recent[K, V]{values: make(map[K]V), limit: limit}
}

func (r *recent[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, found := r.values[key]
	return v, found
}

func (r *recent[K, V]) put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, found := r.values[key]; found {
		return
	}
	if len(r.ring) < r.limit {
		r.ring = append(r.ring, key)
	} else {
		delete(r.values, r.ring[r.next])
		r.ring[r.next] = key
		r.next = (r.next + 1) % r.limit
	}
	r.values[key] = value
}
