package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/publish"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/node/replay"
)

// The scale of the story.
const (
	storyValidators = 4
	storyCaches     = 2
	storyEpoch      = 4 * time.Second
	storySenders    = 4
	storyTransfers  = 15 // of each sender, while a validator is killed
	storyLimit      = 2 * time.Minute
	victim          = 2 // position of the validator that is killed
)

// errStory says that something came out otherwise than it was told.
var errStory = errors.New("the story did not hold")

// story is one telling. Every step checks what it says.
type story struct {
	program *program
	asJSON  bool
	begin   time.Time
	net     *devnet.Devnet
	status  *devnet.Status
	genesis *remora.Genesis
	nodes   []*client.Client
	keys    []*ed25519.PrivateKey // of the accounts
	film    *publish.Report       // the large file, once it is published
	told    []told
}

// told is a step that held.
type told struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"` // since the beginning
}

func (p *program) story() *cli.Command {
	return &cli.Command{
		Name: "story", Usage: "start a devnet, pay, crash, recover, publish, fetch, claim, forge, replay and prove; then stay up",
		Flags: []cli.Flag{
			devnetHomeFlag(),
			&cli.BoolFlag{Name: "once", Usage: "stop everything at the end; exit 0 only if every step held"},
			outputFlag(),
		},
		Action: do(p.tellStory),
	}
}

func (p *program) tellStory(c *cli.Context, asJSON bool) error {
	s := &story{program: p, asJSON: asJSON, begin: time.Now()}
	err := s.tell(c)
	if s.net == nil {
		return err
	}
	if err == nil && !c.Bool("once") {
		p.say("Ctrl-C stops all nodes\n")
		return p.stay(c.Context, s.net, 0)
	}
	return errors.Join(err, s.net.Down(context.WithoutCancel(c.Context)))
}

func (s *story) tell(c *cli.Context) error {
	ctx, cancel := context.WithTimeout(c.Context, storyLimit)
	defer cancel()
	if err := s.open(ctx, c.String(flagHome)); err != nil {
		return err
	}
	defer s.close()
	for _, step := range []func(context.Context) error{s.firstBlock, s.pay, s.crash, s.recover, s.content, s.earn, s.replay, s.prove} {
		if err := step(ctx); err != nil {
			return withCode("STORY_FAILED", err)
		}
	}
	seconds := time.Since(s.begin).Seconds()
	doc := struct {
		*devnet.Status
		Steps   []told  `json:"steps"`
		Seconds float64 `json:"seconds"`
	}{s.status, s.told, seconds}
	if c.Bool("once") {
		return s.program.answer(s.asJSON, doc, fmt.Sprintf("%6.2f s  every step held; the chain stays in %s", seconds, s.status.Home))
	}
	return s.program.answer(s.asJSON, doc, panel(fmt.Sprintf("devnet ready, story told in %.1f s", seconds), s.status))
}

// say tells of a step that held.
func (s *story) say(format string, args ...any) {
	elapsed := time.Since(s.begin).Seconds()
	text := fmt.Sprintf(format, args...)
	s.told = append(s.told, told{Step: text, Seconds: elapsed})
	to := s.program.out
	if s.asJSON {
		to = s.program.err
	}
	_, _ = fmt.Fprintf(to, "%6.2f s  %s\n", elapsed, text)
}

// open starts or resumes the devnet and connects to it.
func (s *story) open(ctx context.Context, dir string) error {
	net, err := devnet.Up(ctx, devnet.Spec{
		Home: dir, Validators: storyValidators, Caches: storyCaches, Gateways: 1, Epoch: storyEpoch,
	})
	if err != nil {
		return err
	}
	s.net = net
	if s.status, err = s.net.Status(); err != nil {
		return err
	}
	if s.genesis, err = readGenesis(s.status.Genesis); err != nil {
		return err
	}
	for _, n := range s.status.Nodes {
		if n.Role != devnet.RoleValidator {
			continue
		}
		node, err := client.New(n.RPC)
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, node)
	}
	for _, a := range s.status.Accounts[:storySenders] {
		keys, err := keystore.Load(a.Key, nil)
		if err != nil {
			return err
		}
		key, err := home.Account(keys)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, key)
	}
	return nil
}

func (s *story) close() {
	for _, n := range s.nodes {
		n.Close()
	}
}

func (s *story) firstBlock(ctx context.Context) error {
	st, err := s.nodes[0].Status(ctx)
	if err != nil {
		return err
	}
	if st.Height == 0 {
		return fmt.Errorf("%w: %d ready validators and no block", errStory, len(s.nodes))
	}
	s.say("%d validators agree: chain %s is at block %d", len(s.nodes), st.ChainID, st.Height)
	return nil
}

// balance asks any validator for what an account of the devnet holds.
func (s *story) balance(ctx context.Context, node, account int) (remora.Amount, error) {
	a, err := s.nodes[node].Account(ctx, s.keys[account].Public())
	if err != nil {
		return 0, err
	}
	return a.Balance, nil
}

