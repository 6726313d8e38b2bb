package fetch

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
)

// lastReceiptsTime bounds how long a fetch sends its last receipts. The rest waits in the book for the next fetch.
const lastReceiptsTime = 10 * time.Second

// payer is the source of a client that pays. It belongs to one goroutine; at most one of its requests at a time carries a
// receipt, so each book has one writer.
type payer struct {
	client   *client
	chain    Chain
	key      *ed25519.PrivateKey
	dir      string
	maxSpend remora.Amount // 0: no limit but the balance
	spent    remora.Amount
	pass     remora.Hash // of this call

	quote    *Quote
	sessions []*prepaid // in use by this call, and locked; the newest is last
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

func (p *payer) openFlow(ctx context.Context, c remora.Content, _ bool, from uint64) (flow, error) {
	if c.Length > remora.MaxContentBytes {
		return nil, fmt.Errorf("%w: a content of %d bytes, at most 2^48", remora.ErrTooLarge, c.Length)
	}
	s, err := p.pickSession(ctx, c.Root, c.Length-from)
	if err != nil {
		return nil, err
	}
	order := p.listAccounts(s, c.Root)
	if len(order) == 0 {
		return nil, fmt.Errorf("%w: session %d grants nothing to any cache", ErrGateway, s.id)
	}
	return newPaidFlow(ctx, p, order, c, from), nil
}

// pickSession returns a session that covers need bytes of a content: one in use, else one on disk, else a new one.
func (p *payer) pickSession(ctx context.Context, root remora.Hash, need uint64) (*prepaid, error) {
	for _, s := range slices.Backward(p.sessions) {
		if p.coversContent(s, root, need) {
			return s, nil
		}
	}
	if p.quote == nil {
		if err := p.askQuote(ctx); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return nil, err
		}
	}
	s, err := p.findStored(ctx, root, need)
	if s != nil || err != nil {
		return s, err
	}
	return p.openSession(ctx, root, need)
}

// renewSession returns another session after caches refused one: one on disk, else, once in a fetch, a new one, else nil.
func (p *payer) renewSession(ctx context.Context, root remora.Hash, need uint64) (*prepaid, error) {
	s, err := p.findStored(ctx, root, need)
	if s != nil || err != nil || p.renewed {
		return s, err
	}
	p.renewed = true
	return p.openSession(ctx, root, need)
}

func (p *payer) askQuote(ctx context.Context) error {
	quote, err := p.chain.Quote(ctx, p.key.Public())
	if err != nil {
		return fmt.Errorf("price of a session: %w", err)
	}
	p.quote = &quote
	return nil
}

// listAccounts returns the accounts that may deliver a content, in the order in which they are asked.
func (p *payer) listAccounts(s *prepaid, root remora.Hash) (list []*account) {
	for _, node := range p.rankNodes(root, slices.Collect(maps.Keys(s.accounts))) {
		if a := s.accounts[node]; !a.refused && !a.Closed() && a.HasRoom() {
			list = append(list, a)
		}
	}
	return list
}

// rankNodes orders caches by the chain's preference for a content; those that failed before come last.
func (p *payer) rankNodes(root remora.Hash, nodes []remora.Address) []remora.Address {
	order := remora.Assign(root, nodes, len(nodes))
	good := slices.DeleteFunc(slices.Clone(order), func(a remora.Address) bool { return p.failed[a] })
	return append(good, slices.DeleteFunc(order, func(a remora.Address) bool { return !p.failed[a] })...)
}

// coversContent reports whether the first choice of a session's caches can still deliver need bytes.
func (p *payer) coversContent(s *prepaid, root remora.Hash, need uint64) bool {
	order := p.listAccounts(s, root)
	return len(order) > 0 && order[0].Left() >= need && s.book.failed == nil
}

// findStored returns a session on disk that no other process uses and that covers need bytes, nil where there is none.
func (p *payer) findStored(ctx context.Context, root remora.Hash, need uint64) (*prepaid, error) {
	prefix, err := bookPrefix(p.quote.ChainID)
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
		s, err := p.loadSession(ctx, filepath.Join(p.dir, f.Name()))
		switch {
		case errors.Is(err, errBusy), errors.Is(err, remora.ErrNotFound), errors.Is(err, remora.ErrCorrupt):
			continue // in use, never opened, or damaged: try the next
		case err != nil:
			return nil, err
		case !p.coversContent(s, root, need):
			if err := s.book.closeFile(); err != nil {
				return nil, err
			}
		default:
			p.sessions = append(p.sessions, s)
			return s, nil
		}
	}
	return nil, nil
}

// loadSession opens a session's book and asks the chain about it. An expired session is remora.ErrNotFound.
func (p *payer) loadSession(ctx context.Context, name string) (*prepaid, error) {
	b, head, entries, err := openBook(name)
	if err != nil {
		return nil, err
	}
	s, err := p.joinSession(ctx, b, head)
	if err == nil {
		err = s.restoreEntries(entries)
	}
	if err != nil {
		return nil, errors.Join(err, b.closeFile())
	}
	return s, nil
}

