"""Tell where a sentence names the place of a secret: `비밀번호는 Vault에서`, `密码在 Vault 里`.

Korean, Japanese and Chinese put a particle right behind the word, where other languages put the
secret: `비밀번호는 hunter22로`, `パスワードはhunter22に変更`.
"""

from storage.model.redaction.patterns import ValuePattern

LONGEST_SENTENCE = 80

_NAME = ValuePattern(r"[:=]?([~./]{0,2}[A-Za-z0-9][A-Za-z0-9_.+/-]{1,40})")
# A word, a version: not the digits among letters of what a generator made.
_PART = ValuePattern(r"\d{0,2}[A-Za-z]*\d{0,4}")
_PARTS = ValuePattern(r"[-_./+~]+|(?<=[a-z])(?=[A-Z])")
_STORE = ValuePattern(
    r"(?i)\d?password|lastpass|keepass\w{0,2}|bitwarden|vaultwarden|dashlane|keeper|(?:\w+-)?vault"
    r"|confluence|notion|wiki|slack|jira|github|gitlab|google|gmail|drive|sharepoint|onenote"
)

_KEPT_KO = r"(?:있|없|저장|보관|들어|적어|적혀|올려|올라|등록|남겨|넣어|두었|뒀|공유|기록|정리)"
_KEPT_JA = (
    r"(?:あり|ある|あっ|ござ|入[っれ]|保存|保管|登録(?:し?て|済|され)|記載|格納|置[いき]|書[いき]"
    r"|まとめ|載[っせ]|残[しっ]|共有|控え|メモ)"
)
_LOOKED_UP_JA = r"(?:ご)?(?:参照|確認|覧|見[てるら]|チェック|開[いき])"
_PARTICLE = ValuePattern(
    # `Vault에서` is also `from Vault`, as in `hunter22에서 zebra33으로 변경`.
    r"에서(?![^\n]{0,40}로[ \t]*(?:변경|바[꾸꿨뀌뀐]|수정|교체))"
    rf"|에(?:만|는|도)?[ \t][^\n]{{0,20}}?{_KEPT_KO}"
    r"|으?로[ \t](?:따로[ \t]|직접[ \t])?(?:보내|보냈|전달|공유|전송|드[리렸])"
    r"|[을를]?[ \t](?:참고|참조)|[을를][ \t](?:확인|보세요|보시|열)"
    rf"|[ \t]?に(?:て|は|も|のみ|だけ)?[^\n。]{{0,12}}?{_KEPT_JA}"
    r"|[ \t]?で[^\n。]{0,12}?"
    r"(?:管理|確認|共有|保管|見[らてる]|探[しす]|取得|送[らりるっ]|配布|検索)"
    rf"|[ \t]?を{_LOOKED_UP_JA}|[ \t]?から(?:取得|コピー|取[っり]|探[しす]|{_LOOKED_UP_JA})"
    r"|[ \t]?の(?:中|ページ|メモ|金庫|項目|チャンネル|共有)"
    r"|[ \t]?[里裡中内](?:的|面|有|查|找|取|看|[，。,.;；！]|\s|$)"
    r"|[ \t]?(?:页面|頁面|文档|文檔|群里|频道|獲取|获取|查看|查询|里查)"
)
_ANY_PARTICLE = ValuePattern(r"에|로|[을를]|[ \t]?(?:に|で|から|を|の(?!パス)|[里裡中内上])")
_BEFORE = ValuePattern(r"(?:[在见見去]|查看|参考|參考|参见|参照)[ \t]?\Z")


def names_a_place(text: str, start: int) -> bool:
    """Return True if the word that begins at `start` says where a secret is kept."""
    if text.isascii() or (name := _NAME.match(text[start : start + LONGEST_SENTENCE])) is None:
        return False
    if not all(map(_PART.fullmatch, _PARTS.split(name[1]))):
        return False
    after = text[start + name.end() : start + name.end() + LONGEST_SENTENCE]
    if _BEFORE.search(text[max(start - 3, 0) : start]) or _PARTICLE.match(after):
        return True
    return _STORE.fullmatch(name[1]) is not None and _ANY_PARTICLE.match(after) is not None
