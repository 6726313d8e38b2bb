package light

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/tree"
)

// AccountProof is an account after a certified block, or its absence, with the proof.
type AccountProof struct {
	Address   remora.Address `json:"address"`
	Exists    bool           `json:"exists"`
	Balance   remora.Amount  `json:"balance"`
	Nonce     uint64         `json:"nonce" doc:"lowest unused one"`
	Height    remora.Height  `json:"height"`
	StateRoot remora.Hash    `json:"state_root" doc:"after block height"`
	Proof     RowProof       `json:"proof"`
	Certified
}

// RowProof is the path of a row of the state with its stored value.
type RowProof struct {
	tree.Proof
	Value Hex `json:"value,omitempty" doc:"canonical CBOR; absent when there is no such row"`
}

// ProveAccount returns the proof of an account as of view, the state after the block that at certifies.
func ProveAccount(view state.View, at Certified, address remora.Address) (*AccountProof, error) {
	value, err := view.Tables.Get(table.Accounts, address[:])
	if err != nil {
		return nil, err
	}
	p := &AccountProof{
		Address: address, Height: view.Tip.Height, StateRoot: view.Tree.Root(), Certified: at,
		Proof: RowProof{Proof: view.Tree.Prove(accountKey(address)), Value: value},
	}
	if value == nil {
		return p, nil
	}
	account, err := ledger.DecodeAccount(value)
	if err != nil {
		return nil, fmt.Errorf("%w: account %s: %w", remora.ErrCorrupt, address, err)
	}
	p.Exists, p.Balance, p.Nonce = true, account.Balance, account.Nonce()
	return p, nil
}

// ParseAccount decodes the proof of an account from JSON, strictly, so that it means the same to every reader.
func ParseAccount(data []byte) (*AccountProof, error) { return parseDocument[AccountProof](data) }

// VerifyAccount verifies the proof of an account, or of its absence, with the genesis.
func VerifyAccount(g *remora.Genesis, p *AccountProof) error {
	header, err := p.openHeader(g)
	if err != nil {
		return err
	}
	if p.Height != header.Height || p.StateRoot != header.StateRoot {
		return unverified("it claims state root %s at height %d, the certified block %d has %s",
			p.StateRoot, p.Height, header.Height, header.StateRoot)
	}
	key := accountKey(p.Address)
	if !p.Exists {
		if p.Balance != 0 || p.Nonce != 0 || len(p.Proof.Value) != 0 {
			return unverified("it gives a balance, nonce or value to an account that does not exist")
		}
		return wrapUnproven(p.Proof.VerifyAbsent(header.StateRoot, key))
	}
	if err := p.Proof.VerifyMember(header.StateRoot, key, tree.ValueHash(p.Proof.Value)); err != nil {
		return wrapUnproven(err)
	}
	account, err := ledger.DecodeAccount(p.Proof.Value)
	if err != nil {
		return wrapUnproven(err)
	}
	if account.Balance != p.Balance || account.Nonce() != p.Nonce {
		return unverified("it claims balance %s and nonce %d, the proven record holds %s and %d",
			p.Balance, p.Nonce, account.Balance, account.Nonce())
	}
	return nil
}

func wrapUnproven(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnverified, err)
}

func accountKey(address remora.Address) remora.Hash {
	return tree.KeyHash(byte(table.Accounts), address[:])
}
