package tree

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
)

func TestProofsOfEverySmallSet(t *testing.T) {
	keys := smallKeys()
	others := append(smallKeys(), remora.Hash{31: 3}, remora.Hash{0: 0x40}, remora.Hash{0: 0x80, 16: 2}, remora.Hash{0: 0xfe})
	for mask := range 1 << len(keys) {
		leaves := subset(keys, mask)
		tr := mustBuild(t, leaves)
		for i, k := range others {
			p := tr.Prove(k)
			present := i < len(keys) && mask>>i&1 == 1
			requireOneVerdict(t, p, tr.Root(), k, present, ValueHash([]byte{byte(i)}))
		}
	}
}

// requireOneVerdict checks that p proves exactly what holds: the value, or absence, and nothing besides.
func requireOneVerdict(tb rapid.TB, p Proof, root, key remora.Hash, present bool, value remora.Hash) {
	tb.Helper()
	if p.Siblings == nil {
		tb.Fatal("nil siblings: the encoding would have two spellings")
	}
	member, absent := p.VerifyMember(root, key, value), p.VerifyAbsent(root, key)
	if present && (member != nil || absent == nil) {
		tb.Fatalf("key %s is present: membership %v, absence %v", key, member, absent)
	}
	if !present && (member == nil || absent != nil) {
		tb.Fatalf("key %s is absent: membership %v, absence %v", key, member, absent)
	}
	if err := p.VerifyMember(root, key, ValueHash([]byte("another value"))); err == nil {
		tb.Fatalf("key %s: proof verifies for a second value", key)
	}
}

func TestProofsOfRandomTrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := model{}
		m.apply(drawBatch(t))
		m.apply(drawBatch(t))
		var leaves []Change
		for _, k := range m.keys() {
			leaves = append(leaves, Change{Key: k, ValueHash: m[k]})
		}
		tr, err := Tree{}.Update(leaves)
		if err != nil {
			t.Fatal(err)
		}
		key := drawKey(t)
		value, present := m[key]
		requireOneVerdict(t, tr.Prove(key), m.root(), key, present, value)
		other := drawKey(t)
		if v, ok := m[other]; ok && other != key && tr.Prove(key).VerifyMember(m.root(), other, v) == nil {
			t.Fatalf("proof of %s verifies for %s", key, other)
		}
	})
}

func TestVerifyTellsAbsentFromEmpty(t *testing.T) {
	key := KeyHash(1, []byte("k"))
	with, without := mustBuild(t, []Change{Set(key, nil)}), Tree{}
	if err := with.Prove(key).Verify(with.Root(), key, []byte{}); err != nil {
		t.Errorf("empty value: %v", err)
	}
	if err := with.Prove(key).Verify(with.Root(), key, nil); err == nil {
		t.Error("a present empty value verifies as absent")
	}
	if err := without.Prove(key).Verify(without.Root(), key, nil); err != nil {
		t.Errorf("absent: %v", err)
	}
	if err := without.Prove(key).Verify(without.Root(), key, []byte{}); err == nil {
		t.Error("an absent key verifies as empty value")
	}
}

// proofBytes spells a proof as bytes, so that tests can flip each of them, and reads one back.
func proofBytes(p Proof) []byte {
	var b []byte
	for _, s := range p.Siblings {
		b = append(b, s[:]...)
	}
	if p.Leaf != nil {
		b = append(append(b, p.Leaf.Key[:]...), p.Leaf.ValueHash[:]...)
	}
	return b
}

func proofFrom(b []byte, other bool) Proof {
	var leaf *OtherLeaf
	if at := len(b) - 2*remora.HashSize; other && at >= 0 {
		leaf = &OtherLeaf{Key: remora.Hash(b[at:]), ValueHash: remora.Hash(b[at+remora.HashSize:])}
		b = b[:at]
	}
	p := Proof{Leaf: leaf}
	for c := range slices.Chunk(b, remora.HashSize) {
		if len(c) == remora.HashSize {
			p.Siblings = append(p.Siblings, remora.Hash(c))
		}
	}
	return p
}

