package upstream

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxTail bounds how much of a log is read or kept for its last lines.
const maxTail = 1 << 20

// TailFile returns the last lines of a text file, within its last MiB. A file that does not
// exist has none.
func TailFile(path string, lines int) ([]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	defer f.Close()
	tail, err := readTail(f, maxTail)
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	return LastLines(string(tail), lines), nil
}

// readTail reads at most n bytes from the end of f, beginning at the start of a line.
func readTail(f *os.File, n int64) ([]byte, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	from := max(size-n, 0)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, size-from))
	if err != nil {
		return nil, err
	}
	if from > 0 {
		if _, after, ok := strings.Cut(string(tail), "\n"); ok {
			return []byte(after), nil
		}
	}
	return tail, nil
}

// LastLines returns the last n lines of text.
func LastLines(text string, n int) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" || n <= 0 {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(len(lines)-n, 0):]
}

// BoundFile truncates a log of a running process to its last quarter, if it has
// more than limit bytes. Lines written at the same moment may be lost. It touches only
// regular files within dir, so that links cannot be used to truncate other files.
func BoundFile(dir *os.Root, name string, limit int64) error {
	info, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (info.Size() <= limit || !info.Mode().IsRegular()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bounding the log: %w", err)
	}
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("bounding the log: %w", err)
	}
	defer f.Close()
	tail, err := readTail(f, limit/4)
	if err != nil {
		return fmt.Errorf("bounding the log: %w", err)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("bounding the log: %w", err)
	}
	if _, err := f.Write(tail); err != nil {
		return fmt.Errorf("bounding the log: %w", err)
	}
	return nil
}
