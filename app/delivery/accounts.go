package delivery

import (
	"cmp"
	"slices"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
)

// Limits of the sessions in memory. A session that is evicted is read from the journal with its next request.
const (
	maxAccounts = 1024
	maxExtents  = 1 << 19 // 28 MiB of extents in the tallies of idle sessions
	shedPart    = 8       // an eighth is evicted at a time, so that one write covers many
)

// account is a session's books while they are in memory.
type account struct {
	id     remora.SessionID
	mu     sync.Mutex // guards seller
	seller *session.Seller

	// guarded by the mutex of accounts
	users   int    // requests that hold it; it is evicted only at 0
	used    uint64 // clock of its last release by a request
	extents int    // of the seller in memory, as of the last weighAccount
}

// accounts are the sessions in memory.
type accounts struct {
	journal *journal

	mu      sync.Mutex // may be locked while an account is, never the other way round
	live    map[remora.SessionID]*account
	extents int
	clock   uint64
	limits  struct{ accounts, extents int } // tests lower them
}

func newAccounts(j *journal) *accounts {
	s := &accounts{journal: j, live: map[remora.SessionID]*account{}}
	s.limits.accounts, s.limits.extents = maxAccounts, maxExtents
	return s
}

// takeAccount returns a session's account for a request, which must call leaveAccount.
func (s *accounts) takeAccount(id remora.SessionID) (*account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.live[id]
	if a == nil {
		if len(s.live) >= s.limits.accounts {
			if err := s.evictIdle(s.limits.accounts / shedPart); err != nil {
				return nil, err
			}
		}
		t, err := getRow[session.Totals](s.journal, accountKey(id), maxTotalsRow)
		if err != nil {
			return nil, err
		}
		a = &account{id: id, seller: session.NewSeller(s.journal, t)}
		s.live[id] = a
	}
	a.users++
	return a, nil
}

func (s *accounts) leaveAccount(a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	a.users--
	a.used = s.clock
	s.shedExtents()
}

// weighAccount updates the number of extents that an account has in memory. The caller has locked the account.
func (s *accounts) weighAccount(a *account) {
	n := int(a.seller.Extents())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extents += n - a.extents
	a.extents = n
}

// listIdle returns the accounts without a request, longest unused first.
func (s *accounts) listIdle() []*account {
	var list []*account
	for _, a := range s.live {
		if a.users == 0 {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *account) int { return cmp.Compare(a.used, b.used) })
	return list
}

// shedExtents drops extents of idle accounts, longest unused first, from above the limit to an eighth below it.
func (s *accounts) shedExtents() {
	if s.extents <= s.limits.extents {
		return
	}
	for _, a := range s.listIdle() {
		if s.extents <= s.limits.extents-s.limits.extents/shedPart {
			return
		}
		s.extents -= a.extents
		a.extents = 0
		a.seller.DropExtents()
	}
}

// evictIdle evicts at most n idle accounts, after writing their unsaved totals. Some are always idle: at most
// maxServing are in use.
func (s *accounts) evictIdle(n int) error {
	list := s.listIdle()
	list = list[:min(n, len(list))]
	if err := s.saveTotals(list); err != nil {
		return err
	}
	for _, a := range list {
		s.extents -= a.extents
		delete(s.live, a.id)
	}
	return nil
}

// flushTotals writes the unsaved totals of idle accounts.
func (s *accounts) flushTotals() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saveTotals(s.listIdle())
}

func (s *accounts) saveTotals(list []*account) error {
	puts := map[string][]byte{}
	for _, a := range list {
		if a.seller.Unsaved() {
			puts[string(accountKey(a.id))] = remora.Encode(a.seller.Totals())
		}
	}
	if len(puts) == 0 {
		return nil
	}
	if err := s.journal.writeRows(puts, nil); err != nil {
		return err
	}
	for _, a := range list {
		a.seller.MarkSaved()
	}
	return nil
}

// forgetSessions drops accounts of sessions that the chain does not have any more.
func (s *accounts) forgetSessions(ids []remora.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if a := s.live[id]; a != nil && a.users == 0 {
			s.extents -= a.extents
			delete(s.live, id)
		}
	}
}
