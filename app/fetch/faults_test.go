package fetch_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/session"
)

// fault is a way in which a cache fails a client.
type fault struct {
	hook  func(p *market, w http.ResponseWriter, r *http.Request) // answers in place of the cache
	spoil func(stream []byte) []byte
	false bool // it sends bytes that are not the content
}

func code(c session.Code) fault {
	return fault{hook: func(p *market, w http.ResponseWriter, _ *http.Request) { p.refuseRequest(w, c) }}
}

var faults = map[string]fault{
	"flip":     {spoil: func(b []byte) []byte { b[len(b)/2] ^= 8; return b }, false: true},
	"truncate": {spoil: func(b []byte) []byte { return b[:len(b)/2] }, false: true},
	"nothing":  {spoil: func([]byte) []byte { return nil }, false: true},
	"extra":    {spoil: func(b []byte) []byte { return append(b, 0) }, false: true},
	"flood":    {spoil: func(b []byte) []byte { return append(b, make([]byte, 5<<20)...) }, false: true},
	"other":    {spoil: func(b []byte) []byte { return random(len(b)) }, false: true},
	"stall": {hook: func(_ *market, _ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}},
	"abort": {hook: func(*market, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	"status": {hook: func(_ *market, w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":{"phase":"connect","message":"unreachable"}}`, http.StatusGatewayTimeout)
	}},
	"no head":    {hook: func(_ *market, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{9}) }},
	"false head": {hook: func(_ *market, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0, 1, 7}) }},
	"not held":   code(session.NotHeld),
	"unusable":   code(session.SessionUnusable),
	"proof":      code(session.ProofWrong),
	"window":     code(session.WindowClosed),
	"allotment":  code(session.AllotmentSpent),
	"receipt":    code(session.ReceiptWrong),
	"stale":      code(session.ReceiptStale),
	"a new code": code(99),
}

// strike makes caches fail after n requests: the first, or all where that is nil.
func (w *world) strike(f fault, first *remora.Address, n int64) {
	var count atomic.Int64
	struck := func(d *delivery) bool {
		return (first == nil || d.cache.Address == *first) && count.Load() > n
	}
	w.paid.setHook(func(rw http.ResponseWriter, r *http.Request, d *delivery) bool {
		if count.Add(1); f.hook == nil || !struck(d) {
			return false
		}
		f.hook(w.paid, rw, r)
		return true
	})
	w.paid.setSpoil(func(d *delivery, b []byte) []byte {
		if f.spoil == nil || !struck(d) {
			return b
		}
		return f.spoil(b)
	})
}

// TestFaults lets the first choice fail: the content comes from the second, and only verified bytes are signed for.
func TestFaults(t *testing.T) {
	for name, f := range faults {
		for _, after := range []int64{0, 7} {
			w := newWorld(t, "c0", "c1")
			data := random(5 << 20)
			c := w.Add(data, false)
			w.strike(f, &w.caches(c.Root)[0], after)
			o := w.options(t, c)
			o.Patience = 3 * time.Second
			if name == "stall" {
				o.Patience = time.Second
			}
			if _, err := fetch.Fetch(t.Context(), o); err != nil {
				t.Errorf("%s after %d: %v", name, after, err)
				continue
			}
			same(t, o.Out, data)
			for _, fault := range w.paid.clientFaults() {
				t.Errorf("%s after %d: the client is at fault: %s", name, after, fault)
			}
			first, second := w.paid.bytesAcked(w.caches(c.Root)[0]), w.paid.bytesAcked(w.caches(c.Root)[1])
			if first+second > c.Length || second == 0 || f.hook == nil && first+second != c.Length {
				t.Errorf("%s after %d: %d and %d bytes are acknowledged of %d", name, after, first, second, c.Length)
			}
		}
	}
}

// TestAllFail lets every cache fail.
func TestAllFail(t *testing.T) {
	for name, f := range faults {
		w := newWorld(t, "c0", "c1")
		c := w.Add(random(2<<20), false)
		w.strike(f, nil, 3)
		o := w.options(t, c)
		o.Patience = 3 * time.Second
		if name == "stall" {
			o.Patience = 200 * time.Millisecond
		}
		_, err := fetch.Fetch(t.Context(), o)
		if !errors.Is(err, fetch.ErrGateway) || f.false && !errors.Is(err, fetch.ErrUnverified) {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(w.paid.openSessions()); n > 2 {
			t.Errorf("%s: %d sessions were opened", name, n)
		}
		if w.acked() > c.Length || len(w.paid.clientFaults()) > 0 {
			t.Errorf("%s: %d bytes are acknowledged, %v", name, w.acked(), w.paid.clientFaults())
		}
	}
}

// TestRenewal lets all caches refuse the first session: the fetch goes on in a second one.
func TestRenewal(t *testing.T) {
	for _, refusal := range []session.Code{session.AllotmentSpent, session.SessionUnusable, session.ProofWrong, session.ReceiptWrong} {
		w := newWorld(t, "c0", "c1")
		data := random(3 << 20)
		c := w.Add(data, false)
		var count atomic.Int64
		w.paid.setHook(func(rw http.ResponseWriter, _ *http.Request, d *delivery) bool {
			if d.Session != 1 || count.Add(1) < 4 {
				return false
			}
			w.paid.refuseRequest(rw, refusal)
			return true
		})
		o := w.options(t, c)
		o.Patience = 3 * time.Second
		if _, err := fetch.Fetch(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		same(t, o.Out, data)
		if n := len(w.paid.openSessions()); n != 2 || len(w.paid.clientFaults()) > 0 {
			t.Errorf("code %d: %d sessions, %v", refusal, n, w.paid.clientFaults())
		}
	}
}

// TestLateCache has a cache that is a few blocks behind: the client asks again and does not open another session.
func TestLateCache(t *testing.T) {
	w := newWorld(t, "c0")
	c := w.Add(random(1<<20), false)
	var count atomic.Int64
	w.paid.setHook(func(rw http.ResponseWriter, _ *http.Request, _ *delivery) bool {
		if count.Add(1) > 4 {
			return false
		}
		w.paid.refuseRequest(rw, session.SessionUnusable)
		return true
	})
	if _, err := fetch.Fetch(t.Context(), w.options(t, c)); err != nil {
		t.Fatal(err)
	}
	if n := len(w.paid.openSessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
	w.check(t, c.Length)
}

// TestNarrowWindow has a cache that counts lost bytes: the client finds the smaller window.
func TestNarrowWindow(t *testing.T) {
	w := newWorld(t, "c0")
	data := random(12 << 20)
	c := w.Add(data, false)
	if _, err := fetch.Fetch(t.Context(), w.options(t, w.Add([]byte("opens the session"), false))); err != nil {
		t.Fatal(err)
	}
	w.paid.openSessions()[0].books[w.caches(c.Root)[0]].loseBytes(100 << 10)
	o := w.options(t, c)
	if _, err := fetch.Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	same(t, o.Out, data)
	w.check(t, c.Length+17)
}

// TestUnknownCache has a session with a cache that the gateway no longer knows.
func TestUnknownCache(t *testing.T) {
	w := newWorld(t, "c0", "c1")
	data := random(1 << 20)
	c := w.Add(data, false)
	first := w.caches(c.Root)[0]
	w.strike(fault{hook: func(_ *market, rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "who?", http.StatusNotFound)
	}}, &first, 0)
	o := w.options(t, c)
	if _, err := fetch.Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	same(t, o.Out, data)
	w.check(t, c.Length)
}
