package bench

import (
	"context"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// Measurement is the outcome of a run. Counts are transactions.
type Measurement struct {
	Validators   int     `json:"validators"`
	Size         int     `json:"size"`
	Rate         int     `json:"rate"`
	Seconds      float64 `json:"seconds"`
	Submitted    uint64  `json:"submitted"`  // submitted within the window, and acknowledged
	Refused      uint64  `json:"refused"`    // refused by a validator, or not sent because too many requests were in flight
	Committed    uint64  `json:"committed"`  // executed and durable within the window on the validator that took them
	Duplicated   uint64  `json:"duplicated"` // executed more than once
	Lost         uint64  `json:"lost"`       // acknowledged and never executed
	Unanswered   uint64  `json:"unanswered"` // neither acknowledged nor refused
	TxPerS       float64 `json:"tx_per_s"`
	MBPerS       float64 `json:"mb_per_s"`
	Latency      Latency `json:"latency_ms"`
	CommitPerS   float64 `json:"commit_per_s"` // blocks
	CPUSeconds   float64 `json:"cpu_seconds"`  // of all validators, within the window
	LoaderCPU    float64 `json:"loader_cpu_seconds"`
	RSSMiB       float64 `json:"rss_mib"`    // of the largest validator
	DiskBytes    int64   `json:"disk_bytes"` // of all validators
	Home         string  `json:"home,omitempty"`
	Certificates string  `json:"certificates"` // scheme of the DAG's certificates
}

// Latency is the time from a submission until its execution is durable on the validator that took it, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// countExecutions reads the whole chain back and returns how often each transaction was executed.
func countExecutions(ctx context.Context, c *client.Client, to remora.Height, made uint64) (times []uint8, err error) {
	times = make([]uint8, made)
	err = c.CertifiedBlocks(ctx, 1, to, func(cb *remora.CertifiedBlock) error {
		for _, raw := range cb.Batches {
			b, err := remora.ParseBatch(raw)
			if err != nil {
				return fmt.Errorf("block %d: %w", cb.Block.Header.Height, err)
			}
			for _, tx := range b.Txs() {
				if n, ours := txNumber(tx); ours && n < made && times[n] < 255 {
					times[n]++
				}
			}
		}
		return nil
	})
	return times, err
}

// countLosses compares the acknowledged transactions with the chain, and counts those without an answer.
func (l *ledger) countLosses(times []uint8, r *Measurement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.acked {
		for n := s.first; n < s.first+s.count; n++ {
			if times[n] == 0 {
				r.Lost++
			}
		}
	}
	for _, s := range l.unheard {
		r.Unanswered += s.count
	}
	for _, n := range times {
		if n > 1 {
			r.Duplicated++
		}
	}
}
