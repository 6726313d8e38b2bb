package main

import (
	"context"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/validator"
)

// code is the stable name of a kind of error, with its explanation.
type code struct {
	Code    string `json:"code"`
	Meaning string `json:"meaning"`
	Fix     string `json:"fix"`

	causes []error // that have the code
}

func newCode(name, meaning, fix string, causes ...error) code {
	return code{name, meaning, fix, causes}
}

func findExplanation(name string) (code, bool) {
	for _, e := range codes {
		if e.Code == name {
			return e, true
		}
	}
	return code{}, false
}

// codes lists the codes of all errors. A code whose causes are more specific comes before those of general causes.
var codes = []code{
	// Transactions that the state machine rejects.
	newCode("TX_MALFORMED", "the bytes are not a canonically encoded transaction", "build and sign it with remora tx, or follow the encodings in testdata/encodings"),
	newCode("TX_TOO_LARGE", "the transaction is larger than 128 KiB", "split it"),
	newCode("TX_WRONG_CHAIN", "it was signed for another chain", "sign it for the chain that remora status shows"),
	newCode("TX_BAD_SIGNATURE", "the signature of the sender is invalid", "sign again with the key of the sender"),
	newCode("TX_NONCE_USED", "another transaction of the sender used this nonce", "take the nonce that remora account shows, as remora tx transfer does"),
	newCode("TX_NONCE_TOO_FAR", "the nonce is too far above the next one", "send the transactions with the lower nonces first"),
	newCode("TX_UNKNOWN_ACCOUNT", "the sender has no account on this chain", "transfer an amount to it first"),
	newCode("TX_INSUFFICIENT_BALANCE", "the balance of the sender is less than amount and fee; what it had of the fee is taken, and the nonce is used",
		"send less, or transfer an amount to the sender first"),
	newCode("TX_FEE_TOO_LOW", "the fee is below the chain's minimum for this weight: bytes, signatures, items and rows count", "let remora tx choose the fee, or raise it"),
	newCode("TX_EXPIRED", "the last epoch in which the transaction is valid has passed, or comes too soon; it cost nothing and its nonce is free",
		"sign it again, as remora tx transfer does"),
	newCode("TX_SKIPPED", "the batch ended before the transaction: one before it is a fault of the batch's author, or the batch is heavier than declared; it cost nothing and its nonce is free",
		"send it again, through another validator"),
	newCode("TX_MALFORMED_BODY", "the body is not one of the transaction's kind", "build it with remora, or follow the encodings in testdata/encodings"),
	newCode("TX_OVERFLOW", "a sum would exceed 2^64", "send less"),
	newCode("TX_KIND_NOT_ALLOWED", "this chain does not accept this kind of transaction", "use another kind; opaque transactions are for chains whose id starts with dev"),
	newCode("TX_INVALID_AMOUNT", "the amount is not allowed", "transfer at least 1"),
	newCode("TX_INVALID_NODE", "a field of the node's record exceeds a limit", "fix the field that the message names"),
	newCode("TX_BAD_POSSESSION", "a proof of possession does not match its key", "create the record with remora init, which makes the proofs"),
	newCode("TX_NODE_EXISTS", "the account has already registered a node", "use another account for another node"),
	newCode("TX_NAME_TAKEN", "another node has this name", "choose another name"),
	newCode("TX_INVALID_CONTENT", "a content record exceeds a limit, or its last chunk does not prove root and length", "register it with remora publish"),
	newCode("TX_CONTENT_EXISTS", "this content is already registered with at least as many replicas", "nothing to do, or ask for more replicas"),
	newCode("TX_INVALID_SESSION", "a session exceeds a limit, expires in the past or too far in the future, or lacks a proof of its key",
		"open it with remora fetch --key"),
	newCode("TX_SESSION_EXISTS", "the account has already opened a session with this number", "choose another number"),
	newCode("TX_UNKNOWN_SESSION", "the session does not exist, or allots nothing to this node", "see remora session list"),
	newCode("TX_SESSION_NOT_OWNED", "the session belongs to another account", "sign with the key of the account that opened it"),
	newCode("TX_UNKNOWN_CACHE", "the account has no registered cache", "register the node as a cache first: remora run does so with node.roles = cache"),
	newCode("TX_INVALID_CLAIM", "the total of a claim is not the sum of its receipts, or its sessions are repeated, out of order or too many",
		"let a cache node build the claim"),
	newCode("TX_CLAIM_EXISTS", "the node has already committed a claim for this epoch", "wait for its settlement: there is one claim per node and epoch"),
	newCode("TX_CLAIM_EPOCH", "the epoch has not ended, ended too long ago, or is after the expiry of a session",
		"commit a claim within four epochs after the epoch of its receipts"),
	newCode("TX_OVER_ALLOTMENT", "the claim is for more bytes than the session still allots to the node",
		"claim only the bytes of the receipts, and serve no session beyond its allotment"),
	newCode("TX_UNKNOWN_CLAIM", "the node has no claim for this epoch", "commit the claim first"),
	newCode("TX_NOT_CHALLENGED", "the seed that challenges the claim is not fixed yet", "open the claim once its state is challenged"),
	newCode("TX_CLAIM_CLOSED", "the claim is already settled, or the time to open it is over", "see remora cache claims"),
	newCode("TX_BAD_OPENING", "the opening does not answer the challenge: a receipt, path, chunk, signature or echo is wrong",
		"read the message; a claim that is not opened in time loses its deposit"),
	// Homes, their files and devnets.
	newCode("HOME_EXISTS", "the home is already initialised", "start it with remora run, or choose another --home", home.ErrExists),
	newCode("HOME_MISSING", "there is no home", "create it with remora init, or name another --home", home.ErrMissing),
	newCode("HOME_INVALID", "the directory is not a home", "name an existing home, or create one in an empty directory with remora init", home.ErrNotHome),
	newCode("HOME_PERMISSIONS", "other users can access the home", "run chmod 700 on the directory", home.ErrPermissions),
	newCode("HOME_NO_GENESIS", "the home has no genesis", "put the chain's genesis file at genesis.json in the home", home.ErrNoGenesis),
	newCode("WRONG_CHAIN", "home and genesis belong to different chains", "restore genesis.json, or use another --home", home.ErrOtherChain, store.ErrOtherChain),
	newCode("GENESIS_INVALID", "the genesis file is invalid", "fix what the message lists, or get the chain's genesis file again"),
	newCode("HOME_LOCKED", "another process uses the home", "stop that process first, or use another --home", home.ErrLocked),
	newCode("CONFIG_INVALID", "the configuration is invalid", "fix the value at the place that the message names", config.ErrInvalid),
	newCode("CONFIG_PERMISSIONS", "every user can change the configuration", "run chmod 600 on the file", config.ErrPermissions),
	newCode("KEY_PASSWORD", "the password is missing or does not open the key file", "name the file that holds it with --password-file", keystore.ErrPassword),
	newCode("KEY_PERMISSIONS", "other users can open the key file", "run chmod 600 on the file", keystore.ErrPermissions),
	newCode("KEY_CORRUPT", "the file is damaged or not a key file", "restore it from a backup", keystore.ErrCorrupt),
	newCode("KEY_COST", "opening the key file would take too much memory or time", "restore it from a backup", keystore.ErrCost),
	newCode("KEY_KIND", "the key file is of the wrong kind", "use a key file of the right kind: see remora keys show", keystore.ErrKeys),
	newCode("KEY_EXISTS", "the key file already exists", "choose another --out: keys are never overwritten"),
	newCode("NOT_VALIDATOR", "the keys belong to no validator of the chain", "check --home and genesis.json", validator.ErrNotValidator),
	newCode("DEVNET_MISSING", "there is no complete devnet", "start one with remora devnet up --home DIR; remove the rest of an aborted start", devnet.ErrNoDevnet),
	newCode("ADDRESS_IN_USE", "another process listens at the address",
		"stop that process, or choose another address", devnet.ErrPortTaken, p2p.ErrAddressInUse, syscall.EADDRINUSE),
	newCode("DEVNET_NOT_READY", "a node of the devnet did not become ready in time", "see its log; the message has the end of it", devnet.ErrNotReady),
	newCode("DEVNET_NOT_STOPPED", "a node of the devnet did not stop in time", "remora devnet kill NAME", devnet.ErrNotStopped),
	// Nodes and their answers.
	newCode("NODE_NOT_RUNNING", "no node runs in this home", "start it with remora run --home DIR, or name a node with --node URL", home.ErrNotRunning),
	newCode(codeDiskFull, "the disk is full: a node stops at once, with exit code 9",
		"free space or move the home to a larger disk, and start the node again: it catches up, and nothing that was acknowledged is lost", syscall.ENOSPC),
	newCode("KEYS_IN_USE", "a validator saw a header that is signed with its key but is not its own: another process uses its keys; the node then stops with exit code 21",
		"find and stop that process, then start only one node; move keys with remora keys export and import, and never run two copies", mempool.ErrTwin),
	newCode("QUORUMS_CONFLICT", "two quorums signed contradicting headers: at least a third of the stake is faulty; the node then stops with exit code 21",
		"copy the home and contact the other validators before you restart the node", mempool.ErrSafety),
	newCode("SIGNING_RECORD", "the signing record of the consensus key is damaged, or belongs to another key or chain; a node then stops with exit code 21",
		"restore the newest copy of keys/signing.json; without a copy, remove the file: the node then asks the other validators before it signs", keystore.ErrRecord),
	newCode(codeDiverged, "executing the blocks gave another state than a quorum certified; a node then stops with exit code 21",
		"if the message names two protocol versions, run the version of the other nodes; else copy the home for a report, empty its "+
			"data directory and start the node: it syncs again. Supervisors must not restart it: see docs/runbook.md",
		blocksync.ErrMinority, exec.ErrDiverged),
	newCode(codeUnverified, "an answer does not follow from the genesis",
		"do not use the answer; ask another node, and check that --genesis is the genesis of the chain", light.ErrUnverified),
	newCode("NOT_CERTIFIED", "the block has no certificate yet, or does not exist",
		"try again; with a quorum of validators it takes about a second", client.ErrNotCertified),
	newCode("BAD_ANSWER", "the answer is not that of a node of this version", "check --node", client.ErrAnswer),
	newCode("STORE_CORRUPT", "a stored record is damaged", "restore the home from a copy, or empty its data directory and sync again", remora.ErrCorrupt),
	newCode("NOT_FOUND", "the node does not have what was asked for", "check the name; a new transaction may not be executed yet: use --wait", remora.ErrNotFound),
	newCode("NODE_UNREACHABLE", "no node answers at the address", "check --node, and that the node runs: remora devnet status, remora health"),
	newCode("NODE_NOT_READY", "the node runs but should not receive traffic now", "see the reasons; it becomes ready when they no longer apply"),
	newCode("BAD_REQUEST", "the node did not understand the request", "use remora in the version of the node"),
	newCode("FORBIDDEN_ORIGIN", "the node answers requests to its own names only", "use its address, or a proxy that sets the host"),
	newCode("METHOD_NOT_ALLOWED", "the node does not support this method at this path", "use remora in the version of the node"),
	newCode("UNSUPPORTED_MEDIA_TYPE", "the node does not accept this content type", "use remora in the version of the node"),
	newCode("TOO_LARGE", "the request exceeds a limit", "send less at a time"),
	newCode("TX_WAITING", "the same transaction waits at this node already", "wait for its execution: remora tx get --wait"),
	newCode("TX_NONCE_PENDING", "another transaction of the sender that waits at this node has this nonce",
		"use the next nonce, as remora tx transfer does, or wait until the other one is executed"),
	newCode("TX_BALANCE_PENDING", "transactions of the sender that wait at this node need its balance", "wait until they are executed"),
	newCode("TX_ACCOUNT_FULL", "the sender has as many transactions waiting at this node as one account may", "wait until some are executed"),
	newCode("TX_ACCOUNT_BUSY", "transactions of the sender with costly proofs are being verified", "send them one after another"),
	newCode("TX_UNCHECKED", "the request held too many bad signatures, or a wrong costly proof, before this transaction",
		"mend what the node refused and send the rest again"),
	newCode("CLIENT_BUSY", "this client uses up its part of the node; others are served", "wait for the answers to earlier requests"),
	newCode("SERVER_BUSY", "the node cannot take more requests now", "try again in a moment, or use another node"),
	newCode("INTERNAL", "the node failed to serve the request", "see the node's log"),
	newCode("STOP_TIMEOUT", "the node did not stop in time and was terminated", "start it again: all that was acknowledged is durable"),
	// Commands.
	newCode(codeUsage, "the command line is invalid", "see remora COMMAND --help"),
	newCode(codeFailed, "an error without a code of its own", "read the message; the node's log may say more"),
	newCode("TIMEOUT", "the command took too long", "try again, raise --timeout, or check remora health", context.DeadlineExceeded),
	newCode("INTERRUPTED", "the command was interrupted by a signal", "run it again", context.Canceled),
	newCode("FILE_MISSING", "a file does not exist", "check the path", fs.ErrNotExist),
	newCode("FILE_EXISTS", "a file already exists", "choose another path", fs.ErrExist),
	newCode("FILE_PERMISSION", "no permission to read or write a file", "check owner and mode", fs.ErrPermission),
	newCode("PUBLISH_FAILED", "content could not be registered, or no cache accepted it", "read the message; remora devnet status and GET /v1/nodes list the caches"),
	newCode("FETCH_FAILED", "the gateway did not deliver the content", "read the message, or try another gateway; verified data is kept, and the next call resumes"),
	newCode("STORY_FAILED", "a step of the story failed", "see the step and the logs of the nodes"),
	newCode(codeSimulation, "a simulated run violated a guarantee of the protocol, or its scenario is harsher than any protocol tolerates",
		"read the violations; the same scenario and seed repeat the run exactly"),
}

func (p *program) explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "explain an error code and its fix; without a code, list all codes", ArgsUsage: "[CODE]",
		Flags: []cli.Flag{outputFlag()},
		Action: withOutput(func(c *cli.Context, asJSON bool) error {
			if c.Args().Len() == 0 {
				var rows [][]string
				for _, e := range codes {
					rows = append(rows, []string{e.Code, e.Meaning})
				}
				return p.printAnswer(asJSON, codes, formatTable(rows...))
			}
			name := c.Args().First()
			e, known := findExplanation(name)
			if !known {
				var names []string
				for _, e := range codes {
					names = append(names, e.Code)
				}
				return newUsageError("unknown code %.64q%s", name, suggestName(name, names))
			}
			return p.printAnswer(asJSON, e, fmt.Sprintf("%s: %s\nfix: %s", e.Code, e.Meaning, e.Fix))
		}),
	}
}
