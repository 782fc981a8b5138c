package rpc

import (
	"encoding/binary"

	"github.com/gpreach/gpreach/internal/wire"
)

// Protocol identifiers of a tower's floors, C706 appendix I.
const (
	floorUUID = 0x0d
	floorRPC  = 0x0b // connection-oriented RPC
	floorTCP  = 0x07
	floorIP   = 0x09
)

const maxFloors = 8 // a TCP tower has five

// towerLen is the length of the tower that appendTower makes.
const towerLen = 75

// appendTower appends the protocol tower, C706 appendix L, of an interface in
// NDR 2.0 over TCP/IP, with port and address left open.
func appendTower(b []byte, s Syntax) []byte {
	b = append(b, 5, 0) // floors
	for _, f := range []Syntax{s, NDR20} {
		b = append(b, 19, 0, floorUUID)
		b = append(b, f.UUID[:]...)
		b = binary.LittleEndian.AppendUint16(b, f.Major)
		b = append(b, 2, 0)
		b = binary.LittleEndian.AppendUint16(b, f.Minor)
	}
	b = append(b, 1, 0, floorRPC, 2, 0, 0, 0)
	b = append(b, 1, 0, floorTCP, 2, 0, 0, 0)
	return append(b, 1, 0, floorIP, 4, 0, 0, 0, 0, 0)
}

// towerPort reads a tower and returns its TCP port when it is one of this
// interface over TCP, else 0. The address in it is never looked at: it is the
// host's own idea, and only the address dialled is trusted.
func towerPort(octets []byte, s Syntax) (uint16, error) {
	r := wire.NewReader(octets, binary.LittleEndian)
	floors := int(r.Uint16())
	if floors > maxFloors {
		return 0, wire.Garbled("tower of %d floors", floors)
	}
	port, matches := uint16(0), false
	for i := range floors {
		lhs := r.Bytes(int(r.Uint16()))
		rhs := r.Bytes(int(r.Uint16()))
		switch {
		case i == 0:
			matches = len(lhs) == 19 && lhs[0] == floorUUID && UUID(lhs[1:17]) == s.UUID &&
				binary.LittleEndian.Uint16(lhs[17:]) == s.Major
		case i == 2:
			matches = matches && len(lhs) == 1 && lhs[0] == floorRPC
		case i == 3 && len(lhs) == 1 && lhs[0] == floorTCP && len(rhs) == 2:
			port = binary.BigEndian.Uint16(rhs)
		}
	}
	if r.Err() != nil || !matches {
		return 0, r.Err()
	}
	return port, nil
}
