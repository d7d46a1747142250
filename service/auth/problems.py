"""Errors of accounts: messages for a person, and the mapping from Supabase's codes.

A message never reveals whether an e-mail address has an account.
"""

from detector.errors import InputError
from detector.sentences import _


class AccountError(InputError):
    """An account operation failed; `code` names the reason."""

    default_code = "account"


class Unreachable(AccountError):
    """The account server does not respond."""

    default_code = "unreachable"


class SignedOut(AccountError):
    """The session has ended."""

    default_code = "signed_out"


SENTENCES: dict[str, tuple[str, str]] = {
    "wrong": (
        _("The e-mail address or the password is wrong."),
        _("Check both, or have a sign-in link sent."),
    ),
    "unconfirmed": (
        _("This address is not confirmed yet."),
        _("Open the link in the e-mail that we sent, or have it sent again."),
    ),
    "weak": (_("This password is too easy to guess."), _("Use a longer one, or a few words.")),
    "short": (_("This password is too short."), _("Use 8 characters or more.")),
    "long": (_("This password is too long."), _("Use 72 characters or fewer.")),
    "again": (
        _("This sign-in is too old to change a password."),
        _("Sign out, have a new link sent, and use it within a day."),
    ),
    "same": (_("That is the password you have already."), _("Choose another one.")),
    "address": (
        _("This e-mail address can’t be used here."),
        _("Check its spelling, or use another one."),
    ),
    "too_many": (_("These were too many tries in a short time."), _("Wait a few minutes.")),
    "too_many_mails": (
        _("Too many e-mails went out in a short time."),
        _("Look in your inbox and in the spam folder, or wait an hour."),
    ),
    "expired": (
        _("This link is too old, or it was used before."),
        _("Have a new one sent: each works once."),
    ),
    "elsewhere": (
        _("This sign-in was not begun in this browser."),
        _("Begin here, and stay in the same browser until you are back."),
    ),
    "denied": (_("The sign-in was canceled."), _("Nothing was changed.")),
    "closed": (_("This server takes no new accounts."), _("Who runs it can make one for you.")),
    "not_offered": (_("This way to sign in is switched off here."), _("Use another one.")),
    "banned": (_("This account is blocked."), _("Who runs this server can tell you why.")),
    "not_admin": (_("Only administrators can do this."), ""),
    "yourself": (
        _("You can’t change your own role, or disable yourself."),
        _("Another administrator can."),
    ),
    "accounts_key": (
        _("The project refuses the key in UNMASK_ACCOUNTS_KEY."),
        _("Set it to the secret key of the project that SUPABASE_URL names."),
    ),
    "captcha": (_("This server asks for a captcha, which can’t be shown here."), ""),
    "unreachable": (
        _("The account server can’t be reached."),
        _("Nothing of yours is lost. Try again in a minute."),
    ),
    "signed_out": (_("You are not signed in any more."), _("Sign in again to go on.")),
    "account": (_("That did not work."), _("Try again in a minute.")),
}
"""By our code: what, and what to do."""

_CODES = {
    "wrong": ("invalid_credentials", "user_not_found"),
    "unconfirmed": ("email_not_confirmed", "provider_email_needs_verification"),
    "weak": ("weak_password",),
    "same": ("same_password",),
    "again": ("reauthentication_needed",),
    "address": ("email_address_invalid", "email_address_not_authorized", "validation_failed"),
    "too_many": ("over_request_rate_limit",),
    "too_many_mails": ("over_email_send_rate_limit",),
    "expired": (
        "otp_expired", "flow_state_expired", "flow_state_not_found", "bad_code_verifier",
        "bad_oauth_state", "bad_oauth_callback",
    ),
    "denied": ("access_denied",),
    "closed": ("signup_disabled",),
    "not_offered": (
        "otp_disabled", "email_provider_disabled", "provider_disabled",
        "oauth_provider_not_supported",
    ),
    "banned": ("user_banned",),
    "captcha": ("captcha_failed",),
    "unreachable": ("request_timeout",),
    "signed_out": (
        "session_not_found", "session_expired", "refresh_token_not_found",
        "refresh_token_already_used", "bad_jwt", "no_authorization",
    ),
}  # fmt: skip
"""Our code to Supabase's."""
_OURS = {theirs: ours for ours, codes in _CODES.items() for theirs in codes}


def account_error(code: str) -> AccountError:
    """Return the error of a code; of an unknown code, a general one."""
    code = code if code in SENTENCES else "account"
    what, then = SENTENCES[code]
    kind = {"unreachable": Unreachable, "signed_out": SignedOut}.get(code, AccountError)
    return kind(what, code=code, hint=then)


def code_of_supabase(code: str) -> str:
    """Return the code for one of Supabase's, as its redirects name them."""
    return _OURS.get(code, "account")
