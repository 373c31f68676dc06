"""A corpus of planted secrets and of harmless lines: `python -m tests.support.redaction_corpus`.

Secrets are made by kind and put into wrappings, so that each kind is met in each of them. Nothing
here knows the patterns: the shapes are those that providers document, the wrappings those of chats,
logs, shells and source code. The same seed makes the same corpus.
"""

import json
import random
import re
import string
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import UUID

from storage.model.redaction import redact

SEED = 8
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
URLSAFE = ALNUM + "-_"
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits

# The shape of a key: text, with {alphabet:length} for random characters. Split with "·" where a
# scanner would otherwise take this file for a leak.
SHAPES: Mapping[str, str] = {
    "slack bot": "xo·xb-{d:12}-{d:12}-{a:24}",
    "slack user": "xo·xp-{d:12}-{d:12}-{d:12}-{h:32}",
    "slack app": "xa·pp-1-{U:11}-{d:13}-{h:64}",
    "slack refresh": "xo·xe.xoxp-1-{a:60}",
    "slack webhook": "https://hooks.slack.com/serv·ices/T{U:8}/B{U:10}/{a:24}",
    "aws id": "AK·IA{2:16}",
    "aws temporary id": "AS·IA{2:16}",
    "github classic": "gh·p_{a:36}",
    "github oauth": "gh·o_{a:36}",
    "github server": "gh·s_{a:36}",
    "github fine-grained": "github_·pat_{a:22}_{a:59}",
    "gitlab": "gl·pat-{u:20}",
    "gitlab runner": "gl·rt-{u:20}",
    "openai": "s·k-{a:48}",
    "openai project": "s·k-proj-{u:120}",
    "anthropic": "s·k-ant-api03-{u:93}AA",
    "openrouter": "s·k-or-v1-{h:64}",
    "groq": "gs·k_{a:52}",
    "xai": "xa·i-{a:80}",
    "replicate": "r8·_{a:37}",
    "hugging face": "hf·_{l:34}",
    "perplexity": "pp·lx-{a:48}",
    "nvidia": "nv·api-{u:64}",
    "tavily": "tv·ly-dev-{a:32}",
    "langsmith": "ls·v2_pt_{h:32}_{h:10}",
    "stripe": "sk_·live_{a:24}",
    "stripe restricted": "rk_·live_{a:24}",
    "stripe webhook": "wh·sec_{a:32}",
    "square": "sq·0atp-{u:22}",
    "shopify": "sh·pat_{h:32}",
    "google api": "AI·za{u:35}",
    "google access": "ya·29.{u:120}",
    "google client": "GOC·SPX-{u:28}",
    "vault": "hv·s.{a:24}",
    "sendgrid": "S·G.{u:22}.{u:43}",
    "digitalocean": "dop·_v1_{h:64}",
    "npm": "np·m_{a:36}",
    "pypi": "py·pi-AgEIcHlwaS5vcmc{u:120}",
    "rubygems": "ruby·gems_{h:48}",
    "docker": "dc·kr_pat_{u:27}",
    "linear": "li·n_api_{a:40}",
    "notion": "nt·n_{d:11}{a:35}",
    "notion older": "sec·ret_{a:43}",
    "figma": "fi·gd_{u:40}",
    "postman": "PM·AK-{h:24}-{h:34}",
    "new relic": "NR·AK-{U:27}",
    "grafana": "gl·sa_{a:32}_{h:8}",
    "tailscale": "ts·key-auth-{a:12}-{a:32}",
    "twilio": "S·K{h:32}",
    "mailgun": "ke·y-{h:32}",
    "mailchimp": "{h:32}-us·12",
    "telegram": "{d:10}:A·A{u:33}",
    "discord": "M·{a:25}.{u:6}.{u:38}",
    "discord webhook": "https://discord.com/api/web·hooks/{d:18}/{u:68}",
    "jwt": "ey·JhbGciOiJIUzI1NiJ9.eyJzdWIi{u:30}.{u:43}",
    "age": "AGE-SEC·RET-KEY-1{U:58}",
    "databricks": "da·pi{h:32}",
    "atlassian": "AT·ATT3xFfGF0{u:160}",
    "airtable": "pa·t{a:14}.{h:64}",
    "doppler": "dp·.pt.{a:43}",
    "supabase": "sb·p_{h:40}",
    "planetscale": "pscale·_tkn_{u:43}",
    "sentry": "snt·rys_{a:64}",
    "circleci": "CCI·PAT_{a:22}_{h:40}",
    "sonarqube": "sq·u_{h:40}",
    "hubspot": "pa·t-na1-{h:8}-{h:4}-{h:4}-{h:4}-{h:12}",
    "brevo": "xkey·sib-{h:64}-{a:16}",
    "pulumi": "pu·l-{h:40}",
    "terraform": "{a:14}.atlas·v1.{u:67}",
    "dynatrace": "dt·0c01.{U:24}.{U:64}",
    "azure client": "{a:3}8Q~{u:34}",
    "posthog": "ph·x_{a:43}",
    "buildkite": "bk·ua_{h:40}",
    "mapbox": "s·k.eyJ1Ijoi{a:40}.{u:22}",
    "facebook": "EA·A{a:150}",
    "crates": "ci·o{a:32}",
    "docker swarm": "SWM·TKN-1-{l:50}-{l:25}",
    "docker swarm unlock": "SWM·KEY-1-{a:43}",
    "unknown provider": "acme·_live_{m:40}",
}

