package gateway

import "strings"

// Similar returns the one of known that name was probably meant to be: one that
// differs in capitals alone, or in so few letters (two, or one in short names) that
// somebody may have mistyped them. It returns "" if there is none, or if name is
// known.
func Similar(name string, known []string) string {
	best, least := "", min(2, len(name)/4)+1
	lower := strings.ToLower(name)
	for _, k := range known {
		if k == name {
			return ""
		}
		if d := distance(lower, strings.ToLower(k), least); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with the next one to
// make b of a; what is not below most is not told exactly.
func distance(a, b string, most int) int {
	if n := len(a) - len(b); n >= most || -n >= most {
		return most
	}
	// Three rows of the usual table: two above are needed for swapped letters.
	above, row := make([]int, len(b)+1), make([]int, len(b)+1)
	var before []int
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most
		}
	}
	return row[len(b)]
}
