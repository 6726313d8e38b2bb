package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/crypto/bls"
)

func head() bookHead {
	return bookHead{Format: bookFormat, ChainID: "dev-test", Domain: remora.Domain{1}, Number: 7, Expiry: 300}
}

// newAccount returns an account of a session that grants bytes to one cache.
func newAccount(of *prepaid, granted uint64) *account {
	return &account{of: of, Buyer: session.NewBuyer(session.Deal{
		Domain: head().Domain, Session: of.id, Node: remora.Address{1}, Scheme: remora.SchemeBLS, Granted: granted, Expiry: head().Expiry,
	})}
}

// testAccount returns an account of a session with an empty book.
func testAccount(t testing.TB) *account {
	t.Helper()
	b, err := createBook(t.TempDir(), head())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.closeFile() })
	key, err := SessionKey(make([]byte, 32), head().Domain, 7)
	if err != nil {
		t.Fatal(err)
	}
	a := newAccount(&prepaid{book: b, key: key, id: 3}, 1<<40)
	a.TakeAnswer(a.SendRequest(0, nil), session.Delivered, 5)
	return a
}

// fileOf returns the content of a file of n pieces.
func fileOf(id byte, n uint64) remora.Content {
	return remora.Content{Root: remora.Hash{id}, Length: n << 14}
}

// write makes a book of some receipts and returns its text.
func write(t testing.TB) []byte {
	a := testAccount(t)
	for i := range byte(6) {
		if i == 4 {
			a.TakeAnswer(a.SendRequest(0, nil), session.Delivered, 6)
		}
		a.SendRequest(1<<14, nil)
		a.AddVerified(fileOf(i/2, 4), uint64(i%2)<<14, 1<<14)
		v, err := a.NextVoucher()
		if err != nil {
			t.Fatal(err)
		}
		if err := a.storeVoucher(v); err != nil {
			t.Fatal(err)
		}
		a.TakeAnswer(a.SendRequest(0, v), session.Delivered, 0)
	}
	text, err := os.ReadFile(bookName(t, a))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func bookName(t testing.TB, a *account) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(a.of.book.file.Name()), "*"+bookSuffix))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	return names[0]
}

// TestBookFormat pins the bytes of a book: a change of them needs another format name.
func TestBookFormat(t *testing.T) {
	const want = "e593bab0c5012de6f863df535e217c54cdc695619516f3ecb2716973bbb296f1"
	if got := sha256.Sum256(write(t)); hex.EncodeToString(got[:]) != want {
		t.Errorf("a book has the hash %x", got)
	}
}

func TestTornBooks(t *testing.T) {
	text := write(t)
	_, all, size, err := decodeBook(text)
	if err != nil || len(all) != 6 || size != len(text) {
		t.Fatalf("%d entries in %d of %d bytes, %v", len(all), size, len(text), err)
	}
	_, _, first, err := decodeBook(text[:len(text)-1])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for cut := range len(text) {
		_, entries, size, err := decodeBook(text[:cut])
		if err != nil {
			if !errors.Is(err, remora.ErrCorrupt) || len(entries) > 0 {
				t.Fatalf("cut to %d: %v", cut, err)
			}
			continue // the head is torn
		}
		if size > cut || len(entries) > 5 {
			t.Fatalf("cut to %d: %d entries in %d bytes", cut, len(entries), size)
		}
	}
	for name, tail := range map[string][]byte{"half": text[first : len(text)-3], "zeros": make([]byte, 4096), "noise": append(bytes.Clone(text[first:len(text)-1]), text[len(text)-1]^1)} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, append(bytes.Clone(text[:first]), tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		b, _, entries, err := openBook(file)
		if err != nil || len(entries) != 5 {
			t.Fatalf("%s: %d entries, %v", name, len(entries), err)
		}
		if err := errors.Join(b.appendRecord(all[5]), b.closeFile()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: the book is not what it was, %v", name, err)
		}
	}
	damaged := bytes.Clone(text)
	damaged[first-3] ^= 1
	if _, _, _, err := decodeBook(damaged); !errors.Is(err, remora.ErrCorrupt) {
		t.Errorf("damage before the last record: %v", err)
	}
}

func TestBooksAreLocked(t *testing.T) {
	a := testAccount(t)
	if _, _, _, err := openBook(bookName(t, a)); !errors.Is(err, errBusy) {
		t.Errorf("a book in use: %v", err)
	}
	if err := a.of.book.closeFile(); err != nil {
		t.Fatal(err)
	}
	b, h, _, err := openBook(bookName(t, a))
	if err != nil || h != head() {
		t.Fatalf("%+v, %v", h, err)
	}
	if err := b.closeFile(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "../x", "a/b", "A", "a_b", string(make([]byte, 40))} {
		if _, err := createBook(t.TempDir(), bookHead{ChainID: id}); !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("chain id %q: %v", id, err)
		}
	}
}

// TestFailedBook fails a write: nothing is signed after that, even when the disk works again.
func TestFailedBook(t *testing.T) {
	a := testAccount(t)
	a.AddVerified(fileOf(1, 4), 0, 1<<14)
	v, err := a.NextVoucher()
	if err != nil {
		t.Fatal(err)
	}
	good := a.of.book.file
	a.of.book.file, err = os.Open(os.DevNull) // for reading
	if err != nil {
		t.Fatal(err)
	}
	if err := a.storeVoucher(v); err == nil || v.Stored {
		t.Fatal("stored on a disk that fails")
	}
	if err := a.of.book.file.Close(); err != nil {
		t.Fatal(err)
	}
	a.of.book.file = good
	if err := a.storeVoucher(v); err == nil || v.Stored {
		t.Error("stored after a failure")
	}
}

