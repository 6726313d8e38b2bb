package p2p

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
	// settled is how long a link must have lived for its end to count as a new incident rather than one more failure.
	settled = time.Second
)

// backoff doubles the wait between attempts, with jitter, so that peers which lost each other together do not come
// back together.
type backoff struct{ wait time.Duration }

func (b *backoff) next() time.Duration {
	b.wait = min(max(2*b.wait, firstRetry), lastRetry)
	return b.wait/2 + rand.N(b.wait/2)
}

// ended takes note that a link which began at a given time is over.
func (b *backoff) ended(began time.Time) {
	if time.Since(began) >= settled {
		b.wait = 0
	}
}

// rest waits for the given time, or less when woken or when the context ends. It reports whether it was woken.
func rest(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
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
