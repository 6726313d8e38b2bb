package mempool_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/testdata/goldentest"
)

// TestScripts plays the scripts in testdata: the output of a command is what the core asks for after it.
func TestScripts(t *testing.T) {
	goldentest.PlayScripts(t, "testdata/*.txt", func(t *testing.T) func(string) string {
		return (&script{rig: newRig(t)}).execute
	})
}

type script struct{ *rig }

// execute carries out a command and returns its trace: the reason of a refusal, then all that the core asks for.
func (s *script) execute(command string) string {
	var b strings.Builder
	words := strings.Fields(command)
	step := func(m mempool.Message) {
		if err := s.core.Step(m); err != nil {
			fmt.Fprintf(&b, "refused: %v\n", err)
		}
	}
	args := s.numbers(words[1:])
	switch words[0] {
	case "grow": // authors...: peers certify a round; the core hears nothing of it
		s.Grow(authorities(args)...)
	case "make": // round author parents...: the same for one certificate
		s.Add(remora.Round(args[0]), authorities(args)[1], authorities(args)[2:]...)
	case "header": // round author [parents...]
		step(mempool.HeaderReceived{Header: s.Header(remora.Round(args[0]), authorities(args)[1], authorities(args)[2:]...)})
	case "payload": // round author batches...: a header with payload
		h := mempooltest.NewHeader(s.Committee, authorities(args)[1], remora.Round(args[0]), s.Parents(remora.Round(args[0])-1))
		for _, seq := range args[2:] {
			h.Payload = append(h.Payload, batch(h.Author, seq))
		}
		mempooltest.Sign(s.Committee, h)
		step(mempool.HeaderReceived{Header: h})
	case "twin": // round author: another header than the command "header" sends
		step(mempool.HeaderReceived{Header: s.later(s.Header(remora.Round(args[0]), authorities(args)[1]))})
	case "certificate": // round authors...
		for _, a := range authorities(args)[1:] {
			step(mempool.CertificateReceived{Certificate: s.Certificate(remora.Round(args[0]), a)})
		}
	case "vote": // voters...
		for _, a := range authorities(args) {
			step(mempool.VoteReceived{Vote: mempooltest.NewVote(s.Committee, a, s.mine)})
		}
	case "forge": // voter: a vote with a wrong signature
		v := mempooltest.NewVote(s.Committee, authorities(args)[0], s.mine)
		v.Signature[0] ^= 1
		step(mempool.VoteReceived{Vote: v})
	case "stored": // author batch
		step(stored(batch(authorities(args)[0], args[1])))
	case "batch": // own batch
		step(mempool.BatchReady{Ref: batch(0, args[0])})
	case "order": // above leader skipped-authors...
		step(mempool.Ordered{SubDAGs: []remora.SubDAG{s.subDAG(remora.Round(args[0]), remora.Round(args[1]), authorities(args)[2:]...)}})
	case "demand":
		step(mempool.Demand{Uncertified: args[0] == 1})
	case "tick": // count
		return s.trace(args[0])
	case "restart": // committed: what was not synced is lost
		s.start(remora.Round(args[0]))
	default:
		s.t.Fatalf("unknown command %q", words[0])
	}
	if ready := s.ready(); !empty(ready) {
		b.WriteString(format(ready))
	}
	return b.String()
}

// trace lets ticks pass and tells after how many of them something happened.
func (s *script) trace(ticks uint64) string {
	var b strings.Builder
	for i := range ticks {
		if ready := s.ticks(1); !empty(ready) {
			fmt.Fprintf(&b, "tick %d: %s", i+1, format(ready))
		}
	}
	return b.String()
}

func empty(r mempool.Ready) bool {
	return len(r.Persist)+len(r.Send)+len(r.Want)+len(r.Delivered)+len(r.Events) == 0
}

func (s *script) numbers(words []string) []uint64 {
	numbers := make([]uint64, len(words))
	for i, w := range words {
		n, err := strconv.ParseUint(w, 10, 32)
		if err != nil {
			s.t.Fatalf("%v: %v", words, err)
		}
		numbers[i] = n
	}
	return numbers
}

func authorities(numbers []uint64) []remora.Authority {
	return slices.Collect(func(yield func(remora.Authority) bool) {
		for _, n := range numbers {
			if !yield(remora.Authority(n)) {
				return
			}
		}
	})
}
