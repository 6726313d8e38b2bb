// Package state is the deterministic state machine. It turns a committed sub-DAG and the bytes of its batches into a block,
// with a result for each transaction, and the state after it.
//
// A Machine holds the constants of one chain. Genesis returns the state at height 0 and Apply the state after each block;
// neither writes anything. The caller keeps the tables, which are any table.View:
//
//	machine, err := state.NewMachine(genesis)
//	...
//	outcome, err := machine.Genesis(verifier)
//	...
//	view := outcome.View(tables) // tables hold outcome.Changes
//	for sub := range committed {
//		refs, err := machine.Pending(view, &sub) // the batches whose bytes Apply needs, in order
//		...
//		in := state.Input{SubDAG: sub, Batches: fetch(refs)}
//		outcome, err := machine.Apply(view, in, verifier)
//		...
//		save(outcome.Block, outcome.Tip(), outcome.Changes) // in one atomic write
//		view = outcome.View(tables)
//	}
//
// Admit judges one transaction against a view before it enters a batch. Ahead lists the signatures in an input, so that the
// verifier can check them in parallel before Apply asks. After a restart, BuildTree makes the view's tree from the tables.
//
// The package promises:
//
//   - The same view and input give the same bytes on every node and at any time, whatever the verifier computed ahead.
//   - A transaction can fail; it cannot panic, stop the chain or be executed twice. A failed one pays its fee once its
//     signature, nonce and balance are checked, and changes nothing else.
//   - An error of Apply says that the caller broke the contract (ErrInput) or that the state on disk is damaged
//     (remora.ErrCorrupt), never that a transaction was bad.
//   - Coins are conserved: a block that creates or destroys any without the rules is not returned (ledger.ErrNotConserved).
//
// The rules live in one package per subject: ledger, registry, delivery, beacon. They read and write rows of state/table,
// whose authenticated form is state/tree, and ask about signatures and proofs through state/verdict.
package state
