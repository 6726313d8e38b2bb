package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/crypto/bls"
)

const testChain = "dev-test"

var testDomain = remora.NewDomain(testChain, remora.Hash{}, 0)

// market is the world of a client that pays: a chain that opens sessions, and behind an HTTP endpoint like a gateway's the
// caches of a network, which deliver in these sessions and keep all receipts.
type market struct {
	network *transfertest.Network

	mu       sync.Mutex
	price    remora.Amount // of a MiB
	balance  remora.Amount // of the client
	epoch    remora.Epoch
	claimed  remora.Epoch // receipts of epochs before this one are stale
	sessions []*paidSession
	faults   []string

	hook  hook
	spoil func(d *delivery, stream []byte) []byte // changes the stream of an answer
}

// hook is called before a cache looks at a request, and may answer in its place.
type hook func(w http.ResponseWriter, r *http.Request, d *delivery) (answered bool)

// delivery is a request to a cache.
type delivery struct {
	*transfer.DeliveryRequest
	cache transfer.Cache
}

// paidSession is a session on the chain, with the books of the caches.
type paidSession struct {
	remora.Session
	allotments []remora.Allotment
	key        *bls.PublicKey
	books      map[remora.Address]*paidBook
}

// paidBook is a cache's books of a session. It implements session.Storage over maps.
type paidBook struct {
	peak     uint64                 // the most that was outstanding
	overrun  int                    // requests beyond the window of a client that had lost nothing
	receipts []remora.SignedReceipt // taken, in order

	network *transfertest.Network
	deal    session.Deal
	seller  *session.Seller
	newest  map[remora.Epoch]remora.SignedReceipt
	extents map[remora.Epoch][]remora.Extent
}

// Receipt implements session.Storage.
func (b *paidBook) Receipt(_ remora.SessionID, e remora.Epoch) (remora.SignedReceipt, error) {
	return b.newest[e], nil
}

// Extents implements session.Storage.
func (b *paidBook) Extents(_ remora.SessionID, e remora.Epoch) ([]remora.Extent, error) {
	return b.extents[e], nil
}

// Keep implements session.Storage.
func (b *paidBook) Keep(ack *session.Acknowledgement, _ *session.Totals) error {
	e := ack.Receipt.Receipt.Epoch
	b.newest[e] = ack.Receipt
	b.extents[e] = append(b.extents[e][:ack.Kept:ack.Kept], ack.Extents...)
	b.receipts = append(b.receipts, ack.Receipt)
	return nil
}

// Holds implements session.Storage.
func (b *paidBook) Holds(c remora.Content) bool {
	e, _, _ := b.network.Content(c.Root, false)
	return e.Content == c
}

// loseBytes makes the cache count bytes as lost by this session's client.
func (b *paidBook) loseBytes(n uint64) {
	t := b.seller.Totals()
	t.Lost += n
	b.seller = session.NewSeller(b, t)
}

// setHook sets the hook of all later requests, nil for none.
func (m *market) setHook(h hook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = h
}

// setSpoil sets the change to all later streams, nil for none.
func (m *market) setSpoil(s func(d *delivery, stream []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spoil = s
}

// setEpoch begins an epoch; receipts of epochs before claimed are stale from now on.
func (m *market) setEpoch(e, claimed remora.Epoch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch, m.claimed = e, claimed
}

// clientFaults returns the receipts and requests that no honest client sends, in words.
func (m *market) clientFaults() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults
}

// Quote implements fetch.Chain.
func (m *market) Quote(context.Context, remora.Address) (fetch.Quote, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fetch.Quote{ChainID: testChain, Domain: testDomain, Epoch: m.epoch, Price: m.price, Balance: m.balance}, nil
}

// Caches implements fetch.Chain.
func (m *market) Caches(context.Context) ([]transfer.Cache, error) { return m.network.Caches() }

// Session implements fetch.Chain.
func (m *market) Session(_ context.Context, owner remora.Address, number uint64) (*fetch.Opened, error) {
	for _, s := range m.openSessions() {
		if s.Owner == owner && s.Number == number {
			o := &fetch.Opened{Session: s.Session, Grants: map[remora.Address]remora.Grant{}}
			for _, a := range s.allotments {
				o.Grants[a.Node] = remora.Grant{Granted: a.Bytes, Left: a.Bytes}
			}
			return o, nil
		}
	}
	return nil, remora.ErrNotFound
}

// Open takes the session's price from the balance, as the chain does.
func (m *market) Open(_ context.Context, body remora.OpenSession) error {
	if err := body.Check(); err != nil {
		return err
	}
	if err := bls.VerifyPossession(body.Key, body.Possession); err != nil {
		return err
	}
	key, err := bls.ParsePublicKey(body.Key)
	if err != nil {
		return err
	}
	caches, _ := m.network.Caches()
	m.mu.Lock()
	defer m.mu.Unlock()
	id := remora.SessionID(len(m.sessions) + 1)
	books := map[remora.Address]*paidBook{}
	for _, c := range caches {
		b := &paidBook{network: m.network, newest: map[remora.Epoch]remora.SignedReceipt{}, extents: map[remora.Epoch][]remora.Extent{}}
		b.deal = session.Deal{Domain: testDomain, Session: id, Node: c.Address, Scheme: body.Scheme, Expiry: body.Expiry}
		b.seller = session.NewSeller(b, session.Totals{})
		books[c.Address] = b
	}
	for _, a := range body.Allotments {
		books[a.Node].deal.Granted = a.Bytes
		cost, _ := remora.Cost(a.Bytes, m.price)
		m.balance -= cost
	}
	m.sessions = append(m.sessions, &paidSession{
		Session: remora.Session{
			ID: id, Owner: testKey().Public(), Number: body.Number, Scheme: body.Scheme, Key: body.Key,
			Price: m.price, Opened: m.epoch, Expiry: body.Expiry,
		},
		allotments: body.Allotments, key: key, books: books,
	})
	return nil
}

