package fetch

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/proofs/content"
)

// settleTime is how long the last receipts of a fetch may take. What is not sent by then waits for the next fetch.
const settleTime = 10 * time.Second

// payer is the source of a client that pays. It belongs to one goroutine; of its requests only one at a time has a
// receipt with it, so books have one writer.
type payer struct {
	client   *client
	chain    Chain
	key      *ed25519.PrivateKey
	dir      string
	maxSpend remora.Amount // 0: no limit but the balance
	spent    remora.Amount
	pass     remora.Hash // of this call

	terms    *Terms
	sessions []*session // in use by this call, and locked; the newest is last
	failed   map[remora.Address]bool
	renewed  bool // a session was opened because caches refused the one before
}

func newPayer(c *client, o Options) *payer {
	p := &payer{
		client: c, chain: o.Chain, key: o.Key, dir: o.Sessions, maxSpend: o.MaxSpend, failed: map[remora.Address]bool{},
	}
	_, _ = rand.Read(p.pass[:]) // never fails
	return p
}

// receipts returns how many were signed.
func (p *payer) receipts() (n int) {
	for _, s := range p.sessions {
		n += s.receipts
	}
	return n
}

func (p *payer) open(ctx context.Context, c remora.Content, _ bool, from uint64) (flow, error) {
	if c.Length > remora.MaxContentBytes {
		return nil, fmt.Errorf("%w: a content of %d bytes, at most 2^48", remora.ErrTooLarge, c.Length)
	}
	s, err := p.session(ctx, c.Root, c.Length-from)
	if err != nil {
		return nil, err
	}
	order := s.order(c.Root, p.failed)
	if len(order) == 0 {
		return nil, fmt.Errorf("%w: session %d grants nothing to any cache", ErrGateway, s.id)
	}
	return newPaidFlow(ctx, p, order, c, from), nil
}

// session returns one that covers so many bytes of a content: of those in use, of those on disk, or a new one.
func (p *payer) session(ctx context.Context, root remora.Hash, need uint64) (*session, error) {
	for _, s := range slices.Backward(p.sessions) {
		if p.covers(s, root, need) {
			return s, nil
		}
	}
	if p.terms == nil {
		if err := p.ask(ctx); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return nil, err
		}
	}
	s, err := p.stored(ctx, root, need)
	if s != nil || err != nil {
		return s, err
	}
	return p.begin(ctx, root, need)
}

// renew returns another session after caches refused one: of those on disk, or a new one, but that only once in a fetch.
// It is nil where there is none.
func (p *payer) renew(ctx context.Context, root remora.Hash, need uint64) (*session, error) {
	s, err := p.stored(ctx, root, need)
	if s != nil || err != nil || p.renewed {
		return s, err
	}
	p.renewed = true
	return p.begin(ctx, root, need)
}

func (p *payer) ask(ctx context.Context) error {
	terms, err := p.chain.Terms(ctx, p.key.Public())
	if err != nil {
		return fmt.Errorf("terms of a session: %w", err)
	}
	p.terms = &terms
	return nil
}

// covers reports whether the first choice of a session's caches can still deliver so many bytes.
func (p *payer) covers(s *session, root remora.Hash, need uint64) bool {
	order := s.order(root, p.failed)
	return len(order) > 0 && order[0].left() >= need && s.book.failed == nil
}

// stored looks for a session on disk that nobody else uses. It is nil where none will do.
func (p *payer) stored(ctx context.Context, root remora.Hash, need uint64) (*session, error) {
	prefix, err := bookPrefix(p.terms.ChainID)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), prefix) || !strings.HasSuffix(f.Name(), bookSuffix) {
			continue
		}
		s, err := p.load(ctx, filepath.Join(p.dir, f.Name()))
		switch {
		case errors.Is(err, errBusy), errors.Is(err, remora.ErrNotFound), errors.Is(err, remora.ErrCorrupt):
			continue // in use, never opened, or not to be trusted: another one will do
		case err != nil:
			return nil, err
		case !p.covers(s, root, need):
			if err := s.book.close(); err != nil {
				return nil, err
			}
		default:
			p.sessions = append(p.sessions, s)
			return s, nil
		}
	}
	return nil, nil
}