PEM = "-----BEGIN {0}PRIVATE· KEY-----\n{1}{b:64}\n{b:64}\n{b:40}==\n-----END {0}PRIVATE· KEY-----"
KEY_FILES: Mapping[str, str] = {
    "pkcs8": PEM.replace("{0}", "").replace("{1}", ""),
    "rsa": PEM.replace("{0}", "RSA ").replace("{1}", ""),
    "rsa with headers": PEM.replace("{0}", "RSA ").replace(
        "{1}", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{h:32}\n\n"
    ),
    "openssh": PEM.replace("{0}", "OPENSSH ").replace("{1}", ""),
    "ec": PEM.replace("{0}", "EC ").replace("{1}", ""),
    "pgp": "-----BEGIN PGP PRIVATE· KEY BLOCK-----\nVersion: GnuPG v2\n\n{b:64}\n{b:64}\n=ab12\n"
    "-----END PGP PRIVATE· KEY BLOCK-----",
    "putty": "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: x\nPublic-Lines: 1\n"
    "{b:64}\nPrivate-Lines: 2\n{b:64}\n{b:64}\nPrivate-MAC: {h:40}",
    "kubeconfig": "client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVk{b:80}",
    "service account": '"private_key": "-----BEGIN PRIVATE· KEY-----\\n{b:64}\\n{b:64}\\n-----END '
    'PRIVATE· KEY-----\\n"',
}

NAMES = (
    *("password", "PASSWORD", "db_password", "dbPassword", "DB_PASS", "passwd", "pwd", "pw"),
    *("passphrase", "secret", "client_secret", "clientSecret", "SECRET_KEY", "token", "authToken"),
    *("access_token", "refresh_token", "api_key", "apiKey", "API-Key", "api key", "x-api-key"),
    *("AWS_SECRET_ACCESS_KEY", "private_key", "encryption_key", "signing_secret", "credential"),
    *("SLACK_BOT_TOKEN", "spring.datasource.password", "PGPASSWORD", "auth_token", "master-key"),
    *("AccountKey", "secret_key_base", "webhook_secret", "Passwort", "connection_password"),
    *("adminApiKey", "frontend_api_key", "stripeSecretKey", "jasminAccessToken", "API_KEY_ADMIN"),
)
VALUES = (
    *("{a:12}", "{a:24}", "{h:32}", "{b:40}", "{w:1}{d:4}", "{w:1}-{w:1}-{d:2}", "{w:1}{d:2}!"),
    *("{a:6}&{a:6}", "{a:5}@{a:6}", "{a:5}#{a:4}$%{a:3}", "{w:1}={a:9}=", "{a:4}/{a:8}+{a:8}"),
)
JOINTS: Mapping[str, str] = {
    "env": "{name}={value}",
    "export": "export {name}={value}",
    "quoted env": '{name}="{value}"',
    "yaml": "{name}: {value}",
    "yaml quoted": "{name}: '{value}'",
    "json": '"{name}": "{value}"',
    "aligned": "{name}      = {value}",
    "ini": "{name} = {value}",
    "bold": "*{name}:* {value}",
    "bold before colon": "*{name}*: {value}",
    "code": "`{name}`: `{value}`",
    "spoken": "the {name} is {value}",
    "xml": "<{name}>{value}</{name}>",
    "attribute": '<add key="{name}" value="{value}"/>',
    "option": "deploy --{name} {value} --verbose",
    "option with equals": "deploy --{name}={value}",
    "table": "| {name} | {value} |",
    "python": '{name} = "{value}"',
    "go": '{name} := "{value}"',
    "php": "define('{name}', '{value}');",
    "kubernetes": '{{"name": "{name}", "value": "{value}"}}',
    "ruby": ":{name} => '{value}'",
    "call": 'os.environ["{name}"] = "{value}"',
    "header": "-H '{name}: {value}'",
}

