package transfer

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// AskDelivery is the protocol of deliveries that a session pays for. A gateway relays it between a client and a cache.
const AskDelivery = "delivery"

// Limits of a delivery.
const (
	// FirstWindow is how many bytes a cache delivers ahead of the client's receipts at first, MaxWindow at most.
	FirstWindow = 1 << 20
	MaxWindow   = 16 << 20
	// MaxAckExtents bounds the extents that one acknowledgement adds.
	MaxAckExtents = 4096
	// MaxDeliveryRequest bounds an encoded request.
	MaxDeliveryRequest = 512 << 10
	// maxHead bounds the head of an answer.
	maxHead = 1 << 10
)

// Window returns how many bytes may be delivered ahead of receipts for acked bytes, when lost bytes were delivered
// before and never acknowledged. Trust grows with what is paid, and shrinks eight times as fast with what is not.
func Window(acked, lost uint64) uint64 {
	trust := acked + FirstWindow
	if lost > trust/8 {
		return 0
	}
	return min(trust-8*lost, MaxWindow)
}

// DeliveryRequest asks for the verified stream of a range and acknowledges what came before. A cache judges the receipt
// first: NotHeld, WindowClosed and AllotmentSpent say that it took the one that came along. A receipt may be sent again.
type DeliveryRequest struct {
	_       struct{} `cbor:",toarray"`
	Session remora.SessionID
	// Pass is drawn by the client for each fetch; Proof is the session key's signature of remora.DeliveryMessage.
	Pass    remora.Hash
	Proof   remora.BLSSignature
	Content remora.Content
	Offset  uint64
	Bytes   uint64            // 0: nothing is asked for, only acknowledged
	Acks    []Acknowledgement // one at most
}

// Acknowledgement is a receipt with the extents by which it goes beyond what the cache has of the same session and epoch.
type Acknowledgement struct {
	_       struct{} `cbor:",toarray"`
	Receipt remora.SignedReceipt
	Kept    uint32          // the leading extents that stay; the cache has this many, or one more
	Extents []remora.Extent // those that follow; where the cache has one more, the first is a longer form of it
}

// Range returns the range that is asked for.
func (r *DeliveryRequest) Range() content.Range {
	return content.Range{Offset: r.Offset, Length: r.Bytes}
}

// DecodeDeliveryRequest decodes a request and checks its limits. Signatures are the cache's to verify.
func DecodeDeliveryRequest(b []byte) (*DeliveryRequest, error) {
	r := new(DeliveryRequest)
	if err := remora.Decode(b, MaxDeliveryRequest, r); err != nil {
		return nil, fmt.Errorf("delivery request: %w", err)
	}
	if r.Bytes > MaxRange || len(r.Acks) > 1 {
		return nil, fmt.Errorf("delivery request: %w: %d bytes and %d receipts, at most %d and 1", remora.ErrTooLarge, r.Bytes, len(r.Acks), MaxRange)
	}
	if r.Bytes > 0 || len(r.Acks) == 0 {
		if err := r.Range().Check(r.Content.Length); err != nil {
			return nil, fmt.Errorf("delivery request: %w", err)
		}
	}
	for i := range r.Acks {
		if err := r.Acks[i].check(); err != nil {
			return nil, fmt.Errorf("delivery request: %w", err)
		}
	}
	return r, nil
}

func (a *Acknowledgement) check() error {
	if len(a.Extents) == 0 || len(a.Extents) > MaxAckExtents {
		return fmt.Errorf("%w: an acknowledgement of %d extents, want 1 to %d", remora.ErrInvalid, len(a.Extents), MaxAckExtents)
	}
	for i := range a.Extents {
		if err := a.Extents[i].Check(); err != nil {
			return err
		}
	}
	return nil
}

// DeliveryCode says what became of a delivery request.
type DeliveryCode uint8

// The outcomes of a delivery request.
const (
	Delivered       DeliveryCode = iota
	NotHeld                      // the cache does not hold the content
	SessionUnusable              // unknown, expired, or without an allotment for this cache
	ProofWrong                   // the proof is not the session key's
	WindowClosed                 // too much is not acknowledged yet
	AllotmentSpent               // the range would pass what the session allots
	ReceiptWrong                 // the receipt does not follow from what the cache has, or is signed wrong
	ReceiptStale                 // its epoch is over and claimed for; it will not be paid, acknowledge in the epoch of the answer
)

// DeliveryHead starts every answer to a delivery request. The verified stream follows where Code is Delivered.
type DeliveryHead struct {
	_      struct{} `cbor:",toarray"`
	Code   DeliveryCode
	Epoch  remora.Epoch // of the cache: receipts are to name it
	Reason string       // for a person
}

// Encode returns the head behind its length as two bytes, big endian.
func (h *DeliveryHead) Encode() []byte {
	h.Reason = h.Reason[:min(len(h.Reason), maxHead/2)]
	body := remora.Encode(h)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...)
}

// DecodeDelivery splits an answer into head and stream. The stream is verified by whoever knows the content.
func DecodeDelivery(answer []byte) (head DeliveryHead, stream []byte, err error) {
	if len(answer) < 2 {
		return head, nil, fmt.Errorf("delivery: %w: an answer of %d bytes", remora.ErrMalformed, len(answer))
	}
	size, rest := int(binary.BigEndian.Uint16(answer)), answer[2:]
	if size > len(rest) {
		return head, nil, fmt.Errorf("delivery: %w: a head of %d bytes in an answer of %d", remora.ErrMalformed, size, len(answer))
	}
	if err := remora.Decode(rest[:size], maxHead, &head); err != nil {
		return head, nil, fmt.Errorf("delivery: %w", err)
	}
	return head, rest[size:], nil
}
