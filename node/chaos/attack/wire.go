package attack

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/trust"
)

// forger makes what one member of the committee can sign, in the product's own encoding. All that depends on formats is in
// this file.
type forger struct {
	genesis   *remora.Genesis
	committee *trust.Committee
	self      remora.Authority
	keys      *home.Signers
	seq       uint64 // of the newest batch
	invented  uint64 // hashes
}

// sealBatch returns the next batch of the member.
func (f *forger) sealBatch(epoch remora.Epoch, txs [][]byte) remora.Batch {
	var b remora.BatchBuilder
	for _, tx := range txs {
		b.Add(tx)
	}
	f.seq++
	return b.Seal(f.committee.Term, epoch, f.self, 0, f.seq)
}

// batchFrame returns a batch as it is sent to other members.
func (f *forger) batchFrame(b remora.Batch) []byte {
	ref := b.Ref()
	message := remora.BatchMessage(f.committee.Domain, b.Term, &ref)
	return peers.EncodeBatch(b, f.keys.Header.Sign(message[:]))
}

// newHeader returns a header of a round whose parents nobody has, different at each call.
func (f *forger) newHeader(round remora.Round) *remora.Header {
	h := &remora.Header{Term: f.committee.Term, Author: f.self, Round: round, CreatedAt: remora.Millis(time.Now().UnixMilli())}
	for a := range f.committee.Size() {
		h.Parents = append(h.Parents, remora.Parent{Author: remora.Authority(a), Digest: f.inventHash()})
	}
	h.Seal(f.committee.Domain)
	return h
}

// unsignedHeader returns a frame with a header whose signature is wrong.
func (f *forger) unsignedHeader(round remora.Round) []byte {
	h := f.newHeader(round)
	digest := f.inventHash()
	h.Signature = f.keys.Header.Sign(digest[:])
	return peers.EncodeFrame(peers.FrameHeader, remora.Encode(h))
}

// falseCertificate returns a frame with a certificate whose header the member signed and nobody voted for. The aggregate is
// a signature over something else.
func (f *forger) falseCertificate(round remora.Round, aggregate remora.BLSSignature) []byte {
	h := f.newHeader(round)
	digest := h.Digest()
	h.Signature = f.keys.Header.Sign(digest[:])
	c := remora.Certificate{Header: *h, Signers: remora.NewBitmap(f.committee.Size(), 0, 1, 2, 3), Signature: aggregate}
	return peers.EncodeFrame(peers.FrameCertificate, remora.Encode(&c))
}

// unrelatedSignature returns a signature of the member over nothing that anybody asks for.
func (f *forger) unrelatedSignature() remora.BLSSignature {
	message := f.inventHash()
	return f.keys.Consensus.Sign(message[:])
}

// ackFrame returns the acknowledgement of a batch.
func ackFrame(batch remora.Hash) []byte { return peers.EncodeAcks([]remora.Hash{batch})[0] }

// frameKind returns the kind of a frame on the channel of the DAG.
func frameKind(frame []byte) byte {
	if len(frame) == 0 {
		return 0
	}
	return frame[0]
}

// listsAny reports whether a frame holds a header that lists one of the batches.
func listsAny(d remora.Domain, frame []byte, batches map[remora.Hash]bool) bool {
	if frameKind(frame) != peers.FrameHeader {
		return false
	}
	h, err := remora.DecodeHeader(d, frame[1:])
	if err != nil {
		return false
	}
	for _, ref := range h.Payload {
		if batches[ref.Digest] {
			return true
		}
	}
	return false
}

// inventHash returns a hash that names nothing.
func (f *forger) inventHash() remora.Hash {
	f.invented++
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], f.invented)
	return remora.SumBLAKE3(b[:])
}

// transfer returns a signed transfer of one base unit.
func transfer(key *ed25519.PrivateKey, g *remora.Genesis, to remora.Address, nonce uint64) []byte {
	return client.Sign(key, g, client.Draft{Kind: remora.KindTransfer, Body: remora.Transfer{To: to, Amount: 1}}, client.Nonce{Nonce: nonce})
}

// spoilSignature returns a copy of a signed transaction with another signature, which ends its encoding.
func spoilSignature(tx []byte, with uint64) []byte {
	spoiled := append([]byte(nil), tx...)
	binary.BigEndian.PutUint64(spoiled[len(spoiled)-16:], with)
	return spoiled
}

// noiseTxs returns opaque transactions of so many bytes in all that nothing on the way can shorten.
func noiseTxs(bytes int) [][]byte {
	var txs [][]byte
	for ; bytes > 0; bytes -= remora.MaxTxBytes {
		payload := make([]byte, min(bytes, remora.MaxTxBytes)-16)
		_, _ = rand.Read(payload) // never fails
		txs = append(txs, remora.EncodeOpaque(payload))
	}
	return txs
}

// frameBatch returns the digest of the batch in a frame of the batches' channel, zero if there is none.
func frameBatch(frame []byte) remora.Hash {
	b, _, err := peers.DecodeBatch(frame)
	if err != nil {
		return remora.Hash{}
	}
	return b.Digest
}

// openSession returns a signed opening of a session that lasts long enough.
func openSession(owner *ed25519.PrivateKey, g *remora.Genesis, body remora.OpenSession) []byte {
	body.Scheme, body.Expiry = remora.SchemeBLS, 100
	return client.Sign(owner, g, client.Draft{Kind: remora.KindOpenSession, Body: body}, client.Nonce{})
}
