"""What speaks against comparing two results: other machines, other questions, other code. Pure."""

from .place import Place
from .result import Host, Result

_MOST_STOLEN = 0.02  # of processor time: enough to move a figure
_FARTHER = 2.0  # times the shortest round trip: another way to the cache, and no mood of the same one
_SHOWN_COMMIT = 10  # characters
_OF_PLACES = {
    "tls": "TLS",
    "region": "the region of the code",
    "cache_region": "the region of the cache",
    "server": "the server",
}


def unlike(a: Host | None, b: Host | None) -> str:
    """Say how the machines of two results differ; empty when they do not.

    A machine that nobody noted is none that is known; where neither was, there is nothing to tell apart.
    """
    if a is None or b is None:
        return "" if a is b else f"{_machine(a)} and {_machine(b)}"
    if a.id and b.id:
        return f"{_machine(a)} and {_machine(b)}" if a.id != b.id else ""
    alike = (a.system, a.machine, a.cpus) == (b.system, b.machine, b.cpus)
    return "" if alike else f"{_machine(a)} and {_machine(b)}"


def _machine(host: Host | None) -> str:
    if host is None:
        return "[one that nobody noted]"
    told = (host.id, host.processor, f"{host.cpus} CPUs", host.system)
    return f"[{', '.join(filter(None, told))}]"


def caveats(a: Result, b: Result) -> list[str]:
    """Return what differs besides what is compared, a sentence each."""
    differing = sorted(name for name in a.parameters.keys() | b.parameters.keys() if _differs(name, a, b))
    found = [f"{name} is {_shown(a, name)} in A and {_shown(b, name)} in B" for name in differing]
    if a.parameters.get("schedule") != b.parameters.get("schedule"):
        found.append("the two were asked different requests at different times: their schedules differ")
    if a.origin != b.origin:
        found.append(f"the origins differ: {a.origin or 'none'} and {b.origin or 'none'}")
    if a.notebook != b.notebook:
        found.append(f"different notebooks measured: {a.notebook} and {b.notebook}")
    found += [*_of_code(a, b), *_of_emulation(a.emulated, b.emulated)]
    return [*found, *_of_hosts(a.host, b.host), *_of_way(a.place, b.place), *_of_neighbours(a, b)]


def _differs(name: str, a: Result, b: Result) -> bool:
    return name not in {"environment", "schedule"} and a.parameters.get(name) != b.parameters.get(name)


def _shown(result: Result, name: str) -> str:
    value = result.parameters.get(name)
    return "unset" if value is None else str(value)


def _of_code(a: Result, b: Result) -> list[str]:
    """Say that the code differs, or may: of changes that were not committed nobody knows what they were."""
    if a.commit != b.commit:
        return [f"the code differs: commit {_commit(a)} in A and {_commit(b)} in B"]
    if a.commit and a.commit.endswith("-dirty") and a.started != b.started:
        return [f"the code may differ: both had changes over commit {_commit(a).partition(',')[0]}"]
    return []


def _commit(result: Result) -> str:
    if not result.commit:
        return "unknown"
    commit, dash, _ = result.commit.partition("-")
    return f"{commit[:_SHOWN_COMMIT]}{', with changes,' if dash else ''}"


def _of_way(a: Place | None, b: Place | None) -> list[str]:
    """Say how the ways to the two caches differ; of results that do not know theirs, nothing."""
    if a is None or b is None:
        return []
    pairs = [(label, getattr(a, name), getattr(b, name)) for name, label in _OF_PLACES.items()]
    found = [f"{label} is {_word(one)} in A and {_word(other)} in B" for label, one, other in pairs if one != other]
    if a.rtt_floor_ms and b.rtt_floor_ms and not 1 / _FARTHER <= b.rtt_floor_ms / a.rtt_floor_ms <= _FARTHER:
        floors = f"{a.rtt_floor_ms:.2f} ms in A and {b.rtt_floor_ms:.2f} ms in B"
        found.append(f"the cache is not equally far: a round trip takes at least {floors}")
    return found


def _word(value: bool | str | None) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value or "unknown"


def _of_emulation(a: list[str], b: list[str]) -> list[str]:
    """Say that one side is imitated and the other is not, or that the two imitate differently."""
    if set(a) == set(b):
        return []
    if not (a and b):
        return [f"{'A' if a else 'B'} is emulated in part, {'B' if a else 'A'} is real: {'; '.join(a or b)}"]
    return [f"other parts are emulated in A than in B, or otherwise: {'; '.join(a)} against {'; '.join(b)}"]


def _of_hosts(a: Host | None, b: Host | None) -> list[str]:
    if a is None or b is None:
        return ["nobody noted on which machines they were measured"]
    found = [] if a.id and b.id else ["older results do not say which machine measured: it may be another one"]
    if a.python != b.python:
        found.append(f"Python is {a.python} in A and {b.python} in B")
    found += [f"{name} is {a.versions.get(name)} in A and {b.versions.get(name)} in B" for name in _changed(a, b)]
    return found


def _of_neighbours(a: Result, b: Result) -> list[str]:
    stolen = [(name, one.place.stolen or 0.0) for name, one in (("A", a), ("B", b)) if one.place]
    told = "of the processor time went to other virtual machines during"
    return [f"{share:.1%} {told} {name}" for name, share in stolen if share > _MOST_STOLEN]


def _changed(a: Host, b: Host) -> list[str]:
    return sorted(
        name for name in a.versions.keys() | b.versions.keys() if a.versions.get(name) != b.versions.get(name)
    )
