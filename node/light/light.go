// Package light proves answers of a node, and verifies them offline with the genesis alone, without trust in the node.
//
// A node makes a proof with [ProveBlock] or [ProveAccount] from a header and its certificate ([Certify]). A BlockProof is a
// block header with its certificate; an AccountProof is an account, or its absence, with the path from its row to the
// state root of a certified block. The receiver decodes a proof with [ParseBlock] or [ParseAccount], which accept one
// spelling only, and verifies it with [VerifyBlock] or [VerifyAccount]. An error that is [ErrUnverified] means that the
// answer does not follow from the genesis.
package light

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client/strict"
	"github.com/remora-network/remora/node/trust"
)

// ErrUnverified says that an answer does not follow from the genesis. Ask another node.
var ErrUnverified = errors.New("not proven by this genesis")

// maxRecord bounds an encoded block header or block certificate.
const maxRecord = 4 << 10

// MaxDocument bounds an answer with its proof: a path of 256 hashes takes 17 KiB of it.
const MaxDocument = 64 << 10

// Hex is a byte string, in JSON as lower-case hexadecimal.
type Hex []byte

// MarshalText encodes lower-case hexadecimal.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText decodes lower-case hexadecimal. Upper case is refused: a value has one spelling.
func (h *Hex) UnmarshalText(text []byte) error {
	for _, c := range text {
		if c >= 'A' && c <= 'F' {
			return fmt.Errorf("%w: %q is not a lower-case hexadecimal digit", remora.ErrInvalid, c)
		}
	}
	b, err := hex.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("%w: %v", remora.ErrInvalid, err)
	}
	*h = b
	return nil
}

// Certified is a block header with its certificate and the committees from that of the genesis to the one that signed.
type Certified struct {
	Header      Hex           `json:"header" doc:"canonical CBOR of the block header"`
	Certificate Hex           `json:"certificate" doc:"canonical CBOR of the block certificate"`
	Committees  []remora.Hash `json:"committees" doc:"hashes of the committees of all terms up to the block's, the genesis committee first"`
}

// Certify returns the part of a proof that a header and its certificate by committee make up.
func Certify(h *remora.BlockHeader, c *remora.BlockCertificate, committee *remora.Committee) Certified {
	return Certified{Header: remora.Encode(h), Certificate: remora.Encode(c), Committees: []remora.Hash{committee.Hash()}}
}

// BlockProof is a block with its certificate.
type BlockProof struct {
	Height remora.Height `json:"height"`
	Hash   remora.Hash   `json:"hash"`
	Certified
}

// ProveBlock returns the proof of a certified block.
func ProveBlock(h *remora.BlockHeader, at Certified) *BlockProof {
	return &BlockProof{Height: h.Height, Hash: h.Hash(), Certified: at}
}

// ParseBlock decodes the proof of a block from JSON, strictly, so that it means the same to every reader.
func ParseBlock(data []byte) (*BlockProof, error) { return parseDocument[BlockProof](data) }

// VerifyBlock verifies the proof of a block with the genesis and returns the proven header.
func VerifyBlock(g *remora.Genesis, p *BlockProof) (*remora.BlockHeader, error) {
	h, err := p.openHeader(g)
	if err != nil {
		return nil, err
	}
	if p.Height != h.Height || p.Hash != h.Hash() {
		return nil, unverified("it claims block %d %s, the certificate is for block %d %s", p.Height, p.Hash, h.Height, h.Hash())
	}
	return h, nil
}

// openHeader verifies the certificate and returns the header.
func (c *Certified) openHeader(g *remora.Genesis) (*remora.BlockHeader, error) {
	if err := g.Check(); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	members, err := g.Committee()
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	if len(c.Committees) != 1 || c.Committees[0] != members.Hash() {
		return nil, unverified("its committees are not the one of the genesis, %s", members.Hash())
	}
	header, certificate := new(remora.BlockHeader), new(remora.BlockCertificate)
	if err := remora.Decode(c.Header, maxRecord, header); err != nil {
		return nil, unverified("block header: %v", err)
	}
	if err := remora.Decode(c.Certificate, maxRecord, certificate); err != nil {
		return nil, unverified("block certificate: %v", err)
	}
	committee, err := trust.New(members)
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	if err := CheckHeader(members, header); err != nil {
		return nil, err
	}
	return header, wrapUnproven(committee.CheckBlockCertificate(header, certificate))
}

// CheckHeader checks that a header has the chain and term of the committee and the protocol version of this build.
func CheckHeader(committee *remora.Committee, h *remora.BlockHeader) error {
	switch {
	case h.Domain != committee.Domain:
		return unverified("block %d is of another chain or fork than the genesis: domain %s, want %s", h.Height, h.Domain, committee.Domain)
	case h.Version != remora.ProtocolVersion:
		return unverified("block %d is of protocol version %d, this build knows %d", h.Height, h.Version, remora.ProtocolVersion)
	case h.Term != committee.Term:
		return unverified("block %d is of term %d, the committee is of term %d", h.Height, h.Term, committee.Term)
	}
	return nil
}

func unverified(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnverified}, args...)...)
}

func parseDocument[T any](data []byte) (*T, error) {
	if len(data) > MaxDocument {
		return nil, unverified("a document of %d bytes, at most %d", len(data), MaxDocument)
	}
	doc := new(T)
	if err := strict.Decode(data, doc); err != nil {
		return nil, unverified("%v", err)
	}
	return doc, nil
}
