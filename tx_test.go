package remora_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/remora-network/remora"
)

func TestTx(t *testing.T) {
	want := sampleTx()
	raw := remora.Encode(want)
	got, err := remora.DecodeTx(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.Message(domain) != want.Message(domain) || !bytes.Equal(remora.Encode(got), raw) || remora.TxHash(raw) != remora.SumBLAKE3(raw) {
		t.Error("the transaction changes on its way")
	}
	var body remora.Transfer
	if err := got.DecodeBody(&body); err != nil || body.Amount != 65_536 {
		t.Errorf("DecodeBody = %v, amount %d", err, body.Amount)
	}
	var node remora.Node
	wantCode(t, "body of another kind", got.DecodeBody(&node), remora.CodeMalformedBody)
	if remora.IsOpaque(raw) {
		t.Error("a signed transaction counts as opaque")
	}
}

func TestOpaque(t *testing.T) {
	for _, payload := range [][]byte{{}, {1}, make([]byte, 1000)} {
		raw := remora.EncodeOpaque(payload)
		got, err := remora.DecodeOpaque(raw)
		if err != nil || !bytes.Equal(got, payload) || !remora.IsOpaque(raw) {
			t.Errorf("%d bytes: DecodeOpaque = %d bytes, %v", len(payload), len(got), err)
		}
		_, err = remora.DecodeTx(raw)
		wantCode(t, "opaque as signed", err, remora.CodeMalformed)
	}
	_, err := remora.DecodeOpaque(remora.Encode(sampleTx()))
	wantCode(t, "signed as opaque", err, remora.CodeMalformed)
	_, err = remora.DecodeOpaque([]byte{0x82, 0x01, 0x41, 0x00})
	wantCode(t, "opaque of another kind", err, remora.CodeMalformed)
	_, err = remora.DecodeOpaque(make([]byte, remora.MaxTxBytes+1))
	wantCode(t, "large", err, remora.CodeTooLarge)
	_, err = remora.DecodeTx(make([]byte, remora.MaxTxBytes+1))
	wantCode(t, "large", err, remora.CodeTooLarge)
	for _, b := range [][]byte{nil, {0x82}, {0x82, 0x00}, {0x87, 0x00, 0x00}} {
		if remora.IsOpaque(b) {
			t.Errorf("%x counts as opaque", b)
		}
	}
}

func wantCode(t *testing.T, what string, err error, want remora.Code) {
	t.Helper()
	var r *remora.Rejection
	if !errors.As(err, &r) || r.Code != want || r.Reason == "" {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// TestCodes: names are stable, distinct and readable again; numbers are in the results root and never change.
func TestCodes(t *testing.T) {
	names := []string{
		"ok", "TX_MALFORMED", "TX_TOO_LARGE", "TX_WRONG_CHAIN", "TX_BAD_SIGNATURE", "TX_NONCE_USED", "TX_NONCE_TOO_FAR",
		"TX_UNKNOWN_ACCOUNT", "TX_INSUFFICIENT_BALANCE", "TX_FEE_TOO_LOW", "TX_OVERFLOW", "TX_KIND_NOT_ALLOWED",
		"TX_INVALID_AMOUNT", "TX_INVALID_NODE", "TX_BAD_POSSESSION", "TX_NODE_EXISTS", "TX_NAME_TAKEN",
	}
	for i, name := range names {
		text, err := remora.Code(i).MarshalText()
		if err != nil || string(text) != name {
			t.Errorf("code %d is %s, was %s", i, text, name)
		}
		var back remora.Code
		if err := back.UnmarshalText([]byte(name)); err != nil || int(back) != i {
			t.Errorf("%s reads as %d, %v", name, back, err)
		}
	}
	if got := remora.Code(255).String(); got != "TX_CODE_255" {
		t.Errorf("an unknown code is %s", got)
	}
	var c remora.Code
	if err := c.UnmarshalText([]byte("TX_NONSENSE")); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("an unknown name reads as %v", err)
	}
	r := remora.Reject(remora.CodeFeeTooLow, "fee %d, want %d", 1, 2)
	if got, want := r.Error(), "TX_FEE_TOO_LOW: fee 1, want 2"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	for kind, want := range map[remora.Kind]string{
		remora.KindOpaque: "opaque", remora.KindTransfer: "transfer", remora.KindRegisterNode: "register-node", 200: "kind-200",
	} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is %q, want %q", kind, got, want)
		}
	}
}

func FuzzDecodeTx(f *testing.F) {
	f.Add(remora.Encode(sampleTx()))
	f.Add(remora.EncodeOpaque([]byte("x")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := remora.DecodeTx(raw)
		if err == nil && (!bytes.Equal(remora.Encode(tx), raw) || remora.IsOpaque(raw)) {
			t.Errorf("%x decodes to another transaction", raw)
		}
		payload, err := remora.DecodeOpaque(raw)
		if err == nil && (!bytes.Equal(remora.EncodeOpaque(payload), raw) || !remora.IsOpaque(raw)) {
			t.Errorf("%x decodes to another opaque transaction", raw)
		}
	})
}
