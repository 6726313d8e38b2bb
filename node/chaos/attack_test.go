package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/remora-network/remora/node/chaos"
	"github.com/remora-network/remora/node/chaos/attack"
)

var (
	attacks = flag.String("attacks", "", "the attacks of TestAttacks, by name or the beginning of names, with commas; empty: with -cycles all")
	siege   = flag.Duration("siege", time.Minute, "length of a phase of TestAttacks that measures")
)

// One attacker alone stops nobody: whatever a member of the committee, a client or a stranger does.
func TestAttacks(t *testing.T) {
	if testing.Short() || *attacks == "" && *cycles == 0 {
		t.Skip("takes long: make chaos runs it")
	}
	for _, kind := range chosenAttacks() {
		t.Run(kind, func(t *testing.T) { besiege(t, kind, *siege) })
	}
}

func chosenAttacks() []string {
	prefixes := strings.Split(*attacks, ",")
	return slices.DeleteFunc(attack.Kinds(), func(kind string) bool {
		return kind == "spinner" || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(kind, p) })
	})
}

func besiege(t *testing.T, kind string, length time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*length+5*time.Minute)
	defer cancel()
	row, err := startSiege(ctx, t).Run(ctx, kind, length)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(row)
	for _, broken := range row.Broken() {
		t.Error(broken)
	}
}

// startSiege starts a network that ends with the test. Its directory stays when the test fails.
func startSiege(ctx context.Context, t *testing.T) *chaos.Siege {
	t.Helper()
	dir, err := os.MkdirTemp("", "remora-siege-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
			return
		}
		t.Logf("homes and logs are kept in %s", dir)
	})
	s, err := chaos.Besiege(ctx, dir, *binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// brief names the attacks of a short run.
var brief = []string{"client-bodies", "client-stall"}

// Transfers go on under an attack, memory and disk stay bounded, and the attacker is named, however slow the machine is.
func TestAttackers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	s := startSiege(ctx, t)
	for _, kind := range brief {
		t.Run(kind, func(t *testing.T) {
			row, err := s.Try(ctx, kind, 4*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if d := row.During; d.Lost > 0 || len(d.Latencies) == 0 {
				t.Errorf("%d of %d transfers were not executed: %v", d.Lost, len(d.Latencies), d.Failures)
			}
			for _, exceeded := range row.Exceeded() {
				t.Error(exceeded)
			}
		})
	}
}
