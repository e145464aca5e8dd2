package signals

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/getportal/ptlauth/e2e/poll"
)

// receiver takes traces as OpenTelemetry's collector does, in protobuf over HTTP, and keeps them.
type receiver struct {
	*httptest.Server
	mutex sync.Mutex
	spans []*trace.Span
	raw   strings.Builder
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	export := &collector.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(text, export)
	}
	if err != nil || request.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.raw.Write(text)
	for _, resource := range export.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// await waits for the entry point's span of a path, which is the last one of its trace, and returns the trace's span of each
// kind; nil: there is none.
func (r *receiver) await(t *testing.T, path string) (server, client *trace.Span) {
	t.Helper()
	poll.Until(t, 20*time.Second, func() string {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		for _, span := range r.spans {
			if span.Kind == trace.Span_SPAN_KIND_SERVER && attribute(span, "url.path") == path {
				server = span
			}
		}
		if server == nil {
			return "no span has the path " + path
		}
		for _, span := range r.spans {
			if span.Kind == trace.Span_SPAN_KIND_CLIENT && string(span.TraceId) == string(server.TraceId) {
				client = span
			}
		}
		return ""
	})
	return server, client
}

func (r *receiver) everything() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.raw.String()
}

// attribute is an attribute's text, or its texts with commas between them.
func attribute(span *trace.Span, name string) string {
	for _, a := range span.GetAttributes() {
		if a.Key == name {
			return textOf(a.Value)
		}
	}
	return ""
}

func textOf(value *common.AnyValue) string {
	if list := value.GetArrayValue(); list != nil {
		var texts []string
		for _, one := range list.Values {
			texts = append(texts, textOf(one))
		}
		return strings.Join(texts, ",")
	}
	return value.GetStringValue()
}

func traceID(span *trace.Span) string { return hex.EncodeToString(span.GetTraceId()) }