LINES: Mapping[str, str] = {
    "bearer": "Authorization: Bearer {a:40}",
    "basic": "Authorization: Basic {basic}",
    "proxy": "Proxy-Authorization: Basic {basic}",
    "api token header": "authorization: Token {h:40}",
    "bare bearer": "sent Bearer {a:32} to the server",
    "cookie": "Cookie: session={a:32}; theme=dark",
    "rails token": 'Authorization: Token token="{h:40}"',
    "signature": "X-Hub-Signature-256: sha256={h:64}",
    "web socket": "Sec-WebSocket-Protocol: bearer, {a:40}",
    "set-cookie": "Set-Cookie: sid={a:40}; HttpOnly; Path=/",
    "curl with flags": "curl -fsSu bob:{pw} https://example.com",
    "redis auth": "AUTH {m:20}\nOK",
    "signtool": "signtool sign /f c.pfx /p {m:12} a.exe",
    "net use": "net use z: //host/s /user:bob {m:12}",
    "useradd": "useradd -p {m:12} bob",
    "aws secret string": "aws secretsmanager create-secret --name x --secret-string {m:14}",
    "aws parameter": "aws ssm put-parameter --type SecureString --name /a --value {m:14}",
    "oathtool": "oathtool --totp -b {2:32}",
    "cdata": "<password><![CDATA[{m:14}]]></password>",
    "rust string": 'let password = String::from("{m:14}");',
    "getConnection": 'DriverManager.getConnection(url, "root", "{m:14}")',
    "credential": 'new NetworkCredential("bob", "{m:14}")',
    "login call": "client.login('{m:32}')",
    "client call": 'Github("{m:32}")',
    "two arguments": "algoliasearch('ABCDEF1234', '{m:32}')",
    "password field": '<input type="password" name="p" value="{m:14}">',
    "csrf": '<meta name="csrf-token" content="{m:24}">',
    "form data": 'name="client_secret"\n\n{m:24}',
    "vault of ansible": "$ANSIBLE_VAULT;1.1;AES256\n{h:80}",
    "code to use": "Use {d:6} to verify your account",
    "mail and password": "ann@example.com:{m:14}",
    "mail / password": "ann@example.com / {m:14}",
    "licence": "product key: {U:5}-{U:5}-{U:5}-{U:5}-{U:5}",
    "login for": "creds for jenkins: admin / {m:14}",
    "french key": "la clé d'API c'est {m:14}",
    "russian key": "ключ API — {m:14}",
    "korean, changed": "비밀번호를 {m:14}(으)로 변경했어요",
    "chinese, joined": "用户名bob，密码{m:14}",
    "postgres": "postgresql://bot:{pw}@db.example.com:5432/app",
    "mongo": "mongodb+srv://admin:{pw}@cluster0.example.net/x?retryWrites=true",
    "redis": "redis://:{pw}@cache:6379/0",
    "url with @": "mysql://root:{a:5}@{a:5}@10.0.0.4/shop",
    "url with /": "postgres://app:{a:5}/{a:6}@db/app",
    "clone": "git clone https://x-access-token:{a:36}@github.com/acme/app.git",
    "token as user": "pip install https://{m:40}@pkgs.example.com/simple",
    "query": "https://api.example.com/v1?access_token={a:32}&page=2",
    "query key": "https://maps.example.com/api?key={a:39}&q=Berlin",
    "signed aws": "https://b.s3.amazonaws.com/f?X-Amz-Expires=60&X-Amz-Signature={h:64}",
    "signed azure": "https://x.blob.core.windows.net/c/f?sv=2024&sr=b&sig={b:43}%3D",
    "sas in string": "SharedAccessSignature=sv=2024-01-01&sig={a:43}",
    "azure storage": "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={b:86}==;X=y",
    "sql server": "Server=tcp:db,1433;User ID=sa;Password={a:7};{a:7};Encrypt=True",
    "go mysql": "app:{pw}@tcp(localhost:3306)/shop",
    "curl -u": "curl -u admin:{pw} https://api.example.com/",
    "curl --user": 'curl --user "admin:{pw}" -X POST https://api.example.com/',
    "mysql -p": "mysql -h db -u root -p{pw} shop",
    "sshpass": "sshpass -p {pw} ssh root@10.0.0.5",
    "docker login": "docker login -u acme -p {pw} registry.example.com",
    "redis-cli": "redis-cli -h cache -a {pw} ping",
    "mongosh": "mongosh --host db -u admin -p {pw}",
    "openssl": "openssl enc -aes-256-cbc -in a -out b -pass pass:{pw}",
    "zip": "zip -P {pw} out.zip file",
    "echo | sudo": "echo {pw} | sudo -S apt update",
    "chpasswd": "echo 'root:{pw}' | chpasswd",
    "wget": "wget --http-user=ann --http-password={pw} https://example.com/f",
    "netrc": "machine api.example.com login ann password {pw}",
    "pgpass": "db.example.com:5432:app:ann:{pw}",
    "npmrc": "//registry.npmjs.org/:_authToken={a:36}",
    "docker config": '{"auths": {"https://index.docker.io/v1/": {"auth": "{basic}"}}}',
    "htpasswd": "ann:$apr1${a:8}${a:22}",
    "secure string": 'ConvertTo-SecureString "{pw}" -AsPlainText -Force',
    "kubectl": "kubectl create secret generic db --from-literal=password={pw}",
    "docker env": "docker run -e POSTGRES_PASSWORD={pw} -p 5432:5432 postgres",
    "ansible": "ansible-playbook site.yml -e ansible_become_pass={pw}",
    "chat": "Hi! pw: {pw} -- please delete this after reading",
    "chat for": "the password for the staging server is {pw}",
    "chat as": "log in with {pw} as the password",
    "wifi": 'psk="{pw}"',
    "recovery": "recovery codes: {h:5}-{h:5}",
    "mnemonic": "seed phrase: ripple cactus marble tenant orbit velvet dune anchor saddle lemon",
    "sqlplus": "sqlplus scott/{pw}@orcl",
    "jwk": '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8T","d":"{u:43}"}',
    "session": "PHPSESSID={l:26}",
    "gradle": "signing.password={pw}",
    "csv": "user,password,role\nann,{pw},admin",
    "tsv": "user\tpassword\nann\t{pw}",
    "markdown table": "| user | password |\n|---|---|\n| ann | {pw} |",
    "told in German": "Das neue Passwort vom WLAN ist {a:10}7!",
    "told in Polish": "hasło do serwera to {a:10}7!",
    "told in Portuguese": "a nova senha será {a:10}7!",
    "told in Russian": "пароль от сервера — {a:10}7!",
    "told in Japanese": "パスワードを{a:10}7xに変更しました",
    "told in Slovene": "geslo: {pw}",
    "told in Welsh": "cyfrinair: {pw}",
    "changed": "changed the password from {a:10}7! to {a:10}8?",
    "login": "Zugangsdaten: ann / {a:10}7!",
    "pin": "PIN: {d:6}",
    "code": "your verification code is {d:6}",
    "code in German": "Ihr Bestätigungscode lautet {d:6}",
    "code in Chinese": "验证码：{d:6}",
    "insert": "INSERT INTO users (name, password) VALUES ('ann', '{a:14}')",
    "call of a login": "smtp.login('ann@example.com', '{a:14}')",
    "login of a program": "wandb login {h:40}",
    "mc": "mc alias set acme https://s3.example.com ann {a:40}",
    "infura": "https://mainnet.infura.io/v3/{h:32}",
    "nostr": "nsec·1{l:58}",
    "openvpn": "-----BEGIN OpenVPN Static key V1-----\n{h:32}\n{h:32}\n"
    "-----END OpenVPN Static key V1-----",
    "token without password": "git clone https://{h:40}:x-oauth-basic@github.com/acme/app.git",
    "token and colon": "curl https://{h:32}:@api.example.com/v1",
    "token and x": "https://{m:20}:X@acme.example.com/api",
    "curl with a token": "curl -u {m:24}: https://api.example.com/v1",
    "curl with a token and x": "curl -u {m:24}:x https://api.example.com/v1",
    "azure after a slash": "az login --service-principal -u app/{a:3}8Q~{u:34} --tenant x",
    "azure after a sign": "app_{a:3}8Q~{u:34}",
    "wordpress key": "define('LOGGED_IN_KEY', '{a:8} {a:8}|{{{a:6}>+{a:8}');",
    "wordpress salt": "define( 'NONCE_SALT', '{a:8})={a:8}~{a:6}&{a:8}' );",
    "setter": 'user.setPassword("{a:10}7!");',
    "setter of a word": 'user.setPassword("{w:1}7");',
    "builder": '.username("ann").password("{m:12}").build()',
    "setter of a key": 'client.set_api_key("{m:20}")',
    "wifi key": "WiFi: office-5G key: {a:8}7!",
    "wifi key below": "SSID: office\nKey: {a:8}7!",
    "openwrt": "option key '{a:10}7'",
    "psk": "psk={a:12}",
    "fenced": "the password is\n```\n{a:8}-7x\n```",
    "fenced for": "password for staging:\n```\n{a:8}-7x\n```",
    "quoted below": "here is the password:\n> {a:8}-7x",
    "heading": "*Password*\n`{a:8}-7x`",
    "key below": "the api key is\n```\n{m:20}\n```",
    "rabbitmq": "rabbitmqctl add_user ann '{m:12}'",
    "login in lines": "my creds for staging\nann.lee@example.com\n{m:12}",
    "door": "door code for the office on sunday: {d:5}#",
    "adafruit": "io key ai·o_{a:28}",
    "segment": 'analytics.load("{a:32}");',
    "zapier": "https://hooks.zapier.com/hooks/catch/{d:6}/{l:7}/",
    "secret str": 'token = SecretStr("{a:24}")',
    "printed token": "$ gh auth token\n{m:40}",
    "printed password": "$ kubectl get secret db -o jsonpath={.data.password} | base64 -d\n{m:14}",
    "generated": "$ openssl rand -base64 32\n{b:43}=",
    "variable set": "setx OPENWEATHER_KEY {h:32}",
    "output of terraform": '{"db_password": {"sensitive": true, "value": "{m:20}"}}',
    "login by rpc": '{"method": "login", "params": ["ann", "{m:14}"]}',
    "cipher": "AES.new(b'{m:32}', AES.MODE_GCM)",
    "key of an account": "w3.eth.account.from_key('0x{h:64}')",
    "secure string, options first": "ConvertTo-SecureString -AsPlainText '{pw}' -Force",
    "link that lets in": "https://app.example.com/magic-link/{m:43}",
    "imap": "a1 LOGIN ann@example.com {m:14}",
    "nickserv": "/msg NickServ IDENTIFY {m:14}",
    "nats": "nats://app:{a:6}#{a:6}!@n1:4222",
    "heading of a page": "Client Secret\n{m:40}",
    "remark after words": "the ssh password of 10.2.3.4 (root) is {a:10}7!",
    "typing error": "pasword: {a:10}7!",
    "entered when asked": "enter {a:10}7! when it asks for the password",
    "in brackets": "it's {a:10}7! (pw)",
    "key in Korean": "API 키는 {m:32} 입니다",
    "key in Japanese": "APIキー：{m:36}",
    "code in Spanish": "Tu código es {d:6}. No lo compartas.",
    "code in Japanese": "認証番号「{d:6}」を入力してください",
    "code before a Chinese comma": "验证码{d:6},请勿泄露",
    "joined in Chinese": "帐号admin 密码{a:8}-7",
    "login in Korean": "서버 접속 정보: root / {a:10}7!",
    "wifi in Spanish": "clave wifi: {a:10}7!",
    "unlock": "unlock code {d:8} for the phone",
    "recovery key": "recovery key: {d:6}-{d:6}-{d:6}-{d:6}",
    "unseal key": "Unseal Key 1: {b:43}",
}

