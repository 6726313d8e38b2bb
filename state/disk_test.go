package state_test

import (
	"errors"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

var errDisk = errors.New("disk")

// failing is a view whose reads fail from the n-th on.
type failing struct {
	table.View
	left int
}

func (f *failing) countRead() error {
	if f.left--; f.left < 0 {
		return errDisk
	}
	return nil
}

func (f *failing) Get(t table.ID, key []byte) ([]byte, error) {
	if err := f.countRead(); err != nil {
		return nil, err
	}
	return f.View.Get(t, key)
}

func (f *failing) Ascend(t table.ID, prefix []byte, visit func(key, value []byte) bool) error {
	if err := f.countRead(); err != nil {
		return err
	}
	return f.View.Ascend(t, prefix, visit)
}

// everyRead runs use with reads that fail from the first on, from the second on and so on until it needs no more. Each
// failure must be returned: taken for an absent row it would fork the chain.
func everyRead(t *testing.T, v state.View, use func(v state.View) error) int {
	t.Helper()
	for n := 0; ; n++ {
		f := &failing{View: v.Tables, left: n}
		broken := v
		broken.Tables = f
		err := use(broken)
		if f.left >= 0 {
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		var r *remora.Rejection
		if !errors.Is(err, errDisk) || errors.As(err, &r) {
			t.Fatalf("read %d failed, got %v", n, err)
		}
	}
}

func TestReadErrors(t *testing.T) {
	c := newCodeChain(t)
	transfer := statetest.Transfer(c.Genesis, "alice", "carol", 0, 5)
	register := statetest.Register(c.Genesis, "bob", 2, statetest.Node("other", remora.RoleCache))
	ref := c.Batch(0, transfer, register)
	sub := c.SubDAG(statetest.Draft{Time: c.View.Tip.Time + 1000, Payload: payload{0: {ref}}, Beacon: []remora.Authority{1, 2}})
	in := c.Input(sub)

	reads := map[string]int{
		"apply": everyRead(t, c.View, func(v state.View) error {
			_, err := c.Machine.Apply(v, in, c.Verifier)
			return err
		}),
		"pending": everyRead(t, c.View, func(v state.View) error {
			_, err := c.Machine.Pending(v, &sub)
			return err
		}),
		"admit transfer": everyRead(t, c.View, func(v state.View) error { return c.Machine.Admit(v, transfer, c.Verifier) }),
		"admit node":     everyRead(t, c.View, func(v state.View) error { return c.Machine.Admit(v, register, c.Verifier) }),
		"build the tree": everyRead(t, c.View, func(v state.View) error {
			_, err := state.BuildTree(v.Tables)
			return err
		}),
	}
	for what, least := range map[string]int{"apply": 12, "pending": 2, "admit transfer": 2, "admit node": 7, "build the tree": 9} {
		if reads[what] < least {
			t.Errorf("%s needed %d reads, want at least %d", what, reads[what], least)
		}
	}
}
