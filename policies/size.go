package policies

// SizeBytes reads a Spark size, e.g. "1g", in bytes; a bare number is bytes.
func SizeBytes(text string) (int64, bool) { return unitBytes.parse(text) }
