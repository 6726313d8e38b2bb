package transfer

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/proofs/content"
)

// AskDelivery is the protocol of deliveries that a session pays for. A gateway relays it between a client and a cache.
const AskDelivery = "delivery"

const (
	// MaxDeliveryRequest bounds an encoded request.
	MaxDeliveryRequest = 512 << 10
	// MaxDelivery bounds an answer: its head, with the length of 2 bytes, and a verified stream.
	MaxDelivery = MaxAnswer + 4<<10
	// maxHead bounds the head of an answer.
	maxHead = 1 << 10
)

// DeliveryRequest asks for the verified stream of a range and acknowledges earlier ones. A cache judges the receipt first:
// NotHeld, WindowClosed and AllotmentSpent say that it took the receipt. A receipt may be sent again.
type DeliveryRequest struct {
	_       struct{} `cbor:",toarray"`
	Session remora.SessionID
	// Pass is drawn by the client for each fetch; Proof is the session key's signature of remora.DeliveryMessage.
	Pass    remora.Hash
	Proof   remora.BLSSignature
	Content remora.Content
	Offset  uint64
	Bytes   uint64                    // 0: the request only acknowledges
	Acks    []session.Acknowledgement // one at most
}

// Range returns the range that is asked for.
func (r *DeliveryRequest) Range() content.Range {
	return content.Range{Offset: r.Offset, Length: r.Bytes}
}

// ForSeller returns the request as the seller's books take it, without what only the cache knows.
func (r *DeliveryRequest) ForSeller() session.Request {
	return session.Request{ID: r.Session, Pass: r.Pass, Proof: r.Proof, Content: r.Content, Bytes: r.Bytes, Acks: r.Acks}
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
		if err := r.Acks[i].Check(); err != nil {
			return nil, fmt.Errorf("delivery request: %w", err)
		}
	}
	return r, nil
}

// DeliveryHead starts every answer to a delivery request. The verified stream follows where Code is Delivered.
type DeliveryHead struct {
	_      struct{} `cbor:",toarray"`
	Code   session.Code
	Epoch  remora.Epoch // of the cache: the next receipt should name it
	Reason string       // for a person
}

// Encode returns the head behind its length as two bytes, big endian.
func (h *DeliveryHead) Encode() []byte {
	h.Reason = h.Reason[:min(len(h.Reason), maxHead/2)]
	body := remora.Encode(h)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...)
}

// DecodeDelivery splits an answer into head and stream. The caller verifies the stream.
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
