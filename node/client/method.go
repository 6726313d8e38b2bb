package client

import (
	"encoding/hex"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/light"
)

// Declaration describes one method of the API.
type Declaration struct {
	ID      string // operationId in OpenAPI; empty without a route
	Name    string // in JSON-RPC; empty: not a method of it
	Route   string // verb and path, a pattern of http.ServeMux; empty: JSON-RPC only
	Media   string // type of the answer; empty: JSON
	Summary string
}

// Method declares one method of the API. P is the struct of its parameters, with the tags of package param, and D the
// document that it answers with. doc tags of both become the descriptions of OpenAPI.
type Method[P, D any] Declaration

// The methods of the API.
var (
	GetStatus  = Method[None, Status]{ID: "status", Name: "status", Route: "GET /v1/status", Summary: "The state of the node at one moment"}
	GetGenesis = Method[None, remora.Genesis]{ID: "genesis", Name: "genesis", Route: "GET /v1/genesis", Summary: "The genesis of the chain"}
	GetBlock   = Method[BlockQuery, Block]{
		ID: "block", Name: "block", Route: "GET /v1/blocks/{height}", Summary: "An executed block without its transactions",
	}
	ProveBlock = Method[CertifiedQuery, light.BlockProof]{
		ID: "blockProof", Name: "block.proof", Route: "GET /v1/blocks/{height}/proof",
		Summary: "A block header with its certificate, to be verified with the genesis",
	}
	GetCertifiedBlock = Method[CertifiedQuery, remora.CertifiedBlock]{
		ID: "certifiedBlock", Route: "GET /v1/blocks/{height}/certified", Media: "application/cbor",
		Summary: "A block with its batches and its certificate, as canonical CBOR",
	}
	GetCertifiedBlocks = Method[RangeQuery, []remora.CertifiedBlock]{
		ID: "certifiedBlocks", Route: "GET /v1/blocks", Media: "application/octet-stream",
		Summary: "Certified blocks with their batches, each after its length as four bytes, big endian; the answer ends early " +
			"when it is large and where certificates end; a block before the last may lack its own certificate",
	}
	GetAccount = Method[AccountQuery, Account]{
		ID: "account", Name: "account", Route: "GET /v1/accounts/{address}",
		Summary: "The account of an address after the newest block; with prove after the newest certified block, with the proof; an account that holds nothing does not exist",
	}
	ReserveNonce = Method[AddressQuery, Nonce]{
		ID: "nonce", Name: "account.nonce", Route: "POST /v1/accounts/{address}/nonce",
		Summary: "Reserve an unused nonce for some seconds",
	}
	SendTxs = Method[SendQuery, SentTxs]{Name: "tx.send", Summary: "Submit transactions; those that are answered without an error are durable at this node"}
	GetTx   = Method[TxQuery, Tx]{
		ID: "tx", Name: "tx.get", Route: "GET /v1/txs/{hash}", Summary: "The place and result of an executed transaction",
	}
	WaitTx    = Method[WaitTxQuery, Tx]{Name: "tx.wait", Summary: "The place and result of a transaction, once it is executed"}
	ListNodes = Method[NodeListQuery, Nodes]{
		ID: "nodes", Name: "node.list", Route: "GET /v1/nodes", Summary: "A page of the registry, by account",
	}
	GetNode = Method[NodeQuery, Node]{
		ID: "node", Name: "node", Route: "GET /v1/nodes/{name}", Summary: "A registered node, by name or account",
	}
	ListClaims = Method[ClaimListQuery, Claims]{
		ID: "claims", Name: "claim.list", Route: "GET /v1/nodes/{name}/claims",
		Summary: "A page of a node's claims, by the epoch of their receipts",
	}
	ListSessions = Method[SessionListQuery, Sessions]{
		ID: "sessions", Name: "session.list", Route: "GET /v1/accounts/{address}/sessions",
		Summary: "A page of an account's sessions by number, or the session with a given number",
	}
	GetSession = Method[SessionQuery, Session]{
		ID: "session", Name: "session", Route: "GET /v1/sessions/{id}", Summary: "A session with its grants, until it is refunded",
	}
	WatchBlocks = Method[EventQuery, Event]{
		ID: "events", Route: "GET /v1/events", Media: "text/event-stream",
		Summary: "One server-sent event per executed block, its id the height; the stream lasts until the reader leaves",
	}
)

