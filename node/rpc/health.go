package rpc

import "net/http"

func (s *Server) serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.openAPI)
	return nil
}

// readiness says whether a node should get traffic, by its own judgement.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons" doc:"why the node is not ready"`
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
	return readiness{Ready: ready, Reasons: reasons}
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
