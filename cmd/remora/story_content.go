package main

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
	"github.com/remora-network/remora/testdata"
)

// filmSize is the length of the story's large file.
const filmSize = 64 << 20

// content publishes a site and a large file, kills a cache, and fetches both with every piece verified.
func (s *story) content(ctx context.Context) error {
	dir := filepath.Join(s.status.Home, "story")
	film, err := writeStory(dir)
	if err != nil {
		return err
	}
	chain := publisher{s.nodes[0], s.keys[0]}
	options := publish.Options{Chain: chain, Replicas: storyCaches, Progress: func(string, ...any) {}}
	site, err := publish.Publish(ctx, filepath.Join(dir, "site"), options)
	if err != nil {
		return err
	}
	large, err := publish.Publish(ctx, filepath.Join(dir, "film.bin"), options)
	if err != nil {
		return err
	}
	s.film = large
	s.say("a site of %d files and a file of %d MiB are published: %d caches hold them", site.Files, filmSize>>20, large.Replicas)
	gateway := s.gateway()
	if err := s.browse(ctx, gateway+"/ipfs/"+site.CID+"/"); err != nil {
		return err
	}
	cache := s.status.Nodes[storyValidators].Name
	if err := s.net.Kill(ctx, cache); err != nil {
		return err
	}
	out := filepath.Join(dir, "fetched.bin")
	r, err := fetch.Fetch(ctx, fetch.Options{Gateway: gateway, CID: large.CID, Out: out})
	if err != nil {
		return err
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, film) {
		return errors.Join(fmt.Errorf("%w: the fetched file differs from the published one", errStory), err)
	}
	s.say("%s is killed; a reader fetches %d MiB through the gateway, every piece verified, at %.0f MB/s",
		cache, filmSize>>20, float64(r.Bytes)/1e6/r.Seconds)
	if err := s.net.Start(ctx, cache); err != nil {
		return err
	}
	s.say("%s is back", cache)
	return os.Remove(out)
}

// writeStory writes what is published and returns the large file, another one each time.
func writeStory(dir string) ([]byte, error) {
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

func (s *story) gateway() string {
	for _, n := range s.status.Nodes {
		if n.Role == devnet.RoleGateway {
			return n.Gateway
		}
	}
	return ""
}

// browse reads the site's first page as a browser would.
func (s *story) browse(ctx context.Context, url string) error {
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
		return fmt.Errorf("%w: %s answers %s with %d bytes", errStory, url, resp.Status, len(page))
	}
	s.say("its first page comes from %s", url)
	return nil
}
