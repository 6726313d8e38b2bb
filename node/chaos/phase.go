package chaos

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/chaos/attack"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
)

const (
	transferEvery = 500 * time.Millisecond
	transferLimit = 25 * time.Second // after which a transfer counts as lost
	sampleEvery   = 250 * time.Millisecond
	probeTimeout  = 2 * time.Second
)

// Phase is what was seen in some seconds of a siege.
type Phase struct {
	Latencies []time.Duration // of transfers, sorted; those that did not end count as transferLimit
	Lost      int
	Failures  []string // why transfers failed
	Blocks    float64  // a second
	RSS       float64  // MiB of the largest honest node
	Disk      float64  // MiB by which the largest honest node grew
	CPU       float64  // cores that the attacker used
	Paid      float64  // MiB that the attacker's accounts paid for, at one unit a byte
	Named     []string // where nodes name who attacks them
}

// P50 returns the median of the transfers.
func (p *Phase) P50() time.Duration {
	if len(p.Latencies) == 0 {
		return transferLimit
	}
	return p.Latencies[len(p.Latencies)/2]
}

// Max returns the time of the slowest transfer.
func (p *Phase) Max() time.Duration {
	if len(p.Latencies) == 0 {
		return transferLimit
	}
	return p.Latencies[len(p.Latencies)-1]
}

// senders returns the nodes through which transfers go: the honest validators and the gateway.
func (s *Siege) senders() []int {
	var all []int
	for i, n := range s.status.Nodes {
		if n.Role == devnet.RoleGateway || n.Role == devnet.RoleValidator && n.Name != traitor {
			all = append(all, i)
		}
	}
	return all
}

// Watch sends transfers for a time and measures. The attacker may be nil.
func (s *Siege) Watch(ctx context.Context, d time.Duration, a *Attacker) (*Phase, error) {
	p := new(Phase)
	var mu sync.Mutex
	var transfers sync.WaitGroup
	limited, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	disk, cpu, logs, rich := s.diskUse(), a.cpuTime(), s.logSizes(), s.balance(ctx)
	begin, height := time.Now(), s.height(ctx)
	senders := s.senders()
	nextTransfer := begin
	for turn := 0; limited.Err() == nil; {
		if now := time.Now(); !now.Before(nextTransfer) {
			nextTransfer = now.Add(transferEvery)
			place := turn % len(senders)
			turn++
			transfers.Go(func() {
				took, err := s.transfer(ctx, senders[place], place)
				mu.Lock()
				defer mu.Unlock()
				p.noteTransfer(took, err)
			})
		}
		p.RSS = max(p.RSS, s.memory())
		devnet.Pause(limited, sampleEvery)
	}
	took := time.Since(begin).Seconds()
	p.Blocks = float64(s.height(ctx)-height) / took
	p.CPU = (a.cpuTime() - cpu).Seconds() / took
	p.Disk = s.diskGrowth(disk)
	if a != nil {
		p.Named = s.whoIsNamed(ctx, a.kind, logs)
	}
	transfers.Wait()
	p.Paid = float64(rich-min(rich, s.balance(ctx))) / (1 << 20)
	slices.Sort(p.Latencies)
	return p, ctx.Err()
}

func (p *Phase) noteTransfer(took time.Duration, err error) {
	if err != nil {
		took = transferLimit
		p.Lost++
		p.Failures = append(p.Failures, fmt.Sprintf("%.160s", err))
	}
	p.Latencies = append(p.Latencies, took)
}

// transfer sends a transfer of an account through a node and waits for its execution.
func (s *Siege) transfer(ctx context.Context, node, account int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, transferLimit)
	defer cancel()
	begin := time.Now()
	_, err := s.nodes[node].Transfer(ctx, s.keys[account], s.keys[(account+1)%len(s.keys)].Public(), 1, true)
	return time.Since(begin), err
}

func (a *Attacker) cpuTime() time.Duration {
	if a == nil {
		return 0
	}
	return a.CPU()
}

// height returns the highest block that an honest validator has executed.
func (s *Siege) height(ctx context.Context) remora.Height {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	found := make(chan remora.Height)
	for _, c := range s.nodes[:Validators-1] {
		go func() {
			status, err := c.Status(ctx)
			if err != nil {
				found <- 0
				return
			}
			found <- status.Height
		}()
	}
	var highest remora.Height
	for range Validators - 1 {
		highest = max(highest, <-found)
	}
	return highest
}

