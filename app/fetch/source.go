package fetch

import (
	"context"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// segment is the verifiable stream of a range, not yet verified.
type segment struct {
	r      content.Range
	stream []byte // must not be used after judgeSegment
}

// source provides segments: a gateway that serves for free, or caches that a session pays.
type source interface {
	// openFlow starts to fetch a content from an offset on. One flow is open at a time.
	openFlow(ctx context.Context, c remora.Content, directory bool, from uint64) (flow, error)
	// closeSource acknowledges what was received, and returns how many receipts were signed since the start. It is called
	// after a failed fetch too.
	closeSource(ctx context.Context) (receipts int, err error)
}

// flow brings the segments of one content in order.
type flow interface {
	// nextSegment returns the segment after the one judged last.
	nextSegment(ctx context.Context) (segment, error)
	// judgeSegment takes the outcome of that segment: the offset up to which the content is verified and written, and
	// the error that ended it there. It returns nil when the flow continues at that offset.
	judgeSegment(verified uint64, err error) error
	// closeFlow ends the flow and waits for its goroutines.
	closeFlow()
}

// ahead is the number of segments under way from a gateway: enough to keep it and the client busy at once.
const ahead = 3

// gatewaySource is a gateway that serves for free.
type gatewaySource struct{ client *client }

func (s gatewaySource) openFlow(ctx context.Context, c remora.Content, directory bool, from uint64) (flow, error) {
	ctx, cancel := context.WithCancel(ctx)
	return &gatewayFlow{client: s.client, content: c, directory: directory, from: from, ctx: ctx, cancel: cancel}, nil
}

func (s gatewaySource) closeSource(context.Context) (int, error) { return 0, nil }

type gatewayFlow struct {
	client    *client
	content   remora.Content
	directory bool
	from      uint64 // first byte not asked for
	queue     []chan arrival
	current   []byte          // of the segment that judgeSegment is called for next
	ctx       context.Context // of the requests: a flow lives as long
	cancel    context.CancelFunc
}

type arrival struct {
	segment
	err error
}

func (f *gatewayFlow) nextSegment(context.Context) (segment, error) {
	for len(f.queue) < ahead && f.from < f.content.Length {
		r := content.Range{Offset: f.from, Length: min(transfer.MaxRange-f.from%transfer.MaxRange, f.content.Length-f.from)}
		f.from = r.End()
		arrived := make(chan arrival, 1)
		f.queue = append(f.queue, arrived)
		go func() {
			stream, err := f.client.fetchSegment(f.ctx, f.content.Root, f.directory, r)
			arrived <- arrival{segment{r, stream}, err}
		}()
	}
	got := <-f.queue[0]
	f.queue = f.queue[1:]
	f.current = got.stream
	return got.segment, got.err
}

func (f *gatewayFlow) judgeSegment(_ uint64, err error) error {
	f.client.spare.giveBuffer(f.current)
	f.current = nil
	return err
}

func (f *gatewayFlow) closeFlow() {
	f.cancel()
	for _, arrived := range f.queue {
		<-arrived
	}
}
