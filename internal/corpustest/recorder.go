package corpustest

import (
	"bufio"
	"bytes"
	"crypto/sha1" // RFC 6455 §4.2.2 wants it
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// app is what the recorder answers.
const app = "the app"

// Recorder is the app behind the proxy: it records the bytes of every request, answers 200, and echoes on a WebSocket.
// It is not a net/http server, which would hide how names were spelled and what followed a request.
type Recorder struct {
	listener net.Listener
	mu       sync.Mutex
	seen     []*Recorded
}

// Recorded is one request as the app got it.
type Recorded struct {
	Raw            []byte
	Method, Target string
	Header         []Field
	Body           []byte
	Trailer        []Field
}

// Field is a header line, its name spelled as on the wire.
type Field struct{ Name, Value string }

// NewRecorder listens on a free port of 127.0.0.1.
func NewRecorder() (*Recorder, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Recorder{listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(conn)
		}
	}()
	return r, nil
}

// Addr is where the recorder listens.
func (r *Recorder) Addr() string { return r.listener.Addr().String() }

// Close stops listening.
func (r *Recorder) Close() error { return r.listener.Close() }

// Take returns what was recorded since the last Take.
func (r *Recorder) Take() []Recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Recorded
	for _, one := range r.seen {
		whole := *one
		whole.Raw = slices.Clone(one.Raw)
		out = append(out, whole)
	}
	r.seen = nil
	return out
}

// serve keeps the connection open: Traefik's fast proxy sends the next request on one whose close was announced
// (RFC 9112 §9.6).
func (r *Recorder) serve(conn net.Conn) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	for r.serveOne(conn, br) {
	}
}

// serveOne records and answers a request, and reports whether another may follow.
func (r *Recorder) serveOne(conn net.Conn, br *bufio.Reader) bool {
	head, err := readLines(br)
	if len(head) == 0 {
		return false
	}
	one := r.add(head)
	if err != nil {
		return false
	}
	if strings.EqualFold(one.first("Expect"), "100-continue") {
		io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	if err := r.readBody(br, one); err != nil {
		return false
	}
	if strings.EqualFold(one.first("Upgrade"), "websocket") {
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", accept(one.first("Sec-WebSocket-Key")))
		io.Copy(conn, br)
		return false
	}
	// What follows the request before it is answered, an app would read as the next one.
	n := br.Buffered()
	if n > 0 {
		rest := make([]byte, n)
		io.ReadFull(br, rest)
		r.add(rest)
	}
	body := app
	if one.Method == "HEAD" {
		body = ""
	}
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(app), body)
	return n == 0
}

// add records a request as soon as its head is there.
func (r *Recorder) add(raw []byte) *Recorded {
	one := &Recorded{Raw: raw}
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	line, fields, _ := strings.Cut(string(head), "\r\n")
	one.Method, line, _ = strings.Cut(line, " ")
	one.Target, _, _ = strings.Cut(line, " ")
	one.Header = parseFields(fields)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, one)
	return one
}

func (r *Recorder) readBody(br *bufio.Reader, one *Recorded) error {
	var raw, body, trailer []byte
	var err error
	if strings.EqualFold(one.first("Transfer-Encoding"), "chunked") {
		raw, body, trailer, err = readChunks(br)
	} else {
		length, _ := strconv.Atoi(one.first("Content-Length"))
		body = make([]byte, max(length, 0))
		length, err = io.ReadFull(br, body)
		body = body[:length]
		raw = body
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	one.Raw = append(one.Raw, raw...)
	one.Body, one.Trailer = body, parseFields(string(trailer))
	return err
}

func readChunks(br *bufio.Reader) (raw, body, trailer []byte, err error) {
	for {
		line, err := br.ReadBytes('\n')
		raw = append(raw, line...)
		if err != nil {
			return raw, body, nil, err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(string(line)), ";")
		n, err := strconv.ParseUint(size, 16, 24)
		if err != nil {
			return raw, body, nil, err
		}
		if n == 0 {
			trailer, err = readLines(br)
			return append(raw, trailer...), body, trailer, err
		}
		chunk := make([]byte, n+2)
		got, err := io.ReadFull(br, chunk)
		raw = append(raw, chunk[:got]...)
		if err != nil {
			return raw, body, nil, err
		}
		body = append(body, chunk[:n]...)
	}
}

// readLines reads up to and including an empty line.
func readLines(br *bufio.Reader) ([]byte, error) {
	var lines []byte
	for {
		line, err := br.ReadBytes('\n')
		lines = append(lines, line...)
		if err != nil || len(bytes.TrimRight(line, "\r\n")) == 0 {
			return lines, err
		}
	}
}

func parseFields(text string) []Field {
	var fields []Field
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimRight(line, "\r"); line != "" {
			name, value, _ := strings.Cut(line, ":")
			fields = append(fields, Field{name, strings.TrimSpace(value)})
		}
	}
	return fields
}

func (one *Recorded) first(name string) string {
	for _, f := range one.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
