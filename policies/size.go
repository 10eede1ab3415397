package policies

// SizeBytes parses a Spark size, e.g. "1g", into bytes; a bare number is in bytes.
func SizeBytes(text string) (int64, bool) { return unitBytes.parse(text) }
