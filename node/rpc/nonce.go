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
// one twice. It is best effort: a collision costs a retry.
type nonces struct {
	mu   sync.Mutex
	held map[remora.Address]map[uint64]time.Time // end of the reservation
	now  func() time.Time
}

func newNonces() *nonces {
	return &nonces{held: map[remora.Address]map[uint64]time.Time{}, now: time.Now}
}

// reserveLowest reserves the lowest nonce that the account can use and nobody holds. It returns false if there is none.
func (n *nonces) reserveLowest(address remora.Address, account *ledger.Account) (uint64, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	held := n.held[address]
	if held == nil {
		if len(n.held) >= maxNonceAccounts {
			n.dropExpired(now)
		}
		if len(n.held) >= maxNonceAccounts {
			return 0, false
		}
		held = map[uint64]time.Time{}
		n.held[address] = held
	}
	dropPassed(held, now)
	for nonce := account.Nonce(); nonce < account.Nonce()+maxNoncesHeld; nonce++ {
		if _, taken := held[nonce]; taken || account.CheckNonce(nonce) != nil {
			continue
		}
		held[nonce] = now.Add(nonceHold)
		return nonce, true
	}
	return 0, false
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
