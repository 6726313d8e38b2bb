package node

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/p2p"
)

// refusing is a role whose submissions fail.
type refusing struct {
	chainRole
	err error
}

// Submit implements chainRole.
func (r refusing) Submit(context.Context, [][]byte) ([]door.Answer, error) { return nil, r.err }

// TestBusyValidatorsAreNoFailure has the validators that a follower asks refuse for want of room: its client is told to come
// back, not that the node failed.
func TestBusyValidatorsAreNoFailure(t *testing.T) {
	for code, want := range map[p2p.Code]bool{p2p.CodeBusy: true, p2p.CodeInvalid: false} {
		n := &Node{chain: refusing{err: fmt.Errorf("no validator took them: %w", &p2p.RemoteError{Code: code})}}
		if _, err := n.passTxs(t.Context(), nil); errors.Is(err, door.ErrBusy) != want {
			t.Errorf("%d became %v", code, err)
		}
	}
}
