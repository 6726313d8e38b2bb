package cache

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/proofs/content"
)

const (
	// indexWait is how long an upload waits for the block that registers its content.
	indexWait = 5 * time.Second
	// uploadPatience is how long an upload may bring nothing: it holds room that others could use.
	uploadPatience = 30 * time.Second
)

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
	answer(w, s.receive(w, r, entry.Content))
}

// receive stores the body of a request.
func (s *Service) receive(w http.ResponseWriter, r *http.Request, c remora.Content) error {
	err := s.c.Store.Import(&steadyBody{r.Body, http.NewResponseController(w), s.patience}, c)
	if err != nil {
		s.c.Logger.Warn("upload failed", slog.String("root", c.Root.String()), slog.Any("reason", err))
	}
	return err
}

// answer says what became of an upload. Only content that is durable is acknowledged.
func answer(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		w.WriteHeader(http.StatusCreated)
	case errors.Is(err, store.ErrMismatch):
		refuse(w, http.StatusConflict, "BAD_CONTENT", err)
	case errors.Is(err, store.ErrQuota) || errors.Is(err, store.ErrNoSpace):
		refuse(w, http.StatusInsufficientStorage, "NO_SPACE", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		refuse(w, http.StatusRequestTimeout, "UPLOAD_STALLED", err)
	default:
		refuse(w, http.StatusBadRequest, "UPLOAD_FAILED", err)
	}
}

// steadyBody is a body of which something has to come again and again, until it ends. After an error the deadline stays,
// so that nobody waits for the rest of the body.
type steadyBody struct {
	body     io.Reader
	control  *http.ResponseController
	patience time.Duration
}

// Read implements io.Reader.
func (s *steadyBody) Read(p []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(s.patience)) // a connection without deadlines is a test's
	n, err := s.body.Read(p)
	if errors.Is(err, io.EOF) {
		_ = s.control.SetReadDeadline(time.Time{})
	}
	return n, err
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