// balance returns what the accounts of the attackers hold, or what they held when it was last known.
func (s *Siege) balance(ctx context.Context) remora.Amount {
	var all remora.Amount
	for _, key := range s.hostile {
		limited, cancel := context.WithTimeout(ctx, transferLimit)
		account, err := s.nodes[0].Account(limited, key.Public())
		cancel()
		if err != nil {
			return s.held
		}
		all += account.Balance
	}
	s.held = all
	return all
}

// memory returns the resident memory of the largest honest node in MiB.
func (s *Siege) memory() float64 {
	largest := 0.0
	for _, n := range s.status.Nodes {
		if n.Name != traitor {
			largest = max(largest, residentMemory(n.Pid))
		}
	}
	return largest
}

func residentMemory(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// diskUse returns the bytes on disk of each node.
func (s *Siege) diskUse() []int64 {
	all := make([]int64, len(s.status.Nodes))
	for i, n := range s.status.Nodes {
		_ = filepath.WalkDir(n.Home, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // a file that was removed meanwhile
			}
			info, err := entry.Info()
			if err != nil {
				return nil //nolint:nilerr // as above
			}
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				all[i] += min(st.Blocks*512, info.Size()) // neither what is set aside for a file nor its holes
			}
			return nil
		})
	}
	return all
}

func (s *Siege) diskGrowth(before []int64) float64 {
	most := int64(0)
	for i, after := range s.diskUse() {
		if s.status.Nodes[i].Name != traitor {
			most = max(most, after-before[i])
		}
	}
	return float64(most) / (1 << 20)
}

func (s *Siege) logSizes() []int64 {
	sizes := make([]int64, len(s.status.Nodes))
	for i, n := range s.status.Nodes {
		if info, err := os.Stat(n.Log); err == nil {
			sizes[i] = info.Size()
		}
	}
	return sizes
}

// whoIsNamed returns where honest nodes name the attacker: by address, peer id, name in the committee, or account.
func (s *Siege) whoIsNamed(ctx context.Context, kind string, logs []int64) []string {
	names := []string{attack.Host(kind)}
	if isMember(kind) {
		names = []string{traitor, s.records[slices.IndexFunc(s.records, func(r client.Node) bool { return r.Name == traitor })].PeerID}
	} else if strings.HasPrefix(kind, "client-") {
		names = append(names, s.keys[len(s.keys)-2].Public().String())
	}
	found := map[string]bool{}
	for i, n := range s.status.Nodes {
		if n.Name == traitor {
			continue
		}
		texts := map[string]string{
			"readyz": fetchText(ctx, n.RPC+"/readyz"), "status": fetchText(ctx, n.RPC+"/v1/status"), "metrics": fetchText(ctx, n.Metrics),
			"log": readFrom(n.Log, logs[i]),
		}
		for place, text := range texts {
			found[place] = found[place] || slices.ContainsFunc(names, func(name string) bool { return strings.Contains(text, name) })
		}
	}
	var places []string
	for _, place := range []string{"readyz", "status", "metrics", "log"} {
		if found[place] {
			places = append(places, place)
		}
	}
	return places
}

func fetchText(ctx context.Context, url string) string {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return ""
	}
	return string(body)
}

// readFrom returns what was added to a file since it had a size.
func readFrom(path string, size int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, size, 1<<24))
	if err != nil {
		return ""
	}
	return string(text)
}

// Recover returns how long it takes until a transfer through each sender is executed within a limit and every honest node
// says that it is ready; at most patience.
func (s *Siege) Recover(ctx context.Context, limit, patience time.Duration) time.Duration {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	senders := s.senders()
	for ctx.Err() == nil {
		good := make(chan bool)
		for place, node := range senders {
			go func() {
				took, err := s.transfer(ctx, node, place)
				good <- err == nil && took <= limit
			}()
		}
		all := true
		for range senders {
			all = <-good && all
		}
		if all && s.allReady(ctx) {
			return time.Since(begin)
		}
		devnet.Pause(ctx, sampleEvery)
	}
	return patience
}

func (s *Siege) allReady(ctx context.Context) bool {
	for _, n := range s.status.Nodes {
		if !strings.Contains(fetchText(ctx, n.RPC+"/readyz"), `"ready":true`) {
			return false
		}
	}
	return true
}
