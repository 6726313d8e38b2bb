package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/proofs/content"
)

const (
	reader      = 2 // position of the account that pays for a delivery
	claimPoll   = 50 * time.Millisecond
	forgedBytes = 1 << 20
)

// earn fetches the film in a session, kills the cache that delivered it before it has claimed, and follows its claim until
// the chain has settled it.
func (s *story) earn(ctx context.Context) error {
	key, out := s.keys[reader], filepath.Join(s.status.Home, "story", "paid.bin")
	name, err := s.deliverer(ctx)
	if err != nil {
		return err
	}
	before, err := s.nodes[0].Claims(ctx, name)
	if err != nil {
		return err
	}
	r, err := fetch.Fetch(ctx, fetch.Options{
		Gateway: s.gateway(), CID: s.film.CID, Out: out,
		Key: key, Chain: payer{s.nodes[0], key}, Sessions: filepath.Join(s.status.Home, "story", "sessions"),
	})
	if err != nil {
		return err
	}
	s.say("carol opens a session and fetches %d MiB again, this time paying: %d receipts signed, %.0f MB/s",
		r.Bytes>>20, r.Receipts, float64(r.Bytes)/1e6/r.Seconds)
	if err := s.net.Kill(ctx, name); err != nil {
		return err
	}
	if err := s.net.Start(ctx, name); err != nil {
		return err
	}
	s.say("%s, which delivered it, is killed (SIGKILL) and back: its receipts are on its disk", name)
	if err := s.forge(ctx, name); err != nil {
		return err
	}
	return errors.Join(s.settled(ctx, name, before, r.Bytes), os.Remove(out))
}

// deliverer returns the name of the cache that is the first choice for the film, and up: a reader asks it first.
func (s *story) deliverer(ctx context.Context) (string, error) {
	root, _, err := content.ParseCID(s.film.CID)
	if err != nil {
		return "", err
	}
	caches, err := publisher{s.nodes[0], s.keys[reader]}.Caches(ctx)
	if err != nil {
		return "", err
	}
	addresses := make([]remora.Address, len(caches))
	for i, c := range caches {
		addresses[i] = c.Address
	}
	first := remora.Assign(root, addresses, 1)
	for _, c := range caches {
		if len(first) == 1 && first[0] == c.Address {
			return c.Name, nil
		}
	}
	return "", fmt.Errorf("%w: no cache is registered", errStory)
}

// settled follows the claims of a cache, besides those that it had before, until the settled ones are worth the bytes.
func (s *story) settled(ctx context.Context, name string, before []client.Claim, bytes uint64) error {
	told := map[remora.Epoch]remora.ClaimState{}
	old := map[remora.Epoch]bool{}
	for i := range before {
		old[before[i].Epoch] = true
	}
	ticker := time.NewTicker(claimPoll)
	defer ticker.Stop()
	for {
		claims, err := s.nodes[0].Claims(ctx, name)
		if err != nil {
			return err
		}
		paid := uint64(0)
		for i := range claims {
			c := &claims[i]
			if old[c.Epoch] {
				continue
			}
			if seen, known := told[c.Epoch]; !known || seen != c.State {
				told[c.Epoch] = c.State
				s.sayClaim(name, c)
			}
			switch c.State {
			case remora.ClaimSettled:
				paid += c.Bytes
			case remora.ClaimSlashed, remora.ClaimRejected:
				return fmt.Errorf("%w: the claim of %s for epoch %d is %s", errStory, name, c.Epoch, c.State)
			default:
			}
		}
		if paid >= bytes {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has claims settled for %d of %d bytes: %w", name, paid, bytes, ctx.Err())
		}
	}
}

func (s *story) sayClaim(name string, c *client.Claim) {
	switch c.State {
	case remora.ClaimCommitted:
		s.say("%s claims %d bytes of epoch %d in block %d: worth %s, and %s deposited", name, c.Bytes, c.Epoch, c.Height, c.Value, c.Deposit)
	case remora.ClaimChallenged:
		s.say("step %d of the beacon challenges the claim: %d bytes of %d are drawn", c.Step, remora.ClaimSamples, c.Bytes)
	case remora.ClaimSettled:
		s.say("the opening verifies: %s is paid %s, the treasury %s; locked until epoch %d", name, c.Paid, c.Value-c.Paid, c.Release)
	default:
		s.say("the claim of %s for epoch %d is %s", name, c.Epoch, c.State)
	}
}

// forge claims as the other cache for what nobody received, in the same session, and expects every attempt to fail.
func (s *story) forge(ctx context.Context, honest string) error {
	name := ""
	for _, n := range s.status.Nodes {
		if n.Role == devnet.RoleCache && n.Name != honest {
			name = n.Name
		}
	}
	key, err := s.nodeKey(name)
	if err != nil {
		return err
	}
	sessions, err := s.nodes[0].Sessions(ctx, s.keys[reader].Public())
	if err != nil {
		return err
	}
	if len(sessions) == 0 {
		return fmt.Errorf("%w: the paid fetch opened no session", errStory)
	}
	newest := slices.MaxFunc(sessions, func(a, b client.Session) int { return cmp.Compare(a.ID, b.ID) })
	st, err := s.nodes[0].Status(ctx)
	if err != nil {
		return err
	}
	if err := s.afterEpoch(ctx, st.Epoch); err != nil {
		return err
	}
	f := &forger{story: s, key: key, name: name, session: newest.ID, epoch: st.Epoch}
	if err := f.greedy(ctx, newest.Grants); err != nil {
		return err
	}
	return f.invented(ctx)
}

// nodeKey opens the account's key of a node of the devnet.
func (s *story) nodeKey(name string) (*ed25519.PrivateKey, error) {
	for _, n := range s.status.Nodes {
		if n.Name != name {
			continue
		}
		h, err := home.Open(n.Home)
		if err != nil {
			return nil, err
		}
		keys, err := keystore.Load(h.AccountKeyPath(), nil)
		if err != nil {
			return nil, err
		}
		return home.Account(keys)
	}
	return nil, fmt.Errorf("%w: there is no second cache to forge a claim", errStory)
}

// afterEpoch waits until the chain has left an epoch behind.
func (s *story) afterEpoch(ctx context.Context, epoch remora.Epoch) error {
	ticker := time.NewTicker(claimPoll)
	defer ticker.Stop()
	for {
		st, err := s.nodes[0].Status(ctx)
		if err != nil || st.Epoch > epoch {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
