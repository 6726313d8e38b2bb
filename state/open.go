package state

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/verdict"
)

// The encoding of a signed transaction is an array of seven. minSigned is the size of its fixed parts: address, signature and
// all heads.
const (
	signedHead = 0x87
	minSigned  = 1 + 1 + 1 + (2 + remora.AddressSize) + 1 + 1 + 1 + (2 + remora.SignatureSize)
)

// Rejections that are made once: a batch may hold a hundred thousand such transactions.
var (
	errTooLarge   = remora.Reject(remora.CodeTooLarge, "a transaction takes at most %d bytes", remora.MaxTxBytes)
	errNotSigned  = remora.Reject(remora.CodeMalformed, "not a transaction: want an array of kind, chain id, sender, nonce, fee, body and signature in canonical CBOR")
	errNotOpaque  = remora.Reject(remora.CodeMalformed, "an opaque transaction is an array of 0 and one byte string in canonical CBOR, with nothing after it")
	errOpaqueKind = remora.Reject(remora.CodeKindNotAllowed, "opaque transactions are for chains whose id starts with dev: sign a transaction instead")
)

// decodeSigned decodes a signed transaction and makes all checks that need neither state nor signature. The error is a
// Rejection.
func decodeSigned(raw []byte, chainID string) (*remora.Tx, error) {
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
	if int(tx.Kind) >= len(rules) || rules[tx.Kind] == nil {
		return nil, remora.Reject(remora.CodeKindNotAllowed, "this version executes no signed transaction of kind %s", tx.Kind)
	}
	if tx.ChainID != chainID {
		return nil, remora.Reject(remora.CodeWrongChain, "signed for chain %.40q, this is %q", tx.ChainID, chainID)
	}
	return tx, nil
}

// isExactOpaque reports whether remora.DecodeOpaque would accept raw, for which remora.IsOpaque is true: its second element
// is a byte string with the shortest head, and nothing follows (RFC 8949 §3, major type 2). It allocates nothing.
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

// signatureOf returns the statement that a transaction is signed by its sender.
func signatureOf(tx *remora.Tx, d remora.Domain) verdict.Signed {
	return verdict.Signed{Public: tx.From, Message: tx.Message(d), Signature: tx.Signature}
}

// Ahead returns the statements about which Apply will ask the verifier, as far as they follow from the input and the newest
// seed before the block: signatures of transactions and contributions to the beacon. Apply may not reach some of them. A
// verifier that knows the verdicts when it is asked makes Apply faster, never different.
func (m *Machine) Ahead(in Input, seed remora.Seed) []verdict.Statement {
	var found []verdict.Statement
	for i := range in.Batches {
		for _, raw := range in.Batches[i].Txs() {
			if remora.IsOpaque(raw) {
				continue
			}
			if tx, err := decodeSigned(raw, m.genesis.ChainID); err == nil {
				found = append(found, signatureOf(tx, m.committee.Domain))
			}
		}
	}
	for _, h := range in.SubDAG.Headers {
		if h == nil {
			continue // Apply refuses it
		}
		if s, offered := beacon.Offered(m.committee, h, seed); offered {
			found = append(found, s)
		}
	}
	return found
}

// DecodeSigned decodes a signed transaction and makes all checks that need neither state nor signature. The error is a
// Rejection.
func (m *Machine) DecodeSigned(raw []byte) (*remora.Tx, error) {
	return decodeSigned(raw, m.genesis.ChainID)
}
