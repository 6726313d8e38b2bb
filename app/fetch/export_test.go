package fetch

import "github.com/remora-network/remora"

// BookReceipts decodes a session book, and returns its receipts.
func BookReceipts(text []byte) ([]remora.SignedReceipt, error) {
	_, entries, _, err := decodeBook(text)
	var list []remora.SignedReceipt
	for _, e := range entries {
		list = append(list, e.Ack.Receipt)
	}
	return list, err
}
