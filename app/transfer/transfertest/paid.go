package transfertest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/proofs/delivery"
)

// Paid is what a client that pays sees: a chain that opens sessions, and behind one HTTP endpoint, as a gateway has it,
// the caches of a network, which deliver to these sessions, check every receipt and remember all of them.
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

// Hook sees a request before anything is done, and may answer in place of the cache.
type Hook func(w http.ResponseWriter, r *http.Request, d *Delivery) (answered bool)

// Spoil changes the stream of an answer.
type Spoil func(d *Delivery, stream []byte) []byte

// Delivery is a request to a cache.
type Delivery struct {
	*transfer.DeliveryRequest
	Cache transfer.Cache
}

// PaidSession is a session as chain and caches have it.
type PaidSession struct {
	Session    remora.Session
	Allotments []remora.Allotment
	key        *bls.PublicKey
	books      map[remora.Address]*PaidBook
}

// PaidBook is what one cache has of a session.
type PaidBook struct {
	Acked, Outstanding, Lost uint64
	Peak                     uint64                 // the most that was outstanding
	Overrun                  int                    // requests beyond the window of a client that had lost nothing
	Receipts                 []remora.SignedReceipt // taken, in order
	tallies                  map[remora.Epoch]*delivery.Tally
	pass                     remora.Hash
}

// NewPaid returns the paid side of a network, in epoch 1.
func NewPaid(n *Network) *Paid { return &Paid{ChainID: "dev-test", network: n, epoch: 1} }

// SetHook sets what sees all requests from now on; nil: nothing.
func (p *Paid) SetHook(h Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = h
}

// SetSpoil sets what changes all streams from now on; nil: nothing.
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

// Faults returns what a client did that no honest one does.
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
	p.sessions = append(p.sessions, &PaidSession{
		Session: remora.Session{
			ID: remora.SessionID(len(p.sessions) + 1), Owner: owner, Number: s.Number, Scheme: s.Scheme, Key: s.Key,
			Price: price, Opened: p.epoch, Expiry: s.Expiry,
		},
		Allotments: s.Allotments, key: key, books: map[remora.Address]*PaidBook{},
	})
	return nil
}

// Sessions returns the sessions in the order in which they were opened.
func (p *Paid) Sessions() []*PaidSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*PaidSession(nil), p.sessions...)
}

// Acked returns how many bytes all receipts for a cache add up to.
func (p *Paid) Acked(cache remora.Address) (total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		total += s.book(cache).Acked
	}
	return total
}

// Receipts returns the receipts that a cache took, in order.
func (p *Paid) Receipts(cache remora.Address) (list []remora.SignedReceipt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		list = append(list, s.book(cache).Receipts...)
	}
	return list
}

func (s *PaidSession) book(cache remora.Address) *PaidBook {
	if s.books[cache] == nil {
		s.books[cache] = &PaidBook{tallies: map[remora.Epoch]*delivery.Tally{}}
	}
	return s.books[cache]
}

func (s *PaidSession) granted(cache remora.Address) uint64 {
	for _, a := range s.Allotments {
		if a.Node == cache {
			return a.Bytes
		}
	}
	return 0
}

// ServeHTTP answers POST /v1/deliveries/ADDRESS.
func (p *Paid) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cache, found := p.cache(strings.TrimPrefix(r.URL.Path, "/v1/deliveries/"))
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
	head := p.admit(d)
	_, _ = w.Write(head.Encode())
	if head.Code != transfer.Delivered || d.Bytes == 0 {
		return
	}
	stream := p.stream(d)
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
func (p *Paid) Refuse(w http.ResponseWriter, code transfer.DeliveryCode) {
	head := transfer.DeliveryHead{Code: code, Epoch: p.Epoch(), Reason: "for a test"}
	_, _ = w.Write(head.Encode())
}

func (p *Paid) cache(address string) (transfer.Cache, bool) {
	for _, c := range p.network.caches {
		if c.Address.String() == address {
			return c, true
		}
	}
	return transfer.Cache{}, false
}

func (p *Paid) stream(d *Delivery) []byte {
	p.network.mu.Lock()
	o := p.network.objects[d.Content.Root]
	p.network.mu.Unlock()
	var b bytes.Buffer
	if size, err := content.StreamSize(d.Content.Length, d.Range()); err == nil {
		b.Grow(int(size))
	}
	e, err := content.NewEncoder(bytes.NewReader(o.data), bytes.NewReader(o.tree), d.Content.Root, d.Content.Length, d.Range())
	if err == nil {
		_, _ = e.WriteTo(&b)
	}
	return b.Bytes()
}

// admit does a cache's accounts as a cache does: session, proof, receipt, content, allotment, window.
func (p *Paid) admit(d *Delivery) *transfer.DeliveryHead {
	p.mu.Lock()
	defer p.mu.Unlock()
	code, reason := p.look(d)
	if code == transfer.Delivered && d.Bytes > 0 {
		code, reason = p.lend(d)
	}
	return &transfer.DeliveryHead{Code: code, Epoch: p.epoch, Reason: reason}
}

