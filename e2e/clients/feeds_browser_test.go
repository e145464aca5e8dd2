package clients

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// browser keeps cookies, among them a token.
type browser struct {
	t      *testing.T
	client *http.Client
	token  string
	header http.Header // of the last answer
}

func newBrowser(t *testing.T, token string) *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{t: t, client: &http.Client{Jar: jar, Timeout: 30 * time.Second}, token: token}
}

// open returns the page that an address leads to, and its status.
func (b *browser) open(address string) (int, string) {
	b.t.Helper()
	return b.ask(http.MethodGet, address, "", http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}})
}

// post sends a form as a page's script does.
func (b *browser) post(address string, form url.Values) (int, string) {
	b.t.Helper()
	return b.ask(http.MethodPost, address, form.Encode(), http.Header{
		"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Content-Type": {"application/x-www-form-urlencoded"},
	})
}

func (b *browser) ask(method, address, body string, header http.Header) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = header
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	b.client.Jar.SetCookies(r.URL, []*http.Cookie{{Name: "authorization", Value: b.token, Path: "/"}})
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.header = response.Header
	return response.StatusCode, string(page)
}
