package limits_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/remora-network/remora/node/limits"
)

// clock is a clock that the test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }
func newClock() *clock                   { return &clock{time.Unix(1_000, 0)} }
func (c *clock) hits(b *bytes.Buffer) *limits.Hits {
	return limits.NewHits(c.now, slog.New(slog.NewTextHandler(b, nil)))
}

// TestSpells follows a limit through two spells: counts, names, and the end of a spell.
func TestSpells(t *testing.T) {
	var log bytes.Buffer
	c := newClock()
	h := c.hits(&log)
	for range 3 {
		h.RecordHit("rpc connections", "127.0.0.9")
		c.advance(time.Second)
	}
	h.RecordHit("rpc waits", "127.0.0.8")
	lately := h.Lately()
	if len(lately) != 2 || lately[0].Who != "127.0.0.9" || lately[0].Count != 3 || lately[1].Limit != "rpc waits" {
		t.Fatalf("lately %+v", lately)
	}
	c.advance(4 * time.Second)
	if lately = h.Lately(); len(lately) != 1 || lately[0].Who != "127.0.0.8" {
		t.Errorf("the first spell is over: %+v", lately)
	}
	c.advance(time.Second)
	if lately = h.Lately(); len(lately) != 0 {
		t.Errorf("both are over: %+v", lately)
	}
	h.RecordHit("rpc connections", "127.0.0.9")
	if lately = h.Lately(); len(lately) != 1 || lately[0].Count != 1 || lately[0].Total != 4 || lately[0].Since != c.at {
		t.Errorf("a new spell: %+v", lately)
	}
	if n := strings.Count(log.String(), "a limit is being hit"); n != 3 {
		t.Errorf("%d warnings, want one a spell:\n%s", n, log.String())
	}
}

// TestNamesAreBounded lets ten thousand names hit a limit at once: the memory holds 256 and the others together, a limit
// that is hit later is still seen, and the log has a line a second.
func TestNamesAreBounded(t *testing.T) {
	var log bytes.Buffer
	c := newClock()
	h := c.hits(&log)
	for i := range 10_000 {
		h.RecordHit("rpc connections", fmt.Sprint(i))
	}
	h.RecordHit("rpc waits", "x")
	all := h.All()
	if len(all) != 258 || all[0].Who != limits.Others || all[0].Count != 10_000-256 || all[0].Limit != "rpc connections" {
		t.Errorf("%d pairs, first %+v", len(all), all[0])
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d warnings in one moment", n)
	}
	for round := range 20 {
		c.advance(5 * time.Second)
		for i := range 300 {
			h.RecordHit("rpc waits", fmt.Sprint("later ", round, i))
		}
		if all = h.All(); len(all) > 258 || all[0].Limit != "rpc waits" || all[0].Who != limits.Others {
			t.Errorf("after a while: %d pairs, first %+v", len(all), all[0])
		}
	}
}

// TestNamesAreText hits a limit under a name that is long and no text, as a metric must not have one.
func TestNamesAreText(t *testing.T) {
	h := newClock().hits(new(bytes.Buffer))
	h.RecordHit("rpc waits", strings.Repeat("\xff", 10_000))
	if who := h.All()[0].Who; !utf8.ValidString(who) || len(who) > 128 {
		t.Errorf("%d bytes: %q", len(who), who)
	}
}

// TestWithoutMemory uses parts that were given no memory.
func TestWithoutMemory(t *testing.T) {
	var h *limits.Hits
	h.RecordHit("rpc waits", "x")
	if h.Lately() != nil || h.All() != nil {
		t.Error("nothing remembers something")
	}
}

func TestOwnerOf(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:80":               "127.0.0.1",
		"127.0.0.2:80":               "127.0.0.2",
		"[::ffff:10.0.0.1]:80":       "10.0.0.1",
		"[2001:db8:1:2:3:4:5:6]:80":  "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:443": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80":          "fe80::/64",
		"2001:db8:1:3::1":            "2001:db8:1:3::/64",
		"pipe":                       "pipe",
	} {
		if got := limits.OwnerOf(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// TestSlots compares slots with a plain account of who has what.
func TestSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total, each := rapid.Int64Range(0, 12).Draw(t, "total"), rapid.Int64Range(0, 12).Draw(t, "each")
		s := limits.NewSlots(total, each)
		has, sum := map[string]int64{}, int64(0)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			owner, n := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "owner"), rapid.Int64Range(1, 4).Draw(t, "n")
			if rapid.Bool().Draw(t, "release") {
				n = min(n, has[owner])
				s.ReleaseSlots(owner, n)
				has[owner], sum = has[owner]-n, sum-n
			} else if want := sum+n <= total && has[owner]+n <= each; s.TakeSlots(owner, n) != want {
				t.Fatalf("%s takes %d of %d, %d each, with %v: want %v", owner, n, total, each, has, want)
			} else if want {
				has[owner], sum = has[owner]+n, sum+n
			}
			if own, all := s.Taken(owner); own != has[owner] || all != sum {
				t.Fatalf("%d and %d taken, want %d and %d", own, all, has[owner], sum)
			}
		}
	})
}
