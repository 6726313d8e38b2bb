package statetest

import "github.com/remora-network/remora"

// Fee is enough for a transaction without a large body.
const Fee remora.Amount = 2_000

// maxEnvelope bounds the size of a transaction without its body.
const maxEnvelope = 256

// Tx returns a transaction of a named account, not yet signed.
func Tx(chainID, from string, nonce uint64, kind remora.Kind, body any) remora.Tx {
	raw := remora.Encode(body)
	fee := max(Fee, MinFee+FeePerByte*remora.Amount(len(raw)+maxEnvelope))
	return remora.Tx{Kind: kind, ChainID: chainID, From: Address(from), Nonce: nonce, Fee: fee, Body: raw}
}

// Signed signs a transaction and returns its bytes.
func Signed(tx remora.Tx) []byte {
	message := tx.Message()
	tx.Signature = Sign(tx.From, message[:])
	return remora.Encode(tx)
}

// Transfer returns a signed transfer between named accounts.
func Transfer(chainID, from, to string, nonce uint64, amount remora.Amount) []byte {
	return Signed(Tx(chainID, from, nonce, remora.KindTransfer, remora.Transfer{To: Address(to), Amount: amount}))
}

// Register returns a signed registration of a node by a named account.
func Register(chainID, from string, nonce uint64, node remora.Node) []byte {
	return Signed(Tx(chainID, from, nonce, remora.KindRegisterNode, node))
}