// TestEveryFlippedBitIsRefused flips every bit of a membership proof and of both kinds of absence proofs, of the key,
// of the value hash and of the root.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	leaves := append(numbered(200, 0), Set(remora.Hash{}, nil), Set(remora.Hash{1: 1}, nil))
	tr := mustBuild(t, leaves)
	root := tr.Root()
	kinds := map[string]remora.Hash{
		"member":        leaves[3].Key,
		"other leaf":    KeyHash(9, []byte("absent")),
		"empty slot":    {0: 0, 1: 0x80},
		"deep neighbor": {1: 3},
	}
	seen := map[[2]bool]bool{} // present, with a leaf
	for name, key := range kinds {
		p := tr.Prove(key)
		value, present := tr.Get(key)
		verify := func(p Proof, root, key remora.Hash) error {
			if present {
				return p.VerifyMember(root, key, value)
			}
			return p.VerifyAbsent(root, key)
		}
		if err := verify(p, root, key); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		seen[[2]bool{present, p.Leaf != nil}] = true
		raw := proofBytes(p)
		for i := range 8 * len(raw) {
			flipped := slices.Clone(raw)
			flipped[i/8] ^= 1 << (i % 8)
			if verify(proofFrom(flipped, p.Leaf != nil), root, key) == nil {
				t.Fatalf("%s: proof with bit %d flipped verifies", name, i)
			}
		}
		for i := range maxDepth {
			flip := remora.Hash{}
			flip[i/8] = 1 << (i % 8)
			if verify(p, xor(root, flip), key) == nil {
				t.Fatalf("%s: verifies with bit %d of the root flipped", name, i)
			}
			if present && p.VerifyMember(root, key, xor(value, flip)) == nil {
				t.Fatalf("%s: verifies with bit %d of the value flipped", name, i)
			}
			if present && p.VerifyMember(root, xor(key, flip), value) == nil {
				t.Fatalf("%s: verifies with bit %d of the key flipped", name, i)
			}
		}
		for i := range p.Siblings {
			if verify(Proof{Siblings: slices.Delete(slices.Clone(p.Siblings), i, i+1), Leaf: p.Leaf}, root, key) == nil {
				t.Fatalf("%s: verifies without sibling %d", name, i)
			}
		}
	}
	if len(seen) != 3 {
		t.Fatalf("not all kinds of proofs were tried: %v", seen)
	}
}

