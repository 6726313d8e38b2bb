package transfertest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/bls"
)

// Paid is the world of a client that pays: a chain that opens sessions, and behind an HTTP endpoint like a gateway's the
// caches of a network, which deliver in these sessions and keep all receipts.
type Paid struct {
	ChainID string
	network *Network

	mu       sync.Mutex
	epoch    remora.Epoch
	claimed  remora.Epoch // receipts of epochs before this one are stale
	sessions []*PaidSession
	faults   []string

	hook  Hook
	spoil Spoil
}

// Hook is called before a cache looks at a request, and may answer in its place.
type Hook func(w http.ResponseWriter, r *http.Request, d *Delivery) (answered bool)

// Spoil changes the stream of an answer.
type Spoil func(d *Delivery, stream []byte) []byte

// Delivery is a request to a cache.
type Delivery struct {
	*transfer.DeliveryRequest
	Cache transfer.Cache
}

// PaidSession is a session on the chain, with the books of the caches.
type PaidSession struct {
	Session    remora.Session
	Allotments []remora.Allotment
	key        *bls.PublicKey
	books      map[remora.Address]*PaidBook
}

// PaidBook is a cache's books of a session. It implements session.Storage over maps.
type PaidBook struct {
	Peak     uint64                 // the most that was outstanding
	Overrun  int                    // requests beyond the window of a client that had lost nothing
	Receipts []remora.SignedReceipt // taken, in order

	network *Network
	deal    session.Deal
	seller  *session.Seller
	newest  map[remora.Epoch]remora.SignedReceipt
	extents map[remora.Epoch][]remora.Extent
}

// Receipt implements session.Storage.
func (b *PaidBook) Receipt(_ remora.SessionID, e remora.Epoch) (remora.SignedReceipt, error) {
	return b.newest[e], nil
}

// Extents implements session.Storage.
func (b *PaidBook) Extents(_ remora.SessionID, e remora.Epoch) ([]remora.Extent, error) {
	return b.extents[e], nil
}

// Keep implements session.Storage.
func (b *PaidBook) Keep(ack *session.Acknowledgement, _ *session.Totals) error {
	e := ack.Receipt.Receipt.Epoch
	b.newest[e] = ack.Receipt
	b.extents[e] = append(b.extents[e][:ack.Kept:ack.Kept], ack.Extents...)
	b.Receipts = append(b.Receipts, ack.Receipt)
	return nil
}

// Holds implements session.Storage.
func (b *PaidBook) Holds(c remora.Content) bool {
	b.network.mu.Lock()
	defer b.network.mu.Unlock()
	o, held := b.network.objects[c.Root]
	return held && uint64(len(o.data)) == c.Length
}

// Lose makes the cache count bytes as lost by this session's client.
func (b *PaidBook) Lose(n uint64) {
	t := b.seller.Totals()
	t.Lost += n
	b.seller = session.NewSeller(b, t)
}

// NewPaid returns the paid side of a network, in epoch 1.
func NewPaid(n *Network) *Paid { return &Paid{ChainID: "dev-test", network: n, epoch: 1} }

// SetHook sets the hook of all later requests, nil for none.
func (p *Paid) SetHook(h Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = h
}

// SetSpoil sets the change to all later streams, nil for none.
func (p *Paid) SetSpoil(s Spoil) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = s
}

// SetEpoch begins an epoch; receipts of epochs before claimed are stale from now on.
func (p *Paid) SetEpoch(e, claimed remora.Epoch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch, p.claimed = e, claimed
}

// Epoch returns the present epoch.
func (p *Paid) Epoch() remora.Epoch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.epoch
}

// Faults returns the receipts and requests that no honest client sends, in words.
func (p *Paid) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// Open opens a session.
func (p *Paid) Open(owner remora.Address, price remora.Amount, s remora.OpenSession) error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := bls.VerifyPossession(s.Key, s.Possession); err != nil {
		return err
	}
	key, err := bls.ParsePublicKey(s.Key)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := remora.SessionID(len(p.sessions) + 1)
	books := map[remora.Address]*PaidBook{}
	for _, c := range p.network.caches {
		b := &PaidBook{network: p.network, newest: map[remora.Epoch]remora.SignedReceipt{}, extents: map[remora.Epoch][]remora.Extent{}}
		b.deal = session.Deal{ChainID: p.ChainID, Session: id, Node: c.Address, Scheme: s.Scheme, Expiry: s.Expiry}
		b.seller = session.NewSeller(b, session.Totals{})
		books[c.Address] = b
	}
	for _, a := range s.Allotments {
		books[a.Node].deal.Granted = a.Bytes
	}
	p.sessions = append(p.sessions, &PaidSession{
		Session: remora.Session{
			ID: id, Owner: owner, Number: s.Number, Scheme: s.Scheme, Key: s.Key,
			Price: price, Opened: p.epoch, Expiry: s.Expiry,
		},
		Allotments: s.Allotments, key: key, books: books,
	})
	return nil
}