// pay makes a transfer and looks at both sides of it.
func (s *story) pay(ctx context.Context) error {
	const amount = remora.Amount(1_000)
	var before, after [2]remora.Amount
	var err error
	for i := range before {
		if before[i], err = s.balance(ctx, 0, i); err != nil {
			return err
		}
	}
	begin := time.Now()
	sent, err := s.nodes[0].Transfer(ctx, s.keys[0], s.keys[1].Public(), amount, true)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	for i := range after {
		if after[i], err = s.balance(ctx, 0, i); err != nil {
			return err
		}
	}
	if after[1]-before[1] != amount || before[0]-after[0] < amount {
		return fmt.Errorf("%w: a transfer of %s changed the sender from %s to %s and the receiver from %s to %s",
			errStory, amount, before[0], after[0], before[1], after[1])
	}
	s.say("alice pays bob %s in block %d, durable after %d ms: bob %s -> %s, alice %s -> %s (fee %s)", amount, sent.Tx.Height,
		took.Milliseconds(), before[1], after[1], before[0], after[0], before[0]-after[0]-amount)
	return nil
}

// crash kills a validator while every account sends, and expects that no transfer suffers from it.
func (s *story) crash(ctx context.Context) error {
	name := s.status.Nodes[victim].Name
	sending := make(chan struct{}, storySenders*storyTransfers)
	group, running := errgroup.WithContext(ctx)
	for i := range s.keys {
		group.Go(func() error {
			for range storyTransfers {
				if _, err := s.nodes[0].Transfer(running, s.keys[i], s.keys[(i+1)%len(s.keys)].Public(), 1, true); err != nil {
					return err
				}
				sending <- struct{}{}
			}
			return nil
		})
	}
	group.Go(func() error {
		for range storySenders {
			select {
			case <-sending:
			case <-running.Done():
				return running.Err()
			}
		}
		return s.net.Kill(running, name)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	s.say("%s is killed (SIGKILL) while %d accounts send: all %d transfers execute", name, len(s.keys), storySenders*storyTransfers)
	return nil
}

// recover restarts the killed validator and waits until it has the state of the others.
func (s *story) recover(ctx context.Context) error {
	begin := time.Now()
	name := s.status.Nodes[victim].Name
	if err := s.net.Start(ctx, name); err != nil {
		return err
	}
	ahead, err := s.nodes[0].Status(ctx)
	if err != nil {
		return err
	}
	if err := s.reach(ctx, victim, ahead.Height); err != nil {
		return err
	}
	root, err := s.sameRoot(ctx, ahead.Height)
	if err != nil {
		return err
	}
	s.say("%s restarts and has caught up after %.1f s: all %d validators have state root %s… at block %d",
		name, time.Since(begin).Seconds(), len(s.nodes), root.String()[:16], ahead.Height)
	status, err := s.net.Status() // the process has changed
	if err == nil {
		s.status = status
	}
	return err
}

// reach waits until a node has executed a height.
func (s *story) reach(ctx context.Context, node int, height remora.Height) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		st, err := s.nodes[node].Status(ctx)
		if err != nil {
			return err
		}
		if st.Height >= height {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is at block %d and not at %d: %w", s.status.Nodes[node].Name, st.Height, height, ctx.Err())
		}
	}
}

// sameRoot returns the state root that all validators have at a height.
func (s *story) sameRoot(ctx context.Context, height remora.Height) (remora.Hash, error) {
	var root remora.Hash
	for i, node := range s.nodes {
		if err := s.reach(ctx, i, height); err != nil {
			return root, err
		}
		b, err := node.Block(ctx, height)
		if err != nil {
			return root, err
		}
		if i > 0 && b.StateRoot != root {
			return root, fmt.Errorf("%w: at block %d %s has state root %s, others have %s",
				errStory, height, s.status.Nodes[i].Name, b.StateRoot, root)
		}
		root = b.StateRoot
	}
	return root, nil
}

// replay executes the whole chain again from the blocks of the validator that was killed.
func (s *story) replay(ctx context.Context) error {
	begin := time.Now()
	report, err := replay.Replay(ctx, s.genesis, patient{replay.Remote{Client: s.nodes[victim]}}, 0)
	if err != nil {
		return err
	}
	root, err := s.sameRoot(ctx, report.To)
	if err != nil {
		return err
	}
	if !report.Matches || report.StateRoot != root {
		return fmt.Errorf("%w: the replay of block %d gives state root %s, the validators have %s", errStory, report.To, report.StateRoot, root)
	}
	s.say("an auditor replays blocks 1 to %d from %s (%d transactions, %d ms): same state root", report.To,
		s.status.Nodes[victim].Name, report.Txs, time.Since(begin).Milliseconds())
	return nil
}

// prove asks for a proof of bob's balance and checks it by the genesis alone; a lie in it is noticed.
func (s *story) prove(ctx context.Context) error {
	proof, err := awaitProof(ctx, s.nodes[1], s.keys[1].Public())
	if err != nil {
		return err
	}
	if err := light.VerifyAccount(s.genesis, proof); err != nil {
		return err
	}
	lie := *proof
	lie.Balance++
	if err := light.VerifyAccount(s.genesis, &lie); !errors.Is(err, light.ErrUnverified) {
		return fmt.Errorf("%w: a proof with a wrong balance was not refused: %v", errStory, err)
	}
	s.say("bob's balance of %s at block %d is proven offline by the genesis alone; one unit more is refused", proof.Balance, proof.Height)
	return nil
}
