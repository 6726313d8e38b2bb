package state

import "github.com/remora-network/remora"

// A signed transaction is an array of seven whose fixed parts (address, signature and their heads) take this much.
const (
	signedHead = 0x87
	minSigned  = 1 + 1 + 1 + (2 + remora.AddressSize) + 1 + 1 + 1 + (2 + remora.SignatureSize)
)

// Rejections that cost nothing to make: a batch may hold a hundred thousand of them.
var (
	errTooLarge   = remora.Reject(remora.CodeTooLarge, "a transaction takes at most %d bytes", remora.MaxTxBytes)
	errNotSigned  = remora.Reject(remora.CodeMalformed, "not a transaction: want an array of kind, chain id, sender, nonce, fee, body and signature in canonical CBOR")
	errNotOpaque  = remora.Reject(remora.CodeMalformed, "an opaque transaction is an array of 0 and one byte string in canonical CBOR, with nothing after it")
	errOpaqueKind = remora.Reject(remora.CodeKindNotAllowed, "opaque transactions are for chains whose id starts with dev: sign a transaction instead")
)

// open decodes a signed transaction and checks what needs no state and no signature. The error is a Rejection.
func open(raw []byte, chainID string) (*remora.Tx, error) {
	switch {
	case len(raw) > remora.MaxTxBytes:
		return nil, errTooLarge
	case len(raw) < minSigned || raw[0] != signedHead:
		return nil, errNotSigned
	}
	tx, err := remora.DecodeTx(raw)
	if err != nil {
		return nil, err
	}
	if tx.Kind == remora.KindOpaque || tx.Kind > remora.LastKind {
		return nil, remora.Reject(remora.CodeKindNotAllowed, "%s is no kind of signed transaction of this version", tx.Kind)
	}
	if tx.ChainID != chainID {
		return nil, remora.Reject(remora.CodeWrongChain, "signed for chain %.40q, this is %q", tx.ChainID, chainID)
	}
	return tx, nil
}

// isExactOpaque reports whether raw, which remora.IsOpaque, is a canonical opaque transaction to its last byte, as
// remora.DecodeOpaque would find out by decoding it (RFC 8949 §3, major type 2, shortest head).
func isExactOpaque(raw []byte) bool {
	head, rest := raw[2], raw[3:]
	switch {
	case head >= 0x40 && head < 0x58:
		return len(rest) == int(head-0x40)
	case head == 0x58:
		return len(rest) >= 1 && rest[0] >= 24 && len(rest)-1 == int(rest[0])
	case head == 0x59:
		return len(rest) >= 2 && rest[0] > 0 && len(rest)-2 == int(rest[0])<<8|int(rest[1])
	case head == 0x5a:
		return len(rest) >= 4 && rest[0] == 0 && rest[1] > 0 && len(rest)-4 == int(rest[1])<<16|int(rest[2])<<8|int(rest[3])
	}
	// A longer head names more bytes than a transaction may have.
	return false
}

// Statement is a signature that Apply will ask its Verifier about.
type Statement struct {
	Public    remora.Address
	Message   []byte
	Signature remora.Signature
}

// BLSStatement is a BLS signature that Apply will ask its Verifier about.
type BLSStatement struct {
	Public    remora.BLSPublicKey
	Message   remora.Hash
	Signature remora.BLSSignature
}

// Contributions returns the contributions to the beacon in a block's headers, as signatures over the step after seed. What
// does not belong to that step, Apply will not ask about.
func (m *Machine) Contributions(headers []*remora.Header, seed remora.Seed) []BLSStatement {
	var found []BLSStatement
	message := remora.BeaconMessage(m.committee.ChainID, seed.Step+1, seed.Hash)
	for _, h := range headers {
		for _, c := range h.Contributions {
			if c.Step == seed.Step+1 && m.committee.Has(h.Author) {
				found = append(found, BLSStatement{m.committee.Members[h.Author].Beacon, message, c.Signature})
			}
		}
	}
	return found
}

// Statements returns the signatures of the transactions in a block's batches, in order, so that the shell can verify
// them together before Apply. It needs no state, hence lists some that Apply will not reach.
func (m *Machine) Statements(in Input) []Statement {
	var found []Statement
	for i := range in.Batches {
		for _, raw := range in.Batches[i].Txs() {
			if s, ok := m.Statement(raw); ok {
				found = append(found, s)
			}
		}
	}
	return found
}

// Statement returns the signature of one transaction, and whether it has one that counts.
func (m *Machine) Statement(raw []byte) (Statement, bool) {
	if remora.IsOpaque(raw) {
		return Statement{}, false
	}
	tx, err := open(raw, m.genesis.ChainID)
	if err != nil {
		return Statement{}, false
	}
	message := tx.Message()
	return Statement{Public: tx.From, Message: message[:], Signature: tx.Signature}, true
}
