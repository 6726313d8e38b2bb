package replay_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/replay"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a source whose blocks a test may change.
type memory struct{ blocks []*remora.CertifiedBlock }

// Tip implements replay.Source.
func (m *memory) Tip(context.Context) (remora.Height, error) {
	return remora.Height(len(m.blocks)), nil
}

// Blocks implements replay.Source.
func (m *memory) Blocks(_ context.Context, from, to remora.Height, visit func(*remora.CertifiedBlock) error) error {
	for h := from; h <= to && int(h) <= len(m.blocks); h++ {
		if err := visit(m.blocks[h-1]); err != nil {
			return err
		}
	}
	return nil
}

// chain makes a certified chain that passes an epoch, and a source of it.
func chain(t *testing.T, chainID string) (*replaytest.Chain, *memory) {
	t.Helper()
	c := replaytest.New(t, chainID)
	for i := range uint64(25) {
		c.Certify(c.Block(c.Transfer(0, 1, i, 7), c.Transfer(1, 2, i, 3), remora.EncodeOpaque([]byte{byte(i)})).Header.Height)
		if i%5 == 0 {
			c.Certify(c.Block().Header.Height)
		}
	}
	m := new(memory)
	for h := remora.Height(1); h <= c.Store.Height(); h++ {
		m.blocks = append(m.blocks, read(t, c, h))
	}
	return c, m
}

// read returns a block as a stranger would send it: decoded from bytes, sharing nothing.
func read(t *testing.T, c *replaytest.Chain, h remora.Height) *remora.CertifiedBlock {
	t.Helper()
	cb, err := c.Store.CertifiedBlock(h)
	if err != nil {
		t.Fatal(err)
	}
	again, err := remora.DecodeCertifiedBlock(remora.Encode(cb), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestReplay(t *testing.T) {
	c, source := chain(t, "dev-replay")
	got, err := replay.Replay(t.Context(), c.Genesis, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := replay.Summary{From: 1, To: 30, Blocks: 30, Txs: 75, StateRoot: c.Executor.View().Tree.Root(), Matches: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("replay (-want +got):\n%s", diff)
	}
	if got, err = replay.Verify(t.Context(), c.Genesis, source, 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verify (-want +got):\n%s", diff)
	}
	if got, err = replay.Replay(t.Context(), c.Genesis, source, 4); err != nil || got.To != 4 || got.Blocks != 4 {
		t.Errorf("to 4: %+v, %v", got, err)
	}
}

func TestEmptyChain(t *testing.T) {
	c := replaytest.New(t, "dev-empty")
	got, err := replay.Replay(t.Context(), c.Genesis, new(memory), 0)
	if err != nil || got.Blocks != 0 || !got.Matches || got.StateRoot != c.Executor.View().Tree.Root() {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestTampered changes one thing of one block. Certificates and links alone show all of it.
func TestTampered(t *testing.T) {
	const at = 10
	other, _ := replaytest.Genesis(t, "dev-other")
	tests := []struct {
		name   string
		change func(c *replaytest.Chain, m *memory)
	}{
		{"no certificate, other root", func(_ *replaytest.Chain, m *memory) {
			m.blocks[at].Certificate = nil
			m.blocks[at].Block.Header.StateRoot[0] ^= 1
		}},
		{"certificate of another block", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Certificate = m.blocks[at-1].Certificate }},
		{"too few signers", func(c *replaytest.Chain, m *memory) {
			m.blocks[at].Certificate = c.Sign(&m.blocks[at].Block.Header, 0, 1)
		}},
		{"claimed signer", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Certificate.Signers.Add(3) }},
		{"bitmap too long", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Certificate.Signers = remora.Bitmap{0x0f, 0} }},
		{"signature", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Certificate.Signature[5] ^= 1 }},
		{"state root", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Block.Header.StateRoot[0] ^= 1 }},
		{"transaction", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Batches[0][60] ^= 1 }},
		{"batch cut off", func(_ *replaytest.Chain, m *memory) {
			m.blocks[at].Batches[0] = m.blocks[at].Batches[0][:40]
		}},
		{"batch missing", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Batches = nil }},
		{"digest of a batch", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Block.Batches[0][0] ^= 1 }},
		{"result", func(_ *replaytest.Chain, m *memory) { m.blocks[at].Block.Results[0]++ }},
		{"header of the DAG", func(c *replaytest.Chain, m *memory) {
			m.blocks[at].Block.DAG[0].Round++
			m.blocks[at].Block.Seal()
		}},
		{"block left out", func(_ *replaytest.Chain, m *memory) { m.blocks = append(m.blocks[:at:at], m.blocks[at+1:]...) }},
		{"block twice", func(_ *replaytest.Chain, m *memory) { m.blocks[at] = m.blocks[at-1] }},
		{"signed, other parent", func(c *replaytest.Chain, m *memory) { m.forge(c, at, func(h *remora.BlockHeader) { h.Parent[0] ^= 1 }) }},
		{"signed, earlier time", func(c *replaytest.Chain, m *memory) {
			m.forge(c, at, func(h *remora.BlockHeader) { h.Time = replaytest.StartTime })
		}},
		{"signed, other chain", func(c *replaytest.Chain, m *memory) {
			m.forge(c, at, func(h *remora.BlockHeader) { h.Domain = other.Domain() })
		}},
		{"signed, other term", func(c *replaytest.Chain, m *memory) { m.forge(c, at, func(h *remora.BlockHeader) { h.Term = 2 }) }},
		{"signed, other protocol", func(c *replaytest.Chain, m *memory) { m.forge(c, at, func(h *remora.BlockHeader) { h.Version = 9 }) }},
	}
	c, source := chain(t, "dev-tamper")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &memory{blocks: append([]*remora.CertifiedBlock(nil), source.blocks...)}
			for h := at; h <= at+2; h++ {
				m.blocks[h-1] = read(t, c, remora.Height(h))
			}
			m.blocks[at] = read(t, c, at+1)
			tt.change(c, m)
			if _, err := replay.Verify(t.Context(), c.Genesis, m, 20); !errors.Is(err, replay.ErrUnverified) {
				t.Errorf("verify: %v, want ErrUnverified", err)
			}
			if _, err := replay.Replay(t.Context(), c.Genesis, m, 20); !errors.Is(err, replay.ErrUnverified) {
				t.Errorf("replay: %v, want ErrUnverified", err)
			}
		})
	}
}

