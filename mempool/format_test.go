package mempool_test

import (
	"fmt"
	"strings"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
)

// format writes a Ready as a golden trace shows it.
func format(r mempool.Ready) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	if r.Sync {
		b.WriteString("ready, synced\n")
	} else {
		b.WriteString("ready\n")
	}
	for _, rec := range r.Persist {
		switch {
		case rec.Lost:
			line("persist lost")
		case rec.Floor > 0:
			line("persist floor %d", rec.Floor)
		default:
			line("persist %s", describe(rec.Header, rec.Vote, rec.Certificate))
		}
	}
	for _, o := range r.Send {
		to := "all"
		if !o.Broadcast {
			to = fmt.Sprint(o.To)
		}
		line("send to %s: %s", to, describe(o.Header, o.Vote, o.Certificate))
	}
	for _, w := range r.Want {
		switch {
		case w.Tip:
			line("want from %d: tip", w.From)
		case len(w.Parents) > 0:
			line("want from %d: parents in round %d: %s", w.From, w.Round, parents(w.Parents))
		default:
			line("want from %d: %s", w.From, batches(w.Batches))
		}
	}
	for _, c := range r.Delivered {
		line("deliver %s", describe(nil, nil, c))
	}
	for _, e := range r.Events {
		line("event %s", describeEvent(e))
	}
	return b.String()
}

func describe(h *remora.Header, v *remora.Vote, c *remora.Certificate) string {
	switch {
	case h != nil:
		text := fmt.Sprintf("header %d/%d %.4s parents %s", h.Author, h.Round, h.Digest(), parents(h.Parents))
		if len(h.Payload) > 0 {
			text += " " + batches(h.Payload)
		}
		if len(h.Shares)+len(h.Contributions) > 0 {
			text += fmt.Sprintf(" shares %d contributions %d", len(h.Shares), len(h.Contributions))
		}
		return text
	case v != nil:
		return fmt.Sprintf("vote of %d for %d/%d %.4s", v.Voter, v.Author, v.Round, v.Digest)
	case c != nil:
		return fmt.Sprintf("certificate %d/%d %.4s signers %d", c.Author(), c.Round(), c.Digest(), c.Signers.Count())
	}
	return "nothing"
}

func parents(list []remora.Parent) string {
	var authors []string
	for _, p := range list {
		authors = append(authors, fmt.Sprint(p.Author))
	}
	return "[" + strings.Join(authors, " ") + "]"
}

func batches(list []remora.BatchRef) string {
	var names []string
	for _, ref := range list {
		names = append(names, strings.TrimRight(string(ref.Digest[:]), "\x00"))
	}
	return "batches [" + strings.Join(names, ", ") + "]"
}

func describeEvent(e mempool.Event) string {
	switch e := e.(type) {
	case mempool.Proposed:
		return fmt.Sprintf("proposed round %d", e.Header.Round)
	case mempool.Voted:
		return fmt.Sprintf("voted %d/%d", e.Header.Author, e.Header.Round)
	case mempool.Certified:
		return fmt.Sprintf("certified round %d", e.Certificate.Round())
	case mempool.Equivocation:
		if e.First == nil {
			return fmt.Sprintf("equivocation %.4s against a vote before the restart", e.Second.Digest())
		}
		return fmt.Sprintf("equivocation %.4s %.4s certified %v", e.First.Digest(), e.Second.Digest(), e.Certified)
	case mempool.Outdated:
		return fmt.Sprintf("outdated by header %d/%d", e.Header.Author, e.Header.Round)
	case mempool.Refused:
		return fmt.Sprintf("refused %d/%d: %v", e.Header.Author, e.Header.Round, e.Reason)
	}
	return fmt.Sprintf("%T%+v", e, e)
}
