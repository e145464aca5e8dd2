package option

import "strings"

// suggestion is what to write instead of an option that nobody knows.
func suggestion(stranger string, known []string) string {
	best := ""
	least := 1 + len(stranger)/3
	for _, name := range known {
		lower := strings.ToLower(name)
		d := distance(stranger, lower)
		if strings.HasPrefix(lower, stranger) {
			d = 1
		} else if d > 3 && strings.HasPrefix(stranger, lower) {
			d = 3
		}
		if d <= least && (best == "" || d < least) {
			best = name
			least = d
		}
	}
	if best != "" {
		return "did you mean `" + best + "`?"
	}
	once := map[string]interface{}{}
	for _, name := range known {
		once[name] = nil
	}
	return "the options here are " + strings.Join(Names(once), ", ")
}

// distance counts the letters to insert, delete or replace between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			if row[j]+1 < cost {
				cost = row[j] + 1
			}
			if row[j-1]+1 < cost {
				cost = row[j-1] + 1
			}
			row[j] = cost
		}
	}
	return row[len(b)]
}