// look checks a request and takes its receipt.
func (p *Paid) look(d *Delivery) (transfer.DeliveryCode, string) {
	if d.Session == 0 || int(d.Session) > len(p.sessions) {
		return transfer.SessionUnusable, "unknown"
	}
	s := p.sessions[d.Session-1]
	b := s.book(d.Cache.Address)
	if s.granted(d.Cache.Address) == 0 || p.epoch > s.Session.Expiry && len(d.Acks) == 0 {
		return transfer.SessionUnusable, "not for this cache, or over"
	}
	if d.Pass != b.pass {
		m := remora.DeliveryMessage(p.ChainID, d.Session, d.Cache.Address, d.Pass)
		if err := bls.Verify(s.key, m[:], d.Proof); err != nil {
			return transfer.ProofWrong, err.Error()
		}
	}
	for i := range d.Acks {
		if code := p.take(s, d, &d.Acks[i]); code != transfer.Delivered {
			return code, "receipt"
		}
	}
	if d.Pass != b.pass {
		b.Lost, b.Outstanding, b.pass = b.Lost+b.Outstanding, 0, d.Pass
	}
	return transfer.Delivered, ""
}

// lend counts a range as outstanding, or refuses it.
func (p *Paid) lend(d *Delivery) (transfer.DeliveryCode, string) {
	s := p.sessions[d.Session-1]
	b := s.book(d.Cache.Address)
	p.network.mu.Lock()
	_, held := p.network.objects[d.Content.Root]
	p.network.mu.Unlock()
	window := transfer.Window(b.Acked, b.Lost)
	switch {
	case p.epoch > s.Session.Expiry:
		return transfer.SessionUnusable, "over"
	case !held:
		return transfer.NotHeld, "not here"
	case b.Acked+b.Outstanding+d.Bytes > s.granted(d.Cache.Address):
		return transfer.AllotmentSpent, "spent"
	case b.Outstanding+d.Bytes > window:
		if b.Lost == 0 {
			b.Overrun++
		}
		return transfer.WindowClosed, fmt.Sprintf("%d of %d, lost %d", b.Outstanding, window, b.Lost)
	}
	b.Outstanding += d.Bytes
	b.Peak = max(b.Peak, b.Outstanding)
	return transfer.Delivered, ""
}

// take takes a receipt. What contradicts an earlier one of the same client is a fault.
func (p *Paid) take(s *PaidSession, d *Delivery, ack *transfer.Acknowledgement) transfer.DeliveryCode {
	r, b := &ack.Receipt.Receipt, s.book(d.Cache.Address)
	t := b.tallies[r.Epoch]
	if t == nil {
		t = new(delivery.Tally)
	}
	if t.Bytes() == r.Bytes && t.Root() == r.Root {
		return transfer.Delivered // once more
	}
	next, err := p.judge(s, d, ack, t)
	if err != nil {
		p.faults = append(p.faults, fmt.Sprintf("session %d, %s: %v", d.Session, d.Cache.Name, err))
		return transfer.ReceiptWrong
	}
	if r.Epoch < p.claimed {
		return transfer.ReceiptStale
	}
	more := r.Bytes - t.Bytes()
	paid := min(more, b.Outstanding)
	b.tallies[r.Epoch] = next
	b.Receipts = append(b.Receipts, ack.Receipt)
	b.Acked += more
	b.Outstanding -= paid
	b.Lost -= min(more-paid, b.Lost)
	return transfer.Delivered
}

// judge returns the tally of a receipt that follows from the one before, whose tally is given.
func (p *Paid) judge(s *PaidSession, d *Delivery, ack *transfer.Acknowledgement, before *delivery.Tally) (*delivery.Tally, error) {
	r := &ack.Receipt.Receipt
	if r.Session != d.Session || r.Node != d.Cache.Address || r.Epoch > p.epoch {
		return nil, fmt.Errorf("a receipt of session %d for %s of epoch %d", r.Session, r.Node, r.Epoch)
	}
	message := r.Message(p.ChainID, s.Session.Scheme)
	if err := bls.Verify(s.key, message[:], ack.Receipt.Signature); err != nil {
		return nil, err
	}
	if r.Bytes <= before.Bytes() {
		return nil, fmt.Errorf("a receipt for %d bytes after one for %d", r.Bytes, before.Bytes())
	}
	if more, b := r.Bytes-before.Bytes(), s.book(d.Cache.Address); b.Acked+more > s.granted(d.Cache.Address) {
		return nil, fmt.Errorf("a receipt for %d bytes more than %d", more, b.Acked)
	}
	next := before.Clone()
	if err := next.Replace(ack.Kept, ack.Extents); err != nil {
		return nil, err
	}
	if next.Bytes() != r.Bytes || next.Len() != r.Extents || next.Root() != r.Root {
		return nil, fmt.Errorf("a receipt of other extents than came with it")
	}
	return next, nil
}

// Book returns what a cache has of a session. It may be read while no request is under way.
func (s *PaidSession) Book(cache remora.Address) *PaidBook { return s.book(cache) }
