package consensus

import "github.com/remora-network/remora"

// Leader returns the leader of round r: round robin over the even rounds from 2. Other rounds have none.
func Leader(c *remora.Committee, r remora.Round) (remora.Authority, bool) {
	if r == 0 || r%2 == 1 {
		return 0, false
	}
	return remora.Authority(r / 2 % remora.Round(c.Size())), true
}
