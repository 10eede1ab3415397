package sessions

import "sync"

// memoryKept bounds each memory; when it is full it begins anew.
const memoryKept = 100_000

// memory keeps what need not be asked of Redis again. The zero value is ready.
type memory[K comparable, V any] struct {
	mu    sync.RWMutex
	known map[K]V
}

func (m *memory[K, V]) get(k K) (V, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, ok := m.known[k]
	return v, ok
}

func (m *memory[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= memoryKept {
		m.known = make(map[K]V)
	}
	m.known[k] = v
}

func (m *memory[K, V]) forget(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, k)
}