// openSessions returns the sessions in the order in which they were opened.
func (m *market) openSessions() []*paidSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sessions)
}

// bytesAcked returns the bytes of all receipts for a cache.
func (m *market) bytesAcked(cache remora.Address) (total uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		total += s.books[cache].seller.Totals().Acked
	}
	return total
}

// receiptsFor returns the receipts that a cache took, in order.
func (m *market) receiptsFor(cache remora.Address) (list []remora.SignedReceipt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		list = append(list, s.books[cache].receipts...)
	}
	return list
}

// ServeHTTP answers POST /v1/deliveries/ADDRESS.
func (m *market) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cache, found := m.findCache(strings.TrimPrefix(r.URL.Path, "/v1/deliveries/"))
	body, err := io.ReadAll(io.LimitReader(r.Body, transfer.MaxDeliveryRequest+1))
	if err != nil || !found {
		refuseHTTP(w, http.StatusNotFound, "no such cache")
		return
	}
	request, err := transfer.DecodeDeliveryRequest(body)
	if err != nil {
		m.mu.Lock()
		m.faults = append(m.faults, err.Error())
		m.mu.Unlock()
		refuseHTTP(w, http.StatusBadRequest, err.Error())
		return
	}
	d := &delivery{request, cache}
	m.mu.Lock()
	hook, spoil := m.hook, m.spoil
	m.mu.Unlock()
	if hook != nil && hook(w, r, d) {
		return
	}
	head := m.admitDelivery(d)
	_, _ = w.Write(head.Encode())
	if head.Code != session.Delivered || d.Bytes == 0 {
		return
	}
	stream, _ := m.network.Stream(d.Content, d.Range())
	if spoil != nil {
		stream = spoil(d, stream)
	}
	_, _ = w.Write(stream)
}

func refuseHTTP(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"phase":"connect","message":%q}}`, message)
}

// refuseRequest answers with a code, in place of a cache.
func (m *market) refuseRequest(w http.ResponseWriter, code session.Code) {
	m.mu.Lock()
	defer m.mu.Unlock()
	head := transfer.DeliveryHead{Code: code, Epoch: m.epoch, Reason: "for a test"}
	_, _ = w.Write(head.Encode())
}

func (m *market) findCache(address string) (transfer.Cache, bool) {
	caches, _ := m.network.Caches()
	for _, c := range caches {
		if c.Address.String() == address {
			return c, true
		}
	}
	return transfer.Cache{}, false
}

// admitDelivery answers a request as a cache does. A receipt that is wrong or contradicts an earlier one is a fault.
func (m *market) admitDelivery(d *delivery) *transfer.DeliveryHead {
	m.mu.Lock()
	defer m.mu.Unlock()
	head := &transfer.DeliveryHead{Code: session.Delivered, Epoch: m.epoch}
	r := d.ForSeller()
	r.Epoch, r.Open = m.epoch, m.claimed
	var b *paidBook
	if d.Session > 0 && int(d.Session) <= len(m.sessions) {
		s := m.sessions[d.Session-1]
		b = s.books[d.cache.Address]
		r.Deal = b.deal
		r.Verify = func(m remora.Hash, signature remora.BLSSignature) error { return bls.Verify(s.key, m[:], signature) }
	}
	err := r.CheckSession()
	if err == nil {
		err = r.CheckPass()
	}
	if err == nil {
		err = b.admitRequest(&r)
	}
	var no *session.Refusal
	if errors.As(err, &no) {
		head.Code, head.Reason = no.Code, no.Reason
	}
	if head.Code == session.ReceiptWrong {
		m.faults = append(m.faults, fmt.Sprintf("session %d, %s: %v", d.Session, d.cache.Name, err))
	}
	return head
}

func (b *paidBook) admitRequest(r *session.Request) error {
	for i := range r.Acks {
		signed := r.Acks[i].Receipt
		if newest := b.newest[signed.Receipt.Epoch]; signed.Receipt.Bytes <= newest.Receipt.Bytes && signed.Receipt != newest.Receipt {
			return session.Refuse(session.ReceiptWrong, "a receipt %+v after %+v", signed.Receipt, newest.Receipt)
		}
	}
	err := b.seller.Admit(r)
	t := b.seller.Totals()
	b.peak = max(b.peak, t.Outstanding)
	var no *session.Refusal
	if errors.As(err, &no) && no.Code == session.WindowClosed && t.Lost == 0 {
		b.overrun++
	}
	return err
}
