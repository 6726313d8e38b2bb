// Package story demonstrates the guarantees of a chain on a devnet: transfers execute while a validator is killed, content is
// delivered and paid for, forged claims are refused, and the whole chain replays to the same state. Begin starts the
// devnet, Tell goes through the steps and checks each.
package story

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/publish"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/node/replay"
)

// The scale of the story.
const (
	validators = 4
	caches     = 2
	epoch      = 4 * time.Second
	senders    = 4
	transfers  = 15 // of each sender, while a validator is killed
	limit      = 2 * time.Minute
	victim     = 2 // position of the validator that is killed
)

// certificateWait bounds the wait for a certificate that has not formed yet.
const certificateWait = 5 * time.Second

// ErrBroken says that a step ended otherwise than the chain promises.
var ErrBroken = errors.New("the story did not hold")

// Story is one telling. The caller takes the devnet down.
type Story struct {
	Net *devnet.Devnet

	begin   time.Time
	say     func(Step)
	status  *devnet.Status
	genesis *remora.Genesis
	nodes   []*client.Client      // of the validators
	keys    []*ed25519.PrivateKey // of the accounts
	film    *publish.Publication  // the large file, once it is published
	steps   []Step
}

// Step is a step that held.
type Step struct {
	Text    string  `json:"step"`
	Seconds float64 `json:"seconds"` // since the beginning
}

// Telling is a told story: the devnet at the end and the steps that led there.
type Telling struct {
	*devnet.Status
	Steps   []Step  `json:"steps"`
	Seconds float64 `json:"seconds"`
}

// Begin starts the devnet in dir, or resumes it. say is called with every step that holds.
func Begin(ctx context.Context, dir string, say func(Step)) (*Story, error) {
	s := &Story{begin: time.Now(), say: say}
	var err error
	s.Net, err = devnet.Up(ctx, devnet.Spec{Home: dir, Validators: validators, Caches: caches, Gateways: 1, Epoch: epoch})
	return s, err
}

// Tell goes through all steps and ends at the first that does not hold.
func (s *Story) Tell(ctx context.Context) (*Telling, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer s.closeClients()
	for _, step := range []func(context.Context) error{
		s.connectNodes, s.checkFirstBlock, s.payBob, s.killValidator, s.restartValidator, s.publishContent, s.earnDelivery, s.replayChain, s.proveBalance,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return &Telling{Status: s.status, Steps: s.steps, Seconds: time.Since(s.begin).Seconds()}, nil
}

// sayf tells of a step that held.
func (s *Story) sayf(format string, args ...any) {
	step := Step{Text: fmt.Sprintf(format, args...), Seconds: time.Since(s.begin).Seconds()}
	s.steps = append(s.steps, step)
	s.say(step)
}

// connectNodes opens clients of the validators and the keys of the accounts.
func (s *Story) connectNodes(context.Context) (err error) {
	if s.status, err = s.Net.Status(); err != nil {
		return err
	}
	if s.genesis, err = home.ReadGenesis(s.status.Genesis); err != nil {
		return err
	}
	for _, n := range s.status.Nodes[:validators] {
		node, err := client.New(n.RPC)
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, node)
	}
	for _, a := range s.status.Accounts[:senders] {
		key, err := home.OpenAccount(a.Key)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, key)
	}
	return nil
}

func (s *Story) closeClients() {
	for _, n := range s.nodes {
		n.Close()
	}
}

func (s *Story) checkFirstBlock(ctx context.Context) error {
	st, err := s.nodes[0].Status(ctx)
	if err != nil {
		return err
	}
	if st.Height == 0 {
		return fmt.Errorf("%w: %d ready validators and no block", ErrBroken, len(s.nodes))
	}
	s.sayf("%d validators agree: chain %s is at block %d", len(s.nodes), st.ChainID, st.Height)
	return nil
}

// balances returns the balances of the first two accounts.
func (s *Story) balances(ctx context.Context) (alice, bob remora.Amount, err error) {
	a, err := s.nodes[0].Account(ctx, s.keys[0].Public())
	if err != nil {
		return 0, 0, err
	}
	b, err := s.nodes[0].Account(ctx, s.keys[1].Public())
	if err != nil {
		return 0, 0, err
	}
	return a.Balance, b.Balance, nil
}

