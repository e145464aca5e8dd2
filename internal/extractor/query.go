package extractor

import (
	"net/url"
	"strings"
)

// findParams is where the parameter is in a query: for each, the beginning (with the
// separator) and the end, then those of its value. Semicolons divide too: Traefik turns
// them into ampersands on the way. The second result is false where the parameter comes
// too often for the query to be searched.
func findParams(c *Locations, query string) ([][]int, bool) {
	if !mayHold(c, query) {
		return nil, true
	}
	if len(query) > maxSearched {
		return nil, false
	}
	params := c.query.FindAllStringSubmatchIndex(query, maxMentions+1)
	return params, len(params) <= maxMentions
}

// mayHold reports whether the parameter's name is anywhere in a query, escaped or not.
func mayHold(c *Locations, query string) bool {
	if strings.Contains(query, c.Query) {
		return true
	}
	if !strings.Contains(query, "%") {
		return false
	}
	decoded, err := url.QueryUnescape(query)
	return err != nil || strings.Contains(decoded, c.Query)
}

// paramValue is a parameter's value, and whether it can be read.
func paramValue(query string, at []int) (string, bool) {
	value, err := url.QueryUnescape(query[at[2]:at[3]])
	return value, err == nil
}

// cutQuery is a query without the parameters that must not reach the app; every other
// one stays byte for byte.
func cutQuery(found *Found, query string, params [][]int) string {
	var kept []string
	from := 0 // query[from:] is not in kept yet
	for _, at := range params {
		value, ok := paramValue(query, at)
		// What cannot be read is nothing that an app could have asked for.
		if ok && !isOurs(found, value) {
			continue
		}
		if from < at[0] {
			kept = append(kept, query[from:at[0]])
		}
		from = at[1]
		// The separator before it goes with it; at the beginning, the one after it.
		if at[0] == 0 && query[0] != '&' && query[0] != ';' && from < len(query) {
			from++
		}
	}
	if from == 0 {
		return query
	}
	kept = append(kept, query[from:])
	return strings.TrimRight(strings.Join(kept, ""), "&;")
}

// WithoutQuery is an address without a query parameter that carries a token.
func WithoutQuery(c *Locations, address string) string {
	return withoutQuery(c, &Found{}, address)
}

func withoutQuery(c *Locations, found *Found, address string) string {
	if c.Query == "" {
		return address
	}
	before, query, ok := strings.Cut(address, "?")
	if !ok {
		return address
	}
	fragment := ""
	i := strings.IndexByte(query, '#')
	if i >= 0 {
		fragment = query[i:]
		query = query[:i]
	}
	params, ok := findParams(c, query)
	rest := ""
	if ok {
		rest = cutQuery(found, query, params)
	}
	if rest == query {
		return address
	}
	return joined(before, rest) + fragment
}

func joined(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}