// Sessions returns the sessions in the order in which they were opened.
func (p *Paid) Sessions() []*PaidSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*PaidSession(nil), p.sessions...)
}

// Acked returns the bytes of all receipts for a cache.
func (p *Paid) Acked(cache remora.Address) (total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		total += s.Book(cache).seller.Totals().Acked
	}
	return total
}

// Receipts returns the receipts that a cache took, in order.
func (p *Paid) Receipts(cache remora.Address) (list []remora.SignedReceipt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		list = append(list, s.Book(cache).Receipts...)
	}
	return list
}

// Book returns what a cache has of a session. It may be read while no request is under way.
func (s *PaidSession) Book(cache remora.Address) *PaidBook { return s.books[cache] }

// ServeHTTP answers POST /v1/deliveries/ADDRESS.
func (p *Paid) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cache, found := p.findCache(strings.TrimPrefix(r.URL.Path, "/v1/deliveries/"))
	body, err := io.ReadAll(io.LimitReader(r.Body, transfer.MaxDeliveryRequest+1))
	if err != nil || !found {
		refuseHTTP(w, http.StatusNotFound, "no such cache")
		return
	}
	request, err := transfer.DecodeDeliveryRequest(body)
	if err != nil {
		p.mu.Lock()
		p.faults = append(p.faults, err.Error())
		p.mu.Unlock()
		refuseHTTP(w, http.StatusBadRequest, err.Error())
		return
	}
	d := &Delivery{request, cache}
	p.mu.Lock()
	hook, spoil := p.hook, p.spoil
	p.mu.Unlock()
	if hook != nil && hook(w, r, d) {
		return
	}
	head := p.admitDelivery(d)
	_, _ = w.Write(head.Encode())
	if head.Code != session.Delivered || d.Bytes == 0 {
		return
	}
	stream, _ := p.network.encodeStream(d.Content, d.Range())
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

// Refuse answers with a code, in place of a cache.
func (p *Paid) Refuse(w http.ResponseWriter, code session.Code) {
	head := transfer.DeliveryHead{Code: code, Epoch: p.Epoch(), Reason: "for a test"}
	_, _ = w.Write(head.Encode())
}

func (p *Paid) findCache(address string) (transfer.Cache, bool) {
	for _, c := range p.network.caches {
		if c.Address.String() == address {
			return c, true
		}
	}
	return transfer.Cache{}, false
}

// admitDelivery answers a request as a cache does. A receipt that is wrong or contradicts an earlier one is a fault.
func (p *Paid) admitDelivery(d *Delivery) *transfer.DeliveryHead {
	p.mu.Lock()
	defer p.mu.Unlock()
	head := &transfer.DeliveryHead{Code: session.Delivered, Epoch: p.epoch}
	r := d.ForSeller()
	r.Epoch, r.Open = p.epoch, p.claimed
	var b *PaidBook
	if d.Session > 0 && int(d.Session) <= len(p.sessions) {
		s := p.sessions[d.Session-1]
		b = s.Book(d.Cache.Address)
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
		p.faults = append(p.faults, fmt.Sprintf("session %d, %s: %v", d.Session, d.Cache.Name, err))
	}
	return head
}

func (b *PaidBook) admitRequest(r *session.Request) error {
	for i := range r.Acks {
		signed := r.Acks[i].Receipt
		if newest := b.newest[signed.Receipt.Epoch]; signed.Receipt.Bytes <= newest.Receipt.Bytes && signed.Receipt != newest.Receipt {
			return session.Refuse(session.ReceiptWrong, "a receipt %+v after %+v", signed.Receipt, newest.Receipt)
		}
	}
	err := b.seller.Admit(r)
	t := b.seller.Totals()
	b.Peak = max(b.Peak, t.Outstanding)
	var no *session.Refusal
	if errors.As(err, &no) && no.Code == session.WindowClosed && t.Lost == 0 {
		b.Overrun++
	}
	return err
}
