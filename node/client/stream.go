package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/remora-network/remora"
)

// CertifiedBlock returns a block with its batches and its certificate, or ErrNotCertified if that does not form within
// wait. The block is not verified.
func (c *Client) CertifiedBlock(ctx context.Context, h remora.Height, wait time.Duration) (*remora.CertifiedBlock, error) {
	b, err := fetchAnswer(ctx, c, GetCertifiedBlock, CertifiedQuery{h, milliseconds(wait)}, MaxBlock)
	if err != nil {
		return nil, err
	}
	return remora.DecodeCertifiedBlock(b, MaxBlock)
}

// CertifiedBlocks visits certified blocks from one height to another, both included, in order. A block before the last may
// lack a certificate of its own: the parents of later blocks lead to it from one that has. The error is ErrNotCertified if
// the node's certificates end before to. Of each block only the height is checked.
func (c *Client) CertifiedBlocks(ctx context.Context, from, to remora.Height, visit func(*remora.CertifiedBlock) error) error {
	for from <= to {
		next, err := c.readBlockRange(ctx, from, to, visit)
		if err != nil {
			return err
		}
		if next == from {
			return unusableAnswer("it announced block %d and sent none", from)
		}
		from = next
	}
	return nil
}

// readBlockRange reads one answer, which may hold fewer blocks than asked for, and returns the height after its last.
func (c *Client) readBlockRange(ctx context.Context, from, to remora.Height, visit func(*remora.CertifiedBlock) error) (remora.Height, error) {
	body, err := openAnswer(ctx, c, GetCertifiedBlocks, RangeQuery{from, to})
	if err != nil {
		return 0, err
	}
	defer body.Close()
	in := bufio.NewReaderSize(body, 1<<18)
	for ; from <= to; from++ {
		raw, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return from, nil
		}
		if err != nil {
			return 0, fmt.Errorf("block %d: %w", from, err)
		}
		cb, err := remora.DecodeCertifiedBlock(raw, MaxBlock)
		if err != nil {
			return 0, fmt.Errorf("block %d: %w", from, err)
		}
		if cb.Block.Header.Height != from {
			return 0, unusableAnswer("block %d where block %d was asked for", cb.Block.Header.Height, from)
		}
		if err := visit(cb); err != nil {
			return 0, err
		}
	}
	return from, nil
}

// readFrame reads a length of four bytes and that many bytes. Memory grows with the bytes that arrive, not with the length.
// The error is io.EOF before the first byte only.
func readFrame(in io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[:]))
	if size > MaxBlock {
		return nil, unusableAnswer("a block of %d bytes, at most %d", size, MaxBlock)
	}
	var b bytes.Buffer
	if n, err := io.CopyN(&b, in, size); err != nil {
		return nil, unusableAnswer("cut off after %d of %d bytes: %v", n, size, err)
	}
	return b.Bytes(), nil
}

// maxEvent bounds the text of one event.
const maxEvent = 16 << 20

// Events yields executed blocks, starting at height from or, if that is 0, at the next block. The sequence ends with its
// context or with an error, which comes with a zero Event. To resume, start after the last height.
func (c *Client) Events(ctx context.Context, from remora.Height) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var q EventQuery
		if from > 0 {
			q.From = &from
		}
		body, err := openAnswer(ctx, c, WatchBlocks, q)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer body.Close()
		lines := bufio.NewScanner(body)
		lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
		for lines.Scan() {
			data, isData := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
			if !isData {
				continue
			}
			var e Event
			if err := json.Unmarshal(data, &e); err != nil {
				yield(Event{}, unusableAnswer("event: %v", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		yield(Event{}, streamError(ctx, lines.Err()))
	}
}

func streamError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("events: %w", err)
	}
	return unusableAnswer("the node ended the stream of events")
}
