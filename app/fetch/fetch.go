// Package fetch is the client that trusts no gateway: it verifies every piece against the CID before it writes it,
// resumes what was cut off, and renames the file into place when all of it is there.
package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// Sentinels.
var (
	// ErrUnverified says that a gateway sent bytes that are not the content.
	ErrUnverified = errors.New("the gateway sent bytes that are not this content")
	ErrGateway    = errors.New("the gateway does not deliver")
	ErrPath       = errors.New("no such path in this content")
)

// Options say what to fetch.
type Options struct {
	Gateway  string // URL
	CID      string
	Path     []string // names below a directory
	Out      string   // file, or directory for a directory
	Progress func(done, total uint64)
}

// Report says what was fetched.
type Report struct {
	Bytes    uint64  `json:"bytes"`
	Verified bool    `json:"verified"`
	Receipts int     `json:"receipts"`
	Seconds  float64 `json:"seconds"`
}

const (
	maxManifest = 32 << 20
	// ahead is how many segments are under way: enough to keep gateway and client busy at once.
	ahead          = 3
	segmentTimeout = 30 * time.Second
)

// client fetches from one gateway.
type client struct {
	options Options
	http    *http.Client
	bytes   uint64
}

// Fetch fetches a file or a directory. What it has written before an error stays verified, and the next call goes on.
func Fetch(ctx context.Context, o Options) (*Report, error) {
	base, err := url.Parse(o.Gateway)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%w: gateway URL %.100q, want one like http://127.0.0.1:4220", remora.ErrInvalid, o.Gateway)
	}
	o.Gateway = strings.TrimSuffix(base.String(), "/")
	root, directory, err := content.ParseCID(o.CID)
	if err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = func(uint64, uint64) {}
	}
	began := time.Now()
	c := &client{options: o, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * ahead, DisableCompression: true}}}
	defer c.http.CloseIdleConnections()
	for _, name := range o.Path {
		if root, directory, err = c.below(ctx, root, directory, name); err != nil {
			return nil, err
		}
	}
	if directory {
		err = c.tree(ctx, root, o.Out)
	} else {
		err = c.file(ctx, root, o.Out)
	}
	if err != nil {
		return nil, err
	}
	return &Report{Bytes: c.bytes, Verified: true, Seconds: time.Since(began).Seconds()}, nil
}

// below looks a name up in a directory's manifest.
func (c *client) below(ctx context.Context, root remora.Hash, directory bool, name string) (remora.Hash, bool, error) {
	if !directory {
		return root, false, fmt.Errorf("%w: %.64q is below a file", ErrPath, name)
	}
	d, err := c.manifest(ctx, root)
	if err != nil {
		return root, false, err
	}
	e, found := d.Lookup(name)
	if !found {
		return root, false, fmt.Errorf("%w: no %.64q in directory %s", ErrPath, name, content.CID(root, true))
	}
	return e.Root, e.Directory, nil
}

func (c *client) manifest(ctx context.Context, root remora.Hash) (*content.Directory, error) {
	length, err := c.length(ctx, root, true)
	if err != nil {
		return nil, err
	}
	if length > maxManifest {
		return nil, fmt.Errorf("%w: a directory of %d bytes", remora.ErrTooLarge, length)
	}
	var b bytes.Buffer
	for at := uint64(0); at < length; at += transfer.MaxRange {
		r := content.Range{Offset: at, Length: min(transfer.MaxRange, length-at)}
		stream, err := c.segment(ctx, root, true, r)
		if err != nil {
			return nil, err
		}
		d, err := content.NewDecoder(bytes.NewReader(stream), root, length, r)
		if err == nil {
			_, err = d.WriteTo(&b)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: directory %s: %w", ErrUnverified, content.CID(root, true), err)
		}
	}
	return content.DecodeDirectory(b.Bytes())
}

// tree writes a directory and everything below it. A manifest's names are single segments that stay inside.
func (c *client) tree(ctx context.Context, root remora.Hash, out string) error {
	d, err := c.manifest(ctx, root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, e := range d.Entries {
		to := filepath.Join(out, e.Name)
		if e.Directory {
			err = c.tree(ctx, e.Root, to)
		} else {
			err = c.file(ctx, e.Root, to)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return nil
}

// length asks how long the content is. The answer is a claim: with a false one nothing verifies.
func (c *client) length(ctx context.Context, root remora.Hash, directory bool) (uint64, error) {
	resp, err := c.request(ctx, http.MethodHead, root, directory, nil)
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

func (c *client) request(ctx context.Context, method string, root remora.Hash, directory bool, r *content.Range) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.options.Gateway+"/ipfs/"+content.CID(root, directory), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", gateway.VerifiedType)
	if r != nil && r.Length > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.Offset, r.End()-1))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGateway, err)
	}
	return resp, nil
}

// segment returns a verified stream as the gateway sends it, not yet checked.
func (c *client) segment(ctx context.Context, root remora.Hash, directory bool, r content.Range) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, segmentTimeout)
	defer cancel()
	resp, err := c.request(ctx, http.MethodGet, root, directory, &r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return nil, fmt.Errorf("%w: %s: %.400s", ErrGateway, resp.Status, reason)
	}
	if resp.ContentLength > transfer.MaxAnswer {
		return nil, fmt.Errorf("%w: an answer of %d bytes", ErrUnverified, resp.ContentLength)
	}
	b := bytes.NewBuffer(make([]byte, 0, max(resp.ContentLength, 0)+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(resp.Body, transfer.MaxAnswer+1)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGateway, err)
	}
	return b.Bytes(), nil
}
