"""Recognisers of secrets: keys and tokens by the shapes their issuers gave them, private keys, passwords in URLs."""

from __future__ import annotations

from serving.gateway.privacy.recogniser import Recogniser

# (trigger, pattern) each. Shapes as documented by the issuers or used by public secret scanners, looked up 2026-11.
# A trigger is the part that is rare in prose; the pattern is what is replaced.
_SHAPES = (
    # Private keys: the header alone makes it one; the rest is taken as far as it looks like a key.
    (
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\:,.\-]*?"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)",
    ),
    # JSON Web Tokens: two objects that begin with {" in base64.
    (r"eyJ[A-Za-z0-9_\-]{6,512}\.eyJ", r"\beyJ[A-Za-z0-9_\-]{6,512}\.eyJ[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*){0,3}"),
    (r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),  # AWS key ids
    (
        r"[Ss][Ee][Cc][Rr][Ee][Tt]_?(?:[Aa][Cc][Cc][Ee][Ss][Ss]_?)?[Kk][Ee][Yy]",
        r"(?i)secret_?(?:access_?)?key[\"']?\s{0,3}[=:]\s{0,3}[\"']?([A-Za-z0-9/+=]{40})",
    ),
    (r"gh[pousr]_[A-Za-z0-9]{20}", r"gh[pousr]_[A-Za-z0-9]{20,255}"),  # GitHub
    (r"github_pat_[A-Za-z0-9_]{20}", r"github_pat_[A-Za-z0-9_]{20,255}"),
    (r"gl(?:pat|dt|ptt|rt)-[A-Za-z0-9_\-]{20}", r"\bgl(?:pat|dt|ptt|rt)-[A-Za-z0-9_\-]{20,255}"),  # GitLab
    (r"xox[a-z]-[A-Za-z0-9\-]{10}|xapp-[0-9]", r"\b(?:xox[a-z]|xapp)-[A-Za-z0-9\-]{10,255}"),  # Slack
    (r"hooks\.slack\.com/", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20,255}"),
    (r"[srp]k_(?:live|test)_[A-Za-z0-9]{10}", r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{10,255}"),  # Stripe
    (r"whsec_[A-Za-z0-9+/]{20}", r"\bwhsec_[A-Za-z0-9+/=]{20,255}"),
    (r"sk-[A-Za-z0-9_\-]{20}", r"\bsk-[A-Za-z0-9_\-]{20,255}"),  # OpenAI, Anthropic and their followers
    (r"AIza[A-Za-z0-9_\-]{35}", r"\bAIza[A-Za-z0-9_\-]{35}"),  # Google
    (r"ya29\.[A-Za-z0-9_\-]{20}", r"\bya29\.[A-Za-z0-9_\-]{20,512}"),
    (r"GOCSPX-[A-Za-z0-9_\-]{20}", r"\bGOCSPX-[A-Za-z0-9_\-]{20,64}"),
    (r"hf_[A-Za-z0-9]{30}", r"\bhf_[A-Za-z0-9]{30,64}"),  # Hugging Face
    (r"npm_[A-Za-z0-9]{36}", r"\bnpm_[A-Za-z0-9]{36}"),
    (r"pypi-AgE[A-Za-z0-9_\-]{20}", r"\bpypi-AgE[A-Za-z0-9_\-]{20,512}"),
    (r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16}", r"\bSG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16,64}"),
    (r"SK[0-9a-f]{32}", r"\bSK[0-9a-f]{32}\b"),  # Twilio
    (r"[0-9]{8,10}:AA[A-Za-z0-9_\-]{32,33}", r"\b[0-9]{8,10}:AA[A-Za-z0-9_\-]{32,33}"),  # Telegram bots
    (r"do[opr]_v1_[a-f0-9]{64}", r"\bdo[opr]_v1_[a-f0-9]{64}"),  # DigitalOcean
    (r"hv[sbr]\.[A-Za-z0-9_\-]{20}", r"\bhv[sbr]\.[A-Za-z0-9_\-]{20,512}"),  # Vault
    (r"pul-[a-f0-9]{40}", r"\bpul-[a-f0-9]{40}"),  # Pulumi
    (r"dapi[a-f0-9]{32}", r"\bdapi[a-f0-9]{32}(?:-[0-9])?"),  # Databricks
    (r"AccountKey=[A-Za-z0-9+/]{40}", r"AccountKey=([A-Za-z0-9+/]{40,128}={0,2})"),  # Azure storage
    (r"AGE-SECRET-KEY-1[A-Z0-9]{58}", r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}"),
    (r"[Bb][Ee][Aa][Rr][Ee][Rr] [A-Za-z0-9._~+/\-]{20}", r"(?i)\bbearer ([A-Za-z0-9._~+/\-]{20,}=*)"),
    # https://user:password@host  # not-a-secret
    (r"://[^ /:@]{1,64}:[^ /@]{3,128}@", r"[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s/:@]{1,64}:([^\s/@]{3,128})@"),
)

SECRETS = tuple(Recogniser(kind="secret", triggers=(trigger,), pattern=pattern) for trigger, pattern in _SHAPES)
