package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

const maxReason = 2 << 10 // bytes read of an error answer

// client asks one gateway.
type client struct {
	gateway  string // URL without a slash at its end
	http     *http.Client
	patience time.Duration // for one segment
	spare    buffers
}

func newClient(o Options) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * maxSlots, DisableCompression: true}
	return &client{
		gateway: o.Gateway, http: &http.Client{Transport: transport}, patience: o.Patience, spare: make(buffers, maxSlots),
	}
}

// askLength asks for the length of a content. A false answer fails verification.
func (c *client) askLength(ctx context.Context, root remora.Hash, directory bool) (uint64, error) {
	resp, err := c.requestContent(ctx, http.MethodHead, root, directory, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	length, err := strconv.ParseUint(resp.Header.Get(gateway.HeaderLength), 10, 64)
	if err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%w: %s for %s", ErrGateway, resp.Status, content.CID(root, directory))
	}
	return length, nil
}

func (c *client) requestContent(ctx context.Context, method string, root remora.Hash, directory bool, r *content.Range) (*http.Response, error) {
	header := http.Header{"Accept": {gateway.VerifiedType}}
	if r != nil && r.Length > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.Offset, r.End()-1))
	}
	return c.sendRequest(ctx, method, "/ipfs/"+content.CID(root, directory), header, nil)
}

func (c *client) sendRequest(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.gateway+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGateway, err)
	}
	return resp, nil
}

// fetchSegment returns the verifiable stream of a range as the gateway sends it, not yet verified.
func (c *client) fetchSegment(ctx context.Context, root remora.Hash, directory bool, r content.Range) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	resp, err := c.requestContent(ctx, http.MethodGet, root, directory, &r)
	if err != nil {
		return nil, err
	}
	return c.readAnswer(resp, transfer.MaxAnswer)
}

// askDelivery posts a delivery request for a cache, and returns head and stream of the answer, not yet checked, and the
// buffer that holds the stream.
func (c *client) askDelivery(ctx context.Context, cache remora.Address, request []byte) (head transfer.DeliveryHead, stream, buffer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	header := http.Header{"Content-Type": {"application/cbor"}}
	resp, err := c.sendRequest(ctx, http.MethodPost, gateway.RelayPath+cache.String(), header, request)
	if err != nil {
		return head, nil, nil, err
	}
	if buffer, err = c.readAnswer(resp, transfer.MaxDelivery); err != nil {
		return head, nil, nil, err
	}
	if head, stream, err = transfer.DecodeDelivery(buffer); err != nil {
		err = fmt.Errorf("%w: %w", ErrGateway, err)
	}
	return head, stream, buffer, err
}

// readAnswer reads a response into a buffer, which the caller gives back. It reads one byte beyond the limit, so that an
// answer that is too long does not verify.
func (c *client) readAnswer(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s: %s", ErrGateway, resp.Status, readReason(resp.Body))
	}
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("%w: an answer of %d bytes", ErrUnverified, resp.ContentLength)
	}
	b := bytes.NewBuffer(c.spare.takeBuffer(int(max(resp.ContentLength, 0)) + bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(resp.Body, limit+1)); err != nil {
		c.spare.giveBuffer(b.Bytes())
		return nil, fmt.Errorf("%w: %w", ErrGateway, err)
	}
	return b.Bytes(), nil
}

// readReason returns the message of a gateway's JSON error, else the text as it is.
func readReason(body io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(body, maxReason))
	var failure struct {
		Error struct {
			Phase   string `json:"phase"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &failure) == nil && failure.Error.Message != "" {
		return fmt.Sprintf("%.40s: %.400s", failure.Error.Phase, failure.Error.Message)
	}
	return fmt.Sprintf("%.400s", text)
}

// buffers are spare buffers for answers.
type buffers chan []byte

// takeBuffer returns an empty buffer of at least a capacity.
func (b buffers) takeBuffer(capacity int) []byte {
	select {
	case spare := <-b:
		if cap(spare) >= capacity {
			return spare[:0]
		}
	default:
	}
	return make([]byte, 0, capacity)
}

// giveBuffer takes back a buffer that is not read any more.
func (b buffers) giveBuffer(buffer []byte) {
	if cap(buffer) == 0 {
		return
	}
	select {
	case b <- buffer:
	default:
	}
}
