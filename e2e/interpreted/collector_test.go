package interpreted

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	longRounds = 4
	// longBatch is how much CPU time a batch with the collector takes at least, longLimit at most.
	longBatch = 250 * time.Millisecond
	longLimit = 3 * time.Second
)

// long is a kind of request measured with the garbage collector's share, which the least of short batches leaves out.
type long struct {
	kind   *kind // what it is to stand beside
	cookie func(i int) string
	bare   *long // the same requests, with no plugin
	costs  []float64
}

// longKinds are the kinds that allocate most, or are the most usual, and what they are compared with.
func longKinds(named func(name string) *kind) []*long {
	one := newMinter("").cookie(0)
	same := &long{kind: named("nothing"), cookie: func(int) string { return one }}
	anew := &long{kind: same.kind, cookie: newMinter("").cookie}
	return []*long{
		same,
		anew,
		{kind: named("a plugin that does nothing"), cookie: same.cookie, bare: same},
		{kind: named("remembered"), cookie: same.cookie, bare: same},
		{kind: named("no token"), cookie: func(int) string { return "theme=dark" }, bare: same},
		{kind: named("first sight, HS256"), cookie: newMinter("").cookie, bare: anew},
		{kind: named("first sight, HS256, a third claim"), cookie: newMinter(aName).cookie, bare: anew},
		{kind: named("first sight, HS256, with exp"), cookie: newMinter(anExpiry).cookie, bare: anew},
		{kind: named("forged"), cookie: newForger().cookie, bare: anew},
	}
}

// What tokens hold beside sub and iat.
const (
	aName    = `,"name":"phone"`
	anExpiry = `,"exp":4000000000`
)

// collect fills in what the kinds take with the collector.
//
// What counts is the process's CPU time: the collector works beside the requests, on cores with which a busy Traefik
// would serve others.
func collect(all []*long) {
	next := 0
	for round := range longRounds + 1 {
		for _, l := range all {
			took, n := l.serve(next)
			next += n
			if round > 0 {
				l.costs = append(l.costs, took)
			}
		}
	}
	for _, l := range all {
		if l.bare != nil {
			l.kind.collected = median(l.costs) - median(l.bare.costs)
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// serve serves requests and returns the CPU time that one took, in nanoseconds, and how many there were. It begins and
// ends with a collection, so that a kind pays for its own garbage and for no other's.
func (l *long) serve(from int) (float64, int) {
	request, values := l.kind.request()
	w := &blank{header: http.Header{}}
	n := 0
	runtime.GC()
	began, seen := processTime(), collections()
	for {
		for range 64 {
			clear(request.Header)
			request.Response = nil
			for name, value := range values {
				request.Header[name] = value
			}
			request.Header["Cookie"] = []string{l.cookie(from + n)}
			l.kind.handler.ServeHTTP(w, request)
			n++
		}
		took, now := processTime()-began, collections()
		if took > longLimit || took > longBatch && now > seen {
			return float64(took.Nanoseconds()) / float64(n), n
		}
		seen = now
	}
}

// processTime is the CPU time that this process has used so far.
func processTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// collections is how many collections there were.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// minter makes HS256 tokens as golang-jwt does, each another one, and quicker, so that what is measured stands out.
type minter struct {
	more      string // further claims
	hash      hash.Hash
	text, sum []byte
	forging   bool
}

func newMinter(more string) *minter {
	return &minter{more: more, hash: hmac.New(sha256.New, []byte(secret))}
}

// newForger makes tokens of which the signature's last bits are wrong.
func newForger() *minter {
	m := newMinter("")
	m.forging = true
	return m
}

func (m *minter) cookie(i int) string {
	return "theme=dark; authorization=" + m.token(i) + "; lang=de"
}

func (m *minter) token(i int) string {
	var claims [128]byte
	content := append(claims[:0], `{"sub":"abc123","iat":`...)
	content = strconv.AppendInt(content, 1_500_000_000+int64(i), 10)
	content = append(append(content, m.more...), '}')
	m.text = base64.RawURLEncoding.AppendEncode(append(m.text[:0], "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."...), content)
	m.hash.Reset()
	m.hash.Write(m.text)
	m.sum = m.hash.Sum(m.sum[:0])
	if m.forging {
		m.sum[len(m.sum)-1]++
	}
	return string(base64.RawURLEncoding.AppendEncode(append(m.text, '.'), m.sum))
}
