package state

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// minSigned is the size of the fixed parts of a signed transaction: address, signature and all heads.
const minSigned = 1 + 1 + 1 + (2 + remora.AddressSize) + 1 + 1 + 1 + 1 + (2 + remora.SignatureSize)

// Rejections that are made once: a batch may hold a hundred thousand such transactions.
var (
	errTooLarge   = remora.Reject(remora.CodeTooLarge, "a transaction takes at most %d bytes", remora.MaxTxBytes)
	errNotSigned  = remora.Reject(remora.CodeMalformed, "not a transaction: want an array of kind, chain id, sender, nonce, fee, last epoch, body and signature in canonical CBOR")
	errNotOpaque  = remora.Reject(remora.CodeMalformed, "an opaque transaction is an array of 0 and one byte string in canonical CBOR, with nothing after it")
	errOpaqueKind = remora.Reject(remora.CodeKindNotAllowed, "opaque transactions are for chains whose id starts with dev: sign a transaction instead")
)

// CheckFault returns the Rejection of a transaction that could never have executed on this chain, whatever the state, the time
// and the transactions around it, and nil for any other. Every door and execution judge by the same two steps: OpenTx, which
// is cheap, and the signature.
func (m *Machine) CheckFault(raw []byte, v verdict.Verifier) error {
	tx, err := m.OpenTx(raw)
	if err != nil || tx == nil {
		return err
	}
	return m.checkSignature(tx, v)
}

// OpenTx decodes a transaction and finds every fault except a wrong signature: its size and encoding, another chain, a kind
// that this version does not know. The error is a Rejection. An opaque transaction is nil.
func (m *Machine) OpenTx(raw []byte) (*remora.Tx, error) {
	if remora.IsOpaque(raw) {
		return nil, m.checkOpaque(raw)
	}
	return m.decodeSigned(raw)
}

// checkSignature returns the Rejection of a transaction that its sender did not sign.
func (m *Machine) checkSignature(tx *remora.Tx, v verdict.Verifier) error {
	if !v.Holds(m.signatureOf(tx)) {
		return remora.Reject(remora.CodeBadSignature, "the signature over this transaction is not by %s", tx.From)
	}
	return nil
}

func (m *Machine) checkOpaque(raw []byte) error {
	switch {
	case len(raw) > remora.MaxTxBytes:
		return errTooLarge
	case !isExactOpaque(raw):
		return errNotOpaque
	case !remora.IsDev(m.genesis.ChainID):
		return errOpaqueKind
	}
	return nil
}

func (m *Machine) decodeSigned(raw []byte) (*remora.Tx, error) {
	switch {
	case len(raw) > remora.MaxTxBytes:
		return nil, errTooLarge
	case len(raw) < minSigned || raw[0] != remora.SignedHead:
		return nil, errNotSigned
	}
	tx, err := remora.DecodeTx(raw)
	if err != nil {
		return nil, err
	}
	if int(tx.Kind) >= len(rules) || rules[tx.Kind] == nil {
		return nil, remora.Reject(remora.CodeKindNotAllowed, "this version executes no signed transaction of kind %s", tx.Kind)
	}
	if chainID := m.genesis.ChainID; tx.ChainID != chainID {
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
func (m *Machine) signatureOf(tx *remora.Tx) verdict.Signed {
	return verdict.Signed{Public: tx.From, Message: tx.Message(m.committee.Domain), Signature: tx.Signature}
}

// Ahead returns the statements about which Apply will ask the verifier, as far as they follow from the input, the newest seed
// before the block and a state that is not newer: contributions to the beacon, and signatures of transactions, a list for each
// batch, since Apply asks for nothing of a batch behind a signature that is wrong. It leaves out copies, and what that state
// tells to be refused unverified. Apply may not reach some of the statements. A verifier that knows the verdicts when it is
// asked makes Apply faster, never different.
func (m *Machine) Ahead(tables table.View, in Input, seed remora.Seed) [][]verdict.Statement {
	lists := [][]verdict.Statement{m.contributionsAhead(in.SubDAG.Headers, seed)}
	seen := make(map[verdict.Signed]bool)
	before := senders{tables: tables, known: make(map[remora.Address]ledger.Account)}
	for i := range in.Batches {
		var found []verdict.Statement
		left := in.Batches[i].Weight
		for _, raw := range in.Batches[i].Txs() {
			weight := remora.WeighTx(raw)
			tx, err := m.OpenTx(raw)
			if err != nil || weight > left {
				break // the rest is skipped
			}
			left -= weight
			if tx == nil || in.Batches[i].Epoch > tx.ValidUntil || before.haveUsed(tx) {
				continue
			}
			if signed := m.signatureOf(tx); !seen[signed] {
				seen[signed] = true
				found = append(found, signed)
			}
		}
		lists = append(lists, found)
	}
	return lists
}

func (m *Machine) contributionsAhead(headers []*remora.Header, seed remora.Seed) []verdict.Statement {
	var found []verdict.Statement
	for _, h := range headers {
		if h == nil {
			continue // Apply refuses it
		}
		if s, offered := beacon.Offered(m.committee, h, seed); offered {
			found = append(found, s)
		}
	}
	return found
}

// senders remembers accounts of a state.
type senders struct {
	tables table.View
	known  map[remora.Address]ledger.Account // zero where there is none
}

// haveUsed reports whether the sender of a transaction has used its nonce. An account that cannot be read has used none: Apply
// fails by it.
func (s *senders) haveUsed(tx *remora.Tx) bool {
	sender, known := s.known[tx.From]
	if !known {
		sender, _, _ = ledger.Get(s.tables, tx.From)
		s.known[tx.From] = sender
	}
	return sender.HasUsed(tx.Nonce)
}
