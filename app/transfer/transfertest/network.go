// Package transfertest is a network of caches in memory that serve for free, for tests of clients, gateways and caches
// that talk to them.
package transfertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// ErrUnreachable is the error of asking a cache that is down.
var ErrUnreachable = errors.New("unreachable")

// object is content with its tree and its entry in the index.
type object struct {
	entry      remora.ContentEntry
	data, tree []byte
}

// Network has an index of content and caches that serve it. It implements the services' views of chain and network.
type Network struct {
	mu      sync.Mutex
	objects map[remora.Hash]object
	caches  []transfer.Cache
	// Answer changes the answers of a cache, by its name. It may be set between requests.
	Answer map[string]func(answer []byte) ([]byte, error)
	Asked  map[string]int // requests, by cache
}

// New returns a network of caches with the given names, which hold all content.
func New(names ...string) *Network {
	n := &Network{
		objects: map[remora.Hash]object{}, Answer: map[string]func([]byte) ([]byte, error){}, Asked: map[string]int{},
	}
	for i, name := range names {
		n.caches = append(n.caches, transfer.Cache{Address: remora.Address{byte(i + 1)}, Name: name, PeerID: name})
	}
	return n
}

// Add registers content that every cache holds.
func (n *Network) Add(data []byte, directory bool) remora.Content {
	var tree bytes.Buffer
	w := content.NewWriter(&tree)
	_, _ = w.Write(data)
	root, length, err := w.Finish()
	if err != nil {
		panic(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := remora.Content{Root: root, Length: length}
	n.objects[root] = object{remora.ContentEntry{Content: c, Directory: directory, Replicas: remora.MaxReplicas}, data, tree.Bytes()}
	return c
}

// AddDirectory registers a directory of files by name.
func (n *Network) AddDirectory(files map[string]string) remora.Content {
	var entries []content.Entry
	for name, text := range files {
		c := n.Add([]byte(text), false)
		entries = append(entries, content.Entry{Name: name, Root: c.Root, Length: c.Length})
	}
	d, err := content.NewDirectory(entries)
	if err != nil {
		panic(err)
	}
	return n.Add(d.Encode(), true)
}

// Content implements the index.
func (n *Network) Content(root remora.Hash, directory bool) (remora.ContentEntry, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o, found := n.objects[root]
	return o.entry, found && o.entry.Directory == directory, nil
}

// AllContent visits the index.
func (n *Network) AllContent(visit func(remora.ContentEntry) bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range n.objects {
		if !visit(o.entry) {
			break
		}
	}
	return nil
}

// Caches implements the index.
func (n *Network) Caches() ([]transfer.Cache, error) { return n.caches, nil }

// WaitBlock waits for a block that never comes.
func (n *Network) WaitBlock(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Ask implements the network.
func (n *Network) Ask(_ context.Context, cache transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error) {
	if protocol != transfer.AskContent {
		return nil, fmt.Errorf("protocol %s: %w", protocol, remora.ErrInvalid)
	}
	r, err := transfer.DecodeContentRequest(request)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	change := n.Answer[cache.Name]
	n.Asked[cache.Name]++
	n.mu.Unlock()
	answer, err := n.Stream(remora.Content{Root: r.Root, Length: r.Length}, r.Range())
	switch {
	case err != nil:
		return nil, err
	case change != nil:
		return change(answer)
	case len(answer) > maxAnswer:
		return nil, remora.ErrTooLarge
	}
	return answer, nil
}

// Stream returns the verified stream of a range.
func (n *Network) Stream(c remora.Content, r content.Range) ([]byte, error) {
	n.mu.Lock()
	o, held := n.objects[c.Root]
	n.mu.Unlock()
	if !held {
		return nil, remora.ErrNotFound
	}
	e, err := content.NewEncoder(bytes.NewReader(o.data), bytes.NewReader(o.tree), c.Root, c.Length, r)
	if err != nil {
		return nil, err
	}
	size, err := content.StreamSize(c.Length, r)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(make([]byte, 0, size))
	_, err = e.WriteTo(b)
	return b.Bytes(), err
}

// Down answers nothing.
func Down([]byte) ([]byte, error) { return nil, ErrUnreachable }

// Flip answers with one bit changed, if there is one.
func Flip(answer []byte) ([]byte, error) {
	if len(answer) == 0 {
		return answer, nil
	}
	answer[len(answer)/2] ^= 4
	return answer, nil
}

// Cut answers without the last byte.
func Cut(answer []byte) ([]byte, error) { return answer[:len(answer)-1], nil }

// Extend answers with a byte too many.
func Extend(answer []byte) ([]byte, error) { return append(answer, 7), nil }

// Nothing answers with nothing.
func Nothing([]byte) ([]byte, error) { return nil, nil }
