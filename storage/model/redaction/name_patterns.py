"""Names of secrets, and how they are joined to their values."""

from storage.model.redaction.languages import PASSWORDS

# Whatever follows these is a secret.
PASSWORD = (
    rf"{PASSWORDS}|secret|creds?|credentials?|pass|psk|geheim|bind[_-]?pw|root[_-]?pw|user[_-]?pw"
    r"|(?:seed|recovery|secret) phrase|mnemonic|storepass|keypass|requirepass|masterauth"
    r"|pre-?shared[_\- ]key|(?:recovery|backup)[_\- ]codes?|redis(?:cli)?_auth"
)
# What follows these is a secret unless it is a word, a class or a number.
KEY = (
    r"secret[_\-. ]?key[_\-. ]?base"
    # The key of a thing.
    r"|(?:api|access|secret|private|encryption|decryption|signing|signature|master|account|auth"
    r"|licen[cs]e|shared|service|subscription|storage|app|application|client|consumer|deploy"
    r"|session|jwt|hmac|function|functions|admin|root|integration|ingest|ingestion|webhook|bot"
    r"|aes|rsa|wep|developer|crypto|captcha|recaptcha|data|openai|anthropic|write|wlan|wi-?fi|wpa2?"
    r"|network|instrumentation|server|host|ssh|tls|ssl|rest|cron|user|team|project|org|workspace"
    r"|partner|merchant|recovery|unseal)[_\-. ]?keys?(?:[_\-. ]?secret)?"
    r"|apikeys?|token|secret[_\-]?id|x-honeycomb-team"
    # The salts of WordPress and its like, as secret as its keys.
    r"|(?:auth|logged[_-]?in|nonce|hash|password|security|cookie|session)[_-]?salt"
    r"|(?:logged[_-]?in|nonce|cookie)[_-]?key"
    # Spanish, French, Italian, Russian, German
    r"|clave|cl[eé] (?:d['’])?(?:api|secrète|privée)|chiave (?:segreta|api|privata)"
    r"|токен|ключ(?: api)?|api-?schlüssel"
    # Japanese, Korean, Chinese
    r"|(?:api|アクセス|秘密|シークレット|액세스|시크릿|비밀)[ _-]?(?:キー|키)"
    r"|トークン|토큰|令牌|密[钥鑰]"
    # What holds a secret in it.
    r"|saml(?:response|assertion)"
    r"|dsn|conn(?:ection)?[_\-. ]?str(?:ing)?|webhook[_\-. ]?url|sharedaccesssignature|jwt|bearer"
    r"|client[_\-]?key[_\-]?data|dockerconfigjson|identitytoken|x-amz-signature|x-goog-signature"
)
HEADER = r"(?:proxy[_-]?)?authorization|(?:set-?)?cookie2?"
# What follows these is a secret only if it looks random.
WEAK = (
    r"_?auth(?:entication)?|session(?:[_-]?id)?|j?sess(?:ion)?_?id|phpsessid|connect\.sid|sid|key"
    r"|code|sig|signature|hmac|salt|pepper|seed|license|licence|signed|otp|pat|serial|activation"
)
# What may end a name: `password_base64`, `API_KEY_PROD`, `token2`.
SUFFIX = (
    r"(?:[_\-.]?(?:value|base64|b64|base|data|prod|production|dev|test|staging|stage|live|old|new"
    r"|backup|plain|plaintext|raw|env|admin|root|primary|secondary|local|ci|v?\d{1,3})|[ ]\d{1,2}"
    # `passwordForAdmin`, `token_for_ci`
    r"|(?-i:(?:For|Of|On|At|In)[A-Z]\w{0,30})|[_\-](?:for|of|on|at|in)[_\-][\w-]{1,30})?"
)
# `passwordJenkins`, `API_KEY_STRIPE`: only what looks like a password or a key is one.
LONGER = r"(?:(?:[A-Z][a-z0-9]*){1,6}|(?:[_-][A-Za-z0-9]+){1,6})"
# What may stand between a name and its value: the end of quotes, of markup, of an index; a remark.
CLOSE = r"(?:[\"'`*_~\])}\\]|</[a-z0-9:]{1,12}>|\?){0,6}"
REMARK = (
    r"(?:[ \t]{0,3}(?:\([^()\n]{1,40}\)|\[[^\[\]\n]{1,40}\]|#\d{1,3})|[ \t](?:wi-?fi|wlan|vpn)"
    r"|[ \t](?:for|of|to|on|in|from|at|you|we|i|that|which|as|with|de|del|du|para|pour|für|vom"
    r"|by|via)"
    r"(?:[ \t][\w.@'/#-]{1,30}){1,5}?(?:[ \t]\([\w.@-]+\))?)?"
)
# What joins a name to its value.
SIGN = (
    r"[ \t]*:[ \t]*(?:[>|][-+]?)?[ \t]*\r?\n[ \t]*"  # YAML: the value on the next line
    r"|[ \t]*(?:[:=]=?>?|=>|->|<-|→|\|)"
    # Sentences
    r"|[ \t]+(?:is|was|ist|lautet|c['’]est|est|es|=)"
    r"(?:[ \t](?:now|still|set to|changed to))?[ \t]*:?[ \t]"
    r"|[ \t]+(?:(?:has been|have been|was|is|got)[ \t])?"
    r"(?:set|changed|reset|updated)?[ \t]?to[ \t]+"
    r"|は|是|[는은][ \t]"
    r"|[ \t]+[-–—][ \t]"
    r"|['’]s[ \t]+"  # the password's …
    r"|[ \t]*[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}\x{2B00}-\x{2BFF}\x{FE0F}]{1,3}[ \t]*"
    # HTML and XML: value="…", content="…", or what the element holds
    r"|[\"']?(?:[ \t][\w:-]+=\"[^\"<>\n]{0,40}\")*[ \t]+(?:value|content)="
    r"|(?:[ \t][\w:-]+=\"[^\"<>\n]{0,40}\")*>|[ \t\n]*<(?:string|value|data|td|dd)>"
    # JSON and YAML: {"name": "…", "value": "…"}
    r"|[\"'][ \t\n]*,[ \t\n]*[\"']?(?:value|val|default)[\"']?[ \t]*:"
    r"|[ \t]*(?:\n[ \t]*|,[ \t]*)value:"
    r"|[\"'],[ \t]*[bfr]?[\"']"  # ("password", "…")
    r"|[ \t]+(?:string|str)[ \t]*:?="  # Go: password string = "…"
)
# Markup with which a value begins, or with which its name ends after the colon.
OPENING = r"[ \t]*(?:[*_~`|]{1,3}|</?(?:b|i|code|em|strong|string|value|pre|kbd|tt)>|<!\[CDATA\[)*"

