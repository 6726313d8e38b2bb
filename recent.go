package remora

// Recent is a bounded memory: it keeps the values that were added last, by key. It is not safe for concurrent use.
type Recent[K comparable, V any] struct {
	limit int
	known map[K]V
	order []K // ring, oldest at next once it is full
	next  int
}

// NewRecent returns an empty memory of at most limit values, and of one if limit is less.
func NewRecent[K comparable, V any](limit int) Recent[K, V] {
	return Recent[K, V]{limit: max(1, limit), known: make(map[K]V)}
}

// Add remembers a value and forgets the oldest beyond the limit. A key that is known keeps its value and its age.
func (r *Recent[K, V]) Add(key K, v V) {
	if r.Has(key) {
		return
	}
	r.known[key] = v
	if len(r.order) < r.limit {
		r.order = append(r.order, key)
		return
	}
	delete(r.known, r.order[r.next])
	r.order[r.next] = key
	r.next = (r.next + 1) % r.limit
}

// Replace adds a value like Add, or takes the place of the value of a known key, whose age stays.
func (r *Recent[K, V]) Replace(key K, v V) {
	if r.Has(key) {
		r.known[key] = v
		return
	}
	r.Add(key, v)
}

// Get returns the value of a key.
func (r *Recent[K, V]) Get(key K) (V, bool) {
	v, ok := r.known[key]
	return v, ok
}

// Has reports whether a key is known.
func (r *Recent[K, V]) Has(key K) bool {
	_, ok := r.known[key]
	return ok
}

// Len returns the number of values.
func (r *Recent[K, V]) Len() int { return len(r.known) }
