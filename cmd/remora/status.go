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

func (p *program) statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show the state of a node", Flags: nodeFlags(),
		Action: withOutput(func(c *cli.Context, asJSON bool) error {
			return askNode(c, func(ctx context.Context, node *client.Client) error {
				s, err := node.Status(ctx)
				if err != nil {
					return err
				}
				return p.printAnswer(asJSON, s, describeStatus(s))
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
	rows := [][]string{
		{"node", fmt.Sprintf("%s (%s), %s%s", s.Node, s.Roles, s.Version, signs)},
		{"chain", fmt.Sprintf("%s, genesis %s", s.ChainID, s.Genesis)},
		{"height", fmt.Sprintf("%d, certified %d, %s ago", s.Height, s.CertifiedHeight, ageOf(s.Time))},
		{"epoch", fmt.Sprintf("%d, term %d, round %d", s.Epoch, s.Term, s.Round)},
		{"state root", s.StateRoot.String()},
		{"committee", fmt.Sprintf("%d validators, %d connected", s.CommitteeSize, s.Peers)},
		{"synced", synced},
	}
	for _, l := range s.Limits {
		rows = append(rows, []string{"limit hit", fmt.Sprintf("%s by %s: %d times in %s", l.Limit, l.Who, l.Count, ageOf(l.Since))})
	}
	return formatTable(rows...)
}

func ageOf(t remora.Millis) time.Duration {
	return time.Since(time.UnixMilli(int64(t))).Round(100 * time.Millisecond)
}

func (p *program) healthCommand() *cli.Command {
	return &cli.Command{
		Name: "health", Usage: "show whether a node is ready, and if not, why; exit 1 if it is not ready",
		Flags:  nodeFlags(&cli.DurationFlag{Name: "within", Usage: "wait up to this time until the node is ready"}),
		Action: withOutput(p.showHealth),
	}
}

func (p *program) showHealth(c *cli.Context, asJSON bool) error {
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("within"))
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		body, err := askHealth(c)
		if err == nil {
			return p.printRaw(asJSON, body, "ready")
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		if body != "" {
			err = errors.Join(err, p.printRaw(asJSON, body, "not ready: "+body))
		}
		return err
	}
}

// askHealth asks once. body is JSON with the reasons, empty if the node did not answer.
func askHealth(c *cli.Context) (body string, err error) {
	url, err := nodeURL(c)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(c.Context, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/readyz", nil)
	if err != nil {
		return "", newUsageError("node URL %.200q: %v", url, err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", withCode("NODE_UNREACHABLE", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", withCode("NODE_UNREACHABLE", err)
	}
	body = strings.TrimSpace(string(b))
	switch resp.StatusCode {
	case http.StatusOK:
		return body, nil
	case http.StatusServiceUnavailable:
		return body, newCodedError("NODE_NOT_READY", "the node at %s is not ready", url)
	}
	return "", newCodedError("BAD_ANSWER", "%s answered %s; is it a node?", url, resp.Status)
}

// printRaw prints doc, which is JSON, or text.
func (p *program) printRaw(asJSON bool, doc, text string) error {
	if asJSON {
		text = doc
	}
	_, err := fmt.Fprintln(p.out, printableText(text))
	return err
}
