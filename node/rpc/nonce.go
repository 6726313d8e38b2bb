package rpc

import (
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/ledger"
)

const (
	// nonceHold is how long a nonce stays set aside for whoever asked: long enough to sign, submit and execute.
	nonceHold = 5 * time.Second
	// maxNonceAccounts bounds the accounts with nonces set aside.
	maxNonceAccounts = 4096
	// maxNoncesHeld bounds the nonces set aside for one account; the state machine accepts no more of them ahead.
	maxNoncesHeld = 64
)

// nonces remembers which nonces were handed out and may be on their way, so that senders that share an account do not
// sign two transactions with one of them. It is a courtesy: a wrong guess costs a retry, nothing else.
type nonces struct {
	mu   sync.Mutex
	held map[remora.Address]map[uint64]time.Time // until when
	now  func() time.Time
}

func newNonces() *nonces {
	return &nonces{held: map[remora.Address]map[uint64]time.Time{}, now: time.Now}
}

// reserveLowest sets the lowest nonce aside that the account can use and nobody holds; false when there is none.
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

// dropExpired drops what is held no more.
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
