package home

import (
	"fmt"
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
func (h *Home) Withdraw() error { return h.removeFile(apiFile) }

// API returns the addresses of the running node. It notices a file that a killed node left behind.
func (h *Home) API() (API, error) {
	holder, running, err := h.Running()
	if err != nil {
		return API{}, err
	}
	a, err := h.readAPI()
	if err != nil {
		return API{}, err
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

// readAPI returns the announced addresses; none if there is no file, or an empty one.
func (h *Home) readAPI() (API, error) {
	var a API
	if info, err := os.Stat(h.path(apiFile)); err == nil && info.Size() == 0 {
		return a, nil
	}
	_, err := h.readJSON(apiFile, &a)
	return a, err
}