func TestSessionKeys(t *testing.T) {
	a, b := remora.Domain{1}, remora.Domain{2}
	seen := map[remora.BLSPublicKey]bool{}
	for _, c := range []struct {
		seed   byte
		domain remora.Domain
		number uint64
	}{{1, a, 1}, {2, a, 1}, {1, b, 1}, {1, a, 2}} {
		seed := bytes.Repeat([]byte{c.seed}, 32)
		key, err := SessionKey(seed, c.domain, c.number)
		if err != nil {
			t.Fatal(err)
		}
		again, err := SessionKey(seed, c.domain, c.number)
		if err != nil || again.Public() != key.Public() {
			t.Errorf("not the same key twice, %v", err)
		}
		if seen[key.Public()] {
			t.Errorf("seed %d, domain %s, number %d: a key that another session has", c.seed, c.domain, c.number)
		}
		seen[key.Public()] = true
		if err := bls.VerifyPossession(key.Public(), key.ProvePossession()); err != nil {
			t.Error(err)
		}
	}
	if _, err := SessionKey(make([]byte, 31), a, 1); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("a short seed: %v", err)
	}
}

func TestAllotments(t *testing.T) {
	const gib, price = 1 << 30, 10 // a GiB costs 10240
	caches := func(n int) (list []remora.Address) {
		for i := range n {
			list = append(list, remora.Address{byte(200 - i)})
		}
		return list
	}
	for name, c := range map[string]struct {
		caches int
		need   uint64
		price  remora.Amount
		limit  remora.Amount
		count  int
		bytes  uint64
		err    error
	}{
		"plenty":         {5, 100, price, 1 << 40, 5, gib, nil},
		"large":          {5, 3 * gib, price, 1 << 40, 5, 6 * gib, nil},
		"many caches":    {40, 100, price, 1 << 40, remora.MaxAllotments, gib, nil},
		"divided":        {4, gib / 2, price, 4 * 5120, 4, gib / 2, nil},
		"fewer":          {4, gib, price, 2*10240 + 5000, 2, gib + 250<<20, nil},
		"one":            {4, gib, price, 10240, 1, gib, nil},
		"not even one":   {4, gib, price, 10239, 0, 0, ErrSpend},
		"nothing":        {4, 1, price, 0, 0, 0, ErrSpend},
		"free":           {4, gib, 0, 0, 4, 2 * gib, nil},
		"dear":           {4, 1 << 48, 1 << 63, 1 << 63, 0, 0, ErrSpend},
		"all of a chain": {1, 1 << 48, 1, 1 << 63, 1, 1 << 48, nil},
	} {
		list, cost, err := allotBytes(caches(c.caches), c.need, c.price, c.limit)
		if !errors.Is(err, c.err) || len(list) != c.count || cost > c.limit {
			t.Errorf("%s: %d for %d, %v", name, len(list), cost, err)
			continue
		}
		sum := remora.Amount(0)
		for i, a := range list {
			one, _ := remora.Cost(a.Bytes, c.price)
			sum += one
			if a.Bytes != c.bytes || a.Bytes < c.need {
				t.Errorf("%s: %d bytes, want %d", name, a.Bytes, c.bytes)
			}
			if a.Node[0] < byte(200-c.count+1) {
				t.Errorf("%s: %s is not among the first", name, a.Node)
			}
			if i > 0 && bytes.Compare(list[i-1].Node[:], a.Node[:]) >= 0 {
				t.Errorf("%s: out of order", name)
			}
		}
		if sum != cost {
			t.Errorf("%s: costs %d, not %d", name, sum, cost)
		}
	}
}

// FuzzBook decodes any bytes. Accepted ones decode again to the same, and restore to accounts that add up.
func FuzzBook(f *testing.F) {
	text := write(f)
	f.Add(text)
	f.Add(text[:len(text)-5])
	f.Add(append(bytes.Clone(text), make([]byte, 20)...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, entries, size, err := decodeBook(b)
		if err != nil {
			if !errors.Is(err, remora.ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		if h.Format != bookFormat || size > len(b) {
			t.Fatalf("head %+v, %d of %d bytes", h, size, len(b))
		}
		_, again, whole, err := decodeBook(b[:size])
		if err != nil || whole != size || len(again) != len(entries) {
			t.Fatalf("%d bytes, %d entries, %v: not what it was", whole, len(again), err)
		}
		a := newAccount(&prepaid{id: 3}, 1<<62)
		a.of.accounts = map[remora.Address]*account{a.Node: a}
		if a.of.restoreEntries(entries) != nil {
			return
		}
		signed := map[remora.Epoch]uint64{}
		for _, e := range entries {
			signed[e.Ack.Receipt.Receipt.Epoch] = e.Ack.Receipt.Receipt.Bytes
		}
		left := uint64(1 << 62)
		for _, n := range signed {
			left -= n
		}
		if a.Left() != left {
			t.Errorf("%d bytes left of 2^62, the receipts leave %d", a.Left(), left)
		}
	})
}
