package secure

import (
	"context"
	"fmt"
	"sync"
	"unicode/utf16"

	"github.com/oiweiwei/go-msrpc/ndr"

	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/probe"
)

// The two calls of [MS-EVEN6] that are made, as operations of our own: those that
// the library generates allocate as many characters as a host says that a name has,
// on a goroutine where nothing can be done about it.

const (
	opRegisterLogQuery = 5
	opClose            = 13

	queryChannelPath    = 0x00000001 // EvtQueryChannelPath
	queryOldestToNewest = 0x00000100 // EvtReadOldestToNewest
	everyEvent          = "*"

	maxChannels = 16  // statuses of one query, which names one channel
	maxChannel  = 512 // characters of a channel's name
)

// A contextHandle is a handle that a host gave, C706 section 14.3.7.
type contextHandle [20]byte

// An operation is what came of reading a reply, which the library does in the
// background and does not wait for when a reply is cut short.
type operation struct {
	mu       sync.Mutex
	complete bool  // the reply was read to its end
	err      error // it cannot be one
}

func (*operation) UnmarshalNDRRequest(context.Context, ndr.Reader) error { return ndrUnused() }
func (*operation) MarshalNDRResponse(context.Context, ndr.Writer) error  { return ndrUnused() }

func ndrUnused() error { return fmt.Errorf("no server of this operation") }

// failed returns what is wrong with the reply, or else err, the library's own, or
// else that the reply was cut short. Without an error the fields may be read.
func (o *operation) failed(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
		return o.err
	case err == nil && !o.complete:
		return wire.Garbled("reply cut short")
	}
	return err
}

// decode reads a reply. A panic of the library's reader is an error: this is a
// goroutine of the library's own.
func (o *operation) decode(r ndr.Reader, fields func(*reply)) (err error) {
	in := &reply{r: r}
	defer func() {
		if p := recover(); p != nil {
			in.fail("the reader gave up: %v", p)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err = in.err; o.err == nil {
			o.complete = !in.short
		}
		err = o.err
	}()
	fields(in)
	return nil
}

// A logQuery is EvtRpcRegisterLogQuery, [MS-EVEN6] section 3.1.4.12.
type logQuery struct {
	operation
	channel string

	handle, control contextHandle
	statuses        []uint32 // of the channels: a query may succeed whose channel is denied
	status          uint32
}

// OpNum returns the operation's number.
func (*logQuery) OpNum() int { return opRegisterLogQuery }

// OpName returns the operation's name.
func (*logQuery) OpName() string { return "EvtRpcRegisterLogQuery" }

// MarshalNDRRequest writes path, query and flags.
func (q *logQuery) MarshalNDRRequest(_ context.Context, w ndr.Writer) error {
	_ = w.WriteData(uint32(referent))
	writeString(w, q.channel)
	writeString(w, everyEvent)
	_ = w.WriteData(uint32(queryChannelPath | queryOldestToNewest))
	return w.Err()
}

// UnmarshalNDRResponse reads handle, opControl, queryChannelInfoSize,
// queryChannelInfo, error and the return value.
func (q *logQuery) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	return q.decode(r, func(in *reply) {
		q.handle, q.control = in.handle(), in.handle()
		size := in.uint32()
		if referent := in.uint32(); referent != 0 {
			q.channelInfos(in, size)
		}
		for range 3 {
			in.uint32() // RpcInfo: m_error, m_subErr, m_subErrParam
		}
		q.status = in.uint32()
	})
}

// channelInfos reads EvtRpcQueryChannelInfo structures, section 2.2.11, and their
// names, which stand behind them.
func (q *logQuery) channelInfos(in *reply, size uint32) {
	n := in.uint32()
	if n != size || size > maxChannels {
		in.fail("%d channels in %d", size, n)
		return
	}
	names := 0
	for range size {
		if referent := in.uint32(); referent != 0 {
			names++
		}
		q.statuses = append(q.statuses, in.uint32())
	}
	for range names {
		in.skipString()
	}
}

// failure returns what the host answered other than that the channel may be read.
func (q *logQuery) failure() error {
	statuses := append([]uint32{q.status}, q.statuses...)
	for _, status := range statuses {
		switch status {
		case 0:
		case win32AccessDenied:
			return &probe.Failure{Outcome: probe.AccessDenied, Code: accessDenied, Text: q.channel + ": error 5 (ERROR_ACCESS_DENIED)"}
		case win32ChannelNotFound:
			return &probe.Failure{Outcome: probe.Unsupported, Code: status, Text: q.channel + ": error 15007 (ERROR_EVT_CHANNEL_NOT_FOUND)"}
		default:
			return &probe.Failure{Outcome: probe.Unsupported, Code: status, Text: fmt.Sprintf("%s: error %d", q.channel, status)}
		}
	}
	return nil
}

// A closeHandle is EvtRpcClose, [MS-EVEN6] section 3.1.4.33.
type closeHandle struct {
	operation
	handle contextHandle
}

// OpNum returns the operation's number.
func (*closeHandle) OpNum() int { return opClose }

// OpName returns the operation's name.
func (*closeHandle) OpName() string { return "EvtRpcClose" }

// MarshalNDRRequest writes the handle.
func (c *closeHandle) MarshalNDRRequest(_ context.Context, w ndr.Writer) error {
	_, err := w.Write(c.handle[:])
	return err
}

// UnmarshalNDRResponse reads the handle, which is zero now, and the return value.
func (c *closeHandle) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	return c.decode(r, func(in *reply) {
		in.handle()
		in.uint32()
	})
}

// writeString writes a conformant and varying string, ended by a zero.
func writeString(w ndr.Writer, s string) {
	u := append(utf16.Encode([]rune(s)), 0)
	for _, n := range []uint32{uint32(len(u)), 0, uint32(len(u))} { //nolint:gosec // our own few characters
		_ = w.WriteData(n) // the writer keeps its first error
	}
	for _, c := range u {
		_ = w.WriteData(c)
	}
}

// A reply takes fields off an NDR stream; after the first failure all are zero.
type reply struct {
	r     ndr.Reader
	err   error // the reply cannot be one
	short bool  // it ended early, or the library gave it up
}

func (in *reply) ended() bool { return in.err != nil || in.short }

func (in *reply) fail(format string, args ...any) {
	if !in.ended() {
		in.err = wire.Garbled(format, args...)
	}
}

func (in *reply) uint32() (n uint32) {
	if !in.ended() && in.r.ReadData(&n) != nil {
		in.short = true
		return 0
	}
	return n
}

func (in *reply) handle() (h contextHandle) {
	if !in.ended() {
		if n, err := in.r.Read(h[:]); err != nil || n != len(h) {
			in.short = true
			return contextHandle{}
		}
	}
	return h
}

func (in *reply) skipString() {
	most, offset, n := in.uint32(), in.uint32(), in.uint32()
	if n > most || n > maxChannel || offset != 0 {
		in.fail("name of %d characters at %d of %d", n, offset, most)
		return
	}
	for range n {
		var c uint16
		if !in.ended() && in.r.ReadData(&c) != nil {
			in.short = true
		}
	}
}
