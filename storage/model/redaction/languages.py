"""The words for passwords, codes and logins in the languages in which they are told."""

LATIN = (
    r"pass(?:word|wd|phrase|code)s?|pass[_-](?:phrase|word|code)|passwrd|psswd|passw|pswd|psw|pwd|pw"
    r"|pass word|passw?rod|pas(?:s|w)?word|passowrd"
    # German, Spanish, Catalan, Galician, Basque, Portuguese, French, Italian, Romanian
    r"|(?:wlan-?|wifi-?)?passwort\w{0,2}|kennwort|wlan-?schlüssel|zugangscode|kenncode|geheimwort"
    r"|contrase[nñ]a|contrasenya|contrasinal|pasahitza|senha|palavra[- ]passe|mots? de passe|mdp"
    r"|mot_de_passe|parola d['’]ordine|parol[aăe]|parola de acces"
    # Dutch, Afrikaans, the Nordic and the Baltic languages
    r"|wachtwoord|wagwoord|l[oö]sen(?:ord|kod)(?:et)?|passord(?:et)?|adgangskoden?|kodeord(?:et)?"
    r"|salasanan?|lykilorð|aðgangsorð|parool|slaptažodis|parole"
    # Polish, Czech, Slovak, Slovene, Croatian, Serbian, Hungarian, Albanian
    r"|has[lł][oaeu]|hesl[oaeu]|gesl[oa]|lozink[aeu]|zaporka|šifra|jelsz[oó]|jelszava|fjalëkalimi"
    # Turkish, Azeri, Uzbek, Vietnamese, Indonesian, Malay, Filipino, Swahili, Esperanto, Celtic
    r"|[sş]ifre(?:si|m|miz|niz|yi)?|şifrə|parol|m[aậ]t kh[aẩ]u|kata (?:sandi|laluan)(?:nya)?|sandi"
    r"|neno (?:la )?siri|nenosiri|pasvorto|cyfrinair|pasfhocal|focal faire|ger-tremen"
)
OTHER = (
    r"парол[ьюяеиа]|лозинк[ау]|гасло|шифра|құпия ?сөз|сырсөз|нууц үг|κωδικ[oό]ς(?: πρόσβασης)?"
    r"|συνθηματικό|პაროლი|գաղտնաբառ|סיסמ[האת]|الرقم السري|كلمة (?:المرور|السر|مرور|سر)|رمز "
    r"(?:عبور|ورود|جدید)"
    r"|پسورد|گذرواژه|پاس ورڈ|पासवर्ड|কুটকোড|পাসওয়ার্ড|கடவுச்சொல்|పాస్‌వర్డ్|പാസ്‌വേഡ്|ਪਾਸਵਰਡ"
    r"|รหัส(?:ผ่าน)?|ລະຫັດຜ່ານ|ពាក្យសម្ងាត់|စကားဝှက်|密[码碼]|口令|通行[码碼]|パスワード|パスコード"
    r"|合言葉|暗証番号|비밀번호|비번|암호|패스워드"
)
PASSWORDS = rf"{LATIN}|{OTHER}"

COPULAS = (
    r"is|was|are|be|ist|lautet|war|wird|sei|est|es|era|será|sera|c['’]est|é|è|e|este|sunt|on|är|er"
    r"|is nu|je|jest|to|bude|это|это:|такой|то|є|е|είναι|ni|adalah|ialah|là|dir|olarak|yra|ir|da"
    r"|है|हैं|হল|هي|هو|היא|הוא|คือ|是|為|为|は|が|는|은|now|nun|jetzt|ahora|maintenant|agora|теперь"
)
CODES = (
    r"pin|puk|otp|totp|tan|cvv2?|cvc2?|csc|2fa|mfa|passcode|пин|пин-?код|暗証番号|비밀번호"
    r"|(?:door|gate|alarm|access|entry|lock|safe|verification|security|login|log-?in|sign-?in"
    r"|confirmation|authentication|authorization|unlock|recovery|reset|pairing|activation|master"
    r"|entrance|garage|locker|lockbox|key ?box|keypad|one[- ]time|two[- ]factor"
    r"|sms|backup|auth)[ -]code"
    r"|(?:safe|lock|locker|vault) combination"
    r"|code (?:for|to|of) (?:the |our )?"
    r"(?:gate|door|alarm|safe|lock\w{0,3}|garage|building|entrance)"
    r"|(?:tu|su|seu|o seu) c[oó]digo|(?:votre|ton) code|(?:dein|ihr) code"
    r"|(?:bestätigungs|verifizierungs|sicherheits|zugangs|tür|einmal|anmelde|alarm)code|geheimzahl"
    r"|códigos? de (?:verificaci[oó]n|verifica[cç][aã]o|seguridad|segurança|acceso|acesso)"
    r"|codes? (?:de (?:vérification|sécurité|confirmation)|d['’]accès|confidentiel|secret)"
    r"|codice (?:di verifica|segreto|pin|di sicurezza)|verificatiecode|beveiligingscode|pincode"
    r"|kod (?:weryfikacyjny|dostępu|pin)|doğrulama kodu|onay kodu|mã (?:xác (?:nhận|minh)|otp|pin)"
    r"|kode (?:verifikasi|otp|akses)|код (?:подтверждения|доступа|из смс|безопасности|авторизации)"
    r"|الرقم السري|رمز التحقق|קוד אימות|验证码|認證碼|驗證碼|认证码|校验码|認証コード"
    r"|確認コード|認証番号|인증 ?번호|인증 ?코드"
)
LOGINS = (
    r"log-?in(?:-?daten|daten)?|inlog|wlan|wi-?fi|учётка|sign-?in|credentials?|creds?|account"
    r"|user/pass|zugangsdaten|zugang"
    r"|anmeldedaten|identifiants?|credenciales|credenciais|credenziali|acceso|accès|inloggegevens"
    r"|доступ|учетка|логин|ログイン(?:情報)?|接続情報|アカウント|账号|帳號|登[录錄]信息"
    r"|계정(?: ?정보)?|(?:접속|로그인) ?정보|数据库连接|连接信息"
    r"|kirjautuminen|přihlášení|logowanie|giriş"
)