// Parameters of the methods.
type (
	// None stands for the parameters of a method that has none.
	None struct{}
	// BlockQuery names a block.
	BlockQuery struct {
		Height remora.Height `json:"height"`
	}
	// CertifiedQuery names a block and the time to wait for its certificate.
	CertifiedQuery struct {
		Height remora.Height `json:"height"`
		WaitMS uint64        `json:"wait_ms" http:"wait" default:"0" max:"30000" doc:"wait for at most this time, in milliseconds"`
	}
	// RangeQuery names a range of blocks, both ends included.
	RangeQuery struct {
		From remora.Height `json:"from"`
		To   remora.Height `json:"to"`
	}
	// AddressQuery names an account.
	AddressQuery struct {
		Address remora.Address `json:"address"`
	}
	// AccountQuery names an account and says whether to prove it.
	AccountQuery struct {
		Address remora.Address `json:"address"`
		ProofQuery
	}
	// ProofQuery is embedded in the parameters of methods whose answer can be proven.
	ProofQuery struct {
		Prove bool `json:"prove" default:"false" doc:"answer as of the newest certified block, with the proof"`
	}
	// SendQuery holds transactions.
	SendQuery struct {
		Txs []RawTx `json:"txs"`
	}
	// RawTx is an encoded transaction, in JSON as hexadecimal.
	RawTx []byte
	// TxQuery names a transaction.
	TxQuery struct {
		Hash   remora.Hash  `json:"hash"`
		Batch  *remora.Hash `json:"batch" doc:"finds a transaction without signature"`
		WaitMS uint64       `json:"-" http:"wait" default:"0" max:"30000" doc:"wait for at most this time, in milliseconds"`
	}
	// WaitTxQuery names a transaction to wait for.
	WaitTxQuery struct {
		Hash      remora.Hash  `json:"hash"`
		Batch     *remora.Hash `json:"batch" doc:"finds a transaction without signature"`
		TimeoutMS uint64       `json:"timeout_ms" default:"30000" max:"30000" doc:"wait for at most this time, in milliseconds"`
	}
	// Page names a part of a list whose items are ordered by K.
	Page[K any] struct {
		After *K     `json:"after" doc:"next of the previous page"`
		Limit uint64 `json:"limit" default:"100" min:"1" max:"1000"`
	}
	// NodeListQuery names a page of the registry.
	NodeListQuery struct {
		Page[remora.Address]
	}
	// NodeQuery names a node; over HTTP the name may be an account.
	NodeQuery struct {
		Name    *string         `json:"name" doc:"name, over HTTP also account"`
		Address *remora.Address `json:"address" http:"-"`
	}
	// ClaimListQuery names a page of a node's claims.
	ClaimListQuery struct {
		Node string `json:"node" http:"name" doc:"name or account"`
		Page[remora.Epoch]
	}
	// SessionListQuery names a page of an account's sessions, or one of them by its number.
	SessionListQuery struct {
		Address remora.Address `json:"address"`
		Number  *uint64        `json:"number" doc:"return this session only"`
		Page[uint64]
	}
	// SessionQuery names a session.
	SessionQuery struct {
		ID remora.SessionID `json:"id"`
	}
	// EventQuery names the start of a stream of events.
	EventQuery struct {
		From *remora.Height `json:"from" doc:"first height; without it the stream starts at the next block"`
		Last *remora.Height `json:"-" http:"Last-Event-ID" in:"header" doc:"the last height that the reader saw"`
	}
)

// WantsProof reports whether the answer is to be proven.
func (q ProofQuery) WantsProof() bool { return q.Prove }

// MarshalText encodes lower-case hexadecimal.
func (r RawTx) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, r), nil }

// UnmarshalText decodes hexadecimal of either case.
func (r *RawTx) UnmarshalText(text []byte) (err error) {
	*r, err = hex.AppendDecode(nil, text)
	return err
}
