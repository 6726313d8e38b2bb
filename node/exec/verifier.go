package exec

import (
	"runtime"
	"slices"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/state/verdict"
)

// maxParsedKeys bounds the cache of parsed BLS keys.
const maxParsedKeys = 4 * remora.MaxCommittee

// firstStep is the number of statements of a list that are verified whatever they are.
const firstStep = 16

// Verifier implements verdict.Verifier. Verdicts are pure functions of the statements; Prime only computes some of them
// ahead, in batches and on all cores. It is safe for use by several goroutines.
type Verifier struct {
	mu     sync.RWMutex
	primed map[remora.Hash]bool // by statement, of the block under execution
	keys   remora.Recent[remora.BLSPublicKey, *bls.PublicKey]
}

// NewVerifier returns a verifier with nothing primed.
func NewVerifier() *Verifier {
	return &Verifier{primed: map[remora.Hash]bool{}, keys: remora.NewRecent[remora.BLSPublicKey, *bls.PublicKey](maxParsedKeys)}
}

// Holds returns the verdict that was primed, else it computes it.
func (v *Verifier) Holds(s verdict.Statement) bool {
	key := s.Key()
	v.mu.RLock()
	holds, known := v.primed[key]
	v.mu.RUnlock()
	if known {
		return holds
	}
	return v.computeVerdict(s)
}

// computeVerdict has a case for each kind of statement.
func (v *Verifier) computeVerdict(s verdict.Statement) bool {
	switch s := s.(type) {
	case verdict.Signed:
		return ed25519.Verify(s.Public, s.Message[:], s.Signature)
	case verdict.Possession:
		return bls.VerifyPossession(s.Public, s.Proof) == nil
	case verdict.BLSSigned:
		key, err := v.parseKey(s.Public)
		return err == nil && bls.Verify(key, s.Message[:], s.Signature) == nil
	case verdict.Aggregate:
		return v.verifyAggregate(s)
	}
	return false
}

func (v *Verifier) verifyAggregate(s verdict.Aggregate) bool {
	keys, messages := make([]*bls.PublicKey, len(s.Parts)), make([][]byte, len(s.Parts))
	for i := range s.Parts {
		key, err := v.parseKey(s.Parts[i].Public)
		if err != nil {
			return false
		}
		keys[i], messages[i] = key, s.Parts[i].Message[:]
	}
	return bls.VerifyDistinct(keys, messages, s.Signature) == nil
}

// Prime verifies lists of statements ahead, in growing steps: what follows a step of a list that has a false statement is left
// to Holds, so that a list of nothing but false ones costs a step.
func (v *Verifier) Prime(lists [][]verdict.Statement) {
	for size := firstStep; len(lists) > 0; size *= 2 {
		var step []verdict.Statement
		for _, list := range lists {
			step = append(step, list[:min(size, len(list))]...)
		}
		v.primeStatements(step)
		var rest [][]verdict.Statement
		for _, list := range lists {
			if len(list) > size && v.allHold(list[:size]) {
				rest = append(rest, list[size:])
			}
		}
		lists = rest
	}
}

// allHold reports whether none of the statements was found to be false.
func (v *Verifier) allHold(statements []verdict.Statement) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return !slices.ContainsFunc(statements, func(s verdict.Statement) bool {
		holds, known := v.primed[s.Key()]
		return known && !holds
	})
}

// primeStatements has a case for each kind that is cheaper to verify in a batch; statements of the others are left to Holds.
func (v *Verifier) primeStatements(statements []verdict.Statement) {
	var signed []verdict.Signed
	var blsSigned []verdict.BLSSigned
	for _, s := range statements {
		switch s := s.(type) {
		case verdict.Signed:
			signed = append(signed, s)
		case verdict.BLSSigned:
			blsSigned = append(blsSigned, s)
		}
	}
	v.primeSigned(signed)
	v.primeBLSSigned(blsSigned)
}

// primeSigned verifies groups of signatures on all cores.
func (v *Verifier) primeSigned(statements []verdict.Signed) {
	groups := make(chan []verdict.Signed)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(statements)+ed25519.GroupSize-1)/ed25519.GroupSize) {
		wg.Go(func() {
			for group := range groups {
				v.primeGroup(group)
			}
		})
	}
	for group := range slices.Chunk(statements, ed25519.GroupSize) {
		groups <- group
	}
	close(groups)
	wg.Wait()
}

func (v *Verifier) primeGroup(group []verdict.Signed) {
	items := make([]ed25519.Item, len(group))
	for i := range group {
		s := &group[i]
		items[i] = ed25519.Item{Public: s.Public, Message: s.Message[:], Signature: s.Signature}
	}
	verdicts := ed25519.VerifyAll(items)
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, s := range group {
		v.primed[s.Key()] = verdicts[i]
	}
}

// primeBLSSigned verifies all signatures in one pairing equation while they hold.
func (v *Verifier) primeBLSSigned(statements []verdict.BLSSigned) {
	var keys []*bls.PublicKey
	places := map[remora.BLSPublicKey]int{} // of keys in the ring
	var items []bls.AggregateItem
	var primed []remora.Hash // one for each item
	for _, s := range statements {
		place, known := places[s.Public]
		if !known {
			key, err := v.parseKey(s.Public)
			if err != nil {
				continue // Holds finds the same
			}
			place = len(keys)
			places[s.Public], keys = place, append(keys, key)
		}
		items = append(items, bls.AggregateItem{Signers: []int{place}, Message: s.Message[:], Signature: s.Signature})
		primed = append(primed, s.Key())
	}
	ring := bls.NewKeyring(keys)
	for i := range items {
		items[i].Ring = ring
	}
	errs := bls.VerifyAggregates(items)
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, key := range primed {
		v.primed[key] = errs[i] == nil
	}
}

// Forget drops what was primed.
func (v *Verifier) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.primed)
}

// parseKey returns the parsed form of a key, from the cache if it is there.
func (v *Verifier) parseKey(pk remora.BLSPublicKey) (*bls.PublicKey, error) {
	v.mu.RLock()
	key, known := v.keys.Get(pk)
	v.mu.RUnlock()
	if known {
		return key, nil
	}
	key, err := bls.ParsePublicKey(pk)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys.Add(pk, key)
	return key, nil
}
