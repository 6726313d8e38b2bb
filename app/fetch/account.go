package fetch

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// account is a prepaid session's books with one cache.
type account struct {
	*session.Buyer
	of      *prepaid
	proof   *remora.BLSSignature // of the pass of this call
	refused bool                 // the cache does not deliver in this session any more
}

func newAccount(of *prepaid, node remora.Address, granted uint64) *account {
	return &account{of: of, Buyer: session.NewBuyer(session.Deal{
		ChainID: of.head.ChainID, Session: of.id, Node: node, Scheme: remora.SchemeBLS, Granted: granted, Expiry: of.head.Expiry,
	})}
}

// storeVoucher signs a voucher and writes it into the book. Only after that it may leave this process.
func (a *account) storeVoucher(v *session.Voucher) error {
	if v.Stored {
		return nil
	}
	message := a.ReceiptMessage(&v.Ack.Receipt.Receipt)
	v.Ack.Receipt.Signature = a.of.key.Sign(message[:])
	if err := a.of.book.appendRecord(v.Entry); err != nil {
		return err
	}
	v.Stored = true
	a.of.receipts++
	return nil
}

// storeOwed stores receipts for what is still owed, to be sent with the next fetch.
func (a *account) storeOwed() error {
	queue, err := a.DrawAll()
	if err != nil {
		return err
	}
	for _, v := range queue {
		if err := a.storeVoucher(v); err != nil {
			return err
		}
	}
	return nil
}

// provePass signs the pass for the cache, once.
func (a *account) provePass(pass remora.Hash) {
	if a.proof == nil {
		message := a.PassMessage(pass)
		proof := a.of.key.Sign(message[:])
		a.proof = &proof
	}
}

// encodeRequest encodes the request for a range of a content, or for none, with a voucher unless that is nil. The pass is
// proven.
func (a *account) encodeRequest(pass remora.Hash, c remora.Content, r content.Range, v *session.Voucher) []byte {
	ask := transfer.DeliveryRequest{Session: a.of.id, Pass: pass, Proof: *a.proof, Content: c, Offset: r.Offset, Bytes: r.Length}
	if v != nil {
		ask.Acks = []session.Acknowledgement{v.Ack}
	}
	return remora.Encode(&ask)
}
