package validator

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/restore"
)

// The least and the most ticks for which rebuilt cores follow the DAG before they ask for block sync again.
const (
	minQuiet = 200
	maxQuiet = 12_000
)

// Rebuild decides how long rebuilt cores follow the DAG before they ask for block sync again. A sync ends at the newest
// certified block, so another one right after it would bring almost nothing: the DAG brings the rest. If it cannot,
// because certified blocks lag behind it by more than its window, there is no hurry.
type Rebuild struct {
	Cores  restore.Config // of the next cores
	height remora.Height  // of the newest block when the cores were built last
}

// Prepare returns the configuration of cores that are built at a height to replace the cores before, nil at first.
func (r *Rebuild) Prepare(height remora.Height, before *mempool.Core) restore.Config {
	if before != nil {
		r.Cores.Doubt = before.Doubt()
		if r.Cores.Quiet = min(max(2*r.Cores.Quiet, minQuiet), maxQuiet); height > r.height {
			r.Cores.Quiet = minQuiet
		}
	}
	r.height = height
	return r.Cores
}
