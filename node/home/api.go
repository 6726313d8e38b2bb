package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// API is the addresses of a running node.
type API struct {
	RPC     string `json:"rpc"`     // URL
	Metrics string `json:"metrics"` // URL, empty if off
	Pid     int    `json:"pid"`
}

// Announce writes the node's addresses for commands that are given the home. Only the holder of the lock may call it.
func (h *Home) Announce(a API) error {
	return h.writeJSON(apiFile, a)
}

// Withdraw removes the file that Announce wrote.
func (h *Home) Withdraw() error {
	if err := os.Remove(h.path(apiFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// API returns the addresses of the running node. It notices a file that a killed node left behind.
func (h *Home) API() (API, error) {
	holder, running, err := h.Running()
	if err != nil {
		return API{}, err
	}
	data, err := os.ReadFile(h.path(apiFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return API{}, fmt.Errorf("read %s: %w", apiFile, err)
	}
	var a API
	if len(data) > 0 {
		if err := json.Unmarshal(data, &a); err != nil {
			return API{}, fmt.Errorf("read %s: %w", apiFile, err)
		}
	}
	switch {
	case !running && a.Pid != 0:
		return API{}, fmt.Errorf("%w for %q: process %d has ended; start a node with remora run --home %q", ErrNotRunning, h.dir, a.Pid, h.dir)
	case !running:
		return API{}, fmt.Errorf("%w for %q; start it with remora run --home %q", ErrNotRunning, h.dir, h.dir)
	case a.Pid != holder.Pid:
		return API{}, fmt.Errorf("%w yet for %q: process %d is starting; try again", ErrNotRunning, h.dir, holder.Pid)
	}
	return a, nil
}