// joinSession looks up the session of a book on the chain.
func (p *payer) joinSession(ctx context.Context, b *book, head bookHead) (*prepaid, error) {
	if head.Domain != p.quote.Domain || head.Owner != p.key.Public() || head.Expiry <= p.quote.Epoch {
		return nil, fmt.Errorf("session number %d: %w", head.Number, remora.ErrNotFound)
	}
	o, err := p.chain.Session(ctx, head.Owner, head.Number)
	if err != nil {
		return nil, fmt.Errorf("session number %d: %w", head.Number, err)
	}
	if o.Session.Expiry <= p.quote.Epoch {
		return nil, fmt.Errorf("session number %d is over: %w", head.Number, remora.ErrNotFound)
	}
	key, err := p.sessionKey(head.Number)
	if err != nil {
		return nil, err
	}
	return newPrepaid(b, head, key, o)
}

func (p *payer) sessionKey(number uint64) (*bls.SecretKey, error) {
	seed := p.key.Seed()
	defer clear(seed)
	return SessionKey(seed, p.quote.Domain, number)
}

// openSession opens a session for at least need bytes of a content. Its book is on disk before the transaction is sent,
// so that no payment is lost.
func (p *payer) openSession(ctx context.Context, root remora.Hash, need uint64) (*prepaid, error) {
	if err := p.askQuote(ctx); err != nil { // the balance has changed, or the price
		return nil, err
	}
	allotments, cost, err := p.planAllotments(ctx, root, need)
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
		Format: bookFormat, ChainID: p.quote.ChainID, Domain: p.quote.Domain, Owner: p.key.Public(), Number: number, Expiry: p.quote.Epoch + sessionEpochs,
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
	var s *prepaid
	if err == nil {
		s, err = p.joinSession(ctx, b, head)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a session: %w", err), b.closeFile())
	}
	s.fresh = true
	p.sessions = append(p.sessions, s)
	return s, nil
}

// planAllotments divides the budget among the registered caches, those that should hold the content first.
func (p *payer) planAllotments(ctx context.Context, root remora.Hash, need uint64) ([]remora.Allotment, remora.Amount, error) {
	caches, err := p.chain.Caches(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("registered caches: %w", err)
	}
	if len(caches) == 0 {
		return nil, 0, fmt.Errorf("%w: no cache is registered on chain %s", ErrGateway, p.quote.ChainID)
	}
	nodes := make([]remora.Address, len(caches))
	for i := range caches {
		nodes[i] = caches[i].Address
	}
	limit := p.quote.Balance / 2
	if p.maxSpend > 0 {
		limit = min(limit, p.maxSpend-p.spent)
	}
	return allotBytes(p.rankNodes(root, nodes), need, p.quote.Price, limit)
}

// reply is the end of a request.
type reply struct {
	slot   *slot // nil: no bytes were asked for
	ask    session.Ask
	head   transfer.DeliveryHead
	stream []byte
	buffer []byte // holds the stream
	err    error  // there is no answer
	fatal  error  // the receipt cannot be stored
}

// sendRequest makes a request and waits for its answer. It owns the book and the voucher meanwhile. The pass must be
// proven.
func (p *payer) sendRequest(ctx context.Context, a *account, c remora.Content, r reply) reply {
	request := transfer.DeliveryRequest{Session: a.Session, Pass: p.pass, Proof: *a.proof, Content: c}
	if r.slot != nil {
		request.Offset, request.Bytes = r.slot.r.Offset, r.slot.r.Length
		if r.err = r.slot.waitTurn(ctx); r.err != nil {
			return r
		}
	}
	if v := r.ask.Voucher; v != nil {
		if r.fatal = a.storeVoucher(v); r.fatal != nil {
			return r
		}
		request.Acks = []session.Acknowledgement{v.Ack}
	}
	r.head, r.stream, r.buffer, r.err = p.client.askDelivery(ctx, a.Node, remora.Encode(&request))
	return r
}

// closeSource sends the receipts that are left, stores the others for the next fetch, and unlocks the books.
func (p *payer) closeSource(ctx context.Context) (receipts int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastReceiptsTime)
	defer cancel()
	for _, s := range p.sessions {
		for _, a := range s.accounts {
			err = errors.Join(err, p.sendReceipts(ctx, a))
		}
		err = errors.Join(err, s.book.closeFile())
		receipts += s.receipts
	}
	return receipts, err
}

// sendReceipts sends an account's receipts, and stores those that the cache does not take now. A cache that takes none does
// not fail the fetch.
func (p *payer) sendReceipts(ctx context.Context, a *account) error {
	var last *session.Voucher
	for !a.Closed() && a.of.book.failed == nil {
		v, err := a.NextVoucher()
		if v == nil || v == last || err != nil {
			break
		}
		a.provePass(p.pass)
		r := p.sendRequest(ctx, a, remora.Content{}, reply{ask: a.SendRequest(0, v)})
		p.client.spare.giveBuffer(r.buffer)
		switch {
		case r.fatal != nil:
			return r.fatal
		case r.err != nil:
			a.LoseAnswer(r.ask)
		default:
			a.TakeAnswer(r.ask, r.head.Code, r.head.Epoch)
		}
		last = v
	}
	if a.Closed() || a.of.book.failed != nil {
		return nil
	}
	return a.storeOwed()
}
