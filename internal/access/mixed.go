package access

// IsMixed reports whether some paths need a token and others do not.
func IsMixed(rules Rules) bool {
	for _, rule := range rules {
		if (rule.Access == Public) != (rules[0].Access == Public) {
			return true
		}
	}
	return false
}
