package registry

import "crypto/rand"

const (
	// letters and digits are those of Portal's ids, without look-alikes.
	letters  = "abcdefghjklnpqrstvwxyz"
	alphabet = letters + "0123456789"
	idLength = 6
)

// NewID is an id that nobody on the list has. It begins with a letter: of digits alone, or like 1e5, YAML would make a
// number, and Traefik's KV stores an index.
func (l *List) NewID() string {
	for {
		id := Random(letters, 1) + Random(alphabet, idLength-1)
		if l.Find(id) == nil {
			return id
		}
	}
}

// NoID is an id that no token can be for.
func NoID() string { return "nobody-" + Random(alphabet, 26) }

// Random is so many characters of an alphabet of at most 256, each as likely as another.
func Random(alphabet string, length int) string {
	usable := 256 - 256%len(alphabet)
	text := make([]byte, 0, length)
	for one := make([]byte, 1); len(text) < length; {
		_, _ = rand.Read(one) // never fails
		if int(one[0]) < usable {
			text = append(text, alphabet[int(one[0])%len(alphabet)])
		}
	}
	return string(text)
}
