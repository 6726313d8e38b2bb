package story

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/publish"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/wallet"
	"github.com/remora-network/remora/testdata"
)

// filmSize is the length of the story's large file.
const filmSize = 64 << 20

// publishContent publishes a site and a large file, kills a cache, and fetches both with every piece verified.
func (s *Story) publishContent(ctx context.Context) error {
	dir := filepath.Join(s.status.Home, "story")
	film, err := writeContent(dir)
	if err != nil {
		return err
	}
	chain := wallet.Wallet{Node: s.nodes[0], Key: s.keys[0]}
	options := publish.Options{Chain: chain, Replicas: caches, Progress: func(string, ...any) {}}
	site, err := publish.Publish(ctx, filepath.Join(dir, "site"), options)
	if err != nil {
		return err
	}
	large, err := publish.Publish(ctx, filepath.Join(dir, "film.bin"), options)
	if err != nil {
		return err
	}
	s.film = large
	s.sayf("a site of %d files and a file of %d MiB are published: %d caches hold them", site.Files, filmSize>>20, large.Replicas)
	gateway := s.gatewayURL()
	if err := s.browseSite(ctx, gateway+"/ipfs/"+site.CID+"/"); err != nil {
		return err
	}
	cache := s.status.Nodes[validators].Name
	if err := s.Net.Kill(ctx, cache); err != nil {
		return err
	}
	out := filepath.Join(dir, "fetched.bin")
	r, err := fetch.Fetch(ctx, fetch.Options{Gateway: gateway, CID: large.CID, Out: out})
	if err != nil {
		return err
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, film) {
		return errors.Join(fmt.Errorf("%w: the fetched file differs from the published one", ErrBroken), err)
	}
	s.sayf("%s is killed; a reader fetches %d MiB through the gateway, every piece verified, at %.0f MB/s",
		cache, filmSize>>20, float64(r.Bytes)/1e6/r.Seconds)
	if err := s.Net.Start(ctx, cache); err != nil {
		return err
	}
	s.sayf("%s is back", cache)
	return os.Remove(out)
}

// writeContent writes the site and the large file, and returns the latter. It differs from call to call.
func writeContent(dir string) ([]byte, error) {
	site := filepath.Join(dir, "site")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.RemoveAll(site)); err != nil {
		return nil, err
	}
	if err := os.CopyFS(site, testdata.Site()); err != nil {
		return nil, err
	}
	film := make([]byte, filmSize)
	seed := [32]byte{}
	copy(seed[:], time.Now().String())
	_, _ = rand.NewChaCha8(seed).Read(film) // never fails
	return film, os.WriteFile(filepath.Join(dir, "film.bin"), film, 0o600)
}

func (s *Story) gatewayURL() string {
	for _, n := range s.status.Nodes {
		if n.Role == devnet.RoleGateway {
			return n.Gateway
		}
	}
	return ""
}

// browseSite reads the site's first page as a browser would.
func (s *Story) browseSite(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	want, err := fs.ReadFile(testdata.Site(), "index.html")
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Equal(page, want) {
		return fmt.Errorf("%w: %s answers %s with %d bytes", ErrBroken, url, resp.Status, len(page))
	}
	s.sayf("its first page comes from %s", url)
	return nil
}
