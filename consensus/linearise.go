package consensus

import (
	"bytes"
	"slices"

	"github.com/remora-network/remora"
)

// lineariseHistory returns the headers that a leader orders and marks them as ordered: its unordered causal history above
// floor. The floor must be a function of the leader alone, or nodes in different rounds would order different sets.
// Rounds ascend, so the leader is last; within a round the previous sub-DAG determines the order.
func (d *dag) lineariseHistory(leader *remora.Header, floor remora.Round, previous remora.Hash) []*remora.Header {
	var layers [][]*remora.Header
	authors := remora.NewBitmap(d.size, leader.Author)
	for r := leader.Round; r > floor; r-- {
		layer := d.takeHeaders(r, authors)
		if len(layer) == 0 {
			break
		}
		sortLayer(layer, previous)
		layers = append(layers, layer)
		authors = d.parentAuthors(layer)
	}
	slices.Reverse(layers)
	return slices.Concat(layers...)
}

// takeHeaders returns the unordered headers of the given authors in a round and marks them as ordered. The walk need not
// go below an ordered vertex: its history was ordered with it or was below the floor.
func (d *dag) takeHeaders(r remora.Round, authors remora.Bitmap) []*remora.Header {
	var layer []*remora.Header
	slots := d.rounds[r]
	for a := range authors.Members() {
		if h := slots[a].header; h != nil {
			layer = append(layer, h)
			slots[a].header = nil
		}
	}
	return layer
}

func sortLayer(layer []*remora.Header, previous remora.Hash) {
	type keyed struct {
		key    remora.Hash
		header *remora.Header
	}
	order := make([]keyed, len(layer))
	for i, h := range layer {
		order[i] = keyed{key: remora.OrderKey(previous, h.Digest()), header: h}
	}
	slices.SortFunc(order, func(a, b keyed) int { return bytes.Compare(a.key[:], b.key[:]) })
	for i, k := range order {
		layer[i] = k.header
	}
}
