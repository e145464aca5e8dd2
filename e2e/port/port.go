// Package port finds ports for servers that are started later, or again.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// Below the ports that Linux gives to connections and to who asks for any port (32768 and up): from there somebody else
// would get it between here and the server's start, or while the server is down.
const first, many = 20000, 12000

var next atomic.Uint32

func init() { next.Store(rand.Uint32N(many)) }

// Unused is a port that nobody listens on, and that this process is not told of again soon.
func Unused() (int, error) {
	for range many {
		number := first + int(next.Add(1)%many)
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", number))
		if err != nil {
			continue
		}
		return number, listener.Close()
	}
	return 0, errors.New("no port is left")
}
