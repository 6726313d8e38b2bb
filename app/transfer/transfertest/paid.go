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

	// Hook sees each request before anything is done, with its number for its cache, and may answer in place of the
	// cache. Spoil changes the stream of an answer. Both may be set between requests.
	Hook  func(w http.ResponseWriter, r *http.Request, d *Delivery) (answered bool)
	Spoil func(d *Delivery, stream []byte) []byte
}

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
	Acked, Outstanding, Lost, Peak uint64
	Receipts                       []remora.SignedReceipt // taken, in order
	tallies                        map[remora.Epoch]*delivery.Tally
	pass                           remora.Hash
}

// NewPaid returns the paid side of a network, in epoch 1.
func NewPaid(n *Network) *Paid { return &Paid{ChainID: "dev-test", network: n, epoch: 1} }

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
	if p.Hook != nil && p.Hook(w, r, d) {
		return
	}
	head := p.admit(d)
	_, _ = w.Write(head.Encode())
	if head.Code != transfer.Delivered || d.Bytes == 0 {
		return
	}
	stream := p.stream(d)
	if p.Spoil != nil {
		stream = p.Spoil(d, stream)
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

// admit does a cache's accounts as a cache does: proof, receipt, content, allotment, window.
func (p *Paid) admit(d *Delivery) *transfer.DeliveryHead {
	p.mu.Lock()
	defer p.mu.Unlock()
	head := &transfer.DeliveryHead{Epoch: p.epoch}
	refuse := func(code transfer.DeliveryCode, format string, args ...any) *transfer.DeliveryHead {
		head.Code, head.Reason = code, fmt.Sprintf(format, args...)
		return head
	}
	if d.Session == 0 || int(d.Session) > len(p.sessions) {
		return refuse(transfer.SessionUnusable, "unknown")
	}
	s := p.sessions[d.Session-1]
	b, granted := s.book(d.Cache.Address), s.granted(d.Cache.Address)
	if granted == 0 || p.epoch > s.Session.Expiry && len(d.Acks) == 0 {
		return refuse(transfer.SessionUnusable, "not for this cache, or over")
	}
	if d.Pass != b.pass {
		m := remora.DeliveryMessage(p.ChainID, d.Session, d.Cache.Address, d.Pass)
		if bls.Verify(s.key, m[:], d.Proof) != nil {
			return refuse(transfer.ProofWrong, "proof")
		}
	}
	for i := range d.Acks {
		if code := p.take(s, d, &d.Acks[i]); code != transfer.Delivered {
			return refuse(code, "receipt")
		}
	}
	if d.Pass != b.pass {
		b.Lost, b.Outstanding, b.pass = b.Lost+b.Outstanding, 0, d.Pass
	}
	p.network.mu.Lock()
	_, held := p.network.objects[d.Content.Root]
	p.network.mu.Unlock()
	switch {
	case d.Bytes == 0:
		return head
	case p.epoch > s.Session.Expiry:
		return refuse(transfer.SessionUnusable, "over")
	case !held:
		return refuse(transfer.NotHeld, "not here")
	case b.Acked+b.Outstanding+d.Bytes > granted:
		return refuse(transfer.AllotmentSpent, "spent")
	case b.Outstanding+d.Bytes > transfer.Window(b.Acked, b.Lost):
		return refuse(transfer.WindowClosed, "%d of %d, lost %d", b.Outstanding, transfer.Window(b.Acked, b.Lost), b.Lost)
	}
	b.Outstanding += d.Bytes
	b.Peak = max(b.Peak, b.Outstanding)
	return head
}

// take takes a receipt. What contradicts an earlier one of the same client is a fault.
func (p *Paid) take(s *PaidSession, d *Delivery, ack *transfer.Acknowledgement) transfer.DeliveryCode {
	r, b := &ack.Receipt.Receipt, s.book(d.Cache.Address)
	fault := func(format string, args ...any) transfer.DeliveryCode {
		p.faults = append(p.faults, fmt.Sprintf("session %d, %s: ", d.Session, d.Cache.Name)+fmt.Sprintf(format, args...))
		return transfer.ReceiptWrong
	}
	message := r.Message(p.ChainID, s.Session.Scheme)
	if r.Session != d.Session || r.Node != d.Cache.Address || r.Epoch > p.epoch || bls.Verify(s.key, message[:], ack.Receipt.Signature) != nil {
		return fault("a receipt that is not for this cache, of an epoch to come, or signed wrong")
	}
	t := b.tallies[r.Epoch]
	if t == nil {
		t = new(delivery.Tally)
	}
	next := t.Clone()
	err := next.Replace(ack.Kept, ack.Extents)
	same := err == nil && next.Bytes() == r.Bytes && next.Len() == r.Extents && next.Root() == r.Root
	switch {
	case t.Bytes() == r.Bytes && t.Root() == r.Root:
		return transfer.Delivered // once more
	case r.Bytes <= t.Bytes():
		return fault("a receipt for %d bytes after one for %d", r.Bytes, t.Bytes())
	case !same:
		return fault("a receipt that does not follow from the one before: %v", err)
	case r.Epoch < p.claimed:
		return transfer.ReceiptStale
	}
	more := r.Bytes - t.Bytes()
	b.tallies[r.Epoch] = next
	b.Receipts = append(b.Receipts, ack.Receipt)
	b.Acked += more
	paid := min(more, b.Outstanding)
	b.Outstanding -= paid
	b.Lost -= min(more-paid, b.Lost)
	if b.Acked > s.granted(d.Cache.Address) {
		return fault("receipts for %d bytes", b.Acked)
	}
	return transfer.Delivered
}

// Book returns what a cache has of a session. It may be read while no request is under way.
func (s *PaidSession) Book(cache remora.Address) *PaidBook { return s.book(cache) }
