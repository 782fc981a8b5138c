package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/gpreach/gpreach/exporter"
	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/secure"
)

// credentialFlags say with which account is logged on. None of them is a secret.
type credentialFlags struct {
	user, passwordFile, keytab, ccache string
	currentUser, allowNTLM, rehearse   bool
}

func (f *credentialFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.user, "user", "", "log on as `NAME@REALM` or DOMAIN\\name to prove access; the password is asked for, unless another flag says where it is")
	flags.StringVar(&f.passwordFile, "password-file", "", "the `FILE` that holds the password alone, UTF-8 or UTF-16, readable by nobody else")
	flags.StringVar(&f.keytab, "keytab", "", "the `FILE` of Kerberos keys of --user")
	flags.StringVar(&f.ccache, "ccache", "", "the `FILE` of Kerberos tickets, as kinit writes it; --user may be left out")
	flags.BoolVar(&f.currentUser, "current-user", false, "log on as whoever runs this, without a password: on Windows by the logon session, elsewhere by the default ccache (KRB5CCNAME)")
	flags.BoolVar(&f.allowNTLM, "allow-ntlm", false, "log on by NTLM to targets given by address, and to names that the KDC does not know")
	flags.BoolVar(&f.rehearse, "rehearse", false, "let Task Scheduler validate the task that a remote refresh would register, disabled and without a trigger; nothing is stored. Not verified with Windows yet")
}

// read reads the credential, asking for the password where no flag says where it
// is. It is nil where none is given, and nothing is sent.
func (f *credentialFlags) read(ctx context.Context) (*auth.Credential, error) {
	switch {
	case *f == credentialFlags{}:
		return nil, nil
	case f.currentUser && f.user+f.passwordFile+f.keytab+f.ccache != "":
		return nil, errors.New("--current-user stands alone: without --user, --password-file, --keytab and --ccache")
	case !f.currentUser && f.user == "" && f.ccache == "":
		return nil, fmt.Errorf("%s needs a credential, but --user is missing (or --ccache, or --current-user)", f.first())
	}
	credential, err := auth.Read(auth.Source{
		User: f.user, PasswordFile: f.passwordFile, Keytab: f.keytab, CCache: f.ccache, CurrentUser: f.currentUser,
		Prompt: func(prompt string) ([]byte, error) { return askPassword(ctx, prompt) },
	})
	if err != nil {
		return nil, err
	}
	if f.allowNTLM && !credential.HasNTLM() {
		return nil, errors.New("--allow-ntlm: NTLM needs the password; a keytab or ticket will not do")
	}
	return credential, nil
}

// first returns a flag that was given, of those that name no account.
func (f *credentialFlags) first() string {
	switch {
	case f.passwordFile != "":
		return "--password-file"
	case f.keytab != "":
		return "--keytab"
	case f.allowNTLM:
		return "--allow-ntlm"
	}
	return "--rehearse"
}

// logOn gives the prober the credential, if there is one, and proves it before any
// host is asked.
func (s *survey) logOn(ctx context.Context) error {
	credential, err := s.logon.read(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return usage(err)
	case credential == nil:
		return nil
	}
	s.credential = credential
	logons := secure.New(credential, secure.Options{AllowNTLM: s.logon.allowNTLM, Rehearse: s.logon.rehearse})
	s.prober.Authenticate = logons.Begin
	err = logons.Verify(ctx, s.prober, s.fleet.all())
	switch {
	case credential.Why() == "" && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &exitError{exitStopped, fmt.Errorf("the credential of %s is not used, and no host was probed: %w", credential, err)}
	}
	return nil
}

// stopped returns the error of a run whose credential was stopped, or nil.
func (s *survey) stopped() error {
	if s.credential == nil || s.credential.Why() == "" {
		return nil
	}
	return &exitError{exitStopped, fmt.Errorf("the credential of %s was stopped: %s", s.credential, s.credential.Why())}
}

// source returns where a configured credential comes from.
func source(c exporter.Credential) auth.Source {
	return auth.Source{User: c.User, PasswordFile: c.PasswordFile, Keytab: c.Keytab, CCache: c.CCache, CurrentUser: c.CurrentUser}
}

// checkCredential returns what is wrong with a configured credential.
func checkCredential(c exporter.Credential) error {
	_, err := auth.Read(source(c))
	return err
}

// logOn begins to use a configured credential for a round of a sweep: by Kerberos
// alone, and verified first.
func logOn(ctx context.Context, c exporter.Credential) (*exporter.Logon, error) {
	credential, err := auth.Read(source(c))
	if err != nil {
		return nil, err
	}
	if err := credential.Verify(ctx); err != nil && credential.Why() == "" {
		return nil, err
	}
	return &exporter.Logon{
		Authenticate: secure.New(credential, secure.Options{}).Begin,
		Stop:         credential.Stop, Stopped: credential.Stopped(), Why: credential.Why,
	}, nil
}
