package devnet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// await waits until a node answers 200 at a path of its API. A node that this process started and that has ended is
// noticed at once, and its log shown.
func (d *Devnet) await(ctx context.Context, p *place, path string) error {
	reason := "it has not answered"
	own := d.own[p.Name]
	err := Poll(ctx, func() (bool, error) {
		if own != nil {
			select {
			case <-own.ended:
				return false, fmt.Errorf("%w: %s ended: %s", ErrNotReady, p.Name, tail(d.home(p)))
			default:
			}
		}
		ok, answer := probe(ctx, p.url(p.RPC)+path)
		if answer != "" {
			reason = answer
		}
		return ok, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %s: %w; last answer: %s; its log: %s", ErrNotReady, p.Name, ctx.Err(), reason, tail(d.home(p)))
	}
	return err
}

// probe asks once. answer is what the node said, empty when nobody listens yet.
func probe(ctx context.Context, url string) (ok bool, answer string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err.Error()
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return false, err.Error()
	}
	return resp.StatusCode == http.StatusOK, strings.TrimSpace(string(body))
}
