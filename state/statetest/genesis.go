package statetest

import (
	"fmt"
	"strings"

	"github.com/remora-network/remora"
)

// Constants of the chains that Genesis describes.
const (
	StartTime   remora.Millis = 1_000_000
	EpochMillis remora.Millis = 1_000
	MinFee      remora.Amount = 10
	WeightPrice remora.Amount = 5
	Balance     remora.Amount = 1_000_000 // of each funded account
	Stake       remora.Amount = 1_000     // of each validator

	// The price is about one base unit per byte. It and the treasury's part are primes: hardly any division has no remainder.
	PricePerMiB      remora.Amount = 1_000_003
	TreasuryPerMille uint16        = 37
)

// Genesis returns the genesis of a chain with the given number of equal validators, named v0, v1 and so on in the order of the
// committee, and the funded accounts.
func Genesis(chainID string, validators int, funded ...string) *remora.Genesis {
	g := &remora.Genesis{
		ChainID: chainID,
		Time:    StartTime,
		Params: remora.Params{
			Rule: "bullshark", BlockWeight: remora.DefaultBlockWeight, QueueBytes: remora.DefaultQueueBytes, GCDepth: 50, EpochMillis: EpochMillis, MinFee: MinFee, WeightPrice: WeightPrice,
			PricePerMiB: PricePerMiB, TreasuryPerMille: TreasuryPerMille,
		},
	}
	for i := range validators {
		node := Node(fmt.Sprintf("v%d", i), remora.RoleValidator)
		node.Consensus[0] = byte(i) // the committee's order
		node.Possession = Prove(node.Consensus)
		g.Validators = append(g.Validators, remora.GenesisValidator{Account: Address(node.Name), Stake: Stake, Node: node})
	}
	for _, name := range funded {
		g.Accounts = append(g.Accounts, remora.GenesisAccount{Address: Address(name), Balance: Balance})
	}
	return g
}

// Address returns the account that a name stands for.
func Address(name string) remora.Address {
	var a remora.Address
	fillHashes(a[:], "address", []byte(name), nil)
	return a
}

// Node returns a record whose keys, valid proofs and addresses follow from its name.
func Node(name string, roles remora.Roles) remora.Node {
	n := remora.Node{
		Name: name, Roles: roles, Header: Address("header of " + name),
		PeerID: "12D3" + strings.ReplaceAll(Address("peer "+name).String(), "0", "z"), // base58 has no 0
		Addrs:  []string{"/ip4/127.0.0.1/tcp/4001"},
	}
	fillHashes(n.Consensus[:], "consensus key", []byte(name), nil)
	fillHashes(n.Beacon[:], "beacon key", []byte(name), nil)
	n.Possession, n.BeaconPoP = Prove(n.Consensus), Prove(n.Beacon)
	return n
}
