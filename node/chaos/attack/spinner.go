package attack

import (
	"context"
	"time"
)

// slice is the time in which a spinner burns its part and sleeps for the rest.
const slice = 20 * time.Millisecond

// prepareSpinner returns what stands for an attack in a run without one: it uses as much processor time and does nothing.
func prepareSpinner(_ context.Context, o *Order) (func(context.Context) error, error) {
	return func(ctx context.Context) error {
		done := make(chan struct{})
		workers := 0
		for left := o.Percent; left > 0; left -= 100 {
			workers++
			go func() {
				burn(ctx, min(left, 100))
				done <- struct{}{}
			}()
		}
		for range workers {
			<-done
		}
		<-ctx.Done()
		return nil
	}, nil
}

// burn uses a part of one core.
func burn(ctx context.Context, percent int) {
	ticker := time.NewTicker(slice)
	defer ticker.Stop()
	for ctx.Err() == nil {
		for end := time.Now().Add(slice * time.Duration(percent) / 100); time.Now().Before(end); {
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}