// load opens a session's book, and asks the chain about it. A session that is over is not found.
func (p *payer) load(ctx context.Context, name string) (*session, error) {
	b, head, entries, err := openBook(name)
	if err != nil {
		return nil, err
	}
	s, err := p.join(ctx, b, head)
	if err == nil {
		err = s.replay(entries)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return s, nil
}

// join asks the chain about the session of a book.
func (p *payer) join(ctx context.Context, b *book, head bookHead) (*session, error) {
	if head.ChainID != p.terms.ChainID || head.Owner != p.key.Public() || head.Expiry <= p.terms.Epoch {
		return nil, fmt.Errorf("session number %d: %w", head.Number, remora.ErrNotFound)
	}
	o, err := p.chain.Session(ctx, head.Owner, head.Number)
	if err != nil {
		return nil, fmt.Errorf("session number %d: %w", head.Number, err)
	}
	if o.Session.Expiry <= p.terms.Epoch {
		return nil, fmt.Errorf("session number %d is over: %w", head.Number, remora.ErrNotFound)
	}
	key, err := p.sessionKey(head.Number)
	if err != nil {
		return nil, err
	}
	return newSession(b, head, key, o)
}

func (p *payer) sessionKey(number uint64) (*bls.SecretKey, error) {
	seed := p.key.Seed()
	defer clear(seed)
	return SessionKey(seed, p.terms.ChainID, number)
}

// begin opens a session for so many bytes of a content at least. Its book is on disk before the chain hears of it, so
// that what is paid for is not lost.
func (p *payer) begin(ctx context.Context, root remora.Hash, need uint64) (*session, error) {
	if err := p.ask(ctx); err != nil { // the balance has changed, or the price
		return nil, err
	}
	allotments, cost, err := p.allotments(ctx, root, need)
	if err != nil {
		return nil, err
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	number := binary.BigEndian.Uint64(random[:]) >> 1
	key, err := p.sessionKey(number)
	if err != nil {
		return nil, err
	}
	head := bookHead{
		Format: bookFormat, ChainID: p.terms.ChainID, Owner: p.key.Public(), Number: number, Expiry: p.terms.Epoch + sessionEpochs,
	}
	b, err := createBook(p.dir, head)
	if err != nil {
		return nil, err
	}
	p.spent += cost
	err = p.chain.Open(ctx, remora.OpenSession{
		Number: number, Scheme: remora.SchemeBLS, Key: key.Public(), Possession: key.ProvePossession(),
		Expiry: head.Expiry, Allotments: allotments,
	})
	var s *session
	if err == nil {
		s, err = p.join(ctx, b, head)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a session: %w", err), b.close())
	}
	s.fresh = true
	p.sessions = append(p.sessions, s)
	return s, nil
}

// allotments divides what may be spent among the registered caches, those first that are to hold the content.
func (p *payer) allotments(ctx context.Context, root remora.Hash, need uint64) ([]remora.Allotment, remora.Amount, error) {
	caches, err := p.chain.Caches(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("registered caches: %w", err)
	}
	if len(caches) == 0 {
		return nil, 0, fmt.Errorf("%w: no cache is registered on chain %s", ErrGateway, p.terms.ChainID)
	}
	nodes := make([]remora.Address, len(caches))
	for i := range caches {
		nodes[i] = caches[i].Address
	}
	order := remora.Assign(root, nodes, len(nodes))
	slices.SortStableFunc(order, func(a, b remora.Address) int { return cmp.Compare(rank(p.failed[a]), rank(p.failed[b])) })
	limit := p.terms.Balance / 2
	if p.maxSpend > 0 {
		limit = min(limit, p.maxSpend-p.spent)
	}
	return allot(order, need, p.terms.Price, limit)
}

// rank puts what failed last.
func rank(failed bool) int {
	if failed {
		return 1
	}
	return 0
}

// reply is what became of a request.
type reply struct {
	slot    *slot    // nil where nothing was asked for
	voucher *voucher // nil where no receipt went along
	again   bool     // the cache may have had the receipt before
	head    transfer.DeliveryHead
	stream  []byte
	buffer  []byte // holds the stream
	err     error  // there is no answer
	fatal   error  // the receipt cannot be kept
}

// send makes a request and waits for its answer. What it does with the book and the voucher nobody else does meanwhile.
func (p *payer) send(ctx context.Context, a *account, c remora.Content, r reply) reply {
	var rng content.Range
	if r.slot != nil {
		rng = r.slot.r
		if r.err = r.slot.wait(ctx); r.err != nil {
			return r
		}
	}
	if r.voucher != nil {
		if r.fatal = a.session.store(r.voucher); r.fatal != nil {
			return r
		}
	}
	request := a.session.request(a, p.pass, c, rng, r.voucher)
	r.head, r.stream, r.buffer, r.err = p.client.deliver(ctx, a.node, request)
	return r
}

// close sends the receipts that are left, keeps those that cannot be sent for the next fetch, and lets the books go.
func (p *payer) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	var err error
	for _, s := range p.sessions {
		for _, a := range s.accounts {
			err = errors.Join(err, p.settle(ctx, a))
		}
		err = errors.Join(err, s.book.close())
	}
	return err
}

// settle sends an account's receipts. That a cache does not take them is no failure of the fetch.
func (p *payer) settle(ctx context.Context, a *account) error {
	for !a.closed && a.session.book.failed == nil {
		v, err := a.next()
		if v == nil || err != nil {
			break
		}
		a.session.prove(a, p.pass)
		r := p.send(ctx, a, remora.Content{}, reply{voucher: v, again: v.sent})
		v.sent = true
		p.client.spare.give(r.buffer)
		if r.fatal != nil {
			return r.fatal
		}
		if r.err != nil || !a.settle(v, r.head, r.again) || len(a.queue) > 0 && a.queue[0] == v {
			break
		}
	}
	if a.closed || a.session.book.failed != nil {
		return nil
	}
	return a.session.keep(a)
}
