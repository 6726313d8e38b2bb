package remora

// Recent remembers what was added last by its hash, up to a limit: a bounded memory of what may be named again. It is
// used by one goroutine.
type Recent[V any] struct {
	limit int
	known map[Hash]V
	order []Hash // ring, oldest at next once it is full
	next  int
}

// NewRecent makes an empty one that holds as many as limit, at least one.
func NewRecent[V any](limit int) Recent[V] {
	return Recent[V]{limit: max(1, limit), known: make(map[Hash]V)}
}

// Add remembers v; what is remembered under the hash already stays as it is, and as old.
func (r *Recent[V]) Add(h Hash, v V) {
	if _, known := r.known[h]; known {
		return
	}
	r.known[h] = v
	if len(r.order) < r.limit {
		r.order = append(r.order, h)
		return
	}
	delete(r.known, r.order[r.next])
	r.order[r.next] = h
	r.next = (r.next + 1) % r.limit
}

// Get returns what is remembered under a hash.
func (r *Recent[V]) Get(h Hash) (V, bool) {
	v, ok := r.known[h]
	return v, ok
}

// Has reports whether anything is remembered under a hash.
func (r *Recent[V]) Has(h Hash) bool {
	_, ok := r.known[h]
	return ok
}

// Len returns how many are remembered.
func (r *Recent[V]) Len() int { return len(r.known) }