NAMED = (
    rf"(?i:(?:(?P<password>{PASSWORD})|(?P<header>{HEADER})|(?P<key>{KEY})){SUFFIX}"
    rf"(?P<sign>{CLOSE}{REMARK}{CLOSE}(?:{SIGN})){OPENING})"
)
SPACED = (
    # `password hunter2`, `--token abc`, `ENV API_KEY abc`, and the row of a table.
    rf"(?i:(?:(?P<password>{PASSWORD})|(?P<header>{HEADER})|(?P<key>{KEY})){SUFFIX}[\"'`*_~]{{0,3}}"
    r"(?P<sign>(?:[ \t]\([A-Z][A-Z0-9_]+\))?[ \t]+)[*_`]*)"
)
CONTINUED = (
    rf"(?P<name>(?i:{PASSWORD}|{KEY}))(?P<rest>{LONGER})[\"'`*\])]{{0,4}}[ \t]*"
    r"(?::=|=>?|:)[ \t]*[\"'`*]{0,3}(?P<continued>[^\s\"'`]{6,})"
)
# `key: …`, `session=…`
RANDOM = (
    rf"(?i:(?:^|[^A-Za-z0-9])(?:[a-z0-9]+[_\-.])*(?:{WEAK}){SUFFIX}"
    rf"(?:{CLOSE}[ \t]*(?:[:=]|=>)[ \t]*[\"'`]?|[ \t]is[ \t]+[`*\"']?"
    r"|[\"'][ \t\n]*,[ \t\n]*[\"']?value[\"']?[ \t]*:[ \t]*[\"'])"
    r")(?P<random>[A-Za-z0-9+/_=.~%-]{12,})"
)
SCHEME = (
    r"(?i:(?:^|[^A-Za-z0-9])(?P<scheme>bearer|basic|negotiate|ntlm|dpop),?[ \t]+)"
    r"(?P<sent>[A-Za-z0-9._~+/=|:-]{6,})"
)
# The parameters of a signed URL.
QUERY = (
    r"(?i:[?&;](?:x-amz-|x-goog-)?(?:sig|signature|code|key|hmac|hash|auth|sid|ticket|st"
    r"|credential)=)"
    r"(?P<query>[^\s&\"'<>#]{8,})"
)
# `use … as the password`
AS_PASSWORD = (
    r"(?P<chosen>[^\s\"'`]{5,})[\"'`]? (?:(?:as|is|that['’]s|it['’]s) "
    r"(?:the |my |your |our |his |her |a )?(?i:[a-z]+ )?"
    r"(?i:password|passphrase|token|secret|api key)\b"
    r"|\((?:pw|pwd|pass|password)\))"
)

# The names once, before all that may follow them: each copy would take 1 ms to compile.
HINTS = (
    rf"(?i:(?:{PASSWORD}|{HEADER}|{KEY}){SUFFIX}(?:"
    rf"{CLOSE}(?:[ \t\n]*(?:[=:<>|→は是는은-]|(?:,[ \t]*)?value)|[\"'][ \t\n]*[,v]|\[)"
    r"|[\"'`*_~]{0,3}[ \t]+\S|['’]s[ \t]|[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}]"
    r"|[ \t]{0,3}(?:\([^()\n]{1,40}\)|\[[^\[\]\n]{1,40}\]|#\d)"
    rf"|(?-i:{LONGER})[\"'`*\])]{{0,4}}[ \t]*(?::=|=>?|:)[ \t]*[\"'`*]{{0,3}}[^\s\"'`]{{6}}))",
    rf"(?i:(?:^|[^A-Za-z0-9])(?:{WEAK}){SUFFIX}(?:{CLOSE}[ \t]*(?:[:=]|=>)[ \t]*[\"'`]?"
    r"|[ \t]is[ \t]+[`*\"']?|[\"'][ \t\n]*,[ \t\n]*[\"']?value[\"']?[ \t]*:[ \t]*[\"'])"
    r"[A-Za-z0-9+/_=.~%-]{12})",
    r"(?i:(?:bearer|basic|negotiate|ntlm|dpop),?[ \t]+[A-Za-z0-9])",
    r"(?i:[?&;](?:x-amz-|x-goog-)?"
    r"(?:sig|signature|code|key|hmac|hash|auth|sid|ticket|st|credential)=)",
    r" (?:as|is|that['’]s|it['’]s) (?:the |my |your |our |his |her |a )?(?i:[a-z]+ )?"
    r"(?i:password|passphrase|token|secret|api key)",
    r" \((?:pw|pwd|pass|password)\)",
)
