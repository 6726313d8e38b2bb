package peers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/trust"
)

const (
	// AskTimeout bounds a request to a peer.
	AskTimeout = 3 * time.Second
	// BlocksTimeout bounds a request for blocks, whose answers are larger.
	BlocksTimeout = 8 * time.Second
)

// Call asks a peer by its name in the network, within a bound on the answer.
type Call func(ctx context.Context, peer, protocol string, request []byte, maxAnswer int) ([]byte, error)

// Client asks validators and checks their answers. It is safe for use by several goroutines.
type Client struct {
	committee *trust.Committee
	call      Call
}

// NewClient returns a client of the members of a committee.
func NewClient(c *trust.Committee, call Call) *Client { return &Client{committee: c, call: call} }

// callPeer sends one question and returns the answer as it came.
func (c *Client) callPeer(ctx context.Context, from remora.Authority, protocol string, request any) ([]byte, error) {
	answer, err := c.call(ctx, c.committee.Members[from].PeerID, protocol, remora.Encode(request), MaxAnswer)
	if err != nil {
		return nil, fmt.Errorf("%s from %q: %w", protocol, c.committee.Members[from].Name, err)
	}
	return answer, nil
}

// Ask asks a question whose answer is a list of items.
func (c *Client) Ask(ctx context.Context, from remora.Authority, protocol string, request any) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	answer, err := c.callPeer(ctx, from, protocol, request)
	if err != nil {
		return nil, err
	}
	return DecodeItems(answer)
}

// AskBlocks asks for certified blocks and checks the answer.
func (c *Client) AskBlocks(ctx context.Context, from remora.Authority, r RangeRequest) (*Span, error) {
	ctx, cancel := context.WithTimeout(ctx, BlocksTimeout+time.Duration(r.Wait)*time.Millisecond)
	defer cancel()
	answer, err := c.callPeer(ctx, from, ProtocolBlocks, r)
	if err != nil {
		return nil, err
	}
	return OpenSpan(c.committee, from, r, answer)
}

// AskCertificates asks for named certificates and their ancestors above a round. A quorum signed each one.
func (c *Client) AskCertificates(ctx context.Context, from remora.Authority, r CertificateRequest) ([]*remora.Certificate, error) {
	items, err := c.Ask(ctx, from, ProtocolCertificates, r)
	if err != nil {
		return nil, err
	}
	return OpenCertificates(c.committee, items)
}

// answerStep is the number of certificates of an answer that are checked together.
const answerStep = 16

// OpenCertificates decodes and verifies an answer with certificates, a few at a time. On an error it returns those before
// the first invalid one: what follows costs nothing.
func OpenCertificates(committee *trust.Committee, items [][]byte) (list []*remora.Certificate, err error) {
	if len(items) > MaxCertificateRange {
		return nil, fmt.Errorf("%w: %d certificates in an answer, at most %d", remora.ErrInvalid, len(items), MaxCertificateRange)
	}
	for step := range slices.Chunk(items, answerStep) {
		opened, err := openStep(committee, step)
		if list = append(list, opened...); err != nil {
			return list, err
		}
	}
	return list, nil
}

func openStep(committee *trust.Committee, items [][]byte) ([]*remora.Certificate, error) {
	var list []*remora.Certificate
	var malformed error
	for _, item := range items {
		cert, err := remora.DecodeCertificate(committee.Domain, item)
		if err != nil {
			malformed = err
			break
		}
		list = append(list, cert)
	}
	for i, bad := range committee.CheckCertificates(list) {
		if bad != nil {
			return list[:i], bad
		}
	}
	return list, malformed
}

// AskBatches asks for batches by digest and returns those that the peer had.
func (c *Client) AskBatches(ctx context.Context, from remora.Authority, digests []remora.Hash) ([]remora.Batch, error) {
	items, err := c.Ask(ctx, from, ProtocolBatches, BatchRequest{Digests: digests})
	if err != nil {
		return nil, err
	}
	return OpenBatches(digests, items)
}

// AskHeld asks which batches a peer has, durably.
func (c *Client) AskHeld(ctx context.Context, from remora.Authority, digests []remora.Hash) ([]remora.Hash, error) {
	items, err := c.Ask(ctx, from, ProtocolHeld, BatchRequest{Digests: digests})
	if err != nil {
		return nil, err
	}
	return OpenHeld(items)
}

// OpenHeld decodes an answer to a question for who has batches.
func OpenHeld(items [][]byte) ([]remora.Hash, error) {
	held := make([]remora.Hash, len(items))
	for i, item := range items {
		if len(item) != remora.HashSize {
			return nil, fmt.Errorf("%w: a digest of %d bytes", remora.ErrMalformed, len(item))
		}
		held[i] = remora.Hash(item)
	}
	return held, nil
}

// OpenBatches decodes an answer to a question for batches and checks each against its digest.
func OpenBatches(digests []remora.Hash, items [][]byte) ([]remora.Batch, error) {
	if len(items) != len(digests) {
		return nil, fmt.Errorf("%w: %d batches in an answer to %d digests", remora.ErrInvalid, len(items), len(digests))
	}
	var found []remora.Batch
	for i, item := range items {
		if len(item) == 0 {
			continue // the peer does not have it, or no room for it
		}
		b, err := remora.ParseBatch(item)
		if err != nil {
			return nil, err
		}
		if b.Digest != digests[i] {
			return nil, fmt.Errorf("%w: asked for batch %s, got %s", remora.ErrInvalid, digests[i], b.Digest)
		}
		found = append(found, b)
	}
	return found, nil
}

// AskBlockCertificates asks for the certificates of consecutive blocks and returns those that the peer had. The caller
// verifies them.
func (c *Client) AskBlockCertificates(ctx context.Context, from remora.Authority, r RangeRequest) ([]*remora.BlockCertificate, error) {
	items, err := c.Ask(ctx, from, ProtocolBlockCertificates, r)
	if err != nil {
		return nil, err
	}
	return OpenBlockCertificates(items), nil
}

// OpenBlockCertificates decodes the certificates in an answer and skips items that are none.
func OpenBlockCertificates(items [][]byte) []*remora.BlockCertificate {
	var found []*remora.BlockCertificate
	for _, item := range items {
		if cert := new(remora.BlockCertificate); remora.Decode(item, remora.MaxCertificateBytes, cert) == nil {
			found = append(found, cert)
		}
	}
	return found
}
