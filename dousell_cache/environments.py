"""What is around us: which cache the environment variables imply. Pure: nothing here reaches out.

Precedence: ``VERCEL=1`` means Upstash over REST; else ``REDIS_URL`` (or ``VALKEY_URL``) means TCP; else this is a
laptop, ``redis://localhost:6379``, for which :mod:`dousell_cache.transport.connect` has stand-ins when nothing listens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from .addresses import Several, several
from .errors import ConfigurationError

Name = Literal["vercel", "dedicated", "local"]
Kind = Literal["rest", "tcp", "embedded", "none"]

NAMES: tuple[Name, ...] = ("local", "vercel", "dedicated")
LOCAL_URL = "redis://localhost:6379"
_THIS_MACHINE = {None, "localhost", "127.0.0.1", "::1"}

# Upstash's own names first, then those that Vercel's integration sets.
_REST_PAIRS = (
    ("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"),
    ("KV_REST_API_URL", "KV_REST_API_TOKEN"),
)
_TCP_VARIABLES = ("REDIS_URL", "VALKEY_URL")
_TCP_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
_SEVERAL_SCHEMES = ("redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the code runs and which cache that implies.

    Args:
        name: ``vercel``, ``dedicated`` or ``local``.
        kind: how the cache is reached: ``rest``, ``tcp``, ``embedded`` (a Valkey of our own on this machine) or
            ``none`` (degraded mode: every read goes to the loader).
        url: where the cache is; may hold a password, which is why it is never shown.
        token: the REST bearer token.
        source: the variable that decided, for messages.
        emulated: what stands in for the real service, in words; empty when the service is real.
    """

    name: Name
    kind: Kind
    url: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    source: str = ""
    emulated: str = ""

    @property
    def address(self) -> str:
        """Return the URL without its credentials and options, fit to be shown."""
        return public_address(self.url)

    def __repr__(self) -> str:
        return f"Environment(name={self.name!r}, kind={self.kind!r}, address={self.address!r})"


def detect(environ: Mapping[str, str]) -> Environment:
    """Say which cache the environment variables imply.

    Args:
        environ: the variables, usually ``os.environ``; an empty one counts as unset.

    Returns:
        The environment. For a laptop it names ``localhost:6379``; whether anything listens there is for ``connect`` to
        find out.

    Raises:
        ConfigurationError: a variable is missing or malformed; the message names it.
    """
    settings = {name: value.strip() for name, value in environ.items() if value.strip()}
    if settings.get("VERCEL") == "1":
        return _vercel(settings)
    for variable in _TCP_VARIABLES:
        if variable in settings:
            return Environment("dedicated", "tcp", tcp_url(settings[variable], variable), source=variable)
    return Environment("local", "tcp", LOCAL_URL, source="default")


def from_url(url: str) -> Environment:
    """Say which environment a cache URL given by hand belongs to.

    Raises:
        ConfigurationError: the URL is malformed, or is a REST URL, which is nothing without its token.
    """
    servers = several(url)
    if not servers and urlsplit_safely(url, "the cache URL").scheme in {"http", "https"}:
        message = "a REST URL needs its token: set VERCEL=1, UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN"
        raise ConfigurationError(message)
    address = tcp_url(url, "the cache URL")
    host = urlsplit(servers.urls[0] if servers else address).hostname
    return Environment("local" if host in _THIS_MACHINE else "dedicated", "tcp", address, source="argument")


def rest(url: str, token: str, *, source: str = "argument", emulated: str = "") -> Environment:
    """Describe an Upstash REST endpoint.

    Args:
        url: ``https://…``; plain ``http://`` is for an emulator on this machine.
        token: its bearer token.
        source: where the two came from, for messages.
        emulated: what stands in for the service, in words; empty for the service itself.

    Raises:
        ConfigurationError: the URL is malformed or carries credentials, or the token cannot be one.
    """
    parts = urlsplit_safely(url, source)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"{source} must be an https:// address such as https://eu1-name-12345.upstash.io"
        raise ConfigurationError(message)
    if parts.scheme == "http" and parts.hostname not in _THIS_MACHINE:
        message = f"{source} must start with https://: over http:// anybody on the way reads the token"
        raise ConfigurationError(message)
    if "@" in parts.netloc or parts.query or parts.fragment:
        message = f"{source} must be the address alone, without user, password or options: the token goes separately"
        raise ConfigurationError(message)
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        name = source.replace("_URL", "_TOKEN") if source.isupper() else "the REST token"
        message = f"{name} must be one word of plain letters, digits and signs, as Upstash's console shows it"
        raise ConfigurationError(message)
    return Environment("vercel", "rest", url.rstrip("/"), token, source, emulated)


