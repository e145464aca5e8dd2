package pairing

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/origin"
)

// maxForm bounds a form, in bytes.
const maxForm = 4 << 10

// ReadForm reads the fields of a form that a person, or whoever pairs, has sent. The second
// result is 0, or the status with which the request is refused.
func ReadForm(w http.ResponseWriter, r *http.Request) (url.Values, int) {
	kinds := r.Header["Content-Type"]
	if len(kinds) != 1 {
		return nil, http.StatusUnsupportedMediaType
	}
	kind, _, _ := strings.Cut(kinds[0], ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return nil, http.StatusUnsupportedMediaType
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm) // guard: a form is bounded
	// The address has no field of a form: it stands in logs.
	r.URL.RawQuery = ""
	err := r.ParseForm()
	if err != nil && strings.HasPrefix(err.Error(), "http: request body too large") {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return r.PostForm, 0
}

// IsFromOwnPage reports whether a form comes from a page of the same origin, whatever other
// origins are trusted.
func IsFromOwnPage(r *http.Request) bool {
	sites := r.Header["Sec-Fetch-Site"]
	if len(sites) > 0 {
		return len(sites) == 1 && sites[0] == "same-origin" // guard: Sec-Fetch-Site has one word for the own page
	}
	origins := r.Header["Origin"]
	return len(origins) == 1 && origin.IsOwn(r, origins[0]) // guard: a browser without Sec-Fetch-Site says its origin
}

// From is where a request comes from, as far as Traefik knows: the last element of
// X-Forwarded-For, which a trusted proxy alone leaves in place, else the connection's. Of IPv6
// it is the network, which one visitor has whole.
func From(r *http.Request) string {
	text := r.RemoteAddr
	forwarded := r.Header["X-Forwarded-For"]
	if len(forwarded) > 0 {
		last := forwarded[len(forwarded)-1]
		text = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		withPort, _ := netip.ParseAddrPort(text)
		address = withPort.Addr()
	}
	address = address.Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	network, err := address.Prefix(64)
	if err != nil || !network.IsValid() {
		return ""
	}
	return network.String()
}
