package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/store"
)

// executionWait bounds the time in which acknowledged transactions have to be executed when all validators run again.
const executionWait = 60 * time.Second

// Errors of a whole run.
var (
	ErrBroken = errors.New("the chain is broken")
	ErrLog    = errors.New("a validator's log reports a fault")
)

// Checked is a verdict with the chain on which it was reached.
type Checked struct {
	*Verdict
	Blocks remora.Height
	chain  *chain
}

// Check compares a history with what every validator executed: the same blocks, every acknowledged transaction in
// effect once, transfers of an account in order, one header per author and round. Every validator must run, and no
// client may.
func (n *Network) Check(ctx context.Context, h *History) (*Checked, error) {
	submits := h.allSubmits()
	first := newChain(n.genesis.Domain())
	if err := n.readUntilIdle(ctx, first, submits); err != nil {
		return nil, err
	}
	for v := 1; v < Validators; v++ {
		other := newChain(n.genesis.Domain())
		if err := n.readChain(ctx, v, other, first.tipHeight()); err != nil {
			return nil, fmt.Errorf("read the blocks of %s: %w", n.names[v], err)
		}
		first.compareWith(n.names[v], other)
		first.faults = append(first.faults, other.faults...)
	}
	verdict := judgeRuns(submits, first.runs)
	return &Checked{Verdict: verdict, Blocks: first.tipHeight(), chain: first}, errors.Join(verdict.Err(), first.brokenError())
}

// readUntilIdle reads the first validator's blocks until every acknowledged transaction is executed and the chain is
// idle. After executionWait it returns, too: then the verdict names the missing ones.
func (n *Network) readUntilIdle(ctx context.Context, c *chain, submits []Submit) error {
	ctx, cancel := context.WithTimeout(ctx, executionWait)
	defer cancel()
	owed := map[remora.Hash]bool{}
	for _, s := range submits {
		if s.Outcome == Acked {
			owed[s.Tx] = true
		}
	}
	last, _ := n.highestHeights(ctx)
	read := 0
	err := devnet.Poll(ctx, func() (bool, error) {
		_, certified := n.heightsOf(ctx, 0)
		if err := c.readBlocks(ctx, n.nodes[0], certified); err != nil && ctx.Err() == nil {
			return false, fmt.Errorf("read the blocks of %s: %w", n.names[0], err)
		}
		for _, r := range c.runs[read:] {
			delete(owed, r.Tx)
		}
		read = len(c.runs)
		return len(owed) == 0 && c.tipHeight() > last, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// readChain waits until a validator has certified a height, and reads the blocks up to it.
func (n *Network) readChain(ctx context.Context, validator int, c *chain, to remora.Height) error {
	waiting, cancel := context.WithTimeout(ctx, executionWait)
	defer cancel()
	var certified remora.Height
	err := devnet.Poll(waiting, func() (bool, error) {
		_, certified = n.heightsOf(ctx, validator)
		return certified >= to, nil
	})
	if err != nil {
		return fmt.Errorf("certified up to block %d of %d: %w", certified, to, err)
	}
	return c.readBlocks(ctx, n.nodes[validator], to)
}

// CheckStores looks for two headers of one author and round in the stores of all validators, none of which may run:
// among the stored certificates, the headers that they proposed and those that they voted for.
func (n *Network) CheckStores(c *Checked) error {
	c.chain.faults = nil
	for i, dir := range n.homes {
		kept, err := n.readStoredDAG(filepath.Join(dir, "data"))
		if err != nil {
			return fmt.Errorf("store of %s: %w", n.names[i], err)
		}
		for _, cert := range kept.Certificates {
			c.chain.noteSigned(slot{cert.Author(), cert.Round()}, cert.Header.Digest(), n.names[i])
		}
		for _, v := range kept.Votes {
			c.chain.noteSigned(slot{v.Author, v.Round}, v.Digest, n.names[i])
		}
		if h := kept.Proposed; h != nil {
			c.chain.noteSigned(slot{h.Author, h.Round}, h.Digest(), n.names[i])
		}
	}
	return c.chain.brokenError()
}

func (n *Network) readStoredDAG(dir string) (store.DAG, error) {
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		return store.DAG{}, err
	}
	kept, err := st.LoadDAG(n.genesis.Domain(), 0)
	return kept, errors.Join(err, st.Close())
}

// alarms are the texts that no validator may log under any fault of others: errors, crashes and signs of a safety
// fault.
var alarms = []string{"level=ERROR", "signed two headers for one round", "a vote whose signature is wrong", "panic:", "fatal error:", "error "}

// CheckLogs looks for alarms in the logs of all validators. Lines that contain one of but are expected.
func (n *Network) CheckLogs(but ...string) error {
	var found []string
	for i, dir := range n.homes {
		f, err := os.Open(filepath.Join(dir, "log"))
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() && len(found) < maxExamples {
			if line := lines.Text(); isAlarm(line) && !slices.ContainsFunc(but, func(b string) bool { return strings.Contains(line, b) }) {
				found = append(found, n.names[i]+": "+line)
			}
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("%w: %s", ErrLog, strings.Join(found, "\n"))
	}
	return nil
}

func isAlarm(line string) bool {
	return slices.ContainsFunc(alarms, func(a string) bool {
		if a == "error " {
			return strings.HasPrefix(line, a) // the program's last line; elsewhere in a line the word is harmless
		}
		return strings.Contains(line, a)
	})
}

// Replay audits the home of a validator, which must not run: the program executes every block again from the genesis.
func (n *Network) Replay(ctx context.Context, validator int) error {
	cmd := exec.CommandContext(ctx, n.options.Binary, "audit", "replay",
		"--from", n.homes[validator], "--genesis", filepath.Join(n.homes[validator], "genesis.json"), "-o", "json")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("replay of %s: %w: %s%s", n.names[validator], err, out, exit.Stderr)
	}
	if err != nil {
		return fmt.Errorf("replay of %s: %w", n.names[validator], err)
	}
	var audit struct {
		Blocks  int  `json:"blocks"`
		Matches bool `json:"matches"`
	}
	if err := json.Unmarshal(out, &audit); err != nil || !audit.Matches || audit.Blocks == 0 {
		return fmt.Errorf("%w: replay of %s: %s, %v", ErrBroken, n.names[validator], out, err)
	}
	return nil
}
