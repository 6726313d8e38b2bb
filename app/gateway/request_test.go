package gateway_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/proofs/content"
)

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBadPaths requests paths that cannot name content.
func TestBadPaths(t *testing.T) {
	n := transfertest.New("c0")
	site := n.AddDirectory(map[string]string{"a": "first", "%2e%2e": "literally", `back\slash`: "a name like others"})
	s := serve(t, n)
	cid := content.CID(site.Root, true)
	dir := "/ipfs/" + cid
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		dir + "/%252e%252e":                      {200, "literally"}, // decoded once
		dir + "/%252e":                           {404, "resolve"},
		dir + "/%25252e%25252e":                  {404, "resolve"},
		dir + "/back%5Cslash":                    {200, "a name like others"},
		dir + "/..%5C..%5Cetc%5Cpasswd":          {404, "resolve"},
		dir + "/%2fetc%2fpasswd":                 {400, "not a valid name"},
		dir + "/..%2f..%2fetc":                   {400, "not a valid name"},
		dir + "/.":                               {400, "not a valid name"},
		dir + "/./a":                             {400, "not a valid name"},
		dir + "/a%00":                            {400, "not a valid name"},
		dir + "/%c0%ae%c0%ae":                    {400, "not a valid name"}, // an overlong spelling of two dots
		dir + "/%ed%a0%80":                       {400, "not a valid name"}, // half a surrogate
		dir + "//":                               {400, "not a valid name"},
		dir + "/a/":                              {200, "first"},
		dir + "/" + strings.Repeat("a", 255):     {404, "resolve"},
		dir + "/" + strings.Repeat("a", 8<<10):   {400, "at most"},
		dir + strings.Repeat("/a", 62):           {404, "is a file"},
		dir + strings.Repeat("/a", 64):           {400, "segments"},
		"/ipfs/" + strings.ToUpper(cid):          {400, "malformed"},
		"/ipfs/" + cid[:len(cid)-1]:              {400, "malformed"},
		"/ipfs/" + cid + "x":                     {400, "malformed"},
		"/ipfs/b":                                {400, "malformed"},
		"/ipfs/%00":                              {400, "malformed"},
		"/ipfs/" + strings.Repeat("b", 200):      {400, "malformed"},
		"/ipfs/bafkqaaa":                         {400, "another system"}, // an identity hash
		"/ipfs/" + content.CID(site.Root, false): {404, "index"},          // the manifest is no registered file
		"/ipns/" + cid:                           {400, "want"},
	} {
		got := get(t, s, "GET", path)
		if got.status != want.status || !strings.Contains(got.body, want.body) {
			t.Errorf("%.100s: %d %.200q, want %d with %q", path, got.status, got.body, want.status, want.body)
		}
		if got.status >= 400 && (!strings.Contains(got.body, `"phase"`) || got.header.Get("Cache-Control") != "no-store") {
			t.Errorf("%.100s: %.200q, %v", path, got.body, got.header)
		}
	}
}

