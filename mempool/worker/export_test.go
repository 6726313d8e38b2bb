package worker

// MaxRecent is the limit on remembered digests.
const MaxRecent = maxRecent

// Held counts what peers made the core keep: digests of executed batches, bytes accounted for.
func (c *Core) Held() (digests, bytes int) {
	for a := range c.peers.pushed {
		bytes += c.peers.pushed[a] + c.peers.listed[a]
	}
	return c.peers.done.Len(), bytes
}
