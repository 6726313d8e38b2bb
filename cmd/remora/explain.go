package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// code is a stable name of what can go wrong.
type code struct {
	Code    string `json:"code"`
	Meaning string `json:"meaning"`
	Fix     string `json:"fix"`
}

func (p *program) explain() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "what an error code means and how to mend it; without a code: all of them", ArgsUsage: "[CODE]",
		Flags: []cli.Flag{outputFlag()},
		Action: do(func(c *cli.Context, asJSON bool) error {
			if c.Args().Len() == 0 {
				var rows [][]string
				for _, e := range codes() {
					rows = append(rows, []string{e.Code, e.Meaning})
				}
				return p.answer(asJSON, codes(), table(rows...))
			}
			name := c.Args().First()
			e, known := explanation(name)
			if !known {
				var names []string
				for _, e := range codes() {
					names = append(names, e.Code)
				}
				return misuse("unknown code %.64q%s", name, near(name, names))
			}
			return p.answer(asJSON, e, fmt.Sprintf("%s: %s\nfix: %s", e.Code, e.Meaning, e.Fix))
		}),
	}
}

func explanation(name string) (code, bool) {
	for _, e := range codes() {
		if e.Code == name {
			return e, true
		}
	}
	return code{}, false
}

func codes() []code { return append(transactionCodes(), programCodes()...) }

func transactionCodes() []code {
	return []code{
		{"TX_MALFORMED", "the bytes are not a transaction in canonical encoding", "build and sign it with remora tx, or by the encoding in docs/spec"},
		{"TX_TOO_LARGE", "the transaction has over 128 KiB", "split it"},
		{"TX_WRONG_CHAIN", "it was signed for another chain", "sign it for the chain that remora status names"},
		{"TX_BAD_SIGNATURE", "the signature is not the sender's over these bytes", "sign again with the key of the sender"},
		{"TX_NONCE_USED", "another transaction of the sender has used this nonce", "take the nonce that remora account shows; remora tx transfer does"},
		{"TX_NONCE_TOO_FAR", "the nonce is too far above the next one", "send the transactions with lower nonces first"},
		{"TX_UNKNOWN_ACCOUNT", "the sender has no account on this chain", "transfer something to it first"},
		{"TX_INSUFFICIENT_BALANCE", "the sender holds less than amount and fee", "send less, or transfer something to the sender first"},
		{"TX_FEE_TOO_LOW", "the fee is below the chain's minimum for this size", "leave the fee to remora tx, or raise it"},
		{"TX_OVERFLOW", "a sum would pass 2^64", "send less"},
		{"TX_KIND_NOT_ALLOWED", "this chain does not accept this kind of transaction", "see its kind: opaque ones are for chains whose id starts with dev"},
		{"TX_INVALID_AMOUNT", "the amount is not allowed", "transfer at least 1"},
		{"TX_INVALID_NODE", "a field of the node's record breaks a limit", "mend the field that the message names"},
		{"TX_BAD_POSSESSION", "a proof of possession does not fit its key", "make the record with remora init, which proves it holds the keys"},
		{"TX_NODE_EXISTS", "the account has registered a node already", "use another account for another node"},
		{"TX_NAME_TAKEN", "another node has this name", "choose another name"},
		{"TX_INVALID_CONTENT", "a record of content breaks a limit, or its last chunk does not prove root and length", "register it with remora publish"},
		{"TX_CONTENT_EXISTS", "this content is registered with as many replicas", "publish it as it is, or ask for more replicas"},
		{"TX_INVALID_SESSION", "a session breaks a limit, expires in the past or too far ahead, or its key is not proven", "open it with remora fetch --key, which does it right"},
		{"TX_SESSION_EXISTS", "the account has opened a session with this number", "choose another number"},
		{"TX_UNKNOWN_SESSION", "there is no such session, or it does not allot anything to this node", "see remora session list"},
		{"TX_SESSION_NOT_OWNED", "the session belongs to another account", "sign with the key of the account that opened it"},
		{"TX_UNKNOWN_CACHE", "the account has no registered cache", "register the node as a cache first: remora run does, with node.roles = cache"},
		{"TX_INVALID_CLAIM", "a claim's total is not the sum of its receipts, or its sessions are repeated, out of order or too many", "build claims with a cache node, which does it right"},
		{"TX_CLAIM_EXISTS", "the node has committed a claim for this epoch", "there is one claim per node and epoch: wait for its settlement"},
		{"TX_CLAIM_EPOCH", "the epoch has not ended, or ended too long ago, or was after the session's last", "commit claims within four epochs after the one of their receipts"},
		{"TX_OVER_ALLOTMENT", "the claim asks for more bytes than the session still allots to the node", "claim what the receipts say, and serve no session beyond its allotment"},
		{"TX_UNKNOWN_CLAIM", "the node has no claim for this epoch", "commit it first"},
		{"TX_NOT_CHALLENGED", "the seed that challenges the claim is not fixed yet", "open the claim when its state is challenged"},
		{"TX_CLAIM_CLOSED", "the claim is settled already, or the time to open it is over", "see remora cache claims"},
		{"TX_BAD_OPENING", "the opening does not answer the claim's challenge: a receipt, path, chunk, signature or echo is wrong", "see the reason; a claim that is not opened in time costs its deposit"},
		{"PUBLISH_FAILED", "content could not be registered, or no cache accepted it", "see the reason; caches are listed by remora devnet status or GET /v1/nodes"},
		{"FETCH_FAILED", "the gateway did not deliver the content", "see the reason; try another gateway; what was verified is kept and the next call goes on"},
	}
}