// TestMissingCertificates leaves certificates out. Those of later blocks cover for them, but the last one must be there.
func TestMissingCertificates(t *testing.T) {
	c, m := chain(t, "dev-holes")
	for i := range 19 {
		m.blocks[i].Certificate = nil
	}
	for name, audit := range audits() {
		if report, err := audit(t.Context(), c.Genesis, m, 20); err != nil || report.To != 20 {
			t.Errorf("%s to the certified block: %+v, %v", name, report, err)
		}
		if _, err := audit(t.Context(), c.Genesis, m, 19); !errors.Is(err, replay.ErrNotCertified) {
			t.Errorf("%s to one without: %v, want ErrNotCertified", name, err)
		}
	}
	// A source that makes a block up cannot pass it for a divergence of the chain.
	m.blocks[4].Block.Header.StateRoot[0] ^= 1
	for name, audit := range audits() {
		if _, err := audit(t.Context(), c.Genesis, m, 20); !errors.Is(err, replay.ErrUnverified) || errors.Is(err, exec.ErrDiverged) {
			t.Errorf("%s of an invented block: %v, want ErrUnverified", name, err)
		}
	}
}

func audits() map[string]func(context.Context, *remora.Genesis, replay.Source, remora.Height) (replay.Summary, error) {
	return map[string]func(context.Context, *remora.Genesis, replay.Source, remora.Height) (replay.Summary, error){
		"replay": replay.Replay, "verify": replay.Verify,
	}
}

// forge changes a header and has a quorum sign it, as a dishonest committee could.
func (m *memory) forge(c *replaytest.Chain, i int, change func(*remora.BlockHeader)) {
	h := &m.blocks[i].Block.Header
	change(h)
	m.blocks[i].Certificate = c.Sign(h, 0, 1, 2)
}

// TestDivergence replays a block whose state root a quorum signed although execution gives another.
func TestDivergence(t *testing.T) {
	c, m := chain(t, "dev-diverge")
	m.forge(c, 9, func(h *remora.BlockHeader) { h.StateRoot[0] ^= 1 })
	report, err := replay.Replay(t.Context(), c.Genesis, m, 10)
	var divergence *exec.Divergence
	if !errors.As(err, &divergence) || divergence.Height != 10 || report.Matches || report.To != 9 {
		t.Fatalf("%+v, %v; want a divergence at block 10", report, err)
	}
	if divergence.Expected.StateRoot == divergence.Got.StateRoot {
		t.Error("the divergence names equal roots")
	}
	if _, err := replay.Verify(t.Context(), c.Genesis, m, 10); err != nil {
		t.Errorf("certificates and links alone: %v", err)
	}
}

