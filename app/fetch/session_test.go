package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/proofs/content"
)

// check compares the caches' books with the bytes that must be acknowledged.
func (w *world) check(t *testing.T, acked uint64) {
	t.Helper()
	for _, f := range w.paid.clientFaults() {
		t.Errorf("the client is at fault: %s", f)
	}
	if got := w.acked(); got != acked {
		t.Errorf("%d bytes are acknowledged, want %d", got, acked)
	}
	all, _ := w.Caches()
	for _, s := range w.paid.openSessions() {
		for _, c := range all {
			if b := s.books[c.Address]; b.peak > session.MaxWindow || b.overrun > 0 {
				t.Errorf("%d bytes were outstanding at once, %d requests went beyond the window", b.peak, b.overrun)
			}
		}
	}
}

func same(t *testing.T, file string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes in the file, want %d, %v", len(got), len(want), err)
	}
}

func TestPaidFiles(t *testing.T) {
	w := newWorld(t, "c0", "c1", "c2")
	var closed atomic.Int64
	w.paid.setHook(func(_ http.ResponseWriter, _ *http.Request, d *delivery) bool {
		if s := w.paid.openSessions(); len(s) != 1 {
			closed.Add(1)
		}
		return false
	})
	total := uint64(0)
	for _, size := range []int{0, 1, 1024, 16384, 16385, 1 << 20, 4<<20 + 1, 40<<20 + 7} {
		data := random(size)
		c := w.Add(data, false)
		o := w.options(t, c)
		r, err := fetch.Fetch(t.Context(), o)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !r.Verified || r.Bytes != uint64(size) || (r.Receipts == 0) != (size == 0) {
			t.Errorf("%d bytes: %+v", size, r)
		}
		same(t, o.Out, data)
		total += uint64(size)
		w.check(t, total)
	}
	if closed.Load() > 0 {
		t.Errorf("%d requests with other than one session open", closed.Load())
	}
}

func TestPaidDirectory(t *testing.T) {
	w := newWorld(t, "c0", "c1")
	files := map[string]string{"empty": ""}
	total := uint64(0)
	for i := range 50 {
		text := string(random(1 + 700*i))
		files[string(rune('a'+i))] = text
		total += uint64(len(text))
	}
	site := w.AddDirectory(files)
	o := w.options(t, site)
	o.CID = content.CID(site.Root, true)
	r, err := fetch.Fetch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		same(t, filepath.Join(o.Out, name), []byte(text))
	}
	w.check(t, total+site.Length)
	if r.Receipts == 0 || r.Receipts > 20 {
		t.Errorf("%d receipts for %d bytes in small files", r.Receipts, total)
	}
}

