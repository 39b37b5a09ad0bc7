"""Things that must not be said, and things that look a little like them. None of these was ever anybody's.

Scanners of repositories look for the same: a broken bar stands in what they would find, and is taken out below.
"""

_BODY = (
    "MIIEpAIBAAKCAQEA1c7+9z5Pad7OejecsQ0buOMaRC+Fj3v9xkZvM0yxV2hFpUz7",
    "q1A5Zt0F6m2Yk8hQ0bXl9m3w5Jr7Xo2TtGk4Nq8eVh1uYc6Rz0LdPaWfSiBgMnJx",
    "Ab12==",
)


def _key(name: str, *headers: str, end: str = "\n") -> str:
    return end.join((f"-----BEGIN¦ {name}-----", *headers, *_BODY, f"-----END {name}-----"))


WHOLE = [
    ("private_key", _key("RSA PRIVATE KEY")),
    ("private_key", _key("PRIVATE KEY", end=r"\n")),
    ("private_key", _key("OPENSSH PRIVATE KEY", end="\n    ")),
    ("private_key", _key("EC PRIVATE KEY", end='\\n" +\n  "')),
    ("private_key", _key("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0123ABCD", "")),
    ("private_key", _key("PGP PRIVATE KEY BLOCK", "Version: GnuPG v2", "").replace("==\n", "==\n=aB3d\n")),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
    ("jwt", f"eyJhbGciOiJSUzI1NiJ9.{'eyJpc3MiOiJr' * 90}.{'c2lnbmF0dXJl' * 30}"),
    ("aws_key", "AKI¦AIOSFODNN7EXAMPLE"),
    ("aws_key", "ASI¦AY34FZKBOKMUTVV7A"),
    ("github_token", "ghp¦_16C7e42F292c6912E7710c838347Ae178B4a"),
    ("github_token", "git¦hub_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXY"),
    ("gitlab_token", "glp¦at-xyZ4Ab7_dK9sQ2pLm0Rt"),
    ("gitlab_token", "glp¦at-xyZ4Ab7_dK9sQ2pLm0RtxyZ4Ab7.01.1a0b2c3d"),
    ("slack_token", "xox¦b-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"),
    ("llm_key", "sk-¦proj-9aB3xY7kL2mN8pQ4rT6vW1zC5dF0gHjK"),
    ("llm_key", "sk-¦ant-api03-9aB3xY7kL2mN8pQ4rT6vW1zC5dF0gHjK-AA"),
    ("google_key", "AIz¦aSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
    ("stripe_key", "sk_¦live_4eC39HqLyjWDarjtT1zdp7dc"),
    ("npm_token", "npm¦_1a2B3c4D5e6F7g8H9i0JkLmNoPqRsTuVwXyZ"),
    ("pypi_token", "pyp¦i-AgEIcHlwaS5vcmcCJGY5ZjQ4N2QxLTg1NzAtNDkxZi1hODA5LTY3ZTQ0ZmM5YjQ3"),
    ("huggingface_token", "hf_¦AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh"),
    ("openshift_token", "sha¦256~kV46hPnEYhCWFnB85r5NrprAxggzgb6GOeLbgcKNsH0"),
    ("email", "jane.doe+cal@mail.example.co.uk"),
    ("email", "o'neil_1@example.com"),
    ("email", "jörg@bücher.example"),
    ("iban", "DE89370400440532013000"),
    ("iban", "GB82 WEST 1234 5698 7654 32"),
    ("iban", "NO93-8601-1117-947"),
    ("iban", "fr1420041010050500013m02606"),
    ("card", "4111111111111111"),
    ("card", "5500-0000-0000-0004"),
    ("card", "3782 822463 10005"),
    ("card", "6011 1111 1111 1117"),
    ("card", "4222222222222"),
    ("card", "4111\u00a01111\u00a01111\u00a01111"),
]
"""Kinds, and what is taken out as a whole wherever it stands."""

PARTS = [
    ("aws_key", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = {}"),
    ("aws_key", '"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"', '"SecretAccessKey": "{}"'),
    (
        "azure_key",
        f"AccountName=a;AccountKey={'Eby8vdM02x' * 8}NOcqFl==;Suffix=b",
        "AccountName=a;AccountKey={};Suffix=b",
    ),
    (
        "azure_key",
        "https://a.example/c?sv=2024-11-04&sig=Jz8kS3p0a1B2c3D4e5F6g7H8i9J0kLmNoPqRsTuVwX4%3D&se=2",
        "https://a.example/c?sv=2024-11-04&sig={}&se=2",
    ),
    (
        "slack_token",
        "https://hooks.slack¦.com/services/T00000000/B00000000/aBcDeFgHiJkLmNoPqRsTuVwX",
        "https://hooks.slack¦.com/services/{}",
    ),
    ("authorization", "Authorization: Bearer 3f9aK2-x_7.Q", "Authorization: Bearer {}"),
    ("authorization", "-H 'authorization: Basic dXNlcjpwYXNz'", "-H 'authorization: Basic {}'"),
    ("authorization", '"Authorization": "Bearer mF_9.B5f-4.1JqM"', '"Authorization": "Bearer {}"'),
    ("password", "password: hunter2", "password: {}"),
    ("password", "password: swordfish", "password: {}"),
    ("password", "DB_PASSWORD=swordfish ./run", "DB_PASSWORD={} ./run"),
    ("password", '{"user": "a", "password": "swordfish"}', '{"user": "a", "password": "{}"}'),
    ("password", "adminPassword: Tr0ub4dor&3 # of the admin", "adminPassword: {} # of the admin"),
    ("password", "passwd = 'correct horse battery'\n", "passwd = '{}'\n"),
    ("password", "The **Password:** `hunter2`, and so on", "The **Password:** `{}`, and so on"),
    ("password", r"{\"password\": \"hunter2\"}", r"{\"password\": \"{}\"}"),
    ("password", f"PGPASSWORD={'x9!kk' * 200} psql", "PGPASSWORD={} psql"),
    ("credential", "api_key = 9f8e7d6c5b4a3f2e", "api_key = {}"),
    ("credential", '"client_secret": "aZ09-bY18-cX27"', '"client_secret": "{}"'),
    ("credential", "export TOKEN=1f2e3d4c5b6a7988", "export TOKEN={}"),
    ("credential", "X-API-Key: 7c4a8d09ca3762af61e5", "X-API-Key: {}"),
    ("url_password", "postgres://app:s3cr3tpw@db.example.com:5432/x", "postgres://app:{}@db.example.com:5432/x"),
    ("url_password", "redis://:p4ssw0rd@cache:6379", "redis://:{}@cache:6379"),
    ("card", "4111 1111 1111 1111 123", "{} 123"),
    ("card", "4111111111111111 12/27", "{} 12/27"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF", "IBAN {} BIC COBADEFF"),
    ("email", "mailto:bob@example.org.", "mailto:{}."),
    ("email", "Ask <bob@example.org> now", "Ask <{}> now"),
]
"""Kinds, texts, and what is left of them."""

HARMLESS = [
    "550e8400-e29b-41d4-a716-446655440000",
    "3f786850e387550fdaab836ed7e6dc881de23001",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "v1.28.3+k3s1 and 2026.11.19",
    "2026-11-22T10:15:30.123456Z",
    "1700000000000 1763812345678901",
    "192.168.100.1 10.0.0.0/8 00:1A:2B:3C:4D:5E",
    "+49 30 901820 0, 978-3-16-148410-0",
    "0.4111111111111111",
    "order 4111111111111112",
    "order 1234567812345678",
    "4 12 33 4 5 6 77 8 9 10 11 12 13",
    "GB82 WEST 1234 5698 7654 33",
    "US24 HOURS SUPPORT",
    "token: <your token>",
    "token: the token to use",
    "token = tokens[0]",
    "max_tokens=512, token: 512",
    "tokens: 123456789012345678",
    "The token expires in 3600 s.",
    "api_key: $OPENAI_API_KEY",
    "secret: my-secret-name",
    "secret: true",
    "kind: Secret\nmetadata:\n  name: x",
    "secretKeyRef:\n  name: db\n  key: password",
    "The password is in the secret `db`, see spec.secret.",
    "Password: enter the password that you chose.",
    "Password: Must have 12 characters.",
    "password:\n  secretName: db-secret-12345",
    "password: required",
    '"password": "string"',
    "password: null",
    "password: your_password",
    "password: ********",
    "password: ${env.DB_PASSWORD}",
    "password: {{ vault.password }}",
    "password: settings.db_password",
    "password: /run/secrets/db",
    "password: [REDACTED:password]",
    "password = os.environ['PASSWORD']",
    "password=getpass.getpass()",
    "--set auth.password=$(pwgen 16)",
    "PASSWORD=%DB_PASSWORD%",
    "Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer <token>",
    "Authorization: Basic authentication is off.",
    "sk-...",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-your-api-key-goes-here-please",
    "task-management-system-for-teams-2027-q1",
    "risk-assessment-of-2027-plan-for-all",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "hf_...",
    "eyJhbGciOiJIUzI1NiJ9...",
    "git@github.com:org/repo.git",
    "systemctl status getty@tty1.service user@1000.service",
    "npm install left-pad@1.3.0",
    "actions/checkout@v4",
    "icon@2x.png",
    "ssh://git@host.example.com/x",
    "postgres://user:password@db.example.com/x",
    "https://user:[REDACTED:url_password]@host",
    "http://localhost:8080/a@b",
    "https://example.com:8443/path",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa\n-----END CERTIFICATE-----",
    "The file begins with -----BEGIN PRIVATE KEY----- and ends so.",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 user",
]
"""What stays as it is."""


def _joined(text: str) -> str:
    return text.replace("¦", "")


WHOLE = [(kind, _joined(text)) for kind, text in WHOLE]
PARTS = [(kind, _joined(text), _joined(left)) for kind, text, left in PARTS]
HARMLESS = [_joined(text) for text in HARMLESS]
