package delivery

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/proofs/content"
	proof "github.com/remora-network/remora/proofs/delivery"
	"github.com/remora-network/remora/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	blockTime  = 100  // ms
	epochTime  = 1000 // ms
	firstEpoch = 10
	price      = 1 << 10 // of a MiB
)

var (
	testDomain = remora.NewDomain("dev-delivery", remora.Hash{}, 0)
	self       = remora.Address{7}
	errKilled  = errors.New("killed")
	params     = remora.Params{MinFee: 10, WeightPrice: 1, EpochMillis: epochTime, PricePerMiB: price}
)

// disk is a journal in memory, which outlives the service.
type disk struct {
	mu     sync.Mutex
	rows   map[string][]byte
	writes int
	onPut  func(n int) (before, after bool) // kill at write n; nil: never
	dead   bool
}

func newDisk() *disk { return &disk{rows: map[string][]byte{}} }

func (d *disk) Write(puts map[string][]byte, drops [][]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	var before, after bool
	if d.onPut != nil {
		before, after = d.onPut(d.writes)
	}
	if d.dead = d.dead || before; d.dead {
		return errKilled
	}
	for _, prefix := range drops {
		maps.DeleteFunc(d.rows, func(k string, _ []byte) bool { return strings.HasPrefix(k, string(prefix)) })
	}
	for k, v := range puts {
		d.rows[k] = bytes.Clone(v)
	}
	if d.dead = after; d.dead {
		return errKilled
	}
	return nil
}

func (d *disk) Get(key []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.rows[string(key)]), nil
}

func (d *disk) Ascend(prefix []byte, visit func(k, v []byte) bool) error {
	d.mu.Lock()
	rows := map[string][]byte{}
	for k, v := range d.rows {
		if strings.HasPrefix(k, string(prefix)) {
			rows[k] = v
		}
	}
	d.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		if !visit([]byte(k), rows[k]) {
			break
		}
	}
	return nil
}

// countRows returns the rows of a kind.
func (d *disk) countRows(kind byte) (n int) {
	_ = d.Ascend([]byte{kind}, func(_, _ []byte) bool { n++; return true })
	return n
}

// ledger is the chain. WaitBlock makes the next block.
type ledger struct {
	*statetest.Cache
	seedEvery uint64 // blocks from one seed to the next; a claim waits for two; 0: none is fixed

	blocks  uint64
	opened  remora.SessionID                    // the number of sessions
	commits map[remora.Epoch]remora.CommitClaim // that were executed
	onSend  func(n int, kind remora.Kind) (before, after error)
	sends   int
	onBlock func() // after each block
	still   bool   // no block comes
}

func newLedger(tb testing.TB) *ledger {
	c := statetest.NewCache(tb, testDomain, self, firstEpoch, params)
	c.SetBalance(1 << 40)
	return &ledger{Cache: c, seedEvery: 1, commits: map[remora.Epoch]remora.CommitClaim{}}
}

// presentEpoch returns the present epoch.
func (l *ledger) presentEpoch() remora.Epoch {
	e, _, _, _ := l.Epoch()
	return e
}

// editSession edits a session and its grant.
func (l *ledger) editSession(id remora.SessionID, edit func(s *remora.Session, g *remora.Grant)) {
	s, g, _, _ := l.Session(id)
	edit(&s, &g)
	l.SetSession(id, s, g)
}

// countClaims returns how many claims are in a state.
func (l *ledger) countClaims(state remora.ClaimState) (n int) {
	for _, c := range l.Claims() {
		if c.State == state {
			n++
		}
	}
	return n
}

