package remora_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

func TestAssignMovesOnlyWhatItMust(t *testing.T) {
	var caches []remora.Address
	for i := range byte(20) {
		caches = append(caches, remora.Address{i + 1})
	}
	for i := range byte(50) {
		root := sampleHash(i)
		before := remora.Assign(root, caches, 3)
		if len(before) != 3 || !slices.Equal(before, remora.Assign(root, caches, 3)) {
			t.Fatalf("assigned to %v", before)
		}
		gone := caches[7]
		after := remora.Assign(root, slices.DeleteFunc(slices.Clone(caches), func(a remora.Address) bool { return a == gone }), 3)
		if kept := slices.DeleteFunc(slices.Clone(before), func(a remora.Address) bool { return a == gone }); !slices.Equal(kept, after[:len(kept)]) {
			t.Errorf("when one cache left, %v became %v", before, after)
		}
	}
	if got := remora.Assign(sampleHash(1), caches[:2], 5); len(got) != 2 {
		t.Errorf("of two caches %d are assigned", len(got))
	}
}

func TestRegisterContentCheck(t *testing.T) {
	good := remora.RegisterContent{Content: remora.Content{Length: 5}, Replicas: 1, Last: []byte("hello")}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*remora.RegisterContent){
		"length":      func(r *remora.RegisterContent) { r.Content.Length = remora.MaxContentBytes + 1 },
		"no replicas": func(r *remora.RegisterContent) { r.Replicas = 0 },
		"replicas":    func(r *remora.RegisterContent) { r.Replicas = remora.MaxReplicas + 1 },
		"chunk":       func(r *remora.RegisterContent) { r.Last = make([]byte, 1025) },
		"path":        func(r *remora.RegisterContent) { r.Path = make([]remora.Hash, 65) },
	} {
		bad := good
		if edit(&bad); !errors.Is(bad.Check(), remora.ErrInvalid) {
			t.Errorf("%s was taken", name)
		}
	}
}
