"""What the cache would have answered to each read of a trace: one look-up a load, for all keys at once. Pure.

Between two loads of a key nothing is decided, so it jumps from load to load. A read that comes so late that
nothing can be left in the cache begins a chain of loads of its own; all chains take their steps together.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .chains import Chains, Old, together
from .rules import Rules
from .streams import Integers, Stream
from .tallies import Tallies
from .tangles import Calm, untangle

_FEW = 1024  # chains that are left of one TTL wait for those of the others: a step costs the same for few
_ROWS = 2**16  # of a part: its columns fit a processor's cache
_LONG = 500  # steps after which the few chains that are still there are followed one by one


def play(stream: Stream, rules: Rules) -> Tallies:
    """Play every TTL on a trace.

    Args:
        stream: the trace, put in order.
        rules: how entries live.
    """
    tallies = Tallies(len(rules.ttls), int(stream.blocks.max()) + 1)
    for part in stream.parts(_ROWS):
        _play(part, rules, tallies)
    return tallies


def _play(stream: Stream, rules: Rules, tallies: Tallies) -> None:
    waiting = []
    for which in range(len(rules.ttls)):
        chains = _beginnings(stream, rules, which, tallies)
        while len(chains.loads) > _FEW:
            chains = _step(stream, rules, chains, tallies)
        waiting.append(chains)
    chains, steps = together(waiting), 0
    while len(chains.loads) and steps < _LONG:
        chains, steps = _step(stream, rules, chains, tallies), steps + 1
    for place, which in enumerate(chains.each().tolist()):
        _follow(stream, rules, replace(chains.of(np.array([place])), which=which), tallies)


def _beginnings(stream: Stream, rules: Rules, which: int, tallies: Tallies) -> Chains:
    """Return the loads that find nothing for certain; those that nobody profits from are tallied at once."""
    longest = (int(rules.ttls[which]) + rules.grace + 2) * 1000
    loads = np.flatnonzero(stream.gaps > longest)
    ends = np.append(loads[1:], len(stream))
    alone = loads[ends - loads == 1]
    withdrawn = (stream.next_change[alone] < stream.times[alone] + stream.fills[alone]) & rules.resets
    for name, rows in (("loads", alone), ("misses", alone[~withdrawn]), ("refused", alone[withdrawn])):
        tallies.add(name, which, stream.blocks[rows], 1)
    shared = ends - loads > 1
    loads, ends = loads[shared], ends[shared]
    return Chains(which, loads, ends, Old.none(len(loads)) if rules.grace else None)


@dataclass(frozen=True)
class _Flight:
    """Loads under way: begun, over, and the rows of the reads that came after them and after the old entry's end."""

    begun: Integers
    done: Integers
    landed: Integers
    waited: Integers


def _step(stream: Stream, rules: Rules, chains: Chains, tallies: Tallies) -> Chains:
    """Make each chain's load, tally what it answers, and return the loads that come next."""
    flight = _fly(stream, chains)
    if not rules.resets:
        return _land(stream, rules, chains, flight, tallies)
    changed = np.minimum(stream.changed[chains.loads], chains.ends)
    refused = stream.next_change[chains.loads] < flight.done
    if not refused.any():
        return _land(stream, rules, chains, flight, tallies)
    waited = np.minimum(flight.waited, changed)
    tangled = refused & (changed > waited)
    withdrawn = replace(flight, landed=changed, waited=waited)
    stored, alone = np.flatnonzero(~refused), np.flatnonzero(refused & ~tangled)
    following = [_land(stream, rules, chains.of(stored), _some(flight, stored), tallies)]
    following.append(_refuse(stream, rules, chains.of(alone), _some(withdrawn, alone), tallies))
    for one in np.flatnonzero(tangled):
        here = np.array([one])
        following.append(_untangle(stream, rules, chains.of(here), _some(withdrawn, here), tallies))
    return (
        together(following)
        if isinstance(chains.which, np.ndarray)
        else replace(together(following), which=chains.which)
    )


