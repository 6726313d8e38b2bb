// Package head publishes the states that the executor produces: the newest view, the newest certified view, and the trees
// of a few blocks before. Everything outside the executor reads the state through it.
//
// The executor calls [Head.Publish] after each block and [Head.Certify] once a certificate is stored. A reader takes a view
// with [Head.Newest] or [Head.Certified], reads all of its answer from it, and releases it. It waits for blocks with
// [Head.Until] or [Head.Changed]. A view does not change, and pins its snapshot of the store until it is released. At most
// 64 views wait for their certificates; older ones are dropped, so that memory is bounded while none form.
package head

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
)

// maxUncertified bounds the views that wait for their certificates. The oldest are dropped first: until certificates form
// again, proofs come from an older certified view.
const maxUncertified = 64

// maxPast bounds the blocks whose trees are kept. Trees share unchanged nodes, so each costs what its block changed.
const maxPast = 16

// View is the state after a block, pinned for reading. Its owner calls Release once.
type View struct {
	state.View
	Block    *remora.Block // nil at height 0
	snapshot *store.Snapshot
}

// NewView pins the store's newest state, which v describes.
func NewView(st *store.Store, v state.View, block *remora.Block) *View {
	snapshot := st.Snapshot()
	v.Tables = snapshot
	return &View{View: v, Block: block, snapshot: snapshot}
}

// Release unpins the view.
func (v *View) Release() error { return v.snapshot.Release() }

// Head holds the published views. It is safe for concurrent use.
type Head struct {
	mu        sync.Mutex
	waiting   []*View      // not certified yet, by ascending height; Head holds each
	newest    *View        // Head holds it
	certified *View        // Head holds it; nil until a certificate forms after the start
	past      []state.View // of the newest heights, ascending, without tables: nothing to release
	changed   chan struct{}
}

// New returns a Head at the view from which the node resumes. It takes over the hold on it.
func New(first *View) *Head {
	h := &Head{newest: first, changed: make(chan struct{})}
	first.snapshot.Hold()
	h.waiting = []*View{first}
	h.keepPast(first.View)
	return h
}

func (h *Head) keepPast(v state.View) {
	v.Tables = nil
	if len(h.past) == maxPast {
		h.past = slices.Delete(h.past, 0, 1)
	}
	h.past = append(h.past, v)
}

// Publish makes v the newest view and takes over the caller's hold on it.
func (h *Head) Publish(v *View) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v.snapshot.Hold()
	h.waiting = append(h.waiting, v)
	old := h.newest
	h.newest = v
	h.keepPast(v.View)
	h.announceChange()
	err := old.Release()
	if len(h.waiting) > maxUncertified {
		err = errors.Join(err, h.waiting[0].Release())
		h.waiting = h.waiting[1:]
	}
	return err
}

// Certify makes the view at height the newest certified one, once its certificate is stored, and drops those below.
func (h *Head) Certify(height remora.Height) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	for len(h.waiting) > 0 && h.waiting[0].Tip.Height <= height {
		v := h.waiting[0]
		h.waiting = h.waiting[1:]
		if v.Tip.Height < height {
			err = errors.Join(err, v.Release())
			continue
		}
		if h.certified != nil {
			err = errors.Join(err, h.certified.Release())
		}
		h.certified = v
	}
	h.announceChange()
	return err
}

func (h *Head) announceChange() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// Newest returns the view after the newest block. The caller releases it.
func (h *Head) Newest() *View {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newest.snapshot.Hold()
	return h.newest
}

// Certified returns the newest certified view, false if there is none yet. The caller releases it.
func (h *Head) Certified() (*View, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.certified == nil {
		return nil, false
	}
	h.certified.snapshot.Hold()
	return h.certified, true
}

// Tip returns the tip of the newest view.
func (h *Head) Tip() state.Tip {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest.Tip
}

// Past returns the state after one of the newest blocks, without its tables, false if it is not kept.
func (h *Head) Past(height remora.Height) (state.View, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.past {
		if v.Tip.Height == height {
			return v, true
		}
	}
	return state.View{}, false
}

// Changed returns a channel that is closed at the next block or certificate. Take it before reading what may change.
func (h *Head) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// Until waits until ready holds. It calls ready at once and after every block and certificate.
func (h *Head) Until(ctx context.Context, ready func() (bool, error)) error {
	for {
		changed := h.Changed()
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close releases every view that Head holds.
func (h *Head) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.newest.Release()
	for _, v := range h.waiting {
		err = errors.Join(err, v.Release())
	}
	if h.certified != nil {
		err = errors.Join(err, h.certified.Release())
	}
	h.waiting, h.certified = nil, nil
	return err
}
