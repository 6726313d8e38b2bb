package client

import (
	"github.com/remora-network/remora"
)

// Status is where a node stands. All of it is of one moment.
type Status struct {
	ChainID         string        `json:"chain_id"`
	Genesis         remora.Hash   `json:"genesis"`
	Node            string        `json:"node"`
	Roles           string        `json:"roles"`
	Version         string        `json:"version"`
	Height          remora.Height `json:"height"` // newest executed block
	Hash            remora.Hash   `json:"hash"`   // of that block, of the genesis at height 0
	Time            remora.Millis `json:"time"`   // of that block
	CertifiedHeight remora.Height `json:"certified_height"`
	Epoch           remora.Epoch  `json:"epoch"` // of that block
	Term            remora.Term   `json:"term"`
	Round           remora.Round  `json:"round"`      // of the DAG
	StateRoot       remora.Hash   `json:"state_root"` // after block Height
	CommitteeSize   int           `json:"committee_size"`
	Peers           int           `json:"peers"`
	Synced          bool          `json:"synced"`
	Observer        bool          `json:"observer"`                  // a validator that signs nothing
	ObserverReason  string        `json:"observer_reason,omitempty"` // why
}

// Block is an executed block without the bytes of its transactions.
type Block struct {
	Version       uint16         `json:"version"`
	ChainID       string         `json:"chain_id"`
	Height        remora.Height  `json:"height"`
	Epoch         remora.Epoch   `json:"epoch"`
	Term          remora.Term    `json:"term"`
	Time          remora.Millis  `json:"time"`
	Hash          remora.Hash    `json:"hash"`
	Parent        remora.Hash    `json:"parent"`
	SubDAG        remora.Hash    `json:"sub_dag"`
	TxRoot        remora.Hash    `json:"tx_root"`
	ResultsRoot   remora.Hash    `json:"results_root"`
	StateRoot     remora.Hash    `json:"state_root"`
	Beacon        Seed           `json:"beacon"`         // newest step fixed by or before this block
	NextCommittee *remora.Hash   `json:"next_committee"` // null unless the committee changes after this block
	Txs           int            `json:"txs"`
	Results       map[string]int `json:"results"` // transactions by result
	Headers       int            `json:"headers"`
	Leader        string         `json:"leader"`
	Batches       []remora.Hash  `json:"batches"`
	Certificate   *Certificate   `json:"certificate"` // null until it has formed
}

// Seed is a step of the beacon.
type Seed struct {
	Step uint64      `json:"step"`
	Hash remora.Hash `json:"hash"`
}

// Certificate says who signed a block.
type Certificate struct {
	Signers []string      `json:"signers"` // names of members
	Stake   remora.Amount `json:"stake"`
	Quorum  remora.Amount `json:"quorum"` // stake that a certificate needs
}

// Account is what an address holds after the newest block.
type Account struct {
	Address   remora.Address `json:"address"`
	Exists    bool           `json:"exists"`
	Balance   remora.Amount  `json:"balance"`
	Nonce     uint64         `json:"nonce"` // lowest unused one
	Stake     remora.Amount  `json:"stake"`
	Height    remora.Height  `json:"height"`
	StateRoot remora.Hash    `json:"state_root"`
}

// Nonce is a nonce that the node set aside for whoever asked.
type Nonce struct {
	Nonce uint64 `json:"nonce"`
}

// Node is an entry of the registry.
type Node struct {
	Address remora.Address `json:"address"`
	Stake   remora.Amount  `json:"stake"`
	remora.Node
}

// Nodes is a page of the registry.
type Nodes struct {
	Nodes []Node          `json:"nodes"`
	Next  *remora.Address `json:"next"` // pass it as after for the next page; null at the end
}

// Tx says where and how a transaction was executed.
type Tx struct {
	Hash     remora.Hash   `json:"hash"`
	Height   remora.Height `json:"height"`
	Position int           `json:"position"` // among the block's transactions
	Result   remora.Code   `json:"result"`   // ok or the code of the rejection
	Time     remora.Millis `json:"time"`     // of the block
}

// Submitted is the answer to a binary submission.
type Submitted struct {
	Batches  []remora.Hash `json:"batches"`  // that took transactions; durable at the node that answered
	Tx       []int         `json:"tx"`       // per transaction its place in Batches, -1 when it was rejected
	Rejected []Rejected    `json:"rejected"` // by index, ascending
}

// Rejected says why a transaction was not taken: a code of the state machine, or SERVER_BUSY.
type Rejected struct {
	Index   int    `json:"index"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Event announces an executed block.
type Event struct {
	Height  remora.Height `json:"height"`
	Hash    remora.Hash   `json:"hash"`
	Time    remora.Millis `json:"time"`
	Epoch   remora.Epoch  `json:"epoch"`
	Txs     int           `json:"txs"`
	Batches []remora.Hash `json:"batches"` // that it executed, in order
}