// TestRanges asks for ranges of all forms. No answer has more bytes than the file.
func TestRanges(t *testing.T) {
	n := transfertest.New("c0")
	data := random(t, 100_000)
	c, empty := n.Add(data, false), n.Add(nil, false)
	s := serve(t, n)
	path := "/ipfs/" + content.CID(c.Root, false)
	whole := func(status int) answer { return answer{status: status, body: string(data)} }
	part := func(first, end int) answer { return answer{status: 206, body: string(data[first:end])} }
	bad := answer{status: 416}
	for header, want := range map[string]answer{
		"bytes=0-":                    part(0, 100_000),
		"bytes=0-0":                   part(0, 1),
		"bytes=99999-99999":           part(99_999, 100_000),
		"bytes=99999-100000":          part(99_999, 100_000),
		"bytes=-1":                    part(99_999, 100_000),
		"bytes=-100000":               part(0, 100_000),
		"bytes=-200000":               part(0, 100_000),
		"bytes=-0":                    bad,
		"bytes=100000-":               bad,
		"bytes=100000-100001":         bad,
		"bytes=5-4":                   bad,
		"bytes=":                      whole(200),
		"bytes=-":                     bad,
		"bytes=a-b":                   bad,
		"bytes=--5":                   bad,
		"bytes=0x10-0x20":             bad,
		"bytes=9223372036854775807-":  bad,
		"bytes=9223372036854775808-":  bad,
		"bytes=18446744073709551616-": bad,
		"bytes=-9223372036854775807":  part(0, 100_000),
		"bytes=0-9223372036854775807": part(0, 100_000),
		"items=0-5":                   whole(200),
		"0-5":                         whole(200),
		"bytes=0-1,5-6":               whole(200),
		"bytes=0-,0-,0-":              whole(200),
		"bytes=0-99999,0-99999":       whole(200),
		"bytes=" + strings.Repeat("0-0,", 1000) + "1-1": whole(200),
	} {
		got := get(t, s, "GET", path, "Range", header)
		if got.status != want.status || got.status < 400 && got.body != want.body {
			t.Errorf("%.60s: %d, %d bytes, want %d, %d", header, got.status, len(got.body), want.status, len(want.body))
		}
		if len(got.body) > len(data) {
			t.Errorf("%.60s: %d bytes", header, len(got.body))
		}
		if got.status == 416 && got.header.Get("Content-Range") != "bytes */100000" {
			t.Errorf("%s: Content-Range %q", header, got.header.Get("Content-Range"))
		}
	}
	for _, header := range []string{"bytes=0-", "bytes=-5", "bytes=0-0"} {
		if got := get(t, s, "GET", "/ipfs/"+content.CID(empty.Root, false), "Range", header); got.status != 200 || got.body != "" || got.err != nil {
			t.Errorf("%s of nothing: %d, %v", header, got.status, got.err)
		}
	}
}

// TestCacheThatIsBackInAMoment lets both caches fail at first, one of them always: the other one is asked again. One
// that answers with false content is not.
func TestCacheThatIsBackInAMoment(t *testing.T) {
	n := transfertest.New("c0", "c1", "liar")
	data := random(t, 50_000)
	c := n.Add(data, false)
	s := serve(t, n)
	var failures atomic.Int32
	n.Answer["c0"], n.Answer["liar"] = transfertest.Down, transfertest.Flip
	n.Answer["c1"] = func(answer []byte) ([]byte, error) {
		if failures.Add(1) < 3 {
			return nil, transfertest.ErrUnreachable
		}
		return answer, nil
	}
	got := get(t, s, "GET", "/ipfs/"+content.CID(c.Root, false))
	if got.status != 200 || got.body != string(data) || got.err != nil {
		t.Errorf("%d, %d bytes, %v", got.status, len(got.body), got.err)
	}
	if failures.Load() != 3 || n.Asked["liar"] != 1 {
		t.Errorf("asked %d times, the liar %d", failures.Load(), n.Asked["liar"])
	}
}

