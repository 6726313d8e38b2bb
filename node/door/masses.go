package door

import (
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
)

const (
	// massOf is the number of refusals of one kind within massBlocks up to which nobody is named: clients that repeat
	// themselves after a lost answer, or that two programs share an account, stay below it.
	massOf = 64
	// massBlocks is the number of blocks after which counting begins anew.
	massBlocks = 64
	// maxMasses bounds the pairs of limit and name that are counted.
	maxMasses = 1024
)

// Limits that somebody is named for only in mass.
const (
	limitCopies  = "copies of transactions"
	limitNonces  = "used or held nonces"
	limitBalance = "transactions beyond a balance"
)

// massLimit returns the limit of a refusal that is a matter of course once, and none by other codes.
func massLimit(code string) (limit string, found bool) {
	switch code {
	case admission.CodeNoncePending, remora.CodeNonceUsed.String():
		return limitNonces, true
	case admission.CodeBalancePending, remora.CodeInsufficientBalance.String(), remora.CodeUnknownAccount.String():
		return limitBalance, true
	}
	return "", false
}

// mass is who was refused, and for what.
type mass struct{ limit, who string }

// massCount counts the refusals since a height.
type massCount struct {
	since remora.Height
	count int
}

// masses counts refusals. It may be used from any goroutine.
type masses struct {
	mu     sync.Mutex
	counts remora.Recent[mass, massCount]
}

func newMasses() *masses {
	return &masses{counts: remora.NewRecent[mass, massCount](maxMasses)}
}

// countRefusal counts one more refusal at a height, and reports whether there is a mass of them.
func (m *masses) countRefusal(which mass, height remora.Height) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, known := m.counts.Get(which)
	if !known || c.since+massBlocks <= height {
		c = massCount{since: height}
	}
	c.count++
	m.counts.Replace(which, c)
	return c.count > massOf
}

// recordHit records that somebody is held to a limit, by the code of a refusal.
func (v *visit) recordHit(code string, from remora.Address) {
	d, owner := v.door, v.owner
	if limit, found := massLimit(code); found {
		v.recordMass(limit, from)
		return
	}
	switch code {
	case admission.CodeAccountFull, admission.CodeAccountBusy:
		d.Hits.RecordHit("transactions of an account", from.String())
	case admission.CodeUnchecked:
		d.Hits.RecordHit("refused transactions of a request", owner)
	case admission.CodeFull:
		d.Hits.RecordHit("waiting transactions", owner)
	}
}

// recordMass records a refusal that is a matter of course once, if there is a mass of them: by whoever submits it, and by the
// account in it, whose owner need not know of it as long as the signature is not verified.
func (v *visit) recordMass(limit string, from remora.Address) {
	for _, who := range []string{v.owner, from.String()} {
		if v.door.masses.countRefusal(mass{limit, who}, v.view.Tip.Height) {
			v.door.Hits.RecordHit(limit, who)
		}
	}
}
