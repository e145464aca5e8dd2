package access

// IsMixed reports whether some paths need a token and others do not.
func IsMixed(rules Rules) bool {
	for _, rule := range rules {
		if rule.Public != rules[0].Public {
			return true
		}
	}
	return false
}
