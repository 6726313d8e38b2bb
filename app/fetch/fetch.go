// Package fetch is the client that trusts no gateway. Fetch verifies every piece against the CID before it writes it to
// OUT.part, resumes there after an interruption, and renames the file into place when it is complete and durable.
//
// With a key, caches serve it in a session that pays them: payer opens or reuses sessions, paidFlow asks the caches, and
// package session keeps the books. Every receipt is in the session's book, a locked file that is synced before the receipt
// leaves, so that no two receipts contradict each other, whenever the process is killed. Bytes that were verified and not
// acknowledged by then are acknowledged by the next fetch.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/proofs/content"
)

// Sentinels.
var (
	// ErrUnverified says that the bytes received are not the content.
	ErrUnverified = errors.New("the gateway sent bytes that are not this content")
	ErrGateway    = errors.New("the gateway does not deliver")
	ErrPath       = errors.New("no such path in this content")
	// ErrSpend says that a session would cost more than may be spent.
	ErrSpend = errors.New("the session costs more than may be spent")
)

// Options say what to fetch.
type Options struct {
	Gateway  string // URL
	CID      string
	Path     []string // names below a directory
	Out      string   // file, or directory for a directory
	Progress func(done, total uint64)
	Patience time.Duration // how long a segment may take; 0: 30 s

	Key      *ed25519.PrivateKey // of the account that pays; nil: the gateway serves for free
	Chain    Chain               // with a key only
	Sessions string              // folder of the key's session books, made when it is not there; with a key only
	MaxSpend remora.Amount       // that this call may prepay; 0: as much as half the balance
}

// Summary says what was fetched.
type Summary struct {
	Bytes    uint64  `json:"bytes"`
	Verified bool    `json:"verified"`
	Receipts int     `json:"receipts"` // that were signed
	Seconds  float64 `json:"seconds"`
}

const (
	maxManifest = 32 << 20
	patience    = 30 * time.Second
)

// Fetch fetches a file or a directory. After an error the next call resumes with the verified bytes.
func Fetch(ctx context.Context, o Options) (*Summary, error) {
	root, directory, err := checkOptions(&o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	f := &fetcher{options: o, client: newClient(o)}
	defer f.client.http.CloseIdleConnections()
	if f.source = (gatewaySource{f.client}); o.Key != nil {
		f.source = newPayer(f.client, o)
	}
	err = f.fetchPath(ctx, root, directory)
	receipts, unsent := f.source.closeSource(ctx)
	if err = errors.Join(err, unsent); err != nil {
		return nil, err
	}
	return &Summary{Bytes: f.bytes, Verified: true, Receipts: receipts, Seconds: time.Since(began).Seconds()}, nil
}

// checkOptions checks the options and sets defaults.
func checkOptions(o *Options) (root remora.Hash, directory bool, err error) {
	base, err := url.Parse(o.Gateway)
	if err != nil || base.Host == "" {
		return root, false, fmt.Errorf("%w: gateway URL %.100q, want one like http://127.0.0.1:4220", remora.ErrInvalid, o.Gateway)
	}
	o.Gateway = strings.TrimSuffix(base.String(), "/")
	if o.Progress == nil {
		o.Progress = func(uint64, uint64) {}
	}
	if o.Patience == 0 {
		o.Patience = patience
	}
	if o.Key != nil && (o.Chain == nil || o.Sessions == "") {
		return root, false, fmt.Errorf("%w: a key without a chain or a folder for its sessions: give both", remora.ErrInvalid)
	}
	return content.ParseCID(o.CID)
}

// fetcher is one call of Fetch.
type fetcher struct {
	options Options
	client  *client
	source  source
	bytes   uint64 // of whole files
}

// fetchPath fetches what the options' path leads to.
func (f *fetcher) fetchPath(ctx context.Context, root remora.Hash, directory bool) (err error) {
	for _, name := range f.options.Path {
		if root, directory, err = f.lookUpName(ctx, root, directory, name); err != nil {
			return err
		}
	}
	if directory {
		return f.fetchTree(ctx, root, f.options.Out)
	}
	return f.fetchFile(ctx, root, f.options.Out)
}

// lookUpName looks a name up in a directory's manifest.
func (f *fetcher) lookUpName(ctx context.Context, root remora.Hash, directory bool, name string) (remora.Hash, bool, error) {
	if !directory {
		return root, false, fmt.Errorf("%w: %.64q is below a file", ErrPath, name)
	}
	d, err := f.fetchManifest(ctx, root)
	if err != nil {
		return root, false, err
	}
	e, found := d.Lookup(name)
	if !found {
		return root, false, fmt.Errorf("%w: no %.64q in directory %s", ErrPath, name, content.CID(root, true))
	}
	return e.Root, e.Directory, nil
}

func (f *fetcher) fetchManifest(ctx context.Context, root remora.Hash) (*content.Directory, error) {
	length, err := f.client.askLength(ctx, root, true)
	if err != nil {
		return nil, err
	}
	if length > maxManifest {
		return nil, fmt.Errorf("%w: a directory of %d bytes", remora.ErrTooLarge, length)
	}
	text := make(memory, length)
	b := &body{content: remora.Content{Root: root, Length: length}, directory: true, data: text}
	if err := f.fillBody(ctx, b); err != nil {
		return nil, fmt.Errorf("directory %s: %w", content.CID(root, true), err)
	}
	return content.DecodeDirectory(text)
}

// fetchTree writes a directory and everything below it. A manifest's names are single segments that stay inside.
func (f *fetcher) fetchTree(ctx context.Context, root remora.Hash, out string) error {
	d, err := f.fetchManifest(ctx, root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, e := range d.Entries {
		to := filepath.Join(out, e.Name)
		if e.Directory {
			err = f.fetchTree(ctx, e.Root, to)
		} else {
			err = f.fetchFile(ctx, e.Root, to)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return nil
}

// fetchFile fetches one file.
func (f *fetcher) fetchFile(ctx context.Context, root remora.Hash, out string) error {
	length, err := f.client.askLength(ctx, root, false)
	if err != nil {
		return err
	}
	p := &part{body: body{content: remora.Content{Root: root, Length: length}}, out: out}
	if err := p.openFiles(); err != nil {
		return errors.Join(err, p.closeFiles())
	}
	if err := f.fillBody(ctx, &p.body); err != nil {
		return errors.Join(err, p.closeFiles())
	}
	f.bytes += length
	return p.finishFile()
}

// fillBody fetches, verifies and writes the missing segments of a body in order.
func (f *fetcher) fillBody(ctx context.Context, b *body) error {
	if b.content.Length == 0 {
		return b.checkEmpty()
	}
	if b.have == b.content.Length {
		return nil
	}
	flow, err := f.source.openFlow(ctx, b.content, b.directory, b.have)
	if err != nil {
		return err
	}
	defer flow.closeFlow()
	for b.have < b.content.Length {
		s, err := flow.nextSegment(ctx)
		if err != nil {
			return err
		}
		err = b.writeSegment(s)
		if err = flow.judgeSegment(b.have, err); err != nil {
			return err
		}
		f.options.Progress(b.have, b.content.Length)
	}
	return nil
}
