"""Planted secrets, one of each known kind."""

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEF0123456789"

# Joined here, so that no scanner takes this file for a leak.
SECRETS = {
    "slack bot": "xoxb-" + "123456789012-" + LETTERS[:24],
    "slack app": "xapp-" + "1-A0123-456789-" + LETTERS[:32],
    "slack refresh": "xoxe." + "xoxp-1-" + LETTERS[:30],
    "slack webhook": "https://hooks.slack.com/" + "services/T000/B000/" + LETTERS[:24],
    "aws": "AKIA" + "ABCDEFGHIJ234567",
    "github": "ghp_" + LETTERS[:36],
    "github fine-grained": "github_pat_" + LETTERS[:40],
    "gitlab": "glpat-" + LETTERS[:20],
    "openai": "sk-" + LETTERS[:40],
    "openai project": "sk-proj-" + LETTERS[:40],
    "anthropic": "sk-ant-api03-" + LETTERS[:40],
    "stripe": "sk_live_" + LETTERS[:24],
    "google": "AIza" + LETTERS[:35],
    "npm": "npm_" + LETTERS[:36],
    "pypi": "pypi-" + LETTERS + LETTERS,
    "jwt": "eyJ" + LETTERS[:20] + ".eyJ" + LETTERS[:20] + "." + LETTERS[:20],
    "private key": "-----BEGIN RSA PRIVATE"
    + " KEY-----\nMIIEow\nabc=\n-----END RSA PRIVATE KEY-----",
}
