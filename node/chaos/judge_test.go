package chaos

import (
	"strings"
	"testing"

	"github.com/remora-network/remora"
)

func tx(n byte) remora.Hash { return remora.Hash{n} }

// sent is a submission of an opaque transaction, transfer one of client 1.
func sent(n byte, o Outcome) Submit { return Submit{Tx: tx(n), Outcome: o} }

func transfer(n byte, nonce uint64, o Outcome) Submit {
	return Submit{Tx: tx(n), Client: 1, Signed: true, Nonce: nonce, Outcome: o}
}

func ran(n byte, h remora.Height) Run { return Run{Tx: tx(n), Height: h, Code: remora.CodeOK} }

func refused(n byte, h remora.Height) Run {
	return Run{Tx: tx(n), Height: h, Code: remora.CodeNonceUsed}
}

// The judge finds every kind of fault, and no others.
func TestJudge(t *testing.T) {
	tests := []struct {
		name    string
		submits []Submit
		runs    []Run
		want    Verdict // counts; Examples are not compared
	}{
		{
			"all is well",
			[]Submit{sent(1, Acked), sent(2, Unanswered), sent(3, Unanswered), sent(4, Refused)},
			[]Run{ran(1, 1), ran(2, 1)},
			Verdict{Submitted: 4, Acked: 1, Unanswered: 2, Executed: 2},
		},
		{"lost", []Submit{sent(1, Acked)}, nil, Verdict{Submitted: 1, Acked: 1, Lost: 1}},
		{
			"executed without effect is lost",
			[]Submit{transfer(1, 0, Acked)},
			[]Run{refused(1, 1)},
			Verdict{Submitted: 1, Acked: 1, Lost: 1},
		},
		{"duplicated", []Submit{sent(1, Unanswered)}, []Run{ran(1, 1), ran(1, 9)}, Verdict{Submitted: 1, Unanswered: 1, Executed: 1, Duplicated: 1}},
		{"foreign", []Submit{sent(1, Acked)}, []Run{ran(1, 1), ran(9, 1)}, Verdict{Submitted: 1, Acked: 1, Executed: 1, Foreign: 1}},
		{
			"sent again, in effect once",
			[]Submit{transfer(1, 0, Unanswered), transfer(1, 0, Acked), transfer(2, 1, Acked)},
			[]Run{ran(1, 1), ran(2, 2), refused(1, 3)},
			Verdict{Submitted: 2, Acked: 2, Executed: 2},
		},
		{
			"disordered",
			[]Submit{transfer(1, 0, Acked), transfer(2, 1, Acked)},
			[]Run{ran(2, 1), ran(1, 1)},
			Verdict{Submitted: 2, Acked: 2, Executed: 2, Disordered: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judgeRuns(tt.submits, tt.runs)
			faults := tt.want.Lost + tt.want.Duplicated + tt.want.Disordered + tt.want.Foreign
			if (got.Err() != nil) != (faults > 0) || len(got.Examples) != faults {
				t.Errorf("error %v, examples %v", got.Err(), got.Examples)
			}
			if !equal(*got, tt.want) {
				t.Errorf("judged %+v, want %+v", *got, tt.want)
			}
		})
	}
}

func equal(a, b Verdict) bool {
	a.Examples, b.Examples = nil, nil
	return a.Submitted == b.Submitted && a.Acked == b.Acked && a.Unanswered == b.Unanswered && a.Executed == b.Executed &&
		a.Lost == b.Lost && a.Duplicated == b.Duplicated && a.Disordered == b.Disordered && a.Foreign == b.Foreign
}

// made builds a valid block on top of a chain.
func made(c *chain, headers ...*remora.Header) *remora.CertifiedBlock {
	b := &remora.CertifiedBlock{Block: remora.Block{DAG: headers}}
	h := &b.Block.Header
	h.Domain, h.Height, h.Time = c.domain, c.tipHeight()+1, remora.Millis(100+10*c.tipHeight())
	if n := len(c.hashes); n > 0 {
		h.Parent = c.hashes[n-1]
	}
	h.TxRoot, h.ResultsRoot = remora.TxRoot(c.domain, nil), remora.ResultsRoot(c.domain, nil)
	b.Block.Seal()
	return b
}