func xor(a, b remora.Hash) remora.Hash {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

func TestForgedProofsAreRefused(t *testing.T) {
	low, lowest, high := remora.Hash{31: 1}, remora.Hash{}, remora.Hash{0: 0x80}
	tr := mustBuild(t, []Change{Set(lowest, []byte("0")), Set(low, []byte("1")), Set(high, []byte("2"))})
	root := tr.Root()
	member := tr.Prove(low)
	other := tr.Prove(remora.Hash{0: 0xc0})
	value := ValueHash([]byte("1"))
	single := mustBuild(t, []Change{Set(high, []byte("2"))})
	absent := func(p Proof, key remora.Hash) error { return p.VerifyAbsent(root, key) }
	for name, c := range map[string]struct{ got, want error }{
		"membership with a leaf":       {Proof{Siblings: member.Siblings, Leaf: other.Leaf}.VerifyMember(root, low, value), ErrProofShape},
		"membership of zero value":     {member.VerifyMember(root, low, remora.Hash{}), ErrProofShape},
		"absence by own leaf":          {absent(Proof{Siblings: member.Siblings, Leaf: &OtherLeaf{Key: low, ValueHash: value}}, low), ErrProofLeaf},
		"absence by leaf off the path": {absent(other, remora.Hash{0: 0x40}), ErrProofLeaf},
		"absence by neighbour at 256":  {absent(Proof{Siblings: tr.Prove(lowest).Siblings, Leaf: &OtherLeaf{Key: lowest, ValueHash: ValueHash([]byte("0"))}}, low), ErrProofLeaf},
		"absence by a false slot":      {absent(member, low), ErrProofRoot},
		"membership of absent":         {tr.Prove(remora.Hash{31: 2}).VerifyMember(root, remora.Hash{31: 2}, value), ErrProofRoot},
		"deepest sibling empty":        {Proof{Siblings: []remora.Hash{{}}}.VerifyAbsent(remora.Hash{}, low), ErrProofShape},
		"257 siblings":                 {Proof{Siblings: append(slices.Clone(member.Siblings), root)}.VerifyMember(root, low, value), ErrProofTooLong},
		"a million siblings":           {Proof{Siblings: make([]remora.Hash, 1_000_000)}.VerifyAbsent(root, low), ErrProofTooLong},
		"empty proof, full tree":       {absent(Proof{}, low), ErrProofRoot},
		"proof under another root":     {member.VerifyMember(single.Root(), low, value), ErrProofRoot},
		"inner node as a leaf":         {asLeaf(tr).VerifyAbsent(root, remora.Hash{0: 0x80}), ErrProofRoot},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if len(member.Siblings) != maxDepth {
		t.Errorf("%d siblings above keys that part at the last bit, want %d", len(member.Siblings), maxDepth)
	}
}

// asLeaf passes the halves of the root off as key and value hash of a leaf: only the domain tag tells them apart.
func asLeaf(t Tree) Proof {
	top := t.top.(*inner)
	return Proof{Leaf: &OtherLeaf{Key: hashOf(top.left), ValueHash: hashOf(top.right)}}
}

func TestProofSurvivesJSON(t *testing.T) {
	tr := mustBuild(t, numbered(64, 0))
	for i := range 128 {
		key := KeyHash(1, binary.BigEndian.AppendUint64(nil, uint64(i)))
		text, err := json.Marshal(tr.Prove(key))
		if err != nil {
			t.Fatal(err)
		}
		var p Proof
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		value, present := tr.Get(key)
		requireOneVerdict(t, p, tr.Root(), key, present, value)
	}
}

func TestRandomProofsNeverVerify(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	leaves := numbered(1_000, 0)
	tr := mustBuild(t, leaves)
	for i := range 20_000 {
		raw := make([]byte, r.Intn(40)*remora.HashSize)
		r.Read(raw)
		c := leaves[i%len(leaves)]
		p := proofFrom(raw, i%2 == 0)
		if p.VerifyAbsent(tr.Root(), c.Key) == nil || p.VerifyMember(tr.Root(), c.Key, c.ValueHash) == nil {
			t.Fatalf("random proof %d verifies", i)
		}
	}
}

// FuzzProofVerify mutates proofs under one root. Every claim that verifies must be true.
func FuzzProofVerify(f *testing.F) {
	leaves := append(numbered(40, 0), Set(remora.Hash{}, nil), Set(remora.Hash{31: 1}, nil))
	tr := mustBuild(f, leaves)
	root := tr.Root()
	for _, key := range []remora.Hash{leaves[0].Key, {}, {31: 2}, {0: 0x08}, KeyHash(7, nil)} {
		p := tr.Prove(key)
		f.Add(proofBytes(p), p.Leaf != nil, key[:], []byte("value"))
	}
	f.Fuzz(func(t *testing.T, raw []byte, other bool, rawKey, value []byte) {
		var key remora.Hash
		copy(key[:], rawKey)
		p := proofFrom(raw, other)
		held, present := tr.Get(key)
		if p.VerifyAbsent(root, key) == nil && present {
			t.Fatalf("absence of present key %s verifies", key)
		}
		if p.VerifyMember(root, key, ValueHash(value)) == nil && held != ValueHash(value) {
			t.Fatalf("false value of key %s verifies", key)
		}
		if present && p.VerifyMember(root, key, held) == nil && !slices.Equal(p.Siblings, tr.Prove(key).Siblings) {
			t.Fatalf("second proof for key %s verifies", key)
		}
	})
}
