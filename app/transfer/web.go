package transfer

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// WebAddress returns where a node serves the web, by a multiaddr such as /ip4/127.0.0.1/tcp/4240/http among its addresses.
// Names are not looked up: an address is a number.
func WebAddress(addrs []string) (netip.AddrPort, bool) {
	for _, a := range addrs {
		parts := strings.Split(a, "/")
		if len(parts) != 6 || parts[0] != "" || parts[3] != "tcp" || parts[5] != "http" {
			continue
		}
		ip, err := netip.ParseAddr(parts[2])
		port, bad := strconv.ParseUint(parts[4], 10, 16)
		kind := map[string]bool{"ip4": ip.Is4(), "ip6": ip.Is6()}
		if err == nil && bad == nil && port > 0 && kind[parts[1]] {
			return netip.AddrPortFrom(ip, uint16(port)), true
		}
	}
	return netip.AddrPort{}, false
}

// WebMultiaddr returns the multiaddr of an HTTP server at host:port. WebAddress reads it if the host is a number.
func WebMultiaddr(hostport string) (string, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return "", err
	}
	kind := "dns"
	if ip, err := netip.ParseAddr(host); err == nil {
		kind = map[bool]string{true: "ip4", false: "ip6"}[ip.Is4()]
	}
	return "/" + kind + "/" + host + "/tcp/" + port + "/http", nil
}

// WriteError answers a request with an error as a JSON document.
func WriteError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": message}})
}
