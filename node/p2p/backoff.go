package p2p

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
	// stableLife is the age from which the end of a link counts as a new incident, not as another failed attempt.
	stableLife = time.Second
)

// backoff doubles the wait between attempts, with jitter, so that peers which lost each other at the same moment do not
// all dial at the same moment.
type backoff struct{ wait time.Duration }

func (b *backoff) nextWait() time.Duration {
	b.wait = min(max(2*b.wait, firstRetry), lastRetry)
	return b.wait/2 + rand.N(b.wait/2)
}

// noteLinkEnd resets the wait if the link that began at the given time was stable.
func (b *backoff) noteLinkEnd(began time.Time) {
	if time.Since(began) >= stableLife {
		b.wait = 0
	}
}

// waitOrWake waits for d, a token in wake or the end of the context, and reports whether it was woken by a token.
func waitOrWake(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-wake:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
