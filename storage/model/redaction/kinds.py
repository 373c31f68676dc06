"""Secrets that are recognised by their shape, such as the prefix that a provider gives its keys."""

from collections.abc import Mapping, Sequence

from storage.model.redaction.patterns import ValuePattern

KINDS: Mapping[str, Sequence[str]] = {
    "private_key": (
        # The same in base64, as Kubernetes keeps it.
        r"LS0tLS1CRUdJTi(?:BQUklWQVRFIEtFWS|BSU0EgUFJJVkFURSBLRVk|BFQyBQUklWQVRFIEtFWS"
        r"|BPUEVOU1NIIFBSSVZBVEUgS0VZ|BFTkNSWVBURUQgUFJJVkFURSBLRVk|BEU0EgUFJJVkFURSBLRVk)"
        r"[A-Za-z0-9+/=]*",
        r"(?i:age-secret-key(?:-pq)?-1)[A-Za-z0-9]{30,}",
        r"lQ(?:OY|PG|VY|IG|Hv|cY|EV|OB|WG)[A-Za-z0-9+/=]{40,}",  # GnuPG, in base64
        r"nsec1[a-z0-9]{50,}",  # Nostr
        r"S[UANOCX][A-Z2-7]{56}",  # NATS
        r"RWRTY0Iy[A-Za-z0-9+/=]{60,}",  # minisign
        r"edsk[1-9A-HJ-NP-Za-km-z]{50,}",  # Tezos
        r"[tuvxyz]prv[1-9A-HJ-NP-Za-km-z]{100,}",  # Bitcoin: a wallet, and a single key
        r"5[HJK][1-9A-HJ-NP-Za-km-z]{49}",
    ),
    "slack_token": (
        r"xoxd-[A-Za-z0-9%+/_=-]{8,}",  # A cookie, URL-encoded.
        r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}",
        r"(?:xapp|xwfp)-[A-Za-z0-9-]{8,}",
    ),
    "webhook": (
        r"(?:https?://)?hooks\.slack(?:-gov)?\.com/[A-Za-z]+/[A-Za-z0-9/+_-]+",
        r"https?://(?:[a-z]+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/[\w-]+",
        # Without their host, as urllib3 logs the path of a request.
        r"/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}",
        r"/(?:workflows|triggers)/T[A-Z0-9]{6,}/[A-Z0-9]{6,}/[A-Za-z0-9/]{16,}",
        r"/api/(?:v\d+/)?webhooks/\d{15,}/[\w-]{40,}",
        r"https?://[\w-]+\.webhook\.office\.com/[^\s\"'<>|]+",
        r"https?://hooks\.zapier\.com/hooks/[A-Za-z0-9/]+",
        r"https?://hook\.[a-z0-9.]+\.make\.com/[A-Za-z0-9]+",
        r"https?://maker\.ifttt\.com/[^\s\"'<>|]*/key/[\w-]+",
        r"https?://chat\.googleapis\.com/v1/spaces/[^\s\"'<>|]+",
        r"https?://(?:[\w-]+\.)?(?:outlook\.office(?:365)?\.com|hc-ping\.com|ntfy\.sh/up"
        r"|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot|hooks?\.[\w.-]+"
        r"|[\w-]+\.infura\.io/(?:ws/)?v\d|[\w.-]+\.alchemy(?:api)?\.(?:com|io)/v\d"
        r"|[\w.-]+\.quiknode\.pro|events\.pagerduty\.com/integration"
        r"|calendar\.google\.com/calendar/ical|webhooks?\.[\w.-]+"
        r"|api\.telegram\.org|ifttt\.com/maker_webhooks|rpc\.ankr\.com|[\w.-]+/(?:incoming-?)?"
        r"(?:web)?hooks?)/[^\s\"'<>|]*"
        r"(?:[A-Za-z0-9_-]{20,}|[0-9a-f-]{36})[^\s\"'<>|]*",
    ),
    "aws_key": (
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
        r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}",
        r"ABSK[A-Za-z0-9+/]{60,}=*",
        r"bedrock-api-key-[A-Za-z0-9+/=]{20,}",
        r"(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9+/=]{40,}",
        r"amzn\.mws\.[0-9a-f-]{36}",
        r"amzn1\.oa2-cs\.v1\.[0-9a-f]{32,}",
    ),
    "github_token": (r"gh[pousr]_[A-Za-z0-9_]{16,}", r"github_pat_[A-Za-z0-9_]{16,}"),
    "gitlab_token": (
        r"gl(?:pat|ptt|dt|rt|rtr|cbt|soat|ft|imt|agent|oas|ffct|wt)-[A-Za-z0-9_.-]{16,}",
        r"GR1348941[A-Za-z0-9_-]{16,}",
    ),
    "model_key": (
        r"sk-[A-Za-z0-9_-]{16,}",
        r"sess-[A-Za-z0-9]{24,}",
        r"(?:gsk|tgp_v1|jina|pcsk|e2b|fw|nvapi|lsv2_(?:pt|sk)|ls_|tvly|re|unkey)"
        r"_[A-Za-z0-9_-]{16,}",
        r"(?:xai|nvapi|tvly|pplx|csk|voyage|pa|fc|nim|bsk|fal|jina|sgp)-[A-Za-z0-9_-]{20,}",
        r"r8_[A-Za-z0-9]{16,}",
        r"(?:hf|api_org)_[A-Za-z0-9]{20,}",
        r"AQVN[A-Za-z0-9_-]{30,}",
    ),
    "payment_key": (
        r"(?:sk|rk|whsec)_(?:live_|test_|prod_)?[A-Za-z0-9+/]{16,}=*",
        r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}",
        r"sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{16,}",
        r"EAAA[A-Za-z0-9_-]{22,}",
        r"shp(?:at|ca|pa|ss|ua|tka)_[A-Za-z0-9]{16,}",
        r"access_token\$(?:production|sandbox)\$[0-9a-z]+\$[0-9a-f]{16,}",
        r"access-(?:sandbox|development|production)-[0-9a-f-]{36}",
        r"rzp_(?:live|test)_[A-Za-z0-9]{10,}",
        r"FLWSECK(?:_TEST)?-[A-Za-z0-9-]{12,}",
        r"(?:live|test)_[A-Za-z0-9]{30,}",
        r"shippo_(?:live|test)_[a-f0-9]{30,}",
        r"duffel_(?:live|test)_[A-Za-z0-9_-]{30,}",
        r"EZ[AT]K[A-Za-z0-9]{40,}",
        r"(?:cko|ckosk|sk_sbox)_[A-Za-z0-9]{20,}",
    ),
    "google_key": (
        r"AIza[A-Za-z0-9_-]{30,}",
        r"ya29\.(?:[a-z]\.)?[A-Za-z0-9_-]{16,}",
        r"GOCSPX-[A-Za-z0-9_-]{16,}",
        r"1//0[A-Za-z0-9_-]{30,}",
        r"AAAA[A-Za-z0-9_-]{7}:[A-Za-z0-9_-]{100,}",
    ),
    "package_token": (
        r"npm_[A-Za-z0-9]{20,}",
        r"pypi-[A-Za-z0-9_-]{20,}",
        r"rubygems_[A-Za-z0-9]{30,}",
        r"cio[A-Za-z0-9]{32}",
        r"oy2[a-z0-9]{43}",
        r"CLOJARS_[a-z0-9]{40,}",
        r"AKCp[A-Za-z0-9]{50,}",
        r"cmVmd[A-Za-z0-9]{50,}",
        r"dckr_[a-z]+_[A-Za-z0-9_-]{16,}",
        r"packagist_[a-z]{3}_[A-Za-z0-9]{30,}",
    ),
    "cloud_token": (
        r"do[opr]_v1_[A-Za-z0-9]{16,}",
        r"hv[sbr]\.[A-Za-z0-9_-]{16,}",
        r"pul-[a-f0-9]{40}",
        r"SWM(?:TKN|KEY)-1-[A-Za-z0-9+/-]{20,}",
        r"4b1d[A-Za-z0-9]{38}",
        r"s\.[A-Za-z0-9]{24}",
        r"tskey-[a-z]+-[A-Za-z0-9-]{10,}",
        r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{16,}",
        r"ops_eyJ[A-Za-z0-9+/=_-]{20,}",
        r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}",
        r"dapi[a-f0-9]{32}(?:-\d)?",
        r"dose[a-f0-9]{32}",
        r"sbp_[a-f0-9]{32,}",
        r"sb_secret_[A-Za-z0-9_-]{16,}",
        r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{20,}",
        r"napi_[a-z0-9]{40,}",
        r"HRKU-[A-Za-z0-9_-]{30,}",
        r"nf[pcoub]_[A-Za-z0-9]{30,}",
        r"vc[apkir]_[A-Za-z0-9]{20,}",
        r"(?:FlyV1 )?fm[12][ar]?_[A-Za-z0-9+/=_-]{40,}",
        r"fo1_[A-Za-z0-9_-]{30,}",
        r"rnd_[A-Za-z0-9]{24,}",
        r"v1\.0-[a-f0-9]{20,}-[a-f0-9]{100,}",
        r"dbt[cu]_[A-Za-z0-9_-]{30,}",
        r"LTAI[A-Za-z0-9]{12,30}",
        r"DO(?:00|801)[A-Z0-9]{16,17}",
        r"AKID[A-Za-z0-9]{28,}",
        r"y0_[A-Za-z0-9_-]{40,}",
        r"t1\.[A-Z0-9a-z_-]+={0,2}\.[A-Z0-9a-z_-]{60,}={0,2}",
        r"sha256~[A-Za-z0-9_-]{40,}",
        r"ico-[A-Za-z0-9]{32}",
        r"dnkey-[a-z0-9=_-]{40,}",
        r"pnu_[A-Za-z0-9]{30,}",
        r"tk-us-[A-Za-z0-9_-]{40,}",
        r"K[0-9]{3}[A-Za-z0-9+/]{27}",
    ),
    "service_token": (
        r"SG\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        r"SK[a-fA-F0-9]{32}",
        r"key-[a-f0-9]{32}",
        r"x(?:keysib|smtpsib)-[a-f0-9]{40,}-[A-Za-z0-9]{10,}",
        r"md-[A-Za-z0-9_-]{22}",
        r"dG9rO[A-Za-z0-9=]{30,}",
        r"pat-(?:na|eu)\d-[0-9a-f-]{36}",
        r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}",
        r"(?:secret|ntn)_[A-Za-z0-9]{40,}",
        r"lin_(?:api|oauth)_[A-Za-z0-9]{16,}",
        r"fig[duor]_[A-Za-z0-9_-]{20,}",
        r"PMAK-[A-Za-z0-9-]{20,}",
        r"NR(?:AK|RA|JS|II|SP|AA|IQ)-[A-Za-z0-9_-]{10,}",
        r"sntry[su]_[A-Za-z0-9+/=_-]{20,}",
        r"gl(?:sa|c)_[A-Za-z0-9+/=_-]{16,}",
        r"hc[abxl][a-z]{2}_[A-Za-z0-9]{20,}",
        r"dt0[a-z]\d{2}\.[A-Za-z0-9]{8,}\.[A-Za-z0-9]{20,}",
        r"sq[uap]_[a-f0-9]{30,}",
        r"CCIP(?:AT|RJ)_[A-Za-z0-9_]{20,}",
        r"bk(?:ua|rt|at|pt|cq|ct|aj|hc)_[A-Za-z0-9]{24,}",
        r"AT(?:ATT|CTT|BB)[A-Za-z0-9+/=_-]{24,}",
        r"ATTA[a-f0-9]{40,}",
        r"tfp_[A-Za-z0-9_.-]{20,}",
        r"CFPAT-[A-Za-z0-9_-]{30,}",
        r"sk\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        r"(?:sdk|mob|api)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        r"ph[xsra]_[A-Za-z0-9]{30,}",
        r"sgp_(?:[a-f0-9]{16}_|local_)?[A-Za-z0-9]{30,}",
        r"slk_[a-f0-9]{40,}",
        r"rdme_[a-z0-9]{40,}",
        r"pk_(?:[a-f0-9]{34}|\d+_[A-Z0-9]{20,})",
        r"API-[A-Z0-9]{25,}",
        r"p8e-[A-Za-z0-9]{32}",
        r"aio_[A-Za-z0-9]{28}",
        r"s-s4t2(?:ud|af)-[a-f0-9]{64}",
        r"sm_[aps]at_[A-Za-z0-9]{16}",
        r"(?:sc|ext|scauth"
        r"|authress)_[a-z0-9]{5,}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,}\.[A-Za-z0-9+/_=-]{20,}",
        r"eyJrIjoi[A-Za-z0-9]{60,}={0,2}",
        r"fio-u-[A-Za-z0-9_=-]{40,}",
        r"(?:pat|sat)\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9]{20,}\.[A-Za-z0-9]{16,}",
        r"KEY0[A-F0-9]{28,}_[A-Za-z0-9]{20,}",
        r"pdus\+_[A-Za-z0-9_-]{16,}",
        r"0\.[0-9a-f]{8}-[0-9a-f-]{27}\.[A-Za-z0-9]{25,}:[A-Za-z0-9+/=]{20,}",
        r"AX[A-Za-z0-9+/]{50,}={1,2}",
        r"rootly_[a-f0-9]{64}",
        r"z[a-z]{3}_[a-f0-9]{32}_[a-f0-9]{8}",
        r"(?:lip|vtwn|mka|ctp|lmb|tss|tok|mlsn|ory_[ap]t|apify_api|retool|permit_key|plainApiKey|nyk_v0"
        r"|cal_(?:live|test)|cf[ua]?[tk]|ion|flb_(?:live|test)|seam|wandb_v\d|samsara_api|bb_live"
        r"|polar_[a-z]{2,4}|salad_cloud_\w+|mercury_\w+|waka(?:_tok)?|pina|pinr|hookdeck|knock"
        r"|tr_(?:dev|prod|stg|pat)|dvc_(?:server|client|mobile)|rpa|zpka|vapi|svix|turso|oaf|hch|IGAA"
        r"|CCDB1|JDC|AKLT|trb|nvoip|nx|ngrok|dub|clickup|rw|kinde|userflow|uak|frigade)"
        r"_(?:[A-Za-z0-9]{1,24}_)?[A-Za-z0-9=_-]{16,}",
        r"(?:ls|wrk(?:aus|eu|us|sg)|x[ap]at|scp-(?:live|test)|gcntfy|NF|secret-(?:live|test)|secret)"
        r"-[A-Za-z0-9-]{20,}",
        r"mlsn\.[a-f0-9]{40,}",
        r"VF\.(?:DM|WS)\.[a-f0-9]{20,}\.[A-Za-z0-9]{10,}",
        r"bce-v3/ALTAK-[A-Za-z0-9]{10,}/[a-f0-9]{32,}",
        r"(?:OC|GG|FRL|TH)?\|?\d{14,17}\|[A-Za-z0-9_-]{24,40}",
        r"u[mr]?\d{6,9}-[a-f0-9]{24,}",
        r"GOOG1E[A-Z0-9]{40,}",
        r"0x4AAAAAAA[A-Za-z0-9_-]{20,}",
        r"ES_[a-f0-9]{32}",
        # A word for secrets, or for what is not a test, within the prefix.
        r"(?:[a-z][a-z0-9]{1,12}[_.-])?(?:live|prod|production|sandbox|secret|sk|pat|sat|rw"
        r"|sec|priv"
        r"|private|apikey)(?:[_-][a-z]{2,4})?[_.](?:[A-Za-z0-9]{8,}[_.])?(?:[A-Za-z0-9]{24,}"
        r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
    ),
    "chat_token": (
        r"bot\d{8,10}:AA[A-Za-z0-9_-]{30,}",
        r"mfa\.[A-Za-z0-9_-]{60,}",
        r"syt_[A-Za-z0-9_]{10,}_[A-Za-z0-9]{16,}_[A-Za-z0-9]{6}",
        r"oauth:[a-z0-9]{30}",
        r"EAA[A-Za-z0-9]{80,}",
        r"IGQV[A-Za-z0-9_-]{60,}",
        r"sl\.[A-Za-z0-9_.-]{60,}",
    ),
    "jwt": (
        r"eyJ[A-Za-z0-9_-]{6,}\.eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?",
        r"eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){1,3}",
    ),
    "password_hash": (r"\{S?(?:SHA|MD5)\d*\}[A-Za-z0-9+/]{20,}=*",),
    "wallet_key": (r"[xyz]prv[1-9A-HJ-NP-Za-km-z]{90,}",),
}
"""Kind of secret → its shapes. Each begins after anything but a letter or digit."""

