package exec_test

import (
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const chainID = "dev-exec"

// verdicts are cheap ones that count how they are used.
type verdicts struct {
	statetest.Verifier
	primed, forgotten int
	ahead             map[remora.Hash]bool // contributions that were primed
	foreseen, missed  int                  // contributions asked about that were, and were not
}

func (v *verdicts) Prime(lists [][]verdict.Statement) {
	v.ahead = map[remora.Hash]bool{}
	for _, s := range slices.Concat(lists...) {
		switch s := s.(type) {
		case verdict.Signed:
			v.primed++
		case verdict.BLSSigned:
			v.ahead[s.Key()] = v.Verifier.Holds(s)
		}
	}
}

func (v *verdicts) Forget() { v.forgotten++ }

func (v *verdicts) Holds(s verdict.Statement) bool {
	if b, ok := s.(verdict.BLSSigned); ok && v.ahead[b.Key()] {
		v.foreseen++
	} else if ok {
		v.missed++
	}
	return v.Verifier.Holds(s)
}

// chain is a sequence of inputs with the headers of the blocks that come of them, made in memory.
type chain struct {
	genesis  *remora.Genesis
	inputs   []state.Input
	headers  []remora.BlockHeader
	verdicts *verdicts // of the executor that was opened last
}

func newGenesis() *remora.Genesis { return statetest.Genesis(chainID, 4, "alice", "bob") }

// newChain returns a chain of blocks with a transfer, an opaque transaction and steps of the beacon.
func newChain(t *testing.T, blocks int) *chain {
	t.Helper()
	c := statetest.NewChain(t, newGenesis())
	made := &chain{genesis: c.Genesis}
	for i := range blocks {
		ref := c.Batch(remora.Authority(i%4), statetest.Transfer(c.Genesis, "alice", "bob", uint64(i), 5), remora.EncodeOpaque(fmt.Appendf(nil, "opaque %d", i)))
		made.addBlock(c, remora.Authority(i%4), ref)
	}
	return made
}

func (made *chain) addBlock(c *statetest.Chain, by remora.Authority, refs ...remora.BatchRef) {
	d := statetest.Draft{
		Time: c.View.Tip.Time + 400, Payload: map[remora.Authority][]remora.BatchRef{by: refs}, Beacon: []remora.Authority{0, 1, 2},
	}
	made.inputs = append(made.inputs, c.Input(c.SubDAG(d)))
	out := c.Next(d)
	made.headers = append(made.headers, out.Block.Header)
}

// openDisk starts an executor on a disk.
func (made *chain) openDisk(fs *crashfs.FS) (*exec.Executor, *store.Store, error) {
	st, err := store.Open("home", store.Options{FS: fs, Cache: 1 << 20})
	if err != nil {
		return nil, nil, err
	}
	made.verdicts = new(verdicts)
	e, err := exec.OpenWith(made.genesis, st, made.verdicts)
	return e, st, err
}

// openNew starts an executor on a new disk, which ends with the test.
func (made *chain) openNew(t *testing.T) (*exec.Executor, *store.Store) {
	t.Helper()
	e, st, err := made.openDisk(crashfs.New(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, st
}

// executeRest executes the inputs that the executor has not executed.
func (made *chain) executeRest(e *exec.Executor, st *store.Store, done func(remora.Height)) error {
	for h := int(e.View().Tip.Height); h < len(made.inputs); h++ {
		in := made.inputs[h]
		if err := st.AppendBatches(in.Batches); err != nil {
			return err
		}
		block, err := e.Execute(in.SubDAG, in.Batches, &made.headers[h])
		if err != nil {
			return err
		}
		done(block.Header.Height)
	}
	return nil
}
