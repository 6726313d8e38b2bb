package blocksync

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/trust/trusttest"
)

// pulling is a Pull of authority 0 of four, by a clock of its own.
type pulling struct {
	*Pull
	now  time.Time
	open []Question // that nobody has answered
}

func newPulling(t *testing.T) *pulling {
	committee, _, _ := trusttest.Committee(t)
	p := &pulling{Pull: NewPull(0, committee.Committee), now: time.Unix(1, 0)}
	p.Start(1, p.now)
	return p
}

// askPeers takes the questions of this moment and returns the peers that are asked, each once.
func (p *pulling) askPeers() []remora.Authority {
	var asked []remora.Authority
	for _, q := range p.Questions(p.now) {
		p.open = append(p.open, q)
		asked = append(asked, q.Peer)
	}
	slices.Sort(asked)
	return slices.Compact(asked)
}

// answerOf has a peer answer all its questions with as many blocks as were asked for, up to its newest one, or with err.
func (p *pulling) answerOf(peer remora.Authority, newest remora.Height, err error) {
	p.open = slices.DeleteFunc(p.open, func(q Question) bool {
		if q.Peer != peer {
			return false
		}
		got := &peers.Span{Peer: peer, Newest: newest}
		if err != nil {
			got = nil
		} else if q.From <= newest {
			got = spanOf(min(q.Count, int(newest-q.From)+1), 1000)
			got.Peer, got.Newest = peer, newest
		}
		p.Answered(q, got, err, p.now)
		return true
	})
}

func TestPullLeavesLiarsAlone(t *testing.T) {
	p := newPulling(t)
	if asked := p.askPeers(); !slices.Equal(asked, []remora.Authority{1, 2}) { // there is room for no more answers
		t.Fatalf("asks %v", asked)
	}
	p.answerOf(1, 0, peers.ErrLie)
	p.answerOf(2, 0, context.DeadlineExceeded)
	if asked := p.askPeers(); !slices.Equal(asked, []remora.Authority{3}) {
		t.Fatalf("right after a lie and a failure it asks %v", asked)
	}
	p.answerOf(3, 1000, nil)
	p.now = p.now.Add(liarRest - 1)
	if asked := p.askPeers(); !slices.Equal(asked, []remora.Authority{2, 3}) {
		t.Errorf("a moment before a minute is over it asks %v", asked)
	}
	p.answerOf(2, 1000, nil)
	p.answerOf(3, 1000, nil)
	p.now = p.now.Add(1)
	if asked := p.askPeers(); !slices.Contains(asked, 1) {
		t.Errorf("after a minute it asks %v", asked)
	}
	p.Start(1, p.now)
	p.Accuse(1, p.now)
	if asked := p.askPeers(); slices.Contains(asked, 1) {
		t.Error("another pull asks a liar")
	}
}

// TestPullJudgesClaims has a peer claim that it has every block, and send none: it is not asked again without a pause, which grows,
// and counts as one that has no more.
func TestPullJudgesClaims(t *testing.T) {
	p := newPulling(t)
	for pause := firstRest; pause < longestRest; pause *= 2 {
		questions := slices.DeleteFunc(p.Questions(p.now), func(q Question) bool { return q.Peer != 1 })
		if len(questions) == 0 {
			t.Fatalf("not asked after a pause of %s", pause/2)
		}
		p.Start(1, p.now)
		p.sources[1].busy, p.schedule.asked = 1, 1
		p.Answered(questions[0], &peers.Span{Peer: 1, Newest: ^remora.Height(0)}, nil, p.now)
		p.now = p.now.Add(pause - 1)
		if asked := p.askPeers(); slices.Contains(asked, 1) {
			t.Fatalf("asked again within %s", pause)
		}
		p.Start(1, p.now)
		p.now = p.now.Add(1)
	}
	p.Start(1, p.now)
	p.askPeers()
	p.sources[1].busy, p.schedule.asked = 1, p.schedule.asked+1
	p.Answered(Question{Peer: 1, From: 1, Count: 1}, &peers.Span{Peer: 1, Newest: ^remora.Height(0)}, nil, p.now)
	p.answerOf(2, 0, nil)
	if !p.HasEnded(p.now) {
		t.Error("a claim that nothing follows holds the end up")
	}
}

// TestPullEnds has the peers say, one after the other, that they have no more: two of four are a validity stake.
func TestPullEnds(t *testing.T) {
	p := newPulling(t)
	p.askPeers()
	p.answerOf(1, 0, nil)
	if p.HasEnded(p.now) {
		t.Error("ends by the word of one peer")
	}
	p.answerOf(2, 0, nil)
	if !p.HasEnded(p.now) {
		t.Error("goes on after two of four have no more")
	}
	p.now = p.now.Add(freshFor)
	if p.HasEnded(p.now) {
		t.Error("ends by claims that are old")
	}
	p.now = p.now.Add(giveUpAfter)
	if !p.HasEnded(p.now) {
		t.Error("goes on while no peer contributes")
	}
}

// TestPullWaitsForWhatItTook does not end while there are blocks to execute.
func TestPullWaitsForWhatItTook(t *testing.T) {
	p := newPulling(t)
	p.askPeers()
	for peer := range remora.Authority(4) {
		p.answerOf(peer, 5, nil)
	}
	if p.HasEnded(p.now) || p.Next() == nil || len(p.Next().Blocks) != 5 {
		t.Fatalf("ended %t, next %+v", p.HasEnded(p.now), p.Next())
	}
	p.Taken(p.now)
	if !p.HasEnded(p.now) || p.Next() != nil {
		t.Error("goes on after the last block")
	}
}