// The reader of a chain finds blocks that are inconsistent, and headers that contradict each other.
func TestChainFindsFaults(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(c *chain) *remora.CertifiedBlock
		want  string // empty: sound
	}{
		{"sound", func(c *chain) *remora.CertifiedBlock { return made(c, &remora.Header{Author: 1, Round: 3}) }, ""},
		{"parent", func(c *chain) *remora.CertifiedBlock {
			b := made(c)
			b.Block.Header.Parent[0]++
			return b
		}, "has parent"},
		{"time", func(c *chain) *remora.CertifiedBlock {
			b := made(c)
			b.Block.Header.Time = c.times[0]
			return b
		}, "of time"},
		{"roots", func(c *chain) *remora.CertifiedBlock {
			b := made(c)
			b.Block.Results = []byte{0}
			return b
		}, "roots"},
		{"two headers", func(c *chain) *remora.CertifiedBlock {
			return made(c, &remora.Header{Author: 1, Round: 2, CreatedAt: 5})
		}, "authority 1 has headers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newChain(remora.Domain{1})
			for _, next := range []func() *remora.CertifiedBlock{
				func() *remora.CertifiedBlock { return made(c, &remora.Header{Author: 1, Round: 2}) },
				func() *remora.CertifiedBlock { return tt.spoil(c) },
			} {
				if err := c.addBlock(next()); err != nil {
					t.Fatal(err)
				}
			}
			got := strings.Join(c.faults, "; ")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// Two validators that executed different blocks are told apart.
func TestChainsCompare(t *testing.T) {
	a, b := newChain(remora.Domain{1}), newChain(remora.Domain{1})
	for _, c := range []*chain{a, b} {
		if err := c.addBlock(made(c)); err != nil {
			t.Fatal(err)
		}
	}
	if a.compareWith("same", b); len(a.faults) > 0 {
		t.Errorf("equal chains: %v", a.faults)
	}
	other := made(b)
	other.Block.Header.StateRoot[0]++
	if err := b.addBlock(other); err != nil {
		t.Fatal(err)
	}
	if err := a.addBlock(made(a)); err != nil {
		t.Fatal(err)
	}
	if a.compareWith("other", b); len(a.faults) != 1 || !strings.Contains(a.faults[0], "at height 2 other executed") {
		t.Errorf("different state roots: %v", a.faults)
	}
}

// Headers in stores are compared with those in blocks: the same header again is no fault, another one of its round is.
func TestSignedTwice(t *testing.T) {
	c := newChain(remora.Domain{1})
	c.noteSigned(slot{1, 2}, tx(1), "a")
	c.noteSigned(slot{1, 2}, tx(1), "b")
	c.noteSigned(slot{1, 3}, tx(2), "b")
	if len(c.faults) > 0 {
		t.Errorf("one header a round: %v", c.faults)
	}
	if c.noteSigned(slot{1, 2}, tx(9), "b"); len(c.faults) != 1 || !strings.Contains(c.faults[0], "authority 1 signed headers") {
		t.Errorf("two headers of a round: %v", c.faults)
	}
}

func TestAlarms(t *testing.T) {
	for line, want := range map[string]bool{
		`time=1 level=INFO msg="an error is no alarm here"`:                                 false,
		`time=1 level=WARN msg="could not prune old certificates"`:                          false,
		`time=1 level=WARN msg="an authority signed two headers for one round" author=2`:    true,
		`time=1 level=ERROR msg="storage engine stopped"`:                                   true,
		`panic: runtime error: index out of range`:                                          true,
		`error STATE_DIVERGED: state diverged at block 3`:                                   true,
		`time=1 level=WARN msg="an authority sent a vote whose signature is wrong" voter=1`: true,
	} {
		if isAlarm(line) != want {
			t.Errorf("%s: alarm %v", line, !want)
		}
	}
}
