package visitor

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Person is somebody with a browser that keeps cookies.
type Person struct {
	t      *testing.T
	client *http.Client
}

// NewPerson returns somebody whose every host is at that address; where it is empty, each is at its own.
func NewPerson(t *testing.T, address string) *Person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if address != "" {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &Person{t, &http.Client{Transport: transport, Jar: jar, Timeout: 30 * time.Second}}
}

// Client is the browser, for what is no page.
func (p *Person) Client() *http.Client { return p.client }

// Cookie is the value of one that the browser would send to an address.
func (p *Person) Cookie(address, name string) string {
	p.t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, cookie := range p.client.Jar.Cookies(at) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	p.t.Fatalf("it has no cookie %s for %s", name, address)
	return ""
}

// Page is what a browser shows.
type Page struct {
	At     *url.URL
	Status int
	Text   string // the source
}

// Visit opens an address, whose fragment stays with the browser.
func (p *Person) Visit(address string) *Page {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.navigate(r)
}

// Send sends the form of a page that was shown, as its button does.
func (p *Person) Send(page *Page, fields url.Values) *Page {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, page.At.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", page.At.Scheme+"://"+page.At.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.navigate(r)
}

// Pair opens a link that ptl printed and presses both buttons. It returns the question between them, and
// the page at the end.
func (p *Person) Pair(link string) (question, end *Page) {
	p.t.Helper()
	_, code, ok := strings.Cut(link, "#")
	if !ok {
		p.t.Fatalf("%s has no code", link)
	}
	form := p.Visit(link)
	if form.Status != http.StatusOK {
		p.t.Fatalf("%s: status %d\n%s", link, form.Status, form.Text)
	}
	fields := url.Values{"code": {code}, "next": {form.At.Query().Get("next")}}
	question = p.Send(form, fields)
	if question.Status != http.StatusOK {
		p.t.Fatalf("the code of %s: status %d\n%s", link, question.Status, question.Text)
	}
	fields.Set("do", "pair")
	return question, p.Send(question, fields)
}

func (p *Person) navigate(r *http.Request) *Page {
	p.t.Helper()
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	r.Header.Set("Upgrade-Insecure-Requests", "1")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("User-Agent", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36")
	response, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return &Page{response.Request.URL, response.StatusCode, string(text)}
}
