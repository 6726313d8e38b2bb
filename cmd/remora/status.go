package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

func (p *program) status() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "where a node stands", Flags: asking(),
		Action: do(func(c *cli.Context, asJSON bool) error {
			return ask(c, func(ctx context.Context, node *client.Client) error {
				s, err := node.Status(ctx)
				if err != nil {
					return err
				}
				return p.answer(asJSON, s, describeStatus(s))
			})
		}),
	}
}

func describeStatus(s *client.Status) string {
	synced := "yes"
	if !s.Synced {
		synced = "no (see remora health)"
	}
	signs := ""
	if s.Observer {
		signs = ", observes only: " + s.ObserverReason
	}
	return table(
		[]string{"node", fmt.Sprintf("%s (%s), %s%s", s.Node, s.Roles, s.Version, signs)},
		[]string{"chain", fmt.Sprintf("%s, genesis %s", s.ChainID, s.Genesis)},
		[]string{"height", fmt.Sprintf("%d, certified %d, %s ago", s.Height, s.CertifiedHeight, ago(s.Time))},
		[]string{"epoch", fmt.Sprintf("%d, term %d, round %d", s.Epoch, s.Term, s.Round)},
		[]string{"state root", s.StateRoot.String()},
		[]string{"committee", fmt.Sprintf("%d validators, %d connected", s.CommitteeSize, s.Peers)},
		[]string{"synced", synced},
	)
}

func ago(t remora.Millis) time.Duration {
	return time.Since(time.UnixMilli(int64(t))).Round(100 * time.Millisecond)
}

func (p *program) health() *cli.Command {
	return &cli.Command{
		Name: "health", Usage: "whether a node is ready, and why not; exit 1 when it is not ready",
		Flags:  asking(&cli.DurationFlag{Name: "within", Usage: "ask again for so long until it is ready"}),
		Action: do(p.showHealth),
	}
}

func (p *program) showHealth(c *cli.Context, asJSON bool) error {
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("within"))
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		body, err := nodeHealth(c)
		if err == nil {
			return p.answerRaw(asJSON, body, "ready")
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		if body != "" {
			err = errors.Join(err, p.answerRaw(asJSON, body, "not ready: "+body))
		}
		return err
	}
}

// nodeHealth asks once. body is the node's answer, empty when there was none.
func nodeHealth(c *cli.Context) (body string, err error) {
	url, err := nodeURL(c)
	if err != nil {
		return "", err
	}
	body, ready, err := askReady(c.Context, url)
	if err == nil && !ready {
		err = fail("NODE_NOT_READY", "the node at %s is not ready", url)
	}
	return body, err
}

// answerRaw prints a document that is JSON already.
func (p *program) answerRaw(asJSON bool, doc, text string) error {
	if asJSON {
		text = doc
	}
	_, err := fmt.Fprintln(p.out, printable(text))
	return err
}

// askReady asks a node whether it is ready. The answer is JSON and names reasons.
func askReady(ctx context.Context, url string) (body string, ready bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/readyz", nil)
	if err != nil {
		return "", false, misuse("node URL %.200q: %v", url, err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", false, withCode("NODE_UNREACHABLE", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", false, withCode("NODE_UNREACHABLE", err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusServiceUnavailable:
		return strings.TrimSpace(string(b)), resp.StatusCode == http.StatusOK, nil
	}
	return "", false, fail("BAD_ANSWER", "%s answered %s; is it a node?", url, resp.Status)
}
