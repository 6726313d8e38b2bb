package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/remora-network/remora"
)

// Outcome is what a client knows of a submission.
type Outcome string

// The outcomes. Only an acknowledgement promises anything; a transaction without an answer may execute or not.
const (
	Acked      Outcome = "acked"
	Refused    Outcome = "refused"
	Unanswered Outcome = "unanswered"
)

// Submit is one submission of one transaction, as its client saw it.
type Submit struct {
	At        time.Time   `json:"at"`
	Client    int         `json:"client"`
	Validator int         `json:"validator"`
	Tx        remora.Hash `json:"tx"`
	Signed    bool        `json:"signed"` // a transfer of the client's account; otherwise opaque
	Nonce     uint64      `json:"nonce"`  // of a transfer; its client sends the next one when this one is executed
	Outcome   Outcome     `json:"outcome"`
}

// History is what all clients did. Several goroutines write to it.
type History struct {
	mu      sync.Mutex
	submits []Submit
}

func (h *History) add(s ...Submit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.submits = append(h.submits, s...)
}

// all returns what was entered so far. The caller does not change it.
func (h *History) all() []Submit {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.submits[:len(h.submits):len(h.submits)]
}

// Save writes the history to a file, a JSON document a line.
func (h *History) Save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	lines := json.NewEncoder(out)
	for _, s := range h.all() {
		if err := lines.Encode(s); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(out.Flush(), f.Close())
}
