package consensus_test

import (
	"math/rand"
	"strings"
	"testing"

	"github.com/remora-network/remora"
)

func TestParse(t *testing.T) {
	s, err := Parse("stakes 1 1 1 2 # four\ngc 7\nleader 2\nr1-2: *\nr3: 0<-[0,1,3] 1<-[-1] 2' 3\nagain r3: 1\nrestart\n")
	if err != nil {
		t.Fatal(err)
	}
	if leader, ok := s.DAG.LeaderOf(4); s.DAG.GCDepth != 7 || s.DAG.Committee.Total() != 5 || leader != 2 || !ok {
		t.Errorf("depth %d, stake %d, leader %d", s.DAG.GCDepth, s.DAG.Committee.Total(), leader)
	}
	if len(s.Steps) != 8+5+1 || len(s.DAG.Certificates) != 8+3 {
		t.Fatalf("%d steps, %d certificates, want 14 and 11", len(s.Steps), len(s.DAG.Certificates))
	}
	var parents []string
	for _, step := range s.Steps[8:13] {
		text := Name(&step.Certificate.Header) + ":"
		for _, p := range step.Certificate.Header.Parents {
			text += string(rune('0' + p.Author))
		}
		parents = append(parents, text)
	}
	if got, want := strings.Join(parents, " "), "r3.0:013 r3.1:023 r3.2:0123 r3.3:0123 r3.1:023"; got != want {
		t.Errorf("parents %q, want %q", got, want)
	}
	if s.DAG.At(3, 2) != nil {
		t.Error("the second certificate of a place took it")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, script := range map[string]string{
		"no round":               "hello",
		"round zero":             "r0: *",
		"no colon":               "r1 0 1",
		"not a number":           "gc many",
		"two depths":             "gc 1 2",
		"setting after a round":  "r1: *\ngc 4",
		"authority of no member": "r1: 4",
		"parent that is missing": "r1: 0 1 2\nr2: 0<-[0,1,3]",
		"parents below a quorum": "r1: *\nr2: 0<-[0,1]",
		"rounds below a quorum":  "r1: 0 1\nr2: 0",
		"twice":                  "r1: 0\nr1: 0",
		"again before the first": "again r1: 0",
	} {
		if _, err := Parse(script); err == nil {
			t.Errorf("%s: %q parsed", name, script)
		}
	}
}

// TestRandom checks what the generator promises: valid certificates, parents first in every order, variety.
func TestRandom(t *testing.T) {
	sizes, weighted, absent, hidden := map[int]int{}, 0, 0, 0
	for seed := range int64(300) {
		rng := rand.New(rand.NewSource(seed))
		d := Random(rng)
		n := d.Committee.Size()
		sizes[n]++
		if d.Committee.Total() != remora.Amount(n) {
			weighted++
		}
		for _, order := range [][]*remora.Certificate{d.Certificates, d.Shuffled(rng)} {
			checkOrder(t, d, order)
		}
		rounds := d.Certificates[len(d.Certificates)-1].Round()
		if len(d.Certificates) < n*int(rounds) {
			absent++
		}
		if part := d.Below(d.Certificates[len(d.Certificates)-1].Author()); len(part) < len(d.Certificates)*9/10 {
			hidden++
			checkOrder(t, d, part)
		}
	}
	if sizes[4] < 100 || sizes[7] < 30 || sizes[10] < 15 || weighted < 50 || absent < 100 || hidden < 30 {
		t.Errorf("too little variety: sizes %v, %d weighted, %d with absent and %d with unlinked vertices", sizes, weighted, absent, hidden)
	}
}

func checkOrder(t *testing.T, d *DAG, order []*remora.Certificate) {
	t.Helper()
	seen := make(map[remora.Hash]bool)
	for _, c := range order {
		if err := c.Check(d.Committee); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Header.Parents {
			if c.Round() > 1 && !seen[p.Digest] {
				t.Fatalf("%s before its parent of authority %d", Name(&c.Header), p.Author)
			}
		}
		if seen[c.Digest()] {
			t.Fatalf("%s twice", Name(&c.Header))
		}
		seen[c.Digest()] = true
	}
}

// TestCheckSequence breaks a sequence in each way that the check is for.
func TestCheckSequence(t *testing.T) {
	s, err := Parse("leader 0\ngc 4\nr1-12: *")
	if err != nil {
		t.Fatal(err)
	}
	good := func() []remora.SubDAG {
		naive := NewNaive(s.DAG)
		for _, c := range s.DAG.Certificates {
			naive.Add(c)
		}
		return naive.Sequence()
	}
	if err := s.DAG.CheckSequence(good()); err != nil {
		t.Fatalf("a good sequence: %v", err)
	}
	header := func(r remora.Round, a remora.Authority) *remora.Header { return &s.DAG.At(r, a).Header }
	for name, bad := range map[string]func([]remora.SubDAG) []remora.SubDAG{
		"unchained":           func(subs []remora.SubDAG) []remora.SubDAG { return subs[1:] },
		"twice":               func(subs []remora.SubDAG) []remora.SubDAG { return withHeader(subs, 0, header(1, 0), 1) },
		"child before parent": func(subs []remora.SubDAG) []remora.SubDAG { return withHeader(subs[:1], 0, header(2, 1), 0) },
		"collected":           func(subs []remora.SubDAG) []remora.SubDAG { return withHeader(subs, 4, header(1, 0), 0) },
		"no leader":           func(subs []remora.SubDAG) []remora.SubDAG { return withHeader(subs[:1], 0, header(2, 1), 5) },
	} {
		if err := s.DAG.CheckSequence(bad(good())); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// withHeader puts a header into a sub-DAG and chains the later ones again.
func withHeader(subs []remora.SubDAG, i int, h *remora.Header, at int) []remora.SubDAG {
	subs[i].Headers = append(subs[i].Headers[:at:at], append([]*remora.Header{h}, subs[i].Headers[at:]...)...)
	for j := i + 1; j < len(subs); j++ {
		subs[j].Previous = subs[j-1].Digest(Domain)
	}
	return subs
}
