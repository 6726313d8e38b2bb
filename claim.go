package remora

import "fmt"

// Limits and periods of a claim.
const (
	MaxClaimItems = 4096
	ClaimSamples  = 32 // byte offsets that a challenge draws

	ClaimEpochs = 4  // epochs after the one of its receipts in which a claim may be committed
	SeedEpochs  = 8  // epochs of block time after the commitment by which the seed must be fixed, else the claim is rejected
	OpenEpochs  = 2  // epochs of block time after the seed in which a claim may be opened, else it is slashed
	OpenBlocks  = 32 // blocks that must have passed as well, so that a pause of the chain expires nothing
	LockEpochs  = 1  // epochs after the opening in which the payout stays locked
)

// ClaimItem is the part of a claim that one session pays.
type ClaimItem struct {
	_       struct{} `cbor:",toarray"`
	Session SessionID
	Bytes   uint64 // of the session's last receipt for the claim's node and epoch
}

// CommitClaim asks for payment of a node's deliveries of an epoch. Its sender is the node's account.
type CommitClaim struct {
	_        struct{} `cbor:",toarray"`
	Epoch    Epoch
	Total    uint64      // the sum of the items
	Items    []ClaimItem // strictly increasing by session
	Receipts Hash        // root of the tree over the receipts, in the order of the items (proofs/delivery)
}

// Check reports the first field that breaks a limit. It needs no state.
func (c *CommitClaim) Check() error {
	if len(c.Items) == 0 || len(c.Items) > MaxClaimItems {
		return fmt.Errorf("%w: the claim has %d items, want 1 to %d", ErrInvalid, len(c.Items), MaxClaimItems)
	}
	total := uint64(0)
	for i, item := range c.Items {
		if item.Bytes == 0 || item.Bytes > MaxContentBytes {
			return fmt.Errorf("%w: the claim has %d bytes of session %d, want 1 to 2^48", ErrInvalid, item.Bytes, item.Session)
		}
		if i > 0 && c.Items[i-1].Session >= item.Session {
			return fmt.Errorf("%w: item of session %d after that of session %d: sort the items by session, one for each", ErrInvalid, item.Session, c.Items[i-1].Session)
		}
		total += item.Bytes // at most 2^60
	}
	if total != c.Total {
		return fmt.Errorf("%w: the total is %d bytes, the items add up to %d", ErrInvalid, c.Total, total)
	}
	return nil
}

// ID returns the id of a node's claim, from which its challenge is drawn.
func (c *CommitClaim) ID(d Domain, node Address) Hash {
	p := newPreimage("remora/claim/1", d).addBytes(node[:]).addUint(uint64(c.Epoch)).addUint(c.Total).addUint(uint64(len(c.Items)))
	for _, item := range c.Items {
		p.addUint(uint64(item.Session)).addUint(item.Bytes)
	}
	return p.addHash(c.Receipts).sumDigest()
}

// OpenedReceipt is a receipt that a challenge draws, without the fields that the claim's item has.
type OpenedReceipt struct {
	_       struct{} `cbor:",toarray"`
	Extents uint32
	Root    Hash
	Path    []Hash // siblings up to the claim's root, the receipt's own neighbour first
}

// SumNode is a node of a sum tree: the bytes below it and its hash.
type SumNode struct {
	_     struct{} `cbor:",toarray"`
	Bytes uint64
	Hash  Hash
}

// OpenedExtent is an extent that a challenge draws.
type OpenedExtent struct {
	_      struct{} `cbor:",toarray"`
	Index  uint32
	Extent Extent
	Path   []SumNode // siblings up to the receipt's root, the extent's own neighbour first
}

// OpenedChunk is a chunk that a challenge draws.
type OpenedChunk struct {
	_    struct{} `cbor:",toarray"`
	Data []byte
	Path []Hash // siblings up to the content's root, the chunk's own neighbour first
}

// OpenClaim answers a claim's challenge. Anybody may send it: it proves itself, its sender pays the fee, and the payout is the
// node's. Each list holds what the ascending offsets draw, in that order and once: an opening has exactly one form.
type OpenClaim struct {
	_         struct{} `cbor:",toarray"`
	Node      Address  // whose claim it opens
	Epoch     Epoch
	Receipts  []OpenedReceipt
	Extents   []OpenedExtent
	Chunks    []OpenedChunk
	Signature BLSSignature // aggregate of the opened receipts' signatures
	Echo      Hash         // BLAKE3 of the chunks' data in order, keyed with the seed
}

// ClaimState is the state of a claim.
type ClaimState uint8

// The states of a claim.
const (
	ClaimCommitted  ClaimState = iota
	ClaimChallenged            // its seed is fixed: the node must open
	ClaimSettled               // the opening verified: what is paid is fixed, and locked for LockEpochs
	ClaimRejected              // no seed was fixed in time: the deposit returns to the node
	ClaimSlashed               // the node did not open it: the deposit is burnt
)

// String returns the state's name.
func (s ClaimState) String() string {
	names := [...]string{"committed", "challenged", "settled", "rejected", "slashed"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state-%d", uint8(s))
}

// MarshalText encodes the state by its name.
func (s ClaimState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText decodes a state's name.
func (s *ClaimState) UnmarshalText(text []byte) error {
	for c := ClaimCommitted; c <= ClaimSlashed; c++ {
		if c.String() == string(text) {
			*s = c
			return nil
		}
	}
	return fmt.Errorf("%w: claim state %.24q", ErrInvalid, text)
}

// Claim is the chain's record of a claim.
type Claim struct {
	_        struct{} `cbor:",toarray"`
	ID       Hash
	Node     Address
	Epoch    Epoch // of its receipts
	Bytes    uint64
	Count    uint32 // of its receipts
	Receipts Hash   // root of the tree over them
	Step     uint64 // of the beacon, whose seed challenges it
	Height   Height // that committed it
	Time     Millis // of that block
	Value    Amount // of its bytes, at their sessions' prices
	Deposit  Amount // lost if the node does not open the claim in time
	State    ClaimState
	Paid     Amount // to the node, once it is settled
	Release  Epoch  // in which a settled claim's payout and deposit become the node's
	Released bool
}

// Locked returns the coins that the claim holds: the prepaid value of its bytes and the node's deposit.
func (c *Claim) Locked() Amount {
	switch {
	case c.State == ClaimCommitted:
		return c.Value + c.Deposit
	case c.State == ClaimSettled && !c.Released:
		return c.Paid + c.Deposit
	}
	return 0
}
