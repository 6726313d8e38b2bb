package cache

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/steady"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

const (
	// indexWait bounds the time for which an upload waits for the block that registers its content.
	indexWait = 5 * time.Second
	// uploadPatience bounds the time in which an upload sends nothing: it occupies reserved space.
	uploadPatience = 30 * time.Second
)

// UploadPath is the path of uploads, followed by a CID.
const UploadPath = "/v1/content/"

// ServeHTTP takes uploads (PUT) and answers whether content is held (HEAD).
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	root, directory, err := content.ParseCID(r.PathValue("cid"))
	if err != nil {
		transfer.WriteError(w, http.StatusBadRequest, "BAD_CID", err.Error())
		return
	}
	if r.Method == http.MethodHead {
		if _, held := s.c.Store.Length(root); !held {
			w.WriteHeader(http.StatusNotFound)
		}
		return
	}
	entry, err := s.awaitEntry(r.Context(), root, directory)
	switch {
	case errors.Is(err, remora.ErrNotFound):
		transfer.WriteError(w, http.StatusNotFound, "NOT_REGISTERED", err.Error())
		return
	case err != nil:
		transfer.WriteError(w, http.StatusInternalServerError, "INTERNAL", err.Error())
		return
	case r.ContentLength >= 0 && uint64(r.ContentLength) != entry.Content.Length:
		transfer.WriteError(w, http.StatusBadRequest, "BAD_LENGTH", store.ErrMismatch.Error())
		return
	}
	answerUpload(w, s.storeUpload(w, r, entry.Content))
}

// storeUpload stores the body of a request.
func (s *Service) storeUpload(w http.ResponseWriter, r *http.Request, c remora.Content) error {
	err := s.c.Store.Import(steady.NewBody(w, r, s.patience), c)
	if err != nil {
		s.c.Logger.Warn("upload failed", slog.String("root", c.Root.String()), slog.Any("reason", err))
	}
	return err
}

// answerUpload answers with the outcome of an upload. Only durable content is acknowledged.
func answerUpload(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		w.WriteHeader(http.StatusCreated)
	case errors.Is(err, store.ErrMismatch):
		transfer.WriteError(w, http.StatusConflict, "BAD_CONTENT", err.Error())
	case errors.Is(err, store.ErrQuota) || errors.Is(err, store.ErrNoSpace):
		transfer.WriteError(w, http.StatusInsufficientStorage, "NO_SPACE", err.Error())
	case errors.Is(err, os.ErrDeadlineExceeded):
		transfer.WriteError(w, http.StatusRequestTimeout, "UPLOAD_STALLED", err.Error())
	default:
		transfer.WriteError(w, http.StatusBadRequest, "UPLOAD_FAILED", err.Error())
	}
}

// awaitEntry returns the chain's entry, waiting up to indexWait for the block that registers it.
func (s *Service) awaitEntry(ctx context.Context, root remora.Hash, directory bool) (remora.ContentEntry, error) {
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
