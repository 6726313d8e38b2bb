package store_test

import (
	"bytes"
	"fmt"
	"os"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/proofs/content"
)

// Bytes are imported against their root, and leave as a verified stream, which its receiver decodes.
func Example() {
	dir, err := os.MkdirTemp("", "remora-store-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(dir, store.Options{Quota: 1 << 30})
	if err != nil {
		panic(err)
	}
	defer s.Close()

	film := []byte("a film")
	root, length, _ := content.Root(bytes.NewReader(film))
	want := remora.Content{Root: root, Length: length}
	fmt.Println("other bytes are refused:", s.Import(bytes.NewReader([]byte("a fake")), want) != nil)
	fmt.Println("imported:", s.Import(bytes.NewReader(film), want) == nil)

	var stream, received bytes.Buffer
	if err := s.Stream(&stream, root, content.Whole(length)); err != nil {
		panic(err)
	}
	d, err := content.NewDecoder(&stream, root, length, content.Whole(length))
	if err != nil {
		panic(err)
	}
	_, err = d.WriteTo(&received)
	fmt.Println("received:", received.String(), err)
	// Output:
	// other bytes are refused: true
	// imported: true
	// received: a film <nil>
}
