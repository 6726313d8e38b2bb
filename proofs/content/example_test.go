package content_test

import (
	"bytes"
	"fmt"
	"io"

	"github.com/remora-network/remora/proofs/content"
)

// A store holds content and outboard, and sends a range as a verified stream. A reader who knows root and length verifies
// every byte of it.
func Example() {
	data := bytes.Repeat([]byte("remora "), 10_000)

	var outboard bytes.Buffer
	w := content.NewWriter(&outboard)
	if _, err := w.Write(data); err != nil {
		fmt.Println(err)
		return
	}
	root, length, err := w.Finish()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(content.CID(root, false), length, outboard.Len())

	some := content.Range{Offset: 35_000, Length: 20}
	stream, err := content.NewEncoder(bytes.NewReader(data), bytes.NewReader(outboard.Bytes()), root, length, some)
	if err != nil {
		fmt.Println(err)
		return
	}
	verified, err := content.NewDecoder(stream, root, length, some)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(verified)
	fmt.Printf("%q %v\n", text, err)

	data[40_000] ^= 1 // damage in the same piece
	stream, _ = content.NewEncoder(bytes.NewReader(data), bytes.NewReader(outboard.Bytes()), root, length, some)
	_, err = io.ReadAll(stream)
	fmt.Println(err)

	// Output:
	// bafkr4ialeqockccbkjkghmuf4qxtdscjzreg334ccdd2wbpgyb2u4ff4ze 70000 256
	// "remora remora remora" <nil>
	// bytes 32768 to 49152: bytes do not hash to the content root: fetch them from another provider
}
