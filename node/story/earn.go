package story

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/wallet"
	"github.com/remora-network/remora/proofs/content"
)

// reader is the position of carol, the account that pays for a delivery.
const reader = 2

// earnDelivery fetches the film in a session, kills the cache that delivered it before it has claimed, and follows its
// claim until it is settled.
func (s *Story) earnDelivery(ctx context.Context) error {
	key, out := s.keys[reader], filepath.Join(s.status.Home, "story", "paid.bin")
	name, err := s.firstCache(ctx)
	if err != nil {
		return err
	}
	before, err := s.nodes[0].Claims(ctx, name)
	if err != nil {
		return err
	}
	r, err := fetch.Fetch(ctx, fetch.Options{
		Gateway: s.gatewayURL(), CID: s.film.CID, Out: out,
		Key: key, Chain: wallet.Wallet{Node: s.nodes[0], Key: key}, Sessions: filepath.Join(s.status.Home, "story", "sessions"),
	})
	if err != nil {
		return err
	}
	s.sayf("carol opens a session and fetches %d MiB again, this time paying: %d receipts signed, %.0f MB/s",
		r.Bytes>>20, r.Receipts, float64(r.Bytes)/1e6/r.Seconds)
	if err := s.Net.Kill(ctx, name); err != nil {
		return err
	}
	if err := s.Net.Start(ctx, name); err != nil {
		return err
	}
	s.sayf("%s, which delivered it, is killed (SIGKILL) and back: its receipts are on its disk", name)
	if err := s.forgeClaims(ctx, name); err != nil {
		return err
	}
	return errors.Join(s.followClaims(ctx, name, before, r.Bytes), os.Remove(out))
}

// firstCache returns the name of the cache that a reader of the film asks first.
func (s *Story) firstCache(ctx context.Context) (string, error) {
	root, _, err := content.ParseCID(s.film.CID)
	if err != nil {
		return "", err
	}
	caches, err := wallet.Wallet{Node: s.nodes[0]}.Caches(ctx)
	if err != nil {
		return "", err
	}
	if len(caches) > 0 {
		return transfer.OrderCaches(root, caches)[0].Name, nil
	}
	return "", fmt.Errorf("%w: no cache is registered", ErrBroken)
}

// followClaims tells of each new claim of a cache, until the settled ones are worth the bytes. old claims do not count.
func (s *Story) followClaims(ctx context.Context, name string, old []client.Claim, bytes uint64) error {
	told := map[remora.Epoch]remora.ClaimState{}
	paid := uint64(0)
	err := devnet.Poll(ctx, func() (bool, error) {
		claims, err := s.nodes[0].Claims(ctx, name)
		if err != nil {
			return false, err
		}
		paid = 0
		for _, c := range claims {
			if slices.ContainsFunc(old, func(o client.Claim) bool { return o.Epoch == c.Epoch }) {
				continue
			}
			if seen, known := told[c.Epoch]; !known || seen != c.State {
				told[c.Epoch] = c.State
				s.sayClaim(name, &c)
			}
			switch c.State {
			case remora.ClaimSettled:
				paid += c.Bytes
			case remora.ClaimSlashed, remora.ClaimRejected:
				return false, fmt.Errorf("%w: the claim of %s for epoch %d is %s", ErrBroken, name, c.Epoch, c.State)
			default:
			}
		}
		return paid >= bytes, nil
	})
	if err != nil {
		return fmt.Errorf("claims of %s settled for %d of %d bytes: %w", name, paid, bytes, err)
	}
	return nil
}

func (s *Story) sayClaim(name string, c *client.Claim) {
	switch c.State {
	case remora.ClaimCommitted:
		s.sayf("%s claims %d bytes of epoch %d in block %d: worth %s, and %s deposited", name, c.Bytes, c.Epoch, c.Height, c.Value, c.Deposit)
	case remora.ClaimChallenged:
		s.sayf("step %d of the beacon challenges the claim: %d bytes of %d are drawn", c.Step, remora.ClaimSamples, c.Bytes)
	case remora.ClaimSettled:
		s.sayf("the opening verifies: %s is paid %s, the treasury %s; locked until epoch %d", name, c.Paid, c.Value-c.Paid, c.Release)
	default:
		s.sayf("the claim of %s for epoch %d is %s", name, c.Epoch, c.State)
	}
}
