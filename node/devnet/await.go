package devnet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// awaitAnswer waits until a node answers 200 at a path of its API. It notices at once when a node that this process started
// has ended, and returns the end of its log.
func (d *Devnet) awaitAnswer(ctx context.Context, p *place, path string) error {
	reason := "it has not answered"
	own := d.own[p.Name]
	err := Poll(ctx, func() (bool, error) {
		if own != nil {
			select {
			case <-own.ended:
				return false, fmt.Errorf("%w: %s ended: %s", ErrNotReady, p.Name, readLogEnd(d.homeDir(p)))
			default:
			}
		}
		ok, answer := probeURL(ctx, p.urlAt(p.RPC)+path)
		if answer != "" {
			reason = answer
		}
		return ok, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %s: %w; last answer: %s; its log: %s", ErrNotReady, p.Name, ctx.Err(), reason, readLogEnd(d.homeDir(p)))
	}
	return err
}

// probeURL makes one request. answer is the body of the response, empty if the node does not listen yet.
func probeURL(ctx context.Context, url string) (ok bool, answer string) {
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
