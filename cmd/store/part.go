package store

import (
	"errors"
	"strings"
)

// inParts commits in several transactions what is more than one may hold. What belongs together stays so.
func inParts(changes []Change, most int, commit func([]Change) (bool, error)) (bool, error) {
	for i, part := range parts(changes, most) {
		isDone, err := commit(part)
		if err != nil || !isDone && i == 0 {
			return false, err
		}
		if !isDone {
			return false, errors.New("others have changed the same devices meanwhile, and a part was done: try again")
		}
	}
	return true, nil
}

// parts are the changes in their order, with all of an entry in one part.
func parts(changes []Change, most int) [][]Change {
	var all [][]Change
	var part []Change
	for begin := 0; begin < len(changes); {
		end := begin + 1
		for end < len(changes) && changes[end].Of == changes[begin].Of {
			end++
		}
		if len(part)+end-begin > most && len(part) > 0 {
			all, part = append(all, part), nil
		}
		part = append(part, changes[begin:end]...)
		begin = end
	}
	return append(all, part)
}

// common is the longest folder that all keys are in, with a slash at its end.
func common(changes []Change) string {
	prefix := changes[0].Key
	for _, c := range changes {
		for !strings.HasPrefix(c.Key, prefix) || !strings.HasSuffix(prefix, "/") {
			prefix = prefix[:strings.LastIndex(strings.TrimSuffix(prefix, "/"), "/")+1]
			if prefix == "" {
				return ""
			}
		}
	}
	return prefix
}
