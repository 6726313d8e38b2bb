package cache

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/proofs/content"
)

// indexWait is how long an upload waits for the block that registers its content.
const indexWait = 5 * time.Second

// UploadPath is where uploads go, followed by a CID.
const UploadPath = "/v1/content/"

// ServeHTTP takes uploads (PUT) and answers whether content is here (HEAD).
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	root, directory, err := content.ParseCID(r.PathValue("cid"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "BAD_CID", err)
		return
	}
	if r.Method == http.MethodHead {
		if _, held := s.c.Store.Length(root); !held {
			w.WriteHeader(http.StatusNotFound)
		}
		return
	}
	entry, err := s.registered(r.Context(), root, directory)
	switch {
	case errors.Is(err, remora.ErrNotFound):
		refuse(w, http.StatusNotFound, "NOT_REGISTERED", err)
		return
	case err != nil:
		refuse(w, http.StatusInternalServerError, "INTERNAL", err)
		return
	case r.ContentLength >= 0 && uint64(r.ContentLength) != entry.Content.Length:
		refuse(w, http.StatusBadRequest, "BAD_LENGTH", store.ErrMismatch)
		return
	}
	err = s.c.Store.Import(r.Body, entry.Content)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusCreated)
	case errors.Is(err, store.ErrMismatch):
		refuse(w, http.StatusConflict, "BAD_CONTENT", err)
	case errors.Is(err, store.ErrQuota) || errors.Is(err, store.ErrNoSpace):
		refuse(w, http.StatusInsufficientStorage, "NO_SPACE", err)
	default:
		s.c.Logger.Warn("upload failed", slog.String("root", root.String()), slog.Any("reason", err))
		refuse(w, http.StatusBadRequest, "UPLOAD_FAILED", err)
	}
}

// registered waits for the index's entry, which a block that this node has not executed yet may hold.
func (s *Service) registered(ctx context.Context, root remora.Hash, directory bool) (remora.ContentEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	for {
		entry, found, err := s.c.Chain.Content(root, directory)
		if found || err != nil {
			return entry, err
		}
		if s.c.Chain.WaitBlock(ctx) != nil {
			return entry, errors.Join(remora.ErrNotFound, errors.New("register the content first, with remora publish"))
		}
	}
}

func refuse(w http.ResponseWriter, status int, code string, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": err.Error()}})
}