// payBob makes a transfer and checks both accounts.
func (s *Story) payBob(ctx context.Context) error {
	const amount = remora.Amount(1_000)
	aliceBefore, bobBefore, err := s.balances(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	sent, err := s.nodes[0].Transfer(ctx, s.keys[0], s.keys[1].Public(), amount, true)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	alice, bob, err := s.balances(ctx)
	if err != nil {
		return err
	}
	if bob-bobBefore != amount || aliceBefore-alice < amount {
		return fmt.Errorf("%w: a transfer of %s changed the sender from %s to %s and the receiver from %s to %s",
			ErrBroken, amount, aliceBefore, alice, bobBefore, bob)
	}
	s.sayf("alice pays bob %s in block %d, durable after %d ms: bob %s -> %s, alice %s -> %s (fee %s)", amount, sent.Tx.Height,
		took.Milliseconds(), bobBefore, bob, aliceBefore, alice, aliceBefore-alice-amount)
	return nil
}

// killValidator kills a validator while every account sends, and expects that all transfers execute.
func (s *Story) killValidator(ctx context.Context) error {
	name := s.status.Nodes[victim].Name
	sent := make(chan struct{}, senders*transfers)
	group, running := errgroup.WithContext(ctx)
	for i := range s.keys {
		group.Go(func() error {
			for range transfers {
				if _, err := s.nodes[0].Transfer(running, s.keys[i], s.keys[(i+1)%len(s.keys)].Public(), 1, true); err != nil {
					return err
				}
				sent <- struct{}{}
			}
			return nil
		})
	}
	group.Go(func() error {
		for range senders {
			select {
			case <-sent:
			case <-running.Done():
				return running.Err()
			}
		}
		return s.Net.Kill(running, name)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	s.sayf("%s is killed (SIGKILL) while %d accounts send: all %d transfers execute", name, len(s.keys), senders*transfers)
	return nil
}

// restartValidator restarts the killed validator and waits until it has the state of the others.
func (s *Story) restartValidator(ctx context.Context) error {
	begin := time.Now()
	name := s.status.Nodes[victim].Name
	if err := s.Net.Start(ctx, name); err != nil {
		return err
	}
	ahead, err := s.nodes[0].Status(ctx)
	if err != nil {
		return err
	}
	root, err := AwaitRoot(ctx, s.nodes, ahead.Height)
	if err != nil {
		return err
	}
	s.sayf("%s restarts and has caught up after %.1f s: all %d validators have state root %s… at block %d",
		name, time.Since(begin).Seconds(), len(s.nodes), root.String()[:16], ahead.Height)
	s.status, err = s.Net.Status() // the process has changed
	return err
}

// AwaitRoot waits until all nodes have executed a height, and returns the state root that they agree on there.
func AwaitRoot(ctx context.Context, nodes []*client.Client, height remora.Height) (root remora.Hash, err error) {
	for i, node := range nodes {
		if err := awaitHeight(ctx, node, height); err != nil {
			return root, fmt.Errorf("validator-%d: %w", i, err)
		}
		b, err := node.Block(ctx, height)
		if err != nil {
			return root, err
		}
		if i > 0 && b.StateRoot != root {
			return root, fmt.Errorf("%w: at block %d validator-%d has state root %s, others have %s", ErrBroken, height, i, b.StateRoot, root)
		}
		root = b.StateRoot
	}
	return root, nil
}

func awaitHeight(ctx context.Context, node *client.Client, height remora.Height) error {
	var at remora.Height
	err := devnet.Poll(ctx, func() (bool, error) {
		st, err := node.Status(ctx)
		if err != nil {
			return false, err
		}
		at = st.Height
		return at >= height, nil
	})
	if err != nil {
		return fmt.Errorf("at block %d, waiting for block %d: %w", at, height, err)
	}
	return nil
}

// replayChain executes the whole chain again from the blocks of the validator that was killed.
func (s *Story) replayChain(ctx context.Context) error {
	begin := time.Now()
	audited, err := replay.Replay(ctx, s.genesis, replay.Remote{Client: s.nodes[victim]}, 0)
	if err != nil {
		return err
	}
	root, err := AwaitRoot(ctx, s.nodes, audited.To)
	if err != nil {
		return err
	}
	if !audited.Matches || audited.StateRoot != root {
		return fmt.Errorf("%w: the replay of block %d gives state root %s, the validators have %s", ErrBroken, audited.To, audited.StateRoot, root)
	}
	s.sayf("an auditor replays blocks 1 to %d from %s (%d transactions, %d ms): same state root", audited.To,
		s.status.Nodes[victim].Name, audited.Txs, time.Since(begin).Milliseconds())
	return nil
}

// proveBalance verifies a proof of bob's balance against the genesis alone, and expects that a changed one is refused.
func (s *Story) proveBalance(ctx context.Context) error {
	proof, err := s.nodes[1].AwaitAccountProof(ctx, s.keys[1].Public(), certificateWait)
	if err != nil {
		return err
	}
	if err := light.VerifyAccount(s.genesis, proof); err != nil {
		return err
	}
	lie := *proof
	lie.Balance++
	if err := light.VerifyAccount(s.genesis, &lie); !errors.Is(err, light.ErrUnverified) {
		return fmt.Errorf("%w: a proof with a wrong balance was not refused: %v", ErrBroken, err)
	}
	s.sayf("bob's balance of %s at block %d is proven offline by the genesis alone; one unit more is refused", proof.Balance, proof.Height)
	return nil
}
