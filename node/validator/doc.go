// Package validator runs a member of the committee: the loops that drive its cores, sign, execute and certify.
//
// New builds everything from the store and Loops returns the goroutines to start, each of which ends with its context or
// with the first failure that must stop the node. Messages flow one way: verifiers check what peers send, the primary
// drives the mempool core and the commit rule, the engine executes what was ordered and collects shares into block
// certificates, the batcher drives the worker core, and its batches go to the primary. The primary never waits for another
// loop, so no cycle can block.
//
// What the loops decide is apart from them and needs no goroutine and no clock: the Announcer (shares, block certificates,
// contributions), the Backlog (work in order, and the epoch it reaches), Findings (whether the disk can be trusted to hold
// what was signed), Rebuild (how long rebuilt cores wait before they ask for block sync), OwnBatches (what is offered to
// rebuilt cores), Retention (when certificates may be deleted), HeldBelow (which ancestors are no longer asked for).
package validator
