package node

import (
	"context"
	"fmt"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/p2p"
)

// heard are the newest headers of the others that this validator received since its start. An author whose disk has
// forgotten its last header learns of it here: no certificate may tell.
type heard struct {
	mu      sync.Mutex
	headers []*remora.Header // by author
}

func newHeard(members int) *heard { return &heard{headers: make([]*remora.Header, members)} }

func (h *heard) note(header *remora.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.headers[header.Author]; old == nil || old.Round < header.Round {
		h.headers[header.Author] = header
	}
}

func (h *heard) of(a remora.Authority) *remora.Header {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.headers[a]
}

// The items of an answer to a question for the tip, empty where there is none.
const (
	tipCertificate = iota // of the highest round
	tipOwn                // the newest of who asks
	tipHeader             // the newest of who asks that this node received
	tipItems
)

// tip answers a member of the committee that wants to know how far the DAG is. A node that may have forgotten what it held
// does not answer: its word would count as if it had not.
func (s *server) tip(_ context.Context, peer string, _ []byte) ([]byte, error) {
	author, member := s.committee.ByPeer(peer)
	if !member {
		return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: "only members of the committee ask for the tip"}
	}
	if complete, err := s.store.Complete(); err != nil || !complete {
		return nil, fmt.Errorf("%w: this node has forgotten what it held: %v", remora.ErrNotFound, err)
	}
	near, err := s.ordered()
	if err != nil {
		return nil, err
	}
	newest, own, err := s.store.Tips(s.chainID, near, author)
	if err == nil && newest == nil {
		newest, own, err = s.store.Tips(s.chainID, 0, author)
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
	if h := s.heard.of(author); h != nil {
		items[tipHeader] = remora.Encode(h)
	}
	return answer(items), nil
}

// ordered returns a round below which certificates matter to nobody: the newest block's leader is beyond its window.
func (s *server) ordered() (remora.Round, error) {
	h := s.store.Height()
	if h == 0 {
		return 0, nil
	}
	block, err := s.store.Block(h)
	if err != nil {
		return 0, err
	}
	leader := block.DAG[len(block.DAG)-1].Round
	return leader - min(leader, s.depth), nil
}

// tip asks an authority for its highest certificate. What it has of this authority goes to the core first.
func (f *fetcher) tip(ctx context.Context, from remora.Authority) error {
	items, err := f.ask(ctx, from, askTip, struct{}{})
	if err != nil {
		return err
	}
	if len(items) != tipItems {
		return fmt.Errorf("%w: %d items in an answer for the tip, want %d", remora.ErrInvalid, len(items), tipItems)
	}
	report := mempool.TipReceived{From: from}
	var messages []mempool.Message
	if len(items[tipCertificate]) > 0 {
		if report.Certificate, err = f.verified(items[tipCertificate]); err != nil {
			return err
		}
	}
	if len(items[tipOwn]) > 0 {
		own, err := f.verified(items[tipOwn])
		if err != nil {
			return err
		}
		messages = append(messages, mempool.CertificateReceived{Certificate: own})
	}
	if len(items[tipHeader]) > 0 {
		h, err := remora.DecodeHeader(f.committee.ChainID, items[tipHeader])
		if err == nil {
			err = f.committee.Header(h)
		}
		if err != nil || h.Author != f.self {
			return fmt.Errorf("%w: a header that is not of this authority: %v", remora.ErrInvalid, err)
		}
		messages = append(messages, mempool.HeaderReceived{Header: h})
	}
	for _, m := range append(messages, report) {
		if err := put(ctx, f.network, m); err != nil {
			return err
		}
	}
	return nil
}

// verified decodes a certificate and checks a quorum's signature on it.
func (f *fetcher) verified(item []byte) (*remora.Certificate, error) {
	c, err := remora.DecodeCertificate(f.committee.ChainID, item)
	if err != nil {
		return nil, err
	}
	return c, f.committee.Certificates([]*remora.Certificate{c})[0]
}
