package head_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a store whose state is one row: the height. It fails the test when a view is still held in the end.
type fixture struct {
	t    *testing.T
	st   *store.Store
	head *head.Head
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	st, err := store.Open("home", store.Options{FS: crashfs.New(1), Cache: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Init(remora.Hash{1}, row(0)); err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, st: st, head: head.New(head.NewView(st, state.View{}, nil))}
}

func row(h remora.Height) []table.Change {
	return []table.Change{{Table: table.Chain, Key: []byte("height"), Value: []byte{byte(h)}}}
}

// close ends head and store: the store complains about views that nobody released.
func (f *fixture) close() {
	f.t.Helper()
	if err := errors.Join(f.head.Close(), f.st.Close()); err != nil {
		f.t.Error(err)
	}
}

// publish commits and publishes the next block.
func (f *fixture) publish() remora.Height {
	f.t.Helper()
	h := f.st.Height() + 1
	block := &remora.Block{Header: remora.BlockHeader{Height: h}, DAG: []*remora.Header{{Round: 1}}}
	if err := f.st.Commit(store.Commit{Block: block, Changes: row(h)}); err != nil {
		f.t.Fatal(err)
	}
	view := head.NewView(f.st, state.View{Tip: state.Tip{Height: h}, Changes: row(h)}, block)
	if err := f.head.Publish(view); err != nil {
		f.t.Fatal(err)
	}
	return h
}

func (f *fixture) certify(h remora.Height) {
	f.t.Helper()
	if err := f.head.Certify(h); err != nil {
		f.t.Fatal(err)
	}
}

// expect reads a view, checks that it is the state of a height, and releases it.
func (f *fixture) expect(v *head.View, want remora.Height) {
	f.t.Helper()
	got, err := v.Tables.Get(table.Chain, []byte("height"))
	if err != nil || len(got) != 1 || remora.Height(got[0]) != want || v.Tip.Height != want {
		f.t.Errorf("view of height %d reads %v, want %d, error %v", v.Tip.Height, got, want, err)
	}
	if err := v.Release(); err != nil {
		f.t.Error(err)
	}
}

func TestViewsStayUntilReleased(t *testing.T) {
	f := newFixture(t)
	defer f.close()
	old := f.head.Newest()
	for range 3 {
		f.publish()
	}
	f.expect(f.head.Newest(), 3)
	if tip := f.head.Tip(); tip.Height != 3 {
		t.Errorf("tip %d", tip.Height)
	}
	f.certify(3) // drops what waited, and not what a reader holds
	f.expect(old, 0)
}

func TestCertifiedIsTheNewestCertified(t *testing.T) {
	f := newFixture(t)
	defer f.close()
	if _, ok := f.head.Certified(); ok {
		t.Fatal("certified before any certificate")
	}
	for range 4 {
		f.publish()
	}
	certified := func(want remora.Height) {
		t.Helper()
		v, ok := f.head.Certified()
		if !ok {
			t.Fatal("nothing certified")
		}
		f.expect(v, want)
	}
	f.certify(2)
	certified(2)
	f.certify(1) // late: it changes nothing
	certified(2)
	f.certify(4)
	certified(4)
	f.certify(9) // of a block that is not executed here
	certified(4)
}

func TestRestartIsCertifiedByItsNewestBlock(t *testing.T) {
	f := newFixture(t)
	defer f.close()
	f.certify(0)
	v, ok := f.head.Certified()
	if !ok {
		t.Fatal("the view that the node resumes from is not certified")
	}
	f.expect(v, 0)
}

// TestUncertifiedViewsAreBounded publishes on without certificates: the oldest views are let go.
func TestUncertifiedViewsAreBounded(t *testing.T) {
	f := newFixture(t)
	defer f.close()
	for range 200 {
		f.publish()
	}
	f.certify(100)
	if v, ok := f.head.Certified(); ok {
		t.Errorf("block %d, 100 below the newest, is still held", v.Tip.Height)
	}
	f.certify(150)
	v, ok := f.head.Certified()
	if !ok {
		t.Fatal("block 150 of 200 is not held any more")
	}
	f.expect(v, 150)
}

// TestPastIsBounded finds the newest heights, each with its own changes, and no older one.
func TestPastIsBounded(t *testing.T) {
	f := newFixture(t)
	defer f.close()
	if v, ok := f.head.Past(0); !ok || v.Tip.Height != 0 {
		t.Errorf("the view that the node resumes from: %+v, %v", v, ok)
	}
	for range 40 {
		f.publish()
	}
	for h := range remora.Height(50) {
		v, ok := f.head.Past(h)
		if want := h > 24 && h <= 40; ok != want {
			t.Errorf("height %d of 40 is kept: %v", h, ok)
		}
		if ok && (v.Tip.Height != h || v.Tables != nil || v.Changes[0].Value[0] != byte(h)) {
			t.Errorf("height %d: %+v", h, v)
		}
	}
}

func TestUntil(t *testing.T) {
	f := newFixture(t)
	defer f.close()
	looked := make(chan struct{}, 16)
	done := make(chan error, 1)
	go func() {
		done <- f.head.Until(t.Context(), func() (bool, error) {
			defer func() { looked <- struct{}{} }()
			return f.head.Tip().Height >= 2, nil
		})
	}()
	<-looked
	f.publish()
	<-looked
	f.publish()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestUntilLooksAfterACertificate(t *testing.T) {
	f := newFixture(t)
	defer f.close()
	f.publish()
	changed := f.head.Changed()
	f.certify(1)
	<-changed
}

func TestUntilEnds(t *testing.T) {
	f := newFixture(t)
	defer f.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.head.Until(ctx, func() (bool, error) { return false, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	broken := errors.New("broken")
	if err := f.head.Until(t.Context(), func() (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("failed look: %v", err)
	}
}

// TestFixtureNoticesALeak guards the tests of this file: a view that nobody releases fails them.
func TestFixtureNoticesALeak(t *testing.T) {
	f := newFixture(t)
	leaked := f.head.Newest()
	err := errors.Join(f.head.Close(), f.st.Close())
	if err == nil || !strings.Contains(err.Error(), "leaked snapshots") || leaked.Block != nil {
		t.Errorf("closing with a view held: %v", err)
	}
}
