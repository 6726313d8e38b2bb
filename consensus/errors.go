package consensus

import "errors"

// Sentinels of Insert.
var (
	// ErrEquivocation means that two certificates have one round and author: at least a third of the stake voted twice,
	// so no further order can be trusted. The node halts.
	ErrEquivocation = errors.New("two certificates of one authority in one round")
	// ErrMissingParent means that a certificate came before one of its parents.
	ErrMissingParent = errors.New("parent certificate is not in the DAG")
)
