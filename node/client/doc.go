// Package client calls a node's API over HTTP, and declares that API: its methods, their parameters and the documents that
// they answer with.
//
// # Usage
//
// [New] takes the URL of a node and returns a [Client]. Reads are methods of it that return one document each, such as
// [Client.Status] and [Client.Account]. [Client.Send] signs a transaction, submits it and, if asked to, waits for its
// execution; [Client.SendTxs] submits signed ones. [Client.Events] and [Client.CertifiedBlocks] are streams.
//
// Answers are not verified. [Client.AccountProof] and [Client.BlockProof] return proofs, which package light checks against
// the genesis.
//
// # Promises
//
// An answer is bounded before it is read, a call ends with its context, and a node that lies or fails cannot make the
// client panic: what is not as declared is [ErrAnswer]. A refusal is an [Error] with a stable code, and matches [ErrBusy],
// [ErrNotCertified] or remora.ErrNotFound. A transaction that the state machine would reject is a *remora.Rejection.
//
// # Declarations
//
// A [Method] such as [GetAccount] names the parameters of one method, its document, its routes and its summary. node/rpc
// serves and describes the API from these values and the client calls it by them, so that the two cannot drift apart.
package client
