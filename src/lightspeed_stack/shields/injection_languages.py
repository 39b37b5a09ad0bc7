"""Signs in other languages than English. Pure."""

from lightspeed_stack.shields.injection_signs import sign

OTHERS = (
    sign(
        "override",
        1.5,
        r"""\b(?:ignoriere?|ignorieren sie|missachte|missachten sie|vergiss|vergessen|befolge nicht
        (?: mehr)?) (?:(?:sie|bitte|ab sofort|alle|alles|samtliche|die|deine|ihre|eure|den|dem|allen|jegliche|
        diese|was|dir|ihnen|bisherigen|vorherigen|vorangegangenen|vorigen|fruheren|obigen|ursprunglichen|
        anderen|oben|zuvor|vorher|bisher|davor|genannten|stehenden|gegebenen|gesagt|gesagten) ){1,8}
        (?:system )?(?:anweisung(?:en)?|instruktion(?:en)?|vorgaben|befehle?|regeln|anordnung(?:en)?|
        richtlinien|prompts?|wurde)\b(?! im | am )""",
        "anweisung instruktion vorgaben befehl regeln anordnung richtlinie prompt wurde",
    ),
    sign(
        "secrecy",
        0.6,
        r"""\b(?:sag|sage|sagen|verrat|verrate|verraten|erwahne|erwahnen|informiere|informieren|zeig|zeige|
        zeigen) (?:(?:sie|es|das|dies|davon|diesen|diese|hinweis|nachricht) ){0,3}(?:dem|den|der|
        gegenuber dem) (?:benutzer|nutzer|anwender|kunden)[a-z]{0,3} (?:\w{1,15} ){0,4}?(?:nicht|nichts)\b|
        \bohne (?:den|dem) (?:benutzer|nutzer|anwender)[a-z]{0,2} (?:daruber )?(?:zu )?(?:informieren|fragen|
        warnen)\b|\berwahne diesen? (?:hinweis|text|nachricht) nicht\b""",
        "benutzer nutzer anwender kunde hinweis",
    ),
    sign(
        "persona",
        0.5,
        r"""\b(?:du bist|sie sind) (?:jetzt|nun|ab jetzt|ab sofort|von nun an) (?:ein|eine|der|die|kein)\b|\b
        (?:ab jetzt|ab sofort|von nun an) (?:bist|antwortest|antworte|wirst|musst|sollst|sprichst)\b|
        \bantworte (?:nur|ausschliesslich|stattdessen|immer)\b""",
        "jetzt nun sofort antworte",
    ),
    sign(
        "to-model",
        0.7,
        r"""\b(?:nachricht|hinweis|anweisung|achtung|notiz) (?:an|fur) (?:die |den |alle )?(?:ki|llm|sprachmodelle?|
        assistenten?|chatbots?)\b""",
        "ki llm sprachmodell assistent chatbot",
    ),
    sign(
        "prompt-leak",
        0.8,
        r"\bdeinen? (?:system ?prompt|systemprompt|anweisungen) (?:aus|preis|wortlich|vollstandig)\b",
        "prompt anweisung",
    ),
    sign(
        "override",
        1.5,
        r"""\b(?:ignore[zr]?|oublie[zr]?|neglige[zr]?|ne (?:tiens|tenez|tenir) (?:pas|plus|aucun) compte|
        fais abstraction|faites abstraction) (?:de |des |du )?(?:(?:toutes?|tous|les|tes|vos|l|ces|la|
        des) ){1,4}(?:consignes?|instructions?|directives?|regles?|ordres?|prompts?)\b""",
        "consigne instruction directive regle ordre prompt",
    ),
    sign(
        "secrecy",
        0.6,
        r"""\bne (?:le |lui |l )?(?:dis|dites|revele[zr]?|mentionne[zr]?|informe[zr]?|
        montre[zr]?) (?:\w{1,15} ){0,6}?(?:l |au |aux )?utilisateurs?\b""",
        "utilisateur",
    ),
    sign(
        "persona",
        0.6,
        r"""\b(?:tu es|vous etes) (?:maintenant|desormais) (?:un|une)\b|\b(?:reponds|repondez) (?:uniquement|
        seulement|toujours)\b|\bsans (?:aucune )?(?:restrictions?|limites?|filtres?)\b""",
        "maintenant desormais reponds repondez sans",
    ),
    sign(
        "prompt-leak",
        0.8,
        r"""\b(?:revele[zr]?|affiche[zr]?|donne[zr]?|montre[zr]?) (?:moi )?(?:ton|votre|le) (?:prompt|
        invite) (?:systeme|initial)""",
        "systeme initial",
    ),
    sign(
        "override",
        1.5,
        r"""\b(?:ignor[ae]n?|olvid[ae]n?|descart[ae]n?|haz caso omiso|haga caso omiso|no sigas|no siga) (?:de )?
        (?:(?:todas?|todos|las|los|tus|sus|cualquier|estas|esas) ){1,4}(?:instruccion(?:es)?|indicacion(?:es)?|
        ordenes|reglas|directrices|directivas|prompts?)\b""",
        "instruccion indicacion ordenes reglas directri directiva prompt",
    ),
    sign(
        "secrecy",
        0.6,
        r"""\bno (?:le |se lo |lo )?(?:digas|diga|informes|informe|menciones|reveles|muestres|avises)
        (?: \w{1,15}){0,5}? (?:al|a la|el) (?:usuario|usuaria|cliente)\b""",
        "usuari cliente",
    ),
    sign(
        "persona",
        0.6,
        r"""\b(?:ahora eres|a partir de ahora eres|desde ahora eres) (?:un|una)\b|\b(?:a partir de ahora|
        de ahora en adelante) (?:debes|responde|responderas|solo)\b|\bresponde (?:solo|unicamente|siempre)\b|
        \bsin (?:ninguna )?(?:restricciones|filtros|limites)\b""",
        "ahora responde sin",
    ),
    sign(
        "override",
        1.5,
        r"""\b(?:ignora(?:re|te)?|dimentica(?:re|te)?) (?:(?:tutte|tutti|le|gli|tue|vostre|i) ){1,3}(?:istruzioni|
        indicazioni|regole|direttive|ordini) (?:precedenti|sopra|iniziali|di sistema|ricevute)""",
        "istruzioni indicazioni regole direttive ordini",
    ),
    sign(
        "override",
        1.5,
        r"""\b(?:ignore[m]?|esqueca[m]?|desconsidere[m]?) (?:(?:todas|todos|as|os|suas|quaisquer) ){1,3}
        (?:instrucoes|ordens|regras|diretrizes|orientacoes) (?:anteriores|previas|acima|iniciais|do sistema|
        recebidas)""",
        "instrucoes ordens regras diretrizes orientacoes",
    ),
    sign(
        "override",
        1.5,
        r"""(?:игнорируй(?:те)?|забудь(?:те)?|не следуй(?:те)?) (?:\w{1,15} ){0,4}(?:инструкци|указани|команд|
        правил|промпт)""",
        "игнорир забудь следуй",
    ),
    sign(
        "override",
        1.5,
        r"(?:忽略|无视|忘记|忽視)[^\n。，]{0,12}(?:指令|指示|提示词|提示|规则|命令)|(?:指示|命令|プロンプト|ルール)[^\n。]{0,6}(?:無視|忘れ)",
        "忽略 无视 忘记 忽視 無視 忘れ",
    ),
    sign(
        "exfiltration",
        0.7,
        r"""\b(?:sende|senden|schicke|schicken|ubermittle|envoie|envoyez|transmets|transmettez|envia|envie|manda|
        mande|reenvia) (?:\w{1,30} ){0,8}?(?:passwort[a-z]{0,4}|zugangsdaten|geheimnisse?|token[a-z]?|
        gesprach[a-z]{0,4}|unterhaltung|verlauf|mots? de passe|identifiants|conversation|jetons?|contrasenas?|
        credenciales|secretos?|conversacion|historial)(?: \w{1,30}){0,8}? (?:https?\W|[\w.+-]{1,40}\x40)""",
        "passwort zugangsdaten geheimnis token gesprach unterhaltung verlauf passe identifiants conversation jeton "
        "contrasena credencial secreto conversacion historial",
    ),
)
"""German, French, Spanish, Italian, Portuguese, Russian, Chinese and Japanese."""
