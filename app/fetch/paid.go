package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/proofs/delivery"
)

const (
	// maxSlots bounds the segments that are asked for, or here and not yet verified.
	maxSlots = 6
	// A cache may not have the block of a session that was just opened: it is asked again after firstWait, then after
	// twice as long each time, up to patience/waitDivisor.
	firstWait   = 50 * time.Millisecond
	waitDivisor = 16
)

// Reasons besides a failure to leave a cache for the next one.
var (
	errNotHeld = errors.New("it does not hold this content")
	errRefused = errors.New("it refuses this session")
	errWindow  = fmt.Errorf("%w: it waits for receipts, and there is nothing to acknowledge", errRefused)
)

// slot is a segment's place in the order of a content.
type slot struct {
	r      content.Range
	state  slotState
	stream []byte
	buffer []byte // holds the stream
	waits  int
}

type slotState uint8

const (
	wanted slotState = iota
	asked
	here
)

// waitTurn waits until the slot is to be asked for again.
func (s *slot) waitTurn(ctx context.Context) error {
	if s.waits == 0 {
		return nil
	}
	t := time.NewTimer(firstWait << (s.waits - 1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// paidFlow fetches a content from one cache after the other, in sessions. It belongs to one goroutine; each request is a
// goroutine that answers on replies.
type paidFlow struct {
	payer   *payer
	content remora.Content
	order   []*account       // caches left to try; the first one delivers
	tried   []error          // why each cache before was left
	again   []remora.Address // tried caches that may deliver in another session
	fault   error            // why order[0] is left once its received segments are verified

	have    uint64 // verified up to here
	from    uint64 // slots cover the content up to here
	slots   []*slot
	replies chan reply
	under   int // requests under way

	ctx      context.Context // of the flow
	requests context.Context // of the requests to the first cache
	cancel   context.CancelFunc
}

func newPaidFlow(ctx context.Context, p *payer, order []*account, c remora.Content, from uint64) *paidFlow {
	f := &paidFlow{payer: p, content: c, order: order, have: from, from: from, ctx: ctx, replies: make(chan reply)}
	f.requests, f.cancel = context.WithCancel(ctx)
	return f
}

func (f *paidFlow) nextSegment(ctx context.Context) (segment, error) {
	for {
		if f.fault == nil {
			if err := f.askAhead(); err != nil {
				return segment{}, err
			}
		}
		switch {
		case len(f.slots) > 0 && f.slots[0].state == here:
			return segment{f.slots[0].r, f.slots[0].stream}, nil
		case f.fault != nil && (len(f.slots) == 0 || f.slots[0].state == wanted):
			if err := f.leaveCache(); err != nil {
				return segment{}, err
			}
			continue
		case f.under == 0:
			f.fault = f.stuckCause()
			continue
		}
		select {
		case r := <-f.replies:
			if err := f.takeReply(r); err != nil {
				return segment{}, err
			}
		case <-ctx.Done():
			return segment{}, ctx.Err()
		}
	}
}

// askAhead asks for as many segments as slots, window and allotment allow, one at a time while the window is unknown.
func (f *paidFlow) askAhead() error {
	a := f.order[0]
	for f.fault == nil && (!a.Careful() || f.under == 0) {
		s := f.upcomingSlot(a)
		if s == nil {
			return nil
		}
		v, admitted, err := a.PlanRequest(s.r.Length)
		switch {
		case errors.Is(err, delivery.ErrFull):
			f.fault = fmt.Errorf("%w: %w", errRefused, err)
			return nil
		case err != nil:
			return err
		case admitted:
			f.sendAsk(a, s, v)
		case v != nil:
			f.sendAsk(a, nil, v)
			return nil
		default:
			return nil
		}
	}
	return nil
}

// upcomingSlot returns the next slot to ask for, of at most a segment's size, nil when maxSlots are under way.
func (f *paidFlow) upcomingSlot(a *account) *slot {
	size := a.SegmentSize()
	for i, s := range f.slots {
		if s.state != wanted {
			continue
		}
		if s.r.Length > size { // the window was thought to be larger
			rest := &slot{r: content.Range{Offset: s.r.Offset + size, Length: s.r.Length - size}}
			s.r.Length = size
			f.slots = slices.Insert(f.slots, i+1, rest)
		}
		return s
	}
	if len(f.slots) >= maxSlots || f.from >= f.content.Length {
		return nil
	}
	s := &slot{r: content.Range{Offset: f.from, Length: min(size-f.from%size, f.content.Length-f.from)}}
	f.from = s.r.End()
	f.slots = append(f.slots, s)
	return s
}

// sendAsk sends a request for a slot, a receipt, or both.
func (f *paidFlow) sendAsk(a *account, s *slot, v *session.Voucher) {
	n := uint64(0)
	if s != nil {
		s.state, n = asked, s.r.Length
	}
	r := reply{slot: s, ask: a.SendRequest(n, v)}
	a.provePass(f.payer.pass)
	f.under++
	ctx := f.requests
	go func() { f.replies <- f.payer.sendRequest(ctx, a, f.content, r) }()
}

// takeReply books a reply. The error says that receipts can no longer be stored.
func (f *paidFlow) takeReply(r reply) error {
	f.under--
	a := f.order[0]
	if r.fatal != nil {
		return r.fatal
	}
	if r.err != nil {
		a.LoseAnswer(r.ask)
		f.missSlot(r, r.err)
		return nil
	}
	more := a.TakeAnswer(r.ask, r.head.Code, r.head.Epoch)
	if r.slot == nil || r.head.Code != session.Delivered {
		f.missSlot(r, f.judgeRefusal(a, r, more))
		return nil
	}
	r.slot.state, r.slot.stream, r.slot.buffer = here, r.stream, r.buffer
	return nil
}

// missSlot makes a request's slot wanted again. A cause that is not nil is a reason to leave the cache.
func (f *paidFlow) missSlot(r reply, cause error) {
	f.payer.client.spare.giveBuffer(r.buffer)
	if r.slot != nil {
		r.slot.state = wanted
	}
	if f.fault == nil {
		f.fault = cause
	}
}

// judgeRefusal returns the reason to leave a cache that did not deliver, nil to ask it again. more says that a later
// request may succeed.
func (f *paidFlow) judgeRefusal(a *account, r reply, more bool) error {
	switch code := r.head.Code; {
	case a.Closed():
	case code == session.Delivered:
		return nil
	case code == session.NotHeld:
		return errNotHeld
	case code == session.WindowClosed && !more:
		return errWindow
	case code == session.WindowClosed:
		return nil
	case code == session.ReceiptStale || code == session.ReceiptWrong:
		if r.ask.Voucher != nil { // TakeAnswer has dealt with it, which happens once per receipt
			return nil
		}
	case code == session.SessionUnusable && f.mayLearnSession(a, r.slot):
		r.slot.waits++
		return nil
	}
	return fmt.Errorf("%w: code %d: %.300s", errRefused, r.head.Code, r.head.Reason)
}

// mayLearnSession reports whether the cache may merely lack the block that opened the session.
func (f *paidFlow) mayLearnSession(a *account, s *slot) bool {
	return s != nil && a.of.fresh && a.Acked() == 0 && firstWait<<s.waits <= f.payer.client.patience/waitDivisor
}

// stuckCause returns the reason to leave a cache when bytes are wanted and no request is under way.
func (f *paidFlow) stuckCause() error {
	a := f.order[0]
	if s := f.upcomingSlot(a); s != nil && s.r.Length > a.Left() {
		return fmt.Errorf("%w: its allotment for this cache is spent", errRefused)
	}
	return errWindow
}

func (f *paidFlow) judgeSegment(verified uint64, err error) error {
	s, a := f.slots[0], f.order[0]
	f.slots = f.slots[1:]
	f.payer.client.spare.giveBuffer(s.buffer)
	a.AddVerified(f.content, f.have, verified-f.have)
	a.CancelBytes(s.r.End() - verified)
	f.have = verified
	if err == nil || !errors.Is(err, ErrUnverified) {
		return err
	}
	f.fault = err
	return f.leaveCache()
}

// leaveCache continues with the next cache after the verified bytes.
func (f *paidFlow) leaveCache() error {
	f.haltRequests()
	a, cause := f.order[0], f.fault
	f.order, f.fault = f.order[1:], nil
	f.tried = append(f.tried, fmt.Errorf("cache %s: %w", a.Node, cause))
	switch {
	case errors.Is(cause, errRefused):
		a.refused = true
		f.again = append(f.again, a.Node)
	case !errors.Is(cause, errNotHeld):
		f.payer.failed[a.Node] = true
	}
	if err := f.ctx.Err(); err != nil {
		return err
	}
	f.requests, f.cancel = context.WithCancel(f.ctx)
	if len(f.order) > 0 || f.have == f.content.Length {
		return nil
	}
	return f.renewSession()
}

// renewSession continues in another session with caches that refused the one before. The error names all caches
// tried.
func (f *paidFlow) renewSession() (err error) {
	if len(f.again) > 0 {
		var s *prepaid
		if s, err = f.payer.renewSession(f.ctx, f.content.Root, f.content.Length-f.have); s != nil {
			for _, node := range f.again {
				if a := s.accounts[node]; a != nil {
					f.order = append(f.order, a)
				}
			}
		}
		f.again = nil
	}
	if len(f.order) > 0 {
		return nil
	}
	return fmt.Errorf("%w: no cache delivers %s from byte %d on: %w",
		ErrGateway, content.CID(f.content.Root, false), f.have, errors.Join(append(f.tried, err)...))
}

// haltRequests ends the requests under way and drops the segments that are not verified.
func (f *paidFlow) haltRequests() {
	f.cancel()
	for f.under > 0 {
		_ = f.takeReply(<-f.replies) // a failed book fails the next receipt too
	}
	for _, s := range f.slots {
		if s.state == here {
			f.order[0].CancelBytes(s.r.Length)
			f.payer.client.spare.giveBuffer(s.buffer)
		}
	}
	f.slots, f.from = nil, f.have
}

func (f *paidFlow) closeFlow() { f.haltRequests() }
