package config

import "strings"

// Nearest returns the known name closest to a mistyped one, false when none is close.
func Nearest(name string, known []string) (string, bool) {
	best, limit := "", len(name)/3+2
	for _, k := range known {
		if len(name) > 1 && strings.HasPrefix(k, name) {
			return k, true
		}
		if d := editDistance(name, k); d < limit {
			best, limit = k, d
		}
	}
	return best, best != ""
}

// editDistance returns the Levenshtein distance between the bytes of short names.
func editDistance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
