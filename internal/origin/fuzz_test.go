package origin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/origin"
)

// FuzzAllows: where the origin alone decides, it is of the host that was asked for.
func FuzzAllows(f *testing.F) {
	f.Add("chat.example.com", "https://chat.example.com", "")
	f.Add("chat.example.com:443", "https://chat.example.com", "same-site")
	f.Add("[::1]:8080", "http://[::1]:8080", "none")
	f.Add("a", "null", "cross-site")
	f.Add("a", "https://b@a", "")
	f.Add("A:80", "http://a?b", "")
	guard, _ := guardOf(nil)
	f.Fuzz(func(t *testing.T, host, from, site string) {
		r := request("POST", "Host: "+host)
		r.Header = http.Header{"Origin": {from}, "Sec-Fetch-Site": {site}}
		if !origin.Allows(guard, r) || site == "same-origin" || site == "none" {
			return
		}
		parsed, err := url.Parse(from)
		if site != "" || err != nil || parsed.User != nil || !address.IsHost(parsed.Host) {
			t.Fatalf("%q of %q at %q is allowed", site, from, host)
		}
		if asked := (&url.URL{Host: host}).Hostname(); !strings.EqualFold(parsed.Hostname(), asked) {
			t.Errorf("%q at %q is allowed", from, asked)
		}
	})
}