def _vercel(settings: Mapping[str, str]) -> Environment:
    for url_variable, token_variable in _REST_PAIRS:
        url, token = settings.get(url_variable), settings.get(token_variable)
        if url and token:
            return rest(url, token, source=url_variable)
        if url or token:
            present, absent = (url_variable, token_variable) if url else (token_variable, url_variable)
            message = f"{absent} is not set although {present} is; Upstash's console shows both"
            raise ConfigurationError(message)
    message = (
        "VERCEL=1 needs UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN "
        "(or KV_REST_API_URL and KV_REST_API_TOKEN); "
        "dousell-cache's --env vercel does without them, by an emulator on this machine"
    )
    raise ConfigurationError(message)


def tcp_url(url: str, source: str) -> str:
    """Check a cache URL and return it with the scheme redis-py knows.

    Raises:
        ConfigurationError: scheme, host, port, service or database number is wrong. The message names the source and
            never quotes the URL, which may hold a password.
    """
    servers = several(url)
    if servers:
        return _several_url(url, servers, source)
    parts = urlsplit_safely(url, source)
    if parts.scheme not in _TCP_SCHEMES:
        schemes = ", ".join(f"{scheme}://" for scheme in (*_TCP_SCHEMES, *_SEVERAL_SCHEMES))
        message = f"{source} must start with one of {schemes}"
        raise ConfigurationError(message)
    if parts.scheme == "unix":
        return _unix_url(url, parts.path, source)
    if not parts.hostname:
        message = f"{source} names no host; it should look like redis://host:6379/0"
        raise ConfigurationError(message)
    database = parts.path.strip("/")
    if database and not database.isdecimal():
        message = f"{source} ends in a database that is not a number; it should look like redis://host:6379/0"
        raise ConfigurationError(message)
    return parts._replace(scheme=_TCP_SCHEMES[parts.scheme]).geturl()


def _several_url(url: str, servers: Several, source: str) -> str:
    if servers.way == "cluster" and servers.database not in {"", "0"}:
        message = f"{source} names a database, but a Cluster has none; it should look like redis+cluster://host:6379"
        raise ConfigurationError(message)
    if servers.way == "sentinel" and not servers.service:
        message = f"{source} names no service; it should look like redis+sentinel://host:26379/service"
        raise ConfigurationError(message)
    for server in servers.urls:
        tcp_url(server, source)
    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}"


def _unix_url(url: str, path: str, source: str) -> str:
    if not path.startswith("/"):
        message = f"{source} must name a socket by its absolute path, such as unix:///run/valkey/valkey.sock"
        raise ConfigurationError(message)
    return "unix" + url[len("unix") :]  # urllib would drop the slashes that redis-py looks for


def urlsplit_safely(url: str, source: str) -> SplitResult:
    """Split a URL; complain by the name of its source, since the standard library's own messages quote its parts."""
    try:
        parts = urlsplit(url)
        _ = parts.port, (parts.hostname or "").encode("idna")  # what DNS cannot ask for is refused here
        # An @ after a ? or # means that what stands before it was meant as a password.
        well_formed = url.isprintable() and " " not in url and "@" not in parts.query + parts.fragment
    except ValueError:
        well_formed = False
    if not well_formed:
        message = (
            f"{source} is not a URL: check its host, port and brackets, "
            "and percent-encode special characters in the password"
        )
        raise ConfigurationError(message)
    return parts


def public_address(url: str) -> str:
    """Return scheme, host, port and path of a URL; user, password and options are left out."""
    parts = urlsplit(url)
    hidden = "***@" if "@" in parts.netloc else ""
    location = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{hidden}{location}{parts.path}" if url else ""
