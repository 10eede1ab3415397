package policies

import "strings"

// names is a set of names and of beginnings of names. Looking a name up costs a
// map access for each of its parts, however large the set is.
type names struct {
	exact map[string]bool
	// dotted are beginnings that end with a dot.
	dotted map[string]bool
	// loose are other beginnings.
	loose []string
}

// newNames makes a set; a name that ends with a dot or a * takes all that begin so.
func newNames(list ...string) names {
	var n names
	for _, name := range list {
		n.add(name)
	}
	return n
}

func (n *names) add(name string) {
	if n.exact == nil {
		n.exact, n.dotted = map[string]bool{}, map[string]bool{}
	}
	prefix, wild := strings.CutSuffix(name, "*")
	switch {
	case strings.HasSuffix(prefix, "."):
		n.dotted[prefix] = true
	case wild:
		n.loose = append(n.loose, prefix)
	default:
		n.exact[name] = true
	}
}

func (n *names) has(name string) bool {
	if n.exact[name] {
		return true
	}
	if len(n.dotted) > 0 {
		for i := range len(name) {
			if name[i] == '.' && n.dotted[name[:i+1]] {
				return true
			}
		}
	}
	for _, prefix := range n.loose {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
