package delivery

import (
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// Tally holds the extents of a growing receipt with the sum tree over them. The zero value is empty and ready. Both sides of a
// delivery keep one: the client to make the next receipt, the cache to check it.
//
// A receipt grows only by lengthening its last extent or by adding one. The tree is therefore kept as the complete subtrees
// over all leaves but the last: a change costs a few hashes, whatever the number of extents.
type Tally struct {
	extents []remora.Extent
	bytes   uint64           // the sum of the extents, at most remora.MaxContentBytes
	stack   []remora.SumNode // of complete subtrees over all leaves but the last, largest first: one per bit of their number
}

// NewTally returns the tally of given extents, in time linear in their number.
func NewTally(extents []remora.Extent) (*Tally, error) {
	t := new(Tally)
	if err := checkRoom(extents, 0, 0); err != nil {
		return nil, err
	}
	t.extents = make([]remora.Extent, 0, len(extents))
	for _, e := range extents {
		t.pushExtent(e)
	}
	return t, nil
}

// Add adds an extent. One that continues exactly where the last one ends lengthens it. On an error the tally is unchanged:
// ErrFull when the receipt has no room for e, remora.ErrInvalid when e is not a valid extent.
func (t *Tally) Add(e remora.Extent) error {
	if n := len(t.extents); n > 0 && continues(t.extents[n-1], e) {
		if err := checkRoom([]remora.Extent{e}, n-1, t.bytes); err != nil {
			return err
		}
		t.extents[n-1].Bytes += e.Bytes
		t.bytes += e.Bytes
		return nil
	}
	if err := checkRoom([]remora.Extent{e}, len(t.extents), t.bytes); err != nil {
		return err
	}
	t.pushExtent(e)
	return nil
}

// continues reports whether e begins where last ends in the same content. e may be invalid.
func continues(last, e remora.Extent) bool {
	return last.Content == e.Content && last.Start()+last.Bytes == e.Start()
}

// Replace reduces the tally to its first kept extents and adds more, as an acknowledgement says. Only the last extent may be
// replaced, by a longer form of itself; the others in more are added unchanged. On an error the tally is unchanged: ErrFull
// when the receipt has no room for them, else remora.ErrInvalid.
func (t *Tally) Replace(kept uint32, more []remora.Extent) error {
	n := len(t.extents)
	switch {
	case len(more) == 0:
		return fmt.Errorf("%w: the receipt adds no extent", remora.ErrInvalid)
	case uint64(kept) == uint64(n):
		if err := checkRoom(more, n, t.bytes); err != nil {
			return err
		}
	case uint64(kept)+1 == uint64(n):
		last := t.extents[n-1]
		if more[0].Content != last.Content || more[0].First != last.First || more[0].Bytes <= last.Bytes {
			return fmt.Errorf("%w: extent %d may be replaced by a longer form of itself only", remora.ErrInvalid, kept)
		}
		if err := checkRoom(more, n-1, t.bytes-last.Bytes); err != nil {
			return err
		}
		t.extents[n-1] = more[0]
		t.bytes += more[0].Bytes - last.Bytes
		more = more[1:]
	default:
		return fmt.Errorf("%w: the receipt keeps %d of %d extents, want all or all but one", remora.ErrInvalid, kept, n)
	}
	for _, e := range more {
		t.pushExtent(e)
	}
	return nil
}

// checkRoom reports whether a receipt of count extents and the given bytes has room for more.
func checkRoom(more []remora.Extent, count int, bytes uint64) error {
	if len(more) > remora.MaxExtents-count {
		return fmt.Errorf("%w: %d extents after %d, at most %d", ErrFull, len(more), count, remora.MaxExtents)
	}
	for i := range more {
		if err := more[i].Check(); err != nil {
			return err
		}
		if more[i].Bytes > remora.MaxContentBytes-bytes {
			return fmt.Errorf("%w: %d bytes after %d, at most 2^48", ErrFull, more[i].Bytes, bytes)
		}
		bytes += more[i].Bytes
	}
	return nil
}

// pushExtent appends a valid extent. The extent before it can no longer change and joins the subtrees.
func (t *Tally) pushExtent(e remora.Extent) {
	if n := len(t.extents); n > 0 {
		node := hashExtent(t.extents[n-1])
		for sealed := n - 1; sealed&1 == 1; sealed >>= 1 {
			top := len(t.stack) - 1
			node = hashSumNode(t.stack[top], node)
			t.stack = t.stack[:top]
		}
		t.stack = append(t.stack, node)
	}
	t.extents = append(t.extents, e)
	t.bytes += e.Bytes
}

// Len returns the number of extents.
func (t *Tally) Len() uint32 { return uint32(len(t.extents)) }

// Bytes returns the sum of the extents.
func (t *Tally) Bytes() uint64 { return t.bytes }

// Root returns the root of the sum tree, the zero hash while there is no extent.
func (t *Tally) Root() remora.Hash {
	if len(t.extents) == 0 {
		return remora.Hash{}
	}
	node := hashExtent(t.extents[len(t.extents)-1])
	for _, left := range slices.Backward(t.stack) {
		node = hashSumNode(left, node)
	}
	return node.Hash
}

// Extents returns the extents in order. The slice is valid until the next change; the caller must not modify it.
func (t *Tally) Extents() []remora.Extent { return t.extents }

// Clone returns a copy that shares nothing with t.
func (t *Tally) Clone() *Tally {
	return &Tally{extents: slices.Clone(t.extents), bytes: t.bytes, stack: slices.Clone(t.stack)}
}
