"""Errors of Supabase's client as errors for a person; imports that client."""

from supabase_auth.errors import (
    AuthApiError,
    AuthError,
    AuthRetryableError,
    AuthSessionMissingError,
    AuthUnknownError,
    AuthWeakPasswordError,
)

from service.auth.problems import AccountError, account_error, code_of_supabase


def explain_auth_error(error: AuthError) -> AccountError:
    """Return what to tell a person of an error of Supabase's client."""
    if isinstance(error, AuthRetryableError | AuthUnknownError):
        return account_error("unreachable")
    if isinstance(error, AuthSessionMissingError):
        return account_error("signed_out")
    if isinstance(error, AuthWeakPasswordError):
        return account_error("weak")
    ours = code_of_supabase(error.code or "")
    if ours == "account" and isinstance(error, AuthApiError):
        # Older servers send no code.
        if error.status == 429:
            ours = "too_many"
        elif error.status >= 500:
            ours = "unreachable"
        elif "Invalid login credentials" in error.message:
            ours = "wrong"
        elif "Email not confirmed" in error.message:
            ours = "unconfirmed"
        elif "Refresh Token" in error.message:
            ours = "signed_out"
    return account_error(ours)