func (l *ledger) WaitBlock(ctx context.Context) error {
	if l.still {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.blocks++
	if l.seedEvery > 0 && l.blocks%l.seedEvery == 0 {
		l.FixSeed()
	}
	l.EndBlock(blockTime)
	if l.onBlock != nil {
		l.onBlock()
	}
	return nil
}

func (l *ledger) Send(_ context.Context, kind remora.Kind, body any) error {
	l.sends++
	var before, after error
	if l.onSend != nil {
		before, after = l.onSend(l.sends, kind)
	}
	if before != nil {
		return before
	}
	if err := l.Execute(body); err != nil {
		return err
	}
	if c, is := body.(remora.CommitClaim); is {
		l.commits[c.Epoch] = c
	}
	return after
}

// world is a cache with its chain, its disk and its content.
type world struct {
	tb    testing.TB
	dir   string // of the store
	chain *ledger
	disk  *disk
	store *store.Store
	*Service
	logged bytes.Buffer
	files  map[remora.Content][]byte
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	dir := tb.TempDir()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	w := &world{tb: tb, dir: dir, chain: newLedger(tb), disk: newDisk(), store: st, files: map[remora.Content][]byte{}}
	w.restart()
	return w
}

// restart builds a new service over the same journal and store.
func (w *world) restart() {
	w.tb.Helper()
	w.disk.dead = false
	s, err := New(Config{
		Domain: testDomain, Params: params, Self: self, Store: w.store, Journal: w.disk, Chain: w.chain, Sender: w.chain,
		Logger: slog.New(slog.NewTextHandler(&w.logged, nil)),
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.Service = s
}

// addFile returns content of a size, different for each number. It is in the store if held.
func (w *world) addFile(number, size int, held bool) remora.Content {
	w.tb.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i%251) ^ byte(i/content.ChunkSize) ^ byte(number*37)
	}
	root, length, err := content.Root(bytes.NewReader(data))
	if err != nil {
		w.tb.Fatal(err)
	}
	c := remora.Content{Root: root, Length: length}
	w.files[c] = data
	if held {
		w.holdContent(c)
	}
	return c
}

func (w *world) holdContent(c remora.Content) {
	w.tb.Helper()
	if err := w.store.Import(bytes.NewReader(w.files[c]), c); err != nil {
		w.tb.Fatal(err)
	}
}

// damageFile changes a byte of content on disk.
func (w *world) damageFile(c remora.Content) {
	w.tb.Helper()
	name := c.Root.String()
	name = filepath.Join(w.dir, "objects", name[:2], name+".data")
	data := bytes.Clone(w.files[c])
	data[len(data)/2] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		w.tb.Fatal(err)
	}
}

// client is the buyer's side of a session.
type client struct {
	w       *world
	session remora.SessionID
	secret  *bls.SecretKey
	pass    remora.Hash
	passes  int
	epoch   remora.Epoch
	tally   *proof.Tally
	sent    uint32          // extents that the cache has
	last    uint64          // bytes of the last of them
	more    []remora.Extent // delivered and not acknowledged
}

// openSession opens a session that grants this cache a number of bytes.
func (w *world) openSession(granted uint64) *client {
	w.tb.Helper()
	w.chain.opened++
	id := w.chain.opened
	seed := bytes.Repeat([]byte{1}, bls.SecretSize)
	binary.BigEndian.PutUint64(seed, uint64(id))
	secret, err := bls.DeriveKey(seed)
	if err != nil {
		w.tb.Fatal(err)
	}
	held, _ := remora.Cost(granted, price)
	w.chain.SetSession(id, remora.Session{
		ID: id, Scheme: remora.SchemeBLS, Key: secret.Public(), Price: price, Opened: firstEpoch, Expiry: firstEpoch + 100,
	}, remora.Grant{Granted: granted, Left: granted, Held: held})
	c := &client{w: w, session: id, secret: secret, epoch: w.chain.presentEpoch(), tally: new(proof.Tally)}
	c.drawPass()
	return c
}

// drawPass draws a new pass.
func (c *client) drawPass() {
	c.passes++
	c.pass = remora.SumBLAKE3(binary.BigEndian.AppendUint64([]byte{byte(c.session)}, uint64(c.passes)))
}

func (c *client) request(of remora.Content, offset, size uint64) *transfer.DeliveryRequest {
	m := remora.DeliveryMessage(testDomain, c.session, self, c.pass)
	return &transfer.DeliveryRequest{
		Session: c.session, Pass: c.pass, Proof: c.secret.Sign(m[:]), Content: of, Offset: offset, Bytes: size,
	}
}

// askCache sends a request and returns the head and the verified bytes.
func (c *client) askCache(r *transfer.DeliveryRequest) (transfer.DeliveryHead, []byte) {
	c.w.tb.Helper()
	head, data, err := c.tryCache(r)
	if err != nil {
		c.w.tb.Fatal(err)
	}
	return head, data
}

func (c *client) tryCache(r *transfer.DeliveryRequest) (head transfer.DeliveryHead, data []byte, err error) {
	answer, err := c.w.Deliver(context.Background(), "peer", remora.Encode(r))
	if err != nil {
		return head, nil, err
	}
	if cap(answer) > transfer.MaxAnswer+4<<10 {
		c.w.tb.Errorf("an answer in %d bytes", cap(answer))
	}
	head, stream, err := transfer.DecodeDelivery(answer)
	if err != nil || head.Code != session.Delivered || r.Bytes == 0 {
		if len(stream) > 0 {
			c.w.tb.Errorf("code %d with a stream of %d bytes", head.Code, len(stream))
		}
		return head, nil, err
	}
	d, err := content.NewDecoder(bytes.NewReader(stream), r.Content.Root, r.Content.Length, r.Range())
	if err != nil {
		return head, nil, err
	}
	data, err = io.ReadAll(d)
	return head, data, err
}

