package transfer

import (
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
