package rpc

import (
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/ledger"
)

const (
	// nonceHold is the time for which a nonce stays reserved: long enough to sign, submit and execute.
	nonceHold = 5 * time.Second
	// maxNonceAccounts bounds the accounts with reserved nonces.
	maxNonceAccounts = 4096
	// maxNoncesHeld bounds the nonces reserved for one account: the state machine accepts at most that many ahead.
	maxNoncesHeld = 64
)

// nonces remembers the nonces that were handed out and may be in flight, so that senders that share an account do not use
// one twice. Anybody may ask for one, so a reservation keeps nobody out: where all nonces of an account are reserved, the
// one that was so for the longest time is handed out again. A collision costs a retry.
type nonces struct {
	mu   sync.Mutex
	held map[remora.Address]map[uint64]time.Time // end of the reservation
	now  func() time.Time
}

func newNonces() *nonces {
	return &nonces{held: map[remora.Address]map[uint64]time.Time{}, now: time.Now}
}

// reserveNonce returns a nonce that the account can use: the lowest that is not reserved, or else the one that was reserved
// first. Beyond maxNonceAccounts it reserves nothing.
func (n *nonces) reserveNonce(address remora.Address, account *ledger.Account) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	held := n.held[address]
	if held == nil && len(n.held) >= maxNonceAccounts {
		n.dropExpired(now)
	}
	if held == nil && len(n.held) >= maxNonceAccounts {
		return account.Nonce()
	}
	if held == nil {
		held = map[uint64]time.Time{}
		n.held[address] = held
	}
	dropPassed(held, now)
	first, earliest := account.Nonce(), time.Time{}
	for nonce := account.Nonce(); nonce < account.Nonce()+maxNoncesHeld; nonce++ {
		if account.CheckNonce(nonce) != nil {
			continue
		}
		until, reserved := held[nonce]
		if !reserved {
			first = nonce
			break
		}
		if earliest.IsZero() || until.Before(earliest) {
			first, earliest = nonce, until
		}
	}
	held[first] = now.Add(nonceHold)
	return first
}

// dropExpired drops accounts whose reservations have ended.
func (n *nonces) dropExpired(now time.Time) {
	for address, held := range n.held {
		if dropPassed(held, now); len(held) == 0 {
			delete(n.held, address)
		}
	}
}

func dropPassed(held map[uint64]time.Time, now time.Time) {
	for nonce, until := range held {
		if !until.After(now) {
			delete(held, nonce)
		}
	}
}
