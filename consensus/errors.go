package consensus

import "errors"

// Sentinels of Insert.
var (
	// ErrEquivocation means two certificates for one round and author: more than a third of the stake voted twice, so
	// nothing that is ordered from here on can be trusted. The node halts.
	ErrEquivocation = errors.New("two certificates of one authority in one round")
	// ErrMissingParent means a certificate came before one of its parents.
	ErrMissingParent = errors.New("parent certificate is not in the DAG")
)