def _follow(stream: Stream, rules: Rules, chain: Chains, tallies: Tallies) -> None:
    """Make all loads of one long chain: look up where each row's would lead, go from one to the next, tally at once.

    A load's successor depends on its row alone, unless it is tangled; what there is of old, on the load before.
    """
    first, end = int(chain.loads[0]), int(chain.ends[0])
    rows = np.arange(first, end)
    every = Chains(chain.which, rows, np.full(len(rows), end), Old.none(len(rows)) if rules.grace else None)
    following, tangled, left = _successors(stream, rules, every)
    leads_to, is_tangled = following.tolist(), set((rows[tangled] - first).tolist())
    path: list[int] = []
    row, given = 0, {0: chain.old}  # what there is of old where no load of the path comes just before
    while row < len(rows):
        if row in is_tangled:
            old = given.get(len(path)) or (left and left.of(np.array(path[-1:])))
            after = _step(stream, rules, replace(every.of(np.array([row])), old=old), tallies)
            given[len(path)] = after.old
            row = int(after.loads[0]) - first if len(after.loads) else len(rows)
        else:
            path.append(row)
            row = leads_to[row] - first
    old = left and left.of(np.array([0, *path[:-1]])[: len(path)]).but(given)
    _step(stream, rules, replace(every.of(np.array(path, np.int64)), old=old), tallies)


def _successors(stream: Stream, rules: Rules, chains: Chains) -> tuple[Integers, NDArray[np.bool_], Old | None]:
    """Return which load follows each, of which that cannot be told so simply (see :mod:`.tangles`), and what it leaves.

    As if there were nothing of old: where there is, fewer wait for a load, and fewer are tangled.
    """
    flight = _fly(stream, chains)
    fresh, gone = rules.ends(flight.done, rules.fresh_ms(chains.which, stream.chances[chains.loads]))
    expired = _first_at(stream, chains, fresh)
    changed = np.minimum(stream.changed[chains.loads], chains.ends)
    change = stream.next_change[chains.loads]
    refused = (change < flight.done) & rules.resets
    stop = np.where(refused, changed, np.minimum(expired, changed)) if rules.resets else expired
    withdrawn = refused | ((changed <= expired) & rules.resets)
    left = Old(flight.begun, np.where(withdrawn, -1, gone), changed, change) if chains.old else None
    return stop, refused & (changed > flight.waited), left


def _some(flight: _Flight, wanted: Integers) -> _Flight:
    return _Flight(flight.begun[wanted], flight.done[wanted], flight.landed[wanted], flight.waited[wanted])


def _fly(stream: Stream, chains: Chains) -> _Flight:
    begun = stream.times[chains.loads]
    done = begun + stream.fills[chains.loads]
    after = chains.loads + 1
    landed = after if stream.instant else np.minimum(stream.landed[chains.loads], chains.ends)
    if chains.old is None:
        return _Flight(begun, done, landed, after)
    joined, waited = np.flatnonzero(landed > after), after.copy()
    some = replace(chains, old=None).of(joined)
    waited[joined] = np.clip(_first_at(stream, some, chains.old.gone[joined]), after[joined], landed[joined])
    return _Flight(begun, done, landed, waited)


def _first_at(stream: Stream, chains: Chains, when: Integers) -> Integers:
    """Return the first row of each chain at a time or later."""
    sought = stream.at[chains.loads] + (when - stream.times[chains.loads])
    found = chains.ends.copy()
    within = np.flatnonzero(stream.at[found - 1] >= sought)
    found[within] = np.searchsorted(stream.at, sought[within])
    return found


def _land(stream: Stream, rules: Rules, chains: Chains, flight: _Flight, tallies: Tallies) -> Chains:
    """Store what was loaded, serve it until it expires or changes, and return the loads after that."""
    loads, which = chains.loads, chains.which
    fresh_ms = rules.fresh_ms(which, stream.chances[loads])
    fresh, gone = rules.ends(flight.done, fresh_ms)
    expired = _first_at(stream, chains, fresh)
    changed = np.minimum(stream.changed[loads], chains.ends)
    stop = np.minimum(expired, changed) if rules.resets else expired
    _lead(stream, rules, chains, flight, tallies, "misses")
    blocks = stream.blocks[loads]
    tallies.add("coalesced", which, blocks, flight.landed - flight.waited)
    tallies.add("hits", which, blocks, stop - flight.landed)
    _age(stream, tallies, chains, flight.landed, stop, flight.begun)
    change = stream.next_change[loads]
    if not rules.resets:
        _outdate(stream, tallies, chains, flight.waited, stop, changed, change)
    old = None
    if chains.old is not None:
        withdrawn = (changed <= expired) & rules.resets
        old = Old(flight.begun, np.where(withdrawn, -1, gone), changed, change)
    going = stop < chains.ends
    return Chains(which, stop, chains.ends, old).of(going)


