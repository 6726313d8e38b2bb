// Package peers implements both ends of every request between nodes.
//
// A Server answers from a node's store and views: certificates of the DAG, batches, certified blocks, block certificates,
// the tip of the DAG, the state after one of the newest blocks; a validator's also takes transactions. Handlers returns
// what the network host serves.
//
// A Client asks one peer one question and returns only what it has checked, as far as that needs no state of its own: a
// Span of blocks is linked and certified, a batch hashes to the digest that was asked for. Over it, a Gatherer brings
// batches from one peer after the other, and Submit passes transactions on.
//
// wire.go has the channels, protocols, records and bounds that both ends agree on. Sources, Span and the answers of a
// Server need no goroutine: the simulator runs the same ones.
package peers
