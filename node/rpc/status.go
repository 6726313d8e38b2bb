package rpc

import (
	"context"
	"net/http"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/state/registry"
)

// readStatus answers from one view, so that height, epoch and root are of the same block.
func (s *Server) readStatus(context.Context, client.None) (*client.Status, error) {
	own := s.Status()
	view := s.Head.Newest()
	defer view.Release()
	doc := &client.Status{
		ChainID: s.Genesis.ChainID, Genesis: s.origin, Fork: s.Genesis.Fork,
		Node: own.Name, Roles: own.Roles.String(), Version: own.Version,
		Height: view.Tip.Height, Hash: view.Tip.Hash, Time: view.Tip.Time,
		Term: s.committee.Term, Round: own.Round,
		StateRoot: view.Tree.Root(), CommitteeSize: s.committee.Size(), Peers: own.Peers, Synced: own.Synced,
		Observer: own.Observer != "", ObserverReason: own.Observer, Limits: s.limitHits(),
	}
	var err error
	if doc.Epoch, err = epochOfView(view); err != nil {
		return nil, err
	}
	doc.CertifiedHeight, err = s.certifiedHeight(view.Tip.Height)
	return doc, err
}

// epochOfView returns the epoch of the view's block, before the first block that of the genesis.
func epochOfView(view *head.View) (remora.Epoch, error) {
	if view.Block != nil {
		return view.Block.Header.Epoch, nil
	}
	epoch, err := registry.GetEpoch(view.Tables)
	return epoch.Number, err
}

// certifiedSearch bounds the blocks below the newest that are searched for a certificate after a start.
const certifiedSearch = 256

// certifiedHeight returns the highest certified height, at most newest.
func (s *Server) certifiedHeight(newest remora.Height) (remora.Height, error) {
	if view, ok := s.Head.Certified(); ok {
		defer view.Release()
		return min(view.Tip.Height, newest), nil
	}
	for h := newest; h > 0 && newest-h < certifiedSearch; h-- {
		certificate, err := s.Store.BlockCertificate(h)
		if certificate != nil || err != nil {
			return h, err
		}
	}
	return 0, nil
}

func (s *Server) readGenesis(context.Context, client.None) (*remora.Genesis, error) {
	return s.Genesis, nil
}

func (s *Server) serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.openAPI)
	return nil
}

// readiness says whether a node should get traffic, by its own judgement. A limit that is being hit is no reason against it:
// the limit is there so that others are served.
type readiness struct {
	Ready   bool              `json:"ready"`
	Reasons []string          `json:"reasons" doc:"why the node is not ready"`
	Limits  []client.LimitHit `json:"limits,omitempty" doc:"limits that somebody is held to now, those with the most hits first"`
}

type health struct {
	Live bool `json:"live"`
	readiness
}

func (s *Server) readiness() readiness {
	ready, reasons := s.Ready()
	if reasons == nil {
		reasons = []string{}
	}
	return readiness{Ready: ready, Reasons: reasons, Limits: s.limitHits()}
}

// maxLimitHits bounds the limits that a document names.
const maxLimitHits = 32

func (s *Server) limitHits() []client.LimitHit {
	lately := s.Hits.Lately()
	var hits []client.LimitHit
	for _, h := range lately[:min(len(lately), maxLimitHits)] {
		hits = append(hits, client.LimitHit{
			Limit: h.Limit, Who: h.Who, Count: h.Count, Since: remora.Millis(h.Since.UnixMilli()),
		})
	}
	return hits
}

// serveLive answers while the process is alive.
func (s *Server) serveLive(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]bool{"live": true})
	return nil
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) error {
	doc := s.readiness()
	status := http.StatusOK
	if !doc.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, doc)
	return nil
}

func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, health{Live: true, readiness: s.readiness()})
	return nil
}
