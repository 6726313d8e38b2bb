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

func TestWebMultiaddr(t *testing.T) {
	for hostport, want := range map[string]string{
		"127.0.0.1:4220":    "/ip4/127.0.0.1/tcp/4220/http",
		"[::1]:80":          "/ip6/::1/tcp/80/http",
		"node.example:4240": "/dns/node.example/tcp/4240/http",
	} {
		text, err := WebMultiaddr(hostport)
		if err != nil || text != want {
			t.Errorf("%s: %s, %v, want %s", hostport, text, err, want)
		}
		at, found := WebAddress([]string{text})
		if number := hostport != "node.example:4240"; found != number || found && at.String() != hostport {
			t.Errorf("%s reads as %s, %t", text, at, found)
		}
	}
	if _, err := WebMultiaddr("127.0.0.1"); err == nil {
		t.Error("an address without a port has a multiaddr")
	}
}
