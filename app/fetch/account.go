package fetch

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
)

// account is a prepaid session's books with one cache.
type account struct {
	*session.Buyer
	of      *prepaid
	proof   *remora.BLSSignature // of the pass of this call
	refused bool                 // the cache does not deliver in this session any more
}

// storeVoucher signs a voucher and writes it into the book. It must not leave this process before that.
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
