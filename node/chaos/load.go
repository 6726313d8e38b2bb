package chaos

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
)

// Load describes the transactions that clients submit.
type Load struct {
	Seed    uint64
	Opaque  int           // clients that send unsigned transactions, each one once
	Signed  int           // clients that send transfers of their account, the next one when the last is executed
	Size    int           // bytes of an opaque payload
	Burst   int           // opaque transactions in one submission
	Between time.Duration // pause between two submissions of a client
}

// DefaultLoad is a few hundred transactions a second.
func DefaultLoad(seed uint64) Load {
	return Load{Seed: seed, Opaque: 4, Signed: 4, Size: 200, Burst: 5, Between: 50 * time.Millisecond}
}

// Drive lets the clients submit until ctx ends, and returns when the last answer is received or given up.
func (n *Network) Drive(ctx context.Context, l Load, h *History) {
	var clients sync.WaitGroup
	for i := range l.Opaque + l.Signed {
		s := &sender{network: n, history: h, load: l, number: i, chance: rand.New(rand.NewPCG(l.Seed, uint64(i)))}
		if i < l.Opaque {
			clients.Go(func() { s.sendOpaque(ctx) })
		} else {
			clients.Go(func() { s.sendTransfers(ctx, i-l.Opaque) })
		}
	}
	clients.Wait()
}

// sender is one client.
type sender struct {
	network *Network
	history *History
	load    Load
	number  int
	chance  *rand.Rand
	made    uint64
}

// sendOpaque sends bursts of new transactions, each to a random validator.
func (s *sender) sendOpaque(ctx context.Context) {
	for ctx.Err() == nil {
		txs := make([][]byte, s.load.Burst)
		for i := range txs {
			txs[i] = s.newPayload()
		}
		s.submitTxs(s.chance.IntN(Validators), txs, Submit{})
		devnet.Pause(ctx, s.load.Between)
	}
}

// newPayload returns a new opaque transaction, different from all others.
func (s *sender) newPayload() []byte {
	payload := make([]byte, s.load.Size)
	for at := 16; at+8 <= len(payload); at += 8 {
		binary.LittleEndian.PutUint64(payload[at:], s.chance.Uint64())
	}
	binary.BigEndian.PutUint64(payload, uint64(s.number))
	binary.BigEndian.PutUint64(payload[8:], s.made)
	s.made++
	return remora.EncodeOpaque(payload)
}

// submitTxs sends transactions to a validator and records the outcome of each. Answers are awaited even when the load
// has ended: an acknowledgement counts.
func (s *sender) submitTxs(validator int, txs [][]byte, draft Submit) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	draft.At, draft.Client, draft.Validator = time.Now(), s.number, validator
	answer, err := s.network.nodes[validator].SendTxs(ctx, txs)
	entries := make([]Submit, len(txs))
	for i, tx := range txs {
		draft.Tx, draft.Outcome = remora.TxHash(tx), Acked
		switch {
		case errors.Is(err, client.ErrBusy):
			draft.Outcome = Refused
		case err != nil:
			draft.Outcome = Unanswered
		case answer.Tx[i] < 0:
			draft.Outcome = Refused
		}
		entries[i] = draft
	}
	s.history.addSubmits(entries...)
}

// sendTransfers sends transfers of one account in the order of their nonces, each when the last is executed. A transfer
// that is not executed soon is sent again, the same bytes to another validator; its nonce lets it take effect only
// once.
func (s *sender) sendTransfers(ctx context.Context, account int) {
	keys := s.network.keys
	transfer := client.Draft{
		Kind: remora.KindTransfer, Body: remora.Transfer{To: keys[(account+1)%len(keys)].Public(), Amount: 1},
		ValidFor: 24 * time.Hour, // longer than any load: it is sent until it is executed
	}
	for nonce := uint64(0); ctx.Err() == nil; nonce++ {
		tx := client.Sign(keys[account], s.network.genesis, transfer, client.Nonce{Nonce: nonce})
		for ctx.Err() == nil {
			validator := s.chance.IntN(Validators)
			s.submitTxs(validator, [][]byte{tx}, Submit{Signed: true, Nonce: nonce})
			if s.awaitNonce(ctx, keys[account], nonce) {
				break
			}
		}
		devnet.Pause(ctx, s.load.Between)
	}
}

// resendAfter is the time after which a client sends a transfer that was not executed again.
const resendAfter = 2 * time.Second

// awaitNonce waits until some validator has executed a transaction with the nonce, and reports whether one did.
func (s *sender) awaitNonce(ctx context.Context, key *ed25519.PrivateKey, nonce uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, resendAfter)
	defer cancel()
	return devnet.Poll(ctx, func() (bool, error) {
		account, err := s.network.nodes[s.chance.IntN(Validators)].Account(ctx, key.Public())
		return err == nil && account.Nonce > nonce, nil
	}) == nil
}
