package statetest

import "github.com/remora-network/remora"

// Fee is enough for a transaction without a large body.
const Fee remora.Amount = 2_000

// maxEnvelope bounds the size of a transaction without its body.
const maxEnvelope = 256

// Tx returns a transaction of a named account for a chain, not yet signed.
func Tx(g *remora.Genesis, from string, nonce uint64, kind remora.Kind, body any) remora.Tx {
	raw := remora.Encode(body)
	fee := max(Fee, MinFee+FeePerByte*remora.Amount(len(raw)+maxEnvelope))
	return remora.Tx{Kind: kind, ChainID: g.ChainID, From: Address(from), Nonce: nonce, Fee: fee, Body: raw}
}

// Signed signs a transaction for the chain of a genesis and returns its bytes.
func Signed(g *remora.Genesis, tx remora.Tx) []byte {
	message := tx.Message(g.Domain())
	tx.Signature = Sign(tx.From, message[:])
	return remora.Encode(tx)
}

// Transfer returns a signed transfer between named accounts.
func Transfer(g *remora.Genesis, from, to string, nonce uint64, amount remora.Amount) []byte {
	return Signed(g, Tx(g, from, nonce, remora.KindTransfer, remora.Transfer{To: Address(to), Amount: amount}))
}

// Register returns a signed registration of a node by a named account.
func Register(g *remora.Genesis, from string, nonce uint64, node remora.Node) []byte {
	return Signed(g, Tx(g, from, nonce, remora.KindRegisterNode, node))
}
