package crashfs

import (
	"io/fs"
	"testing/fstest"
)

// node is a file or a directory: as processes see it, as it certainly is on the disk, and the changes in between.
type node struct {
	dir bool

	// Of a file.
	data   []byte
	synced []byte
	writes []write // since the last Sync, in order

	// Of a directory.
	entries       map[string]*node
	syncedEntries map[string]*node
	changes       [][]entry // since the last Sync, in order; each survives or is lost as a whole
}

// write is a range of bytes that is not yet on the disk; it owns data.
type write struct {
	off  int64
	data []byte
}

// entry binds a name to a node, or removes the name if node is nil.
type entry struct {
	name string
	node *node
}

func newDirectory() *node {
	return &node{dir: true, entries: make(map[string]*node), syncedEntries: make(map[string]*node)}
}

func applyEntries(m map[string]*node, entries []entry) {
	for _, e := range entries {
		if e.node == nil {
			delete(m, e.name)
			continue
		}
		m[e.name] = e.node
	}
}

// syncPending makes all pending changes durable.
func (n *node) syncPending() {
	for _, w := range n.writes {
		n.synced = w.applyTo(n.synced)
	}
	for _, c := range n.changes {
		applyEntries(n.syncedEntries, c)
	}
	n.dropPending()
}

// dropPending loses all pending changes.
func (n *node) dropPending() { n.writes, n.changes = nil, nil }

// applyTo returns b with the write applied, zero-filled up to its offset.
func (w write) applyTo(b []byte) []byte {
	if len(w.data) == 0 {
		return b
	}
	end := w.off + int64(len(w.data))
	if short := end - int64(len(b)); short > 0 {
		b = append(b, make([]byte, short)...)
	}
	copy(b[w.off:end], w.data)
	return b
}

// fileInfo describes the node under the last element of its path. All modification times are zero, so that runs repeat.
func (n *node) fileInfo(name string) (fs.FileInfo, error) {
	if name == "/" {
		name = "."
	}
	mode := fs.FileMode(0o644)
	if n.dir {
		mode = fs.ModeDir | 0o755
	}
	return fstest.MapFS{name: {Data: n.data, Mode: mode}}.Stat(name)
}
