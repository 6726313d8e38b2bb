package trust_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/trust"
)

var domain = remora.Domain{1}

// council is a committee of four with its secrets, by authority.
type council struct {
	*trust.Committee
	consensus []*bls.SecretKey
	header    []*ed25519.PrivateKey
}

func newCouncil(t *testing.T) *council {
	t.Helper()
	secrets := map[remora.BLSPublicKey]*bls.SecretKey{}
	headers := map[remora.Address]*ed25519.PrivateKey{}
	var members []remora.Member
	for i := range 4 {
		seed := remora.SumBLAKE3(fmt.Appendf(nil, "trust test %d", i))
		secret, err := bls.DeriveKey(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		header, err := ed25519.NewKeyFromSeed(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		secrets[secret.Public()], headers[header.Public()] = secret, header
		members = append(members, remora.Member{
			Name: fmt.Sprint("v", i), Stake: 10, Consensus: secret.Public(), Beacon: remora.BLSPublicKey{byte(i + 1)},
			Header: header.Public(), PeerID: fmt.Sprint("peer", i),
		})
	}
	c, err := remora.NewCommittee(domain, 1, members)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := trust.New(c)
	if err != nil {
		t.Fatal(err)
	}
	made := &council{Committee: trusted}
	for _, m := range c.Members {
		made.consensus = append(made.consensus, secrets[m.Consensus])
		made.header = append(made.header, headers[m.Header])
	}
	return made
}

// aggregate is what the signers sign together.
func (c *council) aggregate(t *testing.T, message remora.Hash, by ...remora.Authority) remora.BLSSignature {
	t.Helper()
	var sigs []remora.BLSSignature
	for _, a := range by {
		sigs = append(sigs, c.consensus[a].Sign(message[:]))
	}
	sum, err := bls.Aggregate(sigs)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func (c *council) newHeader(author remora.Authority) *remora.Header {
	h := &remora.Header{Term: 1, Author: author, Round: 1, CreatedAt: 5, Parents: remora.GenesisParents(c.Committee.Committee, remora.Hash{1})}
	digest := h.Seal(domain)
	h.Signature = c.header[author].Sign(digest[:])
	return h
}

func (c *council) certificate(t *testing.T, author remora.Authority, by ...remora.Authority) *remora.Certificate {
	h := c.newHeader(author)
	return &remora.Certificate{
		Header: *h, Signers: remora.NewBitmap(4, by...), Signature: c.aggregate(t, remora.VoteMessage(domain, h), by...),
	}
}

func TestHeader(t *testing.T) {
	c := newCouncil(t)
	if err := c.CheckHeader(c.newHeader(2)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*remora.Header)
		want   error
	}{
		"another member's signature": {func(h *remora.Header) { h.Signature = c.newHeader(1).Signature }, trust.ErrSignature},
		"a changed field":            {func(h *remora.Header) { h.CreatedAt++; h.Seal(domain) }, trust.ErrSignature},
		"another chain":              {func(h *remora.Header) { h.Seal(remora.Domain{2}) }, trust.ErrSignature},
		"no member":                  {func(h *remora.Header) { h.Author = 4; h.Seal(domain) }, remora.ErrInvalid},
		"another term":               {func(h *remora.Header) { h.Term = 2; h.Seal(domain) }, remora.ErrInvalid},
		"two parents":                {func(h *remora.Header) { h.Parents = h.Parents[:2]; h.Seal(domain) }, remora.ErrInvalid},
	} {
		h := c.newHeader(2)
		tt.change(h)
		if err := c.CheckHeader(h); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
}

// TestAdoptedBatchNeedsItsAuthor has a header that lists a batch in another's name, with all signatures but the author's.
func TestAdoptedBatchNeedsItsAuthor(t *testing.T) {
	c := newCouncil(t)
	list := func(ref, vouched remora.BatchRef, by remora.Authority) error {
		message := remora.BatchMessage(c.Domain, 1, &vouched)
		h := c.newHeader(2)
		h.Payload, h.Proofs = []remora.BatchRef{ref}, []remora.Signature{c.header[by].Sign(message[:])}
		digest := h.Seal(c.Domain)
		h.Signature = c.header[2].Sign(digest[:])
		return c.CheckHeader(h)
	}
	ref := remora.BatchRef{Digest: remora.Hash{1}, Author: 1, Epoch: 7, Seq: 3, Bytes: 100, Count: 2, Weight: 300}
	if err := list(ref, ref, 1); err != nil {
		t.Fatal(err)
	}
	for by := range remora.Authority(4) {
		if err := list(ref, ref, by); by != 1 && !errors.Is(err, trust.ErrSignature) {
			t.Errorf("signed by %d: %v", by, err)
		}
	}
	for name, change := range map[string]func(*remora.BatchRef){
		"digest": func(r *remora.BatchRef) { r.Digest[0]++ }, "worker": func(r *remora.BatchRef) { r.Worker++ },
		"epoch": func(r *remora.BatchRef) { r.Epoch++ }, "number": func(r *remora.BatchRef) { r.Seq++ },
		"bytes": func(r *remora.BatchRef) { r.Bytes++ }, "count": func(r *remora.BatchRef) { r.Count++ },
		"weight": func(r *remora.BatchRef) { r.Weight++ },
	} {
		other := ref
		change(&other)
		if err := list(other, ref, 1); !errors.Is(err, trust.ErrSignature) {
			t.Errorf("another %s than the author signed: %v", name, err)
		}
	}
}

// TestCertificates checks each bad one alone and then all between good ones, twice: nothing is remembered of a bad one.
func TestCertificates(t *testing.T) {
	c := newCouncil(t)
	bad := map[string]struct {
		change func(*remora.Certificate)
		want   error
	}{
		"signer added":         {func(s *remora.Certificate) { s.Signers.Add(3) }, trust.ErrSignature},
		"signer exchanged":     {func(s *remora.Certificate) { s.Signers = remora.NewBitmap(4, 0, 1, 3) }, trust.ErrSignature},
		"another message":      {func(s *remora.Certificate) { s.Signature = c.aggregate(t, remora.Hash{1}, 0, 1, 2) }, trust.ErrSignature},
		"no point":             {func(s *remora.Certificate) { s.Signature = remora.BLSSignature{1} }, trust.ErrSignature},
		"point at infinity":    {func(s *remora.Certificate) { s.Signature = remora.BLSSignature{0xc0} }, trust.ErrSignature},
		"header of another":    {func(s *remora.Certificate) { s.Header = *c.newHeader(1) }, trust.ErrSignature},
		"another chain":        {func(s *remora.Certificate) { s.Header.Seal(remora.Domain{2}) }, trust.ErrSignature},
		"two signers":          {func(s *remora.Certificate) { s.Signers = remora.NewBitmap(4, 0, 1) }, remora.ErrInvalid},
		"bits above":           {func(s *remora.Certificate) { s.Signers[0] |= 0x80 }, remora.ErrInvalid},
		"bitmap too long":      {func(s *remora.Certificate) { s.Signers = append(s.Signers, 0) }, remora.ErrInvalid},
		"no bitmap":            {func(s *remora.Certificate) { s.Signers = nil }, remora.ErrInvalid},
		"author outside":       {func(s *remora.Certificate) { s.Header.Author = 9; s.Header.Seal(domain) }, remora.ErrInvalid},
		"one of genesis round": {func(s *remora.Certificate) { s.Header.Round = 0; s.Header.Seal(domain) }, remora.ErrInvalid},
	}
	list := []*remora.Certificate{c.certificate(t, 0, 0, 1, 2)}
	wants := []error{nil}
	for name, tt := range bad {
		cert := c.certificate(t, 0, 0, 1, 2)
		tt.change(cert)
		if errs := c.CheckCertificates([]*remora.Certificate{cert}); !errors.Is(errs[0], tt.want) {
			t.Errorf("%s: error %v, want %v", name, errs[0], tt.want)
		}
		list, wants = append(list, cert, c.certificate(t, 3, 1, 2, 3)), append(wants, tt.want, nil)
	}
	for range 2 {
		for i, err := range c.CheckCertificates(list) {
			if !errors.Is(err, wants[i]) || wants[i] == nil && err != nil {
				t.Errorf("certificate %d of %d: error %v, want %v", i, len(list), err, wants[i])
			}
		}
	}
	if errs := c.CheckCertificates(nil); len(errs) != 0 {
		t.Errorf("no certificates: %v", errs)
	}
}

func TestAggregateNamesCulprits(t *testing.T) {
	c := newCouncil(t)
	message := remora.Hash{7}
	var by []remora.Authority
	var sigs []remora.BLSSignature
	for a, k := range c.consensus {
		by, sigs = append(by, remora.Authority(a)), append(sigs, k.Sign(message[:]))
	}
	sigs[1] = c.consensus[1].Sign([]byte("another message"))
	sig, members, culprits := c.Aggregate(message, by, sigs)
	if !slices.Equal(culprits, []remora.Authority{1}) || !slices.Equal(slices.Collect(members.Members()), []remora.Authority{0, 2, 3}) {
		t.Fatalf("culprits %v, members %v", culprits, members)
	}
	if sig != c.aggregate(t, message, 0, 2, 3) {
		t.Error("the aggregate is not that of the good ones")
	}
	for i := range sigs {
		sigs[i] = remora.BLSSignature{1}
	}
	if _, members, culprits = c.Aggregate(message, by, sigs); len(culprits) != 4 || members.Count() != 0 || members.Check(4) != nil {
		t.Errorf("all bad: culprits %v, members %v", culprits, members)
	}
}

func TestBlockCertificate(t *testing.T) {
	c := newCouncil(t)
	h := &remora.BlockHeader{Version: 1, Domain: domain, Height: 5, Term: 1}
	certify := func(h *remora.BlockHeader, by ...remora.Authority) *remora.BlockCertificate {
		hash := h.Hash()
		return &remora.BlockCertificate{
			Height: h.Height, Hash: hash, Signers: remora.NewBitmap(4, by...),
			Signature: c.aggregate(t, remora.BlockMessage(domain, h.Height, hash), by...),
		}
	}
	if err := c.CheckBlockCertificate(h, certify(h, 0, 2, 3)); err != nil {
		t.Fatal(err)
	}
	foreign := *h
	foreign.Domain = remora.Domain{2}
	higher := *h
	higher.Height++
	for name, tt := range map[string]struct {
		header *remora.BlockHeader
		cert   *remora.BlockCertificate
		want   error
	}{
		"another chain":    {&foreign, certify(&foreign, 0, 1, 2), trust.ErrMismatch},
		"another block":    {h, certify(&higher, 0, 1, 2), trust.ErrMismatch},
		"another height":   {&higher, certify(h, 0, 1, 2), trust.ErrMismatch},
		"sub-quorum":       {h, certify(h, 0, 1), remora.ErrInvalid},
		"bits above":       {h, &remora.BlockCertificate{Height: 5, Hash: h.Hash(), Signers: remora.Bitmap{0xf7}}, remora.ErrInvalid},
		"signer added":     {h, with(certify(h, 0, 1, 2), 3), trust.ErrSignature},
		"vote's signature": {h, &remora.BlockCertificate{Height: 5, Hash: h.Hash(), Signers: remora.NewBitmap(4, 0, 1, 2), Signature: c.aggregate(t, h.Hash(), 0, 1, 2)}, trust.ErrSignature},
	} {
		if err := c.CheckBlockCertificate(tt.header, tt.cert); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
}

func with(c *remora.BlockCertificate, a remora.Authority) *remora.BlockCertificate {
	c.Signers.Add(a)
	return c
}

func TestCommitteeWithABrokenKey(t *testing.T) {
	c := newCouncil(t)
	members := slices.Clone(c.Members)
	members[2].Consensus = remora.BLSPublicKey{1, 2, 3}
	if _, err := trust.New(&remora.Committee{Domain: domain, Term: 1, Members: members}); err == nil {
		t.Error("a key that is no point is accepted")
	}
}
