package logon

import (
	"encoding/asn1"
	"slices"
)

// A negTokenInit is RFC 4178's, section 4.2.1.
type negTokenInit struct {
	MechTypes   []asn1.ObjectIdentifier `asn1:"explicit,tag:0"`
	ReqFlags    asn1.BitString          `asn1:"explicit,optional,tag:1"`
	MechToken   []byte                  `asn1:"explicit,optional,tag:2"`
	MechListMIC asn1.RawValue           `asn1:"explicit,optional,tag:3"`
}

// A negTokenResp is RFC 4178's, section 4.2.2, as it comes from a client.
type negTokenResp struct {
	NegState      asn1.Enumerated       `asn1:"explicit,optional,tag:0"`
	SupportedMech asn1.ObjectIdentifier `asn1:"explicit,optional,tag:1"`
	ResponseToken []byte                `asn1:"explicit,optional,tag:2"`
	MechListMIC   []byte                `asn1:"explicit,optional,tag:3"`
}

// A negTokenAnswer is the same as it goes to a client, who is always told the state.
type negTokenAnswer struct {
	NegState      asn1.Enumerated       `asn1:"explicit,tag:0"`
	SupportedMech asn1.ObjectIdentifier `asn1:"explicit,optional,tag:1"`
	ResponseToken []byte                `asn1:"explicit,optional,tag:2"`
	MechListMIC   []byte                `asn1:"explicit,optional,tag:3"`
}

const (
	acceptCompleted  = 0
	acceptIncomplete = 1
	requestMIC       = 3
)

// A spnego chooses the first of the client's mechanisms that the host has.
type spnego struct {
	Mechanism // nil until it is chosen
	host      *Host
	offered   []byte // the client's MechTypeList, which is signed at the end
	lessThan  bool   // the mechanism is not the client's first, so that both must sign the list
	complete  bool   // somebody has logged on, whose signature of the list is still to come
}

// User returns who has logged on.
func (s *spnego) User() string {
	if s.Mechanism == nil {
		return ""
	}
	return s.Mechanism.User()
}

// Accept takes a NegTokenInit, and then NegTokenResps.
func (s *spnego) Accept(token []byte) ([]byte, bool, error) {
	answer := negTokenAnswer{NegState: acceptIncomplete}
	var inner, mic []byte
	if s.Mechanism == nil {
		var err error
		if answer.SupportedMech, inner, err = s.choose(token); err != nil {
			return nil, false, err
		}
		if s.lessThan {
			answer.NegState = requestMIC
		}
	} else {
		var resp negTokenResp
		if _, err := asn1.UnmarshalWithParams(token, &resp, "explicit,tag:1"); err != nil {
			return nil, false, ErrToken
		}
		inner, mic = resp.ResponseToken, resp.MechListMIC
	}
	if inner != nil && !s.complete {
		var err error
		if answer.ResponseToken, s.complete, err = s.Mechanism.Accept(inner); err != nil {
			return nil, false, err
		}
	}
	done, err := s.finish(&answer, mic)
	if err != nil {
		return nil, false, err
	}
	b, err := asn1.MarshalWithParams(answer, "explicit,tag:1")
	return b, done && err == nil, err
}

// finish exchanges the signatures of the list of mechanisms, RFC 4178 section 5, and
// reports whether the negotiation is over. They must be there where the mechanism is not
// the client's first: else whoever is in between could have chosen it.
func (s *spnego) finish(answer *negTokenAnswer, mic []byte) (done bool, err error) {
	switch {
	case !s.complete:
		return false, nil
	case len(mic) > 0:
		answer.MechListMIC, err = s.countersign(mic)
	case s.lessThan && answer.ResponseToken != nil: // the client could not sign before it had this
		return false, nil
	case s.lessThan:
		err = errNoMIC
	}
	if answer.NegState = acceptCompleted; err != nil {
		return false, err
	}
	return true, nil
}

// choose chooses a mechanism. The token in a NegTokenInit is that of the client's
// first, and of no use to another.
func (s *spnego) choose(token []byte) (asn1.ObjectIdentifier, []byte, error) {
	body, err := unframed(token)
	if err != nil {
		return nil, nil, err
	}
	var init negTokenInit
	if _, err := asn1.UnmarshalWithParams(body, &init, "explicit,tag:0"); err != nil {
		return nil, nil, ErrToken
	}
	if s.offered, err = asn1.Marshal(init.MechTypes); err != nil {
		return nil, nil, err
	}
	for i, oid := range init.MechTypes {
		if s.Mechanism = s.host.byOID(oid); s.Mechanism == nil {
			continue
		}
		if s.lessThan = i > 0; s.lessThan {
			init.MechToken = nil
		}
		return oid, init.MechToken, nil
	}
	if s.host.NoNTLM && slices.ContainsFunc(init.MechTypes, func(oid asn1.ObjectIdentifier) bool { return oid.String() == oidNTLM }) {
		return nil, nil, ErrBlocked
	}
	return nil, nil, ErrToken
}

// countersign verifies the client's mechListMIC and returns the host's, RFC 4178
// section 5. NTLM's ciphers begin anew after it, [MS-SPNG] section 3.3.5.1.
func (s *spnego) countersign(mic []byte) ([]byte, error) {
	m := Message{Body: s.offered}
	if err := s.Open(m, mic); err != nil {
		return nil, err
	}
	own, err := s.Protect(m)
	if n, ok := s.Mechanism.(*ntlm); ok {
		n.restart()
	}
	return own, err
}

// unframed takes a token out of the frame of RFC 2743 section 3.1, which begins
// with the identifier of its mechanism.
func unframed(token []byte) ([]byte, error) {
	var frame asn1.RawValue
	if _, err := asn1.Unmarshal(token, &frame); err != nil || frame.Class != asn1.ClassApplication || frame.Tag != 0 {
		return nil, ErrToken
	}
	var oid asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(frame.Bytes, &oid)
	if err != nil {
		return nil, ErrToken
	}
	return rest, nil
}
