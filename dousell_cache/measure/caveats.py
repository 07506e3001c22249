"""What speaks against comparing two results: other machines, other questions, other code. Pure."""

from .result import Host, Result

_MOST_STOLEN = 0.02  # of processor time: enough to move a figure


def unlike(a: Host | None, b: Host | None) -> str:
    """Say how the machines of two results differ; empty when they do not."""
    if a is None or b is None:
        return ""
    if a.id and b.id:
        return f"{_machine(a)} and {_machine(b)}" if a.id != b.id else ""
    alike = (a.system, a.machine, a.cpus) == (b.system, b.machine, b.cpus)
    return "" if alike else f"{_machine(a)} and {_machine(b)}"


def _machine(host: Host) -> str:
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
    return [*found, *_of_hosts(a.host, b.host), *_of_neighbours(a, b)]


def _differs(name: str, a: Result, b: Result) -> bool:
    return name not in {"environment", "schedule"} and a.parameters.get(name) != b.parameters.get(name)


def _shown(result: Result, name: str) -> str:
    value = result.parameters.get(name)
    return "unset" if value is None else str(value)


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