WORDS = (
    *("maple", "cobalt", "harbor", "pigeon", "lantern", "saffron", "walnut", "glacier"),
    *("thunder", "violet"),
)


def _ansi(text: str) -> str:
    return text.replace("=", "=\x1b[31m").replace(": ", ":\x1b[0m \x1b[1;32m") + "\x1b[0m"


WRAPPINGS: Mapping[str, Callable[[str], str]] = {
    "alone": lambda text: text,
    "sentence": lambda text: f"Can you try this? {text} Thanks, Ann",
    "log": lambda text: f"2026-11-26T07:00:01Z INFO app.main [worker-3] got {text}",
    "second line": lambda text: f"Here it is:\n{text}\nbye",
    "code block": lambda text: f"```\n{text}\n```",
    "json": lambda text: json.dumps({"step": 3, "message": f"ran {text}"}),
    "json in json": lambda text: json.dumps({"body": json.dumps({"out": f"x\n{text}\ny"})}),
    "json lines": lambda text: json.dumps("\n".join(["first", text, "last"])),
    "url-encoded": lambda text: f"https://log.example.com/?line={quote(text, safe='')}&n=1",
    "html": lambda text: f"<p>{escape(text)}</p>",
    "coloured": _ansi,
    "unicode": lambda text: f"日本語 → {text} ✓",
    "zero-width": lambda text: f"\u200b{text}\u200b",
}

