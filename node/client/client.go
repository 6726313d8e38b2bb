package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client/param"
)

// Bounds of answers in bytes.
const (
	maxDocument = 8 << 20 // JSON
	maxError    = 64 << 10
	// MaxBlock bounds a certified block with its batches.
	MaxBlock = 320 << 20
)

// Client calls one node. It is safe for use by several goroutines.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the node at a URL such as http://127.0.0.1:4240. It connects when it is first used; Close
// closes the connections.
func New(node string) (*Client, error) {
	u, err := url.Parse(node)
	if err != nil {
		return nil, fmt.Errorf("%w: node URL %.200q: %v", remora.ErrInvalid, node, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: node URL %.200q, want one like http://127.0.0.1:4240", remora.ErrInvalid, node)
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second,
		DisableCompression:    true,
		ResponseHeaderTimeout: 60 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		base: strings.TrimSuffix(u.String(), "/"),
		http: &http.Client{Transport: transport, CheckRedirect: refuse},
	}, nil
}

// URL returns the node's URL.
func (c *Client) URL() string { return c.base }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// callMethod calls a method and returns its document, an empty one with an error.
func callMethod[P, D any](ctx context.Context, c *Client, m Method[P, D], p P) (*D, error) {
	doc := new(D)
	b, err := fetchAnswer(ctx, c, m, p, maxDocument)
	if err != nil {
		return doc, err
	}
	return doc, decodeAnswer(b, doc)
}

// fetchAnswer calls a method and returns the bytes of its answer, at most limit.
func fetchAnswer[P, D any](ctx context.Context, c *Client, m Method[P, D], p P, limit int64) ([]byte, error) {
	body, err := openAnswer(ctx, c, m, p)
	if err != nil {
		return nil, err
	}
	return readBody(body, limit)
}

// openAnswer calls a method and returns the body of its answer, which the caller closes.
func openAnswer[P, D any](ctx context.Context, c *Client, m Method[P, D], p P) (io.ReadCloser, error) {
	verb, route, _ := strings.Cut(m.Route, " ")
	target, err := param.EncodeHTTP(route, p)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, verb, c.base+target, nil)
	if err != nil {
		return nil, err
	}
	return c.sendRequest(ctx, r)
}

func decodeAnswer(b []byte, doc any) error {
	if err := json.Unmarshal(b, doc); err != nil {
		return unusableAnswer("%v", err)
	}
	return nil
}

// sendRequest sends a request and returns the body of a successful answer, which the caller closes.
func (c *Client) sendRequest(ctx context.Context, r *http.Request) (io.ReadCloser, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("the node at %s does not answer: %w", c.base, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	return nil, readRefusal(resp)
}

// readRefusal returns the error of a failed request.
func readRefusal(resp *http.Response) error {
	b, err := readBody(resp.Body, maxError)
	if err != nil {
		return unusableAnswer("status %d: %v", resp.StatusCode, err)
	}
	var doc ErrorDocument
	if json.Unmarshal(b, &doc) != nil || doc.Error.Code == "" {
		return unusableAnswer("status %d without an error of this API; is %s a node?", resp.StatusCode, resp.Request.URL.Host)
	}
	e := &Error{Status: resp.StatusCode, Code: doc.Error.Code, Message: doc.Error.Message}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 && seconds <= 3600 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// readBody reads a body of at most limit bytes and closes it.
func readBody(body io.ReadCloser, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, unusableAnswer("it is longer than %d bytes", limit)
	}
	return b, nil
}
