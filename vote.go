package remora

import "fmt"

// MaxVoteBytes bounds an encoded vote.
const MaxVoteBytes = 256

// Vote is a signature on a header. The connection on which it arrives authenticates the voter.
type Vote struct {
	_         struct{} `cbor:",toarray"`
	Term      Term
	Round     Round
	Author    Authority // of the header
	Digest    Hash      // of the header
	Voter     Authority
	Signature BLSSignature // over VoteMessage
}

// DecodeVote decodes a vote.
func DecodeVote(b []byte) (*Vote, error) {
	v := new(Vote)
	if err := Decode(b, MaxVoteBytes, v); err != nil {
		return nil, fmt.Errorf("vote: %w", err)
	}
	return v, nil
}
