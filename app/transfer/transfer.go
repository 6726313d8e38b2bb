// Package transfer is the wire format between caches, gateways and clients: requests for content and for paid deliveries,
// their answers and limits. A request's Decode function checks everything that needs no state.
package transfer

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// The request protocols of the content network.
const (
	AskContent = "content"
	AskHas     = "has"
)

// Limits.
const (
	MaxRange   = 4 << 20 // bytes of content in one answer
	MaxAnswer  = MaxRange + MaxRange/64 + 64<<10
	MaxRequest = 16 << 10
	MaxRoots   = 256
)

// ContentRequest asks for the verified stream of a range.
type ContentRequest struct {
	_      struct{} `cbor:",toarray"`
	Root   remora.Hash
	Length uint64 // of the whole content, as the chain's index says
	Offset uint64
	Bytes  uint64
}

// Range returns the range that is asked for.
func (r *ContentRequest) Range() content.Range {
	return content.Range{Offset: r.Offset, Length: r.Bytes}
}

// DecodeContentRequest decodes a request and checks its limits.
func DecodeContentRequest(b []byte) (*ContentRequest, error) {
	r := new(ContentRequest)
	if err := remora.Decode(b, MaxRequest, r); err != nil {
		return nil, fmt.Errorf("content request: %w", err)
	}
	if r.Bytes > MaxRange {
		return nil, fmt.Errorf("content request: %w: %d bytes, at most %d", remora.ErrTooLarge, r.Bytes, MaxRange)
	}
	if err := r.Range().Check(r.Length); err != nil {
		return nil, fmt.Errorf("content request: %w", err)
	}
	return r, nil
}

// HasRequest asks which contents a node holds. The answer is one byte per root, 1 for a content that it holds.
type HasRequest struct {
	_     struct{} `cbor:",toarray"`
	Roots []remora.Hash
}

// DecodeHasRequest decodes a request and checks its limit.
func DecodeHasRequest(b []byte) (*HasRequest, error) {
	r := new(HasRequest)
	if err := remora.Decode(b, MaxRequest, r); err != nil {
		return nil, fmt.Errorf("has request: %w", err)
	}
	if len(r.Roots) > MaxRoots {
		return nil, fmt.Errorf("has request: %w: %d roots, at most %d", remora.ErrTooLarge, len(r.Roots), MaxRoots)
	}
	return r, nil
}

// Cache is a cache as the chain's registry knows it.
type Cache struct {
	Address remora.Address `json:"address"`
	Name    string         `json:"name"`
	PeerID  string         `json:"-"`
	Addrs   []string       `json:"-"` // multiaddrs of its network and its API
}

// URL returns the URL of the cache's API, or an empty string if it does not serve the web.
func (c *Cache) URL() string {
	at, serves := WebAddress(c.Addrs)
	if !serves {
		return ""
	}
	return "http://" + at.String()
}

// OrderCaches returns caches in the order in which the chain assigns a content to them.
func OrderCaches(root remora.Hash, caches []Cache) []Cache {
	byAddress, addresses := map[remora.Address]Cache{}, make([]remora.Address, len(caches))
	for i, c := range caches {
		byAddress[c.Address], addresses[i] = c, c.Address
	}
	ordered := make([]Cache, len(caches))
	for i, a := range remora.Assign(root, addresses, len(addresses)) {
		ordered[i] = byAddress[a]
	}
	return ordered
}
