package mempool

// Held counts what peers made the core keep.
func (c *Core) Held() (certificates, headers, wants int) {
	for _, l := range c.dag.layers {
		for i := range l.vertices {
			if l.vertices[i].certificate != nil {
				certificates++
			}
		}
	}
	for _, w := range c.peers.waiting {
		if w != nil {
			headers++
		}
	}
	return certificates, headers, len(c.missing.wants)
}