def _refuse(stream: Stream, rules: Rules, chains: Chains, flight: _Flight, tallies: Tallies) -> Chains:
    """Let loads that were withdrawn answer those that led them, and return the loads after the changes."""
    _lead(stream, rules, chains, flight, tallies, "refused")
    old = Old.none(len(chains.loads)) if chains.old else None
    return Chains(chains.which, flight.landed, chains.ends, old).of(flight.landed < chains.ends)


def _lead(stream: Stream, rules: Rules, chains: Chains, flight: _Flight, tallies: Tallies, outcome: str) -> None:
    """Tally a load, the read that led it, and those that were served the old entry meanwhile."""
    which, blocks = chains.which, stream.blocks[chains.loads]
    tallies.add("loads", which, blocks, 1)
    if chains.old is None:
        tallies.add(outcome, which, blocks, 1)
        return
    behind = (flight.begun < chains.old.gone) & rules.background
    first = chains.loads + ~behind
    tallies.add(outcome, which, blocks, (~behind).astype(np.int64))
    served = np.flatnonzero(first < flight.waited)
    if not len(served):
        return
    some, old = replace(chains, old=None).of(served), chains.old.of(served)
    first, waited = first[served], flight.waited[served]
    tallies.add("stale", some.which, blocks[served], waited - first)
    _age(stream, tallies, some, first, waited, old.begun)
    if not rules.resets:
        _outdate(stream, tallies, some, first, waited, old.changed, old.change)


def _age(stream: Stream, tallies: Tallies, chains: Chains, first: Integers, stop: Integers, begun: Integers) -> None:
    count = stop - first
    tallies.add(
        "age", chains.which, stream.blocks[chains.loads], stream.sums[stop] - stream.sums[first] - count * begun
    )
    tallies.age_at_most(chains.which, np.where(count > 0, stream.times[stop - 1] - begun, 0))


def _outdate(
    stream: Stream,
    tallies: Tallies,
    chains: Chains,
    first: Integers,
    stop: Integers,
    changed: Integers,
    change: Integers,
) -> None:
    """Tally what was served after its key had changed, and for how long it had by then."""
    since = np.maximum(first, changed)
    some = np.flatnonzero(since < stop)
    if not len(some):
        return
    which = chains.which if isinstance(chains.which, int) else chains.which[some]
    blocks, since, stop = stream.blocks[chains.loads[some]], since[some], stop[some]
    tallies.add("outdated", which, blocks, stop - since)
    tallies.add("lag", which, blocks, stream.sums[stop] - stream.sums[since] - (stop - since) * change[some])


def _untangle(stream: Stream, rules: Rules, chain: Chains, flight: _Flight, tallies: Tallies) -> Chains:
    """Tell what becomes of one load that was withdrawn while others waited for it."""
    _lead(stream, rules, chain, flight, tallies, "refused")
    which, load, end = int(chain.each()[0]), int(chain.loads[0]), int(chain.ends[0])
    calm = untangle(stream, load, end, int(flight.waited[0]), int(flight.landed[0]))
    block = stream.blocks[load : load + 1]
    for name in ("misses", "coalesced", "refused", "loads", "asked_again", "asked_together", "led_again"):
        tallies.add(name, which, block, getattr(calm, name))
    return _serve(stream, rules, chain, calm, tallies)


def _serve(stream: Stream, rules: Rules, chain: Chains, calm: Calm, tallies: Tallies) -> Chains:
    """Serve what a tangle left in the cache, if anything, and return the load after that."""
    end, first = int(chain.ends[0]), calm.next
    stop, old = first, Old.none(1)
    if calm.leader is not None:
        fresh_ms = rules.fresh_ms(chain.each(), stream.chances[[calm.leader]])
        fresh, gone = rules.ends(np.array([calm.done]), fresh_ms)
        expired = first + int(np.searchsorted(stream.times[first:end], fresh[0]))
        changed = first + int(np.searchsorted(stream.before[first:end], calm.next_change, side="right"))
        stop = min(expired, changed)
        begun = np.array([calm.begun])
        tallies.add("hits", int(chain.each()[0]), stream.blocks[chain.loads], stop - first)
        _age(stream, tallies, chain, np.array([first]), np.array([stop]), begun)
        if changed > expired:
            old = replace(old, begun=begun, gone=gone)
    going = np.array([stop < end])
    return Chains(chain.which, np.array([stop]), chain.ends, old if chain.old else None).of(going)
