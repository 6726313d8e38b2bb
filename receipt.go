package remora

import "fmt"

// MaxExtents bounds the extents of one receipt.
const MaxExtents = 1 << 16

// Extent is a run of delivered bytes of one content. It begins with a chunk.
type Extent struct {
	_       struct{} `cbor:",toarray"`
	Content Content
	First   uint64 // number of the chunk that it begins with
	Bytes   uint64
}

// Check reports an extent that is empty or exceeds its content.
func (e *Extent) Check() error {
	length := e.Content.Length
	if length > MaxContentBytes || e.Bytes == 0 || e.First >= (length+maxChunk-1)/maxChunk || e.Bytes > length-e.First*maxChunk {
		return fmt.Errorf("%w: an extent of %d bytes from chunk %d exceeds its content of %d bytes, or is empty", ErrInvalid, e.Bytes, e.First, length)
	}
	return nil
}

// Start returns the offset of the extent's first byte in the content.
func (e *Extent) Start() uint64 { return e.First * maxChunk }

// Receipt is a client's cumulative statement of the bytes that a node delivered in a session and epoch. Only the last one counts;
// each covers all extents of the one before, the last of them possibly lengthened.
type Receipt struct {
	_       struct{} `cbor:",toarray"`
	Session SessionID
	Node    Address
	Epoch   Epoch
	Bytes   uint64 // the sum of the extents
	Extents uint32 // their number
	Root    Hash   // of the sum tree over them (proofs/delivery)
}

// Message returns the hash that the session's key signs under the session's scheme.
func (r *Receipt) Message(d Domain, scheme Scheme) Hash {
	return r.preimage("remora/receipt/1", d).addUint(uint64(scheme)).sumDigest()
}

// Leaf returns the receipt's hash in the tree to which a claim commits.
func (r *Receipt) Leaf(d Domain) Hash {
	return r.preimage("remora/receipt-leaf/1", d).sumDigest()
}

func (r *Receipt) preimage(tag string, d Domain) *preimage {
	p := newPreimage(tag, d).addUint(uint64(r.Session)).addBytes(r.Node[:]).addUint(uint64(r.Epoch))
	return p.addUint(r.Bytes).addUint(uint64(r.Extents)).addHash(r.Root)
}

// SignedReceipt is a receipt with its client's signature.
type SignedReceipt struct {
	_         struct{} `cbor:",toarray"`
	Receipt   Receipt
	Signature BLSSignature
}

// DeliveryMessage returns the hash that a session's key signs so that a node serves the holder of pass: the client, or anybody
// to whom the client gave it.
func DeliveryMessage(d Domain, session SessionID, node Address, pass Hash) Hash {
	return newPreimage("remora/delivery/1", d).addUint(uint64(session)).addBytes(node[:]).addHash(pass).sumDigest()
}
