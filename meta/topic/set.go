package topic

import "slices"

// indexFrom is the size from which a set keeps an index; below it a scan is as fast and smaller.
const indexFrom = 16

// set is a set that is iterated without allocating. Its order is not kept.
type set[T comparable] struct {
	list  []T
	index map[T]int // position in list; nil while the set is small
}

func (s *set[T]) add(v T) bool {
	if s.find(v) >= 0 {
		return false
	}
	s.list = append(s.list, v)
	switch {
	case s.index != nil:
		s.index[v] = len(s.list) - 1
	case len(s.list) >= indexFrom:
		s.index = make(map[T]int, 2*indexFrom)
		for i, v := range s.list {
			s.index[v] = i
		}
	}
	return true
}

func (s *set[T]) remove(v T) bool {
	i := s.find(v)
	if i < 0 {
		return false
	}
	last := len(s.list) - 1
	moved := s.list[last]
	s.list[i] = moved
	clear(s.list[last:])
	s.list = s.list[:last]
	if s.index != nil {
		s.index[moved] = i
		delete(s.index, v)
	}
	if last == 0 {
		*s = set[T]{}
	}
	return true
}

func (s *set[T]) each(fn func(v T)) {
	for _, v := range s.list {
		fn(v)
	}
}

func (s *set[T]) find(v T) int {
	if s.index == nil {
		return slices.Index(s.list, v)
	}
	if i, ok := s.index[v]; ok {
		return i
	}
	return -1
}
