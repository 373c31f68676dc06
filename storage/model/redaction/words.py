"""Words that stand where a secret might: none, placeholders, and how a sentence goes on."""

_EMPTY = (
    # Nothing, and switches.
    "null none nil nilclass true false undefined yes no on off n/a na unset empty enabled disabled"
    # What is said of a value instead of it.
    " optional required redacted hidden masked omitted removed default encrypted sealed opaque"
    " unknown void public private static const final inherit include omit same-origin"
    # The name of a secret, and of a way to log in.
    " value password passwd pass secret token key pwd credentials apikey api_key api-key"
    " basic bearer oauth oauth2 digest"
    # Placeholders.
    " changeme change_me change-me placeholder example todo tbd"
    # Types.
    " string str bytes int integer number bool boolean float text varchar object array any char"
    " byte date uuid secretstr list dict"
)
EMPTY = frozenset(_EMPTY.split())
"""Values that say something about a secret, or stand in its place."""

_PROSE = (
    # Articles, pronouns, conjunctions and prepositions.
    "a an the this that these those it its it's we you he she they i me my your our his her their"
    " and or but if when while where which who whose what why how because since so then"
    " for of to in on at by as from with without via per about after before until up out over"
    " under between"
    # Auxiliary verbs and adverbs.
    " is isn't are was were be been being has have had do does did will would can cannot can't"
    " could should shall may might must mustn't there's that's you'll we'll don't let's"
    " not never always already also only just still now here there too very more less most least"
    " again at-least nowhere somewhere"
    # Quantities.
    " one two three all each every some any both either neither another nothing something anything"
    " everything min max minimum maximum"
    " mindestens maximal höchstens mínimo máximo menos moins minstens almeno minst vähintään"
    # What one does with a secret.
    " please see use uses using used set get ask read create generate generated rotate rotated"
    " reset change changed check enter type provide provided pick choose keep kept store stored"
    " saved sent shared let make takes contains comes belongs refers means copy copied paste pasted"
    " requires given passed taken shown click go follow contact look write ping dm call"
    # How a secret is.
    " expired expires expire invalid valid wrong incorrect correct missing needed mandatory absent"
    " present ok okay fine good bad weak strong safe unsafe same new old different ready done"
    " pending active inactive revoked stale refused rejected accepted granted denied found lost"
    " leaked compromised hashed salted long short longer shorter failed fails works success"
    " successful error fail managed unchanged updated visible case-sensitive case sensitive secure"
    " insecure temporary permanent blank open closed supported unsupported available unavailable"
    " limited unlimited protected based in-memory expected"
    # What belongs to it: the password manager, the token field.
    " flags options arguments fields flag option argument parameter field variable header manager"
    " management policy rotation authentication login patience"
    # Statements of programs.
    " raise return print shift throw break continue assert def else"
    # Wrong, required, forgotten, expired and please, as they follow the word for password.
    " abgelaufen falsch ungültig vergessen bitte obligatorisch erforderlich notwendig korrekt"
    " geändert siehe"
    " caducado incorrecta incorrecto obligatoria obligatorio olvidada requerida caducada vencida"
    " expiré obligatoire requis oublié incorrect invalide erroné demandez voir"
    " incorreta inválida obrigatória expirada esquecida scaduta errata obbligatoria sbagliata"
    " onjuist verplicht verlopen vergeten fout fel feil forkert glömt glemt väärin väärä"
    " nieprawidłowe wymagane nesprávné povinné kötelező hibás yanlış zorunlu gerekli hatalı"
    " неверный неправильный обязателен забыт истёк обязательно wajib salah"
)
PROSE = frozenset(_PROSE.split())
"""Words with which a sentence about a secret goes on."""
