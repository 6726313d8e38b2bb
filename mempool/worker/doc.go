// Package worker bundles transactions into batches and waits until a quorum stores each of them; only then may the
// mempool propose it. It is a pure state machine of the same kind as package mempool.
//
// # Usage
//
// The shell calls Submit with transactions of clients, Step with messages and Tick at a fixed interval, all from one
// goroutine. After each call it takes a Ready, does the work in the order of its fields, and calls Advance:
//
//	seq, err := core.Submit(tx) // ErrBusy: ask the client to wait
//	if ready, ok := core.Ready(); ok {
//		persist(ready.Persist) // a failed write ends the process
//		...                    // acknowledge, broadcast, answer clients whose seq is Sealed
//		core.Advance(ready)
//	}
//
// # Guarantees
//
// The same calls in the same order give the same results. A batch is durable here before it is broadcast, acknowledged or
// confirmed to a client. Own batches are repeated until a quorum holds them, and sealed again in a new epoch when they
// expired before they were executed, without the transactions that Config.Keep does not keep. The bytes of own and peers' unexecuted batches are bounded by Config.MaxPending and
// Config.PeerQuota. The bytes of a batch are shared, never copied or modified.
package worker
