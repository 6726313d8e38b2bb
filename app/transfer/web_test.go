package transfer

import "testing"

func TestWebAddress(t *testing.T) {
	for text, want := range map[string]string{
		"/ip4/127.0.0.1/tcp/4240/http":   "127.0.0.1:4240",
		"/ip6/2001:db8::1/tcp/80/http":   "[2001:db8::1]:80",
		"/ip4/127.0.0.1/tcp/4240":        "",
		"/ip4/127.0.0.1/tcp/0/http":      "",
		"/ip4/127.0.0.1/tcp/65536/http":  "",
		"/ip4/127.0.0.1/tcp/-1/http":     "",
		"/ip4/::1/tcp/80/http":           "",
		"/ip6/127.0.0.1/tcp/80/http":     "",
		"/dns4/example.org/tcp/80/http":  "",
		"/ip4/example.org/tcp/80/http":   "",
		"x/ip4/127.0.0.1/tcp/80/http":    "",
		"/ip4/127.0.0.1/udp/80/http":     "",
		"/ip4/127.0.0.1/tcp/80/http/p2p": "",
		"":                               "",
	} {
		at, found := WebAddress([]string{"/ip4/10.0.0.1/tcp/1", text})
		if found != (want != "") || found && at.String() != want {
			t.Errorf("%q gives %s, %v", text, at, found)
		}
	}
}
