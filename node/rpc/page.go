package rpc

import "github.com/remora-network/remora/node/client"

// page collects the documents of one page of a list. Rows are added in the order of their keys.
type page[K, D any] struct {
	client.Page[K]
	compare   func(a, b K) int
	documents []D
	last      K
	next      *K    // the key after which the next page starts; nil at the end of the list
	err       error // of a document
}

func newPage[K, D any](q client.Page[K], compare func(a, b K) int) *page[K, D] {
	return &page[K, D]{Page: q, compare: compare, documents: []D{}}
}

// addRow appends the document of a row unless the page starts after it, and reports whether to go on.
func (p *page[K, D]) addRow(key K, document func() (D, error)) bool {
	if p.After != nil && p.compare(key, *p.After) <= 0 {
		return true
	}
	if uint64(len(p.documents)) == p.Limit {
		p.next = &p.last
		return false
	}
	d, err := document()
	if err != nil {
		p.err = err
		return false
	}
	p.documents, p.last = append(p.documents, d), key
	return true
}
