package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// An account is read, and a refusal is told from a failure by the sentinels of the package.
func Example() {
	node := httptest.NewServer(http.HandlerFunc(exampleNode))
	defer node.Close()
	c, err := client.New(node.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	account, err := c.Account(context.Background(), remora.Address{1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("balance %s, next nonce %d, as of block %d\n", account.Balance, account.Nonce, account.Height)

	_, err = c.Block(context.Background(), 42)
	fmt.Println(errors.Is(err, remora.ErrNotFound), client.CodeOf(err))
	// Output:
	// balance 1000, next nonce 3, as of block 41
	// true NOT_FOUND
}

// exampleNode answers as a node at height 41 does.
func exampleNode(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/blocks/42" {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"code":"NOT_FOUND","message":"block 42: the newest is 41"}}`)
		return
	}
	_, _ = io.WriteString(w, `{"exists":true,"balance":"1000","nonce":3,"height":41}`)
}
