package rpc

import "github.com/remora-network/remora/node/client"

// page gathers the documents of a page of a list, whose rows are added in the order of their keys.
type page[K, D any] struct {
	client.Page[K]
	compare   func(a, b K) int
	documents []D
	last      K
	next      *K // where the page after this one starts; nil at the end of the list
	err       error
}

func newPage[K, D any](q client.Page[K], compare func(a, b K) int) *page[K, D] {
	return &page[K, D]{Page: q, compare: compare, documents: []D{}}
}

// addRow appends the document of a row unless the page starts behind it, and reports whether rows behind it matter.
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

// joinFailure returns why the page is incomplete: err of the walk over the rows, or that of a document.
func (p *page[K, D]) joinFailure(err error) error {
	if err == nil {
		err = p.err
	}
	return err
}