func TestOtherGenesis(t *testing.T) {
	c, m := chain(t, "dev-mine")
	other := replaytest.New(t, "dev-theirs")
	richer := *c.Genesis
	richer.Accounts = append([]remora.GenesisAccount(nil), c.Genesis.Accounts...)
	richer.Accounts[0].Balance++
	for name, g := range map[string]*remora.Genesis{"another chain": other.Genesis, "another allocation": &richer} {
		if _, err := replay.Replay(t.Context(), g, m, 0); !errors.Is(err, replay.ErrUnverified) {
			t.Errorf("replay with %s: %v, want ErrUnverified", name, err)
		}
		if _, err := replay.Verify(t.Context(), g, m, 0); !errors.Is(err, replay.ErrUnverified) {
			t.Errorf("verify with %s: %v, want ErrUnverified", name, err)
		}
	}
	forged := *c.Genesis
	forged.Validators = append([]remora.GenesisValidator(nil), c.Genesis.Validators...)
	forged.Validators[0].Node.Possession[9] ^= 1
	if _, err := replay.Verify(t.Context(), &forged, m, 0); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("genesis with a wrong proof of possession: %v, want ErrInvalid", err)
	}
}

// late has its certificate after a time.
type late struct {
	memory
	formed time.Time
}

// Tip implements replay.Source.
func (l *late) Tip(ctx context.Context) (remora.Height, error) {
	tip, err := l.memory.Tip(ctx)
	if time.Now().Before(l.formed) {
		tip--
	}
	return tip, err
}

func TestAwaitsCertificate(t *testing.T) {
	c, m := chain(t, "dev-await")
	synctest.Test(t, func(t *testing.T) {
		source := &late{memory: *m, formed: time.Now().Add(3 * time.Second)}
		if report, err := replay.Verify(t.Context(), c.Genesis, source, 30); err != nil || report.To != 30 {
			t.Errorf("certificate after 3 s: %+v, %v", report, err)
		}
		start := time.Now()
		if _, err := replay.Verify(t.Context(), c.Genesis, m, 31); !errors.Is(err, replay.ErrNotCertified) {
			t.Errorf("never certified: %v, want ErrNotCertified", err)
		}
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("gave up after %v", waited)
		}
	})
}

func TestEndsWithContext(t *testing.T) {
	c, m := chain(t, "dev-cancel")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replay.Replay(ctx, c.Genesis, m, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := replay.Replay(ctx, c.Genesis, m, 99); !errors.Is(err, context.Canceled) {
		t.Errorf("while waiting: %v", err)
	}
}

func TestHome(t *testing.T) {
	c, _ := chain(t, "dev-home")
	c.Block() // its sync makes the certificates durable; itself it has none
	home := t.TempDir()
	if err := os.CopyFS(filepath.Join(home, "data"), os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	// A restart turns the log of the database into tables, which the shadow links to.
	restarted, err := store.Open(filepath.Join(home, "data"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := restarted.Close(); err != nil {
		t.Fatal(err)
	}
	if tables, err := filepath.Glob(filepath.Join(home, "data", "state", "*", "*.sst")); err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	before := sums(t, home)
	source, err := replay.OpenHome(home)
	if err != nil {
		t.Fatal(err)
	}
	report, err := replay.Replay(t.Context(), c.Genesis, source, 0)
	if err != nil || report.To != 30 || report.Txs != 75 {
		t.Errorf("got %+v, %v", report, err)
	}
	if err := source.Blocks(t.Context(), 31, 31, nil); !errors.Is(err, replay.ErrNotCertified) {
		t.Errorf("block without certificate: %v", err)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, sums(t, home)); diff != "" {
		t.Errorf("the copied home changed (-before +after):\n%s", diff)
	}
}

func TestOpenHomeRefuses(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	if _, err := replay.OpenHome(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no home: %v", err)
	}
	empty := t.TempDir()
	if err := os.Mkdir(filepath.Join(empty, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := replay.OpenHome(empty); err == nil {
		t.Error("opened a home without a chain")
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func sums(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	found := map[string][32]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found[path] = sha256.Sum256(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
