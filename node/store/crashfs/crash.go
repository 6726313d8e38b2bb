package crashfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// Mode says how much of the unsynced changes a crash keeps.
type Mode uint8

const (
	// Strict keeps only synced changes.
	Strict Mode = iota
	// Partial keeps a random prefix of the unsynced changes of each file and of each directory: complete writes, then
	// possibly a torn one that ends in a block of zeros or garbage. Journalling file systems (ext4, xfs) promise the
	// order within a directory.
	Partial
	// Scattered keeps a random subset of the unsynced directory changes and of the unsynced 512-byte sectors, in no order:
	// the minimum that POSIX promises. Pebble v1.1.5 does not survive it: it points CURRENT, or a marker file, at a
	// MANIFEST whose directory entry is not yet synced, and removes the old marker while creating the new one.
	Scattered
	// Whole keeps everything: only the process ended, and the operating system writes the rest.
	Whole
)

const sector = 512

// Crash returns the disk as a new process finds it when the power fails now, or failed at the operation of FailAt or
// LoseAt. It does not change f; each call draws another image.
func (f *FS) Crash(m Mode) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := New(f.rng.Uint64())
	img := image{mode: m, rng: f.rng, done: make(map[*node]*node)}
	next.root = img.copyNode(f.root)
	return next
}

// image copies the durable state. done keeps several links to one file one file.
type image struct {
	mode Mode
	rng  *rand.Rand
	done map[*node]*node
}

func (g *image) copyNode(n *node) *node {
	if c := g.done[n]; c != nil {
		return c
	}
	c := &node{dir: n.dir}
	g.done[n] = c
	if !n.dir {
		c.data = g.survivingBytes(n)
		c.synced = bytes.Clone(c.data)
		return c
	}
	survivors := g.survivingEntries(n)
	c.entries = make(map[string]*node, len(survivors))
	for _, name := range slices.Sorted(maps.Keys(survivors)) {
		c.entries[name] = g.copyNode(survivors[name])
	}
	c.syncedEntries = maps.Clone(c.entries)
	return c
}

// survivingEntries returns the directory entries that a crash keeps.
func (g *image) survivingEntries(n *node) map[string]*node {
	if g.mode == Whole {
		return n.entries
	}
	m := maps.Clone(n.syncedEntries)
	kept := 0
	if g.mode == Partial {
		kept = g.rng.IntN(len(n.changes) + 1)
	}
	for i, c := range n.changes {
		if i < kept || g.mode == Scattered && g.rng.IntN(2) == 0 {
			applyEntries(m, c)
		}
	}
	return m
}

// survivingBytes returns the bytes of a file that a crash keeps.
func (g *image) survivingBytes(n *node) []byte {
	b := bytes.Clone(n.synced)
	switch g.mode {
	case Strict:
	case Whole:
		return bytes.Clone(n.data)
	case Partial:
		kept := g.rng.IntN(len(n.writes) + 1)
		for _, w := range n.writes[:kept] {
			b = w.applyTo(b)
		}
		if kept < len(n.writes) {
			b = g.tearWrite(n.writes[kept]).applyTo(b)
		}
	case Scattered:
		for _, w := range n.writes {
			b = g.scatterWrite(b, w)
		}
	}
	return b
}

// tearWrite returns a prefix of w, sometimes followed by one block of zeros or garbage in place of its bytes.
func (g *image) tearWrite(w write) write {
	cut := g.rng.IntN(len(w.data) + 1)
	block := make([]byte, min(sector, len(w.data)-cut))
	switch g.rng.IntN(3) {
	case 0:
		block = nil
	case 1:
		for i := range block {
			block[i] = byte(g.rng.Uint32())
		}
	}
	return write{w.off, append(bytes.Clone(w.data[:cut]), block...)}
}

// scatterWrite applies some sectors of w. Sometimes the size grows although the last sectors are lost.
func (g *image) scatterWrite(b []byte, w write) []byte {
	for from := 0; from < len(w.data); {
		to := min(len(w.data), from+sector-int((w.off+int64(from))%sector))
		if g.rng.IntN(4) > 0 {
			b = write{w.off + int64(from), w.data[from:to]}.applyTo(b)
		}
		from = to
	}
	if end := w.off + int64(len(w.data)); end > int64(len(b)) && g.rng.IntN(2) == 0 {
		b = append(b, make([]byte, end-int64(len(b)))...)
	}
	return b
}
