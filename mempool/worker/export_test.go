package worker

// MaxRecent is the limit on remembered digests.
const MaxRecent = maxRecent

// Held counts what peers made the core keep: digests of executed batches, bytes accounted for.
func (c *Core) Held() (digests, bytes int) {
	for _, n := range c.peers.bytes {
		bytes += n
	}
	return c.peers.done.Len(), bytes
}
