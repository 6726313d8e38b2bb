package consensus_test

import (
	"math/rand"

	"github.com/remora-network/remora"
)

// Orders draws orders in which a node may receive a DAG: any with parents before children. One Orders serves many draws.
type Orders struct {
	certificates []*remora.Certificate
	parents      []int   // by place in certificates: number of parents in the DAG
	children     [][]int // by place in certificates: places of the children
}

// Orders returns the orders of the DAG's present certificates.
func (d *DAG) Orders() *Orders {
	o := &Orders{
		certificates: d.Certificates, parents: make([]int, len(d.Certificates)), children: make([][]int, len(d.Certificates)),
	}
	places := make(map[remora.Hash]int, len(d.Certificates))
	for i, c := range d.Certificates {
		for _, p := range c.Header.Parents {
			if parent, ok := places[p.Digest]; ok {
				o.parents[i]++
				o.children[parent] = append(o.children[parent], i)
			}
		}
		places[c.Digest()] = i
	}
	return o
}

// Draw returns a random order. Late certificates come only when no other can; late may be nil.
func (o *Orders) Draw(rng *rand.Rand, late func(*remora.Certificate) bool) []*remora.Certificate {
	order := make([]*remora.Certificate, 0, len(o.certificates))
	waits := append([]int(nil), o.parents...)
	var ready, behind []int
	release := func(i int) {
		if late != nil && late(o.certificates[i]) {
			behind = append(behind, i)
		} else {
			ready = append(ready, i)
		}
	}
	for i, wait := range waits {
		if wait == 0 {
			release(i)
		}
	}
	for len(ready)+len(behind) > 0 {
		from := &ready
		if len(ready) == 0 {
			from = &behind
		}
		i := takeRandom(rng, from)
		order = append(order, o.certificates[i])
		for _, child := range o.children[i] {
			if waits[child]--; waits[child] == 0 {
				release(child)
			}
		}
	}
	return order
}

// takeRandom removes an element of a list. It prefers the newest, so that an order often runs far ahead and leaves some
// certificates behind.
func takeRandom(rng *rand.Rand, list *[]int) int {
	last := len(*list) - 1
	at := last
	if rng.Intn(2) > 0 {
		at = rng.Intn(last + 1)
	}
	taken := (*list)[at]
	(*list)[at] = (*list)[last]
	*list = (*list)[:last]
	return taken
}
