package attack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/validator"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/registry"
)

// member is a validator that has taken the place of an honest one. The product's own validator runs inside, so that it votes,
// proposes and executes as everybody does; it sees the other members through a [relay], which adds, drops and forges.
type member struct {
	genesis *remora.Genesis
	forger  forger
	lock    *home.Lock
	store   *store.Store
	exec    *exec.Executor
	head    *head.Head
	counts  metrics.Counts
	log     *slog.Logger
	signing string // path of the signing record

	relay     *relay
	validator *validator.Validator
}

// openMember opens the home of a validator that does not run.
func openMember(dir string) (*member, error) {
	h, err := home.Open(dir)
	if err != nil {
		return nil, err
	}
	m := &member{log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if m.lock, err = h.Lock(); err != nil {
		return nil, err
	}
	if m.genesis, err = h.Genesis(); err != nil {
		return nil, err
	}
	file, err := keystore.Load(h.NodeKeyPath(), nil)
	if err != nil {
		return nil, err
	}
	keys, err := home.Parse(file)
	if err != nil {
		return nil, err
	}
	members, err := m.genesis.Committee()
	if err != nil {
		return nil, err
	}
	committee, err := trust.New(members)
	if err != nil {
		return nil, err
	}
	self, err := validator.FindSelf(committee, keys)
	if err != nil {
		return nil, err
	}
	m.forger = forger{genesis: m.genesis, committee: committee, self: self, keys: keys, seq: uint64(time.Now().UnixNano())}
	m.signing = h.SigningPath()
	if err := m.openChain(h); err != nil {
		return nil, err
	}
	m.relay, err = newRelay(m)
	return m, err
}

func (m *member) openChain(h *home.Home) (err error) {
	if m.store, err = store.Open(h.DataDir(), store.Options{Logger: store.Logger{Log: m.log}}); err != nil {
		return err
	}
	if m.exec, err = exec.Open(m.genesis, m.store); err != nil {
		return err
	}
	var newest *remora.Block
	if height := m.store.Height(); height > 0 {
		if newest, err = m.store.Block(height); err != nil {
			return err
		}
	}
	m.head = head.New(head.NewView(m.store, m.exec.View(), newest))
	return nil
}

// epoch returns the epoch of the newest executed block.
func (m *member) epoch() (remora.Epoch, error) {
	view := m.head.Newest()
	e, err := registry.GetEpoch(view.Tables)
	return e.Number, errors.Join(err, view.Release())
}

// openDoor returns a door for the member's own transactions, which comes up with none.
func (m *member) openDoor() (*door.Door, error) {
	machine, err := state.NewMachine(m.genesis)
	if err != nil {
		return nil, err
	}
	d := door.New(door.Config{Machine: machine, Genesis: m.genesis, Head: m.head, Verifier: exec.NewVerifier()})
	m.exec.Observe = d.NoteBlock
	return d, nil
}

// start takes the place in the committee and returns when it takes part in the rounds.
func (m *member) start(ctx context.Context) (*errgroup.Group, error) {
	entrance, err := m.openDoor()
	if err != nil {
		return nil, err
	}
	m.validator, err = validator.New(validator.Config{
		Genesis: m.genesis, Committee: m.relay.inside, Self: m.forger.self, Keys: m.forger.keys, Executor: m.exec, Store: m.store,
		Head: m.head, Host: m.relay.inner, Door: entrance, Hits: limits.NewHits(time.Now, m.log), Counts: &m.counts, Logger: m.log, Signing: m.signing,
	})
	if err != nil {
		return nil, err
	}
	if err := m.relay.serveValidator(m.validator.Handlers()); err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, loop := range append(m.validator.Loops(), m.relay.loops()...) {
		group.Go(func() error { return loop(ctx) })
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	first := uint64(0)
	return group, devnet.Poll(limited, func() (bool, error) {
		round := m.counts.Round.Load()
		if first == 0 {
			first = round
		}
		return len(m.validator.Unready()) == 0 && m.counts.LastBlock.Load() != 0 && round > first+2, nil
	})
}

// round returns the round of the DAG that the member works on.
func (m *member) round() remora.Round { return remora.Round(m.counts.Round.Load()) }

// close releases what openMember opened.
func (m *member) close() error {
	return errors.Join(m.head.Close(), m.store.Close(), m.lock.Release())
}

// misuse is an attack by a member.
type misuse struct {
	stock  func(m *member, o *Order, epoch remora.Epoch) ([]remora.Batch, error) // batches that it lists; nil: none
	direct bool                                                                  // headers with stocked batches go to one member at a time
	attack func(ctx context.Context, m *member) error                            // beyond that; nil: nothing
}

// prepare takes the place of a validator.
func (u misuse) prepare(ctx context.Context, o *Order) (func(context.Context) error, error) {
	m, err := openMember(o.Home)
	if err != nil {
		return nil, err
	}
	stock, err := u.stockStore(m, o)
	if err != nil {
		return nil, err
	}
	running, leave := context.WithCancel(ctx)
	group, err := m.start(running)
	if err != nil {
		leave()
		return nil, fmt.Errorf("take part in the rounds: %w", err)
	}
	return func(ctx context.Context) error {
		var err error
		if len(stock) > 0 {
			m.relay.releaseBatches(ctx, m, stock, u.direct)
		}
		if u.attack != nil {
			err = u.attack(ctx, m)
		}
		<-ctx.Done()
		leave()
		return errors.Join(err, group.Wait(), m.close())
	}, nil
}

// stockStore puts the stock into the member's store, as if an earlier run of it had made the batches: the validator offers
// them, and lists them once it believes that a quorum holds them. The relay keeps them back.
func (u misuse) stockStore(m *member, o *Order) ([]remora.Batch, error) {
	if u.stock == nil {
		return nil, nil
	}
	epoch, err := m.epoch()
	if err != nil {
		return nil, err
	}
	stock, err := u.stock(m, o, epoch)
	if err != nil {
		return nil, err
	}
	held := map[remora.Hash]bool{}
	for i := range stock {
		held[stock[i].Digest] = true
	}
	m.relay.holdBatches(held, u.direct)
	return stock, m.store.AppendBatches(stock)
}
