package twins

import (
	"errors"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// What honest validators must never do or see.
var (
	ErrAgreement    = errors.New("two honest validators ordered different sub-DAGs")
	ErrCertificates = errors.New("two certificates of one author and round")
	ErrParent       = errors.New("ordered before its parent")
	ErrTwice        = errors.New("ordered twice")
	ErrRefused      = errors.New("an honest validator refuses what the protocol gave it")
)

// checker holds honest instances against each other.
type checker struct {
	depth    remora.Round
	vertices [][members]remora.Hash // by round and author: the one certificate that honest instances saw
	chain    []remora.Hash          // digests of sub-DAGs, as the first honest instance to get there ordered them
	ordered  map[remora.Hash]bool
	found    []error // the first violation of each kind
}

func (c *checker) addViolation(kind error, format string, args ...any) {
	if slices.ContainsFunc(c.found, func(known error) bool { return errors.Is(known, kind) }) {
		return
	}
	c.found = append(c.found, fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...)))
}

// checkCertificate notes a certificate that reached an honest instance.
func (c *checker) checkCertificate(cert *remora.Certificate) {
	seen := &c.vertices[cert.Round()][cert.Author()]
	if seen.IsZero() {
		*seen = cert.Digest()
	}
	if *seen != cert.Digest() {
		c.addViolation(ErrCertificates, "author %d, round %d: %s and %s", cert.Author(), cert.Round(), *seen, cert.Digest())
	}
}

// checkOrder compares the sub-DAG at a place of an honest instance's sequence with what is known of it.
func (c *checker) checkOrder(place int, sub *remora.SubDAG, digest remora.Hash) {
	if place == len(c.chain) {
		c.chain = append(c.chain, digest)
		c.checkSubDAG(sub)
	}
	if c.chain[place] != digest {
		l := sub.Leader()
		c.addViolation(ErrAgreement, "sub-DAG %d of leader %d, round %d: %s and %s", place, l.Author, l.Round, c.chain[place], digest)
	}
}

// checkSubDAG checks the next sub-DAG of the common chain against those before it.
func (c *checker) checkSubDAG(sub *remora.SubDAG) {
	leader := sub.Leader().Round
	for _, h := range sub.Headers {
		if c.ordered[h.Digest()] {
			c.addViolation(ErrTwice, "author %d, round %d", h.Author, h.Round)
		}
		c.ordered[h.Digest()] = true
		if h.Round == 1 || h.Round-1+c.depth <= leader {
			continue // genesis, or collected
		}
		for _, p := range h.Parents {
			if !c.ordered[p.Digest] {
				c.addViolation(ErrParent, "author %d, round %d, parent of %d", h.Author, h.Round, p.Author)
			}
		}
	}
}
