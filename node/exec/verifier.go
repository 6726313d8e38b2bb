package exec

import (
	"runtime"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/state"
)

// maxParsedKeys bounds the cache of BLS keys.
const maxParsedKeys = 4 * remora.MaxCommittee

// Verifier implements state.Verifier. Verdicts are pure functions of statement and bytes; Prime only computes some of
// them ahead, in batches and on all cores. It is safe for use by several goroutines.
type Verifier struct {
	mu     sync.RWMutex
	primed map[remora.Hash]bool // by statement, of the block under execution
	keys   map[remora.BLSPublicKey]*bls.PublicKey
}

// NewVerifier returns a verifier with nothing primed.
func NewVerifier() *Verifier {
	return &Verifier{primed: map[remora.Hash]bool{}, keys: map[remora.BLSPublicKey]*bls.PublicKey{}}
}

// primeChunk is the size of a batch verification: larger ones gain little and waste more when one signature is wrong.
const primeChunk = 64

// Prime verifies statements ahead.
func (v *Verifier) Prime(statements []state.Statement) {
	chunks := make(chan []state.Statement)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(statements)+primeChunk-1)/primeChunk) {
		wg.Go(func() {
			for chunk := range chunks {
				v.prime(chunk)
			}
		})
	}
	for start := 0; start < len(statements); start += primeChunk {
		chunks <- statements[start:min(start+primeChunk, len(statements))]
	}
	close(chunks)
	wg.Wait()
}

func (v *Verifier) prime(chunk []state.Statement) {
	items := make([]ed25519.Item, len(chunk))
	for i, s := range chunk {
		items[i] = ed25519.Item{Public: s.Public, Message: s.Message, Signature: s.Signature}
	}
	verdicts := ed25519.VerifyAll(items)
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, s := range chunk {
		v.primed[statementKey(s.Public, s.Message, s.Signature)] = verdicts[i]
	}
}

// PrimeBLS verifies statements ahead, all in one pairing equation while they hold.
func (v *Verifier) PrimeBLS(statements []state.BLSStatement) {
	var keys []*bls.PublicKey
	places := map[remora.BLSPublicKey]int{}
	var items []bls.AggregateItem
	var asked []remora.Hash
	for _, s := range statements {
		place, known := places[s.Public]
		if !known {
			key, err := v.key(s.Public)
			if err != nil {
				continue // the answer is found when it is asked for
			}
			place = len(keys)
			places[s.Public], keys = place, append(keys, key)
		}
		items = append(items, bls.AggregateItem{Signers: []int{place}, Message: s.Message[:], Signature: s.Signature})
		asked = append(asked, blsKey(s.Public, s.Message[:], s.Signature))
	}
	ring := bls.NewKeyring(keys)
	for i := range items {
		items[i].Ring = ring
	}
	verdicts := bls.VerifyAggregates(items)
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, key := range asked {
		v.primed[key] = verdicts[i] == nil
	}
}

// Forget drops what was primed.
func (v *Verifier) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.primed)
}

func blsKey(pk remora.BLSPublicKey, msg []byte, sig remora.BLSSignature) remora.Hash {
	b := append(make([]byte, 0, 4+len(pk)+len(sig)+len(msg)), "BLS/"...)
	b = append(append(append(b, pk[:]...), sig[:]...), msg...)
	return remora.SumBLAKE3(b)
}

func statementKey(pub remora.Address, msg []byte, sig remora.Signature) remora.Hash {
	b := make([]byte, 0, len(pub)+len(sig)+len(msg))
	b = append(append(append(b, pub[:]...), sig[:]...), msg...)
	return remora.SumBLAKE3(b)
}

// Signature reports whether an Ed25519 signature holds by ZIP-215.
func (v *Verifier) Signature(pub remora.Address, msg []byte, sig remora.Signature) bool {
	v.mu.RLock()
	verdict, known := v.primed[statementKey(pub, msg, sig)]
	v.mu.RUnlock()
	if known {
		return verdict
	}
	return ed25519.Verify(pub, msg, sig)
}

// Possession reports whether pop proves that someone holds the secret of pk.
func (v *Verifier) Possession(pk remora.BLSPublicKey, pop remora.BLSSignature) bool {
	return bls.VerifyPossession(pk, pop) == nil
}

// BLS reports whether a BLS signature holds.
func (v *Verifier) BLS(pk remora.BLSPublicKey, msg []byte, sig remora.BLSSignature) bool {
	v.mu.RLock()
	verdict, known := v.primed[blsKey(pk, msg, sig)]
	v.mu.RUnlock()
	if known {
		return verdict
	}
	key, err := v.key(pk)
	return err == nil && bls.Verify(key, msg, sig) == nil
}

// Aggregate reports whether an aggregate over a message of each key holds.
func (v *Verifier) Aggregate(keys []remora.BLSPublicKey, messages []remora.Hash, sig remora.BLSSignature) bool {
	parsed, bytes := make([]*bls.PublicKey, len(keys)), make([][]byte, len(messages))
	for i := range keys {
		key, err := v.key(keys[i])
		if err != nil {
			return false
		}
		parsed[i] = key
	}
	for i := range messages {
		bytes[i] = messages[i][:]
	}
	return bls.VerifyDistinct(parsed, bytes, sig) == nil
}

func (v *Verifier) key(pk remora.BLSPublicKey) (*bls.PublicKey, error) {
	v.mu.RLock()
	key, known := v.keys[pk]
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
	if len(v.keys) >= maxParsedKeys {
		clear(v.keys)
	}
	v.keys[pk] = key
	return key, nil
}
