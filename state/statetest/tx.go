package statetest

import "github.com/remora-network/remora"

// Fee is enough for a transaction without a large body.
const Fee remora.Amount = 2_000

// ValidUntil is the last epoch of the transactions that Tx returns.
const ValidUntil remora.Epoch = 1_000

// Tx returns a transaction of a named account with a fee of Fee, or the least one if that is higher, not yet signed.
func Tx(g *remora.Genesis, from string, nonce uint64, kind remora.Kind, body any) remora.Tx {
	tx := remora.Tx{Kind: kind, ChainID: g.ChainID, From: Address(from), Nonce: nonce, ValidUntil: ValidUntil, Body: remora.Encode(body)}
	prices := remora.Params{MinFee: MinFee, WeightPrice: WeightPrice}
	tx.Fee = max(Fee, prices.FeeOf(&tx))
	return tx
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
