package witness

import (
	"net/http"

	"github.com/coder/websocket"
)

// Echo takes a WebSocket of whatever origin and sends back what comes, until either side ends it: nobody but the
// middleware refuses one.
func Echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}
