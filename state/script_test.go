package state_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/testdata/goldentest"
)

// TestScripts plays the scripts in testdata. Their commands:
//
//	genesis VALIDATORS ACCOUNT...       start a chain
//	batch NAME epoch=N TX...            seal transactions; without epoch=, of the present epoch
//	block +MILLIS AUTHOR:BATCH,... ...  apply a sub-DAG; beacon=AUTHOR,... contribute, time=AUTHOR:MILLIS sets a clock
//
// A transaction is from>to#nonce=amount, name#nonce@node (a registration), opaque=bytes or garbage.
func TestScripts(t *testing.T) {
	goldentest.PlayScripts(t, "testdata/*.txt", func(t *testing.T) func(string) string {
		return (&script{t: t, batches: make(map[string]remora.BatchRef), names: make(map[remora.Hash]string)}).runCommand
	})
}

type script struct {
	t        *testing.T
	out      strings.Builder
	chain    *statetest.Chain
	accounts []string
	batches  map[string]remora.BatchRef
	names    map[remora.Hash]string
}

func (s *script) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *script) parseNumber(text string) uint64 {
	s.t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) runCommand(command string) string {
	s.t.Helper()
	s.out.Reset()
	switch f := strings.Fields(command); f[0] {
	case "genesis":
		s.accounts = f[2:]
		s.chain = statetest.NewChain(s.t, statetest.Genesis(dev, int(s.parseNumber(f[1])), f[2:]...))
		s.printf("origin %.8s, state %.8s", s.chain.Genesis.Hash(), s.chain.View.Tree.Root())
	case "batch":
		s.sealBatch(f[1], f[2:])
	case "block":
		s.runBlock(f[1:])
	default:
		s.t.Fatalf("unknown command %q", f[0])
	}
	return s.out.String()
}

func (s *script) sealBatch(name string, args []string) {
	epoch := s.chain.Epoch().Number
	if v, ok := strings.CutPrefix(args[0], "epoch="); ok {
		epoch, args = remora.Epoch(s.parseNumber(v)), args[1:]
	}
	var txs [][]byte
	for _, arg := range args {
		txs = append(txs, s.parseTx(arg))
	}
	ref := s.chain.BatchOf(epoch, 0, txs...)
	s.batches[name], s.names[ref.Digest] = ref, name
}

func (s *script) parseTx(text string) []byte {
	s.t.Helper()
	if text == "garbage" {
		return []byte(text)
	}
	if size, ok := strings.CutPrefix(text, "opaque="); ok {
		return remora.EncodeOpaque(make([]byte, s.parseNumber(size)))
	}
	parties, rest, _ := strings.Cut(text, "#")
	if nonce, node, ok := strings.Cut(rest, "@"); ok {
		return statetest.Register(s.chain.Genesis, parties, s.parseNumber(nonce), statetest.Node(node, remora.RoleCache))
	}
	from, to, _ := strings.Cut(parties, ">")
	nonce, amount, _ := strings.Cut(rest, "=")
	for _, name := range []string{from, to} {
		if !slices.Contains(s.accounts, name) {
			s.accounts = append(s.accounts, name)
		}
	}
	return statetest.Transfer(s.chain.Genesis, from, to, s.parseNumber(nonce), remora.Amount(s.parseNumber(amount)))
}

func (s *script) runBlock(args []string) {
	d := statetest.Draft{
		Time:    s.chain.View.Tip.Time + remora.Millis(s.parseNumber(strings.TrimPrefix(args[0], "+"))),
		Times:   make(map[remora.Authority]remora.Millis),
		Payload: make(map[remora.Authority][]remora.BatchRef),
	}
	for _, arg := range args[1:] {
		if list, ok := strings.CutPrefix(arg, "beacon="); ok {
			for a := range strings.SplitSeq(list, ",") {
				d.Beacon = append(d.Beacon, remora.Authority(s.parseNumber(a)))
			}
			continue
		}
		arg, isTime := strings.CutPrefix(arg, "time=")
		author, list, _ := strings.Cut(arg, ":")
		a := remora.Authority(s.parseNumber(author))
		if isTime {
			d.Times[a] = remora.Millis(s.parseNumber(list))
			continue
		}
		for name := range strings.SplitSeq(list, ",") {
			d.Payload[a] = append(d.Payload[a], s.batches[name])
		}
	}
	before := s.accountsOf(s.chain.Tables())
	s.printBlock(s.chain.Next(d), before)
}

func (s *script) accountsOf(v table.View) []string {
	var lines []string
	for _, name := range s.accounts {
		a, _, err := ledger.Get(v, statetest.Address(name))
		if err != nil {
			s.t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s holds %s, next nonce %d, window %b", name, a.Balance, a.Nonce(), a.Used))
	}
	return lines
}

func (s *script) printBlock(out state.Outcome, before []string) {
	h := out.Block.Header
	s.printf("block %d: epoch %d, time %d, beacon %d %.8s", h.Height, h.Epoch, h.Time, h.Beacon.Step, h.Beacon.Hash)
	results := out.Block.Results
	for _, digest := range out.Block.Batches {
		count := s.chain.Stored(digest).Count
		var codes []string
		for _, r := range results[:count] {
			codes = append(codes, remora.Code(r).String())
		}
		results = results[count:]
		s.printf("execute %s: %s", s.names[digest], strings.Join(codes, " "))
	}
	for _, ref := range out.Fate.Expired {
		s.printf("expired %s of epoch %d", s.names[ref.Digest], ref.Epoch)
	}
	for i, line := range s.accountsOf(s.chain.Tables()) {
		if line != before[i] {
			s.printf("%s", line)
		}
	}
	for _, id := range table.All() {
		set, deleted := countChanges(out.Changes, id)
		if set+deleted > 0 {
			s.printf("table %d: %d set, %d deleted, now %d rows", id, set, deleted, s.chain.Tables().Len(id))
		}
	}
	s.printState(h)
}

func (s *script) printState(h remora.BlockHeader) {
	pending, err := beacon.GetPending(s.chain.Tables())
	if err != nil {
		s.t.Fatal(err)
	}
	totals, err := ledger.GetTotals(s.chain.Tables())
	if err != nil {
		s.t.Fatal(err)
	}
	if e := s.chain.Epoch(); e.Number != h.Epoch {
		s.printf("%s", describeEpoch(e))
	}
	s.printf("treasury %s of %s, %d contributions wait", totals.Treasury, totals.Supply, len(pending))
	s.printf("state %.8s, block %.8s", h.StateRoot, h.Hash())
}

func describeEpoch(e registry.Epoch) string {
	return fmt.Sprintf("epoch %d starts at time %d with block %d", e.Number, e.StartTime, e.StartHeight)
}

func countChanges(changes []table.Change, id table.ID) (set, deleted int) {
	for _, c := range changes {
		switch {
		case c.Table != id:
		case c.Value == nil:
			deleted++
		default:
			set++
		}
	}
	return set, deleted
}
