package registry

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/state/table"
)

// RegisterContent adds content to the index, or raises the number of caches that must hold it. It returns a Rejection when the
// record breaks a limit, when the last chunk does not prove the length, or when the entry asks for as many replicas already.
func RegisterContent(o *table.Overlay, owner remora.Address, r *remora.RegisterContent) error {
	if err := r.Check(); err != nil {
		return remora.Reject(remora.CodeInvalidContent, "%v", err)
	}
	c := r.Content
	proof := content.ChunkProof{Data: r.Last, Path: r.Path}
	if err := content.VerifyChunk(c.Root, c.Length, content.Chunks(c.Length)-1, proof); err != nil {
		return remora.Reject(remora.CodeInvalidContent, "the last chunk does not prove root and length: %v", err)
	}
	old, exists, err := GetContent(o, c.Root, r.Directory)
	if err != nil {
		return err
	}
	if exists && old.Replicas >= r.Replicas {
		return remora.Reject(remora.CodeContentExists, "%s is already registered with %d replicas: ask for more, or publish without registering", c.Root, old.Replicas)
	}
	entry := old
	if !exists {
		epoch, err := GetEpoch(o)
		if err != nil {
			return err
		}
		entry = remora.ContentEntry{Content: c, Directory: r.Directory, Owner: owner, Epoch: epoch.Number}
	}
	entry.Replicas = r.Replicas
	o.Put(table.Contents, contentKey(c.Root, r.Directory), remora.Encode(entry))
	return nil
}

// contentKey returns the key of an entry. A file and a directory of the same root have different keys.
func contentKey(root remora.Hash, directory bool) []byte {
	if directory {
		return append(root[:], 1)
	}
	return append(root[:], 0)
}

// maxContentEntry bounds the encoding of an entry.
const maxContentEntry = 256

// GetContent returns the entry of content, and whether there is one.
func GetContent(v table.View, root remora.Hash, directory bool) (entry remora.ContentEntry, exists bool, err error) {
	exists, err = table.Load(v, table.Contents, contentKey(root, directory), maxContentEntry, &entry)
	return entry, exists, err
}

// AllContent visits every entry in the order of the roots until visit returns false.
func AllContent(v table.View, visit func(remora.ContentEntry) bool) error {
	return table.Visit(v, table.Contents, nil, maxContentEntry, func(_ []byte, entry remora.ContentEntry) bool {
		return visit(entry)
	})
}
