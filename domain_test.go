package remora_test

import (
	"testing"

	"github.com/remora-network/remora"
)

// messages lists everything that this package hashes or signs for a chain.
var messages = map[string]func(d remora.Domain) remora.Hash{
	"header":      func(d remora.Domain) remora.Hash { return sampleHeader().Seal(d) },
	"vote":        func(d remora.Domain) remora.Hash { return remora.VoteMessage(d, sampleHeader()) },
	"block share": func(d remora.Domain) remora.Hash { return remora.BlockMessage(d, 9, sampleHash(1)) },
	"beacon":      func(d remora.Domain) remora.Hash { return remora.BeaconMessage(d, 4, sampleHash(1)) },
	"block": func(d remora.Domain) remora.Hash {
		h := sampleBlockHeader()
		h.Domain = d
		return h.Hash()
	},
	"sub-DAG": func(d remora.Domain) remora.Hash {
		return (&remora.SubDAG{Headers: []*remora.Header{sampleHeader()}, Previous: sampleHash(1)}).Digest(d)
	},
	"batches of a block": func(d remora.Domain) remora.Hash { return remora.TxRoot(d, []remora.Hash{sampleHash(1)}) },
	"results of a block": func(d remora.Domain) remora.Hash { return remora.ResultsRoot(d, []byte{0}) },
	"committee":          func(d remora.Domain) remora.Hash { return committeeOf(d).Hash() },
	"origin of a term": func(d remora.Domain) remora.Hash {
		return remora.GenesisParents(committeeOf(d), sampleHash(1))[0].Digest
	},
	"transaction": func(d remora.Domain) remora.Hash { return sampleTx().Message(d) },
	"receipt": func(d remora.Domain) remora.Hash {
		return (&remora.Receipt{Session: 3}).Message(d, remora.SchemeBLS)
	},
	"receipt in a claim": func(d remora.Domain) remora.Hash { return (&remora.Receipt{Session: 3}).Leaf(d) },
	"claim":              func(d remora.Domain) remora.Hash { return (&remora.CommitClaim{Epoch: 2}).ID(d, remora.Address{1}) },
	"delivery": func(d remora.Domain) remora.Hash {
		return remora.DeliveryMessage(d, 3, remora.Address{1}, sampleHash(1))
	},
}

func committeeOf(d remora.Domain) *remora.Committee {
	return &remora.Committee{Domain: d, Term: 1, Members: sampleMembers(1, 1, 1, 1)}
}

// TestRelaunchedNetwork relaunches a network under its chain id, at another time or only with another fork number: keys that
// both have sign nothing in one that holds in the other.
func TestRelaunchedNetwork(t *testing.T) {
	first, later, forked := sampleGenesis(), sampleGenesis(), sampleGenesis()
	later.Time++
	forked.Fork++
	domains := []remora.Domain{{}, first.Domain(), later.Domain(), forked.Domain()}
	seen := map[remora.Hash]string{}
	for name, message := range messages {
		for _, d := range domains {
			m := message(d)
			if other, found := seen[m]; found {
				t.Errorf("the message of a %s in domain %s is also that of a %s", name, d, other)
			}
			seen[m] = name
		}
	}
}

// TestDomainBinds changes each part of a domain alone.
func TestDomainBinds(t *testing.T) {
	d := remora.NewDomain("dev-a", sampleHash(1), 0)
	for name, other := range map[string]remora.Domain{
		"chain id": remora.NewDomain("dev-b", sampleHash(1), 0),
		"genesis":  remora.NewDomain("dev-a", sampleHash(2), 0),
		"fork":     remora.NewDomain("dev-a", sampleHash(1), 1),
	} {
		if other == d {
			t.Errorf("the domain does not bind the %s", name)
		}
	}
	if g := sampleGenesis(); g.Domain() != remora.NewDomain(g.ChainID, g.Hash(), g.Fork) {
		t.Error("the genesis has another domain than its parts")
	}
}
