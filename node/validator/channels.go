package validator

import "context"

// sendTo sends unless the context ends first.
func sendTo[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeMore takes further messages that have arrived, at most verifyBatch, so that one write to disk serves all of them.
func takeMore[T any](from <-chan T, take func(T)) {
	for range verifyBatch {
		select {
		case m := <-from:
			take(m)
		default:
			return
		}
	}
}
