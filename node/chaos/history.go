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

// Outcome is a client's knowledge of a submission.
type Outcome string

// The outcomes. Only an acknowledgement is a promise; a transaction without an answer may be executed or not.
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
	Signed    bool        `json:"signed"` // a transfer of the client's account; false: opaque
	Nonce     uint64      `json:"nonce"`  // of a transfer; its client sends the next one when this one is executed
	Outcome   Outcome     `json:"outcome"`
}

// History holds the submissions of all clients. It may be used from any goroutine.
type History struct {
	mu      sync.Mutex
	submits []Submit
}

func (h *History) addSubmits(s ...Submit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.submits = append(h.submits, s...)
}

// allSubmits returns the submissions so far. The caller must not change them.
func (h *History) allSubmits() []Submit {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.submits[:len(h.submits):len(h.submits)]
}

// Save writes the history to a file, one JSON document per line.
func (h *History) Save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	lines := json.NewEncoder(out)
	for _, s := range h.allSubmits() {
		if err := lines.Encode(s); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(out.Flush(), f.Close())
}
