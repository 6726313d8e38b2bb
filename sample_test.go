package remora_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/remora-network/remora"
)

const chainID = "dev-test"

// Domains of chains whose genesis no test reads.
var (
	domain      = remora.NewDomain(chainID, sampleHash(30), 0)
	otherDomain = remora.NewDomain("dev-other", sampleHash(30), 0)
)

// fill writes bytes that differ by seed and place.
func fill(dst []byte, seed byte) {
	for i := range dst {
		dst[i] = seed + byte(7*i)
	}
}

func sampleHash(seed byte) (h remora.Hash) {
	fill(h[:], seed)
	return h
}

func sampleSignature(seed byte) (s remora.BLSSignature) {
	fill(s[:], seed)
	return s
}

// sampleMembers returns members whose keys are in the order of their positions.
func sampleMembers(stakes ...remora.Amount) []remora.Member {
	members := make([]remora.Member, len(stakes))
	for i, stake := range stakes {
		m := remora.Member{
			Name: fmt.Sprintf("v%d", i), Stake: stake, PeerID: strings.ReplaceAll(fmt.Sprintf("peer%d", i), "0", "z"), // base58 has no zero
			Addrs: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 4000+i)},
		}
		fill(m.Consensus[:], byte(i))
		fill(m.Beacon[:], byte(i)+100)
		fill(m.Header[:], byte(i)+200)
		m.Consensus[0], m.Consensus[1] = byte(i>>8), byte(i)
		m.Beacon[0], m.Beacon[1] = byte(i>>8), byte(i)
		m.Header[0], m.Header[1] = byte(i>>8), byte(i)
		members[i] = m
	}
	return members
}

func sampleCommittee(t testing.TB, stakes ...remora.Amount) *remora.Committee {
	t.Helper()
	c, err := remora.NewCommittee(domain, 1, sampleMembers(stakes...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sampleHeader returns a valid header of round 2 for a committee of four, with something in each field.
func sampleHeader() *remora.Header {
	h := &remora.Header{
		Term: 1, Author: 3, Round: 2, CreatedAt: 1_700_000_000_123,
		Payload: []remora.BatchRef{
			{Digest: sampleHash(1), Author: 3, Worker: 2, Epoch: 300, Seq: 77, Bytes: 5000, Count: 9, Weight: 6000},
			{Digest: sampleHash(2), Author: 1},
		},
		Proofs:  []remora.Signature{{7, 7}},
		Parents: []remora.Parent{{Digest: sampleHash(3)}, {Author: 1, Digest: sampleHash(4)}, {Author: 3, Digest: sampleHash(5)}},
		Shares:  []remora.Share{{Height: 70_000, Hash: sampleHash(6), Signature: sampleSignature(7)}},
		Contributions: []remora.Contribution{
			{Step: 24, Signature: sampleSignature(8)},
		},
	}
	fill(h.Signature[:], 9)
	h.Seal(domain)
	return h
}

func sampleVote() *remora.Vote {
	h := sampleHeader()
	return &remora.Vote{Term: h.Term, Round: h.Round, Author: h.Author, Digest: h.Digest(), Voter: 1, Signature: sampleSignature(10)}
}

func sampleCertificate() *remora.Certificate {
	return &remora.Certificate{Header: *sampleHeader(), Signers: remora.NewBitmap(4, 0, 1, 3), Signature: sampleSignature(11)}
}

func sampleBlockHeader() *remora.BlockHeader {
	return &remora.BlockHeader{
		Version: remora.ProtocolVersion, Domain: domain, Height: 9, Epoch: 2, Term: 1, Time: 1_700_000_000_456,
		Parent: sampleHash(12), SubDAG: sampleHash(13), TxRoot: sampleHash(14), ResultsRoot: sampleHash(15),
		StateRoot: sampleHash(16), Beacon: remora.Seed{Step: 5, Hash: sampleHash(17)}, NextCommittee: sampleHash(18),
	}
}

func sampleBlock() *remora.Block {
	return &remora.Block{
		Header: *sampleBlockHeader(), DAG: []*remora.Header{sampleHeader(), sampleHeader()},
		Batches: []remora.Hash{sampleHash(1)}, Results: []byte{0, 3},
	}
}

func sampleTx() *remora.Tx {
	tx := &remora.Tx{Kind: remora.KindTransfer, ChainID: chainID, Nonce: 256, Fee: 1000, ValidUntil: 70_000}
	fill(tx.From[:], 19)
	fill(tx.Signature[:], 20)
	body := remora.Transfer{Amount: 65_536}
	fill(body.To[:], 21)
	tx.Body = remora.Encode(body)
	return tx
}

func sampleBatch() remora.Batch {
	var b remora.BatchBuilder
	b.Add(remora.Encode(sampleTx()))
	b.Add(remora.EncodeOpaque([]byte("opaque")))
	return b.Seal(1, 7, 3, 1, 42)
}

func sampleGenesis() *remora.Genesis {
	g := &remora.Genesis{
		ChainID: chainID, Time: 1_700_000_000_000,
		Params: remora.Params{Rule: "bullshark", BlockWeight: remora.DefaultBlockWeight, QueueBytes: remora.DefaultQueueBytes, GCDepth: 50, EpochMillis: 60_000, MinFee: 1, WeightPrice: 2},
	}
	for i, m := range sampleMembers(100, 100, 100, 100) {
		v := remora.GenesisValidator{Stake: m.Stake, Node: remora.Node{
			Name: m.Name, Roles: remora.RoleValidator, Consensus: m.Consensus, Possession: sampleSignature(byte(22 + i)),
			Beacon: m.Beacon, BeaconPoP: sampleSignature(byte(32 + i)), Header: m.Header, PeerID: m.PeerID, Addrs: m.Addrs,
		}}
		fill(v.Account[:], byte(42+i))
		g.Validators = append(g.Validators, v)
	}
	account := remora.GenesisAccount{Balance: 1_000_000}
	fill(account.Address[:], 52)
	g.Accounts = []remora.GenesisAccount{account}
	return g
}
