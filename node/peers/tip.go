package peers

import (
	"context"
	"fmt"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// Heard holds the newest header of each authority that this validator received since its start. An author whose disk lost
// its last header learns of it here, because no certificate need exist. It is safe for use by several goroutines.
type Heard struct {
	mu      sync.Mutex
	headers []*remora.Header // by author
}

// NewHeard returns the memory for a committee of n.
func NewHeard(n int) *Heard { return &Heard{headers: make([]*remora.Header, n)} }

// Note keeps a header unless a newer one of its author is known.
func (h *Heard) Note(header *remora.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.headers[header.Author]; old == nil || old.Round < header.Round {
		h.headers[header.Author] = header
	}
}

// Newest returns the newest header of an author, nil if none was received.
func (h *Heard) Newest(a remora.Authority) *remora.Header {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.headers[a]
}

// The items of an answer to a question for the tip, empty where there is none.
const (
	tipCertificate = iota // of the highest round
	tipOwn                // the newest of the peer that asks
	tipHeader             // the newest of the peer that asks, as this node received it
	tipItems
)

// TipServer tells the members of the committee how far the DAG is.
type TipServer struct {
	Committee *trust.Committee
	Store     *store.Store
	Depth     remora.Round // of garbage collection
	Heard     *Heard
}

// Handlers returns the request for the tip.
func (s *TipServer) Handlers() map[string]p2p.Handler {
	return map[string]p2p.Handler{ProtocolTip: s.serveTip}
}

// serveTip answers a member of the committee. A node whose disk may be incomplete gives no answer: its silence on a header
// would count as proof that there is none.
func (s *TipServer) serveTip(_ context.Context, peer string, _ []byte) ([]byte, error) {
	author, member := s.Committee.ByPeer(peer)
	if !member {
		return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: "only members of the committee ask for the tip"}
	}
	if complete, err := s.Store.Complete(); err != nil || !complete {
		return nil, fmt.Errorf("%w: this node has forgotten what it held: %v", remora.ErrNotFound, err)
	}
	near, err := s.findWindow()
	if err != nil {
		return nil, err
	}
	newest, own, err := s.Store.Tips(s.Committee.Domain, near, author)
	if err == nil && newest == nil {
		newest, own, err = s.Store.Tips(s.Committee.Domain, 0, author)
	}
	if err != nil {
		return nil, err
	}
	items := make([][]byte, tipItems)
	if newest != nil {
		items[tipCertificate] = remora.Encode(newest)
	}
	if own != nil {
		items[tipOwn] = remora.Encode(own)
	}
	if h := s.Heard.Newest(author); h != nil {
		items[tipHeader] = remora.Encode(h)
	}
	return encodeItems(items), nil
}

// findWindow returns the round at which the window of the newest block's leader begins.
func (s *TipServer) findWindow() (remora.Round, error) {
	h := s.Store.Height()
	if h == 0 {
		return 0, nil
	}
	block, err := s.Store.Block(h)
	if err != nil {
		return 0, err
	}
	leader := block.DAG[len(block.DAG)-1].Round
	return leader - min(leader, s.Depth), nil
}

// Tip is a peer's answer to AskTip. A field is nil where the peer has nothing.
type Tip struct {
	Highest *remora.Certificate // of the highest round
	Own     *remora.Certificate // the newest of the authority that asked
	Header  *remora.Header      // the newest of the authority that asked
}

// Messages returns the messages to the mempool core about a peer's tip, those about this authority's headers first.
func (t *Tip) Messages(from remora.Authority) []mempool.Message {
	var messages []mempool.Message
	if t.Own != nil {
		messages = append(messages, mempool.CertificateReceived{Certificate: t.Own})
	}
	if t.Header != nil {
		messages = append(messages, mempool.HeaderReceived{Header: t.Header})
	}
	return append(messages, mempool.TipReceived{From: from, Certificate: t.Highest})
}

// AskTip asks an authority, on behalf of self, how far the DAG is. All signatures in the answer are valid.
func (c *Client) AskTip(ctx context.Context, from, self remora.Authority) (t Tip, err error) {
	items, err := c.Ask(ctx, from, ProtocolTip, struct{}{})
	if err != nil {
		return t, err
	}
	return OpenTip(c.committee, self, items)
}

// OpenTip decodes and verifies an answer to self's question for the tip.
func OpenTip(committee *trust.Committee, self remora.Authority, items [][]byte) (t Tip, err error) {
	if len(items) != tipItems {
		return t, fmt.Errorf("%w: %d items in an answer for the tip, want %d", remora.ErrInvalid, len(items), tipItems)
	}
	if t.Highest, err = openCertificate(committee, items[tipCertificate]); err != nil {
		return t, err
	}
	if t.Own, err = openCertificate(committee, items[tipOwn]); err != nil {
		return t, err
	}
	if len(items[tipHeader]) == 0 {
		return t, nil
	}
	t.Header, err = remora.DecodeHeader(committee.Domain, items[tipHeader])
	if err == nil {
		err = committee.CheckHeader(t.Header)
	}
	if err != nil || t.Header.Author != self {
		return t, fmt.Errorf("%w: a header that is not of this authority: %v", remora.ErrInvalid, err)
	}
	return t, nil
}

// openCertificate decodes a certificate and checks a quorum's signature on it; nil where the item is empty.
func openCertificate(committee *trust.Committee, item []byte) (*remora.Certificate, error) {
	if len(item) == 0 {
		return nil, nil //nolint:nilnil // the peer has none
	}
	cert, err := remora.DecodeCertificate(committee.Domain, item)
	if err != nil {
		return nil, err
	}
	return cert, committee.CheckCertificates([]*remora.Certificate{cert})[0]
}