HARMLESS = """\
api_key_env = "OPENAI_API_KEY"
postgres://user:password@host
postgres://user:password@host:5432/db
redis://:password@localhost:6379/0
postgresql://USER:PASSWORD@HOST:PORT/DATABASE
https://annsmith2024@git.example.com/acme/app.git
https://example.com/search?q=password+manager&page=2
/search?q=secret+santa&sort=new
Enter passphrase for key '/home/ann/.ssh/id_ed25519':
Enter passphrase for "/home/ann/.ssh/id_rsa":
Password for 'https://ann@github.com':
ann@host's password:
PASS: test_x
PASS: tests/unit/test_auth.py::test_login
PASS src/app.test.js
--- PASS: TestLogin (0.00s)
aws secretsmanager get-secret-value --secret-id prod/db
gcloud secrets versions access latest --secret=db-password
docker service create --secret db-password nginx
docker build --secret id=npmrc,src=.npmrc .
define('AUTH_KEY', 'put your unique phrase here');
user.setPassword(password);
builder.password(env("DB_PASSWORD"))
page.getByLabel("password").fill(value)
the wifi is down, key people are out
nextPageToken: end
existingSecret: app-db
vaultSecret: database-credentials
secret: sealed
password: "required|min:8"
パスワードは8文字以上で入力してください
https://example.com/hooks/use-effect-explained
see https://example.com/webhooks/overview of the documentation
bob@example.com / alice@example.com
ssh me@host.example.com:backup
aws ssm put-parameter --name /app/region --type String --value eu-west-1
Use 250000 rows to test it
X-Slack-Signature header is missing
bot.run()
password: str
password: string;
password: Optional[str] = None
def login(user: str, password: str | None = None) -> bool:
token = next(tokens)
token = self._tokens.pop()
tokens = tokenizer.encode(text)
api_key = os.environ["API_KEY"]
api_key=os.getenv("OPENAI_API_KEY")
const apiKey = process.env.API_KEY;
password=password, token=token
self.password = password
request.headers["Authorization"] = f"Bearer {token}"
-H "Authorization: Bearer $TOKEN"
Authorization: Bearer <your token>
export API_KEY=<your key>
export SLACK_BOT_TOKEN=xoxb-your-token-here
SLACK_BOT_TOKEN=xoxb-...
OPENAI_API_KEY=sk-...
API_KEY=YOUR_API_KEY
PASSWORD=${DB_PASSWORD}
password: {{ vault_password }}
secret: ${{ secrets.DEPLOY_TOKEN }}
password = getpass.getpass("Password: ")
if not password: raise ValueError("password is required")
password: required
Password: ********
token: null
"token": null, "next_token": null
"max_tokens": 4096, "temperature": 0.2
max_tokens: 4096
input tokens: 1,204, output tokens: 356
token count: 512
the token limit is 128000
tokens/s: 43.1
pad_token = "<pad>", eos_token: </s>
tokenizer.json: 2.1 MB
stop_token=None
the token was refused
The token is expired, please sign in again.
the password is too short
Your password is wrong.
Password is required and must have 12 characters.
password reset mail was sent to the user
Use a password manager such as 1Password.
password hashing with argon2id
basic understanding of statistics
Basic authentication is deprecated
bearer of bad news
bearer tokens are short-lived
sk-learn-contrib-polylearn
pip install scikit-learn-intelex-extension
ask-me-anything-about-this-topic-today
risk-management-framework-overview
task-scheduler-with-priority-queue
secret santa is on Friday
Secret: use more butter.
The secret is patience.
secretary: Ms Bird
author: Ann Smith
authority: example.com
authorization: required
Auth: OAuth 2.0 with PKCE
authentication failed for user ann
session: Thursday 3 pm in room 4
session_id: 42
cookie: yes
Cookie policy: see our site
cookies: 3
credentials: 'include'
credentials: same-origin
no credentials were found
key: value
primary key: id
primary_key=True
sort key: created_at
key = lambda pair: pair[1]
for key, value in items.items():
keyboard: de
public key: ed25519
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@host
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad
trace 0af7651916cd43dd8448eb211c80319c
id 123e4567-e89b-12d3-a456-426614174000
request_id=req_011CSHoEeqs5C35K2UUqR7Fy
"id": "chatcmpl-9aBcDeFgHiJkLmNoPqRsTuVwXyZ01"
msg_01XFDUDYJgAACzvnptvVoYEL finished
toolu_01A09q90qw90lq917835lq9 returned
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
https://example.com/a/b?page=2&sort=name
https://docs.google.com/document/d/1a2B3c4D5e6F7g8H9i0J/edit
https://www.youtube.com/watch?v=dQw4w9WgXcQ
https://user@example.com/path
git@github.com:acme/app.git
ssh://git@github.com:22/acme/app.git
redis://localhost:6379/0
postgresql://localhost:5432/app
http://localhost:8080/@vite/client
scp file.txt ann@host:/tmp
npm install lodash@4.17.21
docker run -p 8080:80 nginx
docker run -u 1000:1000 alpine id
mkdir -p src/app
ssh -p 2222 ann@host
mysql -u root -p shop
curl -u "$USER:$PASS" https://example.com
curl -s https://example.com | jq .
git push -u origin main
PWD=/home/ann/project
pwd: /srv/app
Tests pass: 12, fail: 3
pass
bypass: true
compass: north
encompass the whole
passengers: 4
passport: needed
password-protected page
--password-stdin
--token-file /run/secrets/token
DB_PASSWORD_FILE=/run/secrets/db
secretName: app-tls
image: registry.example.com/app:v1.2.3
token_type: bearer
grant_type=password
private static final String PASSWORD = "password";
<label for="password">Password</label>
<input type="password" name="password" placeholder="Password">
document.querySelector('#password').value
("user", "password", "email")
raise AuthError("bad token")
assert token is not None
return token
secret = secrets.token_hex(16)
API key: see the wiki
API keys are in the vault.
An API key is needed for this.
API key rotation: done
New token generated
access token expires in 3600 seconds
refresh_token: string
Set the password in Settings > Account
Where is the password stored?
the key to success is consistency
code: 404
error code=ECONNREFUSED
signature: (int, str) -> bool
function signature(text)
license: MIT
seed: 42
salt: to taste
pin: 3
v1.0.0-beta.2+build.20261126
2026-11-26T07:00:01.123Z
C0123456789 U0ABCDEFGHI T0123456
10.0.0.4:5432
E = mc^2 & F = ma
a=1&b=2
C:\\Users\\ann\\Documents\\report.docx
\\d+\\s*=\\s*\\w+
%3D is an equals sign
100%25 done
&amp; means and
let token: Token = lexer.next()?;
case TokenType.KEY: return key;
Token::Password => parse_password(),
@app.route("/token", methods=["POST"])
SELECT password FROM users WHERE id = ?
ALTER TABLE users ADD COLUMN password varchar(255);
UPDATE users SET password = $1 WHERE id = $2
WHERE password = :password
keys: [a, b, c]
{"type": "object", "properties": {"password": {"type": "string"}}}
The author has authored an authoritative book.
Who has the keys to the office?
I forgot my password again :(
can you rotate the token please?
Was the secret ever shared?
She said the password was easy to guess.
dispatch token ring networks were slow
one token per request
production_database_backup_20261126T030000.sql.gz
build_7e467331322b30e6b270860e803d18fa7184915bc0930ae7dafbcd6289eeeec5
OTP service latency 120 ms
2FA rollout: 340 of 412 users
pin 13 of the board
first pass: rename
Cookie: lang=de
ssh -i ~/.ssh/deploy_key ubuntu@10.0.0.5
token_type=bearer expires_in=3600
secret: Option<String>,
state_credentials: StateCredentials,
session: CloudWatchLoggingSession | None
secret_key = creds[self.SECRET_KEY]
app.secret_key = os.urandom(24)
using TLSv1.3 / TLS_AES_256_GCM_SHA384
please pass check_0d=True to it
pass to lexer
Token: "#d8dee9",
パスワード変更画面のデザインv2を確認お願いします
das Passwort ist falsch
la contraseña es obligatoria
le mot de passe est obligatoire
user,password,role
""".splitlines()


