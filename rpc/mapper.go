package rpc

import (
	"encoding/binary"
	"slices"

	"github.com/gpreach/gpreach/internal/wire"
)

const (
	opEptMap = 3

	// maxTowers is how many towers ept_map asks for, and the most that a reply
	// may hold. Windows' own client asks for four.
	maxTowers = 4

	eptNotRegistered = 0x16C9A0D6
)

// Map asks the endpoint mapper, which must be bound, for the TCP ports of an
// interface: ept_map, C706 appendix O. It returns one to four distinct ports in
// the mapper's order, or ErrNotRegistered.
func (c *Conn) Map(s Syntax) ([]uint16, error) {
	out, err := c.call(opEptMap, appendMapRequest(nil, s))
	if err != nil {
		return nil, err
	}
	return parseMapResponse(out, s)
}

func appendMapRequest(b []byte, s Syntax) []byte {
	le := binary.LittleEndian
	tower := appendTower(make([]byte, 0, towerLen), s)
	b = slices.Grow(b, 16+towerLen+3+24)
	b = le.AppendUint32(b, 0)                  // object: null
	b = le.AppendUint32(b, 2)                  // map_tower: referent
	b = le.AppendUint32(b, uint32(len(tower))) // conformance
	b = le.AppendUint32(b, uint32(len(tower))) // tower_length
	b = append(b, tower...)
	b = append(b, make([]byte, -len(b)&3)...)
	b = append(b, make([]byte, 20)...) // entry_handle: null
	return le.AppendUint32(b, maxTowers)
}

// parseMapResponse reads the answer's NDR data: entry_handle, num_towers, a
// conformant varying array of pointers to towers, the towers, status. An entry
// handle that is not null needs no freeing: the connection is closed soon.
func parseMapResponse(in stub, s Syntax) ([]uint16, error) {
	r := wire.NewReader(in.data, in.order)
	r.Bytes(20)
	towers := r.Uint32()
	r.Uint32() // max_count
	offset, count := r.Uint32(), r.Uint32()
	if r.Err() == nil && (offset != 0 || count != towers || count > maxTowers) {
		r.Fail("%d towers, %d sent from %d", towers, count, offset)
	}
	var referents []uint32
	for range count {
		if r.Err() != nil {
			return nil, r.Err()
		}
		referents = append(referents, r.Uint32())
	}
	var ports []uint16
	for _, referent := range referents {
		if referent == 0 {
			continue
		}
		port, err := readTower(r, s)
		if err != nil {
			return nil, err
		}
		if port != 0 && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	status := r.Uint32()
	switch {
	case r.Err() != nil:
		return nil, r.Err()
	case status == eptNotRegistered:
		return nil, ErrNotRegistered
	case status != 0:
		return nil, &Status{"ept_map", status}
	case len(ports) == 0:
		return nil, ErrNotRegistered
	}
	return ports, nil
}

// readTower reads a twr_t, C706 appendix N, and the padding after it.
func readTower(r *wire.Reader, s Syntax) (uint16, error) {
	conformance, length := r.Uint32(), r.Uint32()
	if conformance != length || length > maxStub {
		r.Fail("tower of %d bytes in an array of %d", length, conformance)
	}
	octets := r.Bytes(int(length))
	if r.Align(4); r.Err() != nil {
		return 0, r.Err()
	}
	return towerPort(octets, s)
}
