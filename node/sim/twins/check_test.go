package twins

import (
	"errors"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// TestCheckerCatches feeds the checker what honest validators never do, and what they do.
func TestCheckerCatches(t *testing.T) {
	b := mempooltest.NewBuilder(mempooltest.NewCommittee(members))
	for range 9 {
		b.Grow()
	}
	header := func(r remora.Round, a remora.Authority) *remora.Header { return &b.Certificate(r, a).Header }
	round := func(r remora.Round) []*remora.Header {
		return []*remora.Header{header(r, 0), header(r, 1), header(r, 2), header(r, 3)}
	}
	sub := func(headers ...*remora.Header) *remora.SubDAG { return &remora.SubDAG{Headers: headers} }
	other := *b.Certificate(2, 1)
	other.Header.CreatedAt++
	mempooltest.Sign(b.Committee, &other.Header)
	for name, tt := range map[string]struct {
		do   func(*checker)
		want error
	}{
		"agreement": {func(c *checker) {
			c.checkOrder(0, sub(round(1)...), remora.Hash{1})
			c.checkOrder(0, sub(round(1)...), remora.Hash{1})
			c.checkOrder(1, sub(round(2)...), remora.Hash{2})
		}, nil},
		"another sub-DAG": {func(c *checker) {
			c.checkOrder(0, sub(round(1)...), remora.Hash{1})
			c.checkOrder(0, sub(round(1)[:3]...), remora.Hash{2})
		}, ErrAgreement},
		"one certificate": {func(c *checker) {
			c.checkCertificate(b.Certificate(2, 1))
			c.checkCertificate(b.Certificate(2, 1))
			c.checkCertificate(b.Certificate(3, 1))
		}, nil},
		"two certificates": {func(c *checker) { c.checkCertificate(b.Certificate(2, 1)); c.checkCertificate(&other) }, ErrCertificates},
		"twice in one":     {func(c *checker) { c.checkOrder(0, sub(append(round(1), header(1, 0))...), remora.Hash{1}) }, ErrTwice},
		"twice in two": {func(c *checker) {
			c.checkOrder(0, sub(round(1)...), remora.Hash{1})
			c.checkOrder(1, sub(header(1, 2)), remora.Hash{2})
		}, ErrTwice},
		"child first": {func(c *checker) { c.checkOrder(0, sub(append(round(1)[:3], header(2, 1))...), remora.Hash{1}) }, ErrParent},
		"parent is collected": {func(c *checker) {
			c.checkOrder(0, sub(header(6, 0), header(7, 0), header(8, 0), header(9, 0)), remora.Hash{1})
		}, ErrParent},
		"parents are collected": {func(c *checker) {
			c.checkOrder(0, sub(append(append(round(6), round(7)...), append(round(8), header(9, 0))...)...), remora.Hash{1})
		}, nil},
	} {
		c := checker{depth: 4, vertices: make([][members]remora.Hash, 12), ordered: make(map[remora.Hash]bool)}
		tt.do(&c)
		if err := errors.Join(c.found...); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
