package remora

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxGenesisBytes bounds a genesis file.
const MaxGenesisBytes = 4 << 20

// devPrefix starts the ids of development chains, which accept opaque transactions and development keys.
const devPrefix = "dev"

// Genesis is the common start of all nodes of a chain. It holds every setting on which nodes must agree.
type Genesis struct {
	_          struct{}           `cbor:",toarray"`
	ChainID    string             `json:"chain_id"`
	Fork       uint32             `json:"fork,omitempty"` // raised when a network starts anew from an otherwise equal genesis
	Time       Millis             `json:"time"`
	Params     Params             `json:"params"`
	Validators []GenesisValidator `json:"validators"`
	Accounts   []GenesisAccount   `json:"accounts"`
}

// DefaultEpochBlocks is the least number of blocks in an epoch that new chains take: 16 wrong clocks in a row must not end 16 epochs.
const DefaultEpochBlocks Height = 16

// Params are the constants of a chain.
type Params struct {
	_           struct{} `cbor:",toarray"`
	Rule        string   `json:"rule"`         // commit rule; only "bullshark"
	GCDepth     Round    `json:"gc_depth"`     // rounds below a leader that it still orders
	EpochMillis Millis   `json:"epoch_millis"` // least length of an epoch on the active clock
	EpochBlocks Height   `json:"epoch_blocks"` // least number of blocks in an epoch; 0 means 1, which is legal: see DefaultEpochBlocks
	BlockWeight Weight   `json:"block_weight"` // that a block executes at most
	QueueBytes  uint64   `json:"queue_bytes"`  // of accepted batches of one validator that wait for execution, a batch counting 4 KiB or more
	MinFee      Amount   `json:"min_fee"`      // of any signed transaction
	WeightPrice Amount   `json:"weight_price"` // of 1,000 units of its weight

	PricePerMiB      Amount `json:"price_per_mib"`      // of content that a cache delivers
	TreasuryPerMille uint16 `json:"treasury_per_mille"` // of every settled claim, so that a cache loses by deliveries to itself
}

// GenesisValidator is a founding member: registered and staked from the start.
type GenesisValidator struct {
	_       struct{} `cbor:",toarray"`
	Account Address  `json:"account"`
	Stake   Amount   `json:"stake"`
	Node    Node     `json:"node"`
}

// GenesisAccount is an account with its initial balance.
type GenesisAccount struct {
	_       struct{} `cbor:",toarray"`
	Address Address  `json:"address"`
	Balance Amount   `json:"balance"`
}

// IsDev reports whether a chain is a development chain.
func IsDev(chainID string) bool { return strings.HasPrefix(chainID, devPrefix) }

// Hash names the genesis: it is the parent of block 1 and the origin of the first DAG.
func (g *Genesis) Hash() Hash {
	return newPreimage("remora/genesis/1", Domain{}).addBytes(Encode(g)).sumDigest()
}

// Domain returns the domain of the chain. It hashes the whole genesis: call it once.
func (g *Genesis) Domain() Domain { return NewDomain(g.ChainID, g.Hash(), g.Fork) }

// Committee returns the first committee.
func (g *Genesis) Committee() (*Committee, error) {
	members := make([]Member, len(g.Validators))
	for i := range g.Validators {
		members[i] = g.Validators[i].Node.Member(g.Validators[i].Account, g.Validators[i].Stake)
	}
	return NewCommittee(g.Domain(), 1, members)
}

// Check reports all faults of the genesis at once. The caller verifies possession of the keys.
func (g *Genesis) Check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	if n := len(g.ChainID); n == 0 || n > 32 || !nodeName.MatchString(g.ChainID) {
		bad("chain_id %.40q, want 1 to 32 of a-z, 0-9, dot and hyphen", g.ChainID)
	}
	g.checkParams(bad)
	if _, err := g.Committee(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, g.checkHolders()...)...)
}

// checkParams reports the parameters that are out of bounds.
func (g *Genesis) checkParams(bad func(format string, args ...any)) {
	if g.Params.Rule != "bullshark" {
		bad("rule %.40q, this build knows bullshark", g.Params.Rule)
	}
	if g.Params.GCDepth < 4 || g.Params.GCDepth > 1000 {
		bad("gc_depth %d, want 4 to 1000", g.Params.GCDepth)
	}
	if n := max(len(g.Validators), 1); g.Params.GCDepth <= 1000 && g.Params.BlockWeight <= MaxBlockWeight {
		headers, bytes := uint64(g.Params.GCDepth)*uint64(n), LargestBlock(&g.Params, n)
		if headers > MaxBlockHeaders || bytes > MaxBlockBytes {
			bad("gc_depth %d with %d validators: a block could have %d headers and %d bytes, at most %d and %d can be decoded",
				g.Params.GCDepth, n, headers, bytes, MaxBlockHeaders, MaxBlockBytes)
		}
	}
	if g.Params.TreasuryPerMille > 1000 {
		bad("treasury_per_mille %d, at most 1000", g.Params.TreasuryPerMille)
	}
	if w := g.Params.BlockWeight; w < MinBlockWeight || w > MaxBlockWeight {
		bad("block_weight %d, want %d to %d", w, MinBlockWeight, MaxBlockWeight)
	}
	if b := g.Params.QueueBytes; b < MinQueueBytes || b > MaxQueueBytes {
		bad("queue_bytes %d, want %d to %d", b, MinQueueBytes, MaxQueueBytes)
	}
	if g.Params.EpochMillis < 100 {
		bad("epoch_millis %d, want at least 100", g.Params.EpochMillis)
	}
}

// checkHolders checks limits, unique names and addresses, and the total supply.
func (g *Genesis) checkHolders() []error {
	var errs []error
	names, holders := map[string]bool{}, map[Address]bool{}
	var supply Amount
	add := func(a Address, v Amount) {
		sum, fits := supply.Add(v)
		if !fits || sum >= 1<<63 {
			errs = append(errs, fmt.Errorf("%w: supply passes 2^63 at %s", ErrInvalid, a))
		}
		supply = sum
	}
	accounts := map[Address]bool{}
	for i := range g.Validators {
		v := &g.Validators[i]
		if err := v.Node.Check(); err != nil {
			errs = append(errs, fmt.Errorf("validator %d: %w", i, err))
		}
		if names[v.Node.Name] || holders[v.Account] {
			errs = append(errs, fmt.Errorf("%w: validator %d repeats a name or account", ErrInvalid, i))
		}
		names[v.Node.Name], holders[v.Account] = true, true
		add(v.Account, v.Stake)
	}
	for i, a := range g.Accounts {
		if accounts[a.Address] {
			errs = append(errs, fmt.Errorf("%w: account %d repeats address %s", ErrInvalid, i, a.Address))
		}
		accounts[a.Address] = true
		add(a.Address, a.Balance)
	}
	return errs
}

// ParseGenesis reads a genesis file, JSON with known fields only, and checks it.
func ParseGenesis(data []byte) (*Genesis, error) {
	if len(data) > MaxGenesisBytes {
		return nil, fmt.Errorf("genesis: %w: %d bytes, at most %d", ErrTooLarge, len(data), MaxGenesisBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	g := new(Genesis)
	if err := dec.Decode(g); err != nil {
		return nil, fmt.Errorf("genesis: %w: %v", ErrMalformed, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("genesis: %w: text after the JSON document", ErrMalformed)
	}
	if err := g.Check(); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	return g, nil
}
