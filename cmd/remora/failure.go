package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDiskFull    = 9
	exitUnverified  = 20
	exitFinal       = 21 // a node stopped for a reason that a restart does not fix
	exitInterrupted = 130
)

// usageError is the error of an invalid command line.
type usageError struct{ command, reason string }

// Error returns the reason.
func (e *usageError) Error() string { return e.reason }

// newUsageError returns the error of an invalid value.
func newUsageError(format string, args ...any) error {
	return &usageError{reason: fmt.Sprintf(format, args...)}
}

// coded gives an error a stable code.
type coded struct {
	code string
	err  error
}

// Error returns the message without the code.
func (e *coded) Error() string { return e.err.Error() }

// Unwrap returns the error.
func (e *coded) Unwrap() error { return e.err }

// newCodedError builds an error with a stable code.
func newCodedError(code, format string, args ...any) error {
	return &coded{code: code, err: fmt.Errorf(format, args...)}
}

// withCode gives an error a code, unless it is nil.
func withCode(code string, err error) error {
	if err == nil {
		return nil
	}
	return &coded{code: code, err: err}
}

// Codes that the program branches on.
const (
	codeDiverged   = "STATE_DIVERGED"
	codeUnverified = "VERIFICATION_FAILED"
	codeDiskFull   = "DISK_FULL"
	codeFailed     = "FAILED"
	codeUsage      = "USAGE"
)

// codeOf returns the stable code of an error.
func codeOf(err error) string {
	var own *coded
	var refused net.Error
	switch {
	case errors.As(err, &own):
		return own.code
	case client.CodeOf(err) != "":
		return client.CodeOf(err)
	}
	for _, c := range codes {
		if slices.ContainsFunc(c.causes, func(cause error) bool { return errors.Is(err, cause) }) {
			return c.Code
		}
	}
	if errors.As(err, &refused) {
		return "NODE_UNREACHABLE"
	}
	return codeFailed
}

// printError prints an error and its fix, and returns the exit code.
func (p *program) printError(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, syscall.EPIPE): // the reader of the answer has seen enough
		return exitFailed
	}
	var usage *usageError
	if errors.As(err, &usage) || errors.Is(err, devnet.ErrUsage) || errors.Is(err, devnet.ErrUnknownNode) ||
		errors.Is(err, node.ErrClockOffset) {
		command := "remora"
		if usage != nil && usage.command != "" {
			command = usage.command
		}
		p.printMessage("error %s: %s\nfix: see %s --help\n", codeUsage, printableText(err.Error()), command)
		return exitUsage
	}
	code := codeOf(err)
	// The message of a rejection begins with its code.
	p.printMessage("error %s: %s\n", code, strings.TrimPrefix(printableText(err.Error()), code+": "))
	if e, known := findExplanation(code); known {
		p.printMessage("fix: %s\n", e.Fix)
	}
	switch {
	case needsOperator(err):
		return exitFinal
	case code == codeDiverged || code == codeUnverified || code == codeSimulation:
		return exitUnverified
	case code == codeDiskFull:
		return exitDiskFull
	}
	return exitFailed
}

// needsOperator reports whether a node stopped for a reason that a restart does not remove: a supervisor must leave it down
// until an operator has looked into it.
func needsOperator(err error) bool {
	for _, reason := range []error{blocksync.ErrMinority, mempool.ErrTwin, mempool.ErrSafety, keystore.ErrRecord} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// printMessage writes to stderr.
func (p *program) printMessage(format string, args ...any) {
	_, _ = fmt.Fprintf(p.err, format, args...)
}

// printableText replaces control characters, which could come from other machines and change the terminal.
func printableText(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// printAnswer prints the answer of a command: doc as one JSON document with -o json, else text.
func (p *program) printAnswer(asJSON bool, doc any, text string) error {
	if !asJSON {
		_, err := fmt.Fprintln(p.out, printableText(strings.TrimSuffix(text, "\n")))
		return err
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = p.out.Write(append(b, '\n'))
	return err
}