// TestConditions sends every condition for content whose only cache is down: those without a body are answered.
func TestConditions(t *testing.T) {
	n := transfertest.New("c0")
	data := random(t, 50_000)
	c := n.Add(data, false)
	s := serve(t, n)
	n.Answer["c0"] = transfertest.Down
	path := "/ipfs/" + content.CID(c.Root, false)
	etag := `"` + content.CID(c.Root, false) + `"`
	check := func(want int, header ...string) {
		t.Helper()
		got := get(t, s, "GET", path, header...)
		if got.status != want || got.err != nil {
			t.Errorf("%v: %d, want %d, %v", header, got.status, want, got.err)
		}
		if want == 304 && (got.body != "" || got.header.Get("Etag") != etag) {
			t.Errorf("%v: %q, Etag %s", header, got.body, got.header.Get("Etag"))
		}
	}
	check(304, "If-None-Match", etag)
	check(304, "If-None-Match", "W/"+etag)
	check(304, "If-None-Match", `"other", `+etag)
	check(304, "If-None-Match", "*")
	check(412, "If-Match", `"other"`)
	check(416, "Range", "bytes=50000-")
	check(504, "If-None-Match", `"other"`)
	check(504, "If-None-Match", "garbage")
	check(504, "Range", "bytes=5-9")
	if n.Asked["c0"] != 3*3 { // a cache that is down is asked three times for each
		t.Errorf("%d requests", n.Asked["c0"])
	}
	n.Answer["c0"] = nil
	check(206, "Range", "bytes=5-9", "If-Range", etag)
	check(200, "Range", "bytes=5-9", "If-Range", `"other"`)
	check(200, "Range", "bytes=5-9", "If-Range", "W/"+etag) // a weak comparison is not enough
	check(200, "Range", "bytes=5-9", "If-Range", "Wed, 25 Nov 2026 00:00:00 GMT")
	check(200, "If-Modified-Since", "Wed, 25 Nov 2026 00:00:00 GMT")
	check(200, "If-Match", etag)
}

// TestHeadReadsNothing sends HEAD requests. Directories are resolved through their manifests, files are not read.
func TestHeadReadsNothing(t *testing.T) {
	n := transfertest.New("c0")
	data := random(t, 200_000)
	c := n.Add(data, false)
	s := serve(t, n)
	path := "/ipfs/" + content.CID(c.Root, false)
	if got := get(t, s, "HEAD", path); got.status != 200 || got.header.Get("Content-Length") != "200000" || got.header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("%d %v", got.status, got.header)
	}
	if got := get(t, s, "HEAD", path, "Range", "bytes=10-19"); got.status != 206 || got.header.Get("Content-Length") != "10" {
		t.Errorf("range: %d %v", got.status, got.header)
	}
	size, err := content.StreamSize(200_000, content.Whole(200_000))
	if err != nil {
		t.Fatal(err)
	}
	got := get(t, s, "HEAD", path, "Accept", gateway.VerifiedType)
	if got.status != 200 || got.header.Get(gateway.HeaderLength) != "200000" || got.header.Get("Content-Length") != itoa(size) {
		t.Errorf("verified: %d %v", got.status, got.header)
	}
	if n.Asked["c0"] != 0 {
		t.Errorf("%d requests for a file of which nothing was wanted", n.Asked["c0"])
	}
	var moved atomic.Int64
	n.Answer["c0"] = func(answer []byte) ([]byte, error) {
		moved.Add(int64(len(answer)))
		return answer, nil
	}
	site := n.AddDirectory(map[string]string{"index.html": "<p>", "large": string(data)})
	for range 3 {
		get(t, s, "HEAD", "/ipfs/"+content.CID(site.Root, true)+"/large")
		get(t, s, "HEAD", "/ipfs/"+content.CID(site.Root, true)+"/")
	}
	if got := get(t, s, "HEAD", "/ipfs/"+content.CID(site.Root, true)+"/none"); got.status != 404 || got.body != "" {
		t.Errorf("no such name: %d %q", got.status, got.body)
	}
	if got := moved.Load(); got > 10_000 {
		t.Errorf("%d bytes were transferred for a small manifest", got)
	}
	if got := get(t, s, "GET", "/ipfs/"+content.CID(site.Root, true)+"/large"); got.status != 200 || got.body != string(data) {
		t.Errorf("afterwards: %d, %d bytes", got.status, len(got.body))
	}
}

func TestMethods(t *testing.T) {
	n := transfertest.New("c0")
	c := n.Add([]byte("x"), false)
	s := serve(t, n)
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"} {
		got := get(t, s, method, "/ipfs/"+content.CID(c.Root, false))
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, got.status, got.header)
		}
	}
}