UNPREFIXED: Mapping[str, Sequence[str]] = {
    "private_key": (
        # What is left of a key whose beginning was cut off.
        r"(?:[A-Za-z0-9+/=]{32,}(?:\s|\\n)+)+[A-Za-z0-9+/=]*(?:\s|\\n)*"
        r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    ),
    "azure_key": (
        r"[A-Za-z0-9_-]{30,}(?:JQQJ99[A-Za-z0-9]{8,}|AZDO[A-Za-z0-9]{4,}"
        r"|AzFu[A-Za-z0-9]{6,}={0,2})",
    ),
    "payment_key": (r"AQE[A-Za-z0-9+/]{60,}={0,2}-[A-Za-z0-9+/=-]{20,}",),
    "cloud_token": (r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{40,}",),
    "service_token": (
        r"[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}",
        r"[a-f0-9]{32}-us\d{1,2}",
        r"[a-f0-9]{36,40}(?:FFFF)?NRAL",
        r"[0-9a-f]{10}msh[0-9a-f]{15}p1[0-9a-f]{6}jsn[0-9a-f]{12}",
        r"[012]/\d{10,}(?:/\d+)?:[a-f0-9]{32}",
        r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk",
    ),
    "chat_token": (
        r"(?:bot)?\d{8,10}:[A-Za-z0-9_-]{35}",
        r"[MNO][A-Za-z0-9_-]{22,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{25,}",
        r"A{18,}[A-Za-z0-9%]{40,}",
    ),
    "wallet_key": (r"[5KL][1-9A-HJ-NP-Za-km-z]{50,51}",),
}
"""The same without a prefix. These begin only after a character that is not of base64."""

MARKED: Mapping[str, Sequence[str]] = {
    "azure_key": (r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{30,}",),
}
"""Shapes with a mark in their middle, which no other text has. These begin anywhere."""

UNPREFIXED_HINTS = (
    r"END [A-Z0-9 ]*PRIVATE KEY|[0-9]Q~|JQQJ99|AZDO|AzFu|NRAL|AQE[A-Za-z0-9+/]{60}|\.atlasv1\."
    r"|-[a-f0-9]{8}-[a-f0-9]{8}|-us\d"
    r"|msh[0-9a-f]{15}"
    r"|[012]/\d{10}|_mmk|\d:[A-Za-z0-9_-]{35}|\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{20}|A{18}"
    r"|[^A-Za-z0-9][5KL][1-9A-HJ-NP-Za-km-z]{50}|[_-][A-Za-z0-9]{32}"
)
"""Found in all of these, marked ones too, and hardly in other text.

To count the characters of each word is slow.
"""

# Prefixes of ids, which look like keys of a provider that is not known here.
IDS = frozenset(
    (
        *("asst", "batch", "call", "chatcmpl", "cmpl", "cs", "cus", "evt", "file", "fc", "ft"),
        *("gen", "in", "msg", "pi", "price", "prod", "req", "resp", "run", "step", "sub"),
        *("thread", "tool", "toolu", "trace", "span", "ws", "rs", "srvtoolu", "pk", "sha1"),
        *("sha256", "sha384", "sha512", "md5", "acct", "ch", "seti", "cert", "integrity", "id"),
    )
)

UNKNOWN = (
    r"[A-Za-z][A-Za-z0-9]{1,9}(?:[_-][A-Za-z0-9]{1,8}){0,2}[_-](?:[A-Za-z0-9]{16,30}[_-])?"
    r"[A-Za-z0-9]{32,}"
)
"""The shape of most keys that providers will come up with: a prefix and many random characters."""

_SEPARATORS = ValuePattern(r"[-_./:+=,\s]+")


def plausible(secret: str) -> bool:
    """Return False for words in the shape of a key: `sk-learn-contrib-examples`, `ghp_xxxxxxxx`."""
    if "/hooks/catch/" in secret:
        return secret.rpartition("/catch/")[2].rstrip("/").count("/") > 0
    if "://" in secret:  # A webhook, or a page about webhooks.
        return any(map(_made_up, _SEPARATORS.split(secret.partition("://")[2])))
    if "/" in secret or secret.startswith("LS0tLS1CRUdJTi"):
        return True
    classes = (str.isupper, str.islower, str.isdigit)
    mixed = all(sum(map(of_class, secret)) > 1 for of_class in classes)
    return len(set(secret)) > 7 and (mixed or any(map(_made_up, _SEPARATORS.split(secret))))


def plausible_unknown(secret: str) -> bool:
    """Return True for a prefix that is not an id's, and characters of all three classes."""
    prefix, _, random = secret.replace("-", "_").rpartition("_")
    classes = (str.isupper, str.islower, str.isdigit)
    return prefix.split("_")[0].lower() not in IDS and all(
        sum(map(of_class, random)) > 2 for of_class in classes
    )


def _made_up(part: str) -> bool:
    digits = sum(map(str.isdigit, part))
    return len(part) >= 16 or (len(part) >= 6 and 0 < digits < len(part))
