package client

import (
	"github.com/remora-network/remora"
)

// Status describes the state of a node at one moment.
type Status struct {
	ChainID         string        `json:"chain_id"`
	Genesis         remora.Hash   `json:"genesis"`
	Fork            uint32        `json:"fork" doc:"of the genesis; signatures bind it, with chain id and genesis"`
	Node            string        `json:"node"`
	Roles           string        `json:"roles"`
	Version         string        `json:"version"`
	Height          remora.Height `json:"height" doc:"of the newest executed block"`
	Hash            remora.Hash   `json:"hash" doc:"of the newest executed block, at height 0 of the genesis"`
	Time            remora.Millis `json:"time" doc:"of the newest executed block"`
	CertifiedHeight remora.Height `json:"certified_height"`
	Epoch           remora.Epoch  `json:"epoch" doc:"of the newest executed block"`
	Term            remora.Term   `json:"term"`
	Round           remora.Round  `json:"round" doc:"of the DAG"`
	StateRoot       remora.Hash   `json:"state_root" doc:"after the newest executed block"`
	CommitteeSize   int           `json:"committee_size"`
	Peers           int           `json:"peers"`
	Synced          bool          `json:"synced"`
	Observer        bool          `json:"observer" doc:"a validator that signs nothing after equal crashes in a row"`
	ObserverReason  string        `json:"observer_reason,omitempty" doc:"why it signs nothing"`
	Limits          []LimitHit    `json:"limits,omitempty" doc:"limits that somebody is held to now, those with the most hits first"`
}

// LimitHit says that somebody is held to a limit of the node. The node serves others meanwhile.
type LimitHit struct {
	Limit string        `json:"limit"`
	Who   string        `json:"who" doc:"an address, an account or the name of a peer"`
	Count uint64        `json:"count" doc:"refusals since"`
	Since remora.Millis `json:"since"`
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
	Beacon        Seed           `json:"beacon" doc:"the newest step that is fixed by this block or an earlier one"`
	NextCommittee *remora.Hash   `json:"next_committee" doc:"null unless the committee changes after this block"`
	Txs           int            `json:"txs"`
	Results       map[string]int `json:"results" doc:"number of transactions by result"`
	Headers       int            `json:"headers"`
	Leader        string         `json:"leader"`
	Batches       []remora.Hash  `json:"batches"`
	Certificate   *Certificate   `json:"certificate" doc:"null until it has formed"`
}

// Seed is a step of the beacon.
type Seed struct {
	Step uint64      `json:"step"`
	Hash remora.Hash `json:"hash"`
}

// Certificate names the signers of a block.
type Certificate struct {
	Signers []string      `json:"signers" doc:"names of the validators that signed"`
	Stake   remora.Amount `json:"stake"`
	Quorum  remora.Amount `json:"quorum" doc:"the stake that a certificate needs"`
}

// Account is the account of an address after the newest block.
type Account struct {
	Address   remora.Address `json:"address"`
	Exists    bool           `json:"exists"`
	Balance   remora.Amount  `json:"balance"`
	Nonce     uint64         `json:"nonce" doc:"the lowest unused nonce"`
	Stake     remora.Amount  `json:"stake"`
	Height    remora.Height  `json:"height"`
	StateRoot remora.Hash    `json:"state_root"`
}

// Nonce is a nonce that the node reserved for the caller.
type Nonce struct {
	Nonce uint64       `json:"nonce"`
	Epoch remora.Epoch `json:"epoch" doc:"of the next block: transactions name the last epoch in which they are valid"`
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
	Next  *remora.Address `json:"next" doc:"pass it as after for the next page; null at the end"`
}

// Tx says where and how a transaction was executed.
type Tx struct {
	Hash     remora.Hash   `json:"hash"`
	Height   remora.Height `json:"height"`
	Position int           `json:"position" doc:"index among the transactions of the block"`
	Result   remora.Code   `json:"result" doc:"ok, or the code of the rejection"`
	Time     remora.Millis `json:"time" doc:"of the block"`
}

// Submitted is the answer to a binary submission.
type Submitted struct {
	Batches  []remora.Hash `json:"batches" doc:"digests of the batches that hold the transactions, durable at this node"`
	Tx       []int         `json:"tx" min:"-1" doc:"for each transaction its place in batches, -1 when it was rejected"`
	Waiting  []int         `json:"waiting" doc:"indices of those that waited at this node already, ascending: they are in the batch of the first submission"`
	Rejected []Rejected    `json:"rejected" doc:"by index, ascending"`
}

// Rejected is the reason to reject a transaction: a code of the state machine or of the node that was asked.
type Rejected struct {
	Index   int    `json:"index"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// SentTxs is the answer to tx.send, in the order of the transactions.
type SentTxs struct {
	Results []SentTx `json:"results"`
}

// SentTx is the batch that holds a transaction, or the reason to reject it.
type SentTx struct {
	Hash    remora.Hash  `json:"hash"`
	Batch   *remora.Hash `json:"batch,omitempty"`
	Waiting bool         `json:"waiting,omitempty" doc:"it waited at this node already"`
	Error   *ErrorBody   `json:"error,omitempty"`
}

// Event announces an executed block.
type Event struct {
	Height  remora.Height `json:"height"`
	Hash    remora.Hash   `json:"hash"`
	Time    remora.Millis `json:"time"`
	Epoch   remora.Epoch  `json:"epoch"`
	Txs     int           `json:"txs"`
	Batches []remora.Hash `json:"batches" doc:"digests of the batches that the block executed, in order"`
}