// TestListing reads the page of a directory without index.html.
func TestListing(t *testing.T) {
	n := transfertest.New("c0")
	names := map[string]string{"<script>alert(1)": "x", "a b": "", "z": "", "ü": "", "?q#f": "", "100%": "", `"><b`: "", "B": "", "javascript:alert(1)": ""}
	dir := n.AddDirectory(names)
	s := serve(t, n)
	path := "/ipfs/" + content.CID(dir.Root, true) + "/"
	got := get(t, s, "GET", path)
	if got.status != 200 || got.header.Get("Content-Type") != "text/html; charset=utf-8" || got.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", got.status, got.header)
	}
	if strings.Contains(got.body, "<script") || strings.Contains(got.body, `"><b`) || strings.Contains(got.body, `href="javascript`) {
		t.Errorf("markup of a name is in the page: %s", got.body)
	}
	var positions []int
	for _, href := range []string{"./%22%3E%3Cb", "./100%25", "./%3Cscript%3E", "./%3Fq%23f", "./B", "./a%20b", "./javascript:alert%281%29", "./z", "./%C3%BC"} {
		at := strings.Index(strings.ReplaceAll(got.body, "alert(1)", "alert%281%29"), `href="`+href)
		if at < 0 {
			t.Errorf("no link to %s in %s", href, got.body)
		}
		positions = append(positions, at)
	}
	if !slices.IsSorted(positions) {
		t.Errorf("not sorted: %v", positions)
	}
	for name, text := range names {
		if one := get(t, s, "GET", path+escape(name)); one.status != 200 || one.body != text {
			t.Errorf("%q: %d", name, one.status)
		}
	}
	if again := get(t, s, "GET", path, "If-None-Match", `"x", `+got.header.Get("Etag")); again.status != 304 || again.body != "" {
		t.Errorf("not modified: %d", again.status)
	}
	if head := get(t, s, "HEAD", path); head.status != 200 || head.body != "" || head.header.Get("Content-Length") != itoa(uint64(len(got.body))) {
		t.Errorf("head: %d %v", head.status, head.header)
	}
	if bare := get(t, s, "GET", strings.TrimSuffix(path, "/")+"?a=%20b"); bare.status != 301 || bare.header.Get("Location") != path+"?a=%20b" {
		t.Errorf("without slash: %d %q", bare.status, bare.header.Get("Location"))
	}
}

// TestEmptyDirectory lists nothing.
func TestEmptyDirectory(t *testing.T) {
	n := transfertest.New("c0")
	dir := n.AddDirectory(nil)
	s := serve(t, n)
	if got := get(t, s, "GET", "/ipfs/"+content.CID(dir.Root, true)+"/"); got.status != 200 || strings.Contains(got.body, "<tr>") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestIndexIsADirectory lists a directory in which index.html is a folder.
func TestIndexIsADirectory(t *testing.T) {
	n := transfertest.New("c0")
	inner := n.AddDirectory(map[string]string{"a": "first"})
	outer, err := content.NewDirectory([]content.Entry{{Name: "index.html", Root: inner.Root, Length: inner.Length, Directory: true}})
	if err != nil {
		t.Fatal(err)
	}
	path := "/ipfs/" + content.CID(n.Add(outer.Encode(), true).Root, true)
	s := serve(t, n)
	if got := get(t, s, "GET", path+"/"); got.status != 200 || !strings.Contains(got.body, `href="./index.html/"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := get(t, s, "GET", path+"/index.html"); got.status != 301 || got.header.Get("Location") != path+"/index.html/" {
		t.Errorf("%d %s", got.status, got.header.Get("Location"))
	}
	if got := get(t, s, "GET", path+"/index.html/a"); got.status != 200 || got.body != "first" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestBadManifest requests a registered directory whose bytes are not a manifest.
func TestBadManifest(t *testing.T) {
	n := transfertest.New("c0")
	c := n.Add(bytes.Repeat([]byte{0xff}, 100), true)
	s := serve(t, n)
	if got := get(t, s, "GET", "/ipfs/"+content.CID(c.Root, true)+"/a"); got.status != 502 || !strings.Contains(got.body, "resolve") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
