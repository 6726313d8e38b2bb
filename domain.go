package remora

// Domain separates what is hashed and signed for one chain from all others. It binds the chain id, the hash of the genesis
// and its fork number: a network that starts anew under its old id has another one, and so signatures of the old network
// hold nowhere in the new. The zero Domain is of no chain.
type Domain Hash

// NewDomain returns the domain of the chain that starts from the genesis with a hash. [Genesis.Domain] gives it all three.
func NewDomain(chainID string, genesis Hash, fork uint32) Domain {
	p := newPreimage("remora/domain/1", Domain{}).addBytes([]byte(chainID)).addHash(genesis).addUint(uint64(fork))
	return Domain(p.sumDigest())
}

// String returns the domain as lower-case hexadecimal.
func (d Domain) String() string { return Hash(d).String() }

// MarshalText encodes the domain as lower-case hexadecimal.
func (d Domain) MarshalText() ([]byte, error) { return Hash(d).MarshalText() }

// UnmarshalText decodes 64 lower-case hexadecimal digits.
func (d *Domain) UnmarshalText(text []byte) error { return decodeHex(d[:], text, "domain") }