// noteDelivered notes bytes delivered from a chunk's beginning on.
func (c *client) noteDelivered(of remora.Content, offset, size uint64) {
	c.w.tb.Helper()
	x := remora.Extent{Content: of, First: offset / content.ChunkSize, Bytes: size}
	c.more = append(c.more, x)
}

// nextAck returns the acknowledgement of the bytes noted, and counts it as sent.
func (c *client) nextAck() session.Acknowledgement {
	c.w.tb.Helper()
	for _, x := range c.more {
		if err := c.tally.Add(x); err != nil {
			c.w.tb.Fatal(err)
		}
	}
	kept := c.sent
	if kept > 0 && len(c.more) > 0 {
		kept-- // it may be longer now
		if c.tally.Extents()[kept].Bytes == c.last {
			kept++
		}
	}
	c.more = nil
	ack := session.Acknowledgement{Receipt: c.signReceipt(c.receipt()), Kept: kept, Extents: slices.Clone(c.tally.Extents()[kept:])}
	c.sent = c.tally.Len()
	c.last = c.tally.Extents()[c.sent-1].Bytes
	return ack
}

func (c *client) receipt() remora.Receipt {
	return remora.Receipt{
		Session: c.session, Node: self, Epoch: c.epoch, Bytes: c.tally.Bytes(), Extents: c.tally.Len(), Root: c.tally.Root(),
	}
}

func (c *client) signReceipt(r remora.Receipt) remora.SignedReceipt {
	m := r.Message(testDomain, remora.SchemeBLS)
	return remora.SignedReceipt{Receipt: r, Signature: c.secret.Sign(m[:])}
}

// payOwed acknowledges the bytes noted and asks for nothing.
func (c *client) payOwed() transfer.DeliveryHead {
	c.w.tb.Helper()
	r := c.request(remora.Content{}, 0, 0)
	r.Acks = []session.Acknowledgement{c.nextAck()}
	head, _ := c.askCache(r)
	return head
}

// turnEpoch begins the receipts of the present epoch.
func (c *client) turnEpoch() {
	c.epoch, c.tally, c.sent, c.last = c.w.chain.presentEpoch(), new(proof.Tally), 0, 0
}

// buyContent fetches a content in ranges and pays for it.
func (c *client) buyContent(of remora.Content) {
	c.w.tb.Helper()
	step := uint64(1 << 20)
	for offset := uint64(0); offset < of.Length; offset += step {
		r := c.request(of, offset, min(step, of.Length-offset))
		if len(c.more) > 0 {
			r.Acks = []session.Acknowledgement{c.nextAck()}
		}
		head, data := c.askCache(r)
		if head.Code != session.Delivered || !bytes.Equal(data, c.w.files[of][offset:offset+r.Bytes]) {
			c.w.tb.Fatalf("at %d: code %d %q, %d bytes", offset, head.Code, head.Reason, len(data))
		}
		c.noteDelivered(of, offset, r.Bytes)
	}
	if head := c.payOwed(); head.Code != session.Delivered {
		c.w.tb.Fatalf("the last receipt: code %d %q", head.Code, head.Reason)
	}
}

func tallyOf(tb testing.TB, extents []remora.Extent) *proof.Tally {
	tb.Helper()
	t, err := proof.NewTally(extents)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// claimRounds does n times what Run does after a block, without the blocks.
func (w *world) claimRounds(n int) {
	w.tb.Helper()
	for range n {
		if err := w.claimer.claimEpochs(context.Background(), w.accounts); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// runUntil runs the service until done returns true or the process is killed.
func (w *world) runUntil(done func() bool) error {
	w.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	blocks := 0
	w.chain.onBlock = func() {
		if blocks++; done() || blocks > 1000 {
			cancel()
		}
	}
	defer func() { w.chain.onBlock = nil }()
	err := w.Run(ctx)
	if blocks > 1000 {
		w.tb.Fatalf("a thousand blocks were not enough; %d epochs are left\n%s", len(w.journal.listEpochs()), w.logged.String())
	}
	return err
}

// settledClaims reports whether the chain has paid a number of claims and the journal is empty.
func (w *world) settledClaims(claims int) func() bool {
	return func() bool {
		return w.chain.countClaims(remora.ClaimSettled) == claims && w.disk.countRows(rowReceipt)+w.disk.countRows(rowExtent)+w.disk.countRows(rowPlan) == 0
	}
}
