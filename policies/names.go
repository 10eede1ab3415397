package policies

import "strings"

// names is a set of names and prefixes. A lookup costs one map access for each part of the name,
// however large the set is.
type names struct {
	exact map[string]bool
	// dotted holds prefixes that end with a dot.
	dotted map[string]bool
	// loose holds other prefixes.
	loose []string
}

// newNames returns a set; a name that ends with a dot or a * is a prefix.
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
