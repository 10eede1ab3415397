package gateway

import (
	"strings"
	"sync"
)

// Similar returns the known name that name was probably meant to be: one that differs in
// case only, or in so few letters that it may be a typo. It returns "" if there is none, or
// if name is known.
func Similar(name string, known []string) string {
	best, least := "", maxTypos+1
	lower := strings.ToLower(name)
	for _, k := range known {
		if k == name {
			return ""
		}
		if n := len(name) - len(k); n > maxTypos || -n > maxTypos {
			continue
		}
		if d := typos(lower, strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// Dictionary is Similar for a long list of names, with a cache: the same few unknown names
// occur again and again. It is safe for concurrent use.
type Dictionary struct {
	names []string
	mu    sync.Mutex
	seen  map[string]string
}

// NewDictionary returns a dictionary of names, which must not change.
func NewDictionary(names []string) *Dictionary {
	return &Dictionary{names: names, seen: make(map[string]string)}
}

// maxSeen bounds the cache of a dictionary.
const maxSeen = 4096

// Similar is like the function Similar.
func (d *Dictionary) Similar(name string) string {
	d.mu.Lock()
	near, ok := d.seen[name]
	d.mu.Unlock()
	if ok {
		return near
	}
	near = Similar(name, d.names)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.seen) >= maxSeen {
		clear(d.seen)
	}
	d.seen[name] = near
	return near
}

// maxTypos is the number of letters that may be wrong.
const maxTypos = 2

// typos returns the number of letters in which two names differ, or more than maxTypos if one
// is not a typo of the other. The parts between dots are separate words: two short words that
// differ in two letters are different words.
func typos(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	if len(as) != len(bs) { // one dot too many or too few, and no other typo
		if d := distance(a, b); d == 1 {
			return d
		}
		return maxTypos + 1
	}
	sum := 0
	for i := range as {
		if as[i] == bs[i] {
			continue
		}
		d := distance(as[i], bs[i])
		if d > min(maxTypos, max(len(as[i]), len(bs[i]))/4) {
			return maxTypos + 1
		}
		if sum += d; sum > maxTypos {
			break
		}
	}
	return sum
}

// distance returns the number of letters to insert, delete, replace or swap with the next one
// to turn a into b; results above maxTypos are not exact.
func distance(a, b string) int {
	if n := len(a) - len(b); n > maxTypos || -n > maxTypos {
		return maxTypos + 1
	}
	// Three rows of the usual table: swaps need the two rows above.
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
		if least > maxTypos+1 {
			return least
		}
	}
	return row[len(b)]
}
