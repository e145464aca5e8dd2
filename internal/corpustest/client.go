package corpustest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	patience = 5 * time.Second
	// afterword is how long to listen for what follows the answer to a raw request, which may be two requests in truth.
	afterword = 50 * time.Millisecond
)

// Response is what came back, as bytes and as read.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Raw    []byte

	socket *socket
}

// hasHTTP2 reports whether the case can be said in HTTP/2 too: RFC 9113 §8.2.2 has no connection-specific headers. Steps
// change what they are asked about, so they are run once.
func (c *Case) hasHTTP2() bool {
	if c.HTTP2 != nil {
		return *c.HTTP2
	}
	if c.Request == nil || c.Request.Raw != "" {
		return false
	}
	return !slices.ContainsFunc(parseFields(strings.Join(c.Request.Headers, "\n")), func(f Field) bool {
		switch strings.ToLower(f.Name) {
		case "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade":
			return true
		}
		return false
	})
}

func (r *Request) method() string {
	switch {
	case r.Raw != "":
		method, _, _ := strings.Cut(string(r.Raw), " ")
		return method
	case r.Method != "":
		return r.Method
	default:
		return http.MethodGet
	}
}

func (r *Request) path() string {
	if r.Path == "" {
		return "/"
	}
	return r.Path
}

// lines are the request's header lines, but those that only the version of HTTP needs.
func (r *Request) lines(id string) []string {
	lines := append([]string{"Corpus-Case: " + id}, r.Headers...)
	if len(r.Cookies) > 0 {
		lines = append(lines, "Cookie: "+strings.Join(r.Cookies, "; "))
	}
	return lines
}

func (r *Request) has(names ...string) bool {
	return slices.ContainsFunc(parseFields(strings.Join(r.Headers, "\n")), func(f Field) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, f.Name) })
	})
}

// bytes is the request in HTTP/1.1.
func (r *Request) bytes(id string) []byte {
	if r.Raw != "" {
		line, rest, _ := strings.Cut(string(r.Raw), "\n")
		return []byte(line + "\nCorpus-Case: " + id + "\r\n" + rest)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method(), r.path())
	if !r.has("Host") {
		b.WriteString("Host: chat.example.com\r\n")
	}
	for _, line := range r.lines(id) {
		b.WriteString(line + "\r\n")
	}
	switch {
	case len(r.Trailers) > 0:
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n")
		if r.Body != "" {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(r.Body), r.Body)
		}
		b.WriteString("0\r\n" + strings.Join(r.Trailers, "\r\n") + "\r\n\r\n")
	case r.Body != "" && !r.has("Content-Length", "Transfer-Encoding"):
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(r.Body), r.Body)
	default:
		b.WriteString("\r\n" + r.Body)
	}
	return b.Bytes()
}

// sendHTTP1 sends the request on a connection of its own. No answer at all is a Response of status 0.
func sendHTTP1(addr string, r *Request, id string) (*Response, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	// A server may answer and close before it has read everything, so writing must not stand in the way of reading.
	go conn.Write(r.bytes(id))
	var raw bytes.Buffer
	br := bufio.NewReader(io.TeeReader(conn, &raw))
	var resp *http.Response
	for resp == nil || resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
		if resp, err = http.ReadResponse(br, &http.Request{Method: r.method()}); err != nil {
			conn.Close()
			var timeout net.Error
			if raw.Len() == 0 && !(errors.As(err, &timeout) && timeout.Timeout()) {
				return &Response{}, nil
			}
			return nil, fmt.Errorf("reading the answer: %w; so far %q", err, raw.Bytes())
		}
	}
	out := &Response{Status: resp.StatusCode, Header: resp.Header}
	if out.Status == http.StatusSwitchingProtocols {
		out.Raw = bytes.Clone(raw.Bytes())
		conn.SetDeadline(time.Time{})
		out.socket = &socket{conn: conn, r: br}
		return out, nil
	}
	defer conn.Close()
	if out.Body, err = io.ReadAll(resp.Body); err != nil {
		return nil, fmt.Errorf("reading the answer's body: %w; so far %q", err, raw.Bytes())
	}
	if r.Raw != "" {
		conn.SetReadDeadline(time.Now().Add(afterword))
		io.Copy(io.Discard, br)
	}
	out.Raw = raw.Bytes()
	return out, nil
}

// sendHTTP2 puts names into the header map as they are: Set would change their spelling.
func sendHTTP2(transport *http.Transport, addr string, r *Request, id string) (*Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req := (&http.Request{
		Method: r.method(), URL: target(r.path()), Host: "chat.example.com", Header: http.Header{"User-Agent": {""}},
		Body: http.NoBody,
	}).WithContext(ctx)
	req.URL.Scheme, req.URL.Host = scheme(transport), addr
	for _, f := range parseFields(strings.Join(r.lines(id), "\n")) {
		switch {
		case strings.EqualFold(f.Name, "Host"):
			req.Host = f.Value
		case strings.EqualFold(f.Name, "User-Agent"):
			req.Header["User-Agent"] = []string{f.Value}
		default:
			req.Header[f.Name] = append(req.Header[f.Name], f.Value)
		}
	}
	if r.Body != "" || len(r.Trailers) > 0 {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(r.Body)), int64(len(r.Body))
	}
	if len(r.Trailers) > 0 {
		req.Trailer, req.ContentLength = http.Header{}, -1
		for _, f := range parseFields(strings.Join(r.Trailers, "\n")) {
			req.Trailer[f.Name] = append(req.Trailer[f.Name], f.Value)
		}
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		return nil, fmt.Errorf("the answer is %s", resp.Proto)
	}
	out := &Response{Status: resp.StatusCode, Header: resp.Header}
	if out.Body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	resp.Header.Write(&raw)
	raw.Write(out.Body)
	resp.Trailer.Write(&raw)
	out.Raw = raw.Bytes()
	return out, nil
}

// target is a URL whose RequestURI is the path to the letter, also where a URL would be written otherwise.
func target(path string) *url.URL {
	if u, err := url.ParseRequestURI(path); err == nil && u.Host == "" && u.RequestURI() == path {
		return u
	}
	if decoded, err := url.PathUnescape(path); err == nil && strings.HasPrefix(path, "//") {
		return &url.URL{Path: decoded, RawPath: path}
	}
	return &url.URL{Opaque: path}
}

// socket is a connection after its upgrade; the app echoes whatever is written to it.
type socket struct {
	conn net.Conn
	r    *bufio.Reader
}

func (s *socket) echo() error {
	const text = "are you there?"
	s.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(s.conn, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(s.r, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("the echo is %q", got)
	}
	return nil
}

// closed waits for the other side to close.
func (s *socket) closed(within time.Duration) error {
	s.conn.SetDeadline(time.Now().Add(within))
	_, err := s.r.ReadByte()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("still open after %s", within)
	}
	return nil
}
