package delivery

import (
	"cmp"
	"slices"
	"sync"

	"github.com/remora-network/remora"
)

// Limits of the sessions in memory. What goes is in the journal and comes back with the next request.
const (
	maxAccounts = 1024
	maxExtents  = 1 << 19 // 28 MiB of extents in the tallies of idle sessions
	shedShare   = 8       // an eighth goes at a time, so that one write serves many
)

// accounts is the sessions in memory.
type accounts struct {
	journal Journal
	write   func(puts map[string][]byte, drops [][]byte) error // the service's

	mu      sync.Mutex // may be taken by who holds an account's, never the other way round
	live    map[remora.SessionID]*account
	extents int
	clock   uint64
	limits  limits
}

// limits is what accounts may hold; tests lower them.
type limits struct{ accounts, extents int }

func newAccounts(j Journal, write func(map[string][]byte, [][]byte) error) *accounts {
	return &accounts{journal: j, write: write, live: map[remora.SessionID]*account{}, limits: limits{maxAccounts, maxExtents}}
}

// take returns a session's account for a request, which gives it back with leave.
func (s *accounts) take(id remora.SessionID) (*account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.live[id]
	if a == nil {
		if len(s.live) >= s.limits.accounts {
			if err := s.evict(s.limits.accounts / shedShare); err != nil {
				return nil, err
			}
		}
		value, err := s.journal.Get(accountKey(id))
		if err != nil {
			return nil, err
		}
		a = &account{session: id}
		if value != nil {
			if a.t, err = decodeTotals(value); err != nil {
				return nil, err
			}
		}
		s.live[id] = a
	}
	a.users++
	return a, nil
}

func (s *accounts) leave(a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	a.users--
	a.used = s.clock
	s.shed()
}

// weigh notes how many extents an account's tally has. The caller holds the account.
func (s *accounts) weigh(a *account) {
	n := 0
	if a.book != nil && a.book.tally != nil {
		n = int(a.book.tally.Len())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extents += n - a.extents
	a.extents = n
}

// idle returns the accounts that nobody uses, those first that were not used for longest.
func (s *accounts) idle() []*account {
	var list []*account
	for _, a := range s.live {
		if a.users == 0 {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *account) int { return cmp.Compare(a.used, b.used) })
	return list
}

// shed forgets tallies until the rest is within the limit: an eighth more than has to go.
func (s *accounts) shed() {
	if s.extents <= s.limits.extents {
		return
	}
	for _, a := range s.idle() {
		if s.extents <= s.limits.extents-s.limits.extents/shedShare {
			return
		}
		s.extents -= a.extents
		a.extents, a.book = 0, nil
	}
}

// evict forgets up to n idle accounts. What they know and the journal does not is written first. There are always some:
// no more than maxServing are in use.
func (s *accounts) evict(n int) error {
	list := s.idle()
	list = list[:min(n, len(list))]
	if err := s.save(list); err != nil {
		return err
	}
	for _, a := range list {
		s.extents -= a.extents
		delete(s.live, a.session)
	}
	return nil
}

// flush writes what idle accounts know and the journal does not.
func (s *accounts) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save(s.idle())
}

func (s *accounts) save(list []*account) error {
	puts := map[string][]byte{}
	for _, a := range list {
		if a.dirty {
			puts[string(accountKey(a.session))] = remora.Encode(a.t)
		}
	}
	if len(puts) == 0 {
		return nil
	}
	if err := s.write(puts, nil); err != nil {
		return err
	}
	for _, a := range list {
		a.dirty = false
	}
	return nil
}

// forget drops accounts of sessions that the chain does not have any more.
func (s *accounts) forget(ids []remora.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if a := s.live[id]; a != nil && a.users == 0 {
			s.extents -= a.extents
			delete(s.live, id)
		}
	}
}

func (s *accounts) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}
