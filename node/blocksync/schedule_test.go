package blocksync

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/peers"
)

// spanOf is an answer of n blocks of which each takes size bytes.
func spanOf(n, size int) *peers.Span {
	return &peers.Span{Blocks: make([]exec.Certified, n), Bytes: n * size}
}

// question is what a peer of a test was asked and has not answered.
type question struct {
	peer  remora.Authority
	from  remora.Height
	count int
}

// TestScheduleHandsOutEveryHeightOnce has peers answer fully, in part, not at all, twice and out of order, with blocks of
// any size: what is handed out has no gap and no repetition, and what is held has a bound.
func TestScheduleHandsOutEveryHeightOnce(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		s, now, next := newSchedule(1), time.Unix(0, 0), remora.Height(1)
		const end = 2000
		size := 1 << (8 + random.IntN(14))
		var open []question
		for step := 0; next <= end; step++ {
			if step > 100_000 {
				t.Fatalf("seed %d: at height %d after %d steps", seed, next, step)
			}
			now = now.Add(time.Duration(random.IntN(400)) * time.Millisecond)
			switch {
			case s.nextSpan() != nil && random.IntN(3) == 0:
				got := s.nextSpan()
				s.takeSpan()
				next += remora.Height(len(got.Blocks))
				if s.base != next {
					t.Fatalf("seed %d: the next height is %d, want %d", seed, s.base, next)
				}
			case len(open) > 0 && random.IntN(2) == 0:
				i := random.IntN(len(open))
				q := open[i]
				open = append(open[:i], open[i+1:]...)
				var got *peers.Span
				if n := min(q.count, end+1-int(q.from), peers.MaxAnswer/size); random.IntN(4) > 0 {
					got = spanOf(min(random.IntN(n+1)+n/2, n), size)
				}
				s.takeAnswer(q.peer, q.from, got)
				if got == nil && random.IntN(2) == 0 {
					s.splitPart(q.from)
				}
			default:
				peer := remora.Authority(random.IntN(3))
				if from, count, ok := s.assignPart(peer, end, now); ok {
					if from < next || from > end || count < 1 || count > peers.MaxBlockRange {
						t.Fatalf("seed %d: asks for %d blocks from %d on at height %d", seed, count, from, next)
					}
					open = append(open, question{peer, from, count})
				}
			}
			if held := s.heldBytes(); held > syncBudget {
				t.Fatalf("seed %d: %d bytes may be held", seed, held)
			}
		}
	}
}

func TestScheduleReplacesTheSlow(t *testing.T) {
	s, now := newSchedule(1), time.Unix(0, 0)
	first, count, _ := s.assignPart(0, 1000, now)
	second, _, _ := s.assignPart(1, 1000, now)
	if first != 1 || second != first+remora.Height(count) {
		t.Fatalf("asks for heights %d and %d", first, second)
	}
	s.takeAnswer(1, second, spanOf(count, 1000))
	if from, _, _ := s.assignPart(1, 1000, now.Add(hedgeAfter)); from == 1 {
		t.Error("another peer is asked before its time")
	}
	late := now.Add(hedgeAfter + 1)
	if from, _, ok := s.assignPart(0, 1000, late); ok && from == 1 {
		t.Error("the slow peer is asked for the same once more")
	}
	if from, _, ok := s.assignPart(2, 1000, late); !ok || from != 1 {
		t.Fatalf("asks for height %d, %t, want what execution waits for", from, ok)
	}
	s.takeAnswer(2, 1, spanOf(count, 1000))
	s.takeAnswer(0, 1, spanOf(count, 2000))
	if s.nextSpan() == nil || s.nextSpan().Bytes != count*1000 {
		t.Error("the second answer replaced the first")
	}
}

// TestScheduleKnowsWhoHasNothing asks nobody for blocks that it does not have.
func TestScheduleKnowsWhoHasNothing(t *testing.T) {
	s, now := newSchedule(10), time.Unix(0, 0)
	if from, _, ok := s.assignPart(0, 9, now); ok {
		t.Errorf("asks for height %d", from)
	}
	if from, _, ok := s.assignPart(0, 10, now); !ok || from != 10 {
		t.Errorf("asks for height %d, %t", from, ok)
	}
	if from, _, ok := s.assignPart(1, 12, now); ok {
		t.Errorf("asks for height %d of a peer with blocks up to 12", from)
	}
}
