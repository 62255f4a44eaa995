package client

// idSet is a set of packet ids. A client that has all 65,535 of them open costs 8 KiB and a few pointers.
type idSet struct{ pages map[uint8]*[4]uint64 }

func (s *idSet) has(id uint16) bool {
	p := s.pages[uint8(id>>8)]
	return p != nil && p[id>>6&3]&(1<<(id&63)) != 0
}

func (s *idSet) add(id uint16) {
	p := s.pages[uint8(id>>8)]
	if p == nil {
		if s.pages == nil {
			s.pages = map[uint8]*[4]uint64{}
		}
		p = new([4]uint64)
		s.pages[uint8(id>>8)] = p
	}
	p[id>>6&3] |= 1 << (id & 63)
}

// remove reports whether id was in the set.
func (s *idSet) remove(id uint16) bool {
	if !s.has(id) {
		return false
	}
	p := s.pages[uint8(id>>8)]
	p[id>>6&3] &^= 1 << (id & 63)
	if *p == [4]uint64{} {
		delete(s.pages, uint8(id>>8))
	}
	return true
}