_CONTROLS = str.maketrans({"⏎": "\n", "⇥": "\t", "␛": "\x1b"})


def _listed() -> tuple[list[str], list[str]]:
    """Return the lines of the lists: templates with secrets, and harmless ones."""
    text = Path(__file__).with_name("redaction_lines.txt").read_text(encoding="utf-8")
    _, secrets, lines = re.split(r"\n# (?:Secrets|Harmless)\n\n", text)
    return secrets.strip().split("\n"), lines.strip().split("\n")


@dataclass(frozen=True)
class Planted:
    """A text with a secret in it. `pieces` are the random parts, of which none may be stored."""

    kind: str
    wrapping: str
    text: str
    pieces: tuple[str, ...]

    @cached_property
    def redacted(self) -> str:
        return redact(self.text)

    @property
    def stored(self) -> str:
        """The half of a piece that redaction leaves, or nothing."""
        left = _readable(self.redacted)
        around = self.text
        for piece in self.pieces:
            around = around.replace(piece, " ")
        halves = (part for piece in self.pieces for part in _halves(piece))
        return next((half for half in halves if half in left and half not in around), "")


class Maker:
    """Make secrets from templates such as `ghp_{a:36}`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def make(self, template: str) -> tuple[str, list[str]]:
        """Return the text of `template`, and its random parts."""
        pieces: list[str] = []

        def fill(field: re.Match[str]) -> str:
            pieces.append(self._piece(field[1] or field[2], int(field[3] or 1)))
            return pieces[-1]

        return re.sub(r"\{(?:(pw|basic)|(\w+):(\d+))\}", fill, template.replace("·", "")), pieces

    def listed(self, template: str) -> tuple[str, list[str]]:
        """Return the text of a line of the lists, and the lines of its secrets."""
        text = self.make(template)[0].translate(_CONTROLS)
        pieces = [line for each in re.findall("«(.*?)»", text, re.S) for line in each.split("\n")]
        return re.sub("[«»]", "", text), pieces

    def _piece(self, field: str, length: int) -> str:
        if field == "w":
            return self._random.choice(WORDS)
        if field == "pw":
            return self.make(self._random.choice(VALUES[:7]))[0]
        if field == "basic":
            return b64encode(f"ann:{self._piece('a', 12)}".encode()).decode()
        if field == "uuid":
            return str(UUID(int=self._random.getrandbits(128), version=4))
        if field == "m":  # Of all classes.
            return "aB3" + self._piece("a", length - 6) + "Z9x"
        alphabet = {"a": ALNUM, "h": HEX, "u": URLSAFE, "l": LOWER, "U": UPPER, "d": string.digits}
        alphabet |= {"H": HEX.upper(), "b": ALNUM + "+/", "2": string.ascii_uppercase + "234567"}
        # A random character of each end would be cut off as punctuation of the text.
        middle = "".join(self._random.choices(alphabet[field], k=length - 2))
        first, last = self._random.choices([c for c in alphabet[field] if c.isalnum()], k=2)
        return f"{first}{middle}{last}"[:length]


def planted(seed: int = SEED) -> Iterator[Planted]:
    """Yield each kind of secret in each wrapping."""
    maker = Maker(seed)
    for wrapping, wrap in WRAPPINGS.items():
        for kind, template in SHAPES.items():
            secret, _ = maker.make(template)
            yield Planted(kind, wrapping, wrap(secret), (secret,))
        for kind, template in (*KEY_FILES.items(), *LINES.items()):
            text, pieces = maker.make(template)
            yield Planted(kind, wrapping, wrap(text), tuple(pieces) or (text.split(": ")[1],))
        yield from _assignments(maker, wrapping, wrap)
    yield from _from_lists(maker)


def _from_lists(maker: Maker) -> Iterator[Planted]:
    """Yield each line of the lists alone, and in one of the wrappings."""
    wrappings = list(WRAPPINGS.items())
    for number, template in enumerate(_listed()[0]):
        for wrapping, wrap in (wrappings[0], wrappings[1 + number % (len(wrappings) - 1)]):
            text, pieces = maker.listed(template)
            yield Planted(template, wrapping, wrap(text), tuple(pieces))


def _assignments(maker: Maker, wrapping: str, wrap: Callable[[str], str]) -> Iterator[Planted]:
    pairs = [(name, joint) for name in NAMES for joint in JOINTS]
    for number, (name, joint) in enumerate(pairs):
        if " " in name and joint in ("export", "env", "option", "option with equals", "xml", "go"):
            continue
        value, _ = maker.make(VALUES[number % len(VALUES)])
        text = JOINTS[joint].format(name=name, value=value)
        yield Planted(f"{joint} {name}", wrapping, wrap(text), (value,))


def _halves(piece: str) -> Sequence[str]:
    if len(piece) < 10:
        return (piece,)
    return piece[: len(piece) // 2], piece[-(len(piece) // 2) :]


def _readable(text: str) -> str:
    return "\n".join((text, unquote(text), unescape(text), re.sub(r"\x1b\[[0-9;]*m", "", text)))


def harmless() -> Iterator[str]:
    """Yield lines that are to be stored as they are."""
    yield from HARMLESS
    maker = Maker(SEED)
    yield from (maker.listed(line)[0] for line in _listed()[1])
    for line in HARMLESS[::3]:
        yield f"Ann: {line}"
        yield f"    {line}  # see above"


def main() -> int:
    """Print how much of the corpus is stored and how much is changed."""
    corpus, lines = list(planted()), list(harmless())
    missed = [each for each in corpus if each.stored]
    changed = [line for line in lines if redact(line) != line]
    if "-v" in sys.argv:
        for each in missed:
            sys.stdout.write(f"stored  [{each.kind} / {each.wrapping}] {each.redacted!r}\n")
        for line in changed:
            sys.stdout.write(f"changed {redact(line)!r}  from {line!r}\n")
    if missed:
        for label, by in (("kinds", lambda m: m.kind), ("wrappings", lambda m: m.wrapping)):
            counts = Counter(map(by, missed)).most_common(12)
            sys.stdout.write(f"most stored {label}: {counts}\n")
    sys.stdout.write(
        f"planted: {len(missed)} of {len(corpus)} stored ({len(missed) / len(corpus):.1%})\n"
        f"harmless: {len(changed)} of {len(lines)} changed ({len(changed) / len(lines):.1%})\n"
    )
    return int(len(missed) > len(corpus) * 0.05 or len(changed) > len(lines) * 0.05)


if __name__ == "__main__":
    sys.exit(main())