// books returns the books of the key by name.
func (w *world) books(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(w.dir, "*.book"))
	if err != nil {
		t.Fatal(err)
	}
	books := map[string][]byte{}
	for _, name := range names {
		if books[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return books
}

// TestReceiptsAreKeptFirst finds every receipt that arrives at a cache in the client's book.
func TestReceiptsAreKeptFirst(t *testing.T) {
	w := newWorld(t, "c0")
	seen := atomic.Int64{}
	w.paid.setHook(func(_ http.ResponseWriter, _ *http.Request, d *delivery) bool {
		for _, ack := range d.Acks {
			seen.Add(1)
			for _, text := range w.books(t) {
				if receipts, err := fetch.BookReceipts(text); err != nil || !slices.Contains(receipts, ack.Receipt) {
					t.Errorf("a receipt that is not in the book left (%v)", err)
				}
			}
		}
		return false
	})
	c := w.Add(random(9<<20), false)
	r, err := fetch.Fetch(t.Context(), w.options(t, c))
	if err != nil || int64(r.Receipts) != seen.Load() {
		t.Fatalf("%+v, %d seen, %v", r, seen.Load(), err)
	}
	w.check(t, c.Length)
}

// TestKilled kills the client at a random request, leaves its book as it was or torn after the last receipt that a cache
// has, and fetches again. No two receipts contradict each other.
func TestKilled(t *testing.T) {
	for range 25 {
		w := newWorld(t, "c0")
		data := random(6 << 20)
		c := w.Add(data, false)
		o := w.options(t, c)
		for range 3 { // lives
			w.kill(t, o, 1+rand.IntN(12))
		}
		w.paid.setHook(nil)
		if _, err := fetch.Fetch(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		same(t, o.Out, data)
		if got := w.acked(); got > c.Length {
			t.Errorf("%d bytes are acknowledged of %d", got, c.Length)
		}
		if n := len(w.paid.openSessions()); n > 4 {
			t.Errorf("%d sessions were opened", n)
		}
		for _, f := range w.paid.clientFaults() {
			t.Errorf("the client is at fault: %s", f)
		}
	}
}

// kill fetches until the n-th request, and restores the books of that moment.
func (w *world) kill(t *testing.T, o fetch.Options, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var books map[string][]byte
	count := 0
	w.paid.setHook(func(_ http.ResponseWriter, _ *http.Request, d *delivery) bool {
		mu.Lock()
		defer mu.Unlock()
		if count++; count >= n && books == nil {
			books = w.books(t)
			for name, text := range books {
				receipts, err := fetch.BookReceipts(text)
				if last := len(receipts) - 1; err != nil || last < 0 || len(d.Acks) == 0 || d.Acks[0].Receipt != receipts[last] ||
					slices.Contains(w.paid.receiptsFor(d.cache.Address), receipts[last]) {
					continue
				}
				books[name] = text[:len(text)-1-rand.IntN(100)] // it was killed while it wrote the last one
			}
			cancel()
		}
		return books != nil
	})
	_, err := fetch.Fetch(ctx, o)
	mu.Lock()
	defer mu.Unlock()
	if books == nil {
		return // it was faster
	}
	if err == nil {
		t.Error("fetched although it was killed")
	}
	for name, text := range books {
		if err := os.WriteFile(filepath.Join(w.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEpochs ends epochs during a fetch: each receipt is of one epoch, and bytes acknowledged in a claimed epoch are not
// acknowledged again.
func TestEpochs(t *testing.T) {
	for _, claimed := range []bool{false, true} {
		w := newWorld(t, "c0")
		var count atomic.Int64
		w.paid.setHook(func(_ http.ResponseWriter, _ *http.Request, d *delivery) bool {
			if n := count.Add(1); n%20 == 0 {
				e := remora.Epoch(1 + n/20)
				w.paid.setEpoch(e, 0)
				if claimed {
					w.paid.setEpoch(e, e)
				}
			}
			return false
		})
		data := random(40 << 20)
		c := w.Add(data, false)
		o := w.options(t, c)
		if _, err := fetch.Fetch(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		same(t, o.Out, data)
		epochs := map[remora.Epoch]uint64{}
		total := uint64(0)
		for _, r := range w.paid.receiptsFor(w.caches(c.Root)[0]) {
			epochs[r.Receipt.Epoch] = r.Receipt.Bytes
		}
		for _, n := range epochs {
			total += n
		}
		if len(epochs) < 2 || total != w.acked() || len(w.paid.clientFaults()) > 0 {
			t.Errorf("claimed %v: %v, %d bytes, %v", claimed, epochs, w.acked(), w.paid.clientFaults())
		}
		if got := w.acked(); got > c.Length || !claimed && got != c.Length {
			t.Errorf("claimed %v: %d bytes are acknowledged of %d", claimed, got, c.Length)
		}
	}
}

// TestTwoProcesses fetches during another fetch of the same key: each has a session, and a later fetch uses one of them.
func TestTwoProcesses(t *testing.T) {
	w := newWorld(t, "c0")
	first, second := w.Add(random(3<<20), false), w.Add(random(3<<20+5), false)
	started, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.paid.setHook(func(_ http.ResponseWriter, r *http.Request, d *delivery) bool {
		if d.Content.Root == first.Root {
			once.Do(func() { close(started) })
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		}
		return false
	})
	done := make(chan error, 1)
	o := w.options(t, first)
	go func() {
		_, err := fetch.Fetch(t.Context(), o)
		done <- err
	}()
	<-started
	if _, err := fetch.Fetch(t.Context(), w.options(t, second)); err != nil {
		t.Error(err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := fetch.Fetch(t.Context(), w.options(t, second)); err != nil {
		t.Error(err)
	}
	if n := len(w.paid.openSessions()); n != 2 {
		t.Errorf("%d sessions", n)
	}
	w.check(t, first.Length+2*second.Length)
}

func TestSpending(t *testing.T) {
	w := newWorld(t, "c0", "c1", "c2")
	c := w.Add(random(3<<20), false)
	for name, o := range map[string]struct {
		balance, max remora.Amount
		caches       int // 0: it costs too much
	}{
		"balance":      {2 * 29, 0, 0},
		"half of it":   {2 * 30, 0, 1},
		"maximum":      {1 << 40, 29, 0},
		"one":          {1 << 40, 30, 1},
		"two":          {1 << 40, 89, 2},
		"more than it": {100, 1 << 40, 1},
	} {
		w.paid.balance, w.dir = o.balance, filepath.Join(t.TempDir(), "books")
		before := len(w.paid.openSessions())
		options := w.options(t, c)
		options.MaxSpend = o.max
		_, err := fetch.Fetch(t.Context(), options)
		sessions := w.paid.openSessions()[before:]
		if o.caches == 0 {
			if !errors.Is(err, fetch.ErrSpend) || len(sessions) > 0 {
				t.Errorf("%s: %d sessions, %v", name, len(sessions), err)
			}
			continue
		}
		if err != nil || len(sessions) != 1 || len(sessions[0].allotments) != o.caches {
			t.Errorf("%s: %d sessions, %v", name, len(sessions), err)
			continue
		}
		if spent := o.balance - w.paid.balance; spent > o.balance/2 || o.max > 0 && spent > o.max {
			t.Errorf("%s: spent %d", name, spent)
		}
	}
	w.check(t, 4*c.Length)
}

// TestAllotmentLasts fetches until a session is spent: another one is opened only then.
func TestAllotmentLasts(t *testing.T) {
	w := newWorld(t, "c0")
	w.paid.price, w.paid.balance = 1<<20, 2*10_000_000
	c := w.Add(random(3<<20), false)
	for i := range 5 {
		w.paid.balance = 2 * 10_000_000 // of which a session takes half
		if _, err := fetch.Fetch(t.Context(), w.options(t, c)); err != nil {
			t.Fatal(err)
		}
		if n := len(w.paid.openSessions()); n != 1+i/3 {
			t.Errorf("%d sessions for %d fetches", n, i+1)
		}
	}
	w.check(t, 5*c.Length)
}

func TestSessionIsOver(t *testing.T) {
	w := newWorld(t, "c0")
	c := w.Add(random(1<<20), false)
	for i, epoch := range []remora.Epoch{1, 240, 241, 242} {
		w.paid.setEpoch(epoch, 0)
		if _, err := fetch.Fetch(t.Context(), w.options(t, c)); err != nil {
			t.Fatal(err)
		}
		if want := 1 + i/2; len(w.paid.openSessions()) != want {
			t.Errorf("epoch %d: %d sessions, want %d", epoch, len(w.paid.openSessions()), want)
		}
	}
	w.check(t, 4*c.Length)
}

// TestGatewayGoesAway cuts off all answers in the middle. Verified bytes stay, and the next fetch asks and pays for the rest.
func TestGatewayGoesAway(t *testing.T) {
	for _, after := range []int64{1, 4, 9, 20} {
		w := newWorld(t, "c0", "c1")
		data := random(24 << 20)
		c := w.Add(data, false)
		var count atomic.Int64
		var asked atomic.Uint64
		w.paid.setHook(func(rw http.ResponseWriter, _ *http.Request, d *delivery) bool {
			if count.Add(1) > after {
				panic(http.ErrAbortHandler)
			}
			return false
		})
		o := w.options(t, c)
		if _, err := fetch.Fetch(t.Context(), o); !errors.Is(err, fetch.ErrGateway) {
			t.Fatal(err)
		}
		part, err := os.ReadFile(o.Out + ".part")
		if err != nil || !bytes.Equal(part, data[:len(part)]) {
			t.Errorf("%d bytes kept, %v", len(part), err)
		}
		w.paid.setHook(func(_ http.ResponseWriter, _ *http.Request, d *delivery) bool {
			asked.Add(d.Bytes)
			return false
		})
		if _, err := fetch.Fetch(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		same(t, o.Out, data)
		w.check(t, c.Length) // also what was verified the first time
		if again := asked.Load() + uint64(len(part)); again < c.Length || again > c.Length+16<<20 {
			t.Errorf("%d bytes asked for after %d were kept", asked.Load(), len(part))
		}
	}
}

func TestCancelled(t *testing.T) {
	w := newWorld(t, "c0")
	c := w.Add(random(24<<20), false)
	ctx, cancel := context.WithCancel(t.Context())
	o := w.options(t, c)
	o.Progress = func(done, _ uint64) {
		if done > 2<<20 {
			cancel()
		}
	}
	if _, err := fetch.Fetch(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	info, err := os.Stat(o.Out + ".part")
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, uint64(info.Size())) // signed all the same
}

func TestBadKeyOptions(t *testing.T) {
	w := newWorld(t, "c0")
	o := w.options(t, w.Add([]byte("x"), false))
	o.Sessions = ""
	if _, err := fetch.Fetch(t.Context(), o); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("no folder: %v", err)
	}
	o.Sessions, o.Chain, o.Patience = w.dir, nil, time.Second
	if _, err := fetch.Fetch(t.Context(), o); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("no chain: %v", err)
	}
}