func programCodes() []code {
	return []code{
		{codeUsage, "the command line cannot be carried out", "see remora COMMAND --help"},
		{codeFailed, "something failed that has no code of its own", "read the message; the node's log may say more"},
		{codeUnverified, "an answer does not follow from the genesis", "do not use the answer; ask another node, and check that --genesis is the chain's"},
		{
			codeDiverged, "executing the blocks gave another state than the one that a quorum certified; a node stops with exit code 21 then",
			"if the message names two protocol versions, run the one of the others; else copy the home to report it, empty its data directory and start the node: it syncs again. Supervisors must not restart it: see docs/runbook.md",
		},
		{
			codeSimulation, "a simulated run broke a promise of the protocol, or its scenario is harsher than any protocol survives",
			"the violations say which and when; the same scenario and seed repeat the run exactly",
		},
		{
			"KEYS_IN_USE", "a validator saw a header of its own that it did not make: another process signs with its keys; the node stops with exit code 21 then",
			"find that process and stop it, then start one node only; keys move with remora keys export and import, never by running two copies",
		},
		{"QUORUMS_CONFLICT", "two quorums signed contradicting headers: a third of the stake or more is faulty; the node stops with exit code 21 then", "copy the home and talk to the other validators before anything is started again"},
		{
			"SIGNING_RECORD", "the record of what the consensus key signed is damaged, or of another key or chain; a node stops with exit code 21 then",
			"restore the newest copy of keys/signing.json; if there is none, remove it: the node then asks the other validators before it signs",
		},
		{"NOT_CERTIFIED", "the block has no certificate yet, or no such block exists", "try again; with a quorum of validators up it takes about a second"},
		{"NOT_FOUND", "the node does not have it", "check the name; a new transaction may not be executed yet: use --wait"},
		{"NODE_UNREACHABLE", "no node answers there", "check --node, and that the node runs: remora devnet status, remora health"},
		{"NODE_NOT_RUNNING", "no node runs on this home", "start it with remora run --home DIR, or name a node with --node URL"},
		{"NODE_NOT_READY", "the node lives and should not get traffic now", "see the reasons; it becomes ready by itself when they are gone"},
		{"BAD_ANSWER", "what answered is not a node of this version", "check --node"},
		{"BAD_REQUEST", "the node did not understand the request", "use the remora of the node's version"},
		{"FORBIDDEN_ORIGIN", "the node answers only to its own names", "use its address, or a proxy that sets the host"},
		{"METHOD_NOT_ALLOWED", "the node does not do this there", "use the remora of the node's version"},
		{"UNSUPPORTED_MEDIA_TYPE", "the node does not take this form", "use the remora of the node's version"},
		{"TOO_LARGE", "the request passes a limit", "send less at a time"},
		{"SERVER_BUSY", "the node has no room for more transactions now", "try again in a moment, or use another node"},
		{"INTERNAL", "the node failed", "see the node's log"},
		{"TIMEOUT", "it took too long", "try again; raise --timeout; check remora health"},
		{"INTERRUPTED", "it was stopped by a signal", "run it again"},
		{"STOP_TIMEOUT", "the node did not stop in time and was ended", "start it again: what was acknowledged is durable"},
		{"HOME_EXISTS", "the home is initialised already", "start it with remora run, or choose another --home"},
		{"HOME_MISSING", "there is no home", "create it with remora init, or name another --home"},
		{"HOME_INVALID", "the directory is not a home", "name a home, or create one in an empty directory with remora init"},
		{"HOME_PERMISSIONS", "other users can enter the home", "chmod 700 the directory"},
		{"HOME_NO_GENESIS", "the home has no genesis", "put the chain's genesis file at genesis.json in the home"},
		{"HOME_LOCKED", "another process uses the home", "stop that process first, or use another --home"},
		{"WRONG_CHAIN", "home and genesis are of different chains", "restore genesis.json, or use another --home"},
		{"GENESIS_INVALID", "the genesis file is wrong", "mend what the message lists, or fetch the chain's file again"},
		{"CONFIG_INVALID", "the configuration is wrong", "mend the value at the place that the message names"},
		{"CONFIG_PERMISSIONS", "every user can change the configuration", "chmod 600 the file"},
		{"KEY_PASSWORD", "the password is missing or does not open the key file", "name the file that holds it with --password-file"},
		{"KEY_PERMISSIONS", "other users can open the key file", "chmod 600 the file"},
		{"KEY_CORRUPT", "the key file is damaged or none at all", "restore it from a backup"},
		{"KEY_COST", "the key file asks for absurd work to open", "restore it from a backup"},
		{"KEY_KIND", "the keys are not those that are needed", "name a key file of the right kind: see remora keys show"},
		{"KEY_EXISTS", "a key file is there already", "choose another --out: keys are never overwritten"},
		{"NOT_VALIDATOR", "the keys belong to no validator of the chain", "check --home and genesis.json"},
		{"ADDRESS_IN_USE", "another process listens there", "stop that process, or choose another address"},
		{codeDiskFull, "the disk is full: a node stops at once, with exit code 9", "free space, or move the home to a larger disk, and start the node again: nothing acknowledged is lost, and it catches up"},
		{"STORE_CORRUPT", "a stored record is damaged", "restore the home from a copy, or wipe its data and sync again"},
		{"DEVNET_MISSING", "there is no complete devnet", "start one with remora devnet up --home DIR; remove what an aborted start left"},
		{"DEVNET_NOT_READY", "a node of the devnet did not become ready in time", "see its log, whose end is in the message"},
		{"DEVNET_NOT_STOPPED", "a node of the devnet did not stop in time", "remora devnet kill NAME"},
		{"STORY_FAILED", "a step of the story did not hold", "see the step that failed and the logs of the nodes"},
		{"FILE_MISSING", "a file does not exist", "check the path"},
		{"FILE_EXISTS", "a file exists already", "choose another path"},
		{"FILE_PERMISSION", "a file may not be read or written", "check owner and mode"},
	}
}
